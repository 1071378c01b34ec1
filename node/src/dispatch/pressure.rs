//! Room for writes: keeping below `maxmemory` by evicting.
//!
//! A core evicts from the shards that are here: before a write, and once more before the write is answered, for what it has taken.
//! Where these have nothing that may go, and other shards do, the write is let through, and answered when their cores have evicted
//! as well. A core that has very much to evict does so in slices, until memory is below its limit again. What a snapshot keeps of
//! what is evicted does not count. A write is refused only where no shard has anything to give; cores know that of each other from
//! counts that each one publishes once a turn.

use super::executor::Executor;
use super::registry::Command;
use super::shard_set::ShardSet;
use crate::config::NotifyFlags;
use crate::shard::Shard;
use crate::shard::eviction::EvictionPolicy;
use crate::shard::{graveyard, leftovers};
use crate::shared::Gate;
use rand::RngExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a core evicts before anything else has its turn.
const EVICTION_BUDGET: Duration = Duration::from_micros(500);
/// How many large values are looked at, to see what a snapshot has of them alone, before anything is evicted.
const LOOKS_PRESSED: usize = 256;
/// And how many strings for each of them: those are quickly looked at.
const LEFTOVER_LOOKS: usize = 16;
/// Entries of flushed tables dropped between two looks at the clock.
const DROP_STEP: usize = 256;
/// Keys evicted between two looks at the clock.
const EVICTION_STEP: usize = 16;

/// What cores know of each other about memory.
#[derive(Debug)]
pub struct Pressure {
    /// Bytes in use that do not count against the limit: of the log, what goes beyond the backlog's size. It is there for
    /// replicas that are behind; if it counted, evictions would feed the log, and the log evictions.
    pub not_counted: AtomicU64,
    shards: Box<[ShardLoad]>,
}

/// How full a shard was when it was last at home. On a cache line of its own: each core writes its own one.
#[derive(Debug, Default)]
#[repr(align(64))]
struct ShardLoad {
    keys: AtomicU64,
    volatile: AtomicU64,
}

impl Pressure {
    /// For a node of this many cores.
    pub fn new(cores: usize) -> Self {
        Pressure { not_counted: AtomicU64::new(0), shards: (0..cores).map(|_| ShardLoad::default()).collect() }
    }

    /// The shards that have keys that a policy may evict.
    fn with_victims(&self, policy: EvictionPolicy) -> ShardSet {
        let mut set = ShardSet::default();
        for (index, load) in self.shards.iter().enumerate() {
            let keys = match policy {
                EvictionPolicy::NoEviction => 0,
                _ if policy.is_volatile() => load.volatile.load(Ordering::Relaxed),
                _ => load.keys.load(Ordering::Relaxed),
            };
            if keys > 0 {
                set.insert(index);
            }
        }
        set
    }
}

impl Executor {
    /// Where a command is about to run: makes room for it if memory is short. True if there is none, and it must not run.
    #[inline]
    pub fn lacks_room(&mut self, command: &Command) -> bool {
        self.gates.has(Gate::MaxMemory) && command.write && !self.make_room() && command.deny_oom
    }

    /// Evicts if memory is above its limit; false if it is, and nothing can be done about that.
    #[cold]
    pub fn make_room(&mut self) -> bool {
        self.has_taken = true;
        if !self.may_evict() || self.has_room() {
            return true;
        }
        match self.evict_or_ask_others() {
            Evicted::Enough => true,
            Evicted::NotYet => {
                self.evicting = true;
                true
            }
            Evicted::Elsewhere => true,
            Evicted::All => false,
        }
    }

    /// Whether anything may go now, should memory be short. A replica leaves that to its primary, if it is told to.
    ///
    /// What reads may take a little memory while writes are paused; nothing is deleted then. Nor while a file is read: what goes
    /// would go without those hearing of it who continue the file's history.
    fn may_evict(&self) -> bool {
        let is_left_to_primary = self.gates.has(Gate::Replica) && self.config.replica_ignore_maxmemory;
        !is_left_to_primary && !self.gates.has(Gate::PausedWrites) && !self.gates.has(Gate::Loading)
    }

    fn has_room(&self) -> bool {
        let limit = self.config.maxmemory;
        // Nor does what snapshots hold: where they have what evictions take away, evictions would go on for nothing.
        let spared = self.pressure.not_counted.load(Ordering::Relaxed) + self.snapshot.memory();
        limit == 0 || crate::alloc::used().saturating_sub(spared) <= limit
    }

    /// Once a turn: goes on with an eviction that takes longer, and makes up for what the turn's own commands have taken; true if
    /// there is more to do.
    ///
    /// Not where nothing was written: whoever has written is to see to it first, and is answered after that.
    pub fn go_on_evicting(&mut self) -> bool {
        let is_due = self.evicting || self.has_taken || self.gates.has(Gate::Replica);
        if is_due && self.shards[self.id].is_some() {
            self.has_taken = false;
            self.evicting = self.may_evict() && !self.has_room() && self.evict_or_ask_others() == Evicted::NotYet;
            return self.evicting;
        }
        false
    }

    /// Now and then: memory may be short because of something else than writes, such as what waits for clients.
    pub fn evict_if_short_for_long(&mut self) {
        let is_short = self.gates.has(Gate::MaxMemory) && !self.has_room();
        self.evicting |= is_short && self.was_short;
        self.was_short = is_short;
    }

    /// Evicts; if there is nothing more here that may go, asks cores to that have something.
    fn evict_or_ask_others(&mut self) -> Evicted {
        let evicted = self.evict_for(EVICTION_BUDGET);
        if evicted == Evicted::All {
            let mut others = self.pressure.with_victims(self.config.maxmemory_policy);
            self.shards.iter().enumerate().filter(|(_, shard)| shard.is_some()).for_each(|(index, _)| others.remove(index));
            self.relief.0 |= others.0;
            return if others.is_empty() { Evicted::All } else { Evicted::Elsewhere };
        }
        evicted
    }

    /// Tells the other cores how full this core's own shard is.
    pub fn publish_load(&self) {
        let Some(shard) = self.shards[self.id].as_deref() else { return };
        let (mut keys, mut volatile) = (0, 0);
        for table in &shard.dbs {
            keys += table.len() as u64;
            volatile += table.expires() as u64;
        }
        let load = &self.pressure.shards[self.id];
        load.keys.store(keys, Ordering::Relaxed);
        load.volatile.store(volatile, Ordering::Relaxed);
    }

    fn is_dropping(&self) -> bool {
        self.shards.iter().filter_map(Option::as_deref).any(Shard::is_dropping)
    }

    /// Goes on dropping what was flushed from the shards that are here; true if that was all.
    fn drop_flushed(&mut self, until: Instant) -> bool {
        self.shards.iter_mut().filter_map(Option::as_deref_mut).all(|shard| {
            while shard.drop_step(DROP_STEP) {
                if Instant::now() >= until {
                    return false;
                }
            }
            true
        })
    }

    /// Counts anew what a snapshot keeps of what left the shards that are here. Looks at about `looks` more large values than
    /// those that changed last.
    pub fn count_held(&mut self, looks: usize) {
        if self.leftovers_counted > 0 || !leftovers::is_empty() {
            self.snapshot.recount(&mut self.leftovers_counted, leftovers::bytes(looks.saturating_mul(LEFTOVER_LOOKS)));
        }
        for shard in self.shards.iter_mut().filter_map(Option::as_deref_mut) {
            if shard.held_counted > 0 || shard.is_snapshotting() {
                let held = shard.snapshot_held(looks);
                self.snapshot.recount(&mut shard.held_counted, held);
            }
        }
    }

    fn evict_for(&mut self, budget: Duration) -> Evicted {
        let until = Instant::now() + budget;
        loop {
            // Some of what was counted as held may be gone by now.
            self.count_held(LOOKS_PRESSED);
            if self.has_room() {
                return Evicted::Enough;
            }
            // What is on its way out must be gone before more is given up for it.
            if !graveyard::is_empty() || self.is_dropping() {
                let all = self.drop_flushed(until) & graveyard::dig(until, drop);
                crate::alloc::settle();
                self.count_held(LOOKS_PRESSED);
                if self.has_room() {
                    return Evicted::Enough;
                }
                if !all {
                    return Evicted::NotYet;
                }
            }
            for _ in 0..EVICTION_STEP {
                if !self.evict_one() {
                    return Evicted::All;
                }
                if !graveyard::is_empty() {
                    break;
                }
                // Every key counts: limits may be small.
                crate::alloc::settle();
                self.count_held(1);
                if self.has_room() {
                    break;
                }
            }
            if Instant::now() >= until {
                return Evicted::NotYet;
            }
        }
    }

    fn evict_one(&mut self) -> bool {
        let now = self.now;
        let (policy, samples) = (self.config.maxmemory_policy, self.config.maxmemory_samples as usize);
        // Not always from the first, where several are here.
        let start = if self.shards.len() > 1 { self.rng.random_range(0..self.shards.len()) } else { 0 };
        let rng = &mut self.rng;
        let (front, back) = self.shards.split_at_mut(start);
        let mut shards = back.iter_mut().chain(front).filter_map(Option::as_deref_mut);
        let mut evict = |shard: &mut Shard| Some((shard.evict_one(policy, samples, rng, now)?, shard.logged));
        let Some(((db, key), logged)) = shards.find_map(&mut evict) else { return false };
        self.effects.events.push(NotifyFlags::EVICTED, "evicted", db, &key);
        if logged {
            let name: &[u8] = if self.config.lazyfree_lazy_eviction { b"UNLINK" } else { b"DEL" };
            self.effects.push_unit(db, [name, &key[..]].into_iter());
        }
        true
    }
}

/// How an eviction went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evicted {
    /// There is room again.
    Enough,
    /// It takes longer.
    NotYet,
    /// There is nothing more here that may go.
    All,
    /// Nor that, but on other cores there is.
    Elsewhere,
}
