//! Clients that track keys: telling them what was changed. See [`crate::tracking`].

use super::{Core, Message};
use crate::connection::{Closing, OwnedRequest, Token};
use crate::dispatch::executor::Executor;
use crate::tracking::{Invalidation, Told, Tracker};
use koltso_proto::command::{CommandSpec, Flags};
use koltso_proto::resp::{Args, Reply};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The channel on which clients of RESP2 are told.
const CHANNEL: &[u8] = b"__redis__:invalidate";

impl Executor {
    /// A client has asked for what the keys of this request hold: they are remembered, if all it did was to read.
    #[cold]
    pub fn remember(&mut self, spec: &CommandSpec, args: Args<'_>, tracker: &Arc<Tracker>) {
        if spec.flags.has(Flags::READONLY) {
            self.remember_keys(spec, args, tracker);
        }
    }

    fn remember_keys(&mut self, spec: &CommandSpec, args: Args<'_>, tracker: &Arc<Tracker>) {
        let Ok(keys) = spec.keys(args.len(), |i| args.get(i)) else { return };
        let keys_max = self.config.tracking_table_max_keys;
        for (position, _) in keys.iter() {
            let key = args.get(position);
            let shard = self.shard_of(key);
            if let Some(shard) = self.shards[shard].as_deref_mut() {
                shard.watch.remember(key, tracker, keys_max);
            }
        }
        self.collect_invalidations();
    }

    /// Collects what is to be told of the shards that are here.
    pub fn collect_invalidations(&mut self) {
        let keys_max = self.config.tracking_table_max_keys;
        for shard in self.shards.iter_mut().flatten() {
            for mut told in shard.watch.take_invalidations() {
                let writer = self.tracker.as_ref().filter(|_| told.is_asked_for);
                if let (Some(writer), Some(key)) = (writer, &told.key)
                    && writer.is_noloop()
                    && let Some(place) = told.readers.iter().position(|reader| Arc::ptr_eq(reader, writer))
                {
                    // Not told, so that it must hear of the next change.
                    told.readers.swap_remove(place);
                    shard.watch.remember(key, writer, keys_max);
                }
                told.writer = writer.cloned();
                if !told.broadcast.is_empty() {
                    self.broadcasts.push(Invalidation { readers: Vec::new(), ..told.clone() });
                }
                let is_known = told.key.is_none() && self.invalidations.last().is_some_and(|last| last.key.is_none());
                if (told.key.is_none() || !told.readers.is_empty()) && !is_known {
                    self.invalidations.push(told);
                }
            }
        }
    }
}

impl Core {
    /// A client of this core, if it tracks keys.
    pub(crate) fn tracker_of(&mut self, token: Token) -> Option<Arc<Tracker>> {
        self.conn(token)?.session.tracks().cloned()
    }

    /// A script of a client has read something: the keys that it declares are remembered, as in Redis, and none that it does not.
    pub(crate) fn remember_declared(&mut self, token: Token, command: &OwnedRequest) {
        let session = self.conns.get(token.index as usize).map(|conn| &conn.session);
        let tracker = session.filter(|session| session.remembers()).and_then(|session| session.tracks().cloned());
        if let (Some(tracker), Some(spec)) = (tracker, self.exec.spec_of(command.args())) {
            self.exec.remember_keys(spec, command.args(), &tracker);
        }
    }

    /// A client of this core has executed a command: what it has read is remembered, if it wants that.
    pub(super) fn remember(&mut self, token: Token, spec: &CommandSpec, args: Args<'_>) {
        let session = self.conns.get(token.index as usize).map(|conn| &conn.session);
        let tracker = session.filter(|session| session.remembers()).and_then(|session| session.tracks().cloned());
        if let Some(tracker) = tracker {
            self.exec.remember(spec, args, &tracker);
        }
    }

    /// Forgets tracked keys if there are more than there may be.
    pub(super) fn limit_tracked_keys(&mut self) {
        let keys_max = self.exec.config.tracking_table_max_keys;
        if let Some(shard) = self.exec.shards[self.exec.id].as_deref_mut() {
            shard.watch.forget_excess(keys_max);
        }
    }

    /// At the end of a turn: tells everybody what was changed in it.
    pub(super) fn tell_those_who_track(&mut self) {
        if let Some(own) = self.tell_other_cores(self.exec.id) {
            self.on_told(&own);
        }
    }

    /// In the midst of a turn: tells those who have read keys that they were changed.
    #[cold]
    pub(super) fn tell_readers(&mut self) {
        // Who was served hears of that first.
        self.tell_served();
        let told = Told::new(std::mem::take(&mut self.exec.invalidations), Vec::new());
        if let Some(own) = self.pass_on_told(told, self.exec.id) {
            self.on_told(&own);
        }
    }

    /// Tells the clients of all cores but one what was changed: before whoever has changed it hears that it is done, since he may
    /// then make them ask. Returns what those of that core are to be told, which is for after the reply if he is one of them.
    #[inline]
    pub(crate) fn tell_other_cores(&mut self, home: usize) -> Option<Told> {
        if self.exec.invalidations.is_empty() && self.exec.broadcasts.is_empty() {
            return None;
        }
        // Who was served hears of that first.
        self.tell_served();
        let told = self.take_told()?;
        self.pass_on_told(told, home)
    }

    /// What is to be told, on whatever core.
    pub(super) fn take_told(&mut self) -> Option<Told> {
        let (read, prefixed) = (&mut self.exec.invalidations, &mut self.exec.broadcasts);
        let any = !read.is_empty() || !prefixed.is_empty();
        any.then(|| Told::new(std::mem::take(read), std::mem::take(prefixed)))
    }

    /// Has all cores but one be told; returns what is for that one.
    fn pass_on_told(&mut self, told: Told, home: usize) -> Option<Told> {
        let cores = told.cores(self.peers.len());
        cores.iter().filter(|&core| core != home).for_each(|core| self.send(core, Message::Told(told.clone())));
        cores.contains(home).then_some(told)
    }

    /// Answers on another core, or on this one, and has everybody told what was changed: those of that core after the reply.
    pub(super) fn answer_and_tell(&mut self, home: usize, answer: impl FnOnce(&mut Core) + Send + 'static) {
        let told = self.tell_other_cores(home);
        self.on_core(home, move |core| {
            answer(core);
            if let Some(told) = told {
                core.on_told(&told);
            }
        });
    }

    /// Clients of this core are told what was changed.
    pub(crate) fn on_told(&mut self, told: &Told) {
        self.on_invalidations(&told.read);
        if !told.prefixed.is_empty() {
            self.on_broadcasts(&told.prefixed);
        }
    }

    /// What clients of this core have read was changed.
    fn on_invalidations(&mut self, told: &[Invalidation]) {
        let here = self.exec.id;
        for told in told {
            let Some(key) = &told.key else {
                for token in self.trackers.clone() {
                    let resp3 = self.conn(token).is_some_and(|conn| conn.output.reply.resp3);
                    let mut null = Reply::new(resp3);
                    null.null();
                    self.tell(token, &null.buf);
                }
                continue;
            };
            let mut body = Reply::default();
            body.array(1);
            body.bulk(key);
            for reader in told.readers.iter().filter(|reader| reader.core == here && reader.is_on()) {
                self.tell(reader.token, &body.buf);
            }
        }
    }

    /// Keys were changed that clients of this core may have prefixes of.
    fn on_broadcasts(&mut self, told: &[Invalidation]) {
        let here = self.exec.id;
        for token in self.trackers.clone() {
            let Some(tracking) = self.conn(token).and_then(|conn| conn.session.tracking()) else { continue };
            if !tracking.broadcast {
                continue;
            }
            let noloop = tracking.noloop;
            let mut bodies = Vec::new();
            for prefix in &tracking.prefixes {
                let others = told.iter().filter(|told| !(noloop && told.is_by(token, here)));
                let keys = others.filter_map(|told| told.key.as_deref()).filter(|key| key.starts_with(prefix));
                let keys: BTreeSet<&[u8]> = keys.collect();
                if !keys.is_empty() {
                    let mut body = Reply::default();
                    body.array(keys.len());
                    keys.iter().for_each(|key| body.bulk(key));
                    bodies.push(body.buf);
                }
            }
            bodies.iter().for_each(|body| self.tell(token, body));
        }
    }

    /// Tells a client that tracks keys, or the one that is told in its place. `body`: the keys, as they stand in the message.
    fn tell(&mut self, token: Token, body: &[u8]) {
        let Some(tracking) = self.conn(token).and_then(|conn| conn.session.tracking()) else { return };
        let Some(redirect) = tracking.redirect else {
            self.push_invalidation(token, false, body);
            return;
        };
        let (home, (core, target)) = (self.exec.id, redirect.place);
        if core == home {
            if !self.push_invalidation(target, true, body) {
                self.redirection_broke(token);
            }
            return;
        }
        let body = body.to_vec();
        let pass_on = move |core: &mut Core| {
            if !core.push_invalidation(target, true, &body) {
                core.send(home, Message::Run(Box::new(move |core| core.redirection_broke(token))));
            }
        };
        self.send(core, Message::Run(Box::new(pass_on)));
    }

    /// Writes an invalidation to a client, if it can be told from replies there. False if the client is gone.
    fn push_invalidation(&mut self, token: Token, is_redirected: bool, body: &[u8]) -> bool {
        let Some(conn) = self.conn(token).filter(|conn| conn.closing == Closing::No) else { return false };
        let mut message = Reply::new(conn.output.reply.resp3);
        if message.resp3 {
            message.push(2);
            message.bulk(b"invalidate");
        } else if is_redirected && conn.session.subscriptions.is_some() {
            message.push(3);
            message.bulk(b"message");
            message.bulk(CHANNEL);
        } else {
            return true;
        }
        message.raw(body);
        self.push_message(token, &message.buf);
        true
    }

    /// Nobody is there any more who is told in a client's place: it is told that, if it can be.
    fn redirection_broke(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        let resp3 = conn.output.reply.resp3;
        let Some(tracking) = conn.session.tracking_mut() else { return };
        let Some(redirect) = tracking.redirect else { return };
        tracking.is_broken = true;
        if resp3 {
            let mut message = Reply::new(true);
            message.push(2);
            message.bulk(b"tracking-redir-broken");
            message.int(redirect.id as i64);
            self.push_message(token, &message.buf);
        }
    }

    /// Gives a client a message that is no reply, behind the replies it still awaits.
    fn push_message(&mut self, token: Token, bytes: &[u8]) {
        // Messages of channels that came before it.
        self.flush_run();
        let Some(conn) = self.conn(token) else { return };
        if conn.session.in_exec {
            conn.session.messages.extend_from_slice(bytes);
        } else {
            conn.queue_message(bytes);
        }
        self.mark_dirty(token);
    }

    /// Has the shards that are here know what prefixes clients are interested in.
    pub(crate) fn renew_prefixes(&mut self) {
        let prefixes = self.shared.prefixes.copy();
        for shard in self.exec.shards.iter_mut().flatten() {
            shard.watch.set_prefixes(prefixes.clone());
        }
    }

    /// A client tracks no keys any more.
    pub(crate) fn end_tracking(&mut self, token: Token) {
        let here = self.exec.id;
        let Some(conn) = self.conn(token) else { return };
        let Some(tracking) = conn.session.set_tracking(None) else { return };
        tracking.me.set(false, false);
        self.trackers.retain(|tracker| *tracker != token);
        self.shared.tracking.clients.fetch_sub(1, Ordering::Relaxed);
        if tracking.prefixes.is_empty() {
            return;
        }
        tracking.prefixes.iter().for_each(|prefix| self.shared.prefixes.remove(here, prefix));
        self.spread_prefixes();
    }

    /// Has all shards know that some prefixes are of interest no more. Nobody waits for that.
    pub(crate) fn spread_prefixes(&mut self) {
        for core in 0..self.peers.len() {
            let renew = |core: &mut Core| core.with_shards(core.own_shard(), Box::new(Core::renew_prefixes));
            self.send(core, Message::Run(Box::new(renew)));
        }
    }
}
