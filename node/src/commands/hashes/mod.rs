//! Hashes: fields with values.

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
];

#[cfg(test)]
mod tests;
