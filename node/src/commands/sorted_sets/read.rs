//! Scores, ranks and counts.

use super::bounds::Bounds;
use crate::commands::collections::{put_element, read, read_into, scan};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::Zset;
use koltso_proto::listpack::IntText;
use koltso_proto::resp::Args;

/// `ZCARD key`.
pub fn zcard(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let len = read::<Zset>(cx, args.get(1))?.map_or(0, Zset::len);
    cx.reply.len(len);
    Ok(())
}

/// `ZSCORE key member`.
pub fn zscore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let score = read::<Zset>(cx, args.get(1))?.and_then(|zset| zset.score(args.get(2)));
    match score {
        Some(score) => cx.reply.double(score),
        None => cx.reply.null(),
    }
    Ok(())
}

/// `ZMSCORE key member [member …]`.
pub fn zmscore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (zset, reply) = read_into::<Zset>(cx, args.get(1))?;
    reply.array(args.len() - 2);
    for member in args.from(2) {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => reply.double(score),
            None => reply.null(),
        }
    }
    Ok(())
}

/// `ZCOUNT key min max`.
pub fn zcount(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let bounds = Bounds::of_scores(args.get(2), args.get(3))?;
    count_between(cx, args, bounds)
}

/// `ZLEXCOUNT key min max`.
pub fn zlexcount(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let bounds = Bounds::of_members(args.get(2), args.get(3))?;
    count_between(cx, args, bounds)
}

fn count_between(cx: &mut Ctx<'_>, args: Args<'_>, bounds: Bounds<'_>) -> Outcome {
    let count = read::<Zset>(cx, args.get(1))?.map_or(0, |zset| bounds.ranks(zset).len());
    cx.reply.len(count);
    Ok(())
}

/// `ZRANK key member [WITHSCORE]`.
pub fn zrank(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    rank(cx, args, false, "zrank")
}

/// `ZREVRANK key member [WITHSCORE]`.
pub fn zrevrank(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    rank(cx, args, true, "zrevrank")
}

fn rank(cx: &mut Ctx<'_>, args: Args<'_>, reverse: bool, name: &str) -> Outcome {
    if args.len() > 4 {
        return Err(errors::wrong_arity(name));
    }
    let with_score = args.len() == 4;
    if with_score && !parse::is(args.get(3), "WITHSCORE") {
        return Err(errors::SYNTAX);
    }
    let (zset, reply) = read_into::<Zset>(cx, args.get(1))?;
    let found = zset.and_then(|zset| zset.rank(args.get(2)).map(|(rank, score)| (rank, score, zset.len())));
    match found {
        Some((rank, score, len)) => {
            if with_score {
                reply.array(2);
            }
            reply.len(if reverse { len - 1 - rank } else { rank });
            if with_score {
                reply.double(score);
            }
        }
        None if with_score => reply.null_array(),
        None => reply.null(),
    }
    Ok(())
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`.
pub fn zscan(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    scan::<Zset>(cx, args, |zset, cursor, options, reply| {
        let (mut len, mut text) = (0, IntText::new());
        let next = zset.scan(cursor, options.count, |member, score| {
            if options.wants(member.bytes(&mut text)) {
                put_element(reply, member);
                reply.bulk(&zset.scan_text(score));
                len += 2;
            }
        });
        (len, next)
    })
}
