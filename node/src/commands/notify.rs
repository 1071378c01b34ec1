//! The names of events: what each command's changes of keys are called.
//!
//! A command says only that it has changed a key, or taken it away; here stands what subscribers are told. It is a table, so
//! that a new command needs a row and nothing else.

use super::Ctx;
use crate::config::NotifyFlags;
use crate::events::{Change, Note};
use koltso_proto::command;
use koltso_proto::resp::Args;

/// What a command's changes are called.
#[derive(Clone, Copy)]
struct Names {
    class: NotifyFlags,
    /// The event of a changed key.
    changed: &'static str,
    /// Whether a key that is taken away was changed first: the last element was taken out of it.
    empties: bool,
}

const fn sets(class: NotifyFlags, changed: &'static str) -> Names {
    Names { class, changed, empties: false }
}

const fn takes(class: NotifyFlags, changed: &'static str) -> Names {
    Names { class, changed, empties: true }
}

use NotifyFlags as F;

/// By command, in lower case. What is not here has no events of its own, or is told apart by its arguments in [`names_of`].
fn row(command: &str) -> Option<Names> {
    Some(match command {
        "set" | "setnx" | "setex" | "psetex" | "getset" | "mset" | "msetnx" | "bitop" => sets(F::STRING, "set"),
        "append" => sets(F::STRING, "append"),
        "setrange" => sets(F::STRING, "setrange"),
        "incr" | "decr" | "incrby" | "decrby" => sets(F::STRING, "incrby"),
        "incrbyfloat" => sets(F::STRING, "incrbyfloat"),
        "setbit" | "bitfield" => sets(F::STRING, "setbit"),
        "pfadd" | "pfmerge" => sets(F::STRING, "pfadd"),
        "copy" => sets(F::GENERIC, "copy_to"),
        "restore" | "restore-asking" => sets(F::GENERIC, "restore"),
        "sort" => sets(F::LIST, "sortstore"),
        "lpush" | "lpushx" => sets(F::LIST, "lpush"),
        "rpush" | "rpushx" => sets(F::LIST, "rpush"),
        "lpop" | "blpop" => takes(F::LIST, "lpop"),
        "rpop" | "brpop" => takes(F::LIST, "rpop"),
        "lset" => sets(F::LIST, "lset"),
        "linsert" => sets(F::LIST, "linsert"),
        "lrem" => takes(F::LIST, "lrem"),
        "ltrim" => takes(F::LIST, "ltrim"),
        "sadd" => sets(F::SET, "sadd"),
        "srem" => takes(F::SET, "srem"),
        "spop" => takes(F::SET, "spop"),
        "sinterstore" => sets(F::SET, "sinterstore"),
        "sunionstore" => sets(F::SET, "sunionstore"),
        "sdiffstore" => sets(F::SET, "sdiffstore"),
        "hset" | "hmset" | "hsetnx" => sets(F::HASH, "hset"),
        "hincrby" => sets(F::HASH, "hincrby"),
        "hincrbyfloat" => sets(F::HASH, "hincrbyfloat"),
        "hdel" => takes(F::HASH, "hdel"),
        "zincrby" => sets(F::ZSET, "zincr"),
        "geoadd" => sets(F::ZSET, "zadd"),
        "zrem" => takes(F::ZSET, "zrem"),
        "zremrangebyscore" => takes(F::ZSET, "zremrangebyscore"),
        "zremrangebyrank" => takes(F::ZSET, "zremrangebyrank"),
        "zremrangebylex" => takes(F::ZSET, "zremrangebylex"),
        "zpopmin" | "bzpopmin" => takes(F::ZSET, "zpopmin"),
        "zpopmax" | "bzpopmax" => takes(F::ZSET, "zpopmax"),
        "zunionstore" => sets(F::ZSET, "zunionstore"),
        "zinterstore" => sets(F::ZSET, "zinterstore"),
        "zdiffstore" => sets(F::ZSET, "zdiffstore"),
        "zrangestore" => sets(F::ZSET, "zrangestore"),
        "geosearchstore" => sets(F::ZSET, "geosearchstore"),
        "georadius" | "georadiusbymember" => sets(F::ZSET, "georadiusstore"),
        "xadd" => sets(F::STREAM, "xadd"),
        "xdel" => sets(F::STREAM, "xdel"),
        "xtrim" => sets(F::STREAM, "xtrim"),
        "xsetid" => sets(F::STREAM, "xsetid"),
        _ => return None,
    })
}

fn has_word(args: Args<'_>, from: usize, words: &[&str]) -> bool {
    (from..args.len()).any(|at| words.iter().any(|word| args.is(at, word)))
}

/// Whether `INCR` is among the options of a `ZADD`: those end with the first word that is none.
fn increments(args: Args<'_>) -> bool {
    let options = ["NX", "XX", "GT", "LT", "CH", "INCR"];
    let mut given = (2..args.len()).take_while(|at| options.iter().any(|word| args.is(*at, word)));
    given.any(|at| args.is(at, "INCR"))
}

/// What a command's changes are called, where its arguments decide.
fn names_of(command: &str, args: Args<'_>) -> Option<Names> {
    let end = |at: usize| {
        let left = at < args.len() && args.is(at, "LEFT");
        takes(F::LIST, if left { "lpop" } else { "rpop" })
    };
    // Where the direction stands behind counted keys.
    let behind_keys = |at: usize| at + 1 + koltso_proto::number::parse_i64(args.get(at)).map_or(0, |n| n.max(0) as usize);
    let lowest = |at: usize| {
        let lowest = at < args.len() && args.is(at, "MIN");
        takes(F::ZSET, if lowest { "zpopmin" } else { "zpopmax" })
    };
    match command {
        "lmpop" => Some(end(behind_keys(1))),
        "blmpop" => Some(end(behind_keys(2))),
        "zmpop" => Some(lowest(behind_keys(1))),
        "bzmpop" => Some(lowest(behind_keys(2))),
        "zadd" => Some(sets(F::ZSET, if increments(args) { "zincr" } else { "zadd" })),
        "xgroup" if args.len() > 1 => {
            let known = [
                ("CREATE", "xgroup-create"),
                ("SETID", "xgroup-setid"),
                ("DESTROY", "xgroup-destroy"),
                ("CREATECONSUMER", "xgroup-createconsumer"),
                ("DELCONSUMER", "xgroup-delconsumer"),
            ];
            known.iter().find(|(word, _)| args.is(1, word)).map(|(_, name)| sets(F::STREAM, name))
        }
        _ => row(command),
    }
}

/// Makes events of what a command has done.
#[cold]
pub fn announce(cx: &mut Ctx<'_>, args: Args<'_>) {
    let command = command::lookup(args.get(0)).map_or("", |spec| spec.name);
    let notes = cx.effects.events.take_notes();
    match command {
        "rename" | "renamenx" => return moved(cx, &notes, "rename_from", "rename_to"),
        "move" => return moved(cx, &notes, "move_from", "move_to"),
        "lmove" | "blmove" if args.len() > 4 => {
            let names = [(3, ["lpop", "rpop"]), (4, ["lpush", "rpush"])];
            let [from, to] = names.map(|(at, [left, right])| if args.is(at, "LEFT") { left } else { right });
            return passed(cx, &notes, args, F::LIST, from, to);
        }
        "rpoplpush" | "brpoplpush" => return passed(cx, &notes, args, F::LIST, "rpop", "lpush"),
        "smove" => return passed(cx, &notes, args, F::SET, "srem", "sadd"),
        // It counts misses, and tells nobody of them.
        "object" => {
            let told = notes.iter().filter(|note| !matches!(note.change, Change::Named(F::KEY_MISS, _)));
            return told.for_each(|note| tell_plain(cx, note));
        }
        // The only command that tells of a list which it leaves as it is.
        "ltrim" if notes.is_empty() && cx.peek(args.get(1)).is_some() => {
            let db = cx.db;
            return cx.effects.events.push(F::LIST, "ltrim", db, args.get(1));
        }
        _ => {}
    }
    let names = names_of(command, args);
    let expires = match command {
        "set" => has_word(args, 3, &["EX", "PX", "EXAT", "PXAT"]),
        "setex" | "psetex" => true,
        _ => false,
    };
    for note in notes {
        match (note.change, names) {
            (Change::Modified, Some(names)) => {
                tell(cx, &note, names.class, names.changed);
                if expires {
                    tell(cx, &note, F::GENERIC, "expire");
                }
            }
            (Change::Deleted, Some(names)) if names.empties => {
                tell(cx, &note, names.class, names.changed);
                tell(cx, &note, F::GENERIC, "del");
            }
            _ => tell_plain(cx, &note),
        }
    }
}

fn tell(cx: &mut Ctx<'_>, note: &Note, class: NotifyFlags, name: &'static str) {
    cx.effects.events.push(class, name, note.db, &note.key);
}

/// What is called the same whatever the command.
fn tell_plain(cx: &mut Ctx<'_>, note: &Note) {
    match note.change {
        Change::Created => tell(cx, note, F::NEW_KEY, "new"),
        Change::Deleted => tell(cx, note, F::GENERIC, "del"),
        Change::Deadline => tell(cx, note, F::GENERIC, "expire"),
        Change::Persisted => tell(cx, note, F::GENERIC, "persist"),
        Change::Named(class, name) => tell(cx, note, class, name),
        Change::Modified => {}
    }
}

/// A whole entry has got another name or database.
fn moved(cx: &mut Ctx<'_>, notes: &[Note], from: &'static str, to: &'static str) {
    let is_plain = |change: Change| !matches!(change, Change::Deleted | Change::Modified);
    notes.iter().filter(|note| is_plain(note.change)).for_each(|note| tell_plain(cx, note));
    for (change, name) in [(Change::Deleted, from), (Change::Modified, to)] {
        notes.iter().filter(|note| note.change == change).for_each(|note| tell(cx, note, F::GENERIC, name));
    }
}

/// An element has gone from one key to another, or round the same one.
fn passed(cx: &mut Ctx<'_>, notes: &[Note], args: Args<'_>, class: NotifyFlags, from: &'static str, to: &'static str) {
    let (source, destination) = (args.get(1), args.get(2));
    for note in notes {
        match note.change {
            Change::Modified if &*note.key == destination => {
                tell(cx, note, class, to);
                if source == destination {
                    tell(cx, note, class, from);
                }
            }
            Change::Modified => tell(cx, note, class, from),
            Change::Deleted => {
                tell(cx, note, class, from);
                tell_plain(cx, note);
            }
            _ => tell_plain(cx, note),
        }
    }
}
