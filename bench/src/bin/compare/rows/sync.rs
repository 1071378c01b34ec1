//! Full synchronisation: how long it takes, what writers feel meanwhile, and what memory it needs, all in the default
//! configuration (including the wait for further replicas that some servers begin with).
//!
//! Time and latency, memory, and each kind of replica get a synchronisation of their own: reading a large process's
//! memory map disturbs what it does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::args::Setup;
use crate::load::{KeyForm, Load, Shape};
use crate::prober::{Plan, Probe, Prober, probe_for};
use crate::report::Report;
use crate::row::RowId;
use crate::server::{Program, Server};
use crate::sink::Sink;
use crate::stats::Spread;
use crate::{Result, proc};

use super::{start, with_log};

const VALUE_LEN: usize = 200;
const IDLE_LENGTH: Duration = Duration::from_secs(4);
const SYNC_LIMIT: Duration = Duration::from_secs(120);
/// The copy is taken about when +FULLRESYNC is sent and torn down after the last byte; what happens just around it
/// belongs to it.
const MARGIN: Duration = Duration::from_millis(100);
/// A busy machine makes the prober fall behind without any sync; comparing with that would say nothing.
const QUIET_P50_US_MAX: f64 = 2_000.0;
const MEMORY_SAMPLE_PERIOD: Duration = Duration::from_millis(10);

pub fn measure(setup: &Setup, report: &mut Report, at: usize) -> Result<()> {
    let server = start(setup, at)?;
    let keys = setup.sync_keys;
    Load { keys: 0..keys, form: KeyForm::Benchmark, shape: Shape::random(VALUE_LEN) }.run(server.port())?;
    std::thread::sleep(Duration::from_secs(1));
    measure_loaded(setup, report, at, &server).map_err(|e| with_log(&server, e))
}

fn measure_loaded(setup: &Setup, report: &mut Report, at: usize, server: &Server) -> Result<()> {
    let plan = Plan { rate_per_s: setup.probe_rate, keys: setup.sync_keys, form: KeyForm::Benchmark, value_len: VALUE_LEN };
    time_and_latency(report, at, server, plan)?;
    wait_snapshot_gone(server)?;
    report.record(RowId::SyncMemory, at, memory_rise_percent(server, plan)?);
    wait_snapshot_gone(server)?;

    let own = &setup.programs[at];
    let own_s = replica_up_s(setup, server, own)?;
    report.record(RowId::SyncToOwnKind, at, own_s);
    if let Some(reference) = setup.programs.get(1) {
        let same = reference.path == own.path;
        let reference_s = if same { own_s } else { replica_up_s(setup, server, reference)? };
        report.record(RowId::SyncToReference, at, reference_s);
    }
    Ok(())
}

fn time_and_latency(report: &mut Report, at: usize, server: &Server, plan: Plan) -> Result<()> {
    let idle = spread_us(&probe_for(server.port(), plan, IDLE_LENGTH)?).ok_or("no idle probes")?;
    let quiet = idle.p50 <= QUIET_P50_US_MAX;
    if !quiet {
        let why = format!("the prober cannot keep its rate even idle (p50 {:.0} µs): the machine is busy", idle.p50);
        report.fail("write latency", at, &why.into());
    }
    let prober = Prober::start(server.port(), plan);
    std::thread::sleep(MARGIN);
    let cpu_before_ns = proc::cpu_with_children_ns(server.pid())?;
    let sink = Sink::attach(server.port())?;
    let times = sink.wait_synced(SYNC_LIMIT)?;
    std::thread::sleep(MARGIN);
    let probes = prober.finish()?;
    drop(sink);
    wait_snapshot_gone(server)?;
    let cpu_ns = proc::cpu_with_children_ns(server.pid())? - cpu_before_ns;

    let (from, to) = (times.answered - MARGIN, times.complete + MARGIN);
    let within: Vec<Probe> = probes.into_iter().filter(|p| p.begun + p.latency >= from && p.begun <= to).collect();
    let during = spread_us(&within).ok_or("no probes during the sync")?;

    let transfer_s = (times.complete - times.answered).as_secs_f64();
    report.record(RowId::SyncToSink, at, (times.complete - times.asked).as_secs_f64());
    report.record(RowId::SyncRate, at, times.rdb_bytes as f64 / 1e6 / transfer_s.max(1e-9));
    report.record(RowId::SyncCpu, at, cpu_ns as f64 / 1e9);
    if !quiet {
        return Ok(());
    }
    for (id, figure) in [
        (RowId::IdleP50, idle.p50),
        (RowId::SyncP50, during.p50),
        (RowId::IdleP99, idle.p99),
        (RowId::SyncP99, during.p99),
        (RowId::IdleMax, idle.max),
        (RowId::SyncMax, during.max),
        (RowId::SyncLatencyRise, during.p99 / idle.p99.max(1e-9)),
        (RowId::SyncStallRise, (during.max - idle.max) / 1e3),
    ] {
        report.record(id, at, figure);
    }
    Ok(())
}

fn spread_us(probes: &[Probe]) -> Option<Spread> {
    let latencies_us: Vec<f64> = probes.iter().map(|probe| probe.latency.as_secs_f64() * 1e6).collect();
    Spread::of(&latencies_us)
}

/// Peak memory of the server and its children during a full sync under the prober's writes, in percent over before.
fn memory_rise_percent(server: &Server, plan: Plan) -> Result<f64> {
    let pid = server.pid();
    let before = proc::rss_bytes(pid)?;
    proc::reset_peak(pid)?;
    let prober = Prober::start(server.port(), plan);
    let done = AtomicBool::new(false);
    let family_peak = std::thread::scope(|scope| -> Result<u64> {
        let sampler = scope.spawn(|| family_peak_bytes(pid, &done));
        let synced = Sink::attach(server.port()).and_then(|sink| sink.wait_synced(SYNC_LIMIT));
        done.store(true, Ordering::Relaxed);
        let peak = sampler.join().map_err(|_| "the memory sampler panicked")?;
        synced.and(peak)
    })?;
    prober.finish()?;
    let peak = family_peak.max(proc::peak_rss_bytes(pid)?);
    Ok((peak as f64 / before.max(1) as f64 - 1.0) * 100.0)
}

/// The highest sum over the process and its children while it has any.
fn family_peak_bytes(pid: u32, done: &AtomicBool) -> Result<u64> {
    let mut peak = 0;
    while !done.load(Ordering::Relaxed) {
        peak = peak.max(proc::family_pss_bytes(pid)?.unwrap_or(0));
        std::thread::sleep(MEMORY_SAMPLE_PERIOD);
    }
    Ok(peak)
}

/// Starts `program` on the client CPUs, makes it a replica and waits until it is up with all keys; seconds.
fn replica_up_s(setup: &Setup, primary: &Server, program: &Program) -> Result<f64> {
    let replica = Server::start(program, &setup.client_cpus, setup.cores)?;
    let mut client = replica.client()?;
    let begun = Instant::now();
    client.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()])?;
    while !is_up(&mut client)? {
        if begun.elapsed() > SYNC_LIMIT {
            let log = replica.log_tail();
            return Err(format!("{} as replica is not up within {SYNC_LIMIT:?}; its log ends:\n{log}", program.name).into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let elapsed_s = begun.elapsed().as_secs_f64();
    let (ours, theirs) = (client.int(&["DBSIZE"])?, primary.client()?.int(&["DBSIZE"])?);
    if ours != theirs {
        return Err(format!("{} as replica has {ours} of {theirs} keys", program.name).into());
    }
    drop(replica);
    wait_snapshot_gone(primary)?;
    Ok(elapsed_s)
}

/// A replica may refuse everything but INFO while it loads, and take its time even for that.
fn is_up(client: &mut crate::client::Client) -> Result<bool> {
    Ok(client.info("replication", "master_link_status")?.as_deref() == Some("up"))
}

/// Waits until a fork that may still be ending, or whatever else the server calls a background save, is over.
fn wait_snapshot_gone(server: &Server) -> Result<()> {
    let mut client = server.client()?;
    let deadline = Instant::now() + SYNC_LIMIT;
    while client.info("persistence", "rdb_bgsave_in_progress")?.as_deref() == Some("1") {
        if Instant::now() > deadline {
            return Err("a snapshot does not end".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
