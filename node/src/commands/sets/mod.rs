//! Sets: members, and what two or more sets have in common.

mod algebra;
mod members;
mod random;

use super::Handler;
use crate::fallible;

/// The commands of this family.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("sadd", fallible!(members::sadd)),
    ("srem", fallible!(members::srem)),
    ("smove", fallible!(members::smove)),
    ("smembers", fallible!(members::smembers)),
    ("sismember", fallible!(members::sismember)),
    ("smismember", fallible!(members::smismember)),
    ("scard", fallible!(members::scard)),
    ("sscan", fallible!(members::sscan)),
    ("spop", fallible!(random::spop)),
    ("srandmember", fallible!(random::srandmember)),
    ("sinter", fallible!(algebra::sinter)),
    ("sunion", fallible!(algebra::sunion)),
    ("sdiff", fallible!(algebra::sdiff)),
    ("sinterstore", fallible!(algebra::sinterstore)),
    ("sunionstore", fallible!(algebra::sunionstore)),
    ("sdiffstore", fallible!(algebra::sdiffstore)),
    ("sintercard", fallible!(algebra::sintercard)),
];

#[cfg(test)]
mod tests;
