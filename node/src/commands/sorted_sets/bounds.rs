//! Limits of ranges as clients write them, and the ranks they come to.

use crate::commands::errors::{Error, Outcome};
use crate::shard::value::{Bound, Zset};
use koltso_proto::number::parse_f64;
use std::ops::Range;

const NOT_FLOAT: Error = Error::fixed("ERR min or max is not a float");
const NOT_LEX: Error = Error::fixed("ERR min or max not valid string range item");

/// Two bounds, the lower one first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<'a> {
    lower: Bound<'a>,
    upper: Bound<'a>,
}

impl<'a> Bounds<'a> {
    /// `min` and `max` as scores, each open with a `(` in front.
    pub(super) fn of_scores(min: &[u8], max: &[u8]) -> Outcome<Self> {
        let (min, min_open) = score(min)?;
        let (max, max_open) = score(max)?;
        Ok(Bounds {
            lower: if min_open { Bound::AfterScore(min) } else { Bound::BeforeScore(min) },
            upper: if max_open { Bound::BeforeScore(max) } else { Bound::AfterScore(max) },
        })
    }

    /// `min` and `max` as members: `[` or `(` in front of a text, or `-` and `+` for what is before and after all.
    pub(super) fn of_members(min: &'a [u8], max: &'a [u8]) -> Outcome<Self> {
        let lower = match min {
            b"-" => Bound::Start,
            b"+" => Bound::End,
            [b'[', text @ ..] => Bound::BeforeText(text),
            [b'(', text @ ..] => Bound::AfterText(text),
            _ => return Err(NOT_LEX),
        };
        let upper = match max {
            b"-" => Bound::Start,
            b"+" => Bound::End,
            [b'[', text @ ..] => Bound::AfterText(text),
            [b'(', text @ ..] => Bound::BeforeText(text),
            _ => return Err(NOT_LEX),
        };
        Ok(Bounds { lower, upper })
    }

    /// The ranks between the bounds.
    pub(super) fn ranks(self, zset: &Zset) -> Range<usize> {
        let start = zset.rank_of(self.lower);
        start..zset.rank_of(self.upper).max(start)
    }
}

/// A score, and whether it is excluded. C's `strtod` reads it, so some odd texts pass: nothing at all is 0, spaces in front are
/// passed over, and what is too large is infinite.
fn score(text: &[u8]) -> Outcome<(f64, bool)> {
    let (text, open) = match text {
        [b'(', text @ ..] => (text, true),
        text => (text, false),
    };
    if text.is_empty() {
        return Ok((0.0, open));
    }
    let text = text.trim_ascii_start();
    let loose = || std::str::from_utf8(text).ok()?.parse().ok().filter(|score: &f64| !score.is_nan());
    let score = parse_f64(text).or_else(loose).ok_or(NOT_FLOAT)?;
    Ok((score, open))
}
