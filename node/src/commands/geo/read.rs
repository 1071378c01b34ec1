//! Where members are, and how far from each other.

use super::{cell, place_of, put_distance, put_point, unit};
use crate::commands::Ctx;
use crate::commands::collections::read;
use crate::commands::errors::{self, Outcome};
use crate::shard::value::Zset;
use koltso_proto::resp::Args;

/// `GEODIST key member member [M | KM | FT | MI]`.
pub(super) fn geodist(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let unit = match args.len() {
        4 => 1.0,
        5 => unit(args.get(4))?,
        _ => return Err(errors::SYNTAX),
    };
    let (one, other) = (place_of(cx, args.get(1), args.get(2))?, place_of(cx, args.get(1), args.get(3))?);
    match one.zip(other) {
        Some((one, other)) => put_distance(cx.reply, one.distance(other) / unit),
        None => cx.reply.null(),
    }
    Ok(())
}

/// `GEOHASH key member [member …]`.
pub(super) fn geohash(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    read::<Zset>(cx, args.get(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.from(2) {
        let text = place_of(cx, args.get(1), member)?.map(cell::geohash_text);
        cx.reply.bulk_or_null(text.as_ref().map(<[u8; 11]>::as_slice));
    }
    Ok(())
}

/// `GEOPOS key member [member …]`.
pub(super) fn geopos(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    read::<Zset>(cx, args.get(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.from(2) {
        match place_of(cx, args.get(1), member)? {
            Some(point) => put_point(cx.reply, point),
            None => cx.reply.null_array(),
        }
    }
    Ok(())
}
