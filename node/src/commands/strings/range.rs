//! Parts of strings.

use super::{check_len, string_of};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse};
use koltso_proto::resp::Args;
use std::ops::Range;

/// `APPEND key value`.
pub fn append(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (key, tail) = (args.get(1), args.get(2));
    let len = match cx.peek(key) {
        None => {
            cx.set_string(key, tail, None);
            tail.len()
        }
        Some(entry) => {
            let len = string_of(entry)?.len().saturating_add(tail.len());
            check_len(cx, len)?;
            if let Some(mut entry) = cx.write(key) {
                entry.edit_string(|text| text.extend_from_slice(tail));
            }
            cx.changed(key);
            len
        }
    };
    cx.reply.len(len);
    Ok(())
}

/// `STRLEN key`.
pub fn strlen(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let len = cx.read(args.get(1)).map(string_of).transpose()?.map_or(0, <[u8]>::len);
    cx.reply.len(len);
    Ok(())
}

/// `SETRANGE key offset value`: what lies between the end of the string and the offset becomes zero bytes.
pub fn setrange(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (key, patch) = (args.get(1), args.get(3));
    let offset = usize::try_from(parse::int(args.get(2))?).map_err(|_| errors::OFFSET_OUT_OF_RANGE)?;
    let old_len = cx.peek(key).map(string_of).transpose()?.map(<[u8]>::len);
    if patch.is_empty() {
        cx.reply.len(old_len.unwrap_or(0));
        return Ok(());
    }
    let end = offset.saturating_add(patch.len());
    check_len(cx, end)?;
    if old_len.is_none() {
        cx.set_string(key, b"", None);
    }
    if let Some(mut entry) = cx.write(key) {
        entry.edit_string(|text| {
            if text.len() < end {
                text.resize(end, 0);
            }
            text[offset..end].copy_from_slice(patch);
        });
    }
    if old_len.is_some() {
        cx.changed(key);
    }
    cx.reply.len(old_len.unwrap_or(0).max(end));
    Ok(())
}

/// `GETRANGE key start end`, and its old name `SUBSTR`.
pub fn getrange(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (start, end) = (parse::int(args.get(2))?, parse::int(args.get(3))?);
    let (entry, reply) = cx.read_into(args.get(1));
    let text = entry.map(string_of).transpose()?.unwrap_or_default();
    reply.bulk(&text[byte_range(start, end, text.len())]);
    Ok(())
}

/// The bytes from `start` to `end`, both included. Unlike the ranges of lists, an end that lies before the first byte still means
/// the first byte, unless the start lies behind it.
fn byte_range(start: i64, end: i64, len: usize) -> Range<usize> {
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let end = if end < 0 { end.saturating_add(len as i64).max(0) } else { end };
    parse::index_range(start, end, len).unwrap_or(0..0)
}
