//! A moment in the life of a data set, as somebody writes it down: an offset of the log, or a time.

use std::fmt;

const SECONDS_PER_DAY: i64 = 86_400;

/// See the module's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// When the log ended there.
    Offset(u64),
    /// At the end of this second since the epoch.
    Time(i64),
}

impl Moment {
    /// Reads `1042` (an offset), `@1795411218` (a time in seconds since the epoch) or `2026-11-23T05:20:18Z`.
    pub fn parse(text: &str) -> Option<Moment> {
        match text.strip_prefix('@') {
            Some(seconds) => digits(seconds).map(Moment::Time),
            None => digits(text).and_then(|offset| u64::try_from(offset).ok()).map(Moment::Offset).or_else(|| date(text)),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Moment::Offset(offset) => write!(f, "offset {offset}"),
            Moment::Time(time_s) => {
                let (days, in_day) = (time_s.div_euclid(SECONDS_PER_DAY), time_s.rem_euclid(SECONDS_PER_DAY));
                let (year, month, day) = crate::logging::civil_from_days(u64::try_from(days).unwrap_or(0));
                write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", in_day / 3600, in_day / 60 % 60, in_day % 60)
            }
        }
    }
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `2026-11-23T05:20:18Z`, with a blank in the place of the `T` and without the `Z` as well. It is UTC.
fn date(text: &str) -> Option<Moment> {
    let (date, time) = text.strip_suffix('Z').unwrap_or(text).split_once(['T', ' '])?;
    let fields = |text: &str, sign: char| -> Option<[i64; 3]> {
        let fields: Vec<i64> = text.split(sign).map(digits).collect::<Option<_>>()?;
        fields.try_into().ok()
    };
    let ([year, month, day], [hour, minute, second]) = (fields(date, '-')?, fields(time, ':')?);
    let is_date = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    // A day that its month does not have is another when it is read back.
    let (same_year, same_month, same_day) = crate::logging::civil_from_days(u64::try_from(days).ok()?);
    let is_same = (same_year as i64, same_month as i64, same_day as i64) == (year, month, day);
    is_same.then_some(Moment::Time(days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second))
}

/// The other direction of [`civil_from_days`](crate::logging::civil_from_days), for years from 1970 on.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_shown() {
        assert_eq!(Moment::parse("1042"), Some(Moment::Offset(1042)));
        assert_eq!(Moment::parse("@1795411218"), Some(Moment::Time(1_795_411_218)));
        for time_s in [0, 951_782_400, 951_868_799, 1_795_411_218, 4_102_444_800] {
            let shown = Moment::Time(time_s).to_string();
            assert_eq!(Moment::parse(&shown), Some(Moment::Time(time_s)), "{shown}");
        }
        assert_eq!(Moment::Time(1_795_411_218).to_string(), "2026-11-23T05:20:18Z");
        assert_eq!(Moment::parse("2026-11-23 05:20:18"), Some(Moment::Time(1_795_411_218)));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "@",
            "-1",
            "@-1",
            "1.5",
            "now",
            "99999999999999999999",
            "2026-11-23",
            "2026-02-30T00:00:00Z",
            "2026-11-23T24:00:00",
            "1969-12-31T23:59:59Z",
            "2026-11-23T05:20",
            "+5",
            "2026-13-01T00:00:00",
        ] {
            assert_eq!(Moment::parse(text), None, "{text:?}");
        }
    }
}
