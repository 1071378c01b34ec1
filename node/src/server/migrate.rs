//! MIGRATE: keys move to another server.
//!
//! Redis does nothing else meanwhile. Here the values are cloned, which costs little however large they are, and the service thread
//! sends them; clients go on, and so does this core. When the target has a key, it is deleted here, unless it was written to on the
//! way: then the write would be lost, so the key stays and the client is told. Within `EXEC` and scripts, whose shards are held, this
//! core waits for the outcome as Redis does.

use crate::connection::{OwnedRequest, Stall, Token};
use crate::core::Core;
use crate::dispatch::executor::Who;
use crate::dispatch::gates::READONLY;
use crate::dispatch::registry::{Run, ServerHandler};
use crate::dispatch::shard_set::ShardSet;
use crate::server::promise::Promise;
use crate::service::{Arrivals, Departing, MigrateJob, ServiceCommand, Target};
use crate::shard::value::Value;
use crate::shard::watch::WatchFlag;
use crate::shared::Gate;
use koltso_proto::id::UnixMs;
use koltso_proto::number::parse_i64;
use koltso_proto::resp::{Args, Reply};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

pub const HANDLERS: &[(&str, ServerHandler)] = &[("migrate", migrate)];

const SYNTAX: &str = "ERR syntax error";
const NOT_A_NUMBER: &str = "ERR value is not an integer or out of range";
const KEY_AND_KEYS: &str = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string";

/// How often a core that waits in the midst of a transaction looks whether the node stops.
const LOOK_AROUND: Duration = Duration::from_millis(50);
/// Where no time limit is given, in milliseconds.
const TIMEOUT_MS_DEFAULT: u64 = 1000;

/// `MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key …]`.
fn migrate(core: &mut Core, token: Token, request: &OwnedRequest) {
    let asked = match Asked::parse(request.args()) {
        Ok(asked) => asked,
        Err(error) => return core.refuse(token, error),
    };
    let Some(conn) = core.conn(token) else { return };
    if conn.session.in_exec {
        return core.migrate_in_place(token, asked);
    }
    let mut wanted = ShardSet::default();
    asked.keys.iter().for_each(|key| wanted.insert(core.exec.shard_of(key)));
    let begin = move |core: &mut Core, _: &OwnedRequest| core.begin_migration(token, asked, wanted);
    core.with_shards_unless_paused(token, wanted, true, request.clone(), begin);
}

/// What is asked for.
struct Asked {
    target: Target,
    copy: bool,
    keys: Vec<Vec<u8>>,
}

impl Asked {
    fn parse(args: Args<'_>) -> Result<Self, &'static str> {
        let (mut copy, mut replace, mut user, mut password) = (false, false, None, None);
        let mut keys = 3..4;
        let mut at = 6;
        while at < args.len() {
            let more = args.len() - 1 - at;
            if args.is(at, "COPY") {
                copy = true;
            } else if args.is(at, "REPLACE") {
                replace = true;
            } else if args.is(at, "AUTH") && more >= 1 {
                password = Some(args.get(at + 1).to_vec());
                at += 1;
            } else if args.is(at, "AUTH2") && more >= 2 {
                user = Some(args.get(at + 1).to_vec());
                password = Some(args.get(at + 2).to_vec());
                at += 2;
            } else if args.is(at, "KEYS") {
                if !args.get(3).is_empty() {
                    return Err(KEY_AND_KEYS);
                }
                keys = at + 1..args.len();
                break;
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        let timeout = parse_i64(args.get(5)).ok_or(NOT_A_NUMBER)?;
        let db = parse_i64(args.get(4)).ok_or(NOT_A_NUMBER)?;
        let timeout = Duration::from_millis(u64::try_from(timeout).ok().filter(|&ms| ms > 0).unwrap_or(TIMEOUT_MS_DEFAULT));
        let host = String::from_utf8_lossy(args.get(1)).into_owned();
        // What is no port is one that nobody listens on.
        let port = parse_i64(args.get(2)).and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        let target = Target { host, port, user, password, db, replace, timeout };
        Ok(Asked { target, copy, keys: keys.map(|at| args.get(at).to_vec()).collect() })
    }
}

/// A key on its way.
struct Leaving {
    key: Vec<u8>,
    expire: Option<UnixMs>,
    /// Raised when it is written to.
    changed: Arc<WatchFlag>,
}

/// Keys on their way, and who waits for the outcome.
struct Migration {
    token: Token,
    promise: Promise,
    who: Who,
    keys: Vec<Leaving>,
    /// The shards of the keys.
    shards: ShardSet,
}

impl Core {
    /// Sends keys off, whose shards are all here.
    fn begin_migration(&mut self, token: Token, asked: Asked, shards: ShardSet) {
        // While it waited for shards this node may have become a replica.
        let error = self.shared.gates().has(Gate::ReadOnly).then_some(READONLY);
        let Some((who, _)) = self.who(token) else { return };
        let departing = if error.is_none() { self.departing(who, &asked.keys) } else { Vec::new() };
        if departing.is_empty() {
            match error {
                Some(error) => self.refuse(token, error),
                None => self.reply(token, |reply| reply.status("NOKEY")),
            }
            return self.unstall(token, Stall::Lend);
        }
        let Some(promise) = self.promise(token) else { return };
        let keys = if asked.copy { Vec::new() } else { self.watch_leaving(who, &departing) };
        // Whoever waits for what has come to light is served now that it is noted when a key changes; and in the midst of a
        // transaction not at all.
        self.exec.serve_if_ready();
        let migration = Migration { token, promise, who, keys, shards };
        let home = self.peers[self.exec.id].clone();
        let done = Box::new(move |arrivals| {
            home.send(crate::core::Message::Run(Box::new(move |core| core.end_migration(migration, arrivals))));
        });
        self.service.send(ServiceCommand::Migrate(MigrateJob { target: asked.target, keys: departing, holds_up: false, done }));
    }

    /// Those of the keys that are there.
    fn departing(&mut self, who: Who, keys: &[Vec<u8>]) -> Vec<Departing> {
        let mut departing = Vec::with_capacity(keys.len());
        let mut no_reply = Reply::new(false);
        self.exec.effects.begin_unit();
        let mut cx = self.exec.context(None, who, &mut no_reply);
        for key in keys {
            cx.settle_fields(key);
            let Some(entry) = cx.read(key) else { continue };
            let value = entry.owned_value().map_or_else(|| entry.value().to_value(), Value::clone);
            departing.push(Departing { key: key.clone(), value, expire: entry.expire() });
        }
        self.exec.effects.end_unit();
        departing
    }

    /// Has it noted when they are written to.
    fn watch_leaving(&mut self, who: Who, departing: &[Departing]) -> Vec<Leaving> {
        let mut leaving = Vec::with_capacity(departing.len());
        for Departing { key, expire, .. } in departing {
            let changed = Arc::new(WatchFlag::strict());
            let shard = self.exec.shard_of(key);
            if let Some(shard) = self.exec.shards[shard].as_deref_mut() {
                shard.watch.watch(who.db, key, false, &changed);
            }
            leaving.push(Leaving { key: key.clone(), expire: *expire, changed });
        }
        leaving
    }

    /// The target has answered: what it has goes, and the client hears of it.
    fn end_migration(&mut self, migration: Migration, arrivals: Arrivals) {
        if migration.keys.is_empty() {
            return self.answer_migration(migration.promise, arrivals.error);
        }
        let shards = migration.shards;
        let go_on = move |core: &mut Core| {
            if core.shared.gates().has(Gate::PausedWrites) {
                // Whoever has paused writes relies on it that nothing is written.
                return core.paused_work.push(Box::new(|core| core.end_migration(migration, arrivals)));
            }
            let Migration { token, promise, who, keys, .. } = migration;
            let error = core.let_go(token, who, &keys, &arrivals.taken);
            core.answer_migration(promise, arrivals.error.or(error));
        };
        self.with_shards(shards, Box::new(go_on));
    }

    /// Deletes those that the target has and that nobody has written to meanwhile. Otherwise, the error.
    fn let_go(&mut self, token: Token, who: Who, keys: &[Leaving], taken: &[bool]) -> Option<String> {
        let (mut gone, mut changed) = (Vec::new(), 0);
        for (Leaving { key, expire, changed: flag }, taken) in keys.iter().zip(taken) {
            let now = self.exec.now;
            let index = self.exec.shard_of(key);
            let Some(shard) = self.exec.shards[index].as_deref_mut() else { continue };
            shard.watch.unwatch(who.db, key, flag);
            let has_expired = || expire.is_some_and(|expire| expire <= now) && shard.dbs[who.db.0 as usize].find(key).is_none();
            match taken {
                true if !flag.is_raised() => gone.push(&key[..]),
                true if !has_expired() => changed += 1,
                _ => {}
            }
        }
        if self.shared.gates().has(Gate::ReadOnly) {
            // It is our primary now that decides what goes.
            return Some(READONLY.into());
        }
        self.exec.tracker = self.tracker_of(token);
        self.delete_migrated(who, &gone);
        self.exec.serve_if_ready();
        self.exec.tracker = None;
        (changed > 0).then(|| {
            format!(
                "ERR {changed} of {} keys were written to on their way to the target instance, and are still here",
                keys.len()
            )
        })
    }

    /// Deletes keys, and has replicas do so, as one `DEL` would.
    fn delete_migrated(&mut self, who: Who, keys: &[&[u8]]) {
        let Some(Run::Keys(del)) = self.exec.registry.find_in_table(b"del").map(|command| command.run) else { return };
        if keys.is_empty() {
            return;
        }
        let request = OwnedRequest::from_words(&[&[&b"DEL"[..]], keys].concat());
        let mut no_reply = Reply::new(false);
        self.exec.effects.begin_unit();
        self.exec.context(None, who, &mut no_reply).run(del, request.args());
        self.exec.effects.end_unit();
    }

    fn answer_migration(&mut self, promise: Promise, error: Option<String>) {
        promise.keep_here(self, |_, reply| match error {
            None => reply.ok(),
            Some(error) => reply.error(&error),
        });
    }

    /// In the midst of a transaction or a script, which holds every shard: nothing else happens to the data until the target has
    /// answered.
    fn migrate_in_place(&mut self, token: Token, asked: Asked) {
        let Some((who, _)) = self.who(token) else { return };
        let departing = self.departing(who, &asked.keys);
        if departing.is_empty() {
            return self.reply(token, |reply| reply.status("NOKEY"));
        }
        let keys: Vec<Vec<u8>> = departing.iter().map(|departing| departing.key.clone()).collect();
        let (tell, outcome) = channel();
        let done = Box::new(move |arrivals| _ = tell.send(arrivals));
        self.service.send(ServiceCommand::Migrate(MigrateJob { target: asked.target, keys: departing, holds_up: true, done }));
        let arrivals: Arrivals = loop {
            match outcome.recv_timeout(LOOK_AROUND) {
                Ok(arrivals) => break arrivals,
                Err(RecvTimeoutError::Timeout) if !self.shared.stopping.load(Ordering::Acquire) => {}
                Err(_) => return self.refuse(token, "ERR the node is shutting down"),
            }
        };
        if !asked.copy {
            let gone = keys.iter().zip(arrivals.taken).filter(|(_, taken)| *taken).map(|(key, _)| &key[..]);
            self.delete_migrated(who, &gone.collect::<Vec<_>>());
        }
        match arrivals.error {
            None => self.reply(token, Reply::ok),
            Some(error) => self.refuse(token, &error),
        }
    }
}
