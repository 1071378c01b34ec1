//! A listpack against a plain vector, the exact bytes of every encoding, and damaged blobs.

use super::*;

/// A small generator, so that failures repeat.
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

fn texts(pack: &Listpack) -> Vec<Vec<u8>> {
    pack.iter().map(|(_, element)| element.to_vec()).collect()
}

fn well_formed(pack: &Listpack) {
    assert_eq!(check(pack.as_bytes()), Ok(()));
    let mut backwards: Vec<_> = pack.iter_rev().map(|(pos, element)| (pos, element.to_vec())).collect();
    backwards.reverse();
    assert!(pack.iter().map(|(pos, element)| (pos, element.to_vec())).eq(backwards));
}

fn some_element(random: &mut Lcg) -> Vec<u8> {
    match random.next() % 6 {
        0 => (random.next() % 300).to_string().into_bytes(),
        1 => format!("-{}", random.next() % 10_000).into_bytes(),
        2 => i64::from_ne_bytes([random.next() as u8; 8]).to_string().into_bytes(),
        3 => vec![b'x'; (random.next() % 70) as usize],
        4 => vec![b'y'; (random.next() % 5000) as usize],
        _ => format!("0{}", random.next()).into_bytes(),
    }
}

#[test]
fn every_encoding_has_the_bytes_that_redis_writes() {
    let entry = |text: &[u8]| {
        let pack = Listpack::from_iter([text]);
        pack.as_bytes()[6..pack.byte_len() - 1].to_vec()
    };
    assert_eq!(entry(b"0"), [0, 1]);
    assert_eq!(entry(b"127"), [127, 1]);
    assert_eq!(entry(b"128"), [0xC0, 128, 2]);
    assert_eq!(entry(b"-1"), [0xDF, 0xFF, 2]);
    assert_eq!(entry(b"4095"), [0xCF, 0xFF, 2]);
    assert_eq!(entry(b"-4096"), [0xD0, 0x00, 2]);
    assert_eq!(entry(b"4096"), [0xF1, 0x00, 0x10, 3]);
    assert_eq!(entry(b"-32768"), [0xF1, 0x00, 0x80, 3]);
    assert_eq!(entry(b"32768"), [0xF2, 0x00, 0x80, 0x00, 4]);
    assert_eq!(entry(b"-8388608"), [0xF2, 0x00, 0x00, 0x80, 4]);
    assert_eq!(entry(b"8388608"), [0xF3, 0x00, 0x00, 0x80, 0x00, 5]);
    assert_eq!(entry(b"2147483648"), [0xF4, 0, 0, 0, 0x80, 0, 0, 0, 0, 9]);
    assert_eq!(entry(b"-9223372036854775808"), [0xF4, 0, 0, 0, 0, 0, 0, 0, 0x80, 9]);
    assert_eq!(entry(b"9223372036854775808")[0], 0x80 | 19);
    assert_eq!(entry(b""), [0x80, 1]);
    assert_eq!(entry(b"-0"), [0x82, b'-', b'0', 3]);
    assert_eq!(entry(b"01"), [0x82, b'0', b'1', 3]);
    assert_eq!(entry(&[b'a'; 64])[..3], [0xE0, 64, b'a']);
    assert_eq!(entry(&[b'a'; 126])[126..], [b'a', b'a', 1, 128]);
    assert_eq!(entry(&[b'a'; 4096])[..6], [0xF0, 0, 0x10, 0, 0, b'a']);
    assert_eq!(Listpack::new().as_bytes(), [7, 0, 0, 0, 0, 0, 0xFF]);
}

#[test]
fn back_lengths_change_width_one_early_as_in_redis() {
    // Head and body together at the limit: the head of a 32-bit string takes 5 bytes.
    for (body, size) in [(16_377, 2), (16_378, 3), (2_097_145, 3), (2_097_146, 4)] {
        let pack = Listpack::from_iter([&vec![b'a'; body][..], b"tail"]);
        assert_eq!(pack.byte_len(), 7 + 5 + body + size + 6, "{body}");
        well_formed(&pack);
    }
}

#[test]
fn edits_agree_with_a_vector() {
    let mut random = Lcg(1);
    let mut pack = Listpack::new();
    let mut model: Vec<Vec<u8>> = Vec::new();
    for _ in 0..2000 {
        let element = some_element(&mut random);
        let index = (random.next() as usize) % (model.len() + 1);
        let pos = pack.seek(index as i64);
        assert_eq!(pos.is_some(), index < model.len());
        match (random.next() % 9, pos) {
            (0, _) => {
                pack.push_back(&element);
                model.push(element);
            }
            (1, _) => {
                pack.push_front(&element);
                model.insert(0, element);
            }
            (2 | 3, Some(pos)) => {
                pack.insert_before(pos, &element);
                model.insert(index, element);
            }
            (4, Some(pos)) => {
                let new = pack.insert_after(pos, &element);
                assert!(pack.element(new).unwrap().eq_bytes(&element));
                model.insert(index + 1, element);
            }
            (5, Some(pos)) => {
                pack.replace(pos, &element);
                model[index] = element;
            }
            (6 | 7, Some(pos)) => {
                let next = pack.remove(pos);
                model.remove(index);
                assert_eq!(next.and_then(|pos| pack.element(pos)).map(|e| e.to_vec()).as_ref(), model.get(index));
            }
            (8, Some(_)) if model.len() > 20 => {
                pack.remove_range(index as i64, 5);
                model.drain(index..model.len().min(index + 5));
            }
            _ => continue,
        }
        assert_eq!(pack.len(), model.len());
        assert_eq!(texts(&pack), model);
    }
    well_formed(&pack);
    assert!(model.len() > 20);
    for (index, text) in model.iter().enumerate() {
        assert!(pack.get(index as i64).unwrap().eq_bytes(text));
        assert!(pack.get(index as i64 - model.len() as i64).unwrap().eq_bytes(text));
        let first = model.iter().position(|other| other == text).unwrap();
        assert_eq!(pack.find(text, 0), pack.seek(first as i64));
    }
    assert_eq!(pack.get(model.len() as i64), None);
    assert_eq!(pack.get(-(model.len() as i64) - 1), None);
}

#[test]
fn find_passes_over_values() {
    let pack = Listpack::from_iter([&b"a"[..], b"b", b"b", b"7", b"7", b"a"]);
    assert_eq!(pack.find(b"b", 1), pack.seek(2));
    assert_eq!(pack.find(b"7", 1), pack.seek(4));
    assert_eq!(pack.find(b"a", 1), pack.seek(0));
    assert_eq!(pack.find(b"07", 1), None);
    assert_eq!(pack.find_from(pack.seek(2).unwrap(), b"a", 1), None);
}

#[test]
fn an_integer_kept_as_a_string_by_somebody_else_is_still_found() {
    let pack = Listpack::from_bytes_checked([10, 0, 0, 0, 1, 0, 0x81, b'7', 2, 0xFF].as_slice()).unwrap();
    assert_eq!(pack.get(0), Some(Element::Str(b"7")));
    assert_eq!(pack.find(b"7", 0), Some(6));
    assert_eq!(pack.get(0).unwrap().as_int(), Some(7));
}

#[test]
fn counts_past_what_the_header_can_say() {
    let mut pack = Listpack::new();
    for i in 0..70_000 {
        pack.push_back_int(i);
        if matches!(i + 1, 65_534..=65_536) {
            assert_eq!(pack.len(), i as usize + 1);
        }
    }
    assert_eq!(pack.len(), 70_000);
    assert_eq!(pack.get(-1), Some(Element::Int(69_999)));
    assert_eq!(pack.get(69_998), Some(Element::Int(69_998)));
    pack.remove_range(0, 69_990);
    assert_eq!(pack.len(), 10);
    well_formed(&pack);
}

#[test]
fn no_damaged_blob_passes_and_then_misbehaves() {
    let good = Listpack::from_iter([&b"1"[..], b"hello", b"-300", &[b'z'; 200], b"99999999999", b""]);
    let bytes = good.as_bytes();
    for cut in 0..bytes.len() {
        assert!(Listpack::from_bytes_checked(&bytes[..cut]).is_err());
    }
    let mut accepted = 0;
    for at in 0..bytes.len() {
        for flip in 1..=255u8 {
            let mut bad = bytes.to_vec();
            bad[at] ^= flip;
            if let Ok(pack) = Listpack::from_bytes_checked(bad) {
                well_formed(&pack);
                assert!(pack.len() <= 6 || pack.as_bytes()[4..6] == [0xFF, 0xFF]);
                accepted += 1;
            }
        }
    }
    // Changes inside strings and integers are legitimate listpacks.
    assert!(accepted > 1000);
}

#[test]
fn small_listpacks_take_hardly_more_than_they_hold() {
    let elements: Vec<Vec<u8>> = (0..100).map(|n| format!("element{n:03}").into_bytes()).collect();
    let mut grown = Listpack::new();
    for element in &elements {
        grown.push_back(element);
        assert!(grown.capacity() <= grown.byte_len() + (grown.byte_len() / 4).max(25), "{grown:?}");
    }
    assert_eq!((grown.byte_len(), grown.capacity()), (1207, 1280));
    let mut at_once = Listpack::new();
    at_once.reserve_for(elements.iter().map(Vec::as_slice));
    let room = at_once.capacity();
    elements.iter().for_each(|element| at_once.push_back(element));
    assert_eq!((&at_once, at_once.capacity()), (&grown, room));
}

#[test]
fn a_pair_goes_in_where_two_single_ones_would() {
    let pack = || Listpack::from_iter([&b"a"[..], b"1", b"c", b"3"]);
    for pos in [None, Some(HEADER_LEN), pack().seek(2)] {
        let (mut pair, mut single) = (pack(), pack());
        pair.insert_pair(pos, Element::Str(b"b"), Element::Int(200));
        let at = pos.unwrap_or(single.byte_len() - 1);
        single.insert_before(at, b"200");
        single.insert_before(at, b"b");
        well_formed(&pair);
        assert_eq!(pair, single);
    }
}
