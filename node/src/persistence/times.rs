//! When what a segment holds was written: a small file beside each segment, which only `koltso restore` reads.
//!
//! ```text
//! <segment>.times:   23 1795411218        from byte 23 of the segment on, written in this second or later
//!                    1042 1795411219
//! ```
//!
//! Redis has annotations among the commands for that. They would move everything behind them away from its offset in the log, and
//! the log's bytes are what replicas are sent. A line is added at most once a second, when something is written. What goes wrong
//! here harms nobody: a moment cannot be restored then.

use super::files::Home;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

/// What the names of these files end with.
const END: &[u8] = b".times";

/// Notes times for the segment that is written.
#[derive(Default)]
pub struct Times {
    segment: Vec<u8>,
    file: Option<File>,
    last_s: u64,
    /// Whether a part of a line may have been written.
    is_torn: bool,
}

impl Times {
    /// In this second, bytes are written to this segment from `at` on.
    pub fn note(&mut self, home: &Home, segment: &[u8], at: u64, now_s: u64) {
        if self.segment != segment {
            self.segment = segment.to_vec();
            self.file = OpenOptions::new().append(true).create(true).open(path_of(home, segment)).ok();
            self.last_s = 0;
        }
        // A clock that was set back says nothing until it is where it was.
        if now_s > self.last_s
            && let Some(file) = &mut self.file
        {
            self.last_s = now_s;
            // At worst a line is missing, or one of which only a part was written.
            let end_of_torn = if self.is_torn { "\n" } else { "" };
            self.is_torn = file.write_all(format!("{end_of_torn}{at} {now_s}\n").as_bytes()).is_err();
        }
    }
}

/// A segment begins: what was noted of one with its name, which counted for nothing, is not of this one.
pub fn forget(home: &Home, segment: &[u8]) {
    let _ = std::fs::remove_file(path_of(home, segment));
}

/// Where the times of a segment are.
pub fn path_of(home: &Home, segment: &[u8]) -> PathBuf {
    home.path(&[segment, END].concat())
}

/// Removes the times of segments that are not there any more.
pub fn sweep(home: &Home) {
    for entry in std::fs::read_dir(&home.folder).into_iter().flatten().flatten() {
        use std::os::unix::ffi::OsStrExt;
        let name = entry.file_name();
        let Some(segment) = name.as_bytes().strip_suffix(END) else { continue };
        if segment.starts_with(&home.stem) && !home.path(segment).exists() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// What is known of a segment: from which byte on it was written in which second or later, both ascending.
pub fn read(home: &Home, segment: &[u8]) -> Vec<(u64, i64)> {
    let text = std::fs::read_to_string(path_of(home, segment)).unwrap_or_default();
    let pair = |line: &str| line.split_once(' ').and_then(|(at, time_s)| Some((at.parse().ok()?, time_s.parse().ok()?)));
    let mut times: Vec<(u64, i64)> = Vec::new();
    // The last line may not be whole.
    for (at, time_s) in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).filter_map(pair) {
        if times.last().is_none_or(|&(last_at, last_s)| at > last_at && time_s > last_s) {
            times.push((at, time_s));
        }
    }
    times
}
