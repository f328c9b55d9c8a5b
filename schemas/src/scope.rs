//! What a key may speak about: patterns over sources and names, roles and event types.
//!
//! A pattern is a literal, optionally ending in `/**`, which stands for anything below. Promises that containment is
//! decided on the patterns alone, so that a delegated scope can't grow. Never looks at time or signatures.
//! (docs/FORMAT.md, Authority)

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::vocabulary::Role;

/// The longest pattern, in characters.
pub const MAX_PATTERN_CHARS: usize = 512;

/// Not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a pattern: printable ASCII without `*`, optionally ending in `/**`")]
pub struct PatternError {
    /// The text as found, cut at 80 characters.
    pub found: String,
}

impl PatternError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        "malformed-pattern"
    }
}

/// A literal, or everything below one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// For `a/**` this is `a/`.
    literal: String,
    below: bool,
}

impl Pattern {
    /// Whether the pattern stands for `name`.
    pub fn matches(&self, name: &str) -> bool {
        if self.below {
            name.strip_prefix(&self.literal).is_some_and(|rest| !rest.is_empty())
        } else {
            self.literal == name
        }
    }

    /// Whether everything that `other` stands for is in this pattern as well.
    pub fn contains(&self, other: &Self) -> bool {
        if other.below { self.below && other.literal.starts_with(&self.literal) } else { self.matches(&other.literal) }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (literal, below) = match text.strip_suffix("**") {
            Some(rest) if rest.ends_with('/') && rest.len() > 1 => (rest, true),
            _ => (text, false),
        };
        let plain = literal.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'"' | b'\\'));
        if literal.is_empty() || text.len() > MAX_PATTERN_CHARS || !plain {
            return Err(PatternError { found: text.chars().take(80).collect() });
        }
        Ok(Self { literal: literal.to_owned(), below })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.literal)?;
        if self.below { f.write_str("**") } else { Ok(()) }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({self})")
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What a key may say, and about what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The sources that it may send as.
    pub sources: Vec<Pattern>,
    /// What its owner does.
    pub roles: Vec<Role>,
    /// The event types, by their names in the vocabulary.
    pub types: Vec<String>,
    /// The subjects that it may speak about.
    pub names: Vec<Pattern>,
}

impl Scope {
    /// Whether everything in `other` is in this scope as well.
    pub fn contains(&self, other: &Self) -> bool {
        let covered = |mine: &[Pattern], theirs: &[Pattern]| {
            theirs.iter().all(|pattern| mine.iter().any(|wider| wider.contains(pattern)))
        };
        covered(&self.sources, &other.sources)
            && covered(&self.names, &other.names)
            && other.roles.iter().all(|role| self.roles.contains(role))
            && other.types.iter().all(|kind| self.types.contains(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_stands_for_what_is_below_and_for_nothing_beside() {
        let below = pattern("model/payments/**");
        assert!(below.matches("model/payments/fraud") && below.matches("model/payments/a/b"));
        for other in ["model/payments", "model/payments/", "model/payments2/fraud", "x/model/payments/fraud"] {
            assert!(!below.matches(other), "{other}");
        }
        assert!(pattern("model/a").matches("model/a") && !pattern("model/a").matches("model/a/b"));
    }

    #[test]
    fn containment_can_not_widen() {
        assert!(pattern("a/**").contains(&pattern("a/b/**")));
        assert!(pattern("a/**").contains(&pattern("a/**")));
        assert!(pattern("a/**").contains(&pattern("a/b")));
        assert!(!pattern("a/b/**").contains(&pattern("a/**")));
        assert!(!pattern("a/b").contains(&pattern("a/b/**")));
        assert!(!pattern("a/**").contains(&pattern("a")));
    }

    #[test]
    fn other_wildcards_are_refused() {
        for text in ["", "**", "/**", "a*", "a/*", "a/**/b", "a b", "ä/**", "a**"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
        assert_eq!(pattern("a/**").to_string(), "a/**");
    }
}
