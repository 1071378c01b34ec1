//! Values to and from their form in RDB files and `DUMP` payloads.
//!
//! Packed forms are written as they lie in memory where the reader's version knows them, and element by element where it does
//! not. Checking what comes from outside is done before, by `koltso_proto::rdb`: nothing here can fail.

pub mod pieces;

use super::hash::timed::Timed;
use super::segments::Position;
use super::{Hash, List, Set, Thresholds, Value, ValueRef, Zset, stream};
use koltso_proto::listpack::{Element, IntText, Listpack};
use koltso_proto::rdb::consts::{VERSION_REDIS_7_0, VERSION_REDIS_7_4, container, kind, version_has};
use koltso_proto::rdb::writer::{put_blob, put_double, put_element, put_elements, put_len, put_packed_node, put_string};
use koltso_proto::rdb::{ListNode, Lzf, RdbHash, RdbSet, RdbValue, RdbZset, Text, dump};
use pieces::{Texts, spend};
use std::sync::Arc;

/// Longer elements of collections are written in pieces, in bytes.
const TEXT_AT_ONCE_MAX: usize = 32 * 1024;

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
    let mut writer = BodyWriter::with_pieces(version, usize::MAX);
    let mut lzf = lzf;
    while !writer.put_some(out, value, &mut usize::MAX.clone(), lzf.as_deref_mut()) {}
}

/// A value as `DUMP` answers it: in the oldest version that can hold it, so that as many as possible can restore it.
pub fn dump_of(value: ValueRef<'_>) -> Vec<u8> {
    let version = match value {
        ValueRef::Hash(hash) if has_deadlines(hash) => VERSION_REDIS_7_4,
        _ => VERSION_REDIS_7_0,
    };
    let mut payload = vec![kind_of(value, version)];
    put_body(&mut payload, value, version, Some(&mut Lzf::default()));
    dump::finish_dump_as(&mut payload, version as u16);
    payload
}

/// Appends a value without its type byte, in pieces: so that a large one need not be written in one go.
#[derive(Debug)]
pub struct BodyWriter {
    version: u32,
    started: bool,
    /// The next element of a list or sorted set.
    element: usize,
    /// The next item of a table.
    item: Position,
    /// The next part of a stream.
    stream: stream::rdb::Place,
    texts: Texts,
}

impl BodyWriter {
    /// A writer at the beginning of a value, for a file of `version`. It compresses no element that takes long.
    pub fn new(version: u32) -> Self {
        BodyWriter::with_pieces(version, TEXT_AT_ONCE_MAX)
    }

    fn with_pieces(version: u32, at_once_max: usize) -> Self {
        let texts = Texts { at_once_max, within: 0 };
        BodyWriter { version, started: false, element: 0, item: Position::default(), stream: Default::default(), texts }
    }

    /// Appends the next piece, as far as the budget reaches, and takes its cost off it; true when that was the last. The value must be
    /// the same at every call: a clone that nobody changes. Small forms are written whole in any case.
    pub fn put_some(&mut self, out: &mut Vec<u8>, value: ValueRef<'_>, budget: &mut usize, lzf: Option<&mut Lzf>) -> bool {
        let first = !std::mem::replace(&mut self.started, true);
        let compressed = lzf.is_some();
        match value {
            ValueRef::Str(text) => {
                spend(budget, text.len(), compressed);
                put_string(out, text, lzf);
            }
            ValueRef::Set(Set::Ints(ints)) => {
                spend(budget, ints.byte_len(), compressed);
                put_blob(out, ints.as_bytes(), lzf);
            }
            ValueRef::Set(Set::Packed(pack)) => {
                spend(budget, pack.byte_len(), compressed);
                self.put_packed(out, pack, value, lzf);
            }
            ValueRef::Zset(Zset::Packed(pack)) if version_has(self.version, kind::ZSET_LISTPACK) => {
                spend(budget, pack.byte_len(), compressed);
                put_blob(out, pack.as_bytes(), lzf);
            }
            ValueRef::Stream(stream) => {
                return stream.put_some(out, &mut self.stream, &mut self.texts, self.version, budget, lzf);
            }
            ValueRef::List(list) => return self.put_list(out, list, first, budget, lzf),
            ValueRef::Zset(zset) => return self.put_zset(out, zset, first, budget, lzf),
            ValueRef::Set(Set::Table(table)) => {
                if first {
                    put_len(out, table.len() as u64);
                }
                let (mut lzf, texts) = (lzf, &mut self.texts);
                return table.walk(&mut self.item, budget, |member, budget| {
                    texts.put(out, budget, [member.bytes()], lzf.as_deref_mut())
                });
            }
            ValueRef::Hash(hash) => {
                let kind = kind_of(value, self.version);
                let timed = hash.timed().filter(|_| matches!(kind, kind::HASH_METADATA | kind::HASH_2_VALKEY));
                match (timed, hash.without_deadlines()) {
                    (None, Hash::Packed(pack)) => {
                        spend(budget, pack.byte_len(), compressed);
                        self.put_packed(out, pack, value, lzf);
                    }
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
        budget: &mut usize,
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
        let texts = &mut self.texts;
        let mut put = |budget: &mut usize, field: &[u8], value: &[u8]| {
            let deadline = timed.and_then(|timed| timed.deadline(field));
            let (mut before, mut after) = (Vec::new(), Vec::new());
            if kind == kind::HASH_METADATA {
                // Relative to the earliest, plus one to tell it from none.
                put_len(&mut before, deadline.map_or(0, |deadline| deadline - earliest + 1));
            } else if kind == kind::HASH_2_VALKEY {
                after.extend_from_slice(&deadline.map_or(-1, u64::cast_signed).to_le_bytes());
            }
            texts.put_between(out, budget, [&before, &after], [field, value], lzf.as_deref_mut())
        };
        if let Hash::Table(table) = fields {
            return table.walk(&mut self.item, budget, |pair, budget| {
                let (field, value) = pair.split();
                put(budget, field, value)
            });
        }
        let (mut field_text, mut value_text) = (IntText::new(), IntText::new());
        for (field, value) in fields.iter() {
            put(&mut usize::MAX.clone(), field.bytes(&mut field_text), value.bytes(&mut value_text));
        }
        spend(budget, fields.heap_bytes(), false);
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

    fn put_list(&mut self, out: &mut Vec<u8>, list: &List, first: bool, budget: &mut usize, lzf: Option<&mut Lzf>) -> bool {
        let mut lzf = lzf;
        let packed = version_has(self.version, kind::LIST_QUICKLIST_2);
        if first {
            put_len(out, if packed { list.packs_len() } else { list.len() } as u64);
        }
        for pack in list.packs(self.element) {
            if *budget == 0 {
                return false;
            }
            let len = pack.byte_len();
            if packed && len > self.texts.at_once_max {
                let mut head = Vec::with_capacity(10);
                put_len(&mut head, container::PACKED);
                put_len(&mut head, len as u64);
                if !self.texts.put_parts(out, budget, [&head[..], pack.as_bytes()].into_iter()) {
                    return false;
                }
            } else {
                spend(budget, len, lzf.is_some());
                match packed {
                    true => put_packed_node(out, pack.view(), lzf.as_deref_mut()),
                    false => put_elements(out, pack.view(), lzf.as_deref_mut()),
                }
            }
            self.element += pack.len();
        }
        true
    }

    fn put_zset(&mut self, out: &mut Vec<u8>, zset: &Zset, first: bool, budget: &mut usize, lzf: Option<&mut Lzf>) -> bool {
        let mut lzf = lzf;
        if first {
            put_len(out, zset.len() as u64);
        }
        // Downwards, as real servers do: their readers insert each member in front of all others that way.
        let rank = zset.len().saturating_sub(1 + self.element);
        for (member, score) in zset.range_rev(rank, zset.len() - self.element) {
            if *budget == 0 {
                return false;
            }
            match member {
                Element::Str(text) => {
                    if !self.texts.put(out, budget, [text], lzf.as_deref_mut()) {
                        return false;
                    }
                }
                number => {
                    spend(budget, 0, false);
                    put_element(out, number, None);
                }
            }
            put_double(out, score);
            self.element += 1;
        }
        true
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
