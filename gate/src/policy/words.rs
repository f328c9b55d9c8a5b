//! The values of a policy: numbers as text, spans of time, slices.

use std::collections::BTreeMap;

use lineal_schemas::{decimal::Decimal, vocabulary::names::Name};
use serde::{Deserialize, Deserializer, de};

use crate::exact::Exact;

/// An exact number: text with the grammar of a JSON number.
#[derive(Debug, Clone, PartialEq)]
pub struct Number(Decimal);

impl Number {
    /// Its value.
    pub fn exact(&self) -> Exact {
        Exact::of(&self.0)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.0.is_negative()
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number as text, like \"0.90\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Text)
    }
}

/// A span of time: a whole number and `s`, `m`, `h`, `d` or `w`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    text: String,
    millis: i64,
}

impl Span {
    /// In milliseconds.
    pub const fn as_millis(&self) -> i64 {
        self.millis
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom(format_args!("expected a span of time like `30d` or `4h`, found `{text}`"));
        let unit = text.chars().last().and_then(|unit| match unit {
            's' => Some(1),
            'm' => Some(60),
            'h' => Some(3600),
            'd' => Some(86_400),
            'w' => Some(604_800),
            _ => None,
        });
        let digits = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
        let plain = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let count = digits.parse::<i64>().ok().filter(|count| plain && *count > 0);
        let millis = count.zip(unit).map(|(count, unit)| count.saturating_mul(unit).saturating_mul(1000));
        Ok(Self { millis: millis.ok_or_else(wrong)?, text })
    }
}

/// A part of the data, by its features.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Slice(pub(crate) BTreeMap<String, String>);

impl Slice {
    /// Whether it is what an event says, by name; where that says nothing, it is everything.
    pub(crate) fn is<'s>(&self, said: impl Iterator<Item = (&'s Name, &'s Name)>) -> bool {
        let own = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        own.eq(said.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Whether it is everything.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let features: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        f.write_str(&features.join(","))
    }
}

impl<'de> Deserialize<'de> for Slice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let features = BTreeMap::<String, String>::deserialize(deserializer)?;
        if features.is_empty() {
            return Err(de::Error::custom("an empty slice: leave it out to ask about everything"));
        }
        for text in features.iter().flat_map(|(name, value)| [name, value]) {
            text.parse::<Name>().map_err(de::Error::custom)?;
        }
        Ok(Self(features))
    }
}
