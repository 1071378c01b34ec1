//! What koltso is to reach, row by row, compared with redis-server 7.0.15 on one core each. All goals stand here.

use crate::load::{Shape, Value};
use crate::row::{LoadId, RowId};

/// A bound on one row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// koltso's figure over the first reference's must not be higher.
    Ratio(f64),
    /// koltso's own figure must not be higher.
    Absolute(f64),
}

/// The goal of a row, if it has one.
pub fn goal(row: RowId) -> Option<Goal> {
    use Goal::{Absolute, Ratio};
    Some(match row {
        RowId::Cpu { test, pipeline, load } => Ratio(cpu_ratio_max(test, pipeline, load)?),
        RowId::Delivery { pipeline: 16 } => Ratio(0.60),
        RowId::SyncToSink | RowId::SyncToOwnKind => Ratio(0.20),
        RowId::SyncLatencyRise => Absolute(1.5),
        RowId::SyncStallRise => Absolute(2.0),
        RowId::SyncMemory => Absolute(5.0),
        RowId::KeyBytes(Shape { value: Value::Hash, .. }) => Absolute(140.0),
        RowId::KeyBytes(Shape { value: Value::SortedSet, .. }) => Absolute(115.0),
        RowId::KeyBytes(shape) => Ratio(bytes_ratio_max(shape)),
        RowId::GrowthCpu => Absolute(1.0),
        _ => return None,
    })
}

fn cpu_ratio_max(test: &str, pipeline: u64, load: LoadId) -> Option<f64> {
    Some(match (load, test, pipeline) {
        (LoadId::Replica, "set", 16) => 0.60,
        (LoadId::Replica, ..) => return None,
        (LoadId::Families, "lrange_100" | "zrange_100", _) => 0.80,
        (LoadId::Families, "eval", _) => 0.90,
        (LoadId::Families, ..) => 0.60,
        (_, "set" | "get", 1) => 0.85,
        (_, "set", 16) => 0.50,
        (_, "get", 16) => 0.70,
        (_, "set", 100) => 0.30,
        (_, "get", 100) => 0.40,
        _ => return None,
    })
}

fn bytes_ratio_max(shape: Shape) -> f64 {
    match shape {
        Shape { expires: true, .. } => 0.45,
        Shape { value: Value::Random(0..=32) | Value::Digits(_), .. } => 0.55,
        Shape { value: Value::Random(_), .. } => 0.70,
        Shape { value: Value::List | Value::Hash | Value::SortedSet | Value::LongSortedSet, .. } => 1.0,
    }
}
