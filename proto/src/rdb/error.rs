//! What can be wrong with an RDB file or a `DUMP` payload, and where.

use crate::listpack::Corrupt;
use std::fmt;

/// Reading failed. The text names the position and the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdbError {
    /// Bytes from the beginning of the file or payload.
    pub at: u64,
    pub fault: Fault,
}

/// The cause of an [`RdbError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file does not begin with a known magic.
    Magic,
    /// The magic is known, the version is not.
    Version(u32),
    /// The value ends before it is complete.
    Truncated,
    /// Something that no server writes; the text says what.
    Corrupt(&'static str),
    /// A byte that is neither a type nor an opcode.
    UnknownType(u8),
    /// A value of the named module, whose format only the module knows.
    Module(String),
    /// A part of the format that is known but cannot be taken over; the text names it.
    Unsupported(&'static str),
    /// A string longer than the limit.
    StringTooLong { len: u64, max: u64 },
    /// The same member, field or element twice where it may stand once.
    Duplicate,
    /// A collection without elements.
    Empty,
    /// A payload with bytes behind its value.
    Trailing,
    /// The file is not what its writer wrote.
    Checksum { stored: u64, computed: u64 },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Magic => f.write_str("not an RDB file: it begins neither with REDIS nor with VALKEY and a version"),
            Fault::Version(version) => write!(f, "RDB version {version} is not supported (1 to 12, or VALKEY 80)"),
            Fault::Truncated => f.write_str("the value ends before it is complete"),
            Fault::Corrupt(what) => f.write_str(what),
            Fault::UnknownType(byte) => write!(f, "unknown value type or opcode {byte}"),
            Fault::Module(name) => write!(f, "a value of the module type '{name}', which cannot be loaded without the module"),
            Fault::Unsupported(what) => write!(f, "not supported: {what}"),
            Fault::StringTooLong { len, max } => write!(f, "a string of {len} bytes, over the limit of {max}"),
            Fault::Duplicate => f.write_str("a member or field that occurs twice"),
            Fault::Empty => f.write_str("a collection without elements"),
            Fault::Trailing => f.write_str("bytes behind the end of the value"),
            Fault::Checksum { stored, computed } => {
                write!(f, "wrong checksum: stored {stored:016x}, computed {computed:016x}")
            }
        }
    }
}

impl From<Corrupt> for Fault {
    fn from(corrupt: Corrupt) -> Self {
        Fault::Corrupt(corrupt.0)
    }
}

impl fmt::Display for RdbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RDB byte {}: {}", self.at, self.fault)
    }
}

impl std::error::Error for RdbError {}
