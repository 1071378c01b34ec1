//! `struct`: values to bytes and back, by a format.

use crate::scripting::natives::{Fault, native, number_arg, text_arg};
use mlua::{Lua, Table, Value};

/// The longest integer, in bytes.
const INT_LEN_MAX: usize = 32;
/// The largest alignment that `!` means by itself, in bytes.
const ALIGN_DEFAULT: usize = 8;
/// No format asks for more bytes than this; what a script has in hand is bounded by its memory.
const LEN_MAX: usize = 512 << 20;

/// One item of a format.
struct Item {
    option: u8,
    len: usize,
    /// Bytes before it.
    padding: usize,
}

/// A format being read.
struct Format<'a> {
    /// The function that reads it.
    name: &'static str,
    rest: &'a [u8],
    little: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(name: &'static str, text: &'a [u8]) -> Self {
        Format { name, rest: text, little: true, align: 1 }
    }

    fn number(&mut self) -> Result<Option<usize>, Fault> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(None);
        }
        let mut n = 0usize;
        for digit in &self.rest[..digits] {
            n = n * 10 + usize::from(digit - b'0');
            if n > i32::MAX as usize {
                return Err("integral size overflow".into());
            }
        }
        self.rest = &self.rest[digits..];
        Ok(Some(n))
    }

    /// The next item behind `total` bytes.
    fn next(&mut self, total: usize) -> Result<Option<Item>, Fault> {
        while let Some((&option, rest)) = self.rest.split_first() {
            self.rest = rest;
            let len = match option {
                b'b' | b'B' | b'x' => 1,
                b'h' | b'H' => 2,
                b'l' | b'L' | b'T' | b'd' | b'n' => 8,
                b'f' => 4,
                b'i' | b'I' => {
                    let len = self.number()?.unwrap_or(4);
                    if len > INT_LEN_MAX || len == 0 {
                        return Err(format!("integral size {len} is larger than limit of {INT_LEN_MAX}").into());
                    }
                    len
                }
                b'c' => self.number()?.unwrap_or(1),
                b's' => 0,
                b'<' | b'=' | b'>' => {
                    self.little = option != b'>';
                    continue;
                }
                b'!' => {
                    let align = self.number()?.unwrap_or(ALIGN_DEFAULT);
                    if !align.is_power_of_two() {
                        return Err(format!("alignment {align} is not a power of 2").into());
                    }
                    self.align = align;
                    continue;
                }
                b' ' => continue,
                other => {
                    return Err(
                        format!("bad argument #1 to '{}' (invalid format option '{}')", self.name, char::from(other)).into()
                    );
                }
            };
            let align = if matches!(option, b'c' | b's' | b'x') { 1 } else { len.min(self.align).max(1) };
            let padding = if align > 1 { (align - total % align) % align } else { 0 };
            if total.saturating_add(len).saturating_add(padding) > LEN_MAX {
                return Err("format result too large".into());
            }
            return Ok(Some(Item { option, len, padding }));
        }
        Ok(None)
    }
}

/// The functions, for the prelude to lift.
///
/// # Errors
/// If the interpreter has no memory left.
pub fn table(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", native(lua, pack)?)?;
    table.raw_set("unpack", native(lua, unpack)?)?;
    table.raw_set("size", native(lua, size)?)?;
    Ok(table)
}

fn size(lua: &Lua, args: &[Value]) -> Result<Vec<Value>, Fault> {
    let format = text_arg(lua, args, 0, "size")?;
    let format = format.as_bytes();
    let mut reader = Format::new("size", &format);
    let mut total = 0;
    while let Some(item) = reader.next(total)? {
        if item.option == b's' {
            return Err("bad argument #1 to 'size' (option 's' has no fixed size)".into());
        }
        if item.option == b'c' && item.len == 0 {
            return Err("bad argument #1 to 'size' (option 'c0' has no fixed size)".into());
        }
        total += item.padding + item.len;
    }
    Ok(vec![Value::Number(total as f64)])
}

fn pack(lua: &Lua, args: &[Value]) -> Result<Vec<Value>, Fault> {
    let format = text_arg(lua, args, 0, "pack")?;
    // What is not given counts as nil.
    let args = &[args, &[Value::Nil]].concat()[..];
    let format = format.as_bytes();
    let mut reader = Format::new("pack", &format);
    let mut out: Vec<u8> = Vec::new();
    let mut at = 1;
    while let Some(Item { option, len, padding }) = reader.next(out.len())? {
        out.resize(out.len() + padding, 0);
        match option {
            b'x' => {
                out.push(0);
                continue;
            }
            b'c' | b's' => {
                let text = text_arg(lua, args, at, "pack")?;
                let text = text.as_bytes();
                let len = if len == 0 { text.len() } else { len };
                if text.len() < len {
                    return Err(format!("bad argument #{} to 'pack' (string too short)", at + 1).into());
                }
                out.extend_from_slice(&text[..len]);
                if option == b's' {
                    out.push(0);
                }
            }
            b'f' | b'd' => {
                let x = number_arg(lua, args, at, "pack")?;
                let bytes = if option == b'f' { (x as f32).to_le_bytes().to_vec() } else { x.to_le_bytes().to_vec() };
                put(&mut out, bytes, reader.little);
            }
            _ => {
                let x = number_arg(lua, args, at, "pack")?;
                // Large numbers of an unsigned kind wrap as they do in C.
                let n = if x < 0.0 { x as i64 } else { x as u64 as i64 };
                let mut bytes = n.to_le_bytes().to_vec();
                bytes.resize(len, if n < 0 && x < 0.0 { 0xff } else { 0 });
                put(&mut out, bytes, reader.little);
            }
        }
        at += 1;
    }
    Ok(vec![Value::String(lua.create_string(out)?)])
}

fn put(out: &mut Vec<u8>, mut bytes: Vec<u8>, little: bool) {
    if !little {
        bytes.reverse();
    }
    out.extend_from_slice(&bytes);
}

fn unpack(lua: &Lua, args: &[Value]) -> Result<Vec<Value>, Fault> {
    let format = text_arg(lua, args, 0, "unpack")?;
    let format = format.as_bytes();
    let data = text_arg(lua, args, 1, "unpack")?;
    let data = data.as_bytes();
    let start = if args.len() > 2 { number_arg(lua, args, 2, "unpack")? } else { 1.0 };
    if start < 1.0 {
        return Err("bad argument #3 to 'unpack' (offset must be 1 or greater)".into());
    }
    let mut at = start as usize - 1;
    let mut reader = Format::new("unpack", &format);
    let mut values: Vec<Value> = Vec::new();
    let short = || Fault::from("bad argument #2 to 'unpack' (data string too short)");
    while let Some(Item { option, mut len, padding }) = reader.next(at)? {
        at = at.saturating_add(padding);
        if values.len() >= super::RESULTS_MAX {
            return Err("too many results to unpack".into());
        }
        if option == b'c' && len == 0 {
            let previous = values.pop().and_then(|value| super::as_number(&value)).filter(|n| *n >= 0.0);
            len = previous.ok_or_else(|| Fault::from("format 'c0' needs a previous size"))? as usize;
        }
        let end = at.checked_add(len).filter(|&end| end <= data.len()).ok_or_else(short)?;
        let bytes = data.get(at..end).ok_or_else(short)?;
        at = end;
        let mut ordered = bytes.to_vec();
        if !reader.little && !matches!(option, b'c' | b's') {
            ordered.reverse();
        }
        match option {
            b'x' => continue,
            b'c' => values.push(Value::String(lua.create_string(bytes)?)),
            b's' => {
                let rest = &data[at..];
                let len = memchr::memchr(0, rest).ok_or_else(|| Fault::from("unfinished string in data"))?;
                values.push(Value::String(lua.create_string(&rest[..len])?));
                at += len + 1;
            }
            b'f' => values.push(Value::Number(f64::from(f32::from_le_bytes(ordered.try_into().map_err(|_| short())?)))),
            b'd' => values.push(Value::Number(f64::from_le_bytes(ordered.try_into().map_err(|_| short())?))),
            _ => values.push(Value::Number(integer(&ordered, option.is_ascii_lowercase()))),
        }
    }
    values.push(Value::Number((at + 1) as f64));
    Ok(values)
}

/// The number that these bytes are, the lowest first; of longer ones the lowest eight count.
fn integer(bytes: &[u8], signed: bool) -> f64 {
    let len = bytes.len().min(8);
    let mut low = [0; 8];
    low[..len].copy_from_slice(&bytes[..len]);
    let n = u64::from_le_bytes(low);
    if !signed {
        return n as f64;
    }
    let shift = 64 - 8 * len as u32;
    ((n << shift) as i64 >> shift) as f64
}
