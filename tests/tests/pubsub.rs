//! Channels: who is told what, in which order, on one core and on three, and through replication both ways.

use koltso_tests::client::encode;
use koltso_tests::dialogue::same;
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Server, Value, eventually, with_cores};
use std::time::Duration;

/// Subscribers, so many that each core of three has some.
const MANY: usize = 24;

fn subscriber(server: &Server, args: &[&str]) -> Client {
    let mut client = server.client();
    client.send_raw(&encode(args)).unwrap();
    for _ in 1..args.len() {
        client.read_any().unwrap();
    }
    client
}

fn message(channel: &str, text: &str) -> Value {
    Value::Array(["message", channel, text].map(|word| Value::Bulk(word.into())).into())
}

#[test]
fn subscribers_read_what_those_of_redis_read() {
    same(
        4,
        &[3],
        &[
            (0, "SUBSCRIBE a b a", &[(0, 3)]),
            (1, "PSUBSCRIBE a* [b]", &[(1, 2)]),
            (2, "PUBLISH a one", &[(0, 1), (1, 1), (2, 1)]),
            (2, "PUBLISH b two", &[(0, 1), (1, 1), (2, 1)]),
            (2, "PUBLISH c three", &[(2, 1)]),
            (3, "SUBSCRIBE a", &[(3, 1)]),
            (3, "PUBLISH a four", &[(0, 1), (1, 1), (3, 2)]),
            (3, "PING", &[(3, 1)]),
            (0, "PING", &[(0, 1)]),
            (0, "PING hi", &[(0, 1)]),
            (0, "GET x", &[(0, 1)]),
            (0, "CONFIG GET x", &[(0, 1)]),
            (0, "HELLO 3", &[(0, 1)]),
            (0, "NOSUCH", &[(0, 1)]),
            (0, "SSUBSCRIBE s", &[(0, 1)]),
            (2, "SPUBLISH s five", &[(0, 1), (2, 1)]),
            (2, "PUBLISH s six", &[(2, 1)]),
        ],
    );
}

#[test]
fn subscriptions_are_counted_and_ended_as_in_redis() {
    same(
        3,
        &[2],
        &[
            (0, "UNSUBSCRIBE", &[(0, 1)]),
            (0, "UNSUBSCRIBE a b", &[(0, 2)]),
            (0, "PUNSUBSCRIBE", &[(0, 1)]),
            (0, "SUNSUBSCRIBE", &[(0, 1)]),
            (2, "UNSUBSCRIBE", &[(2, 1)]),
            (0, "SUBSCRIBE a", &[(0, 1)]),
            (0, "PSUBSCRIBE p*", &[(0, 1)]),
            (0, "SSUBSCRIBE s", &[(0, 1)]),
            (2, "SUBSCRIBE a", &[(2, 1)]),
            (1, "PUBSUB CHANNELS", &[(1, 1)]),
            (1, "PUBSUB CHANNELS x*", &[(1, 1)]),
            (1, "PUBSUB CHANNELS a b", &[(1, 1)]),
            (1, "PUBSUB SHARDCHANNELS", &[(1, 1)]),
            (1, "PUBSUB NUMSUB a b", &[(1, 1)]),
            (1, "PUBSUB NUMSUB", &[(1, 1)]),
            (1, "PUBSUB SHARDNUMSUB s a", &[(1, 1)]),
            (1, "PUBSUB NUMPAT", &[(1, 1)]),
            (1, "PUBSUB", &[(1, 1)]),
            (1, "PUBSUB NUMPAT x", &[(1, 1)]),
            (1, "PUBSUB NOSUCH", &[(1, 1)]),
            (1, "SUBSCRIBE", &[(1, 1)]),
            (1, "PUBLISH a", &[(1, 1)]),
            (0, "SUNSUBSCRIBE", &[(0, 1)]),
            (0, "UNSUBSCRIBE", &[(0, 1)]),
            (0, "GET x", &[(0, 1)]),
            (0, "PUNSUBSCRIBE other p*", &[(0, 2)]),
            (0, "GET x", &[(0, 1)]),
            (0, "SUBSCRIBE q", &[(0, 1)]),
            (0, "RESET", &[(0, 1)]),
            (1, "PUBLISH q x", &[(1, 1)]),
            (1, "PUBSUB NUMSUB a q", &[(1, 1)]),
            (0, "GET x", &[(0, 1)]),
        ],
    );
}

#[test]
fn transactions_subscribe_and_publish() {
    same(
        3,
        &[],
        &[
            (0, "SUBSCRIBE a", &[(0, 1)]),
            (1, "MULTI", &[(1, 1)]),
            (1, "PUBLISH a one", &[(1, 1)]),
            (1, "PUBLISH a two", &[(1, 1)]),
            (1, "SET k v", &[(1, 1)]),
            (1, "EXEC", &[(1, 1), (0, 2)]),
            (1, "MULTI", &[(1, 1)]),
            (1, "SUBSCRIBE b", &[(1, 1)]),
            (1, "PSUBSCRIBE c", &[(1, 1)]),
            (1, "SSUBSCRIBE d", &[(1, 1)]),
            (1, "EXEC", &[(1, 1)]),
            (2, "PUBLISH b x", &[(2, 1), (1, 1)]),
            (1, "CLIENT REPLY OFF", &[(1, 1)]),
            (1, "UNSUBSCRIBE b", &[(1, 1)]),
            (1, "PUNSUBSCRIBE c", &[(1, 1)]),
            (1, "GET k", &[(1, 1)]),
        ],
    );
}

#[test]
fn a_client_that_wants_no_replies_is_still_sent_messages() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        client.send_raw(&encode(&["CLIENT", "REPLY", "OFF"])).unwrap();
        client.send_raw(&encode(&["SUBSCRIBE", "a"])).unwrap();
        client.send_raw(&encode(&["PING"])).unwrap();
        assert_eq!(client.read_any().unwrap().items()[0].text(), "subscribe");
        assert_eq!(server.client().must(&["PUBLISH", "a", "x"]).int(), 1);
        assert_eq!(client.read_any().unwrap(), message("a", "x"));
    });
}

#[test]
fn every_core_has_its_subscribers_and_each_is_told_in_order() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut subscribers: Vec<Client> = (0..MANY).map(|_| subscriber(&server, &["SUBSCRIBE", "news", "other"])).collect();
        let mut patient = subscriber(&server, &["PSUBSCRIBE", "n*", "*s"]);
        let mut publishers: Vec<Client> = (0..4).map(|_| server.client()).collect();
        let rounds = 200;
        std::thread::scope(|scope| {
            for (index, publisher) in publishers.iter_mut().enumerate() {
                scope.spawn(move || {
                    let wire: Vec<Vec<String>> = (0..rounds)
                        .map(|round| ["PUBLISH", "news", &format!("{index} {round}")].map(String::from).to_vec())
                        .collect();
                    for (round, reply) in publisher.pipeline(&wire).iter().enumerate() {
                        assert_eq!(reply, &Value::Int(MANY as i64 + 2), "publisher {index}, message {round}");
                    }
                });
            }
        });
        for subscriber in &mut subscribers {
            let mut next = [0; 4];
            for _ in 0..4 * rounds {
                let text = subscriber.read_any().unwrap().items()[2].text();
                let (publisher, round) = text.split_once(' ').unwrap();
                let publisher: usize = publisher.parse().unwrap();
                assert_eq!(round, next[publisher].to_string(), "of publisher {publisher}");
                next[publisher] += 1;
            }
        }
        for _ in 0..8 * rounds {
            assert_eq!(patient.read_any().unwrap().items()[0].text(), "pmessage");
        }
    });
}

#[test]
fn who_is_subscribed_sees_everything_published_afterwards() {
    with_cores(|kind| {
        let server = Server::start(kind);
        for round in 0..100 {
            let channel = format!("channel {round}");
            let mut publisher = server.client();
            let mut subscribers: Vec<Client> = (0..3).map(|_| subscriber(&server, &["SUBSCRIBE", &channel])).collect();
            assert_eq!(publisher.must(&["PUBLISH", &channel, "x"]).int(), 3);
            for subscriber in &mut subscribers {
                assert_eq!(subscriber.read_any().unwrap(), message(&channel, "x"));
            }
            drop(subscribers);
            eventually("those who left are forgotten", || {
                let left = publisher.must(&["PUBSUB", "NUMSUB", &channel]).items()[1].int();
                must(left == 0, || format!("{left} are left"))
            });
            assert_eq!(publisher.must(&["PUBLISH", &channel, "x"]).int(), 0);
        }
    });
}

#[test]
fn a_message_comes_after_the_write_before_it() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut publisher = server.client();
        let mut listener = subscriber(&server, &["SUBSCRIBE", "done"]);
        let mut reader = server.client();
        for round in 0..200 {
            let (key, value) = (format!("key {round}"), format!("{round}"));
            let wire = [encode(&["SET", &key, &value]), encode(&["PUBLISH", "done", &key]), encode(&["GET", &key])].concat();
            let replies = publisher.pipeline_raw(&wire, 3);
            assert_eq!(replies[1..], [Value::Int(1), Value::Bulk(value.clone().into())]);
            let key = listener.read_any().unwrap().items()[2].text();
            assert_eq!(reader.must(&["GET", &key]).text(), value);
        }
    });
}

#[test]
fn a_message_to_oneself_never_tears_a_transaction_apart() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let _others: Vec<Client> = (0..MANY).map(|_| subscriber(&server, &["SUBSCRIBE", "a"])).collect();
        let mut client = server.client();
        client.must(&["HELLO", "3"]);
        client.send_raw(&encode(&["SUBSCRIBE", "a"])).unwrap();
        client.read_any().unwrap();
        for args in [&["MULTI"][..], &["PUBLISH", "a", "x"], &["INCR", "n"], &["EXEC"]] {
            client.send_raw(&encode(args)).unwrap();
        }
        for _ in 0..3 {
            client.read_any().unwrap();
        }
        let count = Value::Int(MANY as i64 + 1);
        assert_eq!(client.read_any().unwrap(), Value::Array(vec![count, Value::Int(1)]));
        assert!(matches!(client.read_any().unwrap(), Value::Push(_)));
    });
}

#[test]
fn long_messages_are_shared_and_arrive_whole() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut publisher = server.client();
        publisher.must(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 0 0"]).ok();
        let mut subscribers: Vec<Client> = (0..50).map(|_| subscriber(&server, &["SUBSCRIBE", "a"])).collect();
        let before = server.resident();
        let long = "x".repeat(8 << 20);
        for len in [2045, 2046, 2047, 100_000, long.len()] {
            assert_eq!(publisher.must(&["PUBLISH", "a", &long[..len]]).int(), 50);
            assert_eq!(publisher.must(&["PUBLISH", "a", "short"]).int(), 50);
        }
        let grown = server.resident().saturating_sub(before);
        assert!(grown < 100 << 20, "50 readers of 8 MB share it, and need not {} MB", grown >> 20);
        for subscriber in &mut subscribers {
            for len in [2045, 2046, 2047, 100_000, long.len()] {
                assert!(subscriber.read_any().unwrap() == message("a", &long[..len]), "a message of {len} bytes");
                assert_eq!(subscriber.read_any().unwrap(), message("a", "short"));
            }
        }
    });
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_off_and_nobody_else() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut publisher = server.client();
        publisher.must(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 4mb 0 0"]).ok();
        let mut slow = subscriber(&server, &["SUBSCRIBE", "a"]);
        let mut quick = subscriber(&server, &["SUBSCRIBE", "a"]);
        let text = "x".repeat(100_000);
        eventually("the one that does not read is cut off", || {
            let count = publisher.must(&["PUBLISH", "a", &text]).int();
            assert_eq!(quick.read_any().unwrap(), message("a", &text));
            must(count == 1, || format!("{count} are left"))
        });
        assert_eq!(publisher.info("stats").int("client_output_buffer_limit_disconnections"), 1);
        slow.set_timeout(Duration::from_secs(60));
        assert!(slow.until_closed().unwrap().len() < 64 << 20);
        publisher.must(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 1mb 1"]).ok();
        let slow = subscriber(&server, &["SUBSCRIBE", "a"]);
        for _ in 0..100 {
            publisher.must(&["PUBLISH", "a", &text]);
            assert_eq!(quick.read_any().unwrap(), message("a", &text));
        }
        eventually("the soft limit has held for too long", || {
            let count = publisher.must(&["PUBLISH", "a", "x"]).int();
            assert_eq!(quick.read_any().unwrap(), message("a", "x"));
            must(count == 1, || format!("{count} are left"))
        });
        drop(slow);
    });
}

#[test]
fn clients_and_info_tell_who_listens() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let _listeners: Vec<Client> = (0..6).map(|_| subscriber(&server, &["SUBSCRIBE", "a", "b"])).collect();
        let _patterns: Vec<Client> = (0..6).map(|_| subscriber(&server, &["PSUBSCRIBE", "a*"])).collect();
        let _shard = subscriber(&server, &["SSUBSCRIBE", "s"]);
        let info = client.info("stats");
        let counts = ["pubsub_channels", "pubsub_patterns", "pubsubshard_channels"].map(|field| info.int(field));
        assert_eq!(counts, [2, 1, 1]);
        let list = client.must(&["CLIENT", "LIST", "TYPE", "PUBSUB"]).text();
        assert_eq!(list.lines().count(), 13);
        assert_eq!(list.lines().filter(|line| line.contains(" flags=P db=0 sub=2 psub=0 ssub=0 ")).count(), 6);
        assert_eq!(list.lines().filter(|line| line.contains(" flags=P db=0 sub=0 psub=1 ssub=0 ")).count(), 6);
        assert_eq!(list.lines().filter(|line| line.contains(" flags=P db=0 sub=0 psub=0 ssub=1 ")).count(), 1);
        assert_eq!(client.must(&["CLIENT", "KILL", "TYPE", "PUBSUB"]).int(), 13);
        assert_eq!(client.must(&["PUBSUB", "NUMPAT"]).int(), 0);
        assert_eq!(client.info("stats").int("pubsub_channels"), 0);
    });
}

/// A primary and its replica of these kinds, in step.
fn pair(primary: Kind, replica: Kind) -> (Server, Server) {
    let primary = Server::start(primary);
    let replica = Server::with(replica).replica_of(primary.port()).start();
    eventually("the replica is in step", || {
        let info = replica.info();
        must(info.find("master_link_status") == Some("up"), || info.text("master_link_status").to_string())
    });
    (primary, replica)
}

#[test]
fn messages_reach_the_subscribers_of_replicas() {
    with_cores(|kind| {
        for (primary, replica) in [(kind, Kind::Redis), (Kind::Redis, kind), (kind, kind)] {
            let (primary, replica) = pair(primary, replica);
            let mut far: Vec<Client> = (0..MANY).map(|_| subscriber(&replica, &["SUBSCRIBE", "a"])).collect();
            let mut shard = subscriber(&replica, &["SSUBSCRIBE", "a"]);
            let mut reader = replica.client();
            let mut client = primary.client();
            client.must(&["SELECT", "3"]).ok();
            for round in 0..50 {
                let (key, value) = (format!("key {round}"), format!("{round}"));
                client.must(&["SET", &key, &value]).ok();
                assert_eq!(client.must(&["PUBLISH", "a", &key]).int(), 0);
            }
            client.must(&["MULTI"]);
            client.must(&["SET", "last", "x"]);
            client.must(&["PUBLISH", "a", "last"]);
            client.must(&["SPUBLISH", "a", "shard"]);
            assert_eq!(client.must(&["EXEC"]).items()[1..], [Value::Int(0), Value::Int(0)]);
            reader.must(&["SELECT", "3"]).ok();
            for round in 0..50 {
                let key = format!("key {round}");
                for far in &mut far {
                    assert_eq!(far.read_any().unwrap(), message("a", &key));
                }
                assert_eq!(reader.must(&["GET", &key]).text(), round.to_string());
            }
            far.iter_mut().for_each(|far| assert_eq!(far.read_any().unwrap(), message("a", "last")));
            assert_eq!(shard.read_any().unwrap().items()[2].text(), "shard");
            // A replica's own messages stay with it.
            let mut near = subscriber(&primary, &["SUBSCRIBE", "a"]);
            assert_eq!(reader.must(&["PUBLISH", "a", "here"]).int(), MANY as i64);
            assert_eq!(client.must(&["PUBLISH", "a", "there"]).int(), 1);
            assert_eq!(near.read_any().unwrap(), message("a", "there"));
            assert_eq!(far[0].read_any().unwrap(), message("a", "here"));
            assert_eq!(far[0].read_any().unwrap(), message("a", "there"));
            eventually("nothing is in the stream that was not written", || {
                let [primary, replica] = [&primary, &replica].map(|server| server.info().int("master_repl_offset"));
                must(primary == replica, || format!("{primary} and {replica}"))
            });
        }
    });
}

#[test]
fn a_publisher_that_wants_no_reply_gets_none_from_other_cores_either() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let _subscribers: Vec<Client> = (0..MANY).map(|_| subscriber(&server, &["SUBSCRIBE", "a"])).collect();
        for _ in 0..20 {
            let mut client = server.client();
            let skipped = [&["CLIENT", "REPLY", "SKIP"][..], &["PUBLISH", "a", "x"], &["PUBLISH", "a", "y"], &["ECHO", "1"]];
            let off = [&["CLIENT", "REPLY", "OFF"][..], &["PUBLISH", "a", "z"], &["CLIENT", "REPLY", "ON"], &["ECHO", "2"]];
            let wire: Vec<u8> = skipped.iter().chain(&off).flat_map(|words| encode(words)).collect();
            client.send_raw(&wire).unwrap();
            let replies: Vec<Value> = (0..4).map(|_| client.read().unwrap()).collect();
            let bulk = |text: &str| Value::Bulk(text.into());
            assert_eq!(replies, [Value::Int(MANY as i64), bulk("1"), Value::Simple("OK".into()), bulk("2")]);
        }
    });
}
