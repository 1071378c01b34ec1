//! Writing and reading RDB files of small strings, the bulk of a full synchronisation. One iteration is one file.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use koltso_bench::Random;
use koltso_proto::id::DbIndex;
use koltso_proto::rdb::consts::kind;
use koltso_proto::rdb::writer::{put_checksum, put_eof, put_key_header, put_magic, put_select_db, put_string};
use koltso_proto::rdb::{Decoder, Item, Limits, Lzf, crc64};
use std::hint::black_box;

const KEYS: usize = 10_000;
/// How much the reader is fed at a time.
const PIECE: usize = 256 * 1024;

/// Keys and values; random values do not compress, the others do.
fn pairs(value_len: usize, random_values: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut random = Random::new(3);
    let value = |random: &mut Random| {
        let mut value = Vec::new();
        random.bytes(value_len, &mut value);
        if random_values { value } else { b"a value that repeats itself, ".iter().copied().cycle().take(value_len).collect() }
    };
    (0..KEYS).map(|n| (format!("key:{n:012}").into_bytes(), value(&mut random))).collect()
}

/// A whole file without its checksum's value being computed.
fn encode(pairs: &[(Vec<u8>, Vec<u8>)], mut lzf: Option<&mut Lzf>, out: &mut Vec<u8>) {
    put_magic(out, 10);
    put_select_db(out, DbIndex(0));
    for (key, value) in pairs {
        put_key_header(out, kind::STRING, None, key, lzf.as_deref_mut());
        put_string(out, value, lzf.as_deref_mut());
    }
    put_eof(out);
}

fn decode(file: &[u8], verify_checksum: bool) -> usize {
    let mut decoder = Decoder::new(Limits { verify_checksum, ..Limits::default() });
    let mut keys = 0;
    for piece in file.chunks(PIECE) {
        decoder.feed(piece);
        while let Ok(Some(item)) = decoder.next_item() {
            keys += usize::from(matches!(item, Item::Key(_)));
        }
    }
    assert!(decoder.is_done());
    keys
}

fn rdb(c: &mut Criterion) {
    let mut group = c.benchmark_group("rdb");
    group.sample_size(30);
    for (name, random_values, compress) in
        [("random 200", true, false), ("random 200, LZF tried", true, true), ("repetitive 200, LZF", false, true)]
    {
        let pairs = pairs(200, random_values);
        let mut lzf = Lzf::new();
        let mut file = Vec::new();
        encode(&pairs, compress.then_some(&mut lzf), &mut file);
        group.throughput(Throughput::Elements(KEYS as u64));
        let mut out = Vec::with_capacity(file.len());
        group.bench_function(format!("encode {name}"), |b| {
            b.iter(|| {
                out.clear();
                encode(black_box(&pairs), compress.then_some(&mut lzf), &mut out);
                out.len()
            })
        });
        let crc = crc64(&file);
        put_checksum(&mut file, crc);
        assert_eq!(decode(&file, true), KEYS);
        group.bench_function(format!("decode {name}"), |b| b.iter(|| decode(black_box(&file), true)));
        group.throughput(Throughput::Bytes(file.len() as u64));
        group.bench_function(format!("checksum {name}"), |b| b.iter(|| crc64(black_box(&file))));
    }
    group.finish();
}

criterion_group!(benches, rdb);
criterion_main!(benches);
