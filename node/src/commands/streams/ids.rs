//! Ids as commands take them.

use crate::commands::errors::{Error, Outcome};
use koltso_proto::stream::StreamId;

const BAD_ID: Error = Error::fixed("ERR Invalid stream ID specified as stream command argument");
const BAD_START: Error = Error::fixed("ERR invalid start ID for the interval");
const BAD_END: Error = Error::fixed("ERR invalid end ID for the interval");

/// An id; where it is only a time, with sequence number 0.
pub(super) fn id(text: &[u8]) -> Outcome<StreamId> {
    StreamId::parse(text, 0).ok_or(BAD_ID)
}

/// An id, or `-` or `+` for the ends.
pub(super) fn id_or_end(text: &[u8], missing_seq: u64) -> Outcome<StreamId> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        text => StreamId::parse(text, missing_seq).ok_or(BAD_ID),
    }
}

/// The first id of a range, behind a `(` the one after it.
pub(super) fn start(text: &[u8]) -> Outcome<StreamId> {
    match text {
        [b'(', text @ ..] if !text.is_empty() => id(text)?.next().ok_or(BAD_START),
        text => id_or_end(text, 0),
    }
}

/// The last id of a range, behind a `(` the one before it.
pub(super) fn end(text: &[u8]) -> Outcome<StreamId> {
    match text {
        [b'(', text @ ..] if !text.is_empty() => StreamId::parse(text, u64::MAX).ok_or(BAD_ID)?.previous().ok_or(BAD_END),
        text => id_or_end(text, u64::MAX),
    }
}

/// Which id a new entry is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`
    Auto,
    /// `ms-*`
    AutoSeq(u64),
    Given(StreamId),
}

impl NewId {
    pub(super) fn parse(text: &[u8]) -> Outcome<Self> {
        match text {
            b"*" => Ok(NewId::Auto),
            [ms @ .., b'-', b'*'] if !ms.contains(&b'-') => {
                StreamId::parse(ms, 0).map(|id| NewId::AutoSeq(id.ms)).ok_or(BAD_ID)
            }
            text => id(text).map(NewId::Given),
        }
    }

    /// The id, for a stream whose greatest was `last`, at a time in milliseconds; `None` if it would not be greater.
    pub(super) fn resolve(self, last: StreamId, now_ms: u64) -> Option<StreamId> {
        let id = match self {
            NewId::Auto if now_ms > last.ms => StreamId::new(now_ms, 0),
            NewId::Auto => last.next()?,
            NewId::AutoSeq(ms) if ms == last.ms => StreamId::new(ms, last.seq.checked_add(1)?),
            NewId::AutoSeq(ms) => StreamId::new(ms, 0),
            NewId::Given(id) => id,
        };
        (id > last).then_some(id)
    }
}
