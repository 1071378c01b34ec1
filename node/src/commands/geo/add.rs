//! `GEOADD`, which is `ZADD` with positions for scores, and is told to replicas as that.

use super::{cell, point};
use crate::commands::errors::{self, Outcome};
use crate::commands::{Ctx, parse, sorted_sets};
use koltso_proto::resp::{Args, Span};

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member …]`.
pub(super) fn geoadd(cx: &mut Ctx<'_>, args: Args<'_>) -> Outcome {
    let is_option = |word: &[u8]| matches!(&*parse::upper(word), b"NX" | b"XX" | b"CH");
    let first = 2 + args.from(2).take_while(|word| is_option(word)).count();
    let has = |name: &str| args.from(2).take(first - 2).any(|word| parse::is(word, name));
    if !(args.len() - first).is_multiple_of(3) || (has("NX") && has("XX")) {
        return Err(errors::SYNTAX);
    }
    let mut words: Vec<Vec<u8>> = vec![b"ZADD".to_vec()];
    words.extend(args.from(1).take(first - 1).map(<[u8]>::to_vec));
    for at in (first..args.len()).step_by(3) {
        let score = cell::score_of(point(args.get(at), args.get(at + 1))?);
        words.push(itoa::Buffer::new().format(score).into());
        words.push(args.get(at + 2).to_vec());
    }
    let bytes = words.concat();
    let mut end = 0;
    let span = |word: &Vec<u8>| {
        end += word.len();
        Span::new(end - word.len(), word.len())
    };
    let spans: Vec<Span> = words.iter().map(span).collect();
    sorted_sets::zadd(cx, Args::new(&bytes, &spans))?;
    if cx.dirty > 0 {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        cx.propagate(&words);
    }
    Ok(())
}
