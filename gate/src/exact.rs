//! Exact arithmetic on decimals: differences, shares, means and medians of what events say.
//!
//! Promises that nothing is ever rounded: a decimal becomes a fraction of two whole numbers. Never prints a fraction: what
//! is shown is the text that somebody wrote, or a decimal that is equal to it.

use lineal_schemas::decimal::Decimal;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

/// A number, exactly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(BigRational);

impl Exact {
    /// Of a decimal.
    pub fn of(decimal: &Decimal) -> Self {
        let (mantissa, exponent) = decimal.as_str().split_once(['e', 'E']).unwrap_or((decimal.as_str(), "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: BigInt = format!("{whole}{fraction}").parse().unwrap_or_default();
        let places = i64::try_from(fraction.len()).unwrap_or_default();
        let exponent = exponent.parse::<i64>().unwrap_or_default().saturating_sub(places);
        let power = num_traits::pow(BigInt::from(10), usize::try_from(exponent.unsigned_abs()).unwrap_or_default());
        Self(if exponent < 0 { BigRational::new(digits, power) } else { BigRational::from_integer(digits * power) })
    }

    /// Their difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    /// Their product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        Self(&self.0 * &other.0)
    }

    /// Its distance from zero.
    #[must_use]
    pub fn magnitude(&self) -> Self {
        Self(self.0.abs())
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// The mean of some numbers; none of none.
    pub fn mean(numbers: &[Self]) -> Option<Self> {
        let count = BigRational::from_integer(BigInt::from(numbers.len()));
        let sum = numbers.iter().fold(BigRational::zero(), |sum, number| sum + &number.0);
        (!numbers.is_empty()).then(|| Self(sum / count))
    }

    /// The median of some numbers; of an even count the mean of the two in the middle.
    pub fn median(numbers: &[Self]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort();
        let middle = sorted.len() / 2;
        let from = if sorted.len().is_multiple_of(2) { middle.checked_sub(1)? } else { middle };
        Self::mean(sorted.get(from..=middle)?)
    }

    /// As a decimal of at most 12 places after the point, cut off, with `…` where it goes on.
    pub fn shown(&self) -> String {
        let scale = num_traits::pow(BigInt::from(10), PLACES);
        let scaled = self.0.abs() * BigRational::from_integer(scale);
        let digits = format!("{:0>1$}", scaled.to_integer(), PLACES + 1);
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(PLACES));
        let fraction = fraction.trim_end_matches('0');
        let sign = if self.0.is_negative() { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        let more = if scaled.denom().is_one() { "" } else { "…" };
        format!("{sign}{whole}{point}{fraction}{more}")
    }
}

/// Places after the point that are shown.
const PLACES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        Exact::of(&text.parse().unwrap())
    }

    #[test]
    fn three_tenths_are_a_tenth_and_two_tenths() {
        assert_eq!(exact("0.3").minus(&exact("0.1")), exact("0.2"));
        assert_eq!(exact("1"), exact("1.0"));
        assert_eq!(exact("-1.50e2"), exact("-150"));
        assert_eq!(exact("12e-4"), exact("0.0012"));
        assert!(exact("1e-999") < exact("1e-998") && exact("-0").is_zero());
    }

    #[test]
    fn a_mean_is_not_rounded() {
        let numbers = [exact("1"), exact("1"), exact("0")];
        assert!(Exact::mean(&numbers).unwrap() > exact("0.666666666666"));
        assert_eq!(Exact::mean(&numbers).unwrap().shown(), "0.666666666666…");
        assert_eq!(Exact::median(&numbers).unwrap(), exact("1"));
        assert_eq!(Exact::median(&numbers[1..]).unwrap().shown(), "0.5");
        assert_eq!((Exact::mean(&[]), Exact::median(&[])), (None, None));
        assert_eq!(exact("-12.050").shown(), "-12.05");
    }
}
