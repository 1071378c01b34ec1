//! What connections take of memory, which `maxmemory-clients` limits.

use super::{Connection, Peer};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a core's clients take, for the other cores to see, in bytes.
#[derive(Debug, Default)]
pub struct ClientMemory {
    all: AtomicU64,
    largest: AtomicU64,
}

impl ClientMemory {
    /// Says how much all clients of the core take, and the largest of those that may be evicted.
    pub fn publish(&self, all: u64, largest: u64) {
        self.all.store(all, Ordering::Relaxed);
        self.largest.store(largest, Ordering::Relaxed);
    }

    /// All of them.
    pub fn all(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }

    /// The largest that may be evicted; 0 if there is none.
    pub fn largest(&self) -> u64 {
        self.largest.load(Ordering::Relaxed)
    }
}

impl Connection {
    /// What it takes of memory, in bytes: itself, what it has received and not worked off, what it has to send, and the keys and channels
    /// that it wants to hear of.
    pub fn footprint(&self) -> usize {
        let transaction = self.session.transaction.as_ref().map_or(0, |transaction| transaction.len);
        let deferred = self.deferred.as_ref().map_or(0, |request| request.len());
        let input = self.pending.capacity() + self.parser.held() + transaction + deferred;
        let tls = self.tls.as_ref().map_or(0, |tls| tls.held());
        size_of::<Connection>() + tls + input + self.output.held() + self.awaited_len + self.session.interests_len()
    }

    /// Whether it may be closed where clients take too much memory.
    pub fn is_evictable(&self) -> bool {
        matches!(self.peer, Peer::Client) && !self.session.no_evict
    }
}
