//! `fuzz TARGET|all [--seconds N] [--iterations N] [--seed S]`: looks for inputs that break a target. `fuzz TARGET --file PATH`
//! runs it on one input. The targets are in `koltso_tests::fuzz`.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use koltso_tests::Seed;
use koltso_tests::fuzz::{TARGETS, Target, Until, fuzz, run_one};

struct Options {
    seed: u64,
    until: Until,
    file: Option<String>,
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let usage =
        format!("usage: fuzz TARGET [--seconds N] [--iterations N] [--seed S] [--file PATH]\ntargets: {} all", names.join(" "));
    let name = args.next().unwrap_or_default();
    let chosen: Vec<&Target> = TARGETS.iter().filter(|target| name == "all" || target.name == name).collect();
    let Some(options) = options(args).filter(|_| !chosen.is_empty()) else {
        eprintln!("{usage}");
        return ExitCode::from(2);
    };
    let clean = chosen.iter().filter(|target| run(target, &options)).count();
    if clean == chosen.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options(mut args: impl Iterator<Item = String>) -> Option<Options> {
    let until = Until { iterations: u64::MAX, time: Duration::from_secs(60) };
    let mut options = Options { seed: rand::random::<u32>().into(), until, file: None };
    while let Some(name) = args.next() {
        let value = args.next()?;
        match name.as_str() {
            "--seconds" => options.until.time = Duration::from_secs(value.parse().ok()?),
            "--iterations" => options.until.iterations = value.parse().ok()?,
            "--seed" => options.seed = value.parse().ok()?,
            "--file" => options.file = Some(value),
            _ => return None,
        }
    }
    Some(options)
}

/// True if nothing was found.
fn run(target: &Target, options: &Options) -> bool {
    if let Some(path) = &options.file {
        let input = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let result = run_one(target, &input, &mut Seed::new(options.seed));
        println!("{}: {result:?}", target.name);
        return result.is_ok();
    }
    println!("{}: seed {}", target.name, options.seed);
    let started = Instant::now();
    let outcome = fuzz(target, options.seed, options.until);
    let seconds = started.elapsed().as_secs_f64();
    println!("{}: {} inputs in {seconds:.0} s, corpus {}", target.name, outcome.iterations, outcome.corpus);
    let Some((input, why)) = outcome.failure else { return true };
    let path = std::env::temp_dir().join(format!("koltso-fuzz-{}-{}", target.name, options.seed));
    let kept = std::fs::write(&path, &input);
    println!("FAILED at input {}: {why}\n{} bytes in {} ({kept:?})", outcome.iterations, input.len(), path.display());
    if input.len() <= 2000 {
        println!("{}", input.escape_ascii());
    }
    false
}
