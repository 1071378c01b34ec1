//! The wire: inline commands, every split of a pipeline, RESP3, long pipelines, big bulks, and protocol errors that must
//! read like those of redis-server byte for byte.

use std::time::Duration;

use koltso_tests::client::encode;
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Seed, Server, Value, eventually, with_cores};

/// Requests of every shape whose replies do not depend on what ran before.
fn sample_pipeline() -> (Vec<u8>, usize) {
    let mut wire = Vec::new();
    wire.extend(b"PING\r\n".as_slice());
    wire.extend(encode(&["SET", "key", "value"]));
    wire.extend(b"GET key\n".as_slice());
    wire.extend(encode(&[b"SET".as_slice(), b"bin\r\n\0", b"\r\n$3\r\n\xff"]));
    wire.extend(encode(&[b"GET".as_slice(), b"bin\r\n\0"]));
    wire.extend(b"\r\n".as_slice());
    wire.extend(b"  SET \"quoted \\x41\\n\" 'single \\' quote'  \r\n".as_slice());
    wire.extend(b"GET \"quoted A\\n\"\r\n".as_slice());
    wire.extend(b"*0\r\n".as_slice());
    wire.extend(b"*-1\r\n".as_slice());
    wire.extend(encode(&["MGET", "key", "none", "bin\r\n\0"]));
    wire.extend(encode(&["SET", "", ""]));
    wire.extend(encode(&["NOSUCH", "x"]));
    (wire, 10)
}

#[test]
fn every_split_point_of_a_pipeline() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let (wire, replies) = sample_pipeline();
        let mut client = server.client();
        let wanted = client.pipeline_raw(&wire, replies);
        assert_eq!(wanted[6].text(), "single ' quote");
        for at in 1..wire.len() {
            client.send_raw(&wire[..at]).unwrap();
            // The first part must be in the server's hands before the second comes. Another connection's answer shows it
            // no more than time does; a wrong guess only makes the split less sharp.
            std::thread::sleep(Duration::from_micros(300));
            client.send_raw(&wire[at..]).unwrap();
            let got: Vec<Value> = (0..replies).map(|_| client.read().unwrap()).collect();
            assert_eq!(got, wanted, "split at {at}");
        }
        let mut client = server.client();
        for byte in &wire {
            client.send_raw(&[*byte]).unwrap();
        }
        let got: Vec<Value> = (0..replies).map(|_| client.read().unwrap()).collect();
        assert_eq!(got, wanted, "byte by byte");
    });
}

/// Sends the same bytes to koltso and redis-server, ends its side, and compares all that comes back.
#[track_caller]
fn compare_raw(servers: &[Server; 2], wire: &[u8]) {
    let answers = servers.each_ref().map(|server| {
        let mut client = server.client();
        client.set_timeout(Duration::from_secs(60));
        // A server that has already refused may reset the connection under a long request.
        client.send_raw(wire).ok();
        client.stream().shutdown(std::net::Shutdown::Write).ok();
        client.until_closed().expect("the answer")
    });
    let [mine, theirs] = answers.each_ref().map(|bytes| bytes.escape_ascii().to_string());
    assert_eq!(mine, theirs, "to \"{}\"", wire[..wire.len().min(100)].escape_ascii());
}

#[test]
fn protocol_errors_read_like_those_of_redis() {
    with_cores(|kind| {
        let servers = [Server::start(kind), Server::start(Kind::Redis)];
        let cases: &[&[u8]] = &[
            b"SET \"unbalanced\r\n",
            b"SET 'unbalanced\r\n",
            b"SET \"a\"b\r\n",
            b"*x\r\n",
            b"*1048577\r\n",
            b"*2147483648\r\n",
            b"*99999999999999999999\r\n",
            b"*-2\r\nPING\r\n",
            b"*\r\nPING\r\n",
            b"* 1\r\n$4\r\nPING\r\n",
            b"*+1\r\n$4\r\nPING\r\n",
            b"*01\r\n$4\r\nPING\r\n",
            b"*1\r\nPING\r\n",
            b"*1\r\n:4\r\n",
            b"*1\r\n\r\n",
            b"*1\r\n$x\r\n",
            b"*1\r\n$-1\r\n",
            b"*1\r\n$536870913\r\n",
            b"*1\r\n$99999999999999999999\r\n",
            b"*1\r\n$\r\n",
            b"*1\r\n$04\r\nPING\r\n",
            b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
            b"*2\r\n$4\r\nECHO\r\n$3\r\na\nb\r\n",
            b"*1\n$4\nPING\n",
            b"PING\r\n*1\r\n$x\r\nPING\r\n",
            b"\r\n\r\n\nPING\r\n",
            b" \r\nPING\r\n",
            b"\"\"\r\nPING\r\n",
            b"ECHO \"\\x4z\\xff\\n\\t\\a\\b\\q\"\r\n",
            b"ECHO 'a\\n\\'b'\r\n",
            b"ECHO a\"b\"\r\n",
            b"ECHO \xff\xfe\r\n",
            b"GET / HTTP/1.1\r\n",
            b"POST / HTTP/1.1\r\nPING\r\n",
            b"Host: example\r\nPING\r\n",
            b"nosuchcommand\r\n",
            b"NOSUCH with 'some arguments' that are 'shown\\n'\r\n",
            b"get\r\n",
            b"GeT a b\r\n",
            b"CONFIG\r\n",
            b"CONFIG NOSUCH\r\n",
            b"HELLO 4\r\n",
            b"HELLO x\r\n",
            b"SELECT 16\r\n",
            b"SELECT x\r\n",
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$",
            b"QUIT\r\nPING\r\n",
        ];
        for wire in cases {
            compare_raw(&servers, wire);
        }
        let unknown = format!("{} {}\r\n", "N".repeat(200), vec!["argument"; 40].join(" "));
        compare_raw(&servers, unknown.as_bytes());
        // Lengths without an end, past the limit of a line.
        for start in ["", "*", "*1\r\n$", "PING "] {
            compare_raw(&servers, format!("{start}{}", "1".repeat(70_000)).as_bytes());
        }
    });
}

#[test]
fn before_authentication_little_is_accepted() {
    with_cores(|kind| {
        let servers = [kind, Kind::Redis].map(|kind| Server::with(kind).set("requirepass", "secret").start());
        for wire in [
            "PING\r\n",
            "GET k\r\n",
            "NOSUCH\r\n",
            "*11\r\n",
            "*1\r\n$16385\r\n",
            "AUTH wrong\r\n",
            "AUTH a b c\r\n",
            "HELLO 3 AUTH default wrong\r\n",
            "AUTH secret\r\nPING\r\n",
            "MULTI\r\nSET k v\r\nEXEC\r\n",
        ] {
            compare_raw(&servers, wire.as_bytes());
        }
        // Its words have changed between versions.
        assert!(servers[0].client().cmd(&["HELLO", "3"]).error().starts_with("NOAUTH HELLO must be called"));
    });
}

#[test]
fn resp3_is_spoken_after_hello() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let Value::Map(pairs) = client.must(&["HELLO", "3"]) else { panic!("HELLO 3 answers with a map") };
        let names: Vec<String> = pairs.iter().map(|(name, _)| name.text()).collect();
        assert_eq!(names, ["server", "version", "proto", "id", "mode", "role", "modules"]);
        assert_eq!(pairs[2].1, Value::Int(3));
        assert_eq!(client.must(&["GET", "none"]), Value::Null);
        client.must(&["HSET", "h", "f", "v"]);
        assert!(matches!(client.must(&["HGETALL", "h"]), Value::Map(_)));
        client.must(&["SADD", "s", "m"]);
        assert!(matches!(client.must(&["SMEMBERS", "s"]), Value::Set(_)));
        client.must(&["ZADD", "z", "1.5", "m"]);
        assert_eq!(client.must(&["ZSCORE", "z", "m"]), Value::Double("1.5".into()));
        assert!(matches!(client.must(&["CONFIG", "GET", "port"]), Value::Map(_)));
        assert!(matches!(client.must(&["INFO", "server"]), Value::Verbatim(_)));
        let Value::Array(flat) = client.must(&["HELLO", "2"]) else { panic!("HELLO 2 answers with an array") };
        assert_eq!(flat.len(), 14);
        assert_eq!(client.must(&["GET", "none"]), Value::NullBulk);
        client.must(&["HELLO", "3", "SETNAME", "named"]);
        assert_eq!(client.must(&["CLIENT", "GETNAME"]).text(), "named");
        assert_eq!(client.must(&["RESET"]), Value::Simple("RESET".into()));
        assert_eq!(client.must(&["GET", "none"]), Value::NullBulk);
    });
}

#[test]
fn a_pipeline_of_a_hundred_thousand_commands() {
    let mut seed = Seed::fresh("long_pipeline");
    with_cores(|kind| {
        let server = Server::start(kind);
        let commands: Vec<Vec<String>> = (0..100_000)
            .map(|i| match seed.below(4) {
                0 => vec!["SET".into(), format!("k:{}", i % 1000), format!("{i}")],
                1 => vec!["ECHO".into(), format!("{i}")],
                2 => vec!["GET".into(), format!("k:{}", seed.below(1000))],
                _ => vec!["INCR".into(), "counter".into()],
            })
            .collect();
        let replies = server.client().pipeline(&commands);
        let mut count = 0;
        for (command, reply) in commands.iter().zip(&replies) {
            match command[0].as_str() {
                "SET" => reply.ok(),
                "ECHO" => assert_eq!(reply.text(), command[1]),
                "INCR" => {
                    count += 1;
                    assert_eq!(reply.int(), count);
                }
                _ => assert!(reply.is_null() || !reply.text().is_empty()),
            }
        }
    });
}

#[test]
fn a_bulk_of_a_hundred_megabytes_and_replies_larger_than_any_buffer() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let big: Vec<u8> = (0..100_000_000_u32).map(|i| (i ^ (i >> 9)) as u8).collect();
        client.must(&[b"SET".as_slice(), b"big", &big]).ok();
        let got = client.must(&["GET", "big"]);
        assert!(got.bytes() == big, "it came back changed");
        assert_eq!(client.must(&["STRLEN", "big"]).int(), big.len() as i64);
        // Several big replies queued on one connection, and small ones behind them.
        let commands: Vec<Vec<&str>> =
            (0..6).map(|i| if i % 2 == 0 { vec!["GET", "big"] } else { vec!["ECHO", "small"] }).collect();
        for (i, reply) in client.pipeline(&commands).iter().enumerate() {
            assert_eq!(reply.bytes().len(), if i % 2 == 0 { big.len() } else { 5 });
        }
        client.must(&["DEL", "big"]);
        assert_eq!(client.must(&["PING"]), Value::Simple("PONG".into()));
    });
}

#[test]
fn transactions_and_errors_keep_the_order_of_replies() {
    with_cores(|kind| {
        let servers = [Server::start(kind), Server::start(Kind::Redis)];
        let wire = b"MULTI\r\nSET a 1\r\nINCR a\r\nLPUSH a x\r\nGET a\r\nEXEC\r\n\
            MULTI\r\nSET a\r\nSET b 2\r\nEXEC\r\nGET b\r\nMULTI\r\nDISCARD\r\nEXEC\r\nDISCARD\r\n\
            MULTI\r\nMULTI\r\nWATCH a\r\nNOSUCH\r\nEXEC\r\nWATCH a\r\nSET a 3\r\nMULTI\r\nGET a\r\nEXEC\r\n\
            WATCH a\r\nUNWATCH\r\nSET a 4\r\nMULTI\r\nGET a\r\nEXEC\r\nMULTI\r\nEXEC\r\nMULTI\r\nSELECT 1\r\nSET x 1\r\nEXEC\r\nGET x\r\n";
        compare_raw(&servers, wire);
    });
}

#[test]
fn a_client_that_does_not_read_is_bounded_and_harms_nobody() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut other = server.client();
        other.must(&["SET", "value", &"x".repeat(100_000)]);
        let before = server.resident();
        let greedy = server.client();
        // It asks for 2 GB and reads nothing.
        let asking = std::thread::spawn({
            let stream = greedy.stream().try_clone().unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
            move || {
                let request = encode(&["GET", "value"]).repeat(1000);
                (0..20).all(|_| std::io::Write::write_all(&mut &stream, &request).is_ok())
            }
        });
        for _ in 0..200 {
            assert_eq!(other.must(&["PING"]), Value::Simple("PONG".into()));
        }
        asking.join().unwrap();
        // Redis has no such bound for normal clients by default. The allocator takes a moment to return what buffers were before they
        // grew.
        eventually("a bound for a client that does not read", || {
            let grown = server.resident().saturating_sub(before);
            must(!kind.is_koltso() || grown < 200_000_000, || format!("grew by {grown} bytes"))
        });
        drop(greedy);
        assert_eq!(Client::connect(server.port()).unwrap().must(&["PING"]), Value::Simple("PONG".into()));
    });
}
