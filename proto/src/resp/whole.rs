//! Reading requests that are all there and of the usual shape, which is nearly all of them, with few branches.
//!
//! Whatever it cannot read so it leaves to the [parser](super::request): it never judges a request to be wrong.

use super::args::Span;
use super::limits::Limits;

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
    all_or_none(end, first, spans)
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
        spans.push(Span::new(start, len));
        at = end + 2;
    }
    Some(at)
}

/// Takes spans from `first` on back if their request is not all there.
#[inline(always)]
fn all_or_none(end: Option<usize>, first: usize, spans: &mut Vec<Span>) -> Option<usize> {
    if end.is_none() {
        spans.truncate(first);
    }
    end
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
        let len = name.end() + 2;
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
        all_or_none(end, first, spans)
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bulk_len_max: 512 << 20, args_max: i32::MAX as u64, unauthenticated: false };

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
}
