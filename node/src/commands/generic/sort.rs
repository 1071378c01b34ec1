//! `SORT`: the elements of a list, set or sorted set in an order that other keys may decide, or replaced by what other keys hold.
//!
//! Which keys those are is only known from the elements, so a command with such patterns is given all shards. Replicas are told
//! the list that was stored: which of two equal elements comes first may depend on how a set lies in memory.

use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::{End, List, Value, ValueRef};
use koltso_proto::listpack::{Element, IntText};
use koltso_proto::number::parse_f64;
use koltso_proto::resp::Args;
use std::cmp::Ordering;
use std::ops::Range;

const NOT_NUMBERS: Error = Error::fixed("ERR One or more scores can't be converted into double");
/// Elements that are propagated in one command.
const PROPAGATED_AT_ONCE: usize = 1000;

/// A sorting as it was asked for.
struct Query<'a> {
    descending: bool,
    alphabetical: bool,
    start: i64,
    count: i64,
    by: Option<&'a [u8]>,
    get: Vec<&'a [u8]>,
    destination: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    fn parse(args: Args<'a>, may_store: bool) -> Outcome<Self> {
        let mut query =
            Query { descending: false, alphabetical: false, start: 0, count: -1, by: None, get: Vec::new(), destination: None };
        let mut words = parse::Options::new(args, 2);
        while let Some(word) = words.next() {
            let left = words.left();
            match &*parse::upper(word) {
                b"ASC" => query.descending = false,
                b"DESC" => query.descending = true,
                b"ALPHA" => query.alphabetical = true,
                b"LIMIT" if left >= 2 => {
                    query.start = parse::int(words.value()?)?;
                    query.count = parse::int(words.value()?)?;
                }
                b"STORE" if may_store && left >= 1 => query.destination = Some(words.value()?),
                b"BY" if left >= 1 => query.by = Some(words.value()?),
                b"GET" if left >= 1 => query.get.push(words.value()?),
                _ => return Err(errors::SYNTAX),
            }
        }
        Ok(query)
    }

    /// Whether elements stay as they are: what decides is the same for all.
    fn is_unsorted(&self) -> bool {
        self.by.is_some_and(|by| !by.contains(&b'*'))
    }

    /// The part of a text that is compared: what is only shown is compared as C does, which ends texts at a zero byte.
    fn collated<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let end = if self.destination.is_some() { None } else { text.iter().position(|byte| *byte == 0) };
        &text[..end.unwrap_or(text.len())]
    }

    /// Which of `len` elements are wanted.
    fn range(&self, len: usize) -> Range<usize> {
        let start = usize::try_from(self.start).unwrap_or(0).min(len);
        let count = usize::try_from(self.count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

/// Elements as they lie, and whether they are those of a set, which has no order.
fn elements(cx: &mut Ctx<'_>, key: &[u8], query: &Query<'_>) -> Outcome<(Vec<Vec<u8>>, bool)> {
    let to_vec = |element: Element<'_>| element.to_vec();
    let backwards = query.is_unsorted() && query.descending;
    let Some(entry) = cx.read(key) else { return Ok((Vec::new(), false)) };
    let (mut elements, is_set): (Vec<Vec<u8>>, bool) = match entry.value() {
        ValueRef::List(list) => (list.iter().map(to_vec).collect(), false),
        ValueRef::Set(set) => return Ok((set.iter().map(to_vec).collect(), true)),
        ValueRef::Zset(zset) => (zset.iter().map(|(member, _)| member.to_vec()).collect(), false),
        _ => return Err(errors::WRONG_TYPE),
    };
    if backwards {
        elements.reverse();
    }
    Ok((elements, is_set))
}

/// What a pattern leads to for an element: the element itself, a string, or a field of a hash.
fn look_up(cx: &mut Ctx<'_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = pattern.iter().position(|byte| *byte == b'*')?;
    let (prefix, rest) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = rest.windows(2).position(|pair| pair == b"->").filter(|arrow| arrow + 2 < rest.len());
    let (suffix, field) = match arrow {
        Some(arrow) => (&rest[..arrow], Some(&rest[arrow + 2..])),
        None => (rest, None),
    };
    let key = [prefix, element, suffix].concat();
    cx.settle_fields(&key);
    match (cx.read(&key)?.value(), field) {
        (ValueRef::Str(text), None) => Some(text.to_vec()),
        (ValueRef::Hash(hash), Some(field)) => hash.get(field).map(|value| value.bytes(&mut IntText::new()).to_vec()),
        _ => None,
    }
}

/// A weight as C's `strtod` reads it: nothing at all is 0, spaces in front are passed over, and a zero byte ends it.
fn weight(text: &[u8]) -> Outcome<f64> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let text = text[..end].trim_ascii_start();
    if text.is_empty() {
        return Ok(0.0);
    }
    let loose = || std::str::from_utf8(text).ok()?.parse().ok().filter(|weight: &f64| !weight.is_nan());
    let weight = parse_f64(text).or_else(loose).ok_or(NOT_NUMBERS)?;
    // What is too large for a number is none.
    if weight.is_infinite() && text.iter().any(u8::is_ascii_digit) { Err(NOT_NUMBERS) } else { Ok(weight) }
}

fn sort(cx: &mut Ctx<'_>, elements: &mut Vec<Vec<u8>>, query: &Query<'_>, by: Option<&[u8]>) -> Outcome {
    let direct = |order: Ordering| if query.descending { order.reverse() } else { order };
    let mut keyed = Vec::with_capacity(elements.len());
    if query.alphabetical {
        for element in elements.drain(..) {
            keyed.push((by.and_then(|by| look_up(cx, by, &element)), element));
        }
        keyed.sort_by(|(key, element), (other_key, other)| {
            // With `BY`, elements with nothing to sort by are equal, and come first.
            let collated = |text| query.collated(text);
            direct(match by {
                Some(_) => key.as_deref().map(collated).cmp(&other_key.as_deref().map(collated)),
                None => query.collated(element).cmp(query.collated(other)),
            })
        });
        elements.extend(keyed.into_iter().map(|(_, element)| element));
        return Ok(());
    }
    let mut keyed = Vec::with_capacity(elements.len());
    let mut failed = None;
    for element in elements.drain(..) {
        let weight = match by {
            Some(by) => look_up(cx, by, &element).map_or(Ok(0.0), |text| weight(&text)),
            None => weight(&element),
        };
        let weight = weight.unwrap_or_else(|error| {
            failed = Some(error);
            0.0
        });
        keyed.push((weight, element));
    }
    if let Some(error) = failed {
        return Err(error);
    }
    keyed.sort_by(|(weight, element), (other_weight, other)| {
        let by_weight = weight.partial_cmp(other_weight).unwrap_or(Ordering::Equal);
        direct(by_weight.then_with(|| element.cmp(other)))
    });
    elements.extend(keyed.into_iter().map(|(_, element)| element));
    Ok(())
}

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE key]`.
pub fn sort_command(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    run(cx, args, true)
}

/// `SORT_RO`, as `SORT`, without storing.
pub fn sort_ro(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    run(cx, args, false)
}

fn run(cx: &mut Ctx<'_>, args: Args<'_>, may_store: bool) -> Outcome {
    let mut query = Query::parse(args, may_store)?;
    let (mut elements, is_set) = elements(cx, args.get(1), &query)?;
    if !query.is_unsorted() {
        let by = query.by;
        sort(cx, &mut elements, &query, by)?;
    } else if is_set && (query.destination.is_some() || cx.scripted) {
        // What is stored has an order, so it should be a certain one; and a script may do anything with it.
        query.alphabetical = true;
        sort(cx, &mut elements, &query, None)?;
    }
    let wanted = query.range(elements.len());
    let mut output: Vec<Option<Vec<u8>>> = Vec::new();
    for element in elements.drain(wanted) {
        if query.get.is_empty() {
            output.push(Some(element));
        } else {
            output.extend(query.get.iter().map(|pattern| look_up(cx, pattern, &element)));
        }
    }
    match query.destination {
        Some(destination) => store(cx, destination, &output),
        None => {
            cx.reply.array(output.len());
            output.iter().for_each(|element| cx.reply.bulk_or_null(element.as_deref()));
        }
    }
    Ok(())
}

fn store(cx: &mut Ctx<'_>, destination: &[u8], output: &[Option<Vec<u8>>]) {
    cx.reply.len(output.len());
    if output.is_empty() {
        if cx.delete(destination) {
            cx.propagate(&[b"DEL", destination]);
        }
        return;
    }
    let limits = cx.config.thresholds;
    let mut list = List::new();
    let texts: Vec<&[u8]> = output.iter().map(|element| element.as_deref().unwrap_or_default()).collect();
    texts.iter().for_each(|text| list.push(End::Tail, text, &limits));
    cx.set_value(destination, Value::List(list), None);
    cx.dirty += texts.len() as u64 - 1;
    cx.propagate(&[b"DEL", destination]);
    for texts in texts.chunks(PROPAGATED_AT_ONCE) {
        cx.propagate(&[&[b"RPUSH".as_slice(), destination], texts].concat());
    }
}
