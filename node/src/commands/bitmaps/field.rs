//! `BITFIELD`: integers of any width inside a string.

use super::{bits, edit, offset, read};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use koltso_proto::number::parse_i64;
use koltso_proto::resp::Args;

const BAD_TYPE: Error =
    Error::fixed("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.");
const BAD_OVERFLOW: Error = Error::fixed("ERR Invalid OVERFLOW type specified");
const ONLY_GET: Error = Error::fixed("ERR BITFIELD_RO only supports the GET subcommand");

/// What to do with a number that does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    /// Keep the bits that fit.
    Wrap,
    /// Take the nearest number that fits.
    Saturate,
    /// Change nothing and answer null.
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

/// One operation.
#[derive(Clone, Copy, Debug)]
struct Operation {
    action: Action,
    overflow: Overflow,
    signed: bool,
    width: u32,
    at: u64,
}

impl Operation {
    /// All operations of a command.
    fn parse_all(cx: &Ctx<'_>, args: Args<'_>) -> Outcome<Vec<Self>> {
        let mut operations = Vec::new();
        let mut overflow = Overflow::Wrap;
        let mut words = parse::Options::new(args, 2);
        while let Some(word) = words.next() {
            let name = parse::upper(word);
            if &*name == b"OVERFLOW" && words.left() >= 1 {
                overflow = match &*parse::upper(words.value()?) {
                    b"WRAP" => Overflow::Wrap,
                    b"SAT" => Overflow::Saturate,
                    b"FAIL" => Overflow::Fail,
                    _ => return Err(BAD_OVERFLOW),
                };
                continue;
            }
            let takes_value = match &*name {
                b"GET" if words.left() >= 2 => false,
                b"SET" | b"INCRBY" if words.left() >= 3 => true,
                _ => return Err(errors::SYNTAX),
            };
            let (signed, width) = field_type(words.value()?)?;
            let at = offset(cx, words.value()?, Some(width))?;
            let value = if takes_value { parse::int(words.value()?)? } else { 0 };
            let action = match &*name {
                b"GET" => Action::Get,
                b"SET" => Action::Set(value),
                _ => Action::Add(value),
            };
            operations.push(Operation { action, overflow, signed, width, at });
        }
        Ok(operations)
    }

    /// How long the string has to be for this operation, in bytes.
    fn len(&self) -> usize {
        match self.action {
            Action::Get => 0,
            _ => ((self.at + u64::from(self.width)).div_ceil(8)) as usize,
        }
    }

    fn get(&self, bytes: &[u8]) -> i64 {
        let raw = bits::get_field(bytes, self.at, self.width);
        if self.signed { self.extend(raw) } else { raw as i64 }
    }

    /// The number that the lowest bits of `raw` are.
    fn extend(&self, raw: u64) -> i64 {
        let unused = 64 - self.width;
        if self.signed { ((raw << unused) as i64) >> unused } else { ((raw << unused) >> unused) as i64 }
    }

    /// `sum` as it fits the field: itself, or what the overflow makes of it.
    fn fit(&self, sum: i128) -> Option<i64> {
        let (min, max) = match self.signed {
            true => (-(1i128 << (self.width - 1)), (1i128 << (self.width - 1)) - 1),
            false => (0, (1i128 << self.width) - 1),
        };
        if (min..=max).contains(&sum) {
            return Some(sum as i64);
        }
        match self.overflow {
            Overflow::Wrap => Some(self.extend(sum as u64)),
            Overflow::Saturate => Some(sum.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }

    /// A number to set in a signed field. One so low that its distance to the field's greatest number does not fit 64 bits counts
    /// as too high: Redis computes it so, and what a primary has saturated must come out the same here.
    fn as_redis_sees(&self, value: i64) -> i128 {
        let max = (1i128 << (self.width - 1)) - 1;
        let value = i128::from(value);
        let wraps = self.width < 64 && max - value > i128::from(i64::MAX);
        if wraps && self.overflow == Overflow::Saturate { max } else { value }
    }

    /// Does it; returns the answer, and whether the string is now another.
    fn run(&self, bytes: &mut [u8]) -> (Option<i64>, bool) {
        let old = self.get(bytes);
        let (new, shown) = match self.action {
            Action::Get => return (Some(old), false),
            // An unsigned field takes a negative number for the large one of the same bits.
            Action::Set(value) if !self.signed => (self.fit(i128::from(value as u64)), Some(old)),
            Action::Set(value) => (self.fit(self.as_redis_sees(value)), Some(old)),
            Action::Add(value) => {
                let new = self.fit(i128::from(old) + i128::from(value));
                (new, new)
            }
        };
        let Some(new) = new else { return (None, false) };
        bits::set_field(bytes, self.at, self.width, new as u64);
        (shown, new != old)
    }
}

/// `i` or `u`, then a width.
fn field_type(text: &[u8]) -> Outcome<(bool, u32)> {
    let (signed, width, most) = match text {
        [b'i', width @ ..] => (true, width, 64),
        [b'u', width @ ..] => (false, width, 63),
        _ => return Err(BAD_TYPE),
    };
    let width = parse_i64(width).filter(|width| (1..=most).contains(width)).ok_or(BAD_TYPE)?;
    Ok((signed, width as u32))
}

/// `BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET | INCRBY type offset value …]`.
pub fn bitfield(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    run(cx, args, false)
}

/// `BITFIELD_RO key [GET type offset …]`.
pub fn bitfield_ro(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    run(cx, args, true)
}

fn run(cx: &mut Ctx<'_>, args: Args<'_>, only_get: bool) -> Outcome {
    let operations = Operation::parse_all(cx, args)?;
    let len = operations.iter().map(Operation::len).max().unwrap_or_default();
    if len == 0 {
        let bytes = read(cx, args.get(1))?.unwrap_or_default();
        let answers: Vec<i64> = operations.iter().map(|operation| operation.get(bytes)).collect();
        cx.reply.array(answers.len());
        answers.into_iter().for_each(|answer| cx.reply.int(answer));
        return Ok(());
    }
    if only_get {
        return Err(ONLY_GET);
    }
    let answers = edit(cx, args.get(1), len, |bytes, grows| {
        let mut changes = 0;
        let mut answers = Vec::with_capacity(operations.len());
        for operation in &operations {
            let (answer, changed) = operation.run(bytes);
            let writes = operation.action != Action::Get && answer.is_some();
            changes += usize::from(changed || grows && writes);
            answers.push(answer);
        }
        (answers, changes)
    })?;
    cx.reply.array(answers.len());
    for answer in answers {
        match answer {
            Some(number) => cx.reply.int(number),
            None => cx.reply.null(),
        }
    }
    Ok(())
}
