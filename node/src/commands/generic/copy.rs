//! Entries under another name, or in another database.

use crate::commands::Ctx;
use crate::commands::errors::{self, Outcome};
use crate::commands::parse;
use koltso_proto::resp::Args;

/// `RENAME key newkey`.
pub fn rename(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (from, to) = (args.get(1), args.get(2));
    if from == to {
        cx.peek(from).ok_or(errors::NO_SUCH_KEY)?;
    } else {
        let entry = cx.remove(from).ok_or(errors::NO_SUCH_KEY)?;
        cx.put(entry.with_key(to));
        cx.dirty = 1;
    }
    cx.reply.ok();
    Ok(())
}

/// `RENAMENX key newkey`: only if there is no `newkey`.
pub fn renamenx(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (from, to) = (args.get(1), args.get(2));
    cx.peek(from).ok_or(errors::NO_SUCH_KEY)?;
    let free = cx.peek(to).is_none();
    if free && let Some(entry) = cx.remove(from) {
        cx.put(entry.with_key(to));
        cx.dirty = 1;
    }
    cx.reply.int(i64::from(free));
    Ok(())
}

/// `COPY source destination [DB index] [REPLACE]`.
pub fn copy(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (from, to) = (args.get(1), args.get(2));
    let (mut target, mut replace) = (cx.db, false);
    let databases = cx.databases();
    let mut words = parse::Options::new(args, 3);
    while let Some(word) = words.next() {
        if parse::is(word, "REPLACE") {
            replace = true;
        } else if parse::is(word, "DB") {
            target = parse::db(words.value()?, databases)?;
        } else {
            return Err(errors::SYNTAX);
        }
    }
    if target == cx.db && from == to {
        return Err(errors::SAME_OBJECT);
    }
    let source = cx.look(from).map(|entry| entry.to_entry());
    let copied = match source {
        Some(entry) => cx.in_db(target, |cx| {
            let free = replace || cx.peek(to).is_none();
            if free {
                cx.put(entry.with_key(to));
            }
            free
        }),
        None => false,
    };
    cx.reply.int(i64::from(copied));
    Ok(())
}

/// `MOVE key db`: only if there is no such key in that database.
pub fn move_to_db(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let key = args.get(1);
    let target = parse::db(args.get(2), cx.databases())?;
    if target == cx.db {
        return Err(errors::SAME_OBJECT);
    }
    let moves = cx.peek(key).is_some() && cx.in_db(target, |cx| cx.peek(key).is_none());
    if moves && let Some(entry) = cx.remove(key) {
        cx.in_db(target, |cx| cx.put(entry));
        cx.dirty = 1;
    }
    cx.reply.int(i64::from(moves));
    Ok(())
}
