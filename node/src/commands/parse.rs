//! Reading arguments: numbers, databases, expiry times, options.
//!
//! Everything here is a function from bytes to a value or the error that Redis answers. It must not look at any key, and never
//! trusts a number to be small.

use super::errors::{self, Error, Outcome};
use koltso_proto::id::{DbIndex, UnixMs};
use koltso_proto::number;
use koltso_proto::resp::Args;

/// A 64-bit signed integer.
#[inline]
pub fn int(text: &[u8]) -> Outcome<i64> {
    number::parse_i64(text).ok_or(errors::NOT_INTEGER)
}

/// A finite or infinite double; never NaN.
pub fn float(text: &[u8]) -> Outcome<f64> {
    number::parse_f64(text).ok_or(errors::NOT_FLOAT)
}

/// A count that must not be negative, with the answer Redis gives to `LPOP` and `SPOP`.
pub fn count(text: &[u8]) -> Outcome<usize> {
    let n = number::parse_i64(text).ok_or(errors::NOT_POSITIVE)?;
    usize::try_from(n).map_err(|_| errors::NOT_POSITIVE)
}

/// How long a client is willing to wait: seconds, as milliseconds rounded up; 0 is forever.
pub fn timeout(text: &[u8]) -> Outcome<u64> {
    let seconds = number::parse_f64(text).ok_or(errors::TIMEOUT_NOT_FLOAT)?;
    let ms = (seconds * 1000.0).ceil();
    // What does not fit wraps below zero in Redis 7.0.
    if ms < 0.0 || ms >= i64::MAX as f64 { Err(errors::TIMEOUT_NEGATIVE) } else { Ok(ms as u64) }
}

/// A 32-bit signed integer.
pub fn int32(text: &[u8]) -> Outcome<i32> {
    i32::try_from(int(text)?).map_err(|_| errors::NOT_INT32)
}

/// One of `databases` databases.
pub fn db(text: &[u8], databases: usize) -> Outcome<DbIndex> {
    existing_db(int32(text)?, databases)
}

/// The database of this index, if it is one of `databases`.
pub fn existing_db(index: i32, databases: usize) -> Outcome<DbIndex> {
    let index = u32::try_from(index).ok().filter(|&index| (index as usize) < databases);
    index.map(DbIndex).ok_or(errors::DB_OUT_OF_RANGE)
}

/// Whether `text` is `word`, without regard to case. `word` is in upper case.
#[inline]
pub fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}

/// A word in upper case, to be matched against known ones. Any that is longer than those becomes empty.
#[inline]
pub fn upper(word: &[u8]) -> Upper {
    let mut upper = Upper { bytes: [0; WORD_LEN_MAX], len: 0 };
    if let Some(bytes) = upper.bytes.get_mut(..word.len()) {
        bytes.copy_from_slice(word);
        bytes.make_ascii_uppercase();
        upper.len = word.len();
    }
    upper
}

/// No option of any command is longer than this.
const WORD_LEN_MAX: usize = 16;

/// See [`upper`].
pub struct Upper {
    bytes: [u8; WORD_LEN_MAX],
    len: usize,
}

impl std::ops::Deref for Upper {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The options behind a command's fixed arguments, one word at a time.
#[derive(Clone)]
pub struct Options<'a> {
    args: Args<'a>,
    at: usize,
}

impl<'a> Options<'a> {
    /// The arguments from `first` on.
    pub fn new(args: Args<'a>, first: usize) -> Self {
        Options { args, at: first }
    }

    /// The next word.
    #[allow(clippy::should_implement_trait, reason = "not to be confused with an iterator: options take their values from it")]
    pub fn next(&mut self) -> Option<&'a [u8]> {
        if self.at >= self.args.len() {
            return None;
        }
        self.at += 1;
        Some(self.args.get(self.at - 1))
    }

    /// The value that belongs to the option just read.
    ///
    /// # Errors
    /// A syntax error where the request ends with the option.
    pub fn value(&mut self) -> Outcome<&'a [u8]> {
        self.next().ok_or(errors::SYNTAX)
    }

    /// How many words are left.
    pub fn left(&self) -> usize {
        self.args.len().saturating_sub(self.at)
    }
}

/// How a time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeUnit {
    /// In seconds; else in milliseconds.
    pub seconds: bool,
    /// Since the Unix epoch; else from now on.
    pub absolute: bool,
}

impl TimeUnit {
    /// Of the options `EX`, `PX`, `EXAT`, `PXAT`; `None` for any other word.
    pub fn of_option(word: &[u8]) -> Option<Self> {
        let (seconds, absolute) = match &*upper(word) {
            b"EX" => (true, false),
            b"PX" => (false, false),
            b"EXAT" => (true, true),
            b"PXAT" => (false, true),
            _ => return None,
        };
        Some(TimeUnit { seconds, absolute })
    }

    /// A time as milliseconds since the epoch; negative when it lies before. `None` where that does not fit 63 bits.
    pub fn to_unix_ms(self, value: i64, now: UnixMs) -> Option<i64> {
        let ms = if self.seconds { value.checked_mul(1000)? } else { value };
        if self.absolute { Some(ms) } else { ms.checked_add(i64::try_from(now.0).ok()?) }
    }

    /// A time that must lie ahead, as `SET` and `GETEX` take it: not zero, not negative.
    ///
    /// # Errors
    /// The text is not an integer, or the time is none that `command` takes.
    pub fn deadline(self, text: &[u8], now: UnixMs, command: &str) -> Outcome<UnixMs> {
        let value = int(text)?;
        let bad = || errors::bad_expire(command);
        let ms = (value > 0).then(|| self.to_unix_ms(value, now)).flatten().ok_or_else(bad)?;
        u64::try_from(ms).map(UnixMs).map_err(|_| bad())
    }
}

/// The options of `SCAN`, `HSCAN`, `SSCAN`, `ZSCAN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanOptions<'a> {
    /// `MATCH`; `None` where everything matches.
    pub pattern: Option<&'a [u8]>,
    /// `COUNT`: about how many elements to look at; at least 1.
    pub count: usize,
    /// `TYPE`, only for `SCAN` itself.
    pub type_name: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// The options in `args` from `first` on; `with_type` for `SCAN` itself.
    ///
    /// # Errors
    /// A syntax error, or a count that is not an integer.
    pub fn parse(args: Args<'a>, first: usize, with_type: bool) -> Outcome<Self> {
        let mut options = Options::new(args, first);
        let mut scan = ScanOptions { pattern: None, count: 10, type_name: None };
        while let Some(word) = options.next() {
            if is(word, "COUNT") {
                let count = int(options.value()?)?;
                scan.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(errors::SYNTAX)?;
            } else if is(word, "MATCH") {
                let pattern = options.value()?;
                scan.pattern = (pattern != b"*").then_some(pattern);
            } else if with_type && is(word, "TYPE") {
                scan.type_name = Some(options.value()?);
            } else {
                return Err(errors::SYNTAX);
            }
        }
        Ok(scan)
    }

    /// Whether `name` is wanted by `MATCH`.
    pub fn wants(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| koltso_proto::glob::matches(pattern, name))
    }
}

/// A `SCAN` cursor.
pub fn cursor(text: &[u8]) -> Outcome<u64> {
    number::parse_cursor(text).ok_or(errors::BAD_CURSOR)
}

/// A range of positions as `GETRANGE` and `LRANGE` give it: from the end where negative, both ends included, cut to what is
/// there. `None` where nothing is left.
pub fn index_range(start: i64, end: i64, len: usize) -> Option<std::ops::Range<usize>> {
    let len = i64::try_from(len).ok()?;
    let from_end = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (start, end) = (from_end(start).max(0), from_end(end).min(len - 1));
    (start <= end).then(|| start as usize..end as usize + 1)
}

/// An error for an option that a command does not know, as `EXPIRE` words it.
#[cold]
pub fn unsupported_option(word: &[u8]) -> Error {
    Error::with(&[b"ERR Unsupported option ", word])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: TimeUnit = TimeUnit { seconds: true, absolute: false };
    const NOW: UnixMs = UnixMs(1_000_000);

    #[test]
    fn times_that_do_not_fit_are_refused_instead_of_wrapping() {
        assert_eq!(SECONDS.to_unix_ms(1, NOW), Some(1_001_000));
        assert_eq!(SECONDS.to_unix_ms(-2000, NOW), Some(-1_000_000));
        assert_eq!(SECONDS.to_unix_ms(i64::MAX / 1000, NOW), None);
        assert_eq!(SECONDS.to_unix_ms(i64::MIN, NOW), None);
        let ms = TimeUnit { seconds: false, absolute: true };
        assert_eq!(ms.to_unix_ms(i64::MAX, NOW), Some(i64::MAX));
        assert_eq!(SECONDS.deadline(b"0", NOW, "set"), Err(errors::bad_expire("set")));
        assert_eq!(SECONDS.deadline(b"x", NOW, "set"), Err(errors::NOT_INTEGER));
        assert_eq!(ms.deadline(b"5", NOW, "set"), Ok(UnixMs(5)));
    }

    #[test]
    fn words_are_matched_in_any_case_and_never_by_a_part() {
        assert_eq!(&*upper(b"withMatchLen"), b"WITHMATCHLEN");
        assert_eq!(&*upper(b"ABCDEFGHIJKLMNOP"), b"ABCDEFGHIJKLMNOP");
        assert_eq!(&*upper(b"ABCDEFGHIJKLMNOPQ"), b"");
    }

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        for (start, end, len, expected) in [
            (0, -1, 5, Some(0..5)),
            (1, 2, 5, Some(1..3)),
            (-3, -2, 5, Some(2..4)),
            (-100, 100, 5, Some(0..5)),
            (3, 1, 5, None),
            (5, 9, 5, None),
            (-1, -100, 5, None),
            (0, -1, 0, None),
            (i64::MIN, i64::MAX, 3, Some(0..3)),
        ] {
            assert_eq!(index_range(start, end, len), expected, "{start} {end} of {len}");
        }
    }
}
