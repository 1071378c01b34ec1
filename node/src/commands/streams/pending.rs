//! `XACK` and `XPENDING`: what is pending in a group.

use super::{counted, edit, ids, no_group, now_ms, put_id, read, read_into};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::stream::Group;
use koltso_proto::resp::{Args, Reply};
use koltso_proto::stream::StreamId;

/// `XACK key group id [id …]`.
pub(super) fn xack(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (key, group) = (args.get(1), args.get(2));
    if read(cx, key)?.and_then(|stream| stream.group(group)).is_none() {
        cx.reply.int(0);
        return Ok(());
    }
    let ids = args.from(3).map(ids::id).collect::<Outcome<Vec<_>>>()?;
    let acknowledged = edit(cx, key, |stream, _| {
        let group = stream.group_mut(group)?;
        Some(ids.into_iter().filter(|id| group.release(*id).is_some()).count())
    })?;
    let acknowledged = acknowledged.flatten().unwrap_or(0);
    cx.dirty += acknowledged as u64;
    cx.reply.len(acknowledged);
    Ok(())
}

/// The range that a detailed `XPENDING` asks for.
struct Range<'a> {
    idle_min: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Range<'a> {
    fn parse(args: Args<'a>) -> Outcome<Self> {
        let mut at = 3;
        let mut idle_min = 0;
        if parse::is(args.get(3), "IDLE") {
            idle_min = parse::int(args.get(4))?;
            if args.len() < 8 {
                return Err(errors::SYNTAX);
            }
            at = 5;
        }
        let count = usize::try_from(parse::int(args.get(at + 2))?).unwrap_or(0);
        let (start, end) = (ids::start(args.get(at))?, ids::end(args.get(at + 1))?);
        let consumer = (args.len() > at + 3).then(|| args.get(at + 3));
        Ok(Range { idle_min, start, end, count, consumer })
    }
}

/// `XPENDING key group [[IDLE ms] start end count [consumer]]`.
pub(super) fn xpending(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    if args.len() != 3 && !(6..=9).contains(&args.len()) {
        return Err(errors::SYNTAX);
    }
    let range = if args.len() > 3 { Some(Range::parse(args)?) } else { None };
    let (key, name, now) = (args.get(1), args.get(2), now_ms(cx));
    let (stream, reply) = read_into(cx, key)?;
    let group = stream.and_then(|stream| stream.group(name)).ok_or_else(|| no_group(key, name))?;
    match range {
        None => put_summary(reply, group),
        Some(range) => put_range(reply, group, &range, now),
    }
    Ok(())
}

fn put_summary(reply: &mut Reply, group: &Group) {
    reply.array(4);
    reply.len(group.pending().len());
    let Some((first, last)) = group.pending().ends() else {
        reply.null();
        reply.null();
        return reply.null_array();
    };
    put_id(reply, first);
    put_id(reply, last);
    counted(reply, |reply| {
        let busy = group.consumers().filter(|consumer| !consumer.pending().is_empty());
        busy.map(|consumer| {
            reply.array(2);
            reply.bulk(consumer.name());
            reply.bulk_int(consumer.pending().len() as i64);
        })
        .count()
    });
}

fn put_range(reply: &mut Reply, group: &Group, range: &Range<'_>, now: i64) {
    let consumer = match range.consumer {
        None => None,
        Some(name) => match group.find(name).and_then(|id| group.consumer(id)) {
            None => return reply.array(0),
            found => found,
        },
    };
    let own = consumer.map(|consumer| consumer.pending().from(range.start));
    let own = own.into_iter().flatten().map(|(id, ())| (id, group.pending().get(id).unwrap_or_default()));
    let all = consumer.is_none().then(|| group.pending().from(range.start));
    let wanted = own
        .chain(all.into_iter().flatten())
        .take_while(|(id, _)| *id <= range.end)
        .filter(|(_, pending)| range.idle_min == 0 || now.saturating_sub(pending.time_ms) >= range.idle_min)
        .take(range.count);
    counted(reply, |reply| {
        wanted
            .map(|(id, pending)| {
                reply.array(4);
                put_id(reply, id);
                reply.bulk(group.name_of(pending.owner));
                reply.int(now.saturating_sub(pending.time_ms).max(0));
                reply.int(pending.count as i64);
            })
            .count()
    });
}
