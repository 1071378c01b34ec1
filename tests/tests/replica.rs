//! koltso as a replica of real redis-servers: the copy in each framing and encoding, the stream, acknowledgements,
//! passwords, and what a replica refuses.

use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{Syncs, assert_same, wait_link_down, wait_link_up, wait_online};
use koltso_tests::wait::must;
use koltso_tests::{Client, Direction, Kind, Proxy, Seed, Server, Value, dataset, eventually, slow_script, with_cores};

/// Where a copy is held that a test wants to see under way: behind the handshake, and far before the end of the file.
const HELD_AFTER: u64 = 200_000;

#[test]
fn full_copy_of_every_encoding_with_and_without_disk() {
    let mut seed = Seed::fresh("every_encoding");
    for (name, limits) in [("default", ""), ("low limits", dataset::COMPACT_LIMITS), ("nothing compact", dataset::NO_COMPACT)] {
        for diskless in ["yes", "no"] {
            println!("--- {name}, diskless {diskless}");
            let primary = Server::with(Kind::Redis).text(limits).set("repl-diskless-sync", diskless).start();
            dataset::fill(&mut primary.client(), &mut seed, 30);
            with_cores(|kind| {
                let replica = Server::with(kind).replica_of(primary.port()).start();
                wait_link_up(&replica);
                assert_same(&primary, &replica);
            });
        }
    }
}

#[test]
fn uncompressed_and_unchecked_files_load_too() {
    let mut seed = Seed::fresh("plain_files");
    let text = "rdbcompression no\nrdbchecksum no\nrepl-diskless-sync no\n";
    let primary = Server::with(Kind::Redis).text(text).start();
    dataset::fill(&mut primary.client(), &mut seed, 20);
    with_cores(|kind| {
        let replica = Server::with(kind).replica_of(primary.port()).start();
        wait_link_up(&replica);
        assert_same(&primary, &replica);
    });
}

#[test]
fn the_stream_is_applied_and_acknowledged() {
    let seed = Seed::fresh("stream");
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let replica = Server::with(kind).replica_of(primary.port()).start();
        wait_online(&primary, 1);
        let load = Load::start(Spec { flushes: true, dbs: vec![1, 2, 9], ..Spec::of(&primary) }, &seed);
        let mut client = primary.client();
        for i in 0..20 {
            client.must(&["SET", "waited", &i.to_string()]);
            assert_eq!(client.must(&["WAIT", "1", "0"]).int(), 1, "round {i}");
            assert_eq!(replica.client().must(&["GET", "waited"]).text(), i.to_string(), "acknowledged before applied");
        }
        load.wait_more(2000);
        let ledger = load.stop();
        assert_same(&primary, &replica);
        ledger.assert_kept(&replica);
        let line = primary.info().replicas()[0].clone();
        assert_eq!((line["port"].clone(), line["state"].as_str()), (replica.port().to_string(), "online"));
        assert_eq!(Syncs::of(&primary).full, 1);
    });
}

#[test]
fn writes_during_the_copy_arrive_once_and_in_order() {
    let seed = Seed::fresh("copy_under_load");
    for diskless in ["yes", "no"] {
        with_cores(|kind| {
            let primary = Server::with(Kind::Redis).set("repl-diskless-sync", diskless).start();
            dataset::bulk(&mut primary.client(), 60_000, 64);
            let proxy = Proxy::to(primary.port());
            proxy.hold_after(Direction::ToClient, HELD_AFTER);
            let load = Load::start(Spec { flushes: true, dbs: vec![1, 9], ..Spec::of(&primary) }, &seed);
            let replica = Server::with(kind).replica_of(proxy.port()).start();
            eventually("the transfer runs", || {
                let info = replica.info();
                let held = !proxy.fuse_is_lit() && info.find("master_sync_in_progress") == Some("1");
                must(held, || format!("{info:?}"))
            });
            load.wait_more(500);
            proxy.throttle(20_000_000);
            proxy.let_go();
            wait_link_up(&replica);
            let ledger = load.stop();
            assert_same(&primary, &replica);
            ledger.assert_kept(&replica);
            assert_eq!(Syncs::of(&primary).full, 1);
        });
    }
}

#[test]
fn the_old_set_is_served_until_the_new_one_is_complete() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        dataset::bulk(&mut primary.client(), 40_000, 64);
        let replica = Server::with(kind).set("repl-diskless-load", "swapdb").start();
        let mut client = replica.client();
        client.must(&["SET", "old", "data"]);
        let proxy = Proxy::to(primary.port());
        proxy.hold_after(Direction::ToClient, HELD_AFTER);
        client.must(&["REPLICAOF", "127.0.0.1", &proxy.port().to_string()]).ok();
        // True if it is the old set.
        let look = |client: &mut Client| {
            let (old, size, still) = (client.cmd(&["GET", "old"]), client.cmd(&["DBSIZE"]), client.cmd(&["GET", "old"]));
            // Redis in koltso's place answers LOADING to DBSIZE, but serves GET.
            match (&old, &size) {
                _ if old != still => assert!(still.is_null(), "the old set is back"),
                (Value::Bulk(_), Value::Int(size)) => assert_eq!(*size, 1, "a mixture of old and new"),
                (Value::NullBulk, Value::Int(size)) => assert_eq!(*size, 40_000, "a part of the new set"),
                _ => assert!(!kind.is_koltso(), "GET {old:?}, DBSIZE {size:?}"),
            }
            !still.is_null()
        };
        eventually("the transfer is under way", || {
            assert!(look(&mut client), "the new set cannot be there yet");
            let info = client.info("replication");
            must(!proxy.fuse_is_lit() && info.find("master_sync_in_progress") == Some("1"), || format!("{info:?}"))
        });
        // Redis answers between portions of 2 MB only.
        for _ in 0..if kind.is_koltso() { 5 } else { 0 } {
            let info = client.info("replication");
            assert_eq!(info.text("master_sync_in_progress"), "1", "{info:?}");
            assert!(look(&mut client), "the new set cannot be there yet");
        }
        // Slowly, so that it is looked at in the middle.
        proxy.throttle(2_000_000);
        proxy.let_go();
        eventually("the new set is there", || {
            let info = client.info("replication");
            look(&mut client);
            must(info.text("master_link_status") == "up", || format!("{info:?}"))
        });
        assert_same(&primary, &replica);
    });
}

#[test]
fn masterauth_and_masteruser() {
    with_cores(|kind| {
        let acl = "requirepass default-secret\nuser repl on >repl-secret +psync +replconf +ping\n";
        let primary = Server::with(Kind::Redis).text(acl).start();
        let mut client = primary.client();
        client.must(&["AUTH", "default-secret"]).ok();
        client.must(&["SET", "k", "v"]);
        let start = |auth: &str| Server::with(kind).replica_of(primary.port()).text(auth).start();
        let by_password = start("masterauth default-secret\n");
        let by_user = start("masteruser repl\nmasterauth repl-secret\n");
        for replica in [&by_password, &by_user] {
            wait_link_up(replica);
            assert_eq!(replica.client().must(&["GET", "k"]).text(), "v");
        }
        let none = start("");
        let wrong = start("masterauth wrong\n");
        for (replica, needle) in [(&none, "NOAUTH"), (&wrong, "WRONGPASS")] {
            replica.wait_log(needle);
            assert_eq!(replica.info().text("master_link_status"), "down");
        }
        wrong.client().must(&["CONFIG", "SET", "masterauth", "default-secret"]).ok();
        wait_link_up(&wrong);
        assert_eq!(wrong.client().must(&["GET", "k"]).text(), "v");
    });
}

#[test]
fn a_replica_refuses_writes_in_redis_words() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let replica = Server::with(kind).replica_of(primary.port()).start();
        wait_link_up(&replica);
        let mut client = replica.client();
        let refused = "READONLY You can't write against a read only replica.";
        for command in
            [&["SET", "k", "v"][..], &["DEL", "k"], &["FLUSHALL"], &["MSET", "a", "1", "b", "2"], &["EXPIRE", "k", "1"]]
        {
            assert_eq!(client.cmd(command).error(), refused, "{command:?}");
        }
        client.must(&["MULTI"]).ok();
        assert_eq!(client.cmd(&["SET", "k", "v"]).error(), refused);
        assert!(client.cmd(&["EXEC"]).error().starts_with("EXECABORT"));
        assert!(client.cmd(&["WAIT", "1", "10"]).error().contains("WAIT cannot be used with replica instances"));
        client.must(&["CONFIG", "SET", "replica-read-only", "no"]).ok();
        client.must(&["SET", "local", "v"]).ok();
        assert_eq!(client.info("replication").text("slave_read_only"), "0");
        assert_eq!(client.must(&["CONFIG", "GET", "slave-read-only"]).items()[1].text(), "no");
    });
}

#[test]
fn stale_data_are_served_or_refused_as_configured() {
    with_cores(|kind| {
        let mut primary = Server::start(Kind::Redis);
        primary.client().must(&["SET", "k", "v"]);
        let replica = Server::with(kind).replica_of(primary.port()).start();
        wait_link_up(&replica);
        primary.kill();
        wait_link_down(&replica);
        let mut client = replica.client();
        assert_eq!(client.must(&["GET", "k"]).text(), "v");
        assert!(client.info("replication").int("master_link_down_since_seconds") >= 0);
        client.must(&["CONFIG", "SET", "replica-serve-stale-data", "no"]).ok();
        let refused = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
        assert_eq!(client.cmd(&["GET", "k"]).error(), refused);
        assert_eq!(client.cmd(&["PING"]).error(), refused);
        client.must(&["INFO"]);
        client.must(&["ROLE"]);
        client.must(&["CONFIG", "SET", "slave-serve-stale-data", "yes"]).ok();
        assert_eq!(client.must(&["GET", "k"]).text(), "v");
    });
}

#[test]
fn expiry_is_the_primarys_business() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let replica = Server::with(kind).replica_of(primary.port()).start();
        wait_online(&primary, 1);
        let mut client = primary.client();
        client.must(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]).ok();
        client.must(&["SET", "short", "v", "PX", "50"]);
        assert_eq!(client.must(&["WAIT", "1", "0"]).int(), 1);
        let mut below = replica.client();
        eventually("it looks expired on the replica", || {
            let value = below.must(&["GET", "short"]);
            must(value.is_null(), || format!("{value:?}"))
        });
        // Hidden but not deleted: a replica deletes nothing by itself.
        assert_eq!(below.must(&["DBSIZE"]).int(), 1);
        client.must(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]).ok();
        // The primary looks for expired keys when it likes; only then does the replica lose this one.
        eventually("it is gone from both", || {
            let left = [&mut client, &mut below].map(|client| client.must(&["DBSIZE"]).int());
            must(left == [0, 0], || format!("{left:?}"))
        });
        assert_same(&primary, &replica);
    });
}

#[test]
fn a_half_received_transaction_is_not_visible() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let proxy = Proxy::to(primary.port());
        let replica = Server::with(kind).replica_of(proxy.port()).start();
        wait_online(&primary, 1);
        let mut client = primary.client();
        client.must(&["SET", "start", "1"]);
        assert_eq!(client.must(&["WAIT", "1", "0"]).int(), 1);
        let before = replica.info().int("slave_repl_offset");
        // The transaction needs a second to pass, so its first half is there long before its EXEC.
        proxy.throttle(100_000);
        client.must(&["MULTI"]).ok();
        for i in 0..100 {
            client.must(&["SET", &format!("t:{i}"), &"x".repeat(1000)]);
        }
        client.must(&["EXEC"]);
        let mut below = replica.client();
        eventually("the transaction is applied", || {
            let size = below.must(&["DBSIZE"]).int();
            assert!(size == 1 || size == 101, "{size} keys: a part of the transaction");
            must(size == 101, || format!("{size} keys"))
        });
        proxy.throttle(0);
        assert_same(&primary, &replica);
        assert!(replica.info().int("slave_repl_offset") > before + 100_000);
    });
}

#[test]
fn info_and_role_of_a_replica_in_redis_words() {
    with_cores(|kind| {
        // Nothing moves the offsets between two questions.
        let primary = Server::with(Kind::Redis).set("repl-ping-replica-period", 3600).start();
        let [replica, model] = [kind, Kind::Redis].map(|kind| Server::with(kind).replica_of(primary.port()).start());
        wait_online(&primary, 2);
        wait_link_up(&replica);
        wait_link_up(&model);
        let names = |server: &Server| {
            let text = server.client().must(&["INFO", "replication"]).text();
            text.lines().map(|line| line.split(':').next().unwrap().to_string()).collect::<Vec<_>>()
        };
        // What is ours comes behind what is Redis's.
        let ours = ["repl_log_bytes_per_second", "repl_away_seconds_max"].map(str::to_string);
        assert_eq!(names(&replica), [&names(&model)[..], &ours].concat());
        assert_same(&primary, &replica);
        let (mine, theirs) = (replica.info(), primary.info());
        for field in ["master_replid", "master_repl_offset"] {
            assert_eq!(mine.text(field), theirs.text(field));
        }
        let role = replica.client().must(&["ROLE"]).items();
        let words: Vec<String> = [0, 1, 3].iter().map(|at| role[*at].text()).collect();
        assert_eq!(words, ["slave", "127.0.0.1", "connected"]);
        assert_eq!(role[2].int(), primary.port() as i64);
        assert_eq!(role[4].int(), mine.int("slave_repl_offset"));
    });
}

#[test]
fn the_stream_goes_on_after_a_script_that_was_slow() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let replica = Server::with(kind).set("busy-reply-threshold", 20).replica_of(primary.port()).start();
        wait_link_up(&replica);
        let mut asks = replica.client();
        let mut client = primary.client();
        let mut other = replica.client();
        slow_script::run(&mut asks, "EVAL_RO", "return 1", || {
            let reply = other.cmd(&["GET", "key"]);
            client.must(&["SET", "key", "written meanwhile"]).ok();
            must(reply.is_error(), || format!("{reply:?}"))
        });
        assert_eq!(asks.read().expect("its answer").int(), 1);
        eventually("what was written meanwhile is there", || {
            let found = other.cmd(&["GET", "key"]);
            if found == Value::Bulk("written meanwhile".into()) { Ok(()) } else { Err(format!("{found:?}")) }
        });
    });
}
