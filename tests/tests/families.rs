//! Random plans of every family of commands on a primary of one kind with a replica of the other: the copy must be the same, made
//! half by a full synchronisation and half by the stream. Beside what the digest sees, consumer groups are compared.

use koltso_tests::groups::groups;
use koltso_tests::oracle::{assert_same, wait_link_up};
use koltso_tests::{Client, Kind, Seed, Server, plan, with_cores};

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
