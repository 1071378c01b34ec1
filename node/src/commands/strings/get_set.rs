//! One key read, written, or both.

use super::set_options::{Expiry, SetOptions};
use super::string_of;
use crate::commands::errors::{self, Outcome};
use crate::commands::parse::TimeUnit;
use crate::commands::{Ctx, parse};
use crate::shard::value::ValueRef;
use koltso_proto::id::UnixMs;
use koltso_proto::resp::Args;

/// `GET key`.
pub fn get(cx: &mut Ctx<'_>, args: Args<'_>) {
    let (entry, reply) = cx.read_into(args.get(1));
    match entry.map(|entry| entry.value()) {
        Some(ValueRef::Str(text)) => reply.bulk(text),
        None => reply.null(),
        Some(_) => reply.error(errors::WRONG_TYPE),
    }
}

/// `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`.
pub fn set(cx: &mut Ctx<'_>, args: Args<'_>) {
    if args.len() == 3 {
        cx.set_string(args.get(1), args.get(2), None);
        cx.reply.ok();
    } else if let Err(error) = set_with_options(cx, args) {
        cx.reply.error(error);
    }
}

fn set_with_options(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (key, value) = (args.get(1), args.get(2));
    let options = SetOptions::parse(args, 3, cx.now)?;
    if let (true, Expiry::At(deadline)) = (options.is_unconditional(), options.expiry) {
        set_and_propagate(cx, key, value, Some(deadline));
        cx.reply.ok();
        return Ok(());
    }
    let old = cx.peek(key);
    let (exists, old_expire) = (old.is_some(), old.and_then(|old| old.expire()));
    if options.get {
        reply_with_string(cx, key)?;
    }
    if (options.only_new && exists) || (options.only_existing && !exists) {
        if !options.get {
            cx.reply.null();
        }
        return Ok(());
    }
    match options.expiry {
        Expiry::None => set_and_propagate(cx, key, value, None),
        Expiry::Keep => {
            cx.set_string(key, value, old_expire);
            cx.propagate(&[b"SET", key, value, b"KEEPTTL"]);
        }
        Expiry::At(deadline) => set_and_propagate(cx, key, value, Some(deadline)),
    }
    if !options.get {
        cx.reply.ok();
    }
    Ok(())
}

/// Sets a string; replicas are told the result, not the conditions: they may see expired keys that we no longer see.
fn set_and_propagate(cx: &mut Ctx<'_>, key: &[u8], value: &[u8], expire: Option<UnixMs>) {
    cx.set_string(key, value, expire);
    match expire {
        None => cx.propagate(&[b"SET", key, value]),
        Some(deadline) => {
            cx.propagate(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(deadline.0).as_bytes()]);
        }
    }
}

/// Replies with the string at `key`, or null.
fn reply_with_string(cx: &mut Ctx<'_>, key: &[u8]) -> Outcome {
    let (entry, reply) = cx.read_into(key);
    reply.bulk_or_null(entry.map(string_of).transpose()?);
    Ok(())
}

/// `SETNX key value`.
pub fn setnx(cx: &mut Ctx<'_>, args: Args<'_>) {
    let absent = cx.peek(args.get(1)).is_none();
    if absent {
        cx.set_string(args.get(1), args.get(2), None);
    }
    cx.reply.int(i64::from(absent));
}

/// `SETEX key seconds value`.
pub fn setex(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set_for(cx, args, TimeUnit { seconds: true, absolute: false }, "setex")
}

/// `PSETEX key milliseconds value`.
pub fn psetex(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set_for(cx, args, TimeUnit { seconds: false, absolute: false }, "psetex")
}

fn set_for(cx: &mut Ctx<'_>, args: Args<'_>, unit: TimeUnit, command: &str) -> Outcome {
    let deadline = unit.deadline(args.get(2), cx.now, command)?;
    set_and_propagate(cx, args.get(1), args.get(3), Some(deadline));
    cx.reply.ok();
    Ok(())
}

/// `GETSET key value`.
pub fn getset(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    reply_with_string(cx, args.get(1))?;
    set_and_propagate(cx, args.get(1), args.get(2), None);
    Ok(())
}

/// `GETDEL key`.
pub fn getdel(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    reply_with_string(cx, args.get(1))?;
    if cx.delete(args.get(1)) {
        cx.propagate(&[b"DEL", args.get(1)]);
    }
    Ok(())
}

/// `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`.
pub fn getex(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let key = args.get(1);
    let change = GetexChange::parse(args)?;
    let Some(entry) = cx.peek(key) else {
        reply_with_string(cx, key)?;
        return Ok(());
    };
    string_of(entry)?;
    let persistent = entry.expire().is_none();
    // Only now: for a key that is not there, or is no string, Redis does not look at the time.
    let deadline = match change {
        GetexChange::Expire(unit, time) => Some(unit.deadline(time, cx.now, "getex")?),
        _ => None,
    };
    reply_with_string(cx, key)?;
    match deadline {
        Some(deadline) => cx.expire_at(key, deadline),
        None if matches!(change, GetexChange::Persist) && !persistent => {
            cx.set_expire(key, None);
            cx.propagate(&[b"PERSIST", key]);
        }
        None => {}
    }
    Ok(())
}

/// What `GETEX` does to the deadline.
enum GetexChange<'a> {
    Nothing,
    Persist,
    Expire(TimeUnit, &'a [u8]),
}

impl<'a> GetexChange<'a> {
    fn parse(args: Args<'a>) -> Outcome<Self> {
        let mut words = parse::Options::new(args, 2);
        let mut change = GetexChange::Nothing;
        while let Some(word) = words.next() {
            change = match (TimeUnit::of_option(word), change) {
                (None, GetexChange::Nothing | GetexChange::Persist) if parse::is(word, "PERSIST") => GetexChange::Persist,
                (Some(unit), GetexChange::Nothing) => GetexChange::Expire(unit, words.value()?),
                // The same unit again replaces the time, as with SET.
                (Some(unit), GetexChange::Expire(known, _)) if known == unit => GetexChange::Expire(unit, words.value()?),
                _ => return Err(errors::SYNTAX),
            };
        }
        Ok(change)
    }
}
