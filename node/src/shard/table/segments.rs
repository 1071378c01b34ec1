//! The list of a table's segments, and what the table notes of each.

use crate::shard::packed::Segment;

/// Segments split when they have between this many entries and twice as many: at most as many as an index of 1024 places takes.
const SPLIT_LEN_MIN: u32 = 448;
/// Segments split when they have this many bytes for each entry that they might have.
const SPLIT_BYTES_PER_ENTRY: usize = 192;
/// Segments are kept in blocks, so that the list grows without being copied.
const BLOCK_LEN: usize = 256;

/// A segment, and what the table notes of it. Laid out so that a look-up reads two of its cache lines.
#[repr(C, align(64))]
pub(in crate::shard) struct Part {
    /// The last snapshot that has this segment. The entries' marks are those of the next one.
    pub(in crate::shard) saved_epoch: u32,
    /// How many entries it may have.
    split_len: u32,
    pub(in crate::shard) entries: Segment,
    /// The earliest deadline of an entry, or an earlier time; `u64::MAX` = there are none.
    pub(in crate::shard) earliest: u64,
    /// The bits of the hash that all entries share, at the top; the rest is 0.
    pub(in crate::shard) prefix: u64,
    /// How many bits that are.
    pub(in crate::shard) depth: u8,
}

const _: () = assert!(size_of::<Part>() == 256);

impl Part {
    pub(super) fn new(entries: Segment, prefix: u64, depth: u8, saved_epoch: u32) -> Self {
        Part { entries, earliest: u64::MAX, saved_epoch, split_len: split_len(prefix, depth), prefix, depth }
    }

    /// Notes that the segment kept the lower half of its range.
    pub(super) fn deepen(&mut self) {
        self.depth += 1;
        self.split_len = split_len(self.prefix, self.depth);
    }

    /// Whether it must split before an entry of `slot_len` bytes is added.
    #[inline]
    pub(super) fn is_full(&self, slot_len: usize) -> bool {
        self.entries.len() >= self.split_len as usize || self.is_over_bytes(slot_len)
    }

    /// Whether it must split or be compacted before a slot of `slot_len` bytes is added.
    #[inline]
    pub(super) fn is_over_bytes(&self, slot_len: usize) -> bool {
        self.entries.live_bytes() + slot_len > self.split_len as usize * SPLIT_BYTES_PER_ENTRY || !self.entries.fits(slot_len)
    }
}

/// At how many entries a segment splits: different for each, so that the table's memory does not breathe.
fn split_len(prefix: u64, depth: u8) -> u32 {
    let mixed = (prefix.rotate_right(32) ^ u64::from(depth)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    SPLIT_LEN_MIN + (mixed >> 40) as u32 % SPLIT_LEN_MIN
}

/// All segments of a table, by number. Numbers are given in order, and never taken back.
pub(in crate::shard) struct Segments {
    blocks: Vec<Vec<Part>>,
}

impl Segments {
    /// One segment for everything.
    pub(super) fn new() -> Self {
        Segments { blocks: vec![vec![Part::new(Segment::new(), 0, 0, 0)]] }
    }

    #[inline]
    pub(in crate::shard) fn get(&self, number: u32) -> &Part {
        &self.blocks[number as usize / BLOCK_LEN][number as usize % BLOCK_LEN]
    }

    #[inline]
    pub(in crate::shard) fn get_mut(&mut self, number: u32) -> &mut Part {
        &mut self.blocks[number as usize / BLOCK_LEN][number as usize % BLOCK_LEN]
    }

    /// How many there are.
    pub(in crate::shard) fn len(&self) -> u32 {
        let last = self.blocks.len() - 1;
        (last * BLOCK_LEN + self.blocks[last].len()) as u32
    }

    /// Adds a segment, and says its number.
    pub(super) fn push(&mut self, part: Part) -> u32 {
        let number = self.len();
        if number as usize / BLOCK_LEN == self.blocks.len() {
            self.blocks.push(Vec::with_capacity(BLOCK_LEN));
        }
        self.blocks[number as usize / BLOCK_LEN].push(part);
        number
    }

    /// All of them, by number.
    pub(in crate::shard) fn iter(&self) -> impl Iterator<Item = &Part> {
        self.blocks.iter().flatten()
    }

    /// Takes the last block out, for dropping a table bit by bit.
    pub(super) fn pop_block(&mut self) -> Option<Vec<Part>> {
        self.blocks.pop()
    }

    /// Puts back what is left of the last block.
    pub(super) fn put_back(&mut self, block: Vec<Part>) {
        self.blocks.push(block);
    }
}
