//! One channel, a thousand subscribers: server CPU time per message and subscriber.
//!
//! Messages are published in batches; the next one when every subscriber has read the last. So nobody's buffer matters, and
//! waiting costs the server nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::Setup;
use crate::client::{encode, open};
use crate::report::Report;
use crate::row::RowId;
use crate::server::Server;
use crate::{Result, proc};

use super::{start, with_log};

const SUBSCRIBERS: usize = 1_000;
const CHANNEL: &str = "channel";
const MESSAGE: &str = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr";
/// Messages of a run, by how many are published at once.
const RUNS: [(u64, u64); 2] = [(1, 1_000), (16, 4_000)];
/// Before a run is measured, so many batches.
const WARM_UP: u64 = 10;
const LIMIT: Duration = Duration::from_secs(120);

pub fn measure(setup: &Setup, report: &mut Report, at: usize) -> Result<()> {
    let server = start(setup, at)?;
    deliver(setup, report, at, &server).map_err(|e| with_log(&server, e))
}

fn deliver(setup: &Setup, report: &mut Report, at: usize, server: &Server) -> Result<()> {
    raise_file_limit()?;
    let subscribers = (0..SUBSCRIBERS).map(|_| subscribe(server.port())).collect::<Result<Vec<_>>>()?;
    let publisher = open(server.port())?;
    for (pipeline, messages) in RUNS {
        let batches = (setup.scaled(messages) / pipeline).max(1);
        run(&publisher, &subscribers, pipeline, WARM_UP)?;
        let before_ns = proc::cpu_ns(server.pid())?;
        run(&publisher, &subscribers, pipeline, batches)?;
        let used_ns = proc::cpu_ns(server.pid())? - before_ns;
        let deliveries = batches * pipeline * SUBSCRIBERS as u64;
        report.record(RowId::Delivery { pipeline }, at, used_ns as f64 / deliveries as f64);
    }
    Ok(())
}

/// Every subscriber needs a file descriptor here.
fn raise_file_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Some(SUBSCRIBERS as u64 + 200);
    if limit.current < wanted && limit.current.is_some() {
        setrlimit(Resource::Nofile, Rlimit { current: wanted, ..limit })?;
    }
    Ok(())
}

fn subscribe(port: u16) -> Result<TcpStream> {
    let mut stream = open(port)?;
    let mut words = Vec::new();
    encode(&["SUBSCRIBE", CHANNEL], &mut words);
    stream.write_all(&words)?;
    let mut expected = Vec::new();
    encode(&["subscribe", CHANNEL], &mut expected);
    expected[1] = b'3';
    expected.extend_from_slice(b":1\r\n");
    expect(&stream, &expected)?;
    Ok(stream)
}

/// Publishes `batches` times `pipeline` messages, and waits each time until all subscribers have them.
fn run(mut publisher: &TcpStream, subscribers: &[TcpStream], pipeline: u64, batches: u64) -> Result<()> {
    let (mut batch, mut delivered) = (Vec::new(), Vec::new());
    for _ in 0..pipeline {
        encode(&["PUBLISH", CHANNEL, MESSAGE], &mut batch);
        encode(&["message", CHANNEL, MESSAGE], &mut delivered);
    }
    let answers = format!(":{SUBSCRIBERS}\r\n").repeat(pipeline as usize).into_bytes();
    let begun = Instant::now();
    for _ in 0..batches {
        if begun.elapsed() > LIMIT {
            return Err(format!("the messages are not delivered within {LIMIT:?}").into());
        }
        publisher.write_all(&batch)?;
        expect(publisher, &answers)?;
        subscribers.iter().try_for_each(|subscriber| expect(subscriber, &delivered))?;
    }
    Ok(())
}

/// Reads exactly `expected`.
fn expect(mut stream: &TcpStream, expected: &[u8]) -> Result<()> {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes)?;
    if bytes != expected {
        return Err(format!("unexpected: {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(100)])).into());
    }
    Ok(())
}
