//! A primary that answers with rubbish: the node must live, say what is wrong, go on serving what it has, and not grow.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use koltso_tests::client::encode;
use koltso_tests::wait::must;
use koltso_tests::{Client, Server, Value, eventually, with_cores};

const ID: &str = "0123456789abcdef0123456789abcdef01234567";
const MARK: &str = "aaaaaaaaaabbbbbbbbbbccccccccccdddddddddd";
/// What a node may grow by over all cases; each of them would like it to take gigabytes.
const GROWTH_MAX: u64 = 128 << 20;
/// More than the kernel's buffers hold, so that whoever does not read lets us wait.
const FLOOD: usize = 64 << 20;

/// What a fake primary does once it is asked for something: with the socket in hand, after which it hangs up.
type Act = Box<dyn Fn(&mut TcpStream) + Send>;

/// A fake primary. It answers the handshake like a real one, up to the command that the act is for.
struct Fake {
    port: u16,
    /// Every `PSYNC` that it was sent.
    asked: Receiver<String>,
}

impl Fake {
    /// Acts when it is asked `on`, once per connection.
    fn start(on: &'static str, act: Act) -> Fake {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
        let port = listener.local_addr().expect("address").port();
        let (sender, asked) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                stream.set_write_timeout(Some(Duration::from_secs(10))).expect("set the timeout");
                let Ok(read) = stream.try_clone() else { return };
                let mut requests = BufReader::new(read);
                while let Some(args) = request(&mut requests) {
                    if args[0] == "PSYNC" && sender.send(args[1..].join(" ")).is_err() {
                        return;
                    }
                    if args[0] == on {
                        act(&mut stream);
                        break;
                    }
                    let answer: &[u8] = if args[0] == "PING" { b"+PONG\r\n" } else { b"+OK\r\n" };
                    if stream.write_all(answer).is_err() {
                        break;
                    }
                }
            }
        });
        Fake { port, asked }
    }
}

/// Reads one request of the node; `None` when it has hung up.
fn request(from: &mut impl BufRead) -> Option<Vec<String>> {
    let mut line = || {
        let mut line = String::new();
        (from.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_string())
    };
    let count: usize = line()?.strip_prefix('*')?.parse().ok()?;
    let mut args = Vec::new();
    for _ in 0..count {
        line()?;
        args.push(line()?);
    }
    Some(args)
}

/// Sends these bytes and says that this is all.
fn says(bytes: impl AsRef<[u8]>) -> Act {
    let bytes = bytes.as_ref().to_vec();
    Box::new(move |stream| {
        if stream.write_all(&bytes).is_ok() {
            end(stream);
        }
    })
}

/// The end of what is sent, in order: whoever hangs up on bytes that he has not read says that by a reset.
fn end(stream: &mut TcpStream) {
    stream.shutdown(Shutdown::Write).ok();
    drain(stream);
}

/// Sends these bytes and keeps the connection open until the node closes it.
fn says_and_waits(bytes: impl AsRef<[u8]>) -> Act {
    let bytes = bytes.as_ref().to_vec();
    Box::new(move |stream| {
        if stream.write_all(&bytes).is_ok() {
            drain(stream);
        }
    })
}

/// Reads until the other side closes.
fn drain(stream: &mut TcpStream) {
    let mut sink = [0; 4096];
    loop {
        match stream.read(&mut sink) {
            Ok(0) => return,
            Err(error) if error.kind() != ErrorKind::Interrupted => return,
            _ => {}
        }
    }
}

/// An answer to PSYNC and a snapshot of known length.
fn full(rdb: &[u8]) -> Vec<u8> {
    [format!("+FULLRESYNC {ID} 1000\r\n${}\r\n", rdb.len()).as_bytes(), rdb].concat()
}

/// A file without a checksum, with these entries in database 0.
fn rdb(entries: &[u8]) -> Vec<u8> {
    [b"REDIS0009\xfe\x00", entries, b"\xff\0\0\0\0\0\0\0\0"].concat()
}

fn sync_failures() -> Vec<(&'static str, &'static str, Act, &'static str)> {
    let good = rdb(b"\x00\x03new\x01v");
    let flood = |bytes: &'static [u8]| -> Act {
        Box::new(move |stream| {
            let piece = bytes.repeat((1 << 16) / bytes.len());
            let mut sent = 0;
            while sent < FLOOD && stream.write_all(&piece).is_ok() {
                sent += piece.len();
            }
        })
    };
    let answer = format!("+FULLRESYNC {ID} 1000\r\n");
    let eof = |rdb: &[u8], mark: &str| [format!("{answer}$EOF:{MARK}\r\n").as_bytes(), rdb, mark.as_bytes()].concat();
    let mut huge_string = rdb(b"\x00\x03new\x81\x00\x00\x00\x10\x00\x00\x00\x00");
    huge_string.extend_from_slice(&[b'x'; 1000]);
    let mut bad_checksum = good.clone();
    *bad_checksum.last_mut().expect("bytes") = 1;
    vec![
        ("an endless line", "PING", flood(b"x"), "endless line"),
        ("nothing but empty lines", "PING", flood(b"\n"), "closed the connection"),
        ("another protocol", "PING", says("HTTP/1.1 400 Bad Request\r\n\r\n"), "answers PING with"),
        ("binary rubbish", "PING", says([0, 255, 10, 13, 10, 27, 7]), "answers PING with"),
        ("hanging up", "REPLCONF", says(""), "closed the connection"),
        ("an endless answer to PSYNC", "PSYNC", flood(b"+FULLRESYNC "), "endless line"),
        ("a short FULLRESYNC", "PSYNC", says("+FULLRESYNC\r\n"), "answers PSYNC with"),
        ("a wrong id", "PSYNC", says(format!("+FULLRESYNC {} 1\r\n", &ID[1..])), "answers PSYNC with"),
        ("a negative offset", "PSYNC", says(format!("+FULLRESYNC {ID} -1\r\n")), "answers PSYNC with"),
        ("the last offset", "PSYNC", says(format!("+FULLRESYNC {ID} 9223372036854775807\r\n")), "answers PSYNC with"),
        ("an unasked CONTINUE", "PSYNC", says("+CONTINUE\r\n"), "was not asked for"),
        ("a refusal", "PSYNC", says("-ERR no \x1b[31mway\r\n"), "refuses it"),
        ("a negative length", "PSYNC", says(format!("{answer}$-1\r\n")), "announces its snapshot with"),
        ("no length", "PSYNC", says(format!("{answer}$\r\n")), "announces its snapshot with"),
        ("a length beyond all", "PSYNC", says(format!("{answer}$99999999999999999999\r\n")), "announces its snapshot with"),
        ("a huge length and nothing more", "PSYNC", says(format!("{answer}$9223372036854775807\r\n")), "closed the connection"),
        ("an empty snapshot", "PSYNC", says(full(b"")), "in the middle of its data"),
        ("a short mark", "PSYNC", says(format!("{answer}$EOF:abc\r\n")), "announces its snapshot with"),
        ("a wrong mark", "PSYNC", says(eof(&good, &MARK.replace('d', "e"))), "not followed by the mark"),
        ("rubbish for a snapshot", "PSYNC", says(full(&[b'?'; 5000])), "RDB"),
        ("a version of the future", "PSYNC", says(full(b"REDIS9999\xff\0\0\0\0\0\0\0\0")), "9999"),
        ("a cut snapshot", "PSYNC", says(&full(&good)[..full(&good).len() - 5]), "closed the connection"),
        ("a short length", "PSYNC", says(full(&good[..good.len() - 4])), "in the middle of its data"),
        ("a long length", "PSYNC", says(full(&[good.as_slice(), b"more"].concat())), "but it announced"),
        ("a wrong checksum", "PSYNC", says(full(&bad_checksum)), "checksum"),
        ("a key twice", "PSYNC", says(full(&rdb(b"\x00\x03new\x01v\x00\x03new\x01w"))), "twice"),
        ("a member twice", "PSYNC", says(full(&rdb(b"\x02\x03new\x02\x01m\x01m"))), "twice"),
        ("a huge string", "PSYNC", says(full(&huge_string)), "string"),
        ("a huge count", "PSYNC", says(full(&rdb(b"\x02\x03new\x81\x00\xff\xff\xff\xff\xff\xff\xff\x01m"))), "length"),
        ("a database too many", "PSYNC", says(full(&rdb(b"\xfe\x80\x00\x00\xff\xff\x00\x03new\x01v"))), "database"),
        ("a module's value", "PSYNC", says(full(&rdb(b"\x07\x03new\x81\x00\x00\x00\x00\x00\x00\x00\x01\x00"))), "module"),
    ]
}

#[test]
fn no_failed_sync_costs_the_data_that_is_served() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        for n in 0..500 {
            client.must(&["SET", &format!("old{n}"), &"v".repeat(n)]).ok();
        }
        let digest = client.must(&["DEBUG", "DIGEST"]);
        let (pid, resident) = (server.pid(), server.resident());
        for (name, on, act, log) in sync_failures() {
            println!("{name}");
            let before = server.log().len();
            let fake = Fake::start(on, act);
            client.must(&["REPLICAOF", "127.0.0.1", &fake.port.to_string()]).ok();
            eventually(&format!("{name}: the log says {log:?}"), || {
                let said = server.log()[before..].to_string();
                let found = said.lines().any(|line| line.to_lowercase().contains(&log.to_lowercase()));
                if found { Ok(()) } else { Err(said) }
            });
            assert!(!server.log()[before..].chars().any(|c| c.is_control() && c != '\n'), "{name}: it wrote into the log");
            assert_eq!(client.must(&["DEBUG", "DIGEST"]), digest, "{name}");
            assert_eq!(client.must(&["GET", "old3"]).text(), "vvv", "{name}");
        }
        assert_eq!(client.info("server").int("process_id"), i64::from(pid));
        let grown = server.resident().saturating_sub(resident);
        assert!(grown < GROWTH_MAX, "it has grown by {grown} bytes");
        client.must(&["REPLICAOF", "NO", "ONE"]).ok();
        client.must(&["SET", "after", "all"]).ok();
    });
}

#[test]
fn a_sync_that_was_given_up_leaves_nothing_in_the_next() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        client.must(&["SET", "old", "1"]).ok();
        // Enough whole entries that some are staged; then nothing more, and the connection stays open.
        let mut entries = Vec::new();
        for n in 0..20_000 {
            entries.extend_from_slice(b"\x00\x08");
            entries.extend_from_slice(format!("s{n:07}").as_bytes());
            entries.extend_from_slice(b"\x01s");
        }
        let stalled = full(&rdb(&entries));
        let cut = stalled.len() - 100_000;
        let first = Fake::start("PSYNC", says_and_waits(&stalled[..cut]));
        client.must(&["REPLICAOF", "127.0.0.1", &first.port.to_string()]).ok();
        eventually("the first primary's snapshot is being read", || {
            let read = client.info("replication").find("master_sync_read_bytes").and_then(|n| n.parse().ok()).unwrap_or(0u64);
            if read > 50_000 { Ok(()) } else { Err(format!("{read} bytes")) }
        });
        assert_eq!(client.must(&["GET", "old"]).text(), "1");
        let second = Fake::start("PSYNC", says_and_waits(full(&rdb(b"\x00\x03new\x01v"))));
        client.must(&["REPLICAOF", "127.0.0.1", &second.port.to_string()]).ok();
        wait_value(&mut client, "new", "v");
        assert_eq!(client.must(&["DBSIZE"]).int(), 1);
    });
}

#[test]
fn rubbish_in_the_stream_is_told_and_survived() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let base = full(&rdb(b"\x00\x03new\x01v"));
        // Whatever the primary says here, the marker behind it is applied.
        let odd: Vec<(Vec<u8>, &str)> = vec![
            (encode(&["NOSUCHCOMMAND", "x"]), "cannot apply a command"),
            (encode(&["SET", "a"]), "cannot apply a command"),
            (encode(&["SELECT", "999999"]), "database"),
            (encode(&["SELECT", "x"]), "database"),
            (encode(&["INCR", "new"]), "answers a command of its master with an error"),
            (encode(&["EXEC"]), ""),
            (encode(&["DISCARD"]), ""),
            (b"*0\r\n*-1\r\n\r\n\n".to_vec(), ""),
            ([encode(&["MULTI"]).repeat(3), encode(&["EXEC"])].concat(), "a transaction within a transaction"),
            (encode(&["REPLCONF"]), ""),
            (encode(&["REPLCONF", "GETACK", "*"]), ""),
            (encode(&["PSYNC", "?", "-1"]), ""),
            (encode(&["SHUTDOWN", "NOSAVE"]), ""),
            (encode(&["REPLICAOF", "NO", "ONE"]), ""),
            (encode(&["QUIT"]), ""),
            (encode(&["SUBSCRIBE", "c"]), ""),
            (encode(&["MONITOR"]), ""),
            (encode(&["CLIENT", "PAUSE", "100000"]), ""),
            (encode(&["CONFIG", "SET", "maxmemory", "1"]), ""),
            (encode(&["BLPOP", "list", "0"]), ""),
            (encode(&["RESTORE", "bad", "0", "rubbish"]), ""),
            (encode(&["EXPIRE", "new", "9223372036854775807"]), ""),
            (encode(&["SWAPDB", "0", "99"]), ""),
            (b"SET inline 1\r\n".to_vec(), ""),
        ];
        for (n, (bytes, log)) in odd.iter().enumerate() {
            println!("{}", bytes.escape_ascii());
            let marker = format!("marker{n}");
            let stream =
                [encode(&["SELECT", "0"]), bytes.clone(), encode(&["SELECT", "0"]), encode(&["SET", &marker, "1"])].concat();
            let fake = Fake::start("PSYNC", says_and_waits([base.as_slice(), &stream].concat()));
            client.must(&["REPLICAOF", "127.0.0.1", &fake.port.to_string()]).ok();
            wait_value(&mut client, &marker, "1");
            assert_eq!(client.info("replication").text("role"), "slave");
            if !log.is_empty() {
                server.wait_log(log);
            }
        }
        for unreadable in ["*1\r\n$-5\r\n", "*x\r\n", "*1\r\n:1\r\n", "\"\r\n", "*1\r\n$99999999999\r\n"] {
            println!("{}", unreadable.escape_debug());
            let before = server.log().len();
            let fake = Fake::start("PSYNC", says_and_waits([base.as_slice(), unreadable.as_bytes()].concat()));
            client.must(&["REPLICAOF", "127.0.0.1", &fake.port.to_string()]).ok();
            eventually("the log says what is wrong", || {
                let said = server.log()[before..].to_string();
                if said.contains("The stream from MASTER cannot be read: Protocol error") { Ok(()) } else { Err(said) }
            });
            assert_eq!(client.must(&["GET", "new"]).text(), "v");
        }
    });
}

#[test]
fn what_comes_before_rubbish_is_not_applied_twice() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let base = full(&rdb(b"\x00\x03new\x01v"));
        let whole = [encode(&["SELECT", "0"]), encode(&["INCR", "once"]), encode(&["INCR", "other"])].concat();
        let first = Mutex::new([base.as_slice(), &whole, b"*x\r\n"].concat());
        let then = [b"+CONTINUE\r\n".to_vec(), encode(&["SET", "after", "1"])].concat();
        let fake = Fake::start(
            "PSYNC",
            Box::new(move |stream| {
                let first = std::mem::take(&mut *first.lock().expect("lock"));
                stream.write_all(if first.is_empty() { &then } else { &first }).expect("send");
                drain(stream);
            }),
        );
        client.must(&["REPLICAOF", "127.0.0.1", &fake.port.to_string()]).ok();
        wait_value(&mut client, "after", "1");
        assert_eq!(client.must(&["GET", "once"]).text(), "1");
        assert_eq!(client.must(&["GET", "other"]).text(), "1");
        assert_eq!(fake.asked.try_recv().as_deref(), Ok("? -1"));
        assert_eq!(fake.asked.try_recv(), Ok(format!("{ID} {}", 1000 + whole.len() + 1)));
    });
}

#[test]
fn half_a_transaction_is_not_applied_and_is_asked_for_again() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let base = full(&rdb(b"\x00\x03new\x01v"));
        let whole = [encode(&["SELECT", "0"]), encode(&["SET", "before", "1"])].concat();
        let half = [encode(&["MULTI"]), encode(&["SET", "half", "1"]), encode(&["SET", "other", "1"])].concat();
        let first = Mutex::new(true);
        let rest = [half.as_slice(), &encode(&["EXEC"]), &encode(&["SET", "after", "1"])].concat();
        let then = Arc::new((base, whole.clone(), half, rest));
        let fake = Fake::start(
            "PSYNC",
            Box::new(move |stream| {
                let (base, whole, half, rest) = &*then;
                if std::mem::take(&mut *first.lock().expect("lock")) {
                    stream.write_all(&[base.as_slice(), whole, half].concat()).expect("send");
                    end(stream);
                } else {
                    stream.write_all(&[b"+CONTINUE\r\n", rest.as_slice()].concat()).expect("send");
                    drain(stream);
                }
            }),
        );
        client.must(&["REPLICAOF", "127.0.0.1", &fake.port.to_string()]).ok();
        wait_value(&mut client, "after", "1");
        assert_eq!(client.must(&["GET", "half"]).text(), "1");
        assert_eq!(client.must(&["GET", "before"]).text(), "1");
        assert_eq!(fake.asked.try_recv().as_deref(), Ok("? -1"));
        assert_eq!(fake.asked.try_recv(), Ok(format!("{ID} {}", 1000 + whole.len() + 1)));
    });
}

#[test]
fn a_transaction_within_a_transaction_loses_nothing_of_either() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let base = full(&rdb(b"\x00\x03new\x01v"));
        let stream = [
            vec!["SELECT", "0"],
            vec!["MULTI"],
            vec!["SET", "first", "1"],
            vec!["MULTI"],
            vec!["SET", "second", "2"],
            vec!["EXEC"],
            vec!["MULTI"],
            vec!["SET", "discarded", "3"],
            vec!["DISCARD"],
            vec!["SET", "after", "4"],
        ];
        let stream: Vec<u8> = stream.iter().flat_map(|command| encode(command)).collect();
        let fake = Fake::start("PSYNC", says_and_waits([base.as_slice(), &stream].concat()));
        client.must(&["REPLICAOF", "127.0.0.1", &fake.port.to_string()]).ok();
        wait_value(&mut client, "after", "4");
        assert_eq!(client.must(&["GET", "first"]).text(), "1");
        assert_eq!(client.must(&["GET", "second"]).text(), "2");
        assert_eq!(client.must(&["EXISTS", "discarded"]).int(), 0);
        let applied = client.info("replication").int("slave_repl_offset");
        assert_eq!(applied, 1000 + stream.len() as i64);
    });
}

#[test]
fn a_primary_that_breaks_every_link_is_asked_less_and_less_often() {
    with_cores(|kind| {
        // A second in which the machine stands still is too late for the first pause, or long enough for a link to count as whole.
        // Who asks in a loop does so each time.
        eventually("the first break is mended at once, and it is asked less and less often", || {
            let server = Server::start(kind);
            let mut client = server.client();
            let fake = Fake::start("PSYNC", says(full(&rdb(b"\x00\x03new\x01v"))));
            let start = Instant::now();
            client.must(&["REPLICAOF", "127.0.0.1", &fake.port.to_string()]).ok();
            let mut asked = Vec::new();
            for _ in 0..9 {
                fake.asked.recv_timeout(Duration::from_secs(60)).expect("it asks again");
                asked.push(Instant::now());
            }
            let pauses: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let good = pauses[0] < Duration::from_secs(1) && asked[8] - start > Duration::from_millis(3400);
            must(good, || format!("{pauses:?}"))
        });
    });
}

fn wait_value(client: &mut Client, key: &str, value: &str) {
    eventually(&format!("{key} is {value}"), || {
        let found = client.cmd(&["GET", key]);
        if found == Value::Bulk(value.into()) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}
