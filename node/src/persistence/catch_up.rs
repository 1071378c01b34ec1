//! Sending a replica what has left memory, on the service thread: from the files on the [shelf](super::shelf) until it meets what the
//! log has in memory; then its socket goes back to the log's core, which sends the rest.
//!
//! ```text
//!  files   ├──────────────────────────────────────┤
//!  memory                     meeting ├───────────────────┤ the log's end
//!  reader          ──────────────────►│ live
//! ```
//!
//! Close to the end of the files it asks for a meeting point: from there on the log's core lets go of nothing. So the way ahead is
//! finite, however fast others write. Each byte comes from one of the two: the socket goes back with the offset it has come to,
//! and whoever has it then decides by what there is.

use super::shelf::{Found, Shelf};
use crate::service::{Surroundings, Wire};
use crate::shared::add;
use crate::tls::Transport;
use bytes::{Buf, Bytes};
use koltso_proto::id::Offset;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio_uring::fs::File;

/// Read from a file at a time, in bytes.
const READ_LEN: u64 = 512 << 10;
/// So close to the end of the files, in bytes, a meeting point is asked for.
const CLOSE_LEN: u64 = 4 << 20;

/// There is none.
const NONE: u64 = u64::MAX;
/// One has been asked for.
const ASKED: u64 = u64::MAX - 1;

/// What the log's core and the reader know of each other.
#[derive(Debug)]
pub struct Reading {
    /// Everything up to here was sent.
    at: AtomicU64,
    /// The meeting point: from here on everything is in memory, and stays there.
    meet: AtomicU64,
    /// Nothing is to be sent behind this offset.
    until: AtomicU64,
    told: Notify,
}

impl Reading {
    /// From there on.
    pub fn new(at: Offset) -> Self {
        Reading { at: at.0.into(), meet: NONE.into(), until: NONE.into(), told: Notify::new() }
    }

    /// Everything up to here was sent.
    pub fn at(&self) -> Offset {
        Offset(self.at.load(Acquire))
    }

    /// The meeting point.
    pub fn meet(&self) -> Option<Offset> {
        Some(self.meet.load(Acquire)).filter(|&meet| meet < ASKED).map(Offset)
    }

    /// On the log's core: everything from here on stays in memory.
    pub fn meet_at(&self, at: Offset) {
        self.meet.store(at.0, Release);
        self.told.notify_one();
    }

    /// On the log's core: that would be too much by now; the reader asks again.
    pub fn meet_later(&self) {
        self.meet.store(NONE, Release);
    }

    /// On the log's core: the history that it knows ends there.
    pub fn end_at(&self, until: Offset) {
        self.until.fetch_min(until.0, AcqRel);
        self.told.notify_one();
    }

    /// Whether the reader has come to where it is to give the socket back.
    fn is_there(&self) -> bool {
        let at = self.at.load(Acquire);
        self.meet().is_some_and(|meet| at >= meet.0) || at >= self.until.load(Acquire)
    }
}

/// A replica to be sent what is in files.
pub struct CatchUpJob {
    /// Its number in the registry.
    pub id: u64,
    /// Its socket.
    pub transport: Transport,
    /// The run of segments.
    pub lineage: u64,
    /// Where it is.
    pub reading: Arc<Reading>,
    /// What it is told first, if it has just asked; and whether its request was granted is counted.
    pub greeting: Option<Bytes>,
    /// Ends when the replica is not wanted any more.
    pub unwanted: oneshot::Receiver<()>,
}

/// How that ended.
pub enum CaughtUp {
    /// It is to be sent what follows from memory.
    Back(Transport),
    /// What it asks for is not there. It was sent nothing.
    NotThere(Transport),
    /// It is gone, for this reason.
    Lost(String),
}

/// Serves one replica.
pub async fn run(job: CatchUpJob, shelf: Rc<Shelf>, surroundings: Surroundings) {
    let CatchUpJob { id, transport, lineage, reading, greeting, unwanted } = job;
    let reader = Reader { id, lineage, reading, shelf, surroundings: surroundings.clone(), open: None };
    let end = tokio::select! {
        end = reader.serve(transport, greeting) => end,
        _ = unwanted => return,
    };
    surroundings.on_log_core(move |core| core.on_caught_up(id, end));
}

struct Reader {
    id: u64,
    lineage: u64,
    reading: Arc<Reading>,
    shelf: Rc<Shelf>,
    surroundings: Surroundings,
    /// The file that was read from last. What is open can be read to its end, whatever becomes of its name.
    open: Option<(PathBuf, File)>,
}

impl Reader {
    async fn serve(mut self, transport: Transport, greeting: Option<Bytes>) -> CaughtUp {
        if !self.shelf.has_all(self.lineage, self.reading.at()) {
            return CaughtUp::NotThere(transport);
        }
        let wire = match Wire::new(transport) {
            Ok(wire) => wire,
            Err(why) => return CaughtUp::Lost(why),
        };
        match self.send_all(wire, greeting).await {
            Ok(transport) => CaughtUp::Back(transport),
            Err(why) => CaughtUp::Lost(why),
        }
    }

    async fn send_all(&mut self, mut wire: Wire, greeting: Option<Bytes>) -> Result<Transport, String> {
        if let Some(greeting) = greeting {
            // Who hears of it finds it counted.
            add(&self.surroundings.shared.counters.sync_partial_ok, 1);
            wire.write(greeting, self.patience()).await?;
        }
        while !self.reading.is_there() {
            let at = self.reading.at();
            // In this order: what is in the files behind the end of a history is there after that was said to have ended.
            let found = self.shelf.find(self.lineage, at);
            let until = self.reading.until.load(Acquire);
            if self.shelf.end().0.saturating_sub(at.0) <= CLOSE_LEN {
                self.ask_for_meeting();
            }
            match found {
                Found::Here(path, from, len) => {
                    let len = len.min(until.saturating_sub(at.0)).min(READ_LEN);
                    let bytes = match self.read(path, from, len).await {
                        Ok(bytes) => bytes,
                        Err(why) => {
                            self.shelf.condemn(self.lineage, at);
                            return Err(format!("what it lacks cannot be read from disk: {why}"));
                        }
                    };
                    self.send(&mut wire, bytes).await?;
                }
                Found::NotYet => {
                    tokio::select! {
                        () = self.shelf.changed() => {}
                        () = self.reading.told.notified() => {}
                        // Its link is not kept alive meanwhile.
                        () = tokio::time::sleep(self.patience()) => {
                            return Err("there was nothing to send for longer than repl-timeout".to_string());
                        }
                    }
                }
                Found::Gone => return Err("what it lacks is not on disk any more".to_string()),
            }
        }
        wire.into_transport().ok_or_else(|| "it is gone".to_string())
    }

    fn ask_for_meeting(&self) {
        if self.reading.meet.compare_exchange(NONE, ASKED, AcqRel, Relaxed).is_ok() {
            let id = self.id;
            self.surroundings.on_log_core(move |core| core.arrange_meeting(id));
        }
    }

    async fn read(&mut self, path: PathBuf, from: u64, len: u64) -> std::io::Result<Bytes> {
        let file = match self.open.take().filter(|(open, _)| *open == path) {
            Some((_, file)) => file,
            None => File::open(&path).await?,
        };
        let (result, mut bytes) = file.read_at(Vec::with_capacity(len as usize), from).await;
        self.open = Some((path, file));
        match result? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            got => {
                bytes.truncate(got.min(len as usize));
                Ok(bytes.into())
            }
        }
    }

    async fn send(&self, wire: &mut Wire, mut bytes: Bytes) -> Result<(), String> {
        while !bytes.is_empty() {
            let sent = wire.write_some(bytes.clone(), self.patience()).await?;
            bytes.advance(sent);
            self.reading.at.fetch_add(sent as u64, Release);
        }
        Ok(())
    }

    /// How long a replica may read nothing.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.surroundings.shared.config().repl_timeout.max(1))
    }
}
