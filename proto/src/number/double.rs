//! Doubles: read as `strtod` reads a whole string, printed as C's `%.17g`.

use std::io::Write;

use super::is_space;

/// Reads a double from the whole of `text`: decimal with an optional exponent, hexadecimal (`0x1.8p3`), or `inf`/`infinity` in any
/// case; each with an optional sign.
///
/// As Redis does, it refuses the empty string, a leading space, anything left over, NaN, and numbers whose magnitude overflows to
/// infinity or underflows to zero. Subnormal numbers are fine.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    if is_space(*text.first()?) {
        return None;
    }
    let unsigned = match text {
        [b'+' | b'-', rest @ ..] => rest,
        rest => rest,
    };
    if let [b'0', b'x' | b'X', hex @ ..] = unsigned {
        let magnitude = parse_hex(hex)?;
        return Some(if text[0] == b'-' { -magnitude } else { magnitude });
    }
    // Rust reads what strtod reads, apart from leading space and hexadecimal, and rounds the same way.
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    // Infinity is fine when it was asked for by name, and zero when no digit says otherwise.
    let overflowed = value.is_infinite() && !unsigned[0].is_ascii_alphabetic();
    let underflowed = value == 0.0 && has_nonzero_digit(unsigned);
    (!value.is_nan() && !overflowed && !underflowed).then_some(value)
}

/// Whether the mantissa of a decimal number is not zero.
fn has_nonzero_digit(unsigned: &[u8]) -> bool {
    unsigned.iter().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|byte| matches!(byte, b'1'..=b'9'))
}

/// A hexadecimal number from behind its `0x`.
fn parse_hex(text: &[u8]) -> Option<f64> {
    // Fifteen significant digits are 60 bits, more than a double holds; further ones only say "a bit more than that".
    let (mut mantissa, mut exponent) = (0u64, 0i64);
    let (mut digits, mut point) = (0usize, false);
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match char::from(*byte).to_digit(16) {
            Some(digit) => {
                digits += 1;
                if mantissa >> 60 == 0 {
                    mantissa = mantissa << 4 | u64::from(digit);
                    exponent -= if point { 4 } else { 0 };
                } else {
                    mantissa |= u64::from(digit != 0);
                    exponent += if point { 0 } else { 4 };
                }
            }
            None if *byte == b'.' && !point => point = true,
            None => break,
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    let scale = match &text[at..] {
        [] => 0,
        [b'p' | b'P', scale @ ..] => parse_binary_exponent(scale)?,
        _ => return None,
    };
    assemble(mantissa, exponent.saturating_add(scale))
}

/// A decimal exponent with an optional sign, clamped to what can matter for inputs of up to half a gigabyte.
fn parse_binary_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, byte| (value * 10 + i64::from(byte - b'0')).min(1 << 40));
    Some(if negative { -value } else { value })
}

/// `mantissa * 2^exponent`, rounded to nearest even once; `None` when it overflows, or underflows to zero from something else.
fn assemble(mantissa: u64, exponent: i64) -> Option<f64> {
    if mantissa == 0 {
        return Some(0.0);
    }
    let shift = mantissa.leading_zeros();
    let mantissa = mantissa << shift;
    // The value is now `mantissa * 2^exponent` with the top bit set: between 2^(exponent + 63) and twice that.
    let exponent = exponent.saturating_sub(i64::from(shift));
    if exponent + 63 > 1023 {
        return None;
    }
    // Below the smallest normal number, fewer bits are kept.
    let dropped = (11 + (-1022 - (exponent + 63)).max(0)).min(127) as u32;
    let (kept, rest) = ((u128::from(mantissa) >> dropped) as u64, u128::from(mantissa) & ((1 << dropped) - 1));
    let half = 1u128 << (dropped - 1);
    let rounded = kept + u64::from(rest > half || (rest == half && kept & 1 == 1));
    // A power of two within the subnormal range is exact, and so is every factor of this product.
    let unit = exponent + i64::from(dropped);
    let value = rounded as f64 * 2f64.powi((unit / 2) as i32) * 2f64.powi((unit - unit / 2) as i32);
    (value != 0.0 && value.is_finite()).then_some(value)
}

/// Appends a double as Redis 7.0 prints one in a reply: `%.17g`, with `inf` and `-inf`.
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    write_f64_17g(out, value);
}

/// Appends exactly what C's `%.17g` prints: 17 significant digits, trailing zeros removed, and an exponent of at least two
/// digits when it is below -4 or above 16.
pub fn write_f64_17g(out: &mut Vec<u8>, value: f64) {
    // Whole numbers of up to 17 digits are printed as such, and they are what scores mostly are.
    if value.abs() < 1e17 && value.trunc() == value && !(value == 0.0 && value.is_sign_negative()) {
        return super::write_i64(out, value as i64);
    }
    if !value.is_finite() {
        let name: &[u8] = if value.is_nan() { b"nan" } else { b"inf" };
        out.extend_from_slice(if value.is_sign_negative() { b"-" } else { b"" });
        return out.extend_from_slice(name);
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let mut scientific = [0u8; 32];
    let mut rest = &mut scientific[..];
    write!(rest, "{:.16e}", value.abs()).expect("17 digits, a point and an exponent fit in 32 bytes");
    let length = 32 - rest.len();
    // "d.dddddddddddddddde-n"
    let text = &scientific[..length];
    let mut digits = [0u8; 17];
    digits[0] = text[0];
    digits[1..].copy_from_slice(&text[2..18]);
    let exponent = super::parse_i64(&text[19..]).expect("Rust prints a canonical exponent") as i32;
    let significant = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
    layout(out, &digits[..significant], exponent);
}

/// Lays digits out as `%g` does, with the point behind the first digit times `10^exponent`.
fn layout(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    if !(-4..17).contains(&exponent) {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.unsigned_abs() < 10 {
            out.push(b'0');
        }
        return super::write_u64(out, u64::from(exponent.unsigned_abs()));
    }
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-exponent - 1) as usize, b'0');
        return out.extend_from_slice(digits);
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        return out.resize(out.len() + whole - digits.len(), b'0');
    }
    out.extend_from_slice(&digits[..whole]);
    out.push(b'.');
    out.extend_from_slice(&digits[whole..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(value: f64) -> String {
        let mut out = Vec::new();
        write_f64_17g(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn printing_is_what_c_prints_for_17g() {
        // The right-hand sides come from printf("%.17g").
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-3.0, "-3"),
            (0.1, "0.10000000000000001"),
            (10.6, "10.6"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123456789012345678.0, "1.2345678901234568e+17"),
            (99999999999999984.0, "99999999999999984"),
            (1e-4, "0.0001"),
            (1.5e-5, "1.5e-05"),
            (1e-5, "1.0000000000000001e-05"),
            (1e100, "1e+100"),
            (1e-310, "9.9999999999999694e-311"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (12345.678, "12345.678"),
            (0.3 - 0.1, "0.19999999999999998"),
            // Exact ties between two 17-digit numbers go to the even one.
            (2f64.powi(50) + 0.25, "1125899906842624.2"),
            (2f64.powi(50) + 0.75, "1125899906842624.8"),
            (-2f64.powi(50) - 1.25, "-1125899906842625.2"),
        ] {
            assert_eq!(printed(value), text);
        }
    }

    #[test]
    fn printed_doubles_read_back_unchanged() {
        let mut bits = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let value = f64::from_bits(bits ^ bits >> 31);
            if value.is_finite() {
                assert_eq!(parse_f64(printed(value).as_bytes()).map(f64::to_bits), Some(value.to_bits()));
            }
        }
    }

    #[test]
    fn doubles_are_read_as_strtod_reads_whole_strings() {
        for (text, value) in [
            ("1", 1.0),
            ("+1", 1.0),
            ("-.5", -0.5),
            ("1.", 1.0),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            ("007", 7.0),
            ("inf", f64::INFINITY),
            ("+Inf", f64::INFINITY),
            ("-INFINITY", f64::NEG_INFINITY),
            ("1e-310", 1e-310),
            ("0e999", 0.0),
            ("0x1.8p3", 12.0),
            ("-0XA", -10.0),
            ("0x.8", 0.5),
            ("0x1p-1074", 5e-324),
            ("0x3p-1075", 1e-323),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.fffffffffffff7ffffffffffffffp0", 1.9999999999999998),
            ("0x0p99999999999999999999", 0.0),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text:?}");
        }
    }

    #[test]
    fn everything_else_is_not_a_double() {
        for text in [
            "",
            " 1",
            "1 ",
            "1x",
            "nan",
            "-nan",
            "nan(1)",
            ".",
            "+",
            "e5",
            "1e",
            "1e+",
            "--1",
            "1_000",
            "1\0",
            "infinit",
            "1e400",
            "-1e400",
            "1e-400",
            "0x",
            "0x.",
            "0xp1",
            "0x1p",
            "0x1p+",
            "0x1p1024",
            "0x1p-1075",
            "0x1p99999999999999999999",
            "0x1.8.8",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
        }
    }
}
