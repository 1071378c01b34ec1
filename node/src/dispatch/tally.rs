//! What a core counts of commands and errors, for `INFO` and `LATENCY HISTOGRAM`: calls by command, their running times, error
//! replies by their code.
//!
//! Calls, refusals and failures are exact. Looking at the clock costs as much as a short command does, so running times are
//! taken of every call only where they vary with the data (commands that are not `fast`) or where the slow log asks for all of
//! them. Of the others, the first [`EXACT_CALLS`] calls of each are timed, and after that every [`SAMPLE_PERIOD`]th, which then
//! stands for all since the one before. A command that borrows shards is timed from when it has them; one whose answer comes from
//! other cores or threads, only for its part here; `EXEC` not at all where its shards are borrowed, but its commands are.

use koltso_proto::command;
use std::time::Duration;

/// Codes told apart; the code of an error can be anything a client sends (`DEBUG ERROR`).
const CODES_MAX: usize = 128;
/// The longest code.
const CODE_LEN_MAX: usize = 64;
/// So many calls of each command are timed before only samples are taken.
const EXACT_CALLS: u64 = 64;
/// Then every call whose number is a multiple of this is timed.
const SAMPLE_PERIOD: u32 = 64;

/// How many running times lie in which range.
pub const BUCKETS: usize = 21;

/// The distribution of running times: bucket `i` counts those that are not longer than [`bucket_ns`] says.
pub type Spread = [u64; BUCKETS];

/// The longest time in a bucket, in nanoseconds: doubling from about a microsecond to about a second. The last bucket takes all
/// that is longer. The odd ends are those of the histograms that Redis keeps, so that the same microseconds are shown.
pub fn bucket_ns(bucket: usize) -> u64 {
    (1 << (bucket + 10)) + (1 << (bucket + 3)) - 1
}

/// What is known of one command.
#[derive(Clone, Debug, Default)]
pub struct CommandTally {
    /// How often it was run.
    pub calls: u64,
    /// How often it was refused before it was run.
    pub rejected: u64,
    /// How often it was answered with an error.
    pub failed: u64,
    /// How long all calls took, in nanoseconds; an estimate where only samples were timed.
    pub time_ns: u64,
    /// The distribution of that.
    pub spread: Option<Box<Spread>>,
}

impl CommandTally {
    fn is_untouched(&self) -> bool {
        self.calls == 0 && self.rejected == 0 && self.failed == 0
    }

    /// Adds what another core has counted.
    pub fn add(&mut self, other: &CommandTally) {
        self.calls += other.calls;
        self.rejected += other.rejected;
        self.failed += other.failed;
        self.time_ns += other.time_ns;
        if let Some(other) = &other.spread {
            let spread = self.spread.get_or_insert_default();
            spread.iter_mut().zip(&**other).for_each(|(sum, count)| *sum += count);
        }
    }

    /// For each bucket that has any, the longest time in it, in microseconds, and the calls that took no longer; in the end all.
    pub fn cumulated(&self) -> Vec<(u64, u64)> {
        let Some(spread) = &self.spread else { return Vec::new() };
        // What the last sample stands for has not all happened yet, or more has since.
        let total: u64 = spread.iter().sum();
        let scaled = |count: u64| (u128::from(count) * u128::from(self.calls) / u128::from(total.max(1))) as u64;
        let mut sum = 0;
        let buckets = spread.iter().enumerate().filter(|(_, count)| **count > 0);
        buckets
            .map(|(bucket, count)| {
                sum += count;
                (bucket_ns(bucket) / 1000, scaled(sum))
            })
            .collect()
    }
}

/// The counts of one core.
#[derive(Debug)]
pub struct Tally {
    /// Commands run since the counters were last added up.
    pub processed: u64,
    /// Receives that brought bytes, likewise.
    pub reads: u64,
    /// Sends likewise.
    pub writes: u64,
    /// Error replies likewise.
    pub errors: u64,
    /// Error replies ever, and how many of them some command has been blamed for.
    errors_ever: u64,
    errors_blamed: u64,
    /// Commands and subcommands, by index, since the start or `CONFIG RESETSTAT`.
    commands: Box<[CommandTally]>,
    /// Error replies by code, likewise.
    codes: Vec<(String, u64)>,
}

impl Default for Tally {
    fn default() -> Self {
        let commands = vec![CommandTally::default(); command::count()].into();
        Tally { processed: 0, reads: 0, writes: 0, errors: 0, errors_ever: 0, errors_blamed: 0, commands, codes: Vec::new() }
    }
}

impl Tally {
    /// A command is run. Says for how many calls its running time is to count; 0 = nobody wants to know it.
    #[inline(always)]
    pub fn note_call(&mut self, index: usize, always_timed: bool) -> u32 {
        let weight = self.weight_of_next(index, always_timed);
        self.processed += 1;
        self.commands[index].calls += 1;
        weight
    }

    /// For how many calls the running time of this command's next call is to count.
    #[inline(always)]
    pub fn weight_of_next(&self, index: usize, always_timed: bool) -> u32 {
        let before = self.commands[index].calls;
        if always_timed || before < EXACT_CALLS {
            1
        } else if before.is_multiple_of(u64::from(SAMPLE_PERIOD)) {
            SAMPLE_PERIOD
        } else {
            0
        }
    }

    /// How long a call took that counts for `weight` calls.
    pub fn note_time(&mut self, index: usize, took: Duration, weight: u32) {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let command = &mut self.commands[index];
        command.time_ns = command.time_ns.saturating_add(took_ns.saturating_mul(u64::from(weight)));
        let bucket = (0..BUCKETS - 1).find(|&bucket| took_ns <= bucket_ns(bucket)).unwrap_or(BUCKETS - 1);
        command.spread.get_or_insert_default()[bucket] += u64::from(weight);
    }

    /// Counts the reply to a command if it is an error. The reply is RESP.
    #[inline]
    pub fn note_reply(&mut self, index: usize, reply: &[u8]) {
        if let [b'-', error @ ..] = reply {
            self.note_error(error);
            self.blame(index);
        }
    }

    /// A command is refused before it is run.
    #[cold]
    pub fn note_rejected(&mut self, index: usize) {
        self.commands[index].rejected += 1;
    }

    /// A command has failed with an error that is counted already, or not to be.
    #[cold]
    pub fn note_failed(&mut self, index: usize) {
        self.commands[index].failed += 1;
    }

    /// The last error that was counted will be counted once more, with the reply.
    #[cold]
    pub fn uncount_error(&mut self, text: &[u8]) {
        self.errors = self.errors.saturating_sub(1);
        let code = code_of(text);
        if let Some((_, count)) = self.codes.iter_mut().find(|(known, _)| known.as_bytes() == code) {
            *count = count.saturating_sub(1);
        }
    }

    /// Errors so far are nobody's.
    pub fn forgive(&mut self) {
        self.errors_blamed = self.errors_ever;
    }

    /// If there was an error since the last call of this or [`forgive`](Self::forgive), this command has failed.
    pub fn blame(&mut self, index: usize) {
        if self.errors_ever > self.errors_blamed {
            self.commands[index].failed += 1;
        }
        self.forgive();
    }

    /// An error is replied; its text begins with its code.
    #[cold]
    pub fn note_error(&mut self, text: &[u8]) {
        self.errors += 1;
        self.errors_ever += 1;
        let code = code_of(text);
        match self.codes.iter().position(|(known, _)| known.as_bytes() == code) {
            Some(at) => self.codes[at].1 += 1,
            None if self.codes.len() < CODES_MAX => self.codes.push((String::from_utf8_lossy(code).into_owned(), 1)),
            None => {}
        }
    }

    /// What is known of each command, by name; those that nobody has asked for are left out.
    pub fn commands(&self) -> Vec<(&'static str, CommandTally)> {
        let all = command::every().iter().map(|spec| (spec.name, &self.commands[spec.index()]));
        all.filter(|(_, command)| !command.is_untouched()).map(|(name, command)| (name, command.clone())).collect()
    }

    /// Error replies by code.
    pub fn codes(&self) -> &[(String, u64)] {
        &self.codes
    }

    /// Forgets everything (`CONFIG RESETSTAT`).
    pub fn reset(&mut self) {
        *self = Tally::default();
    }
}

/// The code that the text of an error begins with.
fn code_of(text: &[u8]) -> &[u8] {
    let code = text.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    &code[..code.len().min(CODE_LEN_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_apart_and_only_so_many() {
        let mut tally = Tally::default();
        for reply in ["-ERR one", "-ERR two", "-WRONGTYPE x", "+OK", "$-1", "-ALONE\r\n"] {
            tally.note_reply(0, reply.as_bytes());
        }
        let expected = [("ERR", 2), ("WRONGTYPE", 1), ("ALONE", 1)].map(|(code, count)| (code.to_string(), count));
        assert_eq!(tally.codes(), expected);
        assert_eq!(tally.commands[0].failed, 4);
        for i in 0..2 * CODES_MAX {
            tally.note_error(format!("E{i} text").as_bytes());
        }
        assert_eq!((tally.codes().len(), tally.errors), (CODES_MAX, 4 + 2 * CODES_MAX as u64));
    }

    #[test]
    fn calls_are_named() {
        let mut tally = Tally::default();
        let get = command::lookup(b"config").and_then(|config| config.subcommand(b"get")).unwrap();
        tally.note_call(get.index(), false);
        tally.note_call(get.index(), false);
        let named: Vec<_> = tally.commands().into_iter().map(|(name, command)| (name, command.calls)).collect();
        assert_eq!(named, [("config|get", 2)]);
        tally.reset();
        assert!(tally.commands().is_empty());
    }

    #[test]
    fn samples_stand_for_the_calls_between_them() {
        let mut tally = Tally::default();
        let took = |call: u64| Duration::from_nanos(if call < EXACT_CALLS { 1_500 } else { 700 });
        for call in 0..10_000 {
            let weight = tally.note_call(7, false);
            assert_eq!(weight > 0, call < 64 || call % 64 == 0);
            if weight > 0 {
                tally.note_time(7, took(call), weight);
            }
        }
        let command = &tally.commands[7];
        let exact: u64 = (0..10_000).map(|call| took(call).as_nanos() as u64).sum();
        assert!(command.time_ns.abs_diff(exact) <= 64 * 700, "{} and {exact}", command.time_ns);
        let [(1, short), (2, all)] = command.cumulated()[..] else { panic!("{:?}", command.cumulated()) };
        assert_eq!(all, 10_000);
        assert!((9_900..10_000).contains(&short), "{short}");
    }

    #[test]
    fn buckets_end_where_those_of_redis_do() {
        let ends: Vec<u64> = (0..12).map(|bucket| bucket_ns(bucket) / 1000).collect();
        assert_eq!(ends, [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113]);
    }

    #[test]
    fn an_error_is_blamed_on_one_command() {
        let mut tally = Tally::default();
        tally.note_error(b"ERR of nobody");
        tally.forgive();
        tally.note_reply(1, b"-ERR x");
        tally.blame(2);
        tally.note_error(b"ERR y");
        tally.blame(3);
        assert_eq!([1, 2, 3].map(|index: usize| tally.commands[index].failed), [1, 0, 1]);
    }
}
