//! Does anything occur twice? Asked of every set, hash and sorted set that comes in, because a duplicate would make tables and
//! packed forms disagree later.
//!
//! Hashes of the texts are sorted: 8 bytes per element, no table. The hash is seeded afresh, so nobody can prepare elements
//! that collide; equal hashes are settled by comparing the texts.

use super::value::Text;
use crate::listpack::{Element, IntText};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Something with a text.
pub(super) trait HasText {
    fn text<'b>(&'b self, scratch: &'b mut IntText) -> &'b [u8];
}

impl HasText for &Text<'_> {
    fn text<'b>(&'b self, scratch: &'b mut IntText) -> &'b [u8] {
        self.bytes(scratch)
    }
}

impl HasText for Element<'_> {
    fn text<'b>(&'b self, scratch: &'b mut IntText) -> &'b [u8] {
        self.bytes(scratch)
    }
}

/// Whether no text occurs twice.
pub(super) fn all_unique<T: HasText>(items: impl Iterator<Item = T> + Clone) -> bool {
    let state = RandomState::new();
    let hash = |item: T| state.hash_one(item.text(&mut IntText::new()));
    let mut hashes: Vec<u64> = items.clone().map(hash).collect();
    hashes.sort_unstable();
    hashes.windows(2).all(|pair| pair[0] != pair[1]) || all_unique_by_text(items)
}

#[cold]
fn all_unique_by_text<T: HasText>(mut items: impl Iterator<Item = T>) -> bool {
    let mut seen = HashSet::new();
    items.all(|item| seen.insert(item.text(&mut IntText::new()).to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_in_two_forms_is_a_duplicate() {
        let raw = [Text::Raw(b"7"), Text::Raw(b"8"), Text::Inflated(b"9".as_slice().into()), Text::Int(10)];
        assert!(all_unique(raw.iter()));
        for other in [Text::Int(7), Text::Raw(b"9"), Text::Inflated(b"8".as_slice().into())] {
            let mut more = raw.to_vec();
            more.push(other);
            assert!(!all_unique(more.iter()));
        }
        let many: Vec<Text> = (0..10_000).map(Text::Int).collect();
        assert!(all_unique(many.iter()));
        assert!(!all_unique(many.iter().chain([&Text::Raw(b"5000")])));
    }
}
