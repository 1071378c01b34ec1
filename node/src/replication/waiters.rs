//! `WAIT` and `WAITAOF`: clients that want to know how many replicas have what they wrote, or have it on disk.

use crate::connection::{Stall, Token};
use crate::core::{Core, Message};
use koltso_proto::id::{Offset, UnixMs};
use koltso_proto::resp::Reply;
use std::sync::atomic::Ordering;

/// A client in `WAIT` or `WAITAOF`.
pub struct Waiter {
    /// Its core.
    pub core: usize,
    /// Its connection there.
    pub token: Token,
    /// What has to be acknowledged.
    pub offset: Offset,
    /// By how many replicas.
    pub replicas: usize,
    /// What counts.
    pub counts: Counts,
    /// When it stops to wait; `None` = never.
    pub deadline: Option<UnixMs>,
}

/// What counts as an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// That a replica has it (`WAIT`).
    InMemory,
    /// That a replica has it on disk (`WAITAOF`), and, where that is asked for, this node as well.
    OnDisk {
        /// Whether it is.
        local: bool,
    },
}

/// How far a wait has come.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    counts: Counts,
    local: bool,
    replicas: usize,
}

impl Reached {
    /// Whether that is what was asked for.
    fn suffices(self, waiter: &Waiter) -> bool {
        let local = self.local || self.counts != Counts::OnDisk { local: true };
        local && self.replicas >= waiter.replicas
    }

    /// Writes the reply.
    pub fn write(self, reply: &mut Reply) {
        if self.counts != Counts::InMemory {
            reply.array(2);
            reply.int(i64::from(self.local));
        }
        reply.len(self.replicas);
    }
}

/// Asks every replica for an acknowledgement; 37 bytes of the stream.
pub const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";

impl super::Replication {
    /// How far what counts has come towards an offset.
    pub fn reached(&self, counts: Counts, offset: Offset) -> Reached {
        let local = self.fsynced().is_some_and(|fsynced| fsynced >= offset);
        let replicas = match counts {
            Counts::InMemory => self.acked(offset),
            Counts::OnDisk { .. } => self.acked_on_disk(offset),
        };
        Reached { counts, local, replicas }
    }

    /// How many clients are in `WAIT`, and not forever.
    pub fn timed_waits(&self) -> usize {
        self.waiters.iter().filter(|waiter| waiter.deadline.is_some()).count()
    }
}

impl Core {
    /// On the log's core: lets a client wait, or answers it at once.
    pub fn add_waiter(&mut self, mut waiter: Waiter, wrote: bool) {
        let now = self.exec.now;
        let Some(replication) = &mut self.replication else { return };
        waiter.offset = if wrote { replication.log.end() } else { Offset(0) };
        let reached = replication.reached(waiter.counts, waiter.offset);
        if reached.suffices(&waiter) || waiter.deadline.is_some_and(|deadline| deadline <= now) {
            return self.answer(waiter.core, waiter.token, reached);
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
            let reached = replication.reached(waiter.counts, waiter.offset);
            let over = reached.suffices(waiter) || waiter.deadline.is_some_and(|deadline| deadline <= now);
            if over {
                done.push((reached, waiter.core, waiter.token));
            }
            !over
        });
        replication.waiters = waiters;
        for (reached, core, token) in done {
            self.answer(core, token, reached);
        }
    }

    /// On the log's core: ends a wait before its time, with the count of now or with an error.
    pub fn end_wait(&mut self, core: usize, token: Token, with_error: bool) {
        let Some(waiter) = self.take_waiter(core, token) else { return };
        if with_error {
            return self.answer_with(waiter.core, waiter.token, |reply| {
                reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
            });
        }
        let Some(replication) = &self.replication else { return };
        let reached = replication.reached(waiter.counts, waiter.offset);
        self.answer(waiter.core, waiter.token, reached);
    }

    /// On the log's core: nothing will reach the disk here any more, and nobody is let wait for it.
    pub fn end_waits_for_disk(&mut self) {
        let Some(replication) = &mut self.replication else { return };
        let waits = |waiter: &mut Waiter| waiter.counts == Counts::OnDisk { local: true };
        let over: Vec<Waiter> = replication.waiters.extract_if(.., waits).collect();
        for waiter in over {
            self.answer_with(waiter.core, waiter.token, |reply| {
                reply.error("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
            });
        }
    }

    /// On the log's core: nobody waits there any more.
    pub fn forget_waiter(&mut self, core: usize, token: Token) {
        self.take_waiter(core, token);
    }

    fn take_waiter(&mut self, core: usize, token: Token) -> Option<Waiter> {
        let waiters = &mut self.replication.as_mut()?.waiters;
        let at = waiters.iter().position(|waiter| waiter.core == core && waiter.token == token)?;
        Some(waiters.swap_remove(at))
    }

    fn answer(&mut self, core: usize, token: Token, reached: Reached) {
        self.answer_with(core, token, move |reply| reached.write(reply));
    }

    fn answer_with(&mut self, core: usize, token: Token, write: impl FnOnce(&mut Reply) + Send + 'static) {
        let answer = move |core: &mut Core| {
            if core.conn(token).is_none_or(|conn| conn.stall != Stall::Blocked) {
                return;
            }
            core.shared.blocked_clients.fetch_sub(1, Ordering::Relaxed);
            core.reply(token, write);
            core.unstall(token, Stall::Blocked);
        };
        if core == self.exec.id {
            answer(self);
        } else {
            self.send(core, Message::Run(Box::new(answer)));
        }
    }
}
