//! The rows of the table: what they are called, how precise they are, and where in the chart they stand.

use crate::load::Shape;

/// The circumstances of a redis-benchmark row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadId {
    RandomKeys,
    OneKey,
    /// Random keys, and a replica is attached.
    Replica,
    /// Commands of every family on random keys.
    Families,
}

impl LoadId {
    fn suffix(self) -> &'static str {
        match self {
            LoadId::RandomKeys | LoadId::Families => "",
            LoadId::OneKey => ", one key",
            LoadId::Replica => ", one replica",
        }
    }
}

/// A row of the table. Its label, unit and place follow from it; rows appear in the order of their first figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowId {
    /// Requests per second of a redis-benchmark point.
    Rate {
        test: &'static str,
        pipeline: u64,
        load: LoadId,
    },
    /// Server CPU nanoseconds per operation of a redis-benchmark point.
    Cpu {
        test: &'static str,
        pipeline: u64,
        load: LoadId,
    },
    /// Server CPU nanoseconds per message and subscriber, with so many messages published at once.
    Delivery {
        pipeline: u64,
    },
    /// Seconds from PSYNC to the last byte of the RDB at the sink.
    SyncToSink,
    /// MB/s of the RDB from +FULLRESYNC to its last byte.
    SyncRate,
    /// Server CPU seconds of one full sync, its children's included.
    SyncCpu,
    /// Seconds from REPLICAOF to a replica of the same kind being up.
    SyncToOwnKind,
    /// Seconds from REPLICAOF to a replica of the first reference's kind being up.
    SyncToReference,
    /// Microseconds, without a sync.
    IdleP50,
    IdleP99,
    IdleMax,
    /// Microseconds, during one.
    SyncP50,
    SyncP99,
    SyncMax,
    /// p99 during a sync over p99 without.
    SyncLatencyRise,
    /// Milliseconds by which the longest write during a sync exceeds the longest without.
    SyncStallRise,
    /// Peak memory over what was resident before, percent.
    SyncMemory,
    /// Resident bytes per key.
    KeyBytes(Shape),
    /// Milliseconds of CPU time by which the most expensive batch exceeds the median one.
    GrowthCpu,
    /// The same for overwriting, where nothing grows: what the machine and everything else in the server contribute.
    GrowthFloorCpu,
    /// Milliseconds that the longest batch took.
    GrowthWall,
    /// Milliseconds, where a server says so itself.
    GrowthOwn,
}

impl RowId {
    pub fn label(self) -> String {
        match self {
            RowId::Rate { test, pipeline, load } => {
                format!("{} P{pipeline}{}: requests/s", test.to_uppercase(), load.suffix())
            }
            RowId::Cpu { test, pipeline, load } => {
                format!("{} P{pipeline}{}: CPU ns per operation", test.to_uppercase(), load.suffix())
            }
            RowId::Delivery { pipeline } => format!("PUBLISH to 1,000 subscribers, P{pipeline}: CPU ns per delivery"),
            RowId::SyncToSink => "full sync, PSYNC to last byte: s".into(),
            RowId::SyncRate => "full sync, RDB transfer: MB/s".into(),
            RowId::SyncCpu => "full sync: CPU s".into(),
            RowId::SyncToOwnKind => "full sync, replica of the same kind up: s".into(),
            RowId::SyncToReference => "full sync, reference replica up: s".into(),
            RowId::IdleP50 => "write latency idle, p50: µs".into(),
            RowId::IdleP99 => "write latency idle, p99: µs".into(),
            RowId::IdleMax => "write latency idle, longest: µs".into(),
            RowId::SyncP50 => "write latency during sync, p50: µs".into(),
            RowId::SyncP99 => "write latency during sync, p99: µs".into(),
            RowId::SyncMax => "write latency during sync, longest: µs".into(),
            RowId::SyncLatencyRise => "write p99 during sync / idle".into(),
            RowId::SyncStallRise => "longest write during sync, over idle's: ms".into(),
            RowId::SyncMemory => "peak memory during sync: +%".into(),
            RowId::KeyBytes(shape) => format!("{shape}: bytes per key"),
            RowId::GrowthCpu => "growth, most expensive step: CPU ms".into(),
            RowId::GrowthFloorCpu => "the same when overwriting instead: CPU ms".into(),
            RowId::GrowthWall => "growth, longest step: ms".into(),
            RowId::GrowthOwn => "growth, longest step by the server's account: ms".into(),
        }
    }

    /// Digits after the point that mean something.
    pub fn decimals(self) -> usize {
        match self {
            RowId::SyncToSink | RowId::SyncToOwnKind | RowId::SyncToReference | RowId::SyncCpu => 2,
            RowId::SyncLatencyRise
            | RowId::GrowthCpu
            | RowId::GrowthFloorCpu
            | RowId::GrowthWall
            | RowId::GrowthOwn
            | RowId::SyncStallRise => 2,
            RowId::SyncMemory | RowId::KeyBytes(_) => 1,
            _ => 0,
        }
    }

    /// Whether koltso over other says something: not for figures that are differences or ratios themselves.
    pub fn has_ratio(self) -> bool {
        !matches!(self, RowId::SyncLatencyRise | RowId::SyncStallRise | RowId::SyncMemory)
    }

    /// The chart's group, for rows that belong into the picture; in all of them lower is better.
    pub fn chart_group(self) -> Option<&'static str> {
        match self {
            RowId::Cpu { load: LoadId::RandomKeys, .. } => Some("Server CPU per operation, random keys"),
            RowId::Cpu { load: LoadId::OneKey, .. } => Some("Server CPU per operation, always the same key"),
            RowId::Cpu { load: LoadId::Replica, .. } => Some("Server CPU per operation, random keys, one replica attached"),
            RowId::Cpu { load: LoadId::Families, .. } => Some("Server CPU per operation, every family"),
            RowId::Delivery { .. } => Some("Server CPU per message delivered to one of 1,000 subscribers"),
            RowId::SyncToSink | RowId::SyncToOwnKind | RowId::SyncToReference | RowId::SyncCpu => Some("Full sync"),
            RowId::KeyBytes(_) => Some("Resident bytes per key"),
            _ => None,
        }
    }

    /// A row's label in the chart, where the group's title says the rest.
    pub fn short_label(self) -> String {
        match self {
            RowId::Cpu { test, pipeline: 1, .. } => format!("{}, unpipelined", test.to_uppercase()),
            RowId::Cpu { test, pipeline, .. } => format!("{}, pipeline {pipeline}", test.to_uppercase()),
            RowId::Delivery { pipeline: 1 } => "PUBLISH, unpipelined".into(),
            RowId::Delivery { pipeline } => format!("PUBLISH, pipeline {pipeline}"),
            RowId::SyncToSink => "last byte sent".into(),
            RowId::SyncToOwnKind => "replica of the same kind up".into(),
            RowId::SyncToReference => "reference replica up".into(),
            RowId::SyncCpu => "CPU time".into(),
            RowId::KeyBytes(shape) => shape.to_string(),
            other => other.label(),
        }
    }
}
