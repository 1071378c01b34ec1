//! Row 14: five nodes in a tree that is laid anew all the time, under load: replicas that move, a role that changes hands, nodes that
//! are killed and come back. In the end all have the same data and the same history.

use crate::load::{Load, Spec};
use crate::oracle::{Syncs, assert_same, wait_caught_up};
use crate::wait::must;
use crate::{Server, eventually};

use super::{Skip, Trial, follow};

const NODES: usize = 5;

/// Who follows whom: the parent of each node, none for the root.
struct Tree {
    nodes: Vec<Server>,
    parents: Vec<Option<usize>>,
}

impl Tree {
    fn root(&self) -> usize {
        self.parents.iter().position(Option::is_none).expect("a root")
    }

    /// True if `node` is `above` or stands below it.
    fn is_below(&self, mut node: usize, above: usize) -> bool {
        loop {
            match self.parents[node] {
                _ if node == above => return true,
                Some(parent) => node = parent,
                None => return false,
            }
        }
    }

    fn attach(&mut self, node: usize, parent: usize) {
        self.parents[node] = Some(parent);
        follow(&self.nodes[node], Some(&self.nodes[parent]));
    }

    #[track_caller]
    fn assert_all_same(&self) {
        let root = &self.nodes[self.root()];
        for node in 0..NODES {
            if self.parents[node].is_some() {
                assert_same(root, &self.nodes[node]);
            }
        }
        let id = root.info().text("master_replid").to_string();
        for node in &self.nodes {
            eventually("all are of one history", || {
                let info = node.info();
                must(info.text("master_replid") == id, || format!("{info:?}"))
            });
        }
    }

    fn full_copies(&self) -> i64 {
        self.nodes.iter().map(|node| Syncs::of(node).full).sum()
    }
}

/// See the module.
pub fn relay(trial: &mut Trial) -> Result<(), Skip> {
    // Nothing is written while a calm trial moves nodes: then nobody needs another copy, whoever moves where.
    let calm = trial.seed.one_in(3);
    let mut nodes: Vec<Server> = Vec::new();
    let mut parents = Vec::new();
    for kind in trial.mixture(NODES) {
        let builder = trial.server(kind).set("repl-backlog-size", "64mb");
        let builder = if calm { builder.set("repl-ping-replica-period", 3600).set("repl-timeout", 36000) } else { builder };
        let parent = if nodes.is_empty() { None } else { Some(trial.seed.below(nodes.len() as u64) as usize) };
        let builder = match parent {
            Some(parent) => builder.replica_of(nodes[parent].port()),
            None => builder,
        };
        nodes.push(builder.start());
        parents.push(parent);
    }
    let mut tree = Tree { nodes, parents };
    println!("    calm {calm}, parents {:?}", tree.parents);
    let mut load = Some(begin(trial, &tree, 0));
    for round in 1..=trial.rounds(8) {
        let wait = !trial.seed.one_in(3);
        if let Some(load) = &load
            && wait
        {
            load.wait_more(1 + trial.seed.below(300));
        }
        let mut copies = 0;
        if calm {
            load = load.take().and_then(|load| {
                load.stop();
                None
            });
            tree.assert_all_same();
            copies = tree.full_copies();
        }
        match trial.seed.below(if calm { 2 } else { 3 }) {
            0 => move_one(trial, &mut tree),
            1 => {
                if let Some(load) = load.take() {
                    load.stop();
                }
                change_root(trial, &mut tree);
            }
            _ => {
                let node = trial.seed.below(NODES as u64) as usize;
                if tree.parents[node].is_some() {
                    println!("    restart {node}");
                    tree.nodes[node].restart();
                    // Its configuration file names whom it followed first.
                    let parent = tree.parents[node].expect("a replica");
                    tree.attach(node, parent);
                }
            }
        }
        if calm {
            tree.assert_all_same();
            assert_eq!(tree.full_copies(), copies, "somebody was copied to again, with parents {:?}", tree.parents);
        }
        load = Some(load.unwrap_or_else(|| begin(trial, &tree, round)));
    }
    if let Some(load) = load {
        load.wait_more(50);
        let ledger = load.stop();
        tree.assert_all_same();
        for node in &tree.nodes {
            ledger.assert_kept(node);
        }
    }
    Ok(())
}

/// Each round's writers have keys of their own.
fn begin(trial: &mut Trial, tree: &Tree, round: u64) -> Load {
    let spec = Spec { writers: 2, first_writer: 100 * round, ..Spec::of(&tree.nodes[tree.root()]) };
    Load::start(spec, &trial.seed.part(round))
}

fn move_one(trial: &mut Trial, tree: &mut Tree) {
    let node = trial.seed.below(NODES as u64) as usize;
    let places: Vec<usize> = (0..NODES).filter(|place| !tree.is_below(*place, node)).collect();
    if !places.is_empty() {
        let place = *trial.seed.pick(&places);
        println!("    move {node} below {place}");
        tree.attach(node, place);
    }
}

/// Promotes any node; the old root follows it, or one that follows it.
fn change_root(trial: &mut Trial, tree: &mut Tree) {
    let old = tree.root();
    let new = trial.seed.below(NODES as u64) as usize;
    if new == old {
        return;
    }
    println!("    promote {new} in place of {old}");
    wait_caught_up(&mut tree.nodes[old].client(), &mut tree.nodes[new].client());
    follow(&tree.nodes[new], None);
    tree.parents[new] = None;
    // Not below what stands below itself.
    let places: Vec<usize> = (0..NODES).filter(|place| !tree.is_below(*place, old)).collect();
    let place = *trial.seed.pick(&places);
    tree.attach(old, place);
}
