//! Reading the primitives of the format - lengths, strings, numbers - from a slice that holds all of them.
//!
//! Missing bytes are a fault here; waiting for more is the business of [`super::extent`].

use super::consts::lead;
use super::error::Fault;
use super::lzf;
use super::value::Text;
use std::borrow::Cow;

/// A length byte with what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Len {
    Plain(u64),
    /// One of the special string forms in [`lead`].
    Special(u8),
}

/// Reads a length at the beginning of `bytes`: what it is and how many bytes it took. `None` if bytes are missing.
#[inline]
pub(super) fn parse_len(bytes: &[u8]) -> Result<Option<(Len, usize)>, Fault> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let plain = |value: Option<u64>, size: usize| Ok(value.map(|value| (Len::Plain(value), size)));
    match first {
        0..lead::BITS_14 => plain(Some(u64::from(first)), 1),
        lead::BITS_14..lead::BITS_32 => plain(rest.first().map(|&low| u64::from(u16::from_be_bytes([first & 0x3F, low]))), 2),
        lead::BITS_32 => plain(rest.first_chunk().map(|chunk| u64::from(u32::from_be_bytes(*chunk))), 5),
        lead::BITS_64 => plain(rest.first_chunk().map(|chunk| u64::from_be_bytes(*chunk)), 9),
        lead::INT8..=lead::LZF => Ok(Some((Len::Special(first), 1))),
        _ => Err(Fault::Corrupt("unknown length encoding")),
    }
}

/// A position in a slice.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    pos: usize,
    /// No string, compressed or not, may be longer.
    string_max: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], string_max: u64) -> Self {
        Cursor { bytes, pos: 0, string_max }
    }

    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.pos..]
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let taken = self.rest().get(..len).ok_or(Fault::Truncated)?;
        self.pos += len;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let taken = *self.rest().first_chunk::<N>().ok_or(Fault::Truncated)?;
        self.pos += N;
        Ok(taken)
    }

    #[inline]
    fn any_len(&mut self) -> Result<Len, Fault> {
        let (len, size) = parse_len(self.rest())?.ok_or(Fault::Truncated)?;
        self.pos += size;
        Ok(len)
    }

    /// A length that is not the head of a special string.
    #[inline]
    pub(super) fn len(&mut self) -> Result<u64, Fault> {
        match self.any_len()? {
            Len::Plain(len) => Ok(len),
            Len::Special(_) => Err(Fault::Corrupt("a length expected, a string found")),
        }
    }

    /// A count of things that take at least one byte each.
    pub(super) fn count(&mut self) -> Result<usize, Fault> {
        let count = usize::try_from(self.len()?).map_err(|_| Fault::Truncated)?;
        if count > self.rest().len() { Err(Fault::Truncated) } else { Ok(count) }
    }

    /// A length as the size of something in memory.
    fn size(&mut self) -> Result<usize, Fault> {
        let len = self.len()?;
        self.checked_size(len)
    }

    fn checked_size(&self, len: u64) -> Result<usize, Fault> {
        if len > self.string_max {
            return Err(Fault::StringTooLong { len, max: self.string_max });
        }
        usize::try_from(len).map_err(|_| Fault::StringTooLong { len, max: self.string_max })
    }

    /// A string in any form.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Text<'a>, Fault> {
        match self.any_len()? {
            Len::Plain(len) => {
                let len = self.checked_size(len)?;
                Ok(Text::Raw(self.take(len)?))
            }
            Len::Special(form) => self.special(form),
        }
    }

    fn special(&mut self, form: u8) -> Result<Text<'a>, Fault> {
        Ok(match form {
            lead::INT8 => Text::Int(i64::from(i8::from_le_bytes(self.array()?))),
            lead::INT16 => Text::Int(i64::from(i16::from_le_bytes(self.array()?))),
            lead::INT32 => Text::Int(i64::from(i32::from_le_bytes(self.array()?))),
            _ => {
                let (packed_len, len) = (self.size()?, self.size()?);
                let packed = self.take(packed_len)?;
                let bytes = lzf::decompress(packed, len).ok_or(Fault::Corrupt("bad LZF data"))?;
                Text::Inflated(bytes.into_boxed_slice())
            }
        })
    }

    /// A string that holds a packed value.
    pub(super) fn blob(&mut self) -> Result<Cow<'a, [u8]>, Fault> {
        Ok(self.text()?.into_cow())
    }

    /// A score of a `ZSET`: text behind a length byte, or one of three special bytes.
    pub(super) fn text_double(&mut self) -> Result<f64, Fault> {
        match self.array::<1>()?[0] {
            253 => Ok(f64::NAN),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            len => {
                let text = self.take(usize::from(len))?;
                crate::number::parse_f64(text).ok_or(Fault::Corrupt("a score that is not a number"))
            }
        }
    }

    pub(super) fn double(&mut self) -> Result<f64, Fault> {
        self.array().map(f64::from_le_bytes)
    }
}

/// The name of a module type, from its 64-bit id: nine characters of six bits, then ten bits of version.
pub(super) fn module_name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).map(|i| char::from(CHARACTERS[(id >> (58 - 6 * i) & 63) as usize])).collect()
}
