//! Questions that every core has a part of the answer to: `INFO`, `CLIENT LIST`, `SLOWLOG GET`.
//!
//! The question travels: each core adds its part and sends it on to the next, and the one that was asked makes a reply of all
//! parts. What is gathered belongs to one core at a time, so there is nothing to lock. For rare questions only: a round trip
//! takes as many messages as there are cores.

use crate::connection::{ReplyMode, Stall, Token};
use crate::core::{Core, Message};
use koltso_proto::resp::Reply;

/// A question on its way.
struct Tour<T, V, F> {
    asker: usize,
    place: Place,
    /// Whether every core's own shard is to be at home when it is asked.
    shards: bool,
    parts: Vec<T>,
    visit: V,
    finish: F,
}

/// Where the reply goes.
struct Place {
    token: Token,
    seq: u64,
    resp3: bool,
    /// Whether the client wants no reply.
    muted: bool,
    /// Whether the client's next requests wait for the answer. Within `EXEC` they cannot.
    stalls: bool,
}

impl Core {
    /// Asks every core in ascending order, and then makes the reply to the client of it, on this core. What this core has
    /// executed so far has reached the log and the other cores by the time they are asked.
    ///
    /// The client's next requests wait for the reply, except within `EXEC`, where the reply finds its place all the same.
    pub fn gather<T: Send + 'static>(
        &mut self,
        token: Token,
        per_core: impl Fn(&mut Core) -> T + Send + 'static,
        finish: impl FnOnce(&mut Core, Vec<T>, &mut Reply) + Send + 'static,
    ) {
        self.start_tour(token, false, per_core, finish);
    }

    /// As [`gather`](Self::gather), and every core's own shard is at home while it is asked.
    pub fn gather_with_shards<T: Send + 'static>(
        &mut self,
        token: Token,
        per_core: impl Fn(&mut Core) -> T + Send + 'static,
        finish: impl FnOnce(&mut Core, Vec<T>, &mut Reply) + Send + 'static,
    ) {
        self.start_tour(token, true, per_core, finish);
    }

    fn start_tour<T: Send + 'static>(
        &mut self,
        token: Token,
        shards: bool,
        visit: impl Fn(&mut Core) -> T + Send + 'static,
        finish: impl FnOnce(&mut Core, Vec<T>, &mut Reply) + Send + 'static,
    ) {
        let Some(conn) = self.conn(token) else { return };
        let stalls = !conn.session.in_exec;
        let place = Place {
            token,
            seq: conn.await_reply(),
            resp3: conn.output.reply.resp3,
            muted: matches!(conn.session.reply_mode, ReplyMode::Off | ReplyMode::Skip),
            stalls,
        };
        if stalls {
            conn.stall = Stall::Lend;
        }
        self.flush_outbox();
        self.flush_effects();
        let tour = Tour { asker: self.exec.id, place, shards, parts: Vec::with_capacity(self.peers.len()), visit, finish };
        tour.go_on(self);
    }

    /// Gives a client the reply it waited for.
    fn deliver(&mut self, place: &Place, reply: &[u8]) {
        let token = place.token;
        let Some(conn) = self.conn(token) else { return };
        conn.fulfil(place.seq, if place.muted { &[] } else { reply });
        let deferred = if conn.in_order() { conn.deferred.take() } else { None };
        if let Some(request) = deferred {
            conn.stall = Stall::None;
            self.core_request(token, request);
            self.run_pending(token);
        }
        self.mark_dirty(token);
        if place.stalls {
            self.unstall(token, Stall::Lend);
        }
    }
}

impl<T, V, F> Tour<T, V, F>
where
    T: Send + 'static,
    V: Fn(&mut Core) -> T + Send + 'static,
    F: FnOnce(&mut Core, Vec<T>, &mut Reply) + Send + 'static,
{
    /// Asks this core if it is its turn, and moves on.
    fn go_on(mut self, core: &mut Core) {
        loop {
            let next = self.parts.len();
            if next == core.peers.len() {
                return self.come_home(core);
            }
            if self.shards {
                // By message even to this core: who asks may be holding shards, and must have given them back first.
                return core.send(next, Message::Run(Box::new(|core| self.visit_with_shard(core))));
            }
            if next != core.exec.id {
                return core.send(next, Message::Run(Box::new(|core| self.go_on(core))));
            }
            self.parts.push((self.visit)(core));
        }
    }

    fn visit_with_shard(mut self, core: &mut Core) {
        let own = core.own_shard();
        core.with_shards(
            own,
            Box::new(move |core| {
                self.parts.push((self.visit)(core));
                self.go_on(core);
            }),
        );
    }

    fn come_home(self, core: &mut Core) {
        let asker = self.asker;
        if self.shards || core.exec.id != asker {
            return core.send(asker, Message::Run(Box::new(|core| self.answer(core))));
        }
        self.answer(core);
    }

    fn answer(self, core: &mut Core) {
        let mut reply = Reply::new(self.place.resp3);
        (self.finish)(core, self.parts, &mut reply);
        core.deliver(&self.place, &reply.buf);
    }
}
