//! `MIGRATE`: to and from redis-server, with every type of value, and to targets that refuse, hang, or break off.

use koltso_tests::client::encode;
use koltso_tests::dataset::{COMPACT_LIMITS, fill};
use koltso_tests::groups::groups;
use koltso_tests::oracle::{Picture, assert_same, picture, wait_link_up};
use koltso_tests::server::free_port;
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Seed, Server, Value, eventually, with_cores};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

const HOST: &str = "127.0.0.1";
const UNREAD: &str = "IOERR error or timeout reading to target instance";

/// `MIGRATE` of one key or several to database 0, with options before the keys.
fn migrate(client: &mut Client, port: u16, keys: &[&str], options: &[&str]) -> Value {
    let port = port.to_string();
    let mut words = vec!["MIGRATE", HOST, &port, "", "0", "5000"];
    words.extend(options);
    match keys {
        [key] => words[3] = key,
        keys => {
            words.push("KEYS");
            words.extend(keys);
        }
    }
    client.cmd(&words)
}

fn same_but_for_deadlines(one: &Picture, other: &Picture) {
    assert_eq!((&one.digest, &one.sizes), (&other.digest, &other.sizes));
    assert_eq!(one.deadlines.len(), other.deadlines.len());
    for (key, deadline) in &one.deadlines {
        let there = other.deadlines[key];
        assert!((there - deadline).abs() < 20_000, "{key:?}: {deadline} and {there}");
    }
}

/// Copies a data set with every type, and then moves it over its copy.
fn everything_moves(from: Kind, to: Kind) {
    println!("from {from:?} to {to:?}");
    let (source, target) = (Server::with(from).text(COMPACT_LIMITS).start(), Server::start(to));
    let mut client = source.client();
    fill(&mut client, &mut Seed::fresh("migrate"), 3);
    for id in 1..200 {
        client.must(&["XADD", "stream", &format!("{id}-1"), "field", "value", "n", &id.to_string()]);
    }
    client.must(&["XGROUP", "CREATE", "stream", "group", "5-1"]);
    client.must(&["XREADGROUP", "GROUP", "group", "consumer", "COUNT", "20", "STREAMS", "stream", ">"]);
    let elements: Vec<String> = (0..1000).map(|i| format!("element number {i}")).collect();
    for _ in 0..100 {
        let words: Vec<&str> = ["RPUSH", "large"].into_iter().chain(elements.iter().map(String::as_str)).collect();
        client.must(&words);
    }
    let (whole, with_groups) = (picture(&source), groups(&mut client, false));
    for options in [&["COPY"][..], &["REPLACE"]] {
        for db in ["0", "1", "9"] {
            client.must(&["SELECT", db]);
            let keys: Vec<Vec<u8>> = client.must(&["KEYS", "*"]).items().iter().map(|key| key.bytes().to_vec()).collect();
            let port = target.port().to_string();
            let words = ["MIGRATE", HOST, &port, "", db, "20000"].into_iter().chain(options.iter().copied()).chain(["KEYS"]);
            let words: Vec<Vec<u8>> = words.map(Vec::from).chain(keys).collect();
            client.must(&words).ok();
        }
        same_but_for_deadlines(&whole, &picture(&target));
        assert_eq!(with_groups, groups(&mut target.client(), false));
    }
    assert!(picture(&source).sizes.is_empty(), "what has moved is gone");
}

#[test]
fn every_type_moves() {
    with_cores(|kind| {
        everything_moves(kind, Kind::Redis);
        everything_moves(Kind::Redis, kind);
        everything_moves(kind, Kind::Koltso { cores: 2 });
    });
}

#[test]
fn deadlines_of_fields_move() {
    with_cores(|kind| {
        let (source, target, old) = (Server::start(kind), Server::start(kind), Server::start(Kind::Redis));
        if !source.kind().is_koltso() {
            return;
        }
        let (mut client, mut there) = (source.client(), target.client());
        client.must(&["HSET", "h", "a", "1", "b", "2"]);
        client.must(&["HEXPIRE", "h", "900", "FIELDS", "1", "a"]);
        // It cannot hold them.
        let error = migrate(&mut client, old.port(), &["h"], &[]);
        assert_eq!(error.error(), "ERR Target instance replied with error: ERR DUMP payload version or checksum are wrong");
        migrate(&mut client, target.port(), &["h"], &[]).ok();
        assert_eq!(client.must(&["EXISTS", "h"]).int(), 0);
        let ttls = there.must(&["HTTL", "h", "FIELDS", "2", "a", "b"]).items();
        assert!((880..=900).contains(&ttls[0].int()) && ttls[1].int() == -1, "{ttls:?}");
    });
}

/// Says the same to a koltso and to a real server, each with a target of its own, and compares all that is answered and the data.
#[test]
fn answers_are_those_of_redis() {
    let dialogue = |kind: Kind| {
        let (source, target) = (Server::start(kind), Server::start(Kind::Redis));
        let locked = Server::with(Kind::Redis).set("requirepass", "secret").start();
        locked.client().must(&["AUTH", "secret"]).ok();
        let mut admin = locked.client();
        admin.must(&["AUTH", "secret"]).ok();
        admin.must(&["ACL", "SETUSER", "bob", "on", ">pw", "~*", "+@all"]).ok();
        let (mut client, mut there) = (source.client(), target.client());
        let (open, closed, nobody) = (target.port().to_string(), locked.port().to_string(), free_port().to_string());
        let mut heard = Vec::new();
        let mut say = |line: &str| {
            let line = line.replace("OPEN", &open).replace("CLOSED", &closed).replace("NOBODY", &nobody);
            let words: Vec<&str> = line.split(' ').map(|word| if word == "-" { "" } else { word }).collect();
            let shown = line.replace(&open, "OPEN").replace(&closed, "CLOSED").replace(&nobody, "NOBODY");
            heard.push(format!("{shown}: {:?}", client.cmd(&words)));
        };
        there.must(&["MSET", "c", "_", "d", "_"]).ok();
        for line in [
            "MIGRATE 127.0.0.1 OPEN none 0 20000",
            "MIGRATE 127.0.0.1 OPEN - 0 20000",
            "MIGRATE 127.0.0.1 OPEN - 0 20000 KEYS none never",
            "MIGRATE 127.0.0.1 OPEN - 0 20000 KEYS",
            "MSET a 1 b 2 c 3 d 4 e 5",
            "MIGRATE 127.0.0.1 OPEN a 0",
            "MIGRATE 127.0.0.1 OPEN a 0 20000 KEYS b",
            "MIGRATE 127.0.0.1 OPEN a 0 x",
            "MIGRATE 127.0.0.1 OPEN a x 20000",
            "MIGRATE 127.0.0.1 OPEN a x y bad",
            "MIGRATE 127.0.0.1 OPEN a 0 20000 BAD",
            "MIGRATE 127.0.0.1 OPEN a 0 20000 AUTH",
            "MIGRATE 127.0.0.1 OPEN a 0 20000 AUTH2 user",
            "MIGRATE 127.0.0.1 OPEN a 0 20000 COPY AUTH pw",
            "MIGRATE 127.0.0.1 OPEN a 99 20000",
            "MIGRATE 127.0.0.1 NOBODY a 0 1000",
            "MIGRATE 127.0.0.1 port a 0 1000",
            "MIGRATE 127.0.0.1 99999 a 0 1000",
            "MIGRATE 127.0.0.1 CLOSED a 0 20000",
            "MIGRATE 127.0.0.1 CLOSED a 0 20000 AUTH wrong",
            "MIGRATE 127.0.0.1 CLOSED a 0 20000 AUTH secret COPY",
            "MIGRATE 127.0.0.1 CLOSED b 0 20000 AUTH2 bob pw",
            "MIGRATE 127.0.0.1 CLOSED c 0 20000 AUTH2 bob no",
            "MIGRATE 127.0.0.1 OPEN - 0 20000 KEYS a c d e none",
            "EXISTS a b c d e",
            "MIGRATE 127.0.0.1 OPEN - 0 0 COPY KEYS c d",
            "MIGRATE 127.0.0.1 OPEN - 0 -5 REPLACE COPY KEYS c d",
            "MIGRATE 127.0.0.1 OPEN c 9 20000 replace",
            "MIGRATE 127.0.0.1 OPEN d 0 20000 REPLACE",
            "DBSIZE",
            "SET x 1",
            "MULTI",
            "SET y 2",
            "MIGRATE 127.0.0.1 OPEN - 0 20000 KEYS x y z",
            "EXISTS x y",
            "MIGRATE 127.0.0.1 OPEN x 0 20000",
            "MIGRATE 127.0.0.1 NOBODY x 0 1000",
            "MIGRATE 127.0.0.1 OPEN x 0 20000 BAD",
            "EXEC",
            "SET s 1",
            "EVAL return{redis.call('MIGRATE',ARGV[1],ARGV[2],KEYS[1],0,20000),redis.call('EXISTS',KEYS[1])} 1 s 127.0.0.1 OPEN",
            "EVAL return{redis.pcall('MIGRATE',ARGV[1],ARGV[2],KEYS[1],0,20000)} 1 s 127.0.0.1 OPEN",
            "DBSIZE",
        ] {
            say(line);
        }
        // What Redis sends behind a login that fails arrives all the same if an earlier one was good.
        (heard, picture(&target))
    };
    let model = dialogue(Kind::Redis);
    with_cores(|kind| {
        let mine = dialogue(kind);
        for (mine, model) in mine.0.iter().zip(&model.0) {
            assert_eq!(mine, model);
        }
        assert_eq!(mine.1, model.1);
    });
}

#[test]
fn replicas_lose_what_has_moved_and_nothing_else() {
    with_cores(|kind| {
        let (source, target) = (Server::start(kind), Server::start(Kind::Redis));
        let replica = Server::with(Kind::Redis).replica_of(source.port()).start();
        wait_link_up(&replica);
        let mut client = source.client();
        let keys = ["a", "b", "c", "d", "e", "f", "g"];
        let pairs: Vec<&str> = ["MSET"].into_iter().chain(keys.into_iter().flat_map(|key| [key, "1"])).collect();
        client.must(&pairs).ok();
        target.client().must(&["MSET", "c", "_", "d", "_"]).ok();
        assert!(migrate(&mut client, target.port(), &keys, &[]).error().contains("BUSYKEY"));
        assert_eq!(client.must(&["KEYS", "*"]).sorted().items().len(), 2);
        assert_same(&source, &replica);
        client.must(&["SET", "a", "2"]).ok();
        client.must(&["MULTI"]).ok();
        migrate(&mut client, target.port(), &["c", "d"], &["REPLACE"]);
        client.must(&["SET", "c", "again"]);
        client.must(&["EXEC"]).items()[0].ok();
        assert_same(&source, &replica);
        assert_eq!(replica.client().must(&["MGET", "a", "c", "d"]).items()[2], Value::NullBulk);
        assert_eq!(replica.info().int("sync_full"), 0);
    });
}

/// A target that says what the test wants: it reads until it has seen so many `RESTORE`s, and then does what it is told.
fn played(restores: usize, play: impl FnOnce(TcpStream) + Send + 'static) -> (u16, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut part = [0; 4096];
        while seen.windows(7).filter(|word| word == b"RESTORE").count() < restores {
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "it has given up");
            seen.extend_from_slice(&part[..read]);
        }
        play(stream);
    });
    (port, thread)
}

/// A target that has seen what it waits for, and keeps its answer back.
struct Held {
    port: u16,
    thread: std::thread::JoinHandle<()>,
    /// Receives when it has seen all.
    seen: Receiver<()>,
    /// Has it answer.
    tell: Sender<()>,
}

impl Held {
    fn after(restores: usize, answer: &'static [u8]) -> Held {
        let (tell, told) = channel();
        let (has, seen) = channel();
        let (port, thread) = played(restores, move |mut stream| {
            has.send(()).unwrap();
            told.recv().unwrap();
            stream.write_all(answer).unwrap();
        });
        Held { port, thread, seen, tell }
    }
}

#[test]
fn a_write_on_the_way_is_not_lost() {
    with_cores(|kind| {
        let server = Server::start(kind);
        if !server.kind().is_koltso() {
            return;
        }
        let (mut client, mut other) = (server.client(), server.client());
        for (write, left) in
            [(&["APPEND", "b", "!"][..], 1), (&["DEL", "b"], 0), (&["FLUSHALL"], 0), (&["PERSIST", "none"], -1)]
        {
            client.must(&["MSET", "a", "1", "b", "2", "c", "3"]).ok();
            let Held { port, thread, seen, tell } = Held::after(3, b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
            client.send_raw(&encode(&["MIGRATE", HOST, &port.to_string(), "", "0", "5000", "KEYS", "a", "b", "c"])).unwrap();
            // Others are served meanwhile, also about these keys.
            seen.recv().unwrap();
            assert_eq!(other.must(&["GET", "b"]).text(), "2");
            other.must(write);
            tell.send(()).unwrap();
            let reply = client.read().unwrap();
            match left {
                -1 => reply.ok(),
                _ => assert!(reply.error().contains("were written to on their way"), "{reply:?}"),
            }
            assert_eq!(client.must(&["DBSIZE"]).int(), left.max(0), "{write:?}");
            client.must(&["FLUSHALL"]).ok();
            thread.join().unwrap();
        }
    });
}

/// `WATCH` does not hear of what happens to groups. A migration has to.
#[test]
fn what_happens_to_groups_on_the_way_is_not_lost() {
    with_cores(|kind| {
        let server = Server::start(kind);
        if !server.kind().is_koltso() {
            return;
        }
        let (mut client, mut other) = (server.client(), server.client());
        for write in [
            "XACK s group 1-1",
            "XGROUP CREATE s another 0",
            "XGROUP SETID s group 0",
            "XGROUP DESTROY s group",
            "XGROUP CREATECONSUMER s group somebody",
            "XREADGROUP GROUP group somebody STREAMS s >",
            "XCLAIM s group somebody 0 1-1",
            "XAUTOCLAIM s group somebody 0 0",
            "XSETID s 9-9",
        ] {
            client.must(&["FLUSHALL"]).ok();
            for id in ["1-1", "2-1", "3-1"] {
                client.must(&["XADD", "s", id, "field", "value"]);
            }
            client.must(&["XGROUP", "CREATE", "s", "group", "0"]).ok();
            client.must(&["XREADGROUP", "GROUP", "group", "consumer", "COUNT", "2", "STREAMS", "s", ">"]);
            let Held { port, thread, seen, tell } = Held::after(1, b"+OK\r\n+OK\r\n");
            client.send_raw(&encode(&["MIGRATE", HOST, &port.to_string(), "s", "0", "5000"])).unwrap();
            seen.recv().unwrap();
            other.must(&write.split(' ').collect::<Vec<_>>());
            let changed = other.must(&["DUMP", "s"]);
            tell.send(()).unwrap();
            let reply = client.read().unwrap();
            assert!(reply.error().contains("were written to on their way"), "{write}: {reply:?}");
            assert_eq!(client.must(&["DUMP", "s"]), changed, "{write}");
            thread.join().unwrap();
        }
    });
}

/// Who waits for a key gets nothing of what a transaction has put there and sent away.
#[test]
fn nobody_is_served_half_way_through_a_transaction() {
    with_cores(|kind| {
        let (source, target) = (Server::start(kind), Server::start(Kind::Redis));
        let (mut client, mut waiting) = (source.client(), source.client());
        let port = target.port().to_string();
        waiting.send_raw(&encode(&["BLPOP", "list", "0"])).unwrap();
        eventually("it waits", || must(source.info().int("blocked_clients") == 1, || "it does not".into()));
        client.must(&["MULTI"]).ok();
        client.must(&["RPUSH", "list", "a", "b"]);
        client.must(&["MIGRATE", HOST, &port, "list", "0", "5000"]);
        client.must(&["EXEC"]).items()[1].ok();
        let script =
            "redis.call('RPUSH', KEYS[1], 'c') return redis.call('MIGRATE', ARGV[1], ARGV[2], KEYS[1], 0, 5000, 'REPLACE')";
        client.must(&["EVAL", script, "1", "list", HOST, &port]).ok();
        assert_eq!(target.client().must(&["LRANGE", "list", "0", "-1"]), Value::Array(vec![Value::Bulk(b"c".into())]));
        client.must(&["RPUSH", "list", "d"]);
        assert_eq!(waiting.read().unwrap().items()[1].text(), "d");
    });
}

/// Answers that come bit by bit, or one by one, do not hold up a node that waits for them.
#[test]
fn a_target_that_drips_holds_nobody_up_for_long() {
    with_cores(|kind| {
        let server = Server::start(kind);
        if !server.kind().is_koltso() {
            return;
        }
        let mut client = server.client();
        // More than a client waits for, where each answer takes as long as below.
        let count = 1000;
        let keys: Vec<String> = (0..count).map(|n| format!("key:{n}")).collect();
        for key in &keys {
            client.must(&["SET", key, "1"]).ok();
        }
        let mut in_place = |port: u16, timeout: &str| {
            let port = port.to_string();
            let words = ["MIGRATE", HOST, &port, "", "0", timeout, "KEYS"].into_iter().chain(keys.iter().map(String::as_str));
            client.must(&["MULTI"]).ok();
            client.must(&words.collect::<Vec<_>>());
            let began = Instant::now();
            assert_eq!(client.must(&["EXEC"]).items()[0].error(), UNREAD);
            (began.elapsed(), client.must(&["DBSIZE"]).int())
        };
        let dripping = |first: &'static [u8], drop: &'static [u8]| {
            played(0, move |mut stream| {
                stream.write_all(first).unwrap();
                while stream.write_all(drop).is_ok() {
                    std::thread::sleep(Duration::from_millis(40));
                }
            })
        };
        let (port, thread) = dripping(b"", b"+");
        let (took, left) = in_place(port, "500");
        // Ten times as long it may take in all, but not for a single answer.
        assert!(took < Duration::from_secs(5) && left == count, "{took:?}, {left}");
        thread.join().unwrap();
        // The first answer is that to SELECT. It is there with another one in any case, and all would come in forty seconds.
        let (port, thread) = dripping(b"+OK\r\n+OK\r\n", b"+OK\r\n");
        let (took, left) = in_place(port, "400");
        assert!((1..count).contains(&left), "{took:?}, {left}");
        thread.join().unwrap();
    });
}

#[test]
fn a_pause_of_writes_is_kept() {
    with_cores(|kind| {
        let server = Server::start(kind);
        if !server.kind().is_koltso() {
            return;
        }
        let (mut client, mut other) = (server.client(), server.client());
        client.must(&["SET", "a", "1"]).ok();
        let Held { port, thread, seen, tell } = Held::after(1, b"+OK\r\n+OK\r\n");
        client.send_raw(&encode(&["MIGRATE", HOST, &port.to_string(), "a", "0", "5000"])).unwrap();
        seen.recv().unwrap();
        other.must(&["CLIENT", "PAUSE", "100000", "WRITE"]).ok();
        tell.send(()).unwrap();
        thread.join().unwrap();
        client.set_timeout(Duration::from_millis(300));
        assert!(client.read().is_err(), "nothing is written in a pause");
        assert_eq!(other.must(&["EXISTS", "a"]).int(), 1);
        other.must(&["CLIENT", "UNPAUSE"]).ok();
        client.set_timeout(Duration::from_secs(60));
        client.read().unwrap().ok();
        assert_eq!(other.must(&["EXISTS", "a"]).int(), 0);
    });
}

#[test]
fn a_target_that_hangs_or_breaks_off_gets_what_it_has_taken() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let (mut client, mut other) = (server.client(), server.client());
        client.must(&["MSET", "a", "1", "b", "2", "c", "3"]).ok();
        let hanging = || {
            let (wait, until) = channel::<()>();
            let target = played(1, move |mut stream| {
                let _ = until.recv();
                let _ = stream.write_all(b"+OK\r\n-NO not now\r\n");
            });
            (wait, target)
        };
        // It hangs, and the others do not, for longer than they would wait.
        if server.kind().is_koltso() {
            let (wait, (port, thread)) = hanging();
            client.send_raw(&encode(&["MIGRATE", HOST, &port.to_string(), "a", "0", "3600000"])).unwrap();
            other.must(&["SET", "x", "1"]).ok();
            drop(wait);
            thread.join().unwrap();
            assert_eq!(client.read().unwrap().error(), "ERR Target instance replied with error: NO not now");
            other.must(&["DEL", "x"]);
        }
        // It hangs until the time is over.
        let (wait, (port, thread)) = hanging();
        let began = Instant::now();
        assert_eq!(client.cmd(&["MIGRATE", HOST, &port.to_string(), "a", "0", "300"]).error(), UNREAD);
        assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
        drop(wait);
        thread.join().unwrap();
        // It takes one, and breaks off.
        let (port, thread) = played(3, |mut stream| stream.write_all(b"+OK\r\n+OK\r\n").unwrap());
        assert_eq!(migrate(&mut client, port, &["a", "b", "c"], &[]).error(), UNREAD);
        thread.join().unwrap();
        assert_eq!(
            client.must(&["KEYS", "*"]).sorted(),
            Value::Array(vec![Value::Bulk(b"b".into()), Value::Bulk(b"c".into())])
        );
        // It refuses one, and breaks off.
        let (port, thread) = played(2, |mut stream| stream.write_all(b"+OK\r\n-NO not this\r\n").unwrap());
        assert_eq!(migrate(&mut client, port, &["b", "c"], &[]).error(), "ERR Target instance replied with error: NO not this");
        thread.join().unwrap();
        assert_eq!(client.must(&["DBSIZE"]).int(), 2);
        if server.kind().is_koltso() {
            // What is no answer to `RESTORE` is none.
            let (port, thread) = played(1, |mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n\r\n").unwrap());
            assert_eq!(migrate(&mut client, port, &["b"], &[]).error(), UNREAD);
            thread.join().unwrap();
            assert_eq!(client.must(&["DBSIZE"]).int(), 2);
        }
    });
}

/// The second time over the same connection; and one that the target has closed meanwhile is opened again.
#[test]
fn a_connection_is_used_again() {
    with_cores(|kind| {
        let (source, target) = (Server::start(kind), Server::start(Kind::Redis));
        let mut client = source.client();
        let before = target.info().int("total_connections_received");
        for round in 0..3 {
            client.must(&["SET", "a", "1"]).ok();
            migrate(&mut client, target.port(), &["a"], &["REPLACE"]).ok();
            assert_eq!(source.info().int("migrate_cached_sockets"), 1);
            if round == 1 {
                assert_eq!(target.client().must(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).int(), 1);
            }
        }
        // Two of MIGRATE, one of `kill`, and those of INFO.
        let after = target.info().int("total_connections_received");
        assert_eq!(after - before, 4);
        eventually("it is closed", || must(source.info().int("migrate_cached_sockets") == 0, || "still there".into()));
    });
}
