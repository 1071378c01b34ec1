//! The conditions under which a command is refused or has to wait, in the order in which Redis looks at them.

use super::executor::Executor;
use super::registry::Command;
use crate::connection::Session;
use crate::shared::Gate;
use koltso_proto::command::Flags;
use std::borrow::Cow;

/// What is to be done with a command.
pub enum Verdict {
    /// Run it.
    Go,
    /// It is refused with this error.
    Refuse(Cow<'static, str>),
    /// The core has to look at it: it must wait, or somebody watches.
    Core,
}

const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may \
     modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails \
     (stop-writes-on-bgsave-error option). Please check the log for details about the RDB error.";
const NOREPLICAS: &str = "NOREPLICAS Not enough good replicas to write.";
const READONLY: &str = "READONLY You can't write against a read only replica.";
const MASTERDOWN: &str = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
const LOADING: &str = "LOADING Redis is loading the dataset in memory";

impl Executor {
    /// Judges a command of a client by the conditions in force. Called only when there are any.
    #[cold]
    pub fn judge(&mut self, command: &Command, flags: Flags, session: &Session) -> Verdict {
        let gates = self.gates;
        if gates.has(Gate::MaxMemory) && command.write && !self.make_room() && command.deny_oom {
            return Verdict::Refuse(OOM.into());
        }
        if command.write {
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
        if gates.has(Gate::Stale) && !flags.has(Flags::STALE) {
            return Verdict::Refuse(MASTERDOWN.into());
        }
        if gates.has(Gate::Loading) && !flags.has(Flags::LOADING) {
            return Verdict::Refuse(LOADING.into());
        }
        let waits = gates.has(Gate::PausedAll) || (gates.has(Gate::PausedWrites) && command.write);
        if (waits && session.transaction.is_none()) || gates.has(Gate::Monitor) {
            return Verdict::Core;
        }
        Verdict::Go
    }

    /// Evicts until memory is below its limit again; false if it could not be brought there.
    pub fn make_room(&mut self) -> bool {
        let limit = self.config.maxmemory;
        if limit == 0 {
            return true;
        }
        while crate::alloc::used() > limit {
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
        let (id, now) = (self.id, self.now);
        let (policy, samples) = (self.config.eviction_policy(), self.config.maxmemory_samples as usize);
        let Some(shard) = self.shards[id].as_deref_mut() else { return false };
        let Some((db, key)) = shard.evict_one(policy, samples, &mut self.rng, now) else { return false };
        if shard.logged {
            let name: &[u8] = if self.config.lazyfree_lazy_eviction { b"UNLINK" } else { b"DEL" };
            self.effects.begin_unit();
            self.effects.push(db, [name, &key[..]].into_iter());
            self.effects.end_unit();
        }
        true
    }
}
