//! SUBSCRIBE and its kin, PUBLISH, SPUBLISH, PUBSUB.

use super::container;
use crate::connection::{OwnedRequest, Token};
use crate::core::Core;
use crate::dispatch::registry::ServerHandler;
use crate::pubsub::Kind;
use koltso_proto::glob;
use koltso_proto::resp::Reply;
use std::sync::Arc;

pub const HANDLERS: &[(&str, ServerHandler)] = &[
    ("subscribe", |core, token, request| core.subscribe(token, Kind::Channel, request)),
    ("psubscribe", |core, token, request| core.subscribe(token, Kind::Pattern, request)),
    ("ssubscribe", ssubscribe),
    ("unsubscribe", |core, token, request| core.unsubscribe(token, Kind::Channel, request)),
    ("punsubscribe", |core, token, request| core.unsubscribe(token, Kind::Pattern, request)),
    ("sunsubscribe", |core, token, request| core.unsubscribe(token, Kind::Shard, request)),
    ("publish", |core, token, request| publish(core, token, Kind::Channel, request)),
    ("spublish", |core, token, request| publish(core, token, Kind::Shard, request)),
    ("pubsub", |core, token, request| container::run(core, token, request, SUBCOMMANDS, HELP)),
];

const SUBCOMMANDS: container::Subcommands = &[
    ("channels", |core, token, request| channels(core, token, Kind::Channel, request)),
    ("shardchannels", |core, token, request| channels(core, token, Kind::Shard, request)),
    ("numsub", |core, token, request| count_subscribers(core, token, Kind::Channel, request)),
    ("shardnumsub", |core, token, request| count_subscribers(core, token, Kind::Shard, request)),
    ("numpat", count_patterns),
];

const HELP: &[&str] = &[
    "CHANNELS [<pattern>]",
    "    The channels that have subscribers, or those of them that match.",
    "NUMPAT",
    "    How many different patterns are subscribed to.",
    "NUMSUB [<channel> ...]",
    "    How many subscribers each of these channels has, those of patterns not counted.",
    "SHARDCHANNELS [<pattern>]",
    "    The shard channels that have subscribers, or those of them that match.",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    How many subscribers each of these shard channels has.",
];

fn ssubscribe(core: &mut Core, token: Token, request: &OwnedRequest) {
    if core.conn(token).is_some_and(|conn| conn.session.in_exec) {
        return core.refuse(token, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    }
    core.subscribe(token, Kind::Shard, request);
}

fn publish(core: &mut Core, token: Token, kind: Kind, request: &OwnedRequest) {
    let args = request.args();
    core.propagate_message(token, request);
    core.publish(token, kind, args.get(1), args.get(2));
}

impl Core {
    fn subscribe(&mut self, token: Token, kind: Kind, request: &OwnedRequest) {
        for name in request.args().from(1) {
            self.subscribe_to(token, kind, name);
        }
    }

    fn subscribe_to(&mut self, token: Token, kind: Kind, name: &[u8]) {
        self.flush_run();
        let id = self.exec.id;
        let Some(conn) = self.conns.get_mut(token.index as usize).filter(|conn| conn.generation == token.generation) else {
            return;
        };
        let resp3 = conn.output.reply.resp3;
        let session = &mut conn.session;
        session.only_listens = !resp3;
        let subscriptions = session.subscriptions.get_or_insert_default();
        if !subscriptions.of(kind).contains(name) {
            let (name, first) = self.directory.add(kind, name, token);
            if first {
                self.shared.interest[id].add(kind, &name);
            }
            subscriptions.insert(kind, name);
        }
        let count = subscriptions.count(kind);
        self.confirm(token, kind.subscribe(), Some(name), count);
    }

    fn unsubscribe(&mut self, token: Token, kind: Kind, request: &OwnedRequest) {
        let args = request.args();
        if args.len() > 1 {
            return args.from(1).for_each(|name| self.unsubscribe_from(token, kind, name));
        }
        let Some(conn) = self.conn(token) else { return };
        let subscriptions = conn.session.subscriptions.as_ref();
        let names: Vec<Arc<[u8]>> = subscriptions.map(|all| all.of(kind).iter().cloned().collect()).unwrap_or_default();
        if names.is_empty() {
            let count = subscriptions.map_or(0, |all| all.count(kind));
            return self.confirm(token, kind.unsubscribe(), None, count);
        }
        names.iter().for_each(|name| self.unsubscribe_from(token, kind, name));
    }

    fn unsubscribe_from(&mut self, token: Token, kind: Kind, name: &[u8]) {
        self.forget_subscription(token, kind, name);
        let Some(conn) = self.conn(token) else { return };
        let subscriptions = conn.session.subscriptions.as_ref();
        let count = subscriptions.map_or(0, |all| all.count(kind));
        if subscriptions.is_some_and(|all| all.is_empty()) {
            conn.session.subscriptions = None;
            conn.session.only_listens = false;
        }
        self.confirm(token, kind.unsubscribe(), Some(name), count);
    }

    fn forget_subscription(&mut self, token: Token, kind: Kind, name: &[u8]) {
        self.flush_run();
        let Some(conn) = self.conn(token) else { return };
        let Some(subscriptions) = &mut conn.session.subscriptions else { return };
        if subscriptions.remove(kind, name) && self.directory.remove(kind, name, token) {
            self.shared.interest[self.exec.id].remove(kind, name);
        }
    }

    /// Ends all subscriptions of a connection, without a word.
    pub(crate) fn end_subscriptions(&mut self, token: Token) {
        let Some(conn) = self.conn(token) else { return };
        if conn.session.subscriptions.is_none() {
            return;
        }
        self.flush_run();
        let Some(conn) = self.conn(token) else { return };
        let Some(subscriptions) = conn.session.subscriptions.take() else { return };
        conn.session.only_listens = false;
        let id = self.exec.id;
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            for name in subscriptions.of(kind) {
                if self.directory.remove(kind, name, token) {
                    self.shared.interest[id].remove(kind, name);
                }
            }
        }
    }

    /// Confirms a subscription or its end. Even a client that wants no replies gets it: it is a message.
    fn confirm(&mut self, token: Token, what: &[u8], name: Option<&[u8]>, count: usize) {
        let Some(conn) = self.conn(token) else { return };
        let mut reply = Reply::new(conn.output.reply.resp3);
        reply.push(3);
        reply.bulk(what);
        reply.bulk_or_null(name);
        reply.len(count);
        conn.queue_message(&reply.buf);
        self.mark_dirty(token);
    }

    /// Hands a message that a client publishes to our replicas.
    fn propagate_message(&mut self, token: Token, request: &OwnedRequest) {
        let Some(conn) = self.conn(token) else { return };
        let (db, in_unit) = (conn.session.db, conn.session.in_exec);
        match self.exec.shards.iter().flatten().next().map(|shard| shard.logged) {
            Some(true) if in_unit => self.exec.effects.push(db, request.args().from(0)),
            Some(true) => self.exec.effects.push_unit(db, request.args().from(0)),
            Some(false) => {}
            None => {
                // No shard is here to ask.
                let request = request.clone();
                self.on_log_core(move |core| {
                    if core.exec.gates_say_replica() {
                        return;
                    }
                    // Taken in by the log only if it records.
                    core.exec.effects.push_unit(db, request.args().from(0));
                    core.flush_effects();
                });
            }
        }
    }
}

/// `PUBSUB CHANNELS [pattern]`, `PUBSUB SHARDCHANNELS [pattern]`.
fn channels(core: &mut Core, token: Token, kind: Kind, request: &OwnedRequest) {
    let args = request.args();
    if args.len() > 3 {
        let given = String::from_utf8_lossy(args.get(1)).into_owned();
        let error = format!("ERR unknown subcommand or wrong number of arguments for '{given}'. Try PUBSUB HELP.");
        return core.refuse(token, &error);
    }
    let pattern = (args.len() == 3).then(|| args.get(2).to_vec());
    let look = move |core: &mut Core| {
        let names = core.directory.of(kind).keys();
        names.filter(|name| pattern.as_ref().is_none_or(|pattern| glob::matches(pattern, name))).cloned().collect::<Vec<_>>()
    };
    core.gather(token, look, |_, parts, reply| {
        let mut names = parts.concat();
        names.sort_unstable();
        names.dedup();
        reply.array(names.len());
        names.iter().for_each(|name| reply.bulk(name));
    });
}

/// `PUBSUB NUMSUB [channel …]`, `PUBSUB SHARDNUMSUB [channel …]`.
fn count_subscribers(core: &mut Core, token: Token, kind: Kind, request: &OwnedRequest) {
    let names: Vec<Vec<u8>> = request.args().from(2).map(<[u8]>::to_vec).collect();
    let asked = names.clone();
    let look = move |core: &mut Core| -> Vec<usize> {
        let count = |name: &Vec<u8>| core.directory.listeners(kind, name).map_or(0, |listeners| listeners.len());
        asked.iter().map(count).collect()
    };
    core.gather(token, look, move |_, parts, reply| {
        reply.array(names.len() * 2);
        for (at, name) in names.iter().enumerate() {
            reply.bulk(name);
            reply.len(parts.iter().map(|part| part[at]).sum());
        }
    });
}

/// `PUBSUB NUMPAT`.
fn count_patterns(core: &mut Core, token: Token, _: &OwnedRequest) {
    let look = |core: &mut Core| core.directory.of(Kind::Pattern).keys().cloned().collect::<Vec<_>>();
    core.gather(token, look, |_, parts, reply| {
        let mut patterns = parts.concat();
        patterns.sort_unstable();
        patterns.dedup();
        reply.len(patterns.len());
    });
}
