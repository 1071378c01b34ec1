//! Values to and from their form in RDB files and `DUMP` payloads.
//!
//! Packed forms are written as they lie in memory where the reader's version knows them, and element by element where it does
//! not. Checking what comes from outside is done before, by `koltso_proto::rdb`: nothing here can fail.

use super::hash::timed::Timed;
use super::segments::Position;
use super::{Hash, List, Set, Thresholds, Value, ValueRef, Zset, stream};
use koltso_proto::listpack::{IntText, Listpack};
use koltso_proto::rdb::consts::{kind, version_has};
use koltso_proto::rdb::writer::{put_blob, put_double, put_element, put_elements, put_len, put_packed_node, put_string};
use koltso_proto::rdb::{ListNode, Lzf, RdbHash, RdbSet, RdbValue, RdbZset, Text};
use std::sync::Arc;

/// The type byte of a value in a file of `version`.
pub fn kind_of(value: ValueRef<'_>, version: u32) -> u8 {
    let (packed, plain) = match value {
        ValueRef::Str(_) => return kind::STRING,
        ValueRef::List(_) => (kind::LIST_QUICKLIST_2, kind::LIST),
        ValueRef::Set(Set::Ints(_)) => return kind::SET_INTSET,
        ValueRef::Set(Set::Packed(_)) => (kind::SET_LISTPACK, kind::SET),
        ValueRef::Set(Set::Table(_)) => return kind::SET,
        ValueRef::Hash(hash) if has_deadlines(hash) && version_has(version, kind::HASH_METADATA) => return kind::HASH_METADATA,
        ValueRef::Hash(hash) if has_deadlines(hash) && version_has(version, kind::HASH_2_VALKEY) => return kind::HASH_2_VALKEY,
        ValueRef::Hash(hash) if matches!(hash.without_deadlines(), Hash::Packed(_)) => (kind::HASH_LISTPACK, kind::HASH),
        ValueRef::Hash(_) => return kind::HASH,
        ValueRef::Zset(Zset::Packed(_)) => (kind::ZSET_LISTPACK, kind::ZSET_2),
        ValueRef::Zset(Zset::Big(_)) => return kind::ZSET_2,
        ValueRef::Stream(_) => return stream::rdb::kind_of(version),
    };
    if version_has(version, packed) { packed } else { plain }
}

/// Whether any field of a hash has a deadline. Versions that do not know such get the fields without.
pub fn has_deadlines(hash: &Hash) -> bool {
    hash.timed().is_some_and(|timed| timed.deadlines_len() > 0)
}

/// Appends a value without its type byte, which [`kind_of`] the same version tells.
pub fn put_body(out: &mut Vec<u8>, value: ValueRef<'_>, version: u32, lzf: Option<&mut Lzf>) {
    let mut lzf = lzf;
    let mut writer = BodyWriter::new(version);
    while !writer.put_some(out, value, usize::MAX, lzf.as_deref_mut()) {}
}

/// Appends a value without its type byte, in pieces: so that a large one need not be written in one go.
#[derive(Debug)]
pub struct BodyWriter {
    version: u32,
    started: bool,
    /// The next element of a list or sorted set.
    element: usize,
    /// The next segment of a table.
    segment: Position,
    /// The next part of a stream.
    stream: stream::rdb::Place,
}

impl BodyWriter {
    /// A writer at the beginning of a value, for a file of `version`.
    pub fn new(version: u32) -> Self {
        BodyWriter { version, started: false, element: 0, segment: Position::default(), stream: Default::default() }
    }

    /// Appends the next piece, of about `budget` elements; true when that was the last. The value must be the same at every
    /// call: a clone that nobody changes.
    pub fn put_some(&mut self, out: &mut Vec<u8>, value: ValueRef<'_>, budget: usize, lzf: Option<&mut Lzf>) -> bool {
        let first = !std::mem::replace(&mut self.started, true);
        match value {
            ValueRef::Str(text) => put_string(out, text, lzf),
            ValueRef::Set(Set::Ints(ints)) => put_blob(out, ints.as_bytes(), lzf),
            ValueRef::Set(Set::Packed(pack)) => self.put_packed(out, pack, value, lzf),
            ValueRef::Zset(Zset::Packed(pack)) if version_has(self.version, kind::ZSET_LISTPACK) => {
                put_blob(out, pack.as_bytes(), lzf);
            }
            ValueRef::Stream(stream) => return stream.put_some(out, &mut self.stream, self.version, budget, lzf),
            ValueRef::List(list) => return self.put_list(out, list, first, budget, lzf),
            ValueRef::Zset(zset) => return self.put_zset(out, zset, first, budget, lzf),
            ValueRef::Set(Set::Table(table)) => {
                if first {
                    put_len(out, table.len() as u64);
                }
                let mut lzf = lzf;
                return table.walk(&mut self.segment, budget, |member| put_string(out, member.bytes(), lzf.as_deref_mut()));
            }
            ValueRef::Hash(hash) => {
                let kind = kind_of(value, self.version);
                let timed = hash.timed().filter(|_| matches!(kind, kind::HASH_METADATA | kind::HASH_2_VALKEY));
                match (timed, hash.without_deadlines()) {
                    (None, Hash::Packed(pack)) => self.put_packed(out, pack, value, lzf),
                    (timed, fields) => return self.put_hash(out, fields, timed, kind, first, budget, lzf),
                }
            }
        }
        true
    }

    /// A hash field by field, with deadlines where `timed` is given.
    #[expect(clippy::too_many_arguments, reason = "a step of put_some, which has them all")]
    fn put_hash(
        &mut self,
        out: &mut Vec<u8>,
        fields: &Hash,
        timed: Option<&Timed>,
        kind: u8,
        first: bool,
        budget: usize,
        lzf: Option<&mut Lzf>,
    ) -> bool {
        let mut lzf = lzf;
        let earliest = timed.and_then(Timed::earliest).unwrap_or_default();
        if first {
            if kind == kind::HASH_METADATA {
                out.extend_from_slice(&earliest.to_le_bytes());
            }
            put_len(out, fields.len() as u64);
        }
        let mut put = |field: &[u8], value: &[u8]| {
            let deadline = timed.and_then(|timed| timed.deadline(field));
            if kind == kind::HASH_METADATA {
                // Relative to the earliest, plus one to tell it from none.
                put_len(out, deadline.map_or(0, |deadline| deadline - earliest + 1));
            }
            put_string(out, field, lzf.as_deref_mut());
            put_string(out, value, lzf.as_deref_mut());
            if kind == kind::HASH_2_VALKEY {
                let deadline = deadline.map_or(-1, u64::cast_signed);
                out.extend_from_slice(&deadline.to_le_bytes());
            }
        };
        if let Hash::Table(table) = fields {
            return table.walk(&mut self.segment, budget, |pair| {
                let (field, value) = pair.split();
                put(field, value);
            });
        }
        let (mut field_text, mut value_text) = (IntText::new(), IntText::new());
        fields.iter().for_each(|(field, value)| put(field.bytes(&mut field_text), value.bytes(&mut value_text)));
        true
    }

    /// A small set or hash.
    fn put_packed(&self, out: &mut Vec<u8>, pack: &Listpack, value: ValueRef<'_>, lzf: Option<&mut Lzf>) {
        if matches!(kind_of(value, self.version), kind::SET_LISTPACK | kind::HASH_LISTPACK) {
            return put_blob(out, pack.as_bytes(), lzf);
        }
        let len = if matches!(value, ValueRef::Hash(_)) { pack.len() / 2 } else { pack.len() };
        put_len(out, len as u64);
        put_elements(out, pack.view(), lzf);
    }

    fn put_list(&mut self, out: &mut Vec<u8>, list: &List, first: bool, budget: usize, lzf: Option<&mut Lzf>) -> bool {
        let mut lzf = lzf;
        let packed = version_has(self.version, kind::LIST_QUICKLIST_2);
        if first {
            put_len(out, if packed { list.packs(0).count() } else { list.len() } as u64);
        }
        let end = self.element.saturating_add(budget);
        for pack in list.packs(self.element) {
            if packed {
                put_packed_node(out, pack.view(), lzf.as_deref_mut());
            } else {
                put_elements(out, pack.view(), lzf.as_deref_mut());
            }
            self.element += pack.len();
            if self.element >= end {
                break;
            }
        }
        self.element >= list.len()
    }

    fn put_zset(&mut self, out: &mut Vec<u8>, zset: &Zset, first: bool, budget: usize, lzf: Option<&mut Lzf>) -> bool {
        let mut lzf = lzf;
        if first {
            put_len(out, zset.len() as u64);
        }
        // Downwards, as real servers do: their readers insert each member in front of all others that way.
        let rank = zset.len().saturating_sub(1 + self.element);
        let budget = budget.min(zset.len() - self.element);
        for (member, score) in zset.range_rev(rank, budget) {
            put_element(out, member, lzf.as_deref_mut());
            put_double(out, score);
        }
        self.element += budget;
        self.element >= zset.len()
    }
}

/// Makes a value of what was read, in the form that the limits ask for.
pub fn from_rdb(value: RdbValue<'_>, limits: &Thresholds) -> Value {
    match value {
        RdbValue::Str(text) => Value::Str(Arc::new(text.into_vec())),
        RdbValue::List(nodes) => Value::List(list_of(nodes, limits)),
        RdbValue::Set(RdbSet::Ints(ints)) => Value::Set(Set::from_ints(ints, limits)),
        RdbValue::Set(RdbSet::Packed(pack)) => Value::Set(Set::from_packed(pack, limits)),
        RdbValue::Set(RdbSet::Members(members)) => Value::Set(set_of(&members, limits)),
        RdbValue::Hash(RdbHash::Packed(pack)) => Value::Hash(Hash::from_packed(pack, limits)),
        RdbValue::Hash(RdbHash::Pairs(pairs)) => {
            Value::Hash(hash_of(pairs.len(), pairs.iter().map(|(field, value)| (field, value)), limits))
        }
        RdbValue::HashWithTtl(fields) => {
            let mut hash = hash_of(fields.len(), fields.iter().map(|field| (&field.field, &field.value)), limits);
            let mut text = IntText::new();
            for field in &fields {
                if let Some(deadline) = field.expire {
                    hash.set_deadline(field.field.bytes(&mut text), deadline.0, limits);
                }
            }
            Value::Hash(hash)
        }
        RdbValue::Zset(RdbZset::Packed(pack)) => Value::Zset(Zset::from_packed(pack, limits)),
        RdbValue::Zset(RdbZset::Pairs(pairs)) => Value::Zset(zset_of(&pairs, limits)),
        RdbValue::Stream(stream) => Value::Stream(Box::new((*stream).into())),
    }
}

fn list_of(nodes: Vec<ListNode<'_>>, limits: &Thresholds) -> List {
    let mut list = List::new();
    for node in nodes {
        match node {
            ListNode::Packed(pack) => list.push_pack(pack, limits),
            ListNode::Plain(text) => list.push(super::End::Tail, text.bytes(&mut IntText::new()), limits),
        }
    }
    list.shrink_if_possible(limits);
    list
}

fn set_of(members: &[Text<'_>], limits: &Thresholds) -> Set {
    let mut text = IntText::new();
    let Some(first) = members.first() else { return Set::default() };
    let mut set = Set::for_members(first.bytes(&mut text), members.len(), limits);
    members.iter().for_each(|member| {
        set.add(member.bytes(&mut text), limits);
    });
    set
}

fn hash_of<'a, 't: 'a>(len: usize, pairs: impl Iterator<Item = (&'a Text<'t>, &'a Text<'t>)>, limits: &Thresholds) -> Hash {
    let (mut field_text, mut value_text) = (IntText::new(), IntText::new());
    let mut hash = Hash::new();
    hash.grow_if_needed(len, 0, 0, limits);
    pairs.for_each(|(field, value)| {
        hash.set(field.bytes(&mut field_text), value.bytes(&mut value_text), limits);
    });
    hash
}

fn zset_of(pairs: &[(Text<'_>, f64)], limits: &Thresholds) -> Zset {
    let mut text = IntText::new();
    let longest = pairs.iter().map(|(member, _)| member.as_element().text_len()).max().unwrap_or_default();
    let mut zset = Zset::for_members(pairs.len(), longest, limits);
    // From the last on, because real servers write descending scores, and ascending ones fill the chunks.
    pairs.iter().rev().for_each(|(member, score)| {
        zset.set(member.bytes(&mut text), *score, limits);
    });
    zset
}

#[cfg(test)]
mod tests;
