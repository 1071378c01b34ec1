//! Looking at one slot: the raw view that the segment works with, and the safe one that it hands out.

use super::Segment;
use super::layout::Header;
use crate::shard::value::{Type, Value, ValueRef};
use koltso_proto::id::UnixMs;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// The longest string that `OBJECT ENCODING` calls `embstr`, in bytes.
const EMBSTR_LEN_MAX: usize = 44;
/// The longest text of a 64-bit integer, in bytes.
const INT_TEXT_LEN_MAX: usize = 20;

/// A slot that holds an entry. Its methods are unsafe to call on anything else, and what they return must not outlive the slot.
#[derive(Clone, Copy)]
pub(super) struct Raw(pub(super) NonNull<u8>);

impl Raw {
    /// # Safety
    /// For this and all below: the slot is live, and its header fits what is in it.
    #[inline]
    pub(super) unsafe fn header(self) -> Header {
        // SAFETY: slots are aligned to 8 bytes and begin with a header.
        Header(unsafe { self.0.cast::<u64>().read() })
    }

    /// # Safety
    /// As above; the new header must fit what is, or will be, in the slot.
    #[inline]
    pub(super) unsafe fn set_header(self, header: Header) {
        // SAFETY: as above.
        unsafe { self.0.cast::<u64>().write(header.0) }
    }

    /// # Safety
    /// As above.
    #[inline]
    pub(super) unsafe fn deadline(self) -> Option<u64> {
        // SAFETY: where the header says so, 8 bytes of deadline follow it.
        unsafe { self.header().has_deadline().then(|| self.0.add(8).cast::<u64>().read()) }
    }

    /// # Safety
    /// As above.
    #[inline]
    pub(super) unsafe fn key<'a>(self) -> &'a [u8] {
        // SAFETY: the key, or the pointer and the length that stand in its place, were written where the header says.
        unsafe {
            let header = self.header();
            let field = self.0.add(header.key_at());
            if header.is_far() {
                return &*field.cast::<*const [u8]>().read_unaligned();
            }
            std::slice::from_raw_parts(field.as_ptr(), header.key_len())
        }
    }

    /// # Safety
    /// As above; the value is text.
    #[inline]
    pub(super) unsafe fn text<'a>(self) -> &'a [u8] {
        // SAFETY: the text was written where the header says.
        unsafe {
            let header = self.header();
            std::slice::from_raw_parts(self.0.add(header.text_at()).as_ptr(), header.text_len())
        }
    }

    /// # Safety
    /// As above; the value is not text.
    #[inline]
    pub(super) unsafe fn value_ptr(self) -> NonNull<Value> {
        // SAFETY: the value was written where the header says, which is a multiple of 8 bytes.
        unsafe { self.0.add(self.header().body_at()).cast::<Value>() }
    }
}

/// An entry in a table, to look at.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    /// A live slot that stays where it is and as it is, but for its access bits, for `'a`.
    raw: Raw,
    /// Not `Send`, because [`set_access`](EntryRef::set_access) writes through it.
    segment: PhantomData<(&'a Segment, *const u8)>,
}

impl<'a> EntryRef<'a> {
    /// # Safety
    /// `raw` is a live slot of a segment that is borrowed for `'a`.
    #[inline]
    pub(super) unsafe fn new(raw: Raw) -> Self {
        EntryRef { raw, segment: PhantomData }
    }

    #[inline]
    fn header(self) -> Header {
        // SAFETY: the slot is live for `'a`.
        unsafe { self.raw.header() }
    }

    /// The key.
    #[inline]
    pub fn key(self) -> &'a [u8] {
        // SAFETY: the slot is live for `'a`, and the key's bytes do not change while the segment is borrowed.
        unsafe { self.raw.key() }
    }

    /// The value.
    #[inline]
    pub fn value(self) -> ValueRef<'a> {
        // SAFETY: the slot is live for `'a`; the header says which of the two it holds.
        unsafe {
            match self.header().is_owned() {
                false => ValueRef::Str(self.raw.text()),
                true => self.raw.value_ptr().as_ref().view(),
            }
        }
    }

    /// The value where it has memory of its own: it can be cloned cheaply if it shares.
    pub fn owned_value(self) -> Option<&'a Value> {
        // SAFETY: as in `value`.
        self.header().is_owned().then(|| unsafe { self.raw.value_ptr().as_ref() })
    }

    /// The type of the value.
    #[inline]
    pub fn kind(self) -> Type {
        self.header().kind()
    }

    /// The deadline.
    #[inline]
    pub fn expire(self) -> Option<UnixMs> {
        // SAFETY: the slot is live for `'a`.
        unsafe { self.raw.deadline() }.map(UnixMs)
    }

    /// The 24 bits that say when or how often the entry was used; see [`access`](crate::shard::access).
    #[inline]
    pub fn access(self) -> u32 {
        self.header().access()
    }

    /// Sets the access bits. This is the one thing that changes under a shared borrow.
    #[inline]
    pub fn set_access(self, access: u32) {
        let header = self.header();
        if header.access() != access & 0xff_ffff {
            // SAFETY: nobody holds a reference to the header's bytes, and the segment is not shared between threads.
            unsafe { self.raw.set_header(header.with_access(access)) }
        }
    }

    /// Whether the snapshot that is being taken has this entry already, or must not have it. Says nothing where the segment's marks
    /// are not known to be of that snapshot.
    #[inline]
    pub(in crate::shard) fn is_touched(self) -> bool {
        self.header().is_touched()
    }

    /// Whether the string was made by changing another one in place, so that `OBJECT ENCODING` calls it `raw`.
    pub fn is_raw(self) -> bool {
        self.header().is_raw()
    }

    /// What `OBJECT ENCODING` says.
    pub fn encoding(self) -> &'static str {
        match self.value() {
            ValueRef::Str(_) if self.is_raw() => "raw",
            ValueRef::Str(text) => string_encoding(text),
            ValueRef::List(list) => list.encoding(),
            ValueRef::Set(set) => set.encoding(),
            ValueRef::Hash(hash) => hash.encoding(),
            ValueRef::Zset(zset) => zset.encoding(),
            ValueRef::Stream(_) => "stream",
        }
    }

    /// Bytes that the entry takes, its share of the index included, as `MEMORY USAGE` says.
    pub fn heap_bytes(self) -> usize {
        const INDEX_BYTES: usize = 6;
        let header = self.header();
        let far_key = if header.is_far() { self.key().len() } else { 0 };
        let value = if header.is_owned() { self.value().heap_bytes() } else { 0 };
        INDEX_BYTES + header.slot_len() + far_key + value
    }
}

fn string_encoding(text: &[u8]) -> &'static str {
    if text.len() <= INT_TEXT_LEN_MAX && is_canonical_int(text) {
        "int"
    } else if text.len() <= EMBSTR_LEN_MAX {
        "embstr"
    } else {
        "raw"
    }
}

/// Whether the text is what a 64-bit signed integer is printed as.
fn is_canonical_int(text: &[u8]) -> bool {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    number.is_some_and(|number| itoa::Buffer::new().format(number).as_bytes() == text)
}
