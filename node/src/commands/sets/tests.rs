//! Sets: replies and effects as a real server gives them.

use crate::commands::testing::{Node, check, with_one_and_three_shards};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const NOT_POSITIVE: &str = "-ERR value is out of range, must be positive";

#[test]
fn members_are_added_asked_for_and_removed() {
    check(&[
        ("SADD s 3 1 2 1", ":3", "SADD s 3 1 2 1"),
        ("SADD s 1", ":0", ""),
        ("OBJECT ENCODING s", r#""intset""#, ""),
        ("SMEMBERS s", r#"["1" "2" "3"]"#, ""),
        ("SADD s a", ":1", "SADD s a"),
        ("OBJECT ENCODING s", r#""listpack""#, ""),
        ("SCARD s", ":4", ""),
        ("SISMEMBER s a", ":1", ""),
        ("SISMEMBER s b", ":0", ""),
        ("SMISMEMBER s a b 2", "[:1 :0 :1]", ""),
        ("SMISMEMBER none a b", "[:0 :0]", ""),
        ("SMEMBERS none", "[]", ""),
        ("SCARD none", ":0", ""),
        ("SREM s b", ":0", ""),
        ("SREM s a 1 a", ":2", "SREM s a 1 a"),
        ("SREM s 2 3", ":2", "SREM s 2 3"),
        ("EXISTS s", ":0", ""),
        ("SREM s 2 3", ":0", ""),
        ("SET v v", "OK", "SET v v"),
        ("SADD v a", WRONG_TYPE, ""),
        ("SREM v a", WRONG_TYPE, ""),
        ("SMEMBERS v", WRONG_TYPE, ""),
        ("SPOP v", WRONG_TYPE, ""),
        ("SPOP v 1", WRONG_TYPE, ""),
    ]);
}

#[test]
fn what_was_popped_is_what_replicas_remove() {
    with_one_and_three_shards(|node: &mut Node| {
        node.prepare(&["SADD s a"]);
        node.check(&[
            ("SPOP s", r#""a""#, "SREM s a"),
            ("EXISTS s", ":0", ""),
            ("SPOP s", "nil", ""),
            ("SPOP s 1", "[]", ""),
            ("SADD s 1 2 3", ":3", "SADD s 1 2 3"),
            ("SPOP s 0", "[]", ""),
            ("SPOP s 3", r#"["1" "2" "3"]"#, "DEL s"),
            ("EXISTS s", ":0", ""),
            ("SPOP s x", NOT_POSITIVE, ""),
            ("SPOP s -1", NOT_POSITIVE, ""),
            ("SPOP s 1 2", "-ERR syntax error", ""),
        ]);
        node.prepare(&["SADD s 1 2 3 4 5 6 7 8 9"]);
        let reply = node.run("SPOP s 4");
        let members = reply.trim_matches(['[', ']']).replace('"', "");
        assert_eq!(members.split(' ').count(), 4);
        assert_eq!(node.effects(), format!("SREM s {members}"));
        assert_eq!(node.run("SCARD s"), ":5");
        assert_eq!(node.run(&format!("SADD s {members}")), ":4");
    });
}

#[test]
fn popping_thousands_propagates_each_member_once() {
    let mut node = Node::new(1);
    (0..50).for_each(|n| {
        let members: Vec<String> = (0..100).map(|m| format!("m{}", n * 100 + m)).collect();
        node.prepare(&[&format!("SADD s {}", members.join(" "))]);
    });
    node.run("SPOP s 3000");
    let effects = node.effects();
    assert!(effects.starts_with("MULTI; SREM s ") && effects.ends_with("; EXEC"));
    let mut members: Vec<&str> = effects.split([' ', ';']).filter(|word| word.starts_with('m')).collect();
    members.sort_unstable();
    members.dedup();
    assert_eq!(members.len(), 3000);
    assert_eq!(node.run("SCARD s"), ":2000");
    assert_eq!(node.run(&format!("SMISMEMBER s {}", members.join(" "))).matches(":0").count(), 3000);
}

#[test]
fn members_at_random_stay() {
    with_one_and_three_shards(|node: &mut Node| {
        node.check_replies(&[
            ("SADD s 1", ":1"),
            ("SRANDMEMBER s", r#""1""#),
            ("SRANDMEMBER s 5", r#"["1"]"#),
            ("SRANDMEMBER s -2", r#"["1" "1"]"#),
            ("SRANDMEMBER s 0", "[]"),
            ("SRANDMEMBER none", "nil"),
            ("SRANDMEMBER none 1", "[]"),
            ("SRANDMEMBER s x", NOT_INTEGER),
            ("SRANDMEMBER s 1 2", "-ERR syntax error"),
            (
                "SRANDMEMBER s -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("SRANDMEMBER s -9223372036854775807", "-ERR value is out of range"),
            ("SCARD s", ":1"),
        ]);
        node.resp3 = true;
        node.check_replies(&[
            ("SRANDMEMBER s 5", r#"["1"]"#),
            ("SMEMBERS s", r#"~["1"]"#),
            ("SINTER s s", r#"~["1"]"#),
            ("SPOP none 1", "~[]"),
            ("SPOP s 5", r#"~["1"]"#),
        ]);
    });
}

#[test]
fn moving_a_member() {
    check(&[
        ("SADD a 1 2", ":2", "SADD a 1 2"),
        ("SMOVE a b 1", ":1", "SMOVE a b 1"),
        ("SMOVE a b 9", ":0", ""),
        ("SMOVE a a 2", ":1", ""),
        ("SMOVE a a 9", ":0", ""),
        ("SADD b 2", ":1", "SADD b 2"),
        ("SMOVE a b 2", ":1", "SMOVE a b 2"),
        ("EXISTS a", ":0", ""),
        ("SMEMBERS b", r#"["1" "2"]"#, ""),
        ("SET s v", "OK", "SET s v"),
        ("SMOVE a s 1", ":0", ""),
        ("SMOVE b s 1", WRONG_TYPE, ""),
        ("SMOVE b s 9", WRONG_TYPE, ""),
        ("SMOVE s b 1", WRONG_TYPE, ""),
        ("SCARD b", ":2", ""),
    ]);
}

#[test]
fn algebra_over_sets_of_any_shards() {
    check(&[
        ("SADD a 1 2 3 4", ":4", "SADD a 1 2 3 4"),
        ("SADD b 3 4 5 x", ":4", "SADD b 3 4 5 x"),
        ("SADD c 4", ":1", "SADD c 4"),
        ("SINTER a b", r#"["3" "4"]"#, ""),
        ("SINTER a b c", r#"["4"]"#, ""),
        ("SINTER a none", "[]", ""),
        ("SDIFF a b", r#"["1" "2"]"#, ""),
        ("SDIFF a a", "[]", ""),
        ("SDIFF none a", "[]", ""),
        ("SUNION a c", r#"["1" "2" "3" "4"]"#, ""),
        ("SUNION none", "[]", ""),
        ("SINTERSTORE d a b", ":2", "SINTERSTORE d a b"),
        ("SMEMBERS d", r#"["3" "4"]"#, ""),
        ("SUNIONSTORE d a b", ":6", "SUNIONSTORE d a b"),
        ("SDIFFSTORE a a b", ":2", "SDIFFSTORE a a b"),
        ("SMEMBERS a", r#"["1" "2"]"#, ""),
        ("SINTERSTORE d a none", ":0", "SINTERSTORE d a none"),
        ("EXISTS d", ":0", ""),
        ("SINTERSTORE d a none", ":0", ""),
        ("SINTERCARD 2 b c", ":1", ""),
        ("SINTERCARD 1 b LIMIT 2", ":2", ""),
        ("SINTERCARD 1 b LIMIT 0", ":4", ""),
        ("SINTERCARD 0 b", "-ERR numkeys should be greater than 0", ""),
        ("SINTERCARD 2 b", "-ERR Number of keys can't be greater than number of args", ""),
        ("SINTERCARD 1 b LIMIT -1", "-ERR LIMIT can't be negative", ""),
        ("SINTERCARD 1 b c", "-ERR syntax error", ""),
        ("SET s v", "OK", "SET s v"),
        ("SINTER none s", WRONG_TYPE, ""),
        ("SUNION b s", WRONG_TYPE, ""),
        ("SDIFFSTORE s b s", WRONG_TYPE, ""),
        ("SDIFFSTORE s b c", ":3", "SDIFFSTORE s b c"),
        ("TYPE s", "set", ""),
    ]);
}
