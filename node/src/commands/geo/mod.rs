//! Places: sorted sets whose scores are positions on the earth.

mod add;
mod areas;
mod cell;
mod read;
mod search;
mod shape;

use super::collections::read;
use super::errors::{Error, Outcome};
use super::{Ctx, Handler, parse};
use crate::fallible;
use cell::Point;
use koltso_proto::resp::Reply;

/// The commands of this family.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("geoadd", fallible!(add::geoadd)),
    ("geodist", fallible!(read::geodist)),
    ("geohash", fallible!(read::geohash)),
    ("geopos", fallible!(read::geopos)),
    ("geosearch", fallible!(search::geosearch)),
    ("geosearchstore", fallible!(search::geosearchstore)),
    ("georadius", fallible!(search::georadius)),
    ("georadius_ro", fallible!(search::georadius_ro)),
    ("georadiusbymember", fallible!(search::georadiusbymember)),
    ("georadiusbymember_ro", fallible!(search::georadiusbymember_ro)),
];

const BAD_UNIT: Error = Error::fixed("ERR unsupported unit provided. please use M, KM, FT, MI");

/// Metres in a unit.
fn unit(text: &[u8]) -> Outcome<f64> {
    match &*parse::upper(text) {
        b"M" => Ok(1.0),
        b"KM" => Ok(1000.0),
        b"FT" => Ok(0.3048),
        b"MI" => Ok(1609.34),
        _ => Err(BAD_UNIT),
    }
}

/// Longitude and latitude, both as far as the earth goes.
fn point(longitude: &[u8], latitude: &[u8]) -> Outcome<Point> {
    let point = Point { longitude: parse::float(longitude)?, latitude: parse::float(latitude)? };
    if point.is_on_earth() {
        return Ok(point);
    }
    let text = format!("ERR invalid longitude,latitude pair {:.6},{:.6}", point.longitude, point.latitude);
    Err(Error::with(&[text.as_bytes()]))
}

/// Where a member is, if it is in the set.
fn place_of(cx: &mut Ctx<'_>, key: &[u8], member: &[u8]) -> Outcome<Option<Point>> {
    let zset = read::<crate::shard::value::Zset>(cx, key)?;
    Ok(zset.and_then(|zset| zset.score(member)).map(cell::point_of_score))
}

/// A distance, with four digits behind the point.
fn put_distance(reply: &mut Reply, distance: f64) {
    // Halves go to the even neighbour, as the processor rounds.
    let scaled = (distance * 10_000.0).round_ties_even() as i64;
    let (sign, digits) = (if scaled < 0 { "-" } else { "" }, scaled.unsigned_abs());
    reply.bulk(format!("{sign}{}.{:04}", digits / 10_000, digits % 10_000).as_bytes());
}

fn put_point(reply: &mut Reply, point: Point) {
    reply.array(2);
    for degrees in [point.longitude, point.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        if reply.resp3 {
            reply.raw(format!(",{text}\r\n").as_bytes());
        } else {
            reply.bulk(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
