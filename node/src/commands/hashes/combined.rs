//! Commands that read or set fields and see to their deadlines, or take them out, in one go.

use super::fields::{Clock, Done, Expiry, change, change_or_create, listed};
use crate::commands::Ctx;
use crate::commands::collections::put_element;
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::parse;
use crate::shard::value::Hash;
use koltso_proto::number::parse_i64;
use koltso_proto::resp::{Args, Reply};

const BAD_COUNT: &str = "ERR Number of fields must be a positive integer";
const BAD_COUNT_EX: &str = "ERR invalid number of fields";
const ONE_CONDITION: Error = Error::fixed("ERR Only one of FXX or FNX arguments can be specified");
const ONE_EXPIRY_GET: Error = Error::fixed("ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified");
const ONE_EXPIRY_SET: Error = Error::fixed("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");

#[cold]
fn unknown(word: &[u8]) -> Error {
    Error::with(&[b"ERR unknown argument: ", &word[..word.len().min(128)]])
}

/// Replies with the values of fields, and does something to each that is there.
fn get<'a>(
    cx: &mut Ctx<'_>,
    args: Args<'a>,
    names: &[&'a [u8]],
    mut each: impl FnMut(&mut Hash, &mut Done<'a>, &'a [u8]),
) -> Outcome {
    let mut values = Reply::new(cx.reply.resp3);
    let found = change(cx, args.get(1), |hash, done| {
        for field in names {
            match hash.get(field) {
                None => values.null(),
                Some(value) => {
                    put_element(&mut values, value);
                    each(hash, done, field);
                }
            }
        }
    })?;
    cx.reply.array(names.len());
    if found.is_some() {
        cx.reply.raw(&values.buf);
    } else {
        names.iter().for_each(|_| cx.reply.null());
    }
    Ok(())
}

/// `HGETDEL key FIELDS count field [field …]`.
pub fn hgetdel(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let names = listed(args, 2, BAD_COUNT)?;
    get(cx, args, &names, |hash, done, field| {
        hash.remove(field);
        done.deleted.push(field);
    })
}

/// `HGETEX key [EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds | PERSIST] FIELDS count field [field …]`.
pub fn hgetex(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (mut expiry, mut at) = (Expiry::None, 2);
    while at < args.len() && !args.is(at, "FIELDS") {
        let word = args.get(at);
        let given = Expiry::parse(cx, args, &mut at, "PERSIST", "hgetex")?.ok_or_else(|| unknown(word))?;
        if std::mem::replace(&mut expiry, given) != Expiry::None {
            return Err(ONE_EXPIRY_GET);
        }
    }
    let names = listed(args, at, BAD_COUNT_EX)?;
    let clock = Clock::of(cx);
    get(cx, args, &names, |hash, done, field| match expiry {
        Expiry::None => {}
        Expiry::At(deadline) => done.date(hash, field, deadline, &clock),
        Expiry::Word => {
            if hash.clear_deadline(field) {
                done.persisted.push(field);
            }
        }
    })
}

/// `HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT seconds | PXAT milliseconds | KEEPTTL]
/// FIELDS count field value [field value …]`.
pub fn hsetex(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (mut expiry, mut present, mut at) = (Expiry::None, None, 2);
    while at < args.len() && !args.is(at, "FIELDS") {
        let word = args.get(at);
        if parse::is(word, "FNX") || parse::is(word, "FXX") {
            if present.replace(parse::is(word, "FXX")).is_some() {
                return Err(ONE_CONDITION);
            }
            at += 1;
            continue;
        }
        let given = Expiry::parse(cx, args, &mut at, "KEEPTTL", "hsetex")?.ok_or_else(|| unknown(word))?;
        if std::mem::replace(&mut expiry, given) != Expiry::None {
            return Err(ONE_EXPIRY_SET);
        }
    }
    let pairs = pairs(args, at)?;
    let clock = Clock::of(cx);
    let done = change_or_create(cx, args.get(1), |hash, done| {
        if present.is_some_and(|present| pairs.iter().any(|(field, _)| hash.get(field).is_some() != present)) {
            return false;
        }
        pairs.iter().for_each(|(field, value)| set_one(hash, done, field, value, expiry, &clock));
        true
    })?;
    cx.reply.int(i64::from(done));
    Ok(())
}

fn set_one<'a>(hash: &mut Hash, done: &mut Done<'a>, field: &'a [u8], value: &'a [u8], expiry: Expiry, clock: &Clock) {
    match expiry {
        Expiry::Word => {
            hash.update(field, value, &clock.limits);
            done.dated.extend(hash.deadline(field).map(|deadline| (field, deadline)));
        }
        _ => _ = hash.set(field, value, &clock.limits),
    }
    done.set.push((field, value));
    if let Expiry::At(deadline) = expiry {
        done.date(hash, field, deadline, clock);
    }
}

/// `FIELDS count field value [field value …]` at `at`.
fn pairs<'a>(args: Args<'a>, at: usize) -> Outcome<Vec<(&'a [u8], &'a [u8])>> {
    if at + 1 >= args.len() {
        return Err(super::fields::NO_FIELDS);
    }
    let count = parse_i64(args.get(at + 1)).and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    let count = count.ok_or(Error::fixed(BAD_COUNT_EX))?;
    if count.checked_mul(2) != Some(args.len() - at - 2) {
        return Err(errors::wrong_arity("hsetex"));
    }
    Ok((0..count).map(|nth| (args.get(at + 2 + 2 * nth), args.get(at + 3 + 2 * nth))).collect())
}
