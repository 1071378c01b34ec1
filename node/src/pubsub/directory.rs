//! Who of a core's connections is subscribed to what.

use super::Kind;
use crate::connection::Token;
use ahash::RandomState;
use hashbrown::{HashMap, HashSet};
use koltso_proto::glob;
use std::sync::Arc;

/// The connections that are subscribed to one name.
pub type Listeners = HashSet<Token, RandomState>;
type Names = HashMap<Arc<[u8]>, Listeners, RandomState>;

/// The subscriptions of a core's connections, by name.
#[derive(Default)]
pub struct Directory {
    channels: Names,
    patterns: Names,
    shard: Names,
}

impl Directory {
    /// All names of a kind, with who is subscribed to them.
    pub fn of(&self, kind: Kind) -> &Names {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::Shard => &self.shard,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut Names {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shard,
        }
    }

    /// Whether nobody is subscribed to anything.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard.is_empty()
    }

    /// Subscribes a connection. Returns the name to keep, and whether it is new here.
    pub fn add(&mut self, kind: Kind, name: &[u8], token: Token) -> (Arc<[u8]>, bool) {
        let names = self.of_mut(kind);
        if let Some((known, _)) = names.get_key_value(name) {
            let known = Arc::clone(known);
            names.entry(Arc::clone(&known)).or_default().insert(token);
            return (known, false);
        }
        let name: Arc<[u8]> = name.into();
        names.entry(Arc::clone(&name)).or_default().insert(token);
        (name, true)
    }

    /// Ends a subscription; says whether it was the last one to its name here.
    pub fn remove(&mut self, kind: Kind, name: &[u8], token: Token) -> bool {
        let names = self.of_mut(kind);
        let Some(listeners) = names.get_mut(name) else { return false };
        listeners.remove(&token);
        let last = listeners.is_empty();
        if last {
            names.remove(name);
        }
        last
    }

    /// The subscribers to a channel.
    pub fn listeners(&self, kind: Kind, channel: &[u8]) -> Option<&Listeners> {
        self.of(kind).get(channel)
    }

    /// The patterns that match a channel, with their subscribers.
    pub fn matching<'a>(&'a self, channel: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a Listeners)> {
        let matching = self.patterns.iter().filter(|(pattern, _)| glob::matches(pattern, channel));
        matching.map(|(pattern, listeners)| (&**pattern, listeners))
    }
}
