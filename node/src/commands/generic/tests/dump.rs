//! `DUMP` and `RESTORE`, and what they keep beside the value.

use crate::commands::testing::with_one_and_three_shards;
use crate::shard::access::AccessPolicy;
use crate::shard::value::{Set, Value};

/// What `DUMP` of a Redis 7.0 answers for the string `v`.
const DUMP_OF_V: &str = r"\x00\x01v\n\x00\x91\b\xce\xb2\x198\x8a\xce";

/// `DUMP_OF_V` as it looks in effects.
fn payload() -> String {
    b"\x00\x01v\n\x00\x91\x08\xce\xb2\x198\x8a\xce".escape_ascii().to_string()
}

#[test]
fn a_dump_of_a_real_server_is_restored_with_its_deadline() {
    with_one_and_three_shards(|node| {
        let restore = |options: &str| format!("RESTORE k {}", options.replace('@', &format!("\"{DUMP_OF_V}\"")));
        let effect = |options: &str| format!("RESTORE k {}", options.replace('@', &payload()));
        node.check(&[(&restore("0 @"), "OK", &effect("0 @")), ("GET k", "\"v\"", ""), ("TTL k", ":-1", "")]);
        node.check(&[
            ("DUMP k", &format!("\"{}\"", payload()), ""),
            (&restore("0 @"), "-BUSYKEY Target key name already exists.", ""),
            (&restore("100 @ replace"), "OK", &effect("1000000000100 @ replace ABSTTL")),
            ("PTTL k", ":100", ""),
            (&restore("1000000000200 @ ABSTTL REPLACE"), "OK", &effect("1000000000200 @ ABSTTL REPLACE")),
            ("PTTL k", ":200", ""),
            (&restore("0 @ REPLACE IDLETIME 5"), "OK", &effect("0 @ REPLACE IDLETIME 5")),
            ("OBJECT IDLETIME k", ":5", ""),
            (&restore("1 @ REPLACE ABSTTL"), "OK", "DEL k"),
            (&restore("1 @ REPLACE ABSTTL"), "OK", ""),
            ("EXISTS k", ":0", ""),
            ("DUMP k", "nil", ""),
        ]);
    });
}

#[test]
fn every_type_survives_dump_and_restore() {
    with_one_and_three_shards(|node| {
        let limits = node.config.thresholds;
        let text = b"some text that is longer than what is never compressed, compressed, compressed";
        let mut set = Set::for_members(b"a", 1, &limits);
        set.add(b"a", &limits);
        set.add(b"b", &limits);
        for value in [Value::string(text), Value::string(b"-17"), Value::Set(set)] {
            let before = format!("{:?}", value.view());
            node.put("k", value);
            let payload = node.run_args(&[b"DUMP", b"k"]);
            let start = payload.iter().position(|&byte| byte == b'\n').unwrap() + 1;
            let payload = &payload[start..payload.len() - 2];
            node.prepare(&["DEL k"]);
            assert_eq!(node.run_args(&[b"RESTORE", b"k", b"0", payload]), b"+OK\r\n");
            assert_eq!(node.debug_value("k"), before);
        }
    });
}

#[test]
fn payloads_that_are_damaged_or_from_the_future_change_nothing() {
    let future = r"\x00\x01v\xff\x00\x91\b\xce\xb2\x198\x8a\xce";
    let damaged = r"\x00\x01w\n\x00\x91\b\xce\xb2\x198\x8a\xce";
    let wrong = "-ERR DUMP payload version or checksum are wrong";
    with_one_and_three_shards(|node| {
        node.prepare(&["SET k old"]);
        for payload in [future, damaged, "", "abc"] {
            node.check(&[(&format!("RESTORE k 0 \"{payload}\" REPLACE"), wrong, "")]);
        }
        let mut bad = vec![1, 5];
        koltso_proto::rdb::dump::finish_dump(&mut bad);
        assert_eq!(node.run_args(&[b"RESTORE", b"k", b"0", &bad, b"REPLACE"]), b"-ERR Bad data format\r\n");
        node.check(&[
            ("RESTORE k -1 abc REPLACE", "-ERR Invalid TTL value, must be >= 0", ""),
            ("RESTORE k 9223372036854775807 abc REPLACE", wrong, ""),
            ("RESTORE k x abc REPLACE", "-ERR value is not an integer or out of range", ""),
            ("RESTORE k 0 abc FOO", "-ERR syntax error", ""),
            ("RESTORE k 0 abc IDLETIME", "-ERR syntax error", ""),
            ("RESTORE k 0 abc IDLETIME -1", "-ERR Invalid IDLETIME value, must be >= 0", ""),
            ("RESTORE k 0 abc IDLETIME x", "-ERR value is not an integer or out of range", ""),
            ("RESTORE k 0 abc FREQ 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255", ""),
            ("RESTORE k 0 abc FREQ 1 IDLETIME 1", "-ERR syntax error", ""),
            ("GET k", "\"old\"", ""),
        ]);
    });
}

#[test]
fn under_an_lfu_policy_object_tells_frequencies_instead_of_idle_times() {
    with_one_and_three_shards(|node| {
        let policy = AccessPolicy::Lfu { log_factor: 10, decay_time_min: 1 };
        node.shards.iter_mut().flatten().for_each(|shard| shard.set_policy(policy));
        node.prepare(&["SET k v"]);
        assert_eq!(node.run("OBJECT FREQ k"), ":5");
        node.prepare(&[&format!("RESTORE k 0 \"{DUMP_OF_V}\" REPLACE FREQ 42")]);
        assert_eq!(node.run("OBJECT FREQ k"), ":42");
        node.wait_ms(2 * 60_000);
        assert_eq!(node.run("OBJECT FREQ k"), ":40");
        assert!(node.run("OBJECT IDLETIME k").starts_with("-ERR An LFU maxmemory policy is selected"));
    });
}
