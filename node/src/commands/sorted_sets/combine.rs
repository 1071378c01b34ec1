//! Unions, intersections and differences of sorted sets, to which plain sets may be added: their members have the score 1.

use super::put_members;
use crate::commands::collections::{int_from, limits, store};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, parse};
use crate::shard::value::{Set, Thresholds, ValueRef, Zset};
use koltso_proto::listpack::{Element, IntText};
use koltso_proto::resp::Args;

const NOT_A_WEIGHT: Error = Error::fixed("ERR weight value is not a float");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(a + b),
            // Spelled out, because of -0 and 0 the first stays.
            Aggregate::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Aggregate::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// Infinities of both signs add up to 0 here, as does an infinity that is weighted with 0.
fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What is combined. Clones share their chunks with what is in the keyspace.
#[derive(Debug)]
enum Source {
    Zset(Zset),
    Set(Set),
}

impl Source {
    fn read(cx: &mut Ctx<'_>, key: &[u8]) -> Outcome<Self> {
        match cx.read(key).map(|entry| entry.value()) {
            None => Ok(Source::Zset(Zset::default())),
            Some(ValueRef::Zset(zset)) => Ok(Source::Zset(zset.clone())),
            Some(ValueRef::Set(set)) => Ok(Source::Set(set.clone())),
            Some(_) => Err(errors::WRONG_TYPE),
        }
    }

    fn len(&self) -> usize {
        match self {
            Source::Zset(zset) => zset.len(),
            Source::Set(set) => set.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Zset(zset) => zset.score(member),
            Source::Set(set) => set.contains(member).then_some(1.0),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Element<'_>, f64)> {
        let (zset, set) = match self {
            Source::Zset(zset) => (Some(zset), None),
            Source::Set(set) => (None, Some(set)),
        };
        let members = set.into_iter().flat_map(Set::iter).map(|member| (member, 1.0));
        zset.into_iter().flat_map(Zset::iter).chain(members)
    }
}

/// A combination as it was asked for.
struct Query {
    operation: Operation,
    /// Each with its weight.
    sources: Vec<(Source, f64)>,
    aggregate: Aggregate,
    with_scores: bool,
    /// 0 for none.
    limit: usize,
}

/// Which options a command takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Reply,
    Store,
    Count,
}

impl Query {
    /// Reads `numkeys key …` at `at`, the keys' values, and the options.
    fn parse(cx: &mut Ctx<'_>, args: Args<'_>, at: usize, operation: Operation, form: Form, name: &str) -> Outcome<Self> {
        let count = parse::int(args.get(at))?;
        if count < 1 {
            return Err(Error::with(&[b"ERR at least 1 input key is needed for '", name.as_bytes(), b"' command"]));
        }
        let end = usize::try_from(count).ok().and_then(|count| count.checked_add(at + 1)).filter(|end| *end <= args.len());
        let end = end.ok_or(errors::SYNTAX)?;
        let sources = args.from(at + 1).take(end - at - 1).map(|key| Ok((Source::read(cx, key)?, 1.0)));
        let sources = sources.collect::<Outcome<Vec<_>>>()?;
        let mut query = Query { operation, sources, aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        query.parse_options(parse::Options::new(args, end), form)?;
        // From the smallest on, because sums depend on the order. A difference is not one of equals.
        if operation != Operation::Diff {
            query.sources.sort_by_key(|(source, _)| source.len());
        }
        Ok(query)
    }

    fn parse_options(&mut self, mut options: parse::Options<'_>, form: Form) -> Outcome {
        let aggregates = self.operation != Operation::Diff && form != Form::Count;
        while let Some(word) = options.next() {
            if aggregates && parse::is(word, "WEIGHTS") && options.left() >= self.sources.len() {
                for (_, weight) in &mut self.sources {
                    *weight = parse::float(options.value()?).map_err(|_| NOT_A_WEIGHT)?;
                }
            } else if aggregates && parse::is(word, "AGGREGATE") {
                self.aggregate = match options.value()? {
                    word if parse::is(word, "SUM") => Aggregate::Sum,
                    word if parse::is(word, "MIN") => Aggregate::Min,
                    word if parse::is(word, "MAX") => Aggregate::Max,
                    _ => return Err(errors::SYNTAX),
                };
            } else if form == Form::Reply && parse::is(word, "WITHSCORES") {
                self.with_scores = true;
            } else if form == Form::Count && parse::is(word, "LIMIT") {
                self.limit = int_from(options.value()?, 0, "ERR LIMIT can't be negative")?;
            } else {
                return Err(errors::SYNTAX);
            }
        }
        Ok(())
    }

    fn run(&self, limits: &Thresholds) -> Zset {
        // In the large form, which keeps scores as they are: the packed one has no minus zero.
        let mut result = Zset::for_members(usize::MAX, 0, limits);
        let mut text = IntText::new();
        match self.operation {
            Operation::Union => {
                for (source, weight) in &self.sources {
                    for (member, score) in source.iter() {
                        let score = number_or_zero(score * weight);
                        result.update(member.bytes(&mut text), limits, |sum| {
                            Some(sum.map_or(score, |sum| self.aggregate.apply(sum, score)))
                        });
                    }
                }
            }
            Operation::Inter => self.intersect(|member, score| {
                result.set(member, score, limits);
                true
            }),
            Operation::Diff => {
                let Some(((first, _), others)) = self.sources.split_first() else { return result };
                for (member, score) in first.iter() {
                    let member = member.bytes(&mut text);
                    if others.iter().all(|(other, _)| other.score(member).is_none()) {
                        result.set(member, score, limits);
                    }
                }
            }
        }
        result
    }

    /// Gives out what all sources have, until `visit` says false.
    fn intersect(&self, mut visit: impl FnMut(&[u8], f64) -> bool) {
        let Some(((smallest, weight), others)) = self.sources.split_first() else { return };
        let mut text = IntText::new();
        for (member, score) in smallest.iter() {
            let member = member.bytes(&mut text);
            let sum = others.iter().try_fold(number_or_zero(score * weight), |sum, (other, weight)| {
                let score = number_or_zero(other.score(member)? * weight);
                Some(self.aggregate.apply(sum, score))
            });
            if let Some(sum) = sum
                && !visit(member, sum)
            {
                return;
            }
        }
    }
}

fn combine_and_reply(cx: &mut Ctx<'_>, args: Args<'_>, operation: Operation, name: &str) -> Outcome {
    let query = Query::parse(cx, args, 1, operation, Form::Reply, name)?;
    let result = query.run(&limits(cx));
    put_members(cx.reply, result.len(), result.iter(), query.with_scores);
    Ok(())
}

fn combine_and_store(cx: &mut Ctx<'_>, args: Args<'_>, operation: Operation, name: &str) -> Outcome {
    let query = Query::parse(cx, args, 2, operation, Form::Store, name)?;
    let limits = limits(cx);
    let mut result = query.run(&limits);
    let longest = result.iter().map(|(member, _)| member.text_len()).max().unwrap_or_default();
    result.shrink_if_possible(longest, &limits);
    let len = result.len();
    store(cx, args.get(1), result);
    cx.reply.len(len);
    Ok(())
}

/// `ZUNION numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`.
pub fn zunion(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    combine_and_reply(cx, args, Operation::Union, "zunion")
}

/// `ZINTER numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`.
pub fn zinter(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    combine_and_reply(cx, args, Operation::Inter, "zinter")
}

/// `ZDIFF numkeys key [key …] [WITHSCORES]`.
pub fn zdiff(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    combine_and_reply(cx, args, Operation::Diff, "zdiff")
}

/// `ZUNIONSTORE destination numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`.
pub fn zunionstore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    combine_and_store(cx, args, Operation::Union, "zunionstore")
}

/// `ZINTERSTORE destination numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`.
pub fn zinterstore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    combine_and_store(cx, args, Operation::Inter, "zinterstore")
}

/// `ZDIFFSTORE destination numkeys key [key …]`.
pub fn zdiffstore(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    combine_and_store(cx, args, Operation::Diff, "zdiffstore")
}

/// `ZINTERCARD numkeys key [key …] [LIMIT limit]`.
pub fn zintercard(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let query = Query::parse(cx, args, 1, Operation::Inter, Form::Count, "zintercard")?;
    let mut count = 0;
    query.intersect(|_, _| {
        count += 1;
        count != query.limit
    });
    cx.reply.len(count);
    Ok(())
}
