//! Adding, removing, asking for members.

use crate::commands::Ctx;
use crate::commands::collections::{self, limits, put_element, read, read_into, scan};
use crate::commands::errors::Outcome;
use crate::shard::value::Set;
use koltso_proto::listpack::IntText;
use koltso_proto::resp::Args;

/// `SADD key member [member …]`.
pub fn sadd(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let limits = limits(cx);
    let create = || Set::for_members(args.get(2), args.len() - 2, &limits);
    let added = collections::edit_or_create(cx, args.get(1), create, |set, _| {
        if args.len() > 3 {
            set.reserve_for(args.from(2));
        }
        let added = args.from(2).filter(|member| set.add(member, &limits)).count();
        (added, added)
    })?;
    cx.reply.len(added);
    Ok(())
}

/// `SREM key member [member …]`.
pub fn srem(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let removed = collections::edit(cx, args.get(1), |set: &mut Set, _| {
        let removed = args.from(2).filter(|member| set.remove(member)).count();
        (removed, removed)
    })?;
    cx.reply.len(removed.unwrap_or_default());
    Ok(())
}

/// `SMOVE source destination member`.
pub fn smove(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (source, destination, member) = (args.get(1), args.get(2), args.get(3));
    let Some(found) = collections::peek::<Set>(cx, source)?.map(|set| set.contains(member)) else {
        cx.reply.int(0);
        return Ok(());
    };
    // The type counts even where nothing is to be moved.
    collections::peek::<Set>(cx, destination)?;
    if found && source != destination {
        let limits = limits(cx);
        collections::edit(cx, source, |set: &mut Set, _| ((), usize::from(set.remove(member))))?;
        let create = || Set::for_members(member, 1, &limits);
        collections::edit_or_create(cx, destination, create, |set, _| ((), usize::from(set.add(member, &limits))))?;
    }
    cx.reply.int(i64::from(found));
    Ok(())
}

/// `SMEMBERS key`.
pub fn smembers(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (set, reply) = read_into::<Set>(cx, args.get(1))?;
    reply.set(set.map_or(0, Set::len));
    set.into_iter().flat_map(Set::iter).for_each(|member| put_element(reply, member));
    Ok(())
}

/// `SISMEMBER key member`.
pub fn sismember(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let found = read::<Set>(cx, args.get(1))?.is_some_and(|set| set.contains(args.get(2)));
    cx.reply.int(i64::from(found));
    Ok(())
}

/// `SMISMEMBER key member [member …]`.
pub fn smismember(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (set, reply) = read_into::<Set>(cx, args.get(1))?;
    reply.array(args.len() - 2);
    for member in args.from(2) {
        reply.int(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

/// `SCARD key`.
pub fn scard(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let len = read::<Set>(cx, args.get(1))?.map_or(0, Set::len);
    cx.reply.len(len);
    Ok(())
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`.
pub fn sscan(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    scan::<Set>(cx, args, |set, cursor, options, reply| {
        let (mut len, mut text) = (0, IntText::new());
        let next = set.scan(cursor, options.count, |member| {
            if options.wants(member.bytes(&mut text)) {
                put_element(reply, member);
                len += 1;
            }
        });
        (len, next)
    })
}
