//! Reading requests, in place and resumable at every byte.

use super::args::{Args, SPANS_KEPT, Span};
use super::inline::split_args;
use super::limits::{Limits, ProtocolError};
use super::whole::whole_request;

/// The longest inline request, and the longest header line, that is read before giving up.
const LINE_LEN_MAX: usize = 64 * 1024;

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
        self.spans.shrink_to(SPANS_KEPT);
        self.is_inline = false;
    }

    /// Bytes that the parser holds beside its input.
    pub fn held(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.inline.capacity()
    }

    /// The arguments of the request that [`advance`](Self::advance) has just completed; `input` as given there.
    #[inline]
    pub fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        Args::new(if self.is_inline { &self.inline } else { input }, &self.spans)
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
            self.spans.push(Span::new(self.pos, len));
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
        self.spans.extend(ends.iter().map(|&(start, end)| Span::new(start, end - start)));
        Ok(Step::Complete(end + 1))
    }
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
    fn a_stranger_may_send_only_little() {
        let mut parser = RequestParser::new();
        assert_eq!(parser.advance(b"*11\r\n", &Limits::UNAUTHENTICATED).unwrap_err().0, "unauthenticated multibulk length");
        parser.reset();
        assert_eq!(parser.advance(b"*1\r\n$16385\r\n", &Limits::UNAUTHENTICATED).unwrap_err().0, "unauthenticated bulk length");
    }
}
