//! The append-only file knows the replication history: a node that starts from it goes on with its replicas, and with its primary,
//! without copies; but never where somebody may have more than the disk.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use koltso_tests::append_only::{folder, on_copy_of, wait_no_rewrite};
use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{Syncs, assert_equal_data, assert_same, wait_caught_up, wait_link_up, wait_online};
use koltso_tests::wait::{DISK_DEADLINE, eventually_for, must};
use koltso_tests::{Client, Cut, Kind, Proxy, Seed, Server, dataset, eventually, with_cores};

/// With a file; nothing comes into the stream by itself.
fn with_file(kind: Kind, fsync: &str) -> koltso_tests::server::Builder {
    quiet(kind).set("appendonly", "yes").set("appendfsync", fsync)
}

fn quiet(kind: Kind) -> koltso_tests::server::Builder {
    Server::with(kind).set("repl-ping-replica-period", 3600).set("repl-backlog-size", "16mb")
}

fn follow(server: &Server, port: u16) {
    server.client().must(&["REPLICAOF", "127.0.0.1", &port.to_string()]).ok();
}

/// A segment as the manifest describes it.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    from: u64,
    of: String,
    after: Option<(String, u64)>,
    /// The offset of its last byte.
    end: u64,
}

fn segments(server: &Server) -> Vec<Segment> {
    let text = fs::read_to_string(folder(server).join("appendonly.aof.manifest")).unwrap_or_default();
    let segment = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let value = |name: &str| words.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1].to_string());
        let number = |name: &str| value(name).map(|value| value.parse::<u64>().unwrap());
        let path = folder(server).join(value("file").unwrap());
        let (from, of) = (number("from").unwrap(), value("of").unwrap());
        let len = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let end = from + len.saturating_sub(number("head").unwrap());
        Segment { path, from, of, after: value("after").zip(number("until")), end }
    };
    text.lines().filter(|line| line.contains(" type i")).map(segment).collect()
}

/// Everything is on disk, and the segments are one log whose last part is of the history that the node has now.
#[track_caller]
fn wait_on_disk(server: &Server) -> Vec<Segment> {
    eventually_for(DISK_DEADLINE, "the file has everything", || {
        let info = server.info();
        let settled = info.int("aof_rewrite_in_progress") == 0 && info.int("aof_rewrite_scheduled") == 0;
        must(settled, || format!("{info:?}"))?;
        let found = segments(server);
        let follows = found.windows(2).all(|pair| pair[0].end == pair[1].from);
        let end = info.int("master_repl_offset") as u64;
        let last = found.last().ok_or("no segment")?;
        must(follows && last.end == end, || format!("{end}: {found:?}"))?;
        must(last.of == info.text("master_replid"), || format!("{info:?} {found:?}"))?;
        let before = (info.text("master_replid2").to_string(), info.int("second_repl_offset") - 1);
        let before = (before.1 >= 0).then_some((before.0, before.1 as u64));
        assert_eq!(last.after, before, "{found:?}");
        Ok(found)
    })
}

/// A server of `kind` on a copy of the folder of another.
#[track_caller]
fn start_on_copy(kind: Kind, of: &Server) -> Server {
    on_copy_of(with_file(kind, "everysec").start(), of)
}

fn set(server: &Server, key: &str, value: &str) {
    server.client().must(&["SET", key, value]).ok();
}

/// Nothing is written from now on that nobody asks for.
fn keep_expired(server: &Server) {
    server.client().must(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]).ok();
}

#[track_caller]
fn shut_down(server: &mut Server) {
    assert!(server.terminate().success(), "{}", server.log_tail());
}

/// Waits until so many more commands are acknowledged, which the disk may have to be waited for.
#[track_caller]
fn wait_more(load: &Load, count: u64) {
    let end = load.commands() + count;
    eventually_for(DISK_DEADLINE, "the load goes on", || {
        must(load.commands() >= end, || format!("{} of {end}", load.commands()))
    });
}

#[track_caller]
fn rewrite(client: &mut Client) {
    // One may be under way, since the data set was replaced.
    wait_no_rewrite(client);
    client.must(&["BGREWRITEAOF"]);
    wait_no_rewrite(client);
    assert_eq!(client.info("persistence").text("aof_last_bgrewrite_status"), "ok");
}

#[test]
fn each_segment_belongs_to_one_history() {
    with_cores(|kind| {
        let node = with_file(kind, "everysec").start();
        let other = quiet(Kind::Redis).start();
        set(&node, "own", "1");
        let own = wait_on_disk(&node).pop().unwrap().of;
        set(&other, "other", "1");
        // Its history is replaced, with all of its data.
        follow(&node, other.port());
        wait_link_up(&node);
        set(&other, "other", "2");
        wait_caught_up(&mut other.client(), &mut node.client());
        let found = wait_on_disk(&node);
        assert_eq!(found.len(), 1);
        assert_ne!(found[0].of, own);
        // It is promoted.
        let first = found[0].of.clone();
        node.client().must(&["REPLICAOF", "NO", "ONE"]).ok();
        set(&node, "own", "2");
        let found = wait_on_disk(&node);
        assert_eq!((found.len(), &found[0].of), (2, &first));
        // It follows one that has gone on with its history.
        follow(&other, node.port());
        wait_caught_up(&mut node.client(), &mut other.client());
        other.client().must(&["REPLICAOF", "NO", "ONE"]).ok();
        follow(&node, other.port());
        wait_link_up(&node);
        set(&other, "other", "3");
        wait_caught_up(&mut other.client(), &mut node.client());
        assert_eq!(Syncs::of(&other).full, 1);
        assert_eq!(wait_on_disk(&node).len(), 3);
        // A promotion where nothing has happened since the last change leaves no empty segment behind.
        node.client().must(&["REPLICAOF", "NO", "ONE"]).ok();
        wait_on_disk(&node);
        node.client().must(&["DEBUG", "CHANGE-REPL-ID"]).ok();
        set(&node, "own", "3");
        assert_eq!(wait_on_disk(&node).len(), 4);
        assert_equal_data(&node, &start_on_copy(Kind::Redis, &node));
        assert_equal_data(&node, &start_on_copy(kind, &node));
        rewrite(&mut node.client());
        assert_eq!(wait_on_disk(&node).len(), 1);
        assert_equal_data(&node, &start_on_copy(Kind::Redis, &node));
    });
}

#[test]
fn a_change_of_history_in_the_midst_of_a_rewrite_is_in_the_file() {
    let mut seed = Seed::fresh("resume_midst");
    with_cores(|kind| {
        let mut node = with_file(kind, "everysec").start();
        dataset::fill(&mut node.client(), &mut seed, 200);
        for round in 0..10 {
            // Whether the rewrite is over by then is not known; it must not matter.
            let mut client = node.client();
            client.pipeline(&[vec!["BGREWRITEAOF"], vec!["DEBUG", "CHANGE-REPL-ID"], vec!["INCR", "counter"]]);
            if round % 2 == 0 {
                client.pipeline(&[vec!["DEBUG", "CHANGE-REPL-ID"], vec!["INCR", "counter"]]);
            }
            wait_on_disk(&node);
            if round % 5 == 4 {
                assert_equal_data(&node, &start_on_copy(Kind::Redis, &node));
            }
        }
        let wanted = node.client().must(&["DEBUG", "DIGEST"]).text();
        node.kill();
        node.restart();
        assert_eq!(node.client().must(&["DEBUG", "DIGEST"]).text(), wanted);
    });
}

#[test]
fn a_primary_that_comes_back_goes_on_with_its_replicas() {
    let seed = Seed::fresh("resume_primary");
    with_cores(|kind| {
        for (nth, (fsync, kills)) in
            [("always", true), ("everysec", true), ("everysec", false), ("no", false)].iter().enumerate()
        {
            let mut primary = with_file(kind, fsync).start();
            let below = quiet(Kind::Redis).replica_of(primary.port()).start();
            let middle = quiet(kind).replica_of(primary.port()).start();
            wait_online(&primary, 2);
            let last = quiet(Kind::Redis).replica_of(middle.port()).start();
            wait_online(&middle, 1);
            // With `always` those who write at the same time share a sync.
            let (writers, some) = if *fsync == "always" { (20, 100) } else { (3, 500) };
            let load = Load::start(Spec { writers, ..Spec::of(&primary) }, &seed.part(nth as u64));
            wait_more(&load, some);
            rewrite(&mut primary.client());
            wait_more(&load, some);
            let ledger = if *kills && *fsync == "always" {
                // No replica has what the disk does not have.
                primary.kill();
                load.stop()
            } else if *kills {
                let ledger = load.stop();
                keep_expired(&primary);
                wait_on_disk(&primary);
                primary.kill();
                ledger
            } else {
                shut_down(&mut primary);
                load.stop()
            };
            primary.restart();
            for replica in [&below, &middle, &last] {
                wait_link_up(replica);
            }
            set(&primary, "after", "1");
            for replica in [&below, &middle, &last] {
                assert_same(&primary, replica);
            }
            ledger.assert_kept(&last);
            let wanted = Syncs { full: 0, partial_ok: 2, partial_err: 0 };
            assert_eq!(Syncs::of(&primary), wanted, "{fsync} {kills}\n{}", primary.log_tail());
            assert_eq!(Syncs::of(&middle).full, 1, "{fsync} {kills}\n{}", middle.log_tail());
            wait_on_disk(&primary);
            assert_equal_data(&primary, &start_on_copy(Kind::Redis, &primary));
        }
    });
}

#[test]
fn the_ids_tell_that_a_new_history_continues_the_one_on_disk() {
    with_cores(|kind| {
        let mut node = with_file(kind, "everysec").start();
        set(&node, "a", "1");
        wait_on_disk(&node);
        for kills in [true, false] {
            let before = node.info();
            if kills {
                node.kill()
            } else {
                shut_down(&mut node)
            }
            node.restart();
            let after = node.info();
            assert_eq!(after.text("master_replid2"), before.text("master_replid"));
            assert_ne!(after.text("master_replid"), before.text("master_replid"));
            assert_eq!(after.int("second_repl_offset"), before.int("master_repl_offset") + 1);
            assert_eq!(after.int("repl_backlog_active"), 1);
            assert_eq!(after.int("repl_backlog_first_byte_offset"), before.int("repl_backlog_first_byte_offset"));
            set(&node, "b", "1");
            wait_on_disk(&node);
        }
    });
}

#[test]
fn what_a_redis_has_added_to_the_folder_belongs_to_no_history() {
    with_cores(|kind| {
        let mut node = with_file(kind, "everysec").start();
        set(&node, "a", "1");
        wait_on_disk(&node);
        node.kill();
        let mut redis = start_on_copy(Kind::Redis, &node);
        set(&redis, "b", "1");
        shut_down(&mut redis);
        fs::remove_dir_all(folder(&node)).unwrap();
        fs::rename(folder(&redis), folder(&node)).unwrap();
        node.restart();
        assert_eq!(node.info().int("second_repl_offset"), -1);
        assert_eq!(node.client().must(&["DBSIZE"]).int(), 2);
        set(&node, "c", "1");
        assert_equal_data(&node, &start_on_copy(Kind::Redis, &node));
    });
}

/// Cuts the last segment off so that the log ends there.
fn lose_from(server: &Server, offset: u64) {
    let last = segments(server).pop().unwrap();
    let len = fs::metadata(&last.path).unwrap().len() - (last.end - offset);
    fs::File::options().write(true).open(last.path).unwrap().set_len(len).unwrap();
}

#[test]
fn who_has_more_than_the_disk_is_copied_to_and_who_has_less_goes_on() {
    with_cores(|kind| {
        // What was lost ends with a command, in the midst of one, and in the midst of a transaction.
        for cut in [0, 5, 60] {
            let mut primary = with_file(kind, "everysec").start();
            let proxy = Proxy::to(primary.port());
            let ahead = quiet(Kind::Redis).replica_of(primary.port()).start();
            let behind = quiet(Kind::Redis).replica_of(proxy.port()).start();
            wait_online(&primary, 2);
            set(&primary, "first", "1");
            wait_caught_up(&mut primary.client(), &mut behind.client());
            proxy.refuse(true);
            proxy.cut(Cut::Rst);
            wait_online(&primary, 1);
            set(&primary, "second", "1");
            let end = primary.info().int("master_repl_offset") as u64;
            let mut client = primary.client();
            client.must(&["MULTI"]).ok();
            client.must(&["SET", "lost", "1"]);
            client.must(&["INCR", "{lost}too"]);
            client.must(&["EXEC"]);
            wait_caught_up(&mut client, &mut ahead.client());
            wait_on_disk(&primary);
            let old = primary.info();
            primary.kill();
            lose_from(&primary, end + cut);
            primary.restart();
            let info = primary.info();
            assert_eq!(info.int("second_repl_offset") as u64, end + 1, "cut {cut}");
            assert_eq!(info.text("master_replid2"), old.text("master_replid"));
            // What is written now takes the place of what was lost, byte by byte.
            let mut client = primary.client();
            client.must(&["MULTI"]).ok();
            client.must(&["SET", "kept", "1"]);
            client.must(&["INCR", "{kept}too"]);
            client.must(&["EXEC"]);
            proxy.refuse(false);
            for replica in [&ahead, &behind] {
                assert_same(&primary, replica);
                assert!(replica.client().must(&["GET", "lost"]).is_null());
            }
            assert_eq!(Syncs::of(&primary), Syncs { full: 1, partial_ok: 1, partial_err: 1 }, "{}", primary.log_tail());
        }
    });
}

#[test]
fn a_replica_that_was_away_finds_what_was_written_before_the_restart() {
    let seed = Seed::fresh("resume_backlog");
    with_cores(|kind| {
        // In memory, where the backlog is read again; or in the file alone.
        for backlog in ["16mb", "16kb"] {
            let mut primary = with_file(kind, "everysec").set("repl-backlog-size", backlog).start();
            let proxy = Proxy::to(primary.port());
            let replica = quiet(Kind::Redis).replica_of(proxy.port()).start();
            wait_online(&primary, 1);
            proxy.refuse(true);
            proxy.cut(Cut::Rst);
            wait_online(&primary, 0);
            let end = primary.info().int("master_repl_offset") + 200_000;
            let load = Load::start(Spec::of(&primary), &seed);
            eventually("there is more than the smaller backlog holds", || {
                let now = primary.info().int("master_repl_offset");
                must(now > end, || format!("{now}"))
            });
            load.stop();
            shut_down(&mut primary);
            primary.restart();
            proxy.refuse(false);
            wait_link_up(&replica);
            assert_same(&primary, &replica);
            let wanted = Syncs { full: 0, partial_ok: 1, partial_err: 0 };
            assert_eq!(Syncs::of(&primary), wanted, "{backlog}\n{}", primary.log_tail());
        }
    });
}

#[test]
fn a_replica_that_comes_back_goes_on_with_its_primary() {
    let seed = Seed::fresh("resume_replica");
    with_cores(|kind| {
        for (nth, (above, fsync, kills)) in
            [(Kind::Redis, "everysec", true), (kind, "always", true), (Kind::Redis, "no", false)].into_iter().enumerate()
        {
            let primary = quiet(above).start();
            let mut replica = with_file(kind, fsync).replica_of(primary.port()).start();
            wait_online(&primary, 1);
            let below = quiet(Kind::Redis).replica_of(replica.port()).start();
            wait_link_up(&below);
            // Slow: what is written while the disk stands still must fit into the backlog, and be caught up with soon.
            let load = Load::start(Spec { pace: Duration::from_millis(1), ..Spec::of(&primary) }, &seed.part(nth as u64));
            wait_more(&load, 500);
            // From now on the file is what the replica starts from.
            rewrite(&mut replica.client());
            wait_more(&load, 500);
            let before = Syncs::of(&primary);
            if kills {
                replica.kill()
            } else {
                shut_down(&mut replica)
            }
            wait_more(&load, 100);
            replica.restart();
            wait_link_up(&replica);
            wait_more(&load, 100);
            let ledger = load.stop();
            assert_same(&primary, &replica);
            assert_same(&primary, &below);
            ledger.assert_kept(&replica);
            assert_eq!(Syncs::of(&primary), Syncs { partial_ok: 1, ..before }, "{}", replica.log_tail());
            // Who is below may have had more than the disk. What it had came from above, and so it does again.
            assert_eq!(Syncs::of(&replica), Syncs { full: 0, partial_ok: 1, partial_err: 0 }, "{}", replica.log_tail());
            wait_on_disk(&replica);
            assert_equal_data(&primary, &start_on_copy(Kind::Redis, &replica));
        }
    });
}

#[test]
fn a_node_that_comes_back_in_another_role_goes_on() {
    with_cores(|kind| {
        let mut first = with_file(kind, "everysec").start();
        let second = quiet(Kind::Redis).replica_of(first.port()).start();
        wait_online(&first, 1);
        // Without deadlines, so that nothing is written that nobody asks for.
        let commands: Vec<Vec<String>> = (0..300).map(|i| vec!["SET".into(), format!("k:{}", i % 50), i.to_string()]).collect();
        first.client().pipeline(&commands).iter().for_each(|reply| reply.ok());
        assert_same(&first, &second);
        wait_on_disk(&first);
        first.kill();
        // A primary that is a replica of its heir now.
        second.client().must(&["REPLICAOF", "NO", "ONE"]).ok();
        set(&second, "heir", "1");
        first.configure(&format!("replicaof 127.0.0.1 {}", second.port()));
        first.restart();
        assert_same(&second, &first);
        assert_eq!(Syncs::of(&second), Syncs { full: 0, partial_ok: 1, partial_err: 0 }, "{}", first.log_tail());
        // And a replica that is a primary again.
        wait_on_disk(&first);
        let end = first.info();
        first.kill();
        first.configure("replicaof no one");
        first.restart();
        let info = first.info();
        assert_eq!((info.text("role"), info.text("master_replid2")), ("master", end.text("master_replid")));
        assert_eq!(info.int("second_repl_offset"), end.int("master_repl_offset") + 1);
        follow(&second, first.port());
        wait_link_up(&second);
        set(&first, "heir", "2");
        assert_same(&first, &second);
        assert_eq!(Syncs::of(&first), Syncs { full: 0, partial_ok: 1, partial_err: 0 }, "{}", first.log_tail());
    });
}

#[test]
fn with_always_a_replica_has_nothing_that_the_disk_does_not_have() {
    let seed = Seed::fresh("resume_always");
    with_cores(|kind| {
        let server = with_file(kind, "always").set("auto-aof-rewrite-percentage", 0).start();
        let replica = quiet(Kind::Redis).replica_of(server.port()).start();
        wait_online(&server, 1);
        let mut client = server.client();
        // Who is answered knows that the disk has what he wrote: others have to write for the replica to be able to be ahead.
        let load = Load::start(Spec { writers: 20, ..Spec::of(&server) }, &seed);
        wait_more(&load, 20);
        for _ in 0..200 {
            // The replica first: what it has must stand in the file by the time that it is looked at.
            let has = replica.info().int("slave_repl_offset") as u64;
            let on_disk = segments(&server).pop().unwrap().end;
            assert!(has <= on_disk, "{has} {on_disk}");
        }
        load.stop();
        wait_caught_up(&mut client, &mut replica.client());
        client.must(&["CONFIG", "SET", "appendfsync", "everysec"]).ok();
        client.must(&["SET", "d", "4"]).ok();
        wait_caught_up(&mut client, &mut replica.client());
        client.must(&["CONFIG", "SET", "appendonly", "no"]).ok();
        client.must(&["SET", "d", "5"]).ok();
        wait_caught_up(&mut client, &mut replica.client());
    });
}

#[test]
fn what_has_no_room_any_more_when_the_node_is_back_goes_for_its_replicas_too() {
    with_cores(|kind| {
        // The backlog counts against the limit, and what is evicted must fit into it.
        let mut primary = with_file(kind, "everysec").set("repl-backlog-size", "8mb").start();
        let replica = quiet(Kind::Redis).replica_of(primary.port()).start();
        wait_online(&primary, 1);
        let mut client = primary.client();
        let before = client.info("memory").int("used_memory");
        dataset::bulk(&mut client, 100_000, 300);
        // And something that takes its time when it is done again: the file is still being read when there is no room any more.
        let members: Vec<Vec<String>> =
            (0..20_000).map(|i| vec!["ZADD".into(), "z".into(), "1".into(), i.to_string()]).collect();
        client.pipeline(&members);
        for _ in 0..60 {
            client.must(&["ZUNIONSTORE", "union", "2", "z", "z"]);
        }
        assert_same(&primary, &replica);
        wait_on_disk(&primary);
        shut_down(&mut primary);
        let limit = before + 20_000_000;
        primary.configure(&format!("maxmemory {limit}\nmaxmemory-policy allkeys-random"));
        primary.restart();
        let mut client = primary.client();
        eventually("it has made room", || {
            let (memory, stats) = (client.info("memory"), client.info("stats"));
            // What replicas wait for does not count.
            let done = stats.int("evicted_keys") > 0 && memory.int("used_memory") < limit + 1_000_000;
            must(done, || format!("{memory:?} {stats:?}"))
        });
        client.must(&["CONFIG", "SET", "maxmemory", "0"]).ok();
        assert_same(&primary, &replica);
        assert!(client.must(&["DBSIZE"]).int() < 100_000);
        assert_eq!(Syncs::of(&primary), Syncs { full: 0, partial_ok: 1, partial_err: 0 }, "{}", primary.log_tail());
    });
}

#[test]
fn what_clients_send_to_a_replica_that_is_coming_back_is_not_taken_for_its_primarys_history() {
    with_cores(|kind| {
        let primary = quiet(Kind::Redis).start();
        let mut replica = with_file(kind, "everysec").replica_of(primary.port()).start();
        wait_online(&primary, 1);
        for round in 0..3 {
            let commands: Vec<Vec<String>> =
                (0..1000).map(|i| vec!["SET".into(), format!("k:{}", i % 50), format!("{round}:{i}")]).collect();
            primary.client().pipeline(&commands).iter().for_each(|reply| reply.ok());
            assert_same(&primary, &replica);
            wait_on_disk(&replica);
            let before = Syncs::of(&primary);
            replica.kill();
            let (port, stop) = (replica.port(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                for request in [["PUBLISH", "channel", "message"], ["SET", "foreign", "1"], ["INCRBY", "foreign", "1"]] {
                    let stop = &stop;
                    scope.spawn(move || {
                        while !stop.load(Ordering::Relaxed) {
                            match Client::connect(port) {
                                Ok(mut client) => while !stop.load(Ordering::Relaxed) && client.try_cmd(&request).is_ok() {},
                                Err(_) => std::thread::sleep(Duration::from_millis(1)),
                            }
                        }
                    });
                }
                // They are told to stop in any case, or a failure would wait for them for ever.
                let back = std::panic::AssertUnwindSafe(|| {
                    replica.restart();
                    wait_link_up(&replica);
                });
                let back = std::panic::catch_unwind(back);
                stop.store(true, Ordering::Relaxed);
                back.unwrap();
            });
            set(&primary, "after", &round.to_string());
            assert_same(&primary, &replica);
            assert_eq!(replica.client().must(&["EXISTS", "foreign"]).int(), 0);
            let wanted = Syncs { partial_ok: before.partial_ok + 1, ..before };
            assert_eq!(Syncs::of(&primary), wanted, "{}", replica.log_tail());
        }
    });
}
