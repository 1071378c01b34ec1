//! What all threads see of the append-only file: figures for `INFO`, the error that writes are refused with, and how far replies
//! that wait for the disk may go.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many batches of effects have reached the log: through its queue, and past it from its own core. Both are orders of their
/// own, in which a count says which batches it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// Through the queue.
    pub queued: u64,
    /// From the log's own core.
    pub own: u64,
}

impl Ticket {
    /// Whether everything that this ticket means is among what `other` means.
    pub fn is_within(self, other: Ticket) -> bool {
        self.queued <= other.queued && self.own <= other.own
    }
}

#[derive(Debug, Default)]
struct AtomicTicket {
    queued: AtomicU64,
    own: AtomicU64,
}

impl AtomicTicket {
    fn load(&self) -> Ticket {
        Ticket { queued: self.queued.load(Ordering::Acquire), own: self.own.load(Ordering::Acquire) }
    }
}

/// The state of the append-only file.
#[derive(Debug, Default)]
pub struct Status {
    /// Whether there is one, or is about to be.
    pub enabled: AtomicBool,
    /// Whether replies wait until their effects are on disk.
    pub holds: AtomicBool,
    /// Whether it is being rewritten.
    pub rewriting: AtomicBool,
    /// Whether it is to be, as soon as no other snapshot is being taken.
    pub scheduled: AtomicBool,
    /// Whether there is to be a file, which begins with a rewrite.
    pub wanted: AtomicBool,
    /// How long the last rewrite took, in seconds, plus one; 0 = there was none.
    pub rewrite_took_s1: AtomicI64,
    /// When the current rewrite began, in seconds since the epoch.
    pub rewrite_since_s: AtomicU64,
    /// How many were made, and how many have failed since the last that did not.
    pub rewrites: AtomicU64,
    /// See there.
    pub failures: AtomicU64,
    /// Bytes on disk, and how many there were after the last rewrite, or at the start.
    pub current_len: AtomicU64,
    /// See there.
    pub base_len: AtomicU64,
    /// Bytes that the disk has not been given yet.
    pub waiting_len: AtomicU64,
    /// The offset of the first byte of the log that is in a file and can be read there; 0 = there is none.
    pub log_first: AtomicU64,
    /// The offset of the first byte that somebody needs from there; 0 = nobody does.
    pub needed_first: AtomicU64,
    /// Batches that were handed to the log.
    pushed: AtomicTicket,
    /// Those that are on disk.
    settled: AtomicTicket,
    /// Whether there is an error, without its lock.
    failing: AtomicBool,
    error: Mutex<Option<String>>,
}

impl Status {
    /// Before a batch is handed to the log, through the queue or on the log's core.
    pub fn note_pushed(&self, own: bool) {
        let count = if own { &self.pushed.own } else { &self.pushed.queued };
        count.fetch_add(1, Ordering::AcqRel);
    }

    /// What a reply has to wait for that is written now; `None` if that is on disk.
    pub fn to_wait_for(&self) -> Option<Ticket> {
        // In this order: what is pushed meanwhile is waited for in vain at worst.
        let settled = self.settled();
        let pushed = self.pushed.load();
        (!pushed.is_within(settled)).then_some(pushed)
    }

    /// What is on disk.
    pub fn settled(&self) -> Ticket {
        self.settled.load()
    }

    /// This is on disk.
    pub fn set_settled(&self, ticket: Ticket) {
        self.settled.queued.store(ticket.queued, Ordering::Release);
        self.settled.own.store(ticket.own, Ordering::Release);
    }

    /// Why the file could not be written, if the last attempt failed.
    pub fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the last attempt to write failed.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Notes how writing went; says whether that is news.
    pub fn set_error(&self, error: Option<String>) -> bool {
        let mut guard = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *guard != error;
        self.failing.store(error.is_some(), Ordering::Release);
        *guard = error;
        is_news
    }
}
