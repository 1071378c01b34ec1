//! The packed encodings: what passes the check must read alike from both ends, and stay sound under changes.

use std::collections::BTreeSet;

use koltso_proto::intset::Intset;
use koltso_proto::listpack::Listpack;
use koltso_proto::ziplist::Ziplist;

use super::{Target, nothing_to_mend, signature};
use crate::Seed;

pub const LISTPACK: Target =
    Target { name: "listpack", samples: listpacks, words: ENTRIES, mend: mend_listpack, run: run_listpack };
pub const ZIPLIST: Target =
    Target { name: "ziplist", samples: ziplists, words: ZIP_ENTRIES, mend: mend_ziplist, run: run_ziplist };
pub const INTSET: Target = Target { name: "intset", samples: intsets, words: &[], mend: nothing_to_mend, run: run_intset };

/// Sound listpack entries of every encoding.
const ENTRIES: &[&[u8]] = &[
    b"\x05\x01",
    b"\x81a\x02",
    b"\x80\x01",
    b"\xdf\xff\x02",
    b"\xe0\x01x\x03",
    b"\xf0\x01\x00\x00\x00x\x06",
    b"\xf1\x00\x80\x03",
    b"\xf2\xff\xff\x7f\x04",
    b"\xf3\x00\x00\x00\x80\x05",
    b"\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\x09",
    b"\xff",
    b"\xf5\x01",
];

/// Sound ziplist entries of every encoding, with a previous length that is put right later.
const ZIP_ENTRIES: &[&[u8]] = &[
    b"\x00\x01a",
    b"\x00\x00",
    b"\x00\x40\x01a",
    b"\x00\x80\x00\x00\x00\x01a",
    b"\x00\xc0\x00\x80",
    b"\x00\xd0\x00\x00\x00\x80",
    b"\x00\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x00\xf0\xff\xff\x7f",
    b"\x00\xfe\x80",
    b"\x00\xf1",
    b"\x00\xfd",
    b"\xfe\x00\x00\x00\x00\xf4",
];

/// So many elements at most are looked at one by one.
const LOOKED_AT: usize = 200;

fn listpacks() -> Vec<Vec<u8>> {
    let mut samples = vec![Listpack::new().into_bytes()];
    for lens in [&[0usize, 1, 63, 64][..], &[125, 126, 127, 128], &[4095, 4096], &[16_370, 16_380, 16_390]] {
        let mut pack = Listpack::new();
        for &len in lens {
            pack.push_back(&vec![b'e'; len]);
            pack.push_back_int(len as i64 * -1000);
        }
        samples.push(pack.into_bytes());
    }
    samples.push([b"\0\0\0\0\0\0".to_vec(), ENTRIES[..10].concat(), vec![0xFF]].concat());
    samples.iter_mut().for_each(mend_listpack);
    samples
}

fn mend_listpack(bytes: &mut Vec<u8>) {
    if bytes.len() < 7 {
        return;
    }
    let total = (bytes.len() as u32).to_le_bytes();
    bytes[..4].copy_from_slice(&total);
    if let Some(end) = bytes.last_mut() {
        *end = 0xFF;
    }
    if Listpack::from_bytes_checked(bytes.as_slice()).is_err_and(|corrupt| corrupt.0.contains("count")) {
        bytes[4..6].fill(0xFF);
    }
}

fn run_listpack(bytes: &[u8], seed: &mut Seed) -> u64 {
    let mut pack = match Listpack::from_bytes_checked(bytes) {
        Ok(pack) => pack,
        Err(corrupt) => return signature(corrupt.0),
    };
    let mut model = same_from_all_sides(&pack);
    let shape = signature((model.len().min(64), bytes.len().ilog2()));
    for _ in 0..1 + seed.below(12) {
        change(&mut pack, &mut model, seed);
        assert!(pack.iter().map(|(_, element)| element.to_vec()).eq(model.iter().cloned()), "after a change");
    }
    let checked = Listpack::from_bytes_checked(pack.as_bytes()).expect("sound after changes");
    assert_eq!(same_from_all_sides(&checked), model);
    shape
}

/// The elements, after every way of reading has given the same.
fn same_from_all_sides(pack: &Listpack) -> Vec<Vec<u8>> {
    let model: Vec<Vec<u8>> = pack.iter().map(|(_, element)| element.to_vec()).collect();
    assert_eq!(pack.len(), model.len());
    assert_eq!(pack.is_empty(), model.is_empty());
    assert!(pack.iter_rev().map(|(_, element)| element.to_vec()).eq(model.iter().rev().cloned()), "from behind");
    for (index, text) in model.iter().enumerate().take(LOOKED_AT) {
        let pos = pack.seek(index as i64).expect("an element");
        assert_eq!(pack.seek(index as i64 - model.len() as i64), Some(pos));
        let element = pack.element(pos).expect("an element");
        assert!(element.eq_bytes(text) && element.text_len() == text.len());
        let found = pack.find(text, 0).expect("found");
        assert!(found <= pos && pack.element(found).is_some_and(|first| first.eq_bytes(text)));
    }
    assert_eq!(pack.get(model.len() as i64), None);
    assert_eq!(pack.get(-1 - model.len() as i64), None);
    model
}

fn change(pack: &mut Listpack, model: &mut Vec<Vec<u8>>, seed: &mut Seed) {
    let len = *seed.pick(&[0usize, 1, 5, 63, 64, 126, 127, 4096, 20_000]);
    let text =
        if seed.one_in(2) { (seed.below(u64::MAX) as i64 >> seed.below(64)).to_string().into_bytes() } else { seed.bytes(len) };
    if model.is_empty() || seed.one_in(4) {
        if seed.one_in(2) {
            pack.push_back(&text);
            model.push(text);
        } else {
            pack.push_front(&text);
            model.insert(0, text);
        }
        return;
    }
    let index = seed.below(model.len() as u64) as usize;
    let pos = pack.seek(index as i64).expect("an element");
    match seed.below(5) {
        0 => {
            pack.replace(pos, &text);
            model[index] = text;
        }
        1 => {
            pack.insert_before(pos, &text);
            model.insert(index, text);
        }
        2 => {
            let at = pack.insert_after(pos, &text);
            assert!(pack.element(at).is_some_and(|element| element.eq_bytes(&text)));
            model.insert(index + 1, text);
        }
        3 => {
            pack.remove(pos);
            model.remove(index);
        }
        _ => {
            let count = seed.below(5) as usize;
            pack.remove_range(index as i64, count);
            model.drain(index..(index + count).min(model.len()));
        }
    }
}

fn ziplists() -> Vec<Vec<u8>> {
    let long = [b"\x00\x41\x2c".to_vec(), vec![b'l'; 300]].concat();
    let bodies = [Vec::new(), ZIP_ENTRIES.concat(), [long.clone(), b"\xfe\0\0\0\0\x01a".to_vec(), long].concat()];
    let mut samples: Vec<Vec<u8>> = bodies.iter().map(|body| [&[0; 10], body.as_slice(), &[0xFF]].concat()).collect();
    samples.iter_mut().for_each(mend_ziplist);
    samples
}

/// Puts all lengths and counts right, as far as there are entries.
fn mend_ziplist(bytes: &mut Vec<u8>) {
    if bytes.len() < 11 {
        return;
    }
    let (mut pos, mut last, mut count) = (10, 10, 0u16);
    while let Some(len) = zip_entry_len(&bytes[pos..]) {
        let previous = pos - last;
        match bytes[pos] {
            0xFE => bytes[pos + 1..pos + 5].copy_from_slice(&(previous as u32).to_le_bytes()),
            _ if previous < 254 => bytes[pos] = previous as u8,
            _ => break,
        }
        (last, pos, count) = (pos, pos + len, count.saturating_add(1));
    }
    bytes.truncate(pos);
    bytes.push(0xFF);
    let total = bytes.len() as u32;
    bytes[..4].copy_from_slice(&total.to_le_bytes());
    bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
    bytes[8..10].copy_from_slice(&count.to_le_bytes());
}

fn zip_entry_len(bytes: &[u8]) -> Option<usize> {
    let head = match bytes.first()? {
        0xFF => return None,
        0xFE => 5,
        _ => 1,
    };
    let rest = bytes.get(head..)?;
    let len = match *rest.first()? {
        tag @ 0x00..=0x3F => 1 + usize::from(tag),
        tag @ 0x40..=0x7F => 2 + (usize::from(tag & 0x3F) << 8) + usize::from(*rest.get(1)?),
        0x80..=0xBF => 5 + u32::from_be_bytes(*rest.get(1..)?.first_chunk()?) as usize,
        0xC0 => 3,
        0xD0 => 5,
        0xE0 => 9,
        0xF0 => 4,
        0xFE => 2,
        0xF1..=0xFD => 1,
        _ => return None,
    };
    // One byte must be left for the end mark.
    (rest.len() > len).then_some(head + len)
}

fn run_ziplist(bytes: &[u8], _: &mut Seed) -> u64 {
    let list = match Ziplist::from_bytes_checked(bytes) {
        Ok(list) => list,
        Err(corrupt) => return signature(corrupt.0),
    };
    let pack = list.to_listpack();
    assert!(list.iter().map(|element| element.to_vec()).eq(pack.iter().map(|(_, element)| element.to_vec())));
    assert_eq!(list.is_empty(), pack.is_empty());
    let pack = Listpack::from_bytes_checked(pack.into_bytes()).expect("a sound listpack");
    signature((same_from_all_sides(&pack).len().min(64), bytes.len().ilog2()))
}

fn intsets() -> Vec<Vec<u8>> {
    let edges = [i64::MIN, i64::from(i32::MIN) - 1, i64::from(i16::MIN), -1, 0, 1, 40_000, i64::from(i32::MAX), i64::MAX];
    let mut samples: Vec<Vec<u8>> = (0..=9).map(|n| Intset::from_iter(edges[..n].iter().copied()).into_bytes()).collect();
    samples.push(Intset::from_iter(0..100).into_bytes());
    samples.push(Intset::from_iter((0..20).map(|n| n * 100_000)).into_bytes());
    samples
}

fn run_intset(bytes: &[u8], seed: &mut Seed) -> u64 {
    let mut set = match Intset::from_bytes_checked(bytes) {
        Ok(set) => set,
        Err(corrupt) => return signature(corrupt.0),
    };
    let shape = signature((set.len().min(64), bytes[0]));
    let mut model: BTreeSet<i64> = set.iter().collect();
    for _ in 0..1 + seed.below(20) {
        let known = model.iter().nth(seed.below(model.len() as u64 + 1) as usize).copied();
        let any = seed.below(u64::MAX) as i64 >> seed.below(64);
        let value = known.filter(|_| seed.one_in(2)).unwrap_or(any);
        assert_eq!(set.contains(value), model.contains(&value));
        if seed.one_in(2) {
            assert_eq!(set.insert(value), model.insert(value));
        } else {
            assert_eq!(set.remove(value), model.remove(&value));
        }
        assert!(set.len() == model.len() && set.is_empty() == model.is_empty());
    }
    assert!(set.iter().eq(model.iter().copied()) && set.iter().rev().eq(model.iter().rev().copied()));
    assert_eq!(set.get(model.len()), None);
    assert_eq!(Intset::from_bytes_checked(set.as_bytes()), Ok(set.clone()));
    shape
}
