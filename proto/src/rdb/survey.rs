//! Reading a whole file only to say what is in it: for tests, fuzzers and whoever wants to look at a file.
//!
//! Every string, element, score and deadline is touched on the way, so a file that can be surveyed can be loaded.

use super::error::RdbError;
use super::item::{Checksum, Entry, Item, Limits};
use super::reader::Decoder;
use super::value::{ListNode, RdbHash, RdbSet, RdbValue, RdbZset};
use crate::digest::{Digest, ValueType};
use crate::id::DbIndex;
use crate::listpack::{Element, Listpack};
use crate::number::parse_f64;
use crate::stream::Node;
use std::collections::BTreeMap;

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    pub version: u32,
    pub keys: u64,
    /// Keys with a deadline.
    pub expires: u64,
    /// Keys that were passed over because they had no elements.
    pub empty_keys: u64,
    pub functions: u64,
    pub streams: u64,
    /// What `DEBUG DIGEST` would print, except that the content of streams is left out.
    pub digest: Digest,
    /// `None` if the file ends before its end mark.
    pub checksum: Option<Checksum>,
    /// Bytes behind the file.
    pub behind: usize,
}

/// Surveys a file that arrives in pieces of `piece` bytes.
pub fn survey(file: &[u8], piece: usize, limits: Limits) -> Result<Survey, RdbError> {
    let mut decoder = Decoder::new(limits);
    let mut survey = Survey::default();
    let mut sums: BTreeMap<u32, Digest> = BTreeMap::new();
    let mut db = DbIndex(0);
    for bytes in file.chunks(piece.max(1)) {
        decoder.feed(bytes);
        while let Some(item) = decoder.next_item()? {
            match item {
                Item::SelectDb(index) => db = index,
                Item::Function(_) => survey.functions += 1,
                Item::Key(entry) => {
                    survey.keys += 1;
                    survey.expires += u64::from(entry.expire.is_some());
                    survey.streams += u64::from(matches!(entry.value, RdbValue::Stream(_)));
                    sums.entry(db.0).or_default().add_key(&entry.digest());
                }
                Item::End(checksum) => survey.checksum = Some(checksum),
                Item::Aux { .. } | Item::ResizeDb { .. } | Item::SlotInfo { .. } | Item::ModuleAux { .. } => {}
            }
        }
    }
    for (index, sum) in sums {
        survey.digest.add_database(DbIndex(index), &sum);
    }
    survey.version = decoder.version();
    survey.empty_keys = decoder.empty_keys();
    survey.behind = if decoder.is_done() { decoder.remaining().len() } else { 0 };
    Ok(survey)
}

impl Entry<'_> {
    /// The digest of key, value and the presence of a deadline, as [`Digest::add_key`] takes it.
    pub fn digest(&self) -> Digest {
        let mut digest = Digest::of_key(&self.key.to_vec(), self.value.value_type());
        self.value.add_to(&mut digest);
        if self.expire.is_some() {
            digest.mark_expiring();
        }
        digest
    }
}

impl RdbValue<'_> {
    /// What the value is.
    pub fn value_type(&self) -> ValueType {
        match self {
            RdbValue::Str(_) => ValueType::String,
            RdbValue::List(_) => ValueType::List,
            RdbValue::Set(_) => ValueType::Set,
            RdbValue::Hash(_) | RdbValue::HashWithTtl(_) => ValueType::Hash,
            RdbValue::Zset(_) => ValueType::Zset,
            RdbValue::Stream(_) => ValueType::Stream,
        }
    }

    /// Adds the content to the digest of a key or value; of streams, their entries.
    pub fn add_to(&self, digest: &mut Digest) {
        match self {
            RdbValue::Str(text) => digest.string(&text.to_vec()),
            RdbValue::List(nodes) => {
                for node in nodes {
                    match node {
                        ListNode::Packed(pack) => digest.list(texts(pack)),
                        ListNode::Plain(text) => digest.list([text.to_vec()]),
                    }
                }
            }
            RdbValue::Set(RdbSet::Ints(set)) => digest.set(set.iter().map(|value| value.to_string())),
            RdbValue::Set(RdbSet::Packed(pack)) => digest.set(texts(pack)),
            RdbValue::Set(RdbSet::Members(members)) => digest.set(members.iter().map(|member| member.to_vec())),
            RdbValue::Hash(RdbHash::Packed(pack)) => pairs(pack, |field, value| digest.pair(&field.to_vec(), &value.to_vec())),
            RdbValue::Hash(RdbHash::Pairs(pairs)) => {
                digest.hash(pairs.iter().map(|(field, value)| (field.to_vec(), value.to_vec())));
            }
            RdbValue::HashWithTtl(fields) => {
                digest.hash(fields.iter().map(|field| (field.field.to_vec(), field.value.to_vec())));
            }
            RdbValue::Zset(RdbZset::Packed(pack)) => {
                pairs(pack, |member, score| digest.zset([(member.to_vec(), packed_score(score))]));
            }
            RdbValue::Zset(RdbZset::Pairs(pairs)) => {
                digest.zset(pairs.iter().map(|(member, score)| (member.to_vec(), *score)));
            }
            RdbValue::Stream(stream) => {
                for node in &stream.nodes {
                    for entry in Node::new(node.master, node.pack.view()).living() {
                        let fields = entry.fields().map(|(field, value)| (field.to_vec(), value.to_vec()));
                        digest.stream_entry(entry.id.ms, entry.id.seq, fields);
                    }
                }
            }
        }
    }
}

fn texts(pack: &Listpack) -> impl Iterator<Item = Vec<u8>> + '_ {
    pack.iter().map(|(_, element)| element.to_vec())
}

fn pairs(pack: &Listpack, mut each: impl FnMut(Element<'_>, Element<'_>)) {
    let mut elements = pack.iter();
    while let (Some((_, first)), Some((_, second))) = (elements.next(), elements.next()) {
        each(first, second);
    }
}

/// The score in a packed sorted set. It has been checked, so the fallback is not reached.
fn packed_score(element: Element<'_>) -> f64 {
    match element {
        Element::Int(value) => value as f64,
        Element::Str(text) => parse_f64(text).unwrap_or(0.0),
    }
}
