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
    /// `set` or `get`
    pub test: &'static str,
    pub pipeline: u64,
    pub requests: u64,
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
        command.args(["-r", &setup.keyspace.to_string()]);
    }
    command.args(["-h", "127.0.0.1", "-t", point.test, "--csv"]);
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

/// The second column of the only row after the header of `--csv`.
fn requests_per_s(csv: &str) -> Option<f64> {
    let row = csv.lines().find(|line| line.starts_with("\"SET\"") || line.starts_with("\"GET\""))?;
    row.split(',').nth(1)?.trim_matches('"').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_csv() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\"\n\"SET\",\"131578.95\",\"0.1\"\n";
        assert_eq!(requests_per_s(csv), Some(131_578.95));
        assert_eq!(requests_per_s("Could not connect\n"), None);
    }
}
