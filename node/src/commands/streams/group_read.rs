//! Reading a stream on behalf of a consumer of a group.

use super::read::{From, Reader, put_head};
use super::{Told, counted, edit, now_ms, put_entry, put_id, told_of};
use crate::commands::Ctx;
use crate::commands::errors::Outcome;
use crate::shard::value::Stream;
use crate::shard::value::stream::{ConsumerId, Group, Pending};
use koltso_proto::resp::Reply;
use koltso_proto::stream::StreamId;

/// What replicas have to hear of one reading.
#[derive(Default)]
struct News {
    created: bool,
    delivered: Vec<StreamId>,
    /// How far the group has read now, if that is further than before.
    moved: Option<(StreamId, Option<u64>)>,
}

/// Replies with what there is for the consumer in the stream at `key`; false, and no reply, if that is nothing.
pub(super) fn serve(cx: &mut Ctx<'_>, key: &[u8], reader: &Reader<'_>, from: From, count: usize) -> Outcome<bool> {
    let now = now_ms(cx);
    let news = edit(cx, key, |stream, reply| {
        let last_id = stream.group(reader.group)?.last_id;
        match from {
            From::New if stream.newest_id() <= last_id => None,
            From::New => deliver(stream, reply, key, reader, now, count),
            From::After(id) => history(stream, reply, key, reader, id, now, count),
        }
    })?;
    let Some(news) = news.flatten() else { return Ok(false) };
    cx.dirty += 1;
    tell(cx, key, reader, &news, now);
    Ok(true)
}

/// Delivers entries that no consumer has got yet.
fn deliver(stream: &mut Stream, reply: &mut Reply, key: &[u8], reader: &Reader<'_>, now: i64, count: usize) -> Option<News> {
    let old_last = stream.group(reader.group)?.last_id;
    let start = old_last.next()?;
    put_head(reply, key);
    let mut news = News::default();
    counted(reply, |reply| {
        for entry in stream.range(start, StreamId::MAX).take(count) {
            put_entry(reply, &entry);
            news.delivered.push(entry.id);
        }
        news.delivered.len()
    });
    let horizon = stream.horizon();
    let group = stream.group_mut(reader.group)?;
    let (owner, created) = meet(group, reader.consumer, now);
    news.created = created;
    for id in &news.delivered {
        group.entries_read = match group.entries_read {
            Some(read) if !horizon.has_gap_from(*id) => read.checked_add(1).filter(|read| i64::try_from(*read).is_ok()),
            _ => horizon.entries_up_to(*id),
        };
        group.last_id = *id;
        if !reader.no_ack {
            group.assign(*id, Pending { time_ms: now, count: 1, owner });
        }
    }
    if let Some(consumer) = group.consumer_mut(owner) {
        consumer.active_ms = now;
    }
    news.moved = (group.last_id > old_last).then_some((group.last_id, group.entries_read));
    Some(news)
}

/// Shows the consumer again what it has got and not acknowledged.
fn history(
    stream: &mut Stream,
    reply: &mut Reply,
    key: &[u8],
    reader: &Reader<'_>,
    after: StreamId,
    now: i64,
    count: usize,
) -> Option<News> {
    put_head(reply, key);
    let group = stream.group_mut(reader.group)?;
    let (owner, created) = meet(group, reader.consumer, now);
    let start = after.next().unwrap_or(StreamId::MAX);
    let ids: Vec<StreamId> = group.consumer(owner)?.pending().from(start).map(|(id, ())| id).take(count).collect();
    let mut there = Vec::with_capacity(ids.len());
    reply.array(ids.len());
    for id in ids {
        match stream.get(id) {
            Some(entry) => {
                put_entry(reply, &entry);
                there.push(id);
            }
            None => {
                // It was deleted from the stream meanwhile.
                reply.array(2);
                put_id(reply, id);
                reply.null_array();
            }
        }
    }
    let group = stream.group_mut(reader.group)?;
    for id in there {
        if let Some(old) = group.pending().get(id) {
            group.assign(id, Pending { time_ms: now, count: old.count.saturating_add(1), ..old });
        }
    }
    Some(News { created, ..News::default() })
}

/// The consumer that asks, created if it is new; and whether it was.
fn meet(group: &mut Group, name: &[u8], now: i64) -> (ConsumerId, bool) {
    let (id, created) = group.find_or_create(name, now);
    if let Some(consumer) = group.consumer_mut(id) {
        consumer.seen_ms = now;
    }
    (id, created)
}

fn tell(cx: &mut Ctx<'_>, key: &[u8], reader: &Reader<'_>, news: &News, now: i64) {
    if news.created {
        told_of(cx, key, "xgroup-createconsumer");
    }
    let told = Told { key, group: reader.group };
    // Claiming creates the consumer as well.
    if news.created && (reader.no_ack || news.delivered.is_empty()) {
        told.create_consumer(cx, reader.consumer);
    }
    if !reader.no_ack {
        let pending = Pending { time_ms: now, count: 1, owner: ConsumerId::default() };
        for id in &news.delivered {
            told.claim(cx, reader.consumer, *id, &pending, *id);
        }
    }
    // Claims say how far the group has read, but not how many entries that were.
    if let Some((last_id, entries_read)) = news.moved {
        told.set_id(cx, last_id, entries_read);
    }
}
