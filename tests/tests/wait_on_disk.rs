//! `WAITAOF`: no Redis that knows it is at hand, so that a replica of 7.2 is played by hand.

use koltso_tests::client::encode;
use koltso_tests::raw::{Psync, RawReplica};
use koltso_tests::wait::must;
use koltso_tests::{Server, Value, eventually, with_cores};

#[test]
fn what_is_wrong_with_a_request_is_told() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        for (words, error) in [
            ("2 0 0", "ERR value is out of range, value must between 0 and 1"),
            ("x 0 0", "ERR value is not an integer or out of range"),
            ("0 -1 0", "ERR value is out of range, must be positive"),
            ("0 x 0", "ERR value is not an integer or out of range"),
            ("0 0 -1", "ERR timeout is negative"),
            ("0 0 x", "ERR timeout is not an integer or out of range"),
            ("1 0 0", "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."),
        ] {
            let words: Vec<&str> = std::iter::once("WAITAOF").chain(words.split(' ')).collect();
            assert_eq!(client.cmd(&words).error(), error, "{words:?}");
        }
        let none = Value::Array(vec![Value::Int(0), Value::Int(0)]);
        client.must(&["SET", "a", "b"]).ok();
        assert_eq!(client.must(&["WAITAOF", "0", "0", "0"]), none);
        assert_eq!(client.must(&["WAITAOF", "0", "1", "20"]), none);
        client.must(&["MULTI"]).ok();
        client.must(&["WAITAOF", "0", "1", "0"]);
        assert_eq!(client.must(&["EXEC"]), Value::Array(vec![none]));
        client.must(&["REPLICAOF", "127.0.0.1", "1"]).ok();
        assert!(
            client.cmd(&["WAITAOF", "0", "1", "0"]).error().starts_with("ERR WAITAOF cannot be used with replica instances.")
        );
    });
}

#[test]
fn only_what_a_replica_has_on_disk_counts() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut raw = RawReplica::connect(&server, true);
        let Psync::Full(_, offset) = raw.psync(None) else { panic!("not a full resync") };
        raw.transfer().unwrap();
        raw.ack(offset);
        let mut client = server.client();
        client.must(&["SET", "k", "v"]).ok();
        assert_eq!(raw.command().unwrap(), ["SELECT", "0"]);
        assert_eq!(raw.command().unwrap(), ["SET", "k", "v"]);
        client.send_raw(&encode(&["WAITAOF", "0", "1", "0"])).unwrap();
        eventually("it waits", || must(server.info().int("blocked_clients") == 1, || "not yet".to_string()));
        let end = server.info().int("master_repl_offset");
        let mut ack = |on_disk: Option<i64>| {
            let (end, on_disk) = (end.to_string(), on_disk.map(|offset| offset.to_string()));
            let mut words = vec!["REPLCONF", "ACK", &end];
            words.extend(on_disk.iter().flat_map(|on_disk| ["FACK", on_disk]));
            raw.client.send_raw(&encode(&words)).unwrap();
        };
        // In memory, and then some of it on disk.
        ack(None);
        ack(Some(offset));
        assert_eq!(server.client().must(&["WAIT", "1", "0"]).int(), 1);
        assert_eq!(server.info().int("blocked_clients"), 1);
        ack(Some(end));
        assert_eq!(client.read().unwrap(), Value::Array(vec![Value::Int(0), Value::Int(1)]));
    });
}

#[test]
fn a_library_that_a_transaction_loads_is_waited_for() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut raw = RawReplica::connect(&server, true);
        let Psync::Full(_, offset) = raw.psync(None) else { panic!("not a full resync") };
        raw.transfer().unwrap();
        raw.ack(offset);
        eventually("the replica has what was copied", || {
            must(server.client().must(&["WAIT", "1", "1"]).int() == 1, || "not yet".to_string())
        });
        let mut client = server.client();
        client.must(&["MULTI"]).ok();
        client.must(&["FUNCTION", "LOAD", "#!lua name=a\nredis.register_function('f', function() return 1 end)"]);
        client.must(&["EXEC"]);
        assert_eq!(client.must(&["WAIT", "1", "20"]).int(), 0, "nobody has confirmed it");
    });
}
