//! `maxmemory-clients`: where all clients together take more, the largest are closed.
//!
//! Each core looks at its own clients, ten times a second and when one of them alone is too large, and tells the others what they
//! take. The core that has the largest of all closes it; others ask it to. One core chooses at a time: of two that saw at once that it
//! is too much, each would close one.

use super::{Core, Message};
use crate::connection::{Closing, Peer, Token};
use crate::logging::notice;
use crate::shared::add;
use std::sync::atomic::Ordering;

impl Core {
    /// What all clients may take together, in bytes; 0 = as much as they like.
    pub(super) fn client_memory_max(&self) -> u64 {
        self.exec.config.maxmemory_clients.of(self.exec.config.maxmemory)
    }

    /// Has the largest clients closed until all of them take no more than they may.
    pub(super) fn evict_clients(&mut self) {
        let max = self.client_memory_max();
        if max == 0 {
            return;
        }
        let mut all = 0;
        let mut evictable = Vec::new();
        for (index, conn) in &self.conns {
            if conn.closing == Closing::Now || !matches!(conn.peer, Peer::Client) {
                continue;
            }
            let size = conn.footprint() as u64;
            all += size;
            if conn.is_evictable() {
                evictable.push((size, Token { index: index as u32, generation: conn.generation }));
            }
        }
        evictable.sort_unstable_by_key(|&(size, _)| size);
        // Where another core is at it, this one looks again at its next cron.
        if self.client_memory_fits(all, &evictable, max) || self.shared.evicting_clients.swap(true, Ordering::Acquire) {
            return;
        }
        let other = self.evict_until_it_fits(all, evictable, max);
        self.shared.evicting_clients.store(false, Ordering::Release);
        if let Some(other) = other {
            self.send(other, Message::Run(Box::new(Core::evict_clients)));
        }
    }

    /// Tells the other cores of this one, and says whether all clients of all cores fit.
    fn client_memory_fits(&self, all: u64, evictable: &[(u64, Token)], max: u64) -> bool {
        let largest = evictable.last().map_or(0, |&(size, _)| size);
        self.shared.client_memory[self.exec.id].publish(all, largest);
        self.shared.client_memory.iter().map(|core| core.all()).sum::<u64>() <= max
    }

    /// Closes its largest clients; says which core has a larger one, if one has and it does not fit yet.
    fn evict_until_it_fits(&mut self, mut all: u64, mut evictable: Vec<(u64, Token)>, max: u64) -> Option<usize> {
        while !self.client_memory_fits(all, &evictable, max) {
            let largest = evictable.last().map_or(0, |&(size, _)| size);
            let larger = |core: &usize| self.shared.client_memory[*core].largest() > largest;
            let other = (0..self.peers.len()).filter(|&core| core != self.exec.id).find(larger);
            if other.is_some() {
                return other;
            }
            let (size, token) = evictable.pop()?;
            all -= size;
            self.evict_client(token);
        }
        None
    }

    #[cold]
    fn evict_client(&mut self, token: Token) {
        add(&self.shared.counters.evicted_clients, 1);
        let who = self.describe(token);
        notice(&format!("Evicting client: {who}"));
        self.close(token);
    }
}
