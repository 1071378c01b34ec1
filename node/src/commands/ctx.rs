//! What a command is handed: its keys, its reply, the time, and the way to say what it changed.

use crate::config::{Config, NotifyFlags};
use crate::effects::EffectBuffer;
use crate::events::Change;
use crate::shard::access::AccessPolicy;
use crate::shard::entry::{Entry, EntryMut, EntryRef};
use crate::shard::keyspace::Keyspace;
use crate::shard::table::Spot;
use crate::shard::value::{Value, ValueRef};
use crate::waiting::Waits;
use koltso_proto::id::{DbIndex, UnixMs};
use koltso_proto::resp::{Args, Reply};
use rand::rngs::SmallRng;

/// A key that was looked for is not there.
const MISS: Change = Change::Named(NotifyFlags::KEY_MISS, "keymiss");

/// Who asked for an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client.
    Client,
    /// The stream of our primary: nothing expires by our own clock, and effects are the stream itself.
    Primary,
}

/// The surroundings of one execution.
pub struct Ctx<'a> {
    /// The shards this execution holds.
    pub keys: Keyspace<'a>,
    /// The selected database.
    pub db: DbIndex,
    /// The time, the same for the whole execution.
    pub now: UnixMs,
    /// Where the reply goes.
    pub reply: &'a mut Reply,
    /// Where effects go.
    pub effects: &'a mut EffectBuffer,
    /// Who asked.
    pub origin: Origin,
    /// The configuration in force.
    pub config: &'a Config,
    /// Randomness: for `SPOP`, `RANDOMKEY`, sampling.
    pub rng: &'a mut SmallRng,
    /// Whether keys are left alone by access times (`CLIENT NO-TOUCH`).
    pub no_touch: bool,
    /// Whether nothing expires now (`CLIENT PAUSE`): an expired key is hidden, and stays.
    pub frozen: bool,
    /// Whether the command may wait for its keys, and whether it wants to.
    pub waits: Waits,
    /// Whether a script asks.
    pub scripted: bool,
    /// Whether anything was changed since the command began, in number of changes.
    pub dirty: u64,
    /// Whether the command has said itself what to propagate.
    pub propagated: bool,
}

impl<'a> Ctx<'a> {
    /// Whether effects are wanted: there is a log, and this node is where writes originate.
    #[inline]
    pub fn logging(&mut self) -> bool {
        self.origin == Origin::Client && self.keys.any().logged
    }

    /// Whether this node is a replica that leaves expiry to its primary.
    #[inline]
    pub fn is_replica(&mut self) -> bool {
        self.origin == Origin::Primary || self.keys.any().replica
    }

    /// The number of databases.
    pub fn databases(&mut self) -> usize {
        self.keys.any().dbs.len()
    }

    /// Does something in another database than the selected one.
    pub fn in_db<R>(&mut self, db: DbIndex, work: impl FnOnce(&mut Self) -> R) -> R {
        let selected = std::mem::replace(&mut self.db, db);
        let result = work(self);
        self.db = selected;
        result
    }

    /// What the access bits of entries mean.
    pub fn access_policy(&mut self) -> AccessPolicy {
        let db = self.db;
        self.keys.any().dbs[db.0 as usize].policy()
    }

    // ---- looking up -------------------------------------------------------------------------------------------------

    /// The entry at `key`, for reading. Counts a hit or a miss, and notes the access. An expired entry is not there.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.read_into(key).0
    }

    /// As [`read`](Self::read), together with the reply, so that the one can be written into the other without a copy.
    #[inline]
    pub fn read_into(&mut self, key: &[u8]) -> (Option<EntryRef<'_>>, &mut Reply) {
        let (db, now, touch) = (self.db, self.now, !self.no_touch);
        let spot = self.locate(key);
        let shard = self.keys.shard_for(key);
        let Some(spot) = spot else {
            shard.stats.misses += 1;
            if self.effects.events.is_on() {
                self.effects.events.note(MISS, db, key);
            }
            return (None, self.reply);
        };
        shard.stats.hits += 1;
        let table = &shard.dbs[db.0 as usize];
        if touch {
            table.touch(spot, now);
        }
        (Some(table.at(spot)), self.reply)
    }

    /// As [`read`](Self::read), without noting the access: for `TTL`, `EXISTS`, `TYPE`.
    pub fn look(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let (db, spot) = (self.db, self.locate(key));
        let shard = self.keys.shard_for(key);
        match spot {
            None => {
                shard.stats.misses += 1;
                if self.effects.events.is_on() {
                    self.effects.events.note(MISS, db, key);
                }
            }
            Some(_) => shard.stats.hits += 1,
        }
        spot.map(|spot| shard.dbs[db.0 as usize].at(spot))
    }

    /// Notes an access to `key`, even for a client that leaves no traces otherwise; says whether there is an entry.
    pub fn touch(&mut self, key: &[u8]) -> bool {
        let no_touch = std::mem::replace(&mut self.no_touch, false);
        let found = self.read(key).is_some();
        self.no_touch = no_touch;
        found
    }

    /// The entry at `key` as it is, without counting or noting the access: for conditions, and what goes on to change it.
    pub fn peek(&mut self, key: &[u8]) -> Option<EntryRef<'_>> {
        let spot = self.locate(key)?;
        let db = self.db;
        Some(self.keys.shard_for(key).dbs[db.0 as usize].at(spot))
    }

    /// The entry at `key`, for changing it in place. Follow the change with [`changed`](Self::changed).
    pub fn write(&mut self, key: &[u8]) -> Option<EntryMut<'_>> {
        let spot = self.locate(key)?;
        let (db, now) = (self.db, self.now);
        let table = &mut self.keys.shard_for(key).dbs[db.0 as usize];
        table.touch(spot, now);
        Some(table.at_mut(spot))
    }

    /// Where the entry at `key` lies, if there is one as far as this execution can see: an expired one is deleted.
    #[inline(always)]
    fn locate(&mut self, key: &[u8]) -> Option<Spot> {
        let (db, now, origin) = (self.db, self.now, self.origin);
        let table = &self.keys.shard_for(key).dbs[db.0 as usize];
        let spot = table.locate(key)?;
        match table.at(spot).expire() {
            Some(deadline) if deadline <= now && origin == Origin::Client => {
                self.expire_now(key);
                None
            }
            _ => Some(spot),
        }
    }

    #[cold]
    fn expire_now(&mut self, key: &[u8]) {
        if self.frozen || self.is_replica() {
            return;
        }
        let db = self.db;
        let shard = self.keys.shard_for(key);
        shard.dbs[db.0 as usize].delete(key);
        shard.watch.expired(db, key);
        shard.stats.expired += 1;
        if self.effects.events.is_on() {
            self.effects.events.note(Change::Named(NotifyFlags::EXPIRED, "expired"), db, key);
        }
        if self.logging() {
            let name = self.name_of_deletion();
            self.effects.push_always(db, [name, key].into_iter());
        }
    }

    /// Before a hash is looked at: takes out of it what is over, or some of it, and hides the rest. A replica only hides, and what
    /// comes from our primary sees everything.
    #[inline]
    pub fn settle_fields(&mut self, key: &[u8]) {
        let db = self.db;
        if self.keys.shard_for(key).dbs[db.0 as usize].has_field_deadlines() {
            self.settle_timed(key);
        }
    }

    #[cold]
    fn settle_timed(&mut self, key: &[u8]) {
        let Some(spot) = self.locate(key) else { return };
        let (db, now) = (self.db, self.now);
        let view = if self.origin == Origin::Client { now.0 } else { 0 };
        let table = &self.keys.shard_for(key).dbs[db.0 as usize];
        let ValueRef::Hash(hash) = table.at(spot).value() else { return };
        let Some(timed) = hash.timed() else { return };
        timed.view_at(view);
        if view > 0 && timed.due(now.0) > 0 && !self.frozen && !self.is_replica() {
            self.expire_fields_now(key);
        }
    }

    fn expire_fields_now(&mut self, key: &[u8]) {
        let (db, now, logging) = (self.db, self.now, self.logging());
        let shard = self.keys.shard_for(key);
        let effects = &mut *self.effects;
        shard.dbs[db.0 as usize].expire_fields(key, now, &mut |expired| {
            shard.watch.touched(db, key);
            shard.stats.expired_fields += expired.fields.len() as u64;
            if effects.events.is_on() {
                expired.events().for_each(|(class, name)| effects.events.note(Change::Named(class, name), db, key));
            }
            if logging {
                effects.push_always(db, expired.deletion());
            }
        });
    }

    /// Says that deadlines of fields of the hash at `key` were changed.
    pub fn field_deadlines_changed(&mut self, key: &[u8]) {
        let db = self.db;
        self.keys.shard_for(key).dbs[db.0 as usize].note_field_deadline(key);
    }

    // ---- changing ---------------------------------------------------------------------------------------------------

    /// Puts a string at `key`, whatever was there; the deadline becomes `expire`. Counts as one change.
    pub fn set_string(&mut self, key: &[u8], bytes: &[u8], expire: Option<UnixMs>) {
        let (db, now) = (self.db, self.now);
        self.note_if_new(key);
        self.keys.shard_for(key).dbs[db.0 as usize].set_string(key, bytes, expire, now);
        self.changed(key);
    }

    /// Puts a value at `key`, whatever was there. Counts as one change.
    pub fn set_value(&mut self, key: &[u8], value: Value, expire: Option<UnixMs>) {
        let (db, now) = (self.db, self.now);
        self.note_if_new(key);
        self.keys.shard_for(key).dbs[db.0 as usize].set_value(key, value, expire, now);
        self.changed(key);
    }

    /// Puts an entry under its key, whatever was there. Counts as one change.
    pub fn put(&mut self, entry: Entry) {
        let db = self.db;
        if self.effects.events.is_on() {
            // What was there before has been taken away first.
            self.effects.events.note(Change::Created, db, entry.key());
            self.effects.events.note(Change::Modified, db, entry.key());
        }
        let shard = self.keys.shard_for(entry.key());
        shard.watch.touched(db, entry.key());
        shard.dbs[db.0 as usize].put(entry, self.now);
        self.dirty += 1;
    }

    /// Takes the entry at `key` away. Counts as one change if there was one.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.locate(key)?;
        let db = self.db;
        let entry = self.keys.shard_for(key).dbs[db.0 as usize].remove(key)?;
        self.note_change(Change::Deleted, key);
        Some(entry)
    }

    /// Deletes the entry at `key`; says whether there was one. Cheaper than [`remove`](Self::remove). Counts as one change if
    /// there was one.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let db = self.db;
        let done = self.locate(key).is_some() && self.keys.shard_for(key).dbs[db.0 as usize].delete(key);
        if done {
            self.note_change(Change::Deleted, key);
        }
        done
    }

    /// Sets or clears the deadline of an existing entry. Counts as one change if the entry was there.
    pub fn set_expire(&mut self, key: &[u8], expire: Option<UnixMs>) -> bool {
        let db = self.db;
        let done = self.keys.shard_for(key).dbs[db.0 as usize].set_expire(key, expire);
        if done {
            self.note_change(if expire.is_some() { Change::Deadline } else { Change::Persisted }, key);
        }
        done
    }

    /// Sets the deadline of an existing entry, as a client asked for it, and propagates that. Where it has passed, the entry is
    /// deleted instead; but a replica waits for its primary to say so.
    pub fn expire_at(&mut self, key: &[u8], deadline: UnixMs) {
        if deadline <= self.now && !self.is_replica() {
            self.delete_expired(key);
        } else if self.set_expire(key, Some(deadline)) {
            self.propagate(&[b"PEXPIREAT", key, itoa::Buffer::new().format(deadline.0).as_bytes()]);
        }
    }

    /// Deletes the entry at `key`, if there is one, since a client gave it a time that has passed; propagates just that.
    pub fn delete_expired(&mut self, key: &[u8]) {
        if self.delete(key) {
            let name = self.name_of_deletion();
            self.propagate(&[name, key]);
        }
    }

    /// How replicas are told of an expired key.
    fn name_of_deletion(&self) -> &'static [u8] {
        if self.config.lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" }
    }

    /// Says that the entry at `key` was changed: watchers of it are told, and the command will be propagated.
    #[inline]
    pub fn changed(&mut self, key: &[u8]) {
        self.note_change(Change::Modified, key);
    }

    #[inline]
    fn note_change(&mut self, change: Change, key: &[u8]) {
        let db = self.db;
        self.keys.shard_for(key).watch.touched(db, key);
        self.dirty += 1;
        if self.effects.events.is_on() {
            self.effects.events.note(change, db, key);
        }
    }

    #[inline]
    fn note_if_new(&mut self, key: &[u8]) {
        if self.effects.events.wants(NotifyFlags::NEW_KEY) {
            let db = self.db;
            if self.keys.shard_for(key).dbs[db.0 as usize].find(key).is_none() {
                self.effects.events.note(Change::Created, db, key);
            }
        }
    }

    /// For a command that has found nothing to take: its client waits so many milliseconds, or forever if that is 0. Where it may
    /// not, `nothing` is its reply.
    pub fn wait(&mut self, timeout_ms: u64, nothing: impl FnOnce(&mut Reply)) {
        if self.waits == Waits::Never {
            return nothing(self.reply);
        }
        self.waits = Waits::Wants(timeout_ms);
    }

    // ---- propagating ------------------------------------------------------------------------------------------------

    /// Propagates this instead of the command as it was given; call it again for further effects.
    pub fn propagate(&mut self, args: &[&[u8]]) {
        self.propagated = true;
        if self.logging() {
            self.effects.push(self.db, args.iter().copied());
        }
    }

    /// As [`propagate`](Self::propagate), for another database than the selected one.
    pub fn propagate_in(&mut self, db: DbIndex, args: &[&[u8]]) {
        self.propagated = true;
        if self.logging() {
            self.effects.push(db, args.iter().copied());
        }
    }

    /// Propagates nothing for this command, although it changed something.
    pub fn propagate_nothing(&mut self) {
        self.propagated = true;
    }

    /// Runs `handler` for one command and propagates what it did. The caller has begun the unit and will end it.
    #[inline(always)]
    pub fn run(&mut self, handler: super::Handler, args: Args<'_>) {
        self.dirty = 0;
        self.propagated = false;
        handler(self, args);
        if self.dirty > 0 {
            let shard = self.keys.any();
            shard.stats.dirty += self.dirty;
            if !self.propagated && shard.logged && self.origin == Origin::Client {
                self.effects.push(self.db, args.from(0));
            }
        }
        if self.effects.events.is_on() {
            super::notify::announce(self, args);
        }
    }
}
