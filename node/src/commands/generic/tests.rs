//! Replies and effects of the key commands, as a real server has them.

mod dump;
mod scan;
mod sort;

use crate::commands::testing::{check, with_one_and_three_shards};
use crate::shard::watch::WatchFlag;
use koltso_proto::id::DbIndex;
use std::sync::Arc;

#[test]
fn deleting_counts_and_propagates_only_what_was_there() {
    check(&[
        ("MSET a 1 b 2 c 3", "OK", "MSET a 1 b 2 c 3"),
        ("EXISTS a b a none", ":3", ""),
        ("TOUCH a none", ":1", ""),
        ("TYPE a", "string", ""),
        ("TYPE none", "none", ""),
        ("DEL a none", ":1", "DEL a none"),
        ("DEL a none", ":0", ""),
        ("UNLINK b c", ":2", "UNLINK b c"),
        ("UNLINK b c", ":0", ""),
        ("DBSIZE", ":0", ""),
    ]);
}

#[test]
fn every_way_to_set_a_deadline_reaches_replicas_as_an_absolute_time() {
    check(&[
        ("SET k v", "OK", "SET k v"),
        ("EXPIRE k 100", ":1", "PEXPIREAT k 1000000100000"),
        ("TTL k", ":100", ""),
        ("PEXPIRE k 1499", ":1", "PEXPIREAT k 1000000001499"),
        ("TTL k", ":1", ""),
        ("PTTL k", ":1499", ""),
        ("EXPIREAT k 2000000000", ":1", "PEXPIREAT k 2000000000000"),
        ("EXPIRETIME k", ":2000000000", ""),
        ("PEXPIREAT k 2000000000500 gt", ":1", "PEXPIREAT k 2000000000500"),
        ("EXPIRETIME k", ":2000000001", ""),
        ("PEXPIRETIME k", ":2000000000500", ""),
        ("PERSIST k", ":1", "PERSIST k"),
        ("PERSIST k", ":0", ""),
        ("PERSIST none", ":0", ""),
        ("TTL k", ":-1", ""),
        ("PEXPIRETIME k", ":-1", ""),
        ("PTTL none", ":-2", ""),
        ("EXPIRETIME none", ":-2", ""),
        ("EXPIRE none 10", ":0", ""),
    ]);
}

#[test]
fn deadlines_are_set_only_where_the_condition_holds() {
    check(&[
        ("SET k v", "OK", "SET k v"),
        ("EXPIRE k 100 XX", ":0", ""),
        ("EXPIRE k 100 GT", ":0", ""),
        ("EXPIRE k 100 LT", ":1", "PEXPIREAT k 1000000100000"),
        ("EXPIRE k 100 LT", ":0", ""),
        ("EXPIRE k 100 GT", ":0", ""),
        ("EXPIRE k 200 NX", ":0", ""),
        ("EXPIRE k 200 XX GT", ":1", "PEXPIREAT k 1000000200000"),
        ("EXPIRE k 100 XX LT", ":1", "PEXPIREAT k 1000000100000"),
        ("EXPIRE k 10 NX GT", "-ERR NX and XX, GT or LT options at the same time are not compatible", ""),
        ("EXPIRE k 10 XX NX", "-ERR NX and XX, GT or LT options at the same time are not compatible", ""),
        ("EXPIRE k 10 GT LT", "-ERR GT and LT options at the same time are not compatible", ""),
        ("EXPIRE k 10 FOO", "-ERR Unsupported option FOO", ""),
    ]);
}

#[test]
fn times_that_do_not_fit_are_refused() {
    with_one_and_three_shards(|node| {
        node.prepare(&["SET k v"]);
        for (command, time) in [
            ("EXPIRE", "9223372036854775807"),
            ("EXPIRE", "-9223372036854775808"),
            ("PEXPIRE", "9223372036854775807"),
            ("EXPIREAT", "9223372036854775807"),
        ] {
            let error = format!("-ERR invalid expire time in '{}' command", command.to_lowercase());
            for key in ["k", "none"] {
                node.check(&[(&format!("{command} {key} {time}"), &error, "")]);
            }
        }
        node.check(&[
            ("EXPIRE k x", "-ERR value is not an integer or out of range", ""),
            ("PEXPIREAT k 9223372036854775807", ":1", "PEXPIREAT k 9223372036854775807"),
            ("PEXPIRETIME k", ":9223372036854775807", ""),
        ]);
    });
}

#[test]
fn a_time_that_has_passed_deletes_but_not_on_a_replica() {
    with_one_and_three_shards(|node| {
        for line in ["EXPIRE k -1", "EXPIRE k 0", "PEXPIREAT k -9223372036854775808", "EXPIREAT k 1 LT"] {
            node.prepare(&["SET k v"]);
            node.check(&[(line, ":1", "DEL k"), ("EXISTS k", ":0", "")]);
        }
        node.config.lazyfree_lazy_expire = true;
        node.prepare(&["SET k v"]);
        node.check(&[("EXPIRE k -1", ":1", "UNLINK k")]);
        node.prepare(&["SET k v"]);
        node.be_replica();
        node.check(&[("PEXPIREAT k 5", ":1", ""), ("PEXPIRETIME k", ":5", ""), ("EXISTS k", ":1", ""), ("DEL k", ":1", "")]);
    });
}

#[test]
fn expired_keys_are_nowhere_to_be_seen() {
    with_one_and_three_shards(|node| {
        node.prepare(&["SET k v PX 10", "SET live v"]);
        node.wait_ms(10);
        node.check(&[
            ("KEYS *", "[\"live\"]", ""),
            ("RENAME live k", "OK", "RENAME live k"),
            ("SET live v PX 10", "OK", "SET live v PXAT 1000000000020"),
        ]);
        node.wait_ms(10);
        node.check(&[
            ("RENAMENX k live", ":1", "MULTI; DEL live; RENAMENX k live; EXEC"),
            ("DBSIZE", ":1", ""),
            ("PEXPIRE live 5", ":1", "PEXPIREAT live 1000000000025"),
        ]);
        node.wait_ms(5);
        node.check(&[("RANDOMKEY", "nil", "DEL live"), ("DBSIZE", ":0", "")]);
    });
}

#[test]
fn renaming_takes_value_and_deadline_along() {
    check(&[
        ("SET a 1 EX 10", "OK", "SET a 1 PXAT 1000000010000"),
        ("SET b 2", "OK", "SET b 2"),
        ("RENAME a b", "OK", "RENAME a b"),
        ("MGET a b", "[nil \"1\"]", ""),
        ("TTL b", ":10", ""),
        ("RENAME b b", "OK", ""),
        ("RENAMENX b b", ":0", ""),
        ("RENAME a b", "-ERR no such key", ""),
        ("RENAME none none", "-ERR no such key", ""),
        ("RENAMENX a b", "-ERR no such key", ""),
        ("SET a 3", "OK", "SET a 3"),
        ("RENAMENX a b", ":0", ""),
        ("RENAME a b", "OK", "RENAME a b"),
        ("TTL b", ":-1", ""),
        ("DBSIZE", ":1", ""),
    ]);
}

#[test]
fn copying_and_moving_across_databases() {
    with_one_and_three_shards(|node| {
        node.check(&[
            ("SET a 1 EX 10", "OK", "SET a 1 PXAT 1000000010000"),
            ("COPY a b", ":1", "COPY a b"),
            ("COPY a b", ":0", ""),
            ("TTL b", ":10", ""),
            ("SET b 2", "OK", "SET b 2"),
            ("COPY b a REPLACE", ":1", "COPY b a REPLACE"),
            ("TTL a", ":-1", ""),
            ("COPY none c", ":0", ""),
            ("COPY a a", "-ERR source and destination objects are the same", ""),
            ("COPY a a DB 0", "-ERR source and destination objects are the same", ""),
            ("COPY a b DB 4", "-ERR DB index is out of range", ""),
            ("COPY a b DB -1", "-ERR DB index is out of range", ""),
            ("COPY a b DB x", "-ERR value is not an integer or out of range", ""),
            ("COPY a b DB", "-ERR syntax error", ""),
            ("COPY a b FOO", "-ERR syntax error", ""),
            ("COPY a a DB 1", ":1", "COPY a a DB 1"),
            ("MOVE a 1", ":0", ""),
            ("MOVE b 1", ":1", "MOVE b 1"),
            ("MOVE b 1", ":0", ""),
            ("MOVE a 0", "-ERR source and destination objects are the same", ""),
            ("MOVE a 4", "-ERR DB index is out of range", ""),
            ("MOVE a 2147483648", "-ERR value is out of range, value must between -2147483648 and 2147483647", ""),
            ("MOVE a x", "-ERR value is not an integer or out of range", ""),
            ("DBSIZE", ":1", ""),
        ]);
        node.db = DbIndex(1);
        node.check(&[("DBSIZE", ":2", ""), ("MGET a b", "[\"2\" \"2\"]", "")]);
    });
}

#[test]
fn an_expired_key_in_the_other_database_is_deleted_there() {
    with_one_and_three_shards(|node| {
        node.prepare(&["SET a 1"]);
        node.db = DbIndex(1);
        node.prepare(&["SET a old PX 1"]);
        node.db = DbIndex(0);
        node.wait_ms(1);
        node.check(&[("COPY a a DB 1", ":1", "MULTI; DEL a; SELECT 0; COPY a a DB 1; EXEC")]);
    });
}

#[test]
fn flushing_is_propagated_even_when_there_is_nothing() {
    with_one_and_three_shards(|node| {
        node.prepare(&["MSET a 1 b 2 c 3"]);
        node.db = DbIndex(1);
        node.prepare(&["MSET a 1 b 2"]);
        node.check(&[
            ("FLUSHDB FOO", "-ERR syntax error", ""),
            ("FLUSHALL ASYNC SYNC", "-ERR syntax error", ""),
            ("FLUSHDB", "OK", "FLUSHDB"),
            ("DBSIZE", ":0", ""),
            ("FLUSHDB async", "OK", "FLUSHDB async"),
        ]);
        node.db = DbIndex(0);
        node.check(&[
            ("DBSIZE", ":3", ""),
            ("FLUSHALL SYNC", "OK", "FLUSHALL SYNC"),
            ("DBSIZE", ":0", ""),
            ("FLUSHALL", "OK", "FLUSHALL"),
        ]);
    });
}

#[test]
fn swapping_databases() {
    with_one_and_three_shards(|node| {
        node.prepare(&["MSET a 1 b 2 c 3"]);
        node.check(&[
            ("SWAPDB 0 1", "OK", "SWAPDB 0 1"),
            ("DBSIZE", ":0", ""),
            ("SWAPDB 1 0", "OK", "SWAPDB 1 0"),
            ("DBSIZE", ":3", ""),
            ("SWAPDB 0 0", "OK", "SWAPDB 0 0"),
            ("SWAPDB x 1", "-ERR invalid first DB index", ""),
            ("SWAPDB 0 x", "-ERR invalid second DB index", ""),
            ("SWAPDB 0 2147483648", "-ERR invalid second DB index", ""),
            ("SWAPDB 0 4", "-ERR DB index is out of range", ""),
            ("SWAPDB -1 0", "-ERR DB index is out of range", ""),
        ]);
    });
}

#[test]
fn watchers_are_told_of_exactly_what_happened_to_their_key() {
    for (line, told) in [
        ("SET k v", true),
        ("SET k v NX", false),
        ("EXPIRE k 10", true),
        ("EXPIRE k 10 XX", false),
        ("PERSIST k", false),
        ("GET k", false),
        ("RENAME k other", true),
        ("RENAME other k", true),
        ("RENAMENX other k", false),
        ("COPY other k", false),
        ("COPY other k REPLACE", true),
        ("MOVE k 1", true),
        ("DEL k", true),
        ("FLUSHALL", true),
        ("SWAPDB 0 1", true),
        ("SWAPDB 1 2", false),
        ("SWAPDB 0 0", false),
    ] {
        with_one_and_three_shards(|node| {
            node.prepare(&["SET k v", "SET other v"]);
            let flag = Arc::new(WatchFlag::default());
            node.shards.iter_mut().flatten().for_each(|shard| {
                shard.watch.watch(DbIndex(0), b"k", false, &flag);
            });
            node.run(line);
            assert_eq!(flag.is_raised(), told, "{line}");
        });
    }
}

#[test]
fn object_describes_a_value() {
    let long = "x".repeat(45);
    check(&[
        ("SET k 12345", "OK", "SET k 12345"),
        ("OBJECT ENCODING k", "\"int\"", ""),
        ("SET k 012345", "OK", "SET k 012345"),
        ("object encoding k", "\"embstr\"", ""),
        (&format!("SET k {long}"), "OK", &format!("SET k {long}")),
        ("OBJECT ENCODING k", "\"raw\"", ""),
        ("SET k 1", "OK", "SET k 1"),
        ("APPEND k 2", ":2", "APPEND k 2"),
        ("OBJECT ENCODING k", "\"raw\"", ""),
        ("INCR k", ":13", "INCR k"),
        ("OBJECT ENCODING k", "\"int\"", ""),
        ("OBJECT REFCOUNT k", ":1", ""),
        ("OBJECT ENCODING none", "nil", ""),
        ("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command", ""),
        ("OBJECT HELP x", "-ERR wrong number of arguments for 'object|help' command", ""),
        ("OBJECT FOO", "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.", ""),
    ]);
    with_one_and_three_shards(|node| {
        node.prepare(&["SET k v"]);
        node.wait_ms(7_500);
        assert_eq!(node.run("OBJECT IDLETIME k"), ":7");
        node.prepare(&["EXISTS k", "TTL k"]);
        assert_eq!(node.run("OBJECT IDLETIME k"), ":7");
        node.prepare(&["TOUCH k"]);
        assert_eq!(node.run("OBJECT IDLETIME k"), ":0");
        assert!(node.run("OBJECT FREQ k").starts_with("-ERR An LFU maxmemory policy is not selected"));
        assert!(node.run("OBJECT HELP").starts_with("[OBJECT <subcommand>"));
    });
}
