//! `XGROUP`: creating, moving and deleting groups and their consumers.

use super::{bad_subcommand, changed_unwatched, edit, ids, no_group_of_key, now_ms};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::stream::Group;
use crate::shard::value::{Stream, Value, ValueRef};
use koltso_proto::resp::Args;
use koltso_proto::stream::StreamId;

const BAD_ENTRIES_READ: Error = Error::fixed("ERR value for ENTRIESREAD must be positive or -1");
const NO_KEY: Error = Error::fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to \
     create an empty stream automatically.",
);
const BUSY_GROUP: Error = Error::fixed("BUSYGROUP Consumer Group name already exists");

const HELP: &[&str] = &[
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
    "HELP",
    "    Prints this help.",
];

/// `XGROUP CREATE | CREATECONSUMER | DELCONSUMER | DESTROY | SETID key group …`, `XGROUP HELP`.
pub(super) fn xgroup(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let name = parse::upper(args.get(1));
    let (run, len, title): (fn(&mut Ctx<'_>, Args<'_>) -> Outcome, _, _) = match &*name {
        b"CREATE" => (create, 5..=8, "xgroup|create"),
        b"SETID" => (setid, 5..=7, "xgroup|setid"),
        b"DESTROY" => (destroy, 4..=4, "xgroup|destroy"),
        b"CREATECONSUMER" => (create_consumer, 5..=5, "xgroup|createconsumer"),
        b"DELCONSUMER" => (delete_consumer, 5..=5, "xgroup|delconsumer"),
        b"HELP" if args.len() == 2 => return help(cx),
        b"HELP" => return Err(errors::wrong_arity("xgroup|help")),
        _ => return Err(errors::unknown_subcommand("XGROUP", args.get(1))),
    };
    if args.len() < *len.start() || (len.start() == len.end() && args.len() > *len.end()) {
        return Err(errors::wrong_arity(title));
    }
    run(cx, args)
}

fn help(cx: &mut Ctx<'_>) -> Outcome {
    cx.reply.array(HELP.len());
    HELP.iter().for_each(|line| cx.reply.status(line));
    Ok(())
}

/// The options behind the id of `CREATE` and `SETID`.
#[derive(Default)]
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(args: Args<'_>, is_create: bool) -> Outcome<Self> {
        let mut options = Options::default();
        let mut words = parse::Options::new(args, 5);
        while let Some(word) = words.next() {
            if is_create && parse::is(word, "MKSTREAM") {
                options.make_stream = true;
            } else if parse::is(word, "ENTRIESREAD") && words.left() > 0 {
                options.entries_read = match parse::int(words.value()?)? {
                    -1 => None,
                    read => Some(u64::try_from(read).map_err(|_| BAD_ENTRIES_READ)?),
                };
            } else {
                return Err(bad_subcommand("XGROUP", args.get(1)));
            }
        }
        Ok(options)
    }
}

/// `XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD count]`.
fn create(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (key, name) = (args.get(2), args.get(3));
    let options = Options::parse(args, true)?;
    let last_id = match cx.peek(key).map(|entry| entry.value()) {
        None if !options.make_stream => return Err(NO_KEY),
        None => None,
        Some(ValueRef::Stream(stream)) => Some(stream.last_id),
        Some(_) => return Err(errors::WRONG_TYPE),
    };
    if args.len() > 8 {
        return Err(bad_subcommand("XGROUP", args.get(1)));
    }
    let start = match args.get(4) {
        b"$" => last_id.unwrap_or_default(),
        text => ids::id(text)?,
    };
    let group = Group::new(start, options.entries_read);
    if last_id.is_none() {
        let mut stream = Box::<Stream>::default();
        stream.add_group(name, group);
        cx.set_value(key, Value::Stream(stream), None);
    } else if edit(cx, key, |stream, _| stream.add_group(name, group))? == Some(true) {
        changed_unwatched(cx, key);
    } else {
        return Err(BUSY_GROUP);
    }
    cx.reply.ok();
    Ok(())
}

/// Changes the group that a command names.
fn edit_group<R>(cx: &mut Ctx<'_>, args: Args<'_>, change: impl FnOnce(&mut Group, StreamId) -> R) -> Outcome<R> {
    let (key, name) = (args.get(2), args.get(3));
    let done = edit(cx, key, |stream, _| {
        let last_id = stream.last_id;
        stream.group_mut(name).map(|group| change(group, last_id))
    })?;
    done.ok_or(NO_KEY)?.ok_or_else(|| no_group_of_key(key, name))
}

/// `XGROUP SETID key group id | $ [ENTRIESREAD count]`.
fn setid(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let options = Options::parse(args, false)?;
    edit_group(cx, args, |group, last_id| {
        if !matches!(args.len(), 5 | 7) {
            return Err(bad_subcommand("XGROUP", args.get(1)));
        }
        group.last_id = match args.get(4) {
            b"$" => last_id,
            text => ids::id_or_end(text, 0)?,
        };
        group.entries_read = options.entries_read;
        Ok(())
    })??;
    changed_unwatched(cx, args.get(2));
    cx.reply.ok();
    Ok(())
}

/// `XGROUP DESTROY key group`.
fn destroy(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let destroyed = edit(cx, args.get(2), |stream, _| stream.remove_group(args.get(3)))?.ok_or(NO_KEY)?;
    if destroyed {
        let (db, key) = (cx.db, args.get(2));
        changed_unwatched(cx, key);
        // Who waits for what is new to this group waits in vain.
        cx.keys.shard_for(key).watch.signal(db, key);
    }
    cx.reply.int(i64::from(destroyed));
    Ok(())
}

/// `XGROUP CREATECONSUMER key group consumer`.
fn create_consumer(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let now = now_ms(cx);
    let (_, created) = edit_group(cx, args, |group, _| group.find_or_create(args.get(4), now))?;
    if created {
        changed_unwatched(cx, args.get(2));
    }
    cx.reply.int(i64::from(created));
    Ok(())
}

/// `XGROUP DELCONSUMER key group consumer`: what is pending with it is forgotten.
fn delete_consumer(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let pending = edit_group(cx, args, |group, _| group.delete_consumer(args.get(4)))?;
    if pending.is_some() {
        changed_unwatched(cx, args.get(2));
    }
    cx.reply.len(pending.unwrap_or(0));
    Ok(())
}
