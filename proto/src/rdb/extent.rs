//! Where does this entry end? Answered from what has arrived so far, picking up where the last answer gave out.
//!
//! Every entry is described by a [`Shape`], as data. [`Extent`] walks the shape over the bytes and looks at lengths only. Each
//! byte of structure is looked at once however small the pieces are in which a file arrives, so the work is linear; and the
//! number of bytes to wait for is known exactly as soon as a length has been seen. Nothing is allocated for what has not come.
//!
//! Decoding then runs over complete entries and need not know about waiting.

use super::consts::{kind, lead, module_opcode, opcode};
use super::cursor::{Len, parse_len};
use super::error::Fault;
use super::magic::Dialect;

/// A piece of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// This many bytes.
    Fixed(usize),
    Len,
    Str,
    /// A score as text.
    TextDouble,
    /// A count, then all of these as often.
    Many(&'static [Shape]),
    /// Values of a module, each with its opcode, until the end opcode.
    ModuleValues,
}

use Shape::{Fixed, Len as L, Many, ModuleValues, Str, TextDouble};

const KEY: &[Shape] = &[Str];
const PENDING: Shape = Many(&[Fixed(16 + 8), L]);
const CONSUMERS: Shape = Many(&[Str, Fixed(8), Many(&[Fixed(16)])]);
const CONSUMERS_3: Shape = Many(&[Str, Fixed(8 + 8), Many(&[Fixed(16)])]);
const STREAM_NODES: Shape = Many(&[Str, Str]);

/// The value of a key of type `kind`.
pub(super) fn value_shape(kind: u8, dialect: Dialect) -> Result<&'static [Shape], Fault> {
    Ok(match kind {
        kind::STRING => &[Str],
        kind::LIST | kind::SET | kind::LIST_QUICKLIST => &[Many(&[Str])],
        kind::ZSET => &[Many(&[Str, TextDouble])],
        kind::HASH => &[Many(&[Str, Str])],
        kind::ZSET_2 => &[Many(&[Str, Fixed(8)])],
        kind::HASH_ZIPMAP
        | kind::LIST_ZIPLIST
        | kind::SET_INTSET
        | kind::ZSET_ZIPLIST
        | kind::HASH_ZIPLIST
        | kind::HASH_LISTPACK
        | kind::ZSET_LISTPACK
        | kind::SET_LISTPACK => &[Str],
        kind::LIST_QUICKLIST_2 => &[Many(&[L, Str])],
        kind::STREAM => &[STREAM_NODES, L, L, L, Many(&[Str, L, L, PENDING, CONSUMERS])],
        kind::STREAM_2 => &[STREAM_NODES, L, L, L, L, L, L, L, L, Many(&[Str, L, L, L, PENDING, CONSUMERS])],
        kind::STREAM_3 => &[STREAM_NODES, L, L, L, L, L, L, L, L, Many(&[Str, L, L, L, PENDING, CONSUMERS_3])],
        kind::HASH_2_VALKEY if dialect == Dialect::Valkey => &[Many(&[Str, Str, Fixed(8)])],
        kind::HASH_METADATA => &[Fixed(8), Many(&[L, Str, Str])],
        kind::HASH_LISTPACK_EX => &[Fixed(8), Str],
        // As far as the module's id, to name it in the error that follows.
        kind::MODULE_PRE_GA | kind::MODULE_2 => &[L],
        _ => return Err(unreadable(kind)),
    })
}

/// Why an entry that begins with `byte` cannot be read.
#[cold]
pub(super) fn unreadable(byte: u8) -> Fault {
    match byte {
        kind::HASH_2_VALKEY | kind::HASH_LISTPACK_EX_PRE_GA => {
            Fault::Unsupported("hashes with field deadlines as pre-releases of Redis 7.4 wrote them")
        }
        opcode::SLOT_IMPORT_OR_KEY_META => Fault::Unsupported("slot imports of Valkey 9 and key metadata of Redis 8.6"),
        opcode::FUNCTION_PRE_GA => Fault::Unsupported("functions as pre-releases of Redis 7.0 wrote them"),
        _ => Fault::UnknownType(byte),
    }
}

/// What follows an opcode, or `None` if it is none that can be passed over.
pub(super) fn opcode_shape(opcode: u8) -> Option<&'static [Shape]> {
    Some(match opcode {
        opcode::AUX => &[Str, Str],
        opcode::SELECTDB | opcode::IDLE => &[L],
        opcode::RESIZEDB => &[L, L],
        opcode::SLOT_INFO => &[L, L, L],
        opcode::FUNCTION2 => &[Str],
        opcode::MODULE_AUX => &[L, L, L, ModuleValues],
        opcode::EXPIRE_MS => &[Fixed(8)],
        opcode::EXPIRE => &[Fixed(4)],
        opcode::FREQ => &[Fixed(1)],
        _ => return None,
    })
}

/// Shapes under way: which comes next, and how often all of them are still to come.
struct Frame {
    shapes: &'static [Shape],
    next: usize,
    rounds: u64,
}

/// The search for the end of one entry. Keeps its allocation from entry to entry.
#[derive(Default)]
pub(super) struct Extent {
    stack: Vec<Frame>,
    /// How far the entry has been understood, from its beginning.
    pos: usize,
    /// Below this many bytes it is useless to look again.
    need: usize,
}

impl Extent {
    /// Begins with an entry whose first `pos` bytes are understood.
    pub(super) fn begin(&mut self, pos: usize, shapes: &'static [Shape]) {
        self.stack.clear();
        self.stack.push(Frame { shapes, next: 0, rounds: 1 });
        self.pos = pos;
        self.need = pos;
    }

    /// Begins with a key: its name, then a value of this shape.
    pub(super) fn begin_key(&mut self, pos: usize, value: &'static [Shape]) {
        self.begin(pos, value);
        self.stack.push(Frame { shapes: KEY, next: 0, rounds: 1 });
    }

    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    pub(super) fn need(&self) -> usize {
        self.need
    }

    /// How long the entry is, given what there is of it; `None` if it is not all there. `bytes` must begin where it began
    /// before, and be no shorter.
    pub(super) fn find(&mut self, bytes: &[u8], string_max: u64) -> Result<Option<usize>, Fault> {
        if bytes.len() < self.need {
            return Ok(None);
        }
        while let Some(frame) = self.stack.last_mut() {
            let Some(&shape) = frame.shapes.get(frame.next) else {
                frame.next = 0;
                frame.rounds -= 1;
                if frame.rounds == 0 {
                    self.stack.pop();
                }
                continue;
            };
            let rest = &bytes[self.pos..];
            let size = match shape {
                Fixed(size) => size,
                Str => string_size(rest, string_max)?,
                TextDouble => text_double_size(rest),
                L | Many(_) | ModuleValues => match parse_len(rest)? {
                    Some((_, size)) => size,
                    None => rest.len() + 1,
                },
            };
            if size > rest.len() {
                self.need = self.pos.checked_add(size).ok_or(Fault::Truncated)?;
                return Ok(None);
            }
            self.pos += size;
            match shape {
                Many(shapes) => {
                    frame.next += 1;
                    let rounds = plain(rest)?;
                    if rounds > 0 {
                        self.stack.push(Frame { shapes, next: 0, rounds });
                    }
                }
                ModuleValues => match module_value(plain(rest)?)? {
                    Some(shapes) => self.stack.push(Frame { shapes, next: 0, rounds: 1 }),
                    None => frame.next += 1,
                },
                L => {
                    plain(rest)?;
                    frame.next += 1;
                }
                _ => frame.next += 1,
            }
        }
        Ok(Some(self.pos))
    }
}

/// The plain length at the beginning of `bytes`, which is there.
fn plain(bytes: &[u8]) -> Result<u64, Fault> {
    match parse_len(bytes)? {
        Some((Len::Plain(len), _)) => Ok(len),
        _ => Err(Fault::Corrupt("a length expected, a string found")),
    }
}

/// How many bytes the string at the beginning of `bytes` takes; more than there are if that cannot be said yet.
#[inline]
fn string_size(bytes: &[u8], string_max: u64) -> Result<usize, Fault> {
    let unknown = Ok(bytes.len() + 1);
    let Some((len, head)) = parse_len(bytes)? else { return unknown };
    let (head, len) = match len {
        Len::Plain(len) => (head, len),
        Len::Special(lead::INT8) => (head, 1),
        Len::Special(lead::INT16) => (head, 2),
        Len::Special(lead::INT32) => (head, 4),
        Len::Special(_) => {
            let Some((Len::Plain(packed), first)) = parse_len(&bytes[head..])? else { return unknown };
            let Some((Len::Plain(len), second)) = parse_len(&bytes[head + first..])? else { return unknown };
            if len > string_max {
                return Err(Fault::StringTooLong { len, max: string_max });
            }
            (head + first + second, packed)
        }
    };
    if len > string_max {
        return Err(Fault::StringTooLong { len, max: string_max });
    }
    usize::try_from(len).ok().and_then(|len| len.checked_add(head)).ok_or(Fault::StringTooLong { len, max: string_max })
}

fn text_double_size(bytes: &[u8]) -> usize {
    match bytes.first() {
        None | Some(253..=255) => 1,
        Some(&len) => 1 + usize::from(len),
    }
}

/// What follows an opcode inside a module's data; `None` at its end.
fn module_value(opcode: u64) -> Result<Option<&'static [Shape]>, Fault> {
    Ok(Some(match opcode {
        module_opcode::EOF => return Ok(None),
        module_opcode::SINT | module_opcode::UINT => &[L],
        module_opcode::FLOAT => &[Fixed(4)],
        module_opcode::DOUBLE => &[Fixed(8)],
        module_opcode::STRING => &[Str],
        _ => return Err(Fault::Corrupt("unknown opcode in a module's data")),
    }))
}
