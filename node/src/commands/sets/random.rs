//! Members at random. What was drawn is what is propagated.

use crate::commands::collections::{self, put_element, read_into, rng};
use crate::commands::draw::{self, Draw, Room};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::Set;
use koltso_proto::resp::Args;

/// The most members in one propagated `SREM`.
const SREM_MEMBERS_MAX: usize = 1024;

/// `SPOP key [count]`.
pub fn spop(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    match args.len() {
        2 => pop_one(cx, args.get(1)),
        3 => {
            let count = parse::count(args.get(2))?;
            pop_many(cx, args.get(1), count)
        }
        _ => Err(errors::SYNTAX),
    }
}

fn pop_one(cx: &mut Ctx<'_>, key: &[u8]) -> Outcome {
    let mut rng = rng(cx);
    let popped = collections::edit(cx, key, |set: &mut Set, _| {
        let member = set.random(&mut rng).map(|member| member.to_vec()).unwrap_or_default();
        set.remove(&member);
        (member, 1)
    })?;
    match popped {
        Some(member) => {
            cx.propagate(&[b"SREM", key, &member]);
            cx.reply.bulk(&member);
        }
        None => cx.reply.null(),
    }
    Ok(())
}

fn pop_many(cx: &mut Ctx<'_>, key: &[u8], count: usize) -> Outcome {
    let Some(len) = collections::peek::<Set>(cx, key)?.map(Set::len) else {
        cx.reply.set(0);
        return Ok(());
    };
    if count >= len {
        let (set, reply) = read_into::<Set>(cx, key)?;
        reply.set(len);
        set.into_iter().flat_map(Set::iter).for_each(|member| put_element(reply, member));
        cx.delete(key);
        cx.dirty += len as u64 - 1;
        cx.propagate(&[b"DEL", key]);
        return Ok(());
    }
    let mut rng = rng(cx);
    let popped = collections::edit(cx, key, |set: &mut Set, _| {
        let drawn: Vec<Vec<u8>> = draw::distinct(set, count, &mut rng).iter().map(|member| member.to_vec()).collect();
        drawn.iter().for_each(|member| {
            set.remove(member);
        });
        let changes = drawn.len();
        (drawn, changes)
    })?;
    let popped = popped.unwrap_or_default();
    for members in popped.chunks(SREM_MEMBERS_MAX) {
        let mut command: Vec<&[u8]> = vec![b"SREM", key];
        command.extend(members.iter().map(Vec::as_slice));
        cx.propagate(&command);
    }
    cx.reply.set(popped.len());
    popped.iter().for_each(|member| cx.reply.bulk(member));
    Ok(())
}

/// `SRANDMEMBER key [count]`.
pub fn srandmember(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let mut rng = rng(cx);
    match args.len() {
        2 => {
            let (set, reply) = read_into::<Set>(cx, args.get(1))?;
            match set.and_then(|set| set.random(&mut rng)) {
                Some(member) => put_element(reply, member),
                None => reply.null(),
            }
        }
        3 => {
            let draw = Draw::parse(args.get(2), false)?;
            let room = Room::of(cx);
            let (set, reply) = read_into::<Set>(cx, args.get(1))?;
            match set {
                Some(set) => draw.put(set, &mut rng, room, reply, 1, put_element)?,
                None => reply.array(0),
            }
        }
        _ => return Err(errors::SYNTAX),
    }
    Ok(())
}
