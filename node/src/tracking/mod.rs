//! Client-side caching (`CLIENT TRACKING`): who is told that what it has read, or a key with a prefix of its, was changed.
//!
//! Who has read a key is written down in the shard that has the key ([`Table`]), in the same execution as the read: so no change
//! can come between the two, whichever cores the client, the reader's hop and the writer are on. A change takes the key out of the
//! table and leaves an [`Invalidation`]; whoever executes collects those and tells the cores of the clients: before whoever has changed
//! the key is answered, but his own core in one go with his reply, and after it. An invalidation may come late, and then for a value that was read anew since; it is never lost.
//!
//! Keys are known by their names alone, whatever their database, as in Redis. Nothing here does I/O.

mod prefixes;
mod table;

pub use prefixes::{AllPrefixes, Prefixes};
pub use table::Table;

use crate::connection::Token;
use crate::dispatch::shard_set::ShardSet;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A client that tracks keys, as tables of all shards know it.
#[derive(Debug)]
pub struct Tracker {
    /// Its core.
    pub core: usize,
    /// Its connection there.
    pub token: Token,
    /// Whether it is told of what it has read; cleared when that is over.
    on: AtomicBool,
    /// Whether it is not told of its own changes.
    noloop: AtomicBool,
}

impl Tracker {
    /// A client of some core, not tracking yet.
    pub fn new(core: usize, token: Token) -> Self {
        Tracker { core, token, on: AtomicBool::new(false), noloop: AtomicBool::new(false) }
    }

    /// Whether it is told of what it has read.
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Whether it is not told of its own changes.
    pub fn is_noloop(&self) -> bool {
        self.noloop.load(Ordering::Relaxed)
    }

    /// Says whether it is to be told of what it has read, and not of its own changes.
    pub fn set(&self, on: bool, noloop: bool) {
        self.on.store(on, Ordering::Relaxed);
        self.noloop.store(noloop, Ordering::Relaxed);
    }
}

/// What is to be told, and to whom.
#[derive(Clone, Debug)]
pub struct Invalidation {
    /// The key that was changed; `None` = everything a client may have.
    pub key: Option<Arc<[u8]>>,
    /// Who has read it.
    pub readers: Vec<Arc<Tracker>>,
    /// The cores of clients that want to know of keys with a prefix of this one.
    pub broadcast: ShardSet,
    /// Whether it was done by whoever asked for the execution, rather than by the clock, or for want of room.
    pub is_asked_for: bool,
    /// Who has changed it, if it tracks keys itself.
    pub writer: Option<Arc<Tracker>>,
}

/// What clients are to be told.
#[derive(Clone, Debug)]
pub struct Told {
    /// Those that have read keys: they were changed.
    pub read: Arc<[Invalidation]>,
    /// Those that want to know of all keys with some prefix.
    pub prefixed: Arc<[Invalidation]>,
}

impl Told {
    /// Both kinds.
    pub fn new(read: Vec<Invalidation>, prefixed: Vec<Invalidation>) -> Self {
        Told { read: read.into(), prefixed: prefixed.into() }
    }

    /// The cores, of so many, that have somebody who is to be told.
    pub fn cores(&self, count: usize) -> ShardSet {
        let mut cores = ShardSet(self.prefixed.iter().fold(0, |cores, told| cores | told.broadcast.0));
        for told in self.read.iter() {
            match told.key {
                None => cores = ShardSet::all(count),
                Some(_) => told.readers.iter().for_each(|reader| cores.insert(reader.core)),
            }
        }
        cores
    }
}

impl Invalidation {
    /// Whether a client has brought this about itself.
    pub fn is_by(&self, token: Token, core: usize) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.token == token && writer.core == core)
    }
}

/// The client that invalidations for another go to.
#[derive(Clone, Copy, Debug)]
pub struct Redirect {
    /// Its number.
    pub id: u64,
    /// Its core and connection, as they were when it was named.
    pub place: (usize, Token),
}

/// Which reads are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// All of them.
    #[default]
    All,
    /// Those after `CLIENT CACHING YES`.
    OptIn,
    /// All but those after `CLIENT CACHING NO`.
    OptOut,
}

/// What a client has asked for with `CLIENT TRACKING ON`.
#[derive(Debug)]
pub struct Tracking {
    /// The client, as tables know it.
    pub me: Arc<Tracker>,
    /// Who is told in its place.
    pub redirect: Option<Redirect>,
    /// Whether it turned out that nobody is there to be told.
    pub is_broken: bool,
    /// Whether it wants to know of keys by prefix, rather than of those it has read.
    pub broadcast: bool,
    /// The prefixes.
    pub prefixes: BTreeSet<Box<[u8]>>,
    /// Which reads are remembered.
    pub choice: Choice,
    /// Whether it is not told of its own changes.
    pub noloop: bool,
    /// Whether `CLIENT CACHING` holds for the next command.
    pub caching: bool,
    /// Whether the command that has just run was `CLIENT`, which is not the one that `CLIENT CACHING` is for.
    pub after_client: bool,
}

impl Tracking {
    /// Whether what it reads now is to be remembered.
    pub fn remembers(&self) -> bool {
        let chosen = match self.choice {
            Choice::All => true,
            Choice::OptIn => self.caching,
            Choice::OptOut => !self.caching,
        };
        chosen && !self.broadcast
    }

    /// A request begins that no transaction is open for: `CLIENT CACHING` holds for it only if it came right before.
    pub fn begin_request(&mut self) {
        self.caching &= std::mem::take(&mut self.after_client);
    }

    /// The request, or the transaction, that `CLIENT CACHING` was for is over.
    pub fn end_request(&mut self) {
        self.caching = false;
        self.after_client = false;
    }
}

/// What all tables hold together, and who tracks.
#[derive(Debug, Default)]
pub struct Totals {
    /// Clients that track.
    pub clients: AtomicU64,
    /// Keys in all tables.
    pub keys: AtomicU64,
    /// Readers of these keys.
    pub items: AtomicU64,
}

impl Totals {
    /// Claims one key to be taken out of a table, if there are more than `max` (0 = any number) in all of them.
    pub fn claim_excess(&self, max: u64) -> bool {
        let excess = |keys: u64| (max > 0 && keys > max).then(|| keys - 1);
        self.keys.fetch_update(Ordering::Relaxed, Ordering::Relaxed, excess).is_ok()
    }
}
