//! A shard: the part of the keyspace that one core owns.
//!
//! A shard is owned by one thread at a time and moves between threads as a `Box`. Nothing in here does I/O, takes a lock, or
//! reads a clock: the time is handed in.
//!
//! [`packed`] is memory, [`table`] a database, [`snapshot`], [`expiry`], [`eviction`] and [`staging`] are what is done with
//! whole tables; [`keyspace`] is what commands see.

pub mod access;
pub mod digest;
pub mod entry;
pub mod eviction;
pub mod expiry;
pub mod field_expiry;
pub mod graveyard;
pub mod keyspace;
pub mod leftovers;
#[allow(unsafe_code)]
mod packed;
pub mod rdb_sink;
pub mod snapshot;
pub mod staging;
pub mod table;
pub mod value;
pub mod watch;

use access::AccessPolicy;
use eviction::EvictionPool;
use field_expiry::ExpiredFields;
use koltso_proto::id::{DbIndex, ShardId, UnixMs};
pub use packed::SegmentIter;
pub use snapshot::Progress as SnapshotProgress;
use snapshot::SegmentSink;
use table::Table;
use watch::{Presence, WatchList};

/// What a shard counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardStats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys deleted because their time was over.
    pub expired: u64,
    /// Fields of hashes deleted because their time was over.
    pub expired_fields: u64,
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
    /// What was counted last of what a snapshot keeps of this shard, in bytes.
    pub held_counted: u64,
    /// A data set being loaded.
    staging: Option<Vec<Table>>,
    /// Tables that were flushed, but belong to a snapshot that is being taken.
    detached: Vec<Table>,
    /// Tables to be dropped bit by bit.
    dropping: Vec<Table>,
    /// Of snapshots that were given up, to be dropped bit by bit.
    forsaken: Vec<Box<dyn SegmentSink>>,
    eviction_pool: EvictionPool,
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
            held_counted: 0,
            staging: None,
            detached: Vec::new(),
            dropping: Vec::new(),
            forsaken: Vec::new(),
            eviction_pool: EvictionPool::default(),
        }
    }

    /// Changes what the access bits of entries mean from now on.
    pub fn set_policy(&mut self, policy: AccessPolicy) {
        self.dbs.iter_mut().for_each(|table| table.set_policy(policy));
        self.eviction_pool = EvictionPool::default();
    }

    /// Empties a database, in constant time; see [`drop_step`](Self::drop_step). Watchers of keys that were in it are told.
    pub fn flush(&mut self, db: DbIndex) {
        let table = &self.dbs[db.0 as usize];
        let was = |key: &[u8]| if table.find(key).is_some() { Presence::There } else { Presence::Missing };
        self.watch.changed_where(db, |key| (was(key), Presence::Missing));
        let old = self.dbs[db.0 as usize].take();
        self.discard(old);
    }

    /// Swaps two databases. Watchers of keys that were in either are told.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex, now: UnixMs) {
        let has = |db: DbIndex, key: &[u8]| match self.dbs[db.0 as usize].find(key).map(|entry| entry.expire()) {
            None => Presence::Missing,
            Some(Some(deadline)) if deadline <= now => Presence::Stale,
            Some(_) => Presence::There,
        };
        self.watch.changed_where(a, |key| (has(a, key), has(b, key)));
        self.watch.changed_where(b, |key| (has(b, key), has(a, key)));
        self.dbs.swap(a.0 as usize, b.0 as usize);
    }

    /// Puts a table aside that is not a database any more.
    fn discard(&mut self, mut table: Table) {
        if table.cut.is_some() {
            table.leave_to_cut();
            self.detached.push(table);
        } else if !table.is_empty() {
            self.dropping.push(table);
        }
    }

    /// Drops about `budget` entries of what was flushed or replaced, or of what a snapshot was given that was given up; says whether
    /// there is more. Whoever owns the shard sees to it that this cannot pile up.
    pub fn drop_step(&mut self, budget: usize) -> bool {
        if let Some(sink) = self.forsaken.last_mut() {
            if !sink.forget_some(budget) {
                self.forsaken.pop();
            }
        } else if let Some(table) = self.dropping.last_mut()
            && !table.drop_some(budget)
        {
            self.dropping.pop();
        }
        self.is_dropping()
    }

    /// Whether there is anything to drop.
    pub fn is_dropping(&self) -> bool {
        !self.dropping.is_empty() || !self.forsaken.is_empty()
    }

    /// Deletes keys whose time is over, and reports them. Stops after about `budget` entries were looked at, and says whether more
    /// are due. Not for replicas, which leave it to their primary.
    pub fn expire_due(&mut self, now: UnixMs, budget: usize, report: &mut dyn FnMut(DbIndex, &[u8])) -> bool {
        let mut more = false;
        for (db, table) in self.dbs.iter_mut().enumerate() {
            let db = DbIndex(db as u32);
            let watch = &mut self.watch;
            let expired = table.expire_due(now, budget, &mut |key| {
                watch.expired(db, key);
                report(db, key);
            });
            self.stats.expired += expired.deleted as u64;
            more |= expired.more;
        }
        more
    }

    /// As [`expire_due`](Self::expire_due), for fields of hashes.
    pub fn expire_fields_due(
        &mut self,
        now: UnixMs,
        budget: usize,
        report: &mut dyn FnMut(DbIndex, ExpiredFields<'_>),
    ) -> bool {
        let mut more = false;
        for (db, table) in self.dbs.iter_mut().enumerate() {
            if !table.has_field_deadlines() {
                continue;
            }
            let db = DbIndex(db as u32);
            let (watch, stats) = (&mut self.watch, &mut self.stats);
            more |= table.expire_fields_due(now, budget, &mut |expired| {
                watch.touched(db, expired.key);
                stats.expired_fields += expired.fields.len() as u64;
                report(db, expired);
            });
        }
        more
    }

    /// Whether fields of any hash have, or had, deadlines.
    pub fn has_field_deadlines(&self) -> bool {
        self.dbs.iter().any(Table::has_field_deadlines)
    }

    /// Bytes taken from the allocator by tables, without those that values own. Looks at every segment.
    pub fn heap_bytes(&self) -> usize {
        let staging = self.staging.iter().flatten();
        self.dbs.iter().chain(&self.detached).chain(&self.dropping).chain(staging).map(Table::heap_bytes).sum()
    }
}

#[cfg(test)]
mod tests;
