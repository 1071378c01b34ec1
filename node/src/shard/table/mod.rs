//! A database of a shard: the segmented table.
//!
//! ```text
//!  hash of a key: ┌ directory (top bits) ┐ … ┌ place in the segment's index ┐
//!
//!  directory   [0 0 0 0 1 1 2 3]          a directory of 2^n segment numbers, n at least the depth of each segment
//!  segments     0: 0…, 1: 10…, 2: 110…, 3: 111…
//! ```
//!
//! The segment is the unit of everything: it splits when it is full (nothing else ever grows, but the directory, which is a list
//! of small numbers), a snapshot goes from one to the next and notes which it has, `SCAN` cursors are prefixes of the hash and survive
//! splits, expiry knows each segment's earliest deadline. Segments split at lengths that depend on their prefix, so that they are
//! never all half full at once.

mod grow;
mod iter;
mod segments;

use super::access::AccessPolicy;
use super::entry::{Entry, EntryMut, EntryRef};
use super::expiry::Deadlines;
use super::field_expiry::FieldDeadlines;
use super::packed::{Body, Draft, INLINE_LEN_MAX, NewBody, Segment, Slot, hash_of};
use super::snapshot::Cut;
use super::value::{Value, ValueMut};
use ahash::RandomState;
pub use iter::TableIter;
use koltso_proto::id::UnixMs;
use segments::{Part, Segments};
use std::cell::Cell;
use std::sync::OnceLock;

/// How many bits of the hash choose a segment at most. Not reached: it would take 2^30 segments.
const DEPTH_MAX: u8 = 30;

/// How keys are hashed: seeded at random, the same in all tables of the process.
fn hasher() -> RandomState {
    static HASHER: OnceLock<RandomState> = OnceLock::new();
    HASHER.get_or_init(RandomState::new).clone()
}

/// Where an entry lies in its table. Good until another is located, or the table is changed.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    pub(super) segment: u32,
    pub(super) slot: Slot,
}

/// A database of a shard.
pub struct Table {
    hasher: RandomState,
    /// Numbers of segments, by the top bits of the hash.
    directory: Vec<u32>,
    /// 32 less the number of bits that index the directory.
    shift: u32,
    /// Counted up by each snapshot; a segment that has another number has not been saved.
    pub(super) epoch: u32,
    pub(super) segments: Segments,
    len: usize,
    expires: usize,
    policy: AccessPolicy,
    /// State of the generator behind LFU counters.
    random: Cell<u32>,
    pub(super) deadlines: Deadlines,
    pub(super) field_deadlines: FieldDeadlines,
    /// The snapshot that is being taken of this table.
    pub(super) cut: Option<Box<Cut>>,
}

/// A table of so many keys fits in the caches of a core, more or less.
const CACHED_LEN_MAX: usize = 4096;

impl Default for Table {
    fn default() -> Self {
        Table::new(AccessPolicy::Lru)
    }
}

impl Table {
    /// An empty table.
    pub fn new(policy: AccessPolicy) -> Self {
        Table::with_hasher(policy, hasher())
    }

    /// An empty table that hashes in its own way: for measurements that have to be repeated exactly. Anybody who knows the seeds
    /// can make all keys collide.
    pub fn with_hasher(policy: AccessPolicy, hasher: RandomState) -> Self {
        Table {
            hasher,
            directory: vec![0],
            shift: 32,
            epoch: 0,
            segments: Segments::new(),
            len: 0,
            expires: 0,
            policy,
            random: Cell::new(0x9e37_79b9),
            deadlines: Deadlines::default(),
            field_deadlines: FieldDeadlines::default(),
            cut: None,
        }
    }

    /// The number of keys, expired ones that nobody has deleted yet included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len == 0
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

    /// What the access bits of entries mean.
    pub fn policy(&self) -> AccessPolicy {
        self.policy
    }

    /// Changes what the access bits mean from now on. Those of entries stay as they are, as in Redis.
    pub fn set_policy(&mut self, policy: AccessPolicy) {
        self.policy = policy;
    }

    /// Bytes taken from the allocator, without those that values own. Looks at every segment.
    pub fn heap_bytes(&self) -> usize {
        let segments: usize = self.segments.iter().map(|part| part.entries.heap_bytes() + size_of::<Part>()).sum();
        segments + self.directory.capacity() * size_of::<u32>()
    }

    // ---- finding ----------------------------------------------------------------------------------------------------

    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        hash_of(&self.hasher, key)
    }

    /// The number of the segment for a hash.
    #[inline]
    pub(super) fn segment_for(&self, hash: u64) -> u32 {
        self.directory[(hash >> 32 >> self.shift) as usize]
    }

    #[inline]
    fn locate_hash(&self, hash: u64, key: &[u8]) -> Option<Spot> {
        let segment = self.segment_for(hash);
        let slot = self.segments.get(segment).entries.find(hash, key)?;
        Some(Spot { segment, slot })
    }

    /// Where the entry at `key` lies.
    #[inline]
    pub fn locate(&self, key: &[u8]) -> Option<Spot> {
        self.locate_hash(self.hash(key), key)
    }

    /// Whether it is so large that a look-up rarely finds what it needs in the processor's caches.
    #[inline]
    pub fn outgrows_caches(&self) -> bool {
        self.len > CACHED_LEN_MAX
    }

    /// Has the memory brought near that the next look-up of `key` will touch. Changes nothing.
    #[inline]
    pub fn fetch(&self, key: &[u8]) {
        let hash = self.hash(key);
        self.segments.get(self.segment_for(hash)).entries.fetch(hash);
    }

    /// The entry at a spot. Panics if the table has changed since.
    #[inline]
    pub fn at(&self, spot: Spot) -> EntryRef<'_> {
        self.segments.get(spot.segment).entries.at(spot.slot)
    }

    /// The entry at a spot, to change. Panics if the table has changed since.
    #[inline]
    pub fn at_mut(&mut self, spot: Spot) -> EntryMut<'_> {
        self.preserve(spot);
        EntryMut { table: self, spot }
    }

    /// The value at a spot, to change in what is no part of the data: no snapshot is asked.
    pub(super) fn value_mut_unpreserved(&mut self, spot: Spot) -> ValueMut<'_> {
        self.segment_mut(spot).value_mut(spot.slot)
    }

    #[inline]
    pub(super) fn segment_mut(&mut self, spot: Spot) -> &mut Segment {
        &mut self.segments.get_mut(spot.segment).entries
    }

    /// Notes that the entry at a spot was used.
    #[inline]
    pub fn touch(&self, spot: Spot, now: UnixMs) {
        let entry = self.at(spot);
        entry.set_access(self.policy.used(entry.access(), now, || self.next_random()));
    }

    fn next_random(&self) -> u32 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x
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

    // ---- putting ----------------------------------------------------------------------------------------------------

    /// Puts a string at `key`, whatever was there; the deadline becomes `expire`.
    #[inline]
    pub fn set_string(&mut self, key: &[u8], bytes: &[u8], expire: Option<UnixMs>, now: UnixMs) {
        let hash = self.hash(key);
        let number = self.segment_for(hash);
        let Some(slot) = self.segments.get(number).entries.find(hash, key) else {
            return self
                .add(hash, Draft { key, body: Body::string(bytes), expire, access: self.policy.fresh(now), raw: false });
        };
        let spot = Spot { segment: number, slot };
        self.preserve(spot);
        let old = self.at(spot);
        let old_expire = old.expire();
        let access = self.policy.used(old.access(), now, || self.next_random());
        let done = self.segments.get_mut(number).entries.overwrite(slot, bytes, expire, access, false);
        if expire != old_expire {
            self.note_deadline(spot, old_expire, expire);
        }
        if !done {
            self.at(spot).set_access(access);
            self.rewrite(spot, NewBody::Other { body: Body::string(bytes), raw: false }, expire);
        }
    }

    /// Puts a value at `key`, whatever was there; the deadline becomes `expire`.
    pub fn set_value(&mut self, key: &[u8], value: Value, expire: Option<UnixMs>, now: UnixMs) {
        match value {
            Value::Str(bytes) if bytes.len() <= INLINE_LEN_MAX => self.set_string(key, &bytes, expire, now),
            mut value => {
                let has_fields_to_note = Table::is_to_be_noted(&mut value);
                self.put_draft(Draft { key, body: Body::Value(value), expire, access: self.policy.fresh(now), raw: false });
                if has_fields_to_note {
                    self.note_field_deadline(key);
                }
            }
        }
    }

    /// Puts an entry under its key, whatever was there. An entry that has no access bits yet gets those of one made now.
    pub fn put(&mut self, entry: Entry, now: UnixMs) {
        let Entry { key, value, expire, access, raw } = entry;
        let access = access.unwrap_or_else(|| self.policy.fresh(now));
        match value {
            Value::Str(bytes) if bytes.len() <= INLINE_LEN_MAX => {
                self.put_draft(Draft { key: &key, body: Body::Text(&bytes), expire, access, raw });
            }
            mut value => {
                let has_fields_to_note = Table::is_to_be_noted(&mut value);
                self.put_draft(Draft { key: &key, body: Body::Value(value), expire, access, raw });
                if has_fields_to_note {
                    self.note_field_deadline(&key);
                }
            }
        }
    }

    fn put_draft(&mut self, draft: Draft<'_>) {
        let hash = self.hash(draft.key);
        let Some(spot) = self.locate_hash(hash, draft.key) else { return self.add(hash, draft) };
        self.preserve(spot);
        let (old_expire, Draft { body, expire, access, raw, .. }) = (self.at(spot).expire(), draft);
        self.note_deadline(spot, old_expire, expire);
        self.at(spot).set_access(access);
        self.rewrite(spot, NewBody::Other { body, raw }, expire);
    }

    /// Puts a new string or value under a key; `false`, and nothing done, if the key is there already. For loading.
    pub fn insert_new(&mut self, key: &[u8], value: LoadValue<'_>, expire: Option<UnixMs>, access: u32) -> bool {
        let hash = self.hash(key);
        let number = self.segment_for(hash);
        if self.segments.get(number).entries.find(hash, key).is_some() {
            return false;
        }
        let mut has_fields_to_note = false;
        let body = match value {
            LoadValue::Str(bytes) => Body::string(bytes),
            LoadValue::Value(Value::Str(bytes)) if bytes.len() <= INLINE_LEN_MAX => {
                self.add(hash, Draft { key, body: Body::Text(&bytes), expire, access, raw: false });
                return true;
            }
            LoadValue::Value(mut value) => {
                has_fields_to_note = Table::is_to_be_noted(&mut value);
                Body::Value(value)
            }
        };
        self.add(hash, Draft { key, body, expire, access, raw: false });
        if has_fields_to_note {
            self.note_field_deadline(key);
        }
        true
    }

    /// Adds an entry whose key is not there. A snapshot that is being taken does not get it.
    #[inline]
    fn add(&mut self, hash: u64, draft: Draft<'_>) {
        let slot_len = draft.slot_len();
        let mut number = self.segment_for(hash);
        while self.segments.get(number).is_full(slot_len) && self.make_room(number) {
            number = self.segment_for(hash);
        }
        let expire = draft.expire;
        let part = self.segments.get_mut(number);
        let slot = part.entries.insert(hash, draft, &self.hasher);
        if part.saved_epoch != self.epoch {
            self.leave_out(Spot { segment: number, slot });
        }
        self.len += 1;
        if expire.is_some() {
            self.note_deadline(Spot { segment: number, slot }, None, expire);
        }
    }

    /// Gives the entry at a spot another body or deadline, in another slot. The caller has noted the deadline.
    #[cold]
    #[inline(never)]
    pub(super) fn rewrite(&mut self, mut spot: Spot, body: NewBody<'_>, expire: Option<UnixMs>) -> Spot {
        let hash = self.hash(self.at(spot).key());
        loop {
            let part = self.segments.get(spot.segment);
            let slot_len = part.entries.rewritten_len(spot.slot, &body, expire);
            if !part.is_over_bytes(slot_len) && !part.entries.is_sparse() {
                break;
            }
            let key = part.entries.at(spot.slot).key().to_vec();
            let progress = self.make_room(spot.segment);
            spot = self.locate_hash(hash, &key).expect("making room keeps every entry");
            if !progress {
                break;
            }
        }
        let slot = self.segments.get_mut(spot.segment).entries.rewrite(spot.slot, hash, body, expire);
        Spot { slot, ..spot }
    }

    // ---- taking away ------------------------------------------------------------------------------------------------

    /// Takes the entry at `key` out of the table.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let (hash, number) = self.before_removal(key)?;
        let entry = self.segments.get_mut(number).entries.remove(hash, key)?;
        self.after_removal(number, entry.expire.is_some());
        Some(entry)
    }

    /// Deletes the entry at `key`; says whether there was one. Cheaper than [`remove`](Self::remove).
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let Some((hash, number)) = self.before_removal(key) else { return false };
        let Some(had_deadline) = self.segments.get_mut(number).entries.delete(hash, key) else { return false };
        self.after_removal(number, had_deadline);
        true
    }

    /// The hash and the segment of a key. An entry that a snapshot still needs is preserved.
    #[inline]
    fn before_removal(&mut self, key: &[u8]) -> Option<(u64, u32)> {
        let hash = self.hash(key);
        let number = self.segment_for(hash);
        let part = self.segments.get(number);
        if part.saved_epoch != self.epoch {
            let slot = part.entries.find(hash, key)?;
            self.preserve(Spot { segment: number, slot });
        }
        Some((hash, number))
    }

    #[inline]
    fn after_removal(&mut self, number: u32, had_deadline: bool) {
        self.count_removed(1, usize::from(had_deadline));
        if self.segments.get(number).entries.is_sparse() {
            self.compact(number);
        }
    }

    #[inline]
    pub(super) fn count_removed(&mut self, entries: usize, with_deadline: usize) {
        self.len -= entries;
        self.expires -= with_deadline;
    }

    #[cold]
    #[inline(never)]
    pub(super) fn compact(&mut self, number: u32) {
        self.segments.get_mut(number).entries.compact(&self.hasher);
    }

    /// Deletes the entries of a segment that `select` picks by deadline and key. The caller has preserved them, counts what is
    /// deleted, and sees to the segment's earliest deadline.
    pub(super) fn delete_where(&mut self, number: u32, select: impl FnMut(Option<u64>, &[u8]) -> bool) {
        self.segments.get_mut(number).entries.delete_where(&self.hasher, select);
    }

    /// Sets or clears the deadline of the entry at `key`; says whether there is one.
    pub fn set_expire(&mut self, key: &[u8], expire: Option<UnixMs>) -> bool {
        self.find_mut(key).map(|mut entry| entry.set_expire(expire)).is_some()
    }

    /// Counts a deadline that is about to change, and lets the segment know of it.
    #[inline]
    pub(super) fn note_deadline(&mut self, spot: Spot, old: Option<UnixMs>, new: Option<UnixMs>) {
        self.expires += usize::from(new.is_some());
        self.expires -= usize::from(old.is_some());
        if let Some(new) = new
            && new.0 < self.segments.get(spot.segment).earliest
        {
            self.lower_deadline(spot.segment, new.0);
        }
    }

    /// Takes everything out, in constant time. A snapshot that is being taken goes with it.
    pub(super) fn take(&mut self) -> Table {
        std::mem::replace(self, Table::new(self.policy))
    }
}

/// A value on its way from a file or a stream into a table.
pub enum LoadValue<'a> {
    /// A string.
    Str(&'a [u8]),
    /// Any value.
    Value(Value),
}

#[cfg(test)]
mod tests;
