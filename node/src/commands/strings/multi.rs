//! Several keys at once.

use crate::commands::Ctx;
use crate::commands::errors::{self, Outcome};
use crate::shard::value::ValueRef;
use koltso_proto::resp::Args;

/// `MGET key [key …]`.
pub fn mget(cx: &mut Ctx<'_>, args: Args<'_>) {
    cx.reply.array(args.len() - 1);
    for key in args.from(1) {
        let (entry, reply) = cx.read_into(key);
        match entry.map(|entry| entry.value()) {
            Some(ValueRef::Str(text)) => reply.bulk(text),
            _ => reply.null(),
        }
    }
}

/// `MSET key value [key value …]`.
pub fn mset(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    check_pairs(args, "mset")?;
    set_all(cx, args);
    cx.reply.ok();
    Ok(())
}

/// `MSETNX key value [key value …]`: all of them, or none if one exists.
pub fn msetnx(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    check_pairs(args, "msetnx")?;
    let none_exists = args.from(1).step_by(2).all(|key| cx.peek(key).is_none());
    if none_exists {
        set_all(cx, args);
    }
    cx.reply.int(i64::from(none_exists));
    Ok(())
}

fn check_pairs(args: Args<'_>, command: &str) -> Outcome {
    if args.len().is_multiple_of(2) { Err(errors::wrong_arity(command)) } else { Ok(()) }
}

fn set_all(cx: &mut Ctx<'_>, args: Args<'_>) {
    for at in (1..args.len()).step_by(2) {
        cx.set_string(args.get(at), args.get(at + 1), None);
    }
}
