//! Exact sums that do not depend on the order of addition, so that the same inputs give exactly the same report.
//!
//! Every value is converted to an integer multiple of 2⁻⁶⁴ (finer bits are truncated), and integers are added. A FLOAT
//! of at least 2⁻⁴¹ and a DOUBLE of at least 2⁻¹² are exact multiples, so the sum is exact, and rounded once for
//! display. Values of at least 2³⁰, which no animal weighs, are summed per power of two, also exactly.

use std::collections::BTreeMap;

/// 2⁶⁴, the number of units per 1.
const UNIT: f64 = 18_446_744_073_709_551_616.0;
/// Number of explicit significand bits.
const FRACTION: u32 = 52;
/// Exponent bias for an integer significand.
const BIAS: i32 = 1_023 + 52;
/// Limit for a value below 2³⁰: its significand counts units of less than 2 to this power. An `i128` can sum 2³³ of
/// them.
const ROOM: i32 = 42;

/// Sum of finite values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ExactSum {
    units: i128,
    /// Sums of integer significands, by their power of two.
    large: BTreeMap<i32, i128>,
}

impl ExactSum {
    /// Adds a value.
    pub(super) fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = ((bits >> FRACTION) & 0x7ff) as i32;
        let first = u64::from(exponent > 0) << FRACTION;
        let significand = i128::from(bits & ((1 << FRACTION) - 1) | first);
        let signed = |n: i128| if value < 0.0 { -n } else { n };
        let power = exponent.max(1) - BIAS;
        match power + 64 {
            units @ 0..ROOM => self.units += signed(significand << units),
            units @ ..0 => self.units += signed(significand >> (-units).min(127)),
            _ if value.is_finite() => *self.large.entry(power).or_default() += signed(significand),
            _ => {}
        }
    }

    /// Adds another sum.
    pub(super) fn merge(&mut self, other: &Self) {
        self.units += other.units;
        for (power, significands) in &other.large {
            *self.large.entry(*power).or_default() += significands;
        }
        self.large.retain(|_, sum| *sum != 0);
    }

    /// Subtracts another sum.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.units -= other.units;
        for (power, significands) in &other.large {
            *self.large.entry(*power).or_default() -= significands;
        }
        self.large.retain(|_, sum| *sum != 0);
    }

    /// Returns the sum of one value.
    pub(super) fn of(value: f64) -> Self {
        let mut sum = Self::default();
        sum.add(value);
        sum
    }

    /// Returns the sum as lossless text in decimal: units, then large values with their power of two.
    pub(super) fn text(&self) -> String {
        let large = self.large.iter().map(|(power, sum)| format!(" {sum}p{power}"));
        std::iter::once(self.units.to_string()).chain(large).collect()
    }

    /// Parses that text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let units = words.next()?.parse().ok()?;
        let large = words.map(|word| {
            let (sum, power) = word.split_once('p')?;
            Some((power.parse().ok()?, sum.parse().ok()?))
        });
        Some(Self { units, large: large.collect::<Option<_>>()? })
    }

    /// Returns the sum as the nearest `f64`; with large values, an approximation.
    #[allow(clippy::cast_precision_loss, reason = "the one rounding")]
    pub(super) fn value(&self) -> f64 {
        let large: f64 = self.large.iter().map(|(power, sum)| *sum as f64 * 2_f64.powi(*power)).sum();
        large + self.units as f64 / UNIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        values.iter().for_each(|value| sum.add(*value));
        sum
    }

    #[test]
    fn a_sum_is_that_of_the_values() {
        assert_eq!(sum(&[0.1; 10]).value(), 1.0, "ten times the binary form of 0.1, rounded once");
        assert_ne!([0.1; 10].iter().sum::<f64>(), 1.0, "adding as usual rounds ten times");
        assert_eq!(sum(&[]).value(), 0.0);
        assert_eq!(sum(&[1e300, 51.5, -1e300, -0.25]).value(), 51.25);
        assert_eq!(sum(&[f64::from(f32::MAX); 3]).value(), 3.0 * f64::from(f32::MAX));
        let large = 1_073_741_824.0;
        assert_eq!(sum(&[large, -large, large - 0.5, -1.0]).value(), large - 1.5);
        assert_eq!(sum(&[-0.25, f64::MIN_POSITIVE, -0.0, 5e-324]).value(), -0.25);
        assert_eq!(sum(&[f64::NAN, f64::INFINITY, 3.0]).value(), 3.0, "no column holds them");
    }

    proptest! {
        #[test]
        fn no_order_and_no_grouping_changes_it(
            values in prop::collection::vec(prop_oneof![-1e6..1e6, -1e-3..1e-3, -1e200..1e200], 0..60),
            cut in 0_usize..60,
        ) {
            let whole = sum(&values);
            let mut turned: Vec<f64> = values.clone();
            turned.reverse();
            turned.rotate_left(cut % values.len().max(1));
            prop_assert_eq!(&sum(&turned), &whole);
            let (one, other) = values.split_at(cut.min(values.len()));
            let mut parts = sum(other);
            parts.merge(&sum(one));
            prop_assert_eq!(parts.value().to_bits(), whole.value().to_bits());
            prop_assert_eq!(ExactSum::parse(&whole.text()), Some(whole.clone()));
            parts.subtract(&sum(one));
            prop_assert_eq!(parts.value().to_bits(), sum(other).value().to_bits());
        }
    }
}
