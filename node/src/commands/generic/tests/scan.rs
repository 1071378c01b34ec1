//! `SCAN`, `KEYS`, `RANDOMKEY`.

use crate::commands::generic::shard_of_cursor;
use crate::commands::testing::{Node, with_one_and_three_shards};
use koltso_proto::id::ShardId;
use std::collections::BTreeSet;

/// All keys, gone through with SCAN; and how many calls it took.
fn scan_all(node: &mut Node, options: &str) -> (BTreeSet<String>, usize) {
    let (mut keys, mut cursor, mut calls) = (BTreeSet::new(), "0".to_string(), 0);
    loop {
        let reply = node.run(&format!("SCAN {cursor} {options}"));
        calls += 1;
        let (next, names) = reply.strip_prefix("[\"").unwrap().split_once("\" [").unwrap();
        keys.extend(names.trim_end_matches(']').split_whitespace().map(|name| name.trim_matches('"').to_string()));
        if next == "0" {
            return (keys, calls);
        }
        cursor = next.to_string();
    }
}

#[test]
fn scanning_finds_every_key_and_ends() {
    with_one_and_three_shards(|node| {
        let expected: BTreeSet<String> = (0..500).map(|i| format!("key:{i}")).collect();
        for key in &expected {
            node.prepare(&[&format!("SET {key} v")]);
        }
        for options in ["", "COUNT 1", "COUNT 100000", "MATCH key:*", "MATCH * TYPE string", "type STRING"] {
            assert_eq!(scan_all(node, options).0, expected, "{options}");
        }
        assert_eq!(scan_all(node, "MATCH key:42 COUNT 1000").0, BTreeSet::from(["key:42".to_string()]));
        assert_eq!(scan_all(node, "COUNT 100000").1, 1);
        for options in ["TYPE list", "TYPE nonsense", "MATCH other:*"] {
            assert_eq!(scan_all(node, options).0, BTreeSet::new(), "{options}");
        }
    });
}

#[test]
fn a_scan_needs_no_other_shard_than_the_one_its_cursor_names() {
    let mut node = Node::new(3);
    let expected: BTreeSet<String> = (0..100).map(|i| format!("key:{i}")).collect();
    for key in &expected {
        node.prepare(&[&format!("SET {key} v")]);
    }
    let (mut keys, mut cursor) = (BTreeSet::new(), 0u64);
    loop {
        let only = shard_of_cursor(cursor, 3);
        let mut away: Vec<_> = node.shards.iter_mut().map(Option::take).collect();
        node.shards[usize::from(only.0)] = away[usize::from(only.0)].take();
        let reply = node.run(&format!("SCAN {cursor} COUNT 20"));
        for (id, shard) in away.into_iter().enumerate().filter(|(_, shard)| shard.is_some()) {
            node.shards[id] = shard;
        }
        let (next, names) = reply.strip_prefix("[\"").unwrap().split_once("\" [").unwrap();
        keys.extend(names.trim_end_matches(']').split_whitespace().map(|name| name.trim_matches('"').to_string()));
        cursor = next.parse().unwrap();
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(keys, expected);
}

#[test]
fn cursors_that_were_never_given_out_end_the_scan() {
    with_one_and_three_shards(|node| {
        node.prepare(&["SET k v"]);
        for cursor in ["18446744073709551615", "-1", "3", "281474976710656"] {
            let reply = node.run(&format!("SCAN {cursor}"));
            assert!(reply == "[\"0\" []]" || reply == "[\"0\" [\"k\"]]", "{cursor}: {reply}");
        }
        for (line, reply) in [
            ("SCAN x", "-ERR invalid cursor"),
            ("SCAN \" 1\"", "-ERR invalid cursor"),
            ("SCAN 18446744073709551616", "-ERR invalid cursor"),
            ("SCAN 0 COUNT 0", "-ERR syntax error"),
            ("SCAN 0 COUNT -1", "-ERR syntax error"),
            ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range"),
            ("SCAN 0 MATCH", "-ERR syntax error"),
            ("SCAN 0 FOO BAR", "-ERR syntax error"),
        ] {
            node.check(&[(line, reply, "")]);
        }
    });
    for shards in [1, 2, 3, 4, 5, 16, 1000, u16::MAX] {
        for cursor in [0, 1, 2, 3, 1023, u64::MAX] {
            assert!(shard_of_cursor(cursor, shards) < ShardId(shards), "{cursor} of {shards}");
        }
    }
}

#[test]
fn keys_and_random_keys_come_from_every_shard() {
    with_one_and_three_shards(|node| {
        node.check(&[("KEYS *", "[]", ""), ("RANDOMKEY", "nil", "")]);
        let expected: BTreeSet<String> = (0..20).map(|i| format!("\"key:{i}\"")).collect();
        for i in 0..20 {
            node.prepare(&[&format!("SET key:{i} v")]);
        }
        let reply = node.run("KEYS key:?*");
        let found: BTreeSet<String> = reply[1..reply.len() - 1].split(' ').map(String::from).collect();
        assert_eq!(found, expected);
        assert_eq!(node.run("KEYS key:7"), "[\"key:7\"]");
        let random: BTreeSet<String> = (0..2000).map(|_| node.run("RANDOMKEY")).collect();
        assert_eq!(random, expected);
    });
}
