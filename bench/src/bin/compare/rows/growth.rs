//! The longest step while many keys are inserted: does the table ever stop the world to grow?
//!
//! The same load with nothing to grow follows, to tell what part of it is the machine's.

use std::time::Duration;

use crate::args::Setup;
use crate::load::{Batch, KeyForm, Load, Shape};
use crate::report::Report;
use crate::row::RowId;
use crate::server::Server;
use crate::{Result, proc};

use super::{start, with_log};

/// Small enough that the usual cost of a batch hides no millisecond.
const BATCH_LEN: u64 = 32;
const LIMIT: Duration = Duration::from_secs(240);
/// About what the hungriest server needs, in bytes.
const MEMORY_PER_KEY: u64 = 130;
/// INFO field in which a server may report its longest growth step itself, in microseconds.
const OWN_ACCOUNT: &str = "growth_step_usec_max";

pub fn measure(setup: &Setup, report: &mut Report, at: usize) -> Result<()> {
    touch_memory(setup.growth_keys.saturating_mul(MEMORY_PER_KEY));
    let server = start(setup, at)?;
    insert(setup, report, at, &server).map_err(|e| with_log(&server, e))
}

/// Writes to this much free memory (at most half of it) and gives it back. The first use of a page in a virtual machine can
/// cost its host many times what it costs the kernel here; that is nothing a server should be charged with.
fn touch_memory(bytes: u64) {
    let bytes = bytes.min(proc::available_bytes() / 2);
    let touched = vec![1u8; usize::try_from(bytes).unwrap_or(0)];
    std::hint::black_box(&touched);
}

fn insert(setup: &Setup, report: &mut Report, at: usize, server: &Server) -> Result<()> {
    let load = Load { keys: 0..setup.growth_keys, form: KeyForm::Fifteen, shape: Shape::random(8) };
    let run = |what| {
        let batches = load.run_in_batches(server.port(), server.pid(), BATCH_LEN, LIMIT)?;
        name_worst(what, &batches);
        longest_ms(&batches)
    };
    let (cpu_ms, wall_ms) = run("inserting")?;
    let (floor_cpu_ms, _) = run("overwriting")?;
    report.record(RowId::GrowthCpu, at, cpu_ms);
    report.record(RowId::GrowthFloorCpu, at, floor_cpu_ms);
    report.record(RowId::GrowthWall, at, wall_ms);
    if let Some(own_us) = server.client()?.info("everything", OWN_ACCOUNT)? {
        report.record(RowId::GrowthOwn, at, own_us.parse::<f64>()? / 1e3);
    }
    Ok(())
}

/// Tells where the most expensive batches were: a step of growth comes again at the same number of keys, noise does not.
fn name_worst(what: &str, batches: &[Batch]) {
    let mut worst: Vec<(u64, u64)> = (0u64..).zip(batches).map(|(at, batch)| (batch.cpu_ns, at * BATCH_LEN)).collect();
    worst.sort_unstable_by(|a, b| b.cmp(a));
    let named: Vec<String> =
        worst.iter().take(6).map(|(cpu_ns, key)| format!("{:.2} ms at key {key}", *cpu_ns as f64 / 1e6)).collect();
    eprintln!("    {what}, CPU of the most expensive batches: {}", named.join(", "));
}

/// CPU time of the most expensive batch beyond that of the median one, and the time of the longest; milliseconds.
fn longest_ms(batches: &[Batch]) -> Result<(f64, f64)> {
    let mut cpu_ns: Vec<u64> = batches.iter().map(|batch| batch.cpu_ns).collect();
    cpu_ns.sort_unstable();
    let usual_ns = cpu_ns.get(cpu_ns.len() / 2).ok_or("no batches")?;
    let extra_ns = cpu_ns.last().unwrap_or(usual_ns) - usual_ns;
    let wall = batches.iter().map(|batch| batch.wall).max().unwrap_or_default();
    Ok((extra_ns as f64 / 1e6, wall.as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_step_excludes_the_usual_cost() {
        let batch = |cpu_us: u64| Batch { cpu_ns: cpu_us * 1000, wall: Duration::from_micros(cpu_us + 10) };
        let batches: Vec<Batch> = [30, 31, 29, 1030, 30].map(batch).into();
        let (cpu_ms, wall_ms) = longest_ms(&batches).unwrap();
        assert!((cpu_ms - 1.0).abs() < 1e-9 && (wall_ms - 1.04).abs() < 1e-9);
    }
}
