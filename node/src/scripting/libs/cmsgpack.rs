//! `cmsgpack`: MessagePack, as lua-cmsgpack 0.4 reads and writes it.

use super::{Meter, NESTING_MAX, RESULTS_MAX, as_number};
use crate::scripting::engine::Room;
use crate::scripting::natives::{Fault, native, number_arg, text_arg};
use mlua::{Lua, Table, Value};

/// Tables that lie deeper are written as nil.
const WRITE_DEPTH_MAX: usize = 16;

const BAD: &str = "Bad data format in input.";
const SHORT: &str = "Missing bytes in input.";

/// The functions, for the prelude to lift.
///
/// # Errors
/// If the interpreter has no memory left.
pub fn table(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set(
        "pack",
        native(lua, |lua, args| {
            if args.is_empty() {
                return Err("bad argument #0 to 'pack' (MessagePack pack needs input.)".into());
            }
            let (mut out, mut meter) = (Vec::new(), Meter::new(lua));
            for value in args {
                write(&mut out, &mut meter, value, 0)?;
            }
            Ok(vec![Value::String(lua.create_string(out)?)])
        })?,
    )?;
    table.raw_set(
        "unpack",
        native(lua, |lua, args| {
            let text = text_arg(lua, args, 0, "unpack")?;
            let (values, _) = unpack(lua, &text.as_bytes(), None, 0.0)?;
            Ok(values)
        })?,
    )?;
    table.raw_set(
        "unpack_one",
        native(lua, |lua, args| {
            let text = text_arg(lua, args, 0, "unpack_one")?;
            let offset = if args.len() > 1 { number_arg(lua, args, 1, "unpack_one")? } else { 0.0 };
            with_place(unpack(lua, &text.as_bytes(), Some(1.0), offset)?)
        })?,
    )?;
    table.raw_set(
        "unpack_limit",
        native(lua, |lua, args| {
            let text = text_arg(lua, args, 0, "unpack_limit")?;
            let limit = number_arg(lua, args, 1, "unpack_limit")?;
            let offset = if args.len() > 2 { number_arg(lua, args, 2, "unpack_limit")? } else { 0.0 };
            with_place(unpack(lua, &text.as_bytes(), Some(limit), offset)?)
        })?,
    )?;
    Ok(table)
}

fn with_place((mut values, place): (Vec<Value>, f64)) -> Result<Vec<Value>, Fault> {
    values.insert(0, Value::Number(place));
    Ok(values)
}

fn write(out: &mut Vec<u8>, meter: &mut Meter<'_>, value: &Value, depth: usize) -> Result<(), Fault> {
    meter.value(out.len())?;
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            head(out, text.len(), (0xa0, 32), &[0xd9, 0xda, 0xdb])?;
            out.extend_from_slice(&text);
        }
        Value::Boolean(truth) => out.push(if *truth { 0xc3 } else { 0xc2 }),
        Value::Table(_) if depth == WRITE_DEPTH_MAX => out.push(0xc0),
        Value::Table(table) => write_table(out, meter, table, depth + 1)?,
        other => match as_number(other) {
            Some(x) => write_number(out, x),
            None => out.push(0xc0),
        },
    }
    Ok(())
}

/// The head of something of that length: in one byte, or behind a mark in one, two or four.
fn head(out: &mut Vec<u8>, len: usize, (fixed, below): (u8, usize), marks: &[u8]) -> Result<(), Fault> {
    // Arrays and maps have no form with one byte.
    let (small, marks) = if marks.len() == 3 { (Some(marks[0]), &marks[1..]) } else { (None, marks) };
    match len {
        _ if len < below => out.push(fixed | len as u8),
        0..=0xff if small.is_some() => out.extend_from_slice(&[small.unwrap_or_default(), len as u8]),
        0..=0xffff => {
            out.push(marks[0]);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            let len = u32::try_from(len).map_err(|_| Fault::from("too long for MessagePack"))?;
            out.push(marks[1]);
            out.extend_from_slice(&len.to_be_bytes());
        }
    }
    Ok(())
}

fn write_number(out: &mut Vec<u8>, x: f64) {
    if x != x.trunc() || !x.is_finite() || x.abs() >= 9_223_372_036_854_775_808.0 {
        let short = x as f32;
        if f64::from(short) == x {
            out.push(0xca);
            out.extend_from_slice(&short.to_be_bytes());
        } else {
            out.push(0xcb);
            out.extend_from_slice(&x.to_be_bytes());
        }
        return;
    }
    let n = x as i64;
    match n {
        0..=127 => out.push(n as u8),
        128..=0xff => out.extend_from_slice(&[0xcc, n as u8]),
        0x100..=0xffff => mark(out, 0xcd, &(n as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => mark(out, 0xce, &(n as u32).to_be_bytes()),
        0x1_0000_0000.. => mark(out, 0xcf, &n.to_be_bytes()),
        -32..=-1 => out.push(n as i8 as u8),
        -128..=-33 => mark(out, 0xd0, &[n as i8 as u8]),
        -32_768..=-129 => mark(out, 0xd1, &(n as i16).to_be_bytes()),
        -2_147_483_648..=-32_769 => mark(out, 0xd2, &(n as i32).to_be_bytes()),
        _ => mark(out, 0xd3, &n.to_be_bytes()),
    }
}

fn mark(out: &mut Vec<u8>, mark: u8, bytes: &[u8]) {
    out.push(mark);
    out.extend_from_slice(bytes);
}

fn write_table(out: &mut Vec<u8>, meter: &mut Meter<'_>, table: &Table, depth: usize) -> Result<(), Fault> {
    meter.tables += 1;
    let (mut max, mut count, mut is_array) = (0f64, 0usize, true);
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair?;
        count += 1;
        match as_number(&key) {
            Some(x) if x > 0.0 && x == x.trunc() => max = max.max(x),
            _ => is_array = false,
        }
    }
    if is_array && max == count as f64 {
        head(out, count, (0x90, 16), &[0xdc, 0xdd])?;
        for i in 1..=count {
            write(out, meter, &table.raw_get::<Value>(i)?, depth)?;
        }
        return Ok(());
    }
    head(out, count, (0x80, 16), &[0xde, 0xdf])?;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        write(out, meter, &key, depth)?;
        write(out, meter, &value, depth)?;
    }
    Ok(())
}

/// So many values from an offset on, or all; and where the next one begins, or -1 at the end.
fn unpack(lua: &Lua, text: &[u8], limit: Option<f64>, offset: f64) -> Result<(Vec<Value>, f64), Fault> {
    let (wanted, given) = (limit.unwrap_or_default(), offset);
    if wanted < 0.0 || offset < 0.0 {
        return Err(format!("Invalid request to unpack with offset of {given} and limit of {wanted}.").into());
    }
    let offset = offset as usize;
    if offset > text.len() {
        return Err(format!("Start offset {offset} greater than input length {}.", text.len()).into());
    }
    let limit = limit.filter(|&limit| limit > 0.0).map_or(usize::MAX, |limit| limit as usize);
    let _room = Room::for_len(lua, text.len());
    let mut reader = Reader { lua, text, at: offset, meter: Meter::new(lua) };
    let mut values = Vec::new();
    while reader.at < text.len() && values.len() < limit {
        // More results than a script can take are an error either way.
        if values.len() >= RESULTS_MAX {
            return Err("too many results to unpack".into());
        }
        values.push(reader.value(0)?);
    }
    let place = if reader.at == text.len() { -1.0 } else { reader.at as f64 };
    Ok((values, place))
}

struct Reader<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    meter: Meter<'a>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(len).ok_or(SHORT)?;
        let bytes = self.text.get(self.at..end).ok_or(SHORT)?;
        self.at = end;
        Ok(bytes)
    }

    fn unsigned(&mut self, len: usize) -> Result<u64, Fault> {
        Ok(self.take(len)?.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        if depth > NESTING_MAX {
            return Err(BAD.into());
        }
        self.meter.value(0)?;
        let first = self.take(1)?[0];
        Ok(match first {
            0..=0x7f => Value::Number(f64::from(first)),
            0xe0..=0xff => Value::Number(f64::from(first as i8)),
            0xcc => Value::Number(self.unsigned(1)? as f64),
            0xcd => Value::Number(self.unsigned(2)? as f64),
            0xce => Value::Number(self.unsigned(4)? as f64),
            0xcf => Value::Number(self.unsigned(8)? as f64),
            0xd0 => Value::Number(f64::from(self.unsigned(1)? as i8)),
            0xd1 => Value::Number(f64::from(self.unsigned(2)? as i16)),
            0xd2 => Value::Number(f64::from(self.unsigned(4)? as i32)),
            0xd3 => Value::Number(self.unsigned(8)? as i64 as f64),
            0xc0 => Value::Nil,
            0xc2 | 0xc3 => Value::Boolean(first == 0xc3),
            0xca => Value::Number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => Value::Number(f64::from_bits(self.unsigned(8)?)),
            0xa0..=0xbf => self.string(usize::from(first & 31))?,
            0xd9 => self.sized(1, Self::string)?,
            0xda => self.sized(2, Self::string)?,
            0xdb => self.sized(4, Self::string)?,
            0x90..=0x9f => self.array(usize::from(first & 15), depth + 1)?,
            0xdc => self.sized(2, |reader, len| reader.array(len, depth + 1))?,
            0xdd => self.sized(4, |reader, len| reader.array(len, depth + 1))?,
            0x80..=0x8f => self.map(usize::from(first & 15), depth + 1)?,
            0xde => self.sized(2, |reader, len| reader.map(len, depth + 1))?,
            0xdf => self.sized(4, |reader, len| reader.map(len, depth + 1))?,
            _ => return Err(BAD.into()),
        })
    }

    fn sized(&mut self, bytes: usize, read: impl FnOnce(&mut Self, usize) -> Result<Value, Fault>) -> Result<Value, Fault> {
        let len = self.unsigned(bytes)? as usize;
        read(self, len)
    }

    fn string(&mut self, len: usize) -> Result<Value, Fault> {
        let bytes = self.take(len)?;
        Ok(Value::String(self.lua.create_string(bytes)?))
    }

    fn array(&mut self, len: usize, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        for i in 1..=len {
            let value = self.value(depth)?;
            table.raw_set(i, value)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let (key, value) = (self.value(depth)?, self.value(depth)?);
            if key.is_nil() || as_number(&key).is_some_and(f64::is_nan) {
                return Err(BAD.into());
            }
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}
