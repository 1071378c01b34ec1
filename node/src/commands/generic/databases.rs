//! Whole databases: their size, emptying and swapping them.

use crate::commands::Ctx;
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::parse;
use koltso_proto::id::DbIndex;
use koltso_proto::resp::Args;

const BAD_FIRST_DB: Error = Error::fixed("ERR invalid first DB index");
const BAD_SECOND_DB: Error = Error::fixed("ERR invalid second DB index");

/// `DBSIZE`: expired keys that were not yet deleted included, as in Redis.
pub fn dbsize(cx: &mut Ctx<'_>, _: Args<'_>) {
    let db = cx.db.0 as usize;
    let keys = cx.keys.shards().map(|shard| shard.dbs[db].len()).sum();
    cx.reply.len(keys);
}

/// `FLUSHDB [ASYNC | SYNC]`. Both free memory little by little, after the reply.
pub fn flushdb(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    check_flush_options(args)?;
    flush(cx, cx.db);
    propagate_as_given(cx, args);
    cx.reply.ok();
    Ok(())
}

/// `FLUSHALL [ASYNC | SYNC]`.
pub fn flushall(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    check_flush_options(args)?;
    for db in 0..cx.databases() {
        flush(cx, DbIndex(db as u32));
    }
    propagate_as_given(cx, args);
    cx.reply.ok();
    Ok(())
}

fn check_flush_options(args: Args<'_>) -> Outcome {
    let fine = args.len() == 1 || (args.len() == 2 && (args.is(1, "ASYNC") || args.is(1, "SYNC")));
    if fine { Ok(()) } else { Err(errors::SYNTAX) }
}

fn flush(cx: &mut Ctx<'_>, db: DbIndex) {
    let mut keys = 0;
    for shard in cx.keys.shards() {
        keys += shard.dbs[db.0 as usize].len() as u64;
        shard.flush(db);
    }
    cx.dirty += keys;
}

/// Replicas are told even when there was nothing to do: they may have keys of their own.
fn propagate_as_given(cx: &mut Ctx<'_>, args: Args<'_>) {
    let words: Vec<&[u8]> = args.from(0).collect();
    cx.propagate(&words);
}

/// `SWAPDB index1 index2`.
pub fn swapdb(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let databases = cx.databases();
    let first = parse::int32(args.get(1)).map_err(|_| BAD_FIRST_DB)?;
    let second = parse::int32(args.get(2)).map_err(|_| BAD_SECOND_DB)?;
    let (first, second) = (parse::existing_db(first, databases)?, parse::existing_db(second, databases)?);
    if first != second {
        let now = cx.now;
        cx.keys.shards().for_each(|shard| shard.swap(first, second, now));
    }
    cx.dirty += 1;
    cx.reply.ok();
    Ok(())
}
