//! `XCLAIM` and `XAUTOCLAIM`: pending entries change hands.

use super::{Told, counted, edit, ids, no_group, now_ms, put_entry, put_id, read, told_of};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::Stream;
use crate::shard::value::stream::Pending;
use koltso_proto::number::parse_i64;
use koltso_proto::resp::{Args, Reply};
use koltso_proto::stream::StreamId;

const COUNT_NOT_POSITIVE: Error = Error::fixed("ERR COUNT must be > 0");
/// The most that `COUNT` may be: sixteen bytes for each must be an amount of memory.
const COUNT_MAX: i64 = i64::MAX / 16;
/// How many entries `XAUTOCLAIM` looks at for each that it may return.
const ATTEMPTS_PER_ENTRY: usize = 10;

/// A number, or an error that names the argument.
fn int_or(text: &[u8], error: &'static str) -> Outcome<i64> {
    parse_i64(text).ok_or(Error::fixed(error))
}

/// What replicas and subscribers have to hear.
#[derive(Default)]
struct News {
    /// Which entries are pending with whom, in order.
    claims: Vec<(StreamId, Pending, Vec<u8>)>,
    /// Whether the consumer was not there before.
    created: bool,
}

/// What happens to each entry that is claimed.
struct Claim<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    now: i64,
    /// Entries that were delivered more recently are left alone, in milliseconds.
    idle_min: i64,
    time_ms: i64,
    /// How often it counts as delivered; `None` for once more.
    count: Option<u64>,
    only_ids: bool,
    /// Whether entries that are not pending become it.
    force: bool,
}

/// What came of claiming an entry.
enum Claimed {
    /// It is left alone.
    No,
    Yes,
    /// It is not in the stream any more, and was pending.
    Deleted,
}

impl Claim<'_> {
    /// Claims one entry, and replies with it.
    fn one(&self, stream: &mut Stream, id: StreamId, news: &mut News, reply: &mut Reply) -> Claimed {
        let exists = stream.get(id).is_some();
        let Some(group) = stream.group_mut(self.group) else { return Claimed::No };
        let old = group.pending().get(id);
        if !exists {
            let Some(old) = old else { return Claimed::No };
            news.claims.push((id, old, group.name_of(old.owner).to_vec()));
            group.release(id);
            return Claimed::Deleted;
        }
        let count = match old {
            None if !self.force => return Claimed::No,
            Some(old) if self.idle_min > 0 && self.now.saturating_sub(old.time_ms) < self.idle_min => return Claimed::No,
            old => old.map_or(1, |old| old.count),
        };
        let (owner, created) = group.find_or_create(self.consumer, self.now);
        news.created |= created;
        if let Some(consumer) = group.consumer_mut(owner) {
            (consumer.seen_ms, consumer.active_ms) = (self.now, self.now);
        }
        let count = match self.count {
            Some(count) => count,
            None => count.saturating_add(u64::from(!self.only_ids)),
        };
        let pending = Pending { time_ms: self.time_ms, count, owner };
        group.assign(id, pending);
        news.claims.push((id, pending, self.consumer.to_vec()));
        match stream.get(id) {
            Some(entry) if !self.only_ids => put_entry(reply, &entry),
            _ => put_id(reply, id),
        }
        Claimed::Yes
    }
}

/// Propagates claims, and returns how many there were.
fn tell(cx: &mut Ctx<'_>, key: &[u8], group: &[u8], news: &News, last_id: StreamId) -> u64 {
    let told = Told { key, group };
    if news.created {
        told_of(cx, key, "xgroup-createconsumer");
    }
    for (id, pending, consumer) in &news.claims {
        told.claim(cx, consumer, *id, pending, last_id);
    }
    news.claims.len() as u64
}

/// The options of `XCLAIM`.
#[derive(Default)]
struct Options {
    time_ms: Option<i64>,
    count: Option<u64>,
    force: bool,
    only_ids: bool,
    last_id: StreamId,
}

impl Options {
    fn parse(args: Args<'_>, first: usize, now: i64) -> Outcome<Self> {
        let mut options = Options::default();
        let mut words = parse::Options::new(args, first);
        while let Some(word) = words.next() {
            let more = words.left() > 0;
            match &*parse::upper(word) {
                b"FORCE" => options.force = true,
                b"JUSTID" => options.only_ids = true,
                b"IDLE" if more => {
                    let idle = int_or(words.value()?, "ERR Invalid IDLE option argument for XCLAIM")?;
                    options.time_ms = Some(now.saturating_sub(idle));
                }
                b"TIME" if more => {
                    options.time_ms = Some(int_or(words.value()?, "ERR Invalid TIME option argument for XCLAIM")?);
                }
                b"RETRYCOUNT" if more => {
                    let count = int_or(words.value()?, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                    options.count = u64::try_from(count).ok();
                }
                b"LASTID" if more => options.last_id = ids::id(words.value()?)?,
                _ => return Err(Error::with(&[b"ERR Unrecognized XCLAIM option '", word, b"'"])),
            }
        }
        Ok(options)
    }
}

/// `XCLAIM key group consumer min-idle-time id [id …] [IDLE ms] [TIME unix-ms] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]`.
pub(super) fn xclaim(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (key, group, now) = (args.get(1), args.get(2), now_ms(cx));
    if read(cx, key)?.and_then(|stream| stream.group(group)).is_none() {
        return Err(no_group(key, group));
    }
    let idle_min = int_or(args.get(4), "ERR Invalid min-idle-time argument for XCLAIM")?;
    let ids: Vec<StreamId> = args.from(5).map_while(|text| ids::id(text).ok()).collect();
    let options = Options::parse(args, 5 + ids.len(), now)?;
    let claim = Claim {
        group,
        consumer: args.get(3),
        now,
        idle_min,
        // A time that cannot be is taken for now, since clients compute it by their own clocks.
        time_ms: options.time_ms.filter(|time| (0..=now).contains(time)).unwrap_or(now),
        count: options.count,
        only_ids: options.only_ids,
        force: options.force,
    };
    let done = edit(cx, key, |stream, reply| {
        let own = stream.group_mut(group)?;
        let moved = options.last_id > own.last_id;
        own.last_id = own.last_id.max(options.last_id);
        let position = (own.last_id, own.entries_read);
        let mut news = News::default();
        counted(reply, |reply| {
            ids.iter().filter(|id| matches!(claim.one(stream, **id, &mut news, reply), Claimed::Yes)).count()
        });
        Some((moved, position, news))
    })?;
    cx.propagate_nothing();
    if let Some((moved, (last_id, entries_read), news)) = done.flatten() {
        cx.dirty += tell(cx, key, group, &news, last_id);
        if moved && news.claims.is_empty() {
            Told { key, group }.set_id(cx, last_id, entries_read);
            cx.dirty += 1;
        }
    }
    Ok(())
}

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`.
pub(super) fn xautoclaim(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (key, group, now) = (args.get(1), args.get(2), now_ms(cx));
    let idle_min = int_or(args.get(4), "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let start = ids::start(args.get(5))?;
    let (mut count, mut only_ids) = (100, false);
    let mut words = parse::Options::new(args, 6);
    while let Some(word) = words.next() {
        if parse::is(word, "COUNT") && words.left() > 0 {
            let number = parse_i64(words.value()?).filter(|number| (1..=COUNT_MAX).contains(number));
            count = number.ok_or(COUNT_NOT_POSITIVE)? as usize;
        } else if parse::is(word, "JUSTID") {
            only_ids = true;
        } else {
            return Err(errors::SYNTAX);
        }
    }
    if read(cx, key)?.and_then(|stream| stream.group(group)).is_none() {
        return Err(no_group(key, group));
    }
    let consumer = args.get(3);
    let claim = Claim { group, consumer, now, idle_min, time_ms: now, count: None, only_ids, force: false };
    let done = edit(cx, key, |stream, reply| {
        let (news, last_id) = scan(stream, reply, &claim, start, count)?;
        Some((news, last_id))
    })?;
    cx.propagate_nothing();
    if let Some((news, last_id)) = done.flatten() {
        cx.dirty += tell(cx, key, group, &news, last_id);
    }
    Ok(())
}

/// Claims entries from `start` on, and replies with where to go on, what was claimed, and what was found to be deleted.
fn scan(stream: &mut Stream, reply: &mut Reply, claim: &Claim<'_>, start: StreamId, count: usize) -> Option<(News, StreamId)> {
    let last_id = stream.group(claim.group)?.last_id;
    let mut body = Reply::new(reply.resp3);
    let (mut news, mut deleted, mut claimed) = (News::default(), Vec::new(), 0);
    let mut next = Some(start);
    for _ in 0..count.saturating_mul(ATTEMPTS_PER_ENTRY) {
        if claimed + deleted.len() >= count {
            break;
        }
        let Some((id, _)) = next.and_then(|next| stream.group(claim.group)?.pending().from(next).next()) else {
            next = None;
            break;
        };
        match claim.one(stream, id, &mut news, &mut body) {
            Claimed::Yes => claimed += 1,
            Claimed::Deleted => deleted.push(id),
            Claimed::No => {}
        }
        next = id.next();
    }
    let cursor = next.and_then(|next| Some(stream.group(claim.group)?.pending().from(next).next()?.0));
    reply.array(3);
    put_id(reply, cursor.unwrap_or_default());
    reply.array(claimed);
    reply.raw(&body.buf);
    reply.array(deleted.len());
    deleted.into_iter().for_each(|id| put_id(reply, id));
    Some((news, last_id))
}
