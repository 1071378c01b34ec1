//! Removing members by name or by range.

use super::bounds::Bounds;
use crate::commands::collections;
use crate::commands::errors::Outcome;
use crate::commands::{Ctx, parse};
use crate::shard::value::Zset;
use koltso_proto::resp::Args;
use std::ops::Range;

/// `ZREM key member [member …]`.
pub fn zrem(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let removed = collections::edit(cx, args.get(1), |zset: &mut Zset, _| {
        let removed = args.from(2).filter(|member| zset.remove(member).is_some()).count();
        (removed, removed)
    })?;
    cx.reply.len(removed.unwrap_or_default());
    Ok(())
}

/// `ZREMRANGEBYRANK key start stop`.
pub fn zremrangebyrank(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (start, stop) = (parse::int(args.get(2))?, parse::int(args.get(3))?);
    remove_range(cx, args.get(1), |zset| parse::index_range(start, stop, zset.len()).unwrap_or_default())
}

/// `ZREMRANGEBYSCORE key min max`.
pub fn zremrangebyscore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let bounds = Bounds::of_scores(args.get(2), args.get(3))?;
    remove_range(cx, args.get(1), |zset| bounds.ranks(zset))
}

/// `ZREMRANGEBYLEX key min max`.
pub fn zremrangebylex(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let bounds = Bounds::of_members(args.get(2), args.get(3))?;
    remove_range(cx, args.get(1), |zset| bounds.ranks(zset))
}

fn remove_range(cx: &mut Ctx<'_>, key: &[u8], ranks: impl FnOnce(&Zset) -> Range<usize>) -> Outcome {
    let removed = collections::edit(cx, key, |zset: &mut Zset, _| {
        let ranks = ranks(zset);
        zset.remove_range(ranks.start, ranks.len());
        (ranks.len(), ranks.len())
    })?;
    cx.reply.len(removed.unwrap_or_default());
    Ok(())
}
