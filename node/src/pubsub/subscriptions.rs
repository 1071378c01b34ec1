//! What one connection is subscribed to.

use super::Kind;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The subscriptions of a connection. Names are shared with the core's [`Directory`](super::Directory).
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: BTreeSet<Arc<[u8]>>,
    patterns: BTreeSet<Arc<[u8]>>,
    shard: BTreeSet<Arc<[u8]>>,
    /// The bytes of all names.
    names_len: usize,
}

/// About what a subscription takes beside its name, here and in the core's directory, in bytes.
const OVERHEAD_LEN: usize = 96;

impl Subscriptions {
    /// Those of one kind.
    pub fn of(&self, kind: Kind) -> &BTreeSet<Arc<[u8]>> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shard,
        }
    }

    /// Adds a name.
    pub fn insert(&mut self, kind: Kind, name: Arc<[u8]>) {
        let len = name.len();
        if self.of_mut(kind).insert(name) {
            self.names_len += len;
        }
    }

    /// Takes a name out; false if it was not there.
    pub fn remove(&mut self, kind: Kind, name: &[u8]) -> bool {
        let done = self.of_mut(kind).remove(name);
        if done {
            self.names_len -= name.len();
        }
        done
    }

    fn of_mut(&mut self, kind: Kind) -> &mut BTreeSet<Arc<[u8]>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shard,
        }
    }

    /// About what they take of memory, in bytes.
    pub fn footprint(&self) -> usize {
        (self.channels.len() + self.patterns.len() + self.shard.len()) * OVERHEAD_LEN + self.names_len
    }

    /// The count that confirmations of this kind carry: channels and patterns are counted together.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => self.channels.len() + self.patterns.len(),
            Kind::Shard => self.shard.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard.is_empty()
    }
}
