//! Consumer groups: who has read how far, and which entries are waiting to be acknowledged by whom.
//!
//! An entry that is pending is in the group's map, with its owner, and in the owner's. Every method here keeps the two together.

use super::pending::IdMap;
use koltso_proto::stream::StreamId;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Which of a group's consumers: good until that consumer is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerId(u32);

/// What is known of an entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// When it was last delivered, Unix time in milliseconds.
    pub time_ms: i64,
    /// How often it was delivered.
    pub count: u64,
    /// Who has it.
    pub owner: ConsumerId,
}

/// A consumer.
#[derive(Clone)]
pub struct Consumer {
    name: Arc<[u8]>,
    /// When it last asked for entries, Unix time in milliseconds.
    pub seen_ms: i64,
    /// When it last got one, Unix time in milliseconds; -1 for never.
    pub active_ms: i64,
    pending: IdMap<()>,
}

impl Consumer {
    /// What it is called.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The ids of the entries it has.
    pub fn pending(&self) -> &IdMap<()> {
        &self.pending
    }
}

/// A consumer group.
#[derive(Clone, Default)]
pub struct Group {
    /// The last entry that was delivered.
    pub last_id: StreamId,
    /// How many entries the group has read; `None` if nobody knows. Clients see it as a signed number, and may set it to the
    /// largest of those; a Redis counts on from there to negative ones, and may have sent us one.
    pub entries_read: Option<u64>,
    pending: IdMap<Pending>,
    names: BTreeMap<Arc<[u8]>, ConsumerId>,
    /// By [`ConsumerId`].
    consumers: Vec<Option<Arc<Consumer>>>,
    /// Places in `consumers` whose consumer was deleted.
    vacant: Vec<u32>,
}

impl Group {
    /// A group that has read up to `last_id`.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Group { last_id, entries_read, ..Group::default() }
    }

    /// All that is pending.
    pub fn pending(&self) -> &IdMap<Pending> {
        &self.pending
    }

    /// The number of consumers.
    pub fn consumers_len(&self) -> usize {
        self.names.len()
    }

    /// All consumers, by name.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.names.values().filter_map(|id| self.consumer(*id))
    }

    /// The consumer that comes next by name; the first one behind `None`.
    pub fn consumer_behind(&self, name: Option<&[u8]>) -> Option<&Consumer> {
        let begin = name.map_or(Bound::Unbounded, Bound::Excluded);
        let (_, id) = self.names.range::<[u8], _>((begin, Bound::Unbounded)).next()?;
        self.consumer(*id)
    }

    /// The consumer of this name.
    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// A consumer, unless it was deleted.
    pub fn consumer(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(id.0 as usize)?.as_deref()
    }

    /// A consumer to change, unless it was deleted.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.consumers.get_mut(id.0 as usize)?.as_mut().map(Arc::make_mut)
    }

    /// The name of a consumer.
    pub fn name_of(&self, id: ConsumerId) -> &[u8] {
        self.consumer(id).map_or(&[], Consumer::name)
    }

    /// The consumer of this name, created at `now_ms` if there is none; and whether it was.
    pub fn find_or_create(&mut self, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
        if let Some(id) = self.find(name) {
            return (id, false);
        }
        let name: Arc<[u8]> = name.into();
        let consumer = Consumer { name: name.clone(), seen_ms: now_ms, active_ms: -1, pending: IdMap::default() };
        let id = ConsumerId(self.vacant.pop().unwrap_or_else(|| {
            self.consumers.push(None);
            self.consumers.len() as u32 - 1
        }));
        self.consumers[id.0 as usize] = Some(Arc::new(consumer));
        self.names.insert(name, id);
        (id, true)
    }

    /// Deletes a consumer with all that is pending with it; returns how much that was.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.names.remove(name)?;
        let consumer = self.consumers.get_mut(id.0 as usize)?.take()?;
        self.vacant.push(id.0);
        for (entry, ()) in consumer.pending.from_position(0) {
            self.pending.remove(entry);
        }
        Some(consumer.pending.len())
    }

    /// Makes an entry pending with its owner, whoever had it before.
    pub fn assign(&mut self, id: StreamId, pending: Pending) {
        let old = self.pending.insert(id, pending);
        if let Some(old) = old {
            if old.owner == pending.owner {
                return;
            }
            if let Some(consumer) = self.consumer_mut(old.owner) {
                consumer.pending.remove(id);
            }
        }
        if let Some(consumer) = self.consumer_mut(pending.owner) {
            consumer.pending.insert(id, ());
        }
    }

    /// An entry is not pending any more; returns what was known of it.
    pub fn release(&mut self, id: StreamId) -> Option<Pending> {
        let old = self.pending.remove(id)?;
        if let Some(consumer) = self.consumer_mut(old.owner) {
            consumer.pending.remove(id);
        }
        Some(old)
    }

    /// Drops about `budget` parts; true when nothing is left.
    pub fn free_some(&mut self, budget: usize) -> bool {
        if !self.pending.free_some(budget) {
            return false;
        }
        let Some(last) = self.consumers.last_mut() else { return true };
        if last.as_mut().is_none_or(|consumer| Arc::make_mut(consumer).pending.free_some(budget)) {
            self.consumers.pop();
        }
        self.consumers.is_empty()
    }

    /// Bytes on the heap, estimated.
    pub fn heap_bytes(&self) -> usize {
        let consumers = self.consumers().map(|own| size_of::<Consumer>() + 2 * own.name.len() + own.pending.heap_bytes() + 48);
        self.pending.heap_bytes() + consumers.sum::<usize>()
    }
}
