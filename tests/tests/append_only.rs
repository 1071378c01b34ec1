//! The append-only file: what was acknowledged survives a kill, Redis reads what koltso writes and the other way round, torn ends
//! are cut off, and damage is refused without harm.

use std::fs;
use std::time::Duration;

use koltso_tests::append_only::{SEGMENT, files, folder, last_file, on_copy_of, wait_no_rewrite, wait_on_disk, write_folder};
use koltso_tests::disk::SmallDisk;
use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{assert_equal_data, picture, wait_caught_up, wait_link_up};
use koltso_tests::wait::{DISK_DEADLINE, eventually_for, must};
use koltso_tests::{Client, Kind, Seed, Server, Value, dataset, eventually, with_cores};

#[track_caller]
fn start(kind: Kind, fsync: &str) -> Server {
    Server::with(kind).set("appendonly", "yes").set("appendfsync", fsync).start()
}

/// A server of `kind` on a copy of the folder of another.
#[track_caller]
fn start_on_copy(kind: Kind, of: &Server) -> Server {
    on_copy_of(start(kind, "everysec"), of)
}

#[track_caller]
fn wait_rewritten(client: &mut Client) {
    wait_no_rewrite(client);
    assert_eq!(client.info("persistence").text("aof_last_bgrewrite_status"), "ok");
}

#[track_caller]
fn rewrite(client: &mut Client) {
    assert_eq!(client.must(&["BGREWRITEAOF"]).text(), "Background append only file rewriting started");
    wait_rewritten(client);
}

#[test]
fn every_type_survives_a_kill_and_is_read_by_redis() {
    let mut seed = Seed::fresh("append_only_types");
    with_cores(|kind| {
        let mut server = start(kind, "everysec");
        let mut client = server.client();
        for scale in [10, 20] {
            dataset::fill(&mut client, &mut seed, scale);
            client.must(&["FUNCTION", "FLUSH"]).ok();
            client.must(&["FUNCTION", "LOAD", "#!lua name=a\nredis.register_function('f', function() return 1 end)"]);
            client.must(&["MULTI"]).ok();
            client.must(&["SET", "{in}a", "1"]);
            client.must(&["SELECT", "5"]);
            client.must(&["MSET", "x", "1", "y", "2", "z", "3"]);
            client.must(&["EXEC"]);
            client.must(&["SELECT", "0"]).ok();
            client.must(&["SET", "{in}b", "1"]).ok();
            client.must(&["DEL", "no such key"]);
            wait_on_disk(&mut client);
            let before = picture(&server);
            server.kill();
            assert_equal_data_of(&before, &start_on_copy(Kind::Redis, &server));
            assert_equal_data_of(&before, &start_on_copy(Kind::Koltso { cores: 2 }, &server));
            server.restart();
            assert_equal_data_of(&before, &server);
            client = server.client();
            rewrite(&mut client);
            client.must(&["SET", "after", "rewrite"]).ok();
            wait_on_disk(&mut client);
            assert_eq!(files(&server).len(), 2, "a base and what happened since");
            assert_equal_data(&server, &start_on_copy(Kind::Redis, &server));
        }
    });
}

#[track_caller]
fn assert_equal_data_of(before: &koltso_tests::oracle::Picture, server: &Server) {
    assert_eq!(before, &picture(server), "{}", server.log_tail());
}

#[test]
fn a_folder_of_redis_is_read() {
    let mut seed = Seed::fresh("append_only_of_redis");
    for text in ["", "aof-use-rdb-preamble no\n", "aof-timestamp-enabled yes\n"] {
        let redis = Server::with(Kind::Redis).set("appendonly", "yes").set("appendfsync", "always").text(text).start();
        let mut client = redis.client();
        dataset::fill(&mut client, &mut seed, 20);
        for round in ["1", "2"] {
            rewrite(&mut client);
            client.must(&["MULTI"]).ok();
            client.must(&["INCR", "counter"]);
            client.must(&["LPUSH", "list", round]);
            client.must(&["EXEC"]);
            client.must(&["XADD", "stream", "*", "round", round]);
            client.must(&["SET", "deadline", "v", "EX", "1000"]).ok();
            with_cores(|kind| {
                let mut koltso = start_on_copy(kind, &redis);
                assert_equal_data(&redis, &koltso);
                // And what koltso goes on with is read by Redis in turn.
                let mut client = koltso.client();
                client.must(&["SET", "by koltso", round]).ok();
                wait_on_disk(&mut client);
                koltso.kill();
                let again = start_on_copy(Kind::Redis, &koltso);
                koltso.restart();
                assert_equal_data(&koltso, &again);
            });
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let seed = Seed::fresh("append_only_kill");
    with_cores(|kind| {
        let mut server = start(kind, "always");
        for round in 0..3 {
            server.client().must(&["FLUSHALL"]).ok();
            // Those who write at the same time share a sync.
            let spec = Spec { writers: 20, pace: Duration::from_micros(50), ..Spec::of(&server) };
            let load = Load::start(spec, &seed.part(round));
            load.wait_more(150);
            server.client().must(&["BGREWRITEAOF"]);
            load.wait_more(150);
            server.kill();
            let ledger = load.stop();
            server.restart();
            ledger.assert_kept(&server);
            assert_equal_data(&server, &start_on_copy(Kind::Redis, &server));
        }
    });
}

#[test]
fn with_always_no_reply_is_sent_before_the_disk_has_what_it_stands_for() {
    with_cores(|kind| {
        let server = start(kind, "always");
        let mut client = server.client();
        for i in 0..100 {
            client.must(&["INCR", &format!("counter:{}", i % 7)]);
            // A copy of the folder is what a kill at this moment would leave.
            if i % 20 == 0 {
                let found = fs::read(last_file(&server)).unwrap();
                let key = format!("counter:{}", i % 7);
                let times = String::from_utf8_lossy(&found).matches(&key).count();
                assert_eq!(times, i / 7 + 1, "{i}");
            }
        }
        // Pipelines, and transactions over several cores.
        let commands: Vec<Vec<String>> = (0..1000).map(|i| vec!["SET".to_string(), format!("p:{i}"), i.to_string()]).collect();
        client.pipeline(&commands).iter().for_each(|reply| reply.ok());
        client.must(&["MULTI"]).ok();
        client.must(&["MSET", "a", "1", "b", "2", "c", "3"]);
        client.must(&["EXEC"]);
        client.must(&["CONFIG", "SET", "appendfsync", "everysec"]).ok();
        client.must(&["SET", "d", "4"]).ok();
        client.must(&["CONFIG", "SET", "appendfsync", "always"]).ok();
        client.must(&["SET", "e", "5"]).ok();
        assert_eq!(client.must(&["GET", "e"]).text(), "5");
        client.must(&["CONFIG", "SET", "appendonly", "no"]).ok();
        client.must(&["SET", "f", "6"]).ok();
    });
}

/// What is there of [`SEGMENT`] when so much of it is whole.
fn keys_of(cut: usize) -> usize {
    let end_of = |text: &str| SEGMENT.find(text).unwrap() + text.len();
    let ends = [(end_of("$2\r\n12\r\n"), 1), (end_of("EXEC\r\n"), 3), (SEGMENT.len(), 4)];
    ends.iter().rev().find(|(end, _)| cut >= *end).map_or(0, |(_, keys)| *keys)
}

#[test]
fn a_torn_end_is_cut_off_wherever_it_is_torn() {
    with_cores(|kind| {
        let mut server = Server::start(kind);
        let mut client = server.client();
        client.must(&["SELECT", "1"]).ok();
        let whole = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$5\r\nfirst\r\n$1\r\n1\r\n";
        for cut in 0..=SEGMENT.len() {
            write_folder(&server, &[whole, &SEGMENT.as_bytes()[..cut]]);
            client.must(&["DEBUG", "LOADAOF"]).ok();
            assert_eq!(client.must(&["DBSIZE"]).int() as usize, keys_of(cut), "cut at {cut}");
            let left = fs::read(last_file(&server)).unwrap();
            assert!(SEGMENT.as_bytes().starts_with(&left));
            // What is left loads again, and in Redis.
            client.must(&["DEBUG", "LOADAOF"]).ok();
            assert_eq!(client.must(&["DBSIZE"]).int() as usize, keys_of(cut), "cut at {cut}, again");
        }
        server.configure("appendonly yes");
        for cut in [0, 1, 30, 60, 100, SEGMENT.len() - 1, SEGMENT.len()] {
            server.kill();
            fs::remove_dir_all(folder(&server)).unwrap();
            write_folder(&server, &[whole, &SEGMENT.as_bytes()[..cut]]);
            server.restart();
            let mut client = server.client();
            client.must(&["SELECT", "1"]).ok();
            assert_eq!(client.must(&["DBSIZE"]).int() as usize, keys_of(cut), "cut at {cut}");
            client.must(&["SET", "more", "1"]).ok();
            wait_on_disk(&mut client);
            assert_equal_data(&server, &start_on_copy(Kind::Redis, &server));
        }
    });
}

#[test]
fn what_is_wrong_is_refused_with_its_place_and_nothing_is_changed() {
    with_cores(|kind| {
        let mut server = Server::with(kind).set("appendonly", "yes").start();
        server.kill();
        fs::remove_dir_all(folder(&server)).unwrap();
        let set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
        let refused: &[(&[&str], &str)] = &[
            (&[&format!("{set}xyz{set}")], "at offset 27"),
            (&[&format!("{set}*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$2\r\n1\r\n{set}")], "at offset 27"),
            (&[&format!("{set}*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$9000\r\n1\r\n{set}{set}")], "offset 27"),
            (&[&format!("{set}*1\r\n$7\r\nNOTHING\r\n")], "unknown command 'NOTHING'"),
            (&[&format!("{set}*2\r\n$6\r\nSELECT\r\n$4\r\n9999\r\n")], "at offset 27"),
            (&[&set[..20], set], "the truncated file is not the last file"),
            (&[&format!("*1\r\n$5\r\nMULTI\r\n{set}"), set], "the truncated file is not the last file"),
        ];
        for (segments, why) in refused {
            let segments: Vec<&[u8]> = segments.iter().map(|text| text.as_bytes()).collect();
            write_folder(&server, &segments);
            let logged = server.log().len();
            assert!(!server.relaunch_to_fail().success());
            let log = server.log();
            assert!(log[logged..].contains(why), "{why}:\n{}", &log[logged..]);
            for (nth, segment) in segments.iter().enumerate() {
                assert_eq!(&fs::read(folder(&server).join(format!("{nth}.incr.aof"))).unwrap(), segment);
            }
        }
        // A file that is missing, a manifest that lies, a torn end where that is not allowed.
        fs::remove_file(folder(&server).join("0.incr.aof")).unwrap();
        assert!(!server.relaunch_to_fail().success());
        fs::write(folder(&server).join("appendonly.aof.manifest"), "file ../x seq 1 type b\n").unwrap();
        assert!(!server.relaunch_to_fail().success());
        write_folder(&server, &[&set.as_bytes()[..20]]);
        server.configure("aof-load-truncated no");
        assert!(!server.relaunch_to_fail().success());
        assert_eq!(fs::read(last_file(&server)).unwrap().len(), 20);
        // A damaged base.
        fs::write(folder(&server).join("appendonly.aof.manifest"), "file base seq 1 type b\n").unwrap();
        fs::write(folder(&server).join("base"), "REDIS0010garbage").unwrap();
        assert!(!server.relaunch_to_fail().success());
    });
}

#[test]
fn rewriting_by_itself_under_load_loses_nothing() {
    let seed = Seed::fresh("append_only_rewrite");
    with_cores(|kind| {
        let mut server = start(kind, "everysec");
        let mut client = server.client();
        client.must(&["CONFIG", "SET", "auto-aof-rewrite-min-size", "100kb", "auto-aof-rewrite-percentage", "50"]).ok();
        let load = Load::start(Spec::of(&server), &seed);
        eventually_for(2 * DISK_DEADLINE, "it was rewritten twice", || {
            let info = client.info("persistence");
            must(info.int("aof_rewrites") >= 3, || format!("{info:?}"))
        });
        client.must(&["CONFIG", "SET", "auto-aof-rewrite-percentage", "0"]).ok();
        let ledger = load.stop();
        wait_rewritten(&mut client);
        wait_on_disk(&mut client);
        let before = picture(&server);
        server.kill();
        let on_disk: Vec<_> = fs::read_dir(folder(&server)).unwrap().map(|file| file.unwrap().path()).collect();
        let (times, others): (Vec<_>, Vec<_>) =
            on_disk.iter().partition(|path| path.extension().is_some_and(|end| end == "times"));
        assert_eq!(others.len(), files(&server).len() + 1, "old files are left: {on_disk:?}");
        assert!(times.iter().all(|path| path.with_extension("").exists()), "old times are left: {on_disk:?}");
        server.restart();
        ledger.assert_kept(&server);
        assert_equal_data_of(&before, &server);
    });
}

#[test]
fn a_replica_of_redis_keeps_what_it_has_on_disk() {
    let seed = Seed::fresh("append_only_replica");
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        primary.client().must(&["SET", "before", "1"]).ok();
        let mut replica = Server::with(kind).set("appendonly", "yes").start();
        let mut client = replica.client();
        client.must(&["SET", "lost", "1"]).ok();
        client.must(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).ok();
        wait_link_up(&replica);
        let load = Load::start(Spec { flushes: true, ..Spec::of(&primary) }, &seed);
        load.wait_more(2000);
        wait_rewritten(&mut client);
        rewrite(&mut client);
        load.wait_more(2000);
        load.stop();
        wait_caught_up(&mut primary.client(), &mut client);
        wait_rewritten(&mut client);
        let end = client.info("replication").int("master_repl_offset");
        client.must(&["REPLICAOF", "NO", "ONE"]).ok();
        client.must(&["SET", "own", "1"]).ok();
        assert!(end > 0);
        wait_on_disk(&mut client);
        primary.client().must(&["SET", "own", "1"]).ok();
        let before = picture(&replica);
        replica.kill();
        replica.restart();
        assert_equal_data_of(&before, &replica);
        assert_equal_data(&primary, &replica);
        assert_equal_data(&primary, &start_on_copy(Kind::Redis, &replica));
    });
}

#[test]
fn it_can_be_turned_on_and_off_while_the_node_runs() {
    let mut seed = Seed::fresh("append_only_switch");
    with_cores(|kind| {
        let mut server = Server::start(kind);
        let mut client = server.client();
        dataset::fill(&mut client, &mut seed, 10);
        assert!(client.cmd(&["WAITAOF", "1", "0", "0"]).is_error());
        client.must(&["CONFIG", "SET", "appendonly", "yes"]).ok();
        client.must(&["SET", "meanwhile", "1"]).ok();
        wait_on_disk(&mut client);
        assert_eq!(client.info("persistence").int("aof_enabled"), 1);
        server.kill();
        assert_eq!(start_on_copy(Kind::Redis, &server).client().must(&["GET", "meanwhile"]).text(), "1");
        server.configure("appendonly yes");
        server.restart();
        let mut client = server.client();
        assert_eq!(client.must(&["GET", "meanwhile"]).text(), "1");
        client.must(&["CONFIG", "SET", "appendonly", "no"]).ok();
        client.must(&["SET", "not recorded", "1"]).ok();
        client.must(&["CONFIG", "SET", "appendonly", "yes"]).ok();
        client.must(&["FLUSHALL"]).ok();
        client.must(&["SET", "last", "1"]).ok();
        server.terminate();
        server.restart();
        assert_eq!(server.client().must(&["KEYS", "*"]).items().len(), 1);
    });
}

#[test]
fn an_rdb_file_is_read_where_there_is_no_append_only_file_yet() {
    with_cores(|kind| {
        let mut server = Server::start(kind);
        server.client().must(&["SET", "k", "v"]).ok();
        server.client().must(&["SAVE"]).ok();
        server.kill();
        server.configure("appendonly yes");
        server.restart();
        assert_eq!(server.client().must(&["GET", "k"]).text(), "v");
        fs::remove_file(server.dir().join("dump.rdb")).unwrap();
        server.restart();
        assert_eq!(server.client().must(&["GET", "k"]).text(), "v");
    });
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    with_cores(|kind| {
        for fsync in ["everysec", "always"] {
            let Some(disk) = SmallDisk::mount(2048) else { return };
            let path = disk.0.to_str().unwrap().to_string();
            let server = Server::with(kind).set("appendonly", "yes").set("appendfsync", fsync).args(&["--dir", &path]).start();
            let mut client = server.client();
            client.must(&["SET", "small", "v"]).ok();
            fs::write(disk.0.join("filler"), vec![0; 1 << 20]).unwrap();
            let mut big = server.client();
            let value = Seed::fresh("append_only_full").bytes(1_500_000);
            big.send_raw(&koltso_tests::client::encode(&[b"SET".as_slice(), b"big", &value])).unwrap();
            let mut writer = server.client();
            eventually("writes are refused", || {
                let info = server.info();
                must(info.text("aof_last_write_status") == "err", || format!("{info:?}"))
            });
            let refused = writer.cmd(&["SET", "k", "v"]).error().to_string();
            assert_eq!(refused, "MISCONF Errors writing to the AOF file: No space left on device");
            fs::remove_file(disk.0.join("filler")).unwrap();
            eventually("writes are taken again", || {
                let info = server.info();
                must(info.text("aof_last_write_status") == "ok", || format!("{info:?}"))
            });
            assert_eq!(big.read().unwrap(), Value::Simple("OK".into()));
            writer.must(&["SET", "k", "v"]).ok();
            wait_on_disk(&mut writer);
        }
    });
}

#[test]
fn what_a_rewrite_left_behind_that_was_killed_goes_at_the_next_start() {
    with_cores(|kind| {
        let mut server = start(kind, "everysec");
        server.kill();
        let ours = ["temp-rewriteaof-12-1.rdb", "temp-12-3456.rdb"];
        let not_ours = ["temp-12.rdb", "temp-rewriteaof-12.aof", "temp-a-b.rdb", "other-12-1.rdb", "temp-12-1.rdb.kept"];
        for name in ours.iter().chain(&not_ours) {
            fs::write(folder(&server).join(name), "x").unwrap();
        }
        server.restart();
        let is_there = |name: &&str| folder(&server).join(name).exists();
        assert!(!ours.iter().any(is_there) && not_ours.iter().all(is_there));
    });
}
