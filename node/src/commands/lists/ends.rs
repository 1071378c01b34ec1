//! Pushing and popping.

use super::end_of;
use crate::commands::collections::{self, counted_keys, int_from, limits, put_element};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::{End, List, Thresholds};
use koltso_proto::resp::{Args, Reply};

/// `LPUSH key element [element …]`.
pub fn lpush(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    push(cx, args, End::Head)
}

/// `RPUSH key element [element …]`.
pub fn rpush(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    push(cx, args, End::Tail)
}

/// `LPUSHX key element [element …]`.
pub fn lpushx(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    push_to_existing(cx, args, End::Head)
}

/// `RPUSHX key element [element …]`.
pub fn rpushx(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    push_to_existing(cx, args, End::Tail)
}

fn push(cx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Outcome {
    let limits = limits(cx);
    let len = collections::edit_or_create(cx, args.get(1), List::new, |list, _| {
        (push_all(list, args, end, &limits), args.len() - 2)
    })?;
    cx.reply.len(len);
    Ok(())
}

fn push_to_existing(cx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Outcome {
    let limits = limits(cx);
    let len = collections::edit(cx, args.get(1), |list, _| (push_all(list, args, end, &limits), args.len() - 2))?;
    cx.reply.len(len.unwrap_or_default());
    Ok(())
}

fn push_all(list: &mut List, args: Args<'_>, end: End, limits: &crate::shard::value::Thresholds) -> usize {
    if args.len() > 3 {
        list.grow_if_needed(args.from(2).map(<[u8]>::len).sum(), args.len() - 2, limits);
        list.reserve_for(args.from(2));
    }
    args.from(2).for_each(|element| list.push(end, element, limits));
    list.len()
}

/// `LPOP key [count]`.
pub fn lpop(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    pop(cx, args, End::Head, "lpop")
}

/// `RPOP key [count]`.
pub fn rpop(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    pop(cx, args, End::Tail, "rpop")
}

fn pop(cx: &mut Ctx<'_>, args: Args<'_>, end: End, name: &str) -> Outcome {
    let limits = limits(cx);
    if args.len() > 3 {
        return Err(errors::wrong_arity(name));
    }
    if args.len() == 2 {
        let found = collections::edit(cx, args.get(1), |list: &mut List, reply| {
            pop_one(list, end, reply, &limits);
            ((), 1)
        })?;
        if found.is_none() {
            cx.reply.null();
        }
        return Ok(());
    }
    let count = parse::count(args.get(2))?;
    let found = collections::edit(cx, args.get(1), |list: &mut List, reply| {
        let popped = pop_many(list, end, count, reply);
        list.shrink_if_possible(&limits);
        ((), popped)
    })?;
    if found.is_none() {
        cx.reply.null_array();
    }
    Ok(())
}

/// Replies with the element at one end and removes it.
pub(super) fn pop_one(list: &mut List, end: End, reply: &mut Reply, limits: &Thresholds) {
    if let Some(element) = list.peek(end) {
        put_element(reply, element);
    }
    list.pop(end);
    list.shrink_if_possible(limits);
}

/// Replies with an array of up to `count` elements and removes them; returns how many.
fn pop_many(list: &mut List, end: End, count: usize, reply: &mut Reply) -> usize {
    let count = count.min(list.len());
    reply.array(count);
    match end {
        End::Head => {
            list.range(0, count).for_each(|element| put_element(reply, element));
            list.remove_range(0, count);
        }
        End::Tail => {
            let len = list.len();
            list.range_rev(len.saturating_sub(1), count).for_each(|element| put_element(reply, element));
            list.remove_range(len - count, count);
        }
    }
    count
}

/// `LMPOP numkeys key [key …] LEFT | RIGHT [COUNT count]`. Propagated as the pop it comes to.
pub fn lmpop(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    if !Taking::parse(args, 1)?.take(cx)? {
        cx.reply.null_array();
    }
    Ok(())
}

/// What `LMPOP` and `BLMPOP` ask for.
pub(super) struct Taking<'a> {
    keys: Vec<&'a [u8]>,
    end: End,
    count: usize,
}

impl<'a> Taking<'a> {
    /// `numkeys key [key …] LEFT | RIGHT [COUNT count]`, from this argument on.
    pub(super) fn parse(args: Args<'a>, at: usize) -> Outcome<Self> {
        let (keys, end_at) = counted_keys(args, at, errors::SYNTAX)?;
        if end_at >= args.len() {
            return Err(errors::SYNTAX);
        }
        let end = end_of(args.get(end_at))?;
        let mut options = parse::Options::new(args, end_at + 1);
        let mut count = None;
        while let Some(word) = options.next() {
            if count.is_some() || !parse::is(word, "COUNT") {
                return Err(errors::SYNTAX);
            }
            count = Some(int_from(options.value()?, 1, "ERR count should be greater than 0")?);
        }
        Ok(Taking { keys, end, count: count.unwrap_or(1) })
    }

    /// Pops from the first key that has something, and replies. False, and no reply, if none has.
    pub(super) fn take(self, cx: &mut Ctx<'_>) -> Outcome<bool> {
        let Taking { keys, end, count } = self;
        let limits = limits(cx);
        for key in keys {
            let popped = collections::edit(cx, key, |list: &mut List, reply| {
                reply.array(2);
                reply.bulk(key);
                let popped = pop_many(list, end, count, reply);
                list.shrink_if_possible(&limits);
                (popped, popped)
            })?;
            if let Some(popped) = popped {
                let name: &[u8] = if end == End::Head { b"LPOP" } else { b"RPOP" };
                cx.propagate(&[name, key, itoa::Buffer::new().format(popped).as_bytes()]);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
