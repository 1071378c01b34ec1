//! The reader against files of a real Redis 7.0.15, against the writer, and against damage.
//!
//! The files are in `fixtures/`. The digests are what `DEBUG DIGEST` printed on the server that wrote the file.

mod damage;
mod files;
mod refused;
mod values;
mod writing;

use super::consts::{kind, opcode};
use super::writer::*;
use super::*;
use crate::id::{DbIndex, UnixMs};
use crate::intset::Intset;
use crate::listpack::{Element, Listpack};
use crate::ziplist;
use survey::{Survey, survey};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../fixtures/", $name, ".rdb")).as_slice()
    };
}

const PACKED: &[u8] = fixture!("redis-7.0-packed");
const PLAIN: &[u8] = fixture!("redis-7.0-plain");
const LFU: &[u8] = fixture!("redis-7.0-lfu-no-checksum");
const LRU: &[u8] = fixture!("redis-7.0-lru");
const STREAMS: &[u8] = fixture!("redis-7.0-streams");
const EMPTY: &[u8] = fixture!("redis-7.0-empty");
/// Types that old servers wrote: plain, zipmap, ziplist, quicklist.
const OLD: &[u8] = fixture!("old-encodings");
const FIXTURES: [&[u8]; 7] = [PACKED, PLAIN, LFU, LRU, STREAMS, EMPTY, OLD];

fn read(file: &[u8]) -> Result<Survey, RdbError> {
    survey(file, usize::MAX, Limits::default())
}

/// Every item of a file as text, and what its end was.
fn items(file: &[u8], piece: usize) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut items = Vec::new();
    for bytes in file.chunks(piece) {
        decoder.feed(bytes);
        loop {
            match decoder.next_item() {
                Ok(Some(item)) => items.push(format!("{item:?}")),
                Ok(None) => break,
                Err(error) => {
                    items.push(error.to_string());
                    return items;
                }
            }
        }
    }
    items
}

/// The value of `key` in database 0 of a file.
fn value_of(file: &[u8], key: &str, check: impl FnOnce(Entry<'_>)) {
    let mut decoder = Decoder::default();
    decoder.feed(file);
    while let Some(item) = decoder.next_item().unwrap() {
        if let Item::Key(entry) = item
            && entry.key.to_vec() == key.as_bytes()
        {
            return check(entry);
        }
    }
    panic!("no {key}");
}

/// A file of version 10 with one key.
fn file_with(kind: u8, body: &[u8]) -> Vec<u8> {
    file_of(10, kind, body)
}

fn file_of(version: u32, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_magic(&mut out, version);
    put_key_header(&mut out, kind, None, b"key", None);
    out.extend_from_slice(body);
    put_eof(&mut out);
    let crc = crc64(&out);
    put_checksum(&mut out, crc);
    out
}

/// What a value decodes to, or why not; the same through a file and through a payload.
fn decoded(kind: u8, body: &[u8]) -> Result<RdbValue<'static>, Fault> {
    let file = file_with(kind, body);
    let from_payload = decode_value(kind, body, Dialect::Redis);
    let mut decoder = Decoder::default();
    decoder.feed(&file);
    match decoder.next_item() {
        Ok(Some(Item::Key(entry))) => assert_eq!(Ok(&entry.value), from_payload.as_ref()),
        Ok(Some(Item::End(_))) => assert_eq!(from_payload.as_ref().unwrap_err().fault, Fault::Empty),
        // A file waits for bytes that a payload lacks.
        Ok(other) => assert!(other.is_none() && from_payload.as_ref().unwrap_err().fault == Fault::Truncated, "{other:?}"),
        Err(error) => assert_eq!(error.fault, from_payload.clone().unwrap_err().fault),
    }
    from_payload.map(owned).map_err(|error| error.fault)
}

fn owned(value: RdbValue<'_>) -> RdbValue<'static> {
    match value {
        RdbValue::Str(text) => RdbValue::Str(text.into_owned()),
        RdbValue::List(nodes) => RdbValue::List(
            nodes
                .into_iter()
                .map(|node| match node {
                    ListNode::Packed(pack) => ListNode::Packed(pack),
                    ListNode::Plain(text) => ListNode::Plain(text.into_owned()),
                })
                .collect(),
        ),
        RdbValue::Set(RdbSet::Ints(set)) => RdbValue::Set(RdbSet::Ints(set)),
        RdbValue::Set(RdbSet::Packed(pack)) => RdbValue::Set(RdbSet::Packed(pack)),
        RdbValue::Set(RdbSet::Members(members)) => {
            RdbValue::Set(RdbSet::Members(members.into_iter().map(Text::into_owned).collect()))
        }
        RdbValue::Hash(RdbHash::Packed(pack)) => RdbValue::Hash(RdbHash::Packed(pack)),
        RdbValue::Hash(RdbHash::Pairs(pairs)) => {
            RdbValue::Hash(RdbHash::Pairs(pairs.into_iter().map(|(f, v)| (f.into_owned(), v.into_owned())).collect()))
        }
        RdbValue::Zset(RdbZset::Packed(pack)) => RdbValue::Zset(RdbZset::Packed(pack)),
        RdbValue::Zset(RdbZset::Pairs(pairs)) => {
            RdbValue::Zset(RdbZset::Pairs(pairs.into_iter().map(|(m, s)| (m.into_owned(), s)).collect()))
        }
        RdbValue::HashWithTtl(fields) => RdbValue::HashWithTtl(
            fields
                .into_iter()
                .map(|f| TtlField { field: f.field.into_owned(), value: f.value.into_owned(), expire: f.expire })
                .collect(),
        ),
        RdbValue::Stream(_) => panic!("no stream here"),
    }
}

fn blob(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_blob(&mut out, bytes, None);
    out
}

fn strings(count: u64, texts: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    put_len(&mut out, count);
    for text in texts {
        put_string(&mut out, text.as_bytes(), None);
    }
    out
}

fn text(text: &str) -> Text<'static> {
    crate::number::parse_i64(text.as_bytes()).map_or_else(|| Text::Inflated(text.as_bytes().into()), Text::Int)
}

fn pack(elements: &[&str]) -> Listpack {
    Listpack::from_iter(elements.iter().map(|element| element.as_bytes()))
}

fn raw(text: &str) -> Text<'static> {
    Text::Inflated(text.as_bytes().into())
}
