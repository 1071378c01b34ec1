//! The conditions under which a command is refused or has to wait, in the order in which Redis looks at them.

use super::executor::Executor;
use super::registry::Command;
use crate::config::NotifyFlags;
use crate::shared::{Asked, Gate};
use koltso_proto::command::Flags;
use std::borrow::Cow;
use std::sync::atomic::Ordering;

/// What is to be done with a command.
pub enum Verdict {
    /// Run it.
    Go,
    /// It is refused with this error.
    Refuse(Cow<'static, str>),
    /// The core has to look at it: it must wait, or somebody watches.
    Core,
}

impl Asked {
    /// What a command asks for; `flags` are those of its subcommand.
    #[inline]
    pub fn of(command: &Command, flags: Flags) -> Self {
        let spreads = command.write || flags.has(Flags::MAY_REPLICATE);
        Asked { write: command.write, spreads, stale: flags.has(Flags::STALE), loading: flags.has(Flags::LOADING) }
    }
}

/// The error for a write that there is no memory for.
pub const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may \
     modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails \
     (stop-writes-on-bgsave-error option). Please check the log for details about the RDB error.";
const NOREPLICAS: &str = "NOREPLICAS Not enough good replicas to write.";
const READONLY: &str = "READONLY You can't write against a read only replica.";
const MASTERDOWN: &str = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
const LOADING: &str = "LOADING Redis is loading the dataset in memory";

impl Executor {
    /// Judges a request of a client by the conditions in force. Called only when there are any.
    #[cold]
    pub fn judge(&mut self, asked: Asked) -> Verdict {
        let gates = self.gates;
        if asked.write {
            if gates.has(Gate::SaveFailed) {
                return Verdict::Refuse(MISCONF.into());
            }
            if gates.has(Gate::FewReplicas) {
                return Verdict::Refuse(NOREPLICAS.into());
            }
            if gates.has(Gate::ReadOnly) {
                return Verdict::Refuse(READONLY.into());
            }
        }
        if gates.has(Gate::Stale) && !asked.stale {
            return Verdict::Refuse(MASTERDOWN.into());
        }
        if gates.has(Gate::Loading) && !asked.loading {
            return Verdict::Refuse(LOADING.into());
        }
        if gates.has(Gate::PausedAll) || (gates.has(Gate::PausedWrites) && asked.spreads) || gates.has(Gate::Monitor) {
            return Verdict::Core;
        }
        Verdict::Go
    }

    /// Where a command is about to run: makes room for it if memory is short. True if there is none, and it must not run.
    #[inline]
    pub fn lacks_room(&mut self, command: &Command) -> bool {
        self.gates.has(Gate::MaxMemory) && command.write && !self.make_room() && command.deny_oom
    }

    /// Evicts from the shards that are here until memory is below its limit again; false if it could not be brought there.
    #[cold]
    pub fn make_room(&mut self) -> bool {
        let limit = self.config.maxmemory;
        if limit == 0 {
            return true;
        }
        // What replicas still need is not the data's doing: counting it, evictions would feed the log, and the log evictions.
        // Nor is what a snapshot keeps of what evictions take away.
        let spared = self.log_len.load(Ordering::Relaxed) + self.snapshot.memory.load(Ordering::Relaxed);
        while crate::alloc::used().saturating_sub(spared) > limit {
            if self.gates.has(Gate::ReadOnly) || !self.evict_one() {
                return false;
            }
        }
        true
    }

    /// Whether this node is a replica that takes no writes.
    pub fn gates_say_replica(&self) -> bool {
        self.gates.has(Gate::Replica)
    }

    fn evict_one(&mut self) -> bool {
        let now = self.now;
        let (policy, samples) = (self.config.eviction_policy(), self.config.maxmemory_samples as usize);
        let rng = &mut self.rng;
        let mut shards = self.shards.iter_mut().flatten();
        let evicted =
            shards.find_map(|shard| shard.evict_one(policy, samples, rng, now).map(|(db, key)| (db, key, shard.logged)));
        let Some((db, key, logged)) = evicted else { return false };
        self.effects.events.push(NotifyFlags::EVICTED, "evicted", db, &key);
        if logged {
            let name: &[u8] = if self.config.lazyfree_lazy_eviction { b"UNLINK" } else { b"DEL" };
            self.effects.begin_unit();
            self.effects.push(db, [name, &key[..]].into_iter());
            self.effects.end_unit();
        }
        true
    }
}
