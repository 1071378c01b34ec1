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

/// The newest entries first.
#[derive(Debug, Default)]
pub struct SlowLog {
    /// The entries.
    pub entries: VecDeque<SlowEntry>,
}

impl SlowLog {
    /// Adds an entry, dropping the oldest beyond `max`.
    pub fn push(&mut self, entry: SlowEntry, max: usize) {
        self.entries.push_front(entry);
        self.entries.truncate(max);
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
