//! The append-only file: the log's own bytes on disk, so that what was acknowledged survives the process.
//!
//! ```text
//!  log ──the blocks that replicas read──► writer (service thread) ──► segment files ┐
//!  cut ──snapshot──► base file ─────────────────────────────────────────────────────┴─ named by the manifest
//! ```
//!
//! The folder has the layout of Redis 7's multi-part append-only file, and Redis loads it: a base (an RDB), segments of what
//! happened since, and a manifest that names them in order. A segment is bytes of the log, behind a `SELECT` of its own. All of it
//! belongs to one history: where the replication id changes, the next one begins ([`Core::part_segments`]). So the files say what
//! a replica may continue after a restart, and hold the log's last bytes for it.
//!
//! - [`manifest`], [`units`]: the formats, without I/O; [`files`]: the folder
//! - [`writer`]: the task that writes; [`feed`]: handing it the log's blocks, and holding replies until they are on disk
//! - [`shelf`]: which bytes of the log are in files; [`catch_up`]: sending them to replicas that were away
//! - [`rewrite`]: a snapshot takes the place of what is there; [`load`], [`replay`]: reading it at the start
//! - [`check`]: saying what is in it, without a node; [`inspect`]: reading one file for that
//! - [`restore`]: the data set of an earlier [`moment`]; [`times`]: when what was written; [`thaw`]: making an RDB of it
//!
//! *Invariant*: the manifest never names what is not whole. New files are written and forced to disk first; then the manifest is
//! replaced; then old files go. Only the last segment may end in the middle of something.

pub mod catch_up;
pub mod check;
mod cut;
mod feed;
mod files;
mod inspect;
pub mod load;
mod manifest;
mod moment;
mod replay;
pub mod restore;
mod rewrite;
pub mod shelf;
mod status;
mod thaw;
mod times;
mod units;
pub mod writer;

pub use feed::{Counts, Disk};
pub use files::Home;
pub use load::{ReplayJob, Replayed};
pub use replay::Replay;
pub use rewrite::bgrewriteaof;
pub use status::{Status, Ticket};

use crate::config::AppendFsync;
use crate::core::Core;
use crate::logging::{notice, warning};
use crate::service::ServiceCommand;
use crate::shared::Gate;
use std::sync::atomic::Ordering::{Relaxed, Release};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use writer::{Order, Told};

/// How far the file has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// There is none, or nothing is written to it.
    #[default]
    Off,
    /// It is to begin with a snapshot of what is there.
    Wanted,
    /// That snapshot is being taken. What happens meanwhile is written to a segment that counts for nothing yet.
    Starting,
    /// What is on disk is what the data set is.
    On,
}

/// The append-only file, as the log's core sees it.
#[derive(Default)]
pub struct AppendOnly {
    /// How far it has come.
    pub phase: Phase,
    /// Whether the node has started: until then the configuration is not followed.
    ready: bool,
    writer: Option<UnboundedSender<Order>>,
    /// Numbers rewrites.
    number: u64,
    /// The rewrite under way.
    rewriting: Option<u64>,
    /// Whether its snapshot is being taken.
    walking: bool,
    /// When a rewrite may be tried that is due, in milliseconds since the epoch.
    pub(crate) retry_at_ms: u64,
    /// Numbers runs of segments without a gap.
    lineage: u64,
    /// Whether replies are held although nothing is written: what they stand for was promised to be on disk.
    owes: bool,
    /// Told when the file is in force for the first time.
    told: Option<Told>,
}

impl AppendOnly {
    /// Whether there is to be a file, and what is on disk is not it yet.
    pub fn is_beginning(&self) -> bool {
        matches!(self.phase, Phase::Wanted | Phase::Starting)
    }
}

impl Core {
    /// On the log's core: asks the writer for something.
    pub(crate) fn ask_writer(&mut self, order: Order) {
        if self.append_only.writer.is_none() {
            let (sender, orders) = unbounded_channel();
            self.service.send(ServiceCommand::Persist(Home::of(&self.exec.config), orders));
            self.append_only.writer = Some(sender);
        }
        if let Some(writer) = &self.append_only.writer {
            // It ends only when the node stops.
            let _ = writer.send(order);
        }
    }

    /// On the log's core, at the start: there is a data set, and no file yet. `told` hears when there is one.
    pub fn begin_append_only(&mut self, told: Told) {
        self.append_only.told = Some(told);
        self.set_phase(Phase::Wanted);
        self.rewrite_if_due();
    }

    /// On the log's core, at the start: the data set is what was on disk. `told` hears when writing goes on. All shards are here.
    pub fn continue_append_only(&mut self, told: Told) {
        self.record_for_disk();
        self.append_only.lineage += 1;
        let begin = self.segment_here(None, true);
        self.follow_with_disk(true);
        self.set_phase(Phase::On);
        self.ask_writer(Order::Begin(begin, told));
    }

    /// On the log's core: the node has started, and the configuration decides from now on.
    pub fn append_only_is_ready(&mut self) {
        self.append_only.ready = true;
        self.follow_append_only_config();
    }

    /// On the log's core: `appendonly` or `appendfsync` may have changed.
    pub fn follow_append_only_config(&mut self) {
        if !self.append_only.ready {
            return;
        }
        match (self.exec.config.appendonly, self.append_only.phase) {
            (true, Phase::Off) => {
                self.append_only.retry_at_ms = 0;
                self.set_phase(Phase::Wanted);
                self.rewrite_if_due();
            }
            (false, Phase::Wanted | Phase::Starting | Phase::On) => {
                notice("Disabling the AOF");
                self.end_waits_for_disk();
                self.append_only.owes = false;
                self.abandon_rewrite();
                self.ask_writer(Order::End(Box::new(|core, _| {
                    core.shared.aof.set_error(None);
                    core.judge_append_only();
                })));
                self.set_phase(Phase::Off);
                let now = self.exec.now;
                if let Some(replication) = &mut self.replication {
                    replication.disk = None;
                    if replication.replicas.is_empty() {
                        // As if the last of them had just left.
                        replication.alone_since = Some(now);
                    }
                }
            }
            (_, phase) => {
                self.set_phase(phase);
                if self.append_only.writer.is_some() {
                    // How much is kept for replicas may have changed.
                    self.ask_writer(Order::Sweep);
                }
            }
        }
    }

    /// On the log's core: the data set has been replaced by another; what is on disk stays what it was until that is there whole.
    pub fn restart_append_only(&mut self) {
        if self.append_only.phase == Phase::Off {
            return;
        }
        // Who sees that nothing is rewritten any more sees that something is to be.
        self.shared.aof.wanted.store(true, Release);
        self.abandon_rewrite();
        self.ask_writer(Order::Discard);
        if let Some(replication) = &mut self.replication {
            replication.disk = None;
        }
        self.append_only.retry_at_ms = 0;
        self.set_phase(Phase::Wanted);
        self.rewrite_if_due();
    }

    /// On the log's core: the writer has had to give up a segment.
    pub fn on_disk_lost(&mut self, lineage: u64) {
        let is_ours = self.replication.as_ref().and_then(|r| r.disk.as_ref()).is_some_and(|disk| disk.lineage == lineage);
        if !is_ours {
            return;
        }
        warning("The append only file begins anew with a snapshot, since its end cannot be relied on.");
        // Nobody is told that something is on disk that may not be.
        self.append_only.owes |= self.append_only.phase == Phase::On;
        self.restart_append_only();
    }

    fn set_phase(&mut self, phase: Phase) {
        self.append_only.phase = phase;
        if phase == Phase::On {
            self.append_only.owes = false;
        }
        let aof = &self.shared.aof;
        aof.enabled.store(phase != Phase::Off, Relaxed);
        aof.wanted.store(phase == Phase::Wanted, Release);
        if phase == Phase::Off {
            aof.current_len.store(0, Relaxed);
            aof.base_len.store(0, Relaxed);
        }
        let always = self.exec.config.appendfsync == AppendFsync::Always;
        let holds = always && (phase == Phase::On || self.append_only.owes);
        if aof.holds.swap(holds, std::sync::atomic::Ordering::AcqRel) && !holds {
            self.on_every_core(Core::let_replies_go);
        }
        self.judge_append_only();
    }

    /// On the log's core: whether writes are refused because they would not reach the disk.
    pub fn judge_append_only(&mut self) {
        let failed = self.append_only.phase != Phase::Off && self.shared.aof.error().is_some();
        let is_replica = self.replication.as_ref().is_some_and(|replication| replication.upstream.is_some());
        self.shared.set_gate(Gate::AppendFailed, failed && !is_replica);
        if failed {
            self.on_every_core(Core::let_replies_go);
        }
    }

    /// On the log's core: gets everything to the disk; told how that went.
    pub fn flush_append_only(&mut self, told: Told) {
        if self.append_only.phase == Phase::Off {
            return told(self, Ok(()));
        }
        self.hand_all_to_disk();
        self.ask_writer(Order::Flush(told));
    }
}
