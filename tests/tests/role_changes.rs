//! A role that changes while replicas are being served: nobody loses what was written for him before.

use koltso_tests::oracle::{Syncs, assert_same, wait_caught_up, wait_link_up};
use koltso_tests::raw::{Psync, RawReplica};
use koltso_tests::server::free_port;
use koltso_tests::{Kind, Server, with_cores};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

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
        let end = middle.info().int("second_repl_offset") - 1;
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

/// Clients on every core of a server with several, each with a key of its own.
const WRITERS: usize = 16;

/// Promotes a replica while one of its cores is busy with something else, and clients of the others try to write all the time:
/// what is answered to them reaches the replica below.
fn promote_among_writers(middle: &Server) {
    let promoted = AtomicBool::new(false);
    thread::scope(|scope| {
        for number in 0..WRITERS {
            let promoted = &promoted;
            scope.spawn(move || {
                let mut client = middle.client();
                let key = format!("writer {number}");
                loop {
                    // Asked before: at least one write of each is after the promotion.
                    let last = promoted.load(Ordering::Acquire);
                    let taken = !client.cmd(&["INCR", &key]).is_error();
                    if last && taken {
                        return;
                    }
                }
            });
        }
        scope.spawn(|| middle.client().must(&["DEBUG", "SLEEP", "0.3"]).ok());
        middle.client().must(&["REPLICAOF", "NO", "ONE"]).ok();
        promoted.store(true, Ordering::Release);
    });
}

#[test]
fn what_a_promoted_replica_answers_reaches_its_replica_although_a_core_learns_late_of_the_promotion() {
    with_cores(|kind| {
        let first = Server::start(Kind::Redis);
        let middle = Server::with(kind).replica_of(first.port()).start();
        wait_link_up(&middle);
        let below = Server::with(Kind::Redis).replica_of(middle.port()).start();
        wait_link_up(&below);
        for _ in 0..3 {
            first.client().must(&["INCR", "of the first"]).int();
            wait_caught_up(&mut first.client(), &mut middle.client());
            wait_caught_up(&mut middle.client(), &mut below.client());
            let before = Syncs::of(&middle);
            promote_among_writers(&middle);
            wait_link_up(&below);
            wait_caught_up(&mut middle.client(), &mut below.client());
            assert_same(&middle, &below);
            assert_eq!(Syncs::of(&middle).full, before.full, "the replica below needed another copy");
            middle.client().must(&["REPLICAOF", "127.0.0.1", &first.port().to_string()]).ok();
            wait_link_up(&middle);
            wait_link_up(&below);
        }
    });
}
