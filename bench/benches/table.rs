//! The keyspace's table: lookups that hit and miss, overwriting, and inserting into a table that grows (segments split).
//!
//! Keys are asked for in random order, so that every operation pays for its cache misses as it would in a server.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use koltso::shard::table::Table;
use koltso_bench::Random;
use koltso_proto::id::UnixMs;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: UnixMs = UnixMs(1_700_000_000_000);
/// Operations per iteration.
const BATCH: usize = 1000;

fn key(n: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let digits = format!("{n:012}");
    key[4..].copy_from_slice(digits.as_bytes());
    key
}

fn filled(keys: u64) -> Table {
    let mut table = Table::default();
    for n in 0..keys {
        table.set_string(&key(n), &[b'x'; 64], None, NOW);
    }
    table
}

fn random_keys(from: u64, below: u64, count: usize) -> Vec<[u8; 16]> {
    let mut random = Random::new(7);
    (0..count).map(|_| key(from + random.below(below))).collect()
}

fn table(c: &mut Criterion) {
    let mut group = c.benchmark_group("table");
    group.throughput(Throughput::Elements(BATCH as u64)).sample_size(30);
    for keys in [10_000u64, 1_000_000] {
        let mut table = filled(keys);
        // Enough different batches that one does not find its keys in the cache because of the one before it.
        let batches: Vec<_> = random_keys(0, keys, 64 * BATCH).chunks(BATCH).map(<[_]>::to_vec).collect();
        let mut next = batches.iter().cycle();
        group.bench_function(BenchmarkId::new("hit", keys), |b| {
            b.iter(|| next.next().into_iter().flatten().filter(|key| table.find(black_box(&key[..])).is_some()).count())
        });
        let absent: Vec<_> = random_keys(keys, keys, 64 * BATCH).chunks(BATCH).map(<[_]>::to_vec).collect();
        let mut next = absent.iter().cycle();
        group.bench_function(BenchmarkId::new("miss", keys), |b| {
            b.iter(|| next.next().into_iter().flatten().filter(|key| table.find(black_box(&key[..])).is_some()).count())
        });
        let mut next = batches.iter().cycle();
        group.bench_function(BenchmarkId::new("overwrite", keys), |b| {
            b.iter(|| {
                for key in next.next().into_iter().flatten() {
                    table.set_string(black_box(&key[..]), &[b'y'; 64], None, NOW);
                }
            })
        });
    }
    group.finish();
}

fn growth(c: &mut Criterion) {
    const KEYS: u64 = 100_000;
    let keys: Vec<_> = (0..KEYS).map(key).collect();
    let mut group = c.benchmark_group("table growth");
    group.throughput(Throughput::Elements(KEYS)).sample_size(10);
    group.bench_function("insert into an empty table, all its splits included", |b| {
        b.iter_batched(
            Table::default,
            |mut table| {
                for key in &keys {
                    table.set_string(key, &[b'x'; 64], None, NOW);
                }
                table
            },
            BatchSize::PerIteration,
        )
    });
    group.finish();
}

criterion_group!(benches, table, growth);
criterion_main!(benches);
