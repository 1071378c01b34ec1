//! `ZRANGE` in all its forms, and the older commands that are one of them each.

use super::bounds::Bounds;
use super::put_members;
use crate::commands::collections::{limits, read, read_into, store};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::Zset;
use koltso_proto::listpack::IntText;
use koltso_proto::resp::Args;

const LIMIT_BY_RANK: Error =
    Error::fixed("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
const SCORES_BY_LEX: Error = Error::fixed("ERR syntax error, WITHSCORES not supported in combination with BYLEX");

/// What a range is a range of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What the name of a command leaves open.
#[derive(Clone, Copy, Debug)]
struct Form {
    by: Option<By>,
    reverse: Option<bool>,
    stores: bool,
}

/// A range as it was asked for.
#[derive(Debug)]
struct Query<'a> {
    range: Limits<'a>,
    reverse: bool,
    with_scores: bool,
    offset: i64,
    /// Negative for all.
    count: i64,
}

#[derive(Debug)]
enum Limits<'a> {
    Ranks(i64, i64),
    Bounds(Bounds<'a>),
}

impl<'a> Query<'a> {
    /// Reads `start stop` at `at` and the options behind them.
    fn parse(args: Args<'a>, at: usize, form: Form) -> Outcome<Self> {
        let (mut by, mut reverse, mut with_scores, mut limit) = (form.by, form.reverse, false, None);
        let mut options = parse::Options::new(args, at + 2);
        while let Some(word) = options.next() {
            if !form.stores && parse::is(word, "WITHSCORES") {
                with_scores = true;
            } else if parse::is(word, "LIMIT") && options.left() >= 2 {
                limit = Some((parse::int(options.value()?)?, parse::int(options.value()?)?));
            } else if reverse.is_none() && parse::is(word, "REV") {
                reverse = Some(true);
            } else if by.is_none() && parse::is(word, "BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && parse::is(word, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(errors::SYNTAX);
            }
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        // A limit to everything is none, whatever its offset.
        let limit = limit.filter(|(_, count)| by != By::Rank || *count != -1);
        if by == By::Rank && limit.is_some() {
            return Err(LIMIT_BY_RANK);
        }
        if with_scores && by == By::Lex {
            return Err(SCORES_BY_LEX);
        }
        let (start, stop) = (args.get(at), args.get(at + 1));
        // In reverse, the higher limit stands first.
        let (min, max) = if reverse { (stop, start) } else { (start, stop) };
        let range = match by {
            By::Rank => Limits::Ranks(parse::int(start)?, parse::int(stop)?),
            By::Score => Limits::Bounds(Bounds::of_scores(min, max)?),
            By::Lex => Limits::Bounds(Bounds::of_members(min, max)?),
        };
        let (offset, count) = limit.unwrap_or((0, -1));
        Ok(Query { range, reverse, with_scores, offset, count })
    }

    /// The rank to begin with and the number of members, in the direction of the query.
    fn resolve(&self, zset: &Zset) -> (usize, usize) {
        let ranks = match &self.range {
            Limits::Ranks(start, stop) => {
                let range = parse::index_range(*start, *stop, zset.len()).unwrap_or_default();
                if self.reverse { zset.len() - range.end..zset.len() - range.start } else { range }
            }
            Limits::Bounds(bounds) => bounds.ranks(zset),
        };
        let Ok(offset) = usize::try_from(self.offset) else { return (0, 0) };
        if offset >= ranks.len() {
            return (0, 0);
        }
        let left = ranks.len() - offset;
        let count = usize::try_from(self.count).map_or(left, |count| count.min(left));
        (if self.reverse { ranks.end - 1 - offset } else { ranks.start + offset }, count)
    }
}

fn reply_with_range(cx: &mut Ctx<'_>, args: Args<'_>, form: Form) -> Outcome {
    let query = Query::parse(args, 2, form)?;
    let (zset, reply) = read_into::<Zset>(cx, args.get(1))?;
    let Some(zset) = zset else {
        reply.array(0);
        return Ok(());
    };
    let (rank, count) = query.resolve(zset);
    if query.reverse {
        put_members(reply, count, zset.range_rev(rank, count), query.with_scores);
    } else {
        put_members(reply, count, zset.range(rank, count), query.with_scores);
    }
    Ok(())
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`.
pub fn zrange(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    reply_with_range(cx, args, Form { by: None, reverse: None, stores: false })
}

/// `ZREVRANGE key start stop [WITHSCORES]`.
pub fn zrevrange(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    reply_with_range(cx, args, Form { by: Some(By::Rank), reverse: Some(true), stores: false })
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`.
pub fn zrangebyscore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    reply_with_range(cx, args, Form { by: Some(By::Score), reverse: Some(false), stores: false })
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`.
pub fn zrevrangebyscore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    reply_with_range(cx, args, Form { by: Some(By::Score), reverse: Some(true), stores: false })
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`.
pub fn zrangebylex(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    reply_with_range(cx, args, Form { by: Some(By::Lex), reverse: Some(false), stores: false })
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`.
pub fn zrevrangebylex(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    reply_with_range(cx, args, Form { by: Some(By::Lex), reverse: Some(true), stores: false })
}

/// `ZRANGESTORE destination source start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count]`.
pub fn zrangestore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let query = Query::parse(args, 3, Form { by: None, reverse: None, stores: true })?;
    let limits = limits(cx);
    let mut result = Zset::default();
    if let Some(zset) = read::<Zset>(cx, args.get(2))? {
        let (rank, count) = query.resolve(zset);
        // The order of insertion does not matter to the result: the range, upwards.
        let rank = if query.reverse && count > 0 { rank + 1 - count } else { rank };
        result = Zset::for_members(count, 0, &limits);
        let mut text = IntText::new();
        zset.range(rank, count).for_each(|(member, score)| {
            result.set(member.bytes(&mut text), score, &limits);
        });
    }
    let len = result.len();
    store(cx, args.get(1), result);
    cx.reply.len(len);
    Ok(())
}
