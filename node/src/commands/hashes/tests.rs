//! Hashes: replies and effects as a real server gives them.

use crate::commands::testing::{Node, check, with_one_and_three_shards};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";

#[test]
fn fields_are_set_read_and_deleted() {
    check(&[
        ("HSET h f 1 g two f 3", ":2", "HSET h f 1 g two f 3"),
        ("HSET h f 4", ":0", "HSET h f 4"),
        ("HMSET h x y", "OK", "HMSET h x y"),
        ("HSETNX h x z", ":0", ""),
        ("HSETNX h n z", ":1", "HSETNX h n z"),
        ("HGET h f", r#""4""#, ""),
        ("HGET h none", "nil", ""),
        ("HGET none f", "nil", ""),
        ("HMGET h f none g", r#"["4" nil "two"]"#, ""),
        ("HMGET none f g", "[nil nil]", ""),
        ("HGETALL h", r#"["f" "4" "g" "two" "x" "y" "n" "z"]"#, ""),
        ("HKEYS h", r#"["f" "g" "x" "n"]"#, ""),
        ("HVALS h", r#"["4" "two" "y" "z"]"#, ""),
        ("HGETALL none", "[]", ""),
        ("HKEYS none", "[]", ""),
        ("HLEN h", ":4", ""),
        ("HLEN none", ":0", ""),
        ("HEXISTS h f", ":1", ""),
        ("HEXISTS h none", ":0", ""),
        ("HSTRLEN h g", ":3", ""),
        ("HSTRLEN h none", ":0", ""),
        ("HDEL h none", ":0", ""),
        ("HDEL h f f x", ":2", "HDEL h f f x"),
        ("HDEL none f", ":0", ""),
        ("HDEL h g n", ":2", "HDEL h g n"),
        ("EXISTS h", ":0", ""),
    ]);
}

#[test]
fn wrong_types_and_numbers_of_arguments() {
    check(&[
        ("SET s v", "OK", "SET s v"),
        ("HSET s f 1", WRONG_TYPE, ""),
        ("HSET s f 1 g", "-ERR wrong number of arguments for 'hset' command", ""),
        ("HMSET h f 1 g", "-ERR wrong number of arguments for 'hmset' command", ""),
        ("HGET s f", WRONG_TYPE, ""),
        ("HMGET s f", WRONG_TYPE, ""),
        ("HGETALL s", WRONG_TYPE, ""),
        ("HDEL s f", WRONG_TYPE, ""),
        ("HINCRBY s f 1", WRONG_TYPE, ""),
        ("HSCAN s 0", WRONG_TYPE, ""),
        ("EXISTS h", ":0", ""),
    ]);
}

#[test]
fn numbers_in_fields() {
    check(&[
        ("HINCRBY h n 5", ":5", "HINCRBY h n 5"),
        ("HINCRBY h n -7", ":-2", "HINCRBY h n -7"),
        ("HSET h big 9223372036854775807 text abc", ":2", "HSET h big 9223372036854775807 text abc"),
        ("HINCRBY h big 1", "-ERR increment or decrement would overflow", ""),
        ("HINCRBY h text 1", "-ERR hash value is not an integer", ""),
        ("HINCRBY h text x", NOT_INTEGER, ""),
        ("HINCRBY none n x", NOT_INTEGER, ""),
        ("HINCRBYFLOAT h n 0.5", r#""-1.5""#, "HSET h n -1.5"),
        ("HINCRBYFLOAT h new 3.0", r#""3""#, "HSET h new 3"),
        ("HINCRBYFLOAT h new 5e3", r#""5003""#, "HSET h new 5003"),
        ("HINCRBYFLOAT h text 1", "-ERR hash value is not a float", ""),
        ("HINCRBYFLOAT h n x", "-ERR value is not a valid float", ""),
        ("HINCRBYFLOAT h n inf", "-ERR value is NaN or Infinity", ""),
        ("HINCRBYFLOAT h n nan", "-ERR value is not a valid float", ""),
        ("HINCRBYFLOAT none n nan", "-ERR value is not a valid float", ""),
        ("EXISTS none", ":0", ""),
        ("HGET h n", r#""-1.5""#, ""),
    ]);
}

#[test]
fn fields_at_random() {
    with_one_and_three_shards(|node: &mut Node| {
        node.check_replies(&[
            ("HSET h f 1", ":1"),
            ("HRANDFIELD h", r#""f""#),
            ("HRANDFIELD h 5", r#"["f"]"#),
            ("HRANDFIELD h 5 withvalues", r#"["f" "1"]"#),
            ("HRANDFIELD h -2", r#"["f" "f"]"#),
            ("HRANDFIELD h -2 WITHVALUES", r#"["f" "1" "f" "1"]"#),
            ("HRANDFIELD h 0", "[]"),
            ("HRANDFIELD none", "nil"),
            ("HRANDFIELD none 3", "[]"),
            ("HRANDFIELD none -9223372036854775807", "[]"),
            ("HRANDFIELD h x", NOT_INTEGER),
            ("HRANDFIELD h x foo", NOT_INTEGER),
            ("HRANDFIELD h 1 foo", "-ERR syntax error"),
            ("HRANDFIELD h -4611686018427387904 withvalues", "-ERR value is out of range"),
            ("HRANDFIELD h -4611686018427387903", "-ERR value is out of range"),
            (
                "HRANDFIELD h -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
        ]);
        node.resp3 = true;
        node.check_replies(&[
            ("HRANDFIELD h -2 WITHVALUES", r#"[["f" "1"] ["f" "1"]]"#),
            ("HGETALL h", r#"%["f" "1"]"#),
            ("HGETALL none", "%[]"),
        ]);
    });
}

/// The elements of a flat array of bulk strings.
fn words(reply: &str) -> Vec<String> {
    let inside = reply.trim_start_matches('~').trim_start_matches('[').trim_end_matches(']');
    inside.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect()
}

#[test]
fn distinct_fields_of_large_and_small_hashes() {
    let mut node = Node::new(1);
    for n in 0..1000 {
        node.prepare(&[&format!("HSET h f{n} v{n}")]);
        if n == 100 || n == 999 {
            for count in [1, 20, 60, 99, 100, n + 1, n + 100] {
                let mut fields = words(&node.run(&format!("HRANDFIELD h {count}")));
                fields.sort();
                fields.dedup();
                assert_eq!(fields.len(), count.min(n + 1), "{count} of {n}");
                assert!(fields.iter().all(|field| field.starts_with('f')));
            }
        }
    }
}

#[test]
fn scanning() {
    let mut node = Node::new(1);
    node.check_replies(&[
        ("HSET h f 1 g 2", ":2"),
        ("HSCAN h 0", r#"["0" ["f" "1" "g" "2"]]"#),
        ("HSCAN h 0 MATCH g*", r#"["0" ["g" "2"]]"#),
        ("HSCAN h x", "-ERR invalid cursor"),
        ("HSCAN h 0 COUNT x", NOT_INTEGER),
        ("HSCAN h 0 COUNT 0", "-ERR syntax error"),
        ("HSCAN none 0 COUNT 0", r#"["0" []]"#),
        ("HSCAN h 0 FOO", "-ERR syntax error"),
        ("HSCAN h 18446744073709551615", r#"["0" ["f" "1" "g" "2"]]"#),
    ]);
    (0..1000).for_each(|n| node.prepare(&[&format!("HSET big f{n} v")]));
    let (mut cursor, mut seen, mut calls) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let reply = words(&node.run(&format!("HSCAN big {cursor} COUNT 10")).replace("[[", "[").replace(" [", " "));
        cursor.clone_from(&reply[0]);
        seen.extend(reply[1..].iter().filter(|word| word.starts_with('f')).map(|word| word.trim_matches(']').to_owned()));
        calls += 1;
        if cursor == "0" {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1000);
    assert!(calls > 50, "{calls}");
}
