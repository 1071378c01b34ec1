//! Eviction: choosing what to give up when memory runs out.
//!
//! As in Redis, the least recently or frequently used entry is approximated: a few entries are sampled, and the best candidates of
//! earlier samples are remembered in a small pool. Deadlines need no sampling, because segments know their earliest.

use super::Shard;
use super::entry::EntryRef;
use super::table::Table;
use koltso_proto::id::{DbIndex, UnixMs};
use rand::{Rng, RngExt};

/// How many candidates are remembered.
const POOL_LEN_MAX: usize = 16;
/// How many samples are taken before giving up finding a candidate.
const SAMPLE_TRIES: usize = 32;
/// Of how many keys the average time to live is taken.
const TTL_SAMPLES: usize = 32;

/// What is evicted when memory is full (`maxmemory-policy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvictionPolicy {
    /// Nothing is evicted: writes that need memory fail.
    #[default]
    NoEviction,
    /// The least recently used of all keys.
    AllKeysLru,
    /// The least recently used of the keys with a deadline.
    VolatileLru,
    /// The least frequently used of all keys.
    AllKeysLfu,
    /// The least frequently used of the keys with a deadline.
    VolatileLfu,
    /// Any key.
    AllKeysRandom,
    /// Any key with a deadline.
    VolatileRandom,
    /// The key with the earliest deadline.
    VolatileTtl,
}

impl EvictionPolicy {
    /// Whether only keys with a deadline may go.
    pub fn is_volatile(self) -> bool {
        use EvictionPolicy::{VolatileLfu, VolatileLru, VolatileRandom, VolatileTtl};
        matches!(self, VolatileLru | VolatileLfu | VolatileRandom | VolatileTtl)
    }

    /// Whether access bits count uses.
    pub fn is_lfu(self) -> bool {
        matches!(self, EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu)
    }
}

struct Candidate {
    score: u64,
    db: DbIndex,
    key: Box<[u8]>,
}

/// The best candidates of earlier samples, best last.
#[derive(Default)]
pub(super) struct EvictionPool(Vec<Candidate>);

impl EvictionPool {
    fn offer(&mut self, db: DbIndex, key: &[u8], score: u64) {
        let place = self.0.partition_point(|known| known.score < score);
        if (self.0.len() == POOL_LEN_MAX && place == 0) || self.0.iter().any(|known| known.db == db && *known.key == *key) {
            return;
        }
        self.0.insert(place, Candidate { score, db, key: key.into() });
        if self.0.len() > POOL_LEN_MAX {
            self.0.remove(0);
        }
    }
}

impl Table {
    /// Visits up to `count` entries that lie next to each other, from a random place on.
    fn sample<R: Rng>(&self, volatile: bool, count: usize, rng: &mut R, mut visit: impl FnMut(EntryRef<'_>)) {
        let mut found = 0;
        for _ in 0..SAMPLE_TRIES {
            let number = match volatile {
                false => Some(rng.random_range(0..self.segments.len())),
                true if self.deadlines.len() == 0 => None,
                true => self.deadlines.nth_segment(rng.random_range(0..self.deadlines.len())),
            };
            let Some(number) = number else { return };
            let entries = &self.segments.get(number).entries;
            let places = entries.places();
            if entries.len() == 0 {
                continue;
            }
            let start = rng.random_range(0..places);
            let around = (start..places).chain(0..start);
            for entry in around.filter_map(|place| entries.at_place(place)).filter(|e| !volatile || e.expire().is_some()) {
                visit(entry);
                found += 1;
                if found >= count {
                    return;
                }
            }
        }
    }

    /// How long the keys with a deadline live on, on average over a few of them, in milliseconds.
    pub fn average_ttl<R: Rng>(&self, now: UnixMs, rng: &mut R) -> u64 {
        let (mut sum, mut count) = (0u64, 0);
        self.sample(true, TTL_SAMPLES, rng, |entry| {
            sum = sum.saturating_add(entry.expire().map_or(0, |deadline| deadline.0.saturating_sub(now.0)));
            count += 1;
        });
        sum.checked_div(count).unwrap_or(0)
    }

    /// The key with the earliest deadline, and that deadline.
    fn first_to_expire(&mut self) -> Option<(UnixMs, Box<[u8]>)> {
        while let Some((_, number)) = self.first_deadline() {
            let part = self.segments.get(number);
            let deadlines = part.entries.iter().filter_map(|entry| Some((entry.expire()?, entry.key())));
            match deadlines.min() {
                Some((deadline, key)) if deadline.0 == part.earliest => return Some((deadline, key.into())),
                // The entry with the segment's earliest deadline is gone.
                _ => self.refresh_deadline(number),
            }
        }
        None
    }
}

impl Shard {
    /// Deletes one key as the policy chooses, and says which; `None` if there is none that may go. `samples` is
    /// `maxmemory-samples`.
    pub fn evict_one(
        &mut self,
        policy: EvictionPolicy,
        samples: usize,
        rng: &mut impl Rng,
        now: UnixMs,
    ) -> Option<(DbIndex, Box<[u8]>)> {
        use EvictionPolicy::{AllKeysRandom, NoEviction, VolatileRandom, VolatileTtl};
        let (db, key) = match policy {
            NoEviction => None,
            VolatileTtl => self.first_to_expire(),
            AllKeysRandom | VolatileRandom => self.random_victim(policy.is_volatile(), rng),
            _ => self.best_victim(policy.is_volatile(), samples.max(1), rng, now),
        }?;
        self.dbs[db.0 as usize].delete(&key);
        self.watch.evicted(db, &key);
        self.stats.evicted += 1;
        Some((db, key))
    }

    fn candidates(&self, volatile: bool) -> impl Iterator<Item = (DbIndex, &Table)> {
        let dbs = self.dbs.iter().enumerate().map(|(db, table)| (DbIndex(db as u32), table));
        dbs.filter(move |(_, table)| if volatile { table.has_deadlines() } else { !table.is_empty() })
    }

    fn first_to_expire(&mut self) -> Option<(DbIndex, Box<[u8]>)> {
        let dbs = self.dbs.iter_mut().enumerate();
        let firsts =
            dbs.filter_map(|(db, table)| table.first_to_expire().map(|(deadline, key)| (deadline, DbIndex(db as u32), key)));
        firsts.min().map(|(_, db, key)| (db, key))
    }

    fn random_victim(&self, volatile: bool, rng: &mut impl Rng) -> Option<(DbIndex, Box<[u8]>)> {
        let size = |table: &Table| if volatile { table.expires() } else { table.len() };
        let total: usize = self.candidates(volatile).map(|(_, table)| size(table)).sum();
        let mut nth = if total == 0 { return None } else { rng.random_range(0..total) };
        for (db, table) in self.candidates(volatile) {
            if nth < size(table) {
                let mut victim = None;
                table.sample(volatile, 1, rng, |entry| victim = Some(entry.key().into()));
                return victim.map(|key| (db, key));
            }
            nth -= size(table);
        }
        None
    }

    fn best_victim(&mut self, volatile: bool, samples: usize, rng: &mut impl Rng, now: UnixMs) -> Option<(DbIndex, Box<[u8]>)> {
        let mut pool = std::mem::take(&mut self.eviction_pool);
        let mut victim = None;
        for _ in 0..SAMPLE_TRIES {
            for (db, table) in self.candidates(volatile) {
                let policy = table.policy();
                table.sample(volatile, samples, rng, |entry| {
                    pool.offer(db, entry.key(), policy.eviction_score(entry.access(), now));
                });
            }
            // A candidate of an earlier sample may be gone, or not be volatile any more.
            let may_go = |candidate: &Candidate| {
                let found = self.dbs[candidate.db.0 as usize].find(&candidate.key);
                found.is_some_and(|entry| !volatile || entry.expire().is_some())
            };
            while let Some(candidate) = pool.0.pop() {
                if may_go(&candidate) {
                    victim = Some((candidate.db, candidate.key));
                    break;
                }
            }
            if victim.is_some() {
                break;
            }
        }
        self.eviction_pool = pool;
        victim
    }
}
