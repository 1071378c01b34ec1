//! Row 15: snapshots, for replicas and files, while lists are pushed to and popped from, transactions span cores, keys are renamed,
//! flushed and expire. Nothing may be in a copy twice, or by half.

use crate::oracle::{assert_same, wait_link_up};
use crate::wait::must;
use crate::{Client, Server, dataset, eventually};

use super::moving::{Moving, assert_lawful, check};
use super::{Skip, Trial};

/// See the module.
pub fn under_writes(trial: &mut Trial) -> Result<(), Skip> {
    let kinds = trial.mixture(3);
    let primary = trial.server(kinds[0]).set("client-output-buffer-limit", "replica 0 0 0").start();
    // What makes a copy take a while.
    dataset::bulk(&mut primary.client(), 2_000 + trial.seed.below(20_000) as usize, 200);
    let flushes = trial.seed.one_in(3);
    println!("    flushes {flushes}");
    let moving = Moving::start(&primary, flushes, &trial.seed);
    let mut replicas: Vec<Server> = Vec::new();
    for kind in &kinds[1..] {
        trial.pass(100);
        let below = if !replicas.is_empty() && trial.seed.one_in(3) { replicas[0].port() } else { primary.port() };
        replicas.push(trial.server(*kind).replica_of(below).start());
    }
    for round in 0..trial.rounds(6) {
        trial.pass(150);
        match trial.seed.below(4) {
            0 | 1 => save_and_load(trial, &primary),
            _ => {
                let at = trial.seed.below(replicas.len() as u64) as usize;
                replicas[at].restart();
            }
        }
        for replica in &replicas {
            // Whatever moment it is at: never half of anything. It may be loading, and say so.
            for _ in 0..5 {
                check(&mut replica.client(), true).ok();
            }
        }
        if round % 2 == 0 {
            moving.wait_more(50);
        }
    }
    replicas.iter().for_each(wait_link_up);
    moving.stop();
    for replica in &replicas {
        assert_same(&primary, replica);
        assert_lawful(replica);
    }
    assert_lawful(&primary);
    Ok(())
}

/// BGSAVE under load, and another server that starts on the file.
fn save_and_load(trial: &mut Trial, primary: &Server) {
    let mut client = primary.client();
    let wait_idle = |client: &mut Client| {
        eventually("no save is under way", || {
            let info = client.info("persistence");
            must(info.int("rdb_bgsave_in_progress") == 0, || format!("{info:?}"))
        });
    };
    let file = primary.dir().join("dump.rdb");
    std::fs::remove_file(&file).ok();
    // With Redis, a copy for replicas counts as one, and FLUSHALL ends it: so it may have to be asked for again.
    eventually("it is saved", || {
        wait_idle(&mut client);
        let reply = client.cmd(&["BGSAVE"]);
        wait_idle(&mut client);
        must(file.exists(), || format!("{reply:?}"))
    });
    assert_eq!(client.info("persistence").text("rdb_last_bgsave_status"), "ok");
    let kind = trial.any();
    let mut loaded = Server::start(kind);
    loaded.kill();
    std::fs::copy(&file, loaded.dir().join("dump.rdb")).expect("copy the file");
    loaded.restart();
    assert_lawful(&loaded);
}
