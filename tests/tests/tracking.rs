//! Client-side caching: who is told what, beside a real server; and that nothing a client has read changes without its being told,
//! whichever cores the client, the keys and the writers are on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use koltso_tests::client::encode;
use koltso_tests::dialogue::same;
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Server, Value, eventually, with_cores};

/// Keys of many slots, so that each core has some.
fn key(nth: usize) -> String {
    format!("key:{nth}")
}

/// What an invalidation names; `None` = everything.
fn invalidated(push: &Value) -> Option<Vec<String>> {
    let items = push.items();
    assert_eq!(items[0].text(), "invalidate", "{push:?}");
    match &items[1] {
        Value::Array(keys) => Some(keys.iter().map(Value::text).collect()),
        other => {
            assert!(matches!(other, Value::Null), "{push:?}");
            None
        }
    }
}

fn is_push(value: &Value) -> bool {
    matches!(value, Value::Push(_))
}

#[test]
fn options_and_what_they_may_be_combined_with() {
    let say = |line: &'static str| (0, line, &[(0, 1)][..]);
    let lines = [
        "CLIENT TRACKING",
        "CLIENT TRACKING maybe",
        "CLIENT TRACKING ON REDIRECT 99999 FOO",
        "CLIENT TRACKING ON FOO REDIRECT 99999",
        "CLIENT TRACKING ON REDIRECT abc",
        "CLIENT TRACKING ON REDIRECT 0",
        "CLIENT TRACKING ON REDIRECT",
        "CLIENT TRACKING maybe REDIRECT 99999",
        "CLIENT TRACKING ON PREFIX a",
        "CLIENT TRACKING OFF PREFIX a",
        "CLIENT TRACKING OFF FOO",
        "CLIENT CACHING YES",
        "CLIENT GETREDIR",
        "CLIENT TRACKINGINFO",
        "CLIENT TRACKING ON BCAST OPTIN",
        "CLIENT TRACKING ON OPTIN OPTOUT",
        "CLIENT TRACKING ON OPTIN NOLOOP",
        "CLIENT TRACKING ON OPTOUT",
        "CLIENT TRACKING ON BCAST",
        "CLIENT CACHING NO",
        "CLIENT CACHING maybe",
        "CLIENT CACHING YES",
        "CLIENT TRACKINGINFO",
        "CLIENT CACHING YES",
        "GET x",
        "CLIENT TRACKINGINFO",
        "CLIENT TRACKING ON",
        "CLIENT GETREDIR",
        "CLIENT TRACKING OFF",
        "CLIENT TRACKING ON BCAST PREFIX b PREFIX a",
        "CLIENT TRACKING ON BCAST PREFIX ab",
        "CLIENT TRACKING ON BCAST PREFIX cd PREFIX c",
        "CLIENT TRACKING ON BCAST PREFIX a",
        "CLIENT TRACKING ON BCAST PREFIX c NOLOOP",
        "CLIENT TRACKINGINFO",
        "MULTI",
        "CLIENT TRACKING OFF",
        "CLIENT TRACKING ON",
        "CLIENT TRACKINGINFO",
        "EXEC",
        "RESET",
        "CLIENT TRACKINGINFO",
        "CLIENT GETREDIR",
    ];
    same(1, &[], &lines.map(say));
}

#[test]
fn readers_are_told_of_each_change_after_their_own_replies() {
    same(
        3,
        &[0, 2],
        &[
            (0, "CLIENT TRACKING ON", &[(0, 1)]),
            (0, "GET a", &[(0, 1)]),
            (1, "SET a 1", &[(1, 1), (0, 1)]),
            (1, "SET a 2", &[(1, 1)]),
            (0, "MGET a b c", &[(0, 1)]),
            (1, "SET b 1", &[(1, 1), (0, 1)]),
            (1, "MSET a 3 d 4", &[(1, 1), (0, 1)]),
            (0, "INCR c", &[(0, 2)]),
            (0, "GET c", &[(0, 1)]),
            (0, "MULTI", &[(0, 1)]),
            (0, "INCR c", &[(0, 1)]),
            (0, "GET c", &[(0, 1)]),
            (0, "EXEC", &[(0, 2)]),
            (1, "INCR c", &[(1, 1), (0, 1)]),
            (0, "EXISTS gone", &[(0, 1)]),
            (1, "DEL gone", &[(1, 1)]),
            (1, "RENAME a gone", &[(1, 1), (0, 1)]),
            (0, "LRANGE list 0 -1", &[(0, 1)]),
            (2, "BLPOP list 0", &[]),
            (2, "#blocked 1", &[]),
            (1, "RPUSH list x", &[(1, 1), (2, 1), (0, 1)]),
            (0, "SELECT 5", &[(0, 1)]),
            (0, "GET b", &[(0, 1)]),
            (1, "SET b elsewhere", &[(1, 1), (0, 1)]),
            (0, "GET b", &[(0, 1)]),
            (1, "FLUSHDB", &[(1, 1), (0, 1)]),
            (1, "SET b again", &[(1, 1)]),
            (1, "FLUSHALL", &[(1, 1), (0, 1)]),
            (0, "CLIENT TRACKING OFF", &[(0, 1)]),
            (1, "FLUSHALL", &[(1, 1)]),
        ],
    );
}

#[test]
fn options_decide_which_reads_are_remembered() {
    same(
        2,
        &[0],
        &[
            (0, "CLIENT TRACKING ON OPTIN", &[(0, 1)]),
            (0, "GET a", &[(0, 1)]),
            (1, "SET a 1", &[(1, 1)]),
            (0, "CLIENT CACHING YES", &[(0, 1)]),
            (0, "GET a", &[(0, 1)]),
            (0, "GET b", &[(0, 1)]),
            (1, "MSET b 1 a 2", &[(1, 1), (0, 1)]),
            (0, "CLIENT CACHING YES", &[(0, 1)]),
            (0, "CLIENT GETNAME", &[(0, 1)]),
            (0, "MULTI", &[(0, 1)]),
            (0, "GET a", &[(0, 1)]),
            (0, "GET b", &[(0, 1)]),
            (0, "EXEC", &[(0, 1)]),
            (0, "GET c", &[(0, 1)]),
            (1, "SET c 1", &[(1, 1)]),
            (1, "SET a 3", &[(1, 1), (0, 1)]),
            (1, "SET b 3", &[(1, 1), (0, 1)]),
            (0, "CLIENT TRACKING OFF", &[(0, 1)]),
            (0, "CLIENT TRACKING ON OPTOUT", &[(0, 1)]),
            (0, "CLIENT CACHING NO", &[(0, 1)]),
            (0, "MGET a b", &[(0, 1)]),
            (0, "GET c", &[(0, 1)]),
            (1, "MSET a 4 b 4", &[(1, 1)]),
            (1, "SET c 4", &[(1, 1), (0, 1)]),
        ],
    );
}

#[test]
fn prefixes_are_told_once_a_turn_in_order() {
    same(
        3,
        &[0, 2],
        &[
            (0, "CLIENT TRACKING ON BCAST PREFIX a: PREFIX b:", &[(0, 1)]),
            (2, "CLIENT TRACKING ON BCAST NOLOOP", &[(2, 1)]),
            (1, "MSET b:2{t} 1 a:2{t} 1 a:1{t} 1 c{t} 1", &[(1, 1), (0, 2), (2, 1)]),
            (1, "SET c 1", &[(1, 1), (2, 1)]),
            (2, "SET a:9 1", &[(2, 1), (0, 1)]),
            (0, "SET a:9 2", &[(0, 2), (2, 1)]),
            (0, "CLIENT TRACKING ON BCAST PREFIX c", &[(0, 1)]),
            (1, "DEL c", &[(1, 1), (0, 1), (2, 1)]),
            (2, "CLIENT TRACKING OFF", &[(2, 1)]),
            (1, "SET nothing x", &[(1, 1)]),
            (1, "FLUSHALL", &[(1, 1), (0, 1)]),
        ],
    );
}

#[test]
fn another_client_is_told_in_place_of_the_reader_until_it_is_gone() {
    let lead = |kind: Kind| {
        let server = Server::start(kind);
        let mut heard = Vec::new();
        let (mut reader, mut writer) = (server.client(), server.client());
        for resp3 in [false, true] {
            let mut target = server.client();
            let id = target.must(&["CLIENT", "ID"]).int().to_string();
            reader.must(&["HELLO", "2"]);
            if resp3 {
                target.must(&["HELLO", "3"]);
            }
            target.send_raw(&encode(&["SUBSCRIBE", "__redis__:invalidate"])).unwrap();
            target.read_any().unwrap();
            reader.must(&["CLIENT", "TRACKING", "ON", "REDIRECT", &id]).ok();
            assert_eq!(reader.must(&["CLIENT", "GETREDIR"]).int().to_string(), id);
            for nth in 0..8 {
                reader.must(&["GET", &key(nth)]);
                writer.must(&["INCR", &key(nth)]);
                heard.push(format!("{:?}", target.read_any().unwrap()));
            }
            writer.must(&["FLUSHALL"]);
            heard.push(format!("{:?}", target.read_any().unwrap()));
            reader.must(&["HELLO", "3"]);
            reader.must(&["MGET", &key(1), &key(2)]);
            writer.must(&["CLIENT", "KILL", "ID", &id]);
            eventually("the client is gone", || {
                let list = writer.must(&["CLIENT", "LIST"]).text();
                must(!list.lines().any(|line| line.starts_with(&format!("id={id} "))), || list)
            });
            writer.must(&["INCR", &key(1)]);
            let broken = reader.read_any().unwrap();
            assert_eq!(broken.items()[0].text(), "tracking-redir-broken");
            assert_eq!(broken.items()[1].int().to_string(), id);
            let info = reader.must(&["CLIENT", "INFO"]).text();
            let words: Vec<&str> = info.split(' ').filter(|word| word.starts_with("flags=")).collect();
            heard.push(words.join(" "));
            reader.must(&["CLIENT", "TRACKING", "OFF"]).ok();
        }
        heard
    };
    let model = lead(Kind::Redis);
    with_cores(|kind| assert_eq!(lead(kind), model));
}

/// Waits until a client has been told of each of these keys. It may hear of others as well.
fn wait_told(reader: &mut Client, names: &[String]) {
    let pushes = std::mem::take(&mut reader.pushes);
    let mut told: Vec<String> = pushes.iter().flat_map(|push| invalidated(push).unwrap()).collect();
    while !names.iter().all(|name| told.contains(name)) {
        told.extend(invalidated(&reader.read_any().unwrap()).unwrap());
    }
}

#[test]
fn expiry_and_eviction_are_told() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let (mut reader, mut writer) = (server.client(), server.client());
        reader.must(&["HELLO", "3"]);
        reader.must(&["CLIENT", "TRACKING", "ON", "NOLOOP"]).ok();
        let mget = |names: &[String]| -> Vec<String> { std::iter::once("MGET".into()).chain(names.iter().cloned()).collect() };
        // Long enough for all of them to be read in time: if the machine did not give us that, others live longer.
        let names = [30, 300, 3000, 20_000].into_iter().find_map(|span: u32| {
            let names: Vec<String> = (0..20).map(|nth| format!("{span}:{}", key(nth))).collect();
            for name in &names {
                writer.must(&["SET", name, "x", "PX", &span.to_string()]).ok();
            }
            let values = reader.must(&mget(&names)).items();
            values.iter().all(|value| !value.is_null()).then_some(names)
        });
        wait_told(&mut reader, &names.expect("keys that are read before they expire"));

        let names: Vec<String> = (0..20).map(key).collect();
        for nth in 0..20 {
            writer.must(&["SET", &key(nth), &"x".repeat(10_000)]).ok();
        }
        reader.must(&mget(&names));
        writer.must(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).ok();
        writer.must(&["CONFIG", "SET", "maxmemory", "1"]).ok();
        wait_told(&mut reader, &names);
    });
}

#[test]
fn the_table_is_bounded_and_counted() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let (mut reader, mut admin) = (server.client(), server.client());
        reader.must(&["HELLO", "3"]);
        reader.must(&["CLIENT", "TRACKING", "ON"]).ok();
        admin.must(&["CONFIG", "SET", "tracking-table-max-keys", "100"]).ok();
        for nth in 0..300 {
            reader.send_raw(&encode(&["GET", &key(nth)])).unwrap();
        }
        let (mut replies, mut pushes) = (0, 0);
        while replies < 300 || pushes < 200 {
            match is_push(&reader.read_any().unwrap()) {
                true => pushes += 1,
                false => replies += 1,
            }
        }
        let figures = |server: &Server| {
            let info = server.info();
            ["tracking_clients", "tracking_total_keys", "tracking_total_items", "tracking_total_prefixes"]
                .map(|name| info.int(name))
        };
        assert_eq!(figures(&server), [1, 100, 100, 0]);
        admin.must(&["CONFIG", "SET", "tracking-table-max-keys", "10"]).ok();
        (0..90).for_each(|_| assert!(is_push(&reader.read_any().unwrap())));
        assert_eq!(figures(&server), [1, 10, 10, 0]);
        admin.must(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "b"]).ok();
        assert_eq!(figures(&server), [2, 10, 10, 2]);
        admin.must(&["RESET"]);
        reader.must(&["CLIENT", "TRACKING", "OFF"]).ok();
        assert_eq!(figures(&server)[0], 0);
        assert_eq!(figures(&server)[3], 0);
        admin.must(&["FLUSHALL"]).ok();
        assert_eq!(figures(&server), [0, 0, 0, 0]);
    });
}

/// Other than in Redis, which leaves out both: a client with NOLOOP hears of the next change of a key that it has changed itself, and
/// databases that change places are told.
#[test]
fn what_redis_does_not_tell() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let (mut reader, mut writer) = (server.client(), server.client());
        reader.must(&["HELLO", "3"]);
        reader.must(&["CLIENT", "TRACKING", "ON", "NOLOOP"]).ok();
        for nth in 0..8 {
            reader.must(&["GET", &key(nth)]);
            reader.must(&["SET", &key(nth), "mine"]).ok();
            writer.must(&["SET", &key(nth), "other"]).ok();
            assert_eq!(invalidated(&reader.read_any().unwrap()), Some(vec![key(nth)]));
        }
        writer.must(&["SWAPDB", "0", "1"]).ok();
        assert_eq!(invalidated(&reader.read_any().unwrap()), None);
    });
}

#[test]
fn what_a_primary_sends_is_told() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let replica = Server::start(kind);
        let (mut writer, mut reader) = (primary.client(), replica.client());
        writer.must(&["SET", "first", "1"]).ok();
        reader.must(&["HELLO", "3"]);
        reader.must(&["CLIENT", "TRACKING", "ON"]).ok();
        reader.must(&["GET", "first"]);
        reader.must(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).ok();
        assert_eq!(invalidated(&reader.read_any().unwrap()), None, "the data set was replaced");
        eventually("the replica has it", || {
            let mut client = replica.client();
            must(client.must(&["GET", "first"]) == Value::Bulk(b"1".into()), || "not yet".to_string())
        });
        // More of the kind may come: each core tells of what it has emptied and replaced, and nobody waits for that.
        let mut more = 0;
        let mut next_keys = |reader: &mut Client| {
            loop {
                match invalidated(&reader.read_any().unwrap()) {
                    Some(keys) => return keys,
                    None => more += 1,
                }
            }
        };
        for nth in 0..8 {
            reader.must(&["GET", &key(nth)]);
            writer.must(&["SET", &key(nth), "x"]).ok();
            assert_eq!(next_keys(&mut reader), [key(nth)]);
        }
        reader.must(&["GET", &key(0)]);
        writer.must(&["MULTI"]).ok();
        writer.must(&["DEL", &key(0)]);
        writer.must(&["SET", "other", "x"]);
        writer.must(&["EXEC"]);
        assert_eq!(next_keys(&mut reader), [key(0)]);
        let cores = if let Kind::Koltso { cores } = kind { cores } else { 1 };
        assert!(more < 2 * cores, "{more} times more than once");
    });
}

/// Caches that are kept by what the server tells must be right once everybody has stopped.
#[test]
fn a_cache_is_never_stale_for_good() {
    const KEYS: usize = 40;
    with_cores(|kind| {
        let server = Server::start(kind);
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..3)
            .map(|nth| {
                let (mut client, stop) = (server.client(), Arc::clone(&stop));
                std::thread::spawn(move || {
                    let mut turn = nth;
                    while !stop.load(Ordering::Relaxed) {
                        turn += 7;
                        let (one, other) = (key(turn % KEYS), key((turn + 3) % KEYS));
                        match turn % 5 {
                            0 => client.must(&["MSET", &one, &turn.to_string(), &other, &turn.to_string()]),
                            1 => client.must(&["DEL", &one]),
                            2 => client.must(&["SET", &one, "gone", "PX", "1"]),
                            _ => client.must(&["SET", &one, &turn.to_string()]),
                        };
                    }
                })
            })
            .collect();
        let readers: Vec<_> = (0..4)
            .map(|nth| {
                let (mut client, stop) = (server.client(), Arc::clone(&stop));
                std::thread::spawn(move || {
                    client.must(&["HELLO", "3"]);
                    client.must(&["CLIENT", "TRACKING", "ON"]).ok();
                    let mut cache: HashMap<String, Value> = HashMap::new();
                    let mut turn = nth;
                    let read = |client: &mut Client, cache: &mut HashMap<String, Value>, names: &[String]| {
                        let words: Vec<&str> = std::iter::once("MGET").chain(names.iter().map(String::as_str)).collect();
                        client.send_raw(&encode(&words)).unwrap();
                        loop {
                            match client.read_any().unwrap() {
                                push if is_push(&push) => {
                                    invalidated(&push).unwrap().iter().for_each(|key| _ = cache.remove(key));
                                }
                                values => {
                                    let values = values.items();
                                    cache.extend(names.iter().cloned().zip(values));
                                    return;
                                }
                            }
                        }
                    };
                    while !stop.load(Ordering::Relaxed) {
                        turn += 11;
                        let names: Vec<String> = (0..1 + turn % 3).map(|more| key((turn + more) % KEYS)).collect();
                        read(&mut client, &mut cache, &names);
                    }
                    (client, cache)
                })
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(1500));
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let mut plain = server.client();
        plain.must(&["HELLO", "3"]);
        for reader in readers {
            let (mut client, mut cache) = reader.join().unwrap();
            eventually("what is cached is what is there", || {
                // What was under way has arrived when this has been answered.
                client.send_raw(&encode(&["PING"])).unwrap();
                loop {
                    match client.read_any().unwrap() {
                        push if is_push(&push) => invalidated(&push).unwrap().iter().for_each(|key| _ = cache.remove(key)),
                        _ => break,
                    }
                }
                let stale: Vec<&String> =
                    cache.iter().filter(|(key, value)| plain.must(&["GET", key]) != **value).map(|(key, _)| key).collect();
                must(stale.is_empty(), || format!("{stale:?}"))
            });
        }
    });
}
