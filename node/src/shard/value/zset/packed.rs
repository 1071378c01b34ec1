//! The packed form of a sorted set: member, score, member, score, … in order, in one listpack.

use super::Bound;
use koltso_proto::listpack::{Element, Listpack};
use koltso_proto::number::{parse_f64, write_f64, write_i64};

/// The largest whole score that is written in full.
const WHOLE_MAX: f64 = (1u64 << 62) as f64;

/// Reads a score. What cannot be read never gets here; it would count as 0.
pub(super) fn score_of(element: Element<'_>) -> f64 {
    match element {
        Element::Int(value) => value as f64,
        Element::Str(text) => parse_f64(text).unwrap_or_default(),
    }
}

/// All members with their scores, upwards.
pub(super) fn iter(pack: &Listpack) -> impl Iterator<Item = (Element<'_>, f64)> {
    let mut elements = pack.iter().map(|(_, element)| element);
    std::iter::from_fn(move || {
        let member = elements.next()?;
        Some((member, score_of(elements.next()?)))
    })
}

/// All members with their scores, downwards.
pub(super) fn iter_rev(pack: &Listpack) -> impl Iterator<Item = (Element<'_>, f64)> {
    let mut elements = pack.iter_rev().map(|(_, element)| element);
    std::iter::from_fn(move || {
        let score = score_of(elements.next()?);
        Some((elements.next()?, score))
    })
}

/// Where `member` is, and its score.
pub(super) fn find(pack: &Listpack, member: &[u8]) -> Option<(usize, f64)> {
    let pos = pack.find(member, 1)?;
    Some((pos, score_of(pack.element(pack.next(pos)?)?)))
}

/// Inserts a member that is not there.
pub(super) fn insert(pack: &mut Listpack, member: &[u8], score: f64) {
    let place = Bound::BeforeMember(score, member);
    let mut elements = pack.iter();
    let mut at = None;
    while let (Some((pos, own)), Some((_, own_score))) = (elements.next(), elements.next()) {
        if !place.follows_element(score_of(own_score), own) {
            at = Some(pos);
            break;
        }
    }
    with_score(score, |score| pack.insert_pair(at, Element::Str(member), score));
}

/// Appends a score.
pub(super) fn push_score(pack: &mut Listpack, score: f64) {
    with_score(score, |score| pack.push_back_element(score));
}

/// Hands a score over as [`text_of`] has it; a whole one goes without its text.
fn with_score(score: f64, put: impl FnOnce(Element<'_>)) {
    if is_whole(score) { put(Element::Int(score as i64)) } else { put(Element::Str(&text_of(score))) }
}

/// Minus zero counts as whole, and so loses its sign.
fn is_whole(score: f64) -> bool {
    score.trunc() == score && score.abs() <= WHOLE_MAX
}

/// A score as real servers keep it in a listpack: whole numbers up to 2^62 in full, others with 17 digits. `ZSCAN` shows it.
pub fn text_of(score: f64) -> Vec<u8> {
    let mut text = Vec::with_capacity(24);
    if is_whole(score) {
        write_i64(&mut text, score as i64);
    } else {
        write_f64(&mut text, score);
    }
    text
}

/// Whether every member lies after the one before it.
pub(super) fn is_ordered(pack: &Listpack) -> bool {
    iter(pack).zip(iter(pack).skip(1)).all(|((member, score), (next, next_score))| {
        let next = next.to_vec();
        Bound::BeforeMember(next_score, &next).follows_element(score, member)
    })
}
