//! Channels: who listens to what, and messages on their way to them.
//!
//! Each core keeps the subscriptions of its own connections in a [`Directory`]. A message is posted on the core of its
//! publisher, which delivers it to its own subscribers and passes a [`Posting`] to those cores that may have some: each core
//! counts its subscriptions in [`Interest`], where all can look. A message is encoded once on each core; nothing here does I/O.

mod directory;
mod frame;
mod interest;
mod posting;
mod subscriptions;

pub use directory::Directory;
pub use frame::Frame;
pub use interest::Interest;
pub use posting::{Posting, Receipt};
pub use subscriptions::Subscriptions;

/// What a subscription is to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A channel.
    #[default]
    Channel,
    /// All channels that a pattern matches.
    Pattern,
    /// A shard channel; these have names of their own.
    Shard,
}

impl Kind {
    /// What a message begins with.
    pub fn message(self) -> &'static [u8] {
        match self {
            Kind::Channel => b"message",
            Kind::Pattern => b"pmessage",
            Kind::Shard => b"smessage",
        }
    }

    /// What the confirmation of a subscription begins with.
    pub fn subscribe(self) -> &'static [u8] {
        match self {
            Kind::Channel => b"subscribe",
            Kind::Pattern => b"psubscribe",
            Kind::Shard => b"ssubscribe",
        }
    }

    /// What the confirmation of its end begins with.
    pub fn unsubscribe(self) -> &'static [u8] {
        match self {
            Kind::Channel => b"unsubscribe",
            Kind::Pattern => b"punsubscribe",
            Kind::Shard => b"sunsubscribe",
        }
    }
}

#[cfg(test)]
mod tests;
