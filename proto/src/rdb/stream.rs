//! Streams in RDB files.
//!
//! ```text
//! stream    := len (master-id node)* entries last-id [first-id max-deleted-id entries-added] len group*
//! group     := name last-id [entries-read] len (id time count)* len consumer*
//! consumer  := name seen [active] len id*
//!
//! master-id  a string of 16 bytes     node  a string: a listpack       name        a string
//! *-id       two lengths              id    16 bytes                   time, seen  8 bytes LE, milliseconds
//! ```
//!
//! What stands in brackets came with [`kind::STREAM_2`], `active` with [`kind::STREAM_3`].

use super::consts::kind;
use super::cursor::Cursor;
use super::error::Fault;
use super::value::{RdbConsumer, RdbGroup, RdbPending, RdbStream, RdbStreamNode};
use crate::listpack::Listpack;
use crate::stream::{StreamId, check};
use std::collections::HashSet;

const OUT_OF_ORDER: Fault = Fault::Corrupt("a stream whose nodes or pending entries are not in order");
const NOT_PENDING: Fault = Fault::Corrupt("a consumer with an entry that is not pending, or that is another's");
const NO_OWNER: Fault = Fault::Corrupt("a pending entry that no consumer has");

/// Reads the value at the cursor. Whatever is in it is then sound: nodes and pending entries ascend, names are unique, every
/// pending entry has one owner.
pub(super) fn stream(cursor: &mut Cursor<'_>, kind: u8) -> Result<RdbStream, Fault> {
    let (mut nodes, mut last) = (Vec::new(), None);
    for _ in 0..cursor.count()? {
        let (node, end) = node(cursor)?;
        if last.is_some_and(|last| node.master <= last) {
            return Err(OUT_OF_ORDER);
        }
        last = Some(end);
        // One without entries is as good as none.
        if node.live > 0 {
            nodes.push(node);
        }
    }
    let _entries = cursor.len()?;
    let last_id = id(cursor)?;
    let mut stream = RdbStream { nodes, last_id, max_deleted: StreamId::MIN, entries_added: None, groups: Vec::new() };
    stream.last_id = last_id.max(last.unwrap_or_default());
    if kind != kind::STREAM {
        // Which entry is the first can be seen.
        let _first_id = id(cursor)?;
        stream.max_deleted = id(cursor)?;
        stream.entries_added = Some(cursor.len()?);
    }
    let mut names = HashSet::new();
    for _ in 0..cursor.count()? {
        let group = group(cursor, kind)?;
        if !names.insert(group.name.clone()) {
            return Err(Fault::Duplicate);
        }
        stream.groups.push(group);
    }
    Ok(stream)
}

fn node(cursor: &mut Cursor<'_>) -> Result<(RdbStreamNode, StreamId), Fault> {
    let master = <[u8; 16]>::try_from(&*cursor.blob()?);
    let master = StreamId::from_bytes(master.map_err(|_| Fault::Corrupt("a stream node whose id has not 16 bytes"))?);
    let pack = Listpack::from_bytes_checked(cursor.blob()?)?;
    let checked = check(master, &pack)?;
    Ok((RdbStreamNode { master, pack, live: checked.live, deleted: checked.deleted }, checked.last))
}

fn id(cursor: &mut Cursor<'_>) -> Result<StreamId, Fault> {
    Ok(StreamId::new(cursor.len()?, cursor.len()?))
}

fn raw_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Fault> {
    cursor.array().map(StreamId::from_bytes)
}

fn time(cursor: &mut Cursor<'_>) -> Result<i64, Fault> {
    cursor.array().map(i64::from_le_bytes)
}

fn group(cursor: &mut Cursor<'_>, kind: u8) -> Result<RdbGroup, Fault> {
    let name = cursor.text()?.into_vec();
    let last_id = id(cursor)?;
    // The largest number says that nobody knows.
    let entries_read = if kind == kind::STREAM { None } else { Some(cursor.len()? as i64) };
    let mut pending: Vec<RdbPending> = Vec::new();
    for _ in 0..cursor.count()? {
        let entry = RdbPending { id: raw_id(cursor)?, time_ms: time(cursor)?, count: cursor.len()?, owner: usize::MAX };
        if pending.last().is_some_and(|last| last.id >= entry.id) {
            return Err(OUT_OF_ORDER);
        }
        pending.push(entry);
    }
    let mut consumers = Vec::new();
    let mut names = HashSet::new();
    for owner in 0..cursor.count()? {
        let consumer = consumer(cursor, kind, &mut pending, owner)?;
        if !names.insert(consumer.name.clone()) {
            return Err(Fault::Duplicate);
        }
        consumers.push(consumer);
    }
    if pending.iter().any(|entry| entry.owner == usize::MAX) {
        return Err(NO_OWNER);
    }
    Ok(RdbGroup { name, last_id, entries_read, pending, consumers })
}

fn consumer(cursor: &mut Cursor<'_>, kind: u8, pending: &mut [RdbPending], owner: usize) -> Result<RdbConsumer, Fault> {
    let name = cursor.text()?.into_vec();
    let seen_ms = time(cursor)?;
    // Older files do not tell; then it was active when it was seen.
    let active_ms = if kind == kind::STREAM_3 { time(cursor)? } else { seen_ms };
    for _ in 0..cursor.count()? {
        let id = raw_id(cursor)?;
        let at = pending.binary_search_by_key(&id, |entry| entry.id).map_err(|_| NOT_PENDING)?;
        if pending[at].owner != usize::MAX {
            return Err(NOT_PENDING);
        }
        pending[at].owner = owner;
    }
    Ok(RdbConsumer { name, seen_ms, active_ms })
}
