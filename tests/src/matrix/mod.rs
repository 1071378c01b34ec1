//! The fault matrix: one function per fault, which starts servers, does harm at a moment that the seed chooses, and lets the oracles
//! say whether anything was lost.
//!
//! A trial must be repeatable in what it chooses (kinds, cores, places, spans) by its seed alone, must bound its load, and must not
//! fail for a machine that is slow: its waits have deadlines for the hopeless only.

pub mod promises;
pub mod run;
pub mod table;

mod chains;
mod disks;
mod held;
mod links;
mod moving;
mod partitions;
mod promotion;
mod sentinels;
mod slow;
mod snapshots;
mod time;

use std::time::Duration;

use crate::server::Builder;
use crate::wait::must;
use crate::{Kind, Seed, Server, eventually};

/// One line of the matrix.
pub struct Row {
    /// Its number in the table of faults.
    pub number: u32,
    /// The fault in words.
    pub fault: &'static str,
    /// One trial. It panics where something is lost.
    pub trial: fn(&mut Trial) -> Result<(), Skip>,
}

/// Why a trial cannot be made on this machine.
#[derive(Debug)]
pub struct Skip(pub String);

/// All rows, in the table's order.
pub const ROWS: &[Row] = &[
    Row { number: 1, fault: "load held", trial: held::hold },
    Row { number: 3, fault: "kill -9 of the primary, promotion", trial: promotion::kill_and_promote },
    Row { number: 4, fault: "kill -9 inside a snapshot", trial: disks::kill_in_snapshot },
    Row { number: 5, fault: "torn files", trial: disks::torn_files },
    Row { number: 7, fault: "link cut at a random byte", trial: links::cut_anywhere },
    Row { number: 8, fault: "edges of the backlog", trial: links::backlog_edges },
    Row { number: 9, fault: "partitions, one-way too", trial: partitions::partitions },
    Row { number: 10, fault: "slow replica: stopped, thin line, never reads", trial: slow::slow_replica },
    Row { number: 11, fault: "frozen primary", trial: slow::frozen_primary },
    Row { number: 12, fault: "full disk", trial: disks::full_disk },
    Row { number: 13, fault: "three Sentinels", trial: sentinels::failover },
    Row { number: 14, fault: "chains re-laid, 5 nodes", trial: chains::relay },
    Row { number: 15, fault: "snapshot under writes", trial: snapshots::under_writes },
    Row { number: 16, fault: "deadlines across restarts", trial: time::deadlines },
];

/// The row with a number.
pub fn row(number: u32) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.number == number)
}

/// What one trial draws from.
pub struct Trial {
    /// Every choice comes from here.
    pub seed: Seed,
    /// Fewer rounds: for the short form.
    pub short: bool,
}

impl Trial {
    /// koltso with one to three cores.
    pub fn koltso(&mut self) -> Kind {
        Kind::Koltso { cores: 1 + self.seed.below(3) as usize }
    }

    /// Either kind, koltso more often.
    pub fn any(&mut self) -> Kind {
        if self.seed.one_in(3) { Kind::Redis } else { self.koltso() }
    }

    /// So many servers of random kinds, koltso at least once.
    pub fn mixture(&mut self, count: usize) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = (0..count).map(|_| self.any()).collect();
        if !kinds.iter().any(|kind| kind.is_koltso()) {
            let at = self.seed.below(count as u64) as usize;
            kinds[at] = self.koltso();
        }
        println!("    {kinds:?}");
        kinds
    }

    /// The beginnings of a server with options that must make no difference to what is lost.
    pub fn server(&mut self, kind: Kind) -> Builder {
        let builder = Server::with(kind).set("repl-timeout", 30);
        let builder = if self.seed.one_in(3) { builder.set("repl-diskless-sync", "no") } else { builder };
        if self.seed.one_in(3) { builder.set("repl-diskless-load", "swapdb") } else { builder }
    }

    /// A number of rounds, fewer in the short form.
    pub fn rounds(&self, long: u64) -> u64 {
        if self.short { long.div_ceil(2) } else { long }
    }

    /// Lets a random time go by, for the fault to hit a random moment. Nothing may rely on what happens meanwhile.
    pub fn pass(&mut self, millis_max: u64) {
        std::thread::sleep(Duration::from_micros(self.seed.below(millis_max * 1000 + 1)));
    }
}

/// REPLICAOF a port, or NO ONE.
#[track_caller]
fn follow(server: &Server, primary: Option<&Server>) {
    let port = primary.map(|primary| primary.port().to_string());
    let words = port.as_ref().map_or(["NO", "ONE"], |port| ["127.0.0.1", port]);
    // It may follow it already, and say so.
    server.client().must(&["REPLICAOF", words[0], words[1]]);
}

/// Writes a mark at the primary and waits until the replica has it, whatever else goes on: so they are linked now.
#[track_caller]
fn wait_mark(trial: &mut Trial, primary: &Server, replica: &Server) {
    let mark = trial.seed.below(u64::MAX).to_string();
    primary.client().must(&["SET", "mark", &mark]).ok();
    eventually("the replica has the mark", || {
        let found = replica.client().cmd(&["GET", "mark"]);
        let same = !found.is_error() && !found.is_null() && found.text() == mark;
        must(same, || format!("{found:?}, not {mark}\n{}", replica.log_tail()))
    });
}
