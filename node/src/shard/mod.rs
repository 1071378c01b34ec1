//! A shard: the part of the keyspace that one core owns.
//!
//! A shard is owned by one thread at a time and moves between threads as a `Box`. Nothing in here does I/O, takes a lock, or
//! reads a clock: the time is handed in.

pub mod entry;
pub mod keyspace;
pub mod table;
pub mod value;
pub mod watch;

use koltso_proto::id::ShardId;
use table::Table;
use watch::WatchList;

/// What a shard counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardStats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys deleted because their time was over.
    pub expired: u64,
    /// Keys deleted for want of memory.
    pub evicted: u64,
    /// Changes to the data set since the process began.
    pub dirty: u64,
}

/// The data of one core.
pub struct Shard {
    /// Which shard.
    pub id: ShardId,
    /// The databases; the index is what `SELECT` takes.
    pub dbs: Vec<Table>,
    /// Whether effects are wanted: there is a log.
    pub logged: bool,
    /// Whether this node is a replica: expired keys are hidden, and deleted only when the primary says so.
    pub replica: bool,
    /// Who wants to know of changes to which keys.
    pub watch: WatchList,
    /// What is counted.
    pub stats: ShardStats,
}

impl Shard {
    /// An empty shard with this many databases.
    pub fn new(id: ShardId, databases: usize) -> Self {
        Shard {
            id,
            dbs: (0..databases).map(|_| Table::default()).collect(),
            logged: false,
            replica: false,
            watch: WatchList::default(),
            stats: ShardStats::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lending moves shards between threads.
    #[test]
    fn a_shard_can_be_sent() {
        fn sendable<T: Send>(_: T) {}
        sendable(Shard::new(ShardId(0), 2));
    }
}
