//! Row 1: a load that is held for a while, with two real replicas: they keep up, answers come, and nothing grows.

use std::time::{Duration, Instant};

use crate::load::{Load, Spec};
use crate::oracle::{assert_same, wait_online};
use crate::{Kind, Server, dataset};

use super::{Skip, Trial};

/// How long the load is held.
const SPAN: Duration = Duration::from_secs(10);
const SHORT_SPAN: Duration = Duration::from_secs(2);
/// What the keys that the load turns over may take more at one time than at another.
const GROWTH: u64 = 64 << 20;

/// The test's own connections, those that are about to be closed among them.
const FILES: usize = 16;

/// See the module.
pub fn hold(trial: &mut Trial) -> Result<(), Skip> {
    let kind = trial.koltso();
    println!("    {kind:?}");
    let primary = trial.server(kind).start();
    let replicas = [(); 2].map(|()| trial.server(Kind::Redis).replica_of(primary.port()).start());
    wait_online(&primary, 2);
    dataset::fill(&mut primary.client(), &mut trial.seed, 20);
    let load = Load::start(Spec { writers: 4, ..Spec::of(&primary) }, &trial.seed);
    load.wait_more(1000);
    let (memory, files) = (primary.resident(), primary.open_files());
    let mut client = primary.client();
    let (end, mut waits, mut lags) = (Instant::now() + if trial.short { SHORT_SPAN } else { SPAN }, Vec::new(), Vec::new());
    while Instant::now() < end {
        let asked = Instant::now();
        client.must(&["PING"]);
        waits.push(asked.elapsed());
        if waits.len() % 200 == 0 {
            lags.push(lag(&mut client));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let ledger = load.stop();
    waits.sort();
    let late = waits[waits.len() * 999 / 1000];
    println!("    PING p99.9 {late:?}, lag of acknowledgements {:?} s", lags.iter().max());
    let (grown, now) = (primary.resident().saturating_sub(memory), primary.open_files());
    assert!(grown < GROWTH, "{grown} bytes more are resident after {} commands", ledger.commands);
    assert!(now <= files + FILES, "{now} files are open, {files} were");
    for replica in &replicas {
        assert_same(&primary, replica);
        ledger.assert_kept(replica);
    }
    check_open(&primary);
    Ok(())
}

/// The largest age of an acknowledgement, in seconds.
fn lag(client: &mut crate::Client) -> u64 {
    let replicas = client.info("replication").replicas();
    replicas.iter().filter_map(|replica| replica.get("lag")?.parse().ok()).max().unwrap_or(0)
}

fn check_open(primary: &Server) {
    let info = primary.info();
    assert_eq!(info.int("connected_slaves"), 2, "{info:?}");
}
