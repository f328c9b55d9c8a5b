//! Moments as people type them: RFC 3339, and what comes to mind at three in the morning.
//!
//! Promises one meaning for every spelling, counted from the asker's clock, in UTC unless an offset is given; and that
//! a time of day without a date is the last one that has passed. Never asks a clock. (docs/ANSWERS.md)

use lineal_schemas::timestamp::Timestamp;

use super::Known;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a moment: `{0}`; say 2026-11-24T03:12:00Z, \"2026-11-24 03:12\", 2026-11-24, 03:12, 03:12+01:00, \"yesterday 03:12\" or \"2h ago\""
)]
pub struct MomentError(pub String);

impl MomentError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        "malformed-moment"
    }
}

/// Reads a moment as an asker at `now` means it.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, MomentError> {
    read(text.trim(), now).ok_or_else(|| MomentError(text.chars().take(80).collect()))
}

/// Reads what may be known: a moment, or an entry as `17` or `#17`.
pub fn known(text: &str, now: Timestamp) -> Result<Known, MomentError> {
    let text = text.trim();
    let digits = text.strip_prefix('#').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.parse().map(Known::Entry).map_err(|_too_large| MomentError(text.chars().take(80).collect()));
    }
    moment(text, now).map(Known::At)
}

fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    if let Some(span) = text.strip_suffix("ago") {
        let millis = now.as_millis().checked_sub(span_ms(span.trim())?)?;
        return Some(Timestamp::from_millis(millis));
    }
    let today = now.as_millis().div_euclid(DAY_MS).checked_mul(DAY_MS)?;
    for (word, day) in [("yesterday", today.checked_sub(DAY_MS)?), ("today", today)] {
        if let Some(rest) = text.strip_prefix(word) {
            let (time, offset) = if rest.is_empty() { (0, 0) } else { time_of_day(rest.strip_prefix(' ')?)? };
            // A day with an offset is the asker's day there, and not ours.
            let there = now.as_millis().checked_add(offset)?.div_euclid(DAY_MS).checked_mul(DAY_MS)?;
            let day = there.checked_add(day.checked_sub(today)?)?;
            return Some(Timestamp::from_millis(day.checked_add(time)?.checked_sub(offset)?));
        }
    }
    if let Some((time, offset)) = time_of_day(text) {
        let there = now.as_millis().checked_add(offset)?;
        let mut moment = there.div_euclid(DAY_MS).checked_mul(DAY_MS)?.checked_add(time)?;
        if moment > there {
            moment = moment.checked_sub(DAY_MS)?;
        }
        return Some(Timestamp::from_millis(moment.checked_sub(offset)?));
    }
    let (date, rest) = text.split_at_checked(10)?;
    let midnight = Timestamp::from_rfc3339(&format!("{date}T00:00:00Z")).ok()?.as_millis();
    let (time, offset) = if rest.is_empty() { (0, 0) } else { time_of_day(rest.strip_prefix(['T', ' '])?)? };
    Some(Timestamp::from_millis(midnight.checked_add(time)?.checked_sub(offset)?))
}

/// `HH:MM`, with seconds, a fraction and an offset where there are any: milliseconds of the day, and of the offset.
fn time_of_day(text: &str) -> Option<(i64, i64)> {
    let at = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (time, offset) = text.split_at_checked(at)?;
    let full = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
    let read = Timestamp::from_rfc3339(&format!("1970-01-01T{full}Z")).ok()?;
    Some((read.as_millis(), offset_ms(offset)?))
}

fn offset_ms(text: &str) -> Option<i64> {
    if text.is_empty() || text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let read = Timestamp::from_rfc3339(&format!("1970-01-01T{rest}:00Z")).ok()?;
    Some(sign * read.as_millis())
}

/// `2h`, `90 s`, `15min`, `3 days`.
fn span_ms(text: &str) -> Option<i64> {
    let at = text.find(|found: char| !found.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(at)?;
    let unit_ms = match unit.trim() {
        "s" | "sec" | "second" | "seconds" => 1000,
        "m" | "min" | "minute" | "minutes" => MINUTE_MS,
        "h" | "hour" | "hours" => HOUR_MS,
        "d" | "day" | "days" => DAY_MS,
        "w" | "week" | "weeks" => 7 * DAY_MS,
        _ => return None,
    };
    count.parse::<i64>().ok()?.checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-25T10:30:15.250Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    #[test]
    fn each_spelling_has_its_one_meaning() {
        for (text, meant) in [
            ("now", NOW),
            ("2026-11-24T03:12:00.125Z", "2026-11-24T03:12:00.125Z"),
            ("2026-11-24T03:12:00+02:00", "2026-11-24T01:12:00.000Z"),
            ("2026-11-24 03:12", "2026-11-24T03:12:00.000Z"),
            ("2026-11-24T03:12-05:30", "2026-11-24T08:42:00.000Z"),
            ("2026-11-24", "2026-11-24T00:00:00.000Z"),
            ("03:12", "2026-11-25T03:12:00.000Z"),
            ("03:12Z", "2026-11-25T03:12:00.000Z"),
            (" 03:12:07 ", "2026-11-25T03:12:07.000Z"),
            ("10:31", "2026-11-24T10:31:00.000Z"),
            ("12:31+02:00", "2026-11-24T10:31:00.000Z"),
            ("12:29+02:00", "2026-11-25T10:29:00.000Z"),
            ("00:30-11:00", "2026-11-24T11:30:00.000Z"),
            ("yesterday 03:12", "2026-11-24T03:12:00.000Z"),
            ("yesterday 23:00-11:00", "2026-11-24T10:00:00.000Z"),
            ("yesterday", "2026-11-24T00:00:00.000Z"),
            ("today 03:12", "2026-11-25T03:12:00.000Z"),
            ("2h ago", "2026-11-25T08:30:15.250Z"),
            ("90 s ago", "2026-11-25T10:28:45.250Z"),
            ("15 min ago", "2026-11-25T10:15:15.250Z"),
            ("3 days ago", "2026-11-22T10:30:15.250Z"),
        ] {
            assert_eq!(moment(text, now()).unwrap().to_string(), meant, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_said_to_be_none() {
        for text in [
            "",
            "3:12",
            "25:00",
            "03:61",
            "03",
            "ago",
            "h ago",
            "-2h ago",
            "2x ago",
            "2026-02-30",
            "2026-11-24X03:12",
            "yesterday3:12",
            "03:12+",
            "03:12+2",
            "tomorrow",
            "2026-11-24T",
            "03:12ZZ",
            "99999999999999999999h ago",
        ] {
            assert!(moment(text, now()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_known_is_an_entry_or_a_moment() {
        assert_eq!(known("17", now()), Ok(Known::Entry(17)));
        assert_eq!(known("#17", now()), Ok(Known::Entry(17)));
        assert_eq!(known("03:12", now()), Ok(Known::At("2026-11-25T03:12:00.000Z".parse().unwrap())));
        assert!(known("#", now()).is_err() && known("99999999999999999999", now()).is_err());
    }
}
