//! Replies and effects of the string commands, as a real server has them.

use crate::commands::testing::{Node, check, with_one_and_three_shards};
use crate::shard::value::Value;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn set_and_get() {
    check(&[
        ("GET k", "nil", ""),
        ("SET k v", "OK", "SET k v"),
        ("GET k", "\"v\"", ""),
        ("set k w", "OK", "set k w"),
        ("STRLEN k", ":1", ""),
        ("STRLEN none", ":0", ""),
        ("SETNX k x", ":0", ""),
        ("SETNX n x", ":1", "SETNX n x"),
        ("GETSET k y", "\"w\"", "SET k y"),
        ("GETSET k2 y", "nil", "SET k2 y"),
        ("GETDEL k", "\"y\"", "DEL k"),
        ("GETDEL k", "nil", ""),
    ]);
}

#[test]
fn options_of_set_reach_replicas_as_their_result() {
    check(&[
        ("SET k v EX 100", "OK", "SET k v PXAT 1000000100000"),
        ("SET k v PX 100 NX", "nil", ""),
        ("SET k v PX 100 XX", "OK", "SET k v PXAT 1000000000100"),
        ("SET k v KEEPTTL", "OK", "SET k v KEEPTTL"),
        ("PTTL k", ":100", ""),
        ("SET k w EXAT 9999999999 GET", "\"v\"", "SET k w PXAT 9999999999000"),
        ("SET k x PXAT 9999999999000 GET NX", "\"w\"", ""),
        ("SET new x GET XX", "nil", ""),
        ("SET new x GET NX", "nil", "SET new x"),
        ("SET k v", "OK", "SET k v"),
        ("TTL k", ":-1", ""),
        ("SETEX k 10 v", "OK", "SET k v PXAT 1000000010000"),
        ("PSETEX k 10 v", "OK", "SET k v PXAT 1000000000010"),
        ("SET k v EX 1 EX 2", "OK", "SET k v PXAT 1000000002000"),
    ]);
}

#[test]
fn options_of_set_that_make_no_sense_change_nothing() {
    with_one_and_three_shards(|node| {
        node.prepare(&["SET k old EX 100"]);
        for line in [
            "SET k v EX",
            "SET k v EX 10 PX 10",
            "SET k v NX XX",
            "SET k v XX NX",
            "SET k v KEEPTTL EX 10",
            "SET k v EX 10 KEEPTTL",
            "SET k v FOO",
            "SET k v EX 0 FOO",
            "SET k v PERSIST",
        ] {
            assert_eq!(node.run(line), "-ERR syntax error", "{line}");
        }
        for time in ["EX 0", "PX -1", "EX 9223372036854775807", "PX 9223372036854775807", "EXAT 9223372036854775807"] {
            assert_eq!(node.run(&format!("SET k v {time}")), "-ERR invalid expire time in 'set' command", "{time}");
            assert_eq!(node.run(&format!("GETEX k {time}")), "-ERR invalid expire time in 'getex' command", "{time}");
        }
        node.check(&[
            ("SET k v EX abc", "-ERR value is not an integer or out of range", ""),
            ("SETEX k 0 v", "-ERR invalid expire time in 'setex' command", ""),
            ("PSETEX k -1 v", "-ERR invalid expire time in 'psetex' command", ""),
            ("SETEX k abc v", "-ERR value is not an integer or out of range", ""),
            ("GET k", "\"old\"", ""),
            ("TTL k", ":100", ""),
        ]);
    });
}

#[test]
fn getex_tells_replicas_only_what_it_changed() {
    check(&[
        ("SET k v", "OK", "SET k v"),
        ("GETEX k", "\"v\"", ""),
        ("GETEX k PERSIST", "\"v\"", ""),
        ("GETEX k EX 100", "\"v\"", "PEXPIREAT k 1000000100000"),
        ("TTL k", ":100", ""),
        ("GETEX k PERSIST", "\"v\"", "PERSIST k"),
        ("TTL k", ":-1", ""),
        ("GETEX none EX abc", "nil", ""),
        ("GETEX k PERSIST EX 10", "-ERR syntax error", ""),
        ("GETEX k EX", "-ERR syntax error", ""),
        ("GETEX k PERSIST PERSIST", "\"v\"", ""),
        ("GETEX k EXAT 1", "\"v\"", "DEL k"),
        ("EXISTS k", ":0", ""),
    ]);
}

#[test]
fn an_expired_key_is_deleted_for_replicas_before_anything_else() {
    with_one_and_three_shards(|node| {
        for (line, reply, effects) in [
            ("GET k", "nil", "DEL k"),
            ("SET k v NX GET", "nil", "MULTI; DEL k; SET k v; EXEC"),
            ("INCR k", ":1", "MULTI; DEL k; INCR k; EXEC"),
            ("APPEND k x", ":1", "MULTI; DEL k; APPEND k x; EXEC"),
            ("SETNX k v", ":1", "MULTI; DEL k; SETNX k v; EXEC"),
            ("GETDEL k", "nil", "DEL k"),
            ("SETRANGE k 1 \"\"", ":0", "DEL k"),
        ] {
            node.prepare(&["SET k 1 PX 10"]);
            node.wait_ms(10);
            node.check(&[(line, reply, effects)]);
            node.prepare(&["DEL k"]);
        }
    });
}

#[test]
fn a_replica_neither_deletes_nor_overlooks_what_its_primary_still_has() {
    with_one_and_three_shards(|node| {
        node.be_replica();
        node.check(&[("SET k 5 PXAT 999999999999", "OK", ""), ("INCR k", ":6", ""), ("GETEX k EXAT 1", "\"6\"", "")]);
        assert_eq!(node.run("GET k"), "\"6\"");
        node.origin = crate::commands::Origin::Client;
        assert_eq!(node.run("GET k"), "nil");
        assert_eq!(node.run("DBSIZE"), ":1");
    });
}

#[test]
fn several_keys_are_set_together_or_not_at_all() {
    check(&[
        ("MSET a 1 b 2 a 3", "OK", "MSET a 1 b 2 a 3"),
        ("MGET a b c", "[\"3\" \"2\" nil]", ""),
        ("MSETNX c 1 b 9", ":0", ""),
        ("EXISTS c", ":0", ""),
        ("MSETNX c 1 d 2", ":1", "MSETNX c 1 d 2"),
        ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command", ""),
        ("MSETNX a 1 b", "-ERR wrong number of arguments for 'msetnx' command", ""),
        ("SET a 1 EX 10", "OK", "SET a 1 PXAT 1000000010000"),
        ("MSET a 1", "OK", "MSET a 1"),
        ("TTL a", ":-1", ""),
    ]);
}

#[test]
fn counting_keeps_the_deadline_and_stops_at_the_limits() {
    check(&[
        ("INCR n", ":1", "INCR n"),
        ("DECRBY n 3", ":-2", "DECRBY n 3"),
        ("INCRBY n 10", ":8", "INCRBY n 10"),
        ("DECR n", ":7", "DECR n"),
        ("PEXPIRE n 500", ":1", "PEXPIREAT n 1000000000500"),
        ("INCR n", ":8", "INCR n"),
        ("PTTL n", ":500", ""),
        ("SET n 9223372036854775807", "OK", "SET n 9223372036854775807"),
        ("INCR n", "-ERR increment or decrement would overflow", ""),
        ("DECRBY n -1", "-ERR increment or decrement would overflow", ""),
        ("DECRBY n -9223372036854775808", "-ERR decrement would overflow", ""),
        ("INCRBY n x", "-ERR value is not an integer or out of range", ""),
        ("SET n \" 5\"", "OK", "SET n  5"),
        ("INCR n", "-ERR value is not an integer or out of range", ""),
        ("SET n 05", "OK", "SET n 05"),
        ("INCR n", "-ERR value is not an integer or out of range", ""),
    ]);
}

#[test]
fn floats_are_propagated_as_their_sum() {
    check(&[
        ("INCRBYFLOAT f 10.5", "\"10.5\"", "SET f 10.5 KEEPTTL"),
        ("INCRBYFLOAT f 0.1", "\"10.6\"", "SET f 10.6 KEEPTTL"),
        ("EXPIRE f 10", ":1", "PEXPIREAT f 1000000010000"),
        ("INCRBYFLOAT f -10.6", "\"0\"", "SET f 0 KEEPTTL"),
        ("TTL f", ":10", ""),
        ("INCRBYFLOAT f 5e3", "\"5000\"", "SET f 5000 KEEPTTL"),
        ("INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity", ""),
        ("INCRBYFLOAT f nan", "-ERR value is not a valid float", ""),
        ("INCRBYFLOAT f x", "-ERR value is not a valid float", ""),
        ("SET f abc", "OK", "SET f abc"),
        ("INCRBYFLOAT f 1", "-ERR value is not a valid float", ""),
    ]);
}

#[test]
fn parts_of_strings() {
    check(&[
        ("APPEND s Hello", ":5", "APPEND s Hello"),
        ("APPEND s \" World\"", ":11", "APPEND s  World"),
        ("APPEND s \"\"", ":11", "APPEND s \"\""),
        ("GETRANGE s 0 4", "\"Hello\"", ""),
        ("GETRANGE s -5 -1", "\"World\"", ""),
        ("SUBSTR s 0 -1", "\"Hello World\"", ""),
        ("GETRANGE s 20 30", "\"\"", ""),
        ("GETRANGE s -100 -200", "\"\"", ""),
        ("GETRANGE s 0 -100", "\"H\"", ""),
        ("GETRANGE s 1 -100", "\"\"", ""),
        ("GETRANGE s -9223372036854775808 9223372036854775807", "\"Hello World\"", ""),
        ("GETRANGE none 0 -1", "\"\"", ""),
        ("GETRANGE s 0 x", "-ERR value is not an integer or out of range", ""),
        ("SETRANGE s 6 Redis", ":11", "SETRANGE s 6 Redis"),
        ("GET s", "\"Hello Redis\"", ""),
        ("SETRANGE s 12 !", ":13", "SETRANGE s 12 !"),
        ("GET s", "\"Hello Redis\\x00!\"", ""),
        ("SETRANGE new 3 x", ":4", "SETRANGE new 3 x"),
        ("GET new", "\"\\x00\\x00\\x00x\"", ""),
        ("SETRANGE none 5 \"\"", ":0", ""),
        ("SETRANGE s 5 \"\"", ":13", ""),
        ("EXISTS none", ":0", ""),
        ("APPEND none \"\"", ":0", "APPEND none \"\""),
        ("EXISTS none", ":1", ""),
    ]);
}

#[test]
fn an_offset_cannot_make_a_string_longer_than_any_argument() {
    check(&[
        ("SET s v", "OK", "SET s v"),
        ("SETRANGE s 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)", ""),
        ("SETRANGE s 9223372036854775807 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)", ""),
        ("SETRANGE s -1 x", "-ERR offset is out of range", ""),
        ("SETRANGE s 9223372036854775808 x", "-ERR value is not an integer or out of range", ""),
        ("GET s", "\"v\"", ""),
    ]);
    let mut node = Node::new(1);
    node.config.proto_max_bulk_len = 10;
    node.check_replies(&[
        ("APPEND s 12345678", ":8"),
        ("APPEND s 123", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("APPEND s 12", ":10"),
    ]);
}

#[test]
fn longest_common_subsequences() {
    let range = "[\"matches\" [[[:4 :7] [:5 :8]] [[:2 :3] [:0 :1]]] \"len\" :6]";
    check(&[
        ("MSET a ohmytext b mynewtext", "OK", "MSET a ohmytext b mynewtext"),
        ("LCS a b", "\"mytext\"", ""),
        ("LCS a b LEN", ":6", ""),
        ("LCS a b IDX", range, ""),
        ("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN", "[\"matches\" [[[:4 :7] [:5 :8] :4]] \"len\" :6]", ""),
        ("LCS a b MINMATCHLEN 3", "\"mytext\"", ""),
        ("LCS a none IDX", "[\"matches\" [] \"len\" :0]", ""),
        ("LCS a none", "\"\"", ""),
        ("LCS none other LEN", ":0", ""),
        ("LCS a b LEN IDX", "-ERR If you want both the length and indexes, please just use IDX.", ""),
        ("LCS a b MINMATCHLEN", "-ERR syntax error", ""),
        ("LCS a b MINMATCHLEN x", "-ERR value is not an integer or out of range", ""),
        ("LCS a b FOO", "-ERR syntax error", ""),
    ]);
    let mut node = Node::new(1);
    node.prepare(&["MSET a ohmytext b mynewtext"]);
    node.config.proto_max_bulk_len = 90 * 4 - 1;
    let error = "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    assert_eq!(node.run("LCS a b"), error);
    node.config.proto_max_bulk_len = 90 * 4;
    assert_eq!(node.run("LCS a b"), "\"mytext\"");
}

#[test]
fn no_string_command_touches_another_type() {
    with_one_and_three_shards(|node| {
        node.put("l", Value::Stream(Box::default()));
        for line in [
            "GET l",
            "SET l x GET",
            "GETSET l x",
            "GETDEL l",
            "GETEX l EX 0",
            "APPEND l x",
            "STRLEN l",
            "SETRANGE l 1 x",
            "SETRANGE l 1 \"\"",
            "GETRANGE l 0 1",
            "INCR l",
            "INCRBYFLOAT l 1",
        ] {
            node.check(&[(line, WRONG_TYPE, "")]);
        }
        node.check(&[
            ("LCS l none", "-ERR The specified keys must contain string values", ""),
            ("MGET l", "[nil]", ""),
            ("SET l x NX", "nil", ""),
            ("TYPE l", "stream", ""),
            ("SET l x", "OK", "SET l x"),
            ("GET l", "\"x\"", ""),
        ]);
    });
}
