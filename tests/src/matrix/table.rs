//! The matrix's table: tried, survived, lost and the seed of the last trial that lost something.

use std::fmt;

use super::run::Verdict;
use super::{ROWS, Row};

/// One row's figures.
#[derive(Clone, Debug, Default)]
struct Tally {
    tried: u64,
    survived: u64,
    lost: u64,
    /// Of the last trial that lost something.
    seed: Option<u64>,
    /// Why trials could not be made.
    skipped: Option<String>,
}

/// Figures of all rows that were asked for.
#[derive(Debug, Default)]
pub struct Table {
    tallies: Vec<(u32, Tally)>,
}

impl Table {
    /// Counts a trial.
    pub fn count(&mut self, row: &Row, seed: u64, verdict: &Verdict) {
        let tally = self.tally(row.number);
        match verdict {
            Verdict::Survived => tally.survived += 1,
            Verdict::Lost(_) => (tally.lost, tally.seed) = (tally.lost + 1, Some(seed)),
            Verdict::Skipped(why) => {
                tally.skipped = Some(why.clone());
                return;
            }
        }
        tally.tried += 1;
    }

    /// How many trials have lost something.
    pub fn lost(&self) -> u64 {
        self.tallies.iter().map(|(_, tally)| tally.lost).sum()
    }

    fn tally(&mut self, number: u32) -> &mut Tally {
        let at = self.tallies.iter().position(|(other, _)| *other == number).unwrap_or_else(|| {
            self.tallies.push((number, Tally::default()));
            self.tallies.len() - 1
        });
        &mut self.tallies[at].1
    }
}

/// As Markdown.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| # | Fault | tried | survived | lost | seed |")?;
        writeln!(f, "|--:|---|--:|--:|--:|---|")?;
        for row in ROWS {
            let Some((_, tally)) = self.tallies.iter().find(|(number, _)| *number == row.number) else { continue };
            let seed = match (&tally.skipped, tally.seed) {
                (_, Some(seed)) => seed.to_string(),
                (Some(why), None) => format!("skipped: {why}"),
                (None, None) => "".to_string(),
            };
            let Tally { tried, survived, lost, .. } = tally;
            writeln!(f, "| {} | {} | {tried} | {survived} | {lost} | {seed} |", row.number, row.fault)?;
        }
        Ok(())
    }
}
