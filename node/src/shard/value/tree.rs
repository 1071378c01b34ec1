//! A long sequence in leaves, each leaf behind an `Arc`: what big lists and sorted sets are made of.
//!
//! ```text
//!                inner: (count, key, child)*            at most FANOUT children
//!               /             |            \
//!          inner            inner          inner        every leaf at the same depth
//!         /  |  \          /  |  \        /  |  \
//!      leaf leaf leaf    …                               the leaf's owner decides how much one holds
//! ```
//!
//! Every step costs at most the depth times the fan-out, whatever the length. A clone shares everything, and a later change
//! copies one path: that is how a snapshot keeps a value of millions of elements while it is being written to.
//!
//! Nothing here knows what an element is. A tree is never told to search: whoever knows the order gives the direction.

use super::segments::share_of;
use std::sync::Arc;

/// The most children of an inner node.
const FANOUT: usize = 64;
/// How many children of the root are looked at to see what a tree shares; of others, fewer.
const CHILD_SAMPLES: usize = 16;

/// A run of elements.
pub trait Leaf: Clone + Default {
    /// What inner nodes remember of a leaf's first element, to search without touching the leaf.
    type Key: Copy + Default;

    /// How many elements there are.
    fn count(&self) -> usize;

    /// The key of the first element.
    fn key(&self) -> Self::Key;

    /// Takes over the elements of `next`, which follow, if the two together make a leaf of half the usual size or less.
    fn absorb(&mut self, next: &Self) -> bool;
}

#[derive(Clone)]
enum Node<L: Leaf> {
    Leaf(L),
    Inner(Vec<Child<L>>),
}

/// A subtree, with what its parent knows of it.
#[derive(Clone)]
pub struct Child<L: Leaf> {
    count: usize,
    key: L::Key,
    node: Arc<Node<L>>,
}

/// A sequence of elements in leaves.
#[derive(Clone)]
pub struct Tree<L: Leaf> {
    root: Child<L>,
}

/// The way to a leaf.
enum Way<'a, L: Leaf> {
    First,
    Last,
    /// To the leaf that holds the element at this position; the end of the last leaf for the position after the last element.
    Position(usize),
    /// To the last leaf of which this is true of its first element, or else the first leaf.
    Before(&'a dyn Fn(&Child<L>) -> bool),
}

impl<L: Leaf> Child<L> {
    fn new(node: Node<L>) -> Self {
        let (count, key) = match &node {
            Node::Leaf(leaf) => (leaf.count(), leaf.key()),
            Node::Inner(children) => (
                children.iter().map(|child| child.count).sum(),
                children.first().map_or_else(Default::default, |child| child.key),
            ),
        };
        Child { count, key, node: Arc::new(node) }
    }

    /// The key of the subtree's first element.
    pub fn key(&self) -> L::Key {
        self.key
    }

    /// The subtree's first leaf.
    pub fn first_leaf(&self) -> &L {
        let mut node = &*self.node;
        loop {
            match node {
                Node::Leaf(leaf) => return leaf,
                Node::Inner(children) => node = &children[0].node,
            }
        }
    }

    fn refresh(&mut self) {
        (self.count, self.key) = match &*self.node {
            Node::Leaf(leaf) => (leaf.count(), leaf.key()),
            Node::Inner(children) => (
                children.iter().map(|child| child.count).sum(),
                children.first().map_or_else(Default::default, |child| child.key),
            ),
        };
    }

    /// Merges `next` into this one if both are small.
    fn absorb(&mut self, next: &Child<L>) -> bool {
        // Looks before it makes a private copy of a shared node.
        let fits = match (&*self.node, &*next.node) {
            (Node::Leaf(_), Node::Leaf(_)) => true,
            (Node::Inner(a), Node::Inner(b)) => a.len() + b.len() <= FANOUT / 2,
            _ => false,
        };
        if !fits {
            return false;
        }
        let merged = match (Arc::make_mut(&mut self.node), &*next.node) {
            (Node::Leaf(a), Node::Leaf(b)) => a.absorb(b),
            (Node::Inner(a), Node::Inner(b)) => {
                a.extend_from_slice(b);
                true
            }
            _ => false,
        };
        if merged {
            self.refresh();
        }
        merged
    }

    /// Changes the leaf at the end of `way`. Returns what `change` returned, and the nodes that now follow this one.
    fn edit<R>(&mut self, way: Way<'_, L>, change: impl FnOnce(&mut L, usize) -> (R, Vec<L>)) -> (R, Vec<Child<L>>) {
        match Arc::make_mut(&mut self.node) {
            Node::Leaf(leaf) => {
                let offset = match way {
                    Way::First | Way::Before(_) => 0,
                    Way::Last => leaf.count(),
                    Way::Position(position) => position,
                };
                let (result, more) = change(leaf, offset);
                (self.count, self.key) = (leaf.count(), leaf.key());
                (result, more.into_iter().map(|leaf| Child::new(Node::Leaf(leaf))).collect())
            }
            Node::Inner(children) => {
                let (at, way) = way.step(children);
                let before = children[at].count;
                let (result, more) = children[at].edit(way, change);
                let siblings = if more.is_empty() {
                    // The usual case: only one child's count changed, so nothing has to be summed up.
                    self.count = self.count - before + children[at].count;
                    if children[at].count < before {
                        tidy(children, at);
                    }
                    Vec::new()
                } else {
                    children.splice(at + 1..at + 1, more);
                    if children[at].count == 0 {
                        children.remove(at);
                    }
                    let siblings = split_children(children);
                    self.count = children.iter().map(|child| child.count).sum();
                    siblings
                };
                self.key = children[0].key;
                (result, siblings)
            }
        }
    }
}

/// How many leaves are below a node that is `depth` levels above them.
fn leaf_count<L: Leaf>(node: &Node<L>, depth: usize) -> usize {
    match node {
        Node::Leaf(_) => 1,
        Node::Inner(children) if depth <= 1 => children.len(),
        Node::Inner(children) => children.iter().map(|child| leaf_count(&child.node, depth - 1)).sum(),
    }
}

fn unshared<L: Leaf>(child: &Child<L>, samples: usize) -> f64 {
    match &*child.node {
        _ if Arc::strong_count(&child.node) > 1 => 0.0,
        Node::Leaf(_) => 1.0,
        Node::Inner(children) => share_of(children, samples, |child| unshared(child, (samples / 2).max(2))),
    }
}

/// Drops child `at` if it is empty, or merges it with a neighbour if both are small. Leaves at least one child.
fn tidy<L: Leaf>(children: &mut Vec<Child<L>>, at: usize) {
    if children.len() < 2 {
        return;
    }
    if children[at].count == 0 {
        children.remove(at);
        return;
    }
    for left in [Some(at), at.checked_sub(1)].into_iter().flatten() {
        if let [a, b, ..] = &mut children[left..]
            && a.absorb(b)
        {
            children.remove(left + 1);
            return;
        }
    }
}

/// Splits an overfull list of children; returns the nodes that follow it.
fn split_children<L: Leaf>(children: &mut Vec<Child<L>>) -> Vec<Child<L>> {
    let mut siblings = Vec::new();
    while children.len() > FANOUT {
        // Halves, for one too many; a run of half full nodes, for a great many at once.
        let tail = children.split_off(children.len() - FANOUT / 2);
        siblings.push(Child::new(Node::Inner(tail)));
    }
    siblings.reverse();
    siblings
}

impl<L: Leaf> Way<'_, L> {
    /// Which child to go to, and how to go on there.
    fn step(self, children: &[Child<L>]) -> (usize, Self) {
        let last = children.len() - 1;
        match self {
            Way::First => (0, self),
            Way::Last => (last, self),
            Way::Position(mut position) => {
                for (at, child) in children.iter().enumerate() {
                    if position < child.count || at == last {
                        return (at, Way::Position(position));
                    }
                    position -= child.count;
                }
                (last, Way::Last)
            }
            Way::Before(passed) => (children.partition_point(passed).saturating_sub(1), self),
        }
    }
}

impl<L: Leaf> Tree<L> {
    /// A tree of one leaf.
    pub fn new(leaf: L) -> Self {
        Tree { root: Child::new(Node::Leaf(leaf)) }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.root.count
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.root.count == 0
    }

    /// The leaf that holds the element at `position`, and where in the leaf.
    pub fn leaf_at(&self, position: usize) -> Option<(&L, usize)> {
        if position >= self.len() {
            return None;
        }
        let (leaf, rank) = self.walk(Way::Position(position));
        Some((leaf, position - rank))
    }

    /// The last leaf of whose first element `passed` is true, or else the first leaf; with the position of its first element.
    /// `passed` must be true up to some point of the sequence, and false from there on.
    pub fn leaf_before(&self, passed: impl Fn(&Child<L>) -> bool) -> (&L, usize) {
        self.walk(Way::Before(&passed))
    }

    /// The first leaf.
    pub fn first_leaf(&self) -> &L {
        self.walk(Way::First).0
    }

    /// The last leaf.
    pub fn last_leaf(&self) -> &L {
        self.walk(Way::Last).0
    }

    /// The only leaf, if there is only one.
    pub fn only_leaf(&self) -> Option<&L> {
        match &*self.root.node {
            Node::Leaf(leaf) => Some(leaf),
            Node::Inner(_) => None,
        }
    }

    /// How many leaves there are. Looks at the inner nodes only.
    pub fn leaf_count(&self) -> usize {
        let (mut depth, mut node) = (0, &*self.root.node);
        while let Node::Inner(children) = node {
            (depth, node) = (depth + 1, &children[0].node);
        }
        leaf_count(&self.root.node, depth)
    }

    /// About which share of the leaves no clone of this tree has, from a few samples.
    pub fn unshared(&self) -> f64 {
        unshared(&self.root, CHILD_SAMPLES)
    }

    fn walk<'a>(&'a self, mut way: Way<'_, L>) -> (&'a L, usize) {
        let mut node = &*self.root.node;
        let mut rank = 0;
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf, rank),
                Node::Inner(children) => {
                    let (at, next) = way.step(children);
                    way = next;
                    rank += children[..at].iter().map(|child| child.count).sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// Changes the leaf that holds the element at `position` (the last leaf for a position past the end); `change` is given the
    /// leaf and the position within it, and returns leaves to put behind it along with its result. It may empty the leaf.
    pub fn edit_at<R>(&mut self, position: usize, change: impl FnOnce(&mut L, usize) -> (R, Vec<L>)) -> R {
        self.edit(Way::Position(position), change)
    }

    /// Changes the first leaf, as [`edit_at`](Self::edit_at).
    pub fn edit_first<R>(&mut self, change: impl FnOnce(&mut L) -> (R, Vec<L>)) -> R {
        self.edit(Way::First, |leaf, _| change(leaf))
    }

    /// Changes the last leaf, as [`edit_at`](Self::edit_at).
    pub fn edit_last<R>(&mut self, change: impl FnOnce(&mut L) -> (R, Vec<L>)) -> R {
        self.edit(Way::Last, |leaf, _| change(leaf))
    }

    /// Changes the leaf that [`leaf_before`](Self::leaf_before) finds.
    pub fn edit_before<R>(&mut self, passed: impl Fn(&Child<L>) -> bool, change: impl FnOnce(&mut L) -> (R, Vec<L>)) -> R {
        self.edit(Way::Before(&passed), |leaf, _| change(leaf))
    }

    /// Appends a leaf that is not empty.
    pub fn push_leaf(&mut self, leaf: L) {
        self.edit(Way::Last, |last, _| {
            if last.count() == 0 {
                *last = leaf;
                ((), Vec::new())
            } else {
                ((), vec![leaf])
            }
        });
    }

    /// Takes the first leaf away, leaving the rest.
    pub fn pop_leaf(&mut self) -> L {
        self.edit(Way::First, |leaf, _| (std::mem::take(leaf), Vec::new()))
    }

    fn edit<R>(&mut self, way: Way<'_, L>, change: impl FnOnce(&mut L, usize) -> (R, Vec<L>)) -> R {
        let (result, mut siblings) = self.root.edit(way, change);
        while !siblings.is_empty() {
            let first = std::mem::replace(&mut self.root, Child::new(Node::Inner(Vec::new())));
            siblings.insert(0, first);
            // A change may leave many leaves behind it at once, so the new level can itself be overfull.
            let more = split_children(&mut siblings);
            self.root = Child::new(Node::Inner(siblings));
            siblings = more;
        }
        while let Node::Inner(children) = &*self.root.node
            && let [only] = &children[..]
        {
            self.root = only.clone();
        }
        result
    }

    /// The leaves from the one that holds the element at `position` on, each with the position of its first element.
    pub fn leaves_from(&self, position: usize) -> impl Iterator<Item = (&L, usize)> {
        let mut position = position;
        std::iter::from_fn(move || {
            let (leaf, offset) = self.leaf_at(position)?;
            let start = position - offset;
            position = start + leaf.count();
            Some((leaf, start))
        })
    }
}

#[cfg(test)]
mod tests;
