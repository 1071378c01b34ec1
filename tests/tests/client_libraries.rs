//! Client libraries as their users write with them: redis-py (Debian's python3-redis) and redis-rs, each against one core and
//! three.

use std::process::Command;
use std::time::Duration;

use koltso_tests::{Server, with_cores};
use redis::{
    Commands, ConnectionInfo, ExistenceCheck, IntoConnectionInfo, PubSubCommands, RedisResult, ServerErrorKind, SetExpiry,
    SetOptions, Value, pipe, streams,
};

/// What Debian calls the interpreter that its python3-redis belongs to, whatever else is first in the path.
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn redis_py_does_what_its_users_expect() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/redis_py.py");
    with_cores(|kind| {
        let server = Server::start(kind);
        let output = Command::new(PYTHON).args([script, &server.port().to_string()]).output().expect("python3 is installed");
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert!(output.status.success(), "is python3-redis installed?\n{out}{err}");
        assert!(out.contains("administration ok"), "{out}");
    });
}

fn connect(port: u16, resp3: bool) -> redis::Connection {
    let url = format!("redis://127.0.0.1:{port}/?protocol={}", if resp3 { "resp3" } else { "resp2" });
    let info: ConnectionInfo = url.as_str().into_connection_info().expect("a valid address");
    let client = redis::Client::open(info).expect("a client");
    let connection = client.get_connection_with_timeout(Duration::from_secs(10)).expect("a connection");
    connection.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    connection
}

/// Each body with RESP2 and RESP3, and each number of cores.
fn with_redis_rs(body: impl Fn(&Server, &mut redis::Connection, bool)) {
    with_cores(|kind| {
        for resp3 in [false, true] {
            println!("--- resp3 {resp3}");
            let server = Server::start(kind);
            body(&server, &mut connect(server.port(), resp3), resp3);
        }
    });
}

#[test]
fn redis_rs_reads_and_writes_every_type() -> RedisResult<()> {
    with_redis_rs(|_, con, resp3| types(con, resp3).expect("commands of every type"));
    Ok(())
}

fn types(con: &mut redis::Connection, resp3: bool) -> RedisResult<()> {
    let _: () = con.set("key", 42)?;
    assert_eq!(con.get::<_, Option<i64>>("key")?, Some(42));
    assert_eq!(con.get::<_, Option<String>>("none")?, None);
    let options = SetOptions::default().conditional_set(ExistenceCheck::NX).with_expiration(SetExpiry::EX(100));
    assert_eq!(con.set_options::<_, _, Option<String>>("key", 1, options.clone())?, None);
    assert_eq!(con.set_options::<_, _, Option<String>>("fresh", 1, options)?.as_deref(), Some("OK"));
    assert!((1..=100).contains(&con.ttl::<_, i64>("fresh")?));
    assert_eq!(con.incr::<_, _, i64>("key", 8)?, 50);
    let _: () = con.mset(&[("a", "1"), ("b", "2"), ("c", "3")])?;
    assert_eq!(con.mget::<_, Vec<Option<i64>>>(&["a", "none", "c"])?, [Some(1), None, Some(3)]);

    let _: usize = con.rpush("list", &["x", "y", "z"])?;
    assert_eq!(con.lrange::<_, Vec<String>>("list", 0, -1)?, ["x", "y", "z"]);
    assert_eq!(con.blpop::<_, (String, String)>("list", 1.0)?, ("list".into(), "x".into()));
    let _: () = con.hset_multiple("hash", &[("f", 1), ("g", 2)])?;
    let all: std::collections::BTreeMap<String, i64> = con.hgetall("hash")?;
    assert_eq!(all, [("f".to_string(), 1), ("g".to_string(), 2)].into());
    // What RESP3 knows as a map arrives as one.
    let raw: Value = redis::cmd("HGETALL").arg("hash").query(con)?;
    assert_eq!(matches!(raw, Value::Map(_)), resp3, "{raw:?}");
    let _: usize = con.sadd("set", &[1, 2, 3])?;
    assert!(con.sismember::<_, _, bool>("set", 2)?);
    let members: std::collections::BTreeSet<i64> = con.smembers("set")?;
    assert_eq!(members, [1, 2, 3].into());
    let _: usize = con.zadd_multiple("scores", &[(1.5, "bob"), (3.0, "ann")])?;
    assert_eq!(con.zrange_withscores::<_, Vec<(String, f64)>>("scores", 0, -1)?, [("bob".into(), 1.5), ("ann".into(), 3.0)]);
    assert_eq!(con.zscore::<_, _, Option<f64>>("scores", "ann")?, Some(3.0));

    let id: String = con.xadd("stream", "*", &[("field", "value")])?;
    let _: () = con.xgroup_create_mkstream("stream", "group", "0")?;
    let options = streams::StreamReadOptions::default().group("group", "me").count(10);
    let read: streams::StreamReadReply = con.xread_options(&["stream"], &[">"], &options)?;
    assert_eq!(read.keys[0].ids[0].id, id);
    assert_eq!(con.xack::<_, _, _, i64>("stream", "group", &[&id])?, 1);

    let mut keys: Vec<String> = con.scan_match("s*")?.collect::<RedisResult<_>>()?;
    keys.sort();
    assert_eq!(keys, ["scores", "set", "stream"]);
    let error = con.lpush::<_, _, i64>("key", 1).expect_err("a string is no list");
    assert_eq!(error.code(), Some("WRONGTYPE"), "{error}");
    let error = redis::cmd("NOSUCH").query::<Value>(con).expect_err("no such command");
    assert_eq!(error.kind(), ServerErrorKind::ResponseError.into(), "{error}");
    Ok(())
}

#[test]
fn redis_rs_pipelines_and_transactions() {
    with_redis_rs(|server, con, resp3| {
        let mut many = pipe();
        for i in 0..5000 {
            many.set(format!("key:{i}"), i).ignore().get(format!("key:{i}"));
        }
        let values: Vec<i64> = many.query(con).expect("a pipeline");
        assert!(values.into_iter().eq(0..5000));

        let (first, second): (i64, i64) =
            pipe().atomic().set("n", 1).ignore().incr("n", 1).incr("n", 1).query(con).expect("a transaction");
        assert_eq!((first, second), (2, 3));

        // Another client writes between WATCH and EXEC the first time: the transaction is tried again.
        let mut other = connect(server.port(), resp3);
        let mut tries = 0;
        let (sum,): (i64,) = redis::transaction(con, &["n"], |con, pipe| {
            tries += 1;
            let value: i64 = con.get("n")?;
            if tries == 1 {
                let _: () = other.set("n", 10)?;
            }
            pipe.set("n", value + 1).ignore().get("n").query(con)
        })
        .expect("a transaction with WATCH");
        assert_eq!((sum, tries), (11, 2));
    });
}

#[test]
fn redis_rs_publishes_and_subscribes() {
    with_redis_rs(|server, con, resp3| {
        let port = server.port();
        let mut listener = connect(port, resp3);
        let (mut pubsub, mut heard) = (listener.as_pubsub(), Vec::new());
        pubsub.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
        pubsub.subscribe("news").expect("SUBSCRIBE");
        pubsub.psubscribe("n?ws").expect("PSUBSCRIBE");
        assert_eq!(con.publish::<_, _, i64>("news", "one").expect("PUBLISH"), 2);
        for _ in 0..2 {
            let message = pubsub.get_message().expect("a message");
            let pattern: Option<String> = message.get_pattern().expect("a pattern or none");
            heard.push((message.get_payload::<String>().expect("text"), pattern));
        }
        heard.sort();
        assert_eq!(heard, [("one".into(), None), ("one".into(), Some("n?ws".into()))]);
        drop(pubsub);
        // It is an ordinary connection again.
        let _: () = listener.set("after", 1).expect("SET");
        assert_eq!(con.publish::<_, _, i64>("news", "two").expect("PUBLISH"), 0);
        // And through a callback that ends it.
        let publisher = std::thread::spawn(move || {
            let mut con = connect(port, resp3);
            koltso_tests::eventually("somebody listens", || match con.publish::<_, _, i64>("stop", "now") {
                Ok(1) => Ok(()),
                other => Err(format!("{other:?}")),
            });
        });
        let stopped =
            listener.subscribe(&["stop"], |message| redis::ControlFlow::Break(message.get_payload::<String>().expect("text")));
        assert_eq!(stopped.expect("SUBSCRIBE"), "now");
        publisher.join().expect("the publisher");
    });
}
