//! Intsets: small sets of integers, byte for byte as Redis stores them.
//!
//! ```text
//! <u32 LE: bytes per integer: 2, 4 or 8> <u32 LE: how many> integers, little endian, ascending
//! ```
//!
//! As in [`crate::listpack`], the same bytes serve in memory and in RDB files. The width grows when a larger integer comes in
//! and never shrinks, as in the real servers. When to change over to another encoding is not decided here.

use crate::blocks;
use crate::listpack::Corrupt;
use std::fmt;

const HEADER_LEN: usize = 8;

/// A sorted set of integers.
#[derive(Clone, PartialEq, Eq)]
pub struct Intset(Vec<u8>);

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The narrowest of the three widths that holds `value`.
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

/// Reads the integer at the beginning of `bytes`; 0 if they are too few, which no well-formed set leads to.
fn read(bytes: &[u8], width: usize) -> i64 {
    match width {
        2 => bytes.first_chunk().map_or(0, |chunk| i64::from(i16::from_le_bytes(*chunk))),
        4 => bytes.first_chunk().map_or(0, |chunk| i64::from(i32::from_le_bytes(*chunk))),
        _ => bytes.first_chunk().map_or(0, |chunk| i64::from_le_bytes(*chunk)),
    }
}

impl Intset {
    pub fn new() -> Self {
        Intset(vec![2, 0, 0, 0, 0, 0, 0, 0])
    }

    /// Takes bytes from outside: sizes must agree, and the integers be ascending without duplicates.
    pub fn from_bytes_checked(bytes: impl Into<Vec<u8>>) -> Result<Self, Corrupt> {
        let set = Intset(bytes.into());
        let Some((header, rest)) = set.0.split_first_chunk::<HEADER_LEN>() else {
            return Err(Corrupt("intset: shorter than its header"));
        };
        let [a, b, c, d, e, f, g, h] = *header;
        let width = u32::from_le_bytes([a, b, c, d]);
        let count = u32::from_le_bytes([e, f, g, h]);
        if !matches!(width, 2 | 4 | 8) {
            return Err(Corrupt("intset: unknown integer width"));
        }
        if u64::from(width) * u64::from(count) != rest.len() as u64 {
            return Err(Corrupt("intset: the element count does not match the size"));
        }
        if !set.iter().is_sorted_by(|a, b| a < b) {
            return Err(Corrupt("intset: not ascending, or a duplicate"));
        }
        Ok(set)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub fn byte_len(&self) -> usize {
        self.0.len()
    }

    /// Bytes that the allocation holds.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Bytes per integer: 2, 4 or 8.
    fn width(&self) -> usize {
        usize::from(self.0[0])
    }

    pub fn len(&self) -> usize {
        (self.0.len() - HEADER_LEN) / self.width()
    }

    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER_LEN
    }

    fn at(&self, index: usize) -> i64 {
        let width = self.width();
        read(&self.0[HEADER_LEN + index * width..], width)
    }

    /// The integer at `index` in ascending order.
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.at(index))
    }

    /// The integers, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + Clone + '_ {
        let width = self.width();
        self.0[HEADER_LEN..].chunks_exact(width).map(move |chunk| read(chunk, width))
    }

    /// Where `value` is, or where it would have to be.
    fn search(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        // Sets are often filled in ascending order.
        if high > 0 && self.at(high - 1) < value {
            return Err(high);
        }
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    pub fn contains(&self, value: i64) -> bool {
        width_of(value) <= self.width() && self.search(value).is_ok()
    }

    /// Adds `value`; false if it was there.
    pub fn insert(&mut self, value: i64) -> bool {
        if width_of(value) > self.width() {
            self.widen(width_of(value));
        }
        let Err(index) = self.search(value) else { return false };
        let width = self.width();
        let (pos, len) = (HEADER_LEN + index * width, self.0.len());
        blocks::reserve(&mut self.0, width);
        self.0.resize(len + width, 0);
        self.0.copy_within(pos..len, pos + width);
        self.0[pos..pos + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.set_count();
        true
    }

    /// Removes `value`; false if it was not there.
    pub fn remove(&mut self, value: i64) -> bool {
        if width_of(value) > self.width() {
            return false;
        }
        let Ok(index) = self.search(value) else { return false };
        let pos = HEADER_LEN + index * self.width();
        self.0.drain(pos..pos + self.width());
        self.set_count();
        true
    }

    fn set_count(&mut self) {
        // Below 2^32 because no owner lets an intset grow to 8 GB; the servers change the encoding at 512 elements.
        let count = self.len() as u32;
        self.0[4..8].copy_from_slice(&count.to_le_bytes());
    }

    fn widen(&mut self, width: usize) {
        let mut wide = Vec::with_capacity(HEADER_LEN + (self.len() + 1) * width);
        wide.extend_from_slice(&(width as u32).to_le_bytes());
        wide.extend_from_slice(&self.0[4..8]);
        for value in self.iter() {
            wide.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        self.0 = wide;
    }
}

impl FromIterator<i64> for Intset {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Self {
        let mut set = Intset::new();
        for value in values {
            set.insert(value);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn behaves_like_a_sorted_set_across_all_widths() {
        let mut set = Intset::new();
        let mut model = BTreeSet::new();
        let mut state = 7u64;
        for round in 0..3000u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let shift = 64 - [6, 12, 16, 20, 32, 40, 64][(round / 430) as usize];
            let value = (state as i64) >> shift;
            if state & 3 == 0 {
                assert_eq!(set.remove(value), model.remove(&value));
            } else {
                assert_eq!(set.insert(value), model.insert(value));
            }
            assert_eq!(set.contains(value), model.contains(&value));
            assert_eq!(set.len(), model.len());
        }
        assert!(set.iter().eq(model.iter().copied()));
        assert!(set.iter().rev().eq(model.iter().rev().copied()));
        assert_eq!(set.get(3), model.iter().nth(3).copied());
        assert_eq!(set.get(set.len()), None);
        assert_eq!(Intset::from_bytes_checked(set.as_bytes()), Ok(set.clone()));
    }

    #[test]
    fn widens_at_the_exact_limits() {
        for (value, width) in [
            (i64::from(i16::MAX), 2),
            (i64::from(i16::MAX) + 1, 4),
            (i64::from(i16::MIN), 2),
            (i64::from(i16::MIN) - 1, 4),
            (i64::from(i32::MIN), 4),
            (i64::from(i32::MIN) - 1, 8),
            (i64::MAX, 8),
            (i64::MIN, 8),
        ] {
            let set = Intset::from_iter([1, value]);
            assert_eq!(set.as_bytes()[0], width, "{value}");
            assert!(set.contains(value) && set.contains(1) && !set.contains(2));
        }
    }

    #[test]
    fn refuses_unsorted_duplicate_and_short_blobs() {
        let good = Intset::from_iter([1, 2, 3]);
        assert_eq!(good.as_bytes(), [2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 2, 0, 3, 0]);
        for cut in 0..good.byte_len() {
            assert!(Intset::from_bytes_checked(&good.as_bytes()[..cut]).is_err(), "{cut}");
        }
        for (at, byte) in [(0, 3), (0, 4), (4, 2), (4, 4), (7, 0x40), (8, 2), (8, 3), (12, 1)] {
            let mut bad = good.as_bytes().to_vec();
            bad[at] = byte;
            assert!(Intset::from_bytes_checked(bad).is_err(), "byte {at} = {byte}");
        }
    }
}
