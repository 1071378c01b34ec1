//! What writing costs, and writing long strings in pieces.
//!
//! A budget is a number of bytes to copy, which stands for the time that this takes. An element costs something by itself, and
//! compressing costs much more than copying.

use koltso_proto::rdb::Lzf;
use koltso_proto::rdb::writer::{put_len, put_string};

/// What an element costs beside its bytes.
pub const ELEMENT_COST: usize = 64;
/// What a byte costs that is compressed.
const COMPRESSED_COST: usize = 8;

/// Takes the cost of an element of `len` bytes off a budget.
#[inline]
pub fn spend(budget: &mut usize, len: usize, compressed: bool) {
    let each = if compressed { COMPRESSED_COST } else { 1 };
    *budget = budget.saturating_sub(len.saturating_mul(each).saturating_add(ELEMENT_COST));
}

/// How strings are written.
#[derive(Debug)]
pub struct Texts {
    /// Longer elements are written in pieces, and not compressed; in bytes.
    pub at_once_max: usize,
    /// How many bytes of such an element are written.
    pub within: usize,
}

impl Texts {
    /// Appends an element, of some strings; true if it is whole. If not, the same call goes on with it.
    pub fn put<const N: usize>(
        &mut self,
        out: &mut Vec<u8>,
        budget: &mut usize,
        texts: [&[u8]; N],
        lzf: Option<&mut Lzf>,
    ) -> bool {
        self.put_between(out, budget, [&[], &[]], texts, lzf)
    }

    /// The same for an element that has something, encoded, before and behind its strings.
    pub fn put_between<const N: usize>(
        &mut self,
        out: &mut Vec<u8>,
        budget: &mut usize,
        [before, behind]: [&[u8]; 2],
        texts: [&[u8]; N],
        mut lzf: Option<&mut Lzf>,
    ) -> bool {
        let len = texts.iter().map(|text| text.len()).sum::<usize>();
        if len <= self.at_once_max {
            spend(budget, len, lzf.is_some());
            out.extend_from_slice(before);
            texts.iter().for_each(|text| put_string(out, text, lzf.as_deref_mut()));
            out.extend_from_slice(behind);
            return true;
        }
        let lens = texts.map(|text| {
            let mut len = Vec::with_capacity(9);
            put_len(&mut len, text.len() as u64);
            len
        });
        let parts = lens.iter().zip(texts).flat_map(|(len, text)| [&len[..], text]);
        self.put_parts(out, budget, [before].into_iter().chain(parts).chain([behind]))
    }

    /// Appends a long element, as it stands in the file; true if it is whole.
    pub fn put_parts<'a>(&mut self, out: &mut Vec<u8>, budget: &mut usize, parts: impl Iterator<Item = &'a [u8]>) -> bool {
        let (mut skip, mut room) = (self.within, *budget);
        for part in parts {
            let from = skip.min(part.len());
            skip -= from;
            let to = part.len().min(from.saturating_add(room));
            out.extend_from_slice(&part[from..to]);
            (room, self.within) = (room - (to - from), self.within + (to - from));
            if to < part.len() {
                *budget = 0;
                return false;
            }
        }
        self.within = 0;
        *budget = room.saturating_sub(ELEMENT_COST);
        true
    }
}
