//! `XREAD` and `XREADGROUP`: what several streams have that the client has not seen.
//!
//! Both have two steps. A [`Request`] is resolved to what each stream is to be read from, once, since `$` means the end as it is
//! when the command comes; then it is served. What becomes of a request that waits stands in [`super::wait`].

use super::{group_read, ids, put_entries, read};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use koltso_proto::number::parse_i64;
use koltso_proto::resp::{Args, Reply};
use koltso_proto::stream::StreamId;

const UNBALANCED: Error =
    Error::fixed("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.");
const GROUP_IN_XREAD: Error = Error::fixed("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
const NOACK_IN_XREAD: Error = Error::fixed("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
const NO_GROUP_OPTION: Error = Error::fixed("ERR Missing GROUP option for XREADGROUP");
const DOLLAR_IN_GROUP: Error = Error::fixed(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
     specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);
const NEW_IN_XREAD: Error =
    Error::fixed("ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.");
const BAD_TIMEOUT: Error = Error::fixed("ERR timeout is not an integer or out of range");
const NEGATIVE_TIMEOUT: Error = Error::fixed("ERR timeout is negative");

/// On whose behalf a group is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) group: &'a [u8],
    pub(super) consumer: &'a [u8],
    /// Whether what is read counts as acknowledged.
    pub(super) no_ack: bool,
}

/// A command line of either.
#[derive(Clone, Debug)]
pub(super) struct Request<'a> {
    args: Args<'a>,
    pub(super) reader: Option<Reader<'a>>,
    /// The most entries of each stream.
    pub(super) count: usize,
    /// For how many milliseconds to wait where there is nothing, 0 for ever; `None` for not at all.
    block: Option<u64>,
    /// Where the keys begin; as many ids follow them.
    keys_at: usize,
    pub(super) streams: usize,
}

/// Which entries are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    After(StreamId),
    /// Those that no consumer of the group has got yet.
    New,
}

impl<'a> Request<'a> {
    pub(super) fn parse(args: Args<'a>, in_group: bool) -> Outcome<Self> {
        let (mut count, mut reader, mut no_ack, mut keys_at, mut block) = (0, None, false, 0, None);
        let mut at = 1;
        while at < args.len() && keys_at == 0 {
            let more = args.len() - 1 - at;
            match &*parse::upper(args.get(at)) {
                b"BLOCK" if more >= 1 => {
                    at += 1;
                    block = Some(timeout(args.get(at))?);
                }
                b"COUNT" if more >= 1 => {
                    at += 1;
                    count = usize::try_from(parse::int(args.get(at))?).unwrap_or(0);
                }
                b"STREAMS" if more >= 1 => {
                    if !more.is_multiple_of(2) {
                        return Err(UNBALANCED);
                    }
                    keys_at = at + 1;
                }
                b"GROUP" if more >= 2 => {
                    if !in_group {
                        return Err(GROUP_IN_XREAD);
                    }
                    reader = Some((args.get(at + 1), args.get(at + 2)));
                    at += 2;
                }
                b"NOACK" if !in_group => return Err(NOACK_IN_XREAD),
                b"NOACK" => no_ack = true,
                _ => return Err(errors::SYNTAX),
            }
            at += 1;
        }
        if keys_at == 0 {
            return Err(errors::SYNTAX);
        }
        if in_group && reader.is_none() {
            return Err(NO_GROUP_OPTION);
        }
        let reader = reader.map(|(group, consumer)| Reader { group, consumer, no_ack });
        let count = if count == 0 { usize::MAX } else { count };
        Ok(Request { args, reader, count, block, keys_at, streams: (args.len() - keys_at) / 2 })
    }

    pub(super) fn key(&self, stream: usize) -> &'a [u8] {
        self.args.get(self.keys_at + stream)
    }

    pub(super) fn id_text(&self, stream: usize) -> &'a [u8] {
        self.args.get(self.keys_at + self.streams + stream)
    }

    /// From where each stream is to be read. Checks that all keys are streams, and have the group.
    fn resolve(&self, cx: &mut Ctx<'_>) -> Outcome<Vec<From>> {
        (0..self.streams).map(|stream| self.resolve_one(cx, stream)).collect()
    }

    fn resolve_one(&self, cx: &mut Ctx<'_>, stream: usize) -> Outcome<From> {
        let (key, text) = (self.key(stream), self.id_text(stream));
        let found = read(cx, key)?;
        if let Some(reader) = self.reader
            && found.and_then(|stream| stream.group(reader.group)).is_none()
        {
            let parts: &[&[u8]] =
                &[b"NOGROUP No such key '", key, b"' or consumer group '", reader.group, b"' in XREADGROUP with GROUP option"];
            return Err(Error::with(parts));
        }
        match (text, self.reader.is_some()) {
            (b"$", true) => Err(DOLLAR_IN_GROUP),
            (b"$", false) => Ok(From::After(found.map_or(StreamId::MIN, |stream| stream.last_id))),
            (b">", true) => Ok(From::New),
            (b">", false) => Err(NEW_IN_XREAD),
            (text, in_group) => match ids::id(text)? {
                StreamId::MAX if in_group => Ok(From::New),
                id => Ok(From::After(id)),
            },
        }
    }

    /// Replies with what there is; false, and no reply, if there is nothing in any stream.
    fn serve(&self, cx: &mut Ctx<'_>, from: &[From]) -> Outcome<bool> {
        let mut served = 0;
        let outer = std::mem::take(cx.reply);
        cx.reply.resp3 = outer.resp3;
        let mut result = Ok(());
        for (stream, from) in from.iter().enumerate() {
            match self.serve_one(cx, self.key(stream), *from) {
                Ok(any) => served += usize::from(any),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        let streams = std::mem::replace(cx.reply, outer);
        result?;
        if served > 0 {
            if cx.reply.resp3 {
                cx.reply.map(served);
            } else {
                cx.reply.array(served);
            }
            cx.reply.raw(&streams.buf);
        }
        Ok(served > 0)
    }

    fn serve_one(&self, cx: &mut Ctx<'_>, key: &[u8], from: From) -> Outcome<bool> {
        match (self.reader, from) {
            (Some(reader), from) => group_read::serve(cx, key, &reader, from, self.count),
            (None, From::New) => Ok(false),
            (None, From::After(id)) => {
                let (stream, reply) = super::read_into(cx, key)?;
                let Some(stream) = stream.filter(|stream| stream.newest_id() > id) else { return Ok(false) };
                put_head(reply, key);
                put_entries(reply, stream.range(id.next().unwrap_or(StreamId::MAX), StreamId::MAX), self.count);
                Ok(true)
            }
        }
    }
}

/// What is in front of the entries of a stream.
pub(super) fn put_head(reply: &mut Reply, key: &[u8]) {
    if !reply.resp3 {
        reply.array(2);
    }
    reply.bulk(key);
}

fn timeout(text: &[u8]) -> Outcome<u64> {
    u64::try_from(parse_i64(text).ok_or(BAD_TIMEOUT)?).map_err(|_| NEGATIVE_TIMEOUT)
}

/// `XREAD [COUNT count] [BLOCK ms] STREAMS key [key …] id [id …]`.
pub(super) fn xread(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let request = Request::parse(args, false)?;
    if request.block.is_some() && cx.scripted {
        return Err(Error::fixed("ERR xread command is not allowed with BLOCK option from scripts"));
    }
    run(cx, &request)
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [NOACK] STREAMS key [key …] id [id …]`.
pub(super) fn xreadgroup(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let request = Request::parse(args, true)?;
    if request.block.is_some() && cx.scripted {
        return Err(Error::fixed("ERR xreadgroup command is not allowed with BLOCK option from scripts"));
    }
    // What replicas are told is what was delivered.
    cx.propagate_nothing();
    run(cx, &request)
}

fn run(cx: &mut Ctx<'_>, request: &Request<'_>) -> Outcome {
    let from = request.resolve(cx)?;
    if !request.serve(cx, &from)? {
        match request.block {
            Some(timeout_ms) => cx.wait(timeout_ms, Reply::null_array),
            None => cx.reply.null_array(),
        }
    }
    Ok(())
}
