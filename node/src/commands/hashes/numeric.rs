//! Adding to a field.

use crate::commands::collections::{self, limits};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::Hash;
use koltso_proto::number::{LongDouble, write_i64, write_long_double_human};
use koltso_proto::resp::Args;

const NOT_INTEGER: Error = Error::fixed("ERR hash value is not an integer");
const NOT_FLOAT: Error = Error::fixed("ERR hash value is not a float");
const NOT_FINITE: Error = Error::fixed("ERR value is NaN or Infinity");

/// Puts what `sum` makes of the field's text in its place; returns the new text.
fn update(cx: &mut Ctx<'_>, args: Args<'_>, sum: impl FnOnce(Option<&[u8]>) -> Outcome<Vec<u8>>) -> Outcome<Vec<u8>> {
    let limits = limits(cx);
    let (key, field) = (args.get(1), args.get(2));
    collections::edit_or_create(cx, key, Hash::new, |hash, _| {
        let old = hash.get(field).map(|value| value.to_vec());
        match sum(old.as_deref()) {
            Ok(text) => {
                hash.update(field, &text, &limits);
                (Ok(text), 1)
            }
            Err(error) => (Err(error), 0),
        }
    })?
}

/// `HINCRBY key field increment`.
pub fn hincrby(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let increment = parse::int(args.get(3))?;
    let text = update(cx, args, |old| {
        let old = old.map_or(Ok(0), |text| parse::int(text).map_err(|_| NOT_INTEGER))?;
        let mut text = Vec::new();
        write_i64(&mut text, old.checked_add(increment).ok_or(errors::WOULD_OVERFLOW)?);
        Ok(text)
    })?;
    cx.reply.int(parse::int(&text)?);
    Ok(())
}

/// `HINCRBYFLOAT key field increment`. Propagated as the result, because other machines may add otherwise.
pub fn hincrbyfloat(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let increment = LongDouble::parse(args.get(3)).ok_or(errors::NOT_FLOAT)?;
    if !increment.is_finite() {
        return Err(NOT_FINITE);
    }
    let text = update(cx, args, |old| {
        let old = old.map_or(Some(LongDouble::from(0.0)), LongDouble::parse).ok_or(NOT_FLOAT)?;
        let sum = old.checked_add(increment).filter(|sum| sum.is_finite()).ok_or(errors::WOULD_BE_INFINITE)?;
        let mut text = Vec::new();
        write_long_double_human(&mut text, sum);
        Ok(text)
    })?;
    cx.propagate(&[b"HSET", args.get(1), args.get(2), &text]);
    // Setting takes the field's deadline away, adding does not.
    let kept = collections::peek::<Hash>(cx, args.get(1))?.and_then(|hash| hash.deadline(args.get(2)));
    if let Some(deadline) = kept {
        let mut digits = itoa::Buffer::new();
        let deadline = digits.format(deadline).as_bytes();
        cx.propagate(&[b"HPEXPIREAT", args.get(1), deadline, b"FIELDS", b"1", args.get(2)]);
    }
    cx.reply.bulk(&text);
    Ok(())
}
