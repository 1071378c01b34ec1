//! `CLIENT PAUSE`, and transactions that contain commands about the server: with one core and with three.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use koltso_tests::client::encode;
use koltso_tests::oracle::assert_same;
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Server, Value, eventually, with_cores};

/// Keys that lie on different cores, of three.
const SPREAD: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn ok() -> Value {
    Value::Simple("OK".to_string())
}

fn read_all(client: &mut Client) -> Vec<Value> {
    SPREAD.iter().map(|key| client.must(&["GET", key])).collect()
}

#[test]
fn nothing_is_written_on_any_core_once_a_pause_is_answered() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let over = AtomicBool::new(false);
        let counts = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..6)
                .map(|n| {
                    let (mut client, over) = (server.client(), &over);
                    scope.spawn(move || {
                        let mut written = 0;
                        while !over.load(Ordering::Relaxed) {
                            // Here, on another core, on several, and in a transaction.
                            client.must(&["INCR", SPREAD[n]]);
                            client.must(&["INCR", SPREAD[(n + 1) % 6]]);
                            client.must(&["DEL", "x", "y", "z"]);
                            client.must(&["MULTI"]);
                            client.must(&["INCR", SPREAD[(n + 2) % 6]]);
                            client.must(&["EXEC"]);
                            written += 3;
                        }
                        written
                    })
                })
                .collect();
            let mut admin = server.client();
            let mut reader = server.client();
            for _ in 0..20 {
                std::thread::sleep(Duration::from_millis(20));
                admin.must(&["CLIENT", "PAUSE", "60000", "WRITE"]);
                let before = read_all(&mut reader);
                std::thread::sleep(Duration::from_millis(20));
                assert_eq!(read_all(&mut reader), before);
                admin.must(&["CLIENT", "UNPAUSE"]);
                eventually("writes go on", || must(read_all(&mut reader) != before, String::new));
            }
            over.store(true, Ordering::Relaxed);
            writers.into_iter().map(|writer| writer.join().unwrap()).sum::<i64>()
        });
        let total: i64 = read_all(&mut server.client()).iter().map(|value| value.text().parse::<i64>().unwrap()).sum();
        assert_eq!(total, counts, "a write was lost, or done twice");
    });
}

#[test]
fn a_paused_client_goes_on_in_order_and_a_replica_gets_all_of_it() {
    with_cores(|kind| {
        let server = Server::with(kind).set("repl-ping-replica-period", 1).start();
        let replica = Server::with(Kind::Redis).replica_of(server.port()).start();
        koltso_tests::oracle::wait_link_up(&replica);
        let mut admin = server.client();
        for mode in ["WRITE", "ALL"] {
            admin.must(&["CLIENT", "PAUSE", "60000", mode]);
            let mut client = server.client();
            let mut wire = Vec::new();
            for i in 0..200 {
                wire.extend(encode(&["APPEND", SPREAD[i % 6], "."]));
                wire.extend(encode(&["STRLEN", SPREAD[i % 6]]));
                wire.extend(encode(&["MSET", "m1", &i.to_string(), "m2", &i.to_string(), "m3", "x"]));
            }
            client.send_raw(&wire).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            assert!(!client.has_input(), "it was served in a pause of mode {mode}");
            admin.must(&["CLIENT", "UNPAUSE"]);
            for i in 0..200 {
                let len = Value::Int(i as i64 / 6 + 1);
                let replies: Vec<Value> = (0..3).map(|_| client.read().unwrap()).collect();
                assert_eq!(replies, [len.clone(), len, ok()], "{i}");
            }
            // And it ends by itself.
            admin.must(&["CLIENT", "PAUSE", "300", mode]);
            client.must(&["SET", "later", "1"]).ok();
            for key in SPREAD {
                admin.must(&["DEL", key]);
            }
        }
        // The link outlives a pause: replicas are not clients.
        admin.must(&["CLIENT", "PAUSE", "60000", "ALL"]);
        let offset = || replica.info().int("master_repl_offset");
        let before = offset();
        eventually("the stream's pings arrive", || must(offset() > before, String::new));
        admin.must(&["CLIENT", "UNPAUSE"]);
        assert_same(&server, &replica);
    });
}

#[test]
fn in_a_pause_of_everything_questions_about_clients_wait_as_well() {
    let check = |kind| {
        let server = Server::start(kind);
        let mut admin = server.client();
        let asked: &[&[&str]] = &[
            &["CLIENT", "ID"],
            &["CLIENT", "LIST"],
            &["CLIENT", "INFO"],
            &["CLIENT", "SETNAME", "x"],
            &["CLIENT", "PAUSE", "1", "WRITE"],
            &["PING"],
            &["MULTI"],
        ];
        let mut clients: Vec<Client> = asked.iter().map(|_| server.client()).collect();
        let pause = Duration::from_millis(300);
        let begun = Instant::now();
        admin.must(&["CLIENT", "PAUSE", &pause.as_millis().to_string(), "ALL"]).ok();
        clients.iter_mut().zip(asked).for_each(|(client, command)| client.send_raw(&encode(command)).unwrap());
        for (client, command) in clients.iter_mut().zip(asked) {
            let reply = client.read().unwrap();
            assert!(!reply.is_error(), "{command:?}: {reply:?}");
            assert!(begun.elapsed() >= pause, "{command:?} was answered in the midst of it");
        }
    };
    check(Kind::Redis);
    with_cores(check);
}

#[test]
fn a_pause_of_everything_can_be_ended_by_who_comes_then() {
    with_cores(|kind| {
        let server = Server::with(kind).set("requirepass", "secret").start();
        let open = |greeting: &[&str]| {
            let mut client = server.client();
            client.must(greeting);
            client
        };
        for greeting in [&["AUTH", "secret"][..], &["HELLO", "3", "AUTH", "default", "secret"]] {
            let mut waiting = open(greeting);
            waiting.must(&["CLIENT", "PAUSE", "600000", "ALL"]).ok();
            waiting.send_raw(&encode(&["CLIENT", "GETNAME"])).unwrap();
            // What is wrong is refused at once.
            assert!(open(greeting).cmd(&["CLIENT", "NONSENSE"]).is_error());
            open(greeting).must(&["CLIENT", "UNPAUSE"]).ok();
            assert!(waiting.read().unwrap().is_null());
        }
    });
}

#[test]
fn nothing_expires_during_a_pause() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        // However long it takes until the pause.
        client.must(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]).ok();
        for key in SPREAD {
            client.must(&["SET", key, "v", "PX", "100"]);
        }
        client.must(&["CLIENT", "PAUSE", "60000", "WRITE"]);
        client.must(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]).ok();
        eventually("they are hidden", || must(read_all(&mut client) == vec![Value::NullBulk; 6], String::new));
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(client.must(&["DBSIZE"]), Value::Int(6), "hidden is not deleted");
        assert_eq!(client.info("stats").int("expired_keys"), 0);
        client.must(&["CLIENT", "UNPAUSE"]);
        eventually("they are gone", || must(client.must(&["DBSIZE"]) == Value::Int(0), String::new));
    });
}

#[test]
fn a_pause_begins_where_its_transaction_ends() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        for command in [&["MULTI"][..], &["SET", "a", "1"], &["CLIENT", "PAUSE", "60000", "WRITE"], &["SET", "b", "2"]] {
            client.must(command);
        }
        assert_eq!(client.must(&["EXEC"]), Value::Array(vec![ok(); 3]));
        let mut other = server.client();
        other.send_raw(&encode(&["SET", "a", "3"])).unwrap();
        assert_eq!(client.must(&["MGET", "a", "b"]).items(), [Value::Bulk(b"1".to_vec()), Value::Bulk(b"2".to_vec())]);
        // What only reads may still be one, and what writes has to wait.
        client.must(&["MULTI"]);
        client.must(&["GET", "b"]);
        assert_eq!(client.must(&["EXEC"]).items(), [Value::Bulk(b"2".to_vec())]);
        client.must(&["CLIENT", "UNPAUSE"]);
        assert_eq!(other.read().unwrap(), ok());
    });
}

#[test]
fn commands_about_the_server_take_their_places_in_exec() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let id = client.must(&["CLIENT", "ID"]);
        for round in 0..20 {
            let n = round.to_string();
            let commands: &[&[&str]] = &[
                &["SET", "a", &n],
                &["WAIT", "0", "0"],
                &["CLIENT", "ID"],
                &["ROLE"],
                &["SET", "b", &n],
                &["CLIENT", "LIST"],
                &["CONFIG", "SET", "maxmemory-samples", "5"],
                &["CLIENT", "KILL", "ID", "999999"],
                &["GET", "a"],
                &["PING"],
            ];
            client.must(&["MULTI"]);
            for command in commands {
                assert_eq!(client.must(command), Value::Simple("QUEUED".to_string()));
            }
            client.send_raw(&[encode(&["EXEC"]), encode(&["GET", "b"]), encode(&["CLIENT", "ID"])].concat()).unwrap();
            let replies = client.read().unwrap().items();
            assert_eq!(replies.len(), commands.len());
            assert_eq!(replies[..3], [ok(), Value::Int(0), id.clone()]);
            assert_eq!(replies[3].items()[0], Value::Bulk(b"master".to_vec()));
            assert_eq!(replies[4], ok());
            let list = replies[5].text();
            assert!(list.lines().any(|line| line.starts_with(&format!("id={} ", id.int()))), "{list}");
            assert_eq!(replies[6..8], [ok(), Value::Int(0)]);
            assert_eq!(replies[8..], [Value::Bulk(n.clone().into_bytes()), Value::Simple("PONG".to_string())]);
            assert_eq!(client.read().unwrap(), Value::Bulk(n.into_bytes()));
            assert_eq!(client.read().unwrap(), id);
        }
    });
}

#[test]
fn replies_are_left_out_as_a_client_asks() {
    const CASES: &[(&[&[&str]], &str)] = &[
        (&[&["CLIENT", "REPLY", "SKIP"], &["PING", "1"], &["PING", "2"]], "$1\r\n2\r\n"),
        (&[&["CLIENT", "REPLY", "SKIP"], &["NONSENSE"], &["PING", "2"]], "$1\r\n2\r\n"),
        (&[&["CLIENT", "REPLY", "SKIP"], &["CLIENT", "REPLY", "SKIP"], &["PING", "1"], &["PING", "2"]], "$1\r\n2\r\n"),
        (&[&["CLIENT", "REPLY", "SKIP"], &["MULTI"], &["SET", "a", "1"], &["EXEC"]], "+QUEUED\r\n*1\r\n+OK\r\n"),
        (&[&["CLIENT", "REPLY", "SKIP"], &["CLIENT", "LIST"], &["PING", "2"]], "$1\r\n2\r\n"),
        (
            &[&["CLIENT", "REPLY", "OFF"], &["GET", "a"], &["MGET", "a", "b", "c"], &["ROLE"], &["CLIENT", "REPLY", "ON"]],
            "+OK\r\n",
        ),
        (&[&["CLIENT", "REPLY", "OFF"], &["CLIENT", "REPLY", "SKIP"], &["PING"], &["CLIENT", "REPLY", "ON"]], "+OK\r\n"),
        (&[&["CLIENT", "REPLY", "OFF"], &["RESET"]], "+RESET\r\n"),
        (&[&["MULTI"], &["CLIENT", "REPLY", "OFF"], &["PING"], &["EXEC"], &["PING"]], "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n"),
    ];
    let check = |kind| {
        let server = Server::start(kind);
        for (commands, expected) in CASES {
            let mut client = server.client();
            let wire: Vec<u8> = commands.iter().flat_map(|command| encode(command)).collect();
            client.send_raw(&wire).unwrap();
            let got = client.exact(expected.len()).unwrap();
            assert_eq!(String::from_utf8_lossy(&got), *expected, "{commands:?}");
            // And nothing else before the next one.
            client.send_raw(&[encode(&["RESET"]), encode(&["ECHO", "end"])].concat()).unwrap();
            assert_eq!(client.exact(17).unwrap(), b"+RESET\r\n$3\r\nend\r\n", "{commands:?}");
        }
    };
    check(Kind::Redis);
    with_cores(check);
}

#[test]
fn monitors_see_no_passwords_and_no_administration() {
    let check = |kind| {
        let server = Server::start(kind);
        let mut monitor = server.client();
        monitor.must(&["MONITOR"]);
        let mut client = server.client();
        client.cmd(&["AUTH", "hush"]);
        client.cmd(&["HELLO", "2", "AUTH", "default", "hush"]);
        client.must(&["CONFIG", "GET", "port"]);
        client.must(&["MULTI"]);
        client.must(&["SET", "a", "1"]);
        client.must(&["EXEC"]);
        client.must(&["GET", "end"]);
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.ends_with("\"GET\" \"end\"")) {
            let line = String::from_utf8_lossy(&monitor.line().unwrap()).into_owned();
            seen.push(line);
        }
        assert!(seen.iter().all(|line| !line.contains("hush") && !line.contains("CONFIG")), "{seen:?}");
        let words = |line: &String| line.split_once("] ").unwrap().1.to_string();
        assert!(seen.iter().any(|line| words(line) == "\"SET\" \"a\" \"1\""), "{seen:?}");
    };
    check(Kind::Redis);
    with_cores(check);
}

#[test]
fn a_long_backlog_is_worked_off_in_parts_between_which_others_have_their_turn() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut admin = server.client();
        let count = 640_000;
        let wire = encode(&["INCR", "a key whose name makes requests long"]).repeat(count);
        // Who stands still while it is worked off has had his turn, and not seen it.
        eventually("others have their turn", || {
            admin.must(&["DEL", "a key whose name makes requests long"]);
            admin.must(&["CLIENT", "PAUSE", "60000", "WRITE"]);
            let mut busy = server.client();
            let wire = &wire;
            let looks = std::thread::scope(|scope| {
                scope.spawn(move || busy.pipeline_raw(wire, count));
                // Most of it has arrived, and none of it has been run.
                eventually("the backlog is there", || {
                    let lens = admin.must(&["CLIENT", "LIST"]).text();
                    let longest =
                        lens.split_whitespace().filter_map(|field| field.strip_prefix("qbuf=")?.parse::<u64>().ok()).max();
                    must(longest > Some(30_000_000), || format!("{longest:?}"))
                });
                admin.must(&["CLIENT", "UNPAUSE"]);
                let mut looks = Vec::new();
                while looks.last() != Some(&count) {
                    looks.push(admin.must(&["INCRBY", "a key whose name makes requests long", "0"]).int() as usize);
                }
                looks
            });
            let midway = looks.iter().filter(|&&done| (1..count).contains(&done)).count();
            must(midway >= 3, || format!("only {midway} requests had their turn while the backlog was worked off: {looks:?}"))
        });
    });
}

#[test]
fn questions_about_data_are_answered_at_their_place_in_exec() {
    let replies = |kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        client.must(&["SET", "other", "1"]);
        let commands: &[&[&str]] = &[
            &["DEBUG", "DIGEST"],
            &["DEBUG", "DIGEST-VALUE", "a", "b"],
            &["SET", "a", "1"],
            &["DEBUG", "DIGEST-VALUE", "a", "b"],
            &["SET", "b", "2"],
            &["DEBUG", "DIGEST"],
            &["INFO", "keyspace"],
            &["MEMORY", "USAGE", "a"],
            &["DEL", "a"],
            &["MEMORY", "USAGE", "a"],
            &["DEBUG", "DIGEST-VALUE", "a", "b"],
            &["DBSIZE"],
            &["INFO", "keyspace"],
            &["FLUSHALL"],
            &["INFO", "keyspace"],
            &["DEBUG", "DIGEST"],
            &["DEBUG", "OBJECT", "b"],
            &["DEBUG", "POPULATE", "100"],
            &["DBSIZE"],
            &["DEL", "key:1"],
        ];
        client.must(&["MULTI"]);
        commands.iter().for_each(|command| drop(client.must(command)));
        let replies = client.must(&["EXEC"]).items();
        let shown = |(command, reply): (&&[&str], &Value)| match command[0] {
            // Every server has its own figures.
            "MEMORY" => format!("{}", reply.is_null()),
            "INFO" => reply.text().split(",expires").next().unwrap().to_string(),
            _ => format!("{reply:?}"),
        };
        let replies: Vec<String> = commands.iter().zip(&replies).map(shown).collect();
        assert_eq!(client.must(&["DBSIZE"]), Value::Int(99));
        replies
    };
    let expected = replies(Kind::Redis);
    with_cores(|kind| assert_eq!(replies(kind), expected));
}

#[test]
fn very_many_keys_can_be_watched() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let (mut client, mut other) = (server.client(), server.client());
        let names: Vec<String> = (0..100_000).map(|i| format!("key:{i}")).collect();
        let request: Vec<&str> = std::iter::once("WATCH").chain(names.iter().map(String::as_str)).collect();
        let mut asking = server.client();
        let mut busy = || ["used_cpu_user", "used_cpu_sys"].map(|field| asking.info("cpu").text(field).parse::<f64>().unwrap());
        let before: f64 = busy().iter().sum();
        client.must(&request);
        client.must(&request);
        client.must(&["UNWATCH"]);
        // Every one of them is forgotten, and watched again.
        client.must(&request);
        other.must(&["SET", "key:99999", "x"]);
        client.must(&["MULTI"]);
        assert!(client.must(&["EXEC"]).is_null());
        client.must(&request);
        client.must(&["UNWATCH"]);
        other.must(&["SET", "key:1", "x"]);
        client.must(&["MULTI"]);
        assert_eq!(client.must(&["EXEC"]), Value::Array(vec![]));
        let took = busy().iter().sum::<f64>() - before;
        assert!(took < 5.0, "{took} seconds of CPU time");
    });
}

#[test]
fn info_within_a_transaction_counts_what_came_before_it() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        for line in ["MULTI", "SET a 1", "SET b 1", "INFO commandstats", "SET c 1", "LLEN a", "LLEN b"] {
            client.must(&line.split(' ').collect::<Vec<_>>());
        }
        let info = client.must(&["EXEC"]).items()[2].text();
        assert!(info.contains("cmdstat_set:calls=2,") && !info.contains("cmdstat_llen"), "{info}");
    });
}

#[test]
fn whoever_waits_to_move_an_element_writes_nothing_once_a_pause_is_answered() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let (mut admin, mut reader) = (server.client(), server.client());
        for round in 0..60 {
            let (source, target) = (SPREAD[round % 6], SPREAD[(round + 1) % 6]);
            let mut waiting = server.client();
            waiting.send_raw(&encode(&["BLMOVE", source, target, "LEFT", "RIGHT", "0"])).unwrap();
            koltso_tests::dialogue::wait_blocked(&server, 1);
            // The push and the pause arrive together, on cores of their own.
            let mut writer = server.client();
            writer.send_raw(&encode(&["RPUSH", source, "x"])).unwrap();
            admin.must(&["CLIENT", "PAUSE", "60000", "WRITE"]);
            let mut look = || [source, target].map(|key| reader.must(&["LLEN", key]).int());
            let before = look();
            std::thread::sleep(Duration::from_millis(5));
            assert_eq!(look(), before, "round {round}");
            admin.must(&["CLIENT", "UNPAUSE"]);
            assert_eq!(waiting.read().unwrap(), Value::Bulk(b"x".into()));
            admin.must(&["DEL", source, target]);
        }
    });
}
