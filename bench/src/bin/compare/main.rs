//! `compare`: the same load against koltso and any redis-server or valkey-server, side by side in one run.
//!
//! Glue only: parses arguments, runs the chosen parts, writes the table and the chart. It must not measure anything
//! itself, and it must leave no server running however it ends.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod chart;
mod client;
mod goals;
mod launch;
mod load;
mod prober;
mod proc;
mod report;
mod row;
mod rows;
mod server;
mod sink;
mod stats;

use std::process::ExitCode;

use clap::Parser;

/// Errors here end a part or the run; they are texts for a person.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    // The launcher mode must come before clap: everything after it belongs to the command being started.
    if let Some(failed) = launch::run_if_asked() {
        eprintln!("compare: {failed}");
        return ExitCode::FAILURE;
    }
    match compare(&args::Args::parse()) {
        Ok(complete) if complete => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("compare: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything that was asked for. `Ok(false)`: a report was written, but a part of it failed.
fn compare(args: &args::Args) -> Result<bool> {
    let setup = args.setup()?;
    server::remove_stale_directories();
    launch::pin_self(&setup.client_cpus)?;
    let mut report = report::Report::new(&setup);
    let complete = rows::run(&setup, &mut report);
    report.write(&setup.out)?;
    Ok(complete)
}
