//! Reading requests, in place and resumable at every byte.

use super::inline::split_args;
use std::fmt;

/// The longest inline request, and the longest header line, that is read before giving up.
const LINE_LEN_MAX: usize = 64 * 1024;

/// Where one argument lies, relative to the first byte of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// `len` bytes from `start` on. Both are below 4 GiB, as a request is ([`Limits`]).
    pub fn new(start: usize, len: usize) -> Self {
        Span { start: start as u32, len: len as u32 }
    }
}

/// The arguments of one request: the command's name first.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Pairs the bytes of a request with the spans that were found in it.
    pub fn new(buf: &'a [u8], spans: &'a [Span]) -> Self {
        Args { buf, spans }
    }

    /// The number of arguments, the command's name included.
    #[inline]
    #[allow(clippy::len_without_is_empty, reason = "a request always has at least its command's name")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Argument `i`; like a slice's index, `i` must be below [`len`](Self::len).
    #[inline]
    pub fn get(&self, i: usize) -> &'a [u8] {
        let span = self.spans[i];
        &self.buf[span.start as usize..][..span.len as usize]
    }

    /// All arguments from `first` on.
    pub fn from(&self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let args = *self;
        (first..args.len().max(first)).map(move |i| args.get(i))
    }

    /// Whether argument `i` is `word`, without regard to case. `word` must be upper case.
    pub fn is(&self, i: usize, word: &str) -> bool {
        self.get(i).eq_ignore_ascii_case(word.as_bytes())
    }

    /// The bytes that the spans point into, and the spans: for keeping a request beyond its buffer.
    pub fn parts(&self) -> (&'a [u8], &'a [Span]) {
        (self.buf, self.spans)
    }
}

impl std::ops::Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, i: usize) -> &[u8] {
        self.get(i)
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.from(0).map(|arg| String::from_utf8_lossy(arg))).finish()
    }
}

/// What a peer may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest argument, in bytes (`proto-max-bulk-len`).
    pub bulk_len_max: u64,
    /// The most arguments.
    pub args_max: u64,
    /// Whether the peer has yet to authenticate, which makes the two limits above [`Limits::UNAUTHENTICATED`]'s.
    pub unauthenticated: bool,
}

impl Limits {
    /// Limits of a peer that has not yet shown who it is: 10 arguments of 16 KiB.
    pub const UNAUTHENTICATED: Limits = Limits { bulk_len_max: 16_384, args_max: 10, unauthenticated: true };

    /// Limits of an authenticated peer.
    pub fn authenticated(bulk_len_max: u64) -> Self {
        Limits { bulk_len_max: bulk_len_max.min(u64::from(u32::MAX) / 2), args_max: i32::MAX as u64, unauthenticated: false }
    }
}

/// A request that cannot be read; the connection is closed after it is told so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError(pub String);

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Protocol error: {}", self.0)
    }
}

impl std::error::Error for ProtocolError {}

#[cold]
fn error<T>(text: impl Into<String>) -> Result<T, ProtocolError> {
    Err(ProtocolError(text.into()))
}

/// How far [`RequestParser::advance`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A request of this many bytes. [`RequestParser::args`] gives its arguments; there are none if it was empty.
    Complete(usize),
    /// At least this many more bytes are needed.
    Incomplete(usize),
}

/// A resumable parser for one request at a time.
///
/// `advance` is called with the bytes from the request's first one on, again with more of them as they arrive, wherever they
/// have been moved meanwhile: the parser keeps positions, never addresses, and never looks twice at an argument it has passed.
#[derive(Debug, Default)]
pub struct RequestParser {
    /// Bytes of the request that are behind us.
    pos: usize,
    /// Arguments still to come; 0 = the header is still to come.
    args_left: usize,
    /// The length of the argument that is being received.
    bulk_len: Option<usize>,
    spans: Vec<Span>,
    /// The unescaped bytes of an inline request, which the spans then point into.
    inline: Vec<u8>,
    is_inline: bool,
}

impl RequestParser {
    /// A parser at the start of a request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing of a request has been read yet.
    #[inline]
    pub fn is_fresh(&self) -> bool {
        self.args_left == 0
    }

    /// Forgets the current request.
    #[inline]
    pub fn reset(&mut self) {
        self.pos = 0;
        self.args_left = 0;
        self.bulk_len = None;
        self.spans.clear();
        self.is_inline = false;
    }

    /// Bytes that the parser holds beside its input.
    pub fn held(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.inline.capacity()
    }

    /// The arguments of the request that [`advance`](Self::advance) has just completed; `input` as given there.
    #[inline]
    pub fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        Args { buf: if self.is_inline { &self.inline } else { input }, spans: &self.spans }
    }

    /// Reads on. After `Step::Complete`, use [`args`](Self::args), then [`reset`](Self::reset).
    ///
    /// # Errors
    /// When no continuation could make a request of this; the texts are Redis's.
    #[inline]
    pub fn advance(&mut self, input: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        if self.args_left == 0 {
            if let Some(len) = whole_request(input, limits, &mut self.spans) {
                return Ok(Step::Complete(len));
            }
            match input.first() {
                None => return Ok(Step::Incomplete(1)),
                Some(b'*') => {
                    let Some((count, next)) = header(input, 1, "too big mbulk count string")? else {
                        return Ok(Step::Incomplete(1));
                    };
                    let count = count.filter(|&n| n <= limits.args_max.max(10) as i64 || limits.unauthenticated);
                    let Some(count) = count.filter(|&n| n <= i64::from(i32::MAX)) else {
                        return error("invalid multibulk length");
                    };
                    if count > limits.args_max as i64 {
                        return error("unauthenticated multibulk length");
                    }
                    if count <= 0 {
                        return Ok(Step::Complete(next));
                    }
                    self.args_left = count as usize;
                    self.pos = next;
                }
                Some(_) => return self.advance_inline(input),
            }
        }
        self.advance_bulks(input, limits)
    }

    #[inline]
    fn advance_bulks(&mut self, input: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        while self.args_left > 0 {
            let len = match self.bulk_len {
                Some(len) => len,
                None => {
                    match input.get(self.pos) {
                        None => return Ok(Step::Incomplete(1)),
                        Some(b'$') => {}
                        Some(&other) => return wrong_kind(input, self.pos, other),
                    }
                    let Some((len, next)) = header(input, self.pos + 1, "too big bulk count string")? else {
                        return Ok(Step::Incomplete(1));
                    };
                    let len = self.checked_bulk_len(len, limits)?;
                    self.pos = next;
                    self.bulk_len = Some(len);
                    len
                }
            };
            let end = self.pos + len;
            if input.len() < end + 2 {
                return Ok(Step::Incomplete(end + 2 - input.len()));
            }
            self.spans.push(Span { start: self.pos as u32, len: len as u32 });
            self.pos = end + 2;
            self.bulk_len = None;
            self.args_left -= 1;
        }
        Ok(Step::Complete(self.pos))
    }

    #[inline]
    fn checked_bulk_len(&self, len: Option<i64>, limits: &Limits) -> Result<usize, ProtocolError> {
        match len {
            Some(len) if len >= 0 && len as u64 <= limits.bulk_len_max => {
                // Spans are 32 bits wide; the query buffer's limit stops an honest peer long before.
                if self.pos as u64 + len as u64 + 64 > u64::from(u32::MAX) {
                    return error("too big request");
                }
                Ok(len as usize)
            }
            Some(len) if len >= 0 && limits.unauthenticated => error("unauthenticated bulk length"),
            _ => error("invalid bulk length"),
        }
    }

    #[cold]
    fn advance_inline(&mut self, input: &[u8]) -> Result<Step, ProtocolError> {
        // No further than the limit, so that what is refused does not depend on how the bytes arrive.
        let Some(end) = memchr::memchr(b'\n', &input[..input.len().min(LINE_LEN_MAX + 1)]) else {
            return if input.len() > LINE_LEN_MAX { error("too big inline request") } else { Ok(Step::Incomplete(1)) };
        };
        let line = &input[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut ends = Vec::new();
        self.inline.clear();
        if split_args(line, &mut self.inline, &mut ends).is_none() {
            return error("unbalanced quotes in request");
        }
        self.is_inline = true;
        self.spans.extend(ends.iter().map(|&(start, end)| Span { start: start as u32, len: (end - start) as u32 }));
        Ok(Step::Complete(end + 1))
    }
}

/// The shape that nearly every request has: it is all there, and its headers are short. Its length, with its spans pushed; `None`
/// otherwise, whatever the reason, and nothing has happened.
#[inline]
pub fn whole_request(input: &[u8], limits: &Limits, spans: &mut Vec<Span>) -> Option<usize> {
    let (count, at) = short_header(input, b'*')?;
    if count == 0 || count as u64 > limits.args_max {
        return None;
    }
    let first = spans.len();
    let end = whole_args(input, at, count, spans);
    if end.is_none() {
        spans.truncate(first);
    }
    end
}

/// Reads `count` arguments whose headers are short from `at` on, if they are all there: where they end, with their spans pushed.
/// Where it is `None`, some may have been pushed.
#[inline(always)]
fn whole_args(input: &[u8], mut at: usize, count: usize, spans: &mut Vec<Span>) -> Option<usize> {
    spans.reserve(count.min(16));
    for _ in 0..count {
        let (len, header_len) = short_header(input.get(at..)?, b'$')?;
        let start = at + header_len;
        let end = start + len;
        // Lengths here are below 1,000, which everybody may send.
        if input.len() < end + 2 {
            return None;
        }
        spans.push(Span { start: start as u32, len: len as u32 });
        at = end + 2;
    }
    Some(at)
}

/// How a request begins, as far as the end of its command's name: those of a pipeline mostly begin alike, and one comparison then
/// tells what reading would.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// The bytes, at the upper end of the word.
    word: u128,
    /// How many they are, at most 16.
    len: usize,
    /// The number of arguments.
    count: usize,
    name: Span,
}

impl Opening {
    /// The opening of the request that [`whole_request`] has just read into `spans`, if it is short enough.
    pub fn of(input: &[u8], spans: &[Span]) -> Option<Opening> {
        let name = *spans.first()?;
        let len = (name.start + name.len) as usize + 2;
        let word = Self::word(input, len)?;
        Some(Opening { word, len, count: spans.len(), name })
    }

    #[inline(always)]
    fn word(input: &[u8], len: usize) -> Option<u128> {
        let bytes = u128::from_le_bytes(*input.first_chunk::<16>()?);
        (1..=16).contains(&len).then(|| bytes << (128 - 8 * len))
    }

    /// As [`whole_request`], for a request that begins like this; `None` also if it does not.
    #[inline(always)]
    pub fn whole_request(&self, input: &[u8], limits: &Limits, spans: &mut Vec<Span>) -> Option<usize> {
        if Self::word(input, self.len)? != self.word || self.count as u64 > limits.args_max {
            return None;
        }
        let first = spans.len();
        spans.push(self.name);
        let end = whole_args(input, self.len, self.count - 1, spans);
        if end.is_none() {
            spans.truncate(first);
        }
        end
    }
}
/// Reads a header of this kind with a number of one to three digits: the number, and the length of the header. `None` for every
/// other header, and where fewer than eight bytes are left.
///
/// Eight bytes at a time: `$64\r\n` is a word whose bytes are, from the lowest, the kind, the digits, CR and LF. One mask and one
/// comparison tell each shape.
#[inline(always)]
fn short_header(input: &[u8], kind: u8) -> Option<(usize, usize)> {
    const CR_LF: u64 = 0x0a0d;
    let word = u64::from_le_bytes(*input.first_chunk::<8>()?);
    let kind = u64::from(kind);
    let digit = |i: u32| ((word >> (8 * i)) as u8).wrapping_sub(b'0');
    if word & 0xffff_00ff == CR_LF << 16 | kind {
        let a = digit(1);
        return (a <= 9).then_some((usize::from(a), 4));
    }
    if word & 0xff_ff00_00ff == CR_LF << 24 | kind {
        let (a, b) = (digit(1), digit(2));
        let valid = a.wrapping_sub(1) <= 8 && b <= 9;
        return valid.then_some((usize::from(a.wrapping_mul(10).wrapping_add(b)), 5));
    }
    if word & 0xffff_0000_00ff == CR_LF << 32 | kind {
        let (a, b, c) = (digit(1), digit(2), digit(3));
        let valid = a.wrapping_sub(1) <= 8 && b <= 9 && c <= 9;
        return valid.then_some((usize::from(a) * 100 + usize::from(b) * 10 + usize::from(c), 6));
    }
    None
}

#[cold]
fn wrong_kind(input: &[u8], pos: usize, other: u8) -> Result<Step, ProtocolError> {
    // As Redis does, wait for the whole line before judging its first byte.
    if header(input, pos, "too big bulk count string")?.is_none() {
        return Ok(Step::Incomplete(1));
    }
    let mut text = b"expected '$', got '".to_vec();
    text.push(other);
    text.push(b'\'');
    error(String::from_utf8_lossy(&text))
}

/// Reads the number and the CR LF that end a header line; `None` while the line is not all there.
/// The number is `None` if it is not written as Redis writes integers.
#[inline]
fn header(input: &[u8], start: usize, too_long: &str) -> Result<Option<(Option<i64>, usize)>, ProtocolError> {
    // One and two digits without a search: that is nearly every header.
    match input.get(start..).unwrap_or_default() {
        [a @ b'0'..=b'9', b'\r', b'\n', ..] => Ok(Some((Some(i64::from(a - b'0')), start + 3))),
        [a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', ..] => {
            Ok(Some((Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')), start + 4)))
        }
        rest => {
            let Some(len) = memchr::memchr(b'\r', &rest[..rest.len().min(LINE_LEN_MAX)]) else {
                return if rest.len() > LINE_LEN_MAX { error(too_long) } else { Ok(None) };
            };
            if rest.len() < len + 2 {
                return Ok(None);
            }
            Ok(Some((crate::number::parse_i64(&rest[..len]), start + len + 2)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bulk_len_max: 512 << 20, args_max: i32::MAX as u64, unauthenticated: false };

    fn parse_all(mut input: &[u8], chunk: usize) -> Result<Vec<Vec<Vec<u8>>>, ProtocolError> {
        let mut parser = RequestParser::new();
        let mut seen = 0;
        let mut requests = Vec::new();
        loop {
            match parser.advance(&input[..seen], &LIMITS)? {
                Step::Complete(len) => {
                    requests.push(parser.args(&input[..seen]).from(0).map(<[u8]>::to_vec).collect());
                    parser.reset();
                    input = &input[len..];
                    seen -= len;
                }
                Step::Incomplete(needed) => {
                    assert!(needed > 0);
                    if seen == input.len() {
                        return Ok(requests);
                    }
                    seen = (seen + chunk).min(input.len());
                }
            }
        }
    }

    #[test]
    fn every_split_point_gives_the_same_requests() {
        let input =
            b"*2\r\n$3\r\nGET\r\n$12\r\nhello\r\nworld\r\n*0\r\nPING 'a b'\r\n*1\r\n$0\r\n\r\nECHO \"\\x00\"\n*-1\r\n\r\n";
        let whole = parse_all(input, input.len()).unwrap();
        assert_eq!(whole.len(), 7);
        assert_eq!(whole[0], [b"GET".to_vec(), b"hello\r\nworld".to_vec()]);
        assert_eq!(whole[2], [b"PING".to_vec(), b"a b".to_vec()]);
        assert_eq!(whole[4], [b"ECHO".to_vec(), vec![0]]);
        for chunk in 1..input.len() {
            assert_eq!(parse_all(input, chunk).unwrap(), whole, "in pieces of {chunk}");
        }
    }

    #[test]
    fn requests_that_open_alike_are_read_alike() {
        let first = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n";
        let mut spans = Vec::new();
        assert_eq!(whole_request(first, &LIMITS, &mut spans), Some(first.len()));
        let opening = Opening::of(first, &spans).unwrap();
        for (input, alike) in [
            (&b"*3\r\n$3\r\nSET\r\n$2\r\nkk\r\n$0\r\n\r\n*3\r\n"[..], true),
            (b"*3\r\n$3\r\nset\r\n$2\r\nkk\r\n$0\r\n\r\n*3\r\n", false),
            (b"*2\r\n$3\r\nSET\r\n$2\r\nkk\r\n$0\r\n\r\n*3\r\n", false),
            (b"*3\r\n$3\r\nSET\r\n$2\r\nkk\r\n$0\r\n", false),
            (b"*3\r\n$3\r\nSET\r\n", false),
        ] {
            let (mut expected, mut spans) = (Vec::new(), Vec::new());
            let len = opening.whole_request(input, &LIMITS, &mut spans);
            assert_eq!(len.is_some(), alike, "{}", String::from_utf8_lossy(input));
            if alike {
                assert_eq!(len, whole_request(input, &LIMITS, &mut expected));
            }
            assert_eq!(spans, expected);
        }
        let strange = Limits { args_max: 2, ..LIMITS };
        assert_eq!(opening.whole_request(first, &strange, &mut spans), None, "limits hold for what opens alike, too");
    }

    #[test]
    fn errors_are_worded_as_redis_words_them() {
        for (input, text) in [
            (&b"*x\r\n"[..], "invalid multibulk length"),
            (b"*1073741824000\r\n", "invalid multibulk length"),
            (b"*1\r\n:1\r\n", "expected '$', got ':'"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$01\r\n", "invalid bulk length"),
            (b"*1\r\n$536870913\r\n", "invalid bulk length"),
            (b"SET \"a\r\n", "unbalanced quotes in request"),
            (&[b'a'; LINE_LEN_MAX + 1], "too big inline request"),
        ] {
            assert_eq!(parse_all(input, input.len()).unwrap_err().0, text);
        }
    }

    #[test]
    fn short_headers_are_read_as_long_ones_are() {
        for (text, expected) in [
            (&b"$1\r\nabcd"[..], Some((1, 4))),
            (b"$64\r\nabc", Some((64, 5))),
            (b"$999\r\nab", Some((999, 6))),
            (b"$9999\r\na", None),
            (b"$012\r\nab", None),
            (b"$1/2\r\nab", None),
            (b"$0\r\n\r\nab", Some((0, 4))),
            (b"$01\r\nabc", None),
            (b"$\r\nabcdef", None),
            (b"$1a\r\nabc", None),
            (b"$1:\r\nabc", None),
            (b"$-1\r\nabc", None),
            (b"$1\rXabcd", None),
            (b"*1\r\nabcd", None),
            (b"$100000\r\n", None),
            (b"$1\r\nabc", None),
        ] {
            assert_eq!(short_header(text, b'$'), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_stranger_may_send_only_little() {
        let mut parser = RequestParser::new();
        assert_eq!(parser.advance(b"*11\r\n", &Limits::UNAUTHENTICATED).unwrap_err().0, "unauthenticated multibulk length");
        parser.reset();
        assert_eq!(parser.advance(b"*1\r\n$16385\r\n", &Limits::UNAUTHENTICATED).unwrap_err().0, "unauthenticated bulk length");
    }
}
