//! Functions of the node that scripts may call and that need nothing of the run under way.

use super::engine::{MADE_LEN_MAX, compile};
use super::store::sha_of;
use super::wording::{error_text, reword_at};
use crate::logging::{self, Level};
use mlua::{Function, Lua, MultiValue, Result, String as LuaString, Table, Value};
use rand::RngExt;
use std::cell::Cell;
use std::rc::Rc;

/// Why a native function fails.
pub enum Fault {
    /// With an error that a script may catch.
    Text(String),
    /// With one of the interpreter: it has no memory left.
    Lua(mlua::Error),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Self {
        Fault::Lua(error)
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Fault::Text(text)
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Self {
        Fault::Text(text.into())
    }
}

/// A function for the prelude to lift: it answers with an error or nil, and then with its results.
///
/// # Errors
/// If the interpreter has no memory left.
pub fn native(
    lua: &Lua,
    work: impl Fn(&Lua, &[Value]) -> std::result::Result<Vec<Value>, Fault> + 'static,
) -> Result<Function> {
    lua.create_function(move |lua, args: MultiValue| {
        let args = args.into_vec();
        match work(lua, &args) {
            Ok(values) => {
                let mut answer = MultiValue::from_vec(values);
                answer.push_front(Value::Nil);
                Ok(answer)
            }
            Err(Fault::Text(text)) => Ok(MultiValue::from_vec(vec![Value::String(lua.create_string(text)?)])),
            Err(Fault::Lua(error)) => Err(error),
        }
    })
}

/// The argument at this place as a string; a number is written as one.
///
/// # Errors
/// That it is none.
pub fn text_arg(lua: &Lua, args: &[Value], at: usize, name: &str) -> std::result::Result<LuaString, Fault> {
    match args.get(at) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Integer(n)) => Ok(lua.create_string(n.to_string())?),
        Some(Value::Number(x)) => Ok(lua.create_string(super::libs::number_text(*x))?),
        other => Err(wrong_type(other, at, name, "string")),
    }
}

/// The argument at this place as a number.
///
/// # Errors
/// That it is none.
pub fn number_arg(lua: &Lua, args: &[Value], at: usize, name: &str) -> std::result::Result<f64, Fault> {
    let value = args.get(at).cloned().unwrap_or(Value::Nil);
    match lua.coerce_number(value)? {
        Some(x) => Ok(x),
        None => Err(wrong_type(args.get(at), at, name, "number")),
    }
}

fn wrong_type(given: Option<&Value>, at: usize, name: &str, expected: &str) -> Fault {
    let got = given.map_or("no value", Value::type_name);
    Fault::Text(format!("bad argument #{} to '{name}' ({expected} expected, got {got})", at + 1))
}

/// The numbers that `math.random` is made from: the generator that C calls `drand48`, so that a seed gives the same numbers as in Redis.
struct Generator(Cell<u64>);

impl Generator {
    fn seed(&self, seed: i32) {
        self.0.set((u64::from(seed as u32) << 16) | 0x330e);
    }

    fn next(&self) -> u32 {
        let state = self.0.get().wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & ((1 << 48) - 1);
        self.0.set(state);
        (state >> 17) as u32
    }
}

/// All of them, for the prelude.
///
/// # Errors
/// If the interpreter has no memory left.
pub fn table(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("version", "7.0.15")?;
    table.raw_set("version_number", 0x0007_000f)?;
    table.raw_set(
        "reword",
        lua.create_function(|_, (text, source, line): (LuaString, Option<LuaString>, Option<u32>)| {
            let place = source.zip(line).map(|(source, line)| format!("{}:{line}: ", source.to_string_lossy()));
            Ok(reword_at(&text.to_string_lossy(), place.as_deref().unwrap_or_default()))
        })?,
    )?;
    table.raw_set("find_plain", lua.create_function(find_plain)?)?;
    table
        .raw_set("error_text", lua.create_function(|lua, text: LuaString| lua.create_string(error_text(&text.as_bytes())))?)?;
    table.raw_set("sha1hex", lua.create_function(|lua, text: LuaString| lua.create_string(sha_of(&text.as_bytes())))?)?;
    table.raw_set(
        "log",
        lua.create_function(|_, (level, text): (u8, LuaString)| {
            let level = [Level::Debug, Level::Verbose, Level::Notice, Level::Warning][usize::from(level.min(3))];
            logging::line(level, &text.to_string_lossy());
            Ok(())
        })?,
    )?;
    table.raw_set("compile", lua.create_function(compile_text)?)?;
    let generator = Rc::new(Generator(Cell::new(0)));
    generator.seed(rand::rng().random());
    let seeded = Rc::clone(&generator);
    table.raw_set(
        "seed",
        lua.create_function(move |_, seed: f64| {
            seeded.seed(seed as i64 as i32);
            Ok(())
        })?,
    )?;
    let max = f64::from(i32::MAX);
    table.raw_set("random", lua.create_function(move |_, ()| Ok(f64::from(generator.next() % i32::MAX as u32) / max))?)?;
    Ok(table)
}

/// Where a text has another from this place on, counted from one: in a time that is linear in their lengths, which the interpreter's
/// own search does not promise. As there, a place before the first counts from the end.
fn find_plain(_: &Lua, (text, wanted, from): (LuaString, LuaString, f64)) -> Result<Option<usize>> {
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    let from = if from < 0.0 { text.len() as f64 + from } else { from - 1.0 };
    let from = from.max(0.0) as usize;
    let rest = text.get(from..);
    Ok(rest.and_then(|rest| memchr::memmem::find(rest, &wanted)).map(|at| from + at + 1))
}

/// `loadstring`: the function, or nothing and what is wrong.
fn compile_text(lua: &Lua, (text, name): (LuaString, Option<LuaString>)) -> Result<(Option<Function>, Option<String>)> {
    // By default the text is its own name, as far as its first line.
    let name = name.map(|name| name.to_string_lossy());
    let name = name.unwrap_or_else(|| text.to_string_lossy().lines().next().unwrap_or_default().chars().take(60).collect());
    let shown = match name.strip_prefix(['=', '@']) {
        Some(shown) => format!("={shown}"),
        None => format!("=[string \"{name}\"]"),
    };
    Ok(match compile(lua, &text.as_bytes(), MADE_LEN_MAX, &shown) {
        Ok(function) => (Some(function), None),
        Err(error) => (None, Some(error)),
    })
}
