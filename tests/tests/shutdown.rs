//! SHUTDOWN: what it waits for and what it does not, and the way back from it.
//!
//! What must not happen is always a wait that is longer than [`Server::wait_exit`] has patience: for the timeout of a replica, or for
//! that of the shutdown.

use std::time::{Duration, Instant};

use koltso_tests::client::encode;
use koltso_tests::oracle::{assert_equal_data, assert_same, wait_online};
use koltso_tests::raw::{Psync, RawReplica};
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Server, Value, dataset, eventually, with_cores};

/// Asks for a shutdown without waiting for what comes of it.
fn ask(server: &Server, words: &[&str]) -> Client {
    let mut client = server.client();
    client.send_raw(&encode(&[&["SHUTDOWN"], words].concat())).unwrap();
    client
}

#[track_caller]
fn wait_pending(client: &mut Client) {
    eventually("the shutdown waits", || {
        let info = client.info("server");
        must(info.find("shutdown_in_milliseconds").is_some(), || format!("{info:?}"))
    });
}

#[test]
fn a_stuck_transfer_does_not_keep_the_node_from_ending() {
    with_cores(|kind| {
        for words in [&["NOSAVE", "NOW"][..], &["SAVE", "NOW"], &["NOSAVE"], &["SAVE"]] {
            println!("{words:?}");
            let mut server = Server::with(kind).set("shutdown-timeout", 1).start();
            dataset::bulk(&mut server.client(), 60_000, 500);
            let mut stuck = RawReplica::connect(&server, true);
            assert!(matches!(stuck.psync(None), Psync::Full(..)));
            let _client = ask(&server, words);
            server.wait_exit();
            if words[0] == "SAVE" {
                server.restart();
                assert_eq!(server.client().must(&["DBSIZE"]).int(), 60_000);
            }
        }
    });
}

#[test]
fn it_waits_for_a_lagging_replica_and_loses_no_write() {
    with_cores(|kind| {
        let mut server = Server::with(kind).set("shutdown-timeout", 60).start();
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        wait_online(&server, 1);
        assert_same(&server, &replica);
        let twin = Server::start(Kind::Redis);
        replica.freeze();
        for i in 0..1000 {
            let set = ["SET".to_string(), format!("key:{i}"), "x".repeat(100)];
            server.client().must(&set);
            twin.client().must(&set);
        }
        let _client = ask(&server, &[]);
        let mut client = server.client();
        wait_pending(&mut client);
        // Writes wait, reads do not.
        assert_eq!(client.must(&["EXISTS", "key:999"]).int(), 1);
        let mut writer = server.client();
        writer.set_timeout(Duration::from_millis(300));
        assert!(writer.try_cmd(&["SET", "late", "1"]).is_err(), "a write was answered");
        assert!(server.is_running());
        replica.thaw();
        server.wait_exit();
        assert_eq!(replica.client().must(&["EXISTS", "late"]).int(), 0);
        assert_equal_data(&twin, &replica);
    });
}

#[test]
fn it_waits_no_longer_than_the_timeout_and_not_at_all_with_now() {
    with_cores(|kind| {
        for (words, timeout, least) in [(&[][..], 2, Duration::from_secs(2)), (&["NOW"], 3600, Duration::ZERO)] {
            let mut server = Server::with(kind).set("shutdown-timeout", timeout).start();
            let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
            wait_online(&server, 1);
            assert_same(&server, &replica);
            replica.freeze();
            server.client().must(&["SET", "k", "v"]);
            let started = Instant::now();
            let _client = ask(&server, words);
            server.wait_exit();
            let took = started.elapsed();
            assert!(took >= least, "{words:?}: {took:?}");
            if words.is_empty() {
                assert!(server.log().contains("0 of 1 replicas are in sync"), "{}", server.log_tail());
            }
            replica.thaw();
        }
    });
}

#[test]
fn an_abort_leads_back() {
    with_cores(|kind| {
        let mut server = Server::with(kind).set("shutdown-timeout", 3600).start();
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        wait_online(&server, 1);
        assert_same(&server, &replica);
        let mut client = server.client();
        assert_eq!(client.cmd(&["SHUTDOWN", "ABORT"]).error(), "ERR No shutdown in progress.");
        assert_eq!(client.cmd(&["SHUTDOWN", "ABORT", "NOW"]).error(), "ERR syntax error");
        assert_eq!(client.cmd(&["SHUTDOWN", "SAVE", "NOSAVE"]).error(), "ERR syntax error");
        replica.freeze();
        client.must(&["SET", "k", "v"]);
        let mut asking = [ask(&server, &[]), ask(&server, &["SAVE"])];
        wait_pending(&mut client);
        eventually("both have asked", || {
            let list = client.must(&["CLIENT", "LIST"]).text();
            must(list.matches(" cmd=shutdown ").count() == 2, || list)
        });
        let mut writer = server.client();
        writer.send_raw(&encode(&["SET", "paused", "1"])).unwrap();
        client.must(&["SHUTDOWN", "ABORT"]).ok();
        for asking in &mut asking {
            assert_eq!(asking.read().unwrap().error(), "ERR Errors trying to SHUTDOWN. Check logs.");
        }
        writer.read().unwrap().ok();
        client.must(&["SET", "after", "1"]).ok();
        assert!(client.info("server").find("shutdown_in_milliseconds").is_none());
        replica.thaw();
        assert_same(&server, &replica);
        assert_eq!(replica.client().must(&["GET", "paused"]).text(), "1");
        // SIGTERM waits as well, and now nothing is behind.
        assert!(server.terminate().success());
    });
}

#[test]
fn a_failed_save_keeps_the_node_alive_unless_forced() {
    with_cores(|kind| {
        let mut server = Server::with(kind).set("dbfilename", "dump.rdb").start();
        let mut client = server.client();
        client.must(&["SET", "k", "v"]);
        // A folder in the file's place cannot be replaced.
        std::fs::create_dir(server.dir().join("dump.rdb")).unwrap();
        std::fs::write(server.dir().join("dump.rdb").join("inside"), "").unwrap();
        assert_eq!(client.cmd(&["SHUTDOWN", "SAVE"]).error(), "ERR Errors trying to SHUTDOWN. Check logs.");
        client.must(&["SET", "still", "alive"]).ok();
        let _client = ask(&server, &["SAVE", "FORCE"]);
        server.wait_exit();
    });
}

#[test]
fn the_file_of_an_aborted_shutdown_does_not_end_the_next_one() {
    with_cores(|kind| {
        for round in 0..6 {
            let mut server = Server::with(kind).set("rdbcompression", "no").start();
            let mut client = server.client();
            dataset::bulk(&mut client, 200_000, 300);
            let file_len = || {
                let files = std::fs::read_dir(server.dir()).unwrap().filter_map(Result::ok);
                let temporary = files.filter(|file| file.file_name().to_string_lossy().starts_with("temp-"));
                temporary.filter_map(|file| Some(file.metadata().ok()?.len())).max().unwrap_or(0)
            };
            let _first = ask(&server, &["SAVE", "NOW"]);
            // All is written, and what is left of the save is to have it on disk.
            eventually("the file is whole", || must(!server_runs(&mut client) || file_len() > 60_000_000, String::new));
            let again: [&[&str]; 3] = [&["SHUTDOWN", "ABORT"], &["SET", "last", "x"], &["SHUTDOWN", "SAVE", "NOW"]];
            let wire: Vec<u8> = again.iter().flat_map(|words| encode(words)).collect();
            let in_time = client.send_raw(&wire).is_ok() && client.read().is_ok_and(|reply| reply == ok());
            if in_time {
                client.read().unwrap().ok();
            }
            server.wait_exit();
            if in_time {
                server.restart();
                assert_eq!(server.client().must(&["GET", "last"]).text(), "x", "round {round}");
            }
        }
    });
}

fn ok() -> Value {
    Value::Simple("OK".into())
}

/// Whether the server still answers.
fn server_runs(client: &mut Client) -> bool {
    client.try_cmd(&["PING"]).is_ok()
}
