//! The `long double` arithmetic of `INCRBYFLOAT` and `HINCRBYFLOAT`.
//!
//! Redis adds in the platform's `long double`, on x86-64 the 80-bit extended format, and prints the sum with 17 decimals. Neither `f64`
//! arithmetic (10.5 + 0.1 would print as 10.6 only by luck of the shortest form, and 15 digits is where it ends) nor exact decimal
//! arithmetic (it prints digits that the real one has rounded away) gives the same text. So the format itself is spelled out here:
//! a 64-bit mantissa, an exponent, round to nearest even. Results are bit-exact on every platform.

use super::big::Big;
use super::is_space;

/// The longest text that is read or printed: Redis's buffer, minus its terminator.
const TEXT_MAX: usize = 5 * 1024 - 1;
/// The exponent of a mantissa's lowest bit at the largest finite number and at the smallest subnormal one.
const EXPONENT_MAX: i32 = 16320;
const EXPONENT_MIN: i32 = -16445;

/// A number of the 80-bit extended format: a finite `mantissa * 2^exponent` with a sign, or an infinity. There is no NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    /// Zero, or with its top bit set unless the number is subnormal.
    mantissa: u64,
    /// The weight of the mantissa's lowest bit; `i32::MAX` for infinity.
    exponent: i32,
}

impl LongDouble {
    const fn infinity(negative: bool) -> Self {
        LongDouble { negative, mantissa: 1 << 63, exponent: i32::MAX }
    }

    /// Whether this is a number and not an infinity.
    pub fn is_finite(self) -> bool {
        self.exponent != i32::MAX
    }

    /// Reads a number from the whole of `text`: decimal with an optional exponent, hexadecimal with up to 60 significant bits, or
    /// `inf`/`infinity`. Refuses what [`super::parse_f64`] refuses, at this format's limits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_MAX || is_space(*text.first()?) {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(Self::infinity(negative));
        }
        if let [b'0', b'x' | b'X', ..] = unsigned {
            return super::parse_f64(unsigned).map(|value| Self::from(if negative { -value } else { value }));
        }
        let value = parse_decimal(negative, unsigned)?;
        value.is_finite().then_some(value)
    }

    /// The sum, rounded to nearest even; an infinity where it overflows. `None` for the sum of opposite infinities.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if !self.is_finite() || !other.is_finite() {
            let opposed = !self.is_finite() && !other.is_finite() && self.negative != other.negative;
            return (!opposed).then_some(if self.is_finite() { other } else { self });
        }
        let (big, small) = if self.magnitude() >= other.magnitude() { (self, other) } else { (other, self) };
        if small.mantissa == 0 {
            return Some(if big.mantissa == 0 { Self { negative: big.negative && small.negative, ..big } } else { big });
        }
        // 62 bits below the larger mantissa: whatever of the smaller one falls out below only decides which side of a half it is.
        let distance = (big.exponent - small.exponent) as u32;
        let wide = u128::from(small.mantissa) << 62;
        let aligned = wide.checked_shr(distance).unwrap_or(0);
        let lost = aligned.checked_shl(distance).unwrap_or(0) != wide;
        let aligned = aligned | u128::from(lost);
        let wide = u128::from(big.mantissa) << 62;
        let sum = if big.negative == small.negative { wide + aligned } else { wide - aligned };
        Some(if sum == 0 {
            Self { negative: false, mantissa: 0, exponent: 0 }
        } else {
            round(big.negative, sum, big.exponent - 62, false)
        })
    }

    /// Orders by magnitude: the position of the top bit, then the bits.
    fn magnitude(self) -> (i32, u64) {
        if self.mantissa == 0 {
            return (i32::MIN, 0);
        }
        let shift = self.mantissa.leading_zeros();
        (self.exponent + 63 - shift as i32, self.mantissa << shift)
    }
}

impl From<f64> for LongDouble {
    /// Exact. A NaN, which this type has not, becomes an infinity.
    fn from(value: f64) -> Self {
        let bits = value.to_bits();
        let (biased, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
        match (biased, fraction) {
            (0, 0) => LongDouble { negative: value.is_sign_negative(), mantissa: 0, exponent: 0 },
            (0x7ff, _) => Self::infinity(value.is_sign_negative()),
            (0, _) => round(value.is_sign_negative(), fraction.into(), -1074, false),
            _ => round(value.is_sign_negative(), (fraction | 1 << 52).into(), biased - 1075, false),
        }
    }
}

/// `value * 2^exponent`, and a bit more if `sticky`, rounded to nearest even into the format. `value` must not be 0.
fn round(negative: bool, value: u128, exponent: i32, sticky: bool) -> LongDouble {
    let shift = value.leading_zeros();
    let (value, exponent) = (value << shift, exponent - shift as i32);
    // The upper 64 bits are kept, or fewer where the number is subnormal.
    let dropped = 64.max(EXPONENT_MIN.saturating_sub(exponent)) as u32;
    if dropped > 128 {
        return LongDouble { negative, mantissa: 0, exponent: 0 };
    }
    let kept = value.checked_shr(dropped).unwrap_or(0);
    let rest = value.checked_shl(128 - dropped).unwrap_or(0);
    let half = 1u128 << 127;
    let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
    let (mut mantissa, mut exponent) = (kept + u128::from(up), exponent + dropped as i32);
    if mantissa >> 64 != 0 {
        (mantissa, exponent) = (mantissa >> 1, exponent + 1);
    }
    if exponent > EXPONENT_MAX {
        return LongDouble::infinity(negative);
    }
    LongDouble { negative, mantissa: mantissa as u64, exponent }
}

/// A decimal number without sign. `None` when it is none, or is not zero and underflows to it; overflow gives an infinity.
fn parse_decimal(negative: bool, text: &[u8]) -> Option<LongDouble> {
    let (mantissa_text, exponent) = match memchr::memchr2(b'e', b'E', text) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = match memchr::memchr(b'.', mantissa_text) {
        Some(at) => (&mantissa_text[..at], &mantissa_text[at + 1..]),
        None => (mantissa_text, &b""[..]),
    };
    let digits = whole.iter().chain(fraction);
    if whole.len() + fraction.len() == 0 || !digits.clone().all(u8::is_ascii_digit) {
        return None;
    }
    let mut number = Big::default();
    digits.for_each(|digit| number.multiply_add(10, u64::from(digit - b'0')));
    if number.is_zero() {
        return Some(LongDouble { negative, mantissa: 0, exponent: 0 });
    }
    // With at most 5119 digits, anything beyond these bounds is infinite or zero whatever the digits are.
    let exponent = exponent.clamp(-20_000, 20_000) - fraction.len() as i64;
    let value = scale_by_ten(negative, number, exponent);
    (value.mantissa != 0).then_some(value)
}

/// The digits behind an `e`, with an optional sign, clamped.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, byte| (value * 10 + i64::from(byte - b'0')).min(1 << 32));
    Some(if negative { -value } else { value })
}

/// `number * 10^power`, rounded once. `number` must not be 0.
fn scale_by_ten(negative: bool, mut number: Big, power: i64) -> LongDouble {
    /// 5^27, the largest power of five in 64 bits.
    const FIVES: u64 = 7_450_580_596_923_828_125;
    if power > 5_000 {
        return LongDouble::infinity(negative);
    }
    // 10^p = 5^p * 2^p, and the power of two goes into the exponent.
    let mut exponent = power as i32;
    let mut fives = power.unsigned_abs() as u32;
    let mut sticky = false;
    if power < 0 {
        // Leave at least 66 bits after the division; 5^n takes less than 2.33 n bits.
        let wanted = 66 + u64::from(fives) * 7 / 3 + 1;
        let shift = wanted.saturating_sub(number.bits());
        number.shift_left(shift);
        exponent -= shift as i32;
    }
    while fives > 0 {
        let step = fives.min(27);
        let factor = if step == 27 { FIVES } else { 5u64.pow(step) };
        if power < 0 {
            sticky |= number.divide(factor) != 0;
        } else {
            number.multiply_add(factor, 0);
        }
        fives -= step;
    }
    let (top, lost, below) = number.top();
    round(negative, top, exponent + lost as i32, sticky || below)
}

/// Appends a long double as Redis's "human" form: `%.17Lf` without trailing zeros, so never with an exponent. Zero is `0` with
/// either sign, infinities are `inf` and `-inf`.
pub fn write_long_double_human(out: &mut Vec<u8>, value: LongDouble) {
    /// What moves seventeen decimals in front of the point.
    const SCALE: u128 = 100_000_000_000_000_000;
    let start = out.len();
    if value.negative {
        out.push(b'-');
    }
    if !value.is_finite() {
        return out.extend_from_slice(b"inf");
    }
    if value.exponent >= 0 {
        Big::from_shifted(value.mantissa, value.exponent as u32).write(out);
    } else {
        let shift = value.exponent.unsigned_abs();
        // Below 2^121, so nothing of it is left beyond a shift of 121, not even a half.
        let scaled = u128::from(value.mantissa) * SCALE;
        let rounded = if shift > 122 { 0 } else { round_shift(scaled, shift) };
        out.extend_from_slice(itoa::Buffer::new().format(rounded / SCALE).as_bytes());
        let fraction = rounded % SCALE;
        if fraction != 0 {
            let mut digits = [b'0'; 17];
            let mut buffer = itoa::Buffer::new();
            let text = buffer.format(fraction).as_bytes();
            digits[17 - text.len()..].copy_from_slice(text);
            let used = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
            out.push(b'.');
            out.extend_from_slice(&digits[..used]);
        }
    }
    if &out[start..] == b"-0" {
        out.remove(start);
    }
}

/// `value / 2^shift`, to nearest even; `shift` between 1 and 127.
fn round_shift(value: u128, shift: u32) -> u128 {
    let (kept, rest, half) = (value >> shift, value & ((1 << shift) - 1), 1u128 << (shift - 1));
    kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> String {
        let number = |text: &str| LongDouble::parse(text.as_bytes()).unwrap();
        let mut out = Vec::new();
        write_long_double_human(&mut out, number(a).checked_add(number(b)).unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sums_print_as_incrbyfloat_of_a_real_server_answers() {
        for (a, b, expected) in [
            ("10.5", "0.1", "10.6"),
            ("3.0e3", "0", "3000"),
            ("0.1", "0.2", "0.3"),
            ("1", "-1", "0"),
            ("-1e-30", "0", "0"),
            ("-0", "-0", "0"),
            ("5.0e3", "2.0e2", "5200"),
            ("1e-17", "0", "0.00000000000000001"),
            ("5e-18", "0", "0"),
            ("1.5e-17", "0", "0.00000000000000002"),
            ("2.5e-17", "0", "0.00000000000000002"),
            ("9007199254740993", "0.1", "9007199254740993.099609375"),
            ("123456789012345678", "0.123456789", "123456789012345678.125"),
            ("1e20", "0.5", "100000000000000000000"),
            ("0x1.8p3", "1", "13"),
            ("-1e-20", "5e-21", "0"),
            ("11791870367106.10546875", "+0.0000007993", "11791870367106.10546970367431641"),
            ("292694.84548950195", "-334095451232291575.5", "-334095451231998880.65625"),
            ("917.92", "+2745.5716037750244", "3663.4916037750244"),
            ("+8858624155593387863", "+2.768118441104889", "8858624155593387866"),
            ("+1.2803793361707368e-98", "-77052313983080064", "-77052313983080064"),
            ("-860465897.0", "0.000000000000000000476617801519684691", "-860465897"),
            ("0.0000000000000588417325992", "31497571539972e-1209", "0.00000000000005884"),
            ("463.1", "-3405456778290464655", "-3405456778290464192"),
            ("4456685163423838.00000", "+484091166.5", "4456685647515004.5"),
            ("6.749025775183e+20", "+714579849271887825545", "1389482426790187825536"),
            ("-30.6", "2918411245531721705", "2918411245531721674.5"),
            ("-0.000000000000000000054471047446303758", "2.058e+12", "2058000000000"),
            ("0.00830078125", "-7591161827164402.00000000", "-7591161827164401.99169921875"),
            ("8.854712732027937e+20", "697799158102123504296", "1583270431304917204224"),
            ("11", "24.9621723216684847", "35.9621723216684847"),
            ("7217640161438925556", "935.971439875428343351417", "7217640161438926492"),
            ("963.29", "41.594351899913", "1004.88435189991300001"),
            ("4.0177365e-14", "768122820093955123426498e-4808", "0.00000000000004018"),
            ("-8215501447.4351", "11102959753710205433", "11102959745494703986"),
            ("-5.4549", "-1020085142414761365183", "-1020085142414761365184"),
            ("+70.45767211914062", "97", "167.45767211914062"),
            ("+190325761.86132812", "+18341801709222394183", "18341801709412719945"),
            ("+515760340425843105716", "+615.68", "515760340425843106336"),
            ("120.72", "355594337.5625", "355594458.28250000000116415"),
        ] {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
        }
    }

    #[test]
    fn huge_numbers_print_every_digit() {
        let text = sum("1e4932", "0");
        assert_eq!((text.len(), &text[..24]), (4933, "100000000000000000000601"));
        assert_eq!(sum("18446744073709551615", "0"), "18446744073709551615");
        assert_eq!(sum("18446744073709551617", "0"), "18446744073709551616");
    }

    #[test]
    fn limits_are_those_of_the_format() {
        let parse = |text: &str| LongDouble::parse(text.as_bytes());
        assert!(parse("1.18973149535723176502e4932").is_some());
        assert!(parse("1.18973149535723176508e4932").is_none());
        assert!(parse("3.64519953188247460253e-4951").is_some());
        assert!(parse("1.8e-4951").is_none());
        assert!(parse("1e-5000").is_none() && parse("1e5000").is_none() && parse("1e99999999999999999999").is_none());
        assert!(parse(&"1".repeat(TEXT_MAX + 1)).is_none());
        assert!(parse(&format!("{}1e-4800", "0".repeat(4000))).is_some());
        let largest = parse("1.18973149535723176502e4932").unwrap();
        assert!(!largest.checked_add(largest).unwrap().is_finite());
    }

    #[test]
    fn infinities_are_read_and_cancel_to_nothing() {
        let (plus, minus) = (LongDouble::parse(b"inf").unwrap(), LongDouble::parse(b"-Infinity").unwrap());
        assert!(!plus.is_finite() && plus.checked_add(minus).is_none());
        assert_eq!(plus.checked_add(LongDouble::from(1.0)), Some(plus));
        assert_eq!(LongDouble::from(f64::NEG_INFINITY), minus);
    }

    #[test]
    fn text_that_is_no_number_is_refused() {
        for text in ["", " 1", "1 ", "nan", ".", "-", "1e", "1e+", "1.2.3", "0x", "1x", "e5", "--1", "1\0"] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn doubles_convert_exactly() {
        for value in [0.1, -0.5, 1e300, 5e-324, f64::MAX, 123456.789] {
            let text = format!("{value:.1100}");
            assert_eq!(Some(LongDouble::from(value)), LongDouble::parse(text.trim_end_matches('0').as_bytes()));
        }
    }
}
