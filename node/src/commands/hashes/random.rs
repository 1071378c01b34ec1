//! `HRANDFIELD`.

use crate::commands::collections::{put_element, read_into, rng};
use crate::commands::draw::{Draw, Room};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::Hash;
use koltso_proto::resp::Args;

/// `HRANDFIELD key [count [WITHVALUES]]`.
pub fn hrandfield(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let mut rng = rng(cx);
    if args.len() == 2 {
        let (hash, reply) = read_into::<Hash>(cx, args.get(1))?;
        match hash.and_then(|hash| hash.random(&mut rng)) {
            Some((field, _)) => put_element(reply, field),
            None => reply.null(),
        }
        return Ok(());
    }
    let with_values = args.len() == 4 && parse::is(args.get(3), "WITHVALUES");
    if args.len() > 3 && !with_values {
        Draw::parse(args.get(2), false)?;
        return Err(errors::SYNTAX);
    }
    let draw = Draw::parse(args.get(2), with_values)?;
    let room = Room::of(cx);
    let (hash, reply) = read_into::<Hash>(cx, args.get(1))?;
    let Some(hash) = hash else {
        reply.array(0);
        return Ok(());
    };
    let nested = with_values && reply.resp3;
    let width = if with_values && !nested { 2 } else { 1 };
    draw.put(hash, &mut rng, room, reply, width, |reply, (field, value)| {
        if nested {
            reply.array(2);
        }
        put_element(reply, field);
        if with_values {
            put_element(reply, value);
        }
    })
}
