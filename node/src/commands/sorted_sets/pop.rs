//! Popping the members with the lowest or highest scores.

use super::put_members;
use crate::commands::collections::{self, counted_keys, int_from, put_element};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::Zset;
use koltso_proto::resp::{Args, Reply};

/// `ZPOPMIN key [count]`.
pub fn zpopmin(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    pop(cx, args, false)
}

/// `ZPOPMAX key [count]`.
pub fn zpopmax(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    pop(cx, args, true)
}

fn pop(cx: &mut Ctx<'_>, args: Args<'_>, highest: bool) -> Outcome {
    if args.len() > 3 {
        return Err(errors::SYNTAX);
    }
    let count = if args.len() == 3 { Some(parse::count(args.get(2))?) } else { None };
    let found = collections::edit(cx, args.get(1), |zset: &mut Zset, reply| {
        let len = count.unwrap_or(1).min(zset.len());
        match count {
            Some(_) => put_popped(zset, highest, len, reply),
            None => put_one(zset, highest, reply),
        }
        remove_popped(zset, highest, len);
        ((), len)
    })?;
    if found.is_none() {
        cx.reply.array(0);
    }
    Ok(())
}

/// Without a count, one member and its score stand side by side in RESP3 too.
fn put_one(zset: &Zset, highest: bool, reply: &mut Reply) {
    let rank = if highest { zset.len().saturating_sub(1) } else { 0 };
    reply.array(2);
    if let Some((member, score)) = zset.get(rank) {
        put_element(reply, member);
        reply.double(score);
    }
}

fn put_popped(zset: &Zset, highest: bool, len: usize, reply: &mut Reply) {
    if highest {
        put_members(reply, len, zset.range_rev(zset.len().saturating_sub(1), len), true);
    } else {
        put_members(reply, len, zset.range(0, len), true);
    }
}

pub(super) fn remove_popped(zset: &mut Zset, highest: bool, len: usize) {
    zset.remove_range(if highest { zset.len() - len } else { 0 }, len);
}

/// `ZMPOP numkeys key [key …] MIN | MAX [COUNT count]`. Propagated as the pop it comes to.
pub fn zmpop(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    if !Taking::parse(args, 1)?.take(cx)? {
        cx.reply.null_array();
    }
    Ok(())
}

/// What `ZMPOP` and `BZMPOP` ask for.
pub(super) struct Taking<'a> {
    keys: Vec<&'a [u8]>,
    highest: bool,
    count: usize,
}

impl<'a> Taking<'a> {
    /// `numkeys key [key …] MIN | MAX [COUNT count]`, from this argument on.
    pub(super) fn parse(args: Args<'a>, at: usize) -> Outcome<Self> {
        let (keys, end) = counted_keys(args, at, errors::SYNTAX)?;
        if end >= args.len() {
            return Err(errors::SYNTAX);
        }
        let highest = match args.get(end) {
            word if parse::is(word, "MIN") => false,
            word if parse::is(word, "MAX") => true,
            _ => return Err(errors::SYNTAX),
        };
        let mut options = parse::Options::new(args, end + 1);
        let mut count = None;
        while let Some(word) = options.next() {
            if count.is_some() || !parse::is(word, "COUNT") {
                return Err(errors::SYNTAX);
            }
            count = Some(int_from(options.value()?, 1, "ERR count should be greater than 0")?);
        }
        Ok(Taking { keys, highest, count: count.unwrap_or(1) })
    }

    /// Pops from the first key that has something, and replies. False, and no reply, if none has.
    pub(super) fn take(self, cx: &mut Ctx<'_>) -> Outcome<bool> {
        let Taking { keys, highest, count } = self;
        for key in keys {
            let popped = collections::edit(cx, key, |zset: &mut Zset, reply| {
                let len = count.min(zset.len());
                put_key_and_popped(key, zset, highest, len, reply);
                remove_popped(zset, highest, len);
                (len, len)
            })?;
            if let Some(popped) = popped {
                let name: &[u8] = if highest { b"ZPOPMAX" } else { b"ZPOPMIN" };
                cx.propagate(&[name, key, itoa::Buffer::new().format(popped).as_bytes()]);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The key, then pairs: in arrays of their own in RESP2 too.
fn put_key_and_popped(key: &[u8], zset: &Zset, highest: bool, len: usize, reply: &mut Reply) {
    reply.array(2);
    reply.bulk(key);
    reply.array(len);
    for n in 0..len {
        reply.array(2);
        if let Some((member, score)) = zset.get(if highest { zset.len() - 1 - n } else { n }) {
            put_element(reply, member);
            reply.double(score);
        }
    }
}
