//! `ZRANDMEMBER`.

use super::{members_width, put_member};
use crate::commands::collections::{put_element, read_into, rng};
use crate::commands::draw::{Draw, Room};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::Zset;
use koltso_proto::resp::Args;

/// `ZRANDMEMBER key [count [WITHSCORES]]`.
pub fn zrandmember(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let mut rng = rng(cx);
    if args.len() == 2 {
        let (zset, reply) = read_into::<Zset>(cx, args.get(1))?;
        match zset.and_then(|zset| zset.random(&mut rng)) {
            Some((member, _)) => put_element(reply, member),
            None => reply.null(),
        }
        return Ok(());
    }
    let with_scores = args.len() == 4 && parse::is(args.get(3), "WITHSCORES");
    if args.len() > 3 && !with_scores {
        Draw::parse(args.get(2), false)?;
        return Err(errors::SYNTAX);
    }
    let draw = Draw::parse(args.get(2), with_scores)?;
    let room = Room::of(cx);
    let (zset, reply) = read_into::<Zset>(cx, args.get(1))?;
    let Some(zset) = zset else {
        reply.array(0);
        return Ok(());
    };
    let width = members_width(reply, with_scores);
    draw.put(zset, &mut rng, room, reply, width, |reply, drawn| put_member(reply, drawn, with_scores))
}
