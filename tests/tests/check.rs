//! `koltso check`: what it says is sound loads, what it says is good is what a start keeps, redis-check-aof agrees, and no file
//! makes it fail.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use koltso_tests::append_only::{SEGMENT, files, folder, last_file, wait_no_rewrite, wait_on_disk, write_folder};
use koltso_tests::cli::run;
use koltso_tests::oracle::picture;
use koltso_tests::server::{fresh_dir, koltso_binary};
use koltso_tests::{Kind, Seed, Server, dataset, with_cores};

/// What it says, and its exit status.
struct Said {
    text: String,
    status: i32,
}

impl Said {
    /// The line about this file.
    fn line(&self, file: &Path) -> &str {
        let name = file.display().to_string() + ":";
        self.text.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("{name} in {}", self.text))
    }

    /// A figure in that line.
    fn figure(&self, file: &Path, name: &str) -> u64 {
        let line = self.line(file);
        let (_, rest) = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("{name} in {line}"));
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    }
}

#[track_caller]
fn check_with(args: &[&str], path: &Path, answer: &str) -> Said {
    let mut command = Command::new(koltso_binary());
    command.arg("check").args(args).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that asks nothing reads nothing.
    child.stdin.take().unwrap().write_all(answer.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let status = output.status.code().unwrap_or_else(|| panic!("{}: {text}", output.status));
    assert!((0..=2).contains(&status), "{status}: {text}");
    Said { text, status }
}

#[track_caller]
fn check(path: &Path) -> Said {
    check_with(&[], path, "")
}

fn manifest(server: &Server) -> PathBuf {
    folder(server).join("appendonly.aof.manifest")
}

/// Whether redis-check-aof calls it sound.
fn is_sound_for_redis(server: &Server) -> bool {
    run("redis-check-aof", &[manifest(server).to_str().unwrap()]).status.success()
}

/// Every file of the folder with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    all.sort();
    all.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn what_servers_write_is_sound() {
    let mut seed = Seed::fresh("check_sound");
    let mut of_kind = |kind: Kind, text: &str| {
        let mut server = Server::with(kind).set("appendonly", "yes").text(text).start();
        let mut client = server.client();
        dataset::fill(&mut client, &mut seed, 20);
        let keys = picture(&server).sizes.values().sum::<i64>() as u64;
        client.must(&["BGREWRITEAOF"]);
        wait_no_rewrite(&mut client);
        client.must(&["SAVE"]).ok();
        client.must(&["SET", "after", "the rewrite"]).ok();
        client.must(&["MULTI"]).ok();
        client.must(&["INCR", "{x}a"]);
        client.must(&["INCR", "{x}b"]);
        client.must(&["EXEC"]);
        // A round of the disk without WAITAOF, which Redis 7.0 does not have.
        client.must(&["CONFIG", "SET", "appendfsync", "always"]).ok();
        client.must(&["SET", "last", "1"]).ok();
        let end = client.info("replication").int("master_repl_offset") as u64;
        let id = client.info("replication").text("master_replid").to_string();
        if kind.is_koltso() {
            wait_on_disk(&mut client);
        }
        server.kill();
        for path in [folder(&server), manifest(&server)] {
            let said = check(&path);
            assert_eq!(said.status, 0, "{}", said.text);
            assert!(said.text.ends_with("is sound.\n"), "{}", said.text);
            for file in files(&server) {
                let len = fs::metadata(&file).unwrap().len();
                assert_eq!((said.figure(&file, "size"), said.figure(&file, "ok_up_to")), (len, len), "{}", said.text);
                assert_eq!(said.figure(&file, "diff"), 0);
            }
            let (base, last) = (files(&server).remove(0), last_file(&server));
            if text.is_empty() {
                // Nothing expires meanwhile in either of them but by the clock.
                assert!(said.figure(&base, "keys") <= keys && said.figure(&base, "keys") > 0, "{}", said.text);
            }
            assert!(said.figure(&last, "commands") >= 6, "{}", said.text);
            if kind.is_koltso() {
                assert!(said.line(&last).ends_with(&format!("..{end} of {id}")), "{end} {id} {}", said.text);
            }
        }
        assert!(is_sound_for_redis(&server));
        let rdb = server.dir().join("dump.rdb");
        let said = check(&rdb);
        assert_eq!((said.status, said.figure(&rdb, "diff")), (0, 0), "{}", said.text);
        // One file by itself.
        let said = check(&last_file(&server));
        assert_eq!(said.status, 0, "{}", said.text);
    };
    with_cores(|kind| of_kind(kind, ""));
    for text in ["", "aof-use-rdb-preamble no\n", "aof-timestamp-enabled yes\n"] {
        of_kind(Kind::Redis, text);
    }
}

#[test]
fn what_it_says_is_good_is_what_a_start_keeps() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let whole = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$5\r\nfirst\r\n$1\r\n1\r\n";
        for cut in 0..=SEGMENT.len() {
            write_folder(&server, &[whole, &SEGMENT.as_bytes()[..cut]]);
            let before = contents(&folder(&server));
            let said = check(&folder(&server));
            assert_eq!(contents(&folder(&server)), before, "it only looks");
            let last = last_file(&server);
            let good = said.figure(&last, "ok_up_to");
            assert_eq!(said.status, i32::from(good < cut as u64), "cut at {cut}: {}", said.text);
            // Redis takes a part of an annotation for one that is whole.
            let in_annotation = SEGMENT[good as usize..cut].starts_with('#');
            assert_eq!(is_sound_for_redis(&server), said.status == 0 || in_annotation, "cut at {cut}: {}", said.text);
            client.must(&["DEBUG", "LOADAOF"]).ok();
            assert_eq!(fs::metadata(&last).unwrap().len(), good, "cut at {cut}: {}", said.text);
            // And the same again by --fix.
            write_folder(&server, &[whole, &SEGMENT.as_bytes()[..cut]]);
            assert_eq!(check_with(&["--fix", "--yes"], &folder(&server), "").status, 0);
            assert_eq!(fs::read(&last).unwrap(), &SEGMENT.as_bytes()[..good as usize]);
            assert!(is_sound_for_redis(&server));
        }
    });
}

#[test]
fn damage_is_named_with_its_place_and_left_alone() {
    let mut server = Server::with(Kind::Koltso { cores: 1 }).set("appendonly", "yes").start();
    server.kill();
    let set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    let damaged: &[(&[&str], &str, bool)] = &[
        (&[&format!("{set}xyz{set}"), set], "0.incr.aof: DAMAGED at offset 27", false),
        (&[&set[..20], set], "0.incr.aof: DAMAGED at offset 0", false),
        (&[&format!("*1\r\n$5\r\nMULTI\r\n{set}"), set], "0.incr.aof: DAMAGED at offset 0", false),
        (&[&format!("{set}xyz{set}"), &set[..20]], "1.incr.aof: DAMAGED at offset 0", false),
        (&[&format!("{set}*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$9000\r\n1\r\n{set}{set}")], "commands follow it", true),
        (&[set, &format!("{set}xyz{set}")], "1.incr.aof: DAMAGED at offset 27", true),
    ];
    for (segments, why, is_at_end) in damaged {
        fs::remove_dir_all(folder(&server)).ok();
        write_folder(&server, &segments.iter().map(|text| text.as_bytes()).collect::<Vec<_>>());
        let before = contents(&folder(&server));
        let said = check(&folder(&server));
        assert_eq!(said.status, 1, "{}", said.text);
        assert!(said.text.contains(why), "{why}: {}", said.text);
        assert!(!is_sound_for_redis(&server), "{}", said.text);
        assert!(!server.relaunch_to_fail().success());
        let said = check_with(&["--fix", "--yes"], &folder(&server), "");
        assert_eq!(said.status, i32::from(!is_at_end), "{}", said.text);
        if *is_at_end {
            assert_eq!(check(&folder(&server)).status, 0);
            assert!(is_sound_for_redis(&server));
        } else {
            assert_eq!(contents(&folder(&server)), before, "{}", said.text);
        }
    }
}

#[test]
fn what_is_missing_and_what_lies_is_told_apart_from_what_cannot_be_read() {
    let mut server = Server::with(Kind::Koltso { cores: 1 }).set("appendonly", "yes").start();
    let mut client = server.client();
    for nth in 0..20 {
        client.must(&["SET", &format!("key {nth}"), "value"]).ok();
    }
    client.must(&["BGREWRITEAOF"]);
    wait_no_rewrite(&mut client);
    wait_on_disk(&mut client);
    server.kill();
    let (base, text) = (files(&server).remove(0), fs::read_to_string(manifest(&server)).unwrap());
    let rdb = fs::read(&base).unwrap();
    let is = |status: i32, why: &str| {
        let said = check(&folder(&server));
        assert_eq!(said.status, status, "{}", said.text);
        assert!(said.text.contains(why), "{why}: {}", said.text);
        // Nothing of this is a tail.
        assert_eq!(check_with(&["--fix", "--yes"], &folder(&server), "").status, status);
    };
    fs::remove_file(&base).unwrap();
    is(1, "DAMAGED: the file is missing");
    fs::create_dir(&base).unwrap();
    is(2, "cannot be read: it is not a file");
    fs::remove_dir(&base).unwrap();
    for cut in [rdb.len() - 1, rdb.len() / 2, 10, 9, 7] {
        fs::write(&base, &rdb[..cut]).unwrap();
        is(1, "the file ends in the middle of its data");
    }
    let mut flipped = rdb.clone();
    flipped[rdb.len() - 12] ^= 1;
    fs::write(&base, &flipped).unwrap();
    is(1, "DAMAGED at offset");
    fs::write(&base, &rdb).unwrap();
    is(0, "is sound");
    // A part of the log that is in no file.
    let moved = |line: &str| match line.split_once(" from ") {
        Some((start, rest)) => {
            let (from, rest) = rest.split_once(' ').unwrap();
            format!("{start} from {} {rest}\n", from.parse::<u64>().unwrap() + 7)
        }
        None => format!("{line}\n"),
    };
    fs::write(manifest(&server), text.lines().map(moved).collect::<String>()).unwrap();
    is(1, "7 bytes of the log are missing before it");
    for lie in ["", "file ../x seq 1 type b\n", "file x seq 1\n", "\0\u{ff}\n"] {
        fs::write(manifest(&server), lie).unwrap();
        is(1, "appendonly.aof.manifest: DAMAGED");
    }
    fs::remove_file(manifest(&server)).unwrap();
    is(2, "no manifest");
    assert_eq!(check(Path::new("/nonexistent")).status, 2);
    assert_eq!(check(Path::new("/dev/zero")).status, 2);
    assert_eq!(check_with(&["--unknown"], Path::new("x"), "").status, 2);
}

#[test]
fn a_tail_goes_only_when_that_is_wanted_and_is_kept_beside_the_file() {
    let dir = fresh_dir("check_fix");
    let file = dir.join("one.aof");
    let good = SEGMENT.len() - 10;
    let good = SEGMENT[..good].rfind("*3").unwrap();
    fs::write(&file, &SEGMENT[..SEGMENT.len() - 10]).unwrap();
    for answer in ["", "n\n", "what\n", "\n"] {
        let said = check_with(&["--fix"], &file, answer);
        assert_eq!(said.status, 1, "{}", said.text);
        assert!(said.text.contains("Nothing was changed"), "{}", said.text);
        assert_eq!(contents(&dir).len(), 1);
        assert_eq!(fs::metadata(&file).unwrap().len(), SEGMENT.len() as u64 - 10);
    }
    assert_eq!(check_with(&["--fix"], &file, "y\n").status, 0);
    assert_eq!(fs::read(&file).unwrap(), &SEGMENT.as_bytes()[..good]);
    let kept = dir.join(format!("one.aof.cut-at-{good}"));
    assert_eq!(fs::read(kept).unwrap(), &SEGMENT.as_bytes()[good..SEGMENT.len() - 10]);
    assert_eq!(check_with(&["--fix"], &file, "").status, 0, "what is sound needs no answer");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn no_file_makes_it_fail() {
    let mut seed = Seed::fresh("check_any");
    let mut server = Server::with(Kind::Koltso { cores: 1 }).set("appendonly", "yes").start();
    let mut client = server.client();
    dataset::fill(&mut client, &mut seed, 2);
    client.must(&["BGREWRITEAOF"]);
    wait_no_rewrite(&mut client);
    dataset::fill(&mut client, &mut seed, 2);
    wait_on_disk(&mut client);
    server.kill();
    let whole = contents(&folder(&server));
    for _ in 0..60 {
        let (path, bytes) = &whole[seed.below(whole.len() as u64) as usize];
        let mut bytes = bytes.clone();
        for _ in 0..=seed.below(3) {
            let at = seed.below(bytes.len() as u64) as usize;
            match seed.below(3) {
                0 => bytes[at] = seed.below(256) as u8,
                1 => bytes[at] ^= 1 << seed.below(8),
                _ => drop(bytes.drain(at..(at + 1 + seed.below(20) as usize).min(bytes.len()))),
            }
            if bytes.is_empty() {
                break;
            }
        }
        fs::write(path, &bytes).unwrap();
        // It ends, and with a status of its own: `check_with` looks at that.
        check(&folder(&server));
        check(path);
        check_with(&["--fix"], &folder(&server), "n\n");
        for (path, bytes) in &whole {
            fs::write(path, bytes).unwrap();
        }
    }
}
