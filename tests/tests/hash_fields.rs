//! Hash fields that expire: commands as documented, what replicas and files keep of them, and that nobody sees a field whose time
//! is over.

use koltso_tests::client::encode;
use koltso_tests::oracle::{assert_same, wait_link_up};
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Seed, Server, Value, eventually, with_cores};
use std::time::{SystemTime, UNIX_EPOCH};

fn run(client: &mut Client, line: &str) -> Value {
    client.send_raw(&encode(&line.split(' ').collect::<Vec<_>>())).unwrap();
    client.read().unwrap()
}

fn show(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        Value::Int(number) => number.to_string(),
        Value::Error(error) => format!("-{error}"),
        value if value.is_null() => "nil".into(),
        value => value.text(),
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

#[track_caller]
fn check(client: &mut Client, script: &[(&str, &str)]) {
    for (line, expected) in script {
        assert_eq!(show(&run(client, line)), *expected, "{line}");
    }
}

const FAR: &str = "33177117420";

#[test]
fn commands_answer_as_documented() {
    let script = [
        ("HSET h a 1 b 2 c 3", "3"),
        ("HEXPIRE h 100 FIELDS 2 a none", "[1 -2]"),
        ("HEXPIRE none 100 FIELDS 2 a b", "[-2 -2]"),
        ("HEXPIRE h 200 NX FIELDS 2 a b", "[0 1]"),
        ("HEXPIRE h 300 XX FIELDS 2 a c", "[1 0]"),
        ("HEXPIRE h 250 GT FIELDS 3 a b c", "[0 1 0]"),
        ("HEXPIRE h 270 LT FIELDS 3 a b c", "[1 0 1]"),
        ("HTTL h FIELDS 4 a b c d", "[270 250 270 -2]"),
        ("HPERSIST h FIELDS 4 a a b d", "[1 -1 1 -2]"),
        ("HPERSIST none FIELDS 1 a", "[-2]"),
        ("HTTL h FIELDS 2 a b", "[-1 -1]"),
        ("HTTL none FIELDS 2 a b", "[-2 -2]"),
        ("HEXPIREAT h 33177117420 FIELDS 1 a", "[1]"),
        ("HEXPIRETIME h FIELDS 1 a", "[33177117420]"),
        ("HPEXPIRETIME h FIELDS 1 a", "[33177117420000]"),
        ("HPEXPIREAT h 33177117420001 FIELDS 1 a", "[1]"),
        ("HPEXPIRETIME h FIELDS 2 a b", "[33177117420001 -1]"),
        ("HEXPIRETIME h FIELDS 1 a", "[33177117421]"),
        // Setting takes the time away, changing does not.
        ("HINCRBY h a 5", "6"),
        ("HINCRBYFLOAT h a 0.5", "6.5"),
        ("HPEXPIRETIME h FIELDS 1 a", "[33177117420001]"),
        ("HSET h a 7", "0"),
        ("HPEXPIRETIME h FIELDS 1 a", "[-1]"),
        // A time that has passed deletes.
        ("HEXPIRE h 0 FIELDS 2 a none", "[2 -2]"),
        ("HPEXPIREAT h 1 FIELDS 1 b", "[2]"),
        ("HGETALL h", "[c 3]"),
        ("HEXPIREAT h 1 FIELDS 1 c", "[2]"),
        ("EXISTS h", "0"),
        ("HSETEX h EX 100 FIELDS 2 a 1 b 2", "1"),
        ("HTTL h FIELDS 2 a b", "[100 100]"),
        ("HSETEX h FNX FIELDS 2 b 3 c 4", "0"),
        ("HSETEX h FXX FIELDS 2 b 3 c 4", "0"),
        ("HSETEX h FXX PX 50000 FIELDS 1 b 3", "1"),
        ("HSETEX h FNX EXAT 33177117420 FIELDS 1 c 4", "1"),
        ("HTTL h FIELDS 2 a b", "[100 50]"),
        ("HSETEX h KEEPTTL FIELDS 2 b 5 d 6", "1"),
        ("HTTL h FIELDS 2 b d", "[50 -1]"),
        ("HSETEX h FIELDS 1 b 6", "1"),
        ("HTTL h FIELDS 1 b", "[-1]"),
        ("HGETEX h FIELDS 2 a none", "[1 nil]"),
        ("HTTL h FIELDS 1 a", "[100]"),
        ("HGETEX h EX 500 FIELDS 2 a d", "[1 6]"),
        ("HTTL h FIELDS 2 a d", "[500 500]"),
        ("HGETEX h PERSIST FIELDS 1 a", "[1]"),
        ("HTTL h FIELDS 1 a", "[-1]"),
        ("HGETEX h PXAT 1 FIELDS 1 a", "[1]"),
        ("HEXISTS h a", "0"),
        ("HGETEX none EX 5 FIELDS 2 a b", "[nil nil]"),
        ("HGETDEL h FIELDS 2 b none", "[6 nil]"),
        ("HGETDEL none FIELDS 2 b none", "[nil nil]"),
        ("HGETDEL h FIELDS 2 c d", "[4 6]"),
        ("EXISTS h", "0"),
        ("HSETEX h PXAT 1 FIELDS 1 a 1", "1"),
        ("EXISTS h", "0"),
        ("SET s x", "OK"),
        ("HSET h a 1", "1"),
    ];
    let errors = [
        ("HEXPIRE s 1 FIELDS 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("HTTL s FIELDS 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("HSETEX s FIELDS 1 a b", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("HGETDEL s FIELDS 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("HEXPIRE h 1 FIELDS 0 a", "-ERR Parameter `numFields` should be greater than 0"),
        ("HEXPIRE h 1 FIELDS 2 a", "-ERR The `numfields` parameter must match the number of arguments"),
        ("HEXPIRE h 1 FIELDS 1 a b", "-ERR The `numfields` parameter must match the number of arguments"),
        ("HEXPIRE h 1 2 a b c", "-ERR Mandatory argument FIELDS is missing or not at the right position"),
        ("HEXPIRE h 1 NX XX FIELDS 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position"),
        ("HEXPIRE h x FIELDS 1 a", "-ERR value is not an integer or out of range"),
        ("HEXPIRE h -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0"),
        ("HEXPIRE h 9223372036854775807 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command"),
        ("HPEXPIREAT h 281474976710655 FIELDS 1 a", "-ERR invalid expire time in 'hpexpireat' command"),
        ("HTTL h FIELDS 0 a", "-ERR Number of fields must be a positive integer"),
        ("HTTL h FIELDS 2 a", "-ERR The `numfields` parameter must match the number of arguments"),
        ("HGETEX h EX 1 PX 1 FIELDS 1 a", "-ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified"),
        ("HSETEX h FXX EX 1 KEEPTTL FIELDS 1 a b", "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"),
        ("HSETEX h FXX FNX FIELDS 1 a b", "-ERR Only one of FXX or FNX arguments can be specified"),
        ("HSETEX h FIELDS 2 a b c", "-ERR wrong number of arguments for 'hsetex' command"),
        ("HGETALL h", "[a 1]"),
    ];
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        check(&mut client, &script);
        check(&mut client, &errors);
    });
}

/// Fields that are due are gone for every command at once, by whatever way they go.
#[test]
fn nobody_sees_a_field_whose_time_is_over() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let mut due = 0;
        for (active, fields) in [("0", 3), ("0", 1000), ("1", 3), ("1", 1000)] {
            client.must(&["DEBUG", "SET-ACTIVE-EXPIRE", active]).ok();
            client.must(&["FLUSHALL"]).ok();
            let names: Vec<String> = (0..fields).map(|nth| format!("f{nth}")).collect();
            let mut words: Vec<&str> = vec!["HSET", "h", "lasting", "v"];
            words.extend(names.iter().flat_map(|name| [name.as_str(), "v"]));
            client.must(&words);
            let (at, count) = ((now_ms() + 30).to_string(), fields.to_string());
            let mut words: Vec<&str> = vec!["HPEXPIREAT", "h", &at, "FIELDS", &count];
            words.extend(names.iter().map(String::as_str));
            // Where the command comes late, it deletes fields itself, and says so with a 2.
            due += client.must(&words).items().iter().filter(|reply| reply.int() == 1).count();
            eventually("the time is over", || must(now_ms() > at.parse::<u64>().unwrap() + 1, || "not yet".into()));
            check(
                &mut client,
                &[
                    ("HGETALL h", "[lasting v]"),
                    ("HLEN h", "1"),
                    ("HKEYS h", "[lasting]"),
                    ("HVALS h", "[v]"),
                    ("HGET h f0", "nil"),
                    ("HMGET h f0 lasting f2", "[nil v nil]"),
                    ("HEXISTS h f1", "0"),
                    ("HSTRLEN h f1", "0"),
                    ("HRANDFIELD h", "lasting"),
                    ("HRANDFIELD h 5 WITHVALUES", "[lasting v]"),
                    ("HRANDFIELD h -3", "[lasting lasting lasting]"),
                    ("HTTL h FIELDS 1 f2", "[-2]"),
                    ("HPERSIST h FIELDS 1 f2", "[-2]"),
                    ("HEXPIRE h 100 FIELDS 1 f2", "[-2]"),
                    ("HDEL h f2", "0"),
                    ("HSETNX h f2 new", "1"),
                    ("HINCRBY h f1 5", "5"),
                    ("HTTL h FIELDS 2 f1 f2", "[-1 -1]"),
                    ("HSET h f0 back", "1"),
                    ("HDEL h f0 f1 f2", "3"),
                ],
            );
            let mut seen = Vec::new();
            let mut cursor = "0".to_string();
            loop {
                let reply = client.must(&["HSCAN", "h", &cursor]).items();
                seen.extend(reply[1].items().iter().map(Value::text));
                cursor = reply[0].text();
                if cursor == "0" {
                    break;
                }
            }
            assert_eq!(seen, ["lasting", "v"]);
        }
        // The last field takes its key along, without anybody looking at it.
        client.must(&["HSETEX", "gone", "PX", "5", "FIELDS", "1", "f", "v"]);
        eventually("the key goes by itself", || {
            let left = client.must(&["DBSIZE"]).int();
            must(left == 1, || format!("{left} keys"))
        });
        let expired = server.info().int("expired_subkeys");
        assert_eq!(expired, due as i64 + 1);
    });
}

#[test]
fn times_of_fields_go_where_the_hash_goes() {
    with_cores(|kind| {
        let mut server = Server::start(kind);
        let mut client = server.client();
        for (key, fields) in [("small", 3), ("large", 2000)] {
            let names: Vec<String> = (0..fields).map(|nth| format!("field {nth}")).collect();
            let count = fields.to_string();
            let mut words = vec!["HSETEX", key, "EXAT", FAR, "FIELDS", &count];
            words.extend(names.iter().flat_map(|name| [name.as_str(), "v"]));
            client.must(&words);
            client.must(&["HSET", key, "lasting", "w", "field 1", "x"]);
        }
        let times = |client: &mut Client, key: &str| {
            let ask = ["HEXPIRETIME", key, "FIELDS", "4", "field 0", "field 1", "field 2", "lasting"];
            show(&client.must(&ask)) + &show(&client.must(&["OBJECT", "ENCODING", key]))
        };
        let expected = |form: &str| format!("[{FAR} -1 {FAR} -1]{form}");
        for (key, form) in [("small", "listpackex"), ("large", "hashtable")] {
            assert_eq!(times(&mut client, key), expected(form));
            client.must(&["COPY", key, "copy"]);
            client.must(&["RENAME", "copy", "renamed"]).ok();
            assert_eq!(times(&mut client, "renamed"), expected(form));
            client.must(&["MOVE", "renamed", "1"]);
            client.must(&["SELECT", "1"]).ok();
            assert_eq!(times(&mut client, "renamed"), expected(form));
            let dump = client.must(&["DUMP", "renamed"]);
            assert_eq!(client.must(&[b"RESTORE".as_slice(), b"again", b"0", dump.bytes()]).text(), "OK");
            assert_eq!(times(&mut client, "again"), expected(form));
            // The copy expires by itself.
            client.must(&["HPEXPIRE", "again", "1", "FIELDS", "1", "field 0"]);
            eventually("a field of the copy goes", || {
                let left = client.must(&["HEXISTS", "again", "field 0"]).int();
                must(left == 0, || "it is there".into())
            });
            assert_eq!(times(&mut client, "renamed"), expected(form));
            client.must(&["FLUSHDB"]).ok();
            client.must(&["SELECT", "0"]).ok();
            client.must(&["DEBUG", "RELOAD"]).ok();
            assert_eq!(times(&mut client, key), expected(form));
        }
        client.must(&["HSETEX", "soon", "PX", "100", "FIELDS", "1", "f", "v"]);
        client.must(&["SAVE"]).ok();
        server.kill();
        server.restart();
        let mut client = server.client();
        assert_eq!(times(&mut client, "small"), expected("listpackex"));
        assert_eq!(times(&mut client, "large"), expected("hashtable"));
        eventually("what was loaded expires by itself", || {
            let left = client.must(&["DBSIZE"]).int();
            must(left == 2, || format!("{left} keys"))
        });
    });
}

#[test]
fn events_tell_of_fields() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        client.must(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]).ok();
        let mut listener = server.client();
        listener.send_raw(&encode(&["PSUBSCRIBE", "__keyevent*"])).unwrap();
        listener.read_any().unwrap();
        for (line, expected) in [
            ("HSETEX h EX 100 FIELDS 2 a 1 b 2", "hset hexpire"),
            ("HSET h c 3", "hset"),
            ("HEXPIRE h 100 FIELDS 2 a c", "hexpire"),
            ("HEXPIRE h 200 NX FIELDS 2 a c", ""),
            ("HPERSIST h FIELDS 2 a none", "hpersist"),
            ("HGETEX h PERSIST FIELDS 1 c", "hpersist"),
            ("HGETEX h FIELDS 1 c", ""),
            ("HGETEX h EX 9 FIELDS 1 c", "hexpire"),
            ("HEXPIRE h 0 FIELDS 1 c", "hdel"),
            ("HGETDEL h FIELDS 1 a", "hdel"),
            ("HGETDEL h FIELDS 1 b", "hdel del"),
            ("HSETEX h PX 1 FIELDS 1 a 1", "hset hexpire hexpired del"),
            ("HTTL none FIELDS 1 a", ""),
        ] {
            run(&mut client, line);
            if expected.contains("expired") {
                eventually("it expires", || {
                    let left = client.must(&["DBSIZE"]).int();
                    must(left == 0, || "it is there".into())
                });
            }
            client.must(&["PUBLISH", "__keyevent_mark", "end"]);
            let mut heard = Vec::new();
            loop {
                let words = listener.read_any().unwrap().items();
                if words[2].text() == "__keyevent_mark" {
                    break;
                }
                heard.push(words[2].text().trim_start_matches("__keyevent@0__:").to_string());
            }
            assert_eq!(heard.join(" "), expected, "{line}");
        }
    });
}

fn random_line(seed: &mut Seed) -> String {
    let key = format!("h{}", seed.below(4));
    let field = |seed: &mut Seed| format!("f{}", seed.below(6));
    let soon = [1, 3, 10, 100_000_000][seed.below(4) as usize];
    let (a, b) = (field(seed), field(seed));
    match seed.below(12) {
        0 | 1 => format!("HSET {key} {a} 1 {b} 2"),
        2 | 3 => format!("HPEXPIRE {key} {soon} FIELDS 2 {a} {b}"),
        4 => format!("HSETEX {key} PX {soon} FIELDS 1 {a} v"),
        5 => format!("HSETEX {key} KEEPTTL FIELDS 1 {a} w"),
        6 => format!("HGETEX {key} PX {soon} FIELDS 1 {a}"),
        7 => format!("HPERSIST {key} FIELDS 1 {a}"),
        8 => format!("HDEL {key} {a}"),
        9 => format!("HINCRBYFLOAT {key} n 0.5"),
        10 => format!("HPEXPIRE {key} {soon} FIELDS 1 n"),
        _ => format!("HINCRBY {key} n 1"),
    }
}

/// What is in the hashes, with the times.
fn picture(client: &mut Client) -> Vec<String> {
    let mut lines = Vec::new();
    for nth in 0..4 {
        let key = format!("h{nth}");
        for field in ["f0", "f1", "f2", "f3", "f4", "f5", "n"] {
            let value = show(&client.must(&["HGET", &key, field]));
            lines.push(format!("{key} {field} {value} {}", show(&client.must(&["HPEXPIRETIME", &key, "FIELDS", "1", field]))));
        }
    }
    lines
}

#[test]
fn a_replica_keeps_the_same_fields_for_the_same_time() {
    let mut seed = Seed::fresh("hash_fields");
    with_cores(|kind| {
        let primary = Server::start(kind);
        let mut client = primary.client();
        client.must(&["HSETEX", "far", "EXAT", FAR, "FIELDS", "1", "f", "v"]);
        (0..500).for_each(|_| _ = run(&mut client, &random_line(&mut seed)));
        let replica = Server::with(kind).replica_of(primary.port()).start();
        wait_link_up(&replica);
        (0..3000).for_each(|_| _ = run(&mut client, &random_line(&mut seed)));
        eventually("what was soon is over", || {
            let due = picture(&mut client);
            let soon = now_ms() + 1_000_000;
            let near = due.iter().filter_map(|line| line.rsplit(' ').next()?.trim_matches(['[', ']']).parse::<u64>().ok());
            must(near.clone().all(|at| at > soon), || "not yet".into())
        });
        assert_same(&primary, &replica);
        assert_eq!(picture(&mut replica.client()), picture(&mut client));
        assert_eq!(show(&replica.client().must(&["HEXPIRETIME", "far", "FIELDS", "1", "f"])), format!("[{FAR}]"));
    });
}

/// A replica hides what is due, and leaves it to its primary to delete it.
#[test]
fn a_replica_hides_fields_that_its_primary_has_yet_to_delete() {
    with_cores(|kind| {
        let primary = Server::start(kind);
        let mut client = primary.client();
        client.must(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]).ok();
        let replica = Server::with(kind).replica_of(primary.port()).start();
        wait_link_up(&replica);
        client.must(&["HSET", "h", "lasting", "v", "f", "v"]);
        client.must(&["HPEXPIRE", "h", "30", "FIELDS", "1", "f"]);
        let mut below = replica.client();
        eventually("the replica hides it", || {
            let shown = show(&below.must(&["HGETALL", "h"]));
            must(shown == "[lasting v]", || shown)
        });
        assert_eq!(show(&below.must(&["HMGET", "h", "f", "lasting"])), "[nil v]");
        let digest = below.must(&["DEBUG", "DIGEST-VALUE", "h"]);
        assert_eq!(client.must(&["DEBUG", "DIGEST-VALUE", "h"]), digest, "neither has deleted it");
        assert_eq!(show(&client.must(&["HLEN", "h"])), "1");
        assert_same(&primary, &replica);
        assert_ne!(below.must(&["DEBUG", "DIGEST-VALUE", "h"]), digest);
        // A replica that is promoted takes over.
        client.must(&["HSETEX", "gone", "PX", "1", "FIELDS", "1", "f", "v"]);
        eventually("the replica has it", || {
            let there = below.must(&["EXISTS", "gone"]).int();
            must(there == 1, || "not yet".into())
        });
        below.must(&["REPLICAOF", "NO", "ONE"]).ok();
        eventually("the new primary expires what is due", || {
            let there = below.must(&["EXISTS", "gone"]).int();
            must(there == 0, || "it is there".into())
        });
    });
}

/// An older replica cannot know of the times: it gets the fields, and hears when they go.
#[test]
fn a_replica_that_knows_no_times_has_the_same_fields() {
    with_cores(|kind| {
        let primary = Server::start(kind);
        let mut client = primary.client();
        client.must(&["HSET", "h", "lasting", "v", "f", "v"]);
        client.must(&["HPEXPIRE", "h", "1500", "FIELDS", "1", "f"]);
        client.must(&["HSETEX", "other", "EXAT", FAR, "FIELDS", "1", "f", "v"]);
        let replica = Server::with(Kind::Redis).replica_of(primary.port()).start();
        wait_link_up(&replica);
        primary.wait_log("it is sent the fields without their times");
        let mut below = replica.client();
        assert_eq!(show(&below.must(&["HGET", "other", "f"])), "v");
        eventually("the field goes there too", || {
            let left = below.must(&["HLEN", "h"]).int();
            must(left == 1, || format!("{left} fields"))
        });
        // Such a replica lives on with what it does not understand.
        client.must(&["HEXPIRE", "h", "1000", "FIELDS", "1", "lasting"]);
        client.must(&["SET", "after", "v"]).ok();
        eventually("the stream goes on", || {
            let there = below.must(&["EXISTS", "after"]).int();
            must(there == 1, || "not yet".into())
        });
        assert_eq!(show(&below.must(&["HGET", "h", "lasting"])), "v");
    });
}
