//! Hashes: fields with values, and deadlines.

mod combined;
mod deadlines;
mod fields;
mod numeric;
mod random;
mod read;
mod write;

use super::Handler;
use crate::fallible;

/// The commands of this family.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("hset", fallible!(write::hset)),
    ("hmset", fallible!(write::hmset)),
    ("hsetnx", fallible!(write::hsetnx)),
    ("hdel", fallible!(write::hdel)),
    ("hget", fallible!(read::hget)),
    ("hmget", fallible!(read::hmget)),
    ("hgetall", fallible!(read::hgetall)),
    ("hkeys", fallible!(read::hkeys)),
    ("hvals", fallible!(read::hvals)),
    ("hlen", fallible!(read::hlen)),
    ("hexists", fallible!(read::hexists)),
    ("hstrlen", fallible!(read::hstrlen)),
    ("hscan", fallible!(read::hscan)),
    ("hrandfield", fallible!(random::hrandfield)),
    ("hincrby", fallible!(numeric::hincrby)),
    ("hincrbyfloat", fallible!(numeric::hincrbyfloat)),
    ("hexpire", fallible!(deadlines::hexpire)),
    ("hpexpire", fallible!(deadlines::hpexpire)),
    ("hexpireat", fallible!(deadlines::hexpireat)),
    ("hpexpireat", fallible!(deadlines::hpexpireat)),
    ("hpersist", fallible!(deadlines::hpersist)),
    ("httl", fallible!(deadlines::httl)),
    ("hpttl", fallible!(deadlines::hpttl)),
    ("hexpiretime", fallible!(deadlines::hexpiretime)),
    ("hpexpiretime", fallible!(deadlines::hpexpiretime)),
    ("hgetdel", fallible!(combined::hgetdel)),
    ("hgetex", fallible!(combined::hgetex)),
    ("hsetex", fallible!(combined::hsetex)),
];

#[cfg(test)]
mod tests;
