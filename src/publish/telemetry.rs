//! What a run measures, in bounded memory: counts and latencies of the whole and of each stretch of it.
//!
//! Latencies go into HDR histograms (Tene), three digits exact for the whole and two for a stretch, from a microsecond to an hour. A
//! stretch is a second; when there are too many, two become one, histograms added up, so no figure is ever made of other figures.

use std::time::{Duration, Instant};

use hdrhistogram::{Counter, Histogram};

use super::{HistogramStats, Interval, PercentilePoint, Percentiles, Times};

/// The longest latency told apart from longer ones, microseconds.
const LONGEST: u64 = 3_600_000_000;
/// Digits exact of the whole run's histograms, and of a stretch's.
const DIGITS: (u8, u8) = (3, 2);
/// Stretches at most.
const STRETCHES: usize = 600;
/// How long a stretch is at first.
const FIRST_LENGTH: Duration = Duration::from_secs(1);
/// Steps a halving of the share above: how fine a curve of percentiles is.
const STEPS: u32 = 4;

/// Latencies so far.
#[derive(Debug, Clone)]
pub(super) struct Latencies<C: Counter = u64>(Histogram<C>);

impl Latencies {
    pub(super) fn new() -> Self {
        Self::with_digits(DIGITS.0)
    }
}

impl<C: Counter> Latencies<C> {
    /// Room for the longest latency is made when it comes.
    fn with_digits(digits: u8) -> Self {
        let mut histogram = Histogram::new(digits).expect("the digits are constants within bounds");
        histogram.auto(true);
        Self(histogram)
    }

    pub(super) fn add(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST);
        self.0.record(micros).expect("it grows up to the longest latency, which is within its range");
    }

    fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("it grows to what the other holds");
    }

    /// At that share of all, 0 to 1, milliseconds; nought where nothing was measured.
    pub(super) fn at(&self, share: f64) -> f64 {
        millis(self.0.value_at_quantile(share))
    }

    /// In milliseconds; all zero where nothing was measured.
    pub(super) fn percentiles(&self) -> Percentiles {
        Percentiles { p50: self.at(0.5), p90: self.at(0.9), p99: self.at(0.99), max: millis(self.0.max()) }
    }

    /// The curve of percentiles, finer towards its end.
    pub(super) fn curve(&self) -> Vec<PercentilePoint> {
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
    /// What the text of a histogram tells beside its percentiles.
    pub(super) fn shape(&self) -> HistogramStats {
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

/// One stretch.
#[derive(Debug, Clone)]
struct IntervalStats {
    counts: Counts,
    in_flight: u32,
    latency: Latencies<u32>,
    service: Latencies<u32>,
}

/// What happened in a stretch, messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Were due, or without a schedule were sent.
    pub offered: u64,
    pub published: u64,
    pub failed: u64,
    pub dropped: u64,
    pub retries: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.offered += other.offered;
        self.published += other.published;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.retries += other.retries;
    }
}

impl IntervalStats {
    fn new() -> Self {
        let latencies = Latencies::with_digits(DIGITS.1);
        Self { counts: Counts::default(), in_flight: 0, latency: latencies.clone(), service: latencies }
    }

    fn merge(&mut self, other: &Self) {
        self.counts.add(other.counts);
        self.in_flight = self.in_flight.max(other.in_flight);
        self.latency.merge(&other.latency);
        self.service.merge(&other.service);
    }
}

/// The measurements of a run.
#[derive(Debug)]
pub(super) struct Telemetry {
    started: Instant,
    length: Duration,
    stretches: Vec<IntervalStats>,
    /// From when a message was due to its answer.
    pub latency: Latencies,
    /// From the call to the answer.
    pub service: Latencies,
}

impl Telemetry {
    /// A run begins.
    pub(super) fn new() -> Self {
        let (latency, service) = (Latencies::new(), Latencies::new());
        Self { started: Instant::now(), length: FIRST_LENGTH, stretches: Vec::new(), latency, service }
    }

    /// Takes counts down where they belong.
    pub(super) fn count(&mut self, at: Instant, counts: Counts) {
        self.interval_at(at).counts.add(counts);
    }

    /// A message was published.
    pub(super) fn published(&mut self, at: Instant, latency: Duration, service: Duration) {
        self.latency.add(latency);
        self.service.add(service);
        let stretch = self.interval_at(at);
        stretch.counts.published += 1;
        stretch.latency.add(latency);
        stretch.service.add(service);
    }

    /// So many batches are in flight.
    pub(super) fn in_flight(&mut self, batches: usize) {
        let batches = u32::try_from(batches).unwrap_or(u32::MAX);
        let stretch = self.interval_at(Instant::now());
        stretch.in_flight = stretch.in_flight.max(batches);
    }

    fn interval_at(&mut self, at: Instant) -> &mut IntervalStats {
        let since = at.saturating_duration_since(self.started);
        while since.as_nanos() / self.length.as_nanos() >= STRETCHES as u128 {
            self.merge_intervals();
        }
        let number = (since.as_nanos() / self.length.as_nanos()) as usize; // below STRETCHES
        while self.stretches.len() <= number {
            self.stretches.push(IntervalStats::new());
        }
        &mut self.stretches[number]
    }

    fn merge_intervals(&mut self) {
        let mut kept: Vec<IntervalStats> = Vec::with_capacity(STRETCHES);
        for (number, stretch) in std::mem::take(&mut self.stretches).into_iter().enumerate() {
            match kept.last_mut().filter(|_| number % 2 == 1) {
                Some(last) => last.merge(&stretch),
                None => kept.push(stretch),
            }
        }
        self.stretches = kept;
        self.length *= 2;
    }

    /// The measurements of a run in which so many messages were published.
    pub(super) fn times(&self, started: Instant, end: Instant, published: u64) -> Times {
        let seconds = (end - started).as_secs_f64();
        Times {
            seconds,
            rate_per_second: published as f64 / seconds.max(1e-6),
            latency_ms: self.latency.percentiles(),
            latency_p999_ms: self.latency.at(0.999),
            service_ms: self.service.percentiles(),
            service_p999_ms: self.service.at(0.999),
            intervals: self.intervals(end),
            latency_curve: self.latency.curve(),
            service_curve: self.service.curve(),
            latency_shape: self.latency.shape(),
            service_shape: self.service.shape(),
        }
    }

    /// The stretches up to an instant.
    pub(super) fn intervals(&self, end: Instant) -> Vec<Interval> {
        (0..self.stretches.len()).filter_map(|number| self.interval(number, end)).collect()
    }

    fn interval(&self, number: usize, end: Instant) -> Option<Interval> {
        let stretch = self.stretches.get(number)?;
        let (length, all) = (self.length.as_secs_f64(), end.saturating_duration_since(self.started).as_secs_f64());
        let begin = number as f64 * length;
        let Counts { offered, published, failed, dropped, retries } = stretch.counts;
        Some(Interval {
            begin,
            seconds: (all - begin).clamp(1e-3, length),
            offered,
            published,
            failed,
            dropped,
            retries,
            in_flight: stretch.in_flight,
            latency_ms: stretch.latency.percentiles(),
            service_ms: stretch.service.percentiles(),
        })
    }

    /// The last stretch that is over, for who watches.
    pub(super) fn latest(&self) -> Option<Interval> {
        let now = Instant::now();
        let under_way = (now.saturating_duration_since(self.started).as_nanos() / self.length.as_nanos()) as usize;
        self.interval(self.stretches.len().min(under_way).checked_sub(1)?, now)
    }

    /// How latencies of the whole are spread: shares of all in steps of doubled length, the first up to the least of them.
    pub(super) fn spread(&self) -> Vec<(f64, u64)> {
        let (low, high) = (self.latency.0.min().max(1), self.latency.0.max().max(1));
        let mut spread: Vec<(f64, u64)> = Vec::new();
        let mut edge = low.next_power_of_two();
        let mut below = 0;
        loop {
            let count = self.latency.0.count_between(0, edge);
            spread.push((millis(edge), count - below));
            below = count;
            if edge >= high {
                return spread;
            }
            edge *= 2;
        }
    }
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
    fn the_text_of_a_histogram_is_what_the_histogram_says() {
        let mut latencies = Latencies::new();
        for n in 1..=20_000_u64 {
            latencies.add(Duration::from_micros(n * n % 7_919 + 40));
        }
        let text = Distribution { curve: &latencies.curve(), shape: latencies.shape() }.to_string();
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
    fn a_run_of_any_length_has_some_hundreds_of_stretches_and_loses_no_count() {
        let mut telemetry = Telemetry::new();
        let started = telemetry.started;
        for second in 0..3_000_u64 {
            let at = started + Duration::from_secs(second);
            telemetry.count(at, Counts { offered: 2, ..Counts::default() });
            telemetry.published(at, Duration::from_millis(second), Duration::from_millis(1));
        }
        let intervals = telemetry.intervals(started + Duration::from_secs(3_000));
        assert!((STRETCHES / 2..=STRETCHES).contains(&intervals.len()), "{}", intervals.len());
        assert_eq!(intervals.iter().map(|one| one.offered).sum::<u64>(), 6_000);
        assert_eq!(intervals.iter().map(|one| one.published).sum::<u64>(), 3_000);
        let first = intervals[0];
        assert!((first.seconds - 8.0).abs() < 1e-9 && first.published == 8, "{first:?}");
        assert!((first.latency_ms.max - 7.0).abs() < 0.1, "{first:?}");
        assert!((telemetry.latency.percentiles().p50 / 1_500.0 - 1.0).abs() < 2e-3);
    }

    #[test]
    fn the_spread_counts_everything_once() {
        let mut telemetry = Telemetry::new();
        for n in 1..=1_000 {
            telemetry.published(Instant::now(), Duration::from_micros(n * 100), Duration::ZERO);
        }
        let spread = telemetry.spread();
        assert_eq!(spread.iter().map(|(_, count)| count).sum::<u64>(), 1_000);
        assert!(spread.len() < 16 && spread.is_sorted_by(|a, b| a.0 < b.0), "{spread:?}");
    }
}
