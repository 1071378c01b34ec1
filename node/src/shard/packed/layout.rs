//! How an entry lies in memory, as arithmetic only: nothing in here touches memory.
//!
//! ```text
//!  0        1        2        4       5         8          16                                        … slot length
//! ┌────────┬────────┬────────┬───────┬─────────┬──────────┬────────────┬─────────────┬─────────────┬───────┐
//! │ flags  │key len │text len│ slack │ access  │[deadline]│  [Value]   │ key bytes   │ text bytes  │ slack │
//! └────────┴────────┴────────┴───────┴─────────┴──────────┴────────────┴─────────────┴─────────────┴───────┘
//!   u8       u8       u16      u8      3 bytes   u64 ms     if not text   or far key    if text
//! ```
//!
//! The text length's highest bit says that the entry is [touched](Header::is_touched).
//!
//! Slots begin at multiples of 8 bytes and are multiples of 8 bytes long. A string of up to [`INLINE_LEN_MAX`] bytes is text; a
//! longer one, and every other type, is a [`Value`] in the slot. A key of more than [`KEY_LEN_MAX`] bytes is far: a pointer and a
//! length stand in its place.

use crate::shard::value::{Type, Value};

/// The longest string that lies in the slot itself, in bytes.
pub(in crate::shard) const INLINE_LEN_MAX: usize = 1024;
/// The longest key that lies in the slot itself, in bytes.
pub(super) const KEY_LEN_MAX: usize = 255;
/// What slots are measured in, in bytes.
pub(super) const UNIT: usize = 8;
/// What stands in place of a far key: a pointer and a length.
const FAR_KEY_LEN: usize = 16;
const VALUE_LEN: usize = size_of::<Value>();

// A value is written at a multiple of 8 bytes, and must leave a slot far smaller than a chunk.
const _: () = assert!(align_of::<Value>() <= UNIT && VALUE_LEN.is_multiple_of(UNIT) && VALUE_LEN <= 256);

const KIND: u64 = 0b111;
/// The value is a [`Value`], not text.
const OWNED: u64 = 1 << 3;
const DEADLINE: u64 = 1 << 4;
/// `OBJECT ENCODING` says `raw`, however short the string is.
const RAW: u64 = 1 << 5;
const FAR_KEY: u64 = 1 << 6;
/// No entry: free bytes; their number, in units, stands in place of the text length.
const HOLE: u64 = 1 << 7;
/// The snapshot that is being taken has this entry already, or must not have it.
const TOUCHED: u64 = 1 << 31;
/// Text length and slack: what another body changes.
const TEXT_AND_SLACK: u64 = 0xff_7fff_0000;

/// The first 8 bytes of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header(pub(super) u64);

impl Header {
    /// A header without deadline, slack and access bits. `text_len` is `None` for a [`Value`].
    #[inline]
    pub(super) fn new(kind: Type, key_len: usize, text_len: Option<usize>) -> Self {
        let far = if key_len > KEY_LEN_MAX { FAR_KEY } else { (key_len as u64) << 8 };
        let text = match text_len {
            Some(len) => {
                debug_assert!(len <= INLINE_LEN_MAX && kind == Type::String);
                (len as u64) << 16
            }
            None => OWNED,
        };
        Header(kind as u64 | far | text)
    }

    /// The header of `len` free bytes; `len` is a multiple of the unit.
    #[inline]
    pub(super) fn hole(len: usize) -> Self {
        Header(HOLE | ((len / UNIT) as u64) << 16)
    }

    #[inline]
    pub(super) fn is_hole(self) -> bool {
        self.0 & HOLE != 0
    }

    #[inline]
    pub(super) fn is_owned(self) -> bool {
        self.0 & OWNED != 0
    }

    #[inline]
    pub(super) fn has_deadline(self) -> bool {
        self.0 & DEADLINE != 0
    }

    #[inline]
    pub(super) fn is_raw(self) -> bool {
        self.0 & RAW != 0
    }

    #[inline]
    pub(super) fn is_far(self) -> bool {
        self.0 & FAR_KEY != 0
    }

    /// Whether anything in the slot must be dropped with it.
    #[inline]
    pub(super) fn owns_memory(self) -> bool {
        self.0 & (OWNED | FAR_KEY) != 0
    }

    #[inline]
    pub(super) fn kind(self) -> Type {
        const KINDS: [Type; 8] =
            [Type::String, Type::List, Type::Set, Type::Zset, Type::Hash, Type::Stream, Type::Stream, Type::Stream];
        KINDS[(self.0 & KIND) as usize]
    }

    /// The length of a key that is not far.
    #[inline]
    pub(super) fn key_len(self) -> usize {
        (self.0 >> 8) as u8 as usize
    }

    #[inline]
    pub(super) fn text_len(self) -> usize {
        (self.0 >> 16) as usize & 0x7fff
    }

    /// Whether the snapshot that is being taken has this entry already, or must not have it.
    #[inline]
    pub(super) fn is_touched(self) -> bool {
        self.0 & TOUCHED != 0
    }

    #[inline]
    #[must_use]
    pub(super) fn with_touched(self, touched: bool) -> Self {
        Header(if touched { self.0 | TOUCHED } else { self.0 & !TOUCHED })
    }

    #[inline]
    pub(super) fn access(self) -> u32 {
        (self.0 >> 40) as u32
    }

    #[inline]
    #[must_use]
    pub(super) fn with_access(self, access: u32) -> Self {
        Header(self.0 & 0xff_ffff_ffff | u64::from(access) << 40)
    }

    #[inline]
    #[must_use]
    pub(super) fn with_deadline(self, deadline: bool) -> Self {
        Header(if deadline { self.0 | DEADLINE } else { self.0 & !DEADLINE })
    }

    #[inline]
    #[must_use]
    pub(super) fn with_raw(self, raw: bool) -> Self {
        Header(if raw { self.0 | RAW } else { self.0 & !RAW })
    }

    /// The same key with a text of this length for a value, and no slack.
    #[inline]
    #[must_use]
    pub(super) fn with_text(self, text_len: usize) -> Self {
        debug_assert!(text_len <= INLINE_LEN_MAX);
        Header(self.0 & !(KIND | OWNED | TEXT_AND_SLACK) | (text_len as u64) << 16)
    }

    /// The same key with a [`Value`] of this type, and no slack.
    #[must_use]
    pub(super) fn with_value(self, kind: Type) -> Self {
        Header(self.0 & !(KIND | TEXT_AND_SLACK) | kind as u64 | OWNED)
    }

    /// The same slot with `slot_len` bytes altogether; the rest is slack. `None` if that is too small, or too much.
    #[inline]
    #[must_use]
    pub(super) fn in_slot(self, slot_len: usize) -> Option<Self> {
        let slack = slot_len.checked_sub(self.used_len())? / UNIT;
        (slack <= 255).then_some(Header(self.0 & !(0xff << 32) | (slack as u64) << 32))
    }

    /// Where the [`Value`] begins, or the key if the value is text.
    #[inline]
    pub(super) fn body_at(self) -> usize {
        8 + ((self.0 & DEADLINE) >> 1) as usize
    }

    /// Where the key, or what stands in its place, begins.
    #[inline]
    pub(super) fn key_at(self) -> usize {
        self.body_at() + if self.is_owned() { VALUE_LEN } else { 0 }
    }

    /// The length of the key or of what stands in its place.
    #[inline]
    pub(super) fn key_field_len(self) -> usize {
        if self.is_far() { FAR_KEY_LEN } else { self.key_len() }
    }

    /// Where the text begins.
    #[inline]
    pub(super) fn text_at(self) -> usize {
        self.key_at() + self.key_field_len()
    }

    /// Where the last byte that means anything ends.
    #[inline]
    pub(super) fn end_at(self) -> usize {
        self.text_at() + if self.is_owned() { 0 } else { self.text_len() }
    }

    /// The length of the slot without its slack.
    #[inline]
    pub(super) fn used_len(self) -> usize {
        self.end_at().next_multiple_of(UNIT)
    }

    /// The length of the slot.
    #[inline]
    pub(super) fn slot_len(self) -> usize {
        if self.is_hole() { self.text_len() * UNIT } else { self.used_len() + (self.0 >> 32) as u8 as usize * UNIT }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_slot_do_not_overlap() {
        for key_len in [0, 1, 7, 8, 255, 256, 100_000] {
            for text_len in [Some(0), Some(1), Some(INLINE_LEN_MAX), None] {
                for deadline in [false, true] {
                    let kind = if text_len.is_some() { Type::String } else { Type::Zset };
                    let header =
                        Header::new(kind, key_len, text_len).with_deadline(deadline).with_access(0xab_cdef).with_raw(true);
                    assert_eq!(header.kind(), kind);
                    assert_eq!(header.access(), 0xab_cdef);
                    let touched = header.with_touched(true);
                    assert!(touched.is_touched() && !header.is_touched());
                    assert_eq!((touched.with_touched(false), touched.slot_len()), (header, header.slot_len()));
                    assert!(touched.with_text(5).is_touched() && touched.with_value(Type::Set).is_touched());
                    assert!(touched.in_slot(header.slot_len() + 8).unwrap().with_access(7).with_deadline(true).is_touched());
                    assert_eq!(header.body_at(), if deadline { 16 } else { 8 });
                    assert_eq!(header.key_at() - header.body_at(), if text_len.is_some() { 0 } else { VALUE_LEN });
                    assert_eq!(header.text_at() - header.key_at(), if key_len > 255 { 16 } else { key_len });
                    assert_eq!(header.end_at() - header.text_at(), text_len.unwrap_or(0));
                    assert_eq!(header.slot_len(), header.end_at().next_multiple_of(8));
                    let wide = header.in_slot(header.slot_len() + 2040).unwrap();
                    assert_eq!((wide.slot_len(), wide.used_len()), (header.slot_len() + 2040, header.used_len()));
                    assert!(header.in_slot(header.slot_len() + 2048).is_none());
                    assert!(header.in_slot(header.slot_len() - 8).is_none());
                    assert_eq!(
                        wide.with_text(3).slot_len(),
                        Header::new(Type::String, key_len, Some(3)).with_deadline(deadline).slot_len()
                    );
                }
            }
        }
        assert_eq!(Header::hole(8192).slot_len(), 8192);
    }
}
