//! `XRANGE` and `XREVRANGE`.

use super::{ids, put_entries, read_into};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse};
use koltso_proto::resp::Args;

/// `XRANGE key start end [COUNT count]`.
pub(super) fn xrange(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    range(cx, args, false)
}

/// `XREVRANGE key end start [COUNT count]`.
pub(super) fn xrevrange(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    range(cx, args, true)
}

fn range(cx: &mut Ctx<'_>, args: Args<'_>, reverse: bool) -> Outcome {
    let (first, last) = if reverse { (args.get(3), args.get(2)) } else { (args.get(2), args.get(3)) };
    let (start, end) = (ids::start(first)?, ids::end(last)?);
    let mut count = None;
    let mut words = parse::Options::new(args, 4);
    while let Some(word) = words.next() {
        if !parse::is(word, "COUNT") {
            return Err(errors::SYNTAX);
        }
        count = Some(usize::try_from(parse::int(words.value()?)?).unwrap_or(0));
    }
    let (stream, reply) = read_into(cx, args.get(1))?;
    let Some(stream) = stream else {
        reply.array(0);
        return Ok(());
    };
    match count.unwrap_or(usize::MAX) {
        0 => reply.null_array(),
        count if reverse => put_entries(reply, stream.range_rev(start, end), count),
        count => put_entries(reply, stream.range(start, end), count),
    }
    Ok(())
}
