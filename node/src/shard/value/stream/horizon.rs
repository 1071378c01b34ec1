//! How far a group has read, in entries. Streams count what was added, not where each entry stands, so this is known only where
//! no entry was deleted from among those to come.

use super::Group;
use koltso_proto::stream::StreamId;
use std::cmp::Ordering;

/// What can be said about the entries of a stream by their ids.
#[derive(Clone, Copy, Debug)]
pub struct Horizon {
    pub(super) len: u64,
    pub(super) first_id: StreamId,
    pub(super) last_id: StreamId,
    pub(super) max_deleted: StreamId,
    pub(super) entries_added: u64,
}

impl Horizon {
    /// Whether an entry from `start` on was deleted from among the others. One that was the first leaves no gap.
    pub fn has_gap_from(&self, start: StreamId) -> bool {
        let deleted = self.max_deleted;
        self.len > 0 && deleted != StreamId::MIN && self.first_id <= deleted && start <= deleted
    }

    /// How many entries were ever added up to `id`; `None` if that cannot be said.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.len == 0 && id < self.last_id) {
            return Some(self.entries_added);
        }
        if id > self.last_id || (self.max_deleted != StreamId::MIN && self.max_deleted >= self.first_id) {
            return None;
        }
        let before = self.entries_added.saturating_sub(self.len);
        match id.cmp(&self.first_id) {
            Ordering::Less => Some(before),
            Ordering::Equal => Some(before + 1),
            Ordering::Greater => None,
        }
    }

    /// How many entries a group has yet to read; `None` if that cannot be said.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_gap_from(group.last_id) => Some(read),
            _ => self.entries_up_to(group.last_id),
        };
        read.map(|read| (self.entries_added as i64).wrapping_sub(read as i64))
    }
}
