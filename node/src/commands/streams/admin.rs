//! `XLEN`, `XDEL`, `XSETID`.

use super::{changed_unwatched, edit, ids, read};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::Stream;
use koltso_proto::resp::Args;
use koltso_proto::stream::StreamId;

const NEGATIVE_ADDED: Error = Error::fixed("ERR entries_added must be positive");
const BELOW_DELETED: Error = Error::fixed("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
const BELOW_TOP: Error = Error::fixed("ERR The ID specified in XSETID is smaller than the target stream top item");
const BELOW_LEN: Error = Error::fixed("ERR The entries_added specified in XSETID is smaller than the target stream length");

/// `XLEN key`.
pub(super) fn xlen(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let len = read(cx, args.get(1))?.map_or(0, Stream::len);
    cx.reply.len(len);
    Ok(())
}

/// `XDEL key id [id …]`.
pub(super) fn xdel(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let key = args.get(1);
    if read(cx, key)?.is_none() {
        cx.reply.int(0);
        return Ok(());
    }
    let ids = args.from(2).map(ids::id).collect::<Outcome<Vec<_>>>()?;
    let deleted = edit(cx, key, |stream, _| ids.into_iter().filter(|id| stream.delete(*id)).count())?.unwrap_or(0);
    if deleted > 0 {
        cx.changed(key);
        cx.dirty += deleted as u64 - 1;
    }
    cx.reply.len(deleted);
    Ok(())
}

/// `XSETID key last-id [ENTRIESADDED count] [MAXDELETEDID id]`.
pub(super) fn xsetid(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let id = ids::id(args.get(2))?;
    let (mut entries_added, mut max_deleted) = (None, StreamId::MIN);
    let mut words = parse::Options::new(args, 3);
    while let Some(word) = words.next() {
        if parse::is(word, "ENTRIESADDED") {
            entries_added = Some(u64::try_from(parse::int(words.value()?)?).map_err(|_| NEGATIVE_ADDED)?);
        } else if parse::is(word, "MAXDELETEDID") {
            max_deleted = ids::id(words.value()?)?;
            if id < max_deleted {
                return Err(BELOW_DELETED);
            }
        } else {
            return Err(errors::SYNTAX);
        }
    }
    let done = edit(cx, args.get(1), |stream, _| {
        if !stream.is_empty() {
            if id < stream.newest_id() {
                return Err(BELOW_TOP);
            }
            if entries_added.is_some_and(|added| added < stream.len() as u64) {
                return Err(BELOW_LEN);
            }
        }
        stream.last_id = id;
        stream.entries_added = entries_added.unwrap_or(stream.entries_added);
        if max_deleted != StreamId::MIN {
            stream.max_deleted = max_deleted;
        }
        Ok(())
    })?;
    done.ok_or(errors::NO_SUCH_KEY)??;
    changed_unwatched(cx, args.get(1));
    cx.reply.ok();
    Ok(())
}
