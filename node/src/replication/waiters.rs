//! `WAIT`: clients that want to know how many replicas have what they wrote.

use crate::connection::{Stall, Token};
use crate::core::{Core, Message};
use koltso_proto::id::{Offset, UnixMs};
use std::sync::atomic::Ordering;

/// A client in `WAIT`.
pub struct Waiter {
    /// Its core.
    pub core: usize,
    /// Its connection there.
    pub token: Token,
    /// What has to be acknowledged.
    pub offset: Offset,
    /// By how many replicas.
    pub replicas: usize,
    /// When it stops to wait; `None` = never.
    pub deadline: Option<UnixMs>,
}

/// Asks every replica for an acknowledgement; 37 bytes of the stream.
pub const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";

impl Core {
    /// On the log's core: lets a client wait, or answers it at once.
    pub fn add_waiter(&mut self, mut waiter: Waiter, wrote: bool) {
        let now = self.exec.now;
        let Some(replication) = &mut self.replication else { return };
        waiter.offset = if wrote { replication.log.end() } else { Offset(0) };
        if replication.acked(waiter.offset) >= waiter.replicas || waiter.deadline.is_some_and(|deadline| deadline <= now) {
            let count = replication.acked(waiter.offset);
            return self.answer_waiter(&waiter, count);
        }
        replication.ask_acks = true;
        replication.waiters.push(waiter);
    }

    /// Answers those whose wait is over.
    pub fn look_at_waiters(&mut self) {
        let now = self.exec.now;
        let Some(replication) = &mut self.replication else { return };
        if replication.waiters.is_empty() {
            return;
        }
        let mut done = Vec::new();
        let mut waiters = std::mem::take(&mut replication.waiters);
        waiters.retain(|waiter| {
            let count = replication.acked(waiter.offset);
            let over = count >= waiter.replicas || waiter.deadline.is_some_and(|deadline| deadline <= now);
            if over {
                done.push((count, waiter.core, waiter.token));
            }
            !over
        });
        replication.waiters = waiters;
        for (count, core, token) in done {
            self.answer(core, token, count);
        }
    }

    fn answer_waiter(&mut self, waiter: &Waiter, count: usize) {
        self.answer(waiter.core, waiter.token, count);
    }

    fn answer(&mut self, core: usize, token: Token, count: usize) {
        let answer = move |core: &mut Core| {
            core.shared.blocked_clients.fetch_sub(1, Ordering::Relaxed);
            core.reply(token, |reply| reply.len(count));
            core.unstall(token, Stall::Blocked);
        };
        if core == self.exec.id {
            answer(self);
        } else {
            self.send(core, Message::Run(Box::new(answer)));
        }
    }
}
