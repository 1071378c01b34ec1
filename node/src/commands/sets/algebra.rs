//! Intersections, unions and differences. Sets are cloned, which shares their chunks, so that several can be looked at at once.

use crate::commands::collections::{counted_keys, int_from, limits, put_element, read, store};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::{Set, Thresholds};
use koltso_proto::listpack::{Element, IntText};
use koltso_proto::resp::Args;

const TOO_MANY_KEYS: Error = Error::fixed("ERR Number of keys can't be greater than number of args");

/// The sets at the keys; empty ones where there is nothing.
fn sets_at<'k>(cx: &mut Ctx<'_>, keys: impl Iterator<Item = &'k [u8]>) -> Outcome<Vec<Set>> {
    keys.map(|key| Ok(read::<Set>(cx, key)?.cloned().unwrap_or_default())).collect()
}

/// Members that all the sets have, in no order.
fn intersection(sets: &mut [Set]) -> impl Iterator<Item = Element<'_>> {
    sets.sort_by_key(Set::len);
    let (smallest, others) = sets.split_first().expect("there is at least one key");
    let mut text = IntText::new();
    smallest.iter().filter(move |member| {
        let member = member.bytes(&mut text);
        others.iter().all(|other| other.contains(member))
    })
}

fn union(sets: &[Set], limits: &Thresholds) -> Set {
    let mut all = Set::default();
    sets.iter().flat_map(Set::iter).for_each(|member| {
        all.add_element(member, limits);
    });
    all
}

/// Members of the first set that no other has.
fn difference(sets: &[Set]) -> impl Iterator<Item = Element<'_>> {
    let (first, others) = sets.split_first().expect("there is at least one key");
    let mut text = IntText::new();
    first.iter().filter(move |member| {
        let member = member.bytes(&mut text);
        !others.iter().any(|other| other.contains(member))
    })
}

fn collect<'a>(members: impl Iterator<Item = Element<'a>>, limits: &Thresholds) -> Set {
    let mut set = Set::default();
    members.for_each(|member| {
        set.add_element(member, limits);
    });
    set
}

fn reply_with(cx: &mut Ctx<'_>, members: &[Element<'_>]) {
    cx.reply.set(members.len());
    members.iter().for_each(|member| put_element(cx.reply, *member));
}

/// `SINTER key [key …]`.
pub fn sinter(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let mut sets = sets_at(cx, args.from(1))?;
    let members: Vec<_> = intersection(&mut sets).collect();
    reply_with(cx, &members);
    Ok(())
}

/// `SUNION key [key …]`.
pub fn sunion(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let limits = limits(cx);
    let all = union(&sets_at(cx, args.from(1))?, &limits);
    reply_with(cx, &all.iter().collect::<Vec<_>>());
    Ok(())
}

/// `SDIFF key [key …]`.
pub fn sdiff(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let sets = sets_at(cx, args.from(1))?;
    let members: Vec<_> = difference(&sets).collect();
    reply_with(cx, &members);
    Ok(())
}

/// `SINTERSTORE destination key [key …]`.
pub fn sinterstore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (mut sets, limits) = (sets_at(cx, args.from(2))?, limits(cx));
    let result = collect(intersection(&mut sets), &limits);
    store_and_reply(cx, args.get(1), result);
    Ok(())
}

/// `SUNIONSTORE destination key [key …]`.
pub fn sunionstore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let limits = limits(cx);
    let result = union(&sets_at(cx, args.from(2))?, &limits);
    store_and_reply(cx, args.get(1), result);
    Ok(())
}

/// `SDIFFSTORE destination key [key …]`.
pub fn sdiffstore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let limits = limits(cx);
    let result = collect(difference(&sets_at(cx, args.from(2))?), &limits);
    store_and_reply(cx, args.get(1), result);
    Ok(())
}

fn store_and_reply(cx: &mut Ctx<'_>, destination: &[u8], result: Set) {
    let len = result.len();
    store(cx, destination, result);
    cx.reply.len(len);
}

/// `SINTERCARD numkeys key [key …] [LIMIT limit]`.
pub fn sintercard(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (keys, end) = counted_keys(args, 1, TOO_MANY_KEYS)?;
    let mut options = parse::Options::new(args, end);
    let mut limit = 0;
    while let Some(word) = options.next() {
        if !parse::is(word, "LIMIT") {
            return Err(errors::SYNTAX);
        }
        limit = int_from(options.value()?, 0, "ERR LIMIT can't be negative")?;
    }
    let mut sets = sets_at(cx, keys.into_iter())?;
    let max = if limit == 0 { usize::MAX } else { limit };
    let found = intersection(&mut sets).take(max).count();
    cx.reply.len(found);
    Ok(())
}
