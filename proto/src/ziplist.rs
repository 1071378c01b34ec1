//! Ziplists, which listpacks have replaced: read only, from files of Redis 6.2 and older.
//!
//! ```text
//! <u32 LE: bytes in all> <u32 LE: where the last entry is> <u16 LE: entries, 65535 = count them> entry* 0xFF
//!
//! entry := <length of the previous entry: u8 below 254, or 0xFE and u32 LE> value
//!
//! 00xxxxxx                 + body     string, 6-bit length
//! 01xxxxxx xxxxxxxx        + body     string, 14-bit length, high bits first
//! 10...... <u32 BE>        + body     string, 32-bit length
//! 11000000 <i16 LE>                   integer
//! 11010000 <i32 LE>                   integer
//! 11100000 <i64 LE>                   integer
//! 11110000 <i24 LE>                   integer
//! 11111110 <i8>                       integer
//! 1111xxxx                            integer xxxx - 1, 0 to 12
//! ```

use crate::listpack::{Corrupt, Element, Listpack};

const HEADER_LEN: usize = 10;
const END: u8 = 0xFF;
const COUNT_UNKNOWN: u16 = u16::MAX;
/// The first byte of a previous length that does not fit one byte.
const PREVIOUS_IS_LONG: u8 = 0xFE;

/// A borrowed ziplist that has passed the check, so that reading cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ziplist<'a>(&'a [u8]);

impl<'a> Ziplist<'a> {
    /// Checks every entry, the chain of previous lengths, all header fields and the end.
    pub fn from_bytes_checked(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(Corrupt("ziplist: shorter than its header"));
        };
        let [a, b, c, d, e, f, g, h, i, j] = *header;
        if u64::from(u32::from_le_bytes([a, b, c, d])) != bytes.len() as u64 {
            return Err(Corrupt("ziplist: the size field does not match the size"));
        }
        let end = bytes.len() - 1;
        if end < HEADER_LEN || bytes[end] != END {
            return Err(Corrupt("ziplist: no end mark"));
        }
        let (mut pos, mut last, mut count) = (HEADER_LEN, HEADER_LEN, 0usize);
        while pos < end {
            let entry = decode(&bytes[pos..end]).ok_or(Corrupt("ziplist: bad entry"))?;
            if entry.previous != (pos - last) as u64 {
                return Err(Corrupt("ziplist: wrong length of a previous entry"));
            }
            last = pos;
            pos += entry.len;
            count += 1;
        }
        if u64::from(u32::from_le_bytes([e, f, g, h])) != last as u64 {
            return Err(Corrupt("ziplist: the field for the last entry is wrong"));
        }
        let claimed = u16::from_le_bytes([i, j]);
        if claimed != COUNT_UNKNOWN && usize::from(claimed) != count {
            return Err(Corrupt("ziplist: the element count is wrong"));
        }
        Ok(Ziplist(bytes))
    }

    pub fn is_empty(self) -> bool {
        self.0.len() == HEADER_LEN + 1
    }

    /// The elements, front to back.
    pub fn iter(self) -> impl Iterator<Item = Element<'a>> + Clone {
        let mut rest = &self.0[HEADER_LEN..];
        std::iter::from_fn(move || {
            let entry = decode(rest)?;
            rest = &rest[entry.len..];
            Some(entry.element)
        })
    }

    /// The same elements as a listpack.
    pub fn to_listpack(self) -> Listpack {
        let mut pack = Listpack::with_capacity(self.0.len());
        for element in self.iter() {
            pack.push_back_element(element);
        }
        pack
    }
}

struct Entry<'a> {
    previous: u64,
    element: Element<'a>,
    /// Bytes of the entry in all.
    len: usize,
}

/// Reads the entry at the beginning of `bytes`; `None` at the end mark and for anything that is not an entry.
fn decode(bytes: &[u8]) -> Option<Entry<'_>> {
    let (previous, prefix) = match *bytes.first()? {
        END => return None,
        PREVIOUS_IS_LONG => (u64::from(u32::from_le_bytes(*bytes.get(1..)?.first_chunk()?)), 5),
        short => (u64::from(short), 1),
    };
    let (element, len) = decode_value(&bytes[prefix..])?;
    Some(Entry { previous, element, len: prefix + len })
}

fn decode_value(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let (&tag, rest) = bytes.split_first()?;
    let string = |head: usize, len: usize| Some((Element::Str(bytes.get(head..head.checked_add(len)?)?), head + len));
    let int = |value: i64, len: usize| Some((Element::Int(value), len));
    match tag {
        0x00..=0x3F => string(1, usize::from(tag)),
        0x40..=0x7F => string(2, usize::from(u16::from_be_bytes([tag & 0x3F, *rest.first()?]))),
        0x80..=0xBF => string(5, usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?),
        0xC0 => int(i64::from(i16::from_le_bytes(*rest.first_chunk()?)), 3),
        0xD0 => int(i64::from(i32::from_le_bytes(*rest.first_chunk()?)), 5),
        0xE0 => int(i64::from_le_bytes(*rest.first_chunk()?), 9),
        0xF0 => {
            let [a, b, c] = *rest.first_chunk()?;
            int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8), 4)
        }
        0xFE => int(i64::from(*rest.first()? as i8), 2),
        0xF1..=0xFD => int(i64::from(tag & 0x0F) - 1, 1),
        _ => None,
    }
}

/// Builds ziplists for tests, since nothing else here writes any.
#[cfg(test)]
pub(crate) fn build(elements: &[Element<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN];
    let (mut last, mut previous) = (HEADER_LEN, 0);
    for element in elements {
        last = bytes.len();
        if previous < 254 {
            bytes.push(previous as u8);
        } else {
            bytes.push(PREVIOUS_IS_LONG);
            bytes.extend_from_slice(&(previous as u32).to_le_bytes());
        }
        match element {
            Element::Int(value @ 0..=12) => bytes.push(0xF1 + *value as u8),
            Element::Int(value) => {
                let le = value.to_le_bytes();
                let (tag, width) = match *value {
                    -0x80..=0x7F => (0xFE, 1),
                    -0x8000..=0x7FFF => (0xC0, 2),
                    -0x80_0000..=0x7F_FFFF => (0xF0, 3),
                    -0x8000_0000..=0x7FFF_FFFF => (0xD0, 4),
                    _ => (0xE0, 8),
                };
                bytes.push(tag);
                bytes.extend_from_slice(&le[..width]);
            }
            Element::Str(text) => {
                match text.len() {
                    len @ ..64 => bytes.push(len as u8),
                    len @ 64..16_384 => bytes.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
                    len => {
                        bytes.push(0x80);
                        bytes.extend_from_slice(&(len as u32).to_be_bytes());
                    }
                }
                bytes.extend_from_slice(text);
            }
        }
        previous = bytes.len() - last;
    }
    bytes.push(END);
    let total = bytes.len() as u32;
    bytes[..4].copy_from_slice(&total.to_le_bytes());
    bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
    bytes[8..10].copy_from_slice(&(elements.len().min(usize::from(COUNT_UNKNOWN)) as u16).to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: [u8; 300] = [b'l'; 300];
    static HUGE: [u8; 20_000] = [b'h'; 20_000];

    fn elements() -> Vec<Element<'static>> {
        let ints = [0, 12, 13, -1, 127, 128, -128, -129, 32_767, 32_768, -8_388_608, 8_388_608, i64::MAX, i64::MIN];
        let strings: [&[u8]; 5] = [b"", b"hello", &LONG, b"after a long one", &HUGE];
        ints.into_iter().map(Element::Int).chain(strings.into_iter().map(Element::Str)).collect()
    }

    #[test]
    fn every_encoding_is_read_and_carried_over() {
        let elements = elements();
        let bytes = build(&elements);
        let list = Ziplist::from_bytes_checked(&bytes).unwrap();
        assert!(list.iter().eq(elements.iter().copied()));
        assert!(list.to_listpack().iter().map(|(_, element)| element).eq(elements));
        assert!(Ziplist::from_bytes_checked(&build(&[])).unwrap().is_empty());
    }

    #[test]
    fn no_damaged_blob_passes_and_then_misbehaves() {
        let bytes = build(&elements()[..17]);
        for cut in 0..bytes.len() {
            assert!(Ziplist::from_bytes_checked(&bytes[..cut]).is_err());
        }
        let mut accepted = 0;
        for at in 0..bytes.len() {
            for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                if let Ok(list) = Ziplist::from_bytes_checked(&bad) {
                    assert_eq!(list.iter().count(), list.to_listpack().len());
                    accepted += 1;
                }
            }
        }
        assert!(accepted > 1000);
        for at in 0..HEADER_LEN {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Ziplist::from_bytes_checked(&bad).is_err(), "header byte {at}");
        }
    }
}
