//! The rows of commands about sorted sets. Facts only; see `super` for the columns.

use super::row::*;

const GROUP: Group = Group::SortedSet;

pub(super) const COMMANDS: &[CommandSpec] = &[
    command!("bzmpop", -5, "timeout:double numkeys:integer key@0... where(MIN|MAX) [COUNT count:integer]";
        WRITE BLOCKING; SORTEDSET; [counted(RW_ACCESS_DELETE, 2)]; "7.0.0", "O(K) + O(M*log(N))";
        "Pops members from the first sorted set that has any, waiting for one."),
    command!("bzpopmax", -3, "key@0... timeout:double";
        WRITE NOSCRIPT BLOCKING FAST; SORTEDSET; [many(RW_ACCESS_DELETE, 1, -2, 1)]; "5.0.0", "O(log(N))";
        "Pops the highest member of the first sorted set that has any, waiting for one.")
    .changed("6.0.0 Takes fractions of a second."),
    command!("bzpopmin", -3, "key@0... timeout:double";
        WRITE NOSCRIPT BLOCKING FAST; SORTEDSET; [many(RW_ACCESS_DELETE, 1, -2, 1)]; "5.0.0", "O(log(N))";
        "Pops the lowest member of the first sorted set that has any, waiting for one.")
    .changed("6.0.0 Takes fractions of a second."),
    command!("zadd", -4, "key@0 [condition(NX|XX)^3.0.2] [comparison(GT|LT)^6.2.0] [change=CH^3.0.2] [increment=INCR^3.0.2] score_member{score:double member}...";
        WRITE DENYOOM FAST; SORTEDSET; [one(RW_UPDATE, 1)]; "1.2.0", "O(log(N))";
        "Adds members to a sorted set or changes their scores.")
    .changed("2.4.0 Takes several members. | 3.0.2 Takes NX, XX, CH and INCR. | 6.2.0 Takes GT and LT."),
    command!("zcard", 2, "key@0";
        READONLY FAST; SORTEDSET; [one(RO, 1)]; "1.2.0", "O(1)"; "Counts the members of a sorted set."),
    command!("zcount", 4, "key@0 min:double max:double";
        READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "2.0.0", "O(log(N))";
        "Counts the members in a range of scores."),
    command!("zdiff", -3, "numkeys:integer key@0... [WITHSCORES]";
        READONLY; SORTEDSET; [counted(RO_ACCESS, 1)]; "6.2.0", "O(L+(N-K)*log(N))";
        "Returns the members of the first sorted set that are in none of the others."),
    command!("zdiffstore", -4, "destination@0 numkeys:integer key@1...";
        WRITE DENYOOM; SORTEDSET; [one(OW_UPDATE, 1), counted(RO_ACCESS, 2)]; "6.2.0", "O(L+(N-K)*log(N))";
        "Stores the members of the first sorted set that are in none of the others."),
    command!("zincrby", 4, "key@0 increment:integer member";
        WRITE DENYOOM FAST; SORTEDSET; [one(RW_ACCESS_UPDATE, 1)]; "1.2.0", "O(log(N))";
        "Adds to the score of a member."),
    command!("zinter", -3, "numkeys:integer key@0... [WEIGHTS weight:integer...] [AGGREGATE aggregate(SUM|MIN|MAX)] [WITHSCORES]";
        READONLY; SORTEDSET; [counted(RO_ACCESS, 1)]; "6.2.0", "O(N*K) + O(M*log(M))";
        "Returns the members that all sorted sets have."),
    command!("zintercard", -3, "numkeys:integer key@0... [LIMIT limit:integer]";
        READONLY; SORTEDSET; [counted(RO_ACCESS, 1)]; "7.0.0", "O(N*K)";
        "Counts the members that all sorted sets have."),
    command!("zinterstore", -4, "destination@0 numkeys:integer key@1... [WEIGHTS weight:integer...] [AGGREGATE aggregate(SUM|MIN|MAX)]";
        WRITE DENYOOM; SORTEDSET; [one(OW_UPDATE, 1), counted(RO_ACCESS, 2)]; "2.0.0", "O(N*K) + O(M*log(M))";
        "Stores the members that all sorted sets have."),
    command!("zlexcount", 4, "key@0 min max"; READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "2.8.9", "O(log(N))";
        "Counts the members in a lexicographic range."),
    command!("zmpop", -4, "numkeys:integer key@0... where(MIN|MAX) [COUNT count:integer]";
        WRITE; SORTEDSET; [counted(RW_ACCESS_DELETE, 1)]; "7.0.0", "O(K) + O(M*log(N))";
        "Pops members from the first sorted set that has any."),
    command!("zmscore", -3, "key@0 member..."; READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "6.2.0", "O(N)";
        "Returns the scores of several members."),
    command!("zpopmax", -2, "key@0 [count:integer]";
        WRITE FAST; SORTEDSET; [one(RW_ACCESS_DELETE, 1)]; "5.0.0", "O(log(N)*M)";
        "Pops the members with the highest scores."),
    command!("zpopmin", -2, "key@0 [count:integer]";
        WRITE FAST; SORTEDSET; [one(RW_ACCESS_DELETE, 1)]; "5.0.0", "O(log(N)*M)";
        "Pops the members with the lowest scores."),
    command!("zrandmember", -2, "key@0 [options{count:integer [WITHSCORES]}]";
        READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "6.2.0", "O(N)"; "Returns members at random.")
        .tips(&["nondeterministic_output"]),
    command!("zrange", -4, "key@0 start stop [sortby(BYSCORE|BYLEX)^6.2.0] [REV^6.2.0] [LIMIT offset_count{offset:integer count:integer}^6.2.0] [WITHSCORES]";
        READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "1.2.0", "O(log(N)+M)";
        "Returns the members in a range of ranks, scores or names.")
    .changed("6.2.0 Takes BYSCORE, BYLEX, REV and LIMIT."),
    command!("zrangebylex", -4, "key@0 min max [LIMIT offset_count{offset:integer count:integer}]";
        READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "2.8.9", "O(log(N)+M)";
        "Returns the members in a lexicographic range.")
    .deprecated("6.2.0", "ZRANGE with BYLEX"),
    command!("zrangebyscore", -4, "key@0 min:double max:double [WITHSCORES^2.0.0] [LIMIT offset_count{offset:integer count:integer}]";
        READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "1.0.5", "O(log(N)+M)";
        "Returns the members in a range of scores.")
    .changed("2.0.0 Takes WITHSCORES.")
    .deprecated("6.2.0", "ZRANGE with BYSCORE"),
    command!("zrangestore", -5, "dst@0 src@1 min max [sortby(BYSCORE|BYLEX)] [REV] [LIMIT offset_count{offset:integer count:integer}]";
        WRITE DENYOOM; SORTEDSET; [one(OW_UPDATE, 1), one(RO_ACCESS, 2)]; "6.2.0", "O(log(N)+M)";
        "Stores the members in a range of ranks, scores or names."),
    command!("zrank", -3, "key@0 member [WITHSCORE^7.2.0]";
        READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "2.0.0", "O(log(N))";
        "Tells a member's rank, counted from the lowest score.")
    .changed("7.2.0 Takes WITHSCORE."),
    command!("zrem", -3, "key@0 member..."; WRITE FAST; SORTEDSET; [one(RW_DELETE, 1)]; "1.2.0", "O(M*log(N))";
        "Removes members from a sorted set.")
    .changed("2.4.0 Takes several members."),
    command!("zremrangebylex", 4, "key@0 min max"; WRITE; SORTEDSET; [one(RW_DELETE, 1)]; "2.8.9", "O(log(N)+M)";
        "Removes the members in a lexicographic range."),
    command!("zremrangebyrank", 4, "key@0 start:integer stop:integer";
        WRITE; SORTEDSET; [one(RW_DELETE, 1)]; "2.0.0", "O(log(N)+M)";
        "Removes the members in a range of ranks."),
    command!("zremrangebyscore", 4, "key@0 min:double max:double";
        WRITE; SORTEDSET; [one(RW_DELETE, 1)]; "1.2.0", "O(log(N)+M)";
        "Removes the members in a range of scores."),
    command!("zrevrange", -4, "key@0 start:integer stop:integer [WITHSCORES]";
        READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "1.2.0", "O(log(N)+M)";
        "Returns the members in a range of ranks, counted from the highest score.")
    .deprecated("6.2.0", "ZRANGE with REV"),
    command!("zrevrangebylex", -4, "key@0 max min [LIMIT offset_count{offset:integer count:integer}]";
        READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "2.8.9", "O(log(N)+M)";
        "Returns the members in a lexicographic range, from its end.")
    .deprecated("6.2.0", "ZRANGE with REV and BYLEX"),
    command!("zrevrangebyscore", -4, "key@0 max:double min:double [WITHSCORES] [LIMIT offset_count{offset:integer count:integer}]";
        READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "2.2.0", "O(log(N)+M)";
        "Returns the members in a range of scores, from the highest.")
    .changed("2.1.6 Takes ranges without their ends.")
    .deprecated("6.2.0", "ZRANGE with REV and BYSCORE"),
    command!("zrevrank", -3, "key@0 member [WITHSCORE^7.2.0]";
        READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "2.0.0", "O(log(N))";
        "Tells a member's rank, counted from the highest score.")
    .changed("7.2.0 Takes WITHSCORE."),
    command!("zscan", -3, "key@0 cursor:integer [MATCH pattern:pattern] [COUNT count:integer]";
        READONLY; SORTEDSET; [one(RO_ACCESS, 1)]; "2.8.0", "O(1) per call, O(N) in all";
        "Walks through the members of a sorted set in steps.")
    .tips(&["nondeterministic_output"]),
    command!("zscore", 3, "key@0 member"; READONLY FAST; SORTEDSET; [one(RO_ACCESS, 1)]; "1.2.0", "O(1)";
        "Returns the score of a member."),
    command!("zunion", -3, "numkeys:integer key@0... [WEIGHTS weight:integer...] [AGGREGATE aggregate(SUM|MIN|MAX)] [WITHSCORES]";
        READONLY; SORTEDSET; [counted(RO_ACCESS, 1)]; "6.2.0", "O(N) + O(M*log(M))";
        "Returns the members that any of the sorted sets has."),
    command!("zunionstore", -4, "destination@0 numkeys:integer key@1... [WEIGHTS weight:integer...] [AGGREGATE aggregate(SUM|MIN|MAX)]";
        WRITE DENYOOM; SORTEDSET; [one(OW_UPDATE, 1), counted(RO_ACCESS, 2)]; "2.0.0", "O(N) + O(M*log(M))";
        "Stores the members that any of the sorted sets has."),
];
