//! Sorted sets: replies and effects as a real server gives them.

use crate::commands::testing::{Node, check, with_one_and_three_shards};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const NOT_POSITIVE: &str = "-ERR value is out of range, must be positive";
const NOT_FLOAT: &str = "-ERR value is not a valid float";
const SYNTAX: &str = "-ERR syntax error";
const BAD_FLAGS: &str = "-ERR GT, LT, and/or NX options at the same time are not compatible";
const BAD_BOUND: &str = "-ERR min or max is not a float";
const BAD_LEX: &str = "-ERR min or max not valid string range item";

#[test]
fn adding_with_every_flag() {
    check(&[
        ("ZADD z 1 a 2 b 3 c", ":3", "ZADD z 1 a 2 b 3 c"),
        ("ZADD z 1 a", ":0", ""),
        ("ZADD z NX CH 5 a 7 d", ":1", "ZADD z NX CH 5 a 7 d"),
        ("ZADD z XX CH 5 a 7 e", ":1", "ZADD z XX CH 5 a 7 e"),
        ("ZADD z GT CH 4 a", ":0", ""),
        ("ZADD z LT CH 4 a", ":1", "ZADD z LT CH 4 a"),
        ("ZADD z gt ch 9 a 1 new", ":2", "ZADD z gt ch 9 a 1 new"),
        ("ZADD z 8 a", ":0", "ZADD z 8 a"),
        ("ZADD z NX INCR 1 a", "nil", ""),
        ("ZADD z INCR 1 a", "\"9\"", "ZADD z INCR 1 a"),
        ("ZADD z INCR inf a", "\"inf\"", "ZADD z INCR inf a"),
        ("ZADD z INCR -inf a", "-ERR resulting score is not a number (NaN)", ""),
        ("ZADD z GT INCR -1 b", "nil", ""),
        ("ZADD none XX INCR 1 a", "nil", ""),
        ("ZADD none XX 1 a", ":0", ""),
        ("EXISTS none", ":0", ""),
        ("ZINCRBY z 0.1 n", "\"0.10000000000000001\"", "ZINCRBY z 0.1 n"),
        ("ZINCRBY z 0 n", "\"0.10000000000000001\"", ""),
        ("ZINCRBY z x n", NOT_FLOAT, ""),
        ("ZCARD z", ":6", ""),
        ("ZREM z nothing", ":0", ""),
        ("ZREM z a b a", ":2", "ZREM z a b a"),
        ("ZREM z c d new n", ":4", "ZREM z c d new n"),
        ("EXISTS z", ":0", ""),
        ("ZREM z a", ":0", ""),
    ]);
}

#[test]
fn bad_requests_change_nothing() {
    check(&[
        ("SET s v", "OK", "SET s v"),
        ("ZADD z XX NX 1 a", "-ERR XX and NX options at the same time are not compatible", ""),
        ("ZADD z GT NX 1 a", BAD_FLAGS, ""),
        ("ZADD z LT NX 1 a", BAD_FLAGS, ""),
        ("ZADD z GT LT 1 a", BAD_FLAGS, ""),
        ("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair", ""),
        ("ZADD z 1 a x b", NOT_FLOAT, ""),
        ("ZADD z nan a", NOT_FLOAT, ""),
        ("ZADD z FOO 1 a", SYNTAX, ""),
        ("ZADD z 1 a 2", SYNTAX, ""),
        ("ZADD z NX 1", SYNTAX, ""),
        ("ZADD z 1", "-ERR wrong number of arguments for 'zadd' command", ""),
        ("EXISTS z", ":0", ""),
        ("ZADD s x a", NOT_FLOAT, ""),
        ("ZADD s 1 a", WRONG_TYPE, ""),
        ("ZADD s XX 1 a", WRONG_TYPE, ""),
        ("ZREM s a", WRONG_TYPE, ""),
        ("ZRANGE s 0 -1", WRONG_TYPE, ""),
        ("ZPOPMIN s 0", WRONG_TYPE, ""),
        ("ZSCORE s a", WRONG_TYPE, ""),
    ]);
}

#[test]
fn scores_ranks_and_counts() {
    check(&[
        ("ZADD z 1 a 2 b 2 c inf d", ":4", "ZADD z 1 a 2 b 2 c inf d"),
        ("ZSCORE z d", "\"inf\"", ""),
        ("ZSCORE z none", "nil", ""),
        ("ZMSCORE z a none", "[\"1\" nil]", ""),
        ("ZMSCORE none a", "[nil]", ""),
        ("ZRANK z c", ":2", ""),
        ("ZREVRANK z c", ":1", ""),
        ("ZRANK z none", "nil", ""),
        ("ZRANK z c WITHSCORE", "[:2 \"2\"]", ""),
        ("ZREVRANK z c withscore", "[:1 \"2\"]", ""),
        ("ZRANK z none WITHSCORE", "nil", ""),
        ("ZRANK z c FOO", SYNTAX, ""),
        ("ZRANK z c WITHSCORE x", "-ERR wrong number of arguments for 'zrank' command", ""),
        ("ZCOUNT z 1 2", ":3", ""),
        ("ZCOUNT z (1 (2", ":0", ""),
        ("ZCOUNT z -inf +inf", ":4", ""),
        ("ZCOUNT z 3 1", ":0", ""),
        ("ZCOUNT z x 1", BAD_BOUND, ""),
        ("ZCOUNT none x 1", BAD_BOUND, ""),
        ("ZCOUNT z nan 1", BAD_BOUND, ""),
        ("ZCOUNT z \"\" 1e999", ":4", ""),
        ("ZCARD none", ":0", ""),
    ]);
}

#[test]
fn ranges_by_rank_and_score() {
    check(&[
        ("ZADD z 1 a 2 b 3 c 4 d", ":4", "ZADD z 1 a 2 b 3 c 4 d"),
        ("ZRANGE z 0 -1", r#"["a" "b" "c" "d"]"#, ""),
        ("ZRANGE z 1 2 WITHSCORES", r#"["b" "2" "c" "3"]"#, ""),
        ("ZRANGE z 0 1 REV", r#"["d" "c"]"#, ""),
        ("ZREVRANGE z 1 -1 WITHSCORES", r#"["c" "3" "b" "2" "a" "1"]"#, ""),
        ("ZRANGE z 4 9", "[]", ""),
        ("ZRANGE none 0 -1", "[]", ""),
        ("ZRANGE z (1 3 BYSCORE", r#"["b" "c"]"#, ""),
        ("ZRANGE z 3 (1 BYSCORE REV", r#"["c" "b"]"#, ""),
        ("ZRANGE z -inf +inf BYSCORE LIMIT 1 2 WITHSCORES", r#"["b" "2" "c" "3"]"#, ""),
        ("ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2", r#"["c" "b"]"#, ""),
        ("ZRANGE z 1 4 BYSCORE LIMIT -1 2", "[]", ""),
        ("ZRANGE z 1 4 BYSCORE LIMIT 1 -1", r#"["b" "c" "d"]"#, ""),
        ("ZRANGE z 1 4 BYSCORE LIMIT 4 1", "[]", ""),
        ("ZRANGEBYSCORE z 1 2 WITHSCORES LIMIT 0 1", r#"["a" "1"]"#, ""),
        ("ZREVRANGEBYSCORE z 4 (2", r#"["d" "c"]"#, ""),
        ("ZRANGE z x 1", NOT_INTEGER, ""),
        ("ZRANGE z 0 1 FOO", SYNTAX, ""),
        ("ZRANGE z 0 1 REV REV", SYNTAX, ""),
        ("ZRANGE z 0 1 BYSCORE BYLEX", SYNTAX, ""),
        ("ZREVRANGE z 0 1 REV", SYNTAX, ""),
        ("ZRANGEBYSCORE z 0 1 REV", SYNTAX, ""),
        ("ZRANGE z 0 1 BYSCORE LIMIT 0", SYNTAX, ""),
        ("ZRANGE z 0 1 BYSCORE LIMIT x 1", NOT_INTEGER, ""),
        (
            "ZRANGE z 0 1 LIMIT 0 1",
            "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            "",
        ),
        ("ZRANGE z 0 1 LIMIT 1 -1", r#"["a" "b"]"#, ""),
        ("ZRANGE z 0 x BYSCORE", BAD_BOUND, ""),
    ]);
}

#[test]
fn ranges_by_member() {
    check(&[
        ("ZADD z 0 a 0 b 0 c 0 d", ":4", "ZADD z 0 a 0 b 0 c 0 d"),
        ("ZRANGE z - + BYLEX", r#"["a" "b" "c" "d"]"#, ""),
        ("ZRANGE z [b (d BYLEX", r#"["b" "c"]"#, ""),
        ("ZRANGE z (d [b BYLEX REV", r#"["c" "b"]"#, ""),
        ("ZRANGE z + - BYLEX", "[]", ""),
        ("ZRANGE z - + BYLEX LIMIT 1 2", r#"["b" "c"]"#, ""),
        ("ZRANGEBYLEX z [aa +", r#"["b" "c" "d"]"#, ""),
        ("ZREVRANGEBYLEX z + (b LIMIT 0 1", r#"["d"]"#, ""),
        ("ZLEXCOUNT z [b +", ":3", ""),
        ("ZLEXCOUNT z + -", ":0", ""),
        ("ZLEXCOUNT z x +", BAD_LEX, ""),
        ("ZRANGEBYLEX z a [c", BAD_LEX, ""),
        ("ZRANGEBYLEX z - +x", BAD_LEX, ""),
        ("ZRANGE z - + BYLEX WITHSCORES", "-ERR syntax error, WITHSCORES not supported in combination with BYLEX", ""),
        ("ZREMRANGEBYLEX z (a [c", ":2", "ZREMRANGEBYLEX z (a [c"),
        ("ZREMRANGEBYLEX z [x +", ":0", ""),
        ("ZREMRANGEBYLEX z x +", BAD_LEX, ""),
        ("ZREMRANGEBYLEX z - +", ":2", "ZREMRANGEBYLEX z - +"),
        ("EXISTS z", ":0", ""),
    ]);
}

#[test]
fn removing_and_storing_ranges() {
    check(&[
        ("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5", "ZADD z 1 a 2 b 3 c 4 d 5 e"),
        ("ZRANGESTORE d z 1 2", ":2", "ZRANGESTORE d z 1 2"),
        ("ZRANGE d 0 -1 WITHSCORES", r#"["b" "2" "c" "3"]"#, ""),
        ("ZRANGESTORE d z 5 (2 BYSCORE REV LIMIT 0 2", ":2", "ZRANGESTORE d z 5 (2 BYSCORE REV LIMIT 0 2"),
        ("ZRANGE d 0 -1", r#"["d" "e"]"#, ""),
        ("ZRANGESTORE d none 0 -1", ":0", "ZRANGESTORE d none 0 -1"),
        ("EXISTS d", ":0", ""),
        ("ZRANGESTORE d none 0 -1", ":0", ""),
        ("ZRANGESTORE d z 0 -1 WITHSCORES", SYNTAX, ""),
        ("ZREMRANGEBYRANK z 0 1", ":2", "ZREMRANGEBYRANK z 0 1"),
        ("ZREMRANGEBYRANK z 9 10", ":0", ""),
        ("ZREMRANGEBYRANK none 0 1", ":0", ""),
        ("ZREMRANGEBYRANK z x 1", NOT_INTEGER, ""),
        ("ZREMRANGEBYSCORE z (3 4", ":1", "ZREMRANGEBYSCORE z (3 4"),
        ("ZREMRANGEBYSCORE z x 4", BAD_BOUND, ""),
        ("ZRANGE z 0 -1", r#"["c" "e"]"#, ""),
        ("ZREMRANGEBYSCORE z -inf inf", ":2", "ZREMRANGEBYSCORE z -inf inf"),
        ("EXISTS z", ":0", ""),
        ("SET s v", "OK", "SET s v"),
        ("ZRANGESTORE d s 0 -1", WRONG_TYPE, ""),
        ("ZREMRANGEBYRANK s 0 1", WRONG_TYPE, ""),
    ]);
}

#[test]
fn popping_from_both_ends() {
    check(&[
        ("ZADD z 1 a 2 b 3 c 4 d", ":4", "ZADD z 1 a 2 b 3 c 4 d"),
        ("ZPOPMIN z", r#"["a" "1"]"#, "ZPOPMIN z"),
        ("ZPOPMAX z 2", r#"["d" "4" "c" "3"]"#, "ZPOPMAX z 2"),
        ("ZPOPMAX z 0", "[]", ""),
        ("ZPOPMIN z 9", r#"["b" "2"]"#, "ZPOPMIN z 9"),
        ("EXISTS z", ":0", ""),
        ("ZPOPMIN z", "[]", ""),
        ("ZPOPMIN z x", NOT_POSITIVE, ""),
        ("ZPOPMIN z -1", NOT_POSITIVE, ""),
        ("ZPOPMIN z 1 2", SYNTAX, ""),
        ("ZADD z 1 a 2 b 3 c", ":3", "ZADD z 1 a 2 b 3 c"),
        ("ZMPOP 2 none z MIN", r#"["z" [["a" "1"]]]"#, "ZPOPMIN z 1"),
        ("ZMPOP 1 z MAX COUNT 5", r#"["z" [["c" "3"] ["b" "2"]]]"#, "ZPOPMAX z 2"),
        ("ZMPOP 1 z MAX", "nil", ""),
        ("ZMPOP 0 z MIN", "-ERR numkeys should be greater than 0", ""),
        ("ZMPOP 1 z FOO", SYNTAX, ""),
        ("ZMPOP 2 z MIN", SYNTAX, ""),
        ("ZMPOP 1 z MIN COUNT 0", "-ERR count should be greater than 0", ""),
    ]);
}

#[test]
fn replies_in_resp3() {
    with_one_and_three_shards(|node: &mut Node| {
        node.resp3 = true;
        node.check_replies(&[
            ("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5"),
            ("ZRANGE z 0 1 WITHSCORES", r#"[["a" ,1] ["b" ,2]]"#),
            ("ZSCORE z a", ",1"),
            ("ZMSCORE z a x", "[,1 nil]"),
            ("ZADD z INCR 1 e", ",6"),
            ("ZRANK z a WITHSCORE", "[:0 ,1]"),
            ("ZPOPMIN z", r#"["a" ,1]"#),
            ("ZPOPMIN z 1", r#"[["b" ,2]]"#),
            ("ZPOPMIN none 1", "[]"),
            ("ZMPOP 1 z MAX", r#"["z" [["e" ,6]]]"#),
            ("ZUNION 1 z WITHSCORES", r#"[["c" ,3] ["d" ,4]]"#),
            ("ZUNION 1 z", r#"["c" "d"]"#),
            ("ZREM z d", ":1"),
            ("ZRANDMEMBER z -2 WITHSCORES", r#"[["c" ,3] ["c" ,3]]"#),
            ("ZSCAN z 0", r#"["0" ["c" "3"]]"#),
        ]);
    });
}

#[test]
fn combining_sets_of_any_shards() {
    check(&[
        ("ZADD a 1 x 2 y 3 z", ":3", "ZADD a 1 x 2 y 3 z"),
        ("ZADD b 10 y 20 z 30 w", ":3", "ZADD b 10 y 20 z 30 w"),
        ("SADD s y q", ":2", "SADD s y q"),
        ("ZUNION 2 a b WITHSCORES", r#"["x" "1" "y" "12" "z" "23" "w" "30"]"#, ""),
        ("ZINTER 2 a b WITHSCORES", r#"["y" "12" "z" "23"]"#, ""),
        ("ZINTER 3 a b s WITHSCORES", r#"["y" "13"]"#, ""),
        ("ZDIFF 2 a b WITHSCORES", r#"["x" "1"]"#, ""),
        ("ZDIFF 2 a s", r#"["x" "z"]"#, ""),
        ("ZUNION 2 a b WEIGHTS 2 0.5 WITHSCORES", r#"["x" "2" "y" "9" "w" "15" "z" "16"]"#, ""),
        ("ZINTER 2 a b AGGREGATE MIN WITHSCORES", r#"["y" "2" "z" "3"]"#, ""),
        ("ZINTER 2 a b AGGREGATE max WITHSCORES", r#"["y" "10" "z" "20"]"#, ""),
        ("ZINTER 2 a none", "[]", ""),
        ("ZUNIONSTORE d 2 a s", ":4", "ZUNIONSTORE d 2 a s"),
        ("ZRANGE d 0 -1 WITHSCORES", r#"["q" "1" "x" "1" "y" "3" "z" "3"]"#, ""),
        ("ZINTERSTORE a 2 a b WEIGHTS 1 -1", ":2", "ZINTERSTORE a 2 a b WEIGHTS 1 -1"),
        ("ZRANGE a 0 -1 WITHSCORES", r#"["z" "-17" "y" "-8"]"#, ""),
        ("ZDIFFSTORE d 2 a a", ":0", "ZDIFFSTORE d 2 a a"),
        ("EXISTS d", ":0", ""),
        ("ZINTERCARD 2 a b", ":2", ""),
        ("ZINTERCARD 2 a b LIMIT 1", ":1", ""),
        ("ZINTERCARD 2 a b LIMIT 0", ":2", ""),
        ("ZADD i inf m", ":1", "ZADD i inf m"),
        ("ZADD j -inf m", ":1", "ZADD j -inf m"),
        ("ZUNION 2 i j WITHSCORES", r#"["m" "0"]"#, ""),
        ("ZUNION 1 i WEIGHTS 0 WITHSCORES", r#"["m" "0"]"#, ""),
    ]);
}

#[test]
fn combinations_that_are_refused() {
    check(&[
        ("ZADD z 1 a", ":1", "ZADD z 1 a"),
        ("SET s v", "OK", "SET s v"),
        ("ZUNIONSTORE d 0 z", "-ERR at least 1 input key is needed for 'zunionstore' command", ""),
        ("ZUNIONSTORE d x z", NOT_INTEGER, ""),
        ("ZUNIONSTORE d 2 z", SYNTAX, ""),
        ("ZUNION 9223372036854775807 z", SYNTAX, ""),
        ("ZUNION 1 z WEIGHTS x", "-ERR weight value is not a float", ""),
        ("ZUNION 1 z WEIGHTS", SYNTAX, ""),
        ("ZUNION 1 z WEIGHTS 1 2", SYNTAX, ""),
        ("ZUNION 1 z AGGREGATE FOO", SYNTAX, ""),
        ("ZUNION 1 s", WRONG_TYPE, ""),
        ("ZUNION 1 s FOO", WRONG_TYPE, ""),
        ("ZUNIONSTORE d 1 z WITHSCORES", SYNTAX, ""),
        ("ZDIFF 1 z WEIGHTS 1", SYNTAX, ""),
        ("ZDIFF 1 z AGGREGATE SUM", SYNTAX, ""),
        ("ZINTERCARD 0 z", "-ERR at least 1 input key is needed for 'zintercard' command", ""),
        ("ZINTERCARD 1 z LIMIT -1", "-ERR LIMIT can't be negative", ""),
        ("ZINTERCARD 1 z LIMIT", SYNTAX, ""),
        ("ZINTERCARD 1 z WITHSCORES", SYNTAX, ""),
    ]);
}

#[test]
fn members_at_random_and_scanning() {
    with_one_and_three_shards(|node: &mut Node| {
        node.check_replies(&[
            ("ZADD z 1e17 w", ":1"),
            ("ZRANDMEMBER z", r#""w""#),
            ("ZRANDMEMBER z 3", r#"["w"]"#),
            ("ZRANDMEMBER z -2 WITHSCORES", r#"["w" "1e+17" "w" "1e+17"]"#),
            ("ZRANDMEMBER none", "nil"),
            ("ZRANDMEMBER none 2", "[]"),
            ("ZRANDMEMBER z x", NOT_INTEGER),
            ("ZRANDMEMBER z 1 foo", SYNTAX),
            ("ZADD z 0.5 a", ":1"),
            ("ZSCAN z 0", r#"["0" ["a" "0.5" "w" "100000000000000000"]]"#),
            ("ZSCAN z 0 MATCH a*", r#"["0" ["a" "0.5"]]"#),
            ("ZSCAN none 0", r#"["0" []]"#),
        ]);
        (0..200).for_each(|n| node.prepare(&[&format!("ZADD z {n} m{n}")]));
        node.check_replies(&[
            ("OBJECT ENCODING z", r#""skiplist""#),
            ("ZRANGE z 100 101", r#"["m99" "m100"]"#),
            ("ZRANK z m150", ":151"),
            ("ZSCORE z w", r#""1e+17""#),
        ]);
        assert!(node.run("ZSCAN z 0 COUNT 1000").contains(r#""w" "1e+17""#));
    });
}
