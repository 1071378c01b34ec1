//! Reading fields.

use crate::commands::Ctx;
use crate::commands::collections::{put_element, read, read_into, scan};
use crate::commands::errors::Outcome;
use crate::shard::value::Hash;
use koltso_proto::listpack::IntText;
use koltso_proto::resp::Args;

/// `HGET key field`.
pub fn hget(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (hash, reply) = read_into::<Hash>(cx, args.get(1))?;
    match hash.and_then(|hash| hash.get(args.get(2))) {
        Some(value) => put_element(reply, value),
        None => reply.null(),
    }
    Ok(())
}

/// `HMGET key field [field …]`.
pub fn hmget(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (hash, reply) = read_into::<Hash>(cx, args.get(1))?;
    reply.array(args.len() - 2);
    for field in args.from(2) {
        match hash.and_then(|hash| hash.get(field)) {
            Some(value) => put_element(reply, value),
            None => reply.null(),
        }
    }
    Ok(())
}

/// `HGETALL key`.
pub fn hgetall(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (hash, reply) = read_into::<Hash>(cx, args.get(1))?;
    reply.map(hash.map_or(0, Hash::len));
    hash.into_iter().flat_map(Hash::iter).for_each(|(field, value)| {
        put_element(reply, field);
        put_element(reply, value);
    });
    Ok(())
}

/// `HKEYS key`.
pub fn hkeys(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (hash, reply) = read_into::<Hash>(cx, args.get(1))?;
    reply.array(hash.map_or(0, Hash::len));
    hash.into_iter().flat_map(Hash::iter).for_each(|(field, _)| put_element(reply, field));
    Ok(())
}

/// `HVALS key`.
pub fn hvals(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (hash, reply) = read_into::<Hash>(cx, args.get(1))?;
    reply.array(hash.map_or(0, Hash::len));
    hash.into_iter().flat_map(Hash::iter).for_each(|(_, value)| put_element(reply, value));
    Ok(())
}

/// `HLEN key`.
pub fn hlen(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let len = read::<Hash>(cx, args.get(1))?.map_or(0, Hash::len);
    cx.reply.len(len);
    Ok(())
}

/// `HEXISTS key field`.
pub fn hexists(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let found = read::<Hash>(cx, args.get(1))?.is_some_and(|hash| hash.get(args.get(2)).is_some());
    cx.reply.int(i64::from(found));
    Ok(())
}

/// `HSTRLEN key field`.
pub fn hstrlen(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let value = read::<Hash>(cx, args.get(1))?.and_then(|hash| hash.get(args.get(2)));
    let len = value.map_or(0, |value| value.text_len());
    cx.reply.len(len);
    Ok(())
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count]`.
pub fn hscan(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    scan::<Hash>(cx, args, |hash, cursor, options, reply| {
        let (mut len, mut text) = (0, IntText::new());
        let next = hash.scan(cursor, options.count, |field, value| {
            if options.wants(field.bytes(&mut text)) {
                put_element(reply, field);
                put_element(reply, value);
                len += 2;
            }
        });
        (len, next)
    })
}
