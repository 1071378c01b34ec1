//! `CLIENT PAUSE`: requests wait, in order, until the pause is over.
//!
//! The pause is kept on the log's core, so that beginnings and ends have an order. Who paused writes may rely on it: once it
//! is answered, nothing is written any more on any core, nothing expires and nothing is evicted, and what was written stands
//! in the log. So the answer waits until every core knows, and then until what was under way between cores has arrived.

use super::{Core, Message};
use crate::connection::{OwnedRequest, Peer, Stall, Token};
use crate::dispatch::shard_set::ShardSet;
use crate::shared::Gate;
use koltso_proto::command::CommandSpec;
use std::sync::atomic::Ordering;

type Then = Box<dyn FnOnce(&mut Core) + Send>;

impl Core {
    /// On the log's core: pauses writes, or everything, until this time at least; a pause that is in force is never shortened.
    /// `then` runs on the log's core once it is in force. With 0 it lasts until it is [released](Core::release_pause).
    pub(crate) fn begin_pause(&mut self, until_ms: u64, all: bool, then: Then) {
        self.shared.pause_until_ms.fetch_max(until_ms, Ordering::AcqRel);
        self.shared.set_gate(Gate::PausedWrites, true);
        if all {
            self.shared.set_gate(Gate::PausedAll, true);
        }
        self.tell_of_pause(then);
    }

    /// Goes from core to core; each looks at the gates, and sends off what it has for others.
    fn tell_of_pause(&mut self, then: Then) {
        self.exec.gates = self.shared.gates();
        self.flush_outbox();
        self.flush_effects();
        let next = self.exec.id + 1;
        if next < self.peers.len() {
            return self.send(next, Message::Run(Box::new(|core| core.tell_of_pause(then))));
        }
        // Requests that were on their way to a shard arrive before the question for it does.
        self.on_log_core(|core| core.with_all_shards(then));
    }

    /// On the log's core: lets clients go on, unless something else pauses their writes.
    pub(crate) fn end_pause(&mut self) {
        self.shared.set_gate(Gate::PausedAll, false);
        if self.shutdown.is_none() {
            // A shutdown ends its pause of writes itself.
            self.shared.pause_until_ms.store(0, Ordering::Release);
            self.shared.set_gate(Gate::PausedWrites, self.is_failing_over());
        }
        self.on_every_core(Core::resume_paused);
    }

    /// On the log's core: what paused writes until it was done is done. A pause that has a time goes on.
    pub(crate) fn release_pause(&mut self) {
        if self.shared.pause_until_ms.load(Ordering::Acquire) == 0 {
            self.end_pause();
        }
    }

    /// On the log's core: ends a pause whose time is over.
    pub(super) fn end_pause_if_due(&mut self) {
        let until = self.shared.pause_until_ms.load(Ordering::Acquire);
        // It began somewhere within its first millisecond.
        if until != 0 && self.exec.now.0 > until {
            self.end_pause();
        }
    }

    /// Keeps a request, and what its client sends after it, until the pause is over.
    pub(crate) fn pause(&mut self, token: Token, request: OwnedRequest) {
        let Some(conn) = self.conn(token) else { return };
        conn.stall = Stall::Paused;
        self.shared.blocked_clients.fetch_add(1, Ordering::Relaxed);
        self.paused.push((token, request));
    }

    /// Whether a request that has come has to wait for the end of a pause.
    pub(super) fn pauses(&mut self, token: Token, spec: &CommandSpec, spreads: bool) -> bool {
        // A pause of everything can be ended, by whoever has to say first who he is as well, and replicas may come back: these wait
        // in Redis, where nothing but time ends such a pause.
        let immune = matches!(spec.name, "client|unpause" | "auth" | "hello" | "replconf" | "psync" | "sync");
        !immune && self.is_paused(token, spreads)
    }

    /// Whether a pause is in force for this connection's keys. Replicas are never paused: they only acknowledge.
    pub(super) fn is_paused(&mut self, token: Token, spreads: bool) -> bool {
        let gates = self.exec.gates;
        if !gates.has(Gate::PausedWrites) {
            return false;
        }
        let is_client = self.conn(token).is_some_and(|conn| matches!(conn.peer, Peer::Client));
        is_client && (spreads || gates.has(Gate::PausedAll))
    }

    /// Borrows shards for a request, and then does `work`, which lets the connection go on ([`Core::unstall`]). A pause that
    /// has begun by then was answered already, or will be when these shards are back: the request is kept until it is over.
    pub(crate) fn with_shards_unless_paused(
        &mut self,
        token: Token,
        wanted: ShardSet,
        spreads: bool,
        request: OwnedRequest,
        work: impl FnOnce(&mut Core, &OwnedRequest) + Send + 'static,
    ) {
        self.stall(token, Stall::Lend);
        let job = move |core: &mut Core| match core.is_paused(token, spreads) {
            true => core.pause(token, request),
            false => work(core, &request),
        };
        self.with_shards(wanted, Box::new(job));
    }

    fn resume_paused(&mut self) {
        self.exec.gates = self.shared.gates();
        if !self.exec.gates.has(Gate::PausedWrites) {
            let keys = std::mem::take(&mut self.paused_keys);
            self.exec.unserved.extend(keys);
            std::mem::take(&mut self.paused_work).into_iter().for_each(|work| work(self));
        }
        // Where only writes are paused still, those wait again.
        for (token, request) in std::mem::take(&mut self.paused) {
            let Some(conn) = self.conn(token) else { continue };
            if conn.stall == Stall::Paused {
                conn.stall = Stall::None;
                self.shared.blocked_clients.fetch_sub(1, Ordering::Relaxed);
                self.judge_request(token, request);
                self.run_pending(token);
            }
        }
    }
}
