//! The log file, in Redis's line format: `pid:role date time level message`.
//!
//! Roles are one letter: `M` primary, `S` replica. Levels are `.` debug, `-` verbose, `*` notice, `#` warning. Never called
//! on the path of a command.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// For those who search for a fault in the node itself.
    Debug = 0,
    /// Many rarely useful lines.
    Verbose = 1,
    /// What an operator wants to know.
    Notice = 2,
    /// What an operator has to know.
    Warning = 3,
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Notice as u8);
static ROLE: AtomicU8 = AtomicU8::new(b'M');
static OUT: Mutex<Option<File>> = Mutex::new(None);

/// Lines go to this file; without one, to standard output.
///
/// # Errors
/// When the file cannot be opened for appending.
pub fn log_to(path: Option<&Path>) -> io::Result<()> {
    let file = match path {
        Some(path) => Some(OpenOptions::new().create(true).append(true).open(path)?),
        None => None,
    };
    *OUT.lock().unwrap_or_else(PoisonError::into_inner) = file;
    Ok(())
}

/// Lines below this level are dropped.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Which role lines are marked with.
pub fn set_role(is_replica: bool) {
    ROLE.store(if is_replica { b'S' } else { b'M' }, Ordering::Relaxed);
}

/// Writes a line.
pub fn line(level: Level, text: &str) {
    if (level as u8) < LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let mark = match level {
        Level::Debug => '.',
        Level::Verbose => '-',
        Level::Notice => '*',
        Level::Warning => '#',
    };
    let role = char::from(ROLE.load(Ordering::Relaxed));
    let text = format!("{}:{role} {} {mark} {}\n", std::process::id(), timestamp(), text.replace(['\n', '\r'], " "));
    let mut out = OUT.lock().unwrap_or_else(PoisonError::into_inner);
    // A log that cannot be written must not stop the node.
    let _ = match out.as_mut() {
        Some(file) => file.write_all(text.as_bytes()),
        None => io::stdout().write_all(text.as_bytes()),
    };
}

/// A line at level notice.
pub fn notice(text: &str) {
    line(Level::Notice, text);
}

/// A line at level warning.
pub fn warning(text: &str) {
    line(Level::Warning, text);
}

/// A line at level verbose.
pub fn verbose(text: &str) {
    line(Level::Verbose, text);
}

fn timestamp() -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let ms = crate::shared::now_ms().0;
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second, milli) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60, in_day % 1000);
    format!("{day:02} {} {year} {hour:02}:{minute:02}:{second:02}.{milli:03}", MONTHS[month as usize - 1])
}

/// The date of a day counted from 1970-01-01, in the proleptic Gregorian calendar: eras of 400 years that begin in March, so
/// that the leap day is the last day of its year.
pub fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(11_016), (2000, 2, 29));
        assert_eq!(civil_from_days(20_779), (2026, 11, 22));
    }
}
