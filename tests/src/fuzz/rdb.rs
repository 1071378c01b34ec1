//! RDB files, and the payloads of RESTORE on their way through the node's own values and back.

use koltso::shard::value::{Thresholds, rdb as values};
use koltso_proto::digest::Digest;
use koltso_proto::number::parse_f64;
use koltso_proto::rdb::consts::{
    VERSION_REDIS_5, VERSION_REDIS_7_0, VERSION_REDIS_7_2, VERSION_REDIS_7_4, VERSION_VALKEY_9, kind,
};
use koltso_proto::rdb::dump::finish_dump_as;
use koltso_proto::rdb::survey::survey;
use koltso_proto::rdb::{Decoder, Dialect, Item, Limits, Lzf, RdbValue, RdbZset, crc64, decode_value, open_dump};

use super::{Target, kind_of, signature};
use crate::Seed;

pub const RDB: Target = Target { name: "rdb", samples: files, words: WORDS, mend: mend_file, run: run_file };
pub const RESTORE: Target = Target { name: "restore", samples: payloads, words: WORDS, mend: mend_payload, run: run_payload };

/// Lengths in all forms, opcodes, and the special strings.
const WORDS: &[&[u8]] = &[
    b"\x00",
    b"\x40\xff",
    b"\x7f\xff",
    b"\x80\x00\x00\x00\x05",
    b"\x80\xff\xff\xff\xff",
    b"\x81\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\x81\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xc0\xff",
    b"\xc1\x00\x80",
    b"\xc2\x00\x00\x00\x80",
    b"\xc3\x04\x40\x64\x00a\xe0\x58\x00",
    b"\xc3\x02\x80\x1f\xff\xff\xff",
    b"\xfe\x00",
    b"\xfe\x80\xff\xff\xff\xff",
    b"\xfb\x01\x00",
    b"\xfc\x00\x00\x00\x00\x00\x00\x00\x80",
    b"\xfd\xff\xff\xff\xff",
    b"\xf8\x3f",
    b"\xf9\xff",
    b"\xf5\x01x",
    b"\xf7\x81\x00\x00\x00\x00\x00\x00\x00\x00\x02\x01\x00",
    b"\xff",
    b"\x07\x00\x00\x00\x00\x00\xff",
    b"\xfd",
    b"\xfe",
];

const FIXTURES: [&[u8]; 7] = [
    include_bytes!("../../../proto/fixtures/old-encodings.rdb"),
    include_bytes!("../../../proto/fixtures/redis-7.0-empty.rdb"),
    include_bytes!("../../../proto/fixtures/redis-7.0-lfu-no-checksum.rdb"),
    include_bytes!("../../../proto/fixtures/redis-7.0-lru.rdb"),
    include_bytes!("../../../proto/fixtures/redis-7.0-packed.rdb"),
    include_bytes!("../../../proto/fixtures/redis-7.0-plain.rdb"),
    include_bytes!("../../../proto/fixtures/redis-7.0-streams.rdb"),
];

/// The longest key that goes into a file of its own, in bytes.
const SMALL: usize = 2048;
/// At most so many samples of each type.
const PER_TYPE: usize = 6;

/// Small files of one or a few keys each, since a mutation in a long one is mostly met first by the first key.
fn files() -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = FIXTURES.iter().filter(|file| file.len() <= 8 * SMALL).map(|file| file.to_vec()).collect();
    for entries in entries().chunks(2) {
        for magic in [&b"REDIS0012"[..], b"VALKEY080"] {
            let mut file = magic.to_vec();
            file.extend_from_slice(b"\xfa\x07repl-id\x01x\xfe\x00\xfb\x02\x00");
            entries.iter().for_each(|entry| file.extend_from_slice(entry));
            file.extend_from_slice(&[0xFF; 9]);
            mend_file(&mut file);
            files.push(file);
        }
    }
    files
}

/// Entries of the fixtures, prefixes and all, and of types that no fixture has.
fn entries() -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    let mut per_type = [0; 256];
    for fixture in FIXTURES {
        let mut decoder = Decoder::new(Limits::default());
        decoder.feed(fixture);
        let mut start = decoder.position() as usize;
        while let Ok(Some(item)) = decoder.next_item() {
            let is_key = matches!(item, Item::Key(_));
            let end = decoder.position() as usize;
            let entry = &fixture[start..end];
            start = end;
            let Some((kind, _)) = is_key.then(|| split_entry(entry)).flatten() else { continue };
            per_type[usize::from(kind)] += 1;
            if entry.len() <= SMALL && per_type[usize::from(kind)] <= PER_TYPE {
                entries.push(entry.to_vec());
            }
        }
    }
    entries.extend(HANDMADE.iter().map(|entry| entry.to_vec()));
    entries
}

/// Hashes with field deadlines in the forms of Redis 7.4 and Valkey 9, and a plain list node.
const HANDMADE: [&[u8]; 4] = [
    b"\x18\x01h\x10\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01a\x01b\x05\x01c\x01d",
    b"\x16\x01h\x02\x01a\x01b\xff\xff\xff\xff\xff\xff\xff\xff\x01c\x01d\x10\x00\x00\x00\x00\x00\x00\x00",
    b"\x19\x01h\x10\x00\x00\x00\x00\x00\x00\x00\x10\x10\x00\x00\x00\x03\x00\x81a\x02\x81b\x02\x00\x01\xff",
    b"\x12\x01l\x01\x01\x03abc",
];

/// The type and the value of an entry, behind prefixes and key.
fn split_entry(entry: &[u8]) -> Option<(u8, &[u8])> {
    let mut rest = entry;
    loop {
        let (&byte, tail) = rest.split_first()?;
        rest = match byte {
            0xFC => tail.get(8..)?,
            0xFD => tail.get(4..)?,
            0xF9 => tail.get(1..)?,
            0xF8 => tail.get(1..)?,
            0xF4..=0xFF => return None,
            kind => {
                let (&head, tail) = tail.split_first()?;
                let value = match head {
                    0..=0x3F => tail.get(usize::from(head)..)?,
                    0x40..=0x7F => tail.get(1 + (usize::from(head & 0x3F) << 8) + usize::from(*tail.first()?)..)?,
                    0xC0 => tail.get(1..)?,
                    0xC1 => tail.get(2..)?,
                    0xC2 => tail.get(4..)?,
                    _ => return None,
                };
                return Some((kind, value));
            }
        };
    }
}

fn payloads() -> Vec<Vec<u8>> {
    let entries = entries();
    let values = entries.iter().filter_map(|entry| split_entry(entry));
    let payloads = values.map(|(kind, value)| {
        let mut payload = [&[kind], value].concat();
        let version = if kind == kind::HASH_2_VALKEY { VERSION_VALKEY_9 } else { VERSION_REDIS_7_4 };
        finish_dump_as(&mut payload, version as u16);
        payload
    });
    payloads.collect()
}

fn mend_file(file: &mut Vec<u8>) {
    if let Some((content, _)) = file.split_last_chunk::<8>() {
        let crc = crc64(content);
        file.truncate(file.len() - 8);
        file.extend_from_slice(&crc.to_le_bytes());
    }
}

fn run_file(file: &[u8], seed: &mut Seed) -> u64 {
    let mut kinds = Vec::new();
    for verify_checksum in [true, false] {
        let limits = Limits { verify_checksum, string_bytes_max: if seed.one_in(4) { 1000 } else { 512 << 20 } };
        let whole = survey(file, file.len(), limits);
        for piece in [1 + seed.below(8) as usize, 1 + seed.below(file.len() as u64 + 1) as usize] {
            let pieces = survey(file, piece, limits);
            assert_eq!(pieces, whole, "in pieces of {piece}");
        }
        kinds.push(match whole {
            Ok(survey) => (survey.keys.min(4), format!("{:?} {}", survey.checksum, survey.empty_keys.min(2))),
            Err(error) => (u64::MAX, kind_of(error)),
        });
    }
    signature(kinds)
}

fn mend_payload(payload: &mut Vec<u8>) {
    if payload.len() > 10 {
        payload.truncate(payload.len() - 8);
        let version = payload.split_off(payload.len() - 2);
        let version = u16::from_le_bytes([version[0], version[1]]);
        finish_dump_as(payload, version);
    }
}

fn run_payload(payload: &[u8], seed: &mut Seed) -> u64 {
    let dump = match open_dump(payload) {
        Ok(dump) => dump,
        Err(error) => return signature(kind_of(error)),
    };
    match dump.decode() {
        Ok(value) => {
            keep_and_write(value, seed);
            signature((dump.kind, dump.body.len().ilog2()))
        }
        Err(error) => signature((dump.kind, kind_of(error))),
    }
}

/// Makes it a value of the node, writes that in all versions, and reads it again: the content must be the same.
fn keep_and_write(value: RdbValue<'_>, seed: &mut Seed) {
    let before = digest_of(&value);
    let small = Thresholds {
        hash_packed_entries: 2,
        zset_packed_entries: 2,
        set_packed_entries: 2,
        set_intset_entries: 2,
        list_node_size: 2,
        ..Thresholds::default()
    };
    let thresholds = if seed.one_in(2) { Thresholds::default() } else { small };
    let kept = values::from_rdb(value, &thresholds);
    for version in [VERSION_REDIS_5, VERSION_REDIS_7_0, VERSION_REDIS_7_2] {
        let mut lzf = Lzf::new();
        let mut body = Vec::new();
        values::put_body(&mut body, kept.view(), version, seed.one_in(2).then_some(&mut lzf));
        let kind = values::kind_of(kept.view(), version);
        let again = decode_value(kind, &body, Dialect::Redis)
            .unwrap_or_else(|error| panic!("what was kept cannot be read again (type {kind}, version {version}): {error}"));
        assert_eq!(digest_of(&again), before, "type {kind}, version {version}");
    }
}

/// The content's digest, with -0 taken for 0: small sorted sets do not keep the difference, here as in real servers.
fn digest_of(value: &RdbValue<'_>) -> Digest {
    let mut digest = Digest::new();
    match value {
        RdbValue::Zset(RdbZset::Pairs(pairs)) => {
            digest.zset(pairs.iter().map(|(member, score)| (member.to_vec(), score + 0.0)));
        }
        RdbValue::Zset(RdbZset::Packed(pack)) => {
            let texts: Vec<Vec<u8>> = pack.iter().map(|(_, element)| element.to_vec()).collect();
            let score = |text: &[u8]| parse_f64(text).expect("a score that was checked") + 0.0;
            digest.zset(texts.chunks_exact(2).map(|pair| (pair[0].clone(), score(&pair[1]))));
        }
        other => other.add_to(&mut digest),
    }
    digest
}
