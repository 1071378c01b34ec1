//! Listpacks: the packed form of small lists, hashes, sets and sorted sets, byte for byte as Redis stores them.
//!
//! ```text
//! <u32 LE: bytes in all> <u16 LE: elements, 65535 = count them> entry* 0xFF
//! ```
//!
//! The same bytes serve as the value in memory and as the blob in an RDB file, so writing one to a file is a copy. Entries are
//! described in `listpack/entry.rs`.
//!
//! A [`Listpack`] is always well formed: it is either built here or has passed [`Listpack::from_bytes_checked`]. Reading
//! therefore cannot fail and never allocates. Positions (`pos`) are byte offsets of entries; they stay good until the listpack
//! is changed, and a position that is none gives wrong elements or `None`, never a panic in reading.
//!
//! This module knows nothing of fields, scores or members: what the elements mean is the business of whoever holds them.

mod entry;
mod view;

use crate::blocks;
use entry::Encoded;
pub use entry::{Element, IntText};
use std::fmt;
pub use view::{Iter, IterRev, ListpackRef};
use view::{check, count_field};

/// Bytes in front of the first entry.
const HEADER_LEN: usize = 6;
const END: u8 = 0xFF;
/// The count that says "count them yourself".
const COUNT_UNKNOWN: u16 = u16::MAX;

/// What a new listpack takes, in bytes.
const FIRST_BLOCK: usize = 32;

/// No listpack should be let grow beyond this many bytes; real servers have the same limit. Ask [`Listpack::fits`] before adding
/// what a client sent.
pub const BYTES_MAX: usize = 1 << 30;

/// The bytes are not a listpack; the text says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Corrupt {}

/// An owned listpack.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack(Vec<u8>);

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(_, element)| element)).finish()
    }
}

/// Reading, as on [`ListpackRef`].
impl Listpack {
    pub fn view(&self) -> ListpackRef<'_> {
        ListpackRef(&self.0)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Bytes in all, header and end included.
    pub fn byte_len(&self) -> usize {
        self.0.len()
    }

    /// Bytes that the allocation holds.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    pub fn len(&self) -> usize {
        self.view().len()
    }

    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    pub fn first(&self) -> Option<usize> {
        self.view().first()
    }

    pub fn last(&self) -> Option<usize> {
        self.view().last()
    }

    pub fn next(&self, pos: usize) -> Option<usize> {
        self.view().next(pos)
    }

    pub fn prev(&self, pos: usize) -> Option<usize> {
        self.view().prev(pos)
    }

    pub fn element(&self, pos: usize) -> Option<Element<'_>> {
        self.view().element(pos)
    }

    pub fn seek(&self, index: i64) -> Option<usize> {
        self.view().seek(index)
    }

    pub fn get(&self, index: i64) -> Option<Element<'_>> {
        self.view().get(index)
    }

    pub fn iter(&self) -> Iter<'_> {
        self.view().iter()
    }

    pub fn iter_from(&self, pos: usize) -> Iter<'_> {
        self.view().iter_from(pos)
    }

    pub fn iter_rev(&self) -> IterRev<'_> {
        self.view().iter_rev()
    }

    pub fn iter_rev_from(&self, pos: usize) -> IterRev<'_> {
        self.view().iter_rev_from(pos)
    }

    pub fn find(&self, needle: &[u8], skip: usize) -> Option<usize> {
        self.view().find(needle, skip)
    }

    pub fn find_from(&self, pos: usize, needle: &[u8], skip: usize) -> Option<usize> {
        self.view().find_from(pos, needle, skip)
    }
}

/// Building and changing. Positions must come from this listpack as it is; anything else is a bug of the caller.
impl Listpack {
    /// An empty listpack with room for a short element.
    pub fn new() -> Self {
        Self::with_capacity(FIRST_BLOCK - HEADER_LEN - 1)
    }

    /// An empty listpack with room for `bytes` of entries.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut buf = Vec::with_capacity(bytes + HEADER_LEN + 1);
        buf.extend_from_slice(&[HEADER_LEN as u8 + 1, 0, 0, 0, 0, 0, END]);
        Listpack(buf)
    }

    /// Takes bytes from outside, after checking every entry, both length fields and the end.
    pub fn from_bytes_checked(bytes: impl Into<Vec<u8>>) -> Result<Self, Corrupt> {
        let bytes = bytes.into();
        check(&bytes)?;
        Ok(Listpack(bytes))
    }

    /// Makes room for these elements at once, and for no more than them.
    pub fn reserve_for<'a>(&mut self, elements: impl Iterator<Item = &'a [u8]>) {
        blocks::reserve(&mut self.0, elements.map(Self::entry_size).sum());
    }

    /// Whether `more` bytes of elements can be added without passing [`BYTES_MAX`].
    pub fn fits(&self, more: usize) -> bool {
        self.0.len().saturating_add(more).saturating_add(10) <= BYTES_MAX
    }

    /// Bytes that an element takes inside a listpack.
    pub fn entry_size(element: &[u8]) -> usize {
        Encoded::of(Element::Str(element)).total_len()
    }

    pub fn push_back(&mut self, element: &[u8]) {
        self.append(Encoded::of(Element::Str(element)));
    }

    pub fn push_back_int(&mut self, value: i64) {
        self.append(Encoded::of(Element::Int(value)));
    }

    /// Appends an element of another listpack.
    pub fn push_back_element(&mut self, element: Element<'_>) {
        self.append(Encoded::of(element));
    }

    pub fn push_front(&mut self, element: &[u8]) {
        self.insert_before(HEADER_LEN, element);
    }

    /// Inserts in front of the element at `pos`; the new element is then at `pos`.
    pub fn insert_before(&mut self, pos: usize, element: &[u8]) {
        self.splice(pos, 0, &[Encoded::of(Element::Str(element))]);
        self.count_add(1);
    }

    /// Inserts two elements in front of the one at `pos`, or at the end if `pos` is `None`.
    pub fn insert_pair(&mut self, pos: Option<usize>, first: Element<'_>, second: Element<'_>) {
        let pos = pos.unwrap_or(self.view().end());
        self.splice(pos, 0, &[Encoded::of(first), Encoded::of(second)]);
        self.count_add(2);
    }

    /// Inserts behind the element at `pos`, and returns where the new element is.
    pub fn insert_after(&mut self, pos: usize, element: &[u8]) -> usize {
        let next = pos + self.view().entry_len(pos).unwrap_or(0);
        self.insert_before(next, element);
        next
    }

    /// Puts `element` in the place of the one at `pos`.
    pub fn replace(&mut self, pos: usize, element: &[u8]) {
        let old = self.view().entry_len(pos).unwrap_or(0);
        self.splice(pos, old, &[Encoded::of(Element::Str(element))]);
    }

    /// Puts an integer in the place of the element at `pos`.
    pub fn replace_int(&mut self, pos: usize, value: i64) {
        let old = self.view().entry_len(pos).unwrap_or(0);
        self.splice(pos, old, &[Encoded::of(Element::Int(value))]);
    }

    /// Removes the element at `pos`. The one that followed it, if any, is then at `pos`: returned as [`Listpack::next`] would.
    pub fn remove(&mut self, pos: usize) -> Option<usize> {
        self.remove_many(pos, 1)
    }

    /// Removes up to `count` elements from `pos` on; returns the position of the one that followed them.
    pub fn remove_many(&mut self, pos: usize, count: usize) -> Option<usize> {
        let mut end = pos;
        let mut removed = 0;
        while removed < count
            && let Some(len) = self.view().entry_len(end)
        {
            end += len;
            removed += 1;
        }
        self.splice(pos, end - pos, &[]);
        self.count_sub(removed);
        (pos < self.view().end()).then_some(pos)
    }

    /// Removes up to `count` elements from element `index` on (negative: from the back).
    pub fn remove_range(&mut self, index: i64, count: usize) {
        if count > 0
            && let Some(pos) = self.seek(index)
        {
            self.remove_many(pos, count);
        }
    }

    /// Empties the listpack and keeps its allocation.
    pub fn clear(&mut self) {
        self.0.clear();
        self.0.extend_from_slice(&[HEADER_LEN as u8 + 1, 0, 0, 0, 0, 0, END]);
    }

    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    fn append(&mut self, entry: Encoded<'_>) {
        blocks::reserve(&mut self.0, entry.total_len());
        self.0.pop();
        entry.append(&mut self.0);
        self.0.push(END);
        self.set_total();
        self.count_add(1);
    }

    /// Replaces `old` bytes at `pos` by `entries`, moving what is behind.
    fn splice(&mut self, pos: usize, old: usize, entries: &[Encoded<'_>]) {
        let new: usize = entries.iter().map(Encoded::total_len).sum();
        let len = self.0.len();
        if new > old {
            blocks::reserve(&mut self.0, new - old);
            self.0.resize(len + (new - old), 0);
        }
        if new != old {
            self.0.copy_within(pos + old..len, pos + new);
        }
        self.0.truncate(len - old + new);
        let mut at = pos;
        for entry in entries {
            let end = at + entry.total_len();
            entry.write(&mut self.0[at..end]);
            at = end;
        }
        self.set_total();
    }

    fn set_total(&mut self) {
        let total = u32::try_from(self.0.len()).expect("a listpack is kept below BYTES_MAX by its owner");
        self.0[..4].copy_from_slice(&total.to_le_bytes());
    }

    fn count_add(&mut self, added: u16) {
        let count = count_field(&self.0).saturating_add(added);
        self.0[4..6].copy_from_slice(&count.to_le_bytes());
    }

    fn count_sub(&mut self, removed: usize) {
        let count = count_field(&self.0);
        if count != COUNT_UNKNOWN {
            let count = count.saturating_sub(removed.min(usize::from(u16::MAX)) as u16);
            self.0[4..6].copy_from_slice(&count.to_le_bytes());
        }
    }
}

impl<'a> FromIterator<&'a [u8]> for Listpack {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(elements: I) -> Self {
        let mut pack = Listpack::new();
        for element in elements {
            pack.push_back(element);
        }
        pack
    }
}

#[cfg(test)]
mod tests;
