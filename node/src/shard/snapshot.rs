//! Point-in-time snapshots without fork.
//!
//! At the cut, each table that has entries is given a sink and a new epoch. From then on, a segment whose epoch is old is handed to
//! the sink before it first changes, or when the walk comes to it, whatever is first; after that its epoch is the new one. So the
//! sink gets every entry exactly once, as it was at the cut. Segments that come from splits have been handed over with the one they
//! come from. A table that is flushed meanwhile is set aside, and walked there.

use super::Shard;
use super::packed::SegmentIter;
use super::rdb_sink::{EncodedSink, RdbOptions, RdbSink};
use super::table::Table;
use koltso_proto::id::DbIndex;
use std::sync::Arc;

/// Where the entries of a snapshot go. There is one for each table.
pub trait SegmentSink: Send {
    /// Takes a segment's entries, as they were at the cut.
    fn segment(&mut self, entries: SegmentIter<'_>);
    /// Goes on with what was put off while taking segments, if anything was, for about `budget` elements; says whether there is
    /// more.
    fn go_on(&mut self, budget: usize) -> bool {
        let _ = budget;
        false
    }
    /// Says that there are no more.
    fn finish(&mut self);
}

/// A snapshot being taken of one table.
pub(super) struct Cut {
    sink: Box<dyn SegmentSink>,
    /// Segments with lower numbers have been saved.
    next: u32,
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Call again.
    More,
    /// All is done.
    Done,
}

/// A table that has entries at the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableAtCut {
    /// Which database it is, at the cut.
    pub db: DbIndex,
    /// How many keys it has.
    pub keys: usize,
    /// How many of them have a deadline.
    pub expires: usize,
}

impl Table {
    pub(super) fn begin_cut(&mut self, sink: Box<dyn SegmentSink>) {
        self.epoch = self.epoch.wrapping_add(1);
        self.cut = Some(Box::new(Cut { sink, next: 0 }));
    }

    /// Hands a segment to the snapshot if it has not got it yet. Must be called before the segment changes.
    #[inline]
    pub(super) fn preserve(&mut self, number: u32) {
        if self.segments.get(number).saved_epoch != self.epoch {
            self.save(number);
        }
    }

    #[cold]
    #[inline(never)]
    fn save(&mut self, number: u32) {
        let part = self.segments.get_mut(number);
        part.saved_epoch = self.epoch;
        if let Some(cut) = &mut self.cut
            && part.entries.len() > 0
        {
            cut.sink.segment(part.entries.iter());
        }
    }

    /// Walks on over about `budget` entries; says how many were seen, `None` when the walk has ended.
    fn walk(&mut self, budget: usize) -> Option<usize> {
        let mut seen = 0;
        while seen < budget {
            let cut = self.cut.as_mut()?;
            if cut.sink.go_on(budget) {
                return Some(budget);
            }
            if cut.next >= self.segments.len() {
                cut.sink.finish();
                self.cut = None;
                return None;
            }
            let number = cut.next;
            cut.next += 1;
            let part = self.segments.get(number);
            if part.saved_epoch != self.epoch {
                seen += part.entries.len();
                self.save(number);
            }
            seen += 1;
        }
        Some(seen)
    }
}

impl Shard {
    /// Cuts: from now on, the sinks get the data set as it is now. `sink` is called for each database that has entries. A snapshot
    /// that is still being taken is aborted.
    pub fn begin_snapshot(&mut self, mut sink: impl FnMut(TableAtCut) -> Box<dyn SegmentSink>) {
        self.abort_snapshot();
        for (db, table) in self.dbs.iter_mut().enumerate() {
            if !table.is_empty() {
                let at_cut = TableAtCut { db: DbIndex(db as u32), keys: table.len(), expires: table.expires() };
                table.begin_cut(sink(at_cut));
            }
        }
    }

    /// As [`begin_snapshot`](Self::begin_snapshot), with entries encoded for an RDB file. Says what is in the databases.
    pub fn begin_rdb_snapshot(&mut self, options: RdbOptions, target: &Arc<dyn EncodedSink>) -> Vec<TableAtCut> {
        let mut at_cut = Vec::new();
        self.begin_snapshot(|table| {
            at_cut.push(table);
            Box::new(RdbSink::new(table.db, options, Arc::clone(target)))
        });
        at_cut
    }

    /// Whether a snapshot is being taken.
    pub fn is_snapshotting(&self) -> bool {
        self.dbs.iter().chain(&self.detached).any(|table| table.cut.is_some())
    }

    /// Hands over about `budget` entries.
    pub fn snapshot_step(&mut self, budget: usize) -> Progress {
        let mut left = budget.max(1);
        for table in self.dbs.iter_mut().chain(&mut self.detached) {
            while let Some(seen) = table.walk(left) {
                left = left.saturating_sub(seen);
                if left == 0 {
                    return Progress::More;
                }
            }
        }
        self.dropping.append(&mut self.detached);
        Progress::Done
    }

    /// Forgets the snapshot; the sinks are dropped without being finished.
    pub fn abort_snapshot(&mut self) {
        for table in self.dbs.iter_mut().chain(&mut self.detached) {
            table.cut = None;
        }
        self.dropping.append(&mut self.detached);
    }
}
