//! Growing: segments split, one at a time, when they are full.

use super::{DEPTH_MAX, Part, Table};

impl Table {
    /// Compacts or splits a segment; says whether it did any of them.
    #[cold]
    #[inline(never)]
    pub(super) fn make_room(&mut self, number: u32) -> bool {
        let part = self.segments.get(number);
        if part.entries.is_sparse() {
            self.compact(number);
            return true;
        }
        if part.depth >= DEPTH_MAX || part.entries.len() < 2 {
            return false;
        }
        self.split(number);
        true
    }

    /// Gives every segment twice as many entries of the directory. This is the one step that takes time in proportion to the
    /// table: some 0.2 ms at 16 M keys.
    fn double_directory(&mut self) {
        let mut doubled = vec![0; self.directory.len() * 2];
        for (pair, &number) in doubled.chunks_exact_mut(2).zip(&self.directory) {
            pair.fill(number);
        }
        self.directory = doubled;
        self.shift -= 1;
    }

    /// Splits a segment. What a snapshot that is being taken still needs of it, it will find in both halves: the new one's number is
    /// beyond those that have been walked.
    fn split(&mut self, number: u32) {
        let part = self.segments.get_mut(number);
        let (prefix, depth, earliest, saved_epoch) = (part.prefix, part.depth, part.earliest, part.saved_epoch);
        let bit = 1 << (63 - depth);
        let upper = part.entries.split(bit, &self.hasher);
        part.deepen();
        let added = self.segments.push(Part::new(upper, prefix | bit, depth + 1, saved_epoch));
        if 32 - self.shift == u32::from(depth) {
            self.double_directory();
        }
        let first = ((prefix | bit) >> 32 >> self.shift) as usize;
        let count = 1 << (32 - self.shift - u32::from(depth) - 1);
        self.directory[first..first + count].fill(added);
        if earliest != u64::MAX {
            self.refresh_deadline(number);
            self.refresh_deadline(added);
        }
    }
}
