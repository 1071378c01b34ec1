//! redis-benchmark SET and GET at three pipeline depths: requests per second and server CPU per operation, with random
//! keys, with one constant key, and with one attached replica; and the points of `families.rs`.
//!
//! All servers of a round are alive, but only the one being measured runs. With a replica, a figure includes delivering
//! the stream to its last byte.

use std::time::{Duration, Instant};

use crate::args::Setup;
use crate::bench::{self, Keys, Point};
use crate::load::{KeyForm, Load, Shape};
use crate::report::Report;
use crate::row::{LoadId, RowId};
use crate::server::Server;
use crate::sink::Sink;
use crate::{Result, proc};

use super::{families, start, with_log};

const POINTS: [Point; 6] = [
    Point::own("set", 1, 200_000),
    Point::own("get", 1, 200_000),
    Point::own("set", 16, 1_500_000),
    Point::own("get", 16, 1_500_000),
    Point::own("set", 100, 3_000_000),
    Point::own("get", 100, 3_000_000),
];
const SYNC_LIMIT: Duration = Duration::from_secs(60);
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// A prepared server and, if wanted, its replica.
struct Subject {
    sink: Option<Sink>,
    /// What it can run, in lower case.
    commands: Vec<String>,
    server: Server,
}

impl Subject {
    fn has(&self, point: Point) -> bool {
        point.words.first().is_none_or(|name| self.commands.contains(&name.to_lowercase()))
    }
}

/// Measures all points in all rounds; `false` if something failed.
pub fn run(setup: &Setup, report: &mut Report, load: LoadId) -> bool {
    let mut complete = true;
    for round in 0..setup.rounds {
        eprintln!("round {} of {}", round + 1, setup.rounds);
        let mut subjects = Vec::new();
        for at in 0..setup.programs.len() {
            let prepared = prepare(setup, at, load);
            subjects.push(prepared.map_err(|e| report.fail("throughput", at, &e)).ok());
        }
        complete &= subjects.iter().all(Option::is_some);
        for &point in points(load) {
            let point = Point { requests: setup.scaled(point.requests), ..point };
            for (at, place) in subjects.iter_mut().enumerate() {
                let Some(subject) = place else { continue };
                if !subject.has(point) {
                    eprintln!("  {} has no {}", setup.programs[at].name, point.test);
                    continue;
                }
                if let Err(e) = measure(setup, report, at, load, subject, point) {
                    report.fail("throughput", at, &with_log(&subject.server, e));
                    complete = false;
                    *place = None;
                }
            }
        }
    }
    complete
}

fn points(load: LoadId) -> &'static [Point] {
    if load == LoadId::Families { &families::POINTS } else { &POINTS }
}

/// Starts a server with the whole key space present, warms it up and leaves it halted.
fn prepare(setup: &Setup, at: usize, load: LoadId) -> Result<Subject> {
    let server = start(setup, at)?;
    let keys = 0..setup.keyspace;
    Load { keys, form: KeyForm::Benchmark, shape: Shape::random(bench::VALUE_LEN) }.run(server.port())?;
    let sink = if load == LoadId::Replica { Some(attach(&server)?) } else { None };
    if load == LoadId::Families {
        families::fill(server.port())?;
    }
    for test in ["set", "get"] {
        bench::run(setup, server.port(), keys_of(load), Point::own(test, 16, setup.scaled(200_000)))?;
    }
    let commands = families::commands(&server)?;
    server.pause()?;
    Ok(Subject { sink, commands, server })
}

/// Attaches a sink. Only how it runs once attached matters here, so the delay before the snapshot is switched off.
fn attach(server: &Server) -> Result<Sink> {
    let _ = server.client()?.command(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    let sink = Sink::attach(server.port())?;
    sink.wait_synced(SYNC_LIMIT).map_err(|e| with_log(server, e))?;
    Ok(sink)
}

fn measure(setup: &Setup, report: &mut Report, at: usize, load: LoadId, subject: &Subject, point: Point) -> Result<()> {
    let Subject { sink, server, .. } = subject;
    server.resume()?;
    let before_ns = proc::cpu_ns(server.pid())?;
    let rate = bench::run(setup, server.port(), keys_of(load), point)?;
    if let Some(sink) = sink {
        wait_delivered(server, sink)?;
    }
    let used_ns = proc::cpu_ns(server.pid())? - before_ns;
    server.pause()?;
    let Point { test, pipeline, requests, .. } = point;
    report.record(RowId::Rate { test, pipeline, load }, at, rate);
    report.record(RowId::Cpu { test, pipeline, load }, at, used_ns as f64 / requests as f64);
    Ok(())
}

fn keys_of(load: LoadId) -> Keys {
    if load == LoadId::OneKey { Keys::One } else { Keys::Random }
}

/// Waits until the sink has every byte that the server says it has written to the stream.
fn wait_delivered(server: &Server, sink: &Sink) -> Result<()> {
    let mut client = server.client()?;
    let deadline = Instant::now() + DRAIN_LIMIT;
    loop {
        sink.check()?;
        let end = client.info("replication", "master_repl_offset")?.ok_or("INFO has no master_repl_offset")?;
        let (end, got): (u64, u64) = (end.parse()?, sink.offset());
        if got >= end {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("the replica has {got} of {end} bytes after {DRAIN_LIMIT:?}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
