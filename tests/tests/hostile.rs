//! Peers that lie: a primary that answers nonsense and sends broken files, a replica that sends nonsense. The server must
//! go on serving its old data, with bounded memory.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use koltso_tests::client::encode;
use koltso_tests::oracle::{assert_same, wait_link_up, wait_online};
use koltso_tests::raw::{Psync, RawReplica};
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Seed, Server, Value, dataset, eventually, with_cores};

/// A primary that answers the handshake as it should up to PSYNC, then sends the given bytes and waits to be left.
struct FakePrimary {
    port: u16,
    answers: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl FakePrimary {
    fn answering(to_psync: Vec<u8>) -> FakePrimary {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answers, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let serving = std::thread::spawn({
            let (answers, over) = (answers.clone(), over.clone());
            move || {
                while !over.load(Ordering::SeqCst) {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            if serve(stream, &to_psync).is_ok_and(|answered| answered) {
                                answers.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                        Err(_) => std::thread::sleep(Duration::from_millis(5)),
                    }
                }
            }
        });
        FakePrimary { port, answers, over, serving: Some(serving) }
    }

    /// Waits until PSYNC has been answered, and that connection is over.
    fn wait_over(&self) {
        eventually("the replica asks the hostile primary and leaves it", || {
            must(self.answers.load(Ordering::SeqCst) > 0, || "it did not".into())
        });
    }
}

impl Drop for FakePrimary {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(serving) = self.serving.take() {
            serving.join().ok();
        }
    }
}

/// Ok(true) once PSYNC has been answered and the connection is over.
fn serve(mut stream: TcpStream, to_psync: &[u8]) -> std::io::Result<bool> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let n = stream.read(&mut chunk)?;
        if n == 0 {
            return Ok(false);
        }
        seen.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&seen).to_uppercase();
        if text.contains("PSYNC") {
            stream.write_all(&b"+OK\r\n".repeat(text.matches("REPLCONF").count()))?;
            // The replica may leave in the middle of it.
            stream.write_all(to_psync).ok();
            // Until the replica leaves, or for a moment.
            while stream.read(&mut chunk).is_ok_and(|n| n > 0) {}
            return Ok(true);
        }
        let answer: &[u8] = if text.contains("PING") { b"+PONG\r\n" } else { b"+OK\r\n" };
        let commands = text.matches("PING").count() + text.matches("REPLCONF").count();
        if seen.ends_with(b"\r\n") {
            stream.write_all(&answer.repeat(commands))?;
            seen.clear();
        }
    }
}

fn full_resync(then: &[u8]) -> Vec<u8> {
    [format!("+FULLRESYNC {} 1\r\n", "a".repeat(40)).as_bytes(), then].concat()
}

fn with_length(rdb: &[u8]) -> Vec<u8> {
    full_resync(&[format!("${}\r\n", rdb.len()).as_bytes(), rdb].concat())
}

fn real_file() -> Vec<u8> {
    let server = Server::start(Kind::Redis);
    dataset::fill(&mut server.client(), &mut Seed::new(5), 3);
    let mut raw = RawReplica::connect(&server, false);
    assert!(matches!(raw.psync(None), Psync::Full(..)));
    raw.transfer().unwrap().rdb
}

#[test]
fn a_hostile_primary_changes_nothing() {
    let mut seed = Seed::fresh("hostile_primary");
    let file = real_file();
    let mark = "m".repeat(40);
    let mut answers: Vec<(String, Vec<u8>)> = [
        ("an empty line", b"\r\n".to_vec()),
        ("noise", vec![0xff; 5000]),
        ("a line without end", vec![b'+'; 300_000]),
        ("no id", b"+FULLRESYNC\r\n".to_vec()),
        ("a short id", b"+FULLRESYNC abc 1\r\n".to_vec()),
        ("an id that is no hex", format!("+FULLRESYNC {} 1\r\n$0\r\n", "z".repeat(40)).into_bytes()),
        ("a wrong offset", format!("+FULLRESYNC {} x\r\n$0\r\n", "a".repeat(40)).into_bytes()),
        ("a negative offset", format!("+FULLRESYNC {} -7\r\n$5\r\nhello", "a".repeat(40)).into_bytes()),
        ("an offset past all bounds", format!("+FULLRESYNC {} 99999999999999999999\r\n", "a".repeat(40)).into_bytes()),
        ("a continuation that nobody asked for", b"+CONTINUE\r\n".to_vec()),
        ("a continuation of another history", format!("+CONTINUE {}\r\n*1\r\n$8\r\nFLUSHALL\r\n", "b".repeat(40)).into_bytes()),
        ("a length of nothing", full_resync(b"$0\r\n")),
        ("a negative length", full_resync(b"$-1\r\n")),
        ("a length past all bounds", full_resync(b"$9223372036854775807\r\nREDIS0010")),
        ("a wrong length", full_resync(b"$12x\r\nhello")),
        ("a short mark", full_resync(b"$EOF:abc\r\nREDIS0010")),
        ("no file", full_resync(b"*1\r\n$4\r\nPING\r\n")),
        ("a file that is none", with_length(b"this is not an RDB file, whatever it says")),
        ("a version nobody knows", with_length(b"REDIS9999\xff\0\0\0\0\0\0\0\0")),
        ("a string of 2^63 bytes", with_length(b"REDIS0010\x00\x81\x7f\xff\xff\xff\xff\xff\xff\xff")),
        ("a list of 2^60 elements", with_length(b"REDIS0010\x01\x01k\x81\x10\x00\x00\x00\x00\x00\x00\x00")),
        ("an LZF bomb", with_length(b"REDIS0010\x00\x01k\xc3\x05\x81\x00\x00\x00\xff\xff\xff\xff\xffhello")),
        ("a table size past all bounds", with_length(b"REDIS0010\xfb\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00")),
        ("a database past all bounds", with_length(b"REDIS0010\xfe\x80\xff\xff\xff\xff\x00\x01k\x01v\xff")),
        ("a file without its end mark", full_resync(&[format!("$EOF:{mark}\r\n").as_bytes(), &file].concat())),
    ]
    .map(|(name, bytes)| (name.to_string(), bytes))
    .into();
    for n in 0..6 {
        let at = 9 + seed.below(file.len() as u64 - 9) as usize;
        let mut garbled = file.clone();
        garbled[at] = garbled[at].wrapping_add(1 + seed.below(255) as u8);
        answers.push((format!("a file garbled at {at}, {n}"), with_length(&garbled)));
    }
    // Redis loads into place, and many of these end it: it is no model here.
    if koltso_tests::server::selfcheck() {
        return;
    }
    with_cores(|kind| {
        let mut replica = Server::start(kind);
        let mut client = replica.client();
        client.must(&["SET", "old", "data"]).ok();
        let before = replica.resident();
        for (name, answer) in &answers {
            let primary = FakePrimary::answering(answer.clone());
            client.must(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]).ok();
            primary.wait_over();
            assert!(replica.is_running(), "{name}\n{}", replica.log_tail());
            let reply = client.must(&["GET", "old"]);
            assert_eq!(reply, Value::Bulk(b"data".into()), "{name}\n{}", replica.log_tail());
            eventually("the link is down", || {
                let info = replica.info();
                must(info.text("master_link_status") == "down", || format!("{name}: {info:?}"))
            });
        }
        client.must(&["REPLICAOF", "NO", "ONE"]).ok();
        assert_eq!(client.must(&["DBSIZE"]).int(), 1);
        assert!(replica.resident() < before + 200_000_000, "{} bytes resident", replica.resident());
        assert!(!replica.log().contains("panicked"), "{}", replica.log_tail());
        // And a good primary is followed as if nothing had been.
        let good = Server::start(Kind::Redis);
        client.must(&["REPLICAOF", "127.0.0.1", &good.port().to_string()]).ok();
        wait_link_up(&replica);
        assert_same(&good, &replica);
    });
}

#[test]
fn nonsense_in_the_stream_ends_the_link_and_not_the_server() {
    let file = real_file();
    let streams: [(&str, &[u8]); 6] = [
        ("an unknown command", b"*2\r\n$6\r\nNOSUCH\r\n$1\r\nx\r\n"),
        ("a protocol error", b"*1\r\n$x\r\n"),
        ("noise", b"\xff\xfe\xfd\r\n\0\0\0\r\n"),
        ("a bulk past all bounds", b"*2\r\n$3\r\nSET\r\n$9223372036854775807\r\nx"),
        ("EXEC without MULTI", b"*1\r\n$4\r\nEXEC\r\n"),
        ("a database past all bounds", b"*2\r\n$6\r\nSELECT\r\n$10\r\n4000000000\r\n"),
    ];
    if koltso_tests::server::selfcheck() {
        return;
    }
    with_cores(|kind| {
        for (name, stream) in streams {
            let mut replica = Server::start(kind);
            let primary = FakePrimary::answering([with_length(&file), stream.to_vec()].concat());
            replica.client().must(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]).ok();
            primary.wait_over();
            assert!(replica.is_running(), "{name}\n{}", replica.log_tail());
            replica.client().must(&["PING"]);
            assert!(!replica.log().contains("panicked"), "{name}\n{}", replica.log_tail());
        }
    });
}

#[test]
fn nonsense_from_a_replica_ends_its_connection_only() {
    let mut seed = Seed::fresh("hostile_replica");
    with_cores(|kind| {
        let primary = Server::start(kind);
        let good = Server::with(Kind::Redis).replica_of(primary.port()).start();
        wait_online(&primary, 1);
        let mut client = primary.client();
        for round in 0..20 {
            let mut raw = RawReplica::connect(&primary, true);
            let Psync::Full(_, offset) = raw.psync(None) else { panic!("not a full resync") };
            if round % 2 == 0 {
                raw.transfer().unwrap();
                raw.ack(offset);
            }
            let noise = match round % 5 {
                0 => encode(&["REPLCONF", "ACK", "9223372036854775807"]),
                1 => encode(&["REPLCONF", "ACK", "-1"]),
                2 => encode(&["SET", "written by", "a replica"]),
                3 => b"*1\r\n$x\r\n".to_vec(),
                _ => seed.bytes(2000),
            };
            raw.client.send_raw(&noise).unwrap();
            client.must(&["SET", "round", &round.to_string()]).ok();
            client.must(&["PING"]);
        }
        assert_same(&primary, &good);
    });
}

#[test]
fn replication_commands_answer_like_those_of_redis() {
    with_cores(|kind| {
        let servers = [Server::start(kind), Server::start(Kind::Redis)];
        let [mut mine, mut theirs]: [Client; 2] = servers.each_ref().map(Server::client);
        let cases: &[&[&str]] = &[
            &["REPLCONF"],
            &["REPLCONF", "listening-port"],
            &["REPLCONF", "listening-port", "x"],
            &["REPLCONF", "nosuch", "1"],
            &["REPLCONF", "capa", "nosuch"],
            &["REPLCONF", "ip-address", "1.2.3.4"],
            &["REPLCONF", "rdb-only", "2"],
            &["REPLCONF", "capa", "eof", "listening-port", "7"],
            &["PSYNC"],
            &["PSYNC", "?"],
            &["PSYNC", "?", "x"],
            &["SYNC", "x"],
            &["REPLICAOF"],
            &["REPLICAOF", "no"],
            &["REPLICAOF", "127.0.0.1", "x"],
            &["REPLICAOF", "127.0.0.1", "70000"],
            &["SLAVEOF", "NO", "ONE"],
            &["ROLE", "x"],
            &["WAIT"],
            &["WAIT", "x", "1"],
            &["WAIT", "0", "x"],
        ];
        for case in cases {
            assert_eq!(mine.cmd(case), theirs.cmd(case), "{case:?}");
        }
    });
}

#[test]
fn offsets_past_all_bounds_end_nothing() {
    with_cores(|kind| {
        let mut primary = Server::start(kind);
        let replica = Server::with(Kind::Redis).replica_of(primary.port()).start();
        wait_online(&primary, 1);
        for offset in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
            let mut stranger = TcpStream::connect(("127.0.0.1", primary.port())).unwrap();
            stranger.write_all(format!("PSYNC {} {offset}\r\n", "0".repeat(40)).as_bytes()).unwrap();
            // While it waits for the snapshot before, it gets an empty line once a second.
            let mut first = [b'\n'; 11];
            while first[0] == b'\n' {
                stranger.read_exact(&mut first[..1]).unwrap();
            }
            stranger.read_exact(&mut first[1..]).unwrap();
            assert_eq!(&first, b"+FULLRESYNC", "{offset}");
        }
        assert!(primary.is_running(), "{}", primary.log_tail());
        assert_same(&primary, &replica);
    });
}

#[test]
fn names_that_look_like_keywords_lead_to_the_right_keys() {
    with_cores(|kind| {
        let servers = [Server::start(kind), Server::start(Kind::Redis)];
        let [mut mine, mut theirs]: [Client; 2] = servers.each_ref().map(Server::client);
        let mut both = |command: &[&str]| assert_eq!(mine.cmd(command), theirs.cmd(command), "{command:?}");
        both(&["GEOADD", "{x}s", "1", "1", "m"]);
        for i in 0..12 {
            let key = &format!("k{i}");
            both(&["XGROUP", "CREATE", key, "g", "$", "MKSTREAM"]);
            both(&["XREADGROUP", "COUNT", "1", "GROUP", "g", "streams", "STREAMS", key, ">"]);
            both(&["XREADGROUP", "NOACK", "GROUP", "g", "streams", "STREAMS", key, ">"]);
            let place = &format!("b{i}");
            both(&["GEORADIUS", "{x}s", "1", "1", "10", "km", "STORE", "{x}a", "STORE", place]);
            both(&["ZRANGE", place, "0", "-1"]);
            both(&["GEORADIUSBYMEMBER", "{x}s", "m", "10", "km", "STORE", "storedist", "STOREDIST", place]);
            both(&["ZRANGE", place, "0", "-1"]);
        }
    });
}

#[test]
fn a_read_only_replica_makes_no_consumer_groups() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let replica = Server::with(kind).replica_of(primary.port()).start();
        wait_online(&primary, 1);
        let refused = "READONLY You can't write against a read only replica.";
        assert_eq!(replica.client().cmd(&["XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"]).error(), refused);
        assert_eq!(replica.client().must(&["DBSIZE"]).int(), 0);
    });
}
