//! Writing JSON.

use super::cjson::{Odd, Settings};
use super::{Meter, NESTING_MAX, as_number, precise_text};
use crate::scripting::natives::Fault;
use mlua::{Lua, Table, Value};

/// Writes values one behind the other.
pub struct Writer<'a> {
    settings: &'a Settings,
    /// What has been written.
    pub out: Vec<u8>,
    meter: Meter<'a>,
}

impl<'a> Writer<'a> {
    /// Begins with nothing.
    pub fn new(lua: &'a Lua, settings: &'a Settings) -> Self {
        Writer { settings, out: Vec::new(), meter: Meter::new(lua) }
    }

    /// Writes a value that lies in so many tables.
    ///
    /// # Errors
    /// That it is nothing that JSON has.
    pub fn value(&mut self, value: &Value, depth: usize) -> Result<(), Fault> {
        self.meter.value(self.out.len())?;
        match value {
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::Boolean(truth) => self.out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            Value::String(text) => self.string(&text.as_bytes()),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.out.extend_from_slice(b"null"),
            Value::Table(table) => return self.table(table, depth + 1),
            other => match as_number(other) {
                Some(x) => return self.number(x),
                None => return Err(format!("Cannot serialise {}: type not supported", other.type_name()).into()),
            },
        }
        Ok(())
    }

    fn number(&mut self, x: f64) -> Result<(), Fault> {
        match self.settings.encode_odd {
            Odd::Refused if !x.is_finite() => return Err("Cannot serialise number: must not be NaN or Inf".into()),
            Odd::Null if !x.is_finite() => self.out.extend_from_slice(b"null"),
            _ => self.out.extend_from_slice(precise_text(x, self.settings.precision).as_bytes()),
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for &byte in text {
            let short = match byte {
                b'"' => b'"',
                b'\\' => b'\\',
                b'/' => b'/',
                8 => b'b',
                9 => b't',
                10 => b'n',
                12 => b'f',
                13 => b'r',
                0..32 | 127 => {
                    self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    continue;
                }
                _ => {
                    self.out.push(byte);
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', short]);
        }
        self.out.push(b'"');
    }

    fn table(&mut self, table: &Table, depth: usize) -> Result<(), Fault> {
        self.meter.tables += 1;
        if depth > self.settings.encode_depth.min(NESTING_MAX) {
            return Err(format!("Cannot serialise, excessive nesting ({depth})").into());
        }
        match self.array_len(table)? {
            Some(len) if len > 0 => self.array(table, len, depth),
            _ => self.object(table, depth),
        }
    }

    /// The length of a table that is an array.
    fn array_len(&self, table: &Table) -> Result<Option<usize>, Fault> {
        let (mut max, mut items) = (0f64, 0usize);
        let mut is_array = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, _) = pair?;
            match as_number(&key) {
                Some(x) if x >= 1.0 && x == x.trunc() => {
                    max = max.max(x);
                    items += 1;
                }
                _ => {
                    is_array = false;
                    break;
                }
            }
        }
        if !is_array {
            return Ok(None);
        }
        let Settings { sparse_convert, sparse_ratio, sparse_safe, .. } = *self.settings;
        // Whatever the settings are, an array is not mostly gaps that somebody has made up.
        let many = (sparse_ratio > 0 && max > items as f64 * sparse_ratio as f64 && max > sparse_safe as f64) || max > 1e9;
        match (many, sparse_convert) {
            (false, _) => Ok(Some(max as usize)),
            (true, true) => Ok(None),
            (true, false) => Err("Cannot serialise table: excessively sparse array".into()),
        }
    }

    fn array(&mut self, table: &Table, len: usize, depth: usize) -> Result<(), Fault> {
        self.out.push(b'[');
        for i in 1..=len {
            if i > 1 {
                self.out.push(b',');
            }
            let value: Value = table.raw_get(i)?;
            self.value(&value, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, table: &Table, depth: usize) -> Result<(), Fault> {
        self.out.push(b'{');
        let mut is_first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            match (&key, as_number(&key)) {
                (Value::String(text), _) => self.string(&text.as_bytes()),
                (_, Some(x)) => {
                    self.out.push(b'"');
                    self.number(x)?;
                    self.out.push(b'"');
                }
                _ => {
                    let kind = key.type_name();
                    return Err(format!("Cannot serialise {kind}: table key must be a number or string").into());
                }
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }
}
