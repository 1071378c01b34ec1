//! Lists: replies and effects as a real server gives them.

use crate::commands::testing::{Node, check, with_one_and_three_shards};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const NOT_POSITIVE: &str = "-ERR value is out of range, must be positive";

#[test]
fn elements_are_pushed_one_after_the_other() {
    check(&[
        ("LPUSH l a b c", ":3", "LPUSH l a b c"),
        ("RPUSH l 1 2", ":5", "RPUSH l 1 2"),
        ("LRANGE l 0 -1", r#"["c" "b" "a" "1" "2"]"#, ""),
        ("LPUSHX l x", ":6", "LPUSHX l x"),
        ("RPUSHX l y z", ":8", "RPUSHX l y z"),
        ("LPUSHX none x", ":0", ""),
        ("RPUSHX none x", ":0", ""),
        ("EXISTS none", ":0", ""),
        ("LLEN l", ":8", ""),
        ("LLEN none", ":0", ""),
        ("SET s v", "OK", "SET s v"),
        ("LPUSH s a", WRONG_TYPE, ""),
        ("RPUSHX s a", WRONG_TYPE, ""),
        ("LLEN s", WRONG_TYPE, ""),
        ("TYPE l", "list", ""),
    ]);
}

#[test]
fn popping_takes_the_key_along_with_the_last_element() {
    check(&[
        ("RPUSH l a b c d e", ":5", "RPUSH l a b c d e"),
        ("LPOP l", r#""a""#, "LPOP l"),
        ("RPOP l", r#""e""#, "RPOP l"),
        ("LPOP l 0", "[]", ""),
        ("RPOP l 2", r#"["d" "c"]"#, "RPOP l 2"),
        ("LPOP l 9", r#"["b"]"#, "LPOP l 9"),
        ("EXISTS l", ":0", ""),
        ("LPOP l", "nil", ""),
        ("LPOP l 0", "nil", ""),
        ("LPOP l -1", NOT_POSITIVE, ""),
        ("LPOP l x", NOT_POSITIVE, ""),
        ("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command", ""),
        ("SET s v", "OK", "SET s v"),
        ("LPOP s x", NOT_POSITIVE, ""),
        ("LPOP s 1", WRONG_TYPE, ""),
        ("RPOP s", WRONG_TYPE, ""),
    ]);
}

#[test]
fn ranges_and_indexes_count_from_both_ends() {
    check(&[
        ("RPUSH l a b c d e", ":5", "RPUSH l a b c d e"),
        ("LRANGE l 1 3", r#"["b" "c" "d"]"#, ""),
        ("LRANGE l -2 100", r#"["d" "e"]"#, ""),
        ("LRANGE l 3 1", "[]", ""),
        ("LRANGE l 5 9", "[]", ""),
        ("LRANGE none 0 -1", "[]", ""),
        ("LRANGE none x y", NOT_INTEGER, ""),
        ("LINDEX l 0", r#""a""#, ""),
        ("LINDEX l -5", r#""a""#, ""),
        ("LINDEX l -6", "nil", ""),
        ("LINDEX l -9223372036854775808", "nil", ""),
        ("LINDEX l 5", "nil", ""),
        ("LINDEX l x", NOT_INTEGER, ""),
        ("LINDEX none x", "nil", ""),
    ]);
}

#[test]
fn changes_in_the_middle() {
    check(&[
        ("RPUSH l a b a c a", ":5", "RPUSH l a b a c a"),
        ("LSET l 1 B", "OK", "LSET l 1 B"),
        ("LSET l -1 A", "OK", "LSET l -1 A"),
        ("LSET l 5 x", "-ERR index out of range", ""),
        ("LSET l x x", NOT_INTEGER, ""),
        ("LSET none x x", "-ERR no such key", ""),
        ("LINSERT l before c x", ":6", "LINSERT l before c x"),
        ("LINSERT l AFTER A y", ":7", "LINSERT l AFTER A y"),
        ("LINSERT l AFTER nothing y", ":-1", ""),
        ("LINSERT none AFTER a y", ":0", ""),
        ("LINSERT l beside a y", "-ERR syntax error", ""),
        ("LRANGE l 0 -1", r#"["a" "B" "a" "x" "c" "A" "y"]"#, ""),
        ("LREM l 1 a", ":1", "LREM l 1 a"),
        ("LREM l 0 nothing", ":0", ""),
        ("LREM none 0 a", ":0", ""),
        ("LREM none x a", NOT_INTEGER, ""),
        ("RPUSH m a b a c a", ":5", "RPUSH m a b a c a"),
        ("LREM m -2 a", ":2", "LREM m -2 a"),
        ("LRANGE m 0 -1", r#"["a" "b" "c"]"#, ""),
        ("LTRIM m 0 -1", "OK", ""),
        ("LTRIM m 1 1", "OK", "LTRIM m 1 1"),
        ("LRANGE m 0 -1", r#"["b"]"#, ""),
        ("LTRIM m 1 0", "OK", "LTRIM m 1 0"),
        ("EXISTS m", ":0", ""),
        ("LTRIM m 0 0", "OK", ""),
        ("LTRIM m x 0", NOT_INTEGER, ""),
        ("RPUSH n 1 1", ":2", "RPUSH n 1 1"),
        ("LREM n 0 1", ":2", "LREM n 0 1"),
        ("EXISTS n", ":0", ""),
    ]);
}

#[test]
fn positions_of_elements() {
    check(&[
        ("RPUSH l a b c 1 2 3 c c", ":8", "RPUSH l a b c 1 2 3 c c"),
        ("LPOS l c", ":2", ""),
        ("LPOS l 3", ":5", ""),
        ("LPOS l c RANK 2", ":6", ""),
        ("LPOS l c RANK -1", ":7", ""),
        ("LPOS l c RANK -3 COUNT 0", "[:2]", ""),
        ("LPOS l c COUNT 2", "[:2 :6]", ""),
        ("LPOS l c COUNT 0 MAXLEN 7", "[:2 :6]", ""),
        ("LPOS l c RANK -1 COUNT 0 MAXLEN 2", "[:7 :6]", ""),
        ("LPOS l x", "nil", ""),
        ("LPOS l x COUNT 1", "[]", ""),
        ("LPOS none x", "nil", ""),
        ("LPOS none x COUNT 1", "[]", ""),
        ("LPOS l c RANK x", NOT_INTEGER, ""),
        ("LPOS l c COUNT -1", "-ERR COUNT can't be negative", ""),
        ("LPOS l c MAXLEN -1", "-ERR MAXLEN can't be negative", ""),
        ("LPOS l c RANK", "-ERR syntax error", ""),
        ("LPOS l c FOO 1", "-ERR syntax error", ""),
        (
            "LPOS l c RANK 0",
            "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from \
             the end of the list",
            "",
        ),
        (
            "LPOS l c RANK -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            "",
        ),
    ]);
}

#[test]
fn moving_between_lists_of_any_shards() {
    check(&[
        ("RPUSH a 1 2 3", ":3", "RPUSH a 1 2 3"),
        ("LMOVE a b LEFT RIGHT", r#""1""#, "LMOVE a b LEFT RIGHT"),
        ("RPOPLPUSH a b", r#""3""#, "RPOPLPUSH a b"),
        ("LRANGE b 0 -1", r#"["3" "1"]"#, ""),
        ("LMOVE b b LEFT RIGHT", r#""3""#, "LMOVE b b LEFT RIGHT"),
        ("LRANGE b 0 -1", r#"["1" "3"]"#, ""),
        ("LMOVE a a LEFT LEFT", r#""2""#, "LMOVE a a LEFT LEFT"),
        ("LMOVE a c right left", r#""2""#, "LMOVE a c right left"),
        ("EXISTS a", ":0", ""),
        ("LMOVE a b LEFT LEFT", "nil", ""),
        ("SET s v", "OK", "SET s v"),
        ("LMOVE a s LEFT LEFT", "nil", ""),
        ("LMOVE b s LEFT LEFT", WRONG_TYPE, ""),
        ("LLEN b", ":2", ""),
        ("LMOVE s b LEFT LEFT", WRONG_TYPE, ""),
        ("LMOVE b c UP LEFT", "-ERR syntax error", ""),
    ]);
}

#[test]
fn popping_from_the_first_list_that_has_something() {
    check(&[
        ("RPUSH l a b c", ":3", "RPUSH l a b c"),
        ("LMPOP 2 none l LEFT", r#"["l" ["a"]]"#, "LPOP l 1"),
        ("LMPOP 1 l right COUNT 9", r#"["l" ["c" "b"]]"#, "RPOP l 2"),
        ("EXISTS l", ":0", ""),
        ("LMPOP 2 none l LEFT", "nil", ""),
        ("LMPOP 0 l LEFT", "-ERR numkeys should be greater than 0", ""),
        ("LMPOP x l LEFT", "-ERR numkeys should be greater than 0", ""),
        ("LMPOP 9223372036854775807 l LEFT", "-ERR syntax error", ""),
        ("LMPOP 2 l LEFT", "-ERR syntax error", ""),
        ("LMPOP 1 l UP", "-ERR syntax error", ""),
        ("LMPOP 1 l LEFT COUNT 0", "-ERR count should be greater than 0", ""),
        ("LMPOP 1 l LEFT COUNT 1 COUNT 1", "-ERR syntax error", ""),
        ("SET s v", "OK", "SET s v"),
        ("LMPOP 2 none s LEFT", WRONG_TYPE, ""),
    ]);
}

#[test]
fn a_list_of_many_nodes_answers_as_a_short_one() {
    with_one_and_three_shards(|node: &mut Node| {
        for n in 0..200 {
            let elements: Vec<String> = (0..100).map(|m| format!("element-{}", n * 100 + m)).collect();
            node.prepare(&[&format!("RPUSH l {}", elements.join(" "))]);
        }
        node.check_replies(&[
            ("OBJECT ENCODING l", r#""quicklist""#),
            ("LINDEX l 12345", r#""element-12345""#),
            ("LRANGE l 9999 10001", r#"["element-9999" "element-10000" "element-10001"]"#),
            ("LPOS l element-19999", ":19999"),
            ("LPOS l element-5 RANK -1", ":5"),
            ("LINSERT l BEFORE element-7000 x", ":20001"),
            ("LREM l -1 x", ":1"),
            ("LTRIM l 10000 10001", "OK"),
            ("LRANGE l 0 -1", r#"["element-10000" "element-10001"]"#),
            ("OBJECT ENCODING l", r#""listpack""#),
        ]);
    });
}
