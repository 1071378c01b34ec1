//! What the commands about deadlines of fields share: the list of fields behind `FIELDS`, a change that may do several things to
//! a hash at once, and what replicas and subscribers are told of it.
//!
//! Replicas are told absolute times, and a time that has passed as a deletion. A replica itself keeps a field until its primary
//! says that it is gone, since the clocks may differ.

use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::config::NotifyFlags;
use crate::events::Change;
use crate::shard::value::hash::timed::DEADLINE_MAX;
use crate::shard::value::{Hash, Thresholds, Value, ValueMut};
use koltso_proto::number::parse_i64;
use koltso_proto::resp::Args;

pub(super) const NO_FIELDS: Error = Error::fixed("ERR Mandatory argument FIELDS is missing or not at the right position");
pub(super) const OTHER_COUNT: Error = Error::fixed("ERR The `numfields` parameter must match the number of arguments");

/// The fields behind the word `FIELDS` and their number, which stand at `at`, to the end.
///
/// # Errors
/// The word is not there, the number is none (that is `bad_count`), or there are not so many.
pub(super) fn listed<'a>(args: Args<'a>, at: usize, bad_count: &'static str) -> Outcome<Vec<&'a [u8]>> {
    if at + 1 >= args.len() || !args.is(at, "FIELDS") {
        return Err(NO_FIELDS);
    }
    let count = parse_i64(args.get(at + 1)).filter(|count| *count > 0).ok_or(Error::fixed(bad_count))?;
    let fields: Vec<&[u8]> = args.from(at + 2).collect();
    if usize::try_from(count) != Ok(fields.len()) {
        return Err(OTHER_COUNT);
    }
    Ok(fields)
}

/// What was done to a hash.
#[derive(Default)]
pub(super) struct Done<'a> {
    /// Fields with the values they were given.
    pub(super) set: Vec<(&'a [u8], &'a [u8])>,
    /// Fields with the deadlines they were given, or have kept although they were set.
    pub(super) dated: Vec<(&'a [u8], u64)>,
    /// Fields whose deadline was taken away.
    pub(super) persisted: Vec<&'a [u8]>,
    /// Fields that were taken out.
    pub(super) deleted: Vec<&'a [u8]>,
}

impl<'a> Done<'a> {
    fn changes(&self) -> usize {
        self.set.len() + self.dated.len() + self.persisted.len() + self.deleted.len()
    }

    /// Gives a field, which is there, a deadline; one that has passed takes it out, unless `keep` says that others see to that.
    pub(super) fn date(&mut self, hash: &mut Hash, field: &'a [u8], deadline: u64, at: &Clock) {
        if deadline <= at.now_ms && !at.keeps {
            hash.remove(field);
            self.deleted.push(field);
        } else {
            hash.set_deadline(field, deadline, &at.limits);
            self.dated.push((field, deadline));
        }
    }

    fn events(&self) -> impl Iterator<Item = &'static str> {
        let lists = [
            (self.set.is_empty(), "hset"),
            (self.dated.is_empty(), "hexpire"),
            (self.persisted.is_empty(), "hpersist"),
            (self.deleted.is_empty(), "hdel"),
        ];
        lists.into_iter().filter(|(is_empty, _)| !is_empty).map(|(_, name)| name)
    }

    fn propagate(&self, cx: &mut Ctx<'_>, key: &[u8]) {
        cx.propagate_nothing();
        if !self.set.is_empty() {
            tell(cx, &[b"HSET", key], &mut self.set.iter().flat_map(|(field, value)| [*field, *value]));
        }
        for same in self.dated.chunk_by(|a, b| a.1 == b.1) {
            let (mut deadline, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
            let (deadline, count) = (deadline.format(same[0].1).as_bytes(), count.format(same.len()).as_bytes());
            tell(cx, &[b"HPEXPIREAT", key, deadline, b"FIELDS", count], &mut same.iter().map(|(field, _)| *field));
        }
        if !self.persisted.is_empty() {
            let mut count = itoa::Buffer::new();
            let count = count.format(self.persisted.len()).as_bytes();
            tell(cx, &[b"HPERSIST", key, b"FIELDS", count], &mut self.persisted.iter().copied());
        }
        if !self.deleted.is_empty() {
            tell(cx, &[b"HDEL", key], &mut self.deleted.iter().copied());
        }
    }
}

fn tell<'a>(cx: &mut Ctx<'_>, head: &[&'a [u8]], rest: &mut dyn Iterator<Item = &'a [u8]>) {
    let words: Vec<&[u8]> = head.iter().copied().chain(rest).collect();
    cx.propagate(&words);
}

/// What deadlines are judged by.
pub(super) struct Clock {
    pub(super) now_ms: u64,
    /// Whether a field stays whose time is over, because the primary says when it goes.
    keeps: bool,
    pub(super) limits: Thresholds,
}

impl Clock {
    pub(super) fn of(cx: &mut Ctx<'_>) -> Self {
        Clock { now_ms: cx.now.0, keeps: cx.is_replica(), limits: cx.config.thresholds }
    }
}

/// Changes the hash at `key`, if there is one; sees to the events, the propagation, and to a hash that becomes empty.
///
/// # Errors
/// The key holds another type.
pub(super) fn change<'a, R>(
    cx: &mut Ctx<'_>,
    key: &[u8],
    change: impl FnOnce(&mut Hash, &mut Done<'a>) -> R,
) -> Outcome<Option<R>> {
    cx.settle_fields(key);
    let mut done = Done::default();
    let Some(mut entry) = cx.write(key) else { return Ok(None) };
    let ValueMut::Hash(hash) = entry.value_mut() else { return Err(errors::WRONG_TYPE) };
    let result = change(hash, &mut done);
    let empty = hash.is_empty();
    finish(cx, key, &done, empty);
    Ok(Some(result))
}

/// As [`change`], with a new hash where there is none; what is empty then is not kept.
pub(super) fn change_or_create<'a, R>(
    cx: &mut Ctx<'_>,
    key: &[u8],
    mut edit: impl FnMut(&mut Hash, &mut Done<'a>) -> R,
) -> Outcome<R> {
    if let Some(result) = change(cx, key, &mut edit)? {
        return Ok(result);
    }
    let (mut hash, mut done) = (Hash::new(), Done::default());
    let result = edit(&mut hash, &mut done);
    if !hash.is_empty() {
        cx.set_value(key, Value::Hash(hash), None);
        cx.dirty -= 1;
        finish(cx, key, &done, false);
    }
    Ok(result)
}

fn finish(cx: &mut Ctx<'_>, key: &[u8], done: &Done<'_>, empty: bool) {
    let changes = done.changes();
    if changes == 0 {
        return;
    }
    let db = cx.db;
    if cx.effects.events.is_on() {
        for name in done.events() {
            cx.effects.events.note(Change::Named(NotifyFlags::HASH, name), db, key);
        }
    }
    if empty {
        cx.delete(key);
    } else {
        cx.changed(key);
        cx.field_deadlines_changed(key);
    }
    cx.dirty += changes as u64 - 1;
    done.propagate(cx, key);
}

/// How a command says when fields are to expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It does not.
    None,
    /// At this time, in milliseconds since the epoch.
    At(u64),
    /// Never, or as they did before: the word that the command has for that.
    Word,
}

impl Expiry {
    /// Reads `EX`, `PX`, `EXAT`, `PXAT` or `word` at `at`; `None` if it is another word. Moves on.
    pub(super) fn parse(cx: &Ctx<'_>, args: Args<'_>, at: &mut usize, word: &str, command: &str) -> Outcome<Option<Self>> {
        let given = args.get(*at);
        if parse::is(given, word) {
            *at += 1;
            return Ok(Some(Expiry::Word));
        }
        let Some(unit) = parse::TimeUnit::of_option(given) else { return Ok(None) };
        if *at + 1 >= args.len() {
            return Err(errors::wrong_arity(command));
        }
        let deadline = deadline(cx, unit, args.get(*at + 1), command)?;
        *at += 2;
        Ok(Some(Expiry::At(deadline)))
    }
}

/// A time that a command was given, in milliseconds since the epoch. It may have passed.
pub(super) fn deadline(cx: &Ctx<'_>, unit: parse::TimeUnit, text: &[u8], command: &str) -> Outcome<u64> {
    let time = parse::int(text)?;
    if time < 0 {
        return Err(Error::fixed("ERR invalid expire time, must be >= 0"));
    }
    let deadline = unit.to_unix_ms(time, cx.now).and_then(|ms| u64::try_from(ms).ok());
    deadline.filter(|deadline| *deadline <= DEADLINE_MAX).ok_or_else(|| errors::bad_expire(command))
}
