//! Bitmaps: strings seen as rows of bits, the most significant bit of each byte first.
//!
//! Bits behind the end of a string read as 0; writing one makes the string longer. `SETBIT` and `BITFIELD` count as changes only
//! what differs afterwards.

mod bits;
mod combine;
mod count;
mod field;
mod single;

use super::errors::{self, Error, Outcome};
use super::{Ctx, Handler};
use crate::fallible;
use crate::shard::value::ValueRef;
use koltso_proto::number::parse_i64;

/// The commands of this family.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("setbit", fallible!(single::setbit)),
    ("getbit", fallible!(single::getbit)),
    ("bitcount", fallible!(count::bitcount)),
    ("bitpos", fallible!(count::bitpos)),
    ("bitop", fallible!(combine::bitop)),
    ("bitfield", fallible!(field::bitfield)),
    ("bitfield_ro", fallible!(field::bitfield_ro)),
];

const BAD_OFFSET: Error = Error::fixed("ERR bit offset is not an integer or out of range");

/// The position of a bit. No string may be longer than `proto-max-bulk-len`, and no bit may lie behind its end. With `width`, the
/// form `#n` counts in fields of so many bits.
fn offset(cx: &Ctx<'_>, text: &[u8], width: Option<u32>) -> Outcome<u64> {
    let (text, unit) = match (text, width) {
        ([b'#', rest @ ..], Some(width)) => (rest, i64::from(width)),
        _ => (text, 1),
    };
    let offset = parse_i64(text).and_then(|offset| offset.checked_mul(unit)).and_then(|offset| u64::try_from(offset).ok());
    offset.filter(|offset| offset / 8 < cx.config.proto_max_bulk_len).ok_or(BAD_OFFSET)
}

/// The string at `key`, to read; empty where there is none.
fn read<'c>(cx: &'c mut Ctx<'_>, key: &[u8]) -> Outcome<Option<&'c [u8]>> {
    match cx.read(key).map(|entry| entry.value()) {
        None => Ok(None),
        Some(ValueRef::Str(text)) => Ok(Some(text)),
        Some(_) => Err(errors::WRONG_TYPE),
    }
}

/// Changes the string at `key`, which is then at least `len` bytes long; it is created where there is none. `change` is told
/// whether the string grew, and says how many changes it made.
fn edit<R>(cx: &mut Ctx<'_>, key: &[u8], len: usize, change: impl FnOnce(&mut [u8], bool) -> (R, usize)) -> Outcome<R> {
    let old_len = match cx.peek(key).map(|entry| entry.value()) {
        None => None,
        Some(ValueRef::Str(text)) => Some(text.len()),
        Some(_) => return Err(errors::WRONG_TYPE),
    };
    let grows = old_len.is_none_or(|old| old < len);
    if old_len.is_none() {
        cx.set_string(key, b"", None);
        cx.dirty -= 1;
    }
    let edited = cx.write(key).and_then(|mut entry| {
        entry.edit_string(|text| {
            if text.len() < len {
                text.resize(len, 0);
            }
            change(text, grows)
        })
    });
    let (result, changes) = edited.ok_or(errors::WRONG_TYPE)?;
    // A string that grew is a change by itself, even if every operation on it failed: replicas have to have it too.
    let changes = changes.max(usize::from(grows));
    if changes > 0 {
        cx.changed(key);
        cx.dirty += changes as u64 - 1;
    }
    Ok(result)
}

#[cfg(test)]
mod tests;
