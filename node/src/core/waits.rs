//! Clients of this core that wait for keys: how a wait begins, and the ways in which it ends.

use super::{Core, Message};
use crate::connection::{Closing, OwnedRequest, Stall, Token};
use crate::dispatch::registry::Command;
use crate::dispatch::serve::{Served, Tried};
use crate::dispatch::shard_set::ShardSet;
use crate::server::slowlog::Long;
use crate::shared::Gate;
use crate::waiting::{Asking, Waiter};
use koltso_proto::resp::Reply;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";
const ROLE_CHANGED: &str = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";

/// The times at which waits end, by time and ticket.
#[derive(Default)]
pub(super) struct Deadlines(BTreeMap<(u64, u64), Arc<Waiter>>);

impl Core {
    /// Runs a command that may wait for its keys.
    pub(super) fn run_blocking(&mut self, token: Token, command: &'static Command, request: OwnedRequest) {
        let set = self.exec.shards_of(command, request.args());
        let ticket = self.shared.next_ticket.fetch_add(1, Ordering::Relaxed);
        let core = self.exec.id;
        let Some(conn) = self.conn(token) else { return };
        conn.stall = Stall::Lend;
        let (session, resp3) = (&conn.session, conn.output.reply.resp3);
        let asking = Asking {
            ticket,
            core,
            token,
            command: command.spec.index() as u16,
            request,
            db: session.db,
            resp3,
            no_touch: session.no_touch,
            tracker: session.tracks().cloned(),
            remembers: session.remembers(),
        };
        match set.single() {
            Some(owner) if owner != self.exec.id => {
                // One shard of another core: the question goes there, instead of the shard coming here.
                self.flush_outbox();
                self.send(owner, Message::Run(Box::new(move |core| core.try_over(core.own_shard(), asking))));
            }
            _ => self.try_over(if set.is_empty() { self.own_shard() } else { set }, asking),
        }
    }

    /// Borrows the shards and tries; tells the client's core what became of it.
    fn try_over(&mut self, set: ShardSet, asking: Asking) {
        self.with_shards(
            set,
            Box::new(move |core| {
                let (home, token) = (asking.core, asking.token);
                // A pause that has begun meanwhile was answered by now, or will be when these shards are back.
                let writes = core.exec.registry.by_index(asking.command).is_some_and(|command| command.write);
                let gates = core.shared.gates();
                if gates.has(Gate::PausedAll) || (writes && gates.has(Gate::PausedWrites)) {
                    return core.on_core(home, move |core| core.pause_if_there(token, asking.request));
                }
                let tried = core.exec.try_or_wait(asking);
                core.flush_effects();
                core.flush_events();
                core.answer_and_tell(home, move |core| core.on_tried(token, tried));
            }),
        );
    }

    /// Does something on a core: at once, if it is this one.
    pub(super) fn on_core(&mut self, core: usize, work: impl FnOnce(&mut Core) + Send + 'static) {
        if core == self.exec.id {
            return work(self);
        }
        self.send(core, Message::Run(Box::new(work)));
    }

    fn pause_if_there(&mut self, token: Token, request: OwnedRequest) {
        if self.conn(token).is_some() {
            self.pause(token, request);
        }
    }

    fn on_tried(&mut self, token: Token, tried: Tried) {
        match tried {
            Tried::Answered(bytes) => {
                self.reply(token, |reply| reply.raw(&bytes));
                self.unstall(token, Stall::Lend);
            }
            Tried::AnsweredLate(bytes, long, request) => {
                self.exec.slow.push((long, request, token));
                self.on_tried(token, Tried::Answered(bytes));
            }
            Tried::Waits(waiter, timeout_ms) => self.begin_wait(token, waiter, timeout_ms),
        }
    }

    fn begin_wait(&mut self, token: Token, waiter: Arc<Waiter>, timeout_ms: u64) {
        // Not the turn's: it may have begun long before the request came, where the process stood still meanwhile.
        let now = crate::shared::now_ms();
        // One that is being closed has been let go of already: what it took now would be lost.
        let Some(conn) = self.conn(token).filter(|conn| conn.closing != Closing::Now) else {
            waiter.claim();
            return self.forget_waiting(&waiter);
        };
        conn.stall = Stall::Blocked;
        let index = waiter.asking.command;
        let deadline = (timeout_ms > 0).then(|| now.0.saturating_add(timeout_ms));
        conn.waiting = Some((Arc::clone(&waiter), deadline));
        self.shared.blocked_clients.fetch_add(1, Ordering::Relaxed);
        if let Some(deadline) = deadline {
            self.deadlines.0.insert((deadline, waiter.asking.ticket), waiter);
        }
        // Its peer may have left meanwhile.
        self.mark_dirty(token);
        // Or this node has become a replica, whose clients write nothing.
        let writes = self.exec.registry.by_index(index).is_some_and(|command| command.write);
        if writes && self.shared.gates().has(Gate::ReadOnly) {
            self.unblock_for_role(token);
        }
    }

    /// Ends the wait of those whose time is over.
    pub(super) fn end_overdue_waits(&mut self) {
        let now = self.exec.now.0;
        while let Some(first) = self.deadlines.0.first_entry()
            && first.key().0 <= now
        {
            let waiter = first.remove();
            self.end_key_wait(waiter.asking.token, Reply::null_array);
        }
    }

    /// How many of its clients wait for keys, and not forever.
    pub(crate) fn timed_waits(&self) -> usize {
        self.deadlines.0.len()
    }

    /// How long this core may sleep before somebody's wait is over.
    pub(super) fn until_next_deadline(&self) -> Option<Duration> {
        let (deadline, _) = *self.deadlines.0.first_key_value()?.0;
        Some(Duration::from_millis(deadline.saturating_sub(crate::shared::now_ms().0)))
    }

    /// Ends a client's wait for keys with this reply, unless it is being served just now; says whether it did.
    fn end_key_wait(&mut self, token: Token, write: impl FnOnce(&mut Reply)) -> bool {
        let Some((waiter, _)) = self.conn(token).and_then(|conn| conn.waiting.clone()) else { return false };
        if !waiter.claim() {
            return false;
        }
        self.forget_waiting(&waiter);
        self.finish_wait(token, write);
        true
    }

    /// The client waits no longer.
    fn finish_wait(&mut self, token: Token, write: impl FnOnce(&mut Reply)) {
        let Some(conn) = self.conn(token) else { return };
        let Some((waiter, deadline)) = conn.waiting.take() else { return };
        if let Some(deadline) = deadline {
            self.deadlines.0.remove(&(deadline, waiter.asking.ticket));
        }
        self.shared.blocked_clients.fetch_sub(1, Ordering::Relaxed);
        self.reply(token, write);
        self.unstall(token, Stall::Blocked);
    }

    /// `CLIENT UNBLOCK`: ends a client's wait as its time-out would, or with an error. `None` if it does not wait for keys.
    pub(crate) fn unblock_from_keys(&mut self, token: Token, with_error: bool) -> Option<bool> {
        self.conn(token)?.waiting.as_ref()?;
        let error = |reply: &mut Reply| reply.error(UNBLOCKED);
        Some(if with_error { self.end_key_wait(token, error) } else { self.end_key_wait(token, Reply::null_array) })
    }

    /// A connection is about to end: it waits for no key any more. False if it did not.
    pub(super) fn abandon_wait(&mut self, token: Token) -> bool {
        let Some((waiter, deadline)) = self.conn(token).and_then(|conn| conn.waiting.take()) else { return false };
        waiter.claim();
        if let Some(deadline) = deadline {
            self.deadlines.0.remove(&(deadline, waiter.asking.ticket));
        }
        self.forget_waiting(&waiter);
        true
    }

    /// This node is a replica from now on: whoever waits for keys waits for what will not come.
    pub(crate) fn end_all_waits(&mut self) {
        let waiting = self.conns.iter().filter(|(_, conn)| conn.stall == Stall::Blocked);
        let waiting: Vec<Token> =
            waiting.map(|(index, conn)| Token { index: index as u32, generation: conn.generation }).collect();
        for token in waiting {
            self.unblock_for_role(token);
        }
    }

    /// Ends the wait of a client, and its connection.
    fn unblock_for_role(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        let closing = std::mem::replace(&mut conn.closing, Closing::AfterReplies);
        if conn.waiting.is_some() {
            if !self.end_key_wait(token, |reply| reply.error(ROLE_CHANGED))
                && let Some(conn) = self.conn(token)
            {
                conn.closing = closing;
            }
            return;
        }
        // It is in `WAIT`.
        let from = self.exec.id;
        self.shared.blocked_clients.fetch_sub(1, Ordering::Relaxed);
        self.on_log_core(move |core| core.forget_waiter(from, token));
        self.reply(token, |reply| reply.error(ROLE_CHANGED));
        self.unstall(token, Stall::Blocked);
    }

    /// Has every shard forget a waiter; nobody waits for that.
    fn forget_waiting(&mut self, waiter: &Arc<Waiter>) {
        let left = self.exec.leave_lines(waiter);
        for shard in left.iter() {
            let waiter = Arc::clone(waiter);
            let forget = move |core: &mut Core| {
                let own = core.own_shard();
                core.with_shards(own, Box::new(move |core| _ = core.exec.leave_lines(&waiter)));
            };
            self.send(shard, Message::Run(Box::new(forget)));
        }
    }

    /// Tells clients whose wait has come to an end, and borrows shards for those who need them. True if there was anything.
    pub(crate) fn tell_served(&mut self) -> bool {
        if self.exec.served.is_empty() && self.exec.unserved.is_empty() {
            return false;
        }
        // What was executed reaches the log before anybody hears of it.
        self.flush_effects();
        self.flush_events();
        for served in std::mem::take(&mut self.exec.served) {
            // Newer than the write that served it.
            let long = self.exec.judge_long(served.took_us);
            self.on_core(served.waiter.asking.core, move |core| core.on_served(&served, long));
        }
        for (key, needs) in std::mem::take(&mut self.exec.unserved) {
            self.with_shards(
                needs,
                Box::new(move |core| {
                    // A pause that has begun meanwhile was answered by now: who is served would write.
                    if core.shared.gates().has(Gate::PausedWrites) {
                        return core.paused_keys.push((key, needs));
                    }
                    core.exec.serve_key(&key);
                    core.exec.serve_if_ready();
                }),
            );
        }
        true
    }

    /// Somebody, here or on another core, has served a client of this core.
    fn on_served(&mut self, served: &Served, long: Option<Long>) {
        let token = served.waiter.asking.token;
        let Some(conn) = self.conn(token) else { return };
        if conn.waiting.as_ref().is_none_or(|(waiter, _)| !Arc::ptr_eq(waiter, &served.waiter)) {
            return;
        }
        conn.session.wrote = true;
        if let Some(long) = long {
            self.exec.slow.push((long, served.waiter.asking.request.clone(), token));
        }
        if served.waiter.shards.single().is_none() {
            self.forget_waiting(&served.waiter);
        }
        self.finish_wait(token, |reply| reply.raw(&served.reply));
    }
}
