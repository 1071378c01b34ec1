//! Real redis-server replicas of koltso: the full copy in each framing, the stream, several replicas, and what the
//! primary says about them.

use std::time::Duration;

use koltso_tests::cli::{run, run_until};
use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{Syncs, assert_equal_data, assert_same, picture, wait_link_up, wait_online};
use koltso_tests::raw::{Psync, RawReplica};
use koltso_tests::wait::must;
use koltso_tests::{Direction, Info, Kind, Proxy, Seed, Server, dataset, eventually, with_cores};

#[test]
fn full_sync_of_every_type_then_the_stream() {
    let mut seed = Seed::fresh("full_sync");
    with_cores(|kind| {
        let primary = Server::start(kind);
        dataset::fill(&mut primary.client(), &mut seed, 40);
        let replica = Server::with(Kind::Redis).replica_of(primary.port()).start();
        wait_link_up(&replica);
        assert_same(&primary, &replica);
        let load = Load::start(Spec { commands_max: 2000, ..Spec::of(&primary) }, &seed);
        load.wait_total(3000);
        let ledger = load.stop();
        assert_same(&primary, &replica);
        ledger.assert_kept(&replica);
        assert_eq!(Syncs::of(&primary), Syncs { full: 1, partial_ok: 0, partial_err: 0 });
    });
}

#[test]
fn an_empty_primary_empties_its_replica() {
    with_cores(|kind| {
        let primary = Server::start(kind);
        let replica = Server::start(Kind::Redis);
        replica.client().must(&["SET", "stale", "1"]);
        replica.client().must(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).ok();
        wait_link_up(&replica);
        assert_same(&primary, &replica);
        assert_eq!(replica.client().must(&["DBSIZE"]).int(), 0);
    });
}

#[test]
fn writes_during_the_sync_arrive_once_and_in_order() {
    let seed = Seed::fresh("writes_during");
    with_cores(|kind| {
        let primary = Server::start(kind);
        dataset::bulk(&mut primary.client(), 60_000, 64);
        let proxy = Proxy::to(primary.port());
        proxy.hold_after(Direction::ToClient, 500_000);
        let load = Load::start(Spec { flushes: true, dbs: vec![1, 9], ..Spec::of(&primary) }, &seed);
        load.wait_more(500);
        let replica = Server::with(Kind::Redis).replica_of(proxy.port()).start();
        // A part of the transfer is with the replica. The rest waits for the load, and then goes on beside it.
        eventually("the transfer is held", || {
            let info = replica.info();
            must(!proxy.fuse_is_lit() && info.int("master_sync_in_progress") == 1, || format!("{info:?}"))
        });
        load.wait_more(200);
        assert_eq!(replica.info().text("master_link_status"), "down");
        proxy.throttle(4_000_000);
        proxy.let_go();
        load.wait_more(200);
        proxy.throttle(0);
        wait_link_up(&replica);
        let ledger = load.stop();
        assert_same(&primary, &replica);
        ledger.assert_kept(&replica);
        assert_eq!(Syncs::of(&primary).full, 1);
    });
}

#[test]
fn several_replicas_at_once_with_every_way_of_loading() {
    let mut seed = Seed::fresh("several");
    with_cores(|kind| {
        let primary = Server::start(kind);
        dataset::fill(&mut primary.client(), &mut seed, 20);
        let load = Load::start(Spec { pace: Duration::from_micros(200), ..Spec::of(&primary) }, &seed);
        let replicas: Vec<Server> = ["disabled", "swapdb", "on-empty-db"]
            .map(|how| Server::with(Kind::Redis).replica_of(primary.port()).set("repl-diskless-load", how).start())
            .into();
        wait_online(&primary, replicas.len());
        load.wait_more(300);
        let ledger = load.stop();
        for replica in &replicas {
            assert_same(&primary, replica);
            ledger.assert_kept(replica);
        }
        assert_eq!(Syncs::of(&primary).full, 3);
        assert_eq!(primary.info().int("total_forks"), if kind.is_koltso() { 0 } else { primary.info().int("total_forks") });
    });
}

#[test]
fn a_replica_killed_without_a_file_copies_again_and_one_with_a_file_resumes() {
    let mut seed = Seed::fresh("replica_restart");
    with_cores(|kind| {
        let primary = Server::start(kind);
        dataset::fill(&mut primary.client(), &mut seed, 10);
        // Loaded from the socket, so that no file is left; loaded from the primary's file with its id and offset.
        for (round, load) in ["swapdb", "disabled"].into_iter().enumerate() {
            let started = Syncs::of(&primary);
            let mut replica = Server::with(Kind::Redis).replica_of(primary.port()).set("repl-diskless-load", load).start();
            wait_link_up(&replica);
            assert_same(&primary, &replica);
            replica.kill();
            primary.client().must(&["SET", "while it was dead", load]);
            replica.restart();
            wait_link_up(&replica);
            assert_same(&primary, &replica);
            let syncs = Syncs::of(&primary);
            let wanted = if round == 0 { (2, 0) } else { (1, 1) };
            assert_eq!((syncs.full - started.full, syncs.partial_ok - started.partial_ok), wanted, "{load}");
        }
    });
}

#[test]
fn a_replica_that_saved_at_its_shutdown_resumes() {
    let mut seed = Seed::fresh("replica_shutdown");
    with_cores(|kind| {
        let primary = Server::start(kind);
        dataset::fill(&mut primary.client(), &mut seed, 10);
        let mut replica = Server::with(Kind::Redis).replica_of(primary.port()).start();
        wait_link_up(&replica);
        primary.client().must(&["SET", "after the copy", "1"]);
        assert_same(&primary, &replica);
        replica.client().send_raw(b"SHUTDOWN SAVE\r\n").unwrap();
        replica.wait_exit();
        primary.client().must(&["SET", "while it was down", "1"]);
        replica.restart();
        wait_link_up(&replica);
        assert_same(&primary, &replica);
        assert_eq!((Syncs::of(&primary).full, Syncs::of(&primary).partial_ok), (1, 1));
        // The log tells of both, and names the replica by the port that it listens on.
        let name = format!("127.0.0.1:{}", replica.port());
        let told = [
            "Replica",
            "Full resync requested by",
            "Synchronization with",
            "Replica",
            "Partial resynchronization request from",
        ];
        let done = "Synchronization with replica";
        eventually("both are told of", || {
            must(primary.log().matches(&format!("{done} {name} succeeded")).count() == 2, || primary.log_tail())
        });
        let log = primary.log();
        let mut lines = log.lines().filter(|line| line.contains(&name));
        for words in told {
            assert!(lines.any(|line| line.contains(words)), "{words}\n{log}");
        }
    });
}

#[test]
fn plain_sync_sends_a_length_and_a_loadable_file_then_the_stream() {
    let mut seed = Seed::fresh("plain_sync");
    with_cores(|kind| {
        let primary = Server::start(kind);
        dataset::fill(&mut primary.client(), &mut seed, 20);
        let mut raw = RawReplica { client: primary.client() };
        raw.client.send_raw(b"SYNC\r\n").unwrap();
        let transfer = raw.transfer().unwrap();
        assert!(!transfer.eof, "a replica that does not know $EOF got it");
        assert_loads(&transfer.rdb, &primary);
        primary.client().must(&["SET", "after", "the copy"]);
        assert_eq!(raw.command().unwrap(), ["SELECT", "0"]);
        assert_eq!(raw.command().unwrap(), ["SET", "after", "the copy"]);
    });
}

#[test]
fn psync_without_eof_gets_a_length_and_with_eof_silence_until_the_ack() {
    let mut seed = Seed::fresh("framing");
    with_cores(|kind| {
        let primary = Server::start(kind);
        dataset::fill(&mut primary.client(), &mut seed, 10);
        for eof in [false, true] {
            let mut raw = RawReplica::connect(&primary, eof);
            let Psync::Full(id, offset) = raw.psync(None) else { panic!("not a full resync") };
            assert_eq!(id, primary.info().text("master_replid"));
            let transfer = raw.transfer().unwrap();
            assert_eq!(transfer.eof, eof);
            assert_loads(&transfer.rdb, &primary);
            primary.client().must(&["SET", &format!("after {eof}"), "the copy"]);
            if eof {
                assert!(raw.is_silent_for(Duration::from_millis(500)), "the stream began before the first ACK");
                raw.ack(offset);
            }
            assert_eq!(raw.command().unwrap(), ["SELECT", "0"]);
            assert_eq!(raw.command().unwrap(), ["SET", &format!("after {eof}"), "the copy"]);
        }
    });
}

#[test]
fn psync_answers_by_id_and_offset() {
    with_cores(|kind| {
        // Nothing but what is written here is to move the offset.
        let primary = Server::with(kind).set("repl-ping-replica-period", 3600).start();
        let mut raw = RawReplica::connect(&primary, true);
        let Psync::Full(id, offset) = raw.psync(None) else { panic!("not a full resync") };
        raw.transfer().unwrap();
        raw.ack(offset);
        primary.client().must(&["SET", "k", "v"]);
        let ask = |id: &str, offset| RawReplica::connect(&primary, true).psync(Some((id, offset)));
        let end = primary.info().int("master_repl_offset");
        assert_eq!(ask(&id, offset + 1), Psync::Continue(Some(id.clone())));
        assert_eq!(ask(&id.to_uppercase(), offset + 1), Psync::Continue(Some(id.clone())));
        assert_eq!(ask(&id, end + 1), Psync::Continue(Some(id.clone())));
        for (id, offset) in [(id.as_str(), end + 2), (id.as_str(), -5), (&"0".repeat(40), end), ("short", 1)] {
            assert!(matches!(ask(id, offset), Psync::Full(..)), "PSYNC {id} {offset}");
        }
    });
}

#[test]
fn redis_cli_takes_a_file_and_plays_replica() {
    let mut seed = Seed::fresh("redis_cli");
    with_cores(|kind| {
        let primary = Server::start(kind);
        dataset::fill(&mut primary.client(), &mut seed, 20);
        let file = primary.dir().join("taken-by-cli");
        let taken = run("redis-cli", &["-p", &primary.port().to_string(), "--rdb", file.to_str().unwrap()]);
        assert!(
            taken.status.success() && format!("{taken:?}").contains("EOF marker"),
            "nothing needs to wait for the length: {taken:?}"
        );
        assert_loads(&std::fs::read(&file).unwrap(), &primary);

        eventually("the one that took the file is gone", || {
            let count = primary.info().int("connected_slaves");
            must(count == 0, || format!("{count} replicas"))
        });
        let port = primary.port().to_string();
        let playing = std::thread::spawn(move || {
            run_until("redis-cli", &["-p", &port, "--replica"], |out| out.contains("\"SET\",\"seen-by\",\"the-cli\""))
        });
        wait_online(&primary, 1);
        primary.client().must(&["SET", "seen-by", "the-cli"]);
        playing.join().unwrap();
    });
}

#[test]
fn expired_keys_are_deleted_on_the_replica_with_nobody_asking() {
    with_cores(|kind| {
        let primary = Server::start(kind);
        let replica = Server::with(Kind::Redis).replica_of(primary.port()).start();
        wait_online(&primary, 1);
        let mut client = primary.client();
        for i in 0..200 {
            client.must(&["SET", &format!("short:{i}"), "v", "PX", &(1 + i * 3).to_string()]);
        }
        client.must(&["SET", "stays", "v"]);
        eventually("only one key is left on the replica", || {
            let size = replica.client().must(&["DBSIZE"]).int();
            must(size == 1, || format!("{size} keys"))
        });
        assert_same(&primary, &replica);
        assert_eq!(primary.info().int("expired_keys"), 200);
    });
}

#[test]
fn wait_counts_acknowledgements() {
    with_cores(|kind| {
        let primary = Server::start(kind);
        let replica = Server::with(Kind::Redis).replica_of(primary.port()).start();
        wait_online(&primary, 1);
        let mut client = primary.client();
        client.must(&["SET", "k", "v"]);
        assert_eq!(client.must(&["WAIT", "1", "0"]).int(), 1);
        assert_eq!(replica.client().must(&["GET", "k"]).text(), "v");
        replica.freeze();
        client.must(&["SET", "k", "w"]);
        assert_eq!(client.must(&["WAIT", "1", "200"]).int(), 0);
        assert_eq!(client.must(&["WAIT", "0", "1"]).int(), 0);
        replica.thaw();
        assert_eq!(client.must(&["WAIT", "1", "0"]).int(), 1);
        assert!(client.cmd(&["WAIT", "1", "-1"]).error().contains("timeout is negative"));
    });
}

#[test]
fn info_and_role_tell_of_replicas_in_redis_words() {
    with_cores(|kind| {
        let (primary, model) = (Server::start(kind), Server::start(Kind::Redis));
        let below = [&primary, &model].map(|above| Server::with(Kind::Redis).replica_of(above.port()).start());
        wait_online(&primary, 1);
        wait_online(&model, 1);
        assert_same(&primary, &below[0]);
        let names = |server: &Server| {
            let text = server.client().must(&["INFO", "replication"]).text();
            text.lines().map(|line| line.split(':').next().unwrap().to_string()).collect::<Vec<_>>()
        };
        // What is ours comes behind what is Redis's.
        let ours = ["repl_log_bytes_per_second", "repl_away_seconds_max"].map(str::to_string);
        assert_eq!(names(&primary), [&names(&model)[..], &ours].concat());
        let line = Info::parse(&primary.client().must(&["INFO", "replication"]).text()).replicas()[0].clone();
        assert_eq!((line["ip"].as_str(), line["port"].clone()), ("127.0.0.1", below[0].port().to_string()));
        let role = primary.client().must(&["ROLE"]).items();
        assert_eq!((role[0].text().as_str(), role.len()), ("master", 3));
        let entry = role[2].items()[0].items();
        assert_eq!((entry[0].text().as_str(), entry[1].text()), ("127.0.0.1", below[0].port().to_string()));
        eventually("ROLE shows the acknowledged offset", || {
            let role = primary.client().must(&["ROLE"]).items();
            let acknowledged: i64 = role[2].items()[0].items()[2].text().parse().unwrap();
            must(acknowledged == role[1].int(), || format!("{role:?}"))
        });
    });
}

#[test]
fn a_replica_of_a_replica_of_koltso_has_the_same_data() {
    let mut seed = Seed::fresh("chain");
    with_cores(|kind| {
        let primary = Server::start(kind);
        dataset::fill(&mut primary.client(), &mut seed, 10);
        let middle = Server::with(Kind::Redis).replica_of(primary.port()).start();
        let last = Server::with(Kind::Redis).replica_of(middle.port()).start();
        let load = Load::start(Spec::of(&primary), &seed);
        wait_link_up(&last);
        load.wait_more(500);
        load.stop();
        assert_same(&primary, &last);
        assert_same(&primary, &middle);
    });
}

#[test]
fn requirepass_guards_the_copy() {
    with_cores(|kind| {
        let primary = Server::with(kind).set("requirepass", "secret").start();
        let mut client = primary.client();
        assert!(client.cmd(&["SYNC"]).error().starts_with("NOAUTH"));
        client.must(&["AUTH", "secret"]).ok();
        client.must(&["SET", "k", "v"]);
        let wrong = Server::with(Kind::Redis).replica_of(primary.port()).set("masterauth", "wrong").start();
        let right = Server::with(Kind::Redis).replica_of(primary.port()).set("masterauth", "secret").start();
        wait_link_up(&right);
        assert_eq!(right.client().must(&["GET", "k"]).text(), "v");
        wrong.wait_log("WRONGPASS");
        assert_eq!(client.info("replication").int("connected_slaves"), 1);
    });
}

/// redis-check-rdb passes the file, and a redis-server that loads it has the primary's data.
#[track_caller]
fn assert_loads(rdb: &[u8], primary: &Server) {
    let mut other = Server::start(Kind::Redis);
    other.kill();
    let file = other.dir().join("dump.rdb");
    std::fs::write(&file, rdb).unwrap();
    let check = run("redis-check-rdb", &[file.to_str().unwrap()]);
    assert!(check.status.success() && check.out.contains("RDB looks OK"), "{check:?}");
    other.restart();
    assert_equal_data(primary, &other);
    assert!(!picture(&other).sizes.is_empty(), "the file was empty");
}
