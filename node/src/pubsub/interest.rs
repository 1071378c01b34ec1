//! Where subscribers may be, for all cores to see.

use super::Kind;
use koltso_proto::slot;
use std::sync::atomic::{AtomicU32, Ordering};

/// Names are told apart by so many counters; two that share one cost a message that finds nobody.
const BUCKETS: usize = 256;

/// How many names the connections of one core are subscribed to. A publisher on another core looks here first, so that a message
/// goes only where somebody may want it. Raised before a subscription is confirmed: who publishes after that sees it.
#[derive(Debug)]
pub struct Interest {
    patterns: AtomicU32,
    channels: [AtomicU32; BUCKETS],
    shard: [AtomicU32; BUCKETS],
}

impl Default for Interest {
    fn default() -> Self {
        Interest {
            patterns: AtomicU32::new(0),
            channels: std::array::from_fn(|_| AtomicU32::new(0)),
            shard: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }
}

fn bucket(name: &[u8]) -> usize {
    usize::from(slot::slot_of(name)) % BUCKETS
}

impl Interest {
    fn counter(&self, kind: Kind, name: &[u8]) -> &AtomicU32 {
        match kind {
            Kind::Pattern => &self.patterns,
            Kind::Channel => &self.channels[bucket(name)],
            Kind::Shard => &self.shard[bucket(name)],
        }
    }

    /// The core has its first subscriber to this name.
    pub fn add(&self, kind: Kind, name: &[u8]) {
        self.counter(kind, name).fetch_add(1, Ordering::SeqCst);
    }

    /// The core has no subscriber to this name any more.
    pub fn remove(&self, kind: Kind, name: &[u8]) {
        self.counter(kind, name).fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether somebody may want messages of this channel.
    pub fn may_want(&self, kind: Kind, channel: &[u8]) -> bool {
        let patterns = kind == Kind::Channel && self.patterns.load(Ordering::SeqCst) > 0;
        patterns || self.counter(kind, channel).load(Ordering::SeqCst) > 0
    }
}
