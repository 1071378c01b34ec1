//! More than two servers: chains, promotion, changing primaries. PSYNC2 must spare a full copy wherever the history is
//! shared.

use std::time::Duration;

use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{Syncs, assert_same, picture, wait_caught_up, wait_link_up, wait_online};
use koltso_tests::wait::must;
use koltso_tests::{Cut, Kind, Proxy, Seed, Server, dataset, eventually, with_cores};

/// A server that puts nothing in its stream by itself: what two of its replicas have of it differs by nothing that came last.
fn silent(kind: Kind) -> Server {
    Server::with(kind).set("repl-ping-replica-period", 3600).start()
}

fn follow(server: &Server, primary: &Server) {
    server.client().must(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).ok();
}

#[test]
fn koltso_in_the_middle_forwards_every_byte() {
    let mut seed = Seed::fresh("middle");
    with_cores(|kind| {
        // However fast it is written to, and however long the break is, it can be resumed.
        let first = Server::with(Kind::Redis).set("repl-backlog-size", "512mb").start();
        dataset::fill(&mut first.client(), &mut seed, 20);
        let proxy = Proxy::to(first.port());
        let middle = Server::with(kind).replica_of(proxy.port()).start();
        let last = Server::with(Kind::Redis).replica_of(middle.port()).start();
        wait_link_up(&last);
        let load = Load::start(Spec::of(&first), &seed);
        load.wait_more(1000);
        // The middle's own link breaks: it resumes, and the last one notices nothing but a pause.
        proxy.cut(Cut::Rst);
        load.wait_more(1000);
        let ledger = load.stop();
        assert_same(&first, &last);
        assert_same(&first, &middle);
        ledger.assert_kept(&last);
        let id = first.info().text("master_replid").to_string();
        for server in [&middle, &last] {
            assert_eq!(server.info().text("master_replid"), id);
        }
        assert_eq!(Syncs::of(&middle).full, 1);
    });
}

#[test]
fn a_promoted_koltso_keeps_its_sub_replica_partially() {
    let mut seed = Seed::fresh("promotion");
    with_cores(|kind| {
        let mut first = Server::start(Kind::Redis);
        dataset::fill(&mut first.client(), &mut seed, 10);
        let middle = Server::with(kind).replica_of(first.port()).start();
        wait_link_up(&middle);
        let last = Server::with(Kind::Redis).replica_of(middle.port()).start();
        wait_link_up(&last);
        first.client().must(&["SET", "in", "the stream"]);
        assert_same(&first, &last);
        let old = first.info();
        first.kill();
        middle.client().must(&["SLAVEOF", "NO", "ONE"]).ok();
        let info = middle.info();
        assert_eq!(info.text("role"), "master");
        assert_eq!(info.text("master_replid2"), old.text("master_replid"));
        assert_ne!(info.text("master_replid"), old.text("master_replid"));
        assert!(info.int("second_repl_offset") > old.int("master_repl_offset"));
        middle.client().must(&["SET", "after", "promotion"]);
        assert_same(&middle, &last);
        let syncs = Syncs::of(&middle);
        assert_eq!((syncs.full, syncs.partial_err), (1, 0), "{syncs:?}");
        // The old primary comes back as a replica. It had no file, so it copies.
        first.restart();
        follow(&first, &middle);
        wait_link_up(&first);
        assert_same(&middle, &first);
    });
}

#[test]
fn a_replica_that_resumes_after_a_restart_hears_of_the_keys_that_have_expired_meanwhile() {
    let body = |kind| {
        let mut primary = Server::start(kind);
        let replica = Server::with(Kind::Redis).replica_of(primary.port()).start();
        wait_link_up(&replica);
        let mut client = primary.client();
        // Nothing goes before the restart, however long it takes to get there.
        client.must(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]).ok();
        client.must(&["SET", "lasting", "1"]).ok();
        for n in 0..100 {
            client.must(&["SET", &format!("passing {n}"), "1", "PX", "400"]).ok();
        }
        let last = std::time::Instant::now();
        wait_caught_up(&mut client, &mut replica.client());
        client.send_raw(b"SHUTDOWN SAVE\r\n").expect("ask");
        assert!(primary.wait_exit().success());
        std::thread::sleep(Duration::from_millis(500).saturating_sub(last.elapsed()));
        primary.restart();
        wait_link_up(&replica);
        let syncs = Syncs::of(&primary);
        assert_eq!((syncs.full, syncs.partial_ok), (0, 1), "{syncs:?}");
        assert_eq!(primary.info().int("rdb_last_load_keys_expired"), 100);
        eventually("both have the one key that is left", || {
            let sizes = [&primary, &replica].map(|server| server.client().must(&["DBSIZE"]).int());
            if sizes == [1, 1] { Ok(()) } else { Err(format!("{sizes:?}")) }
        });
        wait_caught_up(&mut primary.client(), &mut replica.client());
        assert_same(&primary, &replica);
    };
    body(Kind::Redis);
    with_cores(body);
}

#[test]
fn siblings_follow_the_promoted_one_partially() {
    let seed = Seed::fresh("siblings");
    with_cores(|kind| {
        for (promoted, sibling) in [(kind, Kind::Redis), (Kind::Redis, kind)] {
            let mut first = silent(Kind::Redis);
            let promoted = Server::with(promoted).replica_of(first.port()).start();
            let sibling = Server::with(sibling).replica_of(first.port()).start();
            wait_online(&first, 2);
            let load = Load::start(Spec::of(&first), &seed);
            load.wait_more(500);
            load.stop();
            assert_same(&first, &promoted);
            assert_same(&first, &sibling);
            first.kill();
            promoted.client().must(&["REPLICAOF", "NO", "ONE"]).ok();
            follow(&sibling, &promoted);
            promoted.client().must(&["SET", "new", "era"]);
            wait_link_up(&sibling);
            assert_same(&promoted, &sibling);
            assert_eq!(Syncs::of(&promoted), Syncs { full: 0, partial_ok: 1, partial_err: 0 });
        }
    });
}

#[test]
fn a_demoted_koltso_resumes_below_its_own_replica() {
    let seed = Seed::fresh("swap_roles");
    with_cores(|kind| {
        let one = silent(kind);
        let other = Server::with(Kind::Redis).set("repl-ping-replica-period", 3600).replica_of(one.port()).start();
        wait_online(&one, 1);
        let load = Load::start(Spec::of(&one), &seed);
        load.wait_more(500);
        load.stop();
        assert_same(&one, &other);
        other.client().must(&["REPLICAOF", "NO", "ONE"]).ok();
        follow(&one, &other);
        other.client().must(&["SET", "roles", "swapped"]);
        wait_link_up(&one);
        assert_same(&other, &one);
        assert_eq!(Syncs::of(&other), Syncs { full: 0, partial_ok: 1, partial_err: 0 });
        // And back.
        one.client().must(&["REPLICAOF", "NO", "ONE"]).ok();
        follow(&other, &one);
        wait_link_up(&other);
        one.client().must(&["SET", "roles", "swapped back"]);
        assert_same(&one, &other);
        assert_eq!(Syncs::of(&one).full, 1);
    });
}

#[test]
fn switching_between_two_live_primaries() {
    let mut seed = Seed::fresh("switching");
    with_cores(|kind| {
        let primaries = [Kind::Redis, Kind::Redis].map(Server::start);
        for (n, primary) in primaries.iter().enumerate() {
            dataset::fill(&mut primary.client(), &mut seed, 5);
            primary.client().must(&["SET", "which", &n.to_string()]);
        }
        let loads = primaries
            .each_ref()
            .map(|primary| Load::start(Spec { writers: 1, pace: Duration::from_micros(300), ..Spec::of(primary) }, &seed));
        let replica = Server::start(kind);
        let sub = Server::with(Kind::Redis).replica_of(replica.port()).start();
        for round in 0..4 {
            let primary = &primaries[round % 2];
            follow(&replica, primary);
            eventually("it has the right data", || {
                let value = replica.client().cmd(&["GET", "which"]);
                must(!value.is_error() && !value.is_null() && value.text() == (round % 2).to_string(), || format!("{value:?}"))
            });
        }
        // Changed again before the copy can be over.
        for round in 0..7 {
            follow(&replica, &primaries[round % 2]);
        }
        for load in loads {
            load.stop();
        }
        assert_same(&primaries[0], &replica);
        assert_same(&primaries[0], &sub);
        assert_ne!(picture(&primaries[1]).digest, picture(&replica).digest);
    });
}

#[test]
fn a_chain_of_both_kinds_survives_the_middle_being_killed() {
    let seed = Seed::fresh("middle_killed");
    with_cores(|kind| {
        let first = Server::start(Kind::Redis);
        let mut middle = Server::with(kind).replica_of(first.port()).start();
        let last = Server::with(Kind::Redis).replica_of(middle.port()).start();
        wait_link_up(&last);
        let load = Load::start(Spec::of(&first), &seed);
        load.wait_more(500);
        middle.kill();
        load.wait_more(500);
        middle.restart();
        wait_link_up(&middle);
        wait_link_up(&last);
        let ledger = load.stop();
        assert_same(&first, &last);
        ledger.assert_kept(&last);
    });
}
