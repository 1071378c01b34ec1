//! Active expiry: deleting entries whose time is over soon after it is, without looking for them at random.
//!
//! A table keeps its segments' earliest deadlines in a heap. A deadline that has come names a segment, whose entries are gone
//! through once; what is left gives its next deadline. Entries in the heap that no longer say what their segment says are stale,
//! and skipped.

use super::table::Table;
use koltso_proto::id::UnixMs;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Deadlines are rounded up to multiples of this many milliseconds in the heap, so that a segment with many of them close
/// together is gone through once, not for each.
const ROUND_MS: u64 = 8;

/// The segments' earliest deadlines.
#[derive(Default)]
pub(super) struct Deadlines(BinaryHeap<Reverse<(u64, u32)>>);

impl Deadlines {
    /// The numbers of some segments that have, or had, deadlines: one for each.
    pub(super) fn nth_segment(&self, nth: usize) -> Option<u32> {
        self.0.as_slice().get(nth).map(|&Reverse((_, number))| number)
    }

    /// How many can be asked for.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn rounded(deadline: u64) -> u64 {
    deadline.saturating_add(ROUND_MS - 1) / ROUND_MS * ROUND_MS
}

impl Table {
    /// Notes that a segment has an earlier deadline than all before.
    #[cold]
    #[inline(never)]
    pub(super) fn lower_deadline(&mut self, number: u32, deadline: u64) {
        let part = self.segments.get_mut(number);
        let (old, new) = (rounded(part.earliest), rounded(deadline));
        part.earliest = deadline;
        if new < old {
            self.push_deadline(new, number);
        }
    }

    fn push_deadline(&mut self, rounded: u64, number: u32) {
        if self.deadlines.0.len() > 64 + 2 * self.segments.len() as usize {
            self.drop_stale_deadlines();
        }
        self.deadlines.0.push(Reverse((rounded, number)));
    }

    fn drop_stale_deadlines(&mut self) {
        let mut entries = std::mem::take(&mut self.deadlines.0).into_vec();
        entries.retain(|&Reverse((deadline, number))| rounded(self.segments.get(number).earliest) == deadline);
        entries.sort_unstable();
        entries.dedup();
        self.deadlines.0 = BinaryHeap::from(entries);
    }

    /// Finds a segment's earliest deadline anew.
    pub(super) fn refresh_deadline(&mut self, number: u32) {
        let part = self.segments.get_mut(number);
        part.earliest =
            part.entries.iter().filter_map(|entry| entry.expire()).map(|deadline| deadline.0).min().unwrap_or(u64::MAX);
        if part.earliest != u64::MAX {
            let deadline = rounded(part.earliest);
            self.push_deadline(deadline, number);
        }
    }

    /// The segment whose deadline comes first, and that deadline, rounded; stale ones are dropped on the way.
    pub(super) fn first_deadline(&mut self) -> Option<(u64, u32)> {
        while let Some(&Reverse((deadline, number))) = self.deadlines.0.peek() {
            if rounded(self.segments.get(number).earliest) == deadline {
                return Some((deadline, number));
            }
            self.deadlines.0.pop();
        }
        None
    }

    /// Deletes entries whose time is over, and reports their keys. Stops after about `budget` entries were looked at; says how
    /// many were deleted, and whether more are due.
    pub fn expire_due(&mut self, now: UnixMs, budget: usize, report: &mut dyn FnMut(&[u8])) -> Expired {
        let mut expired = Expired::default();
        let mut looked_at = 0;
        while let Some((deadline, number)) = self.first_deadline() {
            if deadline > now.0 {
                return expired;
            }
            if looked_at >= budget {
                expired.more = true;
                return expired;
            }
            self.deadlines.0.pop();
            looked_at += self.segments.get(number).entries.len() + 1;
            expired.deleted += self.expire_segment(number, now, report);
        }
        expired
    }

    fn expire_segment(&mut self, number: u32, now: UnixMs, report: &mut dyn FnMut(&[u8])) -> usize {
        let due = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now.0);
        self.preserve_where(number, |entry| due(entry.expire().map(|deadline| deadline.0)));
        let mut deleted = 0;
        let mut earliest = u64::MAX;
        self.delete_where(number, |deadline, key| {
            let is_due = due(deadline);
            if is_due {
                deleted += 1;
                report(key);
            } else if let Some(deadline) = deadline {
                earliest = earliest.min(deadline);
            }
            is_due
        });
        self.count_removed(deleted, deleted);
        let part = self.segments.get_mut(number);
        part.earliest = earliest;
        let is_sparse = part.entries.is_sparse();
        if earliest != u64::MAX {
            self.push_deadline(rounded(earliest), number);
        }
        if is_sparse {
            self.compact(number);
        }
        deleted
    }
}

/// What a step of active expiry has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// How many entries were deleted.
    pub deleted: usize,
    /// Whether more are due already.
    pub more: bool,
}
