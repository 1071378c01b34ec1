//! What koltso is to reach, row by row, compared with redis-server 7.0.15 on one core each. All goals stand here.

use crate::report::RowId;

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
        RowId::Cpu { test: "set", pipeline: 1, replica: false } => Ratio(0.85),
        RowId::Cpu { test: "get", pipeline: 1, replica: false } => Ratio(0.85),
        RowId::Cpu { test: "set", pipeline: 16, replica: false } => Ratio(0.50),
        RowId::Cpu { test: "get", pipeline: 16, replica: false } => Ratio(0.70),
        RowId::Cpu { test: "set", pipeline: 100, replica: false } => Ratio(0.30),
        RowId::Cpu { test: "get", pipeline: 100, replica: false } => Ratio(0.40),
        RowId::Cpu { test: "set", pipeline: 16, replica: true } => Ratio(0.60),
        RowId::SyncToSink | RowId::SyncToOwnKind => Ratio(0.20),
        RowId::SyncLatencyRise => Absolute(1.5),
        RowId::SyncStallRise => Absolute(2.0),
        RowId::SyncMemory => Absolute(5.0),
        RowId::KeyBytes { value_len: 8, expires: false } => Ratio(0.55),
        RowId::KeyBytes { value_len: 32, expires: false } => Ratio(0.55),
        RowId::KeyBytes { value_len: 100, expires: false } => Ratio(0.70),
        RowId::KeyBytes { value_len: 32, expires: true } => Ratio(0.45),
        RowId::GrowthCpu => Absolute(1.0),
        _ => return None,
    })
}
