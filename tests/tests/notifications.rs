//! Keyspace notifications: the events of every command, as Redis has them, on one core and on three.

use koltso_tests::client::encode;
use koltso_tests::oracle::wait_link_up;
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Server, eventually, with_cores};

const SCRIPT: &str = "\
SET s v|SET s v EX 100|SET s v KEEPTTL|SET s v NX|SET n v XX|SETNX n v|SETNX n v|SETEX s 100 v|PSETEX s 100000 v|GETSET s w\
|MSET a 1 b 2 c 3|MSETNX a 1 d 2|MSETNX d 1 e 2|APPEND s x|APPEND new x|SETRANGE s 3 yyy|INCR a|DECR a|INCRBY a 5|DECRBY fresh 2\
|INCRBYFLOAT b 1.5|GETDEL b|GETDEL none|GETEX a EX 100|GETEX a PERSIST|GETEX a|GET a|GET none|EXISTS none|TTL none|TYPE none\
|STRLEN none|MGET a none|OBJECT ENCODING none|TOUCH none\
|EXPIRE a 100|PEXPIRE a 100000|EXPIREAT a 99999999999|PERSIST a|PERSIST a|EXPIRE none 5|EXPIRE a -1|DEL a c none|UNLINK d e\
|RPUSH l 1 2 3|LPUSH l 0|LPUSHX l x|RPUSHX l y|RPUSHX none y|LSET l 0 z|LINSERT l BEFORE 1 q|LINSERT l BEFORE no q|LREM l 1 q\
|LREM l 1 no|LTRIM l 0 4|LTRIM l 0 100|LTRIM none 0 1|LPOP l|RPOP l|LPOP l 2|RPOP l 5|LPOP l|RPUSH l 1 2 3 4 5 6|LMOVE l m LEFT RIGHT\
|RPOPLPUSH l m|LMOVE l l LEFT RIGHT|RPOPLPUSH l l|LMPOP 2 none l LEFT COUNT 2|LMPOP 1 m RIGHT COUNT 9|BLPOP none l 0|BRPOP l 0\
|RPUSH l 1 2|BLMOVE l m LEFT LEFT 0|BRPOPLPUSH l m 0|BLMPOP 0 1 m RIGHT|LMOVE m l RIGHT LEFT|LRANGE none 0 1|DEL l\
|SADD x 1 2 3|SADD x 1|SADD y 3 4|SREM x 1|SREM x 9|SMOVE x y 2|SMOVE x y 9|SMOVE x y 3|SPOP y|SPOP y 9|SADD x 1 2 3|SADD y 2 3|SINTERSTORE t x y\
|SUNIONSTORE t x y|SDIFFSTORE t x y|SINTERSTORE t x none|SINTERSTORE t x none|SRANDMEMBER none|SPOP x 3|SREM y 2 3\
|HSET h f 1 g 2|HSET h f 2|HMSET h i 3|HSETNX h f 1|HSETNX h j 1|HINCRBY h f 3|HINCRBYFLOAT h f 1.5|HDEL h f none|HDEL h none|HDEL h g i j|HGET none f\
|ZADD z 1 a 2 b 3 c 4 d 5 e 6 f|ZADD z 1 a|ZADD z XX 9 a|ZADD z INCR 1 a|ZADD z 4 incr|ZADD z CH 5 incr 6 INCR|ZREM z incr INCR|ZINCRBY z 2 b|ZREM z a|ZREM z none|ZPOPMIN z|ZPOPMAX z|ZMPOP 1 z MIN\
|BZPOPMIN z 0|BZPOPMAX z 0|ZADD z 1 a 2 b 3 c 4 d|BZMPOP 0 1 z MAX|ZRANGESTORE w z 0 -1|ZRANGESTORE w z 9 10|ZUNIONSTORE w 1 z|ZINTERSTORE w 1 z\
|ZDIFFSTORE w 2 z z|ZREMRANGEBYRANK z 0 0|ZREMRANGEBYSCORE z 2 2|ZREMRANGEBYLEX z - +|ZREMRANGEBYLEX z - +|ZADD z 1 a|ZPOPMIN z 5\
|SET k v|RENAME k k2|RENAMENX k2 k3|SET k v|RENAMENX k k3|RENAME k k3|RENAME k3 k3|COPY k3 k4|COPY k3 k4|COPY k3 k4 REPLACE|COPY k3 k4 DB 2|MOVE k3 2\
|MOVE k4 2|SELECT 2|MOVE k3 0|SELECT 0|SWAPDB 0 3|SWAPDB 0 3|FLUSHDB|SET k v|FLUSHALL\
|XADD st 1-1 f v|XADD st 1-2 f v|XADD st MAXLEN 1 1-3 f v|XADD st MAXLEN 5 1-4 f v|XADD st MAXLEN ~ 1 1-5 f v|XADD st MINID 1-5 1-6 f v\
|XADD st NOMKSTREAM 1-7 f v|XADD none NOMKSTREAM 1-7 f v|XGROUP CREATE st g 0|XGROUP CREATE st g 0|XGROUP CREATE other g $ MKSTREAM\
|XGROUP CREATECONSUMER st g a|XGROUP CREATECONSUMER st g a|XREADGROUP GROUP g b COUNT 1 STREAMS st >|XREADGROUP GROUP g b STREAMS st 0\
|XREADGROUP GROUP g c STREAMS st 0|XREADGROUP GROUP g d NOACK STREAMS other st > >|XREADGROUP GROUP g x STREAMS other >\
|XREADGROUP GROUP g y STREAMS st other 0 0|XCLAIM st g e 0 1-5|XCLAIM st g f 0 9-9|XCLAIM st g a 0 1-5 JUSTID|XAUTOCLAIM st g h 0 0\
|XAUTOCLAIM st g i 0 9-9|XCLAIM st g e 0 1-6 FORCE|XACK st g 1-5|XACK st g 9-9|XGROUP DELCONSUMER st g a|XGROUP DELCONSUMER st g a|XGROUP SETID st g 0\
|XSETID st 1-9|XDEL st 1-7|XDEL st 1-7|XTRIM st MAXLEN 1|XTRIM st MAXLEN 1|XTRIM st MINID 9-9|XPENDING st g|XLEN st|XRANGE none - +\
|XREAD STREAMS none 0|XINFO STREAM none|XGROUP DESTROY st g|XGROUP DESTROY st g|DEL st other\
|MULTI|SET q 1|INCR q|DEL q|EXEC";

/// Runs every line, and reads after each what has been published of it.
fn events(server: &Server, flags: &str) -> Vec<String> {
    let mut writer = server.client();
    writer.must(&["CONFIG", "SET", "notify-keyspace-events", flags]).ok();
    let mut listener = server.client();
    listener.send_raw(&encode(&["PSUBSCRIBE", "__key*"])).unwrap();
    listener.read_any().unwrap();
    let mut marker = server.client();
    let mut heard = Vec::new();
    for line in SCRIPT.split('|') {
        writer.send_raw(&encode(&line.split(' ').collect::<Vec<_>>())).unwrap();
        writer.read().unwrap();
        heard.push(format!("{line}: {}", until_mark(&mut marker, &mut listener).join(", ")));
    }
    // It may expire at any moment, so everything about it is read together.
    writer.must(&["SET", "short", "v", "PX", "1"]).ok();
    eventually("a key expires by itself or when it is looked for", || {
        let found = writer.must(&["EXISTS", "short"]).int();
        must(found == 0, || "it is there".into())
    });
    let mut expired = until_mark(&mut marker, &mut listener);
    // How often it was looked for in vain is a matter of time.
    expired.retain(|event| !event.contains("keymiss"));
    heard.push(format!("expired: {}", expired.join(", ")));
    heard
}

/// What has been published until now.
fn until_mark(writer: &mut Client, listener: &mut Client) -> Vec<String> {
    writer.must(&["PUBLISH", "__key_mark", "end"]);
    let mut heard = Vec::new();
    loop {
        let words: Vec<String> = listener.read_any().unwrap().items().iter().skip(2).map(|word| word.text()).collect();
        if words[0] == "__key_mark" {
            return heard;
        }
        heard.push(words.join(" "));
    }
}

#[test]
fn every_command_has_the_events_of_redis() {
    for flags in ["KEA", "KEAmn", "Kg$", "El", "Esz", "Khx", "Em", "En", "Et", "K", "A", "KEde"] {
        let model = events(&Server::start(Kind::Redis), flags);
        assert!(flags != "KEA" || model.contains(&"RPUSH l 1 2 3: __keyspace@0__:l rpush, __keyevent@0__:rpush l".to_string()));
        with_cores(|kind| {
            let mine = events(&Server::start(kind), flags);
            for (mine, model) in mine.iter().zip(&model) {
                assert_eq!(mine, model, "with {flags}");
            }
        });
    }
}

#[test]
fn who_waited_and_is_served_has_events_too() {
    let script = |server: &Server| {
        let mut writer = server.client();
        writer.must(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]).ok();
        let mut listener = server.client();
        listener.send_raw(&encode(&["PSUBSCRIBE", "__key*"])).unwrap();
        listener.read_any().unwrap();
        let mut heard = Vec::new();
        for (wait, push) in [
            ("BLPOP a b 0", "RPUSH b x"),
            ("BRPOP a 0", "RPUSH a x y"),
            ("BLMPOP 0 1 b RIGHT", "RPUSH b x"),
            ("BLMOVE b c LEFT RIGHT 0", "RPUSH b x"),
            ("BRPOPLPUSH b b 0", "RPUSH b x"),
            ("BZPOPMAX z 0", "ZADD z 1 a"),
            ("BZMPOP 0 1 z MIN", "ZADD z 1 a"),
        ] {
            let mut client = server.client();
            client.send_raw(&encode(&wait.split(' ').collect::<Vec<_>>())).unwrap();
            koltso_tests::dialogue::wait_blocked(server, 1);
            writer.send_raw(&encode(&push.split(' ').collect::<Vec<_>>())).unwrap();
            writer.read().unwrap();
            client.read().unwrap();
            heard.push(format!("{wait}: {}", until_mark(&mut writer, &mut listener).join(", ")));
            writer.must(&["DEL", "a", "b", "c"]);
            until_mark(&mut writer, &mut listener);
        }
        heard
    };
    let model = script(&Server::start(Kind::Redis));
    with_cores(|kind| assert_eq!(script(&Server::start(kind)), model));
}

#[test]
fn evictions_are_told() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut writer = server.client();
        writer.must(&["CONFIG", "SET", "notify-keyspace-events", "Ee"]).ok();
        let mut listener = server.client();
        listener.send_raw(&encode(&["SUBSCRIBE", "__keyevent@0__:evicted"])).unwrap();
        listener.read_any().unwrap();
        for nth in 0..50 {
            writer.must(&["SET", &format!("old {nth}"), "v"]).ok();
        }
        writer.must(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).ok();
        writer.must(&["CONFIG", "SET", "maxmemory", "1"]).ok();
        writer.cmd(&["SET", "new", "v"]);
        assert_eq!(listener.read_any().unwrap().items()[1].text(), "__keyevent@0__:evicted");
    });
}

#[test]
fn replicas_have_events_of_their_own() {
    with_cores(|kind| {
        let primary = Server::start(Kind::Redis);
        let replica = Server::with(kind).replica_of(primary.port()).start();
        wait_link_up(&replica);
        replica.client().must(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]).ok();
        let mut listener = replica.client();
        listener.send_raw(&encode(&["PSUBSCRIBE", "__keyevent*"])).unwrap();
        listener.read_any().unwrap();
        let mut writer = primary.client();
        for (line, expected) in [
            (&["SET", "k", "v", "EX", "100"][..], &["set k", "expire k"][..]),
            (&["LPUSH", "l", "1"], &["lpush l"]),
            (&["LPOP", "l"], &["lpop l", "del l"]),
            (&["DEL", "k"], &["del k"]),
        ] {
            writer.must(line);
            for expected in expected {
                let words = listener.read_any().unwrap().items();
                let name = words[2].text();
                assert_eq!(format!("{} {}", name.trim_start_matches("__keyevent@0__:"), words[3].text()), *expected);
            }
        }
    });
}
