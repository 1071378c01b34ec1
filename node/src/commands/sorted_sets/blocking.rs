//! Popping that waits for a member. Propagated as the forms that do not wait.

use super::pop::{Taking, remove_popped};
use crate::commands::collections::{self, put_element};
use crate::commands::errors::Outcome;
use crate::commands::{Ctx, parse};
use crate::shard::value::Zset;
use koltso_proto::resp::{Args, Reply};

/// `BZPOPMIN key [key …] timeout`.
pub fn bzpopmin(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    pop(cx, args, false)
}

/// `BZPOPMAX key [key …] timeout`.
pub fn bzpopmax(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    pop(cx, args, true)
}

fn pop(cx: &mut Ctx<'_>, args: Args<'_>, highest: bool) -> Outcome {
    let last = args.len() - 1;
    let timeout = parse::timeout(args.get(last))?;
    for key in args.from(1).take(last - 1) {
        let popped = collections::edit(cx, key, |zset: &mut Zset, reply| {
            let rank = if highest { zset.len().saturating_sub(1) } else { 0 };
            reply.array(3);
            reply.bulk(key);
            if let Some((member, score)) = zset.get(rank) {
                put_element(reply, member);
                reply.double(score);
            }
            remove_popped(zset, highest, 1);
            ((), 1)
        })?;
        if popped.is_some() {
            let name: &[u8] = if highest { b"ZPOPMAX" } else { b"ZPOPMIN" };
            cx.propagate(&[name, key]);
            return Ok(());
        }
    }
    cx.wait(timeout, Reply::null_array);
    Ok(())
}

/// `BZMPOP timeout numkeys key [key …] MIN | MAX [COUNT count]`.
pub fn bzmpop(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let taking = Taking::parse(args, 2)?;
    let timeout = parse::timeout(args.get(1))?;
    if !taking.take(cx)? {
        cx.wait(timeout, Reply::null_array);
    }
    Ok(())
}
