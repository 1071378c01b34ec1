//! Point-in-time snapshots without fork.
//!
//! At the cut, each table that has entries is given a sink and a new epoch. A walk then hands one segment after another to the sink,
//! and gives it the new epoch. In a segment whose epoch is old, an entry is handed over before it first changes, and marked as
//! touched; a new one is marked at once. The walk passes over what is marked, and takes the marks away. So the sink gets every entry
//! exactly once, as it was at the cut, and a write costs the snapshot one entry, however long it takes. A segment that is too heavy for
//! one step is walked in several: what it has handed over is marked, too. A segment that splits has two halves to be walked. A table that is flushed meanwhile is set aside, and walked there.
//!
//! A segment's marks are those of this snapshot if its epoch is the one just before. An older epoch means that a snapshot was given up
//! before it came there: then the marks are stale, and taken away before they are first looked at.

use super::Shard;
use super::entry::EntryRef;
use super::packed::{Segment, SegmentIter};
use super::rdb_sink::{EncodedSink, RdbOptions, RdbSink};
use super::table::{Spot, Table};
use koltso_proto::id::DbIndex;
use std::sync::Arc;

/// What an entry costs a walk beside its bytes; see [`Shard::snapshot_step`].
pub const ENTRY_COST: usize = 64;

/// What was taken of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// So many entries, the first ones.
    pub entries: usize,
    /// Whether there are no others.
    pub whole: bool,
}

/// Where the entries of a snapshot go. There is one for each table. A budget is in bytes, which stand for the time it takes to copy them.
pub trait SegmentSink: Send {
    /// Takes an entry as it was at the cut, which a write is about to change.
    fn entry(&mut self, entry: EntryRef<'_>);
    /// Takes entries of a segment, as they were at the cut, as far as the budget reaches; takes their cost off it.
    fn segment(&mut self, entries: SegmentIter<'_>, budget: &mut usize) -> Taken {
        let mut taken = 0;
        for entry in entries {
            if *budget == 0 {
                return Taken { entries: taken, whole: false };
            }
            self.entry(entry);
            *budget = budget.saturating_sub(ENTRY_COST);
            taken += 1;
        }
        Taken { entries: taken, whole: true }
    }
    /// Goes on with what was put off, as far as the budget reaches; takes its cost off it. Says whether there is more.
    fn go_on(&mut self, budget: &mut usize) -> bool {
        let _ = budget;
        false
    }
    /// Whether an entry has been begun. No sink of the same shard may begin another before it has been ended.
    fn is_open(&self) -> bool {
        false
    }
    /// Whether writes have put something off, which keeps old values alive until it is done.
    fn is_pressed(&self) -> bool {
        false
    }
    /// Bytes that only the sink keeps any more, because the table has changed or dropped what it shared with it. Looks anew at
    /// about `looks` of the values that were put off.
    fn held(&mut self, looks: usize) -> usize {
        let _ = looks;
        0
    }
    /// As many of these bytes as must be written before they pile up, each value counting for a limited number at most.
    fn backlog(&self) -> usize {
        0
    }
    /// Forgets about `budget` of the values that were put off; says whether there are more. The sink is of no further use, but to be
    /// dropped.
    fn forget_some(&mut self, budget: usize) -> bool {
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
    /// If the table was flushed: about how many bytes each segment keeps for the snapshot alone.
    segment_len: usize,
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
        self.cut = Some(Box::new(Cut { sink, next: 0, segment_len: 0 }));
    }

    /// The table has been flushed: from now on, it is there for the snapshot alone.
    pub(super) fn leave_to_cut(&mut self) {
        let segment_len = self.sampled_bytes() / self.segments.len() as usize;
        if let Some(cut) = &mut self.cut {
            cut.segment_len = segment_len;
        }
    }

    /// Bytes that are there for the snapshot alone; see [`SegmentSink::held`].
    fn held(&mut self, looks: usize) -> usize {
        let segments = self.segments.len();
        let Some(cut) = &mut self.cut else { return 0 };
        cut.sink.held(looks) + cut.segment_len * segments.saturating_sub(cut.next) as usize
    }

    /// Hands the entry at a spot, which was just found, to the snapshot if it has not got it yet. Must be called before the entry
    /// changes or goes.
    #[inline]
    pub(super) fn preserve(&mut self, spot: Spot) {
        if self.segments.get(spot.segment).saved_epoch != self.epoch {
            self.save_entry(spot);
        }
    }

    #[cold]
    #[inline(never)]
    fn save_entry(&mut self, spot: Spot) {
        if !self.has_marks(spot.segment) {
            return;
        }
        let part = self.segments.get_mut(spot.segment);
        let entry = part.entries.at(spot.slot);
        if let Some(cut) = &mut self.cut
            && !entry.is_touched()
        {
            cut.sink.entry(entry);
            part.entries.set_touched(spot.slot);
        }
    }

    /// Keeps an entry that was just added to a segment, which has not been walked yet, out of the snapshot.
    #[cold]
    #[inline(never)]
    pub(super) fn leave_out(&mut self, spot: Spot) {
        if self.has_marks(spot.segment) {
            self.segments.get_mut(spot.segment).entries.set_touched(spot.slot);
        }
    }

    /// Hands entries of a segment to the snapshot if it has not got them yet. They must be gone before anything else happens to the
    /// segment, because they are not marked.
    pub(super) fn preserve_where(&mut self, number: u32, select: impl Fn(EntryRef<'_>) -> bool) {
        if self.segments.get(number).saved_epoch != self.epoch && self.has_marks(number) {
            let part = self.segments.get(number);
            if let Some(cut) = &mut self.cut {
                part.entries.untouched().filter(|&entry| select(entry)).for_each(|entry| cut.sink.entry(entry));
            }
        }
    }

    /// Whether entries of a segment, which has not been walked yet, are to be marked; if so, it has no stale marks after this.
    fn has_marks(&mut self, number: u32) -> bool {
        let walked = self.cut.is_none();
        let epoch = if walked { self.epoch } else { self.epoch.wrapping_sub(1) };
        let part = self.segments.get_mut(number);
        if part.saved_epoch != epoch {
            part.entries.clear_touched();
            part.saved_epoch = epoch;
        }
        !walked
    }

    /// Hands what the snapshot has not got yet of a segment to it, as far as the budget reaches; says whether that was all. What it has
    /// got is marked as if a write had handed it over.
    fn save(&mut self, number: u32, budget: &mut usize) -> bool {
        if self.segments.get(number).saved_epoch == self.epoch {
            return true;
        }
        self.has_marks(number);
        let part = self.segments.get_mut(number);
        if let Some(cut) = &mut self.cut
            && part.entries.len() > 0
        {
            let taken = cut.sink.segment(part.entries.untouched(), budget);
            if !taken.whole {
                part.entries.touch_some(taken.entries);
                return false;
            }
            part.entries.clear_touched();
        }
        part.saved_epoch = self.epoch;
        true
    }

    /// Walks on as far as the budget reaches.
    fn walk(&mut self, budget: &mut usize) -> Progress {
        while let Some(cut) = self.cut.as_mut() {
            if cut.sink.go_on(budget) || *budget == 0 {
                return Progress::More;
            }
            let (number, flushed) = (cut.next, cut.segment_len > 0);
            if number >= self.segments.len() {
                cut.sink.finish();
                self.cut = None;
                break;
            }
            if self.save(number, budget) {
                if flushed {
                    self.segments.get_mut(number).entries = Segment::new();
                }
                if let Some(cut) = self.cut.as_mut() {
                    cut.next += 1;
                }
            }
            *budget = budget.saturating_sub(ENTRY_COST);
        }
        Progress::Done
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

    /// Walks on as far as the budget reaches, in bytes, which stand for the time it takes to copy them; [`ENTRY_COST`] comes on top for
    /// each entry.
    pub fn snapshot_step(&mut self, budget: usize) -> Progress {
        let mut left = budget.max(1);
        self.end_open_entry(&mut left);
        for table in self.dbs.iter_mut().chain(&mut self.detached) {
            if left == 0 || table.walk(&mut left) == Progress::More {
                return Progress::More;
            }
        }
        self.dropping.append(&mut self.detached);
        Progress::Done
    }

    /// Goes on with what was put off, as far as the budget reaches; says whether there is more.
    pub fn snapshot_go_on(&mut self, budget: usize) -> bool {
        let mut left = budget.max(1);
        self.end_open_entry(&mut left);
        let mut cuts = self.dbs.iter_mut().chain(&mut self.detached).filter_map(|table| table.cut.as_mut());
        left == 0 || cuts.any(|cut| cut.sink.go_on(&mut left))
    }

    /// Goes on with the entry that has been begun, if there is one, before anything else can begin another.
    fn end_open_entry(&mut self, budget: &mut usize) {
        let mut cuts = self.dbs.iter_mut().chain(&mut self.detached).filter_map(|table| table.cut.as_mut());
        if let Some(cut) = cuts.find(|cut| cut.sink.is_open()) {
            cut.sink.go_on(budget);
        }
    }

    /// Whether writes have put off values that are to be encoded, which are kept alive until they are.
    pub fn snapshot_is_pressed(&self) -> bool {
        self.dbs.iter().chain(&self.detached).filter_map(|table| table.cut.as_ref()).any(|cut| cut.sink.is_pressed())
    }

    /// Bytes that are kept for the snapshot alone, without those that are encoded. Looks anew at about `looks` of the large values
    /// that it shares with each database.
    pub fn snapshot_held(&mut self, looks: usize) -> usize {
        self.dbs.iter_mut().chain(&mut self.detached).map(|table| table.held(looks)).sum()
    }

    /// How many of these bytes belong to values that have been taken away and are still to be encoded. Very large ones count for less.
    pub fn snapshot_backlog(&self) -> usize {
        self.dbs.iter().chain(&self.detached).filter_map(|table| table.cut.as_ref()).map(|cut| cut.sink.backlog()).sum()
    }

    /// Forgets the snapshot; the sinks are dropped without being finished, bit by bit; see [`drop_step`](Self::drop_step).
    pub fn abort_snapshot(&mut self) {
        for table in self.dbs.iter_mut().chain(&mut self.detached) {
            self.forsaken.extend(table.cut.take().map(|cut| cut.sink));
        }
        self.dropping.append(&mut self.detached);
    }
}
