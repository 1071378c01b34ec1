//! Streams: entries in the order of their ids, in nodes that are byte for byte Redis's, and consumer groups.
//!
//! ```text
//! entries:  tree of nodes, each a listpack of up to stream-node-max-bytes      XADD, XRANGE, trimming
//! groups:   by name; each with its pending entries and its consumers           XREADGROUP, XACK, XCLAIM
//! ```
//!
//! A clone shares nodes and groups, and a change copies what it touches: a snapshot passes over a long stream in no time. An
//! entry that is deleted is marked in its node; a node goes when none of its entries lives.

mod group;
mod horizon;
mod pending;
pub mod rdb;

pub use group::{Consumer, ConsumerId, Group, Pending};
pub use horizon::Horizon;
pub use pending::IdMap;

use super::tree::{Child, Leaf, Tree};
use koltso_proto::listpack::{self, Listpack};
use koltso_proto::stream::{self, Entry, Node, StreamId};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

/// How many nodes an estimate of a stream's size looks at.
const NODE_SAMPLES: usize = 5;
/// And how many groups.
const GROUP_SAMPLES: usize = 8;
/// What a consumer of a group takes, more or less.
const CONSUMER_LEN: usize = 256;

/// When a node is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimits {
    /// `stream-node-max-bytes`; 0 for none.
    pub bytes: u64,
    /// `stream-node-max-entries`; 0 for none.
    pub entries: u64,
}

/// A node, with its counts.
#[derive(Clone, Default)]
struct Chunk {
    master: StreamId,
    pack: Listpack,
    live: usize,
    deleted: usize,
}

impl Chunk {
    fn view(&self) -> Node<'_> {
        Node::new(self.master, self.pack.view())
    }

    fn new<'a>(id: StreamId, fields: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        Chunk { master: id, pack: stream::new_node(fields), live: 1, deleted: 0 }
    }

    fn is_full(&self, bytes: usize, limits: NodeLimits) -> bool {
        let bytes_max = match usize::try_from(limits.bytes) {
            Ok(0) | Err(_) => listpack::BYTES_MAX,
            Ok(bytes) => bytes.min(listpack::BYTES_MAX),
        };
        let entries = (self.live + self.deleted) as u64;
        self.pack.byte_len().saturating_add(bytes) >= bytes_max || (limits.entries > 0 && entries >= limits.entries)
    }

    /// Marks the first entries as gone, as long as `goes` says so; returns how many.
    fn delete_first(&mut self, goes: impl FnMut(StreamId) -> bool) -> usize {
        let gone = stream::delete_first(&mut self.pack, self.master, goes);
        self.live -= gone;
        self.deleted += gone;
        gone
    }
}

impl Leaf for Chunk {
    type Key = StreamId;

    fn count(&self) -> usize {
        self.live
    }

    fn key(&self) -> StreamId {
        self.master
    }

    fn absorb(&mut self, _: &Self) -> bool {
        false
    }
}

/// How much of the front of a stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// All but so many of the newest entries.
    MaxLen(usize),
    /// All entries before this id.
    MinId(StreamId),
}

/// A stream.
#[derive(Clone)]
pub struct Stream {
    nodes: Tree<Chunk>,
    /// The greatest id there ever was.
    pub last_id: StreamId,
    /// The greatest id of an entry that was deleted, other than by trimming.
    pub max_deleted: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
    groups: BTreeMap<Box<[u8]>, Arc<Group>>,
}

impl Default for Stream {
    fn default() -> Self {
        Stream {
            nodes: Tree::new(Chunk::default()),
            last_id: StreamId::MIN,
            max_deleted: StreamId::MIN,
            entries_added: 0,
            groups: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |entry: Entry<'_>| (entry.id, entry.fields().collect::<Vec<_>>().len());
        f.debug_map().entries(self.range(StreamId::MIN, StreamId::MAX).map(show)).finish()
    }
}

impl Stream {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no entry. Unlike other collections, a stream without any stays.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Appends an entry, whose id must be greater than [`last_id`](Self::last_id). `fields` is names and values in turn.
    pub fn append<'a>(&mut self, id: StreamId, fields: impl Iterator<Item = &'a [u8]> + Clone, limits: NodeLimits) {
        let bytes = fields.clone().map(<[u8]>::len).fold(0, usize::saturating_add);
        self.nodes.edit_last(|node| {
            if node.live == 0 {
                *node = Chunk::new(id, fields);
                return ((), Vec::new());
            }
            if node.is_full(bytes, limits) {
                // Nothing more is added to this one: give back what doubling took too much.
                node.pack.shrink_to_fit();
                return ((), vec![Chunk::new(id, fields)]);
            }
            stream::append(&mut node.pack, node.master, id, fields);
            node.live += 1;
            ((), Vec::new())
        });
        self.last_id = id;
        self.entries_added = self.entries_added.saturating_add(1);
    }

    /// The entries from `start` to `end`, both included.
    pub fn range(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let (_, rank) = self.nodes.leaf_before(leads_to(&start));
        self.nodes
            .leaves_from(rank)
            .flat_map(|(node, _)| node.view().living())
            .skip_while(move |entry| entry.id < start)
            .take_while(move |entry| entry.id <= end)
    }

    /// The same from `end` back to `start`.
    pub fn range_rev(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let (node, rank) = self.nodes.leaf_before(leads_to(&end));
        let mut next = (rank + node.live).checked_sub(1);
        let nodes = std::iter::from_fn(move || {
            let (node, offset) = self.nodes.leaf_at(next?)?;
            next = next.and_then(|position| (position - offset).checked_sub(1));
            Some(node)
        });
        nodes
            .flat_map(|node| node.view().entries_rev().filter(|entry| !entry.is_deleted()))
            .skip_while(move |entry| entry.id > end)
            .take_while(move |entry| entry.id >= start)
    }

    /// The entry of this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let (node, _) = self.nodes.leaf_before(leads_to(&id));
        let found = if node.live == 0 { None } else { node.view().living().find(|entry| entry.id >= id) };
        found.filter(|entry| entry.id == id)
    }

    /// The id of the first entry; `0-0` if there is none.
    pub fn first_id(&self) -> StreamId {
        self.range(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// The id of the last entry; `0-0` if there is none.
    pub fn newest_id(&self) -> StreamId {
        self.range_rev(StreamId::MIN, StreamId::MAX).next().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// Deletes the entry of this id; says whether there was one.
    pub fn delete(&mut self, id: StreamId) -> bool {
        // Looked for first, so that nothing shared is copied for an entry that is not there.
        if self.get(id).is_none() {
            return false;
        }
        self.nodes.edit_before(leads_to(&id), |node| {
            if stream::delete(&mut node.pack, node.master, id) {
                node.live -= 1;
                node.deleted += 1;
            }
            ((), Vec::new())
        });
        self.max_deleted = self.max_deleted.max(id);
        true
    }

    /// Removes entries from the front; returns how many. With `approximately`, only whole nodes; with a `limit` above 0, no node
    /// with which they would be more than that.
    pub fn trim(&mut self, trim: Trim, approximately: bool, limit: usize) -> usize {
        let mut removed = 0;
        while !self.is_empty() {
            let first = self.nodes.first_leaf();
            let surplus = match trim {
                Trim::MaxLen(max) => self.len().saturating_sub(max),
                Trim::MinId(_) => usize::MAX,
            };
            if surplus == 0 || (limit > 0 && removed + first.live > limit) {
                break;
            }
            let whole = match trim {
                Trim::MaxLen(_) => first.live <= surplus,
                Trim::MinId(id) => first.view().entries_rev().next().is_none_or(|last| last.id < id),
            };
            if whole {
                removed += self.nodes.pop_leaf().live;
                continue;
            }
            if approximately || matches!(trim, Trim::MinId(id) if first.master >= id) {
                break;
            }
            removed += self.nodes.edit_first(|node| {
                let mut left = surplus;
                let goes = |own| match trim {
                    Trim::MaxLen(_) => {
                        let goes = left > 0;
                        left = left.saturating_sub(1);
                        goes
                    }
                    Trim::MinId(id) => own < id,
                };
                (node.delete_first(goes), Vec::new())
            });
            break;
        }
        removed
    }

    /// What can be said about entries by their ids.
    pub fn horizon(&self) -> Horizon {
        Horizon {
            len: self.len() as u64,
            first_id: self.first_id(),
            last_id: self.last_id,
            max_deleted: self.max_deleted,
            entries_added: self.entries_added,
        }
    }

    /// How many entries a group has yet to read; `None` if that cannot be said.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        self.horizon().lag(group)
    }

    /// The number of groups.
    pub fn groups_len(&self) -> usize {
        self.groups.len()
    }

    /// All groups with their names, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, &**group))
    }

    /// The name of the group that comes next by name; of the first one behind `None`.
    fn group_behind(&self, name: Option<&[u8]>) -> Option<(&[u8], &Group)> {
        let begin = name.map_or(Bound::Unbounded, Bound::Excluded);
        let (name, group) = self.groups.range::<[u8], _>((begin, Bound::Unbounded)).next()?;
        Some((name, group))
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name).map(|group| &**group)
    }

    /// The group of this name, to change.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.get_mut(name).map(Arc::make_mut)
    }

    /// Adds a group; false if there is one of this name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        let is_new = !self.groups.contains_key(name);
        if is_new {
            self.groups.insert(name.into(), Arc::new(group));
        }
        is_new
    }

    /// Removes a group; says whether there was one.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        self.groups.remove(name).is_some()
    }

    /// The number of nodes, and that of the nodes a radix tree of their ids has in Redis: `XINFO STREAM` shows both.
    pub fn tree_size(&self) -> (usize, usize) {
        let ids: Vec<_> = self.nodes.leaves_from(0).map(|(node, _)| node.master.to_bytes()).collect();
        (ids.len(), if ids.is_empty() { 1 } else { radix_nodes(&ids, 0) })
    }

    /// Drops about `budget` entries or pending entries; true when nothing is left. For giving a large stream back slowly.
    pub fn free_some(&mut self, budget: usize) -> bool {
        let mut freed = 0;
        while freed < budget && !self.is_empty() {
            freed += self.nodes.pop_leaf().live;
        }
        if !self.is_empty() {
            return false;
        }
        let Some(mut last) = self.groups.last_entry() else { return true };
        if Arc::make_mut(last.get_mut()).free_some(budget) {
            last.remove();
        }
        self.groups.is_empty()
    }

    /// How many elements there are that take time to encode: entries, and what is pending.
    pub fn weight(&self) -> usize {
        self.len() + self.groups().map(|(_, group)| group.pending().len() + group.consumers_len()).sum::<usize>()
    }

    /// About how many bytes there are that no clone of this stream shares.
    pub fn unshared_bytes(&self) -> usize {
        let groups = self.groups.values().take(GROUP_SAMPLES).filter(|group| Arc::strong_count(group) == 1);
        let sampled = groups.map(|group| group.pending().heap_bytes() + group.consumers_len() * CONSUMER_LEN).sum::<usize>();
        let groups = sampled / self.groups.len().clamp(1, GROUP_SAMPLES) * self.groups.len();
        (self.nodes.unshared() * self.node_bytes()) as usize + groups
    }

    /// Bytes on the heap, estimated from some nodes.
    pub fn heap_bytes(&self) -> usize {
        let groups = self.groups().map(|(name, group)| name.len() + size_of::<Group>() + 48 + group.heap_bytes());
        size_of::<Stream>() + self.node_bytes() as usize + groups.sum::<usize>()
    }

    fn node_bytes(&self) -> f64 {
        let (mut bytes, mut entries) = (0, 0);
        for (node, _) in self.nodes.leaves_from(0).take(NODE_SAMPLES) {
            bytes += node.pack.capacity() + size_of::<Chunk>() + size_of::<Child<Chunk>>() + 16;
            entries += node.live;
        }
        bytes as f64 / entries.max(1) as f64 * self.len() as f64
    }
}

/// How many nodes a compressed radix tree of these ids has, below a common prefix of `depth` bytes: one for each id's end, one for
/// each branch, one for each stretch of bytes without a branch.
fn radix_nodes(ids: &[[u8; 16]], depth: usize) -> usize {
    let [first, .., last] = ids else { return usize::from(depth < 16) + 1 };
    let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
    let below = ids.chunk_by(|a, b| a.get(shared) == b.get(shared)).map(|ids| radix_nodes(ids, shared + 1));
    usize::from(shared > depth) + 1 + below.sum::<usize>()
}

/// Whether the first id of a subtree is not beyond `id`.
fn leads_to(id: &StreamId) -> impl Fn(&Child<Chunk>) -> bool + '_ {
    move |child| child.key() <= *id
}

#[cfg(test)]
mod tests;
