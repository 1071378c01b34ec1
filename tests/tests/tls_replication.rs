//! Replication over TLS (`tls-replication`), in every pairing of koltso and redis-server that has koltso in it: full copies, the
//! stream, cut links, chains, and peers that are not trusted.

use koltso_tests::cli::run;
use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{Syncs, assert_same, wait_link_up, wait_online, wait_resumed};
use koltso_tests::server::Builder;
use koltso_tests::tls::{Authority, Keys};
use koltso_tests::wait::must;
use koltso_tests::{Cut, Direction, Kind, Proxy, Seed, Server, dataset, eventually};

/// Primary and replica.
const PAIRS: [(Kind, Kind); 6] = [
    (Kind::Koltso { cores: 1 }, Kind::Redis),
    (Kind::Koltso { cores: 3 }, Kind::Redis),
    (Kind::Redis, Kind::Koltso { cores: 1 }),
    (Kind::Redis, Kind::Koltso { cores: 3 }),
    (Kind::Koltso { cores: 3 }, Kind::Koltso { cores: 1 }),
    (Kind::Koltso { cores: 1 }, Kind::Koltso { cores: 3 }),
];

fn with_pairs(body: impl Fn(Kind, Kind)) {
    for (primary, replica) in PAIRS {
        println!("--- primary {primary:?}, replica {replica:?}");
        body(primary, replica);
    }
}

/// A server whose replication is encrypted, and its port for that.
fn secure(authority: &Authority, kind: Kind) -> (Builder, u16) {
    authority.secure(Server::with(kind).set("tls-replication", "yes"))
}

#[test]
fn copies_and_streams_are_the_same_over_tls() {
    let seed = Seed::fresh("tls_copies");
    for keys in [Keys::Ec, Keys::Rsa] {
        let authority = Authority::new(keys);
        with_pairs(|above, below| {
            for diskless in ["yes", "no"] {
                let mut seed = seed.part(0);
                let (builder, port) = secure(&authority, above);
                let primary = builder.set("repl-diskless-sync", diskless).start();
                dataset::fill(&mut primary.client(), &mut seed, 20);
                let load = Load::start(Spec { flushes: true, dbs: vec![1, 2, 9], ..Spec::of(&primary) }, &seed);
                let (builder, shown) = secure(&authority, below);
                let replica = builder.replica_of(port).start();
                wait_link_up(&replica);
                wait_online(&primary, 1);
                load.wait_more(1000);
                let ledger = load.stop();
                assert_same(&primary, &replica);
                ledger.assert_kept(&replica);
                // Others are led to the port where they can come in.
                let line = primary.info().replicas()[0].clone();
                assert_eq!(line["port"], shown.to_string());
                let mut client = primary.client();
                for nth in 0..10 {
                    client.must(&["SET", "waited", &nth.to_string()]);
                    assert_eq!(client.must(&["WAIT", "1", "0"]).int(), 1, "round {nth}");
                }
                assert_eq!(Syncs::of(&primary).full, 1);
            }
        });
    }
}

#[test]
fn large_copies_with_writes_meanwhile_go_through() {
    let seed = Seed::fresh("tls_large");
    let authority = Authority::new(Keys::Ec);
    with_pairs(|above, below| {
        let (builder, port) = secure(&authority, above);
        let primary = builder.start();
        dataset::bulk(&mut primary.client(), 60_000, 64);
        let big = "b".repeat(20_000_000);
        primary.client().must(&["SET", "big", &big]);
        let proxy = Proxy::to(port);
        // Behind the handshakes, far before the end of the file, however well a Redis has compressed it.
        proxy.hold_after(Direction::ToClient, 200_000);
        let load = Load::start(Spec::of(&primary), &seed);
        let (builder, _) = secure(&authority, below);
        let replica = builder.replica_of(proxy.port()).start();
        eventually("the transfer runs", || {
            let info = replica.info();
            let held = !proxy.fuse_is_lit() && info.find("master_sync_in_progress") == Some("1");
            must(held, || format!("{info:?}"))
        });
        load.wait_more(500);
        proxy.let_go();
        wait_link_up(&replica);
        // The stream as well has more than one record, and more than one part.
        primary.client().must(&["SET", "big", &"c".repeat(5_000_000)]);
        let ledger = load.stop();
        assert_same(&primary, &replica);
        ledger.assert_kept(&replica);
        assert_eq!(Syncs::of(&primary).full, 1);
    });
}

#[test]
fn cut_links_are_mended_partially_over_tls() {
    let seed = Seed::fresh("tls_cuts");
    let authority = Authority::new(Keys::Ec);
    with_pairs(|above, below| {
        let mut seed = seed.part(0);
        let (builder, port) = secure(&authority, above);
        let primary = builder.set("repl-backlog-size", "256mb").start();
        dataset::fill(&mut primary.client(), &mut seed, 10);
        let proxy = Proxy::to(port);
        let (builder, _) = secure(&authority, below);
        let replica = builder.replica_of(proxy.port()).start();
        let load = Load::start(Spec::of(&primary), &seed);
        wait_link_up(&replica);
        for (round, how) in [Cut::Rst, Cut::Fin, Cut::Rst].into_iter().enumerate() {
            // Mostly in the middle of a record.
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
fn a_copy_cut_at_any_byte_begins_again_over_tls() {
    let seed = Seed::fresh("tls_cut_copy");
    let authority = Authority::new(Keys::Ec);
    with_pairs(|above, below| {
        let mut seed = seed.part(1);
        let (builder, port) = secure(&authority, above);
        let primary = builder.start();
        dataset::fill(&mut primary.client(), &mut seed, 20);
        let proxy = Proxy::to(port);
        // Within the TLS handshake, within that of replication, and anywhere in the file.
        let places = [1, 100, 1200 + seed.below(2000), 5000 + seed.below(100_000)];
        proxy.cut_after(Direction::ToClient, places[0], Cut::Rst);
        let (builder, _) = secure(&authority, below);
        let replica = builder.replica_of(proxy.port()).start();
        for (round, place) in places.into_iter().enumerate().skip(1) {
            eventually("the link is cut", || {
                // The copy may be shorter than the place; then the stream behind it is cut.
                primary.client().must(&["SET", "filler", &"x".repeat(50_000)]);
                must(!proxy.fuse_is_lit(), || format!("round {round}"))
            });
            proxy.cut_after(Direction::ToClient, place, if round % 2 == 0 { Cut::Fin } else { Cut::Rst });
        }
        wait_link_up(&replica);
        assert_same(&primary, &replica);
    });
}

#[test]
fn redis_cli_takes_a_snapshot_over_tls() {
    let mut seed = Seed::fresh("tls_rdb");
    let authority = Authority::new(Keys::Ec);
    for cores in [1, 3] {
        let (builder, port) = authority.secure(Server::with(Kind::Koltso { cores }));
        let server = builder.start();
        dataset::fill(&mut server.client(), &mut seed, 20);
        let file = server.dir().join("taken.rdb").display().to_string();
        let port = port.to_string();
        let tls = authority.cli_args(Some("client"));
        let args: Vec<&str> = ["-p", &port].into_iter().chain(tls.iter().map(String::as_str)).chain(["--rdb", &file]).collect();
        let output = run("redis-cli", &args);
        assert!(output.status.success(), "{output:?}");
        let checked = run("redis-check-rdb", &[&file]);
        assert!(checked.status.success() && checked.out.contains("RDB looks OK"), "{checked:?}");
    }
}

#[test]
fn a_chain_of_both_kinds_holds_over_tls() {
    let seed = Seed::fresh("tls_chain");
    let authority = Authority::new(Keys::Ec);
    let kinds = [Kind::Redis, Kind::Koltso { cores: 3 }, Kind::Redis, Kind::Koltso { cores: 1 }, Kind::Koltso { cores: 3 }];
    let mut servers: Vec<Server> = Vec::new();
    let mut above = None;
    for kind in kinds {
        let (builder, port) = secure(&authority, kind);
        let builder = match above {
            Some(above) => builder.replica_of(above),
            None => builder,
        };
        servers.push(builder.start());
        if above.is_some() {
            wait_link_up(servers.last().unwrap());
        }
        above = Some(port);
    }
    let load = Load::start(Spec::of(&servers[0]), &seed);
    load.wait_more(2000);
    let ledger = load.stop();
    for server in &servers[1..] {
        assert_same(&servers[0], server);
        ledger.assert_kept(server);
    }
}

#[test]
fn replicas_over_tls_and_in_plain_text_stand_side_by_side() {
    let mut seed = Seed::fresh("tls_mixed");
    let authority = Authority::new(Keys::Ec);
    for cores in [1, 3] {
        let (builder, port) = authority.secure(Server::with(Kind::Koltso { cores }));
        let primary = builder.start();
        dataset::fill(&mut primary.client(), &mut seed, 10);
        let plain: Vec<Server> =
            [Kind::Redis, Kind::Koltso { cores: 1 }].map(|kind| Server::with(kind).replica_of(primary.port()).start()).into();
        let sealed: Vec<Server> =
            [Kind::Redis, Kind::Koltso { cores: 1 }].map(|kind| secure(&authority, kind).0.replica_of(port).start()).into();
        let all = || plain.iter().chain(&sealed);
        all().for_each(wait_link_up);
        let load = Load::start(Spec::of(&primary), &seed);
        load.wait_more(2000);
        let ledger = load.stop();
        for replica in all() {
            assert_same(&primary, replica);
            ledger.assert_kept(replica);
        }
        // From plain text to TLS, without a new copy.
        let full = Syncs::of(&primary).full;
        let mut client = plain[1].client();
        let cert = [
            ("tls-cert-file", authority.path("server.crt")),
            ("tls-key-file", authority.path("server.key")),
            ("tls-ca-cert-file", authority.path("ca.crt")),
            ("tls-replication", "yes".to_string()),
        ];
        for (name, value) in &cert {
            client.must(&["CONFIG", "SET", name, value]);
        }
        client.must(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
        wait_link_up(&plain[1]);
        assert_same(&primary, &plain[1]);
        assert_eq!(Syncs::of(&primary).full, full);
    }
}

#[test]
fn a_primary_that_is_not_trusted_or_speaks_no_tls_is_not_followed() {
    let (authority, others) = (Authority::new(Keys::Ec), Authority::new(Keys::Ec));
    for cores in [1, 3] {
        let (builder, wrong) = others.secure(Server::with(Kind::Redis).set("tls-auth-clients", "no"));
        let stranger = builder.start();
        stranger.client().must(&["SET", "stranger", "1"]);
        let (builder, right) = authority.secure(Server::with(Kind::Redis));
        let primary = builder.start();
        primary.client().must(&["SET", "trusted", "1"]);
        let (builder, _) = secure(&authority, Kind::Koltso { cores });
        let replica = builder.replica_of(wrong).start();
        replica.wait_log("TLS: invalid peer certificate");
        let mut client = replica.client();
        client.must(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        replica.wait_log("TLS: it has not finished the handshake");
        assert_eq!(client.must(&["DBSIZE"]).int(), 0);
        client.must(&["REPLICAOF", "127.0.0.1", &right.to_string()]);
        wait_link_up(&replica);
        assert_eq!(client.must(&["GET", "trusted"]).text(), "1");
        assert_eq!(client.must(&["EXISTS", "stranger"]).int(), 0);
        // Whom the primary does not know.
        client.must(&["REPLICAOF", "NO", "ONE"]);
        let (cert, key) = (others.path("client.crt"), others.path("client.key"));
        client.must(&["CONFIG", "SET", "tls-client-cert-file", &cert, "tls-client-key-file", &key]);
        client.must(&["REPLICAOF", "127.0.0.1", &right.to_string()]);
        primary.wait_log("Error accepting a client connection: ");
        assert_eq!(replica.info().text("master_link_status"), "down");
    }
}
