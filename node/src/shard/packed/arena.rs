//! The memory of a segment: chunks that slots are cut from, one after another.
//!
//! Chunks are all [`CHUNK_LEN`] bytes, but the last one, which grows in steps, so that a segment wastes little. The bytes of a
//! chunk up to its end are slots and holes without gaps. Nothing in here knows what is in a slot beyond its header's length.

use super::layout::{Header, UNIT};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;

/// The length of a chunk, in bytes.
const CHUNK_LEN: usize = 8192;
const UNITS_PER_CHUNK: usize = CHUNK_LEN / UNIT;
/// What the last chunk grows through, in bytes.
const STEPS: [usize; 6] = [1024, 2048, 3072, 4096, 6144, CHUNK_LEN];
/// The most chunks: one less than slots could name, so that one name is left for "none".
const CHUNKS_MAX: usize = (1 << 16) / UNITS_PER_CHUNK - 1;

/// Where a slot lies: its distance from the arena's beginning in units, as if chunks were adjacent.
pub(super) type SlotIndex = u16;

/// The chunks of a segment. Dropping it frees them, and does not drop what is in the slots.
#[derive(Default)]
pub(super) struct Arena {
    /// Each points to `CHUNK_LEN` allocated bytes, the last one to `last_len`, of which `last_end` are slots and holes.
    chunks: Vec<NonNull<u8>>,
    last_len: u32,
    last_end: u32,
    /// Bytes in holes that a compaction would win.
    dead_len: u32,
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
        match self.chunks.len() {
            0 => 0,
            n => (n - 1) * CHUNK_LEN + self.last_len as usize,
        }
    }

    /// Bytes that hold entries.
    pub(super) fn live_bytes(&self) -> usize {
        match self.chunks.len() {
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
        self.last_end as usize + len <= CHUNK_LEN || self.chunks.len() < CHUNKS_MAX
    }

    /// The address of a slot. The pointer is good for the rest of its chunk, until the arena next allocates or is dropped.
    #[inline]
    pub(super) fn slot(&self, index: SlotIndex) -> NonNull<u8> {
        let (chunk, unit) = (index as usize / UNITS_PER_CHUNK, index as usize % UNITS_PER_CHUNK);
        // SAFETY: `index` came from `alloc`, so the unit lies in the chunk; that there is such a chunk is checked here.
        unsafe { self.chunks[chunk].add(unit * UNIT) }
    }

    /// Cuts a slot of `len` bytes; the caller must write its header before anything walks the arena. `len` must fit.
    #[inline]
    pub(super) fn alloc(&mut self, len: usize) -> SlotIndex {
        debug_assert!(len.is_multiple_of(UNIT) && (UNIT..=CHUNK_LEN).contains(&len));
        if self.last_end as usize + len > self.last_len as usize {
            self.extend(len);
        }
        let index = (self.chunks.len() - 1) * UNITS_PER_CHUNK + self.last_end as usize / UNIT;
        self.last_end += len as u32;
        index as SlotIndex
    }

    /// Makes the last chunk longer, or begins another.
    #[cold]
    fn extend(&mut self, len: usize) {
        let end = self.last_end as usize;
        if !self.chunks.is_empty() {
            if end + len <= CHUNK_LEN {
                return self.resize_last(end + len);
            }
            self.resize_last(CHUNK_LEN);
            if end < CHUNK_LEN {
                let last = self.chunks[self.chunks.len() - 1];
                // SAFETY: the last chunk has just been given its full length, so 8 bytes at `end`, a multiple of 8, are in it.
                unsafe { last.add(end).cast::<u64>().write(Header::hole(CHUNK_LEN - end).0) };
            }
        }
        assert!(self.chunks.len() < CHUNKS_MAX, "the caller asks whether a slot fits");
        let step = STEPS.into_iter().find(|&step| step >= len).unwrap_or(CHUNK_LEN);
        // SAFETY: the layout's size is not zero.
        let chunk = unsafe { alloc(layout(step)) };
        self.chunks.push(NonNull::new(chunk).unwrap_or_else(|| handle_alloc_error(layout(step))));
        (self.last_len, self.last_end) = (step as u32, 0);
    }

    /// Gives the last chunk at least `len` bytes.
    fn resize_last(&mut self, len: usize) {
        let step = STEPS.into_iter().find(|&step| step >= len).unwrap_or(CHUNK_LEN);
        if step <= self.last_len as usize {
            return;
        }
        let last = self.chunks.len() - 1;
        // SAFETY: the chunk was allocated with a length of `last_len` and the alignment of `layout`.
        let chunk = unsafe { realloc(self.chunks[last].as_ptr(), layout(self.last_len as usize), step) };
        self.chunks[last] = NonNull::new(chunk).unwrap_or_else(|| handle_alloc_error(layout(step)));
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
        let end = self.chunks.len().checked_sub(1)? * UNITS_PER_CHUNK + self.last_end as usize / UNIT;
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
        let last = self.chunks.len().saturating_sub(1);
        for (i, chunk) in self.chunks.iter().enumerate() {
            let len = if i == last { self.last_len as usize } else { CHUNK_LEN };
            // SAFETY: the chunk was allocated with this length and alignment.
            unsafe { dealloc(chunk.as_ptr(), layout(len)) };
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
