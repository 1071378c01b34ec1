//! The memory of a segment: chunks that slots are cut from, one after another.
//!
//! Chunks are all [`CHUNK_LEN`] bytes, but the last one, which grows in steps, so that a segment wastes little. The bytes of a
//! chunk up to its end are slots and holes without gaps. Nothing in here knows what is in a slot beyond its header's length.
//!
//! Every look-up goes through the list of chunks, so it stands in the arena itself unless it is long: that is one cache miss less.

use super::layout::{Header, UNIT};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;

/// The length of a chunk, in bytes.
const CHUNK_LEN: usize = 4096;
const UNITS_PER_CHUNK: usize = CHUNK_LEN / UNIT;
/// What the last chunk grows through, in bytes. Few sizes, because every one leaves some of the allocator's pages half empty.
const STEPS: [usize; 3] = [1024, 2048, CHUNK_LEN];
/// How many chunks the arena lists in itself.
const NEAR_CHUNKS: usize = 16;
/// The most chunks: one less than slots could name, so that one name is left for "none".
const CHUNKS_MAX: usize = (1 << 16) / UNITS_PER_CHUNK - 1;

/// Where a slot lies: its distance from the arena's beginning in units, as if chunks were adjacent.
pub(super) type SlotIndex = u16;

/// The chunks of a segment. Dropping it frees them, and does not drop what is in the slots.
#[repr(C)]
pub(super) struct Arena {
    /// How many chunks there are. Each has `CHUNK_LEN` bytes, the last one `last_len`, of which `last_end` are slots and holes.
    count: u32,
    last_len: u32,
    last_end: u32,
    /// Bytes in holes that a compaction would win.
    dead_len: u32,
    /// The first chunks; dangling where there are fewer.
    near: [NonNull<u8>; NEAR_CHUNKS],
    /// The others.
    far: Vec<NonNull<u8>>,
}

impl Default for Arena {
    fn default() -> Self {
        Arena { count: 0, last_len: 0, last_end: 0, dead_len: 0, near: [NonNull::dangling(); NEAR_CHUNKS], far: Vec::new() }
    }
}

// SAFETY: (1) an arena owns its chunks alone; nothing else keeps pointers into them beyond a borrow of the arena. (2) What its
// slots hold besides bytes is `Value`, which is `Send`; checked below.
unsafe impl Send for Arena {}
const _: () = {
    const fn sendable<T: Send>() {}
    sendable::<crate::shard::value::Value>();
};

impl Arena {
    /// Bytes taken from the allocator.
    pub(super) fn len_bytes(&self) -> usize {
        match self.count as usize {
            0 => 0,
            n => (n - 1) * CHUNK_LEN + self.last_len as usize,
        }
    }

    /// Bytes that hold entries.
    pub(super) fn live_bytes(&self) -> usize {
        match self.count as usize {
            0 => 0,
            n => (n - 1) * CHUNK_LEN + self.last_end as usize - self.dead_len as usize,
        }
    }

    /// Bytes in holes.
    pub(super) fn dead_bytes(&self) -> usize {
        self.dead_len as usize
    }

    /// Whether [`alloc`](Self::alloc) can have `len` bytes, without looking for holes.
    #[inline]
    pub(super) fn fits(&self, len: usize) -> bool {
        self.last_end as usize + len <= CHUNK_LEN || (self.count as usize) < CHUNKS_MAX
    }

    /// The address of a slot. The pointer is good for the rest of its chunk, until the arena next allocates or is dropped.
    #[inline]
    pub(super) fn slot(&self, index: SlotIndex) -> NonNull<u8> {
        let (chunk, unit) = (index as usize / UNITS_PER_CHUNK, index as usize % UNITS_PER_CHUNK);
        // SAFETY: `index` came from `alloc`, so there is such a chunk, and the unit lies in it.
        unsafe { self.chunk(chunk).add(unit * UNIT) }
    }

    #[inline]
    fn chunk(&self, nth: usize) -> NonNull<u8> {
        if nth < NEAR_CHUNKS { self.near[nth] } else { self.far[nth - NEAR_CHUNKS] }
    }

    fn set_chunk(&mut self, nth: usize, chunk: NonNull<u8>) {
        match nth.checked_sub(NEAR_CHUNKS) {
            None => self.near[nth] = chunk,
            Some(nth) if nth < self.far.len() => self.far[nth] = chunk,
            Some(_) => self.far.push(chunk),
        }
    }

    /// Cuts a slot of `len` bytes; the caller must write its header before anything walks the arena. `len` must fit.
    #[inline]
    pub(super) fn alloc(&mut self, len: usize) -> SlotIndex {
        debug_assert!(len.is_multiple_of(UNIT) && (UNIT..=CHUNK_LEN).contains(&len));
        if self.last_end as usize + len > self.last_len as usize {
            self.extend(len);
        }
        let index = (self.count as usize - 1) * UNITS_PER_CHUNK + self.last_end as usize / UNIT;
        self.last_end += len as u32;
        index as SlotIndex
    }

    /// Makes the last chunk longer, or begins another.
    #[cold]
    fn extend(&mut self, len: usize) {
        let end = self.last_end as usize;
        if self.count > 0 {
            if end + len <= CHUNK_LEN {
                return self.resize_last(end + len);
            }
            self.resize_last(CHUNK_LEN);
            if end < CHUNK_LEN {
                let last = self.chunk(self.count as usize - 1);
                // SAFETY: the last chunk has just been given its full length, so 8 bytes at `end`, a multiple of 8, are in it.
                unsafe { last.add(end).cast::<u64>().write(Header::hole(CHUNK_LEN - end).0) };
            }
        }
        assert!((self.count as usize) < CHUNKS_MAX, "the caller asks whether a slot fits");
        let step = STEPS.into_iter().find(|&step| step >= len).unwrap_or(CHUNK_LEN);
        // SAFETY: the layout's size is not zero.
        let chunk = unsafe { alloc(layout(step)) };
        self.set_chunk(self.count as usize, NonNull::new(chunk).unwrap_or_else(|| handle_alloc_error(layout(step))));
        self.count += 1;
        (self.last_len, self.last_end) = (step as u32, 0);
    }

    /// Gives the last chunk at least `len` bytes.
    fn resize_last(&mut self, len: usize) {
        let step = STEPS.into_iter().find(|&step| step >= len).unwrap_or(CHUNK_LEN);
        if step <= self.last_len as usize {
            return;
        }
        let last = self.count as usize - 1;
        // SAFETY: the chunk was allocated with a length of `last_len` and the alignment of `layout`.
        let chunk = unsafe { realloc(self.chunk(last).as_ptr(), layout(self.last_len as usize), step) };
        self.set_chunk(last, NonNull::new(chunk).unwrap_or_else(|| handle_alloc_error(layout(step))));
        self.last_len = step as u32;
    }

    /// Makes a hole of `len` bytes at `index`.
    ///
    /// # Safety
    /// They are one whole slot, or its end; what it held has been dropped or moved away.
    #[inline]
    pub(super) unsafe fn free(&mut self, index: SlotIndex, len: usize) {
        // SAFETY: by the precondition, these bytes are in the arena and nobody's.
        unsafe { self.slot(index).cast::<u64>().write(Header::hole(len).0) };
        self.dead_len += len as u32;
    }

    /// The first slot or hole at or after `index`, which must be where one begins or where the last one ends.
    #[inline]
    pub(super) fn next_from(&self, index: usize) -> Option<(SlotIndex, Header)> {
        let end = (self.count as usize).checked_sub(1)? * UNITS_PER_CHUNK + self.last_end as usize / UNIT;
        if index >= end {
            return None;
        }
        let index = index as SlotIndex;
        // SAFETY: the chunks' bytes up to the end are slots and holes without gaps, and each begins with a header.
        Some((index, Header(unsafe { self.slot(index).cast::<u64>().read() })))
    }

    /// Every slot that is not a hole.
    #[inline]
    pub(super) fn slots(&self) -> Slots<'_> {
        Slots { arena: self, next: 0 }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for nth in 0..self.count as usize {
            let len = if nth + 1 == self.count as usize { self.last_len as usize } else { CHUNK_LEN };
            // SAFETY: the chunk was allocated with this length and alignment.
            unsafe { dealloc(self.chunk(nth).as_ptr(), layout(len)) };
        }
    }
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len, UNIT).expect("chunks are small")
}

/// The slots of an arena in the order of memory.
#[derive(Clone)]
pub(super) struct Slots<'a> {
    arena: &'a Arena,
    next: usize,
}

impl Iterator for Slots<'_> {
    type Item = SlotIndex;

    #[inline]
    fn next(&mut self) -> Option<SlotIndex> {
        loop {
            let (index, header) = self.arena.next_from(self.next)?;
            self.next += header.slot_len() / UNIT;
            if !header.is_hole() {
                return Some(index);
            }
        }
    }
}
