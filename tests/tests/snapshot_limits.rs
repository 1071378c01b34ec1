//! What a snapshot may cost while its readers are slow, stuck or gone: memory is bounded, writers and other readers go on, and
//! whoever waits for the next snapshot is not kept waiting.

use std::fs;
use std::time::{Duration, Instant};

use koltso_tests::client::encode;
use koltso_tests::disk::SmallDisk;
use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{assert_same, wait_link_up};
use koltso_tests::raw::{Psync, RawReplica};
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Seed, Server, Value, dataset, eventually, eventually_for};

/// Keys and the length of their values: far more than sockets hold, and than a snapshot may keep in memory.
const KEYS: usize = 120_000;
const VALUE_LEN: usize = 500;
/// What a snapshot may keep in memory, with room for what is on its way between threads.
const MEMORY_MAX: i64 = 32 << 20;
/// Less than repl-timeout, after which a reader that is stuck would go anyway.
const SOON: Duration = Duration::from_secs(50);

fn with_cores(body: impl Fn(Kind)) {
    koltso_tests::with_cores(|kind| {
        if kind.is_koltso() {
            body(kind)
        }
    });
}

/// A primary that holds the data, and cuts off nobody.
fn primary(kind: Kind) -> Server {
    primary_with(kind, "repl-timeout 3600")
}

/// As [`primary`], with more configuration.
fn primary_with(kind: Kind, config: &str) -> Server {
    let server = Server::with(kind).set("client-output-buffer-limit", "replica 0 0 0").text(&format!("{config}\n")).start();
    dataset::bulk(&mut server.client(), KEYS, VALUE_LEN);
    server
}

/// A replica that has begun to receive a full copy, and reads nothing of it.
fn stuck(server: &Server, eof: bool) -> RawReplica {
    let mut replica = RawReplica::connect(server, eof);
    assert!(matches!(replica.psync(None), Psync::Full(..)));
    replica
}

/// A replica that has asked for a full copy, and not looked at the answer.
fn ask_for_copy(server: &Server, eof: bool) -> RawReplica {
    let mut replica = RawReplica::connect(server, eof);
    replica.client.send_raw(&encode(&["PSYNC", "?", "-1"])).unwrap();
    replica
}

/// So many replicas join one cut, however long it takes them to come.
fn begin_with(client: &mut Client, replicas: usize) {
    let enough = replicas.to_string();
    client.must(&["CONFIG", "SET", "repl-diskless-sync-delay", "3600", "repl-diskless-sync-max-replicas", &enough]).ok();
}

/// The next line that is not empty.
fn line(replica: &mut RawReplica) -> String {
    loop {
        let line = replica.client.line().unwrap();
        if !line.is_empty() {
            return String::from_utf8(line).unwrap();
        }
    }
}

/// Writes every key anew.
fn overwrite(client: &mut Client) {
    (0..KEYS).step_by(5000).for_each(|from| overwrite_some(client, from));
}

fn overwrite_some(client: &mut Client, from: usize) {
    let one = |i| vec!["SET".to_string(), format!("bulk:{i}"), format!("new:{i:0$}", VALUE_LEN - 4)];
    let commands: Vec<Vec<String>> = (from..from + 5000).map(one).collect();
    client.pipeline(&commands).iter().for_each(|reply| reply.ok());
}

/// As [`overwrite`], but no faster than what it changes is put aside: there is no bound of memory for a machine that gives the
/// service thread no time.
fn overwrite_gently(client: &mut Client) {
    for from in (0..KEYS).step_by(5000) {
        overwrite_some(client, from);
        eventually_for(SOON, "what was changed is put aside", || {
            let info = client.info("persistence");
            must(info.int("current_cow_size") < MEMORY_MAX * 5 / 8, || format!("{info:?}"))
        });
    }
}

fn digest(client: &mut Client) -> String {
    client.must(&["DEBUG", "DIGEST"]).text()
}

/// The digest that a real server computes of a file.
fn digest_of_file(rdb: &[u8]) -> String {
    let mut server = Server::start(Kind::Redis);
    server.kill();
    fs::write(server.dir().join("dump.rdb"), rdb).unwrap();
    server.restart();
    digest(&mut server.client())
}

/// Waits until no snapshot is under way, and nothing is left of one.
#[track_caller]
fn wait_all_free(server: &Server) {
    let mut client = server.client();
    eventually_for(SOON, "no snapshot is left", || {
        let info = client.info("persistence");
        let fields = ["rdb_bgsave_in_progress", "current_cow_size", "snapshot_spooled_bytes"];
        must(fields.iter().all(|field| info.int(field) == 0), || format!("{info:?}"))
    });
}

#[test]
fn a_stuck_replica_costs_disk_and_not_memory_and_gets_the_data_of_its_cut() {
    with_cores(|kind| {
        let server = primary(kind);
        let mut client = server.client();
        let at_cut = digest(&mut client);
        let mut replica = stuck(&server, true);
        overwrite_gently(&mut client);
        let info = client.info("persistence");
        assert!(info.int("snapshot_spooled_bytes") > 20 << 20, "{info:?}");
        assert!(info.int("current_cow_peak") < MEMORY_MAX, "{info:?}");
        assert_eq!(info.int("rdb_bgsave_in_progress"), 1, "the walk waits for its reader");
        assert_ne!(digest(&mut client), at_cut);
        let transfer = replica.transfer().unwrap();
        assert!(digest_of_file(&transfer.rdb) == at_cut, "the copy is not the data of the cut");
        wait_all_free(&server);
        assert_eq!(client.info("persistence").int("snapshots_given_up"), 0);
    });
}

#[test]
fn a_replica_that_wants_the_length_first_gets_it_while_everything_is_overwritten() {
    with_cores(|kind| {
        let server = primary(kind);
        let mut client = server.client();
        let at_cut = digest(&mut client);
        let mut replica = stuck(&server, false);
        overwrite_gently(&mut client);
        let transfer = replica.transfer().unwrap();
        assert!(!transfer.eof);
        assert!(digest_of_file(&transfer.rdb) == at_cut, "the copy is not the data of the cut");
        assert!(client.info("persistence").int("rdb_last_cow_size") < MEMORY_MAX);
        wait_all_free(&server);
        // Nor does a reader go that takes its time, as long as it is the furthest and nothing presses.
        let at_cut = digest(&mut client);
        let mut slow = stuck(&server, true);
        std::thread::sleep(Duration::from_millis(1500));
        assert!(digest_of_file(&slow.transfer().unwrap().rdb) == at_cut, "the copy is not the data of the cut");
        wait_all_free(&server);
    });
}

#[test]
fn a_stuck_member_delays_none_of_the_others_and_gets_everything_in_the_end() {
    with_cores(|kind| {
        let server = primary(kind);
        let mut client = server.client();
        let at_cut = digest(&mut client);
        begin_with(&mut client, 3);
        let (mut asks, mut wants_len) = (ask_for_copy(&server, true), ask_for_copy(&server, false));
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        let started = Instant::now();
        wait_link_up(&replica);
        assert!(line(&mut wants_len).starts_with("+FULLRESYNC"));
        assert!(digest_of_file(&wants_len.transfer().unwrap().rdb) == at_cut, "the copy is not the data of the cut");
        assert!(started.elapsed() < SOON, "the others have waited: {:?}", started.elapsed());
        let cuts = server.log().matches("for SYNC with target").count();
        assert_eq!(cuts, 1, "they did not share a cut\n{}", server.log_tail());
        overwrite(&mut client);
        assert_same(&server, &replica);
        let info = client.info("persistence");
        assert!(info.int("snapshot_spooled_bytes") > 20 << 20, "{info:?}");
        assert_eq!(info.int("rdb_bgsave_in_progress"), 0, "the snapshot has been taken");
        let answer = line(&mut asks);
        assert!(answer.starts_with("+FULLRESYNC"), "{answer}");
        let transfer = asks.transfer().unwrap();
        assert!(digest_of_file(&transfer.rdb) == at_cut, "the copy is not the data of the cut");
        wait_all_free(&server);
    });
}

#[test]
fn whoever_waits_for_the_next_snapshot_is_not_kept_by_a_stuck_reader_of_this_one() {
    with_cores(|kind| {
        let server = primary(kind);
        let mut client = server.client();
        let stuck = stuck(&server, true);
        // As Redis, which has one child at a time.
        assert_eq!(client.cmd(&["SAVE"]).error(), "ERR Background save already in progress");
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        let started = Instant::now();
        wait_link_up(&replica);
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
        let states: Vec<String> =
            client.info("replication").replicas().iter().map(|replica| replica["state"].clone()).collect();
        assert!(states.contains(&"send_bulk".to_string()), "the stuck one is still served: {states:?}");
        eventually_for(SOON, "a save is possible", || {
            let reply = client.cmd(&["BGSAVE"]);
            let refused = "ERR Background save already in progress";
            must(!reply.is_error(), || format!("{reply:?}")).inspect_err(|_| assert_eq!(reply.error(), refused))
        });
        eventually_for(SOON, "the save is made", || {
            let info = client.info("persistence");
            must(info.int("rdb_bgsave_in_progress") == 0, || format!("{info:?}"))
        });
        assert_eq!(client.info("persistence").text("rdb_last_bgsave_status"), "ok");
        drop(stuck);
        assert_same(&server, &replica);
        wait_all_free(&server);
    });
}

#[test]
fn a_snapshot_ends_when_nobody_is_left_to_read_it() {
    with_cores(|kind| {
        let server = primary(kind);
        let mut client = server.client();
        for eof in [true, false] {
            let replica = stuck(&server, eof);
            overwrite(&mut client);
            drop(replica);
            wait_all_free(&server);
        }
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        wait_link_up(&replica);
        assert_same(&server, &replica);
    });
}

#[test]
fn a_reader_that_reads_nothing_goes_at_the_timeout_and_a_slow_one_stays() {
    with_cores(|kind| {
        let server = primary_with(kind, "repl-timeout 2");
        let started = Instant::now();
        let stuck = stuck(&server, true);
        server.wait_log("it has not read anything for longer than repl-timeout");
        assert!(started.elapsed() > Duration::from_secs(1), "{:?}", started.elapsed());
        wait_all_free(&server);
        drop(stuck);
        // Longer than the timeout in all, but never without a byte for as long.
        let mut client = server.client();
        let at_cut = digest(&mut client);
        let mut slow = RawReplica::connect(&server, false);
        assert!(matches!(slow.psync(None), Psync::Full(..)));
        let header = line(&mut slow);
        let len: usize = header.strip_prefix('$').unwrap().parse().unwrap();
        let (begun, mut rdb) = (Instant::now(), Vec::new());
        while rdb.len() < len {
            let step = (len / 16).min(len - rdb.len());
            rdb.extend(slow.client.exact(step).unwrap());
            std::thread::sleep(Duration::from_millis(250));
        }
        assert!(begun.elapsed() > Duration::from_secs(3), "{:?}", begun.elapsed());
        assert!(digest_of_file(&rdb) == at_cut, "the copy is not the data of the cut");
    });
}

#[test]
fn replicas_that_come_and_go_under_load_leave_nothing_behind() {
    let seed = Seed::fresh("come_and_go");
    with_cores(|kind| {
        let mut seed = seed.part(0);
        let server = primary(kind);
        let load = Load::start(Spec { flushes: true, dbs: vec![1, 9], ..Spec::of(&server) }, &seed);
        load.wait_more(100);
        let files = server.open_files();
        for _ in 0..8 {
            let mut replicas: Vec<RawReplica> = (0..1 + seed.below(3)).map(|_| ask_for_copy(&server, seed.one_in(2))).collect();
            load.wait_more(seed.below(200));
            for replica in &mut replicas {
                // The rest is dropped: before it is answered, in the middle, or at its end.
                let some = seed.below(3_000_000) as usize;
                if seed.one_in(2) {
                    replica.client.exact(some).unwrap();
                }
            }
        }
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        wait_link_up(&replica);
        let ledger = load.stop();
        assert_same(&server, &replica);
        ledger.assert_kept(&replica);
        wait_all_free(&server);
        eventually("sockets and files are closed", || {
            // The replica that is left has one.
            must(server.open_files() <= files + 2, || format!("{} of {files}", server.open_files()))
        });
    });
}

#[test]
fn values_larger_than_what_may_wait_are_copied_whole_and_cost_no_copy() {
    const HUGE: i64 = 290_000_000;
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        client.must(&["SETRANGE", "huge", &(HUGE - 3).to_string(), "end"]);
        client.must(&["SETRANGE", "other", "30000000", "end"]);
        for from in (0..300_000).step_by(10_000) {
            let elements: Vec<String> = (from..from + 10_000).map(|i| format!("element {i}")).collect();
            for command in [&["RPUSH", "list"], &["SADD", "set"]] {
                client.must(&[command.map(String::from).to_vec(), elements.clone()].concat());
            }
        }
        let at_cut = digest(&mut client);
        let before = client.info("memory").int("used_memory");
        let mut stuck = stuck(&server, true);
        // While it is being sent, it is replaced and taken away.
        client.must(&["SET", "huge", "small"]).ok();
        client.must(&["DEL", "other", "set"]);
        client.must(&["LPOP", "list"]);
        assert!(digest_of_file(&stuck.transfer().unwrap().rdb) == at_cut, "the copy is not the data of the cut");
        drop(stuck);
        wait_all_free(&server);
        client.must(&["SETRANGE", "huge", &(HUGE - 3).to_string(), "end"]);
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        wait_link_up(&replica);
        let info = client.info("everything");
        assert!(info.int("rdb_last_cow_size") < MEMORY_MAX, "{info:?}");
        assert!(info.int("used_memory") < before + MEMORY_MAX, "{info:?}");
        assert_same(&server, &replica);
        // Compressed, elsewhere than on the core.
        client.must(&["BGSAVE"]);
        eventually_for(SOON, "the save is made", || {
            let info = client.info("persistence");
            must(info.int("rdb_bgsave_in_progress") == 0, || format!("{info:?}"))
        });
        assert_eq!(client.info("persistence").text("rdb_last_bgsave_status"), "ok");
        let file = fs::read(server.dir().join("dump.rdb")).unwrap();
        assert!(digest_of_file(&file) == digest(&mut client));
    });
}

#[test]
fn the_output_buffer_limit_cuts_off_a_stuck_reader() {
    with_cores(|kind| {
        let server = primary(kind);
        let mut client = server.client();
        client.must(&["CONFIG", "SET", "client-output-buffer-limit", "replica 8mb 8mb 0"]).ok();
        let mut replica = stuck(&server, true);
        overwrite(&mut client);
        eventually("the stuck reader is forgotten", || {
            let info = client.info("replication");
            must(info.int("connected_slaves") == 0, || format!("{info:?}"))
        });
        server.wait_log("client-output-buffer-limit");
        wait_all_free(&server);
        replica.client.until_closed().unwrap();
        // What the limit has freed is free.
        let info = client.info("memory");
        assert!(info.int("mem_total_replication_buffers") < 16 << 20, "{info:?}");
    });
}

#[test]
fn a_full_disk_cuts_off_slow_readers_only() {
    with_cores(|kind| {
        let Some(disk) = SmallDisk::mount(16 << 10) else { return };
        let path = disk.0.to_str().unwrap().to_string();
        let limits = "replica 0 0 0";
        let server = Server::with(kind).set("client-output-buffer-limit", limits).args(&["--dir", &path]).start();
        let mut client = server.client();
        dataset::bulk(&mut client, KEYS, VALUE_LEN);
        // A reader alone: the snapshot ends with it.
        let mut replica = stuck(&server, true);
        overwrite(&mut client);
        server.wait_log("No space left on device");
        replica.client.until_closed().unwrap();
        wait_all_free(&server);
        assert_eq!(client.info("persistence").int("snapshots_given_up"), 1);
        // One beside another that reads: that one gets everything.
        begin_with(&mut client, 2);
        let mut asks = ask_for_copy(&server, true);
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        wait_link_up(&replica);
        assert_same(&server, &replica);
        asks.client.until_closed().unwrap();
        assert_eq!(client.info("replication").int("connected_slaves"), 1);
        assert_eq!(client.info("persistence").int("snapshots_given_up"), 1);
    });
}

#[test]
fn a_save_is_refused_while_replicas_are_copied_to() {
    let refused = "ERR Background save already in progress";
    koltso_tests::with_cores(|kind| {
        let server = primary(kind);
        let mut client = server.client();
        let stuck = stuck(&server, true);
        for words in [&["BGSAVE"][..], &["BGSAVE", "SCHEDULE"], &["SAVE"]] {
            assert_eq!(client.cmd(words).error(), refused, "{words:?}");
        }
        let line = client.must(&["CLIENT", "LIST", "TYPE", "replica"]).text();
        assert!(line.contains(" flags=S ") && line.lines().count() == 1, "{line}");
        assert_eq!(client.must(&["CLIENT", "KILL", "TYPE", "replica"]), Value::Int(1));
        drop(stuck);
        eventually("the next is made", || {
            let reply = client.cmd(&["BGSAVE"]);
            must(!reply.is_error(), || format!("{reply:?}"))
        });
        eventually("it ends", || must(client.info("persistence").int("rdb_bgsave_in_progress") == 0, String::new));
        client.must(&["MULTI"]);
        client.must(&["BGSAVE"]);
        assert_eq!(client.must(&["EXEC"]).items()[0], Value::Simple("Background saving scheduled".into()));
    });
}

/// Fills a server with values that a snapshot shares instead of copying, and says how many keys that are.
fn fill_with_large_values(client: &mut Client) -> i64 {
    let text = "t".repeat(40_000);
    let mut commands: Vec<Vec<String>> = (0..800).map(|i| vec!["SET".into(), format!("text:{i}"), text.clone()]).collect();
    for i in 0..600 {
        let fields = (0..600).flat_map(|field| [format!("field:{field}"), format!("{field:060}")]);
        commands.push(["HSET".to_string(), format!("hash:{i}")].into_iter().chain(fields).collect());
    }
    for batch in commands.chunks(50) {
        client.pipeline(batch).iter().for_each(|reply| assert!(!reply.is_error(), "{reply:?}"));
    }
    client.must(&["DBSIZE"]).int()
}

#[test]
fn evictions_take_no_more_than_is_needed_while_a_snapshot_has_what_they_take() {
    with_cores(|kind| {
        let server = Server::with(kind).set("client-output-buffer-limit", "replica 0 0 0").start();
        let mut client = server.client();
        let keys = fill_with_large_values(&mut client);
        let at_cut = digest(&mut client);
        let mut replica = stuck(&server, true);
        client.must(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).ok();
        let memory = client.info("memory");
        let limit = memory.int("used_memory") - memory.int("mem_not_counted_for_evict") - (8 << 20);
        client.must(&["CONFIG", "SET", "maxmemory", &limit.to_string()]).ok();
        eventually_for(SOON, "there is room again", || {
            client.must(&["SET", "after", "it"]).ok();
            let info = client.info("memory");
            must(info.int("used_memory") - info.int("mem_not_counted_for_evict") <= limit, || format!("{info:?}"))
        });
        let left = client.must(&["DBSIZE"]).int();
        assert!(left > keys * 7 / 10, "{left} keys of {keys} are left: {:?}", client.info("everything"));
        assert!(left < keys, "nothing was evicted");
        assert!(digest_of_file(&replica.transfer().unwrap().rdb) == at_cut, "the copy is not the data of the cut");
        wait_all_free(&server);
        let info = client.info("memory");
        assert!(info.int("used_memory") - info.int("mem_not_counted_for_evict") <= limit + (1 << 20), "{info:?}");
        assert_eq!(client.info("persistence").int("snapshots_given_up"), 0);
    });
}

#[test]
fn what_a_snapshot_keeps_of_a_flushed_database_is_counted() {
    with_cores(|kind| {
        let server = primary(kind);
        let mut client = server.client();
        let at_cut = digest(&mut client);
        let mut replica = stuck(&server, true);
        client.must(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).ok();
        // At once: what is kept is put aside, and evicted keys would not be flushed.
        let commands = [&["FLUSHALL"][..], &["CONFIG", "SET", "maxmemory", "40mb"]].map(|words| words.to_vec());
        client.pipeline(&commands).iter().for_each(|reply| reply.ok());
        // Each core counts in its own time.
        let Kind::Koltso { cores } = kind else { unreachable!() };
        eventually("what is kept is counted", || {
            let info = client.info("persistence");
            must(info.int("current_cow_peak") > (40 << 20) / cores as i64, || format!("{info:?}"))
        });
        for i in 0..1000 {
            client.must(&["SET", &format!("new:{i}"), "value"]).ok();
        }
        assert_eq!(client.must(&["DBSIZE"]).int(), 1000, "what is kept for the snapshot was counted as data");
        assert!(digest_of_file(&replica.transfer().unwrap().rdb) == at_cut, "the copy is not the data of the cut");
        wait_all_free(&server);
    });
}

/// Adds elements to large collections of all types that leave in parts, on every shard.
fn grow_collections(client: &mut Client, elements: std::ops::Range<usize>) {
    for from in elements.step_by(5000) {
        let command = |key: usize| {
            let name = ["RPUSH", "SADD", "HSET", "ZADD"][key % 4];
            let elements = (from..from + 5000).flat_map(|n| {
                let element = format!("element {n} of {key}");
                if key % 4 < 2 { vec![element] } else { vec![n.to_string(), element] }
            });
            [name.to_string(), format!("large:{key}")].into_iter().chain(elements).collect()
        };
        let commands: Vec<Vec<String>> = (0..12).map(command).collect();
        client.pipeline(&commands).iter().for_each(|reply| assert!(!reply.is_error(), "{reply:?}"));
    }
}

#[test]
fn large_collections_leave_in_parts_and_as_they_were_whatever_is_written_meanwhile() {
    with_cores(|kind| {
        let server = primary(kind);
        let mut client = server.client();
        grow_collections(&mut client, 0..50_000);
        let data_at_cut = client.info("memory").int("used_memory");
        let at_cut = digest(&mut client);
        let mut replica = stuck(&server, true);
        grow_collections(&mut client, 48_000..53_000);
        overwrite(&mut client);
        client.must(&["LTRIM", "large:0", "100", "200"]);
        client.must(&["DEL", "large:1", "large:2", "large:3"]);
        let info = client.info("persistence");
        // On a machine that gives the walk no time all of it is kept, and never more than once.
        assert!(info.int("current_cow_peak") < data_at_cut + MEMORY_MAX, "{info:?} of {data_at_cut}");
        assert!(digest_of_file(&replica.transfer().unwrap().rdb) == at_cut, "the copy is not the data of the cut");
        wait_all_free(&server);
        // A reader that keeps up, while the same goes on.
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        for from in (53_000..93_000).step_by(5000) {
            grow_collections(&mut client, from..from + 5000);
        }
        wait_link_up(&replica);
        assert_same(&server, &replica);
        wait_all_free(&server);
        assert_eq!(client.info("persistence").int("snapshots_given_up"), 0);
    });
}

#[test]
fn values_larger_than_the_window_pass_where_there_is_no_disk_for_those_who_fall_behind() {
    with_cores(|kind| {
        let Some(disk) = SmallDisk::mount(64) else { return };
        let path = disk.0.to_str().unwrap().to_string();
        let server = Server::with(kind).set("client-output-buffer-limit", "replica 0 0 0").args(&["--dir", &path]).start();
        let mut client = server.client();
        dataset::bulk(&mut client, 10_000, VALUE_LEN);
        for (key, len) in [("huge", 100_000_000), ("other", 30_000_000)] {
            client.must(&["SETRANGE", key, &(len - 3).to_string(), "end"]);
        }
        client.must(&["HSET", "hash", "field", &"long".repeat(10_000_000)]);
        grow_collections(&mut client, 0..50_000);
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        wait_link_up(&replica);
        assert_same(&server, &replica);
        assert_eq!(client.info("persistence").int("snapshots_given_up"), 0);
        assert!(!server.log().contains("it reads slowly"), "{}", server.log_tail());
        assert_eq!(server.log().matches("for SYNC with target").count(), 1, "{}", server.log_tail());
        assert!(client.info("persistence").int("rdb_last_cow_size") < MEMORY_MAX);
        wait_all_free(&server);
    });
}
