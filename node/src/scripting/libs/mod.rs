//! The libraries that scripts of Redis use beside Lua's own, made here behind the same names: `cjson`, `cmsgpack`, `struct`. (`bit` is
//! a few lines of the prelude.) Nothing in them trusts a length, a depth or a number that a script gives.

pub mod cjson;
pub mod cmsgpack;
pub mod structs;

mod json_read;
mod json_write;

use super::engine::breathe;
use super::natives::Fault;
use mlua::{Lua, Value};

/// How deep values may be nested whatever a script sets: each level is a call.
pub const NESTING_MAX: usize = 1000;

/// As many results as Lua 5.1 has room for.
pub const RESULTS_MAX: usize = 7990;

/// The longest text that a library makes, in bytes: a small table may hold another many times.
const OUTPUT_LEN_MAX: usize = 512 << 20;

/// A table counts as so many of them, for the time it takes.
const TABLE_COST: usize = 256;

/// So many values are written between two looks up from it.
const BREATH_PERIOD: u32 = 1024;

/// What is written of a value: how much may be, and when to look up.
struct Meter<'a> {
    lua: &'a Lua,
    tables: usize,
    until_breath: u32,
}

impl<'a> Meter<'a> {
    fn new(lua: &'a Lua) -> Self {
        Meter { lua, tables: 0, until_breath: BREATH_PERIOD }
    }

    /// One more value, behind so many bytes. Refuses to make a text longer than it may be, of more tables than it may be.
    fn value(&mut self, len: usize) -> Result<(), Fault> {
        if len + self.tables * TABLE_COST > OUTPUT_LEN_MAX {
            return Err("the result is too long".into());
        }
        self.until_breath -= 1;
        if self.until_breath == 0 {
            self.until_breath = BREATH_PERIOD;
            breathe(self.lua)?;
        }
        Ok(())
    }
}

/// A number as Lua 5.1 writes it: C's `%.14g`.
pub fn number_text(x: f64) -> String {
    precise_text(x, 14)
}

/// A number with so many significant digits, as C's `%.*g` writes it.
pub fn precise_text(x: f64, digits: usize) -> String {
    if !x.is_finite() {
        let name = if x.is_nan() { "nan" } else { "inf" };
        return if x.is_sign_negative() { format!("-{name}") } else { name.into() };
    }
    if x == x.trunc() && x.abs() < 1e14 && digits >= 14 {
        return if x == 0.0 && x.is_sign_negative() { "-0".into() } else { (x as i64).to_string() };
    }
    let scientific = format!("{x:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    trim(&format!("{x:.*}", (digits as i32 - 1 - exponent).max(0) as usize))
}

/// The value as a number, if it is one.
fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(x) => Some(*x),
        Value::Integer(n) => Some(*n as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_c() {
        for (x, expected) in [
            (0.1 + 0.2, "0.3"),
            (1e15, "1e+15"),
            (123_456_789_012_345_678.0, "1.2345678901235e+17"),
            (-1.5, "-1.5"),
            (1e-5, "1e-05"),
            (100.0, "100"),
            (99_999_999_999_999.9, "1e+14"),
            (f64::INFINITY, "inf"),
            (0.0003, "0.0003"),
        ] {
            assert_eq!(number_text(x), expected);
        }
        assert_eq!(precise_text(1234.5678, 3), "1.23e+03");
    }
}
