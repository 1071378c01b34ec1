//! `soak --hours H [--minutes M] [--rows 3,7,…] [--seed N] [--trials N] [--stutter]`: tries the fault matrix again and again, and
//! prints its table. Ends with 1 if anything was lost. `--seed N --trials 1` repeats the trial that lost with that seed.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use koltso_tests::Seed;
use koltso_tests::matrix::run::{Verdict, attempt};
use koltso_tests::matrix::table::Table;
use koltso_tests::matrix::{ROWS, Row, row};
use koltso_tests::stutter::Stutter;

struct Options {
    time: Duration,
    rows: Vec<&'static Row>,
    seed: u64,
    /// How often each row is tried at most.
    trials: u64,
    stutter: bool,
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let options = args.next().filter(|command| command == "soak").and_then(|_| options(args));
    let Some(options) = options else {
        eprintln!("usage: soak [--hours H] [--minutes M] [--rows N,N...] [--seed N] [--trials N] [--stutter]");
        return ExitCode::from(2);
    };
    let table = soak(&options);
    print!("\n{table}");
    if table.lost() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options(mut args: impl Iterator<Item = String>) -> Option<Options> {
    let rows = ROWS.iter().collect();
    let mut options =
        Options { time: Duration::ZERO, rows, seed: rand::random::<u32>().into(), trials: u64::MAX, stutter: false };
    while let Some(name) = args.next() {
        let mut value = || args.next();
        match name.as_str() {
            "--stutter" => options.stutter = true,
            "--hours" => options.time += Duration::from_secs(value()?.parse::<u64>().ok()?.checked_mul(3600)?),
            "--minutes" => options.time += Duration::from_secs(value()?.parse::<u64>().ok()?.checked_mul(60)?),
            "--rows" => options.rows = value()?.split(',').map(|number| row(number.parse().ok()?)).collect::<Option<_>>()?,
            "--seed" => options.seed = value()?.parse().ok()?,
            "--trials" => options.trials = value()?.parse().ok()?,
            _ => return None,
        }
    }
    if options.time.is_zero() && options.trials == u64::MAX {
        return None;
    }
    Some(options)
}

fn soak(options: &Options) -> Table {
    let _stutter = options.stutter.then(|| Stutter::start(Seed::new(options.seed)));
    let started = Instant::now();
    let mut table = Table::default();
    for nth in 0..options.trials {
        for row in &options.rows {
            if nth > 0 && started.elapsed() >= options.time && options.trials == u64::MAX {
                return table;
            }
            let seed = options.seed.wrapping_add(nth);
            let began = Instant::now();
            let verdict = attempt(row, seed, false);
            let seconds = began.elapsed().as_secs_f64();
            match &verdict {
                Verdict::Survived => println!("row {}: survived in {seconds:.1} s", row.number),
                Verdict::Skipped(why) => println!("row {}: skipped: {why}", row.number),
                Verdict::Lost(why) => println!("row {}: LOST in {seconds:.1} s with seed {seed}: {why}", row.number),
            }
            table.count(row, seed, &verdict);
        }
    }
    table
}
