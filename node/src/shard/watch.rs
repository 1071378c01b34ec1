//! `WATCH`: connections that want to know whether a key was touched since they looked.
//!
//! A connection has one [`WatchFlag`], which it shares with every shard that holds one of its keys. Shards only ever raise it.

use hashbrown::HashMap;
use koltso_proto::id::DbIndex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised when one of a connection's watched keys was touched: its `EXEC` will fail.
#[derive(Debug, Default)]
pub struct WatchFlag(AtomicBool);

impl WatchFlag {
    /// Says that a watched key was touched.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a watched key was touched.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

type Key = (DbIndex, Box<[u8]>);
type Watchers = Vec<Arc<WatchFlag>>;

/// The watched keys of a shard.
#[derive(Debug, Default)]
pub struct WatchList {
    keys: HashMap<Key, Watchers>,
}

impl WatchList {
    /// Starts watching `key` for the connection that owns `flag`. Watching it twice is watching it once.
    pub fn watch(&mut self, db: DbIndex, key: &[u8], flag: &Arc<WatchFlag>) {
        let watchers = self.keys.entry((db, key.into())).or_default();
        if !watchers.iter().any(|known| Arc::ptr_eq(known, flag)) {
            watchers.push(Arc::clone(flag));
        }
    }

    /// Forgets everything that the connection that owns `flag` watches.
    pub fn unwatch(&mut self, flag: &Arc<WatchFlag>) {
        self.keys.retain(|_, watchers| {
            watchers.retain(|known| !Arc::ptr_eq(known, flag));
            !watchers.is_empty()
        });
    }

    /// Says that `key` was touched.
    #[inline]
    pub fn touched(&mut self, db: DbIndex, key: &[u8]) {
        if !self.keys.is_empty() {
            self.raise(db, key);
        }
    }

    #[cold]
    fn raise(&mut self, db: DbIndex, key: &[u8]) {
        for flag in self.keys.get(&Watched { db, key }).into_iter().flatten() {
            flag.raise();
        }
    }

    /// The watched keys of a database, for `FLUSHDB`, `SWAPDB` and a replica's full sync: `touched` decides for each.
    pub fn touched_where(&mut self, db: DbIndex, mut touched: impl FnMut(&[u8]) -> bool) {
        for ((of, key), flags) in &self.keys {
            if *of == db && touched(key) {
                flags.iter().for_each(|flag| flag.raise());
            }
        }
    }

    /// Says that every key of `db` was touched.
    pub fn touched_all(&mut self, db: DbIndex) {
        self.touched_where(db, |_| true);
    }
}

/// A borrowed key of the map; it hashes as the owned one does.
#[derive(Hash)]
struct Watched<'a> {
    db: DbIndex,
    key: &'a [u8],
}

impl hashbrown::Equivalent<(DbIndex, Box<[u8]>)> for Watched<'_> {
    fn equivalent(&self, (db, key): &(DbIndex, Box<[u8]>)) -> bool {
        self.db == *db && self.key == &**key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_watchers_of_the_touched_key_are_told() {
        let mut list = WatchList::default();
        let (a, b) = (Arc::new(WatchFlag::default()), Arc::new(WatchFlag::default()));
        list.watch(DbIndex(0), b"x", &a);
        list.watch(DbIndex(0), b"x", &a);
        list.watch(DbIndex(1), b"x", &b);
        list.touched(DbIndex(0), b"y");
        assert!(!a.is_raised() && !b.is_raised());
        list.touched(DbIndex(0), b"x");
        assert!(a.is_raised() && !b.is_raised());
        list.touched_all(DbIndex(0));
        assert!(!b.is_raised());
        list.unwatch(&b);
        list.touched_all(DbIndex(1));
        assert!(!b.is_raised());
    }
}
