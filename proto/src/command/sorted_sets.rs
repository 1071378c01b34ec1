//! The rows of commands about sorted sets. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::SortedSet;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("bzmpop", -5; WRITE BLOCKING; SORTEDSET; [counted(RW_ACCESS_DELETE, 2)]; "7.0.0", "O(K) + O(M*log(N))";
        "Pops members from the first sorted set that has any, waiting for one."),
    command!("bzpopmax", -3; WRITE NOSCRIPT BLOCKING FAST; SORTEDSET; [many(RW_ACCESS_DELETE, 1, -2, 1)]; "5.0.0", "O(log(N))";
        "Pops the highest member of the first sorted set that has any, waiting for one."),
    command!("bzpopmin", -3; WRITE NOSCRIPT BLOCKING FAST; SORTEDSET; [many(RW_ACCESS_DELETE, 1, -2, 1)]; "5.0.0", "O(log(N))";
        "Pops the lowest member of the first sorted set that has any, waiting for one."),
    command!("zadd", -4; WRITE DENYOOM FAST; SORTEDSET; [one(RW_UPDATE, 1)]; "1.2.0", "O(log(N))";
        "Adds members to a sorted set or changes their scores."),
    command!("zcard", 2; READONLY FAST; SORTEDSET; [one(RO, 1)]; "1.2.0", "O(1)"; "Counts the members of a sorted set."),
    command!("zcount", 4; READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "2.0.0", "O(log(N))";
        "Counts the members in a range of scores."),
    command!("zdiff", -3; READONLY; SORTEDSET; [counted(RO_ACCESS, 1)]; "6.2.0", "O(L+(N-K)*log(N))";
        "Returns the members of the first sorted set that are in none of the others."),
    command!("zdiffstore", -4; WRITE DENYOOM; SORTEDSET; [one(OW_UPDATE, 1), counted(RO_ACCESS, 2)]; "6.2.0", "O(L+(N-K)*log(N))";
        "Stores the members of the first sorted set that are in none of the others."),
    command!("zincrby", 4; WRITE DENYOOM FAST; SORTEDSET; [one(RW_ACCESS_UPDATE, 1)]; "1.2.0", "O(log(N))";
        "Adds to the score of a member."),
    command!("zinter", -3; READONLY; SORTEDSET; [counted(RO_ACCESS, 1)]; "6.2.0", "O(N*K) + O(M*log(M))";
        "Returns the members that all sorted sets have."),
    command!("zintercard", -3; READONLY; SORTEDSET; [counted(RO_ACCESS, 1)]; "7.0.0", "O(N*K)";
        "Counts the members that all sorted sets have."),
    command!("zinterstore", -4; WRITE DENYOOM; SORTEDSET; [one(OW_UPDATE, 1), counted(RO_ACCESS, 2)]; "2.0.0", "O(N*K) + O(M*log(M))";
        "Stores the members that all sorted sets have."),
    command!("zlexcount", 4; READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "2.8.9", "O(log(N))";
        "Counts the members in a lexicographic range."),
    command!("zmpop", -4; WRITE; SORTEDSET; [counted(RW_ACCESS_DELETE, 1)]; "7.0.0", "O(K) + O(M*log(N))";
        "Pops members from the first sorted set that has any."),
    command!("zmscore", -3; READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "6.2.0", "O(N)";
        "Returns the scores of several members."),
    command!("zpopmax", -2; WRITE FAST; SORTEDSET; [one(RW_ACCESS_DELETE, 1)]; "5.0.0", "O(log(N)*M)";
        "Pops the members with the highest scores."),
    command!("zpopmin", -2; WRITE FAST; SORTEDSET; [one(RW_ACCESS_DELETE, 1)]; "5.0.0", "O(log(N)*M)";
        "Pops the members with the lowest scores."),
    command!("zrandmember", -2; READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "6.2.0", "O(N)"; "Returns members at random.")
        .tips(&["nondeterministic_output"]),
    command!("zrange", -4; READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "1.2.0", "O(log(N)+M)";
        "Returns the members in a range of ranks, scores or names."),
    command!("zrangebylex", -4; READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "2.8.9", "O(log(N)+M)";
        "Returns the members in a lexicographic range.")
    .deprecated("6.2.0", "ZRANGE with BYLEX"),
    command!("zrangebyscore", -4; READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "1.0.5", "O(log(N)+M)";
        "Returns the members in a range of scores.")
    .deprecated("6.2.0", "ZRANGE with BYSCORE"),
    command!("zrangestore", -5; WRITE DENYOOM; SORTEDSET; [one(OW_UPDATE, 1), one(RO_ACCESS, 2)]; "6.2.0", "O(log(N)+M)";
        "Stores the members in a range of ranks, scores or names."),
    command!("zrank", -3; READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "2.0.0", "O(log(N))";
        "Tells a member's rank, counted from the lowest score."),
    command!("zrem", -3; WRITE FAST; SORTEDSET; [one(RW_DELETE, 1)]; "1.2.0", "O(M*log(N))";
        "Removes members from a sorted set."),
    command!("zremrangebylex", 4; WRITE; SORTEDSET; [one(RW_DELETE, 1)]; "2.8.9", "O(log(N)+M)";
        "Removes the members in a lexicographic range."),
    command!("zremrangebyrank", 4; WRITE; SORTEDSET; [one(RW_DELETE, 1)]; "2.0.0", "O(log(N)+M)";
        "Removes the members in a range of ranks."),
    command!("zremrangebyscore", 4; WRITE; SORTEDSET; [one(RW_DELETE, 1)]; "1.2.0", "O(log(N)+M)";
        "Removes the members in a range of scores."),
    command!("zrevrange", -4; READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "1.2.0", "O(log(N)+M)";
        "Returns the members in a range of ranks, counted from the highest score.")
    .deprecated("6.2.0", "ZRANGE with REV"),
    command!("zrevrangebylex", -4; READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "2.8.9", "O(log(N)+M)";
        "Returns the members in a lexicographic range, from its end.")
    .deprecated("6.2.0", "ZRANGE with REV and BYLEX"),
    command!("zrevrangebyscore", -4; READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "2.2.0", "O(log(N)+M)";
        "Returns the members in a range of scores, from the highest.")
    .deprecated("6.2.0", "ZRANGE with REV and BYSCORE"),
    command!("zrevrank", -3; READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "2.0.0", "O(log(N))";
        "Tells a member's rank, counted from the highest score."),
    command!("zscan", -3; READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "2.8.0", "O(1) per call, O(N) in all";
        "Walks through the members of a sorted set in steps.")
    .tips(&["nondeterministic_output"]),
    command!("zscore", 3; READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "1.2.0", "O(1)";
        "Returns the score of a member."),
    command!("zunion", -3; READONLY; SORTEDSET; [counted(RO_ACCESS, 1)]; "6.2.0", "O(N) + O(M*log(M))";
        "Returns the members that any of the sorted sets has."),
    command!("zunionstore", -4; WRITE DENYOOM; SORTEDSET; [one(OW_UPDATE, 1), counted(RO_ACCESS, 2)]; "2.0.0", "O(N) + O(M*log(M))";
        "Stores the members that any of the sorted sets has."),
];
