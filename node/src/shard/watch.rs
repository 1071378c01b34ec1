//! Who wants to know that a key is touched: connections under `WATCH`, and clients that wait for it.
//!
//! A connection has one [`WatchFlag`], which it shares with every shard that holds one of its keys. Shards only ever raise it.
//! Keys that somebody waits for are noted when they are touched, for whoever executes to look at when it is done. The two share
//! one list, so that a write to a key nobody is interested in costs one look.

use crate::waiting::{Line, Waiter};
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

/// A key of some database.
pub type Key = (DbIndex, Box<[u8]>);

/// Who is interested in a key.
#[derive(Debug, Default)]
struct Watchers {
    flags: Vec<Arc<WatchFlag>>,
    line: Line,
}

impl Watchers {
    fn is_empty(&self) -> bool {
        self.flags.is_empty() && self.line.is_empty()
    }

    /// The key was touched. True if it has to be looked at, and nobody has been told yet.
    fn touched(&mut self) -> bool {
        self.flags.iter().for_each(|flag| flag.raise());
        self.is_to_be_looked_at()
    }

    /// True if somebody waits for the key, and it is not among those to be looked at yet.
    fn is_to_be_looked_at(&mut self) -> bool {
        !self.line.is_empty() && !std::mem::replace(&mut self.line.touched, true)
    }
}

/// The keys of a shard that somebody is interested in.
#[derive(Debug, Default)]
pub struct WatchList {
    keys: HashMap<Key, Watchers>,
    /// Keys that were touched and that somebody waits for.
    ready: Vec<Key>,
}

impl WatchList {
    /// Starts watching `key` for the connection that owns `flag`. Watching it twice is watching it once: says whether it is new.
    pub fn watch(&mut self, db: DbIndex, key: &[u8], flag: &Arc<WatchFlag>) -> bool {
        let flags = &mut self.keys.entry((db, key.into())).or_default().flags;
        let is_new = !flags.iter().any(|known| Arc::ptr_eq(known, flag));
        if is_new {
            flags.push(Arc::clone(flag));
        }
        is_new
    }

    /// A client begins to wait for `key`.
    pub fn join(&mut self, key: &[u8], waiter: &Arc<Waiter>) {
        self.keys.entry((waiter.asking.db, key.into())).or_default().line.join(waiter);
    }

    /// A client waits for `key` no longer.
    pub fn leave(&mut self, key: &[u8], waiter: &Waiter) {
        let watched = Watched { db: waiter.asking.db, key };
        if let Some(watchers) = self.keys.get_mut(&watched) {
            watchers.line.leave(waiter.asking.ticket);
            if watchers.is_empty() {
                self.keys.remove(&watched);
            }
        }
    }

    /// Whether anybody who waits for `key` reads for a consumer group.
    pub fn has_group_readers(&self, db: DbIndex, key: &[u8]) -> bool {
        self.keys.get(&Watched { db, key }).is_some_and(|watchers| watchers.line.has_group_readers())
    }

    /// Says that those who wait for `key` are to be looked at, although nobody under `WATCH` has to care.
    pub fn signal(&mut self, db: DbIndex, key: &[u8]) {
        if let Some(watchers) = self.keys.get_mut(&Watched { db, key })
            && watchers.is_to_be_looked_at()
        {
            self.ready.push((db, key.into()));
        }
    }

    /// The first who waits for `key` with a ticket not below this one.
    pub fn next_waiter(&self, db: DbIndex, key: &[u8], ticket: u64) -> Option<Arc<Waiter>> {
        self.keys.get(&Watched { db, key })?.line.next(ticket)
    }

    /// Whether keys were touched that somebody waits for.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The keys that were touched and that somebody waits for, in the order in which they were.
    pub fn take_ready(&mut self) -> Vec<Key> {
        let ready = std::mem::take(&mut self.ready);
        for (db, key) in &ready {
            if let Some(watchers) = self.keys.get_mut(&Watched { db: *db, key }) {
                watchers.line.touched = false;
            }
        }
        ready
    }

    /// Forgets that the connection that owns `flag` watches `key`.
    pub fn unwatch(&mut self, db: DbIndex, key: &[u8], flag: &Arc<WatchFlag>) {
        let key = Watched { db, key };
        let Some(watchers) = self.keys.get_mut(&key) else { return };
        watchers.flags.retain(|known| !Arc::ptr_eq(known, flag));
        if watchers.is_empty() {
            self.keys.remove(&key);
        }
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
        if let Some(watchers) = self.keys.get_mut(&Watched { db, key })
            && watchers.touched()
        {
            self.ready.push((db, key.into()));
        }
    }

    /// The watched keys of a database, for `FLUSHDB`, `SWAPDB` and a replica's full sync: `touched` decides for each.
    pub fn touched_where(&mut self, db: DbIndex, mut touched: impl FnMut(&[u8]) -> bool) {
        for ((of, key), watchers) in &mut self.keys {
            if *of == db && touched(key) && watchers.touched() {
                self.ready.push((db, key.clone()));
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
        assert!(list.watch(DbIndex(0), b"x", &a));
        assert!(!list.watch(DbIndex(0), b"x", &a));
        assert!(list.watch(DbIndex(1), b"x", &b));
        list.touched(DbIndex(0), b"y");
        assert!(!a.is_raised() && !b.is_raised());
        list.touched(DbIndex(0), b"x");
        assert!(a.is_raised() && !b.is_raised());
        list.touched_all(DbIndex(0));
        assert!(!b.is_raised());
        list.unwatch(DbIndex(1), b"x", &a);
        assert_eq!(list.keys.len(), 2);
        list.unwatch(DbIndex(1), b"x", &b);
        assert_eq!(list.keys.len(), 1);
        list.touched_all(DbIndex(1));
        assert!(!b.is_raised());
    }
}
