//! A role that changes while replicas are being served: nobody loses what was written for him before.

use koltso_tests::oracle::{wait_caught_up, wait_link_up};
use koltso_tests::raw::{Psync, RawReplica};
use koltso_tests::server::free_port;
use koltso_tests::{Kind, Server, with_cores};

/// More than sockets and windows take in: a replica that does not read stays in its transfer.
const KEYS: &str = "48";
const VALUE_LEN: &str = "1000000";

/// A server whose snapshot is long.
fn filled(kind: Kind) -> Server {
    let server = Server::with(kind).set("rdbcompression", "no").start();
    server.client().must(&["DEBUG", "POPULATE", KEYS, "key", VALUE_LEN]).ok();
    server
}

/// A replica that has asked for a full copy and reads nothing of it yet, with the history and the offset it was told.
fn hesitant(server: &Server) -> (RawReplica, String, i64) {
    let mut raw = RawReplica::connect(server, true);
    let Psync::Full(id, offset) = raw.psync(None) else { panic!("not a full resync") };
    (raw, id, offset)
}

fn assert_stream(raw: &mut RawReplica, commands: &[&[&str]]) {
    for command in commands {
        assert_eq!(raw.command().expect("the stream"), *command);
    }
}

#[test]
fn a_primary_that_becomes_a_replica_keeps_the_replicas_it_is_sending_a_snapshot() {
    let body = |kind| {
        let server = filled(kind);
        let (mut raw, _, offset) = hesitant(&server);
        let mut client = server.client();
        client.must(&["SET", "last", "write"]).ok();
        client.must(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]).ok();
        assert!(client.cmd(&["SET", "no", "more"]).error().starts_with("READONLY"));
        raw.transfer().expect("the whole snapshot");
        raw.ack(offset);
        assert_stream(&mut raw, &[&["SELECT", "0"], &["SET", "last", "write"]]);
        assert_eq!(server.info().int("connected_slaves"), 1);
    };
    body(Kind::Redis);
    with_cores(body);
}

#[test]
fn a_promoted_replica_ends_its_transfers_before_it_parts_with_those_who_read_them() {
    with_cores(|kind| {
        let first = filled(Kind::Redis);
        let middle = Server::with(kind).replica_of(first.port()).start();
        wait_link_up(&middle);
        let (mut raw, id, offset) = hesitant(&middle);
        first.client().must(&["SET", "last", "write"]).ok();
        wait_caught_up(&mut first.client(), &mut middle.client());
        middle.client().must(&["REPLICAOF", "NO", "ONE"]).ok();
        let end = middle.info().int("master_repl_offset");
        middle.client().must(&["SET", "of another", "history"]).ok();
        raw.transfer().expect("the whole snapshot");
        raw.ack(offset);
        let stream = raw.client.until_closed().expect("the rest of the history, and then the end");
        let text = String::from_utf8_lossy(&stream);
        assert!(text.contains("last\r\n") && text.contains("write\r\n"), "{text}");
        assert!(!text.contains("history"), "{text}");
        assert_eq!(stream.len() as i64, end - offset);
        // It has the whole history now, and resumes in the next one.
        let Psync::Continue(Some(new)) = RawReplica::connect(&middle, true).psync(Some((&id, end + 1))) else {
            panic!("not continued")
        };
        assert_eq!(new, middle.info().text("master_replid"));
        assert_ne!(new, id);
    });
}
