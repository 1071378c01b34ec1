//! Rows 4, 5 and 12: kill -9 within a save or a rewrite, files that end anywhere, and disks that are full.

use std::fs;
use std::io::ErrorKind::{TimedOut, WouldBlock};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::append_only::{folder, on_copy_of, wait_no_rewrite};
use crate::client::encode;
use crate::disk::SmallDisk;
use crate::load::{Load, Spec};
use crate::oracle::{assert_equal_data, assert_same, wait_link_up};
use crate::wait::{DISK_DEADLINE, must};
use crate::{Client, Kind, Server, dataset, eventually, eventually_for};

use super::{Skip, Trial};

/// What is in a folder: names with lengths and inodes, to see a save go on.
fn listing(dir: &Path) -> Vec<(PathBuf, u64, u64)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().filter(|entry| entry.file_name() != "server.log");
    let facts = entries.filter_map(|entry| entry.metadata().ok().map(|meta| (entry.path(), meta.len(), meta.ino())));
    let mut facts: Vec<_> = facts.collect();
    facts.sort();
    facts
}

/// Kills a server when so many changes in its folder have been seen, and some time more; or when nothing changes any more.
fn kill_after_changes(trial: &mut Trial, server: &mut Server, dir: &Path, changes: u64) {
    let end = Instant::now() + Duration::from_secs(3);
    let mut seen = listing(dir);
    let mut left = changes;
    while left > 0 && Instant::now() < end {
        let now = listing(dir);
        if now != seen {
            (seen, left) = (now, left - 1);
        }
    }
    trial.pass(3);
    server.kill();
}

/// kill -9 within BGSAVE and within BGREWRITEAOF.
pub fn kill_in_snapshot(trial: &mut Trial) -> Result<(), Skip> {
    let kind = trial.koltso();
    println!("    {kind:?}");
    let mut server = trial.server(kind).start();
    let count = 5_000 + trial.seed.below(60_000);
    let mut client = server.client();
    dataset::bulk(&mut client, count as usize, 100);
    client.must(&["SET", "generation", "0"]).ok();
    client.must(&["SAVE"]).ok();
    let mut last = 0;
    for generation in 1..=trial.rounds(10) {
        let mut client = server.client();
        client.must(&["SET", "generation", &generation.to_string()]).ok();
        client.must(&["BGSAVE"]);
        let (dir, changes) = (server.dir().to_path_buf(), trial.seed.below(8));
        kill_after_changes(trial, &mut server, &dir, changes);
        server.restart();
        let mut client = server.client();
        let found: u64 = client.must(&["GET", "generation"]).text().parse().expect("a number");
        assert!(found == last || found == generation, "generation {found} after {last}, while saving {generation}");
        assert_eq!(client.must(&["DBSIZE"]).int() as u64, count + 1);
        last = found;
    }
    kill_in_rewrite(trial, kind);
    Ok(())
}

fn kill_in_rewrite(trial: &mut Trial, kind: Kind) {
    let mut server = trial.server(kind).set("appendonly", "yes").set("appendfsync", "always").start();
    dataset::bulk(&mut server.client(), 20_000, 100);
    for round in 0..trial.rounds(6) {
        let load = Load::start(Spec { writers: 2, first_writer: 100 * round, ..Spec::of(&server) }, &trial.seed.part(round));
        load.wait_more(20);
        wait_no_rewrite(&mut server.client());
        server.client().must(&["BGREWRITEAOF"]);
        let (dir, changes) = (folder(&server), trial.seed.below(200));
        kill_after_changes(trial, &mut server, &dir, changes);
        let ledger = load.stop();
        server.restart();
        ledger.assert_kept(&server);
        wait_no_rewrite(&mut server.client());
        let listed = fs::read_to_string(folder(&server).join("appendonly.aof.manifest")).expect("the manifest");
        let live = |line: &&str| line.contains(" type b") || line.contains(" type i");
        for line in listed.lines().filter(live).filter_map(|line| line.strip_prefix("file ")) {
            let name = line.split(' ').next().expect("a name");
            assert!(folder(&server).join(name).exists(), "{name} is listed and not there:\n{listed}");
        }
    }
}

/// RDB files and append-only files cut anywhere.
pub fn torn_files(trial: &mut Trial) -> Result<(), Skip> {
    let kind = trial.koltso();
    println!("    {kind:?}");
    let mut server = trial.server(kind).start();
    dataset::fill(&mut server.client(), &mut trial.seed, 3);
    server.client().must(&["SAVE"]).ok();
    server.kill();
    let file = server.dir().join("dump.rdb");
    let whole = fs::read(&file).expect("the file");
    for _ in 0..trial.rounds(12) {
        let cut = match trial.seed.one_in(2) {
            true => trial.seed.below(whole.len() as u64),
            false => (whole.len() as u64 - 1).saturating_sub(trial.seed.below(2000)),
        } as usize;
        fs::write(&file, &whole[..cut]).expect("cut the file");
        let logged = server.log().len();
        assert!(!server.relaunch_to_fail().success(), "it started with {cut} of {} bytes", whole.len());
        assert!(server.log().len() > logged, "it said nothing of {cut} of {} bytes", whole.len());
        assert_eq!(fs::read(&file).expect("the file"), &whole[..cut], "it changed a file that it refused");
    }
    torn_append_only(trial, kind);
    Ok(())
}

/// With koltso and redis-server on copies of the same torn folder.
fn torn_append_only(trial: &mut Trial, kind: Kind) {
    let with_file = |kind| Server::with(kind).set("appendonly", "yes");
    let mut source = with_file(trial.any()).start();
    let load = Load::start(Spec { keys: 20, commands_max: 300, ..Spec::of(&source) }, &trial.seed);
    load.wait_total(900);
    load.stop();
    source.terminate();
    let last = fs::read_dir(folder(&source)).expect("the folder").flatten().map(|entry| entry.path());
    let last = last.filter(|path| path.to_string_lossy().ends_with(".incr.aof")).max().expect("a segment");
    let whole = fs::read(&last).expect("the segment");
    for _ in 0..trial.rounds(6) {
        let cut = trial.seed.below(whole.len() as u64 + 1) as usize;
        fs::write(&last, &whole[..cut]).expect("cut the segment");
        println!("    {cut} of {} bytes", whole.len());
        let servers = [kind, Kind::Redis].map(|kind| on_copy_of(with_file(kind).start(), &source));
        assert_equal_data(&servers[0], &servers[1]);
    }
}

/// A disk that fills up under a save, or under the append-only file.
pub fn full_disk(trial: &mut Trial) -> Result<(), Skip> {
    let kind = trial.koltso();
    println!("    {kind:?}");
    save_on_full_disk(trial, kind)?;
    append_on_full_disk(trial, kind)
}

fn small_disk(trial: &mut Trial) -> Result<SmallDisk, Skip> {
    let kilobytes = 1000 + trial.seed.below(3000) as usize;
    SmallDisk::mount(kilobytes).ok_or_else(|| Skip("a tmpfs cannot be mounted here".to_string()))
}

fn wait_saved(client: &mut Client, status: &str) {
    eventually("a save begins, when no replica is copied to any more", || {
        let reply = client.cmd(&["BGSAVE"]);
        must(!reply.is_error(), || format!("{reply:?}"))
    });
    eventually("the save ends", || {
        let info = client.info("persistence");
        must(info.int("rdb_bgsave_in_progress") == 0, || format!("{info:?}"))
    });
    assert_eq!(client.info("persistence").text("rdb_last_bgsave_status"), status);
}

fn save_on_full_disk(trial: &mut Trial, kind: Kind) -> Result<(), Skip> {
    let disk = small_disk(trial)?;
    let path = disk.0.to_str().expect("a path in UTF-8").to_string();
    let server = trial.server(kind).set("save", "3600 1000000").args(&["--dir", &path]).start();
    let below = trial.any();
    let replica = trial.server(below).replica_of(server.port()).start();
    wait_link_up(&replica);
    let mut client = server.client();
    client.must(&["SET", "small", "v"]).ok();
    wait_saved(&mut client, "ok");
    let good = fs::read(disk.0.join("dump.rdb")).expect("the file");
    for key in 0..6 {
        client.must(&[b"SET".as_slice(), format!("big:{key}").as_bytes(), &trial.seed.bytes(1_000_000)]).ok();
    }
    for _ in 0..trial.rounds(3) {
        wait_saved(&mut client, "err");
        let left: Vec<_> = fs::read_dir(&disk.0).expect("the disk").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["dump.rdb"], "a temporary file was left");
        assert_eq!(fs::read(disk.0.join("dump.rdb")).expect("the file"), good, "the old file was harmed");
        assert!(client.cmd(&["SET", "k", "v"]).error().starts_with("MISCONF"));
        assert_eq!(client.must(&["GET", "small"]).text(), "v");
        // A new replica needs no disk here.
        let other = trial.server(Kind::Redis).replica_of(server.port()).start();
        wait_link_up(&other);
        assert_same(&server, &other);
    }
    client.must(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]).ok();
    client.must(&["FLUSHALL"]).ok();
    client.must(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "yes"]).ok();
    wait_saved(&mut client, "ok");
    client.must(&["SET", "k", "v"]).ok();
    assert_same(&server, &replica);
    Ok(())
}

/// With `always`: what was answered is on the disk, however full that is; and what is refused is told so.
fn append_on_full_disk(trial: &mut Trial, kind: Kind) -> Result<(), Skip> {
    let disk = small_disk(trial)?;
    let path = disk.0.to_str().expect("a path in UTF-8").to_string();
    let builder = trial.server(kind).set("appendonly", "yes").set("appendfsync", "always");
    let mut server = builder.set("auto-aof-rewrite-percentage", 0).args(&["--dir", &path]).start();
    // What an operator removes in the end: a node that starts begins a segment, for which there must be room.
    fs::write(disk.0.join("filler"), vec![0; 200_000]).expect("a filler");
    let mut client = server.client();
    client.set_timeout(Duration::from_millis(100));
    let cannot_write = || server.info().text("aof_last_write_status") == "err";
    let mut answered = 0;
    'full: loop {
        let value = "x".repeat(1000 + trial.seed.below(20_000) as usize);
        client.send_raw(&encode(&["SET", &format!("k:{answered}"), &value])).expect("send a write");
        let reply = loop {
            match client.read() {
                Ok(reply) => break reply,
                // Kept waiting for room.
                Err(_) if cannot_write() => break 'full,
                Err(error) => assert!(matches!(error.kind(), WouldBlock | TimedOut), "{error}"),
            }
        };
        if reply.is_error() {
            break;
        }
        answered += 1;
    }
    println!("    {answered} answered");
    assert!(cannot_write(), "a write was refused, and nothing says why");
    if trial.seed.one_in(2) {
        server.kill();
        fs::remove_file(disk.0.join("filler")).expect("remove the filler");
        server.restart();
    } else {
        fs::remove_file(disk.0.join("filler")).expect("remove the filler");
        eventually_for(DISK_DEADLINE, "it writes again", || {
            let info = server.info();
            must(info.text("aof_last_write_status") == "ok", || format!("{info:?}"))
        });
        server.client().must(&["SET", "after", "all"]).ok();
        server.kill();
        server.restart();
        assert_eq!(server.client().must(&["GET", "after"]).text(), "all");
    }
    let mut client = server.client();
    for key in 0..answered {
        assert_eq!(client.must(&["EXISTS", &format!("k:{key}")]).int(), 1, "k:{key} of {answered} was answered and is gone");
    }
    Ok(())
}
