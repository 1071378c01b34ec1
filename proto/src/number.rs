//! Numbers as Redis reads and prints them.
//!
//! Reading is strict: the whole input is the number or there is none. Printing is byte-exact, because replies, replicas and
//! `DEBUG DIGEST` compare the text. This module must not depend on a locale or on the width of the platform's types; what C
//! leaves to the platform (`long double`) is spelled out in [`LongDouble`].

mod big;
mod double;
mod long_double;

pub use double::{parse_f64, write_f64, write_f64_17g};
pub use long_double::{LongDouble, write_long_double_human};

/// Reads an integer in Redis's canonical form: an optional `-`, then digits without leading zeros; the full range of `i64`.
/// No `+`, no spaces, no `-0`. What this accepts, [`write_i64`] prints back byte by byte.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (first, rest) = digits.split_first()?;
    if *first == b'0' {
        return (rest.is_empty() && !negative).then_some(0);
    }
    let magnitude = magnitude(digits)?;
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Digits and nothing but digits, at least one; leading zeros are allowed.
#[inline]
fn magnitude(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    // Nineteen digits cannot overflow 64 bits: the usual number takes no check per digit.
    let (head, tail) = digits.split_at(digits.len().min(19));
    let mut value = 0u64;
    for byte in head {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    for byte in tail {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Reads an unsigned integer as C's `strtoull` reads a whole string: leading white space, a sign and leading zeros are
/// allowed, and a `-` wraps around (`-1` is the largest value). `SCAN` cursors are read so, except that a leading space is an
/// error there.
pub fn parse_u64_loose(text: &[u8]) -> Option<u64> {
    let start = text.iter().position(|byte| !is_space(*byte))?;
    match &text[start..] {
        [b'-', digits @ ..] => magnitude(digits).map(u64::wrapping_neg),
        [b'+', digits @ ..] => magnitude(digits),
        digits => magnitude(digits),
    }
}

/// Reads the parts of stream ids and other unsigned arguments as Redis does: anything [`parse_u64_loose`] takes, except that a
/// canonical negative integer is refused.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match parse_i64(text) {
        Some(value) => u64::try_from(value).ok(),
        None => parse_u64_loose(text),
    }
}

/// Reads a `SCAN` cursor: an unsigned integer as [`parse_u64_loose`] reads it, without leading space.
pub fn parse_cursor(text: &[u8]) -> Option<u64> {
    if is_space(*text.first()?) { None } else { parse_u64_loose(text) }
}

/// C's `isspace` in the C locale.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Appends an integer in decimal.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an unsigned integer in decimal.
#[inline]
pub fn write_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_read() {
        for value in [0, 1, -1, 42, 999_999_999_999_999_999, 1_000_000_000_000_000_000, i64::MAX, i64::MIN, i64::MIN + 1] {
            let mut text = Vec::new();
            write_i64(&mut text, value);
            assert_eq!(parse_i64(&text), Some(value));
        }
        for text in [
            "",
            "-",
            "+1",
            " 1",
            "1 ",
            "01",
            "00",
            "-0",
            "-01",
            "1a",
            "a1",
            "--1",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999999",
            "1.0",
            "0x10",
            "1\0",
            "\u{ff11}",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn unsigned_integers_are_read_as_strtoull_does() {
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"007"), Some(7));
        assert_eq!(parse_u64(b"-7"), None);
        assert_eq!(parse_u64(b"-007"), Some(7u64.wrapping_neg()));
        assert_eq!(parse_u64_loose(b"-1"), Some(u64::MAX));
        assert_eq!(parse_u64_loose(b" +7"), Some(7));
        for text in ["", " ", "-", "+", "1 ", "1x"] {
            assert_eq!(parse_u64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn cursors_take_no_leading_space() {
        assert_eq!(parse_cursor(b" 1"), None);
        assert_eq!(parse_cursor(b"+1"), Some(1));
        assert_eq!(parse_cursor(b""), None);
    }
}
