//! Runs the units of all servers from one queue, several at a time, and judges what failed.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use crate::conformance::{Exceptions, Outcome, Suite, Test, Verdict};
use crate::{Kind, Server};

/// These take longest, so they come first: a long one at the end would run alone.
const LONGEST: [&str; 4] = ["unit/hyperloglog", "unit/type/list-3", "unit/dump", "unit/geo"];

/// These compare the time that passes with what they expect, to within 50 ms, so they come last and nothing runs beside them.
const MEASURE_TIME: [&str; 1] = ["unit/latency-monitor"];

/// What is to be run.
pub struct Plan {
    /// The unpacked suite.
    pub source: PathBuf,
    /// Against each of these.
    pub servers: Vec<Kind>,
    /// These units, also where they are left out otherwise; all that are not, if empty.
    pub units: Vec<String>,
    /// So many units at a time.
    pub workers: usize,
    /// Print everything that the suite prints.
    pub verbose: bool,
}

/// One unit on one server.
struct Job {
    kind: Kind,
    unit: String,
}

/// Runs it and prints what fails, then a line for each server. True if nothing failed but what may.
pub fn run(plan: &Plan, exceptions: &Exceptions) -> std::io::Result<bool> {
    let mut units = plan.units.clone();
    if units.is_empty() {
        units = Suite::new(&plan.source, "list")?.units()?;
        units.retain(|unit| match exceptions.without(unit) {
            Some(reason) => {
                println!("{unit} is left out: {reason}");
                false
            }
            None => true,
        });
        units.sort_by_key(|unit| LONGEST.iter().position(|long| long == unit).unwrap_or(LONGEST.len()));
    }
    let start = Instant::now();
    let jobs = units.iter().flat_map(|unit| plan.servers.iter().map(|&kind| Job { kind, unit: unit.clone() }));
    let (alone, together): (Vec<Job>, Vec<Job>) = jobs.partition(|job| MEASURE_TIME.contains(&job.unit.as_str()));
    let mut results = run_all(plan, exceptions, together, plan.workers)?;
    results.extend(run_all(plan, exceptions, alone, 1)?);
    let mut good = true;
    for &kind in &plan.servers {
        let own = results.iter().filter(|(job, _)| job.kind == kind);
        let tally = judge(kind, own.map(|(job, outcome)| (job.unit.as_str(), outcome)), exceptions);
        good &= tally.failed == 0;
        let Tally { passed, excused, failed } = tally;
        let total = passed + excused + failed;
        println!(
            "conformance, {}: {passed} of {total} passed, {excused} listed exceptions, {failed} others failed",
            name(kind)
        );
    }
    println!("conformance: {} units in {:.0} s", results.len(), start.elapsed().as_secs_f64());
    Ok(good)
}

/// Each job on a server of its own, by so many workers at a time.
fn run_all(plan: &Plan, exceptions: &Exceptions, jobs: Vec<Job>, workers: usize) -> std::io::Result<Vec<(Job, Outcome)>> {
    let queue = Mutex::new(VecDeque::from(jobs));
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| -> std::io::Result<()> {
        let worker = |index: usize| -> std::io::Result<()> {
            let suite = Suite::new(&plan.source, &index.to_string())?;
            loop {
                let next = queue.lock().expect("no worker panics with it").pop_front();
                let Some(job) = next else { return Ok(()) };
                let outcome = run_one(&suite, &job, exceptions, plan.verbose)?;
                results.lock().expect("no worker panics with it").push((job, outcome));
            }
        };
        let handles: Vec<_> = (0..workers).map(|index| scope.spawn(move || worker(index))).collect();
        handles.into_iter().try_for_each(|handle| handle.join().expect("a worker panicked"))
    })?;
    Ok(results.into_inner().expect("the workers are gone"))
}

/// How many tests ended how.
#[derive(Default)]
struct Tally {
    passed: usize,
    excused: usize,
    failed: usize,
}

/// Counts, and prints what fails outside of the list and what of the list does not fail.
fn judge<'a>(kind: Kind, results: impl Iterator<Item = (&'a str, &'a Outcome)>, exceptions: &Exceptions) -> Tally {
    let mut tally = Tally::default();
    for (unit, outcome) in results {
        for test in &outcome.tests {
            match &test.verdict {
                Verdict::Passed => tally.passed += 1,
                Verdict::Failed(_) if exceptions.reason(unit, &test.name).is_some() => tally.excused += 1,
                Verdict::Failed(details) => {
                    tally.failed += 1;
                    println!("FAILED, {}: {unit} | {}{}", name(kind), test.name, indented(details));
                }
            }
        }
        for listed in exceptions.of(unit) {
            let fails = |test: &Test| test.name == listed && test.verdict != Verdict::Passed;
            if !outcome.tests.iter().any(fails) {
                println!("no longer fails, {}: {unit} | {listed}", name(kind));
            }
        }
    }
    tally
}

/// One unit against a fresh server.
fn run_one(suite: &Suite, job: &Job, exceptions: &Exceptions, verbose: bool) -> std::io::Result<Outcome> {
    let mut server = Server::with(job.kind);
    if job.kind.is_koltso() {
        // As from Redis 7.2 small sets are listpacks; so they are hash tables as in 7.0.
        server = server.set("set-max-listpack-entries", 0);
    }
    let mut server = server.start();
    let several = matches!(job.kind, Kind::Koltso { cores: 2.. });
    let left_out = exceptions.of_several_cores(&job.unit).filter(|_| several);
    let (mut outcome, text) = suite.run(&job.unit, left_out, &server)?;
    if verbose {
        println!("{text}");
    }
    if let Some(status) = server.exited() {
        outcome.fail(format!("the server ended, {status}\n{}", server.log_tail()));
    }
    Ok(outcome)
}

fn name(kind: Kind) -> String {
    match kind {
        Kind::Koltso { cores } if kind.is_koltso() => format!("--cores {cores}"),
        _ => "redis-server".into(),
    }
}

/// The details below their headline, without the Tcl stack that follows the first line of an error outside of a test.
fn indented(details: &str) -> String {
    details.trim().lines().take(12).map(|line| format!("\n    {line}")).collect()
}
