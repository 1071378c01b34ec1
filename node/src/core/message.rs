//! What threads say to a core.

use super::Core;
use crate::dispatch::hop::Batch;
use crate::effects;
use crate::pubsub::Posting;
use crate::replication::stream::Handoff;
use crate::shard::Shard;
use crate::shard::value::Value;
use crate::tracking::Told;
use koltso_proto::id::{DbIndex, UnixMs};
use std::sync::Arc;

/// A message to a core.
pub enum Message {
    /// Requests for this core's shard.
    Batch(Box<Batch>),
    /// Requests of this core that another has answered.
    BatchDone(Box<Batch>),
    /// Another core wants to borrow this core's shard.
    LendRequest {
        /// The core that asks.
        from: usize,
    },
    /// A shard that this core asked for.
    LendGranted(Box<Shard>),
    /// This core's own shard comes back.
    ShardReturned(Box<Shard>),
    /// To the log's core: what was executed elsewhere.
    Effects(effects::Batch),
    /// To the log's core: a connection that wants the stream.
    Replica(Box<Handoff>),
    /// Entries of a data set that is being loaded, for this core's shard. The guard is dropped once they are in, which lets
    /// the sender go on.
    Stage(Staged, StageGuard),
    /// Messages for the subscribers among this core's clients.
    Posts(Vec<Arc<Posting>>),
    /// Messages that clients of this core have published, and that all cores have delivered.
    Receipts(Vec<Arc<Posting>>),
    /// To clients of this core that track keys: what was changed.
    Told(Told),
    /// Anything rare.
    Run(Box<dyn FnOnce(&mut Core) + Send>),
}

/// Entries of a data set that is being loaded: their bytes together, so that a batch is few allocations.
#[derive(Default)]
pub struct Staged {
    /// Keys, and values that are strings.
    pub bytes: Vec<u8>,
    /// What to make of them.
    pub items: Vec<StagedItem>,
}

/// An entry in [`Staged`].
pub struct StagedItem {
    /// Its database.
    pub db: DbIndex,
    /// Where its key ends; it begins where the item before ended.
    pub key_end: usize,
    /// Where its value ends if it is a string; else `value` is the value, and this is `key_end`.
    pub value_end: usize,
    /// Its value, if it is no string.
    pub value: Option<Value>,
    /// Its deadline.
    pub expire: Option<UnixMs>,
}

/// Held while a batch of entries is under way; bounds how many are.
pub type StageGuard = tokio::sync::OwnedSemaphorePermit;
