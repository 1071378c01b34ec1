//! Entries on their way into the cores: sorted by shard, in batches, with a bound on what is under way.

use super::Surroundings;
use crate::core::{Message, Staged, StagedItem};
use crate::shard::value::{Thresholds, Value, rdb::from_rdb};
use koltso_proto::id::{DbIndex, ShardId};
use koltso_proto::listpack::IntText;
use koltso_proto::rdb::{Entry, RdbValue};
use koltso_proto::slot;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Entries in a batch.
const BATCH_ENTRIES: usize = 256;
/// Bytes in a batch.
const BATCH_LEN: usize = 64 * 1024;
/// Batches under way to one core.
const BATCHES_MAX: usize = 32;

/// Sorts entries into batches.
pub struct Stage {
    surroundings: Surroundings,
    filling: Vec<Staged>,
    permits: Vec<Arc<Semaphore>>,
    thresholds: Thresholds,
    /// Entries sent.
    pub entries: u64,
}

impl Stage {
    /// Towards these cores.
    pub fn new(surroundings: &Surroundings, thresholds: Thresholds) -> Self {
        let cores = surroundings.cores.len();
        Stage {
            surroundings: surroundings.clone(),
            filling: (0..cores).map(|_| Staged::default()).collect(),
            permits: (0..cores).map(|_| Arc::new(Semaphore::new(BATCHES_MAX))).collect(),
            thresholds,
            entries: 0,
        }
    }

    /// Adds an entry; the core whose batch is full now, if it is, to be given to [`send`](Self::send).
    pub fn push(&mut self, db: DbIndex, entry: Entry<'_>) -> Option<usize> {
        let Entry { key, expire, value, .. } = entry;
        let mut text = IntText::new();
        let key = key.bytes(&mut text);
        let shards = self.filling.len() as u16;
        let ShardId(shard) = if shards == 1 { ShardId(0) } else { slot::shard_of(slot::slot_of(key), shards) };
        let batch = &mut self.filling[usize::from(shard)];
        batch.bytes.extend_from_slice(key);
        let key_end = batch.bytes.len();
        let value: Option<Value> = match value {
            RdbValue::Str(string) => {
                batch.bytes.extend_from_slice(string.bytes(&mut IntText::new()));
                None
            }
            other => Some(from_rdb(other, &self.thresholds)),
        };
        batch.items.push(StagedItem { db, key_end, value_end: batch.bytes.len(), value, expire });
        self.entries += 1;
        (batch.items.len() >= BATCH_ENTRIES || batch.bytes.len() >= BATCH_LEN).then_some(usize::from(shard))
    }

    /// Sends a batch, waiting while its core has too many.
    pub async fn send(&mut self, core: usize) {
        let batch = std::mem::take(&mut self.filling[core]);
        if let Ok(permit) = Arc::clone(&self.permits[core]).acquire_owned().await {
            self.surroundings.cores[core].send(Message::Stage(batch, permit));
        }
    }

    /// Sends everything, and waits until it has arrived.
    pub async fn finish(&mut self) {
        for core in 0..self.filling.len() {
            if !self.filling[core].items.is_empty() {
                self.send(core).await;
            }
            // When every permit is back, every batch has been taken in.
            let _ = self.permits[core].acquire_many(BATCHES_MAX as u32).await;
        }
    }
}
