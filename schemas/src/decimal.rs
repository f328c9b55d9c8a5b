//! Exact decimals: metric values, thresholds and shares, as somebody wrote them inside an event.
//!
//! Promises that a number is compared by its exact value and printed as it was written: `0.10` equals `0.1` and stays
//! `0.10`. Never goes through a binary float. (docs/FORMAT.md, Numbers)

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    iter,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;

/// The longest text of a decimal, in characters.
pub const MAX_LENGTH: usize = 64;
/// The most digits of an exponent.
pub const MAX_EXPONENT_DIGITS: usize = 3;
/// More digits than any two decimals can have between them.
const MOST_DIGITS: usize = 2 * MAX_LENGTH;

/// A text that is not an exact decimal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a decimal is a JSON number of at most 64 characters and at most 3 digits of exponent, found `{found}`")]
pub struct DecimalError {
    /// The text as found, cut at 80 characters.
    pub found: String,
}

impl DecimalError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        "malformed-decimal"
    }
}

/// A number with its exact value and its spelling.
///
/// Equality, order and hash are those of the value; [`fmt::Display`] and serde write the text as it was read, a JSON
/// number as a number and a decimal string as a string.
#[derive(Clone)]
pub struct Decimal {
    text: Box<str>,
    quoted: bool,
}

impl Decimal {
    /// The text as it was written, without quotes.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is zero, of either sign.
    pub fn is_zero(&self) -> bool {
        self.text
            .split(['e', 'E'])
            .next()
            .is_none_or(|mantissa| !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9')))
    }

    /// Whether this is below zero.
    pub fn is_negative(&self) -> bool {
        self.text.starts_with('-') && !self.is_zero()
    }

    /// Whether it came as (and is written as) a JSON string.
    pub const fn is_quoted(&self) -> bool {
        self.quoted
    }

    fn new(text: &str, quoted: bool) -> Result<Self, DecimalError> {
        if text.len() > MAX_LENGTH || !is_number(text) {
            return Err(DecimalError { found: text.chars().take(80).collect() });
        }
        Ok(Self { text: text.into(), quoted })
    }

    /// The digits from the first that is not zero, and the power of ten of the place before it (`0.0012` is `12`, -2).
    fn digits(&self) -> (impl Iterator<Item = u8>, i32) {
        let unsigned = self.text.strip_prefix('-').unwrap_or(&self.text);
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let places = whole.bytes().chain(fraction.bytes());
        let leading = places.clone().take_while(|digit| *digit == b'0').count();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let before_point = i32::try_from(whole.len()).unwrap_or(0).saturating_sub(i32::try_from(leading).unwrap_or(0));
        (places.skip(leading), before_point.saturating_add(exponent))
    }

    /// Compares distances from zero.
    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                let ((mine, my_power), (theirs, their_power)) = (self.digits(), other.digits());
                my_power.cmp(&their_power).then_with(|| padded(mine).cmp(padded(theirs)))
            }
        }
    }
}

/// Digits with zeros after them, so that `1` and `1.0` have the same ones.
fn padded(digits: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    digits.chain(iter::repeat(b'0')).take(MOST_DIGITS)
}

/// The grammar of a JSON number, with the exponent limited.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = whole == "0" || !whole.starts_with('0');
    digits(whole) && plain && digits(fraction) && digits(exponent) && exponent.len() <= MAX_EXPONENT_DIGITS
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Reads the text of a JSON number; it will be written as a JSON string.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::new(text, true)
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Self { text: number.to_string().into(), quoted: false }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative(), other.is_negative()) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_negative().hash(state);
        if !self.is_zero() {
            let (digits, power) = self.digits();
            power.hash(state);
            padded(digits).for_each(|digit| digit.hash(state));
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal({self})")
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.quoted {
            return serializer.serialize_str(&self.text);
        }
        RawValue::from_string(self.text.to_string()).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if raw.get().starts_with('"') {
            let text: String = serde_json::from_str(raw.get()).map_err(de::Error::custom)?;
            return Self::new(&text, true).map_err(de::Error::custom);
        }
        Self::new(raw.get(), false).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn decimals_are_ordered_by_exact_value() {
        let ascending = [
            "-1e999",
            "-12.5",
            "-12.49",
            "-1",
            "-0.1",
            "-1e-999",
            "0",
            "1e-999",
            "0.0009",
            "1e-3",
            "0.1",
            "0.7499999999999999999999999",
            "0.75",
            "0.7500000000000000000000001",
            "1",
            "9.99",
            "10",
            "1e999",
        ];
        for (at, low) in ascending.iter().enumerate() {
            for (other, high) in ascending.iter().enumerate() {
                assert_eq!(decimal(low).cmp(&decimal(high)), at.cmp(&other), "{low} {high}");
            }
        }
    }

    #[test]
    fn spellings_of_one_value_are_equal() {
        for same in [["0.10", "0.1"], ["1e2", "100.0"], ["-0", "0e5"], ["1200", "1.2E+3"], ["0.0012", "12e-4"]] {
            assert_eq!(decimal(same[0]), decimal(same[1]));
        }
    }

    #[test]
    fn what_json_would_refuse_is_refused() {
        let long = format!("0.{}", "1".repeat(63));
        for wrong in
            ["", "-", "01", "+1", ".5", "1.", "1e", "1e+", "1e1000", "NaN", "Infinity", " 1", "1 ", "0x1", &long]
        {
            assert!(wrong.parse::<Decimal>().is_err(), "{wrong}");
        }
        assert!(long[..64].parse::<Decimal>().is_ok());
    }

    #[test]
    fn json_is_read_and_written_exactly() {
        for text in ["0.10", "\"0.10\"", "-1E-05", "12345678901234567890.123456789012345678901234567890"] {
            let number: Decimal = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&number).unwrap(), text);
        }
        for wrong in ["null", "true", "[]", "{}", "\"\"", "\"1,5\"", "\"0.1 \""] {
            assert!(serde_json::from_str::<Decimal>(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn order_agrees_with_integers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000, power in 0_u32..20) {
            let shifted = |number: i64| decimal(&format!("{number}e-{power}"));
            prop_assert_eq!(shifted(a).cmp(&shifted(b)), a.cmp(&b));
        }
    }
}
