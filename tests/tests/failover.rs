//! FAILOVER: a primary and its replica change places while clients write, in every mixture, and nothing that was answered is lost.

use koltso_tests::oracle::{Syncs, assert_same, wait_caught_up, wait_link_up, wait_online};
use koltso_tests::server::free_port;
use koltso_tests::{Cut, Direction, Kind, Proxy, Server, eventually, with_cores};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A primary with two replicas.
fn group(primary: Kind, target: Kind, other: Kind) -> [Server; 3] {
    let first = Server::start(primary);
    let replicas = [target, other].map(|kind| Server::with(kind).replica_of(first.port()).start());
    replicas.iter().for_each(wait_link_up);
    // The primary counts a replica as there when that has acknowledged something.
    wait_online(&first, 2);
    let [second, third] = replicas;
    [first, second, third]
}

fn state(server: &Server) -> String {
    server.info().text("master_failover_state").to_string()
}

fn role(server: &Server) -> String {
    server.info().text("role").to_string()
}

fn wait_state(server: &Server, wanted: &str) {
    eventually(&format!("{wanted}, {}", server.log_tail()), || {
        let found = state(server);
        if found == wanted { Ok(()) } else { Err(found) }
    });
}

fn failover(server: &Server, args: &[&str]) {
    server.client().must(&[&["FAILOVER"], args].concat()).ok();
}

/// Follows this server.
fn follow(server: &Server, primary: &Server) {
    server.client().must(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).ok();
}

/// Writes to a server while `work` runs, until it is told that this is a replica: the last number that was answered.
fn count_during(server: &Server, work: impl FnOnce()) -> i64 {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let counter = scope.spawn(|| {
            let mut client = server.client();
            let mut last = 0;
            while !over.load(Ordering::Acquire) {
                let reply = client.cmd(&["INCR", "counter"]);
                if reply.is_error() {
                    assert!(reply.error().starts_with("READONLY"), "{reply:?}");
                    break;
                }
                assert_eq!(reply.int(), last + 1);
                last += 1;
            }
            last
        });
        work();
        over.store(true, Ordering::Release);
        counter.join().expect("the client")
    })
}

/// Every mixture of koltso with this many cores and redis-server, as primary and as target, in which there is one koltso.
fn mixtures(koltso: Kind) -> [(Kind, Kind); 3] {
    [(koltso, koltso), (koltso, Kind::Redis), (Kind::Redis, koltso)]
}

#[test]
fn roles_change_under_load_and_nothing_answered_is_lost() {
    with_cores(|koltso| {
        for (primary, target) in mixtures(koltso) {
            println!("{primary:?} to {target:?}");
            let [first, second, third] = group(primary, target, Kind::Redis);
            let before = Syncs::of(&second);
            let last = count_during(&first, || {
                eventually("some writes", || {
                    let got = first.client().cmd(&["GET", "counter"]);
                    if got.is_null() { Err("none".to_string()) } else { Ok(()) }
                });
                failover(&first, &["TO", "127.0.0.1", &second.port().to_string()]);
                wait_state(&first, "no-failover");
            });
            assert_eq!([role(&first), role(&second)], ["slave", "master"]);
            assert_eq!(second.client().must(&["GET", "counter"]).text(), last.to_string());
            wait_link_up(&first);
            follow(&third, &second);
            wait_link_up(&third);
            second.client().must(&["SET", "after", "it"]).ok();
            for replica in [&first, &third] {
                wait_caught_up(&mut second.client(), &mut replica.client());
                assert_same(&second, replica);
            }
            let after = Syncs::of(&second);
            assert_eq!((after.full, after.partial_ok), (before.full, before.partial_ok + 2), "{}", second.log_tail());
        }
    });
}

#[test]
fn whoever_has_everything_takes_over_and_gives_the_role_back() {
    with_cores(|koltso| {
        for (primary, target) in mixtures(koltso) {
            println!("{primary:?} to {target:?}");
            let [first, second, third] = group(primary, target, target);
            third.freeze();
            first.client().must(&["SET", "key", "1"]).ok();
            failover(&first, &[]);
            wait_state(&first, "no-failover");
            assert_eq!([role(&first), role(&second)], ["slave", "master"]);
            wait_link_up(&first);
            second.client().must(&["SET", "key", "2"]).ok();
            failover(&second, &["TIMEOUT", "20000"]);
            wait_state(&second, "no-failover");
            assert_eq!([role(&first), role(&second)], ["master", "slave"]);
            wait_link_up(&second);
            first.client().must(&["SET", "key", "3"]).ok();
            wait_caught_up(&mut first.client(), &mut second.client());
            assert_same(&first, &second);
            assert_eq!((Syncs::of(&first).full, Syncs::of(&second).full), (2, 0));
            third.thaw();
        }
    });
}

#[test]
fn a_target_that_does_not_come_is_given_up_and_writes_go_on() {
    with_cores(|koltso| {
        let [first, second, _third] = group(koltso, Kind::Redis, Kind::Redis);
        let target = second.port().to_string();
        second.freeze();
        let mut client = first.client();
        client.must(&["SET", "key", "1"]).ok();
        let since = Instant::now();
        failover(&first, &["TO", "127.0.0.1", &target, "TIMEOUT", "300"]);
        // Answered when the time is over.
        client.must(&["SET", "key", "2"]).ok();
        // The server counts whole milliseconds.
        assert!(since.elapsed() >= Duration::from_millis(299), "{:?}", since.elapsed());
        assert_eq!([state(&first), role(&first)], ["no-failover", "master"]);
        first.wait_log("aborted: Replica never caught up before timeout");

        failover(&first, &["TO", "127.0.0.1", &target, "TIMEOUT", "60000"]);
        assert_eq!(state(&first), "waiting-for-sync");
        assert_eq!(client.must(&["GET", "key"]).text(), "2", "reads go on");
        let mut other = first.client();
        assert_eq!(other.cmd(&["FAILOVER"]).error(), "ERR FAILOVER already in progress.");
        let refused = other.cmd(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
        assert_eq!(refused.error(), "ERR REPLICAOF not allowed while failing over.");
        assert_eq!(other.cmd(&["REPLICAOF", "NO", "ONE"]).error(), refused.error());
        other.must(&["CLIENT", "UNPAUSE"]).ok();
        let waits = thread::spawn(move || client.must(&["SET", "key", "3"]).ok());
        eventually("the write waits", || {
            let waiting = other.info("clients").int("blocked_clients");
            if waiting == 1 { Ok(()) } else { Err(waiting.to_string()) }
        });
        // Who was paused by something else goes on when that is over.
        other.must(&["CLIENT", "PAUSE", "100", "ALL"]).ok();
        assert_eq!(first.client().must(&["GET", "key"]).text(), "2");
        assert_eq!(state(&first), "waiting-for-sync");
        other.must(&["FAILOVER", "ABORT"]).ok();
        waits.join().expect("the write is answered");
        assert_eq!(other.cmd(&["FAILOVER", "ABORT"]).error(), "ERR No failover in progress.");
        second.thaw();
        wait_caught_up(&mut other, &mut second.client());
        assert_same(&first, &second);
        assert_eq!(Syncs::of(&first).full, 2, "nobody needed another copy");
    });
}

#[test]
fn force_makes_a_late_replica_take_over_and_can_be_taken_back_until_it_has() {
    with_cores(|koltso| {
        let [first, second, third] = group(koltso, Kind::Redis, koltso);
        let target = second.port().to_string();
        second.freeze();
        let mut client = first.client();
        client.must(&["SET", "key", "1"]).ok();
        let forced = ["TO", "127.0.0.1", target.as_str(), "FORCE", "TIMEOUT", "100"];
        failover(&first, &forced);
        wait_state(&first, "failover-in-progress");
        assert_eq!(role(&first), "slave");
        client.must(&["FAILOVER", "ABORT"]).ok();
        client.must(&["SET", "key", "2"]).ok();
        assert_eq!([state(&first), role(&first)], ["no-failover", "master"]);
        second.thaw();
        wait_link_up(&second);
        wait_link_up(&third);
        wait_caught_up(&mut client, &mut second.client());

        second.freeze();
        client.must(&["SET", "key", "3"]).ok();
        failover(&first, &forced);
        wait_state(&first, "failover-in-progress");
        second.thaw();
        wait_state(&first, "no-failover");
        assert_eq!([role(&first), role(&second)], ["slave", "master"]);
        wait_link_up(&first);
        assert_eq!(second.client().must(&["GET", "key"]).text(), "3", "it had time to read what was on its way");
        wait_caught_up(&mut second.client(), &mut first.client());
        assert_same(&second, &first);
    });
}

#[test]
fn a_target_whose_answer_is_lost_is_followed_all_the_same() {
    with_cores(|koltso| {
        for target in [Kind::Redis, koltso] {
            println!("to {target:?}");
            let first = Server::start(koltso);
            let proxy = Proxy::to(first.port());
            let second = Server::with(target).set("replica-announce-port", proxy.port()).replica_of(first.port()).start();
            wait_link_up(&second);
            proxy.redirect(second.port());
            first.client().must(&["SET", "key", "1"]).ok();
            // Behind its answers to PING and REPLCONF, in the midst of that to PSYNC.
            proxy.cut_after(Direction::ToClient, 20, Cut::Rst);
            failover(&first, &["TO", "127.0.0.1", &proxy.port().to_string()]);
            wait_state(&first, "no-failover");
            assert_eq!(proxy.cuts(), 1);
            assert_eq!([role(&first), role(&second)], ["slave", "master"]);
            wait_link_up(&first);
            second.client().must(&["SET", "key", "2"]).ok();
            wait_caught_up(&mut second.client(), &mut first.client());
            assert_same(&second, &first);
            assert_eq!(Syncs::of(&second).full, 0);
        }
    });
}

#[test]
fn wrong_requests_are_refused_in_the_same_words() {
    let replies = |kind| {
        let [first, second, _third] = group(kind, Kind::Redis, Kind::Redis);
        let port = second.port().to_string();
        let alone = Server::start(kind);
        let mut lonely = alone.client();
        let mut all = vec![lonely.cmd(&["FAILOVER"]), lonely.cmd(&["PSYNC", &"a".repeat(40), "1", "FAILOVER"])];
        let mut client = first.client();
        for wrong in [
            "TO nowhere PORT",
            "TO 127.0.0.1 x",
            "TO 127.0.0.1 1",
            "TO 127.0.0.1 99999999",
            "TO 127.0.0.1",
            "TO",
            "FORCE",
            "FORCE TIMEOUT 100",
            "TO 127.0.0.1 PORT FORCE",
            "TO 127.0.0.1 PORT FORCE FORCE",
            "TO 127.0.0.1 PORT TO 127.0.0.1 PORT",
            "TIMEOUT",
            "TIMEOUT 0",
            "TIMEOUT -1",
            "TIMEOUT x",
            "ABORT",
            "ABORT TIMEOUT 1",
            "NONSENSE",
        ] {
            let words: Vec<&str> = wrong.split(' ').map(|word| if word == "PORT" { port.as_str() } else { word }).collect();
            all.push(client.cmd(&[&["FAILOVER"], words.as_slice()].concat()));
        }
        follow(&first, &second);
        all.push(client.cmd(&["FAILOVER"]));
        assert!(all.iter().all(|reply| reply.is_error()), "{all:?}");
        all
    };
    let expected = replies(Kind::Redis);
    with_cores(|kind| assert_eq!(replies(kind), expected));
}
