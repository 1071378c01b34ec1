//! One listpack entry: how an element is encoded, read back, and found again from behind.
//!
//! ```text
//! entry := head body backlen
//!
//! 0xxxxxxx                       integer 0..127
//! 10xxxxxx            + body     string, 6-bit length
//! 110xxxxx xxxxxxxx              integer, 13 bits, signed
//! 1110xxxx xxxxxxxx   + body     string, 12-bit length, high bits first
//! 11110000 <u32 LE>   + body     string, 32-bit length
//! 11110001 <i16 LE>              integer
//! 11110010 <i24 LE>              integer
//! 11110011 <i32 LE>              integer
//! 11110100 <i64 LE>              integer
//! 11111111                       not an entry: the end of the listpack
//!
//! backlen: the length of head and body, seven bits per byte, most significant first; every byte but the first has its
//! top bit set, so that it can be read backwards.
//! ```
//!
//! Nothing here knows about the listpack's header.

use crate::number::parse_i64;

/// An element of a listpack. Strings that are canonical integers are stored, and come back, as integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    Str(&'a [u8]),
    Int(i64),
}

/// Room for the decimal text of any `i64`.
pub type IntText = itoa::Buffer;

impl<'a> Element<'a> {
    /// Appends the element's text.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Element::Str(bytes) => out.extend_from_slice(bytes),
            Element::Int(value) => out.extend_from_slice(IntText::new().format(*value).as_bytes()),
        }
    }

    /// The element's text; `scratch` holds it if it is an integer.
    pub fn bytes<'b>(&self, scratch: &'b mut IntText) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Element::Str(bytes) => bytes,
            Element::Int(value) => scratch.format(*value).as_bytes(),
        }
    }

    /// The element's text, owned.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes(&mut IntText::new()).to_vec()
    }

    /// Whether the element's text is `text`.
    pub fn eq_bytes(&self, text: &[u8]) -> bool {
        match self {
            Element::Str(bytes) => *bytes == text,
            Element::Int(value) => parse_i64(text) == Some(*value),
        }
    }

    /// How many bytes the element's text has.
    pub fn text_len(&self) -> usize {
        match self {
            Element::Str(bytes) => bytes.len(),
            Element::Int(value) => IntText::new().format(*value).len(),
        }
    }

    /// The element's value if its text is a canonical integer.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Element::Str(bytes) => parse_i64(bytes),
            Element::Int(value) => Some(*value),
        }
    }
}

/// An element in its stored form, except for the back length: a head of a few bytes, then the string if it is one.
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_len: usize,
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    pub(super) fn of(element: Element<'a>) -> Self {
        match element {
            Element::Str(bytes) => parse_i64(bytes).map_or_else(|| Self::of_str(bytes), Self::of_int),
            Element::Int(value) => Self::of_int(value),
        }
    }

    fn with_head(head: &[u8], body: &'a [u8]) -> Self {
        let mut room = [0; 9];
        room[..head.len()].copy_from_slice(head);
        Encoded { head: room, head_len: head.len(), body }
    }

    fn of_str(bytes: &'a [u8]) -> Self {
        let len = bytes.len();
        if len < 1 << 6 {
            Self::with_head(&[0x80 | len as u8], bytes)
        } else if len < 1 << 12 {
            Self::with_head(&[0xE0 | (len >> 8) as u8, len as u8], bytes)
        } else {
            let [a, b, c, d] = (len as u32).to_le_bytes();
            Self::with_head(&[0xF0, a, b, c, d], bytes)
        }
    }

    fn of_int(value: i64) -> Self {
        let le = value.to_le_bytes();
        if (0..=127).contains(&value) {
            Self::with_head(&le[..1], &[])
        } else if (-4096..=4095).contains(&value) {
            Self::with_head(&[0xC0 | (le[1] & 0x1F), le[0]], &[])
        } else {
            let (tag, width) = match value {
                -0x8000..=0x7FFF => (0xF1, 2),
                -0x80_0000..=0x7F_FFFF => (0xF2, 3),
                -0x8000_0000..=0x7FFF_FFFF => (0xF3, 4),
                _ => (0xF4, 8),
            };
            let mut head = [tag; 9];
            head[1..=width].copy_from_slice(&le[..width]);
            Self::with_head(&head[..=width], &[])
        }
    }

    /// Bytes of the whole entry, back length included.
    pub(super) fn total_len(&self) -> usize {
        let len = self.head_len + self.body.len();
        len + backlen_size(len)
    }

    /// Writes the whole entry into `room`, which has exactly [`Encoded::total_len`] bytes.
    pub(super) fn write(&self, room: &mut [u8]) {
        let len = self.head_len + self.body.len();
        room[..self.head_len].copy_from_slice(&self.head[..self.head_len]);
        room[self.head_len..len].copy_from_slice(self.body);
        write_backlen(len, &mut room[len..]);
    }

    /// Appends the whole entry.
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        let len = self.head_len + self.body.len();
        out.extend_from_slice(&self.head[..self.head_len]);
        out.extend_from_slice(self.body);
        let mut backlen = [0; 5];
        let size = backlen_size(len);
        write_backlen(len, &mut backlen[..size]);
        out.extend_from_slice(&backlen[..size]);
    }
}

/// Bytes that the back length of an entry takes. The limits are one less than seven bits per byte would allow, because the
/// servers write it so.
pub(super) fn backlen_size(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

fn write_backlen(len: usize, room: &mut [u8]) {
    let mut rest = len;
    for byte in room.iter_mut().rev() {
        *byte = (rest & 0x7F) as u8 | 0x80;
        rest >>= 7;
    }
    room[0] &= 0x7F;
}

/// Where the entry starts whose last byte is just before `end`; `None` if there is no such entry. Reads only in front of
/// `end`.
pub(super) fn start_of_previous(bytes: &[u8], end: usize) -> Option<usize> {
    let mut len = 0usize;
    for i in 0..5 {
        let byte = *bytes.get(end.checked_sub(i + 1)?)?;
        len |= usize::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return end.checked_sub(len + i + 1);
        }
    }
    None
}

/// Reads the entry at the beginning of `bytes`: the element, and the length of head and body. `None` at the end of the
/// listpack, and for anything that is not an entry.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let (&tag, rest) = bytes.split_first()?;
    let string = |head: usize, len: usize| Some((Element::Str(bytes.get(head..head.checked_add(len)?)?), head + len));
    match tag {
        0x00..=0x7F => Some((Element::Int(i64::from(tag)), 1)),
        0x80..=0xBF => string(1, usize::from(tag & 0x3F)),
        0xC0..=0xDF => {
            let raw = u16::from_be_bytes([tag & 0x1F, *rest.first()?]);
            // Shift up and back to carry the sign of the thirteenth bit.
            Some((Element::Int(i64::from(((raw << 3) as i16) >> 3)), 2))
        }
        0xE0..=0xEF => string(2, usize::from(u16::from_be_bytes([tag & 0x0F, *rest.first()?]))),
        0xF0 => string(5, usize::try_from(u32::from_le_bytes(*rest.first_chunk()?)).ok()?),
        0xF1 => Some((Element::Int(i64::from(i16::from_le_bytes(*rest.first_chunk()?))), 3)),
        0xF2 => {
            let [a, b, c] = *rest.first_chunk()?;
            Some((Element::Int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)), 4))
        }
        0xF3 => Some((Element::Int(i64::from(i32::from_le_bytes(*rest.first_chunk()?))), 5)),
        0xF4 => Some((Element::Int(i64::from_le_bytes(*rest.first_chunk()?)), 9)),
        0xF5.. => None,
    }
}

/// Like [`decode`], for bytes from outside: also checks the back length. Returns the element and the length of the whole
/// entry.
pub(super) fn decode_checked(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let (element, len) = decode(bytes)?;
    let size = backlen_size(len);
    let mut expected = [0; 5];
    write_backlen(len, &mut expected[..size]);
    let found = bytes.get(len..len.checked_add(size)?)?;
    (found == &expected[..size]).then_some((element, len + size))
}
