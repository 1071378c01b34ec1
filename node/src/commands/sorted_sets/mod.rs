//! Sorted sets: members ordered by score.

mod add;
mod blocking;
mod bounds;
mod combine;
mod pop;
mod random;
mod range;
mod read;
mod remove;

pub(super) use add::zadd;

use super::Handler;
use super::collections::put_element;
use crate::fallible;
use koltso_proto::listpack::Element;
use koltso_proto::resp::Reply;

/// The commands of this family.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("zadd", fallible!(add::zadd)),
    ("zincrby", fallible!(add::zincrby)),
    ("zrem", fallible!(remove::zrem)),
    ("zremrangebyrank", fallible!(remove::zremrangebyrank)),
    ("zremrangebyscore", fallible!(remove::zremrangebyscore)),
    ("zremrangebylex", fallible!(remove::zremrangebylex)),
    ("zcard", fallible!(read::zcard)),
    ("zscore", fallible!(read::zscore)),
    ("zmscore", fallible!(read::zmscore)),
    ("zcount", fallible!(read::zcount)),
    ("zlexcount", fallible!(read::zlexcount)),
    ("zrank", fallible!(read::zrank)),
    ("zrevrank", fallible!(read::zrevrank)),
    ("zscan", fallible!(read::zscan)),
    ("zrandmember", fallible!(random::zrandmember)),
    ("zrange", fallible!(range::zrange)),
    ("zrevrange", fallible!(range::zrevrange)),
    ("zrangebyscore", fallible!(range::zrangebyscore)),
    ("zrevrangebyscore", fallible!(range::zrevrangebyscore)),
    ("zrangebylex", fallible!(range::zrangebylex)),
    ("zrevrangebylex", fallible!(range::zrevrangebylex)),
    ("zrangestore", fallible!(range::zrangestore)),
    ("zpopmin", fallible!(pop::zpopmin)),
    ("zpopmax", fallible!(pop::zpopmax)),
    ("zmpop", fallible!(pop::zmpop)),
    ("bzpopmin", fallible!(blocking::bzpopmin)),
    ("bzpopmax", fallible!(blocking::bzpopmax)),
    ("bzmpop", fallible!(blocking::bzmpop)),
    ("zunion", fallible!(combine::zunion)),
    ("zinter", fallible!(combine::zinter)),
    ("zdiff", fallible!(combine::zdiff)),
    ("zunionstore", fallible!(combine::zunionstore)),
    ("zinterstore", fallible!(combine::zinterstore)),
    ("zdiffstore", fallible!(combine::zdiffstore)),
    ("zintercard", fallible!(combine::zintercard)),
];

/// Replies with members, in RESP3 each in an array with its score if scores are wanted. `len` is their number.
fn put_members<'a>(reply: &mut Reply, len: usize, members: impl Iterator<Item = (Element<'a>, f64)>, with_scores: bool) {
    reply.array(members_width(reply, with_scores) * len);
    members.for_each(|member| put_member(reply, member, with_scores));
}

/// How many replies each member is in an array of them.
fn members_width(reply: &Reply, with_scores: bool) -> usize {
    if with_scores && !reply.resp3 { 2 } else { 1 }
}

#[inline]
fn put_member(reply: &mut Reply, (member, score): (Element<'_>, f64), with_scores: bool) {
    if with_scores && reply.resp3 {
        reply.array(2);
    }
    put_element(reply, member);
    if with_scores {
        reply.double(score);
    }
}

#[cfg(test)]
mod tests;
