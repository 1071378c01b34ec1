//! Which clients have read which keys of a shard, and what they are to be told.

use super::{Invalidation, Prefixes, Totals, Tracker};
use crate::dispatch::shard_set::ShardSet;
use ahash::RandomState;
use hashbrown::HashTable;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// From so many readers of a key on, those are taken out who are gone, whenever there would be no room for another.
const CROWD: usize = 16;

struct Entry {
    key: Arc<[u8]>,
    /// By address.
    readers: Vec<Arc<Tracker>>,
}

/// The readers of a shard's keys.
///
/// Readers stay until the key is changed, or goes for want of room: those who have disconnected are told nothing, and give way when
/// a key has many readers.
#[derive(Default)]
pub struct Table {
    /// In no order, so that any one can be chosen to go.
    entries: Vec<Entry>,
    /// Places in `entries` by key.
    places: HashTable<usize>,
    hasher: RandomState,
    prefixes: Option<Arc<Prefixes>>,
    totals: Arc<Totals>,
    told: Vec<Invalidation>,
    /// Chooses who goes.
    hand: usize,
}

impl Table {
    /// Counts in these totals from now on. To be called while it is empty.
    pub fn set_totals(&mut self, totals: &Arc<Totals>) {
        self.totals = Arc::clone(totals);
    }

    /// Takes over what prefixes there are now.
    pub fn set_prefixes(&mut self, prefixes: Option<Arc<Prefixes>>) {
        self.prefixes = prefixes;
    }

    /// Whether changes of keys may have to be told.
    pub fn is_attentive(&self) -> bool {
        !self.entries.is_empty() || self.prefixes.is_some()
    }

    /// Whether there is something to tell.
    pub fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// Takes what is to be told.
    pub fn take_told(&mut self) -> Vec<Invalidation> {
        std::mem::take(&mut self.told)
    }

    fn place(&self, key: &[u8]) -> Option<usize> {
        self.places.find(self.hasher.hash_one(key), |&at| *self.entries[at].key == *key).copied()
    }

    /// A client has read `key`. Where all tables hold more than `keys_max` keys then (0 = any number), one has to go.
    pub fn remember(&mut self, key: &[u8], reader: &Arc<Tracker>, keys_max: u64) {
        let at = self.place(key).unwrap_or_else(|| self.insert(key));
        let readers = &mut self.entries[at].readers;
        let search = |readers: &[Arc<Tracker>]| readers.binary_search_by_key(&Arc::as_ptr(reader), Arc::as_ptr);
        let Err(mut place) = search(readers) else { return };
        if readers.len() >= CROWD && readers.len() == readers.capacity() {
            let before = readers.len();
            readers.retain(|reader| reader.is_on());
            self.totals.items.fetch_sub((before - readers.len()) as u64, Ordering::Relaxed);
            place = search(readers).unwrap_or_else(|place| place);
        }
        readers.insert(place, Arc::clone(reader));
        self.totals.items.fetch_add(1, Ordering::Relaxed);
        self.evict_excess(keys_max);
    }

    fn insert(&mut self, key: &[u8]) -> usize {
        let at = self.entries.len();
        self.entries.push(Entry { key: key.into(), readers: Vec::new() });
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.places.insert_unique(hasher.hash_one(key), at, |&at| hasher.hash_one(&*entries[at].key));
        self.totals.keys.fetch_add(1, Ordering::Relaxed);
        at
    }

    /// Takes the entry at a place out. It is the caller who counts that the key is gone.
    fn take(&mut self, at: usize) -> Entry {
        let last = self.entries.len() - 1;
        for (place, new) in [(at, None), (last, Some(at))] {
            let hash = self.hasher.hash_one(&*self.entries[place].key);
            match (self.places.find_entry(hash, |&known| known == place), new) {
                (Ok(found), None) => _ = found.remove(),
                (Ok(mut found), Some(new)) => *found.get_mut() = new,
                (Err(_), _) => {}
            }
        }
        let entry = self.entries.swap_remove(at);
        self.totals.items.fetch_sub(entry.readers.len() as u64, Ordering::Relaxed);
        entry
    }

    /// `key` was changed; `is_asked_for` as in [`Invalidation`].
    pub fn changed(&mut self, key: &[u8], is_asked_for: bool) {
        let mut broadcast = ShardSet::default();
        for (prefix, cores) in self.prefixes.iter().flat_map(|prefixes| prefixes.iter()) {
            if key.starts_with(prefix) {
                broadcast.0 |= cores.0;
            }
        }
        let entry = self.place(key).map(|at| self.take(at));
        self.totals.keys.fetch_sub(u64::from(entry.is_some()), Ordering::Relaxed);
        if entry.is_none() && (broadcast.is_empty() || self.was_just_told(key, broadcast, is_asked_for)) {
            return;
        }
        let (key, readers) = entry.map_or_else(|| (key.into(), Vec::new()), |entry| (entry.key, entry.readers));
        self.told.push(Invalidation { key: Some(key), readers, broadcast, is_asked_for, writer: None });
    }

    /// Whether what was told last is just this: a script may change one key many times.
    fn was_just_told(&self, key: &[u8], broadcast: ShardSet, is_asked_for: bool) -> bool {
        let same = |last: &Invalidation| last.key.as_deref() == Some(key) && last.is_asked_for == is_asked_for;
        let covers = |last: &Invalidation| last.broadcast == broadcast && last.writer.is_none();
        self.told.last().is_some_and(|last| same(last) && covers(last))
    }

    /// Everything may have changed: a database was flushed, or is another.
    pub fn changed_all(&mut self) {
        let items: usize = self.entries.iter().map(|entry| entry.readers.len()).sum();
        self.totals.keys.fetch_sub(self.entries.len() as u64, Ordering::Relaxed);
        self.totals.items.fetch_sub(items as u64, Ordering::Relaxed);
        self.entries = Vec::new();
        self.places = HashTable::new();
        // Nobody tracks anything: nobody is to be told.
        if self.totals.clients.load(Ordering::Relaxed) > 0 && self.told.last().is_none_or(|told| told.key.is_some()) {
            self.tell(None, Vec::new());
        }
    }

    /// Takes keys out until all tables together hold no more than `max` (0 = any number), or this one holds none. Readers of them
    /// are told.
    pub fn evict_excess(&mut self, max: u64) {
        while !self.entries.is_empty() && self.totals.claim_excess(max) {
            self.hand = self.hand.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let Entry { key, readers } = self.take((self.hand >> 16) % self.entries.len());
            self.tell(Some(key), readers);
        }
    }

    /// Tells of what nobody has asked for.
    fn tell(&mut self, key: Option<Arc<[u8]>>, readers: Vec<Arc<Tracker>>) {
        self.told.push(Invalidation { key, readers, broadcast: ShardSet::default(), is_asked_for: false, writer: None });
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table of {} keys", self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Token;

    fn tracker(index: u32) -> Arc<Tracker> {
        let tracker = Tracker::new(0, Token { index, generation: 1 });
        tracker.set(true, false);
        Arc::new(tracker)
    }

    fn told(table: &mut Table) -> Vec<(String, Vec<u32>)> {
        let told = table.take_told().into_iter();
        told.map(|told| {
            let key = told.key.map_or("(all)".into(), |key| String::from_utf8_lossy(&key).into_owned());
            let mut readers: Vec<u32> = told.readers.iter().map(|reader| reader.token.index).collect();
            readers.sort_unstable();
            (key, readers)
        })
        .collect()
    }

    fn totals(table: &Table) -> (u64, u64) {
        (table.totals.keys.load(Ordering::Relaxed), table.totals.items.load(Ordering::Relaxed))
    }

    #[test]
    fn each_reader_is_told_once_and_of_its_keys_alone() {
        let (mut table, a, b) = (Table::default(), tracker(1), tracker(2));
        for (key, reader) in [("x", &a), ("y", &a), ("x", &b), ("x", &a), ("z", &b)] {
            table.remember(key.as_bytes(), reader, 0);
        }
        assert_eq!(totals(&table), (3, 4));
        table.changed(b"x", true);
        table.changed(b"x", true);
        table.changed(b"none", true);
        assert_eq!(told(&mut table), [("x".into(), vec![1, 2])]);
        // The places of the others have moved.
        table.changed(b"z", true);
        table.changed(b"y", true);
        assert_eq!(told(&mut table), [("z".into(), vec![2]), ("y".into(), vec![1])]);
        assert_eq!(totals(&table), (0, 0));
        assert!(!table.is_attentive());
    }

    #[test]
    fn whoever_has_to_go_for_want_of_room_is_told() {
        let (mut table, a) = (Table::default(), tracker(1));
        for key in 0..1000u32 {
            table.remember(&key.to_be_bytes(), &a, 100);
        }
        assert_eq!(totals(&table), (100, 100));
        assert_eq!(told(&mut table).len(), 900);
        table.evict_excess(7);
        assert_eq!((totals(&table), told(&mut table).len()), ((7, 7), 93));
    }

    #[test]
    fn readers_who_are_gone_make_room_for_others() {
        let (mut table, stays) = (Table::default(), tracker(0));
        table.remember(b"x", &stays, 0);
        for index in 1..10_000 {
            let passes = tracker(index);
            table.remember(b"x", &passes, 0);
            passes.set(false, false);
        }
        assert!(totals(&table).1 < 100, "{:?}", totals(&table));
        table.changed(b"x", true);
        assert_eq!(told(&mut table)[0].1[0], 0);
    }

    #[test]
    fn a_flush_is_told_once_and_only_where_somebody_tracks() {
        let (mut table, a) = (Table::default(), tracker(1));
        table.remember(b"x", &a, 0);
        table.changed_all();
        assert_eq!((told(&mut table), totals(&table)), (vec![], (0, 0)));
        table.totals.clients.store(1, Ordering::Relaxed);
        table.changed_all();
        assert_eq!(told(&mut table), [("(all)".into(), vec![])]);
    }
}
