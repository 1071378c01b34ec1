//! Handing the log's blocks to the writer, and holding replies until what they stand for is on disk.
//!
//! With `appendfsync always`, replies of a turn wait for one sync that covers everything which was executed before they were
//! written, whoever wrote it: also who reads learns nothing that a crash could take back. What has to be waited for is told by
//! counting the batches of effects that were handed to the log; a reply that has nothing to wait for leaves at once.

use super::status::Ticket;
use super::writer::{Order, Progress};
use crate::connection::Token;
use crate::core::Core;
use crate::replication::log::Log;
use koltso_proto::id::Offset;
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// What the writer is given ahead of what it has written, in bytes. The rest stays in the log.
const AHEAD_LEN_MAX: u64 = 16 << 20;

/// Batches of effects that the log has taken in.
pub type Counts = Ticket;

/// The disk as a reader of the log.
pub struct Disk {
    /// Which run of segments it writes.
    pub lineage: u64,
    /// Everything up to here was handed to the writer.
    pub handed: Offset,
    /// Everything up to here is written.
    written: Offset,
    /// Everything up to here is on disk, once the run counts for something.
    synced: Offset,
    settled: Offset,
    /// Whether it does.
    pub installed: bool,
    /// Which batches end where.
    marks: VecDeque<(Offset, Ticket)>,
    marked: Ticket,
}

impl Disk {
    /// One that has everything up to `at`.
    pub fn new(lineage: u64, at: Offset, installed: bool) -> Self {
        let (marks, marked) = (VecDeque::new(), Ticket::default());
        Disk { lineage, handed: at, written: at, synced: at, settled: at, installed, marks, marked }
    }

    /// Everything up to here is on disk.
    pub fn synced(&self) -> Option<Offset> {
        self.installed.then_some(self.synced)
    }

    /// Everything up to here is as safe as replies wait for.
    pub fn settled(&self) -> Option<Offset> {
        self.installed.then_some(self.settled)
    }

    /// The next bytes for the writer, as far as it may be ahead.
    pub(super) fn next(&mut self, log: &Log, all: bool) -> Option<Order> {
        let room = if all { u64::MAX } else { AHEAD_LEN_MAX.saturating_sub(self.handed.0 - self.written.0) };
        if room == 0 || self.handed >= log.end() {
            return None;
        }
        let pieces = log.read(self.handed, usize::try_from(room).unwrap_or(usize::MAX), usize::MAX);
        self.handed = self.handed.advanced(pieces.iter().map(|piece| piece.len() as u64).sum());
        Some(Order::Bytes(pieces, self.handed))
    }

    /// What is settled now, if that is news; the log has taken in the batches of `counts` and ends at `end`.
    fn settle(&mut self, end: Offset, counts: Ticket) -> Option<Ticket> {
        if counts != self.marked {
            self.marked = counts;
            self.marks.push_back((end, counts));
        }
        let mut news = None;
        while let Some(&(at, ticket)) = self.marks.front().filter(|(at, _)| *at <= self.settled && self.installed) {
            debug_assert!(at <= self.handed);
            news = Some(ticket);
            self.marks.pop_front();
        }
        news
    }
}

impl Core {
    /// On the log's core, once a turn: hands the writer what is new in the log.
    pub(crate) fn feed_disk(&mut self) {
        let Some(replication) = &mut self.replication else { return };
        let Some(disk) = &mut replication.disk else { return };
        if let Some(order) = disk.next(&replication.log, false) {
            self.shared.aof.waiting_len.store(replication.log.end().0 - disk.written.0, Relaxed);
            self.ask_writer(order);
        }
        if self.shared.aof.holds.load(Relaxed) {
            self.settle_replies();
        }
    }

    /// On the log's core: hands the writer everything, up to this moment.
    pub(super) fn hand_all_to_disk(&mut self) {
        self.flush_effects();
        let Some(replication) = &mut self.replication else { return };
        let Some(disk) = &mut replication.disk else { return };
        if let Some(order) = disk.next(&replication.log, true) {
            self.ask_writer(order);
        }
    }

    /// On the log's core: the writer has come this far.
    pub fn on_disk_progress(&mut self, progress: Progress) {
        let Some(replication) = &mut self.replication else { return };
        let Some(disk) = replication.disk.as_mut().filter(|disk| disk.lineage == progress.lineage) else { return };
        disk.written = disk.written.max(progress.written);
        disk.synced = disk.synced.max(progress.synced);
        disk.settled = disk.settled.max(progress.settled);
        self.shared.aof.waiting_len.store(replication.log.end().0.saturating_sub(disk.written.0), Relaxed);
        if self.shared.aof.holds.load(Relaxed) {
            self.settle_replies();
        }
        self.look_at_waiters();
    }

    /// On the log's core: lets those replies go that wait for what is on disk by now.
    pub(super) fn settle_replies(&mut self) {
        let Some(replication) = &mut self.replication else { return };
        let (end, counts) = (replication.log.end(), replication.taken_in);
        let Some(news) = replication.disk.as_mut().and_then(|disk| disk.settle(end, counts)) else { return };
        self.shared.aof.set_settled(news);
        self.on_every_core(Core::let_replies_go);
    }

    /// What replies have to wait for that are to be sent now, if they have to.
    pub(crate) fn replies_wait_for(&self) -> Option<Ticket> {
        let aof = &self.shared.aof;
        if aof.holds.load(Acquire) { aof.to_wait_for() } else { None }
    }

    /// A reply of this connection has to wait.
    pub(crate) fn note_held(&mut self, token: Token) {
        self.held.push(token);
    }

    /// What is on disk by now may be told.
    pub(crate) fn let_replies_go(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let settled = self.shared.aof.holds.load(Acquire).then(|| self.shared.aof.settled());
        // While the disk takes nothing, whoever has not written anything must be able to see why.
        let failing = self.shared.aof.is_failing();
        let mut held = std::mem::take(&mut self.held);
        held.retain(|&token| {
            let Some(conn) = self.conn(token) else { return false };
            let settled = settled.filter(|_| !failing || conn.session.wrote);
            let is_held = conn.output.release(settled);
            self.mark_dirty(token);
            is_held
        });
        self.held = held;
    }
}
