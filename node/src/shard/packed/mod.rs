//! Segments: some hundreds of entries packed into memory of their own, and a small index over them.
//!
//! This module is the only place in `shard` that uses `unsafe`; what it exports is safe. It knows nothing of databases,
//! snapshots or time.
//!
//! ## What the unsafe code relies on
//! 1. Every index in `Segment::index` is that of a live slot in `Segment::arena`: one that was written whole by
//!    [`Segment::insert`] or a function that moves entries, and not freed since. Each live slot is indexed once.
//! 2. The bytes of a slot only change through `&mut Segment`, the access bits excepted (see [`EntryRef::set_access`]).
//! 3. A [`Slot`] that comes from outside is compared with `Segment::last`, which always is a live slot's index or `NONE`: every
//!    function that frees or moves slots sets it anew.

mod arena;
mod draft;
mod layout;
mod moves;
mod view;

use super::entry::Entry;
use super::graveyard;
use super::leftovers;
use super::value::{Value, ValueMut};
use ahash::RandomState;
use arena::{Arena, SlotIndex, Slots};
pub(super) use draft::{Body, Draft};
use draft::{start, write};
use hashbrown::HashTable;
use koltso_proto::id::UnixMs;
use layout::Header;
pub(super) use layout::INLINE_LEN_MAX;
pub(super) use moves::NewBody;
use std::cell::Cell;
use std::hash::{BuildHasher, Hasher};
use std::ptr::NonNull;
use std::sync::Arc;
pub use view::EntryRef;
use view::Raw;

/// The hash of a key. The upper half chooses the segment, the lower one the place in its index.
#[inline]
pub(super) fn hash_of(hasher: &RandomState, key: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// The hash as the index takes it: it looks at the lowest and at the seven highest bits, and the highest ones are the same
/// throughout a segment.
#[inline]
fn tag_of(hash: u64) -> u64 {
    (hash & 0xffff_ffff) << 32 | hash & 0xffff_ffff
}

/// The name of an entry that was just found in its segment; good until another is found, or the segment changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(SlotIndex);

impl Slot {
    /// The name of nothing.
    const NONE: Slot = Slot(SlotIndex::MAX);
}

/// Some hundreds of entries. What every look-up reads comes first.
#[repr(C)]
pub(super) struct Segment {
    index: HashTable<SlotIndex>,
    /// Slots that must be dropped and not only freed.
    owning: u32,
    /// The slot that was last found.
    last: Cell<SlotIndex>,
    arena: Arena,
}

impl Segment {
    /// An empty segment.
    pub(super) fn new() -> Self {
        Segment { index: HashTable::new(), arena: Arena::default(), last: Cell::new(Slot::NONE.0), owning: 0 }
    }

    /// The number of entries.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Bytes of slots in use.
    #[inline]
    pub(super) fn live_bytes(&self) -> usize {
        self.arena.live_bytes()
    }

    /// Bytes taken from the allocator, without those that values own.
    pub(super) fn heap_bytes(&self) -> usize {
        self.arena.len_bytes() + self.index.allocation_size()
    }

    /// Whether a slot of `len` bytes can be had without compacting.
    #[inline]
    pub(super) fn fits(&self, len: usize) -> bool {
        self.arena.fits(len)
    }

    /// Whether so much lies idle that compacting is worth its while.
    #[inline]
    pub(super) fn is_sparse(&self) -> bool {
        self.arena.dead_bytes() > SPARSE_BYTES && self.arena.dead_bytes() > self.arena.live_bytes() / SPARSE_SHARE
    }

    #[inline]
    fn raw(&self, index: SlotIndex) -> Raw {
        Raw(self.arena.slot(index))
    }

    // ---- looking ----------------------------------------------------------------------------------------------------

    #[inline]
    fn search(&self, hash: u64, key: &[u8]) -> Option<SlotIndex> {
        // SAFETY: what is indexed is live (1).
        self.index.find(tag_of(hash), |&index| unsafe { self.raw(index).key() } == key).copied()
    }

    /// Has the entry brought near that probably is the one for `hash`: the first whose tag fits.
    #[inline]
    pub(super) fn fetch(&self, hash: u64) {
        if let Some(&index) = self.index.find(tag_of(hash), |_| true) {
            prefetch(self.arena.slot(index));
        }
    }

    /// Finds the entry at `key`.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Slot> {
        let index = self.search(hash, key)?;
        self.last.set(index);
        Some(Slot(index))
    }

    /// The entry at a slot that was just found.
    #[inline]
    pub(super) fn at(&self, slot: Slot) -> EntryRef<'_> {
        // SAFETY: the slot is live (3), and stays while the segment is borrowed (2).
        unsafe { EntryRef::new(self.checked(slot)) }
    }

    #[inline]
    fn checked(&self, slot: Slot) -> Raw {
        assert!(slot.0 == self.last.get() && slot != Slot::NONE, "an entry was used after its segment changed");
        self.raw(slot.0)
    }

    /// Every entry, in the order of memory.
    #[inline]
    pub(super) fn iter(&self) -> SegmentIter<'_> {
        SegmentIter { segment: self, slots: self.arena.slots(), all: true }
    }

    /// Every entry that is not marked as touched, in the order of memory.
    pub(super) fn untouched(&self) -> SegmentIter<'_> {
        SegmentIter { segment: self, slots: self.arena.slots(), all: false }
    }

    /// The entry in place `nth` of the index, if there is one; places are numbered up to [`places`](Self::places).
    pub(super) fn at_place(&self, nth: usize) -> Option<EntryRef<'_>> {
        let index = *self.index.get_bucket(nth)?;
        // SAFETY: what is indexed is live (1), and stays while the segment is borrowed (2).
        Some(unsafe { EntryRef::new(self.raw(index)) })
    }

    /// The number of places in the index, empty ones included.
    pub(super) fn places(&self) -> usize {
        self.index.num_buckets()
    }

    // ---- adding and taking away -------------------------------------------------------------------------------------

    /// Adds an entry. Its key must not be there yet, and its slot must fit.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, draft: Draft<'_>, hasher: &RandomState) -> Slot {
        let header = draft.header();
        let index = self.arena.alloc(header.slot_len());
        // SAFETY: the slot was just cut for this header.
        unsafe { write(self.raw(index), header, draft) };
        self.owning += u32::from(header.owns_memory());
        let arena = &self.arena;
        // SAFETY: what is indexed is live (1).
        self.index
            .insert_unique(tag_of(hash), index, |&index| unsafe { tag_of(hash_of(hasher, Raw(arena.slot(index)).key())) });
        self.last.set(index);
        Slot(index)
    }

    /// Takes the entry at `key` out of the index; its slot is no longer live.
    #[inline]
    fn unindex(&mut self, hash: u64, key: &[u8]) -> Option<SlotIndex> {
        let arena = &self.arena;
        // SAFETY: what is indexed is live (1).
        let same = |&index: &SlotIndex| unsafe { Raw(arena.slot(index)).key() } == key;
        let (index, _) = self.index.find_entry(tag_of(hash), same).ok()?.remove();
        self.last.set(Slot::NONE.0);
        Some(index)
    }

    /// Deletes the entry at `key`. Says whether it had a deadline, `None` if it was not there.
    #[inline]
    pub(super) fn delete(&mut self, hash: u64, key: &[u8]) -> Option<bool> {
        let index = self.unindex(hash, key)?;
        // SAFETY: the slot was live until it left the index, and is not used again.
        unsafe { Some(self.dispose(index)) }
    }

    /// Takes the entry at `key` out.
    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let index = self.unindex(hash, key)?;
        let raw = self.raw(index);
        // SAFETY: the slot was live until it left the index. The value is moved out, and only what is left
        // of the slot is dropped.
        unsafe {
            let header = raw.header();
            let value = match header.is_owned() {
                false => Value::string(raw.text()),
                true => raw.value_ptr().read(),
            };
            let entry = Entry::from_parts(raw.key(), value, raw.deadline().map(UnixMs), header.access(), header.is_raw());
            self.owning -= u32::from(header.owns_memory());
            drop_far_key(raw, header);
            self.arena.free(index, header.slot_len());
            Some(entry)
        }
    }

    /// Drops what a slot owns and makes a hole of it; says whether it had a deadline.
    ///
    /// # Safety
    /// The slot is live, and not in the index any more.
    #[inline]
    unsafe fn dispose(&mut self, index: SlotIndex) -> bool {
        let raw = self.raw(index);
        // SAFETY: by the precondition the slot is live, and after this nobody uses it.
        unsafe {
            let header = raw.header();
            if header.owns_memory() {
                self.owning -= 1;
                drop_owned(raw, header);
            }
            self.arena.free(index, header.slot_len());
            header.has_deadline()
        }
    }

    // ---- changing ---------------------------------------------------------------------------------------------------

    /// Puts a string in place of the value if that needs no other slot: if it is short, as the old one was, and the slot is large
    /// enough; or if both are long. The key stays; deadline and access bits become these. Says whether it was done.
    #[inline]
    pub(super) fn overwrite(&mut self, slot: Slot, text: &[u8], expire: Option<UnixMs>, access: u32, is_raw: bool) -> bool {
        let raw = self.checked(slot);
        // SAFETY: the slot is live (3). What is written lies within the slot: `in_slot` says that the new header fits its length.
        // The key is moved before the text is written over where it may have been.
        unsafe {
            let old = raw.header();
            if old.is_owned() || text.len() > INLINE_LEN_MAX {
                return self.overwrite_long(slot, text, expire, access, is_raw);
            }
            let new = old.with_text(text.len()).with_deadline(expire.is_some()).with_raw(is_raw).with_access(access);
            let slot_len = old.slot_len();
            if slot_len > new.used_len() * 2 + 64 {
                return false;
            }
            let Some(new) = new.in_slot(slot_len) else { return false };
            if new.key_at() != old.key_at() {
                raw.0.add(new.key_at()).copy_from(raw.0.add(old.key_at()), old.key_field_len());
            }
            raw.0.add(new.text_at()).copy_from_nonoverlapping(start(text), text.len());
            if let Some(expire) = expire {
                raw.0.add(8).cast::<u64>().write(expire.0);
            }
            raw.set_header(new);
        }
        true
    }

    #[cold]
    fn overwrite_long(&mut self, slot: Slot, bytes: &[u8], expire: Option<UnixMs>, access: u32, is_raw: bool) -> bool {
        let raw = self.checked(slot);
        // SAFETY: the slot is live (3), and the segment is borrowed mutably. The parts of the header that are changed say nothing
        // of what else is in the slot.
        unsafe {
            let old = raw.header();
            if bytes.len() <= INLINE_LEN_MAX || !old.is_owned() || old.has_deadline() != expire.is_some() {
                return false;
            }
            let Value::Str(own) = raw.value_ptr().as_mut() else { return false };
            match Arc::get_mut(own) {
                Some(own) if own.capacity() / 2 <= bytes.len() => {
                    own.clear();
                    own.extend_from_slice(bytes);
                }
                _ => {
                    graveyard::drop_value(Value::Str(std::mem::replace(own, Arc::new(bytes.to_vec()))));
                }
            }
            if let Some(expire) = expire {
                raw.0.add(8).cast::<u64>().write(expire.0);
            }
            raw.set_header(old.with_raw(is_raw).with_access(access));
        }
        true
    }

    /// The value at a slot, to change in place.
    #[inline]
    pub(super) fn value_mut(&mut self, slot: Slot) -> ValueMut<'_> {
        let raw = self.checked(slot);
        // SAFETY: the slot is live (3), and the segment is borrowed mutably as long as the value.
        unsafe {
            let header = raw.header();
            if header.is_owned() {
                return raw.value_ptr().as_mut().view_mut();
            }
            ValueMut::Str(std::slice::from_raw_parts_mut(raw.0.add(header.text_at()).as_ptr(), header.text_len()))
        }
    }

    /// The value at a slot, if it is not short text.
    pub(super) fn owned_value_mut(&mut self, slot: Slot) -> Option<&mut Value> {
        let raw = self.checked(slot);
        // SAFETY: as in `value_mut`.
        unsafe { raw.header().is_owned().then(|| raw.value_ptr().as_mut()) }
    }

    /// Sets whether `OBJECT ENCODING` says `raw`.
    pub(super) fn set_raw(&mut self, slot: Slot, is_raw: bool) {
        let raw = self.checked(slot);
        // SAFETY: the slot is live (3), and the flag does not change what else is in it.
        unsafe { raw.set_header(raw.header().with_raw(is_raw)) };
    }

    /// Marks the entry at a slot as touched.
    pub(super) fn set_touched(&mut self, slot: Slot) {
        let raw = self.checked(slot);
        // SAFETY: the slot is live (3), and the mark does not change what else is in it.
        unsafe { raw.set_header(raw.header().with_touched(true)) };
    }

    /// Marks the first `count` entries that are not marked as touched, in the order of memory.
    pub(super) fn touch_some(&mut self, count: usize) {
        let mut left = count;
        for index in self.arena.slots() {
            if left == 0 {
                break;
            }
            let raw = self.raw(index);
            // SAFETY: slots that are not holes are live, and the mark does not change what else is in them.
            unsafe {
                let header = raw.header();
                if !header.is_touched() {
                    raw.set_header(header.with_touched(true));
                    left -= 1;
                }
            }
        }
    }

    /// Takes the marks of all entries away.
    pub(super) fn clear_touched(&mut self) {
        for index in self.arena.slots() {
            let raw = self.raw(index);
            // SAFETY: slots that are not holes are live, and the mark does not change what else is in them.
            unsafe {
                let header = raw.header();
                if header.is_touched() {
                    raw.set_header(header.with_touched(false));
                }
            }
        }
    }

    /// Sets or clears the deadline if the slot is large enough. Says whether it was done.
    pub(super) fn set_expire(&mut self, slot: Slot, expire: Option<UnixMs>) -> bool {
        let raw = self.checked(slot);
        // SAFETY: the slot is live (3). The body is moved within the slot: `in_slot` says that the new header fits its length.
        unsafe {
            let old = raw.header();
            let Some(new) = old.with_deadline(expire.is_some()).in_slot(old.slot_len()) else { return false };
            raw.0.add(new.body_at()).copy_from(raw.0.add(old.body_at()), old.end_at() - old.body_at());
            if let Some(expire) = expire {
                raw.0.add(8).cast::<u64>().write(expire.0);
            }
            raw.set_header(new);
        }
        true
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.owning > 0 {
            for index in self.arena.slots() {
                let raw = self.raw(index);
                // SAFETY: slots that are not holes are live, and nobody uses them after this.
                unsafe { drop_owned(raw, raw.header()) };
            }
        }
    }
}

/// Bytes that may lie idle in any segment.
const SPARSE_BYTES: usize = 1024;
/// The share of the live bytes that may lie idle beyond that.
const SPARSE_SHARE: usize = 4;

/// The entries of a segment, in the order of memory.
#[derive(Clone)]
pub struct SegmentIter<'a> {
    segment: &'a Segment,
    slots: Slots<'a>,
    /// Touched ones as well.
    all: bool,
}

impl<'a> Iterator for SegmentIter<'a> {
    type Item = EntryRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<EntryRef<'a>> {
        loop {
            let index = self.slots.next()?;
            // SAFETY: slots that are not holes are live, and stay while the segment is borrowed (2).
            let entry = unsafe { EntryRef::new(self.segment.raw(index)) };
            if self.all || !entry.is_touched() {
                return Some(entry);
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.segment.len()))
    }
}

/// Asks for two cache lines, which most entries lie in. Any address will do: nothing is read.
#[inline]
fn prefetch(at: NonNull<u8>) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect but on the caches, wherever it points to.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.as_ptr().cast());
        _mm_prefetch::<_MM_HINT_T0>(at.as_ptr().wrapping_add(64).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Drops what a slot owns.
///
/// # Safety
/// The slot is live, and not used again before it is written anew.
#[inline]
unsafe fn drop_owned(raw: Raw, header: Header) {
    // SAFETY: by the precondition.
    unsafe {
        if header.is_owned() {
            drop_value(raw.value_ptr());
        }
        drop_far_key(raw, header);
    }
}

/// Drops a value, or has it dropped later if that takes long.
///
/// # Safety
/// The value is live, and not used again.
#[inline]
unsafe fn drop_value(value: NonNull<Value>) {
    // SAFETY: by the precondition; it is either moved out or dropped, once.
    unsafe {
        if value.as_ref().is_slow_to_drop() {
            graveyard::bury(value.read());
        } else {
            if let Value::Str(text) = value.as_ref() {
                leftovers::leaves(text);
            }
            value.drop_in_place();
        }
    }
}

/// Drops the key of a slot, if it is far.
///
/// # Safety
/// The slot is live, and its key not used again.
#[inline]
unsafe fn drop_far_key(raw: Raw, header: Header) {
    if header.is_far() {
        // SAFETY: a far key came from `Box::into_raw`.
        unsafe { drop(Box::from_raw(raw.0.add(header.key_at()).cast::<*mut [u8]>().read_unaligned())) };
    }
}
