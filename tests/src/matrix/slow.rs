//! Rows 10 and 11: replicas that do not keep up, and primaries that stand still. Writers go on, memory is bounded, and whoever comes
//! back has everything.

use std::time::Duration;

use crate::load::{Load, Spec};
use crate::oracle::{Syncs, assert_same, wait_link_down, wait_link_up, wait_online};
use crate::raw::{Psync, RawReplica};
use crate::{Cut, Proxy, Server};

use super::promises::{Promises, assert_kept};
use super::{Skip, Trial, wait_mark};

/// What may wait for one replica.
const LIMIT_MB: u64 = 8;
/// What else a server may take while this goes on: its buffers, tables and the allocator's leavings.
const SLACK: u64 = 96 << 20;
/// Values that are overwritten, and how many.
const VALUE: usize = 100_000;
const VALUES: u64 = 20;

/// One replica is stopped, or has a thin line, or never reads its socket, while much more is written than may wait for it.
pub fn slow_replica(trial: &mut Trial) -> Result<(), Skip> {
    let kinds = trial.mixture(3);
    let limit = format!("replica {LIMIT_MB}mb {LIMIT_MB}mb 0");
    let primary = trial.server(kinds[0]).set("client-output-buffer-limit", limit).set("repl-backlog-size", "1mb").start();
    let healthy = trial.server(kinds[1]).replica_of(primary.port()).start();
    let proxy = Proxy::to(primary.port());
    let slow = trial.server(kinds[2]).replica_of(proxy.port()).start();
    wait_online(&primary, 2);
    let load = Load::start(Spec { writers: 2, ..Spec::of(&primary) }, &trial.seed);
    let mut client = primary.client();
    overwrite(trial, &mut client, VALUES);
    let baseline = primary.resident();
    for _ in 0..trial.rounds(3) {
        let mut reader = None;
        let how = trial.seed.below(3);
        println!("    {}", ["stopped", "1 Mbit/s", "never read"][how as usize]);
        match how {
            0 => slow.freeze(),
            1 => proxy.throttle(125_000),
            _ => {
                let mut raw = RawReplica::connect(&primary, trial.seed.one_in(2));
                let answer = raw.psync(None);
                assert!(matches!(answer, Psync::Full(..)), "{answer:?}");
                reader = Some(raw);
            }
        }
        let mut largest = 0;
        // Ten times what may wait.
        for _ in 0..LIMIT_MB * 10 {
            overwrite(trial, &mut client, 10);
            largest = largest.max(primary.resident());
        }
        // Redis gives memory back when it likes to.
        if primary.kind().is_koltso() {
            let bound = baseline + ((2 * LIMIT_MB) << 20) + SLACK;
            assert!(largest < bound, "{largest} bytes resident, with a bound of {bound} from {baseline}");
        }
        load.wait_more(100);
        wait_mark(trial, &primary, &healthy);
        match how {
            0 => slow.thaw(),
            1 => {
                proxy.throttle(0);
                // What waits in the thin line may be more than is worth waiting for.
                proxy.cut(Cut::Rst);
            }
            _ => drop(reader),
        }
        wait_link_up(&slow);
    }
    let ledger = load.stop();
    for replica in [&healthy, &slow] {
        assert_same(&primary, replica);
        ledger.assert_kept(replica);
    }
    Ok(())
}

fn overwrite(trial: &mut Trial, client: &mut crate::Client, count: u64) {
    for _ in 0..count {
        let key = format!("large:{}", trial.seed.below(VALUES));
        client.must(&["SET", &key, &"x".repeat(VALUE)]).ok();
    }
}

/// The primary stands still for twice `repl-timeout`; its replicas leave it and come back, without another copy.
pub fn frozen_primary(trial: &mut Trial) -> Result<(), Skip> {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let count = 2 + trial.seed.below(2) as usize;
    let kinds = trial.mixture(count);
    let primary = trial.server(kinds[0]).set("repl-backlog-size", "256mb").set("repl-ping-replica-period", 1).start();
    let replicas: Vec<Server> = kinds[1..].iter().map(|kind| trial.server(*kind).replica_of(primary.port()).start()).collect();
    wait_online(&primary, replicas.len());
    let full = Syncs::of(&primary).full;
    let load = Load::start(Spec { writers: 2, ..Spec::of(&primary) }, &trial.seed);
    let promises = Promises::start(&primary, replicas.len(), 2, "frozen", &trial.seed);
    for _ in 0..trial.rounds(3) {
        promises.wait_promised(1);
        // Only those who hear nothing shall give up: the primary, when it goes on, sees what they have sent meanwhile.
        for replica in &replicas {
            replica.client().must(&["CONFIG", "SET", "repl-timeout", &TIMEOUT.as_secs().to_string()]).ok();
        }
        trial.pass(300);
        primary.freeze();
        replicas.iter().for_each(wait_link_down);
        std::thread::sleep(TIMEOUT);
        primary.thaw();
        for replica in &replicas {
            replica.client().must(&["CONFIG", "SET", "repl-timeout", "30"]).ok();
            wait_link_up(replica);
        }
        load.wait_more(20);
    }
    let (kept, ledger) = (promises.stop(), load.stop());
    for replica in &replicas {
        assert_same(&primary, replica);
        assert_kept(&kept, replica);
        ledger.assert_kept(replica);
    }
    assert_eq!(Syncs::of(&primary).full, full, "the backlog held everything");
    Ok(())
}
