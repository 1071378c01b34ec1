//! Who waits for a key of a shard, in the order of their tickets.

use super::Waiter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Those who wait for one key.
#[derive(Debug, Default)]
pub struct Line {
    waiters: BTreeMap<u64, Arc<Waiter>>,
    /// Whether the key was touched and is yet to be looked at.
    pub touched: bool,
}

impl Line {
    /// The first waiter whose ticket is not below this one.
    pub fn next(&self, ticket: u64) -> Option<Arc<Waiter>> {
        self.waiters.range(ticket..).next().map(|(_, waiter)| Arc::clone(waiter))
    }

    /// Somebody begins to wait.
    pub fn join(&mut self, waiter: &Arc<Waiter>) {
        self.waiters.insert(waiter.asking.ticket, Arc::clone(waiter));
    }

    /// Somebody waits no longer.
    pub fn leave(&mut self, ticket: u64) {
        self.waiters.remove(&ticket);
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }
}
