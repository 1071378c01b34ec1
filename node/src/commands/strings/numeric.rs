//! Strings that are numbers.

use super::string_of;
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use koltso_proto::number::{self, LongDouble};
use koltso_proto::resp::Args;

const DECREMENT_WOULD_OVERFLOW: Error = Error::fixed("ERR decrement would overflow");

/// `INCR key`.
pub fn incr(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    add(cx, args.get(1), 1)
}

/// `DECR key`.
pub fn decr(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    add(cx, args.get(1), -1)
}

/// `INCRBY key increment`.
pub fn incrby(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    add(cx, args.get(1), parse::int(args.get(2))?)
}

/// `DECRBY key decrement`.
pub fn decrby(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let decrement = parse::int(args.get(2))?;
    add(cx, args.get(1), decrement.checked_neg().ok_or(DECREMENT_WOULD_OVERFLOW)?)
}

fn add(cx: &mut Ctx<'_>, key: &[u8], increment: i64) -> Outcome {
    let mut digits = itoa::Buffer::new();
    let sum = match cx.write(key) {
        Some(mut entry) => {
            let old = parse::int(string_of(entry.view())?)?;
            let sum = old.checked_add(increment).ok_or(errors::WOULD_OVERFLOW)?;
            entry.set_string(digits.format(sum).as_bytes());
            cx.changed(key);
            sum
        }
        None => {
            cx.set_string(key, digits.format(increment).as_bytes(), None);
            increment
        }
    };
    cx.reply.int(sum);
    Ok(())
}

/// `INCRBYFLOAT key increment`: in 80-bit floating point, as Redis does it, so that every digit agrees.
pub fn incrbyfloat(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (key, increment) = (args.get(1), args.get(2));
    let mut text = Vec::new();
    match cx.write(key) {
        Some(mut entry) => {
            let old = long_double(string_of(entry.view())?)?;
            write_sum(&mut text, old, long_double(increment)?)?;
            entry.set_string(&text);
            cx.changed(key);
        }
        None => {
            write_sum(&mut text, LongDouble::from(0.0), long_double(increment)?)?;
            cx.set_string(key, &text, None);
        }
    }
    // Replicas are told the sum: their arithmetic may differ, and the deadline must stay.
    cx.propagate(&[b"SET", key, &text, b"KEEPTTL"]);
    cx.reply.bulk(&text);
    Ok(())
}

fn long_double(text: &[u8]) -> Outcome<LongDouble> {
    LongDouble::parse(text).ok_or(errors::NOT_FLOAT)
}

fn write_sum(out: &mut Vec<u8>, a: LongDouble, b: LongDouble) -> Outcome {
    let sum = a.checked_add(b).filter(|sum| sum.is_finite()).ok_or(errors::WOULD_BE_INFINITE)?;
    number::write_long_double_human(out, sum);
    Ok(())
}
