//! Clients that wait for keys (`BLPOP` and its kin, `XREAD BLOCK`).
//!
//! A [`Waiter`] stands in the list of every key it waits for, on whatever shards those are. Whoever executes a write that makes
//! one of them ready serves it, on the spot, by running its command for that key alone. Shards, the clock and the client itself
//! may all want to end a wait at the same time: the first to [`claim`](Waiter::claim) it does.

mod line;

pub use line::Line;

use crate::commands::streams::wait::Settled;
use crate::connection::{OwnedRequest, Token};
use crate::dispatch::shard_set::ShardSet;
use crate::shard::value::Type;
use crate::tracking::Tracker;
use koltso_proto::id::DbIndex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a command may wait, and whether it wants to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waits {
    /// It may not: in transactions and in the stream of a primary nothing waits.
    #[default]
    Never,
    /// It may.
    May,
    /// It found nothing and will be tried again: for so many milliseconds, or forever if that is 0.
    Wants(u64),
}

/// A client that waits.
#[derive(Debug)]
pub struct Waiter {
    /// Who it is, and what it asked for.
    pub asking: Asking,
    /// The type of the values it waits for.
    pub kind: Type,
    /// The keys it waits for.
    pub keys: Vec<Box<[u8]>>,
    /// The shards that must be at hand to serve it: those of all its keys, or, where one key is enough, none but that key's.
    pub needs: ShardSet,
    /// The shards in which it stands in line.
    pub shards: ShardSet,
    /// Whether it reads for a consumer group: then it hears of it when the stream goes.
    pub reads_group: bool,
    claimed: AtomicBool,
}

/// What a client waits for, as its command says it.
#[derive(Debug)]
pub struct Wanted {
    /// The type of the values.
    pub kind: Type,
    /// The keys that are waited for: positions among the arguments.
    pub keys: std::ops::Range<usize>,
    /// A key that is written to besides, likewise.
    pub also: Option<usize>,
}

impl Wanted {
    /// What this request would wait for; `None` if it is not one that does. One that reads streams is [`Settled`].
    pub fn of(name: &str, request: &OwnedRequest) -> Option<Self> {
        let args = request.args();
        let counted = |kind| {
            let count = koltso_proto::number::parse_i64(args.get(2)).and_then(|count| usize::try_from(count).ok())?;
            let end = count.checked_add(3).filter(|end| *end <= args.len())?;
            Some(Wanted { kind, keys: 3..end, also: None })
        };
        let all_but_last = |kind| Some(Wanted { kind, keys: 1..args.len() - 1, also: None });
        match name {
            "blpop" | "brpop" => all_but_last(Type::List),
            "bzpopmin" | "bzpopmax" => all_but_last(Type::Zset),
            "blmpop" => counted(Type::List),
            "bzmpop" => counted(Type::Zset),
            "blmove" | "brpoplpush" => Some(Wanted { kind: Type::List, keys: 1..2, also: Some(2) }),
            "xread" | "xreadgroup" => Some(Wanted { kind: Type::Stream, keys: Settled::new(args).keys(), also: None }),
            _ => None,
        }
    }
}

/// A client that may have to wait, and its request: what only its own core knows of it.
#[derive(Debug)]
pub struct Asking {
    /// Who has waited for longer has a lower one.
    pub ticket: u64,
    /// The core of the client.
    pub core: usize,
    /// Its connection there.
    pub token: Token,
    /// The index of its command.
    pub command: u16,
    /// What it asked for.
    pub request: OwnedRequest,
    /// The selected database.
    pub db: DbIndex,
    /// Whether it speaks RESP3.
    pub resp3: bool,
    /// Whether it leaves access times alone.
    pub no_touch: bool,
    /// It, if it tracks keys.
    pub tracker: Option<Arc<Tracker>>,
    /// Whether what it reads is to be remembered.
    pub remembers: bool,
}

impl Waiter {
    /// Lets a client wait for what its command wants. `shard_of` says where a key is.
    pub fn new(asking: Asking, wanted: &Wanted, shard_of: impl Fn(&[u8]) -> usize) -> Self {
        let args = asking.request.args();
        let keys: Vec<Box<[u8]>> = wanted.keys.clone().map(|at| args.get(at).into()).collect();
        let mut shards = ShardSet::default();
        keys.iter().for_each(|key| shards.insert(shard_of(key)));
        let mut needs = ShardSet::default();
        if let Some(also) = wanted.also {
            needs = shards;
            needs.insert(shard_of(args.get(also)));
        }
        let reads_group = wanted.kind == Type::Stream && Settled::new(args).reads_group();
        Waiter { asking, kind: wanted.kind, keys, needs, shards, reads_group, claimed: AtomicBool::new(false) }
    }

    /// Ends the wait, if nobody else has; only who is told true may go on.
    pub fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// Its request for one of its keys alone, without a time.
    pub fn request_for(&self, name: &str, key: &[u8]) -> OwnedRequest {
        let args = self.asking.request.args();
        match name {
            "blmove" | "brpoplpush" => self.asking.request.clone(),
            "xread" | "xreadgroup" => Settled::new(args).for_key(key),
            "blmpop" | "bzmpop" => {
                let head: [&[u8]; 4] = [args.get(0), b"0", b"1", key];
                let words: Vec<&[u8]> = head.into_iter().chain(args.from(3 + self.keys.len())).collect();
                OwnedRequest::from_words(&words)
            }
            _ => OwnedRequest::from_words(&[args.get(0), key, b"0"]),
        }
    }
}

#[cfg(test)]
mod tests;
