//! The parts of the comparison, one module each. They start servers, put load on them and record figures; how the load
//! works and how figures are shown is not theirs.

mod families;
mod growth;
mod memory;
mod pubsub;
mod sync;
mod throughput;

use crate::args::{Part, Setup};
use crate::report::Report;
use crate::row::LoadId;
use crate::server::Server;
use crate::{Error, Result};

/// Runs the chosen parts. What fails is noted in the report and the rest goes on; `false` if anything did.
pub fn run(setup: &Setup, report: &mut Report) -> bool {
    let mut complete = true;
    for &part in &setup.parts {
        eprintln!("== {part}");
        complete &= match part {
            Part::Basic => throughput::run(setup, report, LoadId::RandomKeys),
            Part::Onekey => throughput::run(setup, report, LoadId::OneKey),
            Part::Replica => throughput::run(setup, report, LoadId::Replica),
            Part::Families => throughput::run(setup, report, LoadId::Families),
            Part::Pubsub => each_alone(setup, report, "pubsub", setup.rounds, pubsub::measure),
            Part::Sync => each_alone(setup, report, "sync", setup.rounds, sync::measure),
            Part::Memory => each_alone(setup, report, "memory", 1, memory::measure),
            Part::Growth => each_alone(setup, report, "growth", 1, growth::measure),
        };
    }
    complete
}

/// Runs a measurement for which only one server is alive at a time: all servers in turn, `rounds` times.
fn each_alone(
    setup: &Setup,
    report: &mut Report,
    what: &str,
    rounds: usize,
    measure: fn(&Setup, &mut Report, usize) -> Result<()>,
) -> bool {
    let mut complete = true;
    for round in 0..rounds {
        for server in 0..setup.programs.len() {
            eprintln!("{what}, round {} of {rounds}, {}", round + 1, setup.programs[server].name);
            if let Err(e) = measure(setup, report, server) {
                report.fail(what, server, &e);
                complete = false;
            }
        }
    }
    complete
}

/// Starts program number `server` on the server CPUs.
fn start(setup: &Setup, server: usize) -> Result<Server> {
    Server::start(&setup.programs[server], &setup.server_cpus, setup.cores)
}

/// Adds the end of the server's log to an error: a crash usually explains itself there.
fn with_log(server: &Server, error: Error) -> Error {
    format!("{error}; the server's log ends:\n{}", server.log_tail()).into()
}
