//! Row 16: deadlines across restarts. They stay the same to the millisecond wherever the data go, and a replica ends no key by itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::append_only::wait_no_rewrite;
use crate::oracle::{assert_same, wait_caught_up, wait_link_up};
use crate::wait::must;
use crate::{Client, Server, eventually};

use super::{Skip, Trial};

/// Keys with deadlines of each sort.
const KEYS: u64 = 40;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

/// See the module.
pub fn deadlines(trial: &mut Trial) -> Result<(), Skip> {
    let kinds = trial.mixture(2);
    let append_only = trial.seed.one_in(2);
    println!("    append only {append_only}");
    let mut options = |kind| {
        let builder = trial.server(kind).set("appendonly", if append_only { "yes" } else { "no" });
        builder.set("appendfsync", "always").set("save", "3600 100000")
    };
    let primary = options(kinds[0]).start();
    let replica = options(kinds[1]).replica_of(primary.port()).start();
    wait_link_up(&replica);
    let mut nodes = [primary, replica];
    for round in 0..trial.rounds(4) {
        let far = write_far(trial, &mut nodes[0].client(), round);
        let near = write_near(trial, &mut nodes[0].client(), round);
        wait_caught_up(&mut nodes[0].client(), &mut nodes[1].client());
        let restarted = trial.seed.below(3);
        for node in [0, 1] {
            if restarted == 2 || restarted == node as u64 {
                restart(trial, &mut nodes[node], append_only);
            }
        }
        wait_link_up(&nodes[1]);
        wait_caught_up(&mut nodes[0].client(), &mut nodes[1].client());
        for node in &nodes {
            assert_deadlines(&mut node.client(), &far);
            assert_near(&mut node.client(), &near);
        }
        kept_by_the_replica(trial, &mut nodes, append_only, round);
        assert_same(&nodes[0], &nodes[1]);
    }
    Ok(())
}

/// An orderly end that saves, or kill -9 where every answered write is on disk; and some time in which nobody looks at the clock.
fn restart(trial: &mut Trial, node: &mut Server, append_only: bool) {
    if append_only && trial.seed.one_in(2) {
        node.kill();
    } else {
        // Redis does not end while it writes its first file after a copy.
        wait_no_rewrite(&mut node.client());
        assert!(node.terminate().success(), "it did not end well");
    }
    trial.pass(1000);
    node.restart();
}

/// Deadlines that no trial lives to see, set in every way there is; with what PEXPIRETIME says of them.
fn write_far(trial: &mut Trial, client: &mut Client, round: u64) -> Vec<(String, i64)> {
    let mut keys = Vec::new();
    for n in 0..KEYS {
        let key = format!("far:{round}:{n}");
        let millis = 10_000_000 + trial.seed.below(1_000_000_000);
        let (relative, absolute) = (millis.to_string(), (now() + millis as i64).to_string());
        match trial.seed.below(7) {
            0 => client.must(&["SET", &key, "v", "PX", &relative]),
            1 => client.must(&["SET", &key, "v", "PXAT", &absolute]),
            2 => client.must(&["PSETEX", &key, &relative, "v"]),
            3 => {
                client.must(&["RPUSH", &key, "a", "b"]);
                client.must(&["PEXPIRE", &key, &relative])
            }
            4 => {
                client.must(&["HSET", &key, "a", "b"]);
                client.must(&["PEXPIREAT", &key, &absolute])
            }
            5 => {
                client.must(&["SET", &key, "v"]);
                client.must(&["GETEX", &key, "PX", &relative])
            }
            _ => {
                client.must(&["SET", &format!("{key}:old"), "v", "PX", &relative]);
                client.must(&["RENAME", &format!("{key}:old"), &key])
            }
        };
        keys.push((key.clone(), client.must(&["PEXPIRETIME", &key]).int()));
    }
    keys
}

/// Deadlines that pass during the restart or soon after.
fn write_near(trial: &mut Trial, client: &mut Client, round: u64) -> Vec<(String, i64)> {
    (0..KEYS)
        .map(|n| {
            let deadline = now() + 100 + trial.seed.below(2000) as i64;
            let key = format!("near:{round}:{n}");
            client.must(&["SET", &key, "v", "PXAT", &deadline.to_string()]);
            (key, deadline)
        })
        .collect()
}

#[track_caller]
fn assert_deadlines(client: &mut Client, keys: &[(String, i64)]) {
    for (key, deadline) in keys {
        assert_eq!(client.must(&["PEXPIRETIME", key]).int(), *deadline, "{key}");
    }
}

/// Whoever is not there is past his deadline, and whoever is past it goes.
#[track_caller]
fn assert_near(client: &mut Client, keys: &[(String, i64)]) {
    for (key, deadline) in keys {
        let found = client.must(&["PEXPIRETIME", key]).int();
        let asked = now();
        assert!(found == *deadline || found == -2 && asked >= *deadline, "{key}: {found}, not {deadline}, at {asked}");
        if asked > *deadline {
            eventually("what is past its deadline is not seen any more", || {
                let found = client.must(&["PEXPIRETIME", key]).int();
                must(found == -2, || format!("{key}: {found} at {}", now()))
            });
        }
    }
}

/// While the primary ends nothing, nothing ends on the replica, though it shows none of it; not when it restarts either.
fn kept_by_the_replica(trial: &mut Trial, nodes: &mut [Server; 2], append_only: bool, round: u64) {
    let mut client = nodes[0].client();
    client.must(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]).ok();
    let keys: Vec<String> = (0..KEYS).map(|n| format!("kept:{round}:{n}")).collect();
    for key in &keys {
        client.must(&["SET", key, "v", "PX", &(1 + trial.seed.below(200)).to_string()]).ok();
    }
    let end = now() + 201;
    wait_caught_up(&mut client, &mut nodes[1].client());
    while now() <= end {
        std::thread::sleep(Duration::from_millis(10));
    }
    let size = client.must(&["DBSIZE"]).int();
    assert!(size >= KEYS as i64);
    if trial.seed.one_in(2) {
        restart(trial, &mut nodes[1], append_only);
        wait_link_up(&nodes[1]);
        wait_caught_up(&mut client, &mut nodes[1].client());
    }
    let mut below = nodes[1].client();
    for key in &keys {
        assert!(below.must(&["GET", key]).is_null(), "a replica shows {key}, which is past its deadline");
    }
    assert_eq!(below.must(&["DBSIZE"]).int(), size, "a replica has ended keys by itself");
    client.must(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]).ok();
    eventually("the primary ends them, and the replica with it", || {
        let left = nodes.iter().map(|node| node.client().must(&["KEYS", "kept:*"]).items().len()).sum::<usize>();
        let sizes = nodes.each_ref().map(|node| node.client().must(&["DBSIZE"]).int());
        must(left == 0 && sizes.iter().all(|now| *now <= size - KEYS as i64), || format!("{left} left, {sizes:?} of {size}"))
    });
}
