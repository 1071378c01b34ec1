//! A database of a shard: keys to entries.
//!
//! (First version: one hash table. The segmented one comes behind the same API.)

use super::entry::{Entry, EntryMut, EntryRef};
use super::value::Value;
use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table;
use koltso_proto::id::UnixMs;
use rand::Rng;
use std::cell::Cell;
use std::sync::OnceLock;

/// How keys are hashed: seeded at random, the same in all tables of the process.
fn hasher() -> RandomState {
    static HASHER: OnceLock<RandomState> = OnceLock::new();
    HASHER.get_or_init(RandomState::new).clone()
}

/// Where an entry lies in its table. Good until the table is next changed.
#[derive(Clone, Copy, Debug)]
pub struct Spot(usize);

/// A database of a shard.
pub struct Table {
    entries: HashTable<Entry>,
    expires: usize,
    hasher: RandomState,
}

impl Default for Table {
    fn default() -> Self {
        Table { entries: HashTable::new(), expires: 0, hasher: hasher() }
    }
}

impl Table {
    /// The number of keys, expired ones that nobody has deleted yet included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of keys that have a deadline.
    pub fn expires(&self) -> usize {
        self.expires
    }

    /// Whether any key has a deadline.
    #[inline]
    pub fn has_deadlines(&self) -> bool {
        self.expires > 0
    }

    /// Where the entry at `key` lies.
    #[inline]
    pub fn locate(&self, key: &[u8]) -> Option<Spot> {
        let hash = self.hasher.hash_one(key);
        self.entries.find_bucket_index(hash, |entry| *entry.key == *key).map(Spot)
    }

    /// The entry at a spot.
    #[inline]
    pub fn at(&self, spot: Spot) -> EntryRef<'_> {
        EntryRef { entry: self.entries.get_bucket(spot.0).expect("a spot is used before the table changes") }
    }

    /// The entry at a spot, to change.
    #[inline]
    pub fn at_mut(&mut self, spot: Spot) -> EntryMut<'_> {
        let entry = self.entries.get_bucket_mut(spot.0).expect("a spot is used before the table changes");
        EntryMut { entry, expires: &mut self.expires }
    }

    /// Notes that the entry at a spot was used.
    #[inline]
    pub fn touch(&self, spot: Spot, now: UnixMs) {
        self.at(spot).set_access((now.0 / 1000) as u32 & 0xff_ffff);
    }

    /// The entry at `key`.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.locate(key).map(|spot| self.at(spot))
    }

    /// The entry at `key`, to change.
    #[inline]
    pub fn find_mut(&mut self, key: &[u8]) -> Option<EntryMut<'_>> {
        self.locate(key).map(|spot| self.at_mut(spot))
    }

    /// Puts a string at `key`, whatever was there; the deadline becomes `expire`.
    pub fn set_string(&mut self, key: &[u8], bytes: &[u8], expire: Option<UnixMs>, now: UnixMs) {
        self.set_value(key, Value::string(bytes), expire, now);
    }

    /// Puts a value at `key`, whatever was there; the deadline becomes `expire`.
    pub fn set_value(&mut self, key: &[u8], value: Value, expire: Option<UnixMs>, now: UnixMs) {
        self.put(Entry { access: Cell::new((now.0 / 1000) as u32 & 0xff_ffff), ..Entry::with_value(key, value, expire) });
    }

    /// Puts an entry under its key, whatever was there.
    pub fn put(&mut self, entry: Entry) {
        self.delete(&entry.key);
        let hash = self.hasher.hash_one(&*entry.key);
        self.expires += usize::from(entry.expire.is_some());
        self.entries.insert_unique(hash, entry, |entry| self.hasher.hash_one(&*entry.key));
    }

    /// Takes the entry at `key` out of the table.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let hash = self.hasher.hash_one(key);
        let found = self.entries.find_entry(hash, |entry| *entry.key == *key).ok()?;
        let (entry, _) = found.remove();
        self.expires -= usize::from(entry.expire.is_some());
        Some(entry)
    }

    /// Deletes the entry at `key`; says whether there was one. Cheaper than [`remove`](Self::remove).
    pub fn delete(&mut self, key: &[u8]) -> bool {
        self.remove(key).is_some()
    }

    /// Sets or clears the deadline of the entry at `key`; says whether there is one.
    pub fn set_expire(&mut self, key: &[u8], expire: Option<UnixMs>) -> bool {
        let found = self.find_mut(key);
        found.map(|mut entry| entry.set_expire(expire)).is_some()
    }

    /// Every entry, in no order.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.entries.iter().map(|entry| EntryRef { entry })
    }

    /// Visits about `count` entries from `cursor` on, and says where to go on; 0 is both the beginning and the end. Cursors
    /// are below 2^48. Every entry that is there from the first call to the last is visited at least once.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(EntryRef<'_>)) -> u64 {
        let _ = (cursor, count);
        self.iter().for_each(&mut visit);
        0
    }

    /// An entry chosen at random.
    pub fn random(&self, rng: &mut impl Rng) -> Option<EntryRef<'_>> {
        let nth = (rng.next_u64() as usize).checked_rem(self.len())?;
        self.iter().nth(nth)
    }

    /// Takes everything out, for `FLUSHDB`.
    pub fn take(&mut self) -> Table {
        std::mem::take(self)
    }
}

impl<'a> IntoIterator for &'a Table {
    type Item = EntryRef<'a>;
    type IntoIter = TableIter<'a>;

    fn into_iter(self) -> TableIter<'a> {
        TableIter(self.entries.iter())
    }
}

/// Every entry of a table, in no order.
pub struct TableIter<'a>(hash_table::Iter<'a, Entry>);

impl<'a> Iterator for TableIter<'a> {
    type Item = EntryRef<'a>;

    fn next(&mut self) -> Option<EntryRef<'a>> {
        self.0.next().map(|entry| EntryRef { entry })
    }
}
