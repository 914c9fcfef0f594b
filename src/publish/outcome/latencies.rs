//! Latencies in HDR histograms (Tene), from a microsecond to an hour: percentiles, curve, spread, and the counts that a merge needs.

use std::time::Duration;

use hdrhistogram::{Counter, Histogram};

use super::percentiles::{HistogramStats, PercentilePoint, Percentiles};

/// Longest latency that is recorded exactly, in microseconds; longer ones count as this.
const LONGEST: u64 = 3_600_000_000;
/// Significant digits of a run's histograms.
const DIGITS: u8 = 3;
/// Points per halving of the remaining share: resolution of a percentile curve.
const STEPS: u32 = 4;

/// Latencies so far.
#[derive(Debug, Clone)]
pub(in crate::publish) struct Latencies<C: Counter = u64>(Histogram<C>);

impl Latencies {
    pub(in crate::publish) fn new() -> Self {
        Self::with_digits(DIGITS)
    }

    /// Returns the recorded values in microseconds, each with its count.
    pub(in crate::publish) fn recorded(&self) -> Vec<(u64, u64)> {
        self.0.iter_recorded().map(|one| (one.value_iterated_to(), one.count_at_value())).collect()
    }

    /// Creates a histogram from recorded values.
    pub(in crate::publish) fn of(recorded: &[(u64, u64)]) -> Self {
        let mut latencies = Self::new();
        for &(micros, count) in recorded {
            latencies.0.record_n(micros.clamp(1, LONGEST), count).expect("it grows up to the longest latency");
        }
        latencies
    }

    /// Returns the distribution: fractions of all in intervals of doubled length; the first ends at the smallest value.
    pub(in crate::publish) fn spread(&self) -> Vec<(f64, u64)> {
        let (low, high) = (self.0.min().max(1), self.0.max().max(1));
        let mut spread: Vec<(f64, u64)> = Vec::new();
        let mut edge = low.next_power_of_two();
        let mut below = 0;
        loop {
            let count = self.0.count_between(0, edge);
            spread.push((millis(edge), count - below));
            below = count;
            if edge >= high {
                return spread;
            }
            edge *= 2;
        }
    }
}

impl<C: Counter> Latencies<C> {
    /// Creates a histogram that grows up to the longest latency.
    pub(in crate::publish) fn with_digits(digits: u8) -> Self {
        let mut histogram = Histogram::new(digits).expect("the digits are constants within bounds");
        histogram.auto(true);
        Self(histogram)
    }

    pub(in crate::publish) fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST);
        self.0.record(micros).expect("it grows up to the longest latency, which is within its range");
    }

    pub(in crate::publish) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("it grows to what the other holds");
    }

    /// Returns the latency at a quantile from 0 to 1, in milliseconds; zero if nothing was measured.
    pub(in crate::publish) fn at(&self, share: f64) -> f64 {
        millis(self.0.value_at_quantile(share))
    }

    /// Returns the percentiles in milliseconds; all are zero if nothing was measured.
    pub(in crate::publish) fn percentiles(&self) -> Percentiles {
        Percentiles { p50: self.at(0.5), p90: self.at(0.9), p99: self.at(0.99), max: millis(self.0.max()) }
    }

    /// Returns the curve of percentiles, finer towards its end.
    pub(in crate::publish) fn curve(&self) -> Vec<PercentilePoint> {
        let points = self.0.iter_quantiles(STEPS);
        let mut count = 0;
        points
            .map(|point| {
                count += point.count_since_last_iteration();
                PercentilePoint {
                    percentile: point.quantile_iterated_to() * 100.0,
                    ms: millis(point.value_iterated_to()),
                    count,
                }
            })
            .collect()
    }
}

impl<C: Counter> Latencies<C> {
    /// Returns the mean, the standard deviation and the buckets.
    pub(in crate::publish) fn stats(&self) -> HistogramStats {
        HistogramStats {
            mean_ms: self.0.mean() / 1e3,
            std_deviation_ms: self.0.stdev() / 1e3,
            buckets: self.0.buckets().into(),
            sub_buckets: (2 * 10_u32.pow(self.0.sigfig().into())).next_power_of_two(),
        }
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::hdr::Distribution;

    #[test]
    fn percentiles_are_in_milliseconds_and_three_digits_exact() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.percentiles(), Percentiles::default());
        for n in 1..=1_000 {
            latencies.add(Duration::from_millis(n));
        }
        latencies.add(Duration::from_secs(100_000));
        let found = latencies.percentiles();
        for (found, expected) in [(found.p50, 501.0), (found.p90, 901.0), (found.p99, 991.0), (found.max, 3.6e6)] {
            assert!((found / expected - 1.0).abs() < 2e-3, "{found} is not {expected}");
        }
        let curve = latencies.curve();
        assert!(curve.is_sorted_by(|a, b| a.percentile <= b.percentile && a.ms <= b.ms && a.count <= b.count));
        let last = curve.last().unwrap();
        assert!((last.percentile - 100.0).abs() < 1e-9 && last.count == 1_001 && curve.len() > 20, "{curve:?}");
    }

    #[test]
    fn the_text_of_a_histogram_matches_the_histogram() {
        let mut latencies = Latencies::new();
        for n in 1..=20_000_u64 {
            latencies.add(Duration::from_micros(n * n % 7_919 + 40));
        }
        let text = Distribution { curve: &latencies.curve(), stats: latencies.stats() }.to_string();
        let of = &latencies.0;
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect();
        let own: Vec<_> = of.iter_quantiles(STEPS).collect();
        assert!(rows.len() == own.len() && rows.len() > 30, "{text}");
        for (row, own) in rows.iter().zip(own) {
            assert!((row[0] - own.value_iterated_to() as f64 / 1e3).abs() < 1e-9, "{row:?}");
            assert!((row[1] - own.quantile_iterated_to()).abs() < 1e-11, "{row:?}");
            assert_eq!(row[2] as u64, of.count_between(0, own.value_iterated_to()), "{row:?}");
            if row[1] < 1.0 {
                assert!((row[3] * (1.0 - own.quantile_iterated_to()) - 1.0).abs() < 0.01, "{row:?}");
            }
        }
        assert_eq!(rows.last().unwrap().len(), 3, "all of them have no share that is longer");
        let number = |name: &str| -> f64 {
            let rest = &text[text.find(name).unwrap() + name.len()..];
            rest.trim_start_matches([' ', '=']).split([',', ']']).next().unwrap().parse().unwrap()
        };
        assert!((number("Mean") - of.mean() / 1e3).abs() < 1e-3);
        assert!((number("StdDeviation") - of.stdev() / 1e3).abs() < 1e-3);
        assert!((number("Max") - of.max() as f64 / 1e3).abs() < 1e-3);
        assert_eq!(number("Total count") as u64, of.len());
        assert_eq!(number("SubBuckets") as u64, 2_048);
    }

    #[test]
    fn latencies_come_back_from_what_was_recorded() {
        let (mut one, mut other, mut all) = (Latencies::new(), Latencies::new(), Latencies::new());
        for n in 1..=5_000_u64 {
            let latency = Duration::from_micros(n * n % 1_000_003 + 1);
            all.add(latency);
            if n % 3 == 0 { one.add(latency) } else { other.add(latency) }
        }
        let mut back = Latencies::of(&one.recorded());
        back.merge(&Latencies::of(&other.recorded()));
        let statistics = |of: &Latencies| (of.percentiles(), of.at(0.999), of.curve(), of.stats(), of.recorded());
        assert_eq!(statistics(&back), statistics(&all));
    }
}
