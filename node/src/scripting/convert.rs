//! Between values of Lua and replies: what a command answers becomes a value, and what a script returns becomes a reply.

use super::engine::Room;
use koltso_proto::number::{parse_f64, parse_i64};
use koltso_proto::resp::Reply;
use mlua::{Lua, Result, Table, Value};

/// How deep tables may lie in what a script returns.
const DEPTH_MAX: usize = 1000;
/// The longest reply that a script may make, in bytes: a small table may hold another many times, or itself.
const REPLY_LEN_MAX: usize = 512 << 20;
/// A table counts as so many of them, for the time it takes.
const TABLE_COST: usize = 512;

/// So many values are written between two questions whether to go on.
const QUESTION_PERIOD: u32 = 1024;

/// The value of a reply, which is whole and well formed.
///
/// # Errors
/// If the interpreter has no memory left.
pub fn value_of(lua: &Lua, reply: &[u8]) -> Result<Value> {
    let _room = Room::for_len(lua, reply.len());
    Reader { lua, rest: reply }.value()
}

/// Reads a reply. Anything malformed, of which a reply of this node has nothing, is read as nil.
struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let bytes = self.rest.get(..len).unwrap_or_default();
        self.rest = self.rest.get(len + 2..).unwrap_or_default();
        bytes
    }

    fn value(&mut self) -> Result<Value> {
        let lua = self.lua;
        let line = self.line();
        let Some((&kind, text)) = line.split_first() else { return Ok(Value::Nil) };
        let len = || parse_i64(text).and_then(|len| usize::try_from(len).ok());
        Ok(match kind {
            b':' => Value::Number(parse_i64(text).unwrap_or_default() as f64),
            b'$' => match len() {
                Some(len) => Value::String(lua.create_string(self.bytes(len))?),
                None => Value::Boolean(false),
            },
            b'*' | b'>' => match len() {
                Some(len) => Value::Table(self.array(len)?),
                None => Value::Boolean(false),
            },
            b'+' => Value::Table(match std::str::from_utf8(text) {
                Ok(text) => single(lua, "ok", text)?,
                Err(_) => single(lua, "ok", lua.create_string(text)?)?,
            }),
            b'-' => {
                let table = single(lua, "err", lua.create_string(text)?)?;
                // It was counted when the command was run.
                table.raw_set("ignore_error_stats_update", true)?;
                Value::Table(table)
            }
            b'_' => Value::Nil,
            b'#' => Value::Boolean(text == b"t"),
            b',' => Value::Table(single(lua, "double", parse_f64(text).unwrap_or_default())?),
            b'(' => Value::Table(single(lua, "big_number", lua.create_string(text)?)?),
            b'=' => {
                let text = self.bytes(len().unwrap_or_default());
                let inner = lua.create_table()?;
                inner.raw_set("string", lua.create_string(text.get(4..).unwrap_or_default())?)?;
                inner.raw_set("format", lua.create_string(text.get(..3).unwrap_or_default())?)?;
                Value::Table(single(lua, "verbatim_string", inner)?)
            }
            b'%' => {
                let inner = lua.create_table()?;
                for _ in 0..len().unwrap_or_default() {
                    let (key, value) = (self.value()?, self.value()?);
                    if !key.is_nil() {
                        inner.raw_set(key, value)?;
                    }
                }
                Value::Table(single(lua, "map", inner)?)
            }
            b'~' => {
                let inner = lua.create_table()?;
                for _ in 0..len().unwrap_or_default() {
                    let member = self.value()?;
                    if !member.is_nil() {
                        inner.raw_set(member, true)?;
                    }
                }
                Value::Table(single(lua, "set", inner)?)
            }
            b'|' => {
                // What is said about the reply that follows: no script sees it.
                for _ in 0..2 * len().unwrap_or_default() {
                    self.value()?;
                }
                self.value()?
            }
            _ => Value::Nil,
        })
    }

    fn array(&mut self, len: usize) -> Result<Table> {
        // Every element has at least three bytes.
        let table = self.lua.create_table_with_capacity(len.min(self.rest.len() / 3), 0)?;
        for i in 1..=len {
            let value = self.value()?;
            table.raw_set(i, value)?;
        }
        Ok(table)
    }
}

fn single(lua: &Lua, field: &str, value: impl mlua::IntoLua) -> Result<Table> {
    lua.create_table_from([(field, value)])
}

/// Writes what a script has returned as a reply. `resp3`: whether the script has asked for RESP3. `goes_on` is asked once in a while
/// whether it may go on: a small table may hold another many times. An error is written as one; says whether it was, and is to be
/// counted as such.
///
/// # Errors
/// If the interpreter has no memory left, or that it may not go on.
pub fn write_reply(
    reply: &mut Reply,
    value: &Value,
    resp3: bool,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Failure>> {
    write(&mut Written { reply, tables: 0, until_question: QUESTION_PERIOD, goes_on }, value, resp3, 0)
}

/// A reply being written.
struct Written<'a> {
    reply: &'a mut Reply,
    tables: usize,
    until_question: u32,
    goes_on: &'a mut dyn FnMut() -> bool,
}

/// A script has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// For the first time somebody is told of it.
    New,
    /// It was counted when the command failed that it comes from.
    Counted,
}

fn write(out: &mut Written<'_>, value: &Value, resp3: bool, depth: usize) -> Result<Option<Failure>> {
    if depth > DEPTH_MAX {
        return Err(mlua::Error::runtime("reached lua stack limit"));
    }
    let len = value.as_string().map_or(0, |text| text.as_bytes().len());
    if out.reply.buf.len() + len + out.tables * TABLE_COST > REPLY_LEN_MAX {
        return Err(mlua::Error::runtime("the reply of the script is too long"));
    }
    out.until_question -= 1;
    if out.until_question == 0 {
        out.until_question = QUESTION_PERIOD;
        if !(out.goes_on)() {
            return Err(mlua::Error::runtime("the script was ended"));
        }
    }
    let reply = &mut *out.reply;
    match value {
        Value::String(text) => reply.bulk(&text.as_bytes()),
        Value::Boolean(truth) if resp3 => reply.bool(*truth),
        Value::Boolean(true) => reply.int(1),
        Value::Boolean(false) => reply.null(),
        Value::Integer(n) => reply.int(*n),
        Value::Number(n) => reply.int(*n as i64),
        Value::Table(table) => return write_table(out, table, resp3, depth),
        _ => reply.null(),
    }
    Ok(None)
}

fn write_table(out: &mut Written<'_>, table: &Table, resp3: bool, depth: usize) -> Result<Option<Failure>> {
    out.tables += 1;
    let reply = &mut *out.reply;
    if let Value::String(text) = table.raw_get("err")? {
        reply.error(trimmed(&text.as_bytes()));
        return Ok(Some(match table.raw_get("ignore_error_stats_update")? {
            Value::Boolean(true) => Failure::Counted,
            _ => Failure::New,
        }));
    }
    if let Value::String(text) = table.raw_get("ok")? {
        line(reply, b'+', &text.as_bytes());
    } else if let Some(x) = as_number(&table.raw_get("double")?) {
        reply.double(x);
    } else if let Value::String(text) = table.raw_get("big_number")? {
        match reply.resp3 {
            true => line(reply, b'(', &text.as_bytes()),
            false => reply.bulk(&one_line(&text.as_bytes())),
        }
    } else if let Some((format, text)) = as_verbatim(&table.raw_get("verbatim_string")?)? {
        reply.verbatim(&format, &text);
    } else if let Value::Table(inner) = table.raw_get("map")? {
        reply.map(pairs_count(&inner)?);
        inner.for_each(|key: Value, value: Value| {
            write(out, &key, resp3, depth + 1)?;
            write(out, &value, resp3, depth + 1)?;
            Ok(())
        })?;
    } else if let Value::Table(inner) = table.raw_get("set")? {
        reply.set(pairs_count(&inner)?);
        inner.for_each(|member: Value, _: Value| {
            write(out, &member, resp3, depth + 1)?;
            Ok(())
        })?;
    } else {
        write_array(out, table, resp3, depth)?;
    }
    Ok(None)
}

fn pairs_count(table: &Table) -> Result<usize> {
    let mut count = 0;
    table.for_each(|_: Value, _: Value| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// Up to the first gap, which is not always where a table says that it ends.
fn write_array(out: &mut Written<'_>, table: &Table, resp3: bool, depth: usize) -> Result<()> {
    let mut count = 0;
    while !table.raw_get::<Value>(count + 1)?.is_nil() {
        count += 1;
    }
    out.reply.array(count);
    for i in 1..=count {
        let value: Value = table.raw_get(i)?;
        write(out, &value, resp3, depth + 1)?;
    }
    Ok(())
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(x) => Some(*x),
        Value::Integer(n) => Some(*n as f64),
        _ => None,
    }
}

fn as_verbatim(value: &Value) -> Result<Option<([u8; 3], Vec<u8>)>> {
    let Value::Table(table) = value else { return Ok(None) };
    let (Value::String(format), Value::String(text)) = (table.raw_get("format")?, table.raw_get("string")?) else {
        return Ok(None);
    };
    let mut name = *b"   ";
    for (to, &from) in name.iter_mut().zip(format.as_bytes().iter()) {
        *to = from;
    }
    Ok(Some((name, text.as_bytes().to_vec())))
}

fn line(reply: &mut Reply, kind: u8, text: &[u8]) {
    reply.buf.push(kind);
    reply.buf.extend_from_slice(&one_line(text));
    reply.buf.extend_from_slice(b"\r\n");
}

fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect()
}

/// Without the line ends behind it.
pub fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &text[..end]
}
