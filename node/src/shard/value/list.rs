//! Lists: one listpack while small, a tree of listpacks when not.
//!
//! Elements come out as [`Element`]s, because a listpack keeps integers as integers. Positions are `usize` from the head; what
//! a negative index means is the business of the commands.

use super::thresholds::Thresholds;
use super::tree::{Leaf, Tree};
use koltso_proto::listpack::{Element, Listpack};
use std::fmt;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The left end, position 0.
    Head,
    /// The right end.
    Tail,
}

/// A list.
#[derive(Clone)]
pub enum List {
    /// `listpack`
    Packed(Listpack),
    /// `quicklist`
    Nodes(Box<Tree<Listpack>>),
}

/// Two neighbouring nodes become one up to this size, in bytes, when something was removed: half of the default limit of a node.
/// That may be more than a small `list-max-listpack-size` makes of new nodes.
const MERGED_NODE_BYTES: usize = 4096;
/// How many nodes an estimate of a list's size looks at.
const NODE_SAMPLES: usize = 5;

impl Leaf for Listpack {
    type Key = ();

    fn count(&self) -> usize {
        self.len()
    }

    fn key(&self) {}

    fn absorb(&mut self, next: &Self) -> bool {
        let fits = self.byte_len() + next.byte_len() <= MERGED_NODE_BYTES && self.len() + next.len() <= 64;
        if fits {
            next.iter().for_each(|(_, element)| self.push_back_element(element));
        }
        fits
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// An empty list.
    pub fn new() -> Self {
        List::Packed(Listpack::new())
    }

    /// A list in the form that its size asks for.
    pub fn from_packed(pack: Listpack, limits: &Thresholds) -> Self {
        let mut list = List::Packed(pack);
        list.grow_if_needed(0, 0, limits);
        list
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(&self) -> &'static str {
        match self {
            List::Packed(_) => "listpack",
            List::Nodes(_) => "quicklist",
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            List::Packed(pack) => pack.len(),
            List::Nodes(tree) => tree.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Goes over to nodes if `count` more elements of `bytes` in all would be too much for a plain listpack. Call it once with
    /// the sum of what is to be pushed: that is when Redis decides.
    pub fn grow_if_needed(&mut self, bytes: usize, count: usize, limits: &Thresholds) {
        if let List::Packed(pack) = self
            && limits.list_node_exceeded(pack.byte_len() + bytes, pack.len() + count)
        {
            let pack = std::mem::take(pack);
            let mut tree = Tree::new(Listpack::new());
            if limits.list_node_exceeded(pack.byte_len(), pack.len()) {
                pack.iter().for_each(|(_, element)| push_back(&mut tree, element, limits));
            } else {
                tree.push_leaf(pack);
            }
            *self = List::Nodes(Box::new(tree));
        }
    }

    /// Makes room for elements that are about to be pushed, while the list is one listpack.
    pub fn reserve_for<'a>(&mut self, elements: impl Iterator<Item = &'a [u8]>) {
        if let List::Packed(pack) = self {
            pack.reserve_for(elements);
        }
    }

    /// Goes back to a plain listpack if little is left. Call it after removing.
    pub fn shrink_if_possible(&mut self, limits: &Thresholds) {
        if let List::Nodes(tree) = self
            && let Some(pack) = tree.only_leaf()
            && !limits.list_node_exceeds_half(pack.byte_len(), pack.len())
        {
            let mut pack = pack.clone();
            pack.shrink_to_fit();
            *self = List::Packed(pack);
        }
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, element: &[u8], limits: &Thresholds) {
        self.grow_if_needed(element.len(), 1, limits);
        match (self, end) {
            (List::Packed(pack), End::Head) => pack.push_front(element),
            (List::Packed(pack), End::Tail) => pack.push_back(element),
            (List::Nodes(tree), End::Head) => push_front(tree, element, limits),
            (List::Nodes(tree), End::Tail) => push_back(tree, Element::Str(element), limits),
        }
    }

    /// The element at an end.
    pub fn peek(&self, end: End) -> Option<Element<'_>> {
        match (self, end) {
            (List::Packed(pack), End::Head) => pack.element(pack.first()?),
            (List::Packed(pack), End::Tail) => pack.element(pack.last()?),
            (List::Nodes(tree), End::Head) => tree.first_leaf().element(tree.first_leaf().first()?),
            (List::Nodes(tree), End::Tail) => tree.last_leaf().element(tree.last_leaf().last()?),
        }
    }

    /// Removes the element at an end, if there is one.
    pub fn pop(&mut self, end: End) {
        match (self, end) {
            (List::Packed(pack), _) => pop_packed(pack, end),
            (List::Nodes(tree), End::Head) => tree.edit_first(|pack| (pop_packed(pack, end), Vec::new())),
            (List::Nodes(tree), End::Tail) => tree.edit_last(|pack| (pop_packed(pack, end), Vec::new())),
        }
    }

    /// The element at `position`.
    pub fn get(&self, position: usize) -> Option<Element<'_>> {
        match self {
            List::Packed(pack) => pack.get(i64::try_from(position).ok()?),
            List::Nodes(tree) => {
                let (pack, offset) = tree.leaf_at(position)?;
                pack.get(offset as i64)
            }
        }
    }

    /// Puts `element` in the place of the one at `position`; false if there is none.
    pub fn set(&mut self, position: usize, element: &[u8], limits: &Thresholds) -> bool {
        if position >= self.len() {
            return false;
        }
        self.grow_if_needed(element.len(), 0, limits);
        match self {
            List::Packed(pack) => replace(pack, position, element),
            List::Nodes(tree) => tree.edit_at(position, |pack, offset| {
                replace(pack, offset, element);
                ((), split_if_needed(pack, limits))
            }),
        }
        true
    }

    /// Inserts `element` so that it is then at `position`, at most at the end.
    pub fn insert(&mut self, position: usize, element: &[u8], limits: &Thresholds) {
        if position >= self.len() {
            return self.push(End::Tail, element, limits);
        }
        self.grow_if_needed(element.len(), 1, limits);
        match self {
            List::Packed(pack) => insert(pack, position, element),
            List::Nodes(tree) => tree.edit_at(position, |pack, offset| {
                insert(pack, offset, element);
                ((), split_if_needed(pack, limits))
            }),
        }
    }

    /// Removes up to `count` elements from `position` on.
    pub fn remove_range(&mut self, position: usize, count: usize) {
        let mut left = count.min(self.len().saturating_sub(position));
        match self {
            List::Packed(pack) if left > 0 => pack.remove_range(position as i64, left),
            List::Packed(_) => {}
            List::Nodes(tree) => {
                while left > 0 {
                    left -= tree.edit_at(position, |pack, offset| {
                        let here = left.min(pack.len() - offset);
                        if here == pack.len() {
                            *pack = Listpack::new();
                        } else {
                            pack.remove_range(offset as i64, here);
                        }
                        (here, Vec::new())
                    });
                }
            }
        }
    }

    /// Removes elements equal to `element`: the first `max` from the given end on. Returns how many.
    pub fn remove_equal(&mut self, element: &[u8], from: End, max: usize) -> usize {
        let mut removed = 0;
        match (self, from) {
            (List::Packed(pack), _) => removed = remove_equal(pack, element, from, max),
            (List::Nodes(tree), End::Head) => {
                let mut position = 0;
                while removed < max
                    && let Some((pack, offset)) = tree.leaf_at(position)
                {
                    let len = pack.len();
                    let here = if pack.find(element, 0).is_none() {
                        0
                    } else {
                        edit_equal(tree, position, element, from, max - removed)
                    };
                    removed += here;
                    // Removing may have merged nodes, which moves no element.
                    position += len - offset - here;
                }
            }
            (List::Nodes(tree), End::Tail) => {
                let mut end = tree.len();
                while removed < max
                    && let Some(position) = end.checked_sub(1)
                    && let Some((pack, offset)) = tree.leaf_at(position)
                {
                    end = position - offset;
                    if pack.find(element, 0).is_some() {
                        removed += edit_equal(tree, position, element, from, max - removed);
                    }
                }
            }
        }
        removed
    }

    /// Up to `count` elements from `position` on, towards the tail.
    pub fn range(&self, position: usize, count: usize) -> impl Iterator<Item = Element<'_>> {
        let (pack, tree) = match self {
            List::Packed(pack) => (Some((pack, 0)), None),
            List::Nodes(tree) => (None, Some(tree.leaves_from(position))),
        };
        let nodes = pack.into_iter().chain(tree.into_iter().flatten());
        nodes
            .flat_map(move |(pack, start)| {
                let offset = position.saturating_sub(start);
                let pos = if offset == 0 { pack.first() } else { pack.seek(offset as i64) };
                pos.into_iter().flat_map(|pos| pack.iter_from(pos)).map(|(_, element)| element)
            })
            .take(count)
    }

    /// All elements, head first.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> {
        self.range(0, usize::MAX)
    }

    /// Up to `count` elements from `position` on, towards the head.
    pub fn range_rev(&self, position: usize, count: usize) -> impl Iterator<Item = Element<'_>> {
        let mut next = (position < self.len()).then_some(position);
        let nodes = std::iter::from_fn(move || {
            let position = next?;
            let (pack, offset) = match self {
                List::Packed(pack) => (pack, position),
                List::Nodes(tree) => tree.leaf_at(position)?,
            };
            next = (position - offset).checked_sub(1);
            Some((pack, pack.seek(offset as i64)?))
        });
        nodes.flat_map(|(pack, pos)| pack.iter_rev_from(pos)).map(|(_, element)| element).take(count)
    }

    /// How many nodes there are.
    pub fn packs_len(&self) -> usize {
        match self {
            List::Packed(_) => 1,
            List::Nodes(tree) => tree.leaf_count(),
        }
    }

    /// The nodes from the one with the element at `position` on, for writing them to a file as they are.
    pub fn packs(&self, position: usize) -> impl Iterator<Item = &Listpack> {
        let (pack, tree) = match self {
            List::Packed(pack) => (Some(pack), None),
            List::Nodes(tree) => (None, Some(tree.leaves_from(position).map(|(pack, _)| pack))),
        };
        pack.into_iter().chain(tree.into_iter().flatten())
    }

    /// Appends a whole node that came out of a file.
    pub fn push_pack(&mut self, pack: Listpack, limits: &Thresholds) {
        if pack.is_empty() {
            return;
        }
        self.grow_if_needed(pack.byte_len(), pack.len(), limits);
        match self {
            List::Packed(own) if own.is_empty() => *own = pack,
            List::Packed(own) => pack.iter().for_each(|(_, element)| own.push_back_element(element)),
            // A foreign node may be as large as its writer's limits allowed.
            List::Nodes(tree) if limits.list_node_exceeded(pack.byte_len(), pack.len()) => {
                pack.iter().for_each(|(_, element)| push_back(tree, element, limits));
            }
            List::Nodes(tree) => tree.push_leaf(pack),
        }
    }

    /// Drops about `budget` elements; true when nothing is left. For giving a large list back slowly.
    pub fn free_some(&mut self, budget: usize) -> bool {
        let mut freed = 0;
        match self {
            List::Packed(pack) => *pack = Listpack::new(),
            List::Nodes(tree) => {
                while freed < budget && !tree.is_empty() {
                    freed += tree.pop_leaf().len();
                }
            }
        }
        self.is_empty()
    }

    /// About how many bytes there are that no clone of this list shares.
    pub fn unshared_bytes(&self) -> usize {
        match self {
            List::Packed(pack) => pack.capacity(),
            List::Nodes(tree) => (tree.unshared() * self.heap_bytes() as f64) as usize,
        }
    }

    /// Bytes on the heap, estimated from some nodes.
    pub fn heap_bytes(&self) -> usize {
        match self {
            List::Packed(pack) => pack.capacity(),
            List::Nodes(tree) => {
                let (mut bytes, mut elements) = (0, 0);
                for (pack, _) in tree.leaves_from(0).take(NODE_SAMPLES) {
                    bytes += pack.capacity() + 80;
                    elements += pack.len();
                }
                (bytes as f64 / elements.max(1) as f64 * tree.len() as f64) as usize + size_of::<Tree<Listpack>>()
            }
        }
    }
}

fn pop_packed(pack: &mut Listpack, end: End) {
    let pos = match end {
        End::Head => pack.first(),
        End::Tail => pack.last(),
    };
    if let Some(pos) = pos {
        pack.remove(pos);
    }
}

fn replace(pack: &mut Listpack, offset: usize, element: &[u8]) {
    if let Some(pos) = pack.seek(offset as i64) {
        pack.replace(pos, element);
    }
}

fn insert(pack: &mut Listpack, offset: usize, element: &[u8]) {
    match pack.seek(offset as i64) {
        Some(pos) => pack.insert_before(pos, element),
        None => pack.push_back(element),
    }
}

fn push_back(tree: &mut Tree<Listpack>, element: Element<'_>, limits: &Thresholds) {
    let size = match element {
        Element::Str(bytes) => Listpack::entry_size(bytes),
        Element::Int(_) => 10,
    };
    tree.edit_last(|pack| {
        if pack.is_empty() || !limits.list_node_exceeded(pack.byte_len() + size, pack.len() + 1) {
            pack.push_back_element(element);
            return ((), Vec::new());
        }
        // Nothing more is added to this one: give back what doubling took too much.
        pack.shrink_to_fit();
        let mut next = Listpack::new();
        next.push_back_element(element);
        ((), vec![next])
    });
}

fn push_front(tree: &mut Tree<Listpack>, element: &[u8], limits: &Thresholds) {
    let size = Listpack::entry_size(element);
    tree.edit_first(|pack| {
        if pack.is_empty() || !limits.list_node_exceeded(pack.byte_len() + size, pack.len() + 1) {
            pack.push_front(element);
            return ((), Vec::new());
        }
        let mut next = std::mem::take(pack);
        next.shrink_to_fit();
        pack.push_front(element);
        ((), vec![next])
    });
}

/// Splits an overfull node in the middle, and the halves again while they are too large; returns what follows it.
fn split_if_needed(pack: &mut Listpack, limits: &Thresholds) -> Vec<Listpack> {
    if pack.len() < 2 || !limits.list_node_exceeded(pack.byte_len(), pack.len()) {
        return Vec::new();
    }
    let elements = std::mem::take(pack);
    let mut packs = vec![Listpack::new()];
    let half = elements.byte_len() / 2;
    for (pos, element) in elements.iter() {
        let last = packs.len() - 1;
        let size = match element {
            Element::Str(bytes) => bytes.len() + 10,
            Element::Int(_) => 10,
        };
        let own = &packs[last];
        let middle = last == 0 && pos > half;
        if !own.is_empty() && (middle || limits.list_node_exceeded(own.byte_len() + size, own.len() + 1)) {
            packs.push(Listpack::new());
        }
        packs.last_mut().expect("there is always one").push_back_element(element);
    }
    *pack = packs.remove(0);
    packs
}

fn edit_equal(tree: &mut Tree<Listpack>, position: usize, element: &[u8], from: End, max: usize) -> usize {
    tree.edit_at(position, |pack, _| (remove_equal(pack, element, from, max), Vec::new()))
}

fn remove_equal(pack: &mut Listpack, element: &[u8], from: End, max: usize) -> usize {
    let mut removed = 0;
    match from {
        End::Head => {
            let mut at = pack.first();
            while removed < max
                && let Some(start) = at
                && let Some(pos) = pack.find_from(start, element, 0)
            {
                at = pack.remove(pos);
                removed += 1;
            }
        }
        End::Tail => {
            let mut at = pack.last();
            while removed < max
                && let Some(pos) = at
            {
                // What is in front of a position does not move when something at it is removed.
                at = pack.prev(pos);
                if pack.element(pos).is_some_and(|own| own.eq_bytes(element)) {
                    pack.remove(pos);
                    removed += 1;
                }
            }
        }
    }
    removed
}

#[cfg(test)]
mod tests;
