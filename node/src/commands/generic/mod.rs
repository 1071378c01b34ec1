//! Commands that work on keys of any type, and on whole databases.

mod copy;
mod databases;
mod dump;
mod existence;
mod expire;
mod object;
mod scan;
mod sort;

use super::Handler;
use crate::fallible;

pub use scan::shard_of_cursor;

/// The commands of this family.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("del", existence::del),
    ("unlink", existence::del),
    ("exists", existence::exists),
    ("type", existence::type_of),
    ("touch", existence::touch),
    ("rename", fallible!(copy::rename)),
    ("renamenx", fallible!(copy::renamenx)),
    ("copy", fallible!(copy::copy)),
    ("move", fallible!(copy::move_to_db)),
    ("expire", fallible!(expire::expire)),
    ("pexpire", fallible!(expire::pexpire)),
    ("expireat", fallible!(expire::expireat)),
    ("pexpireat", fallible!(expire::pexpireat)),
    ("ttl", expire::ttl),
    ("pttl", expire::pttl),
    ("expiretime", expire::expiretime),
    ("pexpiretime", expire::pexpiretime),
    ("persist", expire::persist),
    ("keys", scan::keys),
    ("scan", fallible!(scan::scan)),
    ("randomkey", scan::randomkey),
    ("dbsize", databases::dbsize),
    ("flushdb", fallible!(databases::flushdb)),
    ("flushall", fallible!(databases::flushall)),
    ("swapdb", fallible!(databases::swapdb)),
    ("dump", dump::dump),
    ("restore", fallible!(dump::restore)),
    ("object", fallible!(object::object)),
    ("sort", fallible!(sort::sort_command)),
    ("sort_ro", fallible!(sort::sort_ro)),
];

#[cfg(test)]
mod tests;
