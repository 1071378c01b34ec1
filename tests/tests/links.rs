//! Broken links between every pairing of koltso and redis-server that has koltso in it: cuts under load, cuts at any byte
//! of a full copy, half-open links, frozen primaries, and the edges of the backlog.

use std::time::Duration;

use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{Syncs, assert_same, wait_link_down, wait_link_up, wait_online, wait_partials, wait_resumed};
use koltso_tests::wait::must;
use koltso_tests::{Cut, Direction, Kind, Proxy, Seed, Server, dataset, eventually};

/// Primary and replica.
const PAIRS: [(Kind, Kind); 4] = [
    (Kind::Koltso { cores: 1 }, Kind::Redis),
    (Kind::Koltso { cores: 3 }, Kind::Redis),
    (Kind::Redis, Kind::Koltso { cores: 1 }),
    (Kind::Redis, Kind::Koltso { cores: 3 }),
];

fn with_pairs(body: impl Fn(Kind, Kind)) {
    for (primary, replica) in PAIRS {
        println!("--- primary {primary:?}, replica {replica:?}");
        body(primary, replica);
    }
}

#[test]
fn cut_links_are_mended_partially_under_load() {
    let seed = Seed::fresh("cut_links");
    with_pairs(|above, below| {
        let mut seed = seed.part(0);
        let primary = Server::with(above).set("repl-backlog-size", "256mb").start();
        dataset::fill(&mut primary.client(), &mut seed, 10);
        let proxy = Proxy::to(primary.port());
        let replica = Server::with(below).replica_of(proxy.port()).start();
        let load = Load::start(Spec::of(&primary), &seed);
        wait_link_up(&replica);
        for (round, how) in [Cut::Rst, Cut::Fin, Cut::Rst].into_iter().enumerate() {
            // Mostly in the middle of a command.
            proxy.cut_after(Direction::ToClient, 1 + seed.below(3000), how);
            eventually("the link is cut", || must(!proxy.fuse_is_lit(), || "not yet".into()));
            load.wait_more(100);
            wait_resumed(&primary, &replica, round as i64 + 1);
        }
        let ledger = load.stop();
        assert_same(&primary, &replica);
        ledger.assert_kept(&replica);
        assert_eq!(Syncs::of(&primary), Syncs { full: 1, partial_ok: 3, partial_err: 0 });
    });
}

#[test]
fn a_copy_cut_at_any_byte_begins_again() {
    let seed = Seed::fresh("cut_copy");
    with_pairs(|above, below| {
        let mut seed = seed.part(1);
        let primary = Server::start(above);
        dataset::fill(&mut primary.client(), &mut seed, 20);
        let proxy = Proxy::to(primary.port());
        // Within the handshake's replies, just behind them, and anywhere in the file.
        let places = [1, 20, 150, 400 + seed.below(100_000), 400 + seed.below(1_000_000)];
        proxy.cut_after(Direction::ToClient, places[0], Cut::Rst);
        let replica = Server::with(below).replica_of(proxy.port()).start();
        for (round, place) in places.into_iter().enumerate().skip(1) {
            eventually("the link is cut", || {
                // The copy may be shorter than the place; then the stream behind it is cut.
                primary.client().must(&["SET", "filler", &"x".repeat(50_000)]).ok();
                must(!proxy.fuse_is_lit(), || format!("round {round}"))
            });
            proxy.cut_after(Direction::ToClient, place, if round % 2 == 0 { Cut::Fin } else { Cut::Rst });
        }
        wait_link_up(&replica);
        assert_same(&primary, &replica);
    });
}

#[test]
fn a_replica_keeps_its_old_data_while_copies_fail() {
    let seed = Seed::fresh("old_data");
    for cores in [1, 3] {
        let mut seed = seed.part(cores);
        let primary = Server::start(Kind::Redis);
        dataset::fill(&mut primary.client(), &mut seed, 20);
        // Redis does this only when told to; koltso always.
        let replica = Server::with(Kind::Koltso { cores: cores as usize }).set("repl-diskless-load", "swapdb").start();
        let mut client = replica.client();
        client.must(&["SET", "old", "data"]);
        let proxy = Proxy::to(primary.port());
        for _ in 0..3 {
            proxy.cut_for_good_after(Direction::ToClient, 400 + seed.below(500_000), Cut::Rst);
            client.must(&["REPLICAOF", "127.0.0.1", &proxy.port().to_string()]).ok();
            eventually("the copy is cut", || must(!proxy.fuse_is_lit(), || "not yet".into()));
            wait_link_down(&replica);
            assert_eq!(client.must(&["GET", "old"]).text(), "data");
            assert_eq!(client.must(&["DBSIZE"]).int(), 1);
            client.must(&["REPLICAOF", "NO", "ONE"]).ok();
            proxy.refuse(false);
        }
        client.must(&["REPLICAOF", "127.0.0.1", &proxy.port().to_string()]).ok();
        wait_link_up(&replica);
        assert_same(&primary, &replica);
    }
}

/// Once the copy is made, both give the other up after two seconds. A copy might take longer than that.
fn be_impatient(primary: &Server, replica: &Server) {
    wait_online(primary, 1);
    wait_link_up(replica);
    for server in [primary, replica] {
        server.client().must(&["CONFIG", "SET", "repl-timeout", "2"]).ok();
    }
}

#[test]
fn a_half_open_link_is_noticed_by_both_sides_and_resumed() {
    with_pairs(|above, below| {
        let primary = Server::with(above).set("repl-ping-replica-period", 1).start();
        let proxy = Proxy::to(primary.port());
        let replica = Server::with(below).replica_of(proxy.port()).start();
        be_impatient(&primary, &replica);
        proxy.blackhole(true);
        wait_link_down(&replica);
        wait_online(&primary, 0);
        primary.client().must(&["SET", "meanwhile", "1"]);
        proxy.cut(Cut::Rst);
        proxy.blackhole(false);
        wait_partials(&primary, 1);
        assert_same(&primary, &replica);
        assert_eq!(Syncs::of(&primary).full, 1);
    });
}

#[test]
fn a_frozen_primary_is_left_and_rejoined() {
    with_pairs(|above, below| {
        let primary = Server::with(above).set("repl-ping-replica-period", 1).start();
        let replica = Server::with(below).replica_of(primary.port()).start();
        be_impatient(&primary, &replica);
        primary.freeze();
        wait_link_down(&replica);
        primary.thaw();
        primary.client().must(&["SET", "after", "the frost"]);
        wait_link_up(&replica);
        assert_same(&primary, &replica);
        assert_eq!(Syncs::of(&primary).full, 1, "the backlog held everything");
    });
}

#[test]
fn a_gap_within_the_backlog_is_resumed_and_one_far_past_it_copied() {
    const SIZE: usize = 64 * 1024;
    /// Bytes of `SET k v` in the stream beside a value of five digits' length.
    const SET_FRAME: usize = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12345\r\n\r\n".len();
    with_pairs(|above, below| {
        let primary = Server::with(above).set("repl-backlog-size", SIZE).set("repl-ping-replica-period", 3600).start();
        let proxy = Proxy::to(primary.port());
        let replica = Server::with(below).replica_of(proxy.port()).start();
        wait_online(&primary, 1);
        let mut client = primary.client();
        // Fill the backlog, so that the gap has to fit beside nothing else.
        client.must(&["SET", "fill", &"x".repeat(2 * SIZE)]);
        assert_same(&primary, &replica);
        let mut wanted = Syncs::of(&primary);
        // Records before the gap proper: a server may keep more than it was asked for, in whole blocks or records.
        for (gap, before) in [(SIZE - 1, 0), (SIZE, 0), (SIZE, 128)] {
            proxy.refuse(true);
            proxy.cut(Cut::Rst);
            wait_online(&primary, 0);
            for _ in 0..before {
                client.must(&["SET", "before", &"x".repeat(SIZE)]);
            }
            let from = client.info("replication").int("master_repl_offset");
            client.must(&["SET", "k", &"y".repeat(gap - SET_FRAME)]);
            assert_eq!(client.info("replication").int("master_repl_offset") - from, gap as i64, "the gap is not exact");
            proxy.refuse(false);
            wait_online(&primary, 1);
            assert_same(&primary, &replica);
            if before == 0 {
                wanted.partial_ok += 1;
            } else {
                wanted.full += 1;
                wanted.partial_err += 1;
            }
            assert_eq!(Syncs::of(&primary), wanted, "gap {gap} and {before} records, backlog {SIZE}");
        }
    });
}

#[test]
fn a_record_larger_than_the_backlog_passes_a_link_that_is_up() {
    with_pairs(|above, below| {
        let primary = Server::with(above).set("repl-backlog-size", "16kb").start();
        let replica = Server::with(below).replica_of(primary.port()).start();
        wait_online(&primary, 1);
        let mut client = primary.client();
        for len in [1_000_000, 20_000_000] {
            client.must(&["SET", "huge", &"h".repeat(len)]);
            client.must(&["APPEND", "huge", "tail"]);
        }
        assert_same(&primary, &replica);
        assert_eq!(Syncs::of(&primary).full, 1);
    });
}

#[test]
fn a_slow_link_carries_everything_in_the_end() {
    let seed = Seed::fresh("slow_link");
    with_pairs(|above, below| {
        let primary = Server::start(above);
        let proxy = Proxy::to(primary.port());
        let replica = Server::with(below).replica_of(proxy.port()).start();
        wait_online(&primary, 1);
        proxy.throttle(100_000);
        proxy.delay(Duration::from_millis(5));
        let load = Load::start(Spec::of(&primary), &seed);
        load.wait_more(2000);
        let ledger = load.stop();
        ledger.assert_prefix(&replica);
        proxy.throttle(0);
        proxy.delay(Duration::ZERO);
        assert_same(&primary, &replica);
        ledger.assert_kept(&replica);
        assert_eq!(Syncs::of(&primary).full, 1);
    });
}
