//! A message on its way to the subscribers of all cores.

use super::Kind;
use crate::connection::Token;
use bytes::Bytes;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A message on its way.
#[derive(Debug)]
pub struct Posting {
    /// What its channel is.
    pub kind: Kind,
    /// Its channel.
    pub channel: Bytes,
    /// Its text, followed by a line end.
    pub message: Bytes,
    /// Who wants to know how many have received it.
    pub receipt: Option<Receipt>,
}

/// How many connections have received a message, added up on the cores it goes to.
#[derive(Debug)]
pub struct Receipt {
    /// The core of the publisher.
    pub home: usize,
    /// The publisher.
    pub token: Token,
    /// The place of the answer in the publisher's order of replies.
    pub seq: u64,
    /// Whether the publisher wants no answer.
    pub muted: bool,
    /// Cores that have yet to deliver it.
    left: AtomicUsize,
    receivers: AtomicUsize,
}

impl Receipt {
    /// For a message that goes to this many other cores, after so many connections have received it on the publisher's.
    pub fn new(home: usize, token: Token, seq: u64, muted: bool, cores: usize, receivers: usize) -> Self {
        Receipt { home, token, seq, muted, left: AtomicUsize::new(cores), receivers: AtomicUsize::new(receivers) }
    }

    /// A core has delivered the message. Returns true for the last one, which tells the publisher's.
    pub fn add(&self, receivers: usize) -> bool {
        self.receivers.fetch_add(receivers, Ordering::AcqRel);
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Whether every core has delivered it.
    pub fn is_complete(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// How many have received it so far.
    pub fn receivers(&self) -> usize {
        self.receivers.load(Ordering::Acquire)
    }
}

impl Posting {
    /// A message as it was published.
    pub fn new(kind: Kind, channel: &[u8], message: &[u8], receipt: Option<Receipt>) -> Self {
        Posting { kind, channel: Bytes::copy_from_slice(channel), message: with_line_end(message), receipt }
    }
}

/// A text with a line end behind it, as it stands in a reply.
pub fn with_line_end(text: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(text.len() + 2);
    bytes.extend_from_slice(text);
    bytes.extend_from_slice(b"\r\n");
    Bytes::from(bytes)
}
