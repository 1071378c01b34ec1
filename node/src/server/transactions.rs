//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::connection::{OwnedRequest, Stall, Token, Transaction, WatchedKey};
use crate::core::{Core, Message};
use crate::dispatch::registry::ServerHandler;
use crate::dispatch::shard_set::ShardSet;
use crate::shard::watch::WatchFlag;
use koltso_proto::resp::Reply;
use std::sync::Arc;

pub const HANDLERS: &[(&str, ServerHandler)] =
    &[("multi", multi), ("exec", exec), ("discard", discard), ("watch", watch), ("unwatch", unwatch)];

fn multi(core: &mut Core, token: Token, _: &OwnedRequest) {
    let Some(conn) = core.conn(token) else { return };
    if conn.session.transaction.is_some() {
        // Unlike other errors, this one does not spoil the transaction.
        return core.reply(token, |reply| reply.error("ERR MULTI calls can not be nested"));
    }
    conn.session.transaction = Some(Box::<Transaction>::default());
    core.reply(token, Reply::ok);
}

fn exec(core: &mut Core, token: Token, request: &OwnedRequest) {
    core.exec_transaction(token, request.clone());
}

fn discard(core: &mut Core, token: Token, _: &OwnedRequest) {
    let Some(conn) = core.conn(token) else { return };
    if conn.session.transaction.take().is_none() {
        return core.refuse(token, "ERR DISCARD without MULTI");
    }
    core.unwatch(token);
    core.reply(token, Reply::ok);
}

fn unwatch(core: &mut Core, token: Token, _: &OwnedRequest) {
    core.unwatch(token);
    core.reply(token, Reply::ok);
}

fn watch(core: &mut Core, token: Token, request: &OwnedRequest) {
    let Some(conn) = core.conn(token) else { return };
    if conn.session.transaction.is_some() {
        return core.reply(token, |reply| reply.error("ERR WATCH inside MULTI is not allowed"));
    }
    let db = conn.session.db;
    let keys: Vec<WatchedKey> = request.args().from(1).map(|key| WatchedKey { db, key: key.to_vec(), live: false }).collect();
    let mut wanted = ShardSet::default();
    for watched in &keys {
        wanted.insert(core.exec.shard_of(&watched.key));
    }
    core.stall(token, Stall::Lend);
    core.with_shards(
        wanted,
        Box::new(move |core| {
            core.watch_here(token, keys);
            core.reply(token, Reply::ok);
            core.unstall(token, Stall::Lend);
        }),
    );
}

impl Core {
    /// Watches keys, whose shards are all here.
    fn watch_here(&mut self, token: Token, keys: Vec<WatchedKey>) {
        let Some(conn) = self.conn(token) else { return };
        let (flag, mut watched) = conn.session.watch.take().unwrap_or_else(|| (Arc::new(WatchFlag::default()), Vec::new()));
        let mut watched_len = if watched.is_empty() { 0 } else { conn.session.watched_len };
        let now = self.exec.now;
        for mut key in keys {
            let shard = self.exec.shard_of(&key.key);
            let Some(shard) = self.exec.shards[shard].as_deref_mut() else { continue };
            let entry = shard.dbs[key.db.0 as usize].find(&key.key);
            // A key that is over but still there counts as missing: its removal is not a change.
            let over = entry.map(|entry| entry.expire().is_some_and(|deadline| deadline <= now));
            if !shard.watch.watch(key.db, &key.key, over == Some(true), &flag) {
                continue;
            }
            key.live = over == Some(false);
            watched_len += key.key.len();
            watched.push(key);
        }
        if let Some(conn) = self.conn(token) {
            conn.session.watch = Some((flag, watched));
            conn.session.watched_len = watched_len;
        }
    }

    /// Whether a watched key was there and its time has run out since, without anybody having removed it yet. All the shards
    /// are here.
    pub(crate) fn watched_key_expired(&mut self, watched: &[WatchedKey]) -> bool {
        let now = self.exec.now;
        watched.iter().filter(|key| key.live).any(|key| {
            let shard = self.exec.shard_of(&key.key);
            let Some(shard) = self.exec.shards[shard].as_deref() else { return false };
            let deadline = shard.dbs[key.db.0 as usize].find(&key.key).and_then(|entry| entry.expire());
            deadline.is_some_and(|deadline| deadline <= now)
        })
    }

    /// Forgets the keys a connection watches.
    pub(crate) fn unwatch(&mut self, token: Token) {
        let Some((flag, keys)) = self.conn(token).and_then(|conn| conn.session.watch.take()) else { return };
        self.forget_watch(flag, keys);
    }

    /// Has every shard that knows of a flag forget it; nobody waits for that.
    pub(crate) fn forget_watch(&mut self, flag: Arc<WatchFlag>, keys: Vec<WatchedKey>) {
        let mut elsewhere: Vec<Vec<WatchedKey>> = vec![Vec::new(); self.exec.shards.len()];
        for watched in keys {
            let index = self.exec.shard_of(&watched.key);
            match self.exec.shards[index].as_deref_mut() {
                Some(shard) => shard.watch.unwatch(watched.db, &watched.key, &flag),
                None => elsewhere[index].push(watched),
            }
        }
        for (index, keys) in elsewhere.into_iter().enumerate().filter(|(_, keys)| !keys.is_empty()) {
            let flag = Arc::clone(&flag);
            let forget = move |core: &mut Core| {
                let Some(shard) = core.exec.shards[core.exec.id].as_deref_mut() else { return };
                keys.iter().for_each(|watched| shard.watch.unwatch(watched.db, &watched.key, &flag));
            };
            let visit = move |core: &mut Core| core.with_shards(core.own_shard(), Box::new(forget));
            self.send(index, Message::Run(Box::new(visit)));
        }
    }
}
