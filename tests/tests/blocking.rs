//! Commands that wait for keys: who is served, with what, in which order, and the ways in which a wait ends, on one core and on
//! three, and through replication both ways.

use koltso_tests::client::encode;
use koltso_tests::dialogue::{Line, same, wait_blocked};
use koltso_tests::oracle::{assert_same, wait_link_up};
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Server, Value, eventually, with_cores};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn say(client: &mut Client, line: &str) {
    client.send_raw(&encode(&line.split(' ').collect::<Vec<_>>())).unwrap();
}

fn waiting(server: &Server, line: &str, blocked: i64) -> Client {
    let mut client = server.client();
    say(&mut client, line);
    wait_blocked(server, blocked);
    client
}

fn texts(value: &Value) -> Vec<String> {
    value.items().iter().map(Value::text).collect()
}

/// Keys that lie on different cores, of three.
const SPREAD: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[test]
fn what_is_there_is_taken_at_once_and_errors_read_as_in_redis() {
    let lines: &[Line<'_>] = &[
        (0, "RPUSH l 1 2 3 4 5 6 7", &[(0, 1)]),
        (0, "ZADD z 1 a 2 b 3 c 4 d 5 e", &[(0, 1)]),
        (0, "SET s x", &[(0, 1)]),
        (0, "BLPOP none l 0", &[(0, 1)]),
        (0, "BRPOP l 0", &[(0, 1)]),
        (0, "BLMPOP 0 2 none l RIGHT COUNT 2", &[(0, 1)]),
        (0, "BLMOVE l other LEFT RIGHT 0", &[(0, 1)]),
        (0, "BRPOPLPUSH l other 0", &[(0, 1)]),
        (0, "LRANGE other 0 -1", &[(0, 1)]),
        (0, "BZPOPMIN none z 0", &[(0, 1)]),
        (0, "BZPOPMAX z 0", &[(0, 1)]),
        (0, "BZMPOP 0 1 z MAX COUNT 2", &[(0, 1)]),
        (0, "BLPOP s 0", &[(0, 1)]),
        (0, "BLPOP z l 0", &[(0, 1)]),
        (0, "BZPOPMIN s 0", &[(0, 1)]),
        (0, "BLMOVE s l LEFT LEFT 0", &[(0, 1)]),
        (0, "BLMOVE other s LEFT LEFT 0", &[(0, 1)]),
        (0, "BLPOP k 0.01", &[(0, 1)]),
        (0, "BLMOVE k l LEFT LEFT 0.01", &[(0, 1)]),
        (0, "BRPOPLPUSH k l 0.01", &[(0, 1)]),
        (0, "BLMPOP 0.01 1 k LEFT", &[(0, 1)]),
        (0, "BZPOPMIN k 0.001", &[(0, 1)]),
        (0, "BZMPOP 0.01 1 k MIN", &[(0, 1)]),
        (0, "BLPOP k -1", &[(0, 1)]),
        (0, "BLPOP k x", &[(0, 1)]),
        (0, "BLPOP k nan", &[(0, 1)]),
        (0, "BLPOP k 1e300", &[(0, 1)]),
        (0, "BLMOVE k l UP LEFT x", &[(0, 1)]),
        (0, "BLMOVE k l LEFT LEFT x", &[(0, 1)]),
        (0, "BLMPOP x 0 k LEFT", &[(0, 1)]),
        (0, "BLMPOP x 1 k LEFT", &[(0, 1)]),
        (0, "BLMPOP 1 1 k UP", &[(0, 1)]),
        (0, "BLMPOP 1 1 k LEFT COUNT 0", &[(0, 1)]),
        (0, "BLMPOP -1 1 k LEFT COUNT 1 COUNT 1", &[(0, 1)]),
        (0, "BLMPOP 1 2 k LEFT", &[(0, 1)]),
        (0, "BLMPOP 1 9223372036854775807 k LEFT", &[(0, 1)]),
        (0, "BZMPOP x 1 k UP", &[(0, 1)]),
        (0, "BLPOP k", &[(0, 1)]),
        (0, "MULTI", &[(0, 1)]),
        (0, "BLPOP k 0", &[(0, 1)]),
        (0, "BLMOVE k l LEFT LEFT 0", &[(0, 1)]),
        (0, "BRPOPLPUSH k l 0", &[(0, 1)]),
        (0, "BLMPOP 0 1 k LEFT", &[(0, 1)]),
        (0, "BZPOPMAX k 0", &[(0, 1)]),
        (0, "BZMPOP 0 1 k MIN", &[(0, 1)]),
        (0, "BLPOP other 0", &[(0, 1)]),
        (0, "EXEC", &[(0, 1)]),
        (0, "CLIENT UNBLOCK 12345", &[(0, 1)]),
        (0, "CLIENT UNBLOCK x", &[(0, 1)]),
        (0, "CLIENT UNBLOCK 1 WHY", &[(0, 1)]),
    ];
    same(1, &[], lines);
    same(1, &[0], lines);
}

#[test]
fn who_waits_is_served_as_by_redis() {
    same(
        4,
        &[1],
        &[
            (0, "BLPOP a b c 0", &[]),
            (0, "#blocked 1", &[]),
            (3, "RPUSH b 1 2", &[(3, 1), (0, 1)]),
            (3, "LRANGE b 0 -1", &[(3, 1)]),
            (0, "BRPOP z 0", &[]),
            (0, "#blocked 1", &[]),
            (3, "SET z string", &[(3, 1)]),
            (3, "DEL z", &[(3, 1)]),
            (3, "ZADD z 1 a", &[(3, 1)]),
            (3, "DEL z", &[(3, 1)]),
            (3, "LPUSH z x", &[(3, 1), (0, 1)]),
            (1, "BZPOPMIN z y 0", &[]),
            (1, "#blocked 1", &[]),
            (3, "ZADD y 2 two 1 one", &[(3, 1), (1, 1)]),
            (1, "BZMPOP 0 2 q z MAX COUNT 5", &[]),
            (1, "#blocked 1", &[]),
            (3, "ZADD z 2 two 1 one", &[(3, 1), (1, 1)]),
            (0, "BLMPOP 0 2 q l LEFT COUNT 2", &[]),
            (0, "#blocked 1", &[]),
            (3, "RPUSH l 1 2 3", &[(3, 1), (0, 1)]),
            (3, "DEL l b", &[(3, 1)]),
            // Nothing is left when the transaction ends.
            (0, "BLPOP l 0", &[]),
            (0, "#blocked 1", &[]),
            (3, "MULTI", &[(3, 1)]),
            (3, "LPUSH l a", &[(3, 1)]),
            (3, "DEL l", &[(3, 1)]),
            (3, "EXEC", &[(3, 1)]),
            (3, "MULTI", &[(3, 1)]),
            (3, "LPUSH l a", &[(3, 1)]),
            (3, "LPUSH l b", &[(3, 1)]),
            (3, "EXEC", &[(3, 1), (0, 1)]),
            (3, "DEL l", &[(3, 1)]),
            // By every way in which a list comes to be.
            (0, "BLPOP new 0", &[]),
            (0, "#blocked 1", &[]),
            (3, "RPUSH old x", &[(3, 1)]),
            (3, "RENAME old new", &[(3, 1), (0, 1)]),
            (0, "BLPOP new 0", &[]),
            (0, "#blocked 1", &[]),
            (3, "RPUSH old x", &[(3, 1)]),
            (3, "COPY old new", &[(3, 1), (0, 1)]),
            (0, "BLPOP new 0", &[]),
            (0, "#blocked 1", &[]),
            (3, "LMOVE old new LEFT LEFT", &[(3, 1), (0, 1)]),
            (0, "BLPOP new 0", &[]),
            (0, "#blocked 1", &[]),
            (3, "SELECT 1", &[(3, 1)]),
            (3, "RPUSH new x", &[(3, 1)]),
            (3, "MOVE new 0", &[(3, 1), (0, 1)]),
            (0, "BLPOP new 0", &[]),
            (0, "#blocked 1", &[]),
            (3, "RPUSH new x", &[(3, 1)]),
            (3, "SWAPDB 0 1", &[(3, 1), (0, 1)]),
            // A destination of another type is an error for the one who waits, and the element stays.
            (0, "BLMOVE from to LEFT RIGHT 0", &[]),
            (0, "#blocked 1", &[]),
            (3, "SELECT 0", &[(3, 1)]),
            (3, "SET to string", &[(3, 1)]),
            (3, "RPUSH from x", &[(3, 1), (0, 1)]),
            (3, "LLEN from", &[(3, 1)]),
            // What one is served with another waits for.
            (3, "DEL from to", &[(3, 1)]),
            (0, "BRPOPLPUSH one two 0", &[]),
            (0, "#blocked 1", &[]),
            (1, "BLMOVE two three LEFT RIGHT 0", &[]),
            (1, "#blocked 2", &[]),
            (3, "RPUSH one x", &[(3, 1), (0, 1), (1, 1)]),
            (3, "LRANGE three 0 -1", &[(3, 1)]),
            (0, "BRPOPLPUSH self self 0", &[]),
            (0, "#blocked 1", &[]),
            (3, "RPUSH self x", &[(3, 1), (0, 1)]),
            (3, "LRANGE self 0 -1", &[(3, 1)]),
        ],
    );
}

#[test]
fn who_waits_for_streams_is_served_as_by_redis() {
    let lines: &[Line<'_>] = &[
        (3, "XADD s 1-1 f v", &[(3, 1)]),
        (3, "XGROUP CREATE s g 0", &[(3, 1)]),
        // What is there is given at once, and nothing waits in a transaction.
        (0, "XREAD BLOCK 0 STREAMS s none 0 0", &[(0, 1)]),
        (0, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >", &[(0, 1)]),
        (0, "XREADGROUP GROUP g c BLOCK 0 STREAMS s 0", &[(0, 1)]),
        (0, "XREADGROUP GROUP g c BLOCK 0 STREAMS s 5", &[(0, 1)]),
        (0, "XREAD BLOCK 10 STREAMS s $", &[(0, 1)]),
        (0, "XREADGROUP GROUP g c BLOCK 10 STREAMS s >", &[(0, 1)]),
        (0, "XREAD BLOCK -1 STREAMS s $", &[(0, 1)]),
        (0, "XREAD BLOCK x STREAMS s $", &[(0, 1)]),
        (0, "XREAD BLOCK 1.5 STREAMS s $", &[(0, 1)]),
        (0, "XREAD BLOCK 0 STREAMS s >", &[(0, 1)]),
        (0, "XREADGROUP GROUP no c BLOCK 0 STREAMS s >", &[(0, 1)]),
        (0, "XREADGROUP GROUP g c BLOCK 0 STREAMS none >", &[(0, 1)]),
        (0, "MULTI", &[(0, 1)]),
        (0, "XREAD BLOCK 0 STREAMS s $", &[(0, 1)]),
        (0, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >", &[(0, 1)]),
        (0, "EXEC", &[(0, 1)]),
        // The end is where it was when the command came; of several keys the one that gets an entry ends the wait.
        (0, "XREAD BLOCK 0 STREAMS a b s c $ $ $ 7-0", &[]),
        (0, "#blocked 1", &[]),
        (3, "XADD c 6-1 f v", &[(3, 1)]),
        (3, "XADD c 7-0 f v", &[(3, 1)]),
        (3, "SET a string", &[(3, 1)]),
        (3, "XADD s 1-2 f w", &[(3, 1), (0, 1)]),
        (3, "DEL a", &[(3, 1)]),
        (0, "XREAD BLOCK 0 STREAMS a b s c $ $ $ 7-0", &[]),
        (0, "#blocked 1", &[]),
        (3, "XADD c 7-1 f v", &[(3, 1), (0, 1)]),
        (0, "XREAD COUNT 2 BLOCK 0 STREAMS new new 5-0 1-0", &[]),
        (0, "#blocked 1", &[]),
        (3, "XADD new 2-0 f v", &[(3, 1)]),
        (3, "MULTI", &[(3, 1)]),
        (3, "XADD new 8-0 f v", &[(3, 1)]),
        (3, "XADD new 8-1 f v", &[(3, 1)]),
        (3, "XADD new 8-2 f v", &[(3, 1)]),
        (3, "EXEC", &[(3, 1), (0, 1)]),
        // All who wait get it, readers of one group share.
        (0, "XREAD BLOCK 0 STREAMS s $", &[]),
        (0, "#blocked 1", &[]),
        (1, "XREAD BLOCK 0 STREAMS s $", &[]),
        (1, "#blocked 2", &[]),
        (2, "XREADGROUP GROUP g new BLOCK 0 NOACK STREAMS s c > >", &[(2, 1)]),
        (3, "XGROUP CREATE c g $", &[(3, 1)]),
        (2, "XREADGROUP GROUP g new COUNT 1 STREAMS s >", &[(2, 1)]),
        (2, "XREADGROUP GROUP g new BLOCK 0 COUNT 1 NOACK STREAMS s c > >", &[]),
        (2, "#blocked 3", &[]),
        (3, "XADD s 2-1 f x", &[(3, 1), (0, 1), (1, 1), (2, 1)]),
        (3, "XPENDING s g", &[(3, 1)]),
        (0, "XREADGROUP GROUP g one BLOCK 0 STREAMS s >", &[]),
        (0, "#blocked 1", &[]),
        (1, "XREADGROUP GROUP g two BLOCK 0 STREAMS s >", &[]),
        (1, "#blocked 2", &[]),
        (3, "XADD s 2-2 f x", &[(3, 1), (0, 1)]),
        (3, "MULTI", &[(3, 1)]),
        (3, "XADD s 2-3 f y", &[(3, 1)]),
        (3, "XADD s 2-4 f z", &[(3, 1)]),
        (3, "EXEC", &[(3, 1), (1, 1)]),
        (3, "XPENDING s g", &[(3, 1)]),
        // By every way in which a stream comes to be.
        (0, "XREAD BLOCK 0 STREAMS copy $", &[]),
        (0, "#blocked 1", &[]),
        (3, "RPUSH copy x", &[(3, 1)]),
        (3, "DEL copy", &[(3, 1)]),
        (3, "COPY s copy", &[(3, 1), (0, 1)]),
        (0, "XREAD BLOCK 0 COUNT 1 STREAMS moved $", &[]),
        (0, "#blocked 1", &[]),
        (3, "RENAME copy moved", &[(3, 1), (0, 1)]),
        // Going to be read, and not: deleted, trimmed, moved, not above the id that is asked for.
        (0, "XREAD BLOCK 0 STREAMS s 100-0", &[]),
        (0, "#blocked 1", &[]),
        (3, "XADD s 50-0 f v", &[(3, 1)]),
        (3, "XDEL s 50-0", &[(3, 1)]),
        (3, "XTRIM s MAXLEN 2", &[(3, 1)]),
        (3, "XSETID s 99-0", &[(3, 1)]),
        (3, "XGROUP SETID s g 0", &[(3, 1)]),
        (3, "DEL s", &[(3, 1)]),
        (3, "SET s string", &[(3, 1)]),
        (3, "DEL s", &[(3, 1)]),
        (3, "XADD s 100-1 f v", &[(3, 1), (0, 1)]),
    ];
    same(4, &[], lines);
    same(4, &[0, 1, 2], lines);
}

#[test]
fn who_reads_for_a_group_hears_when_that_is_gone() {
    let gone: &[&[&str]] = &[
        &["XGROUP DESTROY s g"],
        &["DEL s"],
        &["UNLINK s"],
        &["SET s x"],
        &["RENAME s other"],
        &["MOVE s 1"],
        &["FLUSHDB"],
        &["FLUSHALL"],
        &["SWAPDB 0 2"],
        &["PEXPIRE s -1"],
        &["MULTI", "DEL s", "SADD s e", "EXEC"],
        &["MULTI", "DEL s", "XADD s 1-1 f v", "EXEC"],
        &["MULTI", "XGROUP DESTROY s g", "XGROUP CREATE s g $", "EXEC"],
        &["XADD other 2-2 f v", "RENAME other s"],
        &["XADD other 2-2 f v", "COPY other s REPLACE"],
    ];
    for lines in gone {
        let server_says = |server: &Server| {
            let mut writer = server.client();
            writer.must(&["XADD", "s", "1-1", "f", "v"]);
            writer.must(&["XGROUP", "CREATE", "s", "g", "$"]).ok();
            writer.must(&["XGROUP", "CREATE", "t", "g", "$", "MKSTREAM"]).ok();
            let mut group = waiting(server, "XREADGROUP GROUP g c BLOCK 0 STREAMS t s > >", 1);
            let mut plain = waiting(server, "XREAD BLOCK 0 STREAMS s $", 2);
            for line in *lines {
                writer.must(&line.split(' ').collect::<Vec<_>>());
            }
            let still = ["t", "s"].map(|key| writer.cmd(&["XADD", key, "9-9", "f", "v"]));
            let heard = format!("{:?} {still:?}", group.read().unwrap());
            writer.must(&["FLUSHALL"]).ok();
            writer.must(&["XADD", "s", "99-9", "f", "v"]);
            (heard, plain.read().unwrap())
        };
        let model = server_says(&Server::start(Kind::Redis));
        with_cores(|kind| assert_eq!(server_says(&Server::start(kind)), model, "{lines:?}"));
    }
}

#[test]
fn a_wait_for_streams_ends_by_time_and_by_order() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut other = server.client();
        for key in SPREAD {
            other.must(&["XGROUP", "CREATE", key, "g", "$", "MKSTREAM"]).ok();
        }
        for (key, second) in SPREAD.iter().zip(SPREAD.iter().skip(1)) {
            let mut client = server.client();
            let id = client.must(&["CLIENT", "ID"]).int().to_string();
            let start = Instant::now();
            assert_eq!(client.must(&["XREAD", "BLOCK", "300", "STREAMS", key, second, "$", "$"]), Value::NullArray);
            let took = start.elapsed();
            assert!(took >= Duration::from_millis(299) && took < Duration::from_secs(3), "{took:?}");
            for (reason, expected) in
                [("TIMEOUT", Value::NullArray), ("ERROR", Value::Error("UNBLOCKED client unblocked via CLIENT UNBLOCK".into()))]
            {
                say(&mut client, &format!("XREADGROUP GROUP g c BLOCK 0 STREAMS {key} {second} > >"));
                wait_blocked(&server, 1);
                let line = other.must(&["CLIENT", "LIST", "ID", &id]).text();
                assert!(line.contains(" flags=b ") && line.contains(" cmd=xreadgroup "), "{line}");
                assert_eq!(other.must(&["CLIENT", "UNBLOCK", &id, reason]).int(), 1);
                assert_eq!(client.read().unwrap(), expected);
            }
            drop(waiting(&server, &format!("XREAD BLOCK 0 STREAMS {second} {key} $ $"), 1));
            wait_blocked(&server, 0);
            other.must(&["XADD", key, "*", "f", "v"]);
            assert_eq!(client.must(&["XLEN", key]).int(), 1, "nobody takes what the dead have waited for");
        }
    });
}

#[test]
fn replicas_are_told_what_readers_of_groups_got_and_serve_those_who_only_read() {
    with_cores(|kind| {
        for (above, below) in [(kind, Kind::Redis), (Kind::Redis, kind), (kind, kind)] {
            let primary = Server::start(above);
            let replica = Server::with(below).replica_of(primary.port()).start();
            wait_link_up(&replica);
            let mut writer = primary.client();
            for key in SPREAD {
                writer.must(&["XGROUP", "CREATE", key, "g", "$", "MKSTREAM"]).ok();
                writer.must(&["XGROUP", "CREATE", key, "h", "$", "MKSTREAM"]).ok();
            }
            let copied = |key: &str, replica: &Server| {
                eventually("the stream is copied", || {
                    let there = replica.client().must(&["EXISTS", key]).int();
                    must(there == 1, || "it is not".into())
                });
            };
            for (nth, key) in SPREAD.iter().enumerate() {
                copied(key, &replica);
                let lines = [
                    format!("XREADGROUP GROUP g one BLOCK 0 STREAMS {key} >"),
                    format!("XREADGROUP GROUP g two BLOCK 0 NOACK STREAMS {} {key} > >", SPREAD[(nth + 1) % 6]),
                    format!("XREADGROUP GROUP h one BLOCK 0 COUNT 1 STREAMS {key} >"),
                ];
                let mut clients: Vec<Client> =
                    lines.iter().enumerate().map(|(nth, line)| waiting(&primary, line, nth as i64 + 1)).collect();
                let mut below = waiting(&replica, &format!("XREAD BLOCK 0 STREAMS {key} $"), 1);
                writer.must(&["XADD", key, "1-1", "f", "v"]);
                writer.pipeline(&[
                    vec!["MULTI"],
                    vec!["XADD", key, "1-2", "f", "v"],
                    vec!["XADD", key, "1-3", "f", "w"],
                    vec!["EXEC"],
                ]);
                clients.iter_mut().for_each(|client| _ = client.read().unwrap());
                assert_eq!(below.read().unwrap().items()[0].items()[1].items()[0].items()[0].text(), "1-1");
            }
            assert_same(&primary, &replica);
            for key in SPREAD {
                let about = |server: &Server| {
                    let mut client = server.client();
                    let mut groups = client.must(&["XINFO", "GROUPS", key]).items();
                    if !above.is_koltso() {
                        // How many entries were read is not told to its replicas by Redis.
                        groups = groups.iter().map(|group| Value::Array(group.items()[..8].to_vec())).collect();
                    }
                    let pending = client.must(&["XPENDING", key, "h", "-", "+", "9"]).items();
                    let pending: Vec<Vec<Value>> = pending.iter().map(|entry| entry.items()[..2].to_vec()).collect();
                    (groups, pending)
                };
                assert_eq!(about(&primary), about(&replica));
            }
        }
    });
}

#[test]
fn first_come_first_served() {
    with_cores(|kind| {
        let server = Server::start(kind);
        for (wait, push) in [("BLPOP a b 0", "RPUSH a"), ("BLMOVE a b LEFT RIGHT 0", "RPUSH a"), ("BZPOPMIN a 0", "ZADD a 1")] {
            let mut clients: Vec<Client> = (1..=12).map(|nth| waiting(&server, wait, nth)).collect();
            let mut writer = server.client();
            for (nth, client) in clients.iter_mut().enumerate() {
                say(&mut writer, &format!("{push} element-{nth}"));
                assert_eq!(writer.read().unwrap(), Value::Int(1));
                let reply = format!("{:?}", client.read().unwrap());
                assert!(reply.contains(&format!("element-{nth}")), "{wait}: client {nth} got {reply}");
            }
            assert_eq!(writer.must(&["EXISTS", "a"]).int(), 0);
            writer.must(&["DEL", "b"]);
        }
        // All at once.
        let mut clients: Vec<Client> = (1..=12).map(|nth| waiting(&server, "BLPOP x y 0", nth)).collect();
        let elements: Vec<String> = (0..20).map(|nth| nth.to_string()).collect();
        let mut writer = server.client();
        say(&mut writer, &format!("RPUSH y {}", elements.join(" ")));
        assert_eq!(writer.read().unwrap(), Value::Int(20));
        for (nth, client) in clients.iter_mut().enumerate() {
            assert_eq!(texts(&client.read().unwrap()), ["y", &nth.to_string()]);
        }
        assert_eq!(writer.must(&["LLEN", "y"]).int(), 8);
    });
}

#[test]
fn every_element_reaches_one_consumer() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let (producers, each) = (4, 400);
        let consumed: Vec<Vec<String>> = std::thread::scope(|scope| {
            let consumers: Vec<_> = (0..8)
                .map(|nth| {
                    let mut client = server.client();
                    client.set_timeout(Duration::from_secs(60));
                    scope.spawn(move || {
                        let mut got = Vec::new();
                        let mut keys = SPREAD;
                        keys.rotate_left(nth % SPREAD.len());
                        loop {
                            let args: Vec<&str> = ["BLPOP"].into_iter().chain(keys).chain(["stop", "30"]).collect();
                            let reply = client.must(&args);
                            match &texts(&reply)[..] {
                                [key, _] if key == "stop" => return got,
                                [key, element] => got.push(format!("{key} {element}")),
                                other => panic!("{other:?}"),
                            }
                        }
                    })
                })
                .collect();
            std::thread::scope(|scope| {
                for producer in 0..producers {
                    let mut client = server.client();
                    scope.spawn(move || {
                        for nth in 0..each {
                            let key = SPREAD[nth % SPREAD.len()];
                            let element = format!("{producer}-{nth}");
                            match nth % 7 {
                                0 => {
                                    let pushes = [vec!["MULTI"], vec!["RPUSH", key, &element], vec!["EXEC"]];
                                    client.pipeline(&pushes);
                                }
                                _ => _ = client.must(&["RPUSH", key, &element]),
                            }
                        }
                    });
                }
            });
            let mut client = server.client();
            eventually("everything is taken", || {
                let args: Vec<&str> = ["EXISTS"].into_iter().chain(SPREAD).collect();
                let left = client.must(&args).int();
                must(left == 0, || format!("{left} keys are left"))
            });
            for _ in 0..consumers.len() {
                client.must(&["RPUSH", "stop", "x"]);
            }
            consumers.into_iter().map(|consumer| consumer.join().unwrap()).collect()
        });
        let all: Vec<String> = consumed.concat();
        let once: BTreeSet<&String> = all.iter().collect();
        assert_eq!((all.len(), once.len()), (producers * each, producers * each));
        wait_blocked(&server, 0);
    });
}

#[test]
fn a_wait_ends_by_time_by_order_by_kill_and_by_leaving() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut other = server.client();
        for key in SPREAD {
            let mut client = server.client();
            let start = Instant::now();
            assert_eq!(client.must(&["BLPOP", key, "another", "0.3"]), Value::NullArray);
            let took = start.elapsed();
            assert!(took >= Duration::from_millis(299) && took < Duration::from_secs(3), "{took:?}");
            let id = client.must(&["CLIENT", "ID"]).int().to_string();
            for (reason, expected) in [("", "nil"), (" TIMEOUT", "nil"), (" ERROR", "UNBLOCKED")] {
                say(&mut client, &format!("BLPOP {key} another 0"));
                wait_blocked(&server, 1);
                let line = other.must(&["CLIENT", "LIST", "ID", &id]).text();
                assert!(line.contains(" flags=b ") && line.contains(" cmd=blpop "), "{line}");
                say(&mut other, &format!("CLIENT UNBLOCK {id}{reason}"));
                assert_eq!(other.read().unwrap(), Value::Int(1));
                match client.read().unwrap() {
                    Value::NullArray => assert_eq!(expected, "nil"),
                    Value::Error(error) => {
                        assert_eq!((expected, &*error), ("UNBLOCKED", "UNBLOCKED client unblocked via CLIENT UNBLOCK"))
                    }
                    reply => panic!("{reply:?}"),
                }
            }
            say(&mut client, &format!("BLMOVE {key} another LEFT LEFT 0"));
            wait_blocked(&server, 1);
            assert_eq!(other.must(&["CLIENT", "KILL", "ID", &id]).int(), 1);
            client.until_closed().unwrap();
            drop(waiting(&server, &format!("BLPOP another {key} 0"), 1));
            wait_blocked(&server, 0);
            // Nothing is handed to the dead.
            assert_eq!(other.must(&["RPUSH", key, "x"]).int(), 1);
            assert_eq!(other.must(&["LLEN", key]).int(), 1);
        }
    });
}

#[test]
fn later_requests_wait_behind_the_blocked_one() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut other = server.client();
        for key in SPREAD {
            let mut client = server.client();
            let lines = [
                format!("SET before {key}"),
                format!("BLPOP {key} 0"),
                "GET before".into(),
                format!("LLEN {key}"),
                "PING".into(),
            ];
            let wire: Vec<u8> = lines.iter().flat_map(|line| encode(&line.split(' ').collect::<Vec<_>>())).collect();
            client.send_raw(&wire).unwrap();
            client.read().unwrap();
            wait_blocked(&server, 1);
            other.must(&["SET", "before", "changed"]).ok();
            other.must(&["RPUSH", key, "1", "2"]);
            assert_eq!(texts(&client.read().unwrap()), [key, "1"]);
            assert_eq!(client.read().unwrap().text(), "changed");
            assert_eq!(client.read().unwrap(), Value::Int(1));
            assert_eq!(client.read().unwrap().text(), "PONG");
        }
    });
}

#[test]
fn a_pipeline_sees_what_is_left_after_those_who_waited() {
    with_cores(|kind| {
        let server = Server::start(kind);
        for key in SPREAD {
            let mut client = waiting(&server, &format!("BLPOP {key} 0"), 1);
            let mut writer = server.client();
            let commands = [vec!["RPUSH", key, "1"], vec!["LLEN", key], vec!["RPUSH", key, "2"], vec!["LLEN", key]];
            let replies = writer.pipeline(&commands);
            assert_eq!(replies, [1, 0, 1, 1].map(Value::Int));
            assert_eq!(texts(&client.read().unwrap()), [key, "1"]);
        }
    });
}

#[test]
fn a_node_that_becomes_a_replica_lets_nobody_wait() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let server = Server::start(kind);
        let mut clients: Vec<Client> =
            SPREAD.iter().enumerate().map(|(nth, key)| waiting(&server, &format!("BLPOP {key} z 0"), nth as i64 + 1)).collect();
        clients.push(waiting(&server, "WAIT 5 0", clients.len() as i64 + 1));
        server.client().must(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).ok();
        for client in &mut clients {
            let reply = String::from_utf8(client.until_closed().unwrap()).unwrap();
            let expected = "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n";
            assert_eq!(reply, expected);
        }
        wait_blocked(&server, 0);
    });
}

#[test]
fn replicas_are_told_what_was_taken_and_never_wait() {
    with_cores(|kind| {
        for (primary, replica) in [(kind, Kind::Redis), (Kind::Redis, kind), (kind, kind)] {
            let primary = Server::start(primary);
            let replica = Server::with(replica).replica_of(primary.port()).start();
            wait_link_up(&replica);
            let mut writer = primary.client();
            for (nth, key) in SPREAD.iter().enumerate() {
                let lines = [
                    format!("BLPOP none {key} 0"),
                    format!("BRPOP {key} 0"),
                    format!("BLMOVE {key} to LEFT RIGHT 0"),
                    format!("BRPOPLPUSH {key} to-{nth} 0"),
                    format!("BLMPOP 0 2 none {key} LEFT COUNT 2"),
                ];
                let mut clients: Vec<Client> =
                    lines.iter().enumerate().map(|(nth, line)| waiting(&primary, line, nth as i64 + 1)).collect();
                writer.must(&["RPUSH", key, "1", "2", "3"]);
                writer.pipeline(&[vec!["MULTI"], vec!["RPUSH", key, "4", "5", "6"], vec!["SET", "k", "v"], vec!["EXEC"]]);
                clients.iter_mut().for_each(|client| _ = client.read().unwrap());
                let mut zsets = waiting(&primary, &format!("BZPOPMAX z-{key} 0"), 1);
                writer.must(&["ZADD", &format!("z-{key}"), "1", "a", "2", "b"]);
                zsets.read().unwrap();
                writer.must(&["BZMPOP", "0", "1", &format!("z-{key}"), "MIN"]);
                writer.must(&["RPUSH", key, "left"]);
            }
            assert_same(&primary, &replica);
        }
    });
}

#[test]
fn info_counts_those_whose_wait_has_an_end() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let _waiting = ["BLPOP a 0", "BLPOP b 100", "BZPOPMIN c d 100", "WAIT 9 0", "WAIT 9 100000"].map(|line| {
            let mut client = server.client();
            say(&mut client, line);
            client
        });
        wait_blocked(&server, 5);
        eventually("all are counted", || {
            let count = server.client().info("clients").int("clients_in_timeout_table");
            must(count == 3, || count.to_string())
        });
    });
}
