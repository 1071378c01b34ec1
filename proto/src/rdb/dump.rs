//! `DUMP` payloads: one value by itself, with a version and a checksum behind it.
//!
//! ```text
//! type value <u16 LE: RDB version> <u64 LE: CRC-64 of everything before>
//! ```

use super::consts::{VERSION_REDIS_7_0, VERSION_REDIS_7_4, VERSION_VALKEY_9};
use super::crc::crc64;
use super::cursor::Cursor;
use super::decode;
use super::error::{Fault, RdbError};
use super::item::STRING_BYTES_MAX;
use super::magic::Dialect;
use super::value::RdbValue;
use std::fmt;

/// Why a payload is refused before its value is looked at. Servers answer every one with the same error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpError {
    /// Shorter than a type and a footer.
    Short,
    /// Of a version that is not known.
    Version(u16),
    Checksum,
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DumpError::Short => f.write_str("the payload is too short"),
            DumpError::Version(version) => write!(f, "the payload is of RDB version {version}, which is not supported"),
            DumpError::Checksum => f.write_str("the payload has a wrong checksum"),
        }
    }
}

impl std::error::Error for DumpError {}

/// A payload whose footer is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dump<'a> {
    pub kind: u8,
    /// The value, behind the type byte and without the footer.
    pub body: &'a [u8],
    pub version: u16,
}

impl<'a> Dump<'a> {
    /// Decodes the value, with the meaning that types have in the payload's version.
    pub fn decode(&self) -> Result<RdbValue<'a>, RdbError> {
        decode_value(self.kind, self.body, self.dialect())
    }

    fn dialect(&self) -> Dialect {
        if u32::from(self.version) == VERSION_VALKEY_9 { Dialect::Valkey } else { Dialect::Redis }
    }
}

/// Completes a payload: `out` holds type and value, and nothing else.
pub fn finish_dump(out: &mut Vec<u8>) {
    finish_dump_as(out, VERSION_REDIS_7_0 as u16);
}

/// Completes a payload that says it is of `version`.
pub fn finish_dump_as(out: &mut Vec<u8>, version: u16) {
    out.extend_from_slice(&version.to_le_bytes());
    let crc = crc64(out);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// Checks the footer of a payload and takes it off.
pub fn open_dump(payload: &[u8]) -> Result<Dump<'_>, DumpError> {
    let (content, crc) = payload.split_last_chunk::<8>().ok_or(DumpError::Short)?;
    let (value, version) = content.split_last_chunk::<2>().ok_or(DumpError::Short)?;
    let (&kind, body) = value.split_first().ok_or(DumpError::Short)?;
    let version = u16::from_le_bytes(*version);
    if u32::from(version) > VERSION_REDIS_7_4 && u32::from(version) != VERSION_VALKEY_9 {
        return Err(DumpError::Version(version));
    }
    // Unlike in a file, a checksum of zero does not mean that there is none.
    if u64::from_le_bytes(*crc) != crc64(content) {
        return Err(DumpError::Checksum);
    }
    Ok(Dump { kind, body, version })
}

/// Decodes a value that must take up all of `body`. Positions in errors count from its beginning. Collections without elements
/// are refused, as `RESTORE` does.
pub fn decode_value(kind: u8, body: &[u8], dialect: Dialect) -> Result<RdbValue<'_>, RdbError> {
    let mut cursor = Cursor::new(body, STRING_BYTES_MAX);
    let result = decode::value(&mut cursor, kind, dialect);
    let at = cursor.pos() as u64;
    match result {
        Ok(_) if !cursor.rest().is_empty() => Err(RdbError { at, fault: Fault::Trailing }),
        Ok(value) => Ok(value),
        Err(fault) => Err(RdbError { at, fault }),
    }
}
