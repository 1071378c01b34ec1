//! The same random plan against koltso and redis-server: every reply must be the same, and so must the data in the end.
//! What is meant to differ stands in `intended-differences.txt`.

use koltso_tests::client::show;
use koltso_tests::{Client, Kind, Seed, Server, Value, intended, plan, with_cores};
use std::time::{Duration, Instant};

/// Commands per plan; each is run in RESP2 and RESP3. `KOLTSO_PLAN_LEN` says otherwise.
const PLAN_LEN: usize = 6000;
/// How many earlier commands on the same keys a failure shows.
const HISTORY_LEN: usize = 12;

type Args = Vec<Vec<u8>>;

/// Makes replies comparable: orders that no server promises are sorted away.
fn normal(args: &Args, reply: Value) -> Value {
    let name = String::from_utf8_lossy(&args[0]).to_uppercase();
    match (name.as_str(), reply) {
        ("KEYS" | "SMEMBERS" | "SPOP" | "CONFIG", reply) => reply.sorted(),
        ("HGETALL", reply) => reply.sorted_pairs(),
        ("XPENDING" | "XINFO", reply) => plan::streams::without_times(&name, reply),
        (_, reply) => reply,
    }
}

/// Whether two replies tell of deadlines that are the same but for the moment by which one server had them later than the other: a
/// command reaches both within `apart`.
fn are_near(args: &Args, mine: &Value, theirs: &Value, apart: Duration) -> bool {
    let unit_ms = match String::from_utf8_lossy(&args[0]).to_uppercase().as_str() {
        "TTL" | "EXPIRETIME" => 1000,
        "PTTL" | "PEXPIRETIME" => 1,
        _ => return false,
    };
    let (Value::Int(mine), Value::Int(theirs)) = (mine, theirs) else { return false };
    // Both round.
    *mine > 1 && *theirs > 1 && u128::from(mine.abs_diff(*theirs)) * unit_ms <= apart.as_millis() + unit_ms
}

/// One side of the comparison: two connections, so that WATCH has somebody to fear.
struct Side {
    clients: [Client; 2],
    queued: [Vec<Args>; 2],
}

impl Side {
    fn new(server: &Server, protocol: &str) -> Side {
        let clients = [(); 2].map(|()| {
            let mut client = server.client();
            client.must(&["HELLO", protocol]);
            client
        });
        Side { clients, queued: [Vec::new(), Vec::new()] }
    }

    fn run(&mut self, which: usize, commands: &[Args]) -> Vec<Vec<(Args, Value)>> {
        let replies = self.clients[which].pipeline(commands);
        commands.iter().zip(replies).map(|(args, reply)| self.note(which, args, reply)).collect()
    }

    /// The reply to a command with that command. EXEC's replies are told apart, each with what was queued for it.
    fn note(&mut self, which: usize, args: &Args, reply: Value) -> Vec<(Args, Value)> {
        let queued = &mut self.queued[which];
        match reply {
            Value::Simple(text) if text == "QUEUED" => {
                queued.push(args.clone());
                vec![(args.clone(), Value::Simple(text))]
            }
            Value::Array(items) if args[0].eq_ignore_ascii_case(b"EXEC") && items.len() == queued.len() => {
                let commands = std::mem::take(queued);
                let pairs = commands.into_iter().zip(items);
                pairs.map(|(args, reply)| (args.clone(), normal(&args, reply))).collect()
            }
            reply => {
                let ends = ["EXEC", "DISCARD"].iter().any(|name| args[0].eq_ignore_ascii_case(name.as_bytes()));
                if ends && (!reply.is_error() || reply.error().starts_with("EXECABORT")) {
                    queued.clear();
                }
                vec![(args.clone(), normal(args, reply))]
            }
        }
    }
}

/// Redis finds numbers that SORT reads out of range if one was that an earlier command of the same pipeline has read. This makes it
/// forget that, since it reads an id with an eye to it.
fn before_sort(args: &Args) -> Option<Args> {
    let sorts = ["SORT", "SORT_RO"].iter().any(|name| args[0].eq_ignore_ascii_case(name.as_bytes()));
    sorts.then(|| ["XRANGE", "none", &u64::MAX.to_string(), "+"].map(|word| word.as_bytes().to_vec()).to_vec())
}

fn run_plan(seed: &mut Seed, kind: Kind, protocol: &str, pipeline_max: u64) {
    println!("--- {kind:?}, RESP{protocol}, up to {pipeline_max} in one pipeline");
    let servers = [Server::start(kind), Server::start(Kind::Redis)];
    let mut sides = servers.each_ref().map(|server| Side::new(server, protocol));
    let intended = intended::differences();
    let mut history: Vec<Args> = Vec::new();
    let begin = Instant::now();
    let plan_len = std::env::var("KOLTSO_PLAN_LEN").map_or(PLAN_LEN, |text| text.parse().expect("a number"));
    while history.len() < plan_len {
        let which = usize::from(seed.one_in(6));
        let commands = (0..1 + seed.below(pipeline_max)).map(|_| plan::command(seed));
        let commands: Vec<Args> = commands.flat_map(|args| before_sort(&args).into_iter().chain([args])).collect();
        let replies = sides.each_mut().map(|side| side.run(which, &commands));
        let [mine, theirs] = replies;
        for (args, (mine, theirs)) in commands.iter().zip(mine.iter().zip(&theirs)) {
            history.push(args.clone());
            assert_eq!(mine.len(), theirs.len(), "{}: {mine:?} and {theirs:?}", show(args));
            for ((args, mine), (_, theirs)) in mine.iter().zip(theirs) {
                let meant = || intended.iter().any(|difference| difference.covers(&args[0], mine, theirs));
                assert!(
                    mine == theirs || are_near(args, mine, theirs, begin.elapsed()) || meant(),
                    "command {}: {}\nkoltso: {mine:?}\nredis:  {theirs:?}\nbefore:\n{}",
                    history.len(),
                    show(args),
                    related(args, &history)
                );
            }
        }
    }
    assert_same_end(&servers);
}

/// The last commands that share a key with this one.
fn related(newest: &Args, history: &[Args]) -> String {
    let general = ["MULTI", "EXEC", "SELECT", "SWAPDB", "DISCARD", "WATCH"];
    let touches = |args: &&Args| {
        args[1..].iter().any(|arg| newest[1..].contains(arg) && arg.len() > 1)
            || general.iter().any(|name| args[0].eq_ignore_ascii_case(name.as_bytes()))
    };
    let mut lines: Vec<String> =
        history.iter().rev().skip(1).filter(touches).take(HISTORY_LEN).map(|args| show(args)).collect();
    lines.reverse();
    lines.join("\n")
}

#[track_caller]
fn assert_same_end(servers: &[Server; 2]) {
    let [mine, theirs] = servers.each_ref().map(|server| {
        let mut client = server.client();
        let sizes: Vec<i64> = (0..16)
            .map(|db| {
                client.must(&["SELECT", &db.to_string()]);
                client.must(&["DBSIZE"]).int()
            })
            .collect();
        (client.must(&["DEBUG", "DIGEST"]).text(), sizes)
    });
    assert_eq!(mine, theirs, "digest and sizes after the plan");
}

#[test]
fn one_command_at_a_time() {
    let mut seed = Seed::fresh("one_at_a_time");
    with_cores(|kind| {
        for protocol in ["2", "3"] {
            run_plan(&mut seed, kind, protocol, 1);
        }
    });
}

#[test]
fn pipelines() {
    let mut seed = Seed::fresh("pipelines");
    with_cores(|kind| {
        for protocol in ["2", "3"] {
            run_plan(&mut seed, kind, protocol, 60);
        }
    });
}

#[test]
fn scan_returns_every_key_once_it_is_over() {
    let mut seed = Seed::fresh("scan");
    with_cores(|kind| {
        let servers = [Server::start(kind), Server::start(Kind::Redis)];
        let commands: Vec<Vec<Vec<u8>>> = (0..3000)
            .map(|i| {
                let key = format!("{}:{}", seed.pick(&["a", "b", "{tag}"]), seed.below(10_000));
                let value = i.to_string();
                let command: &[&str] = match seed.below(3) {
                    0 => &["SADD", &key, &value],
                    1 => &["RPUSH", &key, &value],
                    _ => &["SET", &key, &value],
                };
                command.iter().map(|word| word.as_bytes().to_vec()).collect()
            })
            .collect();
        let mut clients = servers.each_ref().map(Server::client);
        for client in &mut clients {
            client.pipeline(&commands);
        }
        for args in
            ["", "COUNT 1", "COUNT 1000", "MATCH a:*", "TYPE list", "MATCH *1* TYPE set COUNT 7", "TYPE nosuch", "MATCH none"]
        {
            let [mine, theirs] = clients.each_mut().map(|client| scan_all(client, args));
            assert!(mine == theirs, "SCAN {args}: {} and {} keys", mine.len(), theirs.len());
        }
        for bad in [
            "SCAN",
            "SCAN x",
            "SCAN 0 COUNT",
            "SCAN 0 COUNT 0",
            "SCAN 0 COUNT x",
            "SCAN 0 NOSUCH 1",
            "SCAN 99999999999999999999",
        ] {
            let args: Vec<&str> = bad.split(' ').collect();
            let [mine, theirs] = clients.each_mut().map(|client| client.cmd(&args));
            assert_eq!(mine, theirs, "{bad}");
        }
    });
}

fn scan_all(client: &mut Client, args: &str) -> std::collections::BTreeSet<Vec<u8>> {
    let mut cursor = "0".to_string();
    let mut keys = std::collections::BTreeSet::new();
    for round in 0.. {
        assert!(round < 100_000, "SCAN never ends");
        let words: Vec<&str> = ["SCAN", &cursor].into_iter().chain(args.split_whitespace()).collect();
        let reply = client.must(&words).items();
        keys.extend(reply[1].items().iter().map(|key| key.bytes().to_vec()));
        cursor = reply[0].text();
        if cursor == "0" {
            break;
        }
    }
    keys
}

#[test]
fn dumped_values_are_restored_by_the_other_server() {
    let seed = Seed::fresh("dump_restore");
    with_cores(|kind| {
        for limits in ["", koltso_tests::dataset::NO_COMPACT] {
            let servers = [Server::with(kind).start(), Server::with(Kind::Redis).text(limits).start()];
            let mut clients = servers.each_ref().map(Server::client);
            koltso_tests::dataset::fill(&mut clients[0], &mut seed.part(3), 8);
            koltso_tests::dataset::fill(&mut clients[1], &mut seed.part(3), 8);
            let keys = clients[0].must(&["KEYS", "*"]).items();
            let [mine, theirs] = &mut clients;
            for key in keys {
                both_ways(mine, theirs, key.bytes());
            }
            for garbage in ["", "x", "0123456789", "\u{0}\u{1}a\u{a}\u{0}01234567"] {
                let replies = clients.each_mut().map(|client| client.cmd(&["RESTORE", "garbage", "0", garbage]));
                assert_eq!(replies[0], replies[1]);
            }
        }
    });
}

/// Dumps from each into the other under a new name and compares the value's digest with that of the original.
fn both_ways(one: &mut Client, other: &mut Client, key: &[u8]) {
    let dumps = [one.must(&[b"DUMP".as_slice(), key]), other.must(&[b"DUMP".as_slice(), key])];
    other.must(&[b"RESTORE".as_slice(), b"restored", b"0", dumps[0].bytes(), b"REPLACE"]).ok();
    one.must(&[b"RESTORE".as_slice(), b"restored", b"0", dumps[1].bytes(), b"REPLACE"]).ok();
    for client in [one, other] {
        client.must(&[b"PERSIST".as_slice(), key]);
        let digests = client.must(&[b"DEBUG".as_slice(), b"DIGEST-VALUE", key, b"restored"]).items();
        assert_eq!(digests[0], digests[1], "key {}", key.escape_ascii());
    }
}
