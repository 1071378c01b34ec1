//! `koltso restore`: any moment that base and log cover comes back as it was, in koltso and in Redis, and the source stays as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use koltso_tests::append_only::{folder, wait_no_rewrite, wait_on_disk};
use koltso_tests::oracle::{Picture, picture};
use koltso_tests::server::{fresh_dir, koltso_binary};
use koltso_tests::{Client, Kind, Seed, Server, dataset, eventually, wait::must, with_cores};

/// What it said, and its exit status.
#[track_caller]
fn restore(source: &Path, until: &str, to: &Path) -> (String, i32) {
    let mut command = Command::new(koltso_binary());
    let output = command.arg("restore").arg(source).args(["--until", until, "--to"]).arg(to).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (text, output.status.code().expect("it ends by itself"))
}

/// Restores `until`, and expects this data set of it, in every server.
#[track_caller]
fn assert_restored(source: &Server, until: &str, expected: &Picture) {
    let before = contents(&folder(source));
    let dir = fresh_dir(format!("restore-{}", source.port()));
    let target = dir.join("restored");
    let (text, status) = restore(&folder(source), until, &target);
    assert_eq!(status, 0, "{text}");
    let (text, status) = restore(&folder(source), until, &dir.join("restored.rdb"));
    assert_eq!(status, 0, "{text}");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "something is left behind");
    assert_eq!(contents(&folder(source)), before, "the source has changed");
    for kind in [Kind::Redis, Kind::Koltso { cores: 2 }] {
        let on_folder = Server::with(kind).set("appendonly", "yes").set("appenddirname", "restored");
        let on_rdb = Server::with(kind).set("dbfilename", "restored.rdb");
        for builder in [on_folder, on_rdb] {
            let mut server = builder.start();
            server.kill();
            fs::remove_dir_all(server.dir().join("restored")).ok();
            copy(&target, &server.dir().join("restored"));
            fs::copy(dir.join("restored.rdb"), server.dir().join("restored.rdb")).unwrap();
            server.restart();
            assert_eq!(expected, &picture(&server), "{until} {kind:?} {text}\n{}", server.log_tail());
        }
    }
    fs::remove_dir_all(dir).unwrap();
}

fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    all.sort();
    all.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn rewrite(client: &mut Client) {
    client.must(&["BGREWRITEAOF"]);
    wait_no_rewrite(client);
}

fn end(client: &mut Client) -> i64 {
    client.info("replication").int("master_repl_offset")
}

fn transaction(client: &mut Client) {
    client.must(&["MULTI"]).ok();
    client.must(&["INCR", "{t}a"]);
    client.must(&["RPUSH", "{t}b", "*1\r\n$4\r\nPING\r\n", "x"]);
    client.must(&["SELECT", "3"]);
    client.must(&["INCR", "{t}c"]);
    client.must(&["SELECT", "0"]);
    client.must(&["EXEC"]);
}

#[test]
fn every_offset_that_is_covered_comes_back() {
    let mut seed = Seed::fresh("restore_offset");
    with_cores(|kind| {
        let mut server = Server::with(kind).set("appendonly", "yes").start();
        let mut client = server.client();
        dataset::fill(&mut client, &mut seed, 5);
        rewrite(&mut client);
        let covered = end(&mut client);
        let mut moments = vec![(covered, picture(&server))];
        for round in 0..2 {
            dataset::fill(&mut client, &mut seed, 5);
            client.must(&["SET", "round", &round.to_string()]).ok();
            moments.push((end(&mut client), picture(&server)));
            if round == 0 {
                // A segment more.
                wait_on_disk(&mut client);
                server.kill();
                server.restart();
                client = server.client();
            }
        }
        transaction(&mut client);
        let last = end(&mut client);
        // A part of a transaction is nothing.
        let (before, earlier) = moments.last().cloned().unwrap();
        moments.push((last - 1, earlier.clone()));
        moments.push((before + 1, earlier));
        moments.push((last, picture(&server)));
        wait_on_disk(&mut client);
        for (offset, picture) in &moments {
            assert_restored(&server, &offset.to_string(), picture);
        }
        let nowhere = server.dir().join("nowhere");
        for (until, status, why) in
            [(covered - 1, 1, "the base is of offset"), (end(&mut client) + 1, 1, "the log ends at offset")]
        {
            let (text, found) = restore(&folder(&server), &until.to_string(), &nowhere);
            assert!(found == status && text.contains(why), "{found}: {text}");
        }
        let (text, status) = restore(&folder(&server), &last.to_string(), server.dir());
        assert!(status == 2 && text.contains("is there already"), "{text}");
        for (source, until) in [(server.dir(), "5"), (&*folder(&server), "yesterday")] {
            assert_eq!(restore(source, until, &nowhere).1, 2);
        }
        assert!(!nowhere.exists());
    });
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn every_second_that_is_covered_comes_back() {
    let mut seed = Seed::fresh("restore_time");
    let mut of_kind = |kind: Kind| {
        let builder = Server::with(kind).set("appendonly", "yes").set("appendfsync", "always");
        let server = builder.set("aof-timestamp-enabled", "yes").start();
        let mut client = server.client();
        let before = now_s();
        // What comes next is of a later second; a server looks at the clock ten times a second.
        let later = |than: u64| eventually("a second passes", || must(now_s() > than + 1, || "not yet".to_string()));
        later(before);
        dataset::fill(&mut client, &mut seed, 5);
        rewrite(&mut client);
        // In the second of the last one, Redis writes no time into a new file.
        later(now_s());
        let mut moments = Vec::new();
        for round in 0..3 {
            dataset::fill(&mut client, &mut seed, 3);
            client.must(&["SET", "round", &round.to_string()]).ok();
            let picture = picture(&server);
            moments.push((now_s(), picture));
            later(now_s());
        }
        for (time, picture) in &moments {
            assert_restored(&server, &format!("@{time}"), picture);
        }
        let (text, status) = restore(&folder(&server), &format!("@{before}"), &server.dir().join("nowhere"));
        assert!(status == 1 && text.contains("the base is of"), "{text}");
        if !kind.is_koltso() {
            // Redis does not say which offsets its files have.
            let (text, status) = restore(&folder(&server), "5", &server.dir().join("nowhere"));
            assert!(status == 1, "{text}");
        }
    };
    with_cores(&mut of_kind);
    of_kind(Kind::Redis);
}

#[test]
fn what_has_no_times_is_restored_to_no_time() {
    let mut server = Server::with(Kind::Redis).set("appendonly", "yes").set("appendfsync", "always").start();
    server.client().must(&["SET", "a", "1"]).ok();
    let later = now_s() + 1000;
    let (text, status) = restore(&folder(&server), &format!("@{later}"), &server.dir().join("nowhere"));
    assert!(status == 1 && text.contains("nothing says when"), "{text}");
    server.kill();
}
