//! A map from entry ids, in order: what is pending in a group, and with a consumer.
//!
//! Chunks of ids with what belongs to them, in a tree: a clone shares them, a change costs one chunk, whatever the length.

use crate::shard::value::tree::{Child, Leaf, Tree};
use koltso_proto::stream::StreamId;

/// The most ids in a chunk.
const CHUNK_IDS_MAX: usize = 128;

/// Ids in order, and beside each what belongs to it.
#[derive(Clone, Default, Debug)]
struct Chunk<V> {
    ids: Vec<StreamId>,
    values: Vec<V>,
}

impl<V: Copy + Default> Leaf for Chunk<V> {
    type Key = StreamId;

    fn count(&self) -> usize {
        self.ids.len()
    }

    fn key(&self) -> StreamId {
        self.ids.first().copied().unwrap_or_default()
    }

    fn absorb(&mut self, next: &Self) -> bool {
        let fits = self.ids.len() + next.ids.len() <= CHUNK_IDS_MAX / 2;
        if fits {
            self.ids.extend_from_slice(&next.ids);
            self.values.extend_from_slice(&next.values);
        }
        fits
    }
}

impl<V: Copy + Default> Chunk<V> {
    /// Inserts an id that is not there; returns the second half if the chunk is then too big for one.
    fn insert(&mut self, at: usize, id: StreamId, value: V) -> Vec<Self> {
        let len = self.ids.len();
        if len < CHUNK_IDS_MAX {
            self.ids.insert(at, id);
            self.values.insert(at, value);
            return Vec::new();
        }
        if at == len {
            // In ascending order chunks are left full instead of half full.
            return vec![Chunk { ids: vec![id], values: vec![value] }];
        }
        let mut right = Chunk { ids: self.ids.split_off(len / 2), values: self.values.split_off(len / 2) };
        match at.checked_sub(len / 2) {
            Some(at) => right.insert(at, id, value),
            None => self.insert(at, id, value),
        };
        vec![right]
    }
}

/// What belongs to ids, in their order.
#[derive(Clone)]
pub struct IdMap<V: Copy + Default> {
    tree: Tree<Chunk<V>>,
}

impl<V: Copy + Default> Default for IdMap<V> {
    fn default() -> Self {
        IdMap { tree: Tree::new(Chunk::default()) }
    }
}

impl<V: Copy + Default> IdMap<V> {
    /// The number of ids.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// What belongs to `id`.
    pub fn get(&self, id: StreamId) -> Option<V> {
        let (chunk, _) = self.tree.leaf_before(leads_to(&id));
        chunk.ids.binary_search(&id).ok().map(|at| chunk.values[at])
    }

    /// Puts `value` to `id`; returns what belonged to it.
    pub fn insert(&mut self, id: StreamId, value: V) -> Option<V> {
        self.tree.edit_before(leads_to(&id), |chunk| match chunk.ids.binary_search(&id) {
            Ok(at) => (Some(std::mem::replace(&mut chunk.values[at], value)), Vec::new()),
            Err(at) => (None, chunk.insert(at, id, value)),
        })
    }

    /// Takes `id` out; returns what belonged to it.
    pub fn remove(&mut self, id: StreamId) -> Option<V> {
        // Looked for first, so that nothing shared is copied for an id that is not there.
        self.get(id)?;
        self.tree.edit_before(leads_to(&id), |chunk| {
            let found = chunk.ids.binary_search(&id).ok().map(|at| {
                chunk.ids.remove(at);
                chunk.values.remove(at)
            });
            (found, Vec::new())
        })
    }

    /// The least and the greatest id.
    pub fn ends(&self) -> Option<(StreamId, StreamId)> {
        Some((*self.tree.first_leaf().ids.first()?, *self.tree.last_leaf().ids.last()?))
    }

    /// All from `id` on, ascending.
    pub fn from(&self, id: StreamId) -> impl Iterator<Item = (StreamId, V)> {
        let (chunk, rank) = self.tree.leaf_before(leads_to(&id));
        self.from_position(rank + chunk.ids.partition_point(|own| *own < id))
    }

    /// All from the one at `position` on, ascending.
    pub fn from_position(&self, position: usize) -> impl Iterator<Item = (StreamId, V)> {
        self.tree.leaves_from(position).flat_map(move |(chunk, start)| {
            let skip = position.saturating_sub(start);
            chunk.ids[skip..].iter().copied().zip(chunk.values[skip..].iter().copied())
        })
    }

    /// Drops about `budget` ids; true when none is left.
    pub fn free_some(&mut self, budget: usize) -> bool {
        let mut freed = 0;
        while freed < budget && !self.is_empty() {
            freed += self.tree.pop_leaf().ids.len();
        }
        self.is_empty()
    }

    /// Bytes on the heap, estimated from the number of ids.
    pub fn heap_bytes(&self) -> usize {
        let per_id = size_of::<StreamId>() + size_of::<V>();
        size_of::<Child<Chunk<V>>>() + self.len() * (per_id + per_id / 8)
    }
}

/// Whether the first id of a subtree is not beyond `id`.
fn leads_to<V: Copy + Default>(id: &StreamId) -> impl Fn(&Child<Chunk<V>>) -> bool + '_ {
    move |child| child.key() <= *id
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};
    use std::collections::BTreeMap;

    #[test]
    fn it_agrees_with_a_map_of_the_standard_library() {
        let mut rng = SmallRng::seed_from_u64(3);
        let (mut map, mut model) = (IdMap::<u32>::default(), BTreeMap::new());
        for step in 0..60_000u32 {
            // Mostly ascending, as ids are, with some in between.
            let ms = if rng.random_bool(0.6) { u64::from(step) } else { rng.random_range(0..u64::from(step) + 1) };
            let id = StreamId::new(ms, rng.random_range(0..2));
            if rng.random_bool(if step < 30_000 { 0.3 } else { 0.6 }) {
                assert_eq!(map.remove(id), model.remove(&id));
            } else {
                assert_eq!(map.insert(id, step), model.insert(id, step));
            }
            assert_eq!(map.get(id), model.get(&id).copied());
            assert_eq!(map.len(), model.len());
            if step % 1000 == 0 {
                let from = StreamId::new(rng.random_range(0..u64::from(step) + 1), 1);
                assert!(map.from(from).eq(model.range(from..).map(|(id, value)| (*id, *value))));
                assert!(map.from_position(77).eq(model.iter().skip(77).map(|(id, value)| (*id, *value))));
                let ends = model.first_key_value().zip(model.last_key_value()).map(|(a, b)| (*a.0, *b.0));
                assert_eq!(map.ends(), ends);
            }
        }
        let kept = map.clone();
        while !map.free_some(100) {}
        assert_eq!((map.len(), map.ends()), (0, None));
        assert!(kept.from(StreamId::MIN).eq(model.iter().map(|(id, value)| (*id, *value))));
    }
}
