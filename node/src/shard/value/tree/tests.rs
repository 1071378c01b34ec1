//! The tree against a plain vector.

use super::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const LEAF_MAX: usize = 8;

impl Leaf for Vec<u32> {
    type Key = u32;

    fn count(&self) -> usize {
        self.len()
    }

    fn key(&self) -> u32 {
        self.first().copied().unwrap_or_default()
    }

    fn absorb(&mut self, next: &Self) -> bool {
        let fits = self.len() + next.len() <= LEAF_MAX / 2;
        if fits {
            self.extend_from_slice(next);
        }
        fits
    }
}

fn insert(tree: &mut Tree<Vec<u32>>, position: usize, value: u32) {
    tree.edit_at(position, |leaf, offset| {
        leaf.insert(offset, value);
        let more = if leaf.len() > LEAF_MAX { vec![leaf.split_off(LEAF_MAX / 2)] } else { Vec::new() };
        ((), more)
    });
}

fn remove(tree: &mut Tree<Vec<u32>>, position: usize) -> u32 {
    tree.edit_at(position, |leaf, offset| (leaf.remove(offset), Vec::new()))
}

fn elements(tree: &Tree<Vec<u32>>) -> Vec<u32> {
    tree.leaves_from(0).flat_map(|(leaf, _)| leaf.iter().copied()).collect()
}

/// Counts, keys and depths agree with what is below; returns the depth.
fn check(child: &Child<Vec<u32>>, root: bool) -> usize {
    match &*child.node {
        Node::Leaf(leaf) => {
            assert_eq!((child.count, child.key), (leaf.count(), leaf.key()));
            assert!(root || !leaf.is_empty());
            0
        }
        Node::Inner(children) => {
            assert!(!children.is_empty() && children.len() <= FANOUT);
            assert_eq!(child.count, children.iter().map(|child| child.count).sum::<usize>());
            assert_eq!(child.key, children[0].key);
            let depths: Vec<usize> = children.iter().map(|child| check(child, false)).collect();
            assert!(depths.iter().all(|depth| *depth == depths[0]), "leaves at different depths");
            depths[0] + 1
        }
    }
}

#[test]
fn random_insertions_and_removals_match_a_vector_and_leave_clones_alone() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut tree = Tree::new(Vec::new());
    let mut model: Vec<u32> = Vec::new();
    let mut kept: Option<(Tree<Vec<u32>>, Vec<u32>)> = None;
    for round in 0..40_000u32 {
        // Grows to some thousands, shrinks to nothing, grows again.
        let growing = (round / 10_000) % 2 == 0;
        if model.is_empty() || rng.random_bool(if growing { 0.9 } else { 0.1 }) {
            let position = rng.random_range(0..=model.len());
            insert(&mut tree, position, round);
            model.insert(position, round);
        } else {
            let position = rng.random_range(0..model.len());
            assert_eq!(remove(&mut tree, position), model.remove(position));
        }
        assert_eq!(tree.len(), model.len());
        if round % 997 == 0 {
            check(&tree.root, true);
            assert_eq!(elements(&tree), model);
            if let Some((tree, model)) = kept.replace((tree.clone(), model.clone())) {
                assert_eq!(elements(&tree), model, "a clone changed");
            }
        }
    }
}

#[test]
fn a_search_finds_the_leaf_before_which_nothing_fits() {
    let mut tree = Tree::new(Vec::new());
    for value in 0..5000 {
        insert(&mut tree, value as usize, 2 * value);
    }
    for wanted in [0, 1, 2, 777, 5000, 9998, 9999, 20_000] {
        let (leaf, rank) = tree.leaf_before(|child| child.key() <= wanted);
        assert!(leaf[0] <= wanted && wanted < leaf.last().unwrap() + 2 || wanted >= 9998, "{wanted}");
        assert_eq!(leaf[0] as usize, 2 * rank);
    }
}

#[test]
fn many_leaves_at_once_make_as_many_levels_as_they_need() {
    let mut tree = Tree::new(vec![0]);
    tree.edit_last(|_| ((), (1..20_000).map(|value| vec![value]).collect()));
    check(&tree.root, true);
    assert_eq!(elements(&tree), (0..20_000).collect::<Vec<_>>());
    for value in 0..20_000 {
        assert_eq!(tree.pop_leaf(), [value]);
    }
    assert!(tree.is_empty());
    tree.push_leaf(vec![7]);
    assert_eq!(elements(&tree), [7]);
}
