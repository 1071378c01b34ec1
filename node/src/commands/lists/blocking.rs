//! Popping that waits for an element. Propagated as the forms that do not wait.

use super::end_of;
use super::ends::{Taking, pop_one};
use super::moves::move_element;
use crate::commands::collections::{self, limits};
use crate::commands::errors::Outcome;
use crate::commands::{Ctx, parse};
use crate::shard::value::{End, List};
use koltso_proto::resp::{Args, Reply};

/// `BLPOP key [key …] timeout`.
pub fn blpop(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    pop(cx, args, End::Head)
}

/// `BRPOP key [key …] timeout`.
pub fn brpop(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    pop(cx, args, End::Tail)
}

fn pop(cx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Outcome {
    let last = args.len() - 1;
    let timeout = parse::timeout(args.get(last))?;
    let limits = limits(cx);
    for key in args.from(1).take(last - 1) {
        let popped = collections::edit(cx, key, |list: &mut List, reply| {
            reply.array(2);
            reply.bulk(key);
            pop_one(list, end, reply, &limits);
            ((), 1)
        })?;
        if popped.is_some() {
            let name: &[u8] = if end == End::Head { b"LPOP" } else { b"RPOP" };
            cx.propagate(&[name, key]);
            return Ok(());
        }
    }
    cx.wait(timeout, Reply::null_array);
    Ok(())
}

/// `BLMPOP timeout numkeys key [key …] LEFT | RIGHT [COUNT count]`.
pub fn blmpop(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let taking = Taking::parse(args, 2)?;
    let timeout = parse::timeout(args.get(1))?;
    if !taking.take(cx)? {
        cx.wait(timeout, Reply::null_array);
    }
    Ok(())
}

/// `BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout`.
pub fn blmove(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (from, to) = (end_of(args.get(3))?, end_of(args.get(4))?);
    let timeout = parse::timeout(args.get(5))?;
    if move_element(cx, args, from, to)? {
        cx.propagate(&[b"LMOVE", args.get(1), args.get(2), args.get(3), args.get(4)]);
    } else {
        cx.wait(timeout, Reply::null);
    }
    Ok(())
}

/// `BRPOPLPUSH source destination timeout`.
pub fn brpoplpush(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let timeout = parse::timeout(args.get(3))?;
    if move_element(cx, args, End::Tail, End::Head)? {
        cx.propagate(&[b"RPOPLPUSH", args.get(1), args.get(2)]);
    } else {
        cx.wait(timeout, Reply::null);
    }
    Ok(())
}
