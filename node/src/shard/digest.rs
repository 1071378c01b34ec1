//! `DEBUG DIGEST` and `DEBUG DIGEST-VALUE` of what a shard holds.

use super::Shard;
use super::entry::EntryRef;
use super::value::ValueRef;
use koltso_proto::digest::{Digest, ValueType};
use koltso_proto::id::DbIndex;
use koltso_proto::listpack::{Element, IntText};
use koltso_proto::stream::StreamId;
use std::borrow::Cow;

impl Shard {
    /// The sum of the digests of a database's keys. Those of all shards combined are what [`Digest::add_database`] takes.
    pub fn digest(&self, db: DbIndex) -> Digest {
        let mut sum = Digest::new();
        for entry in &self.dbs[db.0 as usize] {
            let mut digest = Digest::of_key(entry.key(), value_type(entry.value()));
            add_content(&mut digest, entry);
            sum.add_key(&digest);
        }
        sum
    }
}

impl EntryRef<'_> {
    /// The digest of the value by itself, as `DEBUG DIGEST-VALUE` says.
    pub fn value_digest(self) -> Digest {
        let mut digest = Digest::of_value(value_type(self.value()));
        add_content(&mut digest, self);
        digest
    }
}

fn value_type(value: ValueRef<'_>) -> ValueType {
    match value {
        ValueRef::Str(_) => ValueType::String,
        ValueRef::List(_) => ValueType::List,
        ValueRef::Set(_) => ValueType::Set,
        ValueRef::Hash(_) => ValueType::Hash,
        ValueRef::Zset(_) => ValueType::Zset,
        ValueRef::Stream(_) => ValueType::Stream,
    }
}

fn add_content(digest: &mut Digest, entry: EntryRef<'_>) {
    match entry.value() {
        ValueRef::Str(text) => digest.string(text),
        ValueRef::List(list) => digest.list(list.iter().map(bytes_of)),
        ValueRef::Set(set) => digest.set(set.iter().map(bytes_of)),
        ValueRef::Hash(hash) => match hash.timed() {
            None => digest.hash(hash.iter().map(|(field, value)| (bytes_of(field), bytes_of(value)))),
            Some(timed) => timed.all().for_each(|(field, value, deadline)| {
                digest.field(&bytes_of(field), &bytes_of(value), deadline.is_some());
            }),
        },
        ValueRef::Zset(zset) => digest.zset(zset.iter().map(|(member, score)| (bytes_of(member), score))),
        ValueRef::Stream(stream) => {
            for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                let fields = entry.fields().map(|(field, value)| (bytes_of(field), bytes_of(value)));
                digest.stream_entry(entry.id.ms, entry.id.seq, fields);
            }
        }
    }
    if entry.expire().is_some() {
        digest.mark_expiring();
    }
}

fn bytes_of(element: Element<'_>) -> Cow<'_, [u8]> {
    match element {
        Element::Str(bytes) => Cow::Borrowed(bytes),
        Element::Int(value) => Cow::Owned(IntText::new().format(value).as_bytes().to_vec()),
    }
}
