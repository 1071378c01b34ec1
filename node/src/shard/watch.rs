//! Who wants to know that a key is touched: connections under `WATCH`, clients that wait for it, and those that have it in a cache of
//! their own.
//!
//! A connection has one [`WatchFlag`], which it shares with every shard that holds one of its keys. Shards only ever raise it.
//! Keys that somebody waits for, or has cached, are noted when they are touched, for whoever executes to look at when it is done. A
//! write costs one look where nobody is interested in any key.

use crate::tracking::{Invalidation, Prefixes, Table, Totals, Tracker};
use crate::waiting::{Line, Waiter};
use hashbrown::HashMap;
use koltso_proto::id::DbIndex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised when one of a connection's watched keys was touched: its `EXEC` will fail.
#[derive(Debug, Default)]
pub struct WatchFlag {
    raised: AtomicBool,
    /// Whether it is also raised by what happens to the groups of a stream, which `WATCH` of Redis does not hear of.
    strict: bool,
}

impl WatchFlag {
    /// One that any change of the key raises.
    pub fn strict() -> Self {
        WatchFlag { strict: true, ..WatchFlag::default() }
    }

    /// Says that a watched key was touched.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// Whether a watched key was touched.
    pub fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }
}

/// A key of some database.
pub type Key = (DbIndex, Box<[u8]>);

/// What a database has at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Missing,
    /// An entry whose time is over.
    Stale,
    /// An entry.
    There,
}

/// A connection that watches a key.
#[derive(Debug)]
struct Watch {
    flag: Arc<WatchFlag>,
    /// The key was stale when this began, or has become so: to this client it is missing, and that it goes is no change.
    stale: bool,
}

/// Who is interested in a key.
#[derive(Debug, Default)]
struct Watchers {
    watches: Vec<Watch>,
    line: Line,
}

impl Watchers {
    fn is_empty(&self) -> bool {
        self.watches.is_empty() && self.line.is_empty()
    }

    /// The key was touched. True if it has to be looked at, and nobody has been told yet.
    fn touched(&mut self) -> bool {
        self.watches.iter().for_each(|watch| watch.flag.raise());
        self.is_to_be_looked_at()
    }

    /// As [`touched`](Self::touched), where it is known what the key was and is.
    fn became(&mut self, before: Presence, after: Presence) -> bool {
        if before == Presence::Missing && after == Presence::Missing {
            return false;
        }
        for watch in &mut self.watches {
            let was_there = before != Presence::Missing && !watch.stale;
            match after {
                Presence::There => watch.flag.raise(),
                _ if was_there => watch.flag.raise(),
                _ => watch.stale = after == Presence::Stale,
            }
        }
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
    /// Who has which keys cached.
    tracked: Table,
    /// Whether anybody is interested in any key.
    is_attentive: bool,
    /// Whether there is anything to look at: keys that are ready, or invalidations.
    has_news: bool,
}

impl WatchList {
    /// Starts watching `key`, stale or not, for the connection that owns `flag`. Watching it twice is watching it once: says
    /// whether it is new.
    pub fn watch(&mut self, db: DbIndex, key: &[u8], stale: bool, flag: &Arc<WatchFlag>) -> bool {
        self.is_attentive = true;
        let watches = &mut self.keys.entry((db, key.into())).or_default().watches;
        let is_new = !watches.iter().any(|known| Arc::ptr_eq(&known.flag, flag));
        if is_new {
            watches.push(Watch { flag: Arc::clone(flag), stale });
        }
        is_new
    }

    /// A client begins to wait for `key`.
    pub fn join(&mut self, key: &[u8], waiter: &Arc<Waiter>) {
        self.is_attentive = true;
        self.keys.entry((waiter.asking.db, key.into())).or_default().line.join(waiter);
    }

    /// A client waits for `key` no longer.
    pub fn leave(&mut self, key: &[u8], waiter: &Waiter) {
        let watched = Watched { db: waiter.asking.db, key };
        if let Some(watchers) = self.keys.get_mut(&watched) {
            watchers.line.leave(waiter.asking.ticket);
            if watchers.is_empty() {
                self.keys.remove(&watched);
                self.look_around();
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
            self.is_ready(db, key);
        }
    }

    /// The first who waits for `key` with a ticket not below this one.
    pub fn next_waiter(&self, db: DbIndex, key: &[u8], ticket: u64) -> Option<Arc<Waiter>> {
        self.keys.get(&Watched { db, key })?.line.next(ticket)
    }

    /// Whether keys were touched that somebody waits for or has cached.
    #[inline]
    pub fn has_news(&self) -> bool {
        self.has_news
    }

    /// What clients are to be told about keys they have cached.
    pub fn take_invalidations(&mut self) -> Vec<Invalidation> {
        self.has_news = !self.ready.is_empty();
        self.tracked.take_told()
    }

    /// The keys that were touched and that somebody waits for, in the order in which they were.
    pub fn take_ready(&mut self) -> Vec<Key> {
        let ready = std::mem::take(&mut self.ready);
        self.has_news = self.tracked.has_told();
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
        watchers.watches.retain(|known| !Arc::ptr_eq(&known.flag, flag));
        if watchers.is_empty() {
            self.keys.remove(&key);
            self.look_around();
        }
    }

    /// Sees whether anybody is interested in any key.
    fn look_around(&mut self) {
        self.is_attentive = !self.keys.is_empty() || self.tracked.is_attentive();
    }

    fn is_ready(&mut self, db: DbIndex, key: &[u8]) {
        self.ready.push((db, key.into()));
        self.has_news = true;
    }

    /// A client has read `key`, and may have it cached. All shards together remember `keys_max` keys at most (0 = any number).
    pub fn remember(&mut self, key: &[u8], reader: &Arc<Tracker>, keys_max: u64) {
        self.tracked.remember(key, reader, keys_max);
        self.is_attentive = true;
        self.has_news |= self.tracked.has_told();
    }

    /// Forgets keys that clients may have cached, until all shards remember no more than this (0 = any number).
    pub fn forget_excess(&mut self, keys_max: u64) {
        self.tracked.evict_excess(keys_max);
        self.has_news |= self.tracked.has_told();
        self.look_around();
    }

    /// Takes over which prefixes of keys clients are interested in.
    pub fn set_prefixes(&mut self, prefixes: Option<Arc<Prefixes>>) {
        self.tracked.set_prefixes(prefixes);
        self.look_around();
    }

    /// Counts keys that clients may have cached in these totals.
    pub fn set_totals(&mut self, totals: &Arc<Totals>) {
        self.tracked.set_totals(totals);
    }

    /// Clients are to forget all they may have cached.
    fn invalidate_all(&mut self) {
        self.tracked.changed_all();
        self.has_news |= self.tracked.has_told();
    }

    fn invalidate(&mut self, key: &[u8], is_asked_for: bool) {
        if self.tracked.is_attentive() {
            self.tracked.changed(key, is_asked_for);
            self.has_news |= self.tracked.has_told();
            self.look_around();
        }
    }

    /// Says that `key` was touched.
    #[inline]
    pub fn touched(&mut self, db: DbIndex, key: &[u8]) {
        if self.is_attentive {
            self.raise(db, key, true);
        }
    }

    /// Says that `key` was opened for changes, whether they are any that watchers hear of or not.
    #[inline]
    pub fn opened(&mut self, db: DbIndex, key: &[u8]) {
        if self.is_attentive {
            self.raise_strict(db, key);
        }
    }

    #[cold]
    fn raise_strict(&mut self, db: DbIndex, key: &[u8]) {
        if let Some(watchers) = self.keys.get(&Watched { db, key }) {
            watchers.watches.iter().filter(|watch| watch.flag.strict).for_each(|watch| watch.flag.raise());
        }
    }

    /// Says that `key` had to go for want of memory.
    pub fn evicted(&mut self, db: DbIndex, key: &[u8]) {
        self.raise(db, key, false);
    }

    /// Says that `key` was stale and is gone.
    pub fn expired(&mut self, db: DbIndex, key: &[u8]) {
        self.invalidate(key, false);
        if let Some(watchers) = self.keys.get_mut(&Watched { db, key })
            && watchers.became(Presence::Stale, Presence::Missing)
        {
            self.is_ready(db, key);
        }
    }

    #[cold]
    fn raise(&mut self, db: DbIndex, key: &[u8], is_asked_for: bool) {
        self.invalidate(key, is_asked_for);
        if let Some(watchers) = self.keys.get_mut(&Watched { db, key })
            && watchers.touched()
        {
            self.is_ready(db, key);
        }
    }

    /// The watched keys of a database, for `FLUSHDB` and `SWAPDB`: `became` says of each what it was and what it is.
    pub fn changed_where(&mut self, db: DbIndex, became: impl Fn(&[u8]) -> (Presence, Presence)) {
        self.invalidate_all();
        for ((of, key), watchers) in &mut self.keys {
            if *of != db {
                continue;
            }
            let (before, after) = became(key);
            if watchers.became(before, after) {
                self.ready.push((db, key.clone()));
                self.has_news = true;
            }
        }
    }

    /// Says that every key of `db` was touched.
    pub fn touched_all(&mut self, db: DbIndex) {
        self.invalidate_all();
        for ((of, key), watchers) in &mut self.keys {
            if *of == db && watchers.touched() {
                self.ready.push((db, key.clone()));
                self.has_news = true;
            }
        }
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
        assert!(list.watch(DbIndex(0), b"x", false, &a));
        assert!(!list.watch(DbIndex(0), b"x", false, &a));
        assert!(list.watch(DbIndex(1), b"x", false, &b));
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

    #[test]
    fn only_strict_watchers_hear_of_what_others_need_not_know() {
        let mut list = WatchList::default();
        let (lax, strict) = (Arc::new(WatchFlag::default()), Arc::new(WatchFlag::strict()));
        list.watch(DbIndex(0), b"x", false, &lax);
        list.watch(DbIndex(0), b"x", false, &strict);
        list.opened(DbIndex(0), b"y");
        list.opened(DbIndex(1), b"x");
        assert!(!strict.is_raised());
        list.opened(DbIndex(0), b"x");
        assert!(strict.is_raised() && !lax.is_raised());
    }

    #[test]
    fn a_key_that_was_stale_may_go_but_not_come_back() {
        use Presence::{Missing, Stale, There};
        let raised = |stale: bool, steps: &[(Presence, Presence)]| {
            let (mut list, flag) = (WatchList::default(), Arc::new(WatchFlag::default()));
            list.watch(DbIndex(0), b"x", stale, &flag);
            steps.iter().for_each(|&step| list.changed_where(DbIndex(0), |_| step));
            flag.is_raised()
        };
        assert!(!raised(true, &[(Stale, Missing), (Missing, Missing)]));
        assert!(!raised(true, &[(Stale, Stale), (Stale, Missing)]));
        assert!(!raised(false, &[(Missing, Stale), (Stale, Missing)]));
        assert!(raised(true, &[(Stale, Missing), (Missing, There)]));
        assert!(raised(false, &[(Stale, Missing)]));
        assert!(raised(false, &[(There, Missing)]));
        assert!(raised(false, &[(There, There)]));
    }
}
