//! What has left the backlog in memory and is in the segments of the append-only file is sent from there: a replica that was away,
//! or reads slowly, goes on without a copy. Where the files do not have it, or nobody can be sure, it is copied to.

use std::fs;
use std::path::PathBuf;

use koltso_tests::append_only::{folder, on_copy_of, wait_no_rewrite};
use koltso_tests::load::{Load, Spec};
use koltso_tests::oracle::{Syncs, assert_equal_data, assert_same, wait_link_up, wait_online};
use koltso_tests::proxy::Direction;
use koltso_tests::wait::{DISK_DEADLINE, eventually_for, must};
use koltso_tests::{Cut, Kind, Proxy, Seed, Server, eventually, with_cores};

/// More than what sockets and the proxy hold on the way, in bytes.
const MUCH: usize = 48 << 20;
const VALUE_LEN: usize = 64 << 10;

/// Its backlog in memory is as small as it can be; nothing is rewritten by itself.
fn primary(kind: Kind) -> koltso_tests::server::Builder {
    let builder = Server::with(kind).set("appendonly", "yes").set("repl-backlog-size", "16kb");
    builder.set("repl-ping-replica-period", 3600).set("repl-timeout", 3600).set("auto-aof-rewrite-percentage", 0)
}

fn below(kind: Kind, port: u16) -> Server {
    Server::with(kind).set("repl-ping-replica-period", 3600).set("repl-timeout", 3600).replica_of(port).start()
}

/// A replica that is away: nothing gets through until the proxy lets it.
#[track_caller]
fn send_away(proxy: &Proxy, primary: &Server) {
    proxy.refuse(true);
    proxy.cut(Cut::Rst);
    wait_online(primary, 0);
}

/// Writes `len` bytes and more, and waits until they are in the files.
#[track_caller]
fn write_much(server: &Server, len: usize, tag: &str) {
    let mut client = server.client();
    let value = tag.repeat(VALUE_LEN / tag.len());
    for at in (0..len).step_by(16 * VALUE_LEN) {
        let commands: Vec<Vec<&str>> = (0..16).map(|_| vec!["SET", "much", &value]).collect();
        client.pipeline(&commands).iter().for_each(|reply| reply.ok());
        client.must(&["SET", &format!("{tag}:{at}"), "1"]).ok();
    }
    wait_written(server);
}

#[track_caller]
fn wait_written(server: &Server) {
    let mut client = server.client();
    eventually_for(DISK_DEADLINE, "everything is in the files", || {
        let info = client.info("replication");
        let (end, found) = (info.int("master_repl_offset") as u64, segments(server));
        must(found.last().is_some_and(|last| last.1 == end), || format!("{end} {found:?}"))
    });
}

/// The files of segments that the manifest names, those that loading does not need included, and where each ends.
fn segments(server: &Server) -> Vec<(PathBuf, u64)> {
    let text = fs::read_to_string(folder(server).join("appendonly.aof.manifest")).unwrap_or_default();
    let segment = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let value = |name: &str| words.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1].to_string());
        let number = |name: &str| value(name)?.parse::<u64>().ok();
        let path = folder(server).join(value("file")?);
        let len = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Some((path, number("from")? + len.saturating_sub(number("head")?)))
    };
    text.lines().filter_map(segment).collect()
}

/// Rewrites the file, and forgets what is not needed any more.
#[track_caller]
fn rewrite(server: &Server) {
    let mut client = server.client();
    client.must(&["BGREWRITEAOF"]);
    wait_no_rewrite(&mut client);
    assert_eq!(client.info("persistence").text("aof_last_bgrewrite_status"), "ok");
}

/// Waits until the one replica is sent what it lacks from there.
#[track_caller]
fn wait_source(server: &Server, source: &str) {
    let mut client = server.client();
    eventually(&format!("its replica reads from {source}"), || {
        let info = client.info("replication");
        let replicas = info.replicas();
        let found = replicas.first().and_then(|replica| replica.get("source"));
        must(found.is_some_and(|found| found == source), || format!("{info:?}\n{}", server.log_tail()))
    });
}

fn syncs(full: i64, partial_ok: i64, partial_err: i64) -> Syncs {
    Syncs { full, partial_ok, partial_err }
}

#[test]
fn a_replica_that_was_away_is_sent_from_disk_what_has_left_memory() {
    let seed = Seed::fresh("disk_away");
    with_cores(|kind| {
        for (nth, other) in [Kind::Redis, kind].into_iter().enumerate() {
            let primary = primary(kind).start();
            let proxy = Proxy::to(primary.port());
            let replica = below(other, proxy.port());
            wait_online(&primary, 1);
            for round in 1..=3 {
                send_away(&proxy, &primary);
                let end = primary.info().int("master_repl_offset") + 3_000_000;
                let load = Load::start(Spec::of(&primary), &seed.part(10 * nth as u64 + round as u64));
                eventually_for(DISK_DEADLINE, "there is much more than memory holds", || {
                    let now = primary.info().int("master_repl_offset");
                    must(now > end, || format!("{now} of {end}"))
                });
                // Others go on writing.
                proxy.refuse(false);
                wait_link_up(&replica);
                load.wait_more(300);
                load.stop();
                assert_same(&primary, &replica);
                assert_eq!(Syncs::of(&primary), syncs(1, round, 0), "{}", primary.log_tail());
                wait_source(&primary, "memory");
            }
        }
    });
}

#[test]
fn a_rewrite_takes_nothing_away_that_is_being_sent() {
    with_cores(|kind| {
        for other in [Kind::Redis, kind] {
            let primary = primary(kind).set("repl-log-size", "1gb").start();
            let proxy = Proxy::to(primary.port());
            let replica = below(other, proxy.port());
            wait_online(&primary, 1);
            send_away(&proxy, &primary);
            write_much(&primary, MUCH, "first");
            // Several segments, all of which it needs.
            rewrite(&primary);
            write_much(&primary, VALUE_LEN, "second");
            proxy.hold_after(Direction::ToClient, 100_000);
            proxy.refuse(false);
            wait_source(&primary, "disk");
            let old: Vec<_> = segments(&primary).into_iter().map(|(path, _)| path).collect();
            assert_eq!(old.len(), 2, "{old:?}");
            primary.client().must(&["CONFIG", "SET", "repl-log-size", "0"]).ok();
            rewrite(&primary);
            write_much(&primary, VALUE_LEN, "third");
            rewrite(&primary);
            assert!(old.iter().all(|path| path.exists()), "{old:?} {:?}", segments(&primary));
            // They are nothing that a start needs.
            let copy = primary_on_copy(Kind::Redis, &primary);
            assert_equal_data(&primary, &copy);
            proxy.let_go();
            assert_same(&primary, &replica);
            assert_eq!(Syncs::of(&primary), syncs(1, 1, 0), "{}", primary.log_tail());
            eventually("what nobody needs is gone", || must(old.iter().all(|path| !path.exists()), || format!("{old:?}")));
        }
    });
}

/// A server on a copy of the folder of another.
#[track_caller]
fn primary_on_copy(kind: Kind, of: &Server) -> Server {
    on_copy_of(Server::with(kind).set("appendonly", "yes").start(), of)
}

#[test]
fn a_replica_that_lags_is_sent_from_disk_instead_of_being_cut_off() {
    with_cores(|kind| {
        for other in [Kind::Redis, kind] {
            let primary = primary(kind).set("client-output-buffer-limit", "replica 1mb 0 0").start();
            let proxy = Proxy::to(primary.port());
            let replica = below(other, proxy.port());
            wait_online(&primary, 1);
            for round in 0..2 {
                proxy.blackhole(true);
                write_much(&primary, MUCH, &format!("lag{round}"));
                wait_source(&primary, "disk");
                let value = "x".repeat(VALUE_LEN);
                eventually("INFO says by how much it lags", || {
                    // The disk may have taken longer than the minute that rates are of.
                    primary.client().must(&["SET", "much", &value]).ok();
                    let info = primary.info();
                    let number = |name: &str| info.replicas()[0][name].parse::<i64>().unwrap();
                    let lags = number("lag_bytes") > 1 << 20 && number("lag_ms") > 0;
                    let rate = info.int("repl_log_bytes_per_second");
                    must(lags && rate > 0 && info.int("repl_away_seconds_max") == 16_384 / rate, || format!("{info:?}"))
                });
                proxy.blackhole(false);
                assert_same(&primary, &replica);
                wait_source(&primary, "memory");
            }
            let info = primary.info();
            assert_eq!(Syncs::from(&info), syncs(1, 0, 0), "{}", primary.log_tail());
            assert_eq!(info.int("client_output_buffer_limit_disconnections"), 0);
        }
    });
}

/// What waits for one that comes from disk may be as much as the backlog in any case.
#[test]
fn a_backlog_larger_than_what_may_wait_for_a_replica_keeps_nobody_on_disk() {
    with_cores(|kind| {
        let primary = primary(kind);
        let primary = primary.set("repl-backlog-size", "2mb").set("client-output-buffer-limit", "replica 1mb 0 0").start();
        let proxy = Proxy::to(primary.port());
        let replica = below(Kind::Redis, proxy.port());
        wait_online(&primary, 1);
        for round in 1..=2 {
            send_away(&proxy, &primary);
            write_much(&primary, 8 << 20, &format!("away{round}"));
            proxy.refuse(false);
            wait_link_up(&replica);
            wait_source(&primary, "memory");
            assert_same(&primary, &replica);
            assert_eq!(Syncs::of(&primary), syncs(1, round, 0), "{}", primary.log_tail());
        }
    });
}

#[test]
fn a_primary_that_was_started_again_sends_what_was_written_before() {
    with_cores(|kind| {
        for other in [Kind::Redis, kind] {
            for kills in [true, false] {
                let mut primary = primary(kind).start();
                let proxy = Proxy::to(primary.port());
                let replica = below(other, proxy.port());
                wait_online(&primary, 1);
                send_away(&proxy, &primary);
                write_much(&primary, 1 << 20, "before");
                if kills {
                    primary.kill();
                } else {
                    assert!(primary.terminate().success(), "{}", primary.log_tail());
                }
                primary.restart();
                write_much(&primary, 1 << 20, "after");
                proxy.refuse(false);
                assert_same(&primary, &replica);
                assert_eq!(Syncs::of(&primary), syncs(0, 1, 0), "{}", primary.log_tail());
            }
        }
    });
}

#[test]
fn what_is_kept_beside_the_append_only_file_serves_replicas_after_rewrites_and_starts() {
    with_cores(|kind| {
        for (size, full) in [("100mb", 0), ("0", 1)] {
            let mut primary = primary(kind).set("repl-log-size", size).start();
            let proxy = Proxy::to(primary.port());
            let replica = below(Kind::Redis, proxy.port());
            wait_online(&primary, 1);
            send_away(&proxy, &primary);
            for tag in ["one", "two", "three"] {
                write_much(&primary, 1 << 20, tag);
                rewrite(&primary);
            }
            primary.kill();
            primary.restart();
            write_much(&primary, 1 << 20, "four");
            rewrite(&primary);
            proxy.refuse(false);
            assert_same(&primary, &replica);
            assert_eq!(Syncs::of(&primary), syncs(full, 1 - full, full), "{}", primary.log_tail());
            let kept = segments(&primary).len();
            assert_eq!(kept > 1, full == 0, "{kept}");
            assert_equal_data(&primary, &primary_on_copy(Kind::Redis, &primary));
            assert_equal_data(&primary, &primary_on_copy(kind, &primary));
            // It is let go of when it is not wanted any more.
            primary.client().must(&["CONFIG", "SET", "repl-log-size", "0"]).ok();
            eventually("old segments are gone", || {
                let found = segments(&primary);
                must(found.len() == 1, || format!("{found:?}"))
            });
        }
    });
}

#[test]
fn a_segment_that_is_not_whole_is_not_sent() {
    with_cores(|kind| {
        for damage in ["missing", "short"] {
            let primary = primary(kind).set("repl-log-size", "100mb").start();
            let proxy = Proxy::to(primary.port());
            let replica = below(Kind::Redis, proxy.port());
            wait_online(&primary, 1);
            send_away(&proxy, &primary);
            write_much(&primary, 1 << 20, "one");
            rewrite(&primary);
            write_much(&primary, 1 << 20, "two");
            let (path, _) = segments(&primary).remove(0);
            match damage {
                "missing" => fs::remove_file(&path).unwrap(),
                _ => {
                    let len = fs::metadata(&path).unwrap().len() - 10;
                    fs::File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
                }
            }
            proxy.refuse(false);
            assert_same(&primary, &replica);
            assert_eq!(Syncs::of(&primary), syncs(2, 0, 1), "{damage}\n{}", primary.log_tail());
        }
    });
}
