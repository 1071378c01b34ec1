//! Setting and deleting fields.

use crate::commands::Ctx;
use crate::commands::collections::{self, limits};
use crate::commands::errors::{self, Outcome};
use crate::shard::value::{Hash, Thresholds};
use koltso_proto::resp::Args;

/// `HSET key field value [field value …]`.
pub fn hset(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let created = set_fields(cx, args, "hset")?;
    cx.reply.len(created);
    Ok(())
}

/// `HMSET key field value [field value …]`.
pub fn hmset(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set_fields(cx, args, "hmset")?;
    cx.reply.ok();
    Ok(())
}

/// Sets all the fields; returns how many are new.
fn set_fields(cx: &mut Ctx<'_>, args: Args<'_>, name: &str) -> Outcome<usize> {
    if !args.len().is_multiple_of(2) {
        return Err(errors::wrong_arity(name));
    }
    let limits = limits(cx);
    collections::edit_or_create(cx, args.get(1), Hash::new, |hash, _| {
        let fields = args.len() / 2 - 1;
        grow_for(hash, args, &limits);
        let created = (0..fields).filter(|n| hash.set(args.get(2 + 2 * n), args.get(3 + 2 * n), &limits)).count();
        (created, fields)
    })
}

/// Chooses the form for what comes, before any of it is added.
fn grow_for(hash: &mut Hash, args: Args<'_>, limits: &Thresholds) {
    let longest = args.from(2).map(<[u8]>::len).max().unwrap_or_default();
    let bytes = args.from(2).map(|arg| arg.len() + 10).sum();
    hash.grow_if_needed((args.len() - 2) / 2, longest, bytes, limits);
    if args.len() > 4 {
        hash.reserve_for(args.from(2));
    }
}

/// `HSETNX key field value`.
pub fn hsetnx(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let limits = limits(cx);
    let set = collections::edit_or_create(cx, args.get(1), Hash::new, |hash, _| {
        if hash.get(args.get(2)).is_some() {
            return (0, 0);
        }
        grow_for(hash, args, &limits);
        hash.set(args.get(2), args.get(3), &limits);
        (1, 1)
    })?;
    cx.reply.int(set);
    Ok(())
}

/// `HDEL key field [field …]`.
pub fn hdel(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let removed = collections::edit(cx, args.get(1), |hash: &mut Hash, _| {
        let removed = args.from(2).filter(|field| hash.remove(field)).count();
        (removed, removed)
    })?;
    cx.reply.len(removed.unwrap_or_default());
    Ok(())
}
