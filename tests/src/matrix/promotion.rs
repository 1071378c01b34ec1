//! Row 3: the primary is killed at a random moment, any replica is promoted, and what WAIT has promised is there.

use crate::Server;
use crate::load::{Load, Spec};
use crate::oracle::{assert_same, wait_link_up, wait_online};

use super::promises::{Promises, assert_kept};
use super::{Skip, Trial, follow};

/// See the module.
pub fn kill_and_promote(trial: &mut Trial) -> Result<(), Skip> {
    let count = 2 + trial.seed.below(3) as usize;
    let kinds = trial.mixture(count);
    let append_only = trial.seed.one_in(3);
    let mut nodes: Vec<Server> = Vec::new();
    for kind in kinds {
        let builder = trial.server(kind).set("appendonly", if append_only { "yes" } else { "no" });
        let builder = match nodes.first() {
            Some(primary) => builder.replica_of(primary.port()),
            None => builder,
        };
        nodes.push(builder.start());
    }
    let mut promised = Vec::new();
    for round in 0..trial.rounds(4) {
        let replicas = nodes.len() - 1;
        wait_online(&nodes[0], replicas);
        let load = Load::start(Spec { first_writer: 100 * round, ..Spec::of(&nodes[0]) }, &trial.seed.part(round));
        let promises = Promises::start(&nodes[0], replicas, 3, &round.to_string(), &trial.seed.part(round));
        promises.wait_promised(1 + trial.seed.below(60));
        trial.pass(300);
        nodes[0].kill();
        promised.extend(promises.stop());
        let ledger = load.stop();

        let mut dead = nodes.remove(0);
        let at = trial.seed.below(nodes.len() as u64) as usize;
        nodes.swap(0, at);
        let promoted = &nodes[0];
        follow(promoted, None);
        assert_kept(&promised, promoted);
        ledger.assert_prefix(promoted);
        // Writes go on while the others come over.
        let load = Load::start(
            Spec { writers: 1, first_writer: 100 * round + 50, ..Spec::of(promoted) },
            &trial.seed.part(100 + round),
        );
        for other in &nodes[1..] {
            follow(other, Some(promoted));
        }
        dead.restart();
        follow(&dead, Some(&nodes[0]));
        nodes.push(dead);
        for other in &nodes[1..] {
            wait_link_up(other);
        }
        load.stop();
        for other in &nodes[1..] {
            assert_same(&nodes[0], other);
            assert_kept(&promised, other);
        }
    }
    Ok(())
}
