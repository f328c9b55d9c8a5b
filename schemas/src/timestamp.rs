//! Points in time as text: the ledger's `received` in one spelling, a producer's `time` as RFC 3339 allows it in UTC.
//!
//! Promises that a timestamp read and written again is the same text. Never asks a clock. (docs/FORMAT.md, Times)

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MILLIS_A_DAY: i64 = 86_400_000;

/// A text that is not a timestamp in UTC.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time in UTC as RFC 3339 writes it (`2026-11-23T21:50:12.345Z`): `{found}`")]
pub struct TimestampError {
    /// The text as found, cut at 80 characters.
    pub found: String,
}

impl TimestampError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        "malformed-time"
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, written as exactly `YYYY-MM-DDTHH:MM:SS.mmmZ`, years 0000 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest, 0000-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(-62_167_219_200_000);
    /// The latest, 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Takes milliseconds since 1970, held within the years 0000 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads any RFC 3339 time in UTC with 0 to 9 digits of fraction; digits beyond the third are cut off.
    pub fn from_rfc3339(text: &str) -> Result<Self, TimestampError> {
        parse(text).ok_or_else(|| TimestampError { found: text.chars().take(80).collect() })
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads the one spelling, with exactly three digits of fraction.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        if text.len() != 24 {
            return Err(TimestampError { found: text.chars().take(80).collect() });
        }
        Self::from_rfc3339(text)
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (moment, fraction) = (bytes.get(..19)?, bytes.get(19..)?.strip_suffix(b"Z")?);
    let number = |range: std::ops::Range<usize>| {
        moment.get(range)?.iter().try_fold(0_i64, |number, digit| {
            digit.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(i64::from(digit & 0x0f)))
        })
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| moment.get(*at) != Some(mark)) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = hour.checked_mul(3600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    let millis =
        days_from_civil(year, month, day)?.checked_mul(MILLIS_A_DAY)?.checked_add(seconds.checked_mul(1000)?)?;
    Some(Timestamp(millis.checked_add(millis_of(fraction)?)?))
}

/// Milliseconds of `.` and 1 to 9 digits, or of nothing.
fn millis_of(fraction: &[u8]) -> Option<i64> {
    if fraction.is_empty() {
        return Some(0);
    }
    let digits = fraction.strip_prefix(b".")?;
    if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(3);
    Some(padded.fold(0_i64, |millis, digit| millis.saturating_mul(10).saturating_add(i64::from(digit & 0x0f))))
}

const fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counted from a year that begins in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let march_year = if month <= 2 { year.checked_sub(1)? } else { year };
    let march_month = month.checked_add(9)?.rem_euclid(12);
    let day_of_year = march_month.checked_mul(153)?.checked_add(2)?.div_euclid(5).checked_add(day)?.checked_sub(1)?;
    let leaps =
        march_year.div_euclid(4).checked_sub(march_year.div_euclid(100))?.checked_add(march_year.div_euclid(400))?;
    march_year.checked_mul(365)?.checked_add(leaps)?.checked_add(day_of_year)?.checked_sub(719_468)
}

/// Year, month and day of a count of days from 1970-01-01.
fn civil_from_days(days: i64) -> Option<(i64, i64, i64)> {
    let shifted = days.checked_add(719_468)?;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let leaps =
        of_era.div_euclid(1460).checked_sub(of_era.div_euclid(36_524))?.checked_add(of_era.div_euclid(146_096))?;
    let year_of_era = of_era.checked_sub(leaps)?.div_euclid(365);
    let before = year_of_era
        .checked_mul(365)?
        .checked_add(year_of_era.div_euclid(4))?
        .checked_sub(year_of_era.div_euclid(100))?;
    let day_of_year = of_era.checked_sub(before)?;
    let march_month = day_of_year.checked_mul(5)?.checked_add(2)?.div_euclid(153);
    let day = day_of_year.checked_sub(march_month.checked_mul(153)?.checked_add(2)?.div_euclid(5))?.checked_add(1)?;
    let month = if march_month < 10 { march_month.checked_add(3)? } else { march_month.checked_sub(9)? };
    let year = era.checked_mul(400)?.checked_add(year_of_era)?.checked_add(i64::from(month <= 2))?;
    Some((year, month, day))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, millis) = (self.0.div_euclid(MILLIS_A_DAY), self.0.rem_euclid(MILLIS_A_DAY));
        let (year, month, day) = civil_from_days(days).ok_or(fmt::Error)?;
        let (hour, minute) = (millis.div_euclid(3_600_000), millis.div_euclid(60_000).rem_euclid(60));
        let (second, milli) = (millis.div_euclid(1000).rem_euclid(60), millis.rem_euclid(1000));
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments_are_read() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T12:34:56.789Z", 951_827_696_789),
            ("2026-11-23T21:50:12.345Z", 1_795_470_612_345),
            ("1969-12-31T23:59:59.999Z", -1),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().as_millis(), millis, "{text}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for wrong in [
            "2026-11-23T21:50:12Z",
            "2026-11-23T21:50:12.3456Z",
            "2026-11-23 21:50:12.345Z",
            "2026-11-23T21:50:12.345+",
            "2026-02-29T21:50:12.345Z",
            "2026-13-01T21:50:12.345Z",
            "2026-11-23T24:50:12.345Z",
            "2026-11-23T21:50:60.345Z",
            "+026-11-23T21:50:12.345Z",
            "",
        ] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
        assert!(Timestamp::from_rfc3339("2026-11-23T21:50:12+00:00").is_err());
        assert!(Timestamp::from_rfc3339("2026-11-23T21:50:12.Z").is_err());
        assert_eq!(
            Timestamp::from_rfc3339("2026-11-23T21:50:12.345678901Z"),
            Timestamp::from_rfc3339("2026-11-23T21:50:12.345Z")
        );
    }

    proptest! {
        #[test]
        fn a_timestamp_comes_back_as_it_went(millis in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let text = Timestamp(millis).to_string();
            prop_assert_eq!(text.len(), 24);
            prop_assert_eq!(text.parse(), Ok(Timestamp(millis)));
        }
    }
}
