//! `cjson`: JSON, with the settings and limits of lua-cjson 2.1.

use super::NESTING_MAX;
use super::json_read::{Reader, Rules};
use super::json_write::Writer;
use crate::scripting::engine::Room;
use crate::scripting::natives::{Fault, native, number_arg, text_arg};
use mlua::{Lua, Result, Table, Value};
use std::cell::RefCell;
use std::rc::Rc;

/// What is done with numbers that JSON does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// They are an error.
    Refused,
    /// They are written and read as words.
    Allowed,
    /// They are written as `null`.
    Null,
}

/// What scripts can set; it stays set in the interpreter.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether arrays with many gaps are written as objects; else they are refused.
    pub sparse_convert: bool,
    /// More gaps than this many times the elements are many; 0 = never.
    pub sparse_ratio: usize,
    /// Arrays up to this length never have many gaps.
    pub sparse_safe: usize,
    /// How deep tables may be nested.
    pub encode_depth: usize,
    /// How deep JSON may be nested.
    pub decode_depth: usize,
    /// Significant digits of a number.
    pub precision: usize,
    /// Kept for its value only.
    pub keep_buffer: bool,
    /// For writing.
    pub encode_odd: Odd,
    /// For reading.
    pub decode_odd: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            keep_buffer: true,
            encode_odd: Odd::Refused,
            decode_odd: true,
        }
    }
}

type Shared = Rc<RefCell<Settings>>;

/// The functions, for the prelude to lift.
///
/// # Errors
/// If the interpreter has no memory left.
pub fn table(lua: &Lua) -> Result<Table> {
    let settings: Shared = Rc::default();
    let table = lua.create_table()?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    table.raw_set("null", Value::NULL)?;
    let set = Rc::clone(&settings);
    table.raw_set(
        "encode",
        native(lua, move |lua, args| {
            let [value] = args else { return Err("bad argument #1 to 'encode' (expected 1 argument)".into()) };
            let settings = set.borrow();
            let mut writer = Writer::new(lua, &settings);
            writer.value(value, 0)?;
            Ok(vec![Value::String(lua.create_string(&writer.out)?)])
        })?,
    )?;
    let set = Rc::clone(&settings);
    table.raw_set(
        "decode",
        native(lua, move |lua, args| {
            if args.len() != 1 {
                return Err("bad argument #1 to 'decode' (expected 1 argument)".into());
            }
            let text = text_arg(lua, args, 0, "decode")?;
            let settings = set.borrow();
            let rules = Rules { depth: settings.decode_depth.min(NESTING_MAX), odd: settings.decode_odd };
            let _room = Room::for_len(lua, text.as_bytes().len());
            Ok(vec![Reader::new(lua, &text.as_bytes(), rules).document()?])
        })?,
    )?;
    number(lua, &table, &settings, "encode_max_depth", (1, i32::MAX as usize), |set| &mut set.encode_depth)?;
    number(lua, &table, &settings, "decode_max_depth", (1, i32::MAX as usize), |set| &mut set.decode_depth)?;
    number(lua, &table, &settings, "encode_number_precision", (1, 14), |set| &mut set.precision)?;
    switch(lua, &table, &settings, "encode_keep_buffer", |set| &mut set.keep_buffer)?;
    switch(lua, &table, &settings, "decode_invalid_numbers", |set| &mut set.decode_odd)?;
    let set = Rc::clone(&settings);
    table.raw_set(
        "encode_invalid_numbers",
        native(lua, move |lua, args| {
            let odd = &mut set.borrow_mut().encode_odd;
            match args.first() {
                None | Some(Value::Nil) => {}
                Some(Value::Boolean(on)) => *odd = if *on { Odd::Allowed } else { Odd::Refused },
                Some(Value::String(word)) if word == "null" => *odd = Odd::Null,
                Some(Value::String(word)) if word == "on" => *odd = Odd::Allowed,
                Some(Value::String(word)) if word == "off" => *odd = Odd::Refused,
                Some(_) => return Err("bad argument #1 to 'encode_invalid_numbers' (invalid option)".into()),
            }
            Ok(vec![match odd {
                Odd::Null => Value::String(lua.create_string("null")?),
                other => Value::Boolean(*other == Odd::Allowed),
            }])
        })?,
    )?;
    let set = settings;
    table.raw_set(
        "encode_sparse_array",
        native(lua, move |lua, args| {
            let mut set = set.borrow_mut();
            if let Some(Value::Boolean(convert)) = args.first() {
                set.sparse_convert = *convert;
            }
            let name = "encode_sparse_array";
            if args.get(1).is_some_and(|value| !value.is_nil()) {
                set.sparse_ratio = within(number_arg(lua, args, 1, name)?, 1, name, (0, i32::MAX as usize))?;
            }
            if args.get(2).is_some_and(|value| !value.is_nil()) {
                set.sparse_safe = within(number_arg(lua, args, 2, name)?, 2, name, (0, i32::MAX as usize))?;
            }
            Ok(vec![
                Value::Boolean(set.sparse_convert),
                Value::Number(set.sparse_ratio as f64),
                Value::Number(set.sparse_safe as f64),
            ])
        })?,
    )?;
    Ok(table)
}

fn within(x: f64, at: usize, name: &str, (min, max): (usize, usize)) -> std::result::Result<usize, Fault> {
    if x >= min as f64 && x <= max as f64 {
        return Ok(x as usize);
    }
    Err(format!("bad argument #{} to '{name}' (expected integer between {min} and {max})", at + 1).into())
}

fn number(
    lua: &Lua,
    table: &Table,
    settings: &Shared,
    name: &'static str,
    range: (usize, usize),
    field: fn(&mut Settings) -> &mut usize,
) -> Result<()> {
    let set = Rc::clone(settings);
    let function = native(lua, move |lua, args| {
        let mut set = set.borrow_mut();
        if args.first().is_some_and(|value| !value.is_nil()) {
            *field(&mut set) = within(number_arg(lua, args, 0, name)?, 0, name, range)?;
        }
        Ok(vec![Value::Number(*field(&mut set) as f64)])
    })?;
    table.raw_set(name, function)
}

fn switch(
    lua: &Lua,
    table: &Table,
    settings: &Shared,
    name: &'static str,
    field: fn(&mut Settings) -> &mut bool,
) -> Result<()> {
    let set = Rc::clone(settings);
    let function = native(lua, move |_, args| {
        let mut set = set.borrow_mut();
        match args.first() {
            Some(Value::Boolean(on)) => *field(&mut set) = *on,
            Some(Value::String(word)) => *field(&mut set) = word == "on",
            _ => {}
        }
        Ok(vec![Value::Boolean(*field(&mut set))])
    })?;
    table.raw_set(name, function)
}
