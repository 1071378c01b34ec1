//! Random plans of every family of commands on a primary of one kind with a replica of the other: the copy must be the same, made
//! half by a full synchronisation and half by the stream. Beside what the digest sees, consumer groups are compared.

use koltso_tests::oracle::{assert_same, wait_link_up};
use koltso_tests::{Client, Kind, Seed, Server, Value, plan, with_cores};

/// Commands before the replica comes, and as many after.
const PLAN_LEN: usize = 4000;
const PIPELINE_LEN: usize = 50;

fn run_plan(seed: &mut Seed, client: &mut Client, kind: Kind) {
    let mut commands: Vec<Vec<Vec<u8>>> = (0..PLAN_LEN).map(|_| plan::command(seed)).collect();
    // Redis keeps an empty string that a failing operation has made, but does not tell its replicas.
    let keeps_quiet = |args: &[Vec<u8>]| args.iter().any(|arg| arg.eq_ignore_ascii_case(b"FAIL"));
    // Limits that only one of the two has would make the same registers lie differently.
    let configures = |args: &[Vec<u8>]| args[0].eq_ignore_ascii_case(b"CONFIG");
    commands.retain(|args| !configures(args) && (kind.is_koltso() || !keeps_quiet(args)));
    commands.chunks(PIPELINE_LEN).for_each(|commands| drop(client.pipeline(commands)));
    client.cmd(&["DISCARD"]);
}

/// What a reply of `XINFO` says under a name.
fn field(info: &Value, name: &str) -> Value {
    let items = info.items();
    let at = items.iter().position(|item| matches!(item, Value::Bulk(text) if text == name.as_bytes()));
    items[at.unwrap_or_else(|| panic!("no {name} in {info:?}")) + 1].clone()
}

/// Every group of every stream: how far it has read, and which entries are pending with whom. How often and when they were
/// delivered is not told to replicas when a consumer looks at its own again.
fn groups(client: &mut Client, with_counts: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for db in 0..16 {
        client.must(&["SELECT", &db.to_string()]);
        let mut keys = client.must(&["KEYS", "*"]).items();
        keys.sort();
        for key in keys {
            if client.must(&[b"TYPE".as_slice(), key.bytes()]).text() != "stream" {
                continue;
            }
            let info = client.must(&[b"XINFO".as_slice(), b"STREAM", key.bytes(), b"FULL", b"COUNT", b"0"]);
            for name in ["last-generated-id", "max-deleted-entry-id", "entries-added", "recorded-first-entry-id"] {
                lines.push(format!("{db} {key:?} {name} {:?}", field(&info, name)));
            }
            for group in field(&info, "groups").items() {
                let names: &[&str] = if with_counts { &["last-delivered-id", "entries-read"] } else { &["last-delivered-id"] };
                let facts: Vec<Value> = names.iter().map(|name| field(&group, name)).collect();
                let pending = field(&group, "pending").items();
                let pending: Vec<Vec<Value>> = pending.iter().map(|entry| entry.items()[..2].to_vec()).collect();
                lines.push(format!("{db} {key:?} group {:?} {facts:?} {pending:?}", field(&group, "name")));
            }
        }
    }
    client.must(&["SELECT", "0"]);
    lines
}

fn check(seed: &mut Seed, above: Kind, below: Kind) {
    println!("--- {above:?} with a replica {below:?}");
    let primary = Server::start(above);
    let mut client = primary.client();
    run_plan(seed, &mut client, above);
    let replica = Server::with(below).replica_of(primary.port()).start();
    wait_link_up(&replica);
    run_plan(seed, &mut client, above);
    assert_same(&primary, &replica);
    let with_counts = above.is_koltso();
    let (wanted, got) = (groups(&mut primary.client(), with_counts), groups(&mut replica.client(), with_counts));
    assert!(!wanted.is_empty(), "no stream was left");
    assert_eq!(wanted, got);
}

#[test]
fn koltso_above_redis() {
    let mut seed = Seed::fresh("families_down");
    with_cores(|kind| check(&mut seed, kind, Kind::Redis));
}

#[test]
fn redis_above_koltso() {
    let mut seed = Seed::fresh("families_up");
    with_cores(|kind| check(&mut seed, Kind::Redis, kind));
}
