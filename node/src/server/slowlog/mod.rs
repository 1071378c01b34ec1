//! The slow log of a core, and SLOWLOG, which shows those of all cores as one.

mod commands;

pub use commands::HANDLERS;

use std::collections::VecDeque;

/// A command that took long.
#[derive(Clone, Debug)]
pub struct SlowEntry {
    /// Its number.
    pub id: u64,
    /// When it ran, in seconds since the epoch.
    pub at_s: u64,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// Its arguments, shortened.
    pub args: Vec<Vec<u8>>,
    /// The client's address.
    pub addr: String,
    /// The client's name.
    pub name: Vec<u8>,
}

/// That the execution of a command took long.
#[derive(Clone, Copy, Debug)]
pub struct Long {
    /// How many microseconds.
    pub took_us: u64,
    /// Its number in the slow log, which it has from the moment at which it was over, on whatever core it is logged then;
    /// `None` if it is only for the latency monitor.
    pub number: Option<u64>,
}

/// The newest entries first.
#[derive(Debug, Default)]
pub struct SlowLog {
    /// The entries.
    pub entries: VecDeque<SlowEntry>,
    /// Numbers below this one were forgotten, also those that were still on their way here then.
    forgotten_below: u64,
}

impl SlowLog {
    /// Adds an entry, dropping the oldest beyond `max`. It may come from another core, where newer ones do not wait for it.
    pub fn push(&mut self, entry: SlowEntry, max: usize) {
        if entry.id < self.forgotten_below {
            return;
        }
        let place = self.entries.iter().position(|known| known.id < entry.id).unwrap_or(self.entries.len());
        self.entries.insert(place, entry);
        self.entries.truncate(max);
    }

    /// Forgets all entries with numbers below this one.
    pub fn forget_below(&mut self, number: u64) {
        self.forgotten_below = self.forgotten_below.max(number);
        self.entries.retain(|entry| entry.id >= number);
    }
}

/// Arguments kept of a command.
const ARGS_MAX: usize = 32;
/// Bytes kept of an argument.
const ARG_LEN_MAX: usize = 128;

/// The arguments as the slow log keeps them: not too many, and not too long.
pub fn shorten(args: koltso_proto::resp::Args<'_>) -> Vec<Vec<u8>> {
    let mut kept = Vec::new();
    for (i, arg) in args.from(0).enumerate() {
        if i + 1 == ARGS_MAX && args.len() > ARGS_MAX {
            kept.push(format!("... ({} more arguments)", args.len() - i).into_bytes());
            break;
        }
        if arg.len() > ARG_LEN_MAX {
            let mut short = arg[..ARG_LEN_MAX].to_vec();
            short.extend_from_slice(format!("... ({} more bytes)", arg.len() - ARG_LEN_MAX).as_bytes());
            kept.push(short);
        } else {
            kept.push(arg.to_vec());
        }
    }
    kept
}
