//! `XADD`.

use super::ids::NewId;
use super::trim::{Options, Trimming};
use super::{edit, node_limits, told_of};
use crate::commands::Ctx;
use crate::commands::errors::{self, Error, Outcome};
use crate::shard::value::stream::NodeLimits;
use crate::shard::value::{Stream, Value};
use koltso_proto::id::UnixMs;
use koltso_proto::listpack::BYTES_MAX;
use koltso_proto::resp::Args;
use koltso_proto::stream::StreamId;

const ZERO: Error = Error::fixed("ERR The ID specified in XADD must be greater than 0-0");
const EXHAUSTED: Error = Error::fixed("ERR The stream has exhausted the last possible ID, unable to add more items");
const NOT_GREATER: Error = Error::fixed("ERR The ID specified in XADD is equal or smaller than the target stream top item");
const TOO_LARGE: Error = Error::fixed("ERR Elements are too large to be stored");

/// A new entry as it was asked for.
struct Addition<'a> {
    id: NewId,
    args: Args<'a>,
    fields_at: usize,
    trimming: Option<Trimming>,
}

/// What an addition came to.
struct Added {
    id: StreamId,
    /// How many entries were trimmed.
    trimmed: usize,
    /// The words of the trim that replicas are told.
    told: Option<[Vec<u8>; 3]>,
}

impl Addition<'_> {
    fn apply(&self, stream: &mut Stream, now: UnixMs, limits: NodeLimits) -> Outcome<Added> {
        if stream.last_id == StreamId::MAX {
            return Err(EXHAUSTED);
        }
        let id = self.id.resolve(stream.last_id, now.0).ok_or(NOT_GREATER)?;
        let fields = self.args.from(self.fields_at);
        if fields.clone().map(<[u8]>::len).fold(0, usize::saturating_add) > BYTES_MAX {
            return Err(TOO_LARGE);
        }
        stream.append(id, fields, limits);
        let trimmed = self.trimming.map_or(0, |trimming| trimming.apply(stream));
        let told = self.trimming.filter(|trimming| trimming.approximately).map(|trimming| trimming.outcome(stream));
        Ok(Added { id, trimmed, told })
    }
}

/// `XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value …]`.
pub(super) fn xadd(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let key = args.get(1);
    let options = Options::parse(cx, args, true)?;
    let wrong_arity = || errors::wrong_arity("xadd");
    let (id, id_at) = options.id.ok_or_else(wrong_arity)?;
    let words = args.len() - id_at - 1;
    if words < 2 || !words.is_multiple_of(2) {
        return Err(wrong_arity());
    }
    if id == NewId::Given(StreamId::MIN) {
        return Err(ZERO);
    }
    let addition = Addition { id, args, fields_at: id_at + 1, trimming: options.trimming };
    let (now, limits) = (cx.now, node_limits(cx));
    let added = match edit(cx, key, |stream, _| addition.apply(stream, now, limits))? {
        Some(added) => {
            let added = added?;
            cx.changed(key);
            added
        }
        None if !options.create => {
            cx.reply.null();
            return Ok(());
        }
        None => {
            let mut stream = Box::<Stream>::default();
            let added = addition.apply(&mut stream, now, limits)?;
            cx.set_value(key, Value::Stream(stream), None);
            added
        }
    };
    if added.trimmed > 0 {
        told_of(cx, key, "xtrim");
    }
    let text = added.id.to_text();
    cx.reply.bulk(&text);
    if added.told.is_some() || !matches!(addition.id, NewId::Given(_)) {
        propagate(cx, &addition, id_at, &text, added.told);
    }
    Ok(())
}

/// With the id that was found, and what an approximate trim came to.
fn propagate(cx: &mut Ctx<'_>, addition: &Addition<'_>, id_at: usize, id: &[u8], trimmed: Option<[Vec<u8>; 3]>) {
    if !cx.logging() {
        return cx.propagate_nothing();
    }
    let args = addition.args;
    let mut words: Vec<&[u8]> = Vec::with_capacity(args.len());
    match &trimmed {
        Some(trim) => {
            words.extend([b"XADD".as_slice(), args.get(1)]);
            words.extend(trim.iter().map(Vec::as_slice));
        }
        None => words.extend(args.from(0).take(id_at)),
    }
    words.push(id);
    words.extend(args.from(addition.fields_at));
    cx.propagate(&words);
}
