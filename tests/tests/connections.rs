//! Connections as they misbehave or meet a limit: who does not read, who sends too much, who leaves half-way, who is many.
//! Everything holds with one core and with three.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use koltso_tests::client::encode;
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Server, Value, eventually, with_cores};

/// Keys that lie on different cores, of three.
const SPREAD: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Waits until `condition` holds.
#[track_caller]
fn soon(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || must(condition(), String::new));
}

fn bulk(bytes: &[u8]) -> Value {
    Value::Bulk(bytes.to_vec())
}

fn repeat(args: &[&str], times: usize) -> Vec<u8> {
    encode(args).repeat(times)
}

/// Writes until the other side takes no more for a while.
fn write_what_is_taken(client: &Client, bytes: &[u8]) -> usize {
    let mut stream = client.stream();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(n) => written += n,
            Err(_) => break,
        }
    }
    written
}

#[test]
fn a_client_that_does_not_read_costs_bounded_memory_and_loses_nothing() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        for key in SPREAD {
            client.must(&["SET", key, &key.repeat(1 << 20)]);
        }
        let before = server.resident();
        let rounds = 100;
        let wire: Vec<u8> = (0..rounds).flat_map(|_| SPREAD.iter().flat_map(|key| encode(&["GET", key]))).collect();
        client.send_raw(&wire).unwrap();
        let mut other = server.client();
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            other.must(&["PING"]);
            // 600 MB were asked for; what is made of that before it is read is bounded by 64 MB a time and what 1024 requests
            // to other cores can bring in one go, which here is everything of one batch.
            assert!(!server.kind().is_koltso() || server.resident() < before + (700 << 20), "{}", server.resident() - before);
        }
        for _ in 0..rounds {
            for key in SPREAD {
                let value = client.read().unwrap();
                assert!(value == bulk(key.repeat(1 << 20).as_bytes()), "{key}");
            }
        }
    });
}

#[test]
fn the_hard_limit_ends_a_client_that_does_not_read() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut admin = server.client();
        admin.must(&["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"]);
        admin.must(&["SET", "big", &"x".repeat(100_000)]);
        let mut client = server.client();
        let id = client.must(&["CLIENT", "ID"]).int();
        client.send_raw(&repeat(&["GET", "big"], 1000)).ok();
        soon("the client is gone", || admin.must(&["CLIENT", "LIST", "ID", &id.to_string()]).text().is_empty());
        assert!(admin.info("stats").int("client_output_buffer_limit_disconnections") >= 1);
        // Who reads is not concerned, however much it is.
        let mut reader = server.client();
        for _ in 0..300 {
            assert_eq!(reader.pipeline_raw(&repeat(&["GET", "big"], 5), 5).len(), 5);
        }
    });
}

#[test]
fn the_hard_limit_ends_a_client_in_the_midst_of_a_reply_without_end() {
    let check = |kind| {
        let server = Server::start(kind);
        let mut admin = server.client();
        admin.must(&["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"]);
        let member = "m".repeat(1000);
        let before = server.resident();
        for key in SPREAD {
            let make: [&[&str]; 3] = [&["HSET", key, &member, "v"], &["SADD", key, &member], &["ZADD", key, "1", &member]];
            let asked: [&[&str]; 3] = [
                &["HRANDFIELD", key, "-4611686018427387903", "WITHVALUES"],
                &["SRANDMEMBER", key, "-9223372036854775807"],
                &["ZRANDMEMBER", key, "-4611686018427387903", "WITHSCORES"],
            ];
            for (make, asked) in make.into_iter().zip(asked) {
                admin.must(make);
                for protocol in ["2", "3"] {
                    let mut client = server.client();
                    client.must(&["HELLO", protocol]);
                    let id = client.must(&["CLIENT", "ID"]).int().to_string();
                    client.send_raw(&encode(asked)).unwrap();
                    soon("the client is gone", || admin.must(&["CLIENT", "LIST", "ID", &id]).text().is_empty());
                }
                admin.must(&["DEL", key]);
                // Of what is not there, there is nothing to say.
                assert_eq!(admin.must(asked), Value::Array(vec![]));
            }
        }
        assert!(server.resident() < before + (512 << 20), "{} and {}", before, server.resident());
    };
    check(Kind::Redis);
    with_cores(check);
}

#[test]
fn the_soft_limit_ends_a_client_only_when_it_lasts() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut admin = server.client();
        admin.must(&["CONFIG", "SET", "client-output-buffer-limit", "normal 0 1mb 1"]);
        admin.must(&["SET", "big", &"x".repeat(100_000)]);
        let mut client = server.client();
        let id = client.must(&["CLIENT", "ID"]).int().to_string();
        let since = Instant::now();
        client.send_raw(&repeat(&["GET", "big"], 300)).ok();
        soon("the client is gone", || admin.must(&["CLIENT", "LIST", "ID", &id]).text().is_empty());
        assert!(since.elapsed() >= Duration::from_secs(1));
    });
}

#[test]
fn before_authentication_neither_input_nor_output_grows() {
    with_cores(|kind| {
        let server = Server::start(kind);
        server.client().must(&["CONFIG", "SET", "requirepass", "secret"]);
        let before = server.resident();
        // Ten arguments of 16 KB are read, more is refused.
        let mut client = server.client();
        assert_eq!(client.cmd(&["GET", "k"]), Value::Error("NOAUTH Authentication required.".to_string()));
        client.send_raw(b"*11\r\n").unwrap();
        assert_eq!(client.read().unwrap(), Value::Error("ERR Protocol error: unauthenticated multibulk length".to_string()));
        let mut client = server.client();
        client.send_raw(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n").unwrap();
        assert_eq!(client.read().unwrap(), Value::Error("ERR Protocol error: unauthenticated bulk length".to_string()));
        // A client that never reads is not read from either.
        let client = server.client();
        let flood = repeat(&["GET", "k"], 4_000_000);
        let taken = write_what_is_taken(&client, &flood);
        if server.kind().is_koltso() {
            assert!(taken < flood.len(), "everything was taken");
            let grown = server.resident().saturating_sub(before);
            assert!(grown < 80 << 20, "{grown}");
        }
        // The password opens every way in.
        let mut client = server.client();
        assert_eq!(client.cmd(&["AUTH", "wrong"]).error(), "WRONGPASS invalid username-password pair or user is disabled.");
        client.must(&["AUTH", "default", "secret"]);
        client.must(&["SET", "k", "v"]);
        let mut client = server.client();
        client.must(&["HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me"]);
        assert_eq!(client.must(&["CLIENT", "GETNAME"]), bulk(b"me"));
        // Who is in stays in when the password changes; who comes needs the new one; without one, all are in.
        let mut outside = server.client();
        client.must(&["CONFIG", "SET", "requirepass", "other"]);
        client.must(&["GET", "k"]);
        assert!(outside.cmd(&["AUTH", "secret"]).is_error());
        client.must(&["CONFIG", "SET", "requirepass", ""]);
        outside.must(&["GET", "k"]);
    });
}

#[test]
fn the_query_buffer_has_a_limit() {
    with_cores(|kind| {
        let server = Server::with(kind).set("client-query-buffer-limit", "1mb").start();
        let mut client = server.client();
        client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000000\r\n").unwrap();
        write_what_is_taken(&client, &vec![b'x'; 3_000_000]);
        assert!(client.until_closed().is_ok());
        // What a transaction keeps counts as well.
        let mut client = server.client();
        client.must(&["MULTI"]);
        let value = "y".repeat(100_000);
        let closed = (0..20).any(|_| client.try_cmd(&["SET", "k", &value]).is_err());
        assert!(closed);
        let info = server.info();
        assert_eq!(info.int("client_query_buffer_limit_disconnections"), 2);
        assert_eq!(server.client().must(&["EXISTS", "k"]), Value::Int(0));
    });
}

#[test]
fn more_clients_than_maxclients_are_told_so() {
    with_cores(|kind| {
        let server = Server::with(kind).set("maxclients", 20).start();
        let mut first = server.client();
        first.wait_connected(1);
        let mut more: Vec<Client> = (0..24).map(|_| server.client()).collect();
        let is_in = |client: &mut Client| client.try_cmd(&["PING"]).is_ok_and(|reply| !reply.is_error());
        let outcomes: Vec<bool> = more.iter_mut().map(is_in).collect();
        assert_eq!(outcomes.iter().filter(|ok| **ok).count(), 19, "{outcomes:?}");
        assert_eq!(first.info("stats").int("rejected_connections"), 5);
        drop(more);
        soon("room again", || is_in(&mut server.client()));
    });
}

#[test]
fn idle_clients_are_dropped_and_busy_or_watching_ones_are_not() {
    with_cores(|kind| {
        let server = Server::with(kind).set("timeout", 2).start();
        let mut idle = server.client();
        let id = idle.must(&["CLIENT", "ID"]).int().to_string();
        let mut monitor = server.client();
        monitor.must(&["MONITOR"]);
        let mut busy = server.client();
        soon("the idle client is gone", || busy.must(&["CLIENT", "LIST", "ID", &id]).text().is_empty());
        assert!(idle.until_closed().unwrap().is_empty());
        // Who watches has been as idle, and hears this.
        busy.must(&["SET", "still", "here"]);
        while !monitor.line().unwrap().ends_with(b"\"SET\" \"still\" \"here\"") {}
    });
}

#[test]
fn a_client_that_has_sent_all_it_will_is_answered_in_full() {
    with_cores(|kind| {
        let server = Server::start(kind);
        for _ in 0..20 {
            let mut client = server.client();
            let mut wire = Vec::new();
            for (i, key) in SPREAD.iter().enumerate() {
                wire.extend(encode(&["SET", key, &i.to_string()]));
                wire.extend(encode(&["MSET", "x", key, "y", key, "z", key]));
                wire.extend(encode(&["GET", key]));
                wire.extend(encode(&["CLIENT", "LIST"]));
            }
            wire.extend(encode(&["PING", "end"]));
            client.send_raw(&wire).unwrap();
            client.stream().shutdown(Shutdown::Write).unwrap();
            let all = client.until_closed().unwrap();
            assert!(all.ends_with(b"$3\r\nend\r\n"), "{}", String::from_utf8_lossy(&all));
        }
    });
}

#[test]
fn a_thousand_clients_with_half_a_request_each_starve_nobody() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut clients: Vec<Client> = (0..1000).map(|_| server.client()).collect();
        let value = "v".repeat(40_000);
        let requests: Vec<Vec<u8>> = (0..clients.len()).map(|i| encode(&["SET", &format!("k{i}"), &value])).collect();
        for part in 0..3 {
            for (client, request) in clients.iter_mut().zip(&requests) {
                let len = request.len() / 3;
                let end = if part == 2 { request.len() } else { len * (part + 1) };
                client.send_raw(&request[len * part..end]).unwrap();
            }
            server.client().must(&["PING"]);
        }
        for client in &mut clients {
            assert_eq!(client.read().unwrap(), Value::Simple("OK".to_string()));
        }
        assert_eq!(server.client().must(&["DBSIZE"]), Value::Int(1000));
    });
}

#[test]
fn a_giant_pipeline_keeps_its_order() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let rounds = 20_000;
        let mut wire = Vec::new();
        for i in 0..rounds {
            let n = i.to_string();
            wire.extend(encode(&["SET", SPREAD[i % 6], &n]));
            wire.extend(encode(&["GET", SPREAD[(i + 5) % 6]]));
            if i % 10 == 0 {
                wire.extend(encode(&["MSET", "m1", &n, "m2", &n, "m3", &n]));
                wire.extend(encode(&["MGET", "m1", "m2", "m3"]));
            }
            wire.extend(encode(&["ECHO", &n]));
        }
        let replies = client.pipeline_raw(&wire, rounds * 3 + rounds / 10 * 2);
        let mut replies = replies.into_iter();
        for i in 0..rounds {
            let n = bulk(i.to_string().as_bytes());
            assert_eq!(replies.next(), Some(Value::Simple("OK".to_string())));
            let before = if i == 0 { Value::NullBulk } else { bulk((i - 1).to_string().as_bytes()) };
            assert_eq!(replies.next(), Some(before));
            if i % 10 == 0 {
                assert_eq!(replies.next(), Some(Value::Simple("OK".to_string())));
                assert_eq!(replies.next(), Some(Value::Array(vec![n.clone(), n.clone(), n.clone()])));
            }
            assert_eq!(replies.next(), Some(n));
        }
    });
}

#[test]
fn a_value_of_100_mb_goes_in_and_comes_out_in_linear_time() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let big: Vec<u8> = (0..100 << 20).map(|i: u32| (i % 251) as u8).collect();
        // What the server has worked, not how long that took: who else works meanwhile is no matter.
        let cpu_time = |client: &mut Client| {
            let info = client.info("cpu");
            ["used_cpu_user", "used_cpu_sys"].map(|field| info.text(field).parse::<f64>().unwrap()).iter().sum::<f64>()
        };
        for key in ["a", "b"] {
            let before = cpu_time(&mut client);
            client.must(&[b"SET".as_slice(), key.as_bytes(), &big]);
            assert_eq!(client.must(&["STRLEN", key]), Value::Int(100 << 20));
            assert!(client.must(&["GET", key]) == bulk(&big));
            let spent = cpu_time(&mut client) - before;
            assert!(spent < 10.0, "{spent} seconds of CPU time");
            client.must(&["DEL", key]);
        }
        soon("memory is given back", || client.info("memory").int("used_memory") < 20 << 20);
    });
}

#[test]
fn clients_that_vanish_half_way_leave_nothing_behind() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut request = encode(&["MSET", "a", "1", "b", "1", "c", "1"]);
        request.extend(encode(&["GET", "a"]));
        request.extend(encode(&["MULTI"]));
        request.extend(encode(&["SET", "b", "2"]));
        request.extend(encode(&["SET", "c", "2"]));
        request.extend(encode(&["EXEC"]));
        request.extend(encode(&["WATCH", "a", "b"]));
        request.extend(encode(&["WAIT", "1", "0"]));
        request.extend(encode(&["DBSIZE"]));
        let mut client = server.client();
        let mut files = usize::MAX;
        // The first round only shows what is open when all is quiet.
        for _ in 0..2 {
            for end in 0..request.len() {
                let client = server.client();
                client.stream().write_all(&request[..end]).unwrap();
                if end % 2 == 0 {
                    rustix::net::sockopt::set_socket_linger(client.stream(), Some(Duration::ZERO)).unwrap();
                }
            }
            let nines = Value::Array(vec![bulk(b"9"); 3]);
            soon("the last of them is through", || {
                client.must(&["MSET", "a", "9", "b", "9", "c", "9"]);
                let left = client.info("clients");
                client.must(&["MGET", "a", "b", "c"]) == nines
                    && [left.int("connected_clients"), left.int("blocked_clients")] == [1, 0]
            });
            soon("their files are closed", || server.open_files() <= files);
            files = server.open_files();
        }
    });
}

#[test]
fn a_peer_that_is_reset_does_not_take_others_with_it() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut steady = server.client();
        steady.must(&["SET", "big", &"x".repeat(1 << 20)]);
        for _ in 0..50 {
            let mut client = server.client();
            client.send_raw(&repeat(&["GET", "big"], 20)).unwrap();
            let mut some = [0; 1000];
            client.stream().read_exact(&mut some).unwrap();
            rustix::net::sockopt::set_socket_linger(client.stream(), Some(Duration::ZERO)).unwrap();
            drop(client);
            steady.must(&["INCR", "n"]);
        }
        assert_eq!(steady.must(&["GET", "n"]), bulk(b"50"));
        soon("they are gone", || steady.info("clients").int("connected_clients") == 1);
    });
}
