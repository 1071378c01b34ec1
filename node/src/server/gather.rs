//! Questions that every core has a part of the answer to: `INFO`, `CLIENT LIST`, `SLOWLOG GET`.
//!
//! The question travels: each core adds its part and sends it on to the next, and the one that was asked makes a reply of all
//! parts. What is gathered belongs to one core at a time, so there is nothing to lock. For rare questions only: a round trip
//! takes as many messages as there are cores.
//!
//! A transaction has borrowed every shard if a command of it asks about data: such a question is answered on the spot, so that it
//! sees what the commands before it have done and nothing of those after it.

use crate::connection::Token;
use crate::core::{Core, Message};
use crate::shard::Shard;
use koltso_proto::id::UnixMs;
use koltso_proto::resp::Reply;

/// A question on its way.
struct Tour<T, V, F> {
    /// The core that asks.
    home: usize,
    /// Whether every core's own shard is to be at home when it is asked.
    shards: bool,
    /// The part of each core, as far as it was asked.
    parts: Vec<Option<T>>,
    visit: V,
    finish: F,
}

impl Core {
    /// Asks every core, this one first, and then makes the reply to the client of it, on this core. What this core has executed
    /// so far has reached the log and the other cores by the time they are asked. The parts are in the order of the cores.
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

    /// Whether a transaction of this client is being executed, and holds every shard.
    pub fn holds_all_in_exec(&mut self, token: Token) -> bool {
        self.conn(token).is_some_and(|conn| conn.session.in_exec) && self.exec.shards.iter().all(Option::is_some)
    }

    /// Looks at every shard, in ascending order, each while it is at home, and then makes the reply, on this core.
    pub fn ask_each_shard<T: Send + 'static>(
        &mut self,
        token: Token,
        look: impl Fn(&mut Shard, UnixMs) -> T + Send + 'static,
        finish: impl FnOnce(&mut Core, Vec<T>, &mut Reply) + Send + 'static,
    ) {
        if self.holds_all_in_exec(token) {
            let now = self.exec.now;
            let parts = self.exec.shards.iter_mut().flatten().map(|shard| look(shard, now)).collect();
            let Some(promise) = self.promise(token) else { return };
            return promise.keep_here(self, |core, reply| finish(core, parts, reply));
        }
        let visit = move |core: &mut Core| {
            let (id, now) = (core.exec.id, core.exec.now);
            core.exec.shards[id].as_deref_mut().map(|shard| look(shard, now))
        };
        let finish = move |core: &mut Core, parts: Vec<Option<T>>, reply: &mut Reply| {
            finish(core, parts.into_iter().flatten().collect(), reply);
        };
        self.gather_with_shards(token, visit, finish);
    }

    /// As [`gather`](Self::gather), and every core's own shard is at home while it is asked. Within `EXEC` only once that is over.
    pub fn gather_with_shards<T: Send + 'static>(
        &mut self,
        token: Token,
        per_core: impl Fn(&mut Core) -> T + Send + 'static,
        finish: impl FnOnce(&mut Core, Vec<T>, &mut Reply) + Send + 'static,
    ) {
        self.start_tour(token, true, per_core, finish);
    }

    /// Asks about one shard, while it is at home, and then makes the reply, on this core.
    pub fn ask_shard<T: Send + 'static>(
        &mut self,
        token: Token,
        shard: usize,
        look: impl FnOnce(&mut Shard, UnixMs) -> T + Send + 'static,
        finish: impl FnOnce(&mut Core, T, &mut Reply) + Send + 'static,
    ) {
        let Some(promise) = self.promise(token) else { return };
        let now = self.exec.now;
        if promise.is_within_exec()
            && let Some(shard) = self.exec.shards[shard].as_deref_mut()
        {
            let answer = look(shard, now);
            return promise.keep_here(self, |core, reply| finish(core, answer, reply));
        }
        self.flush_outbox();
        let ask = move |core: &mut Core| {
            let own = core.own_shard();
            core.with_shards(
                own,
                Box::new(move |core| {
                    let now = core.exec.now;
                    let Some(shard) = core.exec.shards[core.exec.id].as_deref_mut() else { return };
                    let answer = look(shard, now);
                    promise.keep(|core, reply| finish(core, answer, reply));
                }),
            );
        };
        // By message even to this core: who asks may be holding shards, and must have given them back first.
        self.send(shard, Message::Run(Box::new(ask)));
    }

    /// Asks while all shards are here, and then makes the reply, on this core.
    pub fn ask_all_shards<T: Send + 'static>(
        &mut self,
        token: Token,
        look: impl FnOnce(&mut Core) -> T + Send + 'static,
        finish: impl FnOnce(&mut Core, T, &mut Reply) + Send + 'static,
    ) {
        let holds_all = self.holds_all_in_exec(token);
        let Some(promise) = self.promise(token) else { return };
        if holds_all {
            let answer = look(self);
            return promise.keep_here(self, |core, reply| finish(core, answer, reply));
        }
        let ask = move |core: &mut Core| {
            core.with_all_shards(Box::new(move |core| {
                let answer = look(core);
                promise.keep(|core, reply| finish(core, answer, reply));
            }));
        };
        self.send(self.exec.id, Message::Run(Box::new(ask)));
    }

    fn start_tour<T: Send + 'static>(
        &mut self,
        token: Token,
        shards: bool,
        visit: impl Fn(&mut Core) -> T + Send + 'static,
        finish: impl FnOnce(&mut Core, Vec<T>, &mut Reply) + Send + 'static,
    ) {
        let Some(promise) = self.promise(token) else { return };
        let finish = |core: &mut Core, parts| promise.keep_here(core, |core, reply| finish(core, parts, reply));
        self.ask_cores(shards, visit, finish);
    }

    /// Asks every core, and goes on here with all that they say.
    pub fn ask_cores<T: Send + 'static>(
        &mut self,
        shards: bool,
        visit: impl Fn(&mut Core) -> T + Send + 'static,
        finish: impl FnOnce(&mut Core, Vec<T>) + Send + 'static,
    ) {
        self.flush_outbox();
        self.flush_effects();
        let mut parts: Vec<Option<T>> = (0..self.peers.len()).map(|_| None).collect();
        if !shards {
            // At once: what is counted of this request when it is over is not in the answer to it.
            parts[self.exec.id] = Some(visit(self));
        }
        Tour { home: self.exec.id, shards, parts, visit, finish }.go_on(self);
    }
}

impl<T, V, F> Tour<T, V, F>
where
    T: Send + 'static,
    V: Fn(&mut Core) -> T + Send + 'static,
    F: FnOnce(&mut Core, Vec<T>) + Send + 'static,
{
    /// Asks this core if it is its turn, and moves on.
    fn go_on(mut self, core: &mut Core) {
        loop {
            let Some(next) = self.parts.iter().position(Option::is_none) else { return self.come_home(core) };
            if self.shards {
                // By message even to this core: who asks may be holding shards, and must have given them back first.
                return core.send(next, Message::Run(Box::new(|core| self.visit_with_shard(core))));
            }
            if next != core.exec.id {
                return core.send(next, Message::Run(Box::new(|core| self.go_on(core))));
            }
            self.parts[next] = Some((self.visit)(core));
        }
    }

    fn visit_with_shard(mut self, core: &mut Core) {
        let own = core.own_shard();
        core.with_shards(
            own,
            Box::new(move |core| {
                self.parts[core.exec.id] = Some((self.visit)(core));
                self.go_on(core);
            }),
        );
    }

    fn come_home(self, core: &mut Core) {
        let Tour { home, shards, parts, finish, .. } = self;
        let parts: Vec<T> = parts.into_iter().flatten().collect();
        if shards || core.exec.id != home {
            return core.send(home, Message::Run(Box::new(|core| finish(core, parts))));
        }
        finish(core, parts);
    }
}
