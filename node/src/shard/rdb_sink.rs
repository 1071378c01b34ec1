//! The sink that makes RDB entries of a snapshot.
//!
//! Chunks of whole entries leave through an [`EncodedSink`]. Long strings leave as they are, shared. Large collections are cloned, which
//! is cheap because they share their parts, and encoded bit by bit afterwards, each part leaving when it is long enough: a write has
//! to wait for the clone only, and a collection of any size takes little memory.

use super::entry::EntryRef;
use super::graveyard;
use super::packed::SegmentIter;
use super::snapshot::{SegmentSink, Taken};
use super::value::rdb::pieces::spend;
use super::value::rdb::{BodyWriter, kind_of};
use super::value::{Hash, List, Set, Value, ValueRef, Zset};
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
/// So are those of fewer that cost more than this; see [`pieces`](super::value::rdb::pieces).
const COST_AT_ONCE_MAX: usize = 128 * 1024;
/// What it costs to put something off.
const PUT_OFF_COST: usize = 512;
/// Strings longer than this are shared and encoded elsewhere, in bytes.
const STRING_AT_ONCE_MAX: usize = 16 * 1024;

/// How many of the values that were put off last are looked at, to see what the table still has of them.
const LAST_LOOKS: usize = 2;

/// What a single value or piece counts for at most where what is to be encoded or sent piles up, in bytes. So a huge one does not end
/// a snapshot because of the small ones behind it, and a few of any size may be taken away at once.
pub const WEIGHT_MAX: usize = 64 << 20;

/// Where encoded entries go.
pub trait EncodedSink: Send + Sync {
    /// Takes whole entries of one database.
    fn send(&self, db: DbIndex, bytes: Vec<u8>);

    /// Takes a part of a large entry. All parts of one come before the first of the next, but whole entries may come in between.
    fn send_part(&self, db: DbIndex, bytes: Vec<u8>, part: Part);

    /// Takes an entry that is a long string.
    fn send_string(&self, db: DbIndex, string: LongString<'_>) {
        let mut out = string.head;
        put_string(&mut out, string.text, string.compress.then(Lzf::new).as_mut());
        self.send(db, out);
    }
}

/// An entry that is a long string.
pub struct LongString<'a> {
    /// What comes before the string, encoded.
    pub head: Vec<u8>,
    /// The string, which is to be encoded, and must not be held longer than that takes.
    pub text: &'a Arc<Vec<u8>>,
    /// Whether it is to be compressed.
    pub compress: bool,
    /// Whether a write is about to change it or take it away.
    pub is_pressing: bool,
}

/// Which part of an entry something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whether it begins the entry.
    pub is_first: bool,
    /// Whether it ends it.
    pub is_last: bool,
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
    /// What is encoded and has not left.
    out: Vec<u8>,
    value: Value,
    writer: BodyWriter,
    /// Whether a part of it has left.
    is_open: bool,
    /// Whether a write has put it off, not the walk.
    is_pressing: bool,
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
    /// How many of them writes have put off.
    pressing: usize,
    /// Which of them is looked at next.
    next_look: usize,
    target: Arc<dyn EncodedSink>,
}

impl RdbSink {
    /// A sink for the entries of `db`.
    pub fn new(db: DbIndex, options: RdbOptions, target: Arc<dyn EncodedSink>) -> Self {
        let lzf = options.compress.then(Lzf::new);
        RdbSink {
            db,
            options,
            lzf,
            out: Vec::new(),
            deferred: VecDeque::new(),
            held: 0,
            backlog: 0,
            pressing: 0,
            next_look: 0,
            target,
        }
    }

    /// Puts an entry, and takes what that costs off the budget.
    #[inline]
    fn put(&mut self, entry: EntryRef<'_>, budget: &mut usize, is_pressing: bool) {
        if entry.owned_value().is_some() {
            return self.put_owned(entry, budget, is_pressing);
        }
        let ValueRef::Str(text) = entry.value() else { return };
        self.put_head(entry);
        put_string(&mut self.out, text, self.lzf.as_mut());
        spend(budget, entry.key().len() + text.len(), self.options.compress);
        self.send_if_long();
    }

    #[inline(never)]
    fn put_owned(&mut self, entry: EntryRef<'_>, budget: &mut usize, is_pressing: bool) {
        let Some(value) = entry.owned_value() else { return };
        let at = self.out.len();
        self.put_head(entry);
        if is_long(value) {
            *budget = budget.saturating_sub(PUT_OFF_COST);
            let head = self.out.split_off(at);
            match value {
                Value::Str(text) => {
                    let compress = self.options.compress;
                    self.target.send_string(self.db, LongString { head, text, compress, is_pressing });
                }
                value => self.defer(head, value, BodyWriter::new(self.options.version), is_pressing),
            }
            return;
        }
        let mut writer = BodyWriter::new(self.options.version);
        let mut left = COST_AT_ONCE_MAX;
        let whole = writer.put_some(&mut self.out, value.view(), &mut left, self.lzf.as_mut());
        spend(budget, entry.key().len() + COST_AT_ONCE_MAX - left, false);
        if !whole {
            let begun = self.out.split_off(at);
            self.defer(begun, value, writer, is_pressing);
        }
        self.send_if_long();
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
    fn defer(&mut self, out: Vec<u8>, value: &Value, writer: BodyWriter, is_pressing: bool) {
        self.pressing += usize::from(is_pressing);
        self.deferred.push_back(Deferred { out, value: value.clone(), writer, is_open: false, is_pressing, held: 0 });
    }

    fn look_at(&mut self, nth: usize) {
        if let Some(deferred) = self.deferred.get_mut(nth) {
            let (old, new) = (deferred.held, deferred.value.unshared_bytes() + deferred.out.capacity());
            deferred.held = new;
            self.held = self.held - old + new;
            self.backlog = self.backlog - old.min(WEIGHT_MAX) + new.min(WEIGHT_MAX);
        }
    }

    /// Encodes the first of what was put off, as far as the budget reaches.
    fn encode_first(&mut self, budget: &mut usize) {
        let Some(first) = self.deferred.front_mut() else { return };
        if first.out.capacity() < CHUNK_LEN {
            first.out.reserve(CHUNK_LEN + CHUNK_SPARE_LEN - first.out.len());
        }
        let whole = first.writer.put_some(&mut first.out, first.value.view(), budget, self.lzf.as_mut());
        if whole && !first.is_open {
            // Not so long after all.
            if !self.out.is_empty() && self.out.len() + first.out.len() > CHUNK_LEN {
                self.target.send(self.db, std::mem::take(&mut self.out));
            }
            if self.out.capacity() == 0 {
                self.out.reserve(CHUNK_LEN + CHUNK_SPARE_LEN);
            }
            self.out.extend_from_slice(&first.out);
        } else if first.out.len() >= CHUNK_LEN || whole {
            let part = Part { is_first: !std::mem::replace(&mut first.is_open, true), is_last: whole };
            let mut out = std::mem::take(&mut first.out);
            if whole {
                out.shrink_to_fit();
            }
            self.target.send_part(self.db, out, part);
        }
        if whole && let Some(first) = self.deferred.pop_front() {
            self.held -= first.held;
            self.backlog -= first.held.min(WEIGHT_MAX);
            self.pressing -= usize::from(first.is_pressing);
            // Nobody else may have it any more.
            graveyard::drop_value(first.value);
            *budget = budget.saturating_sub(PUT_OFF_COST);
        }
        self.send_if_long();
    }

    #[inline]
    fn send_if_long(&mut self) {
        if self.out.len() >= CHUNK_LEN {
            self.send();
        }
    }

    fn send(&mut self) {
        if !self.out.is_empty() {
            self.target.send(self.db, std::mem::take(&mut self.out));
        }
    }
}

/// Whether a value is shared, and encoded later or elsewhere: if it is long, and a clone shares what it is made of.
fn is_long(value: &Value) -> bool {
    let len = match value {
        Value::Str(text) => return text.len() > STRING_AT_ONCE_MAX,
        Value::List(list @ List::Nodes(_)) => list.len(),
        Value::Set(set @ Set::Table(_)) => set.len(),
        Value::Hash(hash) => match hash.without_deadlines() {
            Hash::Table(table) => table.len(),
            _ => 0,
        },
        Value::Zset(zset @ Zset::Big(_)) => zset.len(),
        Value::Stream(stream) => stream.weight(),
        _ => 0,
    };
    len > ELEMENTS_AT_ONCE_MAX
}

impl SegmentSink for RdbSink {
    fn entry(&mut self, entry: EntryRef<'_>) {
        self.put(entry, &mut COST_AT_ONCE_MAX.clone(), true);
    }

    fn segment(&mut self, entries: SegmentIter<'_>, budget: &mut usize) -> Taken {
        let mut taken = 0;
        for entry in entries {
            if *budget == 0 {
                return Taken { entries: taken, whole: false };
            }
            self.put(entry, budget, false);
            taken += 1;
        }
        Taken { entries: taken, whole: true }
    }

    fn go_on(&mut self, budget: &mut usize) -> bool {
        while *budget > 0 && !self.deferred.is_empty() {
            self.encode_first(budget);
        }
        !self.deferred.is_empty()
    }

    fn is_open(&self) -> bool {
        self.deferred.front().is_some_and(|first| first.is_open)
    }

    fn is_pressed(&self) -> bool {
        self.pressing > 0
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
        while self.go_on(&mut usize::MAX.clone()) {}
        self.send();
    }
}
