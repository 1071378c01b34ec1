//! Reading.

use crate::commands::collections::{put_element, read, read_into};
use crate::commands::errors::Outcome;
use crate::commands::{Ctx, parse};
use crate::shard::value::List;
use koltso_proto::resp::Args;

/// `LLEN key`.
pub fn llen(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let len = read::<List>(cx, args.get(1))?.map_or(0, List::len);
    cx.reply.len(len);
    Ok(())
}

/// `LRANGE key start stop`.
pub fn lrange(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (start, stop) = (parse::int(args.get(2))?, parse::int(args.get(3))?);
    let (list, reply) = read_into::<List>(cx, args.get(1))?;
    let range = list.and_then(|list| Some((list, parse::index_range(start, stop, list.len())?)));
    let Some((list, range)) = range else {
        reply.array(0);
        return Ok(());
    };
    reply.array(range.len());
    list.range(range.start, range.len()).for_each(|element| put_element(reply, element));
    Ok(())
}

/// `LINDEX key index`.
pub fn lindex(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (list, reply) = read_into::<List>(cx, args.get(1))?;
    let Some(list) = list else {
        reply.null();
        return Ok(());
    };
    match position(parse::int(args.get(2))?, list.len()).and_then(|position| list.get(position)) {
        Some(element) => put_element(reply, element),
        None => reply.null(),
    }
    Ok(())
}

/// The position that an index means, from the end where negative; `None` outside of the list.
pub(super) fn position(index: i64, len: usize) -> Option<usize> {
    let position = if index < 0 { index.checked_add_unsigned(len as u64)? } else { index };
    usize::try_from(position).ok().filter(|position| *position < len)
}
