//! koltso on both ends, with every combination of core counts: shards are cut differently on the two sides.

use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{Syncs, assert_same, wait_link_up, wait_online, wait_partials};
use koltso_tests::{Cut, Kind, Proxy, Seed, Server, dataset};

const COMBINATIONS: [(usize, usize); 5] = [(1, 1), (1, 3), (3, 1), (3, 3), (2, 4)];

fn with_combinations(body: impl Fn(Kind, Kind)) {
    for (above, below) in COMBINATIONS {
        println!("--- {above} and {below} cores");
        body(Kind::Koltso { cores: above }, Kind::Koltso { cores: below });
    }
}

#[test]
fn copy_stream_cut_and_resume() {
    let seed = Seed::fresh("pair");
    with_combinations(|above, below| {
        let mut seed = seed.part(1);
        // More than can be written before the link is made again.
        let primary = Server::with(above).set("repl-backlog-size", "256mb").start();
        dataset::fill(&mut primary.client(), &mut seed, 20);
        let proxy = Proxy::to(primary.port());
        let load = Load::start(Spec { flushes: true, dbs: vec![1, 9], ..Spec::of(&primary) }, &seed);
        let replica = Server::with(below).replica_of(proxy.port()).start();
        wait_link_up(&replica);
        load.wait_more(500);
        proxy.cut(Cut::Rst);
        wait_partials(&primary, 1);
        load.wait_more(500);
        let ledger = load.stop();
        assert_same(&primary, &replica);
        ledger.assert_kept(&replica);
        assert_eq!(Syncs::of(&primary), Syncs { full: 1, partial_ok: 1, partial_err: 0 });
    });
}

#[test]
fn wait_and_promotion_lose_nothing_that_was_acknowledged() {
    let seed = Seed::fresh("pair_promotion");
    with_combinations(|above, below| {
        let mut primary = Server::start(above);
        let replica = Server::with(below).replica_of(primary.port()).start();
        wait_online(&primary, 1);
        let load = Load::start(Spec::of(&primary), &seed);
        let mut client = primary.client();
        let mut promised = Vec::new();
        for i in 0..50 {
            client.must(&["SET", &format!("promised:{i}"), &i.to_string()]);
            if client.must(&["WAIT", "1", "0"]).int() >= 1 {
                promised.push(i);
            }
        }
        primary.kill();
        let ledger = load.stop();
        assert_eq!(promised.len(), 50);
        let mut client = replica.client();
        client.must(&["REPLICAOF", "NO", "ONE"]).ok();
        for i in promised {
            assert_eq!(client.must(&["GET", &format!("promised:{i}")]).text(), i.to_string());
        }
        ledger.assert_prefix(&replica);
    });
}

#[test]
fn a_chain_of_three_with_different_cores() {
    let seed = Seed::fresh("pair_chain");
    with_combinations(|above, below| {
        let first = Server::start(above);
        let middle = Server::with(below).replica_of(first.port()).start();
        let last = Server::with(above).replica_of(middle.port()).start();
        wait_link_up(&last);
        let load = Load::start(Spec::of(&first), &seed);
        load.wait_more(1000);
        load.stop();
        assert_same(&first, &middle);
        assert_same(&first, &last);
    });
}

#[test]
fn a_replica_killed_at_a_random_moment_comes_back_right() {
    let seed = Seed::fresh("pair_kill");
    with_combinations(|above, below| {
        let mut seed = seed.part(7);
        let primary = Server::start(above);
        dataset::bulk(&mut primary.client(), 5000, 100);
        let mut replica = Server::with(below).replica_of(primary.port()).start();
        let load = Load::start(Spec::of(&primary), &seed);
        for _ in 0..3 {
            load.wait_more(1 + seed.below(300));
            replica.restart();
        }
        wait_link_up(&replica);
        let ledger = load.stop();
        assert_same(&primary, &replica);
        ledger.assert_kept(&replica);
    });
}
