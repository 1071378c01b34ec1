//! Messages to a core from other threads: one queue, many senders, and a way to wake the receiver.

use crossbeam_queue::SegQueue;
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

struct Shared<M> {
    queue: SegQueue<M>,
    /// Whether the receiver sleeps, or is about to and has not looked at the queue since.
    asleep: AtomicBool,
    event: OwnedFd,
}

/// The receiving end.
pub struct Inbox<M>(Arc<Shared<M>>);

/// A sending end; clones send to the same inbox. Messages of one sender arrive in order, and the order in which messages of
/// all senders arrive is the order in which they were sent wherever that order was observable.
pub struct Sender<M>(Arc<Shared<M>>);

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Self {
        Sender(Arc::clone(&self.0))
    }
}

impl<M> Inbox<M> {
    /// An empty inbox.
    ///
    /// # Errors
    /// When the process has too many open files.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Inbox(Arc::new(Shared { queue: SegQueue::new(), asleep: AtomicBool::new(false), event })))
    }

    /// An end to send by.
    pub fn sender(&self) -> Sender<M> {
        Sender(Arc::clone(&self.0))
    }

    /// Becomes readable when a message arrives while the receiver sleeps.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }

    /// The next message.
    #[inline]
    pub fn pop(&self) -> Option<M> {
        self.0.queue.pop()
    }

    /// Whether no message is waiting.
    pub fn is_empty(&self) -> bool {
        self.0.queue.is_empty()
    }

    /// Announces that the receiver is going to sleep. False if it must not, because a message is waiting.
    #[inline]
    pub fn going_to_sleep(&self) -> bool {
        self.0.asleep.store(true, Ordering::Relaxed);
        // Either the sender sees `asleep`, or we see its message: both stand on opposite sides of this fence and its twin.
        fence(Ordering::SeqCst);
        if self.0.queue.is_empty() {
            return true;
        }
        self.awake();
        false
    }

    /// Announces that the receiver looks at its queue by itself.
    #[inline]
    pub fn awake(&self) {
        self.0.asleep.store(false, Ordering::Relaxed);
    }
}

impl<M> Sender<M> {
    /// Sends a message, and wakes the receiver if it sleeps.
    pub fn send(&self, message: M) {
        self.0.queue.push(message);
        fence(Ordering::SeqCst);
        if self.0.asleep.load(Ordering::Relaxed) && self.0.asleep.swap(false, Ordering::Relaxed) {
            // It can only fail when the counter is full, and then the receiver is being woken already.
            let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_sent_before_sleep_keeps_the_receiver_awake() {
        let inbox = Inbox::new().unwrap();
        assert!(inbox.going_to_sleep());
        inbox.sender().send(1);
        assert_eq!(rustix::io::read(inbox.event(), &mut [0u8; 8]).unwrap(), 8);
        assert!(!inbox.going_to_sleep());
        assert_eq!(inbox.pop(), Some(1));
        assert!(inbox.going_to_sleep());
    }
}
