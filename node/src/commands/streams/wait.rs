//! `XREAD` and `XREADGROUP` that wait: what they wait for, and whether it is there.
//!
//! Before it waits, a request is put into one form, in which everything has its place and every id is what it was when the
//! command came. A reader in a group always waits for what is new in it, whatever that begins with by then.

use super::read::Request;
use crate::commands::Ctx;
use crate::connection::OwnedRequest;
use crate::shard::value::ValueRef;
use koltso_proto::resp::Args;
use koltso_proto::stream::StreamId;
use std::ops::Range;

const NO_GROUP: &str = "NOGROUP the consumer group this client was blocked on no longer exists";
const NO_STREAM: &str = "UNBLOCKED the stream key no longer exists";

/// How many entries are given at most to who has waited and named no number: an old id must not bring a whole stream.
const COUNT_DEFAULT: usize = 1000;

/// Whether there is something for a reader who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// There is nothing.
    No,
    /// There are entries.
    Yes,
    /// What it waits for can never come: that ends the wait with an error.
    Never(&'static str),
}

/// The form that a request has while it waits: `XREAD COUNT n STREAMS key … id …`, or
/// `XREADGROUP GROUP group consumer COUNT n [NOACK] STREAMS key … > …`. `None` for one that is no good.
pub(crate) fn settle(cx: &mut Ctx<'_>, args: Args<'_>) -> Option<OwnedRequest> {
    let request = Request::parse(args, args.is(0, "XREADGROUP")).ok()?;
    let count = if request.count == usize::MAX { COUNT_DEFAULT } else { request.count }.to_string();
    let ids: Vec<Vec<u8>> = (0..request.streams).map(|stream| settled_id(cx, &request, stream)).collect();
    let mut words: Vec<&[u8]> = vec![args.get(0)];
    if let Some(reader) = &request.reader {
        words.extend([b"GROUP".as_slice(), reader.group, reader.consumer]);
    }
    words.extend([b"COUNT", count.as_bytes()]);
    if request.reader.is_some_and(|reader| reader.no_ack) {
        words.push(b"NOACK");
    }
    words.push(b"STREAMS");
    words.extend((0..request.streams).map(|stream| request.key(stream)));
    words.extend(ids.iter().map(Vec::as_slice));
    Some(OwnedRequest::from_words(&words))
}

fn settled_id(cx: &mut Ctx<'_>, request: &Request<'_>, stream: usize) -> Vec<u8> {
    if request.reader.is_some() {
        return b">".into();
    }
    let end = |cx: &mut Ctx<'_>| match cx.peek(request.key(stream)).map(|entry| entry.value()) {
        Some(ValueRef::Stream(stream)) => stream.last_id,
        _ => StreamId::MIN,
    };
    match request.id_text(stream) {
        b"$" => end(cx).to_text(),
        text => text.into(),
    }
}

/// A request in that form.
#[derive(Clone, Copy)]
pub(crate) struct Settled<'a> {
    args: Args<'a>,
    reads_group: bool,
    keys_at: usize,
    streams: usize,
}

impl<'a> Settled<'a> {
    /// The parts of a settled request.
    pub(crate) fn new(args: Args<'a>) -> Self {
        let reads_group = args.is(1, "GROUP");
        let keys_at = match reads_group {
            true => 7 + usize::from(args.is(6, "NOACK")),
            false => 4,
        };
        Settled { args, reads_group, keys_at, streams: args.len().saturating_sub(keys_at) / 2 }
    }

    /// Where the keys stand.
    pub(crate) fn keys(&self) -> Range<usize> {
        self.keys_at..self.keys_at + self.streams
    }

    /// Whether this is a reader in a group.
    pub(crate) fn reads_group(&self) -> bool {
        self.reads_group
    }

    /// Whether there is something for the reader in `key`, whose value this is.
    pub(crate) fn ready(&self, key: &[u8], value: Option<ValueRef<'_>>) -> Ready {
        let stream = match value {
            Some(ValueRef::Stream(stream)) => stream,
            _ if self.reads_group => return Ready::Never(NO_STREAM),
            _ => return Ready::No,
        };
        let begin = if self.reads_group {
            let Some(group) = stream.group(self.args.get(2)) else { return Ready::Never(NO_GROUP) };
            Some(group.last_id)
        } else {
            self.keys().find(|at| self.args.get(*at) == key).and_then(|at| StreamId::parse(self.args.get(at + self.streams), 0))
        };
        if begin.is_some_and(|begin| stream.newest_id() > begin) { Ready::Yes } else { Ready::No }
    }

    /// The same request for one of its keys alone.
    pub(crate) fn for_key(&self, key: &[u8]) -> OwnedRequest {
        let at = self.keys().find(|at| self.args.get(*at) == key).unwrap_or(self.keys_at);
        let mut words: Vec<&[u8]> = self.args.from(0).take(self.keys_at).collect();
        words.extend([key, self.args.get(at + self.streams)]);
        OwnedRequest::from_words(&words)
    }
}
