//! One bit.

use super::{bits, edit, offset, read};
use crate::commands::Ctx;
use crate::commands::errors::{Error, Outcome};
use koltso_proto::number::parse_i64;
use koltso_proto::resp::Args;

const BAD_BIT: Error = Error::fixed("ERR bit is not an integer or out of range");

/// `SETBIT key offset value`.
pub fn setbit(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let at = offset(cx, args.get(2), None)?;
    let bit = parse_i64(args.get(3)).and_then(|bit| u64::try_from(bit).ok()).filter(|bit| *bit <= 1).ok_or(BAD_BIT)?;
    let old = edit(cx, args.get(1), (at / 8) as usize + 1, |bytes, _| {
        let old = bits::get_field(bytes, at, 1);
        bits::set_field(bytes, at, 1, bit);
        (old, usize::from(old != bit))
    })?;
    cx.reply.int(old as i64);
    Ok(())
}

/// `GETBIT key offset`.
pub fn getbit(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let at = offset(cx, args.get(2), None)?;
    let bit = bits::get(read(cx, args.get(1))?.unwrap_or_default(), at);
    cx.reply.int(i64::from(bit));
    Ok(())
}
