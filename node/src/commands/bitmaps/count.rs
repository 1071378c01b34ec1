//! Counting and finding bits in ranges, which are given in bytes or in bits.

use super::{bits, read};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use koltso_proto::resp::Args;
use std::ops::Range;

const NOT_A_BIT: Error = Error::fixed("ERR The bit argument must be 1 or 0.");

/// Whether a range is given in bits; else in bytes.
fn in_bits(word: &[u8]) -> Outcome<bool> {
    match word {
        word if parse::is(word, "BIT") => Ok(true),
        word if parse::is(word, "BYTE") => Ok(false),
        _ => Err(errors::SYNTAX),
    }
}

/// The bits of a string of `len` bytes between two positions, both included, from the end where negative.
fn range(start: i64, end: i64, in_bits: bool, len: usize) -> Range<u64> {
    let unit = if in_bits { 1 } else { 8 };
    let total = len as i64 * 8 / unit;
    let from_end = |at: i64| if at < 0 { at.saturating_add(total).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(total - 1));
    if start > end { 0..0 } else { (start * unit) as u64..((end + 1) * unit) as u64 }
}

/// `BITCOUNT key [start end [BYTE | BIT]]`.
pub fn bitcount(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let Some(len) = read(cx, args.get(1))?.map(<[u8]>::len) else {
        cx.reply.int(0);
        return Ok(());
    };
    let range = match args.len() {
        2 => 0..len as u64 * 8,
        4 | 5 => {
            let (start, end) = (parse::int(args.get(2))?, parse::int(args.get(3))?);
            if start < 0 && end < 0 && start > end {
                0..0
            } else {
                range(start, end, args.len() == 5 && in_bits(args.get(4))?, len)
            }
        }
        _ => return Err(errors::SYNTAX),
    };
    let count = match cx.peek(args.get(1)).map(|entry| entry.value()) {
        Some(crate::shard::value::ValueRef::Str(text)) => bits::count(text, range),
        _ => 0,
    };
    cx.reply.int(count as i64);
    Ok(())
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`.
pub fn bitpos(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let wanted = match parse::int(args.get(2))? {
        0 => false,
        1 => true,
        _ => return Err(NOT_A_BIT),
    };
    let Some(text) = read(cx, args.get(1))? else {
        cx.reply.int(if wanted { -1 } else { 0 });
        return Ok(());
    };
    if args.len() > 6 {
        return Err(errors::SYNTAX);
    }
    let start = if args.len() > 3 { parse::int(args.get(3))? } else { 0 };
    let in_bits = args.len() == 6 && in_bits(args.get(5))?;
    let end = if args.len() > 4 { Some(parse::int(args.get(4))?) } else { None };
    let range = range(start, end.unwrap_or(-1), in_bits, text.len());
    let found = match bits::find(text, range.clone(), wanted) {
        // Where no end is given, the string goes on with zeros.
        None if !wanted && end.is_none() && !range.is_empty() => range.end as i64,
        found => found.map_or(-1, |at| at as i64),
    };
    cx.reply.int(found);
    Ok(())
}
