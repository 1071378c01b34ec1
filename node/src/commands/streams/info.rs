//! `XINFO`: what is known of a stream, its groups and their consumers.

use super::{bad_subcommand, no_group_of_key, now_ms, put_entries, put_entry, put_id, read_into};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::Stream;
use crate::shard::value::stream::{Consumer, Group};
use koltso_proto::resp::{Args, Reply};
use koltso_proto::stream::StreamId;

const HELP: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
    "HELP",
    "    Prints this help.",
];

/// How many entries of everything `FULL` shows unless it is told.
const COUNT_DEFAULT: usize = 10;

/// `XINFO STREAM key [FULL [COUNT count]]`, `XINFO GROUPS key`, `XINFO CONSUMERS key group`, `XINFO HELP`.
pub(super) fn xinfo(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let arity = |at_least: usize, at_most: usize, name| {
        if (at_least..=at_most).contains(&args.len()) { Ok(()) } else { Err(errors::wrong_arity(name)) }
    };
    match &*parse::upper(args.get(1)) {
        b"STREAM" => {
            arity(3, usize::MAX, "xinfo|stream")?;
            stream(cx, args)
        }
        b"GROUPS" => {
            arity(3, 3, "xinfo|groups")?;
            groups(cx, args.get(2))
        }
        b"CONSUMERS" => {
            arity(4, 4, "xinfo|consumers")?;
            consumers(cx, args.get(2), args.get(3))
        }
        b"HELP" => {
            arity(2, 2, "xinfo|help")?;
            cx.reply.array(HELP.len());
            HELP.iter().for_each(|line| cx.reply.status(line));
            Ok(())
        }
        _ => Err(errors::unknown_subcommand("XINFO", args.get(1))),
    }
}

fn put_name(reply: &mut Reply, name: &str) {
    reply.bulk(name.as_bytes());
}

fn put_int(reply: &mut Reply, name: &str, value: usize) {
    put_name(reply, name);
    reply.len(value);
}

fn put_named_id(reply: &mut Reply, name: &str, id: StreamId) {
    put_name(reply, name);
    put_id(reply, id);
}

fn put_known(reply: &mut Reply, name: &str, value: Option<i64>) {
    put_name(reply, name);
    match value {
        Some(value) => reply.int(value),
        None => reply.null(),
    }
}

/// How much a client wants to know of a stream: `None` for the summary, else how many entries of everything.
fn detail(args: Args<'_>) -> Outcome<Option<usize>> {
    let bad = || bad_subcommand("XINFO", args.get(1));
    match args.len() {
        3 => Ok(None),
        4 | 6 if parse::is(args.get(3), "FULL") => {
            if args.len() == 4 {
                return Ok(Some(COUNT_DEFAULT));
            }
            if !parse::is(args.get(4), "COUNT") {
                return Err(bad());
            }
            Ok(Some(match parse::int(args.get(5))? {
                ..0 => COUNT_DEFAULT,
                0 => usize::MAX,
                count => count as usize,
            }))
        }
        _ => Err(bad()),
    }
}

fn stream(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (stream, reply) = read_into(cx, args.get(2))?;
    let stream = stream.ok_or(errors::NO_SUCH_KEY)?;
    let detail = detail(args)?;
    reply.map(if detail.is_some() { 9 } else { 10 });
    let (nodes, inner) = stream.tree_size();
    put_int(reply, "length", stream.len());
    put_int(reply, "radix-tree-keys", nodes);
    put_int(reply, "radix-tree-nodes", inner);
    put_named_id(reply, "last-generated-id", stream.last_id);
    put_named_id(reply, "max-deleted-entry-id", stream.max_deleted);
    put_name(reply, "entries-added");
    reply.int(stream.entries_added as i64);
    put_named_id(reply, "recorded-first-entry-id", stream.first_id());
    match detail {
        None => put_summary(reply, stream),
        Some(count) => put_full(reply, stream, count),
    }
    Ok(())
}

fn put_summary(reply: &mut Reply, stream: &Stream) {
    put_int(reply, "groups", stream.groups_len());
    let first = stream.range(StreamId::MIN, StreamId::MAX).next();
    let last = stream.range_rev(StreamId::MIN, StreamId::MAX).next();
    for (name, entry) in [("first-entry", first), ("last-entry", last)] {
        put_name(reply, name);
        match entry {
            Some(entry) => put_entry(reply, &entry),
            None => reply.null(),
        }
    }
}

fn put_full(reply: &mut Reply, stream: &Stream, count: usize) {
    put_name(reply, "entries");
    put_entries(reply, stream.range(StreamId::MIN, StreamId::MAX), count);
    put_name(reply, "groups");
    reply.array(stream.groups_len());
    for (name, group) in stream.groups() {
        reply.map(7);
        put_name(reply, "name");
        reply.bulk(name);
        put_position(reply, stream, group);
        put_int(reply, "pel-count", group.pending().len());
        put_name(reply, "pending");
        reply.array(group.pending().len().min(count));
        for (id, pending) in group.pending().from_position(0).take(count) {
            reply.array(4);
            put_id(reply, id);
            reply.bulk(group.name_of(pending.owner));
            reply.int(pending.time_ms);
            reply.int(pending.count as i64);
        }
        put_name(reply, "consumers");
        reply.array(group.consumers_len());
        group.consumers().for_each(|consumer| put_full_consumer(reply, group, consumer, count));
    }
}

fn put_full_consumer(reply: &mut Reply, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(4);
    put_name(reply, "name");
    reply.bulk(consumer.name());
    put_name(reply, "seen-time");
    reply.int(consumer.seen_ms);
    put_int(reply, "pel-count", consumer.pending().len());
    put_name(reply, "pending");
    reply.array(consumer.pending().len().min(count));
    for (id, ()) in consumer.pending().from_position(0).take(count) {
        let pending = group.pending().get(id).unwrap_or_default();
        reply.array(3);
        put_id(reply, id);
        reply.int(pending.time_ms);
        reply.int(pending.count as i64);
    }
}

/// How far a group has read.
fn put_position(reply: &mut Reply, stream: &Stream, group: &Group) {
    put_named_id(reply, "last-delivered-id", group.last_id);
    put_known(reply, "entries-read", group.entries_read.map(|read| read as i64));
    put_known(reply, "lag", stream.lag(group));
}

fn groups(cx: &mut Ctx<'_>, key: &[u8]) -> Outcome {
    let (stream, reply) = read_into(cx, key)?;
    let stream = stream.ok_or(errors::NO_SUCH_KEY)?;
    reply.array(stream.groups_len());
    for (name, group) in stream.groups() {
        reply.map(6);
        put_name(reply, "name");
        reply.bulk(name);
        put_int(reply, "consumers", group.consumers_len());
        put_int(reply, "pending", group.pending().len());
        put_position(reply, stream, group);
    }
    Ok(())
}

fn consumers(cx: &mut Ctx<'_>, key: &[u8], name: &[u8]) -> Outcome {
    let now = now_ms(cx);
    let (stream, reply) = read_into(cx, key)?;
    let stream = stream.ok_or(errors::NO_SUCH_KEY)?;
    let group = stream.group(name).ok_or_else(|| no_group_of_key(key, name))?;
    reply.array(group.consumers_len());
    for consumer in group.consumers() {
        reply.map(3);
        put_name(reply, "name");
        reply.bulk(consumer.name());
        put_int(reply, "pending", consumer.pending().len());
        put_name(reply, "idle");
        reply.int(now.saturating_sub(consumer.seen_ms).max(0));
    }
    Ok(())
}
