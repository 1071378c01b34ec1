//! RDB files: what koltso writes, redis-server loads, and the other way round; restarts; damaged files; a full disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use koltso_tests::cli::run;
use koltso_tests::disk::SmallDisk;
use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{assert_equal_data, picture};
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Seed, Server, Value, dataset, eventually, with_cores};

fn dump(server: &Server) -> PathBuf {
    server.dir().join("dump.rdb")
}

/// BGSAVE, and waits for its end.
#[track_caller]
fn background_save(client: &mut Client) {
    let reply = client.must(&["BGSAVE"]).text();
    assert_eq!(reply, "Background saving started");
    eventually("the background save ends", || {
        let info = client.info("persistence");
        must(info.int("rdb_bgsave_in_progress") == 0, || format!("{info:?}"))
    });
}

/// A server of `kind` that was started on a copy of `file`.
#[track_caller]
fn load(kind: Kind, file: &Path) -> Server {
    let mut server = Server::start(kind);
    server.kill();
    fs::copy(file, dump(&server)).unwrap();
    server.restart();
    server
}

#[test]
fn saved_files_pass_the_checker_and_load_in_redis() {
    let mut seed = Seed::fresh("saved_files");
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        dataset::fill(&mut client, &mut seed, 30);
        for how in ["SAVE", "BGSAVE"] {
            fs::remove_file(dump(&server)).ok();
            if how == "SAVE" {
                client.must(&["SAVE"]).ok()
            } else {
                background_save(&mut client)
            }
            let check = run("redis-check-rdb", &[dump(&server).to_str().unwrap()]);
            assert!(check.status.success() && check.out.contains("RDB looks OK"), "{how}: {check:?}");
            assert_equal_data(&server, &load(Kind::Redis, &dump(&server)));
        }
        assert_eq!(client.info("persistence").int("rdb_changes_since_last_save"), 0);
        assert_eq!(client.info("persistence").text("rdb_last_bgsave_status"), "ok");
        let left: Vec<_> = fs::read_dir(server.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("temp")), "{left:?}");
    });
}

#[test]
fn files_of_redis_load_whatever_the_encoding() {
    let mut seed = Seed::fresh("files_of_redis");
    for text in ["", dataset::COMPACT_LIMITS, dataset::NO_COMPACT, "rdbcompression no\n", "rdbchecksum no\n"] {
        let redis = Server::with(Kind::Redis).text(text).start();
        dataset::fill(&mut redis.client(), &mut seed, 30);
        redis.client().must(&["SAVE"]).ok();
        with_cores(|kind| assert_equal_data(&redis, &load(kind, &dump(&redis))));
    }
}

#[test]
fn a_restart_keeps_what_was_saved() {
    let mut seed = Seed::fresh("restart");
    with_cores(|kind| {
        let mut server = Server::start(kind);
        dataset::fill(&mut server.client(), &mut seed, 20);
        server.client().must(&["SAVE"]).ok();
        let saved = picture(&server);
        server.client().must(&["SET", "not", "saved"]).ok();
        server.restart();
        assert_eq!(picture(&server), saved);
        server.client().must(&["SET", "saved", "at shutdown"]).ok();
        server.client().send_raw(b"SHUTDOWN SAVE\r\n").unwrap();
        assert!(server.wait_exit().success());
        server.restart();
        assert_eq!(server.client().must(&["GET", "saved"]).text(), "at shutdown");
        server.client().must(&["DEBUG", "RELOAD"]).ok();
        assert_eq!(server.client().must(&["GET", "saved"]).text(), "at shutdown");
    });
}

#[test]
fn a_sigterm_saves_where_save_points_are_set() {
    with_cores(|kind| {
        let mut server = Server::with(kind).set("save", "3600 1000000").start();
        server.client().must(&["SET", "k", "v"]).ok();
        assert!(server.terminate().success());
        server.restart();
        assert_eq!(server.client().must(&["GET", "k"]).text(), "v");
    });
}

#[test]
fn save_points_save_by_themselves() {
    with_cores(|kind| {
        let server = Server::with(kind).set("save", "1 10").start();
        let mut client = server.client();
        // At once: the save may come as soon as there are ten.
        let names: Vec<String> = (0..20).map(|i| format!("k:{i}")).collect();
        let pairs = names.iter().flat_map(|name| [name.as_str(), "v"]);
        client.must(&["MSET"].into_iter().chain(pairs).collect::<Vec<_>>()).ok();
        eventually("the file is written", || must(dump(&server).exists(), || "no file".into()));
        assert_equal_data(&server, &load(Kind::Redis, &dump(&server)));
    });
}

#[test]
fn a_save_under_load_is_a_point_in_time() {
    let seed = Seed::fresh("save_under_load");
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        dataset::bulk(&mut client, 20_000, 64);
        let load_ = Load::start(Spec { flushes: true, dbs: vec![1, 9], ..Spec::of(&server) }, &seed);
        // Pairs that are only ever written together: a file with unequal ones was not cut at one point.
        let pairs = std::thread::spawn({
            let mut client = server.client();
            move || {
                for i in 0..3000 {
                    let value = i.to_string();
                    client.must(&["MSET", "pair:a", &value, "pair:bb", &value, "pair:ccc", &value]).ok();
                }
            }
        });
        for _ in 0..5 {
            background_save(&mut client);
            let loaded = load(Kind::Redis, &dump(&server));
            let pair = loaded.client().must(&["MGET", "pair:a", "pair:bb", "pair:ccc"]).items();
            assert!(pair[0] == pair[1] && pair[1] == pair[2], "{pair:?}");
            assert_eq!(loaded.client().must(&["GET", "bulk:19999"]).text(), format!("{:064}", 19_999));
        }
        pairs.join().unwrap();
        load_.stop().assert_kept(&server);
    });
}

#[test]
fn expired_keys_are_not_loaded_and_deadlines_survive() {
    with_cores(|kind| {
        let mut server = Server::start(kind);
        let mut client = server.client();
        client.must(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]).ok();
        client.must(&["SET", "short", "v", "PX", "300"]).ok();
        client.must(&["SET", "long", "v", "PXAT", "33177117420123"]).ok();
        client.must(&["SAVE"]).ok();
        eventually("it has expired", || must(client.must(&["GET", "short"]).is_null(), || "not yet".into()));
        server.restart();
        let mut client = server.client();
        assert_eq!(client.must(&["DBSIZE"]).int(), 1);
        assert_eq!(client.must(&["PEXPIRETIME", "long"]).int(), 33177117420123);
    });
}

#[test]
fn damaged_files_are_refused_clearly_and_left_alone() {
    let mut seed = Seed::fresh("damaged");
    let redis = Server::start(Kind::Redis);
    dataset::fill(&mut redis.client(), &mut seed, 3);
    redis.client().must(&["SAVE"]).ok();
    let whole = fs::read(dump(&redis)).unwrap();
    let mut cases: Vec<(&str, Vec<u8>)> = vec![
        ("not an RDB file", b"hello, this is not a database at all".to_vec()),
        ("a version nobody knows", [b"REDIS9999".as_slice(), &whole[9..]].concat()),
        ("cut in its header", whole[..5].to_vec()),
        ("without its end", whole[..whole.len() - 9].to_vec()),
        ("without half of its checksum", whole[..whole.len() - 4].to_vec()),
        ("an unknown type", [&whole[..whole.len() - 9], b"\x63\x01k\x01v\xff12345678"].concat()),
    ];
    for _ in 0..3 {
        let at = 9 + seed.below(whole.len() as u64 - 18) as usize;
        cases.push(("cut anywhere", whole[..at].to_vec()));
        let mut garbled = whole.clone();
        garbled[at] ^= 0x55;
        cases.push(("one byte garbled", garbled));
    }
    with_cores(|kind| {
        let mut server = Server::start(kind);
        for (what, bytes) in &cases {
            server.kill();
            fs::write(dump(&server), bytes).unwrap();
            let log_before = server.log().len();
            let status = server.relaunch_to_fail();
            assert!(!status.success() && status.code().is_some(), "{what}: {status}\n{}", server.log_tail());
            let said = server.log()[log_before..].to_string();
            // Redis tells some of these to a pipe of its own checker.
            assert!(!kind.is_koltso() || said.contains("dump.rdb"), "{what}: the file is not named\n{said}");
            assert!(!said.contains("panicked"), "{what}\n{said}");
            assert_eq!(fs::read(dump(&server)).unwrap(), *bytes, "{what}: the file was touched");
        }
        fs::write(dump(&server), &whole).unwrap();
        server.restart();
        assert_equal_data(&redis, &server);
    });
}

#[test]
fn a_full_disk_fails_the_save_and_nothing_else() {
    with_cores(|kind| {
        let Some(disk) = SmallDisk::mount(2048) else { return };
        let path = disk.0.to_str().unwrap().to_string();
        let server = Server::with(kind).set("save", "3600 1000000").args(&["--dir", &path]).start();
        let mut client = server.client();
        client.must(&["SET", "small", "v"]).ok();
        client.must(&["SAVE"]).ok();
        let good = fs::read(disk.0.join("dump.rdb")).unwrap();
        let mut seed = Seed::fresh("full_disk");
        client.must(&[b"SET".as_slice(), b"big", &seed.bytes(5_000_000)]).ok();

        assert!(client.cmd(&["SAVE"]).is_error());
        background_save(&mut client);
        assert_eq!(client.info("persistence").text("rdb_last_bgsave_status"), "err");
        let left: Vec<String> =
            fs::read_dir(&disk.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(left, ["dump.rdb"], "a temporary file was left");
        assert_eq!(fs::read(disk.0.join("dump.rdb")).unwrap(), good, "the old file was harmed");
        let log = server.log();
        assert!(log.contains("No space left on device"), "{}", server.log_tail());

        // Save points are set, so writes stop until a save succeeds, or until that is switched off.
        assert!(client.cmd(&["SET", "k", "v"]).error().starts_with("MISCONF"));
        assert_eq!(client.must(&["GET", "small"]).text(), "v");
        client.must(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]).ok();
        client.must(&["SET", "k", "v"]).ok();
        client.must(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "yes"]).ok();
        assert!(client.cmd(&["DEL", "big"]).error().starts_with("MISCONF"));
        client.must(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]).ok();
        client.must(&["DEL", "big"]);
        background_save(&mut client);
        client.must(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "yes"]).ok();
        client.must(&["SET", "k", "w"]).ok();
    });
}

#[test]
fn a_kill_during_a_save_leaves_the_old_file_or_the_new_one() {
    let mut seed = Seed::fresh("kill_during_save");
    with_cores(|kind| {
        let mut server = Server::start(kind);
        let mut client = server.client();
        dataset::bulk(&mut client, 50_000, 100);
        client.must(&["SET", "generation", "0"]).ok();
        client.must(&["SAVE"]).ok();
        let mut last = 0;
        for generation in 1..=6 {
            let mut client = server.client();
            client.must(&["SET", "generation", &generation.to_string()]).ok();
            client.must(&["BGSAVE"]);
            // Any moment will do: what matters is that they are spread over the save.
            std::thread::sleep(Duration::from_millis(seed.below(120)));
            server.restart();
            let mut client = server.client();
            let found: i32 = client.must(&["GET", "generation"]).text().parse().unwrap();
            // With redis in koltso's place, the saving child outlives its parent and may end a generation later.
            assert!(
                if kind.is_koltso() { found == last || found == generation } else { found >= last },
                "generation {found} after {last}, while saving {generation}"
            );
            assert_eq!(client.must(&["DBSIZE"]).int(), 50_001);
            last = found;
        }
    });
}

#[test]
fn saves_are_counted_when_they_begin() {
    let check = |kind| {
        let server = Server::with(kind).set("dbfilename", "taken.rdb").start();
        let mut client = server.client();
        let saves = || server.client().info("persistence").int("rdb_saves");
        assert_eq!(saves(), 0);
        client.must(&["SAVE"]);
        assert_eq!(saves(), 1);
        background_save(&mut client);
        assert_eq!(saves(), 2);
        client.must(&["DEBUG", "RELOAD"]);
        assert_eq!(saves(), 2, "nobody asked for that one");
        fs::remove_file(server.dir().join("taken.rdb")).unwrap();
        fs::create_dir(server.dir().join("taken.rdb")).unwrap();
        assert!(client.cmd(&["SAVE"]).is_error());
        assert_eq!(saves(), 3, "one that fails has begun");
        client.must(&["CONFIG", "RESETSTAT"]);
        assert_eq!(saves(), 0);
        background_save(&mut client);
        assert_eq!(saves(), 1);
        assert_eq!(client.info("persistence").text("rdb_last_bgsave_status"), "err");
    };
    check(Kind::Redis);
    with_cores(check);
}

#[test]
fn concurrent_saves_are_refused_in_redis_words() {
    with_cores(|kind| {
        let (mut client, replies, _server) = eventually("no save ends before all have been asked for", || {
            let server = Server::start(kind);
            let mut client = server.client();
            dataset::bulk(&mut client, 100_000, 100);
            let replies = client.pipeline(&[vec!["BGSAVE"], vec!["BGSAVE"], vec!["SAVE"]]);
            let ended = client.info("persistence").int("rdb_last_bgsave_time_sec") != -1;
            must(!ended, || "one has ended".into())?;
            Ok((client, replies, server))
        });
        assert_eq!(replies[0], Value::Simple("Background saving started".into()));
        for reply in &replies[1..] {
            assert_eq!(reply.error(), "ERR Background save already in progress");
        }
        let last = client.must(&["LASTSAVE"]).int();
        assert!(last > 1_600_000_000);
    });
}

#[test]
fn reload_keeps_merges_and_leaves_as_it_is_told() {
    let pictures = |kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let mut steps = Vec::new();
        let mut step = |client: &mut Client, options: &[&str]| {
            let request: Vec<&str> = ["DEBUG", "RELOAD"].iter().chain(options).copied().collect();
            let reply = client.cmd(&request);
            steps.push((options.join(" "), format!("{reply:?}"), picture(&server)));
        };
        for i in 0..50 {
            client.must(&["SET", &format!("s:{i}"), "saved"]);
            client.must(&["RPUSH", &format!("l:{i}"), "a", "b"]);
        }
        client.must(&["SAVE"]).ok();
        client.must(&["DEL", "s:1", "l:1"]);
        client.must(&["SET", "s:2", "changed"]);
        client.must(&["SET", "new", "x"]);
        step(&mut client, &["NOSAVE", "NOFLUSH", "MERGE"]);
        client.must(&["SET", "s:3", "changed"]);
        step(&mut client, &["NOSAVE", "MERGE"]);
        client.must(&["SET", "s:3", "changed"]);
        step(&mut client, &["NOFLUSH", "MERGE"]);
        step(&mut client, &["MERGE"]);
        step(&mut client, &[]);
        client.must(&["FLUSHALL"]);
        client.must(&["SET", "other", "x"]);
        step(&mut client, &["NOSAVE", "NOFLUSH"]);
        step(&mut client, &["NONSENSE"]);
        (server, steps)
    };
    let (_redis, expected) = pictures(Kind::Redis);
    with_cores(|kind| {
        let (server, steps) = pictures(kind);
        for (step, expected) in steps.iter().zip(&expected) {
            assert_eq!(step, expected);
        }
        // Where redis-server gives up altogether, nothing is lost here.
        let mut client = server.client();
        let before = picture(&server);
        assert!(client.cmd(&["DEBUG", "RELOAD", "NOSAVE", "NOFLUSH"]).is_error());
        assert_eq!(picture(&server), before);
    });
}
