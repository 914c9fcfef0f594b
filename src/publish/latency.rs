//! Latencies of a run in bounded memory: an HDR histogram, three digits exact, from a microsecond to an hour.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::report::publish::Percentiles;

/// The longest latency told apart from longer ones, microseconds.
const LONGEST: u64 = 3_600_000_000;

/// Latencies so far.
#[derive(Debug)]
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(super) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are constants and in order"))
    }

    pub(super) fn add(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST).max(1));
    }

    /// In milliseconds; all zero where nothing was measured.
    pub(super) fn percentiles(&self) -> Percentiles {
        let at = |quantile| millis(self.0.value_at_quantile(quantile));
        Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: millis(self.0.max()) }
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
