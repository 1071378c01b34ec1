//! `BITOP`: strings combined bit by bit.

use super::read;
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use koltso_proto::resp::Args;

const ONE_SOURCE: Error = Error::fixed("ERR BITOP NOT must be called with a single source key.");

/// `BITOP AND | OR | XOR | NOT destination key [key …]`. The result is as long as the longest source; shorter ones go on with
/// zeros.
pub fn bitop(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let fold: fn(u8, u8) -> u8 = match &*parse::upper(args.get(1)) {
        b"AND" => |a, b| a & b,
        b"OR" => |a, b| a | b,
        b"XOR" => |a, b| a ^ b,
        b"NOT" if args.len() != 4 => return Err(ONE_SOURCE),
        b"NOT" => {
            let result = read(cx, args.get(3))?.unwrap_or_default().iter().map(|byte| !byte).collect();
            return store(cx, args.get(2), result);
        }
        _ => return Err(errors::SYNTAX),
    };
    let mut result = read(cx, args.get(3))?.unwrap_or_default().to_vec();
    for key in args.from(4) {
        let source = read(cx, key)?.unwrap_or_default();
        if result.len() < source.len() {
            result.resize(source.len(), 0);
        }
        let (both, alone) = result.split_at_mut(source.len());
        both.iter_mut().zip(source).for_each(|(own, other)| *own = fold(*own, *other));
        alone.iter_mut().for_each(|own| *own = fold(*own, 0));
    }
    store(cx, args.get(2), result)
}

fn store(cx: &mut Ctx<'_>, destination: &[u8], result: Vec<u8>) -> Outcome {
    let len = result.len();
    if result.is_empty() {
        cx.delete(destination);
    } else {
        cx.set_string(destination, &result, None);
    }
    cx.reply.len(len);
    Ok(())
}
