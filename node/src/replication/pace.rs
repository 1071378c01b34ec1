//! How fast the log grows, and when it was where: marks of the last minute, for those who ask how it goes.

use koltso_proto::id::{Offset, UnixMs};
use std::collections::VecDeque;

/// The time between two marks, in milliseconds.
const PERIOD_MS: u64 = 100;
/// So many are kept: a minute.
const MARKS_MAX: usize = 600;
/// Less time than this says nothing about a rate, in milliseconds.
const SPAN_MIN_MS: u64 = 1000;

/// Where the log's end was, and when.
#[derive(Default)]
pub struct Pace {
    marks: VecDeque<(UnixMs, Offset)>,
}

impl Pace {
    /// The log ends there now. Called now and then.
    pub fn note(&mut self, now: UnixMs, end: Offset) {
        // Neither a clock that was set back nor another history continues what was.
        if self.marks.back().is_some_and(|&(then, at)| then > now || at > end) {
            self.marks.clear();
        }
        if self.marks.back().is_some_and(|&(then, _)| now.0 - then.0 < PERIOD_MS) {
            return;
        }
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back((now, end));
    }

    /// What was said of another history does not count any more.
    pub fn forget(&mut self) {
        self.marks.clear();
    }

    /// Bytes per second in the last minute; 0 if nothing was written, or nothing is known yet.
    pub fn bytes_per_second(&self) -> u64 {
        let (Some(&(first, from)), Some(&(last, to))) = (self.marks.front(), self.marks.back()) else { return 0 };
        let span_ms = last.0 - first.0;
        if span_ms < SPAN_MIN_MS { 0 } else { (u128::from(to.0 - from.0) * 1000 / u128::from(span_ms)) as u64 }
    }

    /// For how long there has been more than up to `at`, in milliseconds; a minute at most, and 0 where there is nothing more.
    pub fn behind_ms(&self, at: Offset, now: UnixMs) -> u64 {
        let newer = self.marks.partition_point(|&(_, end)| end <= at);
        self.marks.get(newer).map_or(0, |&(then, _)| now.0.saturating_sub(then.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(marks: &[(u64, u64)]) -> Pace {
        let mut pace = Pace::default();
        marks.iter().for_each(|&(time, end)| pace.note(UnixMs(time), Offset(end)));
        pace
    }

    #[test]
    fn the_rate_is_that_of_the_last_minute() {
        assert_eq!(pace(&[]).bytes_per_second(), 0);
        assert_eq!(pace(&[(1_000, 0), (1_900, 900)]).bytes_per_second(), 0);
        assert_eq!(pace(&[(1_000, 100), (3_000, 700)]).bytes_per_second(), 300);
        let marks: Vec<(u64, u64)> = (0..2_000).map(|nth| (nth * 100, if nth < 1_000 { 0 } else { nth * 50 })).collect();
        assert_eq!(pace(&marks).bytes_per_second(), 500);
    }

    #[test]
    fn who_lacks_nothing_is_not_behind() {
        let pace = pace(&[(1_000, 10), (1_050, 11), (2_000, 20), (3_000, 30)]);
        let behind = [30, 29, 20, 19, 10, 9].map(|at| pace.behind_ms(Offset(at), UnixMs(3_500)));
        assert_eq!(behind, [0, 500, 500, 1_500, 1_500, 2_500]);
    }

    #[test]
    fn another_history_begins_anew() {
        let pace = pace(&[(1_000, 1_000), (3_000, 9_000), (4_000, 10), (6_000, 30)]);
        assert_eq!((pace.bytes_per_second(), pace.behind_ms(Offset(0), UnixMs(6_000))), (10, 2_000));
    }
}
