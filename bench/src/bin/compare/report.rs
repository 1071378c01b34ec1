//! The table: collects figures per row and server, prints them as Markdown, and hands the ratios to the chart.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::Setup;
use crate::goals::{Goal, goal};
use crate::row::RowId;
use crate::stats::median;
use crate::{Result, bench, chart, proc};

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
            let bar = chart::Bars { label: row.id.short_label(), ratios, goal: limit };
            match groups.iter_mut().find(|group| group.title == title) {
                Some(group) => group.bars.push(bar),
                None => groups.push(chart::Group { title, bars: vec![bar] }),
            }
        }
        chart::Chart { subject: self.names[0].clone(), others: self.names[1..].to_vec(), groups, date: today() }
    }
}

/// What a reader must know to judge the figures.
fn conditions(setup: &Setup) -> Vec<String> {
    let (cpu, kernel) = proc::machine();
    let keys = format!("{0} keys present beforehand; random ones of them (-r {0}) or always the same", setup.keyspace);
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
        "Families: one of 100,000 collections each time, ranges of 100 elements from one of 10,000. Subscribers: the next messages come when all have read the last".to_owned(),
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
    use crate::row::LoadId;

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
        let id = RowId::Cpu { test: "set", pipeline: 16, load: LoadId::RandomKeys };
        let row = |ours: &[f64]| Row { id, figures: vec![ours.to_vec(), vec![100.0]] };
        assert_eq!(row(&[49.0, 50.0, 900.0]).reached(), Some(true));
        assert_eq!(row(&[51.0]).reached(), Some(false));
        assert_eq!(row(&[]).reached(), None);
        let stall = Row { id: RowId::SyncStallRise, figures: vec![vec![2.5], vec![]] };
        assert_eq!(stall.reached(), Some(false));
    }
}
