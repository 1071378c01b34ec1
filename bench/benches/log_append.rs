//! From a write's effect to a replica's bytes: encoding it, appending a turn's batch to the log, reading it at a cursor.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use koltso::effects::EffectBuffer;
use koltso::replication::log::Log;
use koltso_proto::id::{DbIndex, Offset};
use std::hint::black_box;

const BACKLOG_LEN: u64 = 1 << 20;

fn active_log() -> Log {
    let mut log = Log::new(Offset(0), BACKLOG_LEN);
    log.activate();
    log
}

/// Encodes a turn of `commands` SETs of 64 bytes, one unit each.
fn encode(effects: &mut EffectBuffer, commands: usize) {
    let set: [&[u8]; 3] = [b"SET", b"key:000000123456", &[b'x'; 64]];
    for _ in 0..commands {
        effects.begin_unit();
        effects.push(DbIndex(0), black_box(set).into_iter());
        effects.end_unit();
    }
}

fn log(c: &mut Criterion) {
    let mut group = c.benchmark_group("log");
    for commands in [1usize, 16, 800] {
        group.throughput(Throughput::Elements(commands as u64));
        let (mut effects, mut log) = (EffectBuffer::default(), active_log());
        group.bench_function(BenchmarkId::new("encode, append, trim", commands), |b| {
            b.iter(|| {
                encode(&mut effects, commands);
                if let Some(batch) = effects.take() {
                    log.append(batch);
                }
                log.trim(None);
                log.end()
            })
        });
        let (mut effects, mut log) = (EffectBuffer::default(), active_log());
        let mut cursor = log.end();
        group.bench_function(BenchmarkId::new("encode, append, read, trim", commands), |b| {
            b.iter(|| {
                encode(&mut effects, commands);
                if let Some(batch) = effects.take() {
                    log.append(batch);
                }
                let pieces = log.read(cursor, usize::MAX, 64);
                cursor = cursor.advanced(pieces.iter().map(|piece| piece.len() as u64).sum());
                log.trim(Some(cursor));
                assert_eq!(cursor, log.end());
            })
        });
    }
    group.finish();
}

/// What a resuming replica costs: finding its place in a full backlog of small pieces.
fn resume(c: &mut Criterion) {
    let mut log = active_log();
    let piece = Bytes::from_static(&[b'p'; 100]);
    while log.held_len() < BACKLOG_LEN {
        log.append_verbatim(piece.clone());
    }
    let middle = Offset(BACKLOG_LEN / 2);
    c.bench_function("log/read 64 KiB from the middle of a full backlog", |b| {
        b.iter(|| log.read(black_box(middle), 64 * 1024, 1024).len())
    });
}

criterion_group!(benches, log, resume);
criterion_main!(benches);
