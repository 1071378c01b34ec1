//! The writer, on the service thread: the log's own bytes into segment files, the manifest, and what is on disk by now.
//!
//! ```text
//!  log's core ──Bytes, Begin, Install, Flush, End──► one queue ──► writer ──written, on disk──► log's core
//! ```
//!
//! One task does everything in the order in which it is asked, so no two changes of the folder ever meet. What could not be
//! written is kept, and tried again; nothing is left out.

mod segments;

use super::files::Home;
use super::manifest::{Listed, Manifest};
use super::shelf::Shelf;
use super::times::{self, Times};
use crate::config::AppendFsync;
use crate::core::Core;
use crate::logging::{notice, warning};
use crate::service::Surroundings;
use bytes::Bytes;
use koltso_proto::id::{DbIndex, Offset, ReplId};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_uring::fs::File;

/// Bytes gathered for one write.
const WRITE_LEN: usize = 4 << 20;
/// How long to wait before a write that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// `appendfsync everysec`.
const SYNC_PERIOD: Duration = Duration::from_secs(1);

/// Told on the log's core how something went.
pub type Told = Box<dyn FnOnce(&mut Core, Result<(), String>) + Send>;

/// What the writer is asked to do.
pub enum Order {
    /// Write these bytes, the next of the log, which ends there.
    Bytes(Vec<Bytes>, Offset),
    /// Write what comes next into a new segment.
    Begin(Begin, Told),
    /// The data set at a moment was written to this file: it, and the segment that began there, if one did, are everything.
    Install(Option<u64>, PathBuf, Told),
    /// Get everything to the disk.
    Flush(Told),
    /// The same, and write no more.
    End(Told),
    /// Write no more; what has not been written need not be.
    Discard,
    /// Remove files that nobody needs any more.
    Sweep,
}

/// A segment that begins.
pub struct Begin {
    /// The rewrite whose cut this is; `None` = the node has started, or the history has got another id.
    pub rewrite: Option<u64>,
    /// Which run of segments without a gap it belongs to.
    pub lineage: u64,
    /// The log's end at that moment.
    pub from: Offset,
    /// The history.
    pub of: ReplId,
    /// The history before, which is the same up to this offset.
    pub after: Option<(ReplId, Offset)>,
    /// The database that is selected.
    pub db: DbIndex,
    /// Whether it continues what is there, and counts as soon and as far as that does. Otherwise it is nothing before it has a base.
    pub continues: bool,
}

/// How far the writer has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// In which run of segments.
    pub lineage: u64,
    /// Everything up to here is written.
    pub written: Offset,
    /// And on disk.
    pub synced: Offset,
    /// Everything up to here is as safe as replies wait for.
    pub settled: Offset,
}

struct Segment {
    file: File,
    listed: Listed,
    /// Its length, in bytes.
    len: u64,
    /// The log's end there.
    end: Offset,
    lineage: u64,
    /// Whether the manifest names it.
    is_listed: bool,
}

/// What belongs to the rewrite under way.
struct Rewrite {
    number: u64,
    /// The segments since its cut. With the base, they will be everything.
    segments: Vec<Listed>,
}

/// The writer's task.
pub async fn run(home: Home, orders: UnboundedReceiver<Order>, shelf: Rc<Shelf>, surroundings: Surroundings) {
    let writer = Writer {
        home,
        orders,
        later: VecDeque::new(),
        surroundings,
        shelf,
        manifest: None,
        segment: None,
        rewrite: None,
        lost: false,
        synced: Offset(0),
        last_sync: Instant::now(),
        settled_len: 0,
        times: Times::default(),
    };
    writer.run().await;
}

struct Writer {
    home: Home,
    orders: UnboundedReceiver<Order>,
    /// Orders that were taken from the queue and wait.
    later: VecDeque<Order>,
    surroundings: Surroundings,
    shelf: Rc<Shelf>,
    /// What the manifest on disk says, once it was looked at.
    manifest: Option<Manifest>,
    segment: Option<Segment>,
    rewrite: Option<Rewrite>,
    /// Whether a segment had to be given up, so that nothing may continue what is there.
    lost: bool,
    synced: Offset,
    last_sync: Instant,
    /// The bytes of all files but the current segment.
    settled_len: u64,
    /// When what the segment holds was written.
    times: Times,
}

impl Writer {
    async fn run(mut self) {
        while let Some(order) = self.next_order().await {
            match order {
                Order::Bytes(pieces, end) => self.write(pieces, end).await,
                Order::Begin(begin, told) => {
                    let (is_cut, replaces) = (begin.rewrite.is_some(), !begin.continues);
                    let outcome = self.begin(begin).await;
                    match &outcome {
                        // What comes next does not belong to the history that the current one is of.
                        Err(error) if !is_cut => self.lose(error_text(error)),
                        // Nor to the data set that is on disk: nothing continues that any more.
                        Err(_) if replaces => self.lost = self.segment.is_none(),
                        _ => {}
                    }
                    self.tell(told, outcome, "a new segment of the append only file cannot be begun");
                }
                Order::Install(number, base, told) => {
                    let outcome = self.install(number, &base).await;
                    times::sweep(&self.home);
                    if outcome.is_err() {
                        let _ = std::fs::remove_file(&base);
                    }
                    self.tell(told, outcome, "the rewritten append only file cannot be put in place");
                }
                Order::Flush(told) => {
                    let outcome = self.sync().await;
                    self.tell(told, outcome, "the append only file cannot be forced to disk");
                }
                Order::End(told) => {
                    let outcome = self.sync().await;
                    self.leave();
                    self.tell(told, outcome, "the append only file cannot be forced to disk");
                }
                Order::Discard => self.leave(),
                Order::Sweep => {
                    self.sweep().await;
                    times::sweep(&self.home);
                }
            }
        }
    }

    fn leave(&mut self) {
        (self.segment, self.rewrite, self.lost) = (None, None, false);
        self.shelf.clear();
    }

    /// The next order; syncs meanwhile when that is due. `None` when the node stops.
    async fn next_order(&mut self) -> Option<Order> {
        loop {
            if let Some(order) = self.later.pop_front() {
                return Some(order);
            }
            let Some(due) = self.next_sync() else { return self.orders.recv().await };
            let wait = due.saturating_duration_since(Instant::now());
            match tokio::time::timeout(wait, self.orders.recv()).await {
                Ok(order) => return order,
                Err(_) if self.spares_disk() => {}
                Err(_) => {
                    let _ = self.sync().await;
                }
            }
        }
    }

    fn policy(&self) -> AppendFsync {
        self.surroundings.shared.config().appendfsync
    }

    /// Whether syncs are left out for the time of a rewrite.
    fn spares_disk(&self) -> bool {
        let shared = &self.surroundings.shared;
        shared.config().no_appendfsync_on_rewrite && shared.snapshot_running.load(Ordering::Relaxed)
    }

    /// When the next sync is due, if any is.
    fn next_sync(&self) -> Option<Instant> {
        let segment = self.segment.as_ref()?;
        if segment.end <= self.synced {
            return None;
        }
        let now = Instant::now();
        match self.policy() {
            AppendFsync::No => None,
            // It is looked again later.
            _ if self.spares_disk() => Some(now + SYNC_PERIOD),
            AppendFsync::EverySec => Some(self.last_sync + SYNC_PERIOD),
            // Written while that was not asked for, or the disk was spared: replies may wait for it now.
            AppendFsync::Always => Some(now),
        }
    }

    async fn write(&mut self, pieces: Vec<Bytes>, mut end: Offset) {
        let mut gathered = Vec::with_capacity(pieces.iter().map(Bytes::len).sum());
        pieces.iter().for_each(|piece| gathered.extend_from_slice(piece));
        drop(pieces);
        while gathered.len() < WRITE_LEN {
            match self.later.pop_front().or_else(|| self.orders.try_recv().ok()) {
                Some(Order::Bytes(pieces, to)) => {
                    pieces.iter().for_each(|piece| gathered.extend_from_slice(piece));
                    end = to;
                }
                Some(other) => {
                    self.later.push_front(other);
                    break;
                }
                None => break,
            }
        }
        while let Some(segment) = &mut self.segment {
            if segment.end.advanced(gathered.len() as u64) != end {
                // Never so; a gap in a file would be worse than none.
                return self.lose("bytes are missing between the log and its file".to_string());
            }
            let (result, bytes) = segment.file.write_all_at(gathered, segment.len).await;
            gathered = bytes;
            match result {
                Ok(()) => {
                    self.times.note(&self.home, &segment.listed.name, segment.len, crate::shared::now_ms().0 / 1000);
                    (segment.len, segment.end) = (segment.len + gathered.len() as u64, end);
                    let len = self.settled_len + segment.len;
                    self.surroundings.shared.aof.current_len.store(len, Ordering::Relaxed);
                    if segment.is_listed {
                        self.recover();
                    }
                    break;
                }
                Err(error) => {
                    // A part of it may be in the file; it is written over.
                    let _ = std::fs::OpenOptions::new()
                        .write(true)
                        .open(self.home.path(&segment.listed.name))
                        .and_then(|file| file.set_len(segment.len));
                    self.fail(error_text(&error));
                    if self.is_to_end().await {
                        return;
                    }
                }
            }
        }
        let due = match self.policy() {
            AppendFsync::Always => !self.spares_disk(),
            AppendFsync::EverySec => self.last_sync.elapsed() >= SYNC_PERIOD && !self.spares_disk(),
            AppendFsync::No => false,
        };
        if due {
            let _ = self.sync().await;
        } else {
            self.report();
        }
    }

    /// Waits a moment; true if what comes next in the queue does not want what cannot be written just now.
    async fn is_to_end(&mut self) -> bool {
        tokio::time::sleep(RETRY).await;
        while let Ok(order) = self.orders.try_recv() {
            self.later.push_back(order);
        }
        let ends = |order: &Order| matches!(order, Order::End(_) | Order::Discard);
        let at = self.later.iter().position(ends);
        let sweeps = self.later.iter().any(|order| matches!(order, Order::Sweep));
        for (nth, order) in std::mem::take(&mut self.later).into_iter().enumerate() {
            let is_before = at.is_none_or(|at| nth < at);
            match order {
                // Who asks for that now does not want to wait for better times.
                Order::Flush(told) => self.refuse(told),
                Order::Begin(_, told) | Order::Install(_, _, told) if at.is_some() && is_before => self.refuse(told),
                Order::End(told) => {
                    self.refuse(told);
                    self.later.push_back(Order::Discard);
                }
                Order::Sweep => {}
                other => self.later.push_back(other),
            }
        }
        if sweeps {
            // It may make the room that is missing.
            self.sweep().await;
            times::sweep(&self.home);
        }
        at.is_some()
    }

    fn refuse(&self, told: Told) {
        let why = self.surroundings.shared.aof.error().unwrap_or_default();
        self.surroundings.on_log_core(|core| told(core, Err(why)));
    }

    /// Forces everything to the disk.
    async fn sync(&mut self) -> io::Result<()> {
        let Some(segment) = &self.segment else {
            return if self.lost { Err(io::Error::other("the end of the append only file was lost")) } else { Ok(()) };
        };
        self.last_sync = Instant::now();
        let end = segment.end;
        if let Err(error) = segment.file.sync_data().await {
            // What the kernel could not write it may have forgotten: to ask again would prove nothing.
            self.lose(error_text(&error));
            return Err(error);
        }
        self.synced = end;
        self.report();
        Ok(())
    }

    fn report(&self) {
        let Some(segment) = &self.segment else { return };
        let (written, synced) = (segment.end, self.synced);
        let waits = self.policy() == AppendFsync::Always && !self.spares_disk();
        let settled = if waits { synced } else { written };
        self.shelf.advance(written, settled);
        let progress = Progress { lineage: segment.lineage, written, synced, settled };
        self.surroundings.on_log_core(move |core| core.on_disk_progress(progress));
    }

    fn tell(&self, told: Told, outcome: io::Result<()>, what: &str) {
        if let Err(error) = &outcome {
            warning(&format!("{what}: {error}"));
        }
        let outcome = outcome.map_err(|error| error_text(&error));
        self.surroundings.on_log_core(move |core| told(core, outcome));
    }

    /// Writing failed.
    fn fail(&self, why: String) {
        if self.surroundings.shared.aof.set_error(Some(why.clone())) {
            warning(&format!("Error writing to the AOF file: {why}"));
            self.surroundings.on_log_core(Core::judge_append_only);
        }
    }

    /// What is in the segment is not to be trusted, or not complete. What comes next has to begin with the whole data set.
    fn lose(&mut self, why: String) {
        self.fail(why);
        self.rewrite = None;
        self.shelf.clear();
        if let Some(segment) = self.segment.take() {
            self.lost = true;
            self.surroundings.on_log_core(move |core| core.on_disk_lost(segment.lineage));
        }
    }

    /// Writing succeeded.
    fn recover(&self) {
        if self.surroundings.shared.aof.set_error(None) {
            notice("AOF write error looks solved. The server can write again.");
            self.surroundings.on_log_core(Core::judge_append_only);
        }
    }
}

/// What the system calls an error, without its number.
fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_string()
}
