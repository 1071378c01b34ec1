//! From the bytes of one value, all of which are there, to an [`RdbValue`].
//!
//! Packed values are checked throughout and kept packed; those of old servers become listpacks. Sizes named in the bytes are
//! never believed beyond the bytes that are there.

use super::consts::{container, kind};
use super::cursor::{Cursor, Len, module_name, parse_len};
use super::error::Fault;
use super::extent::unreadable;
use super::magic::Dialect;
use super::stream::stream;
use super::unique::{HasText, all_unique};
use super::value::{ListNode, RdbHash, RdbSet, RdbValue, RdbZset, Text, TtlField};
use super::zipmap;
use crate::id::UnixMs;
use crate::intset::Intset;
use crate::listpack::{Element, Listpack};
use crate::number::parse_f64;
use crate::ziplist::Ziplist;

/// Elements of old plain lists are gathered into listpacks of about this size.
const NODE_BYTES: usize = 8 << 10;
/// From this many elements on, duplicates are looked for while a vector grows and not only at its end, so that a stream of
/// equal tiny elements cannot make a vector many times its own size.
const CHECK_EVERY_FROM: usize = 1 << 16;

/// Reads the value at the cursor.
pub(super) fn value<'a>(cursor: &mut Cursor<'a>, kind: u8, dialect: Dialect) -> Result<RdbValue<'a>, Fault> {
    Ok(match kind {
        kind::STRING => RdbValue::Str(cursor.text()?),
        kind::LIST | kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
            let nodes = list(cursor, kind)?;
            RdbValue::List(if nodes.is_empty() { return Err(Fault::Empty) } else { nodes })
        }
        kind::SET => RdbValue::Set(RdbSet::Members(gather(cursor, Cursor::text, |member| member)?)),
        kind::SET_INTSET => {
            let set = Intset::from_bytes_checked(cursor.blob()?)?;
            RdbValue::Set(if set.is_empty() { return Err(Fault::Empty) } else { RdbSet::Ints(set) })
        }
        kind::SET_LISTPACK => RdbValue::Set(RdbSet::Packed(unique_pack(listpack(cursor)?, 1)?)),
        kind::HASH => {
            let pair = |cursor: &mut Cursor<'a>| Ok((cursor.text()?, cursor.text()?));
            RdbValue::Hash(RdbHash::Pairs(gather(cursor, pair, |pair| &pair.0)?))
        }
        kind::HASH_LISTPACK => RdbValue::Hash(RdbHash::Packed(unique_pack(listpack(cursor)?, 2)?)),
        kind::HASH_ZIPLIST => RdbValue::Hash(RdbHash::Packed(unique_pack(ziplist(cursor)?, 2)?)),
        kind::HASH_ZIPMAP => RdbValue::Hash(RdbHash::Packed(unique_pack(zipmap::to_listpack(&cursor.blob()?)?, 2)?)),
        kind::ZSET => zset_pairs(cursor, Cursor::text_double)?,
        kind::ZSET_2 => zset_pairs(cursor, Cursor::double)?,
        kind::ZSET_LISTPACK => zset_pack(listpack(cursor)?)?,
        kind::ZSET_ZIPLIST => zset_pack(ziplist(cursor)?)?,
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => RdbValue::Stream(Box::new(stream(cursor, kind)?)),
        kind::HASH_2_VALKEY if dialect == Dialect::Valkey => RdbValue::HashWithTtl(hash_valkey(cursor)?),
        kind::HASH_METADATA => RdbValue::HashWithTtl(hash_metadata(cursor)?),
        kind::HASH_LISTPACK_EX => RdbValue::HashWithTtl(hash_listpack_ex(cursor)?),
        kind::MODULE_PRE_GA | kind::MODULE_2 => return Err(Fault::Module(module_name(cursor.len()?))),
        other => return Err(unreadable(other)),
    })
}

/// Whether the value is a collection without elements, which real servers pass over. Answers for what real servers write;
/// anything else is left for [`value`] to refuse.
pub(super) fn is_empty(bytes: &[u8], kind: u8) -> bool {
    match kind {
        kind::LIST | kind::SET | kind::ZSET | kind::HASH | kind::ZSET_2 | kind::HASH_2_VALKEY => bytes.first() == Some(&0),
        kind::HASH_METADATA => bytes.get(8) == Some(&0),
        kind::LIST_ZIPLIST | kind::ZSET_ZIPLIST | kind::HASH_ZIPLIST => empty_blob(bytes) == Some(Pack::Ziplist),
        kind::SET_INTSET => empty_blob(bytes) == Some(Pack::Intset),
        kind::HASH_ZIPMAP => empty_blob(bytes) == Some(Pack::Zipmap),
        kind::HASH_LISTPACK | kind::ZSET_LISTPACK | kind::SET_LISTPACK => empty_blob(bytes) == Some(Pack::Listpack),
        kind::HASH_LISTPACK_EX => bytes.get(8..).and_then(empty_blob) == Some(Pack::Listpack),
        kind::LIST_QUICKLIST => empty_nodes(bytes, 0, Pack::Ziplist).unwrap_or(false),
        kind::LIST_QUICKLIST_2 => empty_nodes(bytes, 1, Pack::Listpack).unwrap_or(false),
        _ => false,
    }
}

#[derive(PartialEq)]
enum Pack {
    Listpack,
    Ziplist,
    Intset,
    Zipmap,
}

/// Which empty packed value the string at the beginning of `bytes` is. It is too short for any writer to compress it.
fn empty_blob(bytes: &[u8]) -> Option<Pack> {
    let (&len, rest) = bytes.split_first()?;
    match rest.get(..usize::from(len))? {
        [7, 0, 0, 0, 0, 0, 0xFF] => Some(Pack::Listpack),
        [11, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0xFF] => Some(Pack::Ziplist),
        [2 | 4 | 8, 0, 0, 0, 0, 0, 0, 0] => Some(Pack::Intset),
        [0, 0xFF] => Some(Pack::Zipmap),
        _ => None,
    }
}

/// Whether all nodes of a list, each with `head` bytes in front, are empty.
fn empty_nodes(bytes: &[u8], head: usize, pack: Pack) -> Option<bool> {
    let (Len::Plain(count), mut at) = parse_len(bytes).ok()?? else { return None };
    for _ in 0..count {
        if empty_blob(bytes.get(at + head..)?)? != pack {
            return None;
        }
        at += head + 1 + usize::from(*bytes.get(at + head)?);
    }
    Some(true)
}

fn listpack(cursor: &mut Cursor<'_>) -> Result<Listpack, Fault> {
    Ok(Listpack::from_bytes_checked(cursor.blob()?)?)
}

fn ziplist(cursor: &mut Cursor<'_>) -> Result<Listpack, Fault> {
    Ok(Ziplist::from_bytes_checked(&cursor.blob()?)?.to_listpack())
}

/// Reads a counted collection into a vector and refuses duplicates of what `unique` names.
fn gather<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl Fn(&mut Cursor<'a>) -> Result<T, Fault>,
    unique: impl Fn(&T) -> &Text<'a>,
) -> Result<Vec<T>, Fault> {
    let count = cursor.count()?;
    // The count is believed as far as the bytes would do for short strings.
    let mut items = Vec::with_capacity(count.min(cursor.rest().len() / 8 + 1));
    let mut check_at = CHECK_EVERY_FROM;
    for _ in 0..count {
        items.push(read(cursor)?);
        if items.len() == check_at {
            refuse_duplicates(items.iter().map(&unique))?;
            check_at *= 4;
        }
    }
    if items.is_empty() {
        return Err(Fault::Empty);
    }
    refuse_duplicates(items.iter().map(&unique))?;
    Ok(items)
}

fn refuse_duplicates<T: HasText>(items: impl Iterator<Item = T> + Clone) -> Result<(), Fault> {
    if all_unique(items) { Ok(()) } else { Err(Fault::Duplicate) }
}

/// Checks that a packed collection has elements, comes out even in groups of `group`, and has no duplicate group heads.
fn unique_pack(pack: Listpack, group: usize) -> Result<Listpack, Fault> {
    let count = pack.len();
    if count == 0 {
        return Err(Fault::Empty);
    }
    if !count.is_multiple_of(group) {
        return Err(Fault::Corrupt("a packed hash or sorted set with a field or member that has no partner"));
    }
    refuse_duplicates(pack.iter().step_by(group).map(|(_, element)| element))?;
    Ok(pack)
}

fn list<'a>(cursor: &mut Cursor<'a>, kind: u8) -> Result<Vec<ListNode<'a>>, Fault> {
    let mut nodes = Vec::new();
    if kind == kind::LIST_ZIPLIST {
        push_node(&mut nodes, ziplist(cursor)?);
        return Ok(nodes);
    }
    let mut open = Listpack::new();
    for _ in 0..cursor.count()? {
        match kind {
            kind::LIST => {
                let element = cursor.text()?;
                let size = element.as_element().text_len();
                if open.byte_len() + size > NODE_BYTES && !open.is_empty() {
                    push_node(&mut nodes, std::mem::take(&mut open));
                }
                open.push_back_element(element.as_element());
            }
            kind::LIST_QUICKLIST => push_node(&mut nodes, ziplist(cursor)?),
            _ => match cursor.len()? {
                container::PACKED => push_node(&mut nodes, listpack(cursor)?),
                container::PLAIN => nodes.push(ListNode::Plain(cursor.text()?)),
                _ => return Err(Fault::Corrupt("unknown container of a list node")),
            },
        }
    }
    push_node(&mut nodes, open);
    Ok(nodes)
}

fn push_node(nodes: &mut Vec<ListNode<'_>>, pack: Listpack) {
    if !pack.is_empty() {
        nodes.push(ListNode::Packed(pack));
    }
}

fn zset_pairs<'a>(
    cursor: &mut Cursor<'a>,
    score: impl Fn(&mut Cursor<'a>) -> Result<f64, Fault>,
) -> Result<RdbValue<'a>, Fault> {
    let pair = |cursor: &mut Cursor<'a>| {
        let member = cursor.text()?;
        let score = score(cursor)?;
        if score.is_nan() { Err(Fault::Corrupt("a score that is not a number")) } else { Ok((member, score)) }
    };
    Ok(RdbValue::Zset(RdbZset::Pairs(gather(cursor, pair, |pair| &pair.0)?)))
}

/// The score that a packed sorted set holds as an element.
fn packed_score(element: Element<'_>) -> Result<f64, Fault> {
    match element {
        Element::Int(value) => Some(value as f64),
        Element::Str(text) => parse_f64(text),
    }
    .ok_or(Fault::Corrupt("a score that is not a number"))
}

fn zset_pack<'a>(pack: Listpack) -> Result<RdbValue<'a>, Fault> {
    let pack = unique_pack(pack, 2)?;
    let mut pairs = Vec::new();
    let mut elements = pack.iter();
    while let (Some((_, member)), Some((_, score))) = (elements.next(), elements.next()) {
        pairs.push((member, packed_score(score)?));
    }
    let before = |a: &(Element<'_>, f64), b: &(Element<'_>, f64)| a.1 < b.1 || (a.1 == b.1 && a.0.to_vec() < b.0.to_vec());
    if pairs.is_sorted_by(before) {
        drop(pairs);
        return Ok(RdbValue::Zset(RdbZset::Packed(pack)));
    }
    // Out of order: nothing is lost when whoever keeps it sorts it anew.
    let pairs = pairs.into_iter().map(|(member, score)| (Text::from(member), score)).collect();
    Ok(RdbValue::Zset(RdbZset::Pairs(pairs)))
}

fn hash_metadata<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<TtlField<'a>>, Fault> {
    let earliest = u64::from_le_bytes(cursor.array()?);
    let field = |cursor: &mut Cursor<'a>| {
        let expire = match cursor.len()? {
            0 => None,
            // Relative to the earliest, plus one to tell it from none.
            more => Some(UnixMs(earliest.checked_add(more - 1).ok_or(Fault::Corrupt("a field deadline beyond all time"))?)),
        };
        Ok(TtlField { field: cursor.text()?, value: cursor.text()?, expire })
    };
    gather(cursor, field, |field| &field.field)
}

fn hash_valkey<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<TtlField<'a>>, Fault> {
    let field = |cursor: &mut Cursor<'a>| {
        let (field, value) = (cursor.text()?, cursor.text()?);
        let at = i64::from_le_bytes(cursor.array()?);
        Ok(TtlField { field, value, expire: (at != -1).then_some(UnixMs(at.max(0).cast_unsigned())) })
    };
    gather(cursor, field, |field| &field.field)
}

fn hash_listpack_ex<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<TtlField<'a>>, Fault> {
    cursor.take(8)?;
    let pack = unique_pack(listpack(cursor)?, 3)?;
    let mut fields = Vec::new();
    let mut elements = pack.iter().map(|(_, element)| element);
    while let (Some(field), Some(value), Some(at)) = (elements.next(), elements.next(), elements.next()) {
        let at = at.as_int().and_then(|at| u64::try_from(at).ok()).ok_or(Fault::Corrupt("a field deadline that is no time"))?;
        fields.push(TtlField { field: field.into(), value: value.into(), expire: (at != 0).then_some(UnixMs(at)) });
    }
    Ok(fields)
}
