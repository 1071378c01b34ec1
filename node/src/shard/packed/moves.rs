//! Moving entries: to a larger slot, into a compact arena, into two segments, and out of them when their time is over.

use super::arena::{Arena, SlotIndex};
use super::draft::{Body, start};
use super::layout::Header;
use super::view::Raw;
use super::{Segment, Slot, drop_value, hash_of, tag_of};
use crate::shard::value::Value;
use ahash::RandomState;
use hashbrown::HashTable;
use koltso_proto::id::UnixMs;

/// What an entry shall hold from now on.
pub(in crate::shard) enum NewBody<'a> {
    /// What it holds.
    Same,
    /// Something else. `raw`: whether `OBJECT ENCODING` shall say so.
    Other { body: Body<'a>, raw: bool },
}

impl Segment {
    fn rewritten_header(&self, slot: Slot, body: &NewBody<'_>, expire: Option<UnixMs>) -> Header {
        // SAFETY: the slot is live (3).
        let old = unsafe { self.checked(slot).header() };
        let new = match body {
            NewBody::Same => old.in_slot(old.used_len()).expect("an entry fits its own length"),
            NewBody::Other { body: Body::Text(text), raw } => old.with_text(text.len()).with_raw(*raw),
            NewBody::Other { body: Body::Value(value), raw } => old.with_value(value.kind()).with_raw(*raw),
        };
        new.with_deadline(expire.is_some())
    }

    /// The length of the slot that [`rewrite`](Self::rewrite) will need.
    pub(in crate::shard) fn rewritten_len(&self, slot: Slot, body: &NewBody<'_>, expire: Option<UnixMs>) -> usize {
        self.rewritten_header(slot, body, expire).slot_len()
    }

    /// Moves an entry to a new slot, with another body or deadline or both. The new slot must fit.
    pub(in crate::shard) fn rewrite(&mut self, slot: Slot, hash: u64, body: NewBody<'_>, expire: Option<UnixMs>) -> Slot {
        let header = self.rewritten_header(slot, &body, expire);
        let index = self.arena.alloc(header.slot_len());
        let (old_raw, raw) = (self.raw(slot.0), self.raw(index));
        // SAFETY: the old slot is live (`rewritten_header` has checked), the new one was cut for this header, and they do not
        // overlap. What the old slot owns is either moved bit by bit, and its slot then freed without dropping, or dropped.
        unsafe {
            let old = old_raw.header();
            raw.set_header(header);
            if let Some(expire) = expire {
                raw.0.add(8).cast::<u64>().write(expire.0);
            }
            raw.0.add(header.key_at()).copy_from_nonoverlapping(old_raw.0.add(old.key_at()), old.key_field_len());
            match &body {
                NewBody::Same if old.is_owned() => raw.value_ptr().copy_from_nonoverlapping(old_raw.value_ptr(), 1),
                NewBody::Same => copy_text(old_raw.text(), raw, header),
                NewBody::Other { body: Body::Text(text), .. } => copy_text(text, raw, header),
                NewBody::Other { body: Body::Value(_), .. } => {}
            }
            self.owning -= u32::from(old.owns_memory());
            self.owning += u32::from(header.owns_memory());
            *self.index.find_mut(tag_of(hash), |&index| index == slot.0).expect("a live slot is indexed") = index;
            self.last.set(index);
            self.arena.free(slot.0, old.slot_len());
            if let NewBody::Other { body, .. } = body {
                if let Body::Value(value) = body {
                    raw.value_ptr().write(value);
                }
                if old.is_owned() {
                    // The header of the hole does not reach the value, which lies behind it.
                    drop_value(old_raw.0.add(old.body_at()).cast::<Value>());
                }
            }
        }
        Slot(index)
    }

    /// Moves all entries together, so that holes and slack are given back.
    pub(in crate::shard) fn compact(&mut self, hasher: &RandomState) {
        let mut target = Target::with_len(self.len());
        let old = self.take_slots();
        for index in old.slots() {
            let raw = Raw(old.slot(index));
            // SAFETY: slots that are not holes are live; each is moved once, and the old arena does not drop them.
            unsafe { target.take(raw, hash_of(hasher, raw.key())) };
        }
        target.put_into(self);
    }

    /// Moves the entries whose hash has `bit` set into a new segment, and compacts this one.
    pub(in crate::shard) fn split(&mut self, bit: u64, hasher: &RandomState) -> Segment {
        let mut hashes = Vec::with_capacity(self.len());
        // SAFETY: slots that are not holes are live.
        hashes.extend(self.arena.slots().map(|index| unsafe { hash_of(hasher, self.raw(index).key()) }));
        let upper_len = hashes.iter().filter(|&hash| hash & bit != 0).count();
        let mut lower = Target::with_len(hashes.len() - upper_len);
        let mut upper = Target::with_len(upper_len);
        let old = self.take_slots();
        for (index, hash) in old.slots().zip(hashes) {
            let target = if hash & bit != 0 { &mut upper } else { &mut lower };
            // SAFETY: slots that are not holes are live; each is moved once, and the old arena does not drop them.
            unsafe { target.take(Raw(old.slot(index)), hash) };
        }
        lower.put_into(self);
        let mut other = Segment::new();
        upper.put_into(&mut other);
        other
    }

    /// Empties the segment without dropping what is in the slots, and hands them out.
    fn take_slots(&mut self) -> Arena {
        self.index = HashTable::new();
        self.last.set(Slot::NONE.0);
        self.owning = 0;
        std::mem::take(&mut self.arena)
    }

    /// Deletes the entries that `select` picks; it is given each one's deadline, if it has one, and its key.
    pub(in crate::shard) fn delete_where(&mut self, hasher: &RandomState, mut select: impl FnMut(Option<u64>, &[u8]) -> bool) {
        let mut next = 0;
        while let Some((index, header)) = self.arena.next_from(next) {
            next = index as usize + header.slot_len() / super::layout::UNIT;
            if header.is_hole() {
                continue;
            }
            let raw = self.raw(index);
            // SAFETY: slots that are not holes are live; the key is not used after the slot was disposed of.
            unsafe {
                if select(raw.deadline(), raw.key()) {
                    let tag = tag_of(hash_of(hasher, raw.key()));
                    self.index.find_entry(tag, |&other| other == index).expect("a live slot is indexed").remove();
                    self.last.set(Slot::NONE.0);
                    self.dispose(index);
                }
            }
        }
    }
}

/// # Safety
/// The text lies outside of the slot, which is as long as `header` says.
unsafe fn copy_text(text: &[u8], raw: Raw, header: Header) {
    // SAFETY: by the precondition.
    unsafe { raw.0.add(header.text_at()).copy_from_nonoverlapping(start(text), text.len()) };
}

/// A segment being filled with entries of another.
struct Target {
    arena: Arena,
    index: HashTable<SlotIndex>,
    owning: u32,
}

impl Target {
    fn with_len(len: usize) -> Self {
        Target { arena: Arena::default(), index: HashTable::with_capacity(len), owning: 0 }
    }

    /// Moves an entry here, without its slack.
    ///
    /// # Safety
    /// The slot is live, and from now on neither used nor dropped.
    unsafe fn take(&mut self, raw: Raw, hash: u64) {
        // SAFETY: by the precondition; the new slot is as long as what is copied into it.
        unsafe {
            let header = raw.header();
            let used_len = header.used_len();
            let index = self.arena.alloc(used_len);
            let new = Raw(self.arena.slot(index));
            new.0.copy_from_nonoverlapping(raw.0, used_len);
            new.set_header(header.in_slot(used_len).expect("an entry fits its own length"));
            self.owning += u32::from(header.owns_memory());
            // The index has room for all: it never asks for the hash of what is in it.
            self.index.insert_unique(tag_of(hash), index, |_| unreachable!("the index was made large enough"));
        }
    }

    fn put_into(self, segment: &mut Segment) {
        (segment.arena, segment.index, segment.owning) = (self.arena, self.index, self.owning);
    }
}
