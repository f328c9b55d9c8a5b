//! Small spellings that all answers share: short digests, versions, ages, edit distance.

use lineal_schemas::timestamp::Timestamp;

use super::NamedDigest;

/// Hex digits of a digest that a line of prose shows.
const SHORT_DIGITS: usize = 12;

/// `sha256:ab12cd34ef56…`.
pub(super) fn short(digest: &NamedDigest) -> String {
    short_of(&digest.algorithm, &digest.value)
}

/// As [`short`], of a digest in parts.
pub(super) fn short_of(algorithm: &str, value: &str) -> String {
    let mut short = String::with_capacity(algorithm.len() + SHORT_DIGITS + 4);
    short.push_str(algorithm);
    short.push(':');
    push_short_hex(&mut short, value);
    short
}

/// The first digits of a hex text, with an ellipsis where something is left out.
pub(super) fn short_hex(hex: &str) -> String {
    let mut short = String::with_capacity(SHORT_DIGITS + 3);
    push_short_hex(&mut short, hex);
    short
}

fn push_short_hex(text: &mut String, hex: &str) {
    let end = hex.char_indices().nth(SHORT_DIGITS).map(|(end, _digit)| end);
    match end.and_then(|end| hex.get(..end)) {
        Some(cut) => {
            text.push_str(cut);
            text.push('…');
        }
        None => text.push_str(hex),
    }
}

/// `v2` for `2` and for `v2`; other versions as they are.
pub(super) fn version(version: &str) -> String {
    if version.starts_with(|first: char| first.is_ascii_digit()) { format!("v{version}") } else { version.to_owned() }
}

/// How long before `now` something was: `12 s`, `47 min`, `3 h`, `40 d`.
pub(super) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_millis().saturating_sub(then.as_millis()).max(0) / 1000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `1 event`, `2 events`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The least number of characters to insert, delete or replace (Levenshtein), for ASCII names.
pub(super) fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, byte) in one.bytes().enumerate() {
        let mut next = vec![at + 1];
        for ((theirs, above), diagonal) in other.bytes().zip(row.iter().skip(1)).zip(row.iter()) {
            let left = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(theirs != byte)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_changes() {
        for (one, other, expected) in [("", "abc", 3), ("fraud", "fruad", 2), ("wine", "wines", 1), ("a", "a", 0)] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn an_age_is_told_in_one_unit() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        assert_eq!(age(at(0), at(12)), "12 s");
        assert_eq!(age(at(0), at(47 * 60)), "47 min");
        assert_eq!(age(at(0), at(3 * 86_400)), "3 d");
        assert_eq!(age(at(10), at(0)), "0 s");
    }
}
