//! Questions about the server within a transaction: they are answered at their moment, between the commands before and after them.

use koltso_tests::wait::must;
use koltso_tests::{Client, Info, Kind, Server, Value, eventually, with_cores};

/// Fields of INFO that the commands of a transaction change, and that a real server counts alike.
const FIELDS: &[&str] = &[
    "keyspace_hits",
    "keyspace_misses",
    "total_error_replies",
    "errorstat_ERR",
    "errorstat_WRONGTYPE",
    "rdb_changes_since_last_save",
    "expired_keys",
    "db0",
    "db3",
    "connected_clients",
    "blocked_clients",
    "pubsub_channels",
];

/// Commands whose calls are compared. `EXEC` itself may be counted before it is over, where it waits for shards.
const COMMANDS: &[&str] = &["set", "get", "del", "mset", "lpush", "info", "multi"];

/// What a transaction does; `INFO` stands between.
const STEPS: &[&[&str]] = &[
    &["SET", "a", "b"],
    &["SET", "c", "d"],
    &["GET", "a"],
    &["GET", "none"],
    &["MSET", "e", "1", "f", "2", "g", "3"],
    &["LPUSH", "a", "x"],
    &["INCR", "a"],
    &["PEXPIRE", "g", "100000"],
    &["SELECT", "3"],
    &["SET", "elsewhere", "1"],
    &["SUBSCRIBE", "news"],
    &["SELECT", "0"],
    &["DEL", "a", "c"],
    &["FLUSHDB"],
];

fn figures(info: &Info) -> Vec<String> {
    let calls = |name: &&str| {
        let name = format!("cmdstat_{name}");
        let counts = |text: &str| {
            let parts = text.split(',').filter(|part| !part.contains("usec"));
            parts.collect::<Vec<_>>().join(",")
        };
        format!("{name}:{}", info.find(&name).map(counts).unwrap_or_default())
    };
    let field = |name: &&str| {
        // The mean time to live depends on the moment.
        let text = info.find(name).unwrap_or_default();
        format!("{name}:{}", text.split(",avg_ttl").next().unwrap_or_default())
    };
    FIELDS.iter().map(field).chain(COMMANDS.iter().map(calls)).collect()
}

/// Runs the transaction; returns what each INFO in it says, and how the offset and the count of commands go on.
fn run(server: &Server) -> Vec<Vec<String>> {
    // Keys and errors that other clients have brought about before, on whatever core.
    for nth in 0..6 {
        let mut other = server.client();
        let key = format!("before:{nth}");
        other.must(&["SET", &key, "1"]);
        other.must(&["GET", &key]);
        other.cmd(&["LPUSH", &key, "1"]);
        other.must(&["DEL", &key]);
    }
    let mut client = wait_alone(server);
    client.must(&["MULTI"]).ok();
    for step in STEPS {
        client.must(step);
        client.must(&["INFO", "everything"]);
    }
    let replies = client.cmd(&["EXEC"]).items();
    let infos: Vec<Info> = replies.iter().filter_map(info_of).collect();
    assert_eq!(infos.len(), STEPS.len());
    let (first, last) = (&infos[0], &infos[infos.len() - 1]);
    let processed = last.int("total_commands_processed") - first.int("total_commands_processed");
    let offset = last.int("master_repl_offset") - first.int("master_repl_offset");
    let mut all: Vec<Vec<String>> = infos.iter().map(figures).collect();
    all.push(vec![format!("{processed} commands between, {offset} bytes of stream")]);
    all
}

fn info_of(reply: &Value) -> Option<Info> {
    match reply {
        Value::Bulk(text) => {
            Some(Info::parse(&String::from_utf8_lossy(text))).filter(|info| info.find("redis_version").is_some())
        }
        _ => None,
    }
}

/// A client, when the server has noticed that the others are gone.
fn wait_alone(server: &Server) -> Client {
    let mut client = server.client();
    eventually("the others are gone", || {
        let connected = client.info("clients").int("connected_clients");
        must(connected == 1, || format!("{connected} clients"))
    });
    client.must(&["CONFIG", "RESETSTAT"]).ok();
    client
}

#[test]
fn info_counts_what_was_done_before_it_and_nothing_after() {
    let model = run(&Server::start(Kind::Redis));
    with_cores(|kind| {
        let mine = run(&Server::start(kind));
        for (at, (mine, model)) in mine.iter().zip(&model).enumerate() {
            assert_eq!(mine, model, "INFO number {at}");
        }
    });
}
