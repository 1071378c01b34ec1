//! HyperLogLogs: strings in Redis's own format that estimate how many different elements they have seen.
//!
//! ```text
//! "HYLL" <encoding: 0 dense, 1 sparse> 0 0 0 <u64 LE: estimate; top bit set: outdated> registers
//! ```
//!
//! The 16384 registers are six bits each when dense. The same elements in the same order give the same bytes as in Redis, so that
//! digests agree and values can be exchanged.

mod debug;
mod dense;
mod estimate;
mod hash;
mod sparse;

use super::errors::{self, Error, Outcome};
use super::{Ctx, Handler, Origin};
use crate::fallible;
use crate::shard::value::ValueRef;
use koltso_proto::resp::Args;

/// The commands of this family.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("pfadd", fallible!(pfadd)),
    ("pfcount", fallible!(pfcount)),
    ("pfmerge", fallible!(pfmerge)),
    ("pfdebug", fallible!(debug::pfdebug)),
    ("pfselftest", fallible!(debug::pfselftest)),
];

/// How many registers there are.
const REGISTERS: usize = 1 << 14;
const HEADER_LEN: usize = 16;
/// Where the estimate stands, and its last byte, whose top bit says that it is outdated.
const ESTIMATE_AT: usize = 8;
const OUTDATED_AT: usize = 15;
const OUTDATED: u8 = 0x80;

const NOT_A_HLL: Error = Error::fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPT: Error = Error::fixed("INVALIDOBJ Corrupted HLL object detected");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Dense,
    Sparse,
}

/// How the registers of a string are kept.
///
/// # Errors
/// It is no HyperLogLog.
fn encoding_of(bytes: &[u8]) -> Outcome<Encoding> {
    match bytes {
        [b'H', b'Y', b'L', b'L', 0, ..] if bytes.len() == dense::LEN => Ok(Encoding::Dense),
        [b'H', b'Y', b'L', b'L', 1, ..] if bytes.len() >= HEADER_LEN => Ok(Encoding::Sparse),
        _ => Err(NOT_A_HLL),
    }
}

/// One without elements.
fn empty() -> Vec<u8> {
    let mut bytes = b"HYLL\x01".to_vec();
    bytes.resize(HEADER_LEN, 0);
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

/// The HyperLogLog at `key`.
fn read<'c>(cx: &'c mut Ctx<'_>, key: &[u8]) -> Outcome<Option<(&'c [u8], Encoding)>> {
    match cx.read(key).map(|entry| entry.value()) {
        None => Ok(None),
        Some(ValueRef::Str(bytes)) => Ok(Some((bytes, encoding_of(bytes)?))),
        Some(_) => Err(errors::WRONG_TYPE),
    }
}

/// Changes the HyperLogLog at `key`, which is there.
fn edit<R>(cx: &mut Ctx<'_>, key: &[u8], change: impl FnOnce(&mut Vec<u8>) -> Outcome<R>) -> Outcome<R> {
    let done = cx.write(key).and_then(|mut entry| entry.edit_string(change));
    done.ok_or(errors::WRONG_TYPE)?
}

/// Makes it dense if it is not.
fn make_dense(bytes: &mut Vec<u8>) -> Outcome {
    if encoding_of(bytes)? == Encoding::Sparse {
        let mut whole = vec![0; dense::LEN];
        whole[..HEADER_LEN].copy_from_slice(&bytes[..HEADER_LEN]);
        whole[4] = 0;
        sparse::visit(&bytes[HEADER_LEN..], |register, value| dense::set(&mut whole, register, value)).ok_or(CORRUPT)?;
        *bytes = whole;
    }
    Ok(())
}

/// Raises a register to `value`, if it is less; says whether it was. The sparse form gives way where it would be longer than
/// `sparse_len_max`, or cannot hold the value.
fn raise(bytes: &mut Vec<u8>, register: usize, value: u8, sparse_len_max: u64) -> Outcome<bool> {
    if encoding_of(bytes)? == Encoding::Sparse {
        match sparse::raise(bytes, register, value, sparse_len_max) {
            sparse::Raised::No => return Ok(false),
            sparse::Raised::Yes => return Ok(true),
            sparse::Raised::Corrupt => return Err(CORRUPT),
            sparse::Raised::NoRoom => make_dense(bytes)?,
        }
    }
    Ok(dense::raise(bytes, register, value))
}

/// Raises each of `maxima` to the register's value.
fn merge_into(maxima: &mut [u8; REGISTERS], bytes: &[u8], encoding: Encoding) -> Outcome {
    let mut raise = |register: usize, value: u8| maxima[register] = maxima[register].max(value);
    match encoding {
        Encoding::Dense => dense::visit(bytes, raise),
        Encoding::Sparse => sparse::visit(&bytes[HEADER_LEN..], &mut raise).ok_or(CORRUPT)?,
    }
    Ok(())
}

/// `PFADD key [element …]`.
fn pfadd(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let key = args.get(1);
    let sparse_len_max = cx.config.hll_sparse_max_bytes;
    let add_all = |bytes: &mut Vec<u8>| {
        let mut raised = 0;
        for element in args.from(2) {
            let (register, value) = hash::place_of(element);
            raised += u64::from(raise(bytes, register, value, sparse_len_max)?);
        }
        Ok(raised)
    };
    let raised = match read(cx, key)? {
        None => {
            let mut bytes = empty();
            let raised = add_all(&mut bytes)?;
            bytes[OUTDATED_AT] |= OUTDATED;
            cx.set_string(key, &bytes, None);
            cx.dirty += raised;
            cx.reply.int(1);
            return Ok(());
        }
        Some((bytes, Encoding::Sparse)) => {
            // Looked at first, so that no error leaves half of the elements in.
            sparse::visit(&bytes[HEADER_LEN..], |_, _| {}).ok_or(CORRUPT)?;
            edit(cx, key, |bytes| outdate(bytes, add_all))?
        }
        Some((_, Encoding::Dense)) => edit(cx, key, |bytes| outdate(bytes, add_all))?,
    };
    if raised > 0 {
        cx.changed(key);
        cx.dirty += raised - 1;
    }
    cx.reply.int(i64::from(raised > 0));
    Ok(())
}

/// Changes the registers, and marks the estimate as outdated if that raised any.
fn outdate(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Vec<u8>) -> Outcome<u64>) -> Outcome<u64> {
    let raised = change(bytes)?;
    if raised > 0 {
        bytes[OUTDATED_AT] |= OUTDATED;
    }
    Ok(raised)
}

/// `PFCOUNT key [key …]`. The estimate of a single one is kept in it, and replicas keep it too.
fn pfcount(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let key = args.get(1);
    if args.len() > 2 {
        let mut maxima = Box::new([0; REGISTERS]);
        for key in args.from(1) {
            if let Some((bytes, encoding)) = read(cx, key)? {
                merge_into(&mut maxima, bytes, encoding)?;
            }
        }
        let count = estimate::of(maxima.iter().copied());
        cx.reply.int(count as i64);
        return Ok(());
    }
    let Some((bytes, encoding)) = read(cx, key)? else {
        cx.reply.int(0);
        return Ok(());
    };
    if bytes[OUTDATED_AT] & OUTDATED == 0 {
        let known = bytes[ESTIMATE_AT..].first_chunk().map_or(0, |known| u64::from_le_bytes(*known));
        cx.reply.int(known as i64);
        return Ok(());
    }
    let mut maxima = Box::new([0; REGISTERS]);
    merge_into(&mut maxima, bytes, encoding)?;
    let count = estimate::of(maxima.iter().copied());
    // A replica leaves its copy as its primary has it, and while writes are paused nothing is to change.
    if cx.origin == Origin::Primary || !(cx.frozen || cx.is_replica()) {
        edit(cx, key, |bytes| {
            bytes[ESTIMATE_AT..HEADER_LEN].copy_from_slice(&count.to_le_bytes());
            Ok(())
        })?;
        cx.changed(key);
    }
    cx.reply.int(count as i64);
    Ok(())
}

/// `PFMERGE destination [source …]`: the destination counts as a source.
fn pfmerge(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let destination = args.get(1);
    let mut maxima = Box::new([0; REGISTERS]);
    let mut any_dense = false;
    for key in args.from(1) {
        if let Some((bytes, encoding)) = read(cx, key)? {
            any_dense |= encoding == Encoding::Dense;
            merge_into(&mut maxima, bytes, encoding)?;
        }
    }
    if cx.peek(destination).is_none() {
        cx.set_string(destination, &empty(), None);
        cx.dirty -= 1;
    }
    let sparse_len_max = cx.config.hll_sparse_max_bytes;
    edit(cx, destination, |bytes| {
        if any_dense {
            make_dense(bytes)?;
        }
        for (register, value) in maxima.iter().enumerate().filter(|(_, value)| **value > 0) {
            raise(bytes, register, *value, sparse_len_max)?;
        }
        bytes[OUTDATED_AT] |= OUTDATED;
        Ok(())
    })?;
    cx.changed(destination);
    cx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests;
