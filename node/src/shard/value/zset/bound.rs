//! A place between two members of a sorted set, however it was described.

use koltso_proto::listpack::{Element, IntText};
use std::cmp::Ordering;

/// A place in the order. The members before it come first, then those after it: nothing else is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound<'a> {
    /// Before all members of this score or a higher one.
    BeforeScore(f64),
    /// After all members of this score or a lower one.
    AfterScore(f64),
    /// Before this member, if it has this score.
    BeforeMember(f64, &'a [u8]),
    /// Before this member, in a set whose scores are all equal.
    BeforeText(&'a [u8]),
    /// After this member, in a set whose scores are all equal.
    AfterText(&'a [u8]),
    /// Before all members.
    Start,
    /// After all members.
    End,
}

impl Bound<'_> {
    /// Whether a member of this score lies before the bound. `member` is asked for only where the score does not decide.
    #[inline]
    pub fn follows<'m>(&self, score: f64, member: impl FnOnce() -> &'m [u8]) -> bool {
        match *self {
            Bound::BeforeScore(bound) => score < bound,
            Bound::AfterScore(bound) => score <= bound,
            Bound::BeforeMember(bound, text) => match score.partial_cmp(&bound) {
                Some(Ordering::Less) => true,
                Some(Ordering::Greater) | None => false,
                Some(Ordering::Equal) => member() < text,
            },
            Bound::BeforeText(text) => member() < text,
            Bound::AfterText(text) => member() <= text,
            Bound::Start => false,
            Bound::End => true,
        }
    }

    /// The same for a member that may be an integer.
    pub fn follows_element(&self, score: f64, member: Element<'_>) -> bool {
        let mut text = IntText::new();
        self.follows(score, || member.bytes(&mut text))
    }
}
