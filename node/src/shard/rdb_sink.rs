//! The sink that makes RDB entries of a snapshot.
//!
//! Chunks of whole entries leave through an [`EncodedSink`]. Long strings leave as they are, shared. Large collections are cloned, which
//! is cheap because they share their parts, and encoded bit by bit afterwards: a write has to wait for the clone only.

use super::entry::EntryRef;
use super::graveyard;
use super::packed::SegmentIter;
use super::snapshot::SegmentSink;
use super::value::rdb::{BodyWriter, kind_of, put_body};
use super::value::{Value, ValueRef};
use koltso_proto::id::{DbIndex, UnixMs};
use koltso_proto::rdb::Lzf;
use koltso_proto::rdb::writer::{put_freq, put_idle, put_key_header, put_string};
use std::collections::VecDeque;
use std::sync::Arc;

/// A chunk is sent when it has grown to this, in bytes.
const CHUNK_LEN: usize = 128 * 1024;
/// Room for what comes before a chunk is found to be long enough, in bytes.
const CHUNK_SPARE_LEN: usize = 4 * 1024;
/// Collections with more elements are encoded bit by bit.
const ELEMENTS_AT_ONCE_MAX: usize = 512;
/// Strings longer than this are shared and encoded elsewhere, in bytes.
const STRING_AT_ONCE_MAX: usize = 16 * 1024;

/// How many of the values that were put off last are looked at, to see what the table still has of them.
const LAST_LOOKS: usize = 2;

/// What a single value counts for at most where what is to be encoded piles up, in bytes.
const WEIGHT_MAX: usize = 128 << 20;

/// Where encoded entries go.
pub trait EncodedSink: Send + Sync {
    /// Takes whole entries of one database.
    fn send(&self, db: DbIndex, bytes: Vec<u8>);

    /// Takes one large entry in several parts.
    fn send_parts(&self, db: DbIndex, parts: Vec<Vec<u8>>) {
        self.send(db, parts.concat());
    }

    /// Takes an entry that is a long string: what comes before it, and the string itself, which is to be encoded, compressed if
    /// wanted, and must not be held longer than that takes.
    fn send_string(&self, db: DbIndex, head: Vec<u8>, text: &Arc<Vec<u8>>, compress: bool) {
        let mut out = head;
        put_string(&mut out, text, compress.then(Lzf::new).as_mut());
        self.send(db, out);
    }
}

/// What is written of the access bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessNote {
    /// Nothing.
    None,
    /// Idle seconds at this time, as Redis does under an LRU policy.
    Idle(UnixMs),
    /// The frequency counter, as Redis does under an LFU policy.
    Frequency,
}

/// How entries are encoded.
#[derive(Clone, Copy, Debug)]
pub struct RdbOptions {
    /// The RDB version of the file that the entries are for.
    pub version: u32,
    /// What is written of the access bits.
    pub access: AccessNote,
    /// Whether strings are compressed, `rdbcompression`.
    pub compress: bool,
}

/// A value that is being encoded bit by bit.
struct Deferred {
    /// What is encoded so far: whole parts, and the one that is being filled. One vector would have to be copied to grow.
    parts: Vec<Vec<u8>>,
    out: Vec<u8>,
    value: Value,
    writer: BodyWriter,
    /// How many bytes of the value nobody else has any more, when that was last looked at.
    held: usize,
}

/// Encodes the entries of one database.
pub struct RdbSink {
    db: DbIndex,
    options: RdbOptions,
    lzf: Option<Lzf>,
    out: Vec<u8>,
    deferred: VecDeque<Deferred>,
    /// The sum of what these hold.
    held: usize,
    /// The same with each counting for [`WEIGHT_MAX`] at most.
    backlog: usize,
    /// Which of them is looked at next.
    next_look: usize,
    target: Arc<dyn EncodedSink>,
}

impl RdbSink {
    /// A sink for the entries of `db`.
    pub fn new(db: DbIndex, options: RdbOptions, target: Arc<dyn EncodedSink>) -> Self {
        let lzf = options.compress.then(Lzf::new);
        RdbSink { db, options, lzf, out: Vec::new(), deferred: VecDeque::new(), held: 0, backlog: 0, next_look: 0, target }
    }

    #[inline]
    fn put(&mut self, entry: EntryRef<'_>) {
        let value = entry.value();
        if entry.owned_value().is_some() && is_big(value) {
            return self.defer(entry);
        }
        self.put_head(entry);
        put_body(&mut self.out, value, self.options.version, self.lzf.as_mut());
        if self.out.len() >= CHUNK_LEN {
            self.send();
        }
    }

    #[inline]
    fn put_head(&mut self, entry: EntryRef<'_>) {
        if self.out.capacity() == 0 {
            self.out.reserve(CHUNK_LEN + CHUNK_SPARE_LEN);
        }
        match self.options.access {
            AccessNote::None => {}
            AccessNote::Idle(now) => put_idle(&mut self.out, super::access::AccessPolicy::idle_s(entry.access(), now)),
            AccessNote::Frequency => put_freq(&mut self.out, entry.access() as u8),
        }
        let kind = kind_of(entry.value(), self.options.version);
        put_key_header(&mut self.out, kind, entry.expire(), entry.key(), self.lzf.as_mut());
    }

    #[cold]
    fn defer(&mut self, entry: EntryRef<'_>) {
        let Some(value) = entry.owned_value().cloned() else { return };
        let at = self.out.len();
        self.put_head(entry);
        let out = self.out[at..].to_vec();
        self.out.truncate(at);
        if let Value::Str(text) = &value {
            return self.target.send_string(self.db, out, text, self.options.compress);
        }
        let writer = BodyWriter::new(self.options.version);
        self.deferred.push_back(Deferred { parts: Vec::new(), out, value, writer, held: 0 });
    }

    fn look_at(&mut self, nth: usize) {
        if let Some(deferred) = self.deferred.get_mut(nth) {
            let (old, new) = (deferred.held, deferred.value.unshared_bytes());
            deferred.held = new;
            self.held = self.held - old + new;
            self.backlog = self.backlog - old.min(WEIGHT_MAX) + new.min(WEIGHT_MAX);
        }
    }

    fn send(&mut self) {
        if !self.out.is_empty() {
            self.target.send(self.db, std::mem::take(&mut self.out));
        }
    }
}

/// Whether encoding takes long enough to keep a writer from waiting for it.
fn is_big(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Str(text) => text.len() > STRING_AT_ONCE_MAX,
        ValueRef::List(list) => list.len() > ELEMENTS_AT_ONCE_MAX,
        ValueRef::Set(set) => set.len() > ELEMENTS_AT_ONCE_MAX,
        ValueRef::Hash(hash) => hash.without_deadlines().len() > ELEMENTS_AT_ONCE_MAX,
        ValueRef::Zset(zset) => zset.len() > ELEMENTS_AT_ONCE_MAX,
        ValueRef::Stream(stream) => stream.weight() > ELEMENTS_AT_ONCE_MAX,
    }
}

impl SegmentSink for RdbSink {
    fn entry(&mut self, entry: EntryRef<'_>) {
        self.put(entry);
    }

    fn segment(&mut self, entries: SegmentIter<'_>) {
        for entry in entries {
            self.put(entry);
        }
    }

    fn go_on(&mut self, budget: usize) -> bool {
        let Some(first) = self.deferred.front_mut() else { return false };
        let whole = first.writer.put_some(&mut first.out, first.value.view(), budget, self.lzf.as_mut());
        if first.out.len() >= CHUNK_LEN || (whole && !first.out.is_empty()) {
            first.parts.push(std::mem::take(&mut first.out));
        }
        if whole && let Some(Deferred { parts, value, held, .. }) = self.deferred.pop_front() {
            self.held -= held;
            self.backlog -= held.min(WEIGHT_MAX);
            // Nobody else may have it any more.
            graveyard::drop_value(value);
            self.target.send_parts(self.db, parts);
        }
        !self.deferred.is_empty()
    }

    fn held(&mut self, looks: usize) -> usize {
        // The first is the one that is being encoded; the last came with the last write. The others take turns.
        let len = self.deferred.len();
        self.look_at(0);
        (len.saturating_sub(LAST_LOOKS)..len).for_each(|nth| self.look_at(nth));
        for _ in 0..looks.min(len) {
            self.next_look = if self.next_look < len { self.next_look + 1 } else { 0 };
            self.look_at(self.next_look);
        }
        self.held
    }

    fn forget_some(&mut self, budget: usize) -> bool {
        let count = budget.min(self.deferred.len());
        self.deferred.drain(..count).for_each(|deferred| graveyard::drop_value(deferred.value));
        !self.deferred.is_empty()
    }

    fn backlog(&self) -> usize {
        self.backlog
    }

    fn finish(&mut self) {
        while self.go_on(usize::MAX) {}
        self.send();
    }
}
