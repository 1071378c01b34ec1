//! The options that `XADD` and `XTRIM` share, and `XTRIM`.

use super::edit;
use super::ids::{self, NewId};
use crate::commands::errors::{self, Error, Outcome};
use crate::commands::{Ctx, Origin, parse};
use crate::shard::value::Stream;
use crate::shard::value::stream::Trim;
use koltso_proto::resp::Args;
use koltso_proto::stream::StreamId;

const BOTH: Error = Error::fixed("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
const BAD_MAXLEN: Error = Error::fixed("ERR The MAXLEN argument must be >= 0.");
const BAD_LIMIT: Error = Error::fixed("ERR The LIMIT argument must be >= 0.");
const LIMIT_ALONE: Error = Error::fixed("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const NO_STRATEGY: Error = Error::fixed("ERR syntax error, XTRIM must be called with a trimming strategy");
const LIMIT_EXACT: Error = Error::fixed("ERR syntax error, LIMIT cannot be used without the special ~ option");

/// How a stream is to be trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trimming {
    pub(super) trim: Trim,
    pub(super) approximately: bool,
    /// 0 for none.
    limit: usize,
}

impl Trimming {
    pub(super) fn apply(self, stream: &mut Stream) -> usize {
        stream.trim(self.trim, self.approximately, self.limit)
    }

    /// The words that leave of another copy what is left of this stream.
    pub(super) fn outcome(self, stream: &Stream) -> [Vec<u8>; 3] {
        let (name, threshold) = match self.trim {
            Trim::MaxLen(_) => ("MAXLEN", stream.len().to_string().into_bytes()),
            Trim::MinId(_) if stream.is_empty() => ("MINID", StreamId::MAX.to_text()),
            Trim::MinId(_) => ("MINID", stream.first_id().to_text()),
        };
        [name.into(), b"=".to_vec(), threshold]
    }
}

/// The options in front of the id of `XADD`, or behind the key of `XTRIM`.
pub(super) struct Options {
    pub(super) trimming: Option<Trimming>,
    pub(super) create: bool,
    /// Only of `XADD`: the id, and where it stands.
    pub(super) id: Option<(NewId, usize)>,
}

impl Options {
    /// # Errors
    /// As Redis judges the words from left to right, and then all together.
    pub(super) fn parse(cx: &Ctx<'_>, args: Args<'_>, is_add: bool) -> Outcome<Self> {
        let mut options = Options { trimming: None, create: true, id: None };
        let mut limit = None;
        let mut at = 2;
        while at < args.len() {
            let (word, more) = (args.get(at), args.len() - 1 - at);
            let upper = parse::upper(word);
            match &*upper {
                b"MAXLEN" | b"MINID" if more > 0 => {
                    if options.trimming.is_some() {
                        return Err(BOTH);
                    }
                    let approximately = more >= 2 && args.get(at + 1) == b"~";
                    at += usize::from(more >= 2 && matches!(args.get(at + 1), b"~" | b"=")) + 1;
                    let trim = threshold(&upper, args.get(at))?;
                    options.trimming = Some(Trimming { trim, approximately, limit: 0 });
                }
                b"LIMIT" if more > 0 => {
                    at += 1;
                    limit = Some(usize::try_from(parse::int(args.get(at))?).map_err(|_| BAD_LIMIT)?);
                }
                b"NOMKSTREAM" if is_add => options.create = false,
                _ if is_add => {
                    options.id = Some((NewId::parse(word)?, at));
                    break;
                }
                _ => return Err(errors::SYNTAX),
            }
            at += 1;
        }
        options.set_limit(cx, limit, is_add)?;
        Ok(options)
    }

    fn set_limit(&mut self, cx: &Ctx<'_>, limit: Option<usize>, is_add: bool) -> Outcome {
        let Some(trimming) = &mut self.trimming else {
            return match limit {
                Some(1..) => Err(LIMIT_ALONE),
                _ if !is_add => Err(NO_STRATEGY),
                _ => Ok(()),
            };
        };
        if cx.origin == Origin::Primary {
            // The threshold says exactly what is to be left.
            return Ok(());
        }
        trimming.limit = match limit {
            Some(_) if !trimming.approximately => return Err(LIMIT_EXACT),
            Some(limit) => limit,
            None if trimming.approximately => default_limit(cx.config.stream_node_max_entries),
            None => 0,
        };
        Ok(())
    }
}

fn threshold(name: &[u8], text: &[u8]) -> Outcome<Trim> {
    if name == b"MINID" {
        return ids::id(text).map(Trim::MinId);
    }
    usize::try_from(parse::int(text)?).map(Trim::MaxLen).map_err(|_| BAD_MAXLEN)
}

/// How many entries an approximate trim removes at most, unless it is told: about a hundred nodes.
fn default_limit(node_entries: u64) -> usize {
    match node_entries.saturating_mul(100).min(1_000_000) as usize {
        0 => 10_000,
        limit => limit,
    }
}

/// `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]`.
pub(super) fn xtrim(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let key = args.get(1);
    let options = Options::parse(cx, args, false)?;
    let Some(trimming) = options.trimming else { return Err(NO_STRATEGY) };
    let done = edit(cx, key, |stream, _| (trimming.apply(stream), trimming.outcome(stream)))?;
    let (removed, outcome) = done.unwrap_or_default();
    if removed > 0 {
        cx.changed(key);
        cx.dirty += removed as u64 - 1;
        if trimming.approximately {
            let [name, sign, threshold] = &outcome;
            cx.propagate(&[b"XTRIM", key, name, sign, threshold]);
        }
    }
    cx.reply.len(removed);
    Ok(())
}
