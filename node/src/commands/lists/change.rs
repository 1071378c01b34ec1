//! Changing what is in a list, other than at its ends.

use super::range::position;
use crate::commands::collections::{self, limits};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::{End, List};
use koltso_proto::resp::Args;

const INDEX_OUT_OF_RANGE: Error = Error::fixed("ERR index out of range");

/// `LSET key index element`.
pub fn lset(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let limits = limits(cx);
    let done = collections::edit(cx, args.get(1), |list: &mut List, _| {
        let index = match parse::int(args.get(2)) {
            Ok(index) => index,
            Err(error) => return (Err(error), 0),
        };
        let Some(position) = position(index, list.len()) else { return (Err(INDEX_OUT_OF_RANGE), 0) };
        list.set(position, args.get(3), &limits);
        list.shrink_if_possible(&limits);
        (Ok(()), 1)
    })?;
    done.ok_or(errors::NO_SUCH_KEY)??;
    cx.reply.ok();
    Ok(())
}

/// `LINSERT key BEFORE | AFTER pivot element`.
pub fn linsert(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let behind = match args.get(2) {
        word if parse::is(word, "BEFORE") => 0,
        word if parse::is(word, "AFTER") => 1,
        _ => return Err(errors::SYNTAX),
    };
    let limits = limits(cx);
    let done = collections::edit(cx, args.get(1), |list: &mut List, _| {
        let pivot = list.iter().position(|element| element.eq_bytes(args.get(3)));
        match pivot {
            None => (-1, 0),
            Some(pivot) => {
                list.insert(pivot + behind, args.get(4), &limits);
                (list.len() as i64, 1)
            }
        }
    })?;
    cx.reply.int(done.unwrap_or_default());
    Ok(())
}

/// `LREM key count element`.
pub fn lrem(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let count = parse::int(args.get(2))?;
    let end = if count < 0 { End::Tail } else { End::Head };
    let max = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let limits = limits(cx);
    let removed = collections::edit(cx, args.get(1), |list: &mut List, _| {
        let removed = list.remove_equal(args.get(3), end, max);
        list.shrink_if_possible(&limits);
        (removed, removed)
    })?;
    cx.reply.len(removed.unwrap_or_default());
    Ok(())
}

/// `LTRIM key start stop`.
pub fn ltrim(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (start, stop) = (parse::int(args.get(2))?, parse::int(args.get(3))?);
    let limits = limits(cx);
    collections::edit(cx, args.get(1), |list: &mut List, _| {
        let len = list.len();
        let keep = parse::index_range(start, stop, len).unwrap_or(len..len);
        list.remove_range(keep.end, len - keep.end);
        list.remove_range(0, keep.start);
        list.shrink_if_possible(&limits);
        ((), len - list.len())
    })?;
    cx.reply.ok();
    Ok(())
}
