//! `ZADD` and `ZINCRBY`.

use crate::commands::collections::{self, limits};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::{Thresholds, Zset};
use koltso_proto::resp::Args;

const NX_WITH_XX: Error = Error::fixed("ERR XX and NX options at the same time are not compatible");
const GT_LT_NX: Error = Error::fixed("ERR GT, LT, and/or NX options at the same time are not compatible");
const INCR_PAIRS: Error = Error::fixed("ERR INCR option supports a single increment-element pair");
const NOT_A_NUMBER: Error = Error::fixed("ERR resulting score is not a number (NaN)");

/// The options of `ZADD`.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    only_new: bool,
    only_existing: bool,
    only_greater: bool,
    only_less: bool,
    count_changed: bool,
    increment: bool,
}

impl Flags {
    /// The options from argument 2 on, and where they end.
    fn parse(args: Args<'_>) -> (Self, usize) {
        let mut flags = Flags::default();
        let mut at = 2;
        while at < args.len() {
            let word = args.get(at);
            // Most commands have none, and scores are no words.
            let flag = match word.first().map(u8::to_ascii_uppercase) {
                Some(b'N') if parse::is(word, "NX") => &mut flags.only_new,
                Some(b'X') if parse::is(word, "XX") => &mut flags.only_existing,
                Some(b'G') if parse::is(word, "GT") => &mut flags.only_greater,
                Some(b'L') if parse::is(word, "LT") => &mut flags.only_less,
                Some(b'C') if parse::is(word, "CH") => &mut flags.count_changed,
                Some(b'I') if parse::is(word, "INCR") => &mut flags.increment,
                _ => break,
            };
            *flag = true;
            at += 1;
        }
        (flags, at)
    }

    fn check(self, pairs: usize) -> Outcome {
        if self.only_new && self.only_existing {
            return Err(NX_WITH_XX);
        }
        if [self.only_greater, self.only_less, self.only_new].into_iter().filter(|flag| *flag).count() > 1 {
            return Err(GT_LT_NX);
        }
        if self.increment && pairs > 1 {
            return Err(INCR_PAIRS);
        }
        Ok(())
    }

    /// The score to give to a member that has `old` and was sent `sent`; `None` to leave it alone.
    fn decide(self, old: Option<f64>, sent: f64) -> Outcome<Option<f64>> {
        let Some(old) = old else { return Ok((!self.only_existing).then_some(sent)) };
        if self.only_new {
            return Ok(None);
        }
        let score = if self.increment { old + sent } else { sent };
        if score.is_nan() {
            return Err(NOT_A_NUMBER);
        }
        let kept = (self.only_less && score >= old) || (self.only_greater && score <= old);
        Ok((!kept).then_some(score))
    }
}

/// What came of the pairs.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    added: usize,
    updated: usize,
    /// The score of the last member that was not left alone.
    score: Option<f64>,
}

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member …]`.
pub fn zadd(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let (flags, at) = Flags::parse(args);
    let rest = args.len() - at;
    if rest == 0 || !rest.is_multiple_of(2) {
        return Err(errors::SYNTAX);
    }
    flags.check(rest / 2)?;
    add(cx, args, at, flags)
}

/// `ZINCRBY key increment member`.
pub fn zincrby(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    // Redis takes an option of ZADD in this place for one, and then misses the member.
    if ["NX", "XX", "GT", "LT", "CH", "INCR"].iter().any(|option| parse::is(args.get(2), option)) {
        return Err(errors::SYNTAX);
    }
    add(cx, args, 2, Flags { increment: true, ..Flags::default() })
}

/// Adds the pairs of score and member from `at` on.
fn add(cx: &mut Ctx<'_>, args: Args<'_>, at: usize, flags: Flags) -> Outcome {
    // All scores are read before anything is changed.
    let (single, many);
    let scores: &[f64] = if args.len() - at == 2 {
        single = [parse::float(args.get(at))?];
        &single
    } else {
        many = args.from(at).step_by(2).map(parse::float).collect::<Outcome<Vec<f64>>>()?;
        &many
    };
    let (key, limits) = (args.get(1), limits(cx));
    let apply = |zset: &mut Zset| add_all(zset, args, at, scores, flags, &limits);
    let totals = if flags.only_existing {
        collections::edit(cx, key, |zset, _| apply(zset))?.unwrap_or_else(|| Ok(Totals::default()))
    } else {
        // The first member alone decides how it begins; what comes after it may change that.
        let create = || Zset::for_members(1, args.get(at + 1).len(), &limits);
        collections::edit_or_create(cx, key, create, |zset, _| apply(zset))?
    }?;
    match totals.score {
        Some(score) if flags.increment => cx.reply.double(score),
        None if flags.increment => cx.reply.null(),
        _ if flags.count_changed => cx.reply.len(totals.added + totals.updated),
        _ => cx.reply.len(totals.added),
    }
    Ok(())
}

fn add_all(
    zset: &mut Zset,
    args: Args<'_>,
    at: usize,
    scores: &[f64],
    flags: Flags,
    limits: &Thresholds,
) -> (Outcome<Totals>, usize) {
    let mut totals = Totals::default();
    for (n, sent) in scores.iter().enumerate() {
        let mut decided = Ok(None);
        let old = zset.update(args.get(at + 2 * n + 1), limits, |old| {
            decided = flags.decide(old, *sent);
            decided.as_ref().ok().copied().flatten()
        });
        match (decided, old) {
            (Err(error), _) => return (Err(error), totals.added + totals.updated),
            (Ok(None), _) => {}
            (Ok(score), None) => {
                totals.added += 1;
                totals.score = score;
            }
            (Ok(score), old) => {
                totals.updated += usize::from(score != old);
                totals.score = score;
            }
        }
    }
    (Ok(totals), totals.added + totals.updated)
}
