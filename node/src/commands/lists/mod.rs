//! Lists: pushing and popping at the ends, reading ranges, changing what is in between.

mod blocking;
mod change;
mod ends;
mod moves;
mod pos;
mod range;

use super::Handler;
use super::errors::{self, Outcome};
use crate::fallible;
use crate::shard::value::End;

/// The commands of this family.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("lpush", fallible!(ends::lpush)),
    ("rpush", fallible!(ends::rpush)),
    ("lpushx", fallible!(ends::lpushx)),
    ("rpushx", fallible!(ends::rpushx)),
    ("lpop", fallible!(ends::lpop)),
    ("rpop", fallible!(ends::rpop)),
    ("lmpop", fallible!(ends::lmpop)),
    ("llen", fallible!(range::llen)),
    ("lrange", fallible!(range::lrange)),
    ("lindex", fallible!(range::lindex)),
    ("lpos", fallible!(pos::lpos)),
    ("lset", fallible!(change::lset)),
    ("linsert", fallible!(change::linsert)),
    ("lrem", fallible!(change::lrem)),
    ("ltrim", fallible!(change::ltrim)),
    ("lmove", fallible!(moves::lmove)),
    ("rpoplpush", fallible!(moves::rpoplpush)),
    ("blpop", fallible!(blocking::blpop)),
    ("brpop", fallible!(blocking::brpop)),
    ("blmove", fallible!(blocking::blmove)),
    ("brpoplpush", fallible!(blocking::brpoplpush)),
    ("blmpop", fallible!(blocking::blmpop)),
];

/// `LEFT` or `RIGHT`.
fn end_of(word: &[u8]) -> Outcome<End> {
    if word.eq_ignore_ascii_case(b"LEFT") {
        Ok(End::Head)
    } else if word.eq_ignore_ascii_case(b"RIGHT") {
        Ok(End::Tail)
    } else {
        Err(errors::SYNTAX)
    }
}

#[cfg(test)]
mod tests;
