//! Parsing pipelined requests and writing replies: bytes in, arguments out, bytes out. One iteration is one pipeline.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use koltso_proto::resp::{Limits, Reply, RequestParser, Step};
use std::hint::black_box;

const PIPELINE: usize = 100;

/// `PIPELINE` requests as redis-benchmark sends them.
fn requests(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..PIPELINE {
        out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            out.extend_from_slice(word);
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

/// Parses all requests and returns how many argument bytes they had.
fn parse(parser: &mut RequestParser, mut input: &[u8], limits: &Limits) -> usize {
    let mut bytes = 0;
    while let Ok(Step::Complete(len)) = parser.advance(input, limits) {
        bytes += parser.args(input).from(0).map(<[u8]>::len).sum::<usize>();
        parser.reset();
        input = &input[len..];
    }
    bytes
}

fn resp(c: &mut Criterion) {
    let limits = Limits::authenticated(512 << 20);
    let value = [b'x'; 64];
    let mut group = c.benchmark_group("resp");
    group.throughput(Throughput::Elements(PIPELINE as u64));
    let cases: [(&str, &[&[u8]]); 3] = [
        ("parse SET 64", &[b"SET", b"key:000000123456", &value]),
        ("parse GET", &[b"GET", b"key:000000123456"]),
        ("parse MSET of 8", &[b"MSET", b"a", b"1", b"b", b"2", b"c", b"3", b"d", b"4"]),
    ];
    for (name, words) in cases {
        let input = requests(words);
        let mut parser = RequestParser::new();
        let expected = words.iter().map(|word| word.len()).sum::<usize>() * PIPELINE;
        assert_eq!(parse(&mut parser, &input, &limits), expected);
        group.bench_function(name, |b| b.iter(|| parse(&mut parser, black_box(&input), &limits)));
    }
    group.bench_function("write 64-byte replies", |b| {
        b.iter(|| {
            let mut reply = Reply::new(false);
            for _ in 0..PIPELINE {
                reply.bulk(black_box(&value));
            }
            reply
        })
    });
    group.finish();
}

criterion_group!(benches, resp);
criterion_main!(benches);
