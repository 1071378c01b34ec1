//! Users: who may do what, in the words of Redis, on one core and on three.

use koltso_tests::client::encode;
use koltso_tests::dialogue::{Line, same};
use koltso_tests::oracle::{assert_same, wait_link_up};
use koltso_tests::wait::must;
use koltso_tests::{Client, Kind, Server, Value, eventually, with_cores};
use std::fs;

fn say(client: &mut Client, line: &str) -> Value {
    client.cmd(&line.split(' ').collect::<Vec<_>>())
}

/// A dialogue in which each line is answered once, to who says it.
fn same_answers(clients: usize, lines: &[(usize, &str)]) {
    let readers: Vec<[(usize, usize); 1]> = lines.iter().map(|(speaker, _)| [(*speaker, 1)]).collect();
    let lines: Vec<Line<'_>> = lines.iter().zip(&readers).map(|((who, line), readers)| (*who, *line, &readers[..])).collect();
    same(clients, &[], &lines);
    let all: Vec<usize> = (0..clients).collect();
    same(clients, &all, &lines);
}

#[test]
fn rules_are_taken_refused_and_shown_as_by_redis() {
    let hash = "34344e4d60c2b6d639b7bd22e18f2b0b91bc34bf0ac5f9952744435093cfb4e6";
    let with_hash = format!("ACL SETUSER bob #{hash} !{hash} #{hash}");
    let lines = [
        "ACL WHOAMI",
        "ACL LIST",
        "ACL USERS",
        "ACL GETUSER default",
        "ACL GETUSER nobody",
        "ACL SETUSER bob",
        "ACL GETUSER bob",
        "ACL SETUSER bob on >pw +get ~a* %R~b* &news",
        "ACL GETUSER bob",
        "ACL LIST",
        "ACL SETUSER bob (~x* +get ) ( +@string ~y -set)",
        "ACL GETUSER bob",
        "ACL SETUSER bob clearselectors resetkeys allkeys resetchannels allchannels skip-sanitize-payload",
        "ACL GETUSER bob",
        "ACL LIST",
        "ACL SETUSER bob ~x",
        "ACL SETUSER bob &x",
        "ACL SETUSER bob reset +@all -@dangerous nopass on",
        "ACL GETUSER bob",
        "ACL SETUSER bob +@all -client +client|id",
        "ACL GETUSER bob",
        "ACL SETUSER bob -@all +debug|object sanitize-payload",
        "ACL GETUSER bob",
        with_hash.as_str(),
        "ACL GETUSER bob",
        "ACL SETUSER bob <wrong",
        "ACL SETUSER bob !12",
        "ACL SETUSER bob #XX",
        "ACL SETUSER bob +nosuch",
        "ACL SETUSER bob -nosuch",
        "ACL SETUSER bob +@nosuch",
        "ACL SETUSER bob +config|nosuch",
        "ACL SETUSER bob +config|get|x",
        "ACL SETUSER bob +get|a|b",
        "ACL SETUSER bob +debug|",
        "ACL SETUSER bob nosuch",
        "ACL SETUSER bob %~x",
        "ACL SETUSER bob %RR~x",
        "ACL SETUSER bob %Q~x",
        "ACL SETUSER bob (",
        "ACL SETUSER bob )",
        "ACL SETUSER bob (nosuch)",
        "ACL SETUSER bob (&* &x)",
        "ACL SETUSER bob (on)",
        "ACL GETUSER bob",
        "ACL SETUSER a\tb",
        "ACL USERS",
        "ACL DELUSER nobody bob",
        "ACL DELUSER bob default",
        "ACL USERS",
        "ACL CAT",
        "ACL CAT nosuch",
        "ACL CAT a b",
        "ACL GENPASS 0",
        "ACL GENPASS 5000",
        "ACL GENPASS x",
        "ACL LOG x",
        "ACL LOG 1 2",
        "ACL LOG",
        "ACL LOG RESET",
        "ACL LOAD",
        "ACL SAVE",
        "ACL NOSUCH",
        "ACL HELP x",
        "ACL SETUSER",
        "ACL DRYRUN nobody get x",
        "ACL DRYRUN default nosuch x",
        "ACL DRYRUN default get",
        "ACL DRYRUN default get x",
    ];
    same_answers(1, &lines.map(|line| (0, line)));
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut client = server.client();
        let password = |client: &mut Client, line| say(client, line).text();
        assert_eq!(password(&mut client, "ACL GENPASS").len(), 64);
        assert_eq!(password(&mut client, "ACL GENPASS 5").len(), 2);
        assert_ne!(password(&mut client, "ACL GENPASS"), password(&mut client, "ACL GENPASS"));
        assert!(say(&mut client, "ACL HELP").items().len() > 20);
        let mut members: Vec<String> = say(&mut client, "ACL CAT transaction").items().iter().map(Value::text).collect();
        members.sort();
        assert_eq!(members, ["discard", "exec", "multi", "unwatch", "watch"]);
    });
}

#[test]
fn what_a_user_may_not_do_is_refused_as_by_redis() {
    let mut lines = vec![
        (
            0,
            "ACL SETUSER bob on >pw -@all +@read +set +mset +publish +subscribe +psubscribe +multi +exec +sort ~k* %R~r* %W~w* &c*",
        ),
        (0, "ACL SETUSER bob +config|get +select|0 +eval (+mget ~x) (+client)"),
        (0, "MSET k1 1 r1 2 w1 3 x 4 other 5"),
        (1, "AUTH bob wrong"),
        (1, "AUTH nobody pw"),
        (1, "AUTH pw"),
        (1, "AUTH bob pw x"),
        (1, "ACL WHOAMI"),
        (1, "AUTH bob pw"),
    ];
    lines.extend(
        [
            "PING",
            "GET k1",
            "GET r1",
            "GET w1",
            "GET other",
            "SET k1 1",
            "SET r1 1",
            "SET w1 1",
            "SET w1 1 GET",
            "SET k1 1 GET",
            "MGET k1 r1",
            "MGET k1 x other",
            "MGET x",
            "MSET k1 1 k2 2 other 3",
            "MSET k1 1 w2 2",
            "GETDEL k1",
            "CONFIG GET maxmemory",
            "CONFIG SET maxmemory 0",
            "CONFIG NOSUCH",
            "SELECT 0",
            "SELECT 1",
            "CLIENT GETNAME",
            "CLIENT KILL x",
            "PUBLISH c1 x",
            "PUBLISH d1 x",
            "PSUBSCRIBE c1",
            "SUBSCRIBE c1 d1",
            "NOSUCH",
            "GET",
            "SORT k",
            "SORT k BY nosort",
            "SORT k BY x*",
            "SORT k GET x",
            "SORT other",
            "OBJECT ENCODING k1",
            "OBJECT ENCODING w1",
            "EXISTS w1 r1 k1",
            "EXISTS w1 other",
            "TYPE w1",
            "STRLEN w1",
            "AUTH bob pw",
            "HELLO 2 AUTH bob wrong",
            "ACL LOG",
            "MONITOR",
            "SHUTDOWN",
            "KEYS k1",
            "DBSIZE",
            "MULTI",
            "GET k1",
            "GET other",
            "EXEC",
            "MULTI",
            "INCR k1",
            "EXEC",
            "MULTI",
            "GET k1",
            "EXEC",
            "WATCH k1",
            "DISCARD",
        ]
        .map(|line| (1, line)),
    );
    // What he may do changes between the commands and the end of the transaction.
    lines.extend([
        (1, "MULTI"),
        (1, "GET k1"),
        (1, "SET k1 1"),
        (1, "PUBLISH c1 x"),
        (0, "ACL SETUSER bob -set resetkeys ~z resetchannels"),
        (1, "EXEC"),
        (0, "ACL SETUSER bob nopass +@all ~* &*"),
        (1, "SET other x"),
        (0, "ACL SETUSER bob off"),
        (1, "GET other"),
        (2, "AUTH bob x"),
        (0, "ACL SETUSER default >secret"),
        (2, "GET other"),
        (2, "AUTH wrong"),
        (2, "RESET"),
        (2, "GET other"),
        (2, "AUTH secret"),
        (2, "GET other"),
        (0, "ACL SETUSER default nopass"),
    ]);
    same_answers(3, &lines);
}

#[test]
fn a_dry_run_says_what_redis_says() {
    let mut lines: Vec<(usize, String)> =
        ["ACL SETUSER t +@all %R~read* %W~write* %RW~rw*", "ACL SETUSER c +@all &chan", "ACL SETUSER n"]
            .map(|line| (0, line.to_string()))
            .into();
    let keys = [
        "GET",
        "HEXISTS",
        "TOUCH",
        "TYPE",
        "STRLEN",
        "LLEN",
        "DUMP",
        "TTL",
        "EXPIRE",
        "SET",
        "GETSET",
        "APPEND",
        "LPUSH",
        "RPOP",
        "HSET",
        "SADD",
        "ZADD",
        "PFADD",
        "PFCOUNT",
        "SETRANGE",
        "GETRANGE",
        "BITCOUNT",
        "XADD",
        "XLEN",
        "XRANGE",
        "DEL",
        "UNLINK",
        "INCR",
        "GETEX",
        "SPOP",
        "ZPOPMIN",
        "HGETALL",
        "SETBIT",
        "GETBIT",
        "LINDEX",
        "LSET",
        "PERSIST",
        "OBJECT ENCODING",
        "MEMORY USAGE",
        "RESTORE",
        "SORT",
    ];
    for command in keys {
        for key in ["read", "write", "rw", "nothing"] {
            for more in ["", " 1", " 1 2", " 1 2 3"] {
                lines.push((0, format!("ACL DRYRUN t {command} {key}{more}")));
            }
        }
    }
    let pairs = [
        "COPY",
        "RENAME",
        "SINTERSTORE",
        "LMOVE",
        "RPOPLPUSH",
        "SMOVE",
        "PFMERGE",
        "GEOSEARCHSTORE",
        "ZRANGESTORE",
        "BITOP AND",
        "LCS",
        "SORT",
    ];
    for command in pairs {
        for (a, b) in [("read", "write"), ("write", "read"), ("rw", "rw"), ("read", "read"), ("write", "write")] {
            for more in ["", " LEFT RIGHT", " 0 -1", " FROMMEMBER x BYRADIUS 1 m"] {
                lines.push((0, format!("ACL DRYRUN t {command} {a} {b}{more}")));
            }
            lines.push((0, format!("ACL DRYRUN t {command} {a} STORE {b}")));
        }
    }
    for line in [
        "SINTERCARD 2 read write",
        "SINTERCARD 2 read read",
        "ZINTERSTORE write 2 read write",
        "ZINTERSTORE write 2 read read",
        "EVAL x 1 rw",
        "EVAL x 1 read",
        "EVAL_RO x 1 read",
        "EVAL x 0 read",
        "EVAL x -1 read",
        "EVAL x 3 rw read",
        "XREAD STREAMS read write 0 0",
        "XREADGROUP GROUP g c STREAMS rw 0",
        "GEORADIUS read 1 2 3 M STORE write",
        "GEORADIUS read 1 2 3 M STORE read2",
        "GEORADIUS write 1 2 3 M",
        "MIGRATE h p rw 0 5",
        "MIGRATE h p read 0 5",
        "MIGRATE h p  0 5 KEYS rw",
        "BLPOP rw 0",
        "BLPOP read 0",
        "BLMPOP 0 2 rw read LEFT",
        "LMPOP 1 write LEFT",
        "BITFIELD read GET u4 0",
        "BITFIELD read SET u4 0 1",
        "BITFIELD write SET u4 0 1",
        "BITFIELD_RO read GET u4 0",
        "MSET rw 1 read 2",
        "MSETNX write 1 rw 2",
        "SET write v GET",
        "SET write GET",
        "CONFIG GET x",
        "FLUSHALL",
        "PING",
        "WATCH read nothing",
        "SCAN 0",
        "KEYS x",
    ] {
        lines.push((0, format!("ACL DRYRUN t {line}")));
        lines.push((0, format!("ACL DRYRUN n {line}")));
    }
    for line in [
        "PUBLISH chan x",
        "PUBLISH other x",
        "SPUBLISH chan x",
        "SSUBSCRIBE other",
        "SUNSUBSCRIBE other",
        "PSUBSCRIBE ch*",
        "PSUBSCRIBE chan",
        "SUBSCRIBE chan x",
        "PUBSUB CHANNELS",
    ] {
        lines.push((0, format!("ACL DRYRUN c {line}")));
    }
    // A merge of one source-less key: here the one that is named is looked at.
    lines.retain(|(_, line)| !line.ends_with("PFMERGE read") && !line.ends_with("PFMERGE write"));
    let lines: Vec<(usize, &str)> = lines.iter().map(|(who, line)| (*who, line.as_str())).collect();
    same_answers(1, &lines);
}

#[test]
fn denials_are_logged_as_by_redis() {
    let steps = |kind| {
        let server = Server::start(kind);
        let (mut admin, mut client) = (server.client(), server.client());
        say(&mut admin, "ACL SETUSER bob on >pw +set +publish +multi +exec +hello ~k");
        let login = ["AUTH bob wrong", "HELLO 3 AUTH nobody x", "AUTH bob pw"];
        let denied = ["GET k", "GET k", "SET other x", "PUBLISH c x", "CLIENT ID", "MULTI", "GET k", "EXEC", "GET k"];
        login.iter().chain(&denied).for_each(|line| _ = say(&mut client, line));
        let shown = |value: &Value| -> Vec<String> {
            let entry = |entry: &Value| {
                let fields = entry.items();
                let field = |name: &str| {
                    let at = fields.iter().step_by(2).position(|field| field.text() == name).unwrap();
                    match &fields[at * 2 + 1] {
                        Value::Int(number) => number.to_string(),
                        other => other.text(),
                    }
                };
                assert!(field("age-seconds").parse::<f64>().unwrap() < 60.0);
                assert!(field("client-info").contains(" user="), "{}", field("client-info"));
                ["count", "reason", "context", "object", "username"].map(field).join(" ")
            };
            value.items().iter().map(entry).collect()
        };
        let mut pictures = vec![
            shown(&say(&mut admin, "ACL LOG")),
            shown(&say(&mut admin, "ACL LOG 2")),
            shown(&say(&mut admin, "ACL LOG -1")),
        ];
        say(&mut admin, "CONFIG SET acllog-max-len 3");
        say(&mut client, "SET late x");
        pictures.push(shown(&say(&mut admin, "ACL LOG")));
        say(&mut admin, "ACL LOG RESET");
        pictures.push(shown(&say(&mut admin, "ACL LOG")));
        pictures
    };
    let model = steps(Kind::Redis);
    assert!(model[0].len() >= 7, "{model:?}");
    with_cores(|kind| assert_eq!(steps(kind), model));
}

#[test]
fn connections_follow_their_user() {
    with_cores(|kind| {
        let server = Server::start(kind);
        let mut admin = server.client();
        say(&mut admin, "ACL SETUSER bob on nopass +@all ~* &c1 &p*").ok();
        // So many that each core has some.
        let mut clients: Vec<Client> = (0..12).map(|_| server.client()).collect();
        for client in &mut clients {
            say(client, "AUTH bob x").ok();
            say(client, "SET k v").ok();
        }
        for allowed in [false, true, false, true] {
            say(&mut admin, if allowed { "ACL SETUSER bob +set" } else { "ACL SETUSER bob -set" }).ok();
            for client in &mut clients {
                assert_eq!(say(client, "SET k v").is_error(), !allowed, "a connection has not followed");
            }
        }
        let listeners: Vec<Client> = clients.drain(..6).collect();
        for (nth, mut client) in listeners.into_iter().enumerate() {
            let line = ["SUBSCRIBE c1", "PSUBSCRIBE p*", "SSUBSCRIBE c1"][nth % 3];
            client.send_raw(&encode(&line.split(' ').collect::<Vec<_>>())).unwrap();
            client.read_any().unwrap();
            clients.push(client);
        }
        say(&mut admin, "ACL SETUSER bob &more").ok();
        assert_eq!(say(&mut admin, "CLIENT LIST").text().matches(" user=bob ").count(), 12);
        say(&mut admin, "ACL SETUSER bob resetchannels &c1").ok();
        assert_eq!(say(&mut admin, "CLIENT LIST").text().matches(" user=bob ").count(), 10, "patterns are allowed no more");
        say(&mut admin, "ACL SETUSER bob resetchannels").ok();
        assert_eq!(say(&mut admin, "CLIENT LIST").text().matches(" user=bob ").count(), 6);
        assert_eq!(say(&mut admin, "CLIENT KILL USER nobody").error(), "ERR No such user 'nobody'");
        // The one who removes himself is answered first.
        assert_eq!(say(&mut clients[0], "ACL DELUSER bob"), Value::Int(1));
        for client in &mut clients {
            assert!(client.try_cmd(&["GET", "k"]).is_err(), "a connection of a removed user goes on");
        }
        assert!(!say(&mut admin, "CLIENT LIST").text().contains(" user=bob "));
        say(&mut admin, "ACL SETUSER bob on nopass +@all").ok();
        let mut clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
        clients.iter_mut().for_each(|client| say(client, "AUTH bob x").ok());
        assert_eq!(say(&mut admin, "CLIENT KILL USER bob"), Value::Int(6));
        assert_eq!(say(&mut admin, "PING"), Value::Simple("PONG".into()));
    });
}

#[test]
fn a_restricted_user_pipelines_as_others_do() {
    with_cores(|kind| {
        let server = Server::start(kind);
        say(&mut server.client(), "ACL SETUSER bob on nopass +@all -incr ~k:* ~n").ok();
        let mut client = server.client();
        say(&mut client, "AUTH bob x").ok();
        let mut commands = Vec::new();
        for i in 0..2000 {
            let key = format!("k:{i}");
            commands.push(vec!["SET".to_string(), key.clone(), i.to_string()]);
            commands.push(vec!["INCR".to_string(), key.clone()]);
            commands.push(vec!["GET".to_string(), format!("x:{i}")]);
            commands.push(vec!["MGET".to_string(), key, format!("k:{}", i / 2)]);
        }
        let replies = client.pipeline(&commands);
        for (i, replies) in replies.chunks(4).enumerate() {
            assert_eq!(replies[0], Value::Simple("OK".into()));
            assert_eq!(replies[1].error(), "NOPERM this user has no permissions to run the 'incr' command");
            assert!(replies[2].error().starts_with("NOPERM this user has no permissions to access one of the keys"));
            assert_eq!(replies[3].items()[0].text(), i.to_string());
        }
    });
}

#[test]
fn secrets_are_shown_to_nobody() {
    let shown = |kind| {
        let server = Server::start(kind);
        let (mut client, mut monitor) = (server.client(), server.client());
        say(&mut monitor, "MONITOR").ok();
        say(&mut client, "CONFIG SET slowlog-log-slower-than 0").ok();
        say(&mut client, "SLOWLOG RESET").ok();
        for line in [
            "AUTH secret1",
            "AUTH bob secret2",
            "HELLO 2 AUTH bob secret3 SETNAME me",
            "ACL SETUSER bob on >secret4",
            "CONFIG SET masterauth secret5",
            "CONFIG SET masteruser secret6",
            "ACL GETUSER bob",
            "ECHO end",
        ] {
            say(&mut client, line);
        }
        say(&mut client, "CONFIG SET slowlog-log-slower-than -1").ok();
        let words = |entry: &Value| entry.items()[3].items().iter().map(Value::text).collect::<Vec<_>>().join(" ");
        let slow: Vec<String> =
            say(&mut client, "SLOWLOG GET 50").items().iter().map(words).filter(|line| line != "SLOWLOG RESET").collect();
        let mut seen = Vec::new();
        loop {
            let Value::Simple(line) = monitor.read().unwrap() else { panic!("a line of MONITOR") };
            let line = line.split_once("] ").unwrap().1.to_string();
            let is_last = line.contains("end");
            seen.push(line);
            if is_last {
                break;
            }
        }
        (slow, seen)
    };
    let model = shown(Kind::Redis);
    assert!(model.0.len() > 5 && !format!("{model:?}").contains("secret"), "{model:?}");
    with_cores(|kind| assert_eq!(shown(kind), model));
}

#[test]
fn users_stand_in_the_configuration_and_are_written_back() {
    with_cores(|kind| {
        let mut server =
            Server::with(kind).set("user", "bob on >pw ~k* +@all -flushall (+get ~x)").set("requirepass", "secret").start();
        let mut client = server.client();
        assert_eq!(say(&mut client, "GET k").error(), "NOAUTH Authentication required.");
        say(&mut client, "AUTH bob pw").ok();
        assert_eq!(say(&mut client, "GET x"), Value::NullBulk);
        assert!(say(&mut client, "FLUSHALL").error().starts_with("NOPERM"));
        say(&mut client, "AUTH secret").ok();
        say(&mut client, "ACL SETUSER eve on >pw2 +get ~e").ok();
        let before = say(&mut client, "ACL LIST");
        say(&mut client, "CONFIG REWRITE").ok();
        server.restart_as_it_is();
        let mut client = server.client();
        say(&mut client, "AUTH secret").ok();
        assert_eq!(say(&mut client, "ACL LIST"), before);
        say(&mut client, "CONFIG SET requirepass other").ok();
        let mut fresh = server.client();
        assert!(say(&mut fresh, "AUTH secret").error().starts_with("WRONGPASS"));
        say(&mut fresh, "AUTH other").ok();
        say(&mut client, "CONFIG SET requirepass").is_error();
        client.must(&["CONFIG", "SET", "requirepass", ""]).ok();
        assert_eq!(say(&mut server.client(), "PING"), Value::Simple("PONG".into()));
        for (text, words) in [
            ("user bob on +nosuch", "Unknown command or category name in ACL"),
            ("user bob on\nuser bob off", "Duplicate user"),
            ("user bob (+get", "Unmatched parenthesis"),
            ("user bob on\naclfile users.acl", "define either an ACL file or declare users"),
            ("aclfile missing.acl", "Error loading ACLs, opening file 'missing.acl': No such file or directory"),
        ] {
            let mut server = Server::with(kind).text(&format!("{text}\n")).spawn();
            assert!(!server.wait_exit().success(), "{text}");
            assert!(server.log().contains(words), "{text}\n{}", server.log_tail());
        }
    });
}

#[test]
fn a_file_of_users_is_loaded_saved_and_refused_as_by_redis() {
    let steps = |kind| {
        let server = Server::with(kind).set("aclfile", "users.acl").spawn();
        let path = server.dir().join("users.acl");
        fs::write(&path, "user alice on nopass ~* &* +@all\n\nuser bob on >pw +@all ~b (+get ~x)\n").unwrap();
        let mut server = server;
        server.restart();
        let mut client = server.client();
        let mut heard = vec![say(&mut client, "ACL LIST")];
        say(&mut client, "ACL SETUSER eve on nopass +get").ok();
        heard.push(say(&mut client, "ACL SAVE"));
        let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_string).collect();
        lines.sort();
        heard.push(Value::Simple(lines.join("\n")));
        let mut alice = server.client();
        say(&mut alice, "AUTH alice x").ok();
        for text in [
            "user alice on\nuser alice off\nnonsense\nuser eve +nosuch +get|a|b nosuch\nuser x (\nuser default on\nuser default on\n",
            "user",
            "user a +@all\nuser b nosuch wrong +none",
        ] {
            fs::write(&path, text).unwrap();
            heard.push(say(&mut client, "ACL LOAD"));
            heard.push(say(&mut client, "ACL USERS"));
        }
        heard.push(say(&mut alice, "PING"));
        fs::write(&path, "user alice on nopass +@all\nuser default on nopass +@all ~d\n").unwrap();
        heard.push(say(&mut client, "ACL LOAD"));
        heard.push(say(&mut client, "ACL LIST"));
        heard.push(say(&mut client, "GET k"));
        eventually("other users' connections end", || must(alice.try_cmd(&["PING"]).is_err(), String::new));
        let mut alice = server.client();
        say(&mut alice, "AUTH alice x").ok();
        heard.push(say(&mut alice, "ACL LOAD"));
        assert!(alice.try_cmd(&["PING"]).is_err());
        fs::write(&path, "").unwrap();
        heard.push(say(&mut client, "ACL LOAD"));
        heard.push(say(&mut client, "ACL LIST"));
        fs::remove_file(&path).unwrap();
        heard.push(say(&mut client, "ACL LOAD"));
        heard
    };
    let model = steps(Kind::Redis);
    with_cores(|kind| {
        for (mine, model) in steps(kind).iter().zip(&model) {
            assert_eq!(mine, model);
        }
    });
}

#[test]
fn the_primarys_stream_passes_and_replicas_log_in_as_users() {
    with_cores(|kind| {
        for (primary, replica) in [(kind, Kind::Redis), (Kind::Redis, kind), (kind, kind)] {
            let primary = Server::with(primary)
                .set("user", "repl on >pw +psync +replconf +ping +multi")
                .set("user", "default on nopass ~* &* +@all")
                .start();
            // Nobody may write there but the primary.
            let replica = Server::with(replica)
                .replica_of(primary.port())
                .set("masteruser", "repl")
                .set("masterauth", "pw")
                .set("user", "default on nopass ~* &* +@all -set -eval")
                .start();
            wait_link_up(&replica);
            let mut client = primary.client();
            for i in 0..100 {
                client.must(&["SET", &format!("k{i}"), "v"]).ok();
            }
            assert_same(&primary, &replica);
            assert!(say(&mut client, "CLIENT LIST TYPE replica").text().contains(" user=repl "));
            assert!(say(&mut replica.client(), "SET k v").error().starts_with("NOPERM"));
            assert!(say(&mut replica.client(), "CLIENT LIST TYPE master").text().contains(" user=(superuser) "));
            // A replica whose user is gone goes, too.
            say(&mut client, "ACL DELUSER repl");
            eventually("the replica is gone", || {
                let info = client.info("replication");
                must(info.int("connected_slaves") == 0, || format!("{info:?}"))
            });
        }
    });
}
