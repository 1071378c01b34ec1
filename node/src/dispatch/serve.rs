//! Commands that may wait for their keys: trying them, and serving those who wait when a key is ready.

use super::executor::{Executor, Who};
use super::gates::OOM;
use super::registry::Run;
use super::shard_set::ShardSet;
use crate::commands::Origin;
use crate::commands::streams::wait::{self, Ready, Settled};
use crate::connection::OwnedRequest;
use crate::server::slowlog::Long;
use crate::shard::value::Type;
use crate::shard::watch::Key;
use crate::waiting::{Asking, Waiter, Waits, Wanted};
use koltso_proto::resp::Reply;
use std::sync::Arc;
use std::time::Instant;

/// A client whose wait has come to an end.
pub struct Served {
    /// The client.
    pub waiter: Arc<Waiter>,
    /// What it is answered.
    pub reply: Vec<u8>,
    /// How many microseconds that took.
    pub took_us: u64,
}

/// What became of a request that may wait.
pub enum Tried {
    /// It is answered.
    Answered(Vec<u8>),
    /// It is answered, and how long that took is to be remembered.
    AnsweredLate(Vec<u8>, Long, OwnedRequest),
    /// It waits: for so many milliseconds, or forever if that is 0.
    Waits(Arc<Waiter>, u64),
}

impl Executor {
    /// Runs a command that may wait, over shards that are here, where all its keys are.
    pub fn try_or_wait(&mut self, asking: Asking) -> Tried {
        let mut reply = Reply::new(asking.resp3);
        let command = self.registry.by_index(asking.command).copied();
        let Some((command, Run::Keys(handler))) = command.map(|command| (command, command.run)) else {
            reply.error("ERR internal: a command about no key cannot wait");
            return Tried::Answered(reply.buf);
        };
        let index = command.spec.index();
        if self.lacks_room(&command) {
            reply.error(OOM);
            self.tally.note_error(OOM.as_bytes());
            self.tally.note_rejected(index);
            return Tried::Answered(reply.buf);
        }
        let who = Who { db: asking.db, no_touch: asking.no_touch, origin: Origin::Client };
        self.effects.begin_unit();
        let mut waits = Waits::May;
        self.tracker = asking.tracker.clone();
        let took_us = self.counted(index, command.timed, |exec| {
            let mut cx = exec.context(None, who, &mut reply);
            cx.waits = Waits::May;
            cx.run(handler, asking.request.args());
            waits = cx.waits;
        });
        self.effects.end_unit();
        if asking.remembers
            && let Some(tracker) = &asking.tracker
        {
            self.remember(command.spec, asking.request.args(), tracker);
        }
        self.serve_if_ready();
        self.tracker = None;
        let Waits::Wants(timeout_ms) = waits else {
            self.tally.note_reply(index, &reply.buf);
            return match took_us.and_then(|took_us| self.judge_long(took_us)) {
                Some(long) => Tried::AnsweredLate(reply.buf, long, asking.request),
                None => Tried::Answered(reply.buf),
            };
        };
        let mut asking = asking;
        if let Some(settled) = self.settled(command.spec.name, who, &asking) {
            asking.request = settled;
        }
        let Some(wanted) = Wanted::of(command.spec.name, &asking.request) else {
            reply.error("ERR internal: this command cannot wait");
            return Tried::Answered(reply.buf);
        };
        let waiter = Arc::new(Waiter::new(asking, &wanted, |key| self.shard_of(key)));
        for key in &waiter.keys {
            let shard = self.shard_of(key);
            if let Some(shard) = self.shards[shard].as_deref_mut() {
                shard.watch.join(key, &waiter);
            }
        }
        Tried::Waits(waiter, timeout_ms)
    }

    /// A request as it is kept while it waits, where that is not as it came: `$` means the end of a stream as it is now.
    fn settled(&mut self, name: &str, who: Who, asking: &Asking) -> Option<OwnedRequest> {
        let mut no_reply = Reply::new(asking.resp3);
        matches!(name, "xread" | "xreadgroup")
            .then(|| wait::settle(&mut self.context(None, who, &mut no_reply), asking.request.args()))?
    }

    /// Serves who waits for keys that have been written to, if there is anybody. After every unit.
    #[inline]
    pub fn serve_if_ready(&mut self) {
        if self.shards.iter().flatten().any(|shard| shard.watch.has_news()) {
            self.see_to_news();
        }
    }

    /// Collects what is to be told to those who have cached keys, and serves who waits for keys that have been written to; and who
    /// waits for what that writes.
    #[cold]
    pub fn see_to_news(&mut self) {
        loop {
            self.collect_invalidations();
            let ready: Vec<Key> = self.shards.iter_mut().flatten().flat_map(|shard| shard.watch.take_ready()).collect();
            if ready.is_empty() {
                return;
            }
            ready.iter().for_each(|key| self.serve_key(key));
        }
    }

    /// Serves those who wait for a key, in the order in which they came, as long as there is something for them.
    pub fn serve_key(&mut self, key: &Key) {
        let (db, name) = (key.0, &key.1[..]);
        let shard = self.shard_of(name);
        let mut ticket = 0;
        loop {
            let Some(own) = self.shards[shard].as_deref() else { return };
            let Some(waiter) = own.watch.next_waiter(db, name, ticket) else { return };
            ticket = waiter.asking.ticket + 1;
            let missing = waiter.needs.iter().any(|needed| self.shards[needed].is_none());
            if missing {
                // Nobody behind it is served before it.
                self.unserved.push((key.clone(), waiter.needs));
                return;
            }
            let is_there = self.serve(&waiter, name);
            let Some(own) = self.shards[shard].as_deref() else { return };
            if !is_there && !own.watch.has_group_readers(db, name) {
                return;
            }
        }
    }

    /// Serves a waiter with a key, if that holds what it waits for; or tells it that it never will. False if the key is not there
    /// at all.
    fn serve(&mut self, waiter: &Arc<Waiter>, key: &[u8]) -> bool {
        let Some(command) = self.registry.by_index(waiter.asking.command).copied() else { return true };
        let Run::Keys(handler) = command.run else { return true };
        let mut reply = Reply::new(waiter.asking.resp3);
        let who = Who { db: waiter.asking.db, no_touch: waiter.asking.no_touch, origin: Origin::Client };
        self.effects.begin_unit();
        let start = Instant::now();
        let mut cx = self.context(None, who, &mut reply);
        let found = cx.peek(key);
        let is_there = found.is_some();
        let ready = match waiter.kind {
            Type::Stream => Settled::new(waiter.asking.request.args()).ready(key, found.map(|entry| entry.value())),
            kind if found.is_some_and(|entry| entry.kind() == kind) => Ready::Yes,
            _ => Ready::No,
        };
        if ready != Ready::No && waiter.claim() {
            match ready {
                Ready::Never(error) => reply.error(error),
                _ => {
                    cx.waits = Waits::May;
                    cx.run(handler, waiter.request_for(command.spec.name, key).args());
                    if cx.waits != Waits::May {
                        // Not to be: there was something to take.
                        reply.null_array();
                    }
                }
            }
            self.tally.note_reply(command.spec.index(), &reply.buf);
            let took_us = start.elapsed().as_micros() as u64;
            self.served.push(Served { waiter: Arc::clone(waiter), reply: reply.buf, took_us });
        }
        self.effects.end_unit();
        if ready != Ready::No {
            // Whether we have ended its wait or somebody else, it stands here no longer.
            self.leave_lines(waiter);
        }
        is_there
    }

    /// Takes a waiter out of the lines of all shards that are here; those it still stands in.
    pub fn leave_lines(&mut self, waiter: &Waiter) -> ShardSet {
        let mut left = ShardSet::default();
        for key in &waiter.keys {
            let index = self.shard_of(key);
            match self.shards[index].as_deref_mut() {
                Some(shard) => shard.watch.leave(key, waiter),
                None => left.insert(index),
            }
        }
        left
    }
}
