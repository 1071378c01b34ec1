//! Resident bytes per key: what an empty server grows by, over the keys it holds.
//!
//! Tables grow in steps, so one size would flatter or wrong a server; the figure is the mean over three sizes.

use std::time::{Duration, Instant};

use crate::args::Setup;
use crate::load::{KeyForm, Load, Shape, Value};
use crate::report::Report;
use crate::row::RowId;
use crate::server::Server;
use crate::{Result, proc};

use super::{start, with_log};

const SHAPES: [Shape; 8] = [
    Shape { value: Value::Digits(8), expires: false },
    Shape { value: Value::Random(8), expires: false },
    Shape { value: Value::Random(32), expires: false },
    Shape { value: Value::Random(100), expires: false },
    Shape { value: Value::Random(32), expires: true },
    Shape { value: Value::Hash, expires: false },
    Shape { value: Value::SortedSet, expires: false },
    Shape { value: Value::List, expires: false },
];
const SIZES: [u64; 3] = [1_000_000, 1_400_000, 2_000_000];

/// A list is as large as many other keys.
fn fewer(shape: Shape) -> u64 {
    if shape.value == Value::List { 10 } else { 1 }
}

pub fn measure(setup: &Setup, report: &mut Report, at: usize) -> Result<()> {
    for shape in SHAPES {
        let server = start(setup, at)?;
        let bytes = bytes_per_key(setup, &server, shape).map_err(|e| with_log(&server, e))?;
        report.record(RowId::KeyBytes(shape), at, bytes);
    }
    Ok(())
}

fn bytes_per_key(setup: &Setup, server: &Server, shape: Shape) -> Result<f64> {
    let empty = settled_rss_bytes(server.pid())?;
    let mut from = 0;
    let mut sum = 0.0;
    for size in SIZES.map(|size| setup.scaled(size) / fewer(shape)) {
        Load { keys: from..size, form: KeyForm::Fifteen, shape }.run(server.port())?;
        from = size;
        let bytes = settled_rss_bytes(server.pid())?.saturating_sub(empty) as f64 / size as f64;
        eprintln!("    {shape}, {size} keys: {bytes:.1} bytes per key");
        sum += bytes;
    }
    Ok(sum / SIZES.len() as f64)
}

/// Resident bytes once they have stayed the same for half a second (tables may still be moving after a load), or after
/// some seconds whatever they are then.
fn settled_rss_bytes(pid: u32) -> Result<u64> {
    let deadline = Instant::now() + Duration::from_secs(6);
    let mut last = proc::rss_bytes(pid)?;
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_millis(500) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
        let now = proc::rss_bytes(pid)?;
        if now.abs_diff(last) > 64 * 1024 {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(last)
}
