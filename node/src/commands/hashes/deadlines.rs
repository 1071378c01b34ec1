//! Deadlines of fields: setting, clearing and asking for them. Each field has an answer of its own.

use super::fields::{self, Clock, change, deadline, listed};
use crate::commands::Ctx;
use crate::commands::collections::read_into;
use crate::commands::errors::Outcome;
use crate::commands::parse::{self, TimeUnit};
use crate::shard::value::Hash;
use koltso_proto::resp::Args;

const BAD_COUNT_SETTING: &str = "ERR Parameter `numFields` should be greater than 0";
const BAD_COUNT: &str = "ERR Number of fields must be a positive integer";

/// There is no such field, or no such key.
const NO_FIELD: i64 = -2;
/// The field has no deadline.
const NO_DEADLINE: i64 = -1;
/// The field is as it was, since the condition does not hold.
const UNMET: i64 = 0;
const DONE: i64 = 1;
/// The time has passed: the field is gone.
const DELETED: i64 = 2;

/// `HEXPIRE key seconds [NX | XX | GT | LT] FIELDS count field [field …]`.
pub fn hexpire(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set(cx, args, TimeUnit { seconds: true, absolute: false }, "hexpire")
}

/// `HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS count field [field …]`.
pub fn hpexpire(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set(cx, args, TimeUnit { seconds: false, absolute: false }, "hpexpire")
}

/// `HEXPIREAT key seconds [NX | XX | GT | LT] FIELDS count field [field …]`.
pub fn hexpireat(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set(cx, args, TimeUnit { seconds: true, absolute: true }, "hexpireat")
}

/// `HPEXPIREAT key milliseconds [NX | XX | GT | LT] FIELDS count field [field …]`.
pub fn hpexpireat(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    set(cx, args, TimeUnit { seconds: false, absolute: true }, "hpexpireat")
}

/// When a deadline may be set. No deadline counts as one that lies infinitely far ahead.
fn condition(word: &[u8]) -> Option<fn(Option<u64>, u64) -> bool> {
    match &*parse::upper(word) {
        b"NX" => Some(|old, _| old.is_none()),
        b"XX" => Some(|old, _| old.is_some()),
        b"GT" => Some(|old, new| old.is_some_and(|old| new > old)),
        b"LT" => Some(|old, new| old.is_none_or(|old| new < old)),
        _ => None,
    }
}

fn set(cx: &mut Ctx<'_>, args: Args<'_>, unit: TimeUnit, command: &str) -> Outcome {
    let deadline = deadline(cx, unit, args.get(2), command)?;
    let condition = condition(args.get(3));
    let names = listed(args, if condition.is_some() { 4 } else { 3 }, BAD_COUNT_SETTING)?;
    let clock = Clock::of(cx);
    let answers = change(cx, args.get(1), |hash, done| {
        let mut one = |field| {
            if hash.get(field).is_none() {
                return NO_FIELD;
            }
            if condition.is_some_and(|holds| !holds(hash.deadline(field), deadline)) {
                return UNMET;
            }
            let deleted = done.deleted.len();
            done.date(hash, field, deadline, &clock);
            if done.deleted.len() > deleted { DELETED } else { DONE }
        };
        names.iter().map(|field| one(field)).collect::<Vec<i64>>()
    })?;
    answer(cx, answers.unwrap_or_else(|| vec![NO_FIELD; names.len()]));
    Ok(())
}

fn answer(cx: &mut Ctx<'_>, answers: Vec<i64>) {
    cx.reply.array(answers.len());
    answers.into_iter().for_each(|answer| cx.reply.int(answer));
}

/// `HPERSIST key FIELDS count field [field …]`.
pub fn hpersist(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let names = listed(args, 2, BAD_COUNT)?;
    let answers = change(cx, args.get(1), |hash, done: &mut fields::Done<'_>| {
        let mut one = |field| {
            if hash.get(field).is_none() {
                return NO_FIELD;
            }
            if !hash.clear_deadline(field) {
                return NO_DEADLINE;
            }
            done.persisted.push(field);
            DONE
        };
        names.iter().map(|field| one(field)).collect::<Vec<i64>>()
    })?;
    answer(cx, answers.unwrap_or_else(|| vec![NO_FIELD; names.len()]));
    Ok(())
}

/// `HTTL key FIELDS count field [field …]`, in seconds.
pub fn httl(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    ask(cx, args, |deadline, now| (deadline - now).div_ceil(1000))
}

/// `HPTTL key FIELDS count field [field …]`, in milliseconds.
pub fn hpttl(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    ask(cx, args, |deadline, now| deadline - now)
}

/// `HEXPIRETIME key FIELDS count field [field …]`, in seconds since the epoch.
pub fn hexpiretime(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    ask(cx, args, |deadline, _| deadline.div_ceil(1000))
}

/// `HPEXPIRETIME key FIELDS count field [field …]`, in milliseconds since the epoch.
pub fn hpexpiretime(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    ask(cx, args, |deadline, _| deadline)
}

/// `show` is given a deadline that is not before the time that it is given with it.
fn ask(cx: &mut Ctx<'_>, args: Args<'_>, show: fn(u64, u64) -> u64) -> Outcome {
    let names = listed(args, 2, BAD_COUNT)?;
    let now = cx.now.0;
    let (hash, reply) = read_into::<Hash>(cx, args.get(1))?;
    reply.array(names.len());
    for field in names {
        reply.int(match hash.filter(|hash| hash.get(field).is_some()) {
            None => NO_FIELD,
            Some(hash) => match hash.deadline(field) {
                None => NO_DEADLINE,
                Some(deadline) => show(deadline.max(now), now).cast_signed(),
            },
        });
    }
    Ok(())
}
