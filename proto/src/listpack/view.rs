//! Reading a listpack: positions, elements, iteration, search; and the check that makes reading infallible.
//!
//! Never allocates. What changes a listpack is in the parent module.

use super::entry::{self, Element};
use super::{COUNT_UNKNOWN, Corrupt, END, HEADER_LEN, Listpack};
use crate::number::parse_i64;

/// A borrowed listpack, for blobs that live inside something else. Everything that reads is here; [`Listpack`] repeats it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ListpackRef<'a>(pub(super) &'a [u8]);

impl<'a> ListpackRef<'a> {
    /// Checks every entry, both length fields and the end.
    pub fn from_bytes_checked(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        check(bytes)?;
        Ok(ListpackRef(bytes))
    }

    /// Takes bytes that came out of a [`Listpack`] (or passed the check) before. Other bytes give wrong elements.
    pub fn from_trusted(bytes: &'a [u8]) -> Self {
        debug_assert_eq!(check(bytes), Ok(()));
        ListpackRef(bytes)
    }

    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// How many elements there are. Constant time below 65,535 elements, linear above.
    pub fn len(self) -> usize {
        match count_field(self.0) {
            COUNT_UNKNOWN => self.iter().count(),
            count => usize::from(count),
        }
    }

    pub fn is_empty(self) -> bool {
        self.0.get(HEADER_LEN).is_none_or(|&byte| byte == END)
    }

    /// Where the first entry is, or the end mark if there is none.
    fn head(self) -> usize {
        HEADER_LEN
    }

    /// Where the end mark is.
    pub(super) fn end(self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// The position of the first element.
    pub fn first(self) -> Option<usize> {
        (!self.is_empty()).then_some(self.head())
    }

    /// The position of the last element.
    pub fn last(self) -> Option<usize> {
        self.prev(self.end())
    }

    /// The position of the element after the one at `pos`.
    #[inline]
    pub fn next(self, pos: usize) -> Option<usize> {
        let next = pos + self.entry_len(pos)?;
        (next < self.end()).then_some(next)
    }

    /// The position of the element before the one at `pos`.
    #[inline]
    pub fn prev(self, pos: usize) -> Option<usize> {
        if pos <= HEADER_LEN {
            return None;
        }
        entry::start_of_previous(self.0, pos).filter(|&start| start >= HEADER_LEN)
    }

    /// The element at `pos`.
    #[inline]
    pub fn element(self, pos: usize) -> Option<Element<'a>> {
        entry::decode(self.0.get(pos..)?).map(|(element, _)| element)
    }

    /// Bytes of the whole entry at `pos`.
    pub(super) fn entry_len(self, pos: usize) -> Option<usize> {
        let (_, len) = entry::decode(self.0.get(pos..)?)?;
        Some(len + entry::backlen_size(len))
    }

    /// The position of element `index`; negative indexes count from the back, -1 being the last. Walks from the nearer end.
    pub fn seek(self, index: i64) -> Option<usize> {
        let count = count_field(self.0);
        let mut index = index;
        if count != COUNT_UNKNOWN {
            let count = i64::from(count);
            if index >= count || index < -count {
                return None;
            }
            let from_front = if index < 0 { index + count } else { index };
            index = if from_front <= count / 2 { from_front } else { from_front - count };
        }
        if index >= 0 {
            let mut pos = self.first()?;
            for _ in 0..index {
                pos = self.next(pos)?;
            }
            Some(pos)
        } else {
            let mut pos = self.last()?;
            for _ in index..-1 {
                pos = self.prev(pos)?;
            }
            Some(pos)
        }
    }

    /// Element `index`; negative indexes count from the back.
    pub fn get(self, index: i64) -> Option<Element<'a>> {
        self.element(self.seek(index)?)
    }

    /// All elements with their positions, front to back.
    pub fn iter(self) -> Iter<'a> {
        Iter { pack: self, pos: self.head() }
    }

    /// The elements from the one at `pos` on.
    pub fn iter_from(self, pos: usize) -> Iter<'a> {
        Iter { pack: self, pos }
    }

    /// All elements with their positions, back to front.
    pub fn iter_rev(self) -> IterRev<'a> {
        IterRev { pack: self, end: self.end() }
    }

    /// The element at `pos` and those before it, back to front.
    pub fn iter_rev_from(self, pos: usize) -> IterRev<'a> {
        IterRev { pack: self, end: pos.saturating_add(self.entry_len(pos).unwrap_or(0)) }
    }

    /// The position of the first element whose text is `needle`, looking at one element and then passing over `skip`: 1 looks at
    /// fields and passes over values.
    pub fn find(self, needle: &[u8], skip: usize) -> Option<usize> {
        self.find_from(self.head(), needle, skip)
    }

    /// Like [`ListpackRef::find`], beginning with the element at `pos`.
    pub fn find_from(self, pos: usize, needle: &[u8], skip: usize) -> Option<usize> {
        // Parsed once, so that an integer entry costs one comparison. A string entry is compared as text in any case, since a
        // foreign listpack may hold an integer as a string.
        let wanted = parse_i64(needle);
        self.iter_from(pos).step_by(skip.saturating_add(1)).find_map(|(pos, element)| {
            let found = match element {
                Element::Str(bytes) => bytes == needle,
                Element::Int(value) => wanted == Some(value),
            };
            found.then_some(pos)
        })
    }
}

impl<'a> IntoIterator for ListpackRef<'a> {
    type Item = (usize, Element<'a>);
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = (usize, Element<'a>);
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Front to back; see [`ListpackRef::iter`].
#[derive(Clone)]
pub struct Iter<'a> {
    pack: ListpackRef<'a>,
    pos: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (usize, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let pos = self.pos;
        let (element, len) = entry::decode(self.pack.0.get(pos..)?)?;
        self.pos = pos + len + entry::backlen_size(len);
        Some((pos, element))
    }
}

/// Back to front; see [`ListpackRef::iter_rev`].
#[derive(Clone)]
pub struct IterRev<'a> {
    pack: ListpackRef<'a>,
    end: usize,
}

impl<'a> Iterator for IterRev<'a> {
    type Item = (usize, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let pos = self.pack.prev(self.end)?;
        self.end = pos;
        Some((pos, self.pack.element(pos)?))
    }
}

pub(super) fn count_field(bytes: &[u8]) -> u16 {
    match bytes {
        [_, _, _, _, low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    }
}

/// The whole check of a blob from outside.
pub(super) fn check(bytes: &[u8]) -> Result<(), Corrupt> {
    let total = bytes.first_chunk().map(|head| u32::from_le_bytes(*head));
    if bytes.len() < HEADER_LEN + 1 || total.map(u64::from) != Some(bytes.len() as u64) {
        return Err(Corrupt("listpack: the size field does not match the size"));
    }
    let end = bytes.len() - 1;
    if bytes[end] != END {
        return Err(Corrupt("listpack: no end mark"));
    }
    let (mut pos, mut count) = (HEADER_LEN, 0usize);
    while pos < end {
        let (_, len) = entry::decode_checked(&bytes[pos..end]).ok_or(Corrupt("listpack: bad entry"))?;
        pos += len;
        count += 1;
    }
    let claimed = count_field(bytes);
    if claimed != COUNT_UNKNOWN && usize::from(claimed) != count {
        return Err(Corrupt("listpack: the element count is wrong"));
    }
    Ok(())
}
