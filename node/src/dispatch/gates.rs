//! The conditions under which a command is refused or has to wait, in the order in which Redis looks at them.

use super::executor::Executor;
use super::registry::Command;
use crate::shared::{Asked, Gate};
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

impl Asked {
    /// What a command asks for; `flags` are those of its subcommand.
    #[inline]
    pub fn of(command: &Command, flags: Flags) -> Self {
        // A container says nothing of what its subcommands do.
        let write = command.write || flags.has(Flags::WRITE);
        let spreads = write || flags.has(Flags::MAY_REPLICATE);
        Asked {
            write,
            spreads,
            stale: flags.has(Flags::STALE),
            loading: flags.has(Flags::LOADING),
            when_busy: flags.has(Flags::ALLOW_BUSY),
        }
    }
}

/// The error for a write that there is no memory for.
pub const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may \
     modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails \
     (stop-writes-on-bgsave-error option). Please check the log for details about the RDB error.";
const NOREPLICAS: &str = "NOREPLICAS Not enough good replicas to write.";
pub const READONLY: &str = "READONLY You can't write against a read only replica.";
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
            if gates.has(Gate::AppendFailed) {
                return Verdict::Refuse(self.append_error().into());
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
        if gates.has(Gate::Busy)
            && !asked.when_busy
            && let Some(error) = self.scripts.busy.error()
        {
            return Verdict::Refuse(error.into());
        }
        if gates.has(Gate::PausedAll) || (gates.has(Gate::PausedWrites) && asked.spreads) || gates.has(Gate::Monitor) {
            return Verdict::Core;
        }
        Verdict::Go
    }

    /// The error for a write that would not reach the append-only file.
    #[cold]
    fn append_error(&self) -> String {
        format!("MISCONF Errors writing to the AOF file: {}", self.aof.error().unwrap_or_default())
    }

    /// Why a script may not write now, if that is so.
    pub fn why_not_write(&self) -> Option<Cow<'static, str>> {
        if self.gates.has(Gate::AppendFailed) && !self.gates.has(Gate::ReadOnly) && !self.gates.has(Gate::SaveFailed) {
            return Some(self.append_error().into());
        }
        let reasons = [(Gate::ReadOnly, READONLY), (Gate::SaveFailed, MISCONF), (Gate::FewReplicas, NOREPLICAS)];
        reasons.into_iter().find(|(gate, _)| self.gates.has(*gate)).map(|(_, error)| error.into())
    }

    /// Whether this node is a replica that takes no writes.
    pub fn gates_say_replica(&self) -> bool {
        self.gates.has(Gate::Replica)
    }
}
