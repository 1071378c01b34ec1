//! The table: collects figures per row and server, prints them as Markdown, and hands the ratios to the chart.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::Setup;
use crate::goals::{Goal, goal};
use crate::stats::median;
use crate::{Result, bench, chart, proc};

/// A row of the table. Its label, unit and place follow from it; rows appear in the order of their first figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowId {
    /// Requests per second of a redis-benchmark point.
    Rate {
        test: &'static str,
        pipeline: u64,
        replica: bool,
    },
    /// Server CPU nanoseconds per operation of a redis-benchmark point.
    Cpu {
        test: &'static str,
        pipeline: u64,
        replica: bool,
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
    KeyBytes {
        value_len: usize,
        expires: bool,
    },
    /// Milliseconds of CPU time by which the most expensive batch exceeds the median one.
    GrowthCpu,
    /// Milliseconds that the longest batch took.
    GrowthWall,
    /// Milliseconds, where a server says so itself.
    GrowthOwn,
}

impl RowId {
    fn label(self) -> String {
        let with = |replica| if replica { ", one replica" } else { "" };
        match self {
            RowId::Rate { test, pipeline, replica } => {
                format!("{} P{pipeline}{}: requests/s", test.to_uppercase(), with(replica))
            }
            RowId::Cpu { test, pipeline, replica } => {
                format!("{} P{pipeline}{}: CPU ns per operation", test.to_uppercase(), with(replica))
            }
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
            RowId::KeyBytes { value_len, expires } => {
                format!("{value_len}-byte value{}: bytes per key", if expires { " with TTL" } else { "" })
            }
            RowId::GrowthCpu => "growth, most expensive step: CPU ms".into(),
            RowId::GrowthWall => "growth, longest step: ms".into(),
            RowId::GrowthOwn => "growth, longest step by the server's account: ms".into(),
        }
    }

    /// Digits after the point that mean something.
    fn decimals(self) -> usize {
        match self {
            RowId::SyncToSink | RowId::SyncToOwnKind | RowId::SyncToReference | RowId::SyncCpu => 2,
            RowId::SyncLatencyRise | RowId::GrowthCpu | RowId::GrowthWall | RowId::GrowthOwn | RowId::SyncStallRise => 2,
            RowId::SyncMemory | RowId::KeyBytes { .. } => 1,
            _ => 0,
        }
    }

    /// Whether koltso over other says something: not for figures that are differences or ratios themselves.
    fn has_ratio(self) -> bool {
        !matches!(self, RowId::SyncLatencyRise | RowId::SyncStallRise | RowId::SyncMemory)
    }

    /// The chart's group, for rows that belong into the picture; in all of them lower is better.
    fn chart_group(self) -> Option<&'static str> {
        match self {
            RowId::Cpu { replica: false, .. } => Some("Server CPU per operation"),
            RowId::Cpu { replica: true, .. } => Some("Server CPU per operation, one replica attached"),
            RowId::SyncToSink | RowId::SyncToOwnKind | RowId::SyncToReference | RowId::SyncCpu => Some("Full sync"),
            RowId::KeyBytes { .. } => Some("Resident bytes per key"),
            _ => None,
        }
    }
}

struct Row {
    id: RowId,
    /// Per server, one figure per round.
    figures: Vec<Vec<f64>>,
}

impl Row {
    fn median(&self, server: usize) -> Option<f64> {
        median(self.figures.get(server)?)
    }

    /// The subject's median over that of another server.
    fn ratio(&self, other: usize) -> Option<f64> {
        let (subject, other) = (self.median(0)?, self.median(other)?);
        (self.id.has_ratio() && other > 0.0).then(|| subject / other)
    }

    fn reached(&self) -> Option<bool> {
        match goal(self.id)? {
            Goal::Ratio(limit) => Some(self.ratio(1)? <= limit),
            Goal::Absolute(limit) => Some(self.median(0)? <= limit),
        }
    }
}

/// Everything measured so far.
pub struct Report {
    names: Vec<String>,
    conditions: Vec<String>,
    rows: Vec<Row>,
    failures: Vec<String>,
}

impl Report {
    pub fn new(setup: &Setup) -> Report {
        Report {
            names: setup.programs.iter().map(|p| format!("{} {}", p.name, p.version)).collect(),
            conditions: conditions(setup),
            rows: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Adds one round's figure of `server` (an index into the setup's programs).
    pub fn record(&mut self, id: RowId, server: usize, figure: f64) {
        let servers = self.names.len();
        let at = self.rows.iter().position(|row| row.id == id).unwrap_or_else(|| {
            self.rows.push(Row { id, figures: vec![Vec::new(); servers] });
            self.rows.len() - 1
        });
        self.rows[at].figures[server].push(figure);
        eprintln!("  {}: {} = {}", self.names[server], id.label(), number(figure, id.decimals()));
    }

    /// Notes that something could not be measured; the report says so.
    pub fn fail(&mut self, what: &str, server: usize, error: &crate::Error) {
        let text = format!("{what}, {}: {error}", self.names[server]);
        eprintln!("  FAILED {text}");
        self.failures.push(text);
    }

    /// Prints the table and writes it with the chart into `directory`.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let text = self.markdown();
        println!("{text}");
        fs::create_dir_all(directory)?;
        fs::write(directory.join("compare.md"), &text)?;
        fs::write(directory.join("compare.svg"), chart::svg(&self.chart()))?;
        eprintln!("written: {0}/compare.md, {0}/compare.svg", directory.display());
        Ok(())
    }

    fn markdown(&self) -> String {
        let mut out = String::from("# koltso compared\n\n");
        for line in &self.conditions {
            let _ = writeln!(out, "- {line}");
        }
        let mut heads = vec!["median of the rounds".to_owned(), self.names[0].clone()];
        for name in &self.names[1..] {
            heads.extend([name.clone(), "ratio".to_owned()]);
        }
        heads.extend(["goal".to_owned(), "reached".to_owned()]);
        let _ = writeln!(out, "\n| {} |\n|---{}|", heads.join(" | "), "|--:".repeat(heads.len() - 1));
        for row in &self.rows {
            let _ = writeln!(out, "| {} |", self.cells(row).join(" | "));
        }
        for failure in &self.failures {
            let _ = writeln!(out, "\nNot measured: {}", failure.replace('\n', " "));
        }
        out
    }

    fn cells(&self, row: &Row) -> Vec<String> {
        let figure = |f: Option<f64>, decimals| f.map_or("–".to_owned(), |f| number(f, decimals));
        let mut cells = vec![row.id.label(), figure(row.median(0), row.id.decimals())];
        for other in 1..self.names.len() {
            cells.push(figure(row.median(other), row.id.decimals()));
            cells.push(if row.id.has_ratio() { figure(row.ratio(other), 2) } else { String::new() });
        }
        cells.push(match goal(row.id) {
            Some(Goal::Ratio(limit)) => format!("ratio ≤ {limit:.2}"),
            Some(Goal::Absolute(limit)) => format!("≤ {limit}"),
            None => String::new(),
        });
        cells.push(match row.reached() {
            Some(true) => "yes".to_owned(),
            Some(false) => "**no**".to_owned(),
            None => String::new(),
        });
        cells
    }

    fn chart(&self) -> chart::Chart {
        let mut groups: Vec<chart::Group> = Vec::new();
        for row in &self.rows {
            let Some(title) = row.id.chart_group() else { continue };
            let ratios: Vec<Option<f64>> = (1..self.names.len()).map(|other| row.ratio(other)).collect();
            if ratios.iter().all(Option::is_none) {
                continue;
            }
            let limit = goal(row.id).and_then(|g| if let Goal::Ratio(limit) = g { Some(limit) } else { None });
            let bar = chart::Bars { label: short_label(row.id), ratios, goal: limit };
            match groups.iter_mut().find(|group| group.title == title) {
                Some(group) => group.bars.push(bar),
                None => groups.push(chart::Group { title, bars: vec![bar] }),
            }
        }
        chart::Chart { subject: self.names[0].clone(), others: self.names[1..].to_vec(), groups, date: today() }
    }
}

/// A row's label in the chart, where the group's title says the rest.
fn short_label(id: RowId) -> String {
    match id {
        RowId::Cpu { test, pipeline: 1, .. } => format!("{}, unpipelined", test.to_uppercase()),
        RowId::Cpu { test, pipeline, .. } => format!("{}, pipeline {pipeline}", test.to_uppercase()),
        RowId::SyncToSink => "last byte sent".into(),
        RowId::SyncToOwnKind => "replica of the same kind up".into(),
        RowId::SyncToReference => "reference replica up".into(),
        RowId::SyncCpu => "CPU time".into(),
        RowId::KeyBytes { value_len, expires } => format!("{value_len}-byte value{}", if expires { ", TTL" } else { "" }),
        other => other.label(),
    }
}

/// What a reader must know to judge the figures.
fn conditions(setup: &Setup) -> Vec<String> {
    let (cpu, kernel) = proc::machine();
    let keys = match setup.keyspace {
        0 => "redis-benchmark's single constant key".to_owned(),
        n => format!("{n} random keys, all present beforehand (-r {n})"),
    };
    let mut lines = vec![
        format!("{}, {cpu}, Linux {kernel}", today()),
        format!(
            "Servers on CPU {:?}, clients on CPU {:?}; koltso with --cores {}",
            setup.server_cpus, setup.client_cpus, setup.cores
        ),
        format!(
            "Default configuration but for --save \"\" and --appendonly no. {} round(s), servers taking turns within each, the others halted meanwhile",
            setup.rounds
        ),
        format!(
            "redis-benchmark rows: {} clients, {}-byte values, {keys}. CPU is the user and system time of all of the server's threads; where it is low, the client was the limit of requests/s",
            bench::CLIENTS,
            bench::VALUE_LEN
        ),
        format!(
            "Full sync: {} keys of 200 random bytes, {} writes/s to random keys. Bytes per key: 15-byte keys, mean over three sizes. Growth: {} keys",
            setup.sync_keys, setup.probe_rate, setup.growth_keys
        ),
        format!("`{}`", command_line()),
    ];
    if setup.quick {
        lines.push("**A quick run: to see that everything works, not to be quoted.**".to_owned());
    }
    lines
}

/// The arguments as given, the executable by its name only.
fn command_line() -> String {
    let args: Vec<String> = std::env::args().skip(1).collect();
    format!("compare {}", args.join(" ")).trim_end().to_owned()
}

/// Thousands are set apart where there are no decimals.
fn number(figure: f64, decimals: usize) -> String {
    let plain = format!("{figure:.decimals$}");
    if decimals > 0 {
        return plain;
    }
    let digits = plain.trim_start_matches('-');
    let mut out: String = if plain.len() > digits.len() { "-".into() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Today's date in UTC, as year-month-day.
fn today() -> String {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs() / 86_400);
    let (year, month, day) = civil(days as i64);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Days since 1970-01-01 as a Gregorian date: counted in eras of 400 years that begin on 1 March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_around_leap_days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_453), (2025, 12, 31));
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(number(1_234_567.4, 0), "1,234,567");
        assert_eq!(number(-1_234.0, 0), "-1,234");
        assert_eq!(number(999.0, 0), "999");
        assert_eq!(number(1_234.56, 1), "1234.6");
    }

    #[test]
    fn a_goal_is_judged_by_medians() {
        let id = RowId::Cpu { test: "set", pipeline: 16, replica: false };
        let row = |ours: &[f64]| Row { id, figures: vec![ours.to_vec(), vec![100.0]] };
        assert_eq!(row(&[49.0, 50.0, 900.0]).reached(), Some(true));
        assert_eq!(row(&[51.0]).reached(), Some(false));
        assert_eq!(row(&[]).reached(), None);
        let stall = Row { id: RowId::SyncStallRise, figures: vec![vec![2.5], vec![]] };
        assert_eq!(stall.reached(), Some(false));
    }
}
