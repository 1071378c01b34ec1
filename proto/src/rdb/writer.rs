//! Appending pieces of the RDB format to a byte vector.
//!
//! Every function appends and cannot fail. They are small so that whoever holds the data writes it from its own structures:
//! nothing is collected first. A key with its value is
//!
//! ```text
//! put_key_header(out, kind::HASH, expire, key, lzf)
//! put_len(out, fields)
//! put_string(out, field, lzf), put_string(out, value, lzf)     for each
//! ```
//!
//! or, for values that are kept packed, `put_key_header(out, kind::HASH_LISTPACK, …)` and `put_blob(out, pack.as_bytes(), lzf)`.
//! The checksum is not kept here; [`super::Crc64`] runs over whatever leaves.
//!
//! Strings take an optional compressor: `None` writes them as they are, which is several times faster.

use super::consts::{VERSION_VALKEY_9, container, lead, opcode};
use super::lzf::Lzf;
use crate::id::{DbIndex, UnixMs};
use crate::listpack::{Element, IntText, ListpackRef};
use crate::number::parse_i64;

/// Strings up to this long are never compressed, as in real servers.
const COMPRESS_ABOVE: usize = 20;
/// A compressed string must save at least this much.
const COMPRESS_SAVES: usize = 4;
/// The longest text that can be written as an integer: "-2147483648".
const INT_TEXT_MAX: usize = 11;

/// The magic for `version`: that of Valkey for its version, that of Redis otherwise.
pub fn put_magic(out: &mut Vec<u8>, version: u32) {
    let magic = if version == VERSION_VALKEY_9 { format!("VALKEY{version:03}") } else { format!("REDIS{version:04}") };
    out.extend_from_slice(magic.as_bytes());
}

/// One field about the file itself.
pub fn put_aux(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.push(opcode::AUX);
    put_string(out, name.as_bytes(), None);
    put_string(out, value, None);
}

/// One field about the file itself, as a number.
pub fn put_aux_int(out: &mut Vec<u8>, name: &str, value: i64) {
    put_aux(out, name, IntText::new().format(value).as_bytes());
}

/// Says in which database the keys that follow are.
pub fn put_select_db(out: &mut Vec<u8>, db: DbIndex) {
    out.push(opcode::SELECTDB);
    put_len(out, u64::from(db.0));
}

/// A hint for the reader's tables: how many keys follow, and how many of them have a deadline.
pub fn put_resize_db(out: &mut Vec<u8>, keys: u64, expires: u64) {
    out.push(opcode::RESIZEDB);
    put_len(out, keys);
    put_len(out, expires);
}

/// A function library, as source code. Not before version 10.
pub fn put_function(out: &mut Vec<u8>, source: &[u8], lzf: Option<&mut Lzf>) {
    out.push(opcode::FUNCTION2);
    put_string(out, source, lzf);
}

/// How long the key that follows has not been used, in seconds.
pub fn put_idle(out: &mut Vec<u8>, idle_s: u64) {
    out.push(opcode::IDLE);
    put_len(out, idle_s);
}

/// How often the key that follows is used, as the logarithmic counter of the LFU policies.
pub fn put_freq(out: &mut Vec<u8>, freq: u8) {
    out.extend_from_slice(&[opcode::FREQ, freq]);
}

/// The beginning of a key: deadline if it has one, type, name. The value must follow. [`put_idle`] or [`put_freq`] go before.
pub fn put_key_header(out: &mut Vec<u8>, kind: u8, expire: Option<UnixMs>, key: &[u8], lzf: Option<&mut Lzf>) {
    if let Some(at) = expire {
        out.push(opcode::EXPIRE_MS);
        out.extend_from_slice(&at.0.to_le_bytes());
    }
    out.push(kind);
    put_string(out, key, lzf);
}

/// The end mark. The checksum covers it and follows it: see [`put_checksum`].
pub fn put_eof(out: &mut Vec<u8>) {
    out.push(opcode::EOF);
}

/// The checksum over everything before, the end mark included; 0 says that there is none.
pub fn put_checksum(out: &mut Vec<u8>, crc: u64) {
    out.extend_from_slice(&crc.to_le_bytes());
}

/// A length: of a collection, or of the string that follows.
pub fn put_len(out: &mut Vec<u8>, len: u64) {
    if len < 1 << 6 {
        out.push(len as u8);
    } else if len < 1 << 14 {
        out.extend_from_slice(&[lead::BITS_14 | (len >> 8) as u8, len as u8]);
    } else if let Ok(len) = u32::try_from(len) {
        out.push(lead::BITS_32);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(lead::BITS_64);
        out.extend_from_slice(&len.to_be_bytes());
    }
}

/// A string in its shortest form: as an integer if it is the text of a small one, compressed if that is wanted and helps.
#[inline]
pub fn put_string(out: &mut Vec<u8>, string: &[u8], lzf: Option<&mut Lzf>) {
    if string.len() <= INT_TEXT_MAX
        && let Some(value) = parse_i64(string)
        && put_small_int(out, value)
    {
        return;
    }
    put_blob(out, string, lzf);
}

/// Bytes that are not the text of an integer: a packed value, or a string known to be none.
#[inline]
pub fn put_blob(out: &mut Vec<u8>, bytes: &[u8], lzf: Option<&mut Lzf>) {
    if let Some(lzf) = lzf
        && bytes.len() > COMPRESS_ABOVE
        && put_compressed(out, bytes, lzf)
    {
        return;
    }
    put_len(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Both lengths stand in front of the compressed bytes, so these are produced behind room for the longest lengths and moved.
fn put_compressed(out: &mut Vec<u8>, bytes: &[u8], lzf: &mut Lzf) -> bool {
    let begin = out.len();
    out.push(lead::LZF);
    out.extend_from_slice(&[0; 18]);
    let packed_from = out.len();
    if !lzf.compress(bytes, out, bytes.len() - COMPRESS_SAVES) {
        out.truncate(begin);
        return false;
    }
    let packed = packed_from..out.len();
    let mut head = Vec::with_capacity(19);
    put_compressed_head(&mut head, packed.len() as u64, bytes.len() as u64);
    out[begin..begin + head.len()].copy_from_slice(&head);
    let end = begin + head.len() + packed.len();
    out.copy_within(packed, begin + head.len());
    out.truncate(end);
    true
}

/// What stands in front of a compressed string: how long it is, and how long it was.
pub fn put_compressed_head(out: &mut Vec<u8>, packed_len: u64, len: u64) {
    out.push(lead::LZF);
    put_len(out, packed_len);
    put_len(out, len);
}

/// A string that is the text of `value`.
pub fn put_int(out: &mut Vec<u8>, value: i64) {
    if !put_small_int(out, value) {
        put_blob(out, IntText::new().format(value).as_bytes(), None);
    }
}

fn put_small_int(out: &mut Vec<u8>, value: i64) -> bool {
    if let Ok(value) = i8::try_from(value) {
        out.extend_from_slice(&[lead::INT8, value as u8]);
    } else if let Ok(value) = i16::try_from(value) {
        out.push(lead::INT16);
        out.extend_from_slice(&value.to_le_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        out.push(lead::INT32);
        out.extend_from_slice(&value.to_le_bytes());
    } else {
        return false;
    }
    true
}

/// An element of a listpack, as a string of its own.
pub fn put_element(out: &mut Vec<u8>, element: Element<'_>, lzf: Option<&mut Lzf>) {
    match element {
        Element::Str(bytes) => put_string(out, bytes, lzf),
        Element::Int(value) => put_int(out, value),
    }
}

/// All elements of a listpack as strings, for readers that do not know listpacks: behind `put_len` this is the value of a
/// `LIST`, `SET` or `HASH`.
pub fn put_elements(out: &mut Vec<u8>, pack: ListpackRef<'_>, mut lzf: Option<&mut Lzf>) {
    for (_, element) in pack {
        put_element(out, element, lzf.as_deref_mut());
    }
}

/// The score of a `ZSET_2` member.
pub fn put_double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// A node of a `LIST_QUICKLIST_2` that holds a listpack.
pub fn put_packed_node(out: &mut Vec<u8>, pack: ListpackRef<'_>, lzf: Option<&mut Lzf>) {
    put_len(out, container::PACKED);
    put_blob(out, pack.as_bytes(), lzf);
}

/// A node of a `LIST_QUICKLIST_2` that is one big element; real servers refuse an empty one.
pub fn put_plain_node(out: &mut Vec<u8>, element: &[u8], lzf: Option<&mut Lzf>) {
    put_len(out, container::PLAIN);
    put_blob(out, element, lzf);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listpack::Listpack;

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out);
        out
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        let len = |len| written(|out| put_len(out, len));
        assert_eq!(len(63), [63]);
        assert_eq!(len(64), [0x40, 64]);
        assert_eq!(len(16_383), [0x7F, 0xFF]);
        assert_eq!(len(16_384), [0x80, 0, 0, 0x40, 0]);
        assert_eq!(len(u64::from(u32::MAX)), [0x80, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(len(1 << 32), [0x81, 0, 0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn strings_become_integers_only_when_the_text_comes_back_the_same() {
        let string = |text: &str| written(|out| put_string(out, text.as_bytes(), None));
        assert_eq!(string("-128"), [0xC0, 0x80]);
        assert_eq!(string("128"), [0xC1, 128, 0]);
        assert_eq!(string("-2147483648"), [0xC2, 0, 0, 0, 0x80]);
        assert_eq!(string("2147483648")[0], 10);
        assert_eq!(string("007"), *b"\x03007");
        assert_eq!(string("-0"), *b"\x02-0");
        assert_eq!(string("+1"), *b"\x02+1");
        assert_eq!(string(""), [0]);
        assert_eq!(written(|out| put_int(out, 2_147_483_648)), *b"\x0a2147483648");
        assert_eq!(written(|out| put_blob(out, b"7", None)), *b"\x017");
    }

    #[test]
    fn long_strings_are_compressed_when_asked_and_when_it_helps() {
        let mut lzf = Lzf::new();
        assert_eq!(written(|out| put_string(out, &[b'a'; 20], Some(&mut lzf)))[0], 20);
        let packed = written(|out| put_string(out, &[b'a'; 30_000], Some(&mut lzf)));
        assert_eq!(packed[0], 0xC3);
        assert!(packed.len() < 500);
        let noise: Vec<u8> = (0..=255u8).map(|i| i.wrapping_mul(167) ^ (i >> 3)).collect();
        assert_eq!(written(|out| put_string(out, &noise, Some(&mut lzf)))[..2], [0x41, 0]);
        assert_eq!(written(|out| put_string(out, &[b'a'; 30_000], None)).len(), 30_005);
    }

    #[test]
    fn a_key_is_prefix_type_name_value() {
        let out = written(|out| {
            put_freq(out, 9);
            put_key_header(out, super::super::consts::kind::STRING, Some(UnixMs(0x0102)), b"k", None);
            put_string(out, b"v", None);
        });
        assert_eq!(out, [249, 9, 252, 2, 1, 0, 0, 0, 0, 0, 0, 0, 1, b'k', 1, b'v']);
    }

    #[test]
    fn a_listpack_can_be_written_out_element_by_element() {
        let pack = Listpack::from_iter([&b"a"[..], b"5"]);
        assert_eq!(written(|out| put_elements(out, pack.view(), None)), [1, b'a', 0xC0, 5]);
    }
}
