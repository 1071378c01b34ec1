//! A mutational fuzzer in stable Rust, and the targets it has: everything that reads what a stranger sends.
//!
//! It has no view of which code ran. Instead a target returns a number that stands for what became of the input (which error,
//! which type), and inputs with a number not seen before join the corpus. All of it follows from the seed, so a failure can
//! be repeated with `--seed` and found at the same iteration.
//!
//! Unlike the rest of this crate, targets call the code under test directly: that is their purpose.

mod config;
mod glob;
mod mutate;
mod packed;
mod psync;
mod rdb;
mod resp;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::Seed;

/// Inputs are kept at or below this length, in bytes.
const INPUT_LEN_MAX: usize = 96 * 1024;
/// The corpus does not grow beyond this many inputs.
const CORPUS_MAX: usize = 2048;
/// Longer inputs do not join it: they cost much and say little more.
const JOINS_LEN_MAX: usize = 4096;
/// CPU time after which one input counts as a hang; far more than any takes in a debug build.
const CPU_MAX: Duration = Duration::from_secs(2);
/// Address space that a run may add to what it began with: more means that a length was believed.
const MEMORY_MAX: u64 = 512 << 20;

/// Something that is fuzzed.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// What the corpus begins with.
    samples: fn() -> Vec<Vec<u8>>,
    /// Pieces that inputs are made of.
    words: &'static [&'static [u8]],
    /// Puts checksums and the like right, so that what is behind them is reached.
    mend: fn(&mut Vec<u8>),
    /// Uses the input; panics where something is wrong. Returns what became of it.
    run: fn(&[u8], &mut Seed) -> u64,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    resp::RESP,
    rdb::RDB,
    rdb::RESTORE,
    packed::LISTPACK,
    packed::ZIPLIST,
    packed::INTSET,
    psync::PSYNC,
    glob::GLOB,
    config::CONFIG,
];

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    /// After this many inputs.
    pub iterations: u64,
    /// After this long.
    pub time: Duration,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Inputs tried.
    pub iterations: u64,
    /// Inputs in the corpus at the end: samples, and one for each new outcome.
    pub corpus: usize,
    /// The first input that something went wrong with, and what.
    pub failure: Option<(Vec<u8>, String)>,
}

/// Fuzzes a target. Stops at the first failure.
pub fn fuzz(target: &Target, seed: u64, until: Until) -> Outcome {
    let mut seed = Seed::new(seed);
    let mut corpus = (target.samples)();
    let mut seen = HashSet::new();
    let mut outcome = Outcome { iterations: 0, corpus: 0, failure: None };
    let end = Instant::now() + until.time;
    let memory = address_space();
    for (n, sample) in corpus.iter().enumerate() {
        match run_one(target, sample, &mut seed.part(n as u64)) {
            Ok(signature) => _ = seen.insert(signature),
            Err(why) => outcome.failure = Some((sample.clone(), why)),
        }
    }
    while outcome.failure.is_none() && outcome.iterations < until.iterations && Instant::now() < end {
        outcome.iterations += 1;
        let mut input = mutate::mutate(&corpus, target.words, &mut seed);
        input.truncate(INPUT_LEN_MAX);
        if !seed.one_in(16) {
            (target.mend)(&mut input);
        }
        match run_one(target, &input, &mut seed) {
            Ok(signature) => {
                if seen.insert(signature) && corpus.len() < CORPUS_MAX && input.len() <= JOINS_LEN_MAX {
                    corpus.push(input);
                }
            }
            Err(why) => outcome.failure = Some((input, why)),
        }
        if outcome.iterations.is_multiple_of(256) && address_space() > memory + MEMORY_MAX {
            let why = format!("one of the last 256 inputs made the process grow by more than {MEMORY_MAX} bytes");
            outcome.failure = Some((Vec::new(), why));
        }
    }
    outcome.corpus = corpus.len();
    outcome
}

/// Runs a target on one input.
///
/// # Errors
/// Why it failed.
pub fn run_one(target: &Target, input: &[u8], seed: &mut Seed) -> Result<u64, String> {
    let before = cpu_time();
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input, seed)));
    let spent = cpu_time().saturating_sub(before);
    let signature = result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        text.or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default()
    })?;
    if spent > CPU_MAX { Err(format!("it took {spent:?} of CPU time")) } else { Ok(signature) }
}

/// A number for what became of an input.
fn signature(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// An error without its numbers, so that outcomes that differ only in positions count as one.
fn kind_of(error: impl std::fmt::Display) -> String {
    error.to_string().chars().filter(|character| !character.is_ascii_digit()).collect()
}

fn nothing_to_mend(_: &mut Vec<u8>) {}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The most address space that this process has had, in bytes.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}
