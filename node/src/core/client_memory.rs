//! `maxmemory-clients`: where all clients together take more, the largest are closed.
//!
//! Each core looks at its own clients, ten times a second and when one of them alone is too large, and tells the others what they
//! take. The core that has the largest of all closes it; others ask it to.

use super::{Core, Message};
use crate::connection::{Closing, Peer, Token};
use crate::logging::notice;
use crate::shared::add;

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
        loop {
            let largest = evictable.last().map_or(0, |&(size, _)| size);
            self.shared.client_memory[self.exec.id].publish(all, largest);
            let everywhere: u64 = self.shared.client_memory.iter().map(|core| core.all()).sum();
            if everywhere <= max {
                return;
            }
            let larger = |core: &usize| self.shared.client_memory[*core].largest() > largest;
            if let Some(other) = (0..self.peers.len()).filter(|&core| core != self.exec.id).find(larger) {
                return self.send(other, Message::Run(Box::new(Core::evict_clients)));
            }
            let Some((size, token)) = evictable.pop() else { return };
            all -= size;
            self.evict_client(token);
        }
    }

    #[cold]
    fn evict_client(&mut self, token: Token) {
        add(&self.shared.counters.evicted_clients, 1);
        let who = self.describe(token);
        notice(&format!("Evicting client: {who}"));
        self.close(token);
    }
}
