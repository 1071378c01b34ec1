//! Measures the table by itself: resident bytes per key, CPU time per operation, and the longest step while growing.
//!
//! `cargo run --release -p koltso --example table_figures [memory | speed | snapshot | growth] [million keys]`

use ahash::RandomState;
use koltso::shard::access::AccessPolicy;
use koltso::shard::rdb_sink::{AccessNote, EncodedSink, Part, RdbOptions};
use koltso::shard::table::Table;
use koltso::shard::{Shard, SnapshotProgress};
use koltso_proto::id::{DbIndex, ShardId, UnixMs};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: UnixMs = UnixMs(1_700_000_000_000);

/// Steps shorter than this are not looked at.
const LONG_STEP: Duration = Duration::from_micros(60);

fn main() {
    // As the server does: a fault on a huge page takes milliseconds.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_else(|| "all".into());
    let millions: f64 = args.next().and_then(|text| text.parse().ok()).unwrap_or(20.0);
    if what == "memory" || what == "all" {
        memory();
    }
    if what == "speed" || what == "all" {
        speed(1_000);
        speed(10_000);
        speed(100_000);
        speed(2_000_000);
    }
    if what == "snapshot" || what == "all" {
        snapshot(3_000_000);
    }
    if what == "growth" || what == "all" {
        growth((millions * 1e6) as u64);
    }
}

/// 15 bytes.
fn key(n: u64) -> [u8; 15] {
    let mut key = *b"key:00000000000";
    let mut n = n;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
    }
    key
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// In a process of its own each, so that nothing is left over from the one before.
fn memory() {
    if let Some(case) = std::env::var_os("TABLE_FIGURES_CASE") {
        let case = case.to_string_lossy().into_owned();
        let numbers: Vec<u64> = case.split(' ').filter_map(|number| number.parse().ok()).collect();
        let before = resident_bytes();
        let mut table = Table::default();
        let value = vec![b'x'; numbers[1] as usize];
        let expire = (numbers[2] > 0).then_some(UnixMs(NOW.0 + 86_400_000));
        for n in 0..numbers[0] {
            table.set_string(&key(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 28), &value, expire, NOW);
        }
        let per_key = (resident_bytes() - before) as f64 / table.len() as f64;
        let counted = table.heap_bytes() as f64 / table.len() as f64;
        return println!("{per_key:.1} {counted:.1}");
    }
    println!("resident (counted) bytes per key, 15-byte keys, at 1.0, 1.4, 2.0 M keys");
    for (name, len, ttl) in [("8 bytes", 8, 0), ("32 bytes", 32, 0), ("100 bytes", 100, 0), ("32 bytes with TTL", 32, 1)] {
        let mut sum = 0.0;
        print!("{name:>20}: ");
        for keys in [1_000_000, 1_400_000, 2_000_000] {
            let child = std::process::Command::new(std::env::current_exe().expect("a path"))
                .arg("memory")
                .env("TABLE_FIGURES_CASE", format!("{keys} {len} {ttl}"))
                .output()
                .expect("the child runs");
            let text = String::from_utf8_lossy(&child.stdout).into_owned();
            let mut numbers = text.split_whitespace().filter_map(|number| number.parse::<f64>().ok());
            let (resident, counted) = (numbers.next().unwrap_or(0.0), numbers.next().unwrap_or(0.0));
            sum += resident;
            print!("{resident:6.1} ({counted:.1})");
        }
        println!("   mean {:.1}", sum / 3.0);
    }
}

fn speed(keys: u64) {
    let mut table = Table::default();
    for n in 0..keys {
        table.set_string(&key(n), &[b'x'; 64], None, NOW);
    }
    let order: Vec<[u8; 15]> = (0..1_000_000u64).map(|n| key(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys)).collect();
    let per_op = |name: &str, op: &mut dyn FnMut(&[u8; 15])| {
        let mut best = f64::MAX;
        for _ in 0..5 {
            let begin = cpu_time();
            order.iter().for_each(&mut *op);
            best = best.min((cpu_time() - begin).as_nanos() as f64 / order.len() as f64);
        }
        println!("{keys:>9} keys: {name:<28} {best:6.1} ns");
    };
    per_op("get (locate, touch, read)", &mut |key| {
        let spot = table.locate(black_box(key)).expect("it is there");
        table.touch(spot, NOW);
        black_box(table.at(spot).value());
    });
    per_op("set, same length", &mut |key| table.set_string(black_box(key), &[b'y'; 64], None, NOW));
    let mut len = 0;
    per_op("set, lengths 40 to 87", &mut |key| {
        len = (len + 7) % 48;
        table.set_string(black_box(key), &[b'y'; 88][..40 + len], None, NOW);
    });
    per_op("delete and set", &mut |key| {
        table.delete(black_box(key));
        table.set_string(black_box(key), &[b'y'; 64], None, NOW);
    });
}

struct Count(AtomicUsize);

impl EncodedSink for Count {
    fn send(&self, _: DbIndex, bytes: Vec<u8>) {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
    }

    fn send_part(&self, db: DbIndex, bytes: Vec<u8>, _: Part) {
        self.send(db, bytes);
    }
}

/// Walking alone, and then with writes that come before the walk.
fn snapshot(keys: u64) {
    let mut shard = Shard::new(ShardId(0), 1);
    let value: Vec<u8> = (0..200).map(|n: u8| n.wrapping_mul(167) ^ (n >> 3)).collect();
    for n in 0..keys {
        shard.dbs[0].set_string(&key(n), &value, None, NOW);
    }
    for writes_per_step in [0, 20] {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let target: Arc<dyn EncodedSink> = count.clone();
        let begin = cpu_time();
        shard.begin_rdb_snapshot(RdbOptions { version: 10, access: AccessNote::None, compress: false }, &target);
        let cut = cpu_time() - begin;
        let (mut writes, mut longest) = (0u64, Duration::ZERO);
        while shard.snapshot_step(64 * 280) == SnapshotProgress::More {
            for _ in 0..writes_per_step {
                writes += 1;
                let begin = cpu_time();
                shard.dbs[0].set_string(&key(writes.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys), &value, None, NOW);
                longest = longest.max(cpu_time() - begin);
            }
        }
        let total = cpu_time() - begin;
        let bytes = count.0.load(Ordering::Relaxed);
        println!(
            "snapshot of {keys} keys of 200 bytes with {writes} writes: cut {} us, {:.0} ns a key, {:.0} MB/s, longest write {} us",
            cut.as_micros(),
            total.as_nanos() as f64 / keys as f64,
            bytes as f64 / 1e6 / total.as_secs_f64(),
            longest.as_micros()
        );
    }
}

/// The same insertions three times: what the system does to us comes at another place each time, what the table does at the same.
fn growth(keys: u64) {
    let mut longest_at = HashMap::<u64, Duration>::new();
    for run in 0..3 {
        let seeds = RandomState::with_seeds(1, 2, 3, 4);
        let mut table = Table::with_hasher(AccessPolicy::Lru, seeds);
        let mut long = HashMap::new();
        // CPU time, because the wall clock counts what the scheduler does to us.
        let mut before = cpu_time();
        for n in 0..keys {
            table.set_string(&key(n), &[b'x'; 32], None, NOW);
            let now = cpu_time();
            let step = now - before;
            before = now;
            if step >= LONG_STEP {
                long.insert(n, step);
            }
        }
        let longest = long.values().max().copied().unwrap_or_default();
        println!("{keys} keys, run {run}: {} steps of {LONG_STEP:?} CPU time or more, the longest {longest:?}", long.len());
        match run {
            0 => longest_at = long,
            _ => longest_at.retain(|n, step| long.get(n).map(|again| *step = (*step).min(*again)).is_some()),
        }
    }
    let mut again: Vec<_> = longest_at.into_iter().map(|(n, step)| (step, n)).collect();
    again.sort_unstable();
    println!("steps that were so long in all runs, at their shortest: {}; the longest ones:", again.len());
    for (step, n) in again.iter().rev().take(5) {
        println!("    {step:?} at {n} keys");
    }
}
