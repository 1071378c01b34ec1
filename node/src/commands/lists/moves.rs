//! Moving an element from one list to another, or round the same one.

use super::end_of;
use crate::commands::Ctx;
use crate::commands::collections::{self, limits};
use crate::commands::errors::Outcome;
use crate::shard::value::{End, List};
use koltso_proto::resp::Args;

/// `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`.
pub fn lmove(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (from, to) = (end_of(args.get(3))?, end_of(args.get(4))?);
    if !move_element(cx, args, from, to)? {
        cx.reply.null();
    }
    Ok(())
}

/// `RPOPLPUSH source destination`.
pub fn rpoplpush(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    if !move_element(cx, args, End::Tail, End::Head)? {
        cx.reply.null();
    }
    Ok(())
}

/// Moves an element and replies with it. False, and no reply, if there was none.
pub(super) fn move_element(cx: &mut Ctx<'_>, args: Args<'_>, from: End, to: End) -> Outcome<bool> {
    let (source, destination) = (args.get(1), args.get(2));
    let Some(element) = collections::peek::<List>(cx, source)?.and_then(|list| list.peek(from)).map(|element| element.to_vec())
    else {
        return Ok(false);
    };
    let limits = limits(cx);
    if source == destination {
        collections::edit(cx, source, |list: &mut List, _| {
            list.pop(from);
            list.push(to, &element, &limits);
            ((), 1)
        })?;
    } else {
        // The destination first: if it is of another type, nothing has happened yet.
        collections::edit_or_create(cx, destination, List::new, |list, _| {
            list.push(to, &element, &limits);
            ((), 1)
        })?;
        collections::edit(cx, source, |list: &mut List, _| {
            list.pop(from);
            list.shrink_if_possible(&limits);
            ((), 1)
        })?;
        cx.dirty = 1;
    }
    cx.reply.bulk(&element);
    Ok(true)
}
