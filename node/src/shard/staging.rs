//! Staging: loading a new data set beside the old one, and changing over at once.
//!
//! A replica goes on serving the old data while it receives a full sync; a failed one leaves no trace.

use super::Shard;
use super::entry::Entry;
use super::table::{LoadValue, Table};
use koltso_proto::id::{DbIndex, UnixMs};
use std::fmt;

/// Why an entry cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagingError {
    /// The key is there twice in the same database.
    DuplicateKey,
    /// The database is beyond those that this node has.
    NoSuchDb,
}

impl fmt::Display for StagingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StagingError::DuplicateKey => "a key stands in the data set twice",
            StagingError::NoSuchDb => "the data set has more databases than this node: raise 'databases'",
        })
    }
}

impl std::error::Error for StagingError {}

impl Shard {
    /// Begins to load a new data set. What an unfinished load has left is forgotten.
    pub fn begin_staging(&mut self) {
        self.abort_staging();
        self.staging = Some(self.dbs.iter().map(|table| Table::new(table.policy())).collect());
    }

    /// Adds an entry to the new data set. Without access bits, it counts as used now.
    pub fn staging_insert(
        &mut self,
        db: DbIndex,
        key: &[u8],
        value: LoadValue<'_>,
        expire: Option<UnixMs>,
        access: Option<u32>,
        now: UnixMs,
    ) -> Result<(), StagingError> {
        let tables = self.staging.as_deref_mut().unwrap_or_default();
        let table = tables.get_mut(db.0 as usize).ok_or(StagingError::NoSuchDb)?;
        let access = access.unwrap_or_else(|| table.policy().fresh(now));
        if table.insert_new(key, value, expire, access) { Ok(()) } else { Err(StagingError::DuplicateKey) }
    }

    /// As [`staging_insert`](Self::staging_insert), for an entry that stands alone.
    pub fn stage(&mut self, db: DbIndex, entry: Entry, now: UnixMs) -> Result<(), StagingError> {
        let Entry { key, value, expire, access, .. } = entry;
        self.staging_insert(db, &key, LoadValue::Value(value), expire, access, now)
    }

    /// How many keys the new data set has so far.
    pub fn staged_len(&self) -> usize {
        self.staging.iter().flatten().map(Table::len).sum()
    }

    /// Puts the new data set in place of the old one, which is dropped bit by bit; see [`drop_step`](Shard::drop_step). Every
    /// watched key counts as touched.
    pub fn commit_staging(&mut self) {
        let Some(tables) = self.staging.take() else { return };
        for (db, table) in tables.into_iter().enumerate() {
            let old = std::mem::replace(&mut self.dbs[db], table);
            self.discard(old);
            self.watch.touched_all(DbIndex(db as u32));
        }
    }

    /// Whether a key of the new data set is in the old one, too.
    pub fn staging_collides(&self) -> bool {
        let mut pairs = self.staging.iter().flatten().zip(&self.dbs);
        pairs.any(|(new, old)| new.iter().any(|entry| old.find(entry.key()).is_some()))
    }

    /// Adds the entries of the new data set to the old one, in place of those with the same keys. Takes as long as that takes:
    /// for `DEBUG RELOAD NOFLUSH` only.
    pub fn merge_staging(&mut self, now: UnixMs) {
        let Some(tables) = self.staging.take() else { return };
        for (db, mut table) in tables.into_iter().enumerate() {
            let keys: Vec<Box<[u8]>> = table.iter().map(|entry| entry.key().into()).collect();
            for key in keys {
                let Some(entry) = table.remove(&key) else { continue };
                self.watch.touched(DbIndex(db as u32), &key);
                self.dbs[db].put(entry, now);
            }
        }
    }

    /// Forgets the new data set.
    pub fn abort_staging(&mut self) {
        self.staging.take().into_iter().flatten().for_each(|table| self.discard(table));
    }
}
