//! Entries before they are in a segment, and writing them into their slot.

use super::layout::{Header, INLINE_LEN_MAX, KEY_LEN_MAX};
use super::view::Raw;
use crate::shard::value::{Type, Value};
use koltso_proto::id::UnixMs;
use std::ptr::NonNull;

/// What a new entry will hold.
pub(in crate::shard) enum Body<'a> {
    /// A string of up to [`INLINE_LEN_MAX`] bytes.
    Text(&'a [u8]),
    /// Anything.
    Value(Value),
}

impl<'a> Body<'a> {
    /// The body for a string of any length.
    #[inline]
    pub(in crate::shard) fn string(bytes: &'a [u8]) -> Self {
        if bytes.len() <= INLINE_LEN_MAX { Body::Text(bytes) } else { Body::Value(Value::string(bytes)) }
    }

    #[inline]
    pub(super) fn kind(&self) -> Type {
        match self {
            Body::Text(_) => Type::String,
            Body::Value(value) => value.kind(),
        }
    }

    #[inline]
    pub(super) fn text_len(&self) -> Option<usize> {
        match self {
            Body::Text(text) => Some(text.len()),
            Body::Value(_) => None,
        }
    }
}

/// A new entry, before it is in a segment.
pub(in crate::shard) struct Draft<'a> {
    pub(in crate::shard) key: &'a [u8],
    pub(in crate::shard) body: Body<'a>,
    pub(in crate::shard) expire: Option<UnixMs>,
    /// 24 bits.
    pub(in crate::shard) access: u32,
    /// Whether `OBJECT ENCODING` shall say `raw`.
    pub(in crate::shard) raw: bool,
}

impl Draft<'_> {
    #[inline]
    pub(super) fn header(&self) -> Header {
        Header::new(self.body.kind(), self.key.len(), self.body.text_len())
            .with_deadline(self.expire.is_some())
            .with_raw(self.raw)
            .with_access(self.access)
    }

    /// The bytes that its slot will take.
    #[inline]
    pub(in crate::shard) fn slot_len(&self) -> usize {
        self.header().slot_len()
    }
}

/// Writes an entry into a slot.
///
/// # Safety
/// The slot is at least as long as `header` says, and `header` is the draft's.
#[inline]
pub(super) unsafe fn write(raw: Raw, header: Header, draft: Draft<'_>) {
    // SAFETY: by the precondition, everything lies where the header says and within the slot.
    unsafe {
        raw.set_header(header);
        if let Some(expire) = draft.expire {
            raw.0.add(8).cast::<u64>().write(expire.0);
        }
        let key_field = raw.0.add(header.key_at());
        if draft.key.len() > KEY_LEN_MAX {
            key_field.cast::<*mut [u8]>().write_unaligned(Box::into_raw(draft.key.into()));
        } else {
            key_field.copy_from_nonoverlapping(start(draft.key), draft.key.len());
        }
        match draft.body {
            Body::Text(text) => raw.0.add(header.text_at()).copy_from_nonoverlapping(start(text), text.len()),
            Body::Value(value) => raw.value_ptr().write(value),
        }
    }
}

/// A slice's address as pointers into slots are.
#[inline]
pub(super) fn start(bytes: &[u8]) -> NonNull<u8> {
    NonNull::from(bytes).cast()
}
