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
    /// How many of them read for a consumer group.
    group_readers: usize,
}

impl Line {
    /// The first waiter whose ticket is not below this one.
    pub fn next(&self, ticket: u64) -> Option<Arc<Waiter>> {
        self.waiters.range(ticket..).next().map(|(_, waiter)| Arc::clone(waiter))
    }

    /// Somebody begins to wait.
    pub fn join(&mut self, waiter: &Arc<Waiter>) {
        let old = self.waiters.insert(waiter.asking.ticket, Arc::clone(waiter));
        self.group_readers += usize::from(waiter.reads_group && old.is_none());
    }

    /// Somebody waits no longer.
    pub fn leave(&mut self, ticket: u64) {
        let gone = self.waiters.remove(&ticket);
        self.group_readers -= usize::from(gone.is_some_and(|waiter| waiter.reads_group));
    }

    /// Whether anybody reads for a consumer group.
    pub fn has_group_readers(&self) -> bool {
        self.group_readers > 0
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }
}
