//! What a file says, item by item: the opcodes and keys of the format as Rust values.

use super::consts::opcode;
use super::cursor::{Cursor, module_name};
use super::decode;
use super::error::Fault;
use super::magic::Dialect;
use super::value::{RdbValue, Text};
use crate::id::{DbIndex, UnixMs};
use std::borrow::Cow;

/// The longest string that is accepted unless said otherwise; the default of `proto-max-bulk-len`.
pub const STRING_BYTES_MAX: u64 = 512 << 20;
/// The largest database index that fits the servers' type for it.
const DB_MAX: u64 = i32::MAX as u64;

/// What a [`super::Decoder`] accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest string, packed value or list node, decompressed.
    pub string_bytes_max: u64,
    /// Whether to compute and compare the checksum at the end.
    pub verify_checksum: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { string_bytes_max: STRING_BYTES_MAX, verify_checksum: true }
    }
}

/// One thing that a file says.
#[derive(Debug, PartialEq)]
pub enum Item<'a> {
    /// A field about the file itself.
    Aux {
        name: Cow<'a, [u8]>,
        value: Cow<'a, [u8]>,
    },
    /// Keys that follow are in this database.
    SelectDb(DbIndex),
    /// How many keys follow in this database, and how many of them have a deadline. Only a hint, and not to be believed.
    ResizeDb {
        keys: u64,
        expires: u64,
    },
    /// The same for a slot.
    SlotInfo {
        slot: u64,
        keys: u64,
        expires: u64,
    },
    /// The source of a function library.
    Function(Cow<'a, [u8]>),
    /// Data of the named module outside of keys; passed over.
    ModuleAux {
        module: String,
    },
    Key(Entry<'a>),
    /// The file is complete.
    End(Checksum),
}

/// A key with its value.
#[derive(Debug, PartialEq)]
pub struct Entry<'a> {
    pub key: Text<'a>,
    pub expire: Option<UnixMs>,
    /// Seconds since the last use, if the file says so.
    pub idle_s: Option<u64>,
    /// The access counter of the LFU policies, if the file says so.
    pub freq: Option<u8>,
    pub value: RdbValue<'a>,
}

/// What became of the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    Good,
    /// The file has none.
    Absent,
    /// It was not to be verified.
    Skipped,
}

/// What goes before a key and applies to it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) expire: Option<UnixMs>,
    pub(super) idle_s: Option<u64>,
    pub(super) freq: Option<u8>,
}

/// Whether the byte begins something that applies to the key behind it.
pub(super) fn is_prefix(byte: u8) -> bool {
    matches!(byte, opcode::EXPIRE_MS | opcode::EXPIRE | opcode::IDLE | opcode::FREQ)
}

/// Whether the byte is a type, given that it is one or an opcode.
pub(super) fn is_key(byte: u8) -> bool {
    byte < opcode::SLOT_IMPORT_OR_KEY_META
}

/// Reads a complete entry that is not a prefix. The cursor is behind its first byte.
pub(super) fn read_item<'a>(cursor: &mut Cursor<'a>, byte: u8, dialect: Dialect, prefix: Prefix) -> Result<Item<'a>, Fault> {
    Ok(match byte {
        opcode::AUX => Item::Aux { name: cursor.blob()?, value: cursor.blob()? },
        opcode::SELECTDB => match cursor.len()? {
            db @ 0..=DB_MAX => Item::SelectDb(DbIndex(db as u32)),
            _ => return Err(Fault::Corrupt("a database index out of all range")),
        },
        opcode::RESIZEDB => Item::ResizeDb { keys: cursor.len()?, expires: cursor.len()? },
        opcode::SLOT_INFO => Item::SlotInfo { slot: cursor.len()?, keys: cursor.len()?, expires: cursor.len()? },
        opcode::FUNCTION2 => Item::Function(cursor.blob()?),
        opcode::MODULE_AUX => Item::ModuleAux { module: module_name(cursor.len()?) },
        kind => {
            let key = cursor.text()?;
            let Prefix { expire, idle_s, freq } = prefix;
            Item::Key(Entry { key, expire, idle_s, freq, value: decode::value(cursor, kind, dialect)? })
        }
    })
}
