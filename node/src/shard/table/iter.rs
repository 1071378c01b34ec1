//! Going through a table: all of it, by cursor, or at random.

use super::Table;
use crate::shard::entry::EntryRef;
use crate::shard::packed::SegmentIter;
use crate::shard::value::Value;
use rand::{Rng, RngExt};

/// Cursors are the top bits of a hash, so many of them.
const CURSOR_BITS: u32 = 48;
/// How many segments a scan looks at for each entry that it is asked for, before it lets others do something.
const SCAN_SEGMENTS_PER_ENTRY: usize = 4;
/// How many segments, and how many entries of each, are looked at to see what a table takes.
const SIZE_SEGMENTS: u32 = 16;
const SIZE_ENTRIES: usize = 16;
/// How often a random place is tried before the next entry is taken from there on.
const RANDOM_TRIES: usize = 200;

impl Table {
    /// Every entry, in no order.
    pub fn iter(&self) -> TableIter<'_> {
        TableIter { table: self, entries: self.segments.get(0).entries.iter(), next: 1 }
    }

    /// Visits about `count` entries from `cursor` on, and says where to go on; 0 is both the beginning and the end. Cursors
    /// are below 2^48. Every entry that is there from the first call to the last is visited at least once.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(EntryRef<'_>)) -> u64 {
        let end = 1 << CURSOR_BITS;
        let mut cursor = cursor.min(end);
        let mut left = count.max(1) as u64;
        for _ in 0..count.saturating_mul(SCAN_SEGMENTS_PER_ENTRY).max(SCAN_SEGMENTS_PER_ENTRY) {
            if cursor == end || left == 0 {
                break;
            }
            let part = self.segments.get(self.segment_for(cursor << (64 - CURSOR_BITS)));
            let width = 1 << (CURSOR_BITS - u32::from(part.depth));
            let segment_end = (part.prefix >> (64 - CURSOR_BITS)) + width;
            // As much of the segment's range as is likely to have the entries that are still wanted.
            let share = (width / (part.entries.len() as u64).max(1)).max(1);
            let stop = cursor.saturating_add(share.saturating_mul(left)).min(segment_end);
            for entry in part.entries.iter() {
                let place = self.hash(entry.key()) >> (64 - CURSOR_BITS);
                if (cursor..stop).contains(&place) {
                    visit(entry);
                    left = left.saturating_sub(1);
                }
            }
            cursor = stop;
        }
        if cursor == end { 0 } else { cursor }
    }

    /// An entry chosen at random, each as likely as another unless the table is nearly empty for its size.
    pub fn random(&self, rng: &mut impl Rng) -> Option<EntryRef<'_>> {
        if self.is_empty() {
            return None;
        }
        // A place among as many as the largest index can have, in any segment: each entry is in exactly one of them.
        let places = 2048;
        for _ in 0..RANDOM_TRIES {
            let part = self.segments.get(rng.random_range(0..self.segments.len()));
            let place = rng.random_range(0..places);
            if place < part.entries.places()
                && let Some(entry) = part.entries.at_place(place)
            {
                return Some(entry);
            }
        }
        let start = rng.random_range(0..self.segments.len());
        let numbers = (start..self.segments.len()).chain(0..start);
        let full = numbers.map(|number| &self.segments.get(number).entries).find(|entries| entries.len() > 0)?;
        full.iter().nth(rng.random_range(0..full.len()))
    }

    /// About how many bytes the table takes, values included, from a few samples.
    pub(in crate::shard) fn sampled_bytes(&self) -> usize {
        let step = self.segments.len().div_ceil(SIZE_SEGMENTS).max(1) as usize;
        let (mut bytes, mut entries) = (0.0, 0);
        for part in self.segments.iter().step_by(step) {
            let some = part.entries.iter().take(SIZE_ENTRIES);
            let values = some.clone().filter_map(EntryRef::owned_value).map(Value::unshared_bytes).sum::<usize>();
            let share = part.entries.len() as f64 / some.count().max(1) as f64;
            bytes += part.entries.heap_bytes() as f64 + values as f64 * share;
            entries += part.entries.len();
        }
        (bytes / entries.max(1) as f64 * self.len as f64) as usize
    }

    /// Drops about `entries` entries; says whether there are more. The table is of no further use, but to be dropped.
    pub(in crate::shard) fn drop_some(&mut self, entries: usize) -> bool {
        let mut dropped = 0;
        while dropped < entries {
            let Some(mut block) = self.segments.pop_block() else { return false };
            while let Some(part) = block.pop() {
                dropped += part.entries.len();
                if dropped >= entries {
                    break;
                }
            }
            if !block.is_empty() {
                self.segments.put_back(block);
            }
        }
        true
    }
}

impl<'a> IntoIterator for &'a Table {
    type Item = EntryRef<'a>;
    type IntoIter = TableIter<'a>;

    fn into_iter(self) -> TableIter<'a> {
        self.iter()
    }
}

/// Every entry of a table, in no order.
pub struct TableIter<'a> {
    table: &'a Table,
    entries: SegmentIter<'a>,
    next: u32,
}

impl<'a> Iterator for TableIter<'a> {
    type Item = EntryRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<EntryRef<'a>> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(entry);
            }
            if self.next >= self.table.segments.len() {
                return None;
            }
            self.entries = self.table.segments.get(self.next).entries.iter();
            self.next += 1;
        }
    }
}
