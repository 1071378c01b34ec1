//! Clients over TLS: real ones, in every way the certificates may be wanted, and peers that do not keep to the protocol. Where
//! redis-server has an answer, that is the model.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use koltso_tests::cli::{Output, run};
use koltso_tests::server::free_port;
use koltso_tests::tls::{Authority, Keys, SecureClient};
use koltso_tests::wait::must;
use koltso_tests::{Kind, Server, Value, eventually, eventually_for, with_cores};

/// redis-cli over TLS, as the holder of a certificate of `authority` or of none.
fn cli(authority: &Authority, port: u16, name: Option<&str>, args: &[&str]) -> Output {
    let port = port.to_string();
    let tls = authority.cli_args(name);
    let all: Vec<&str> = ["-p", &port].into_iter().chain(tls.iter().map(String::as_str)).chain(args.iter().copied()).collect();
    run("redis-cli", &all)
}

fn refused(value: &Value) -> String {
    if value.is_error() { value.error().to_string() } else { format!("{value:?}") }
}

#[test]
fn redis_cli_and_redis_benchmark_work_over_tls() {
    for keys in [Keys::Ec, Keys::Rsa] {
        let authority = Authority::new(keys);
        with_cores(|kind| {
            let (builder, port) = authority.secure(Server::with(kind));
            let server = builder.start();
            let say = |args: &[&str]| cli(&authority, port, Some("client"), args);
            for nth in 0..6 {
                assert_eq!(say(&["SET", &format!("key:{nth}"), &nth.to_string()]).out, "OK\n");
            }
            assert_eq!(say(&["MGET", "key:0", "key:5"]).out, "0\n5\n");
            assert_eq!(say(&["-3", "HELLO", "3"]).status.code(), Some(0));
            assert_eq!(server.client().must(&["DBSIZE"]).int(), 6);
            let mut args = vec!["-p".to_string(), port.to_string()];
            args.extend(authority.cli_args(Some("client")));
            args.extend(["-n", "20000", "-c", "20", "-P", "50", "-t", "set,get,lrange_100", "-q"].map(String::from));
            let output = run("redis-benchmark", &args.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(output.status.success() && output.out.contains("LRANGE_100"), "{output:?}");
            let mut client = server.client();
            eventually("they are gone", || must(client.info("clients").int("connected_clients") == 1, || "not yet".into()));
        });
    }
}

#[test]
fn requests_and_records_may_be_cut_anywhere() {
    let authority = Authority::new(Keys::Ec);
    with_cores(|kind| {
        let (builder, port) = authority.secure(Server::with(kind));
        let _server = builder.start();
        for tls13 in [false, true] {
            let config = authority.client_config(Some("client"), tls13);
            for max in [1, 2, 3, 5, 7, 11, 64, 1000] {
                let mut client = SecureClient::connect(port, &config, max);
                client.expect(&["SET", "key", "value"], "+OK\r\n");
                client.expect(&["GET", "key"], "$5\r\nvalue\r\n");
                // Every request in pieces of its own records.
                for byte in b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n" {
                    client.0.write_all(&[*byte]).unwrap();
                    client.0.flush().unwrap();
                }
                assert_eq!(client.read_exact(11).unwrap(), b"$5\r\nvalue\r\n");
                client.expect(&["PING"], "+PONG\r\n");
            }
        }
    });
}

#[test]
fn pipelines_and_values_of_any_length_go_through() {
    let authority = Authority::new(Keys::Ec);
    with_cores(|kind| {
        let (builder, port) = authority.secure(Server::with(kind));
        let server = builder.start();
        for tls13 in [false, true] {
            let config = authority.client_config(Some("client"), tls13);
            let mut client = SecureClient::connect(port, &config, usize::MAX);
            for len in [0, 1, 16_383, 16_384, 16_385, 131_072, 131_073, 1_000_000, 9_000_000] {
                let value: String = (0..len).map(|i| char::from(b'a' + (i % 23) as u8)).collect();
                client.expect(&["SET", "big", &value], "+OK\r\n");
                client.expect(&["GET", "big"], &format!("${len}\r\n{value}\r\n"));
            }
            for count in [1, 2, 100, 20_000] {
                let wire: Vec<u8> = (0..count).flat_map(|i| format!("SET k{i} {i}\r\nGET k{i}\r\n").into_bytes()).collect();
                let expected: String = (0..count).map(|i| format!("+OK\r\n${}\r\n{i}\r\n", i.to_string().len())).collect();
                client.0.write_all(&wire).unwrap();
                client.0.flush().unwrap();
                let replies = client.read_exact(expected.len()).unwrap();
                assert!(replies == expected.as_bytes(), "{count} pairs");
            }
            client.expect(&["FLUSHALL"], "+OK\r\n");
        }
        assert_eq!(server.info().int("tcp_port"), i64::from(server.port()));
    });
}

#[test]
fn messages_to_subscribers_and_monitors_go_out_encrypted() {
    let authority = Authority::new(Keys::Ec);
    with_cores(|kind| {
        let (builder, port) = authority.secure(Server::with(kind));
        let server = builder.start();
        let config = authority.client_config(Some("client"), true);
        let mut readers: Vec<SecureClient> = (0..5).map(|_| SecureClient::connect(port, &config, usize::MAX)).collect();
        for reader in &mut readers {
            reader.expect(&["SUBSCRIBE", "c"], "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n");
        }
        let message = "m".repeat(100_000);
        let mut client = server.client();
        for _ in 0..20 {
            assert_eq!(client.must(&["PUBLISH", "c", &message]).int(), 5);
        }
        let expected = format!("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$100000\r\n{message}\r\n");
        for reader in &mut readers {
            for nth in 0..20 {
                assert!(reader.read_exact(expected.len()).unwrap() == expected.as_bytes(), "message {nth}");
            }
        }
    });
}

#[test]
fn who_gets_in_is_decided_as_redis_does() {
    let (authority, others) = (Authority::new(Keys::Ec), Authority::new(Keys::Ec));
    // Somebody with a certificate that another authority has signed, who trusts ours.
    std::fs::copy(others.file("client.crt"), authority.file("stranger.crt")).unwrap();
    std::fs::copy(others.file("client.key"), authority.file("stranger.key")).unwrap();
    let look = |kind: Kind| {
        let mut seen = Vec::new();
        for wanted in ["yes", "optional", "no"] {
            let (builder, port) = authority.secure(Server::with(kind));
            let server = builder.set("tls-auth-clients", wanted).start();
            for name in [Some("client"), None, Some("stranger")] {
                let output = cli(&authority, port, name, &["PING"]);
                seen.push((wanted, name, output.out == "PONG\n"));
            }
            // Who does not trust the server.
            let output = cli(&others, port, Some("client"), &["PING"]);
            assert!(output.out != "PONG\n" && output.err.contains("certificate verify failed"), "{output:?}");
            let accepted = seen.iter().rev().take(3).filter(|(.., ok)| *ok).count();
            if accepted < 3 {
                server.wait_log("Error accepting a client connection: ");
            }
            assert_eq!(server.client().must(&["PING"]).text(), "PONG");
        }
        seen
    };
    let model = look(Kind::Redis);
    assert_eq!(model.iter().filter(|(.., ok)| *ok).count(), 1 + 2 + 3, "{model:?}");
    with_cores(|kind| assert_eq!(look(kind), model));
}

#[test]
fn versions_and_ciphers_are_those_of_the_configuration() {
    let authority = Authority::new(Keys::Ec);
    with_cores(|kind| {
        for (protocols, of_12, of_13) in [("\"\"", true, true), ("TLSv1.2", true, false), ("\"TLSv1.1 TLSv1.3\"", false, true)]
        {
            let (builder, port) = authority.secure(Server::with(kind));
            let builder = builder.set("tls-protocols", protocols).set("tls-ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256");
            let _server = builder.set("tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256").start();
            for (tls13, works) in [(false, of_12), (true, of_13)] {
                let mut client = SecureClient::connect(port, &authority.client_config(Some("client"), tls13), usize::MAX);
                assert_eq!(client.send(&["PING"]).is_ok(), works, "{protocols} {tls13}");
                if works {
                    assert_eq!(client.read_exact(7).unwrap(), b"+PONG\r\n");
                    let suite = format!("{:?}", client.0.conn.negotiated_cipher_suite().unwrap().suite());
                    let expected = if tls13 { "TLS13_CHACHA20_POLY1305_SHA256" } else { "ECDHE_ECDSA_WITH_AES_128_GCM" };
                    assert!(suite.contains(expected), "{suite}");
                }
            }
        }
    });
}

#[test]
fn sessions_are_taken_up_again_unless_that_is_switched_off() {
    let authority = Authority::new(Keys::Ec);
    with_cores(|kind| {
        for (caching, lifetime, resumes) in [("yes", 300, true), ("yes", 0, false), ("no", 300, false)] {
            for tls13 in [false, true] {
                let (builder, port) = authority.secure(Server::with(kind));
                let builder = builder.set("tls-session-caching", caching).set("tls-session-cache-timeout", lifetime);
                let _server = builder.start();
                let config = authority.client_config(Some("client"), tls13);
                let mut kinds = Vec::new();
                for _ in 0..2 {
                    let mut client = SecureClient::connect(port, &config, usize::MAX);
                    client.expect(&["PING"], "+PONG\r\n");
                    kinds.push(format!("{:?}", client.0.conn.handshake_kind().unwrap()));
                }
                assert_eq!(kinds[0], "Full");
                assert_eq!(kinds[1] == "Resumed", resumes, "caching {caching}, for {lifetime} s, TLS 1.3 {tls13}: {kinds:?}");
            }
        }
    });
}

/// What comes until the peer closes, or nothing more comes for a while.
fn rest_of(stream: &mut TcpStream) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(bytes),
        Err(error) => Err(format!("it is still open: {error}")),
    }
}

#[test]
fn what_is_no_handshake_is_closed_cleanly_and_nobody_else_notices() {
    let authority = Authority::new(Keys::Ec);
    with_cores(|kind| {
        let (builder, port) = authority.secure(Server::with(kind));
        let server = builder.start();
        let mut witness = SecureClient::connect(port, &authority.client_config(Some("client"), true), usize::MAX);
        witness.expect(&["PING"], "+PONG\r\n");
        let long = [&[0x16, 3, 1, 0x40, 0][..], &vec![1; 0x4000]].concat();
        let wrong: [&[u8]; 7] = [
            b"PING\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            &[0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff],
            &[0x17, 3, 3, 0, 2, 0, 0],
            &[0x16, 3, 1, 0xff, 0xff, 1],
            &long,
        ];
        for bytes in wrong {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream.write_all(bytes).unwrap();
            let head = &bytes[..bytes.len().min(20)];
            let said = rest_of(&mut stream).unwrap_or_else(|why| panic!("{head:?}: {why}"));
            // An alert, or nothing; never a reply.
            assert!(said.is_empty() || said[0] == 0x15, "{head:?} is answered {said:?}");
        }
        server.wait_log("Error accepting a client connection: ");
        // The other way round: TLS on the plain port.
        let output = cli(&authority, server.port(), Some("client"), &["PING"]);
        assert_ne!(output.out, "PONG\n");
        witness.expect(&["PING"], "+PONG\r\n");
        let mut client = server.client();
        eventually("they are gone", || must(client.info("clients").int("connected_clients") == 2, || "not yet".into()));
    });
}

#[test]
fn a_handshake_that_is_never_finished_is_given_up() {
    let authority = Authority::new(Keys::Ec);
    let (builder, port) = authority.secure(Server::with(Kind::Koltso { cores: 3 }));
    let server = builder.start();
    let mut silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()).collect();
    for (nth, stream) in silent.iter_mut().enumerate() {
        // Nothing, or the beginning of a record.
        stream.write_all(&[0x16, 3, 1, 2, 0, 1][..nth % 7]).unwrap();
    }
    let mut served = SecureClient::connect(port, &authority.client_config(Some("client"), true), usize::MAX);
    served.expect(&["PING"], "+PONG\r\n");
    let mut client = server.client();
    eventually("they are counted", || {
        let count = client.info("clients").int("connected_clients");
        must(count == 22, || count.to_string())
    });
    eventually_for(Duration::from_secs(20), "they are gone", || {
        let count = client.info("clients").int("connected_clients");
        must(count == 2, || count.to_string())
    });
    served.expect(&["PING"], "+PONG\r\n");
    server.wait_log("the handshake took longer than 10 seconds");
}

#[test]
fn both_ends_say_goodbye() {
    let authority = Authority::new(Keys::Ec);
    with_cores(|kind| {
        let (builder, port) = authority.secure(Server::with(kind));
        let server = builder.start();
        for tls13 in [false, true] {
            let config = authority.client_config(Some("client"), tls13);
            // rustls tells an end that was announced from one that was not.
            let mut client = SecureClient::connect(port, &config, usize::MAX);
            client.expect(&["QUIT"], "+OK\r\n");
            assert_eq!(client.0.read(&mut [0; 10]).unwrap(), 0);
            // What was asked for before the end is answered.
            let mut client = SecureClient::connect(port, &config, usize::MAX);
            client.expect(&["PING"], "+PONG\r\n");
            client.0.write_all(b"SET key value\r\nGET key\r\n").unwrap();
            client.0.conn.send_close_notify();
            client.0.flush().unwrap();
            assert_eq!(client.read_exact(16).unwrap(), b"+OK\r\n$5\r\nvalue\r\n");
            assert_eq!(client.0.read(&mut [0; 10]).unwrap(), 0);
            // Killed by another.
            let mut client = SecureClient::connect(port, &config, usize::MAX);
            client.expect(&["CLIENT", "SETNAME", "victim"], "+OK\r\n");
            let mut other = server.client();
            let list = other.must(&["CLIENT", "LIST"]).text();
            let line = list.lines().find(|line| line.contains("name=victim")).expect("it is listed").to_string();
            let id = line.split(' ').next().unwrap().trim_start_matches("id=").to_string();
            assert_eq!(other.must(&["CLIENT", "KILL", "ID", &id]).int(), 1);
            assert_eq!(client.0.read(&mut [0; 10]).unwrap(), 0);
        }
    });
}

#[test]
fn a_slow_reader_is_bounded_and_then_gets_everything_or_is_closed() {
    let authority = Authority::new(Keys::Ec);
    with_cores(|kind| {
        let (builder, port) = authority.secure(Server::with(kind));
        let server = builder.start();
        let mut admin = server.client();
        let value = "x".repeat(1_000_000);
        admin.must(&["SET", "big", &value]);
        let config = authority.client_config(Some("client"), true);
        let mut slow = SecureClient::connect(port, &config, usize::MAX);
        slow.expect(&["PING"], "+PONG\r\n");
        for _ in 0..400 {
            slow.send(&["GET", "big"]).unwrap();
        }
        let mut other = SecureClient::connect(port, &config, usize::MAX);
        other.expect(&["PING"], "+PONG\r\n");
        // What is under way, what waits until no more is looked at, and room for either to grow.
        // The allocator takes a moment to return what the buffers were before they grew.
        eventually("a bound for a reader that does not read", || {
            let resident = server.resident();
            must(resident < 300 << 20, || format!("{resident} bytes"))
        });
        let expected = format!("$1000000\r\n{value}\r\n");
        for nth in 0..400 {
            assert!(slow.read_exact(expected.len()).unwrap() == expected.as_bytes(), "reply {nth}");
        }
        // With a limit, which counts what was written and not what it is on the wire.
        admin.must(&["CONFIG", "SET", "client-output-buffer-limit", "normal 8000000 0 0"]);
        for _ in 0..200 {
            if slow.send(&["GET", "big"]).is_err() {
                break;
            }
        }
        server.wait_log("closed for overcoming of output buffer limits");
        other.expect(&["PING"], "+PONG\r\n");
    });
}

#[test]
fn certificates_are_renewed_while_the_node_runs_and_bad_ones_refused() {
    let authority = Authority::new(Keys::Ec);
    let others = Authority::new(Keys::Ec);
    let look = |kind: Kind| {
        let (builder, port) = authority.secure(Server::with(kind));
        let server = builder.start();
        let mut client = server.client();
        let works = |authority: &Authority| cli(authority, port, Some("client"), &["PING"]).out == "PONG\n";
        let mut seen = vec![format!("{}", works(&authority))];
        let bad = [
            ("tls-cert-file", "/no/such.crt".to_string()),
            ("tls-cert-file", authority.path("ca.key")),
            ("tls-key-file", authority.path("client.key")),
            ("tls-key-file", authority.path("server.crt")),
            ("tls-ca-cert-file", authority.path("server.key")),
            ("tls-ciphers", "NO-SUCH-CIPHER".to_string()),
            ("tls-protocols", "SSLv9".to_string()),
            ("tls-cert-file", String::new()),
        ];
        for (name, value) in &bad {
            seen.push(refused(&client.cmd(&["CONFIG", "SET", name, value])));
            // What was there stays.
            assert!(works(&authority), "after {name} {value}");
            let shown = client.must(&["CONFIG", "GET", name]);
            assert!(!format!("{shown:?}").contains(value.as_str()) || value.is_empty(), "{shown:?}");
        }
        // All of another's; all at once, because a certificate alone would not fit its key.
        let path = |name: &str| others.path(name);
        let all =
            ["tls-cert-file", &path("server.crt"), "tls-key-file", &path("server.key"), "tls-ca-cert-file", &path("ca.crt")];
        seen.push(refused(&client.cmd(&[&["CONFIG", "SET"], &all[..]].concat())));
        seen.push(format!("{} {}", works(&authority), works(&others)));
        // The same names, other files.
        let before = std::fs::read(others.file("server.crt")).unwrap();
        others.issue("server");
        assert_ne!(before, std::fs::read(others.file("server.crt")).unwrap());
        seen.push(refused(&client.cmd(&[&["CONFIG", "SET"], &all[..4]].concat())));
        seen.push(format!("{}", works(&others)));
        seen
    };
    let model = look(Kind::Redis);
    assert_eq!(model.last().unwrap(), "true", "{model:?}");
    with_cores(|kind| assert_eq!(look(kind), model));
}

#[test]
fn the_port_for_tls_comes_and_goes_while_the_node_runs() {
    let authority = Authority::new(Keys::Ec);
    let look = |kind: Kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let port = free_port();
        let works = || cli(&authority, port, Some("client"), &["PING"]).out == "PONG\n";
        let mut seen = vec![refused(&client.cmd(&["CONFIG", "SET", "tls-port", &port.to_string()]))];
        let files = [
            ("tls-cert-file", authority.path("server.crt")),
            ("tls-key-file", authority.path("server.key")),
            ("tls-ca-cert-file", authority.path("ca.crt")),
        ];
        for (name, value) in &files {
            seen.push(refused(&client.cmd(&["CONFIG", "SET", name, value])));
        }
        seen.push(format!("{}", works()));
        seen.push(refused(&client.cmd(&["CONFIG", "SET", "tls-port", &port.to_string()])));
        seen.push(format!("{}", works()));
        // Without the other port, this is the one that INFO names.
        let tls = |args: &[&str]| cli(&authority, port, Some("client"), args).out;
        seen.push(tls(&["CONFIG", "SET", "port", "0"]));
        let info = tls(&["INFO", "server"]);
        seen.push(format!("{}", info.contains(&format!("tcp_port:{port}\r\n"))));
        seen.push(tls(&["CONFIG", "SET", "port", &server.port().to_string()]));
        seen.push(refused(&server.client().cmd(&["CONFIG", "SET", "tls-port", "0"])));
        seen.push(format!("{}", works()));
        seen
    };
    let model = look(Kind::Redis);
    with_cores(|kind| assert_eq!(look(kind), model));
}

#[test]
fn a_start_without_what_tls_needs_is_refused_in_the_same_words() {
    let authority = Authority::new(Keys::Ec);
    let locked = authority.lock("server", "secret");
    let (cert, key, ca) = (authority.path("server.crt"), authority.path("server.key"), authority.path("ca.crt"));
    let pair = format!("tls-cert-file {cert}\ntls-key-file {key}\n");
    let mut cases = vec![
        (String::new(), "No tls-cert-file configured!"),
        (format!("tls-cert-file {cert}\n"), "No tls-key-file configured!"),
        (
            pair.clone(),
            "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or tls-auth-clients are enabled!",
        ),
        (
            format!("tls-cert-file /no/such\ntls-key-file {key}\ntls-auth-clients no\n"),
            "Failed to load certificate: /no/such: ",
        ),
        (
            format!("tls-cert-file {cert}\ntls-key-file /no/such\ntls-auth-clients no\n"),
            "Failed to load private key: /no/such: ",
        ),
        (format!("{pair}tls-ca-cert-file /no/such\n"), "Failed to configure CA certificate(s) file/directory: "),
        (format!("{pair}tls-ca-cert-file {ca}\ntls-ciphers NO-SUCH-CIPHER\n"), "Failed to configure ciphers: NO-SUCH-CIPHER"),
        (format!("{pair}tls-ca-cert-file {ca}\ntls-ciphersuites NO-SUCH\n"), "Failed to configure ciphersuites: NO-SUCH"),
    ];
    let look = |kind: Kind, text: &str, why: &str| {
        let mut server = Server::with(kind).set("tls-port", free_port()).text(text).spawn();
        assert_ne!(server.wait_exit().code(), Some(0), "{text}");
        let log = server.log();
        assert!(log.contains(why) && log.contains("Failed to configure TLS. Check logs for more info."), "{text}{log}");
    };
    for (text, why) in &cases {
        look(Kind::Redis, text, why);
    }
    // Redis can unlock keys, and takes certificates of old; here it is said what to do instead.
    let text =
        format!("tls-cert-file {cert}\ntls-key-file {}\ntls-key-file-pass secret\ntls-auth-clients no\n", locked.display());
    cases.push((text, "it is locked with a password"));
    authority.issue_v1("old");
    let (cert, key) = (authority.path("old.crt"), authority.path("old.key"));
    cases.push((format!("tls-cert-file {cert}\ntls-key-file {key}\ntls-auth-clients no\n"), "it is of X.509 version 1"));
    for (text, why) in &cases {
        look(Kind::Koltso { cores: 1 }, text, why);
    }
}

#[test]
fn authorities_may_lie_in_a_folder() {
    let authority = Authority::new(Keys::Ec);
    let folder = authority.file("authorities");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(authority.file("ca.crt"), folder.join("ca.crt")).unwrap();
    let config = format!(
        "tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-dir {}\n",
        authority.path("server.crt"),
        authority.path("server.key"),
        folder.display()
    );
    let rehashed = std::process::Command::new("openssl").args(["rehash"]).arg(&folder).status().unwrap();
    assert!(rehashed.success());
    for kind in [Kind::Redis, Kind::Koltso { cores: 1 }, Kind::Koltso { cores: 3 }] {
        let port = free_port();
        let _server = Server::with(kind).set("tls-port", port).text(&config).start();
        assert_eq!(cli(&authority, port, Some("client"), &["PING"]).out, "PONG\n");
        assert_ne!(cli(&authority, port, None, &["PING"]).out, "PONG\n");
    }
}
