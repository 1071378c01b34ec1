//! Strings: `GET` and `SET` with all that belongs to them.
//!
//! `GET`, and `SET` without options, are the hot path: one look-up and nothing else. Everything about options, expiry and
//! rewriting for replicas stands apart from it.

mod get_set;
mod lcs;
mod multi;
mod numeric;
mod range;
mod set_options;

use super::errors::{self, Outcome};
use super::{Ctx, Handler};
use crate::fallible;
use crate::shard::entry::EntryRef;
use crate::shard::value::ValueRef;

/// The commands of this family.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("get", get_set::get),
    ("set", get_set::set),
    ("setnx", get_set::setnx),
    ("setex", fallible!(get_set::setex)),
    ("psetex", fallible!(get_set::psetex)),
    ("getset", fallible!(get_set::getset)),
    ("getdel", fallible!(get_set::getdel)),
    ("getex", fallible!(get_set::getex)),
    ("mget", multi::mget),
    ("mset", fallible!(multi::mset)),
    ("msetnx", fallible!(multi::msetnx)),
    ("append", fallible!(range::append)),
    ("strlen", fallible!(range::strlen)),
    ("setrange", fallible!(range::setrange)),
    ("getrange", fallible!(range::getrange)),
    ("substr", fallible!(range::getrange)),
    ("incr", fallible!(numeric::incr)),
    ("decr", fallible!(numeric::decr)),
    ("incrby", fallible!(numeric::incrby)),
    ("decrby", fallible!(numeric::decrby)),
    ("incrbyfloat", fallible!(numeric::incrbyfloat)),
    ("lcs", fallible!(lcs::lcs)),
];

/// The string in an entry.
fn string_of(entry: EntryRef<'_>) -> Outcome<&[u8]> {
    match entry.value() {
        ValueRef::Str(text) => Ok(text),
        _ => Err(errors::WRONG_TYPE),
    }
}

/// Refuses a string of this length if it is longer than any argument may be. It holds for the stream of a primary too: an offset
/// costs its sender nothing.
fn check_len(cx: &Ctx<'_>, len: usize) -> Outcome {
    if len as u64 > cx.config.proto_max_bulk_len { Err(errors::STRING_TOO_LONG) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
