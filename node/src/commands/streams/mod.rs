//! Streams and consumer groups.
//!
//! Replicas are told what happened: concrete ids, the length that an approximate trim left, and for every entry that was
//! delivered or claimed, an `XCLAIM` that makes the same entry pending with the same consumer. As in Redis, what happens to groups
//! does not touch the watchers of a key; what happens to entries does.

mod add;
mod admin;
mod claim;
mod group_read;
mod groups;
mod ids;
mod info;
mod pending;
mod range;
mod read;
mod trim;
pub(crate) mod wait;

use super::errors::{self, Error, Outcome};
use super::{Ctx, Handler};
use crate::config::NotifyFlags;
use crate::events::Change;
use crate::fallible;
use crate::shard::value::stream::{NodeLimits, Pending, Stream};
use crate::shard::value::{ValueMut, ValueRef};
use koltso_proto::resp::Reply;
use koltso_proto::stream::{Entry, StreamId};

/// The commands of this family.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("xadd", fallible!(add::xadd)),
    ("xtrim", fallible!(trim::xtrim)),
    ("xdel", fallible!(admin::xdel)),
    ("xlen", fallible!(admin::xlen)),
    ("xsetid", fallible!(admin::xsetid)),
    ("xrange", fallible!(range::xrange)),
    ("xrevrange", fallible!(range::xrevrange)),
    ("xread", fallible!(read::xread)),
    ("xreadgroup", fallible!(read::xreadgroup)),
    ("xgroup", fallible!(groups::xgroup)),
    ("xack", fallible!(pending::xack)),
    ("xpending", fallible!(pending::xpending)),
    ("xclaim", fallible!(claim::xclaim)),
    ("xautoclaim", fallible!(claim::xautoclaim)),
    ("xinfo", fallible!(info::xinfo)),
];

/// The stream at `key`, to read.
fn read<'c>(cx: &'c mut Ctx<'_>, key: &[u8]) -> Outcome<Option<&'c Stream>> {
    Ok(read_into(cx, key)?.0)
}

/// As [`read`], together with the reply.
fn read_into<'c>(cx: &'c mut Ctx<'_>, key: &[u8]) -> Outcome<(Option<&'c Stream>, &'c mut Reply)> {
    let (entry, reply) = cx.read_into(key);
    match entry.map(|entry| entry.value()) {
        None => Ok((None, reply)),
        Some(ValueRef::Stream(stream)) => Ok((Some(stream), reply)),
        Some(_) => Err(errors::WRONG_TYPE),
    }
}

/// Changes the stream at `key`, if there is one. `change` may write to the reply. Whoever calls counts the changes.
fn edit<R>(cx: &mut Ctx<'_>, key: &[u8], change: impl FnOnce(&mut Stream, &mut Reply) -> R) -> Outcome<Option<R>> {
    let mut reply = std::mem::take(cx.reply);
    let done = match cx.write(key) {
        None => Ok(None),
        Some(mut entry) => match entry.value_mut() {
            ValueMut::Stream(stream) => Ok(Some(change(stream, &mut reply))),
            _ => Err(errors::WRONG_TYPE),
        },
    };
    if let Ok(Some(_)) = done {
        // Of what happens to groups a migration under way hears here, and nowhere else.
        let db = cx.db;
        cx.keys.shard_for(key).watch.opened(db, key);
    }
    *cx.reply = reply;
    done
}

/// Counts a change that watchers of the key do not hear of, but subscribers to events do.
fn changed_unwatched(cx: &mut Ctx<'_>, key: &[u8]) {
    cx.dirty += 1;
    let db = cx.db;
    if cx.effects.events.is_on() {
        cx.effects.events.note(Change::Modified, db, key);
    }
}

/// Has an event of a change that is not what the command itself is called.
fn told_of(cx: &mut Ctx<'_>, key: &[u8], event: &'static str) {
    let db = cx.db;
    if cx.effects.events.is_on() {
        cx.effects.events.note(Change::Named(NotifyFlags::STREAM, event), db, key);
    }
}

/// When a node is full.
fn node_limits(cx: &Ctx<'_>) -> NodeLimits {
    NodeLimits { bytes: cx.config.stream_node_max_bytes, entries: cx.config.stream_node_max_entries }
}

/// The time as streams keep it.
fn now_ms(cx: &Ctx<'_>) -> i64 {
    i64::try_from(cx.now.0).unwrap_or(i64::MAX)
}

/// An array whose length is known when it is written: `write` says what it is.
fn counted(reply: &mut Reply, write: impl FnOnce(&mut Reply) -> usize) {
    let at = reply.buf.len();
    let len = write(reply);
    let mut head = Reply::new(reply.resp3);
    head.array(len);
    reply.buf.splice(at..at, head.buf);
}

fn put_id(reply: &mut Reply, id: StreamId) {
    reply.bulk(&id.to_text());
}

/// An entry: its id, and its fields with their values.
fn put_entry(reply: &mut Reply, entry: &Entry<'_>) {
    reply.array(2);
    put_id(reply, entry.id);
    reply.array(2 * entry.len());
    for (field, value) in entry.fields() {
        super::collections::put_element(reply, field);
        super::collections::put_element(reply, value);
    }
}

/// Entries, up to `count` of them.
fn put_entries<'a>(reply: &mut Reply, entries: impl Iterator<Item = Entry<'a>>, count: usize) {
    counted(reply, |reply| entries.take(count).map(|entry| put_entry(reply, &entry)).count());
}

#[cold]
fn no_group(key: &[u8], group: &[u8]) -> Error {
    Error::with(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"])
}

#[cold]
fn no_group_of_key(key: &[u8], group: &[u8]) -> Error {
    Error::with(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"])
}

/// A subcommand was called in a way that it does not know. `container` is in upper case.
#[cold]
fn bad_subcommand(container: &str, given: &[u8]) -> Error {
    let given = &given[..given.len().min(128)];
    let head = b"ERR unknown subcommand or wrong number of arguments for '";
    Error::with(&[head, given, b"'. Try ", container.as_bytes(), b" HELP."])
}

/// What the propagation of changes to one group has in common.
struct Told<'a> {
    key: &'a [u8],
    group: &'a [u8],
}

impl Told<'_> {
    /// An entry is pending, whoever had it before.
    fn claim(&self, cx: &mut Ctx<'_>, consumer: &[u8], id: StreamId, pending: &Pending, last_id: StreamId) {
        let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        cx.propagate(&[
            b"XCLAIM",
            self.key,
            self.group,
            consumer,
            b"0",
            &id.to_text(),
            b"TIME",
            time.format(pending.time_ms).as_bytes(),
            b"RETRYCOUNT",
            count.format(pending.count).as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            &last_id.to_text(),
        ]);
    }

    /// The group has read up to `last_id`.
    fn set_id(&self, cx: &mut Ctx<'_>, last_id: StreamId, entries_read: Option<u64>) {
        let mut read = itoa::Buffer::new();
        // No peer takes a number beyond the largest that is signed: it is told that nobody knows.
        let read = entries_read.filter(|entries| i64::try_from(*entries).is_ok()).map_or("-1", |entries| read.format(entries));
        cx.propagate(&[b"XGROUP", b"SETID", self.key, self.group, &last_id.to_text(), b"ENTRIESREAD", read.as_bytes()]);
    }

    /// There is a consumer.
    fn create_consumer(&self, cx: &mut Ctx<'_>, consumer: &[u8]) {
        cx.propagate(&[b"XGROUP", b"CREATECONSUMER", self.key, self.group, consumer]);
    }
}

#[cfg(test)]
mod tests;
