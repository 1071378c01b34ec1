//! Runs redis-benchmark once, pinned to the client CPUs, and reads its result.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::args::Setup;
use crate::{Result, launch};

pub const CLIENTS: u64 = 50;
pub const VALUE_LEN: usize = 64;
const LIMIT: Duration = Duration::from_secs(180);

/// Which keys are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Any of the key space (`-r`): operations pay for their cache misses.
    Random,
    /// Always the same, as redis-benchmark does by default: everything stays in the cache.
    One,
}

/// One redis-benchmark test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// What the row is called; without words, also the name of redis-benchmark's own test.
    pub test: &'static str,
    /// A command line of one's own, with `__rand_int__` for a number below `keys`.
    pub words: &'static [&'static str],
    /// How many numbers there are; as many as the key space, where it says nothing.
    pub keys: Option<u64>,
    pub pipeline: u64,
    pub requests: u64,
}

impl Point {
    /// A test of redis-benchmark's own.
    pub const fn own(test: &'static str, pipeline: u64, requests: u64) -> Point {
        Point { test, words: &[], keys: None, pipeline, requests }
    }
}

/// Runs `point` and returns requests per second as redis-benchmark counts them.
pub fn run(setup: &Setup, port: u16, keys: Keys, point: Point) -> Result<f64> {
    let mut command = launch::pinned(&setup.redis_benchmark, &setup.client_cpus)?;
    let words =
        [("-p", u64::from(port)), ("-c", CLIENTS), ("-d", VALUE_LEN as u64), ("-P", point.pipeline), ("-n", point.requests)];
    for (flag, value) in words {
        command.args([flag, &value.to_string()]);
    }
    if keys == Keys::Random {
        command.args(["-r", &point.keys.unwrap_or(setup.keyspace).to_string()]);
    }
    command.args(["-h", "127.0.0.1", "--csv"]);
    if point.words.is_empty() {
        command.args(["-t", point.test]);
    }
    command.args(point.words);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let deadline = Instant::now() + LIMIT;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(format!("redis-benchmark did not finish within {LIMIT:?}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut text = String::new();
    child.stdout.take().ok_or("no output")?.read_to_string(&mut text)?;
    requests_per_s(&text).ok_or_else(|| format!("redis-benchmark printed {text:?}").into())
}

/// The second column of the only row after the header of `--csv`, counted from the end: the first may have commas in it.
fn requests_per_s(csv: &str) -> Option<f64> {
    let mut lines = csv.lines().skip_while(|line| !line.starts_with("\"test\""));
    let columns = lines.next()?.split(',').count();
    let row = lines.next()?;
    row.rsplit(',').nth(columns.checked_sub(2)?)?.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_csv() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\"\n\"SET\",\"131578.95\",\"0.1\"\n";
        assert_eq!(requests_per_s(csv), Some(131_578.95));
        let csv = "\"test\",\"rps\",\"avg_latency_ms\"\n\"EVAL return 1, 2 0\",\"99.5\",\"0.1\"\n";
        assert_eq!(requests_per_s(csv), Some(99.5));
        assert_eq!(requests_per_s("Could not connect\n"), None);
    }
}
