//! A snapshot on its way from the cores to the service thread.
//!
//! Each core walks its segments in slices between turns and encodes them; a write to a segment that has not been walked yet
//! has it encoded first. Either way the bytes leave as [`Chunk`]s, and each core stops walking while too many of its chunks
//! have not been consumed. Writers never wait: what they have to preserve is sent regardless.

use crate::core::{Core, Message};
use crate::replication::stream::ReplicaInfo;
use crate::shard::rdb_sink::{AccessNote, EncodedSink, RdbOptions};
use crate::shard::snapshot::Progress;
use koltso_proto::id::DbIndex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The RDB version that every supported server reads.
pub const VERSION_DEFAULT: u32 = 10;
/// Encoded bytes a core may have under way before it stops walking.
const CREDIT_LEN: usize = 4 << 20;
/// How long one slice of walking may take, in microseconds.
const SLICE_US: u64 = 100;
/// Entries walked between two looks at the clock.
const STEP_ENTRIES: usize = 64;

/// A piece of a snapshot.
#[derive(Debug)]
pub enum Chunk {
    /// Entries of one database, encoded.
    Entries {
        /// The shard they come from.
        shard: usize,
        /// The database.
        db: DbIndex,
        /// RDB bytes.
        bytes: Vec<u8>,
    },
    /// This shard has sent everything.
    Done {
        /// The shard.
        shard: usize,
    },
}

/// The receiving end.
pub type Chunks = UnboundedReceiver<Chunk>;
/// One per shard: what is under way.
pub type Credits = Vec<Arc<Credit>>;

/// How many bytes of a core's chunks are under way.
#[derive(Debug, Default)]
pub struct Credit {
    in_flight: AtomicUsize,
    /// Whether the core has stopped walking and wants to be woken.
    starved: AtomicBool,
}

impl Credit {
    /// Notes that `len` bytes were consumed; true if the core is to be woken.
    pub fn consumed(&self, len: usize) -> bool {
        let before = self.in_flight.fetch_sub(len, Ordering::AcqRel);
        before.saturating_sub(len) < CREDIT_LEN / 2 && self.starved.swap(false, Ordering::AcqRel)
    }
}

impl EncodedSink for ChunkSink {
    fn send(&self, db: DbIndex, bytes: Vec<u8>) {
        self.credit.in_flight.fetch_add(bytes.len(), Ordering::AcqRel);
        // Nobody listens any more when the transfer was given up; the walk goes on to its end all the same.
        let _ = self.sender.send(Chunk::Entries { shard: self.shard, db, bytes });
    }
}

/// The channels of one snapshot over this many shards.
pub fn channels(shards: usize) -> (Vec<UnboundedSender<Chunk>>, Chunks, Credits) {
    let (sender, receiver) = unbounded_channel();
    ((0..shards).map(|_| sender.clone()).collect(), receiver, (0..shards).map(|_| Arc::default()).collect())
}

/// Where a shard's encoded entries go.
pub struct ChunkSink {
    shard: usize,
    sender: UnboundedSender<Chunk>,
    /// What is under way.
    pub credit: Arc<Credit>,
}

impl ChunkSink {
    /// A sink for this shard.
    pub fn new(shard: usize, sender: UnboundedSender<Chunk>, credit: Arc<Credit>) -> Self {
        ChunkSink { shard, sender, credit }
    }

    /// Says that this shard has sent everything.
    pub fn done(&self) {
        let _ = self.sender.send(Chunk::Done { shard: self.shard });
    }

    /// Whether the core may go on walking; if not, it will be woken.
    pub fn may_walk(&self) -> bool {
        if self.credit.in_flight.load(Ordering::Acquire) < CREDIT_LEN {
            return true;
        }
        self.credit.starved.store(true, Ordering::Release);
        if self.credit.in_flight.load(Ordering::Acquire) < CREDIT_LEN / 2 {
            self.credit.starved.store(false, Ordering::Release);
            return true;
        }
        false
    }
}

/// What a core knows of the snapshot it is walking.
pub struct Walk {
    sink: Arc<ChunkSink>,
}

/// The RDB version that all of these replicas can read.
pub fn version_for<'a>(_replicas: impl Iterator<Item = &'a ReplicaInfo>) -> u32 {
    VERSION_DEFAULT
}

impl Core {
    /// Begins the snapshot that was claimed, of all shards, all of which are here. The service thread reads the chunks.
    pub fn begin_snapshot(&mut self, version: u32, compress: bool) -> (Chunks, Credits) {
        let shards = self.exec.shards.len();
        let (senders, chunks, credits) = channels(shards);
        let options = RdbOptions { version, access: AccessNote::None, compress };
        for (index, sender) in senders.into_iter().enumerate() {
            let sink = Arc::new(ChunkSink::new(index, sender, Arc::clone(&credits[index])));
            let target: Arc<dyn EncodedSink> = sink.clone();
            if let Some(shard) = self.exec.shards[index].as_deref_mut() {
                shard.begin_rdb_snapshot(options, &target);
            }
            let walk = Walk { sink };
            if index == self.exec.id {
                self.walk = Some(walk);
            } else {
                // It arrives before the shard does.
                self.send(index, Message::Run(Box::new(move |core| core.walk = Some(walk))));
            }
        }
        (chunks, credits)
    }

    /// Takes the right to the next snapshot; false if somebody has it. Two at once would spoil each other.
    pub fn claim_snapshot(&self) -> bool {
        !self.shared.snapshot_running.swap(true, Ordering::AcqRel)
    }

    /// Gives that right back.
    pub fn release_snapshot(&self) {
        self.shared.snapshot_running.store(false, Ordering::Release);
    }

    /// Whether a snapshot is under way; the next one waits for its end.
    pub fn snapshot_is_running(&self) -> bool {
        self.shared.snapshot_running.load(Ordering::Acquire)
    }

    /// Walks on for a moment; true if there is more to walk at once.
    pub(crate) fn slice_of_snapshot(&mut self) -> bool {
        let Some(walk) = &self.walk else { return false };
        let Some(shard) = self.exec.shards[self.exec.id].as_deref_mut() else { return false };
        if !walk.sink.may_walk() {
            return false;
        }
        let until = Instant::now() + Duration::from_micros(SLICE_US);
        loop {
            match shard.snapshot_step(STEP_ENTRIES) {
                Progress::More if Instant::now() < until => {}
                Progress::More => return true,
                Progress::Done => break,
            }
        }
        if let Some(walk) = self.walk.take() {
            walk.sink.done();
        }
        false
    }
}
