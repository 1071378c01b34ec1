//! A snapshot on its way from the cores to the service thread.
//!
//! ```text
//!  core i:  walk ─────────────┐ pauses while too much is under way
//!           writes' pre-images┴──► queue ──► service thread ──► replicas, or a file
//! ```
//!
//! Each core walks its segments in slices between turns and encodes them; an entry that is about to change before the walk has come
//! to it is encoded first. Either way the bytes leave as [`Chunk`]s; a large entry leaves in parts, as it is encoded. A core stops walking while too much of what it has sent is
//! still under way, whether in memory or in a temporary file. Writers never wait: what they have to preserve is sent regardless,
//! and if even the service thread cannot keep up with it, the snapshot is given up.

mod flow;
mod pace;

pub use flow::{Flow, Gauges, Load, OnDisk, Sent};
use pace::{PRESSED_LEN, Pace, STEP_COST, queued_len_max};

use crate::core::{Core, Message};
use crate::logging::warning;
use crate::replication::stream::ReplicaInfo;
use crate::scripting::library::Libraries;
use crate::shard::leftovers;
use crate::shard::rdb_sink::{AccessNote, EncodedSink, LongString, Part, RdbOptions};
use crate::shard::snapshot::Progress;
use bytes::Bytes;
use koltso_proto::id::DbIndex;
use koltso_proto::rdb::consts::{VERSION_REDIS_7_4, VERSION_VALKEY_9};
use koltso_proto::rdb::writer::put_len;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The RDB version that every supported server reads.
const VERSION_DEFAULT: u32 = 10;
/// How many of the large values that writes have put off are looked at in one turn, to see what the shard still has of them.
const LOOKS: usize = 8;

/// A piece of a snapshot.
#[derive(Debug)]
pub enum Chunk {
    /// Entries of one database, encoded.
    Entries {
        /// The database.
        db: DbIndex,
        /// RDB bytes, in order.
        parts: Vec<Bytes>,
        /// Where they come from.
        sent: Sent,
    },
    /// A part of an entry of one database, encoded. No part of another entry of the same shard comes in between.
    Part {
        /// The database.
        db: DbIndex,
        /// RDB bytes.
        bytes: Bytes,
        /// Which part it is.
        part: Part,
        /// Where it comes from.
        sent: Sent,
    },
    /// An entry that is a long string, to be compressed.
    Text {
        /// The database.
        db: DbIndex,
        /// What comes before the string.
        head: Vec<u8>,
        /// The string.
        text: Arc<Vec<u8>>,
        /// Where it comes from.
        sent: Sent,
    },
    /// This shard has sent everything.
    Done {
        /// The shard.
        shard: usize,
    },
}

impl Chunk {
    /// Where it comes from, unless it is an end.
    pub fn sent(&self) -> Option<&Sent> {
        match self {
            Chunk::Entries { sent, .. } | Chunk::Part { sent, .. } | Chunk::Text { sent, .. } => Some(sent),
            Chunk::Done { .. } => None,
        }
    }
}

/// The receiving end of a snapshot.
pub struct Chunks {
    /// What the cores send.
    pub queue: UnboundedReceiver<Chunk>,
    /// How much of it is under way.
    pub flow: Arc<Flow>,
    /// The libraries of functions at the cut.
    pub libraries: Arc<Libraries>,
}

impl EncodedSink for ChunkSink {
    fn send(&self, db: DbIndex, bytes: Vec<u8>) {
        self.post(Load::of(&bytes), |sent| Chunk::Entries { db, parts: vec![bytes.into()], sent });
    }

    fn send_part(&self, db: DbIndex, bytes: Vec<u8>, part: Part) {
        self.post(Load::of(&bytes), |sent| Chunk::Part { db, bytes: bytes.into(), part, sent });
    }

    fn send_string(&self, db: DbIndex, string: LongString<'_>) {
        let LongString { mut head, text, compress, is_pressing } = string;
        let text = Arc::clone(text);
        if !compress {
            put_len(&mut head, text.len() as u64);
        }
        let len = head.len() + text.len();
        // As long as nobody takes the string away, it costs nothing, and the core walks no further than to it.
        let load = Load { len, own: head.capacity(), weight: if is_pressing { len } else { head.len() } };
        if compress {
            return self.post(load, |sent| Chunk::Text { db, head, text, sent });
        }
        let parts = vec![Bytes::from(head), Bytes::from_owner(SharedText(text))];
        self.post(load, |sent| Chunk::Entries { db, parts, sent });
    }
}

/// A string that is sent from where it lies. Who changes it meanwhile changes a copy.
struct SharedText(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl ChunkSink {
    fn post(&self, load: Load, chunk: impl FnOnce(Sent) -> Chunk) {
        if !self.flow.is_given_up() {
            let sent = self.flow.sent(self.shard, load);
            // Nobody listens any more when the node stops.
            let _ = self.sender.send(chunk(sent));
        }
    }
}

/// Where a shard's encoded entries go.
struct ChunkSink {
    shard: usize,
    sender: UnboundedSender<Chunk>,
    flow: Arc<Flow>,
}

/// What a core knows of the snapshot it is walking.
pub struct Walk {
    sink: Arc<ChunkSink>,
    pace: Pace,
}

/// The RDB version for these replicas, where hashes have fields with deadlines: the one that all of them are known to read. Others
/// get the fields without; what they are told of deadlines later, they understand or not.
fn version_with_deadlines<'a>(replicas: impl Iterator<Item = &'a ReplicaInfo> + Clone) -> u32 {
    let is_valkey_9 = |replica: &ReplicaInfo| replica.version.is_some_and(|(major, ..)| major >= 9);
    if replicas.clone().all(|replica| replica.field_deadlines || replica.rdb_channel) {
        return VERSION_REDIS_7_4;
    }
    if replicas.clone().all(is_valkey_9) {
        return VERSION_VALKEY_9;
    }
    for replica in replicas.filter(|replica| !replica.field_deadlines && !replica.rdb_channel && !is_valkey_9(replica)) {
        warning(&format!(
            "Hashes have fields that expire, and the replica with port {} has not said that it knows of such: \
             it is sent the fields without their times",
            replica.port
        ));
    }
    VERSION_DEFAULT
}

impl Core {
    /// The RDB version of a file. All shards are here.
    pub fn version_of_file(&self) -> u32 {
        if self.has_field_deadlines() { VERSION_REDIS_7_4 } else { VERSION_DEFAULT }
    }

    /// The RDB version for these replicas. All shards are here.
    pub fn version_for<'a>(&self, replicas: impl Iterator<Item = &'a ReplicaInfo> + Clone) -> u32 {
        if self.has_field_deadlines() { version_with_deadlines(replicas) } else { VERSION_DEFAULT }
    }

    fn has_field_deadlines(&self) -> bool {
        self.exec.shards.iter().flatten().any(|shard| shard.has_field_deadlines())
    }

    /// Begins the snapshot that was claimed, of all shards, all of which are here. The service thread reads the chunks.
    pub fn begin_snapshot(&mut self, version: u32, compress: bool) -> Chunks {
        let shards = self.exec.shards.len();
        let (sender, queue) = unbounded_channel();
        self.shared.snapshot.begin();
        let flow =
            Arc::new(Flow::new(shards, queued_len_max(crate::alloc::used() as usize), Arc::clone(&self.shared.snapshot)));
        let options = RdbOptions { version, access: AccessNote::None, compress };
        for index in 0..shards {
            let sink = Arc::new(ChunkSink { shard: index, sender: sender.clone(), flow: Arc::clone(&flow) });
            let target: Arc<dyn EncodedSink> = sink.clone();
            if let Some(shard) = self.exec.shards[index].as_deref_mut() {
                shard.begin_rdb_snapshot(options, &target);
            }
            let walk = Walk { sink, pace: Pace::default() };
            if index == self.exec.id {
                self.walk = Some(walk);
            } else {
                // It arrives before the shard does.
                self.send(index, Message::Run(Box::new(move |core| core.walk = Some(walk))));
            }
        }
        self.taking = Some(Arc::clone(&flow));
        Chunks { queue, flow, libraries: self.shared.scripts.libraries() }
    }

    /// Takes the right to the next snapshot; false if somebody has it. Two at once would spoil each other.
    pub fn claim_snapshot(&self) -> bool {
        !self.shared.snapshot_running.swap(true, Ordering::AcqRel)
    }

    /// On the log's core: gives that right back. The snapshot has been taken, or given up.
    pub fn release_snapshot(&mut self) {
        self.taking = None;
        self.shared.snapshot_running.store(false, Ordering::Release);
    }

    /// Whether a snapshot is being taken; the next one waits for its end.
    pub fn snapshot_is_running(&self) -> bool {
        self.shared.snapshot_running.load(Ordering::Acquire)
    }

    /// On the log's core: gives up the snapshot that is being taken, if one is. Who it was for is told by the service thread.
    pub fn give_up_snapshot(&mut self, why: &str) {
        if let Some(flow) = &self.taking {
            flow.give_up(why);
            // So that each notices.
            self.on_every_core(|_| {});
        }
    }

    /// When the walk goes on that rests just now.
    pub(crate) fn walk_rests_until(&self) -> Option<Instant> {
        self.walk.as_ref().and_then(|walk| walk.pace.resting_until())
    }

    /// Walks on for a moment; true if there is more to walk at once.
    pub(crate) fn slice_of_snapshot(&mut self) -> bool {
        if self.walk.is_none() && self.exec.leftovers_counted == 0 && leftovers::is_empty() {
            return false;
        }
        let busy = self.walk_on();
        self.count_held();
        busy
    }

    /// Counts anew what the snapshot keeps of values that have left the shard, and gives it up if that gets out of hand.
    fn count_held(&mut self) {
        if !self.snapshot_is_running() && self.shared.snapshot.is_empty() {
            leftovers::forget();
        }
        self.exec.count_held(LOOKS);
        let shard = self.exec.shards[self.exec.id].as_deref();
        if let (Some(walk), Some(shard)) = (&self.walk, shard) {
            walk.sink.flow.limit_backlog(shard.snapshot_backlog());
        }
    }

    fn walk_on(&mut self) -> bool {
        let serving = self.coalesce.is_anybody_active();
        let Some(walk) = &mut self.walk else { return false };
        let Some(shard) = self.exec.shards[self.exec.id].as_deref_mut() else { return false };
        if walk.sink.flow.is_given_up() {
            shard.abort_snapshot();
            self.walk = None;
            return false;
        }
        let began = Instant::now();
        // What is kept alive for the snapshot costs more than a late answer.
        let serving = serving && shard.snapshot_backlog() < PRESSED_LEN;
        let Some(until) = walk.pace.slice(began, serving) else { return false };
        let flow = &walk.sink.flow;
        if !flow.may_walk(walk.sink.shard) {
            // What writers have put off does not wait for the walk: it keeps old values alive.
            while flow.may_catch_up(walk.sink.shard, shard.snapshot_is_pressed()) && shard.snapshot_go_on(STEP_COST) {
                if Instant::now() >= until {
                    return true;
                }
            }
            return false;
        }
        loop {
            let progress = shard.snapshot_step(STEP_COST);
            if progress == Progress::Done {
                break;
            }
            let now = Instant::now();
            if now >= until {
                return walk.pace.rest(began, now, serving);
            }
        }
        if let Some(walk) = self.walk.take() {
            let shard = walk.sink.shard;
            let _ = walk.sink.sender.send(Chunk::Done { shard });
        }
        false
    }
}
