//! `conformance [--cores N]… [--redis] [--workers N] [--verbose] [UNIT…]`: Redis's own test suite against koltso, from outside.
//! Ends with 1 where a test fails that does not stand in `tests/conformance-exceptions.txt`. By default all units, with one
//! core and with three; units that are named are run even where the list leaves them out. `--redis` runs them against
//! redis-server instead, which proves the runner right.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use koltso_tests::Kind;
use koltso_tests::conformance::{Exceptions, Plan, run};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let source = root.join("target/conformance/redis-7.0.15");
    let Some(plan) = plan(source, std::env::args().skip(1)) else {
        eprintln!("usage: conformance [--cores N]... [--redis] [--workers N] [--verbose] [UNIT...]");
        return ExitCode::from(2);
    };
    let Ok(source) = plan.source.canonicalize() else {
        println!("conformance: NOT RUN, the suite is not there: tests/fetch-conformance says why");
        return ExitCode::SUCCESS;
    };
    let exceptions = Exceptions::parse(include_str!("../../conformance-exceptions.txt"));
    match run(&Plan { source, ..plan }, &exceptions) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan(source: PathBuf, mut args: impl Iterator<Item = String>) -> Option<Plan> {
    let mut plan = Plan { source, servers: Vec::new(), units: Vec::new(), workers: 4, verbose: false };
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--cores" => plan.servers.push(Kind::Koltso { cores: args.next()?.parse().ok()? }),
            "--redis" => plan.servers.push(Kind::Redis),
            "--workers" => plan.workers = args.next()?.parse().ok().filter(|&workers| workers > 0)?,
            "--verbose" => plan.verbose = true,
            _ if arg.starts_with('-') => return None,
            _ => plan.units.push(arg),
        }
    }
    if plan.servers.is_empty() {
        plan.servers = vec![Kind::Koltso { cores: 1 }, Kind::Koltso { cores: 3 }];
    }
    Some(plan)
}
