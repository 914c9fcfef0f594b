//! Measurements of a run in bounded memory: counts and latencies, in total and per interval.
//!
//! Latencies are stored in HDR histograms (Tene) from 1 µs to 1 h, with three significant digits in total and two per
//! interval. An interval is 1 s. If there are too many, pairs are merged by adding their histograms, so percentiles are
//! never averaged.

use std::time::{Duration, Instant};

use super::outcome::Latencies;
use super::{Interval, Times};

/// Significant digits of an interval's histograms.
const DIGITS: u8 = 2;
/// Maximum number of intervals.
const MAX_INTERVALS: usize = 600;
/// Initial length of an interval.
const FIRST_LENGTH: Duration = Duration::from_secs(1);

/// Measurements of one interval.
#[derive(Debug, Clone)]
struct IntervalStats {
    counts: Counts,
    in_flight: u32,
    latency: Latencies<u32>,
    service: Latencies<u32>,
}

/// Message counts of one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Messages due, or sent if there is no schedule.
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
    /// Creates an interval at whose start `in_flight` batches are in flight.
    fn new(in_flight: u32) -> Self {
        let latencies = Latencies::with_digits(DIGITS);
        Self { counts: Counts::default(), in_flight, latency: latencies.clone(), service: latencies }
    }

    fn merge(&mut self, other: &Self) {
        self.counts.add(other.counts);
        self.in_flight = self.in_flight.max(other.in_flight);
        self.latency.merge(&other.latency);
        self.service.merge(&other.service);
    }
}

/// Measurements of a run.
#[derive(Debug)]
pub(super) struct Telemetry {
    started: Instant,
    length: Duration,
    intervals: Vec<IntervalStats>,
    /// Batches in flight now.
    in_flight: u32,
    /// From a message's due time to the response.
    pub latency: Latencies,
    /// Duration of the successful request.
    pub service: Latencies,
}

impl Telemetry {
    /// Creates an empty set of measurements that starts now.
    pub(super) fn new() -> Self {
        let (latency, service) = (Latencies::new(), Latencies::new());
        Self { started: Instant::now(), length: FIRST_LENGTH, intervals: Vec::new(), in_flight: 0, latency, service }
    }

    /// Adds counts to the interval of `at`.
    pub(super) fn count(&mut self, at: Instant, counts: Counts) {
        self.interval_at(at).counts.add(counts);
    }

    /// Records a published message.
    pub(super) fn published(&mut self, at: Instant, latency: Duration, service: Duration) {
        self.latency.add(latency);
        self.service.add(service);
        let interval = self.interval_at(at);
        interval.counts.published += 1;
        interval.latency.add(latency);
        interval.service.add(service);
    }

    /// Records the number of batches in flight, which changes when a batch is sent or has its result.
    pub(super) fn in_flight(&mut self, batches: usize) {
        let batches = u32::try_from(batches).unwrap_or(u32::MAX);
        let interval = self.interval_at(Instant::now());
        interval.in_flight = interval.in_flight.max(batches);
        self.in_flight = batches;
    }

    fn interval_at(&mut self, at: Instant) -> &mut IntervalStats {
        let since = at.saturating_duration_since(self.started);
        while since.as_nanos() / self.length.as_nanos() >= MAX_INTERVALS as u128 {
            self.merge_intervals();
        }
        let number = (since.as_nanos() / self.length.as_nanos()) as usize; // below MAX_INTERVALS
        while self.intervals.len() <= number {
            self.intervals.push(IntervalStats::new(self.in_flight));
        }
        &mut self.intervals[number]
    }

    fn merge_intervals(&mut self) {
        let mut kept: Vec<IntervalStats> = Vec::with_capacity(MAX_INTERVALS);
        for (number, interval) in std::mem::take(&mut self.intervals).into_iter().enumerate() {
            match kept.last_mut().filter(|_| number % 2 == 1) {
                Some(last) => last.merge(&interval),
                None => kept.push(interval),
            }
        }
        self.intervals = kept;
        self.length *= 2;
    }

    /// Returns the measurements of a run that published `published` messages.
    pub(super) fn times(&self, started: Instant, end: Instant, published: u64) -> Times {
        let seconds = (end - started).as_secs_f64();
        let rate_per_second = published as f64 / seconds.max(1e-6);
        let mut times = Times { seconds, rate_per_second, intervals: self.intervals(end), ..Times::default() };
        times.measure(&self.latency, &self.service);
        times
    }

    /// Returns the intervals up to `end`.
    pub(super) fn intervals(&self, end: Instant) -> Vec<Interval> {
        (0..self.intervals.len()).filter_map(|number| self.interval(number, end)).collect()
    }

    fn interval(&self, number: usize, end: Instant) -> Option<Interval> {
        let interval = self.intervals.get(number)?;
        let (length, all) = (self.length.as_secs_f64(), end.saturating_duration_since(self.started).as_secs_f64());
        let begin = number as f64 * length;
        let Counts { offered, published, failed, dropped, retries } = interval.counts;
        Some(Interval {
            begin,
            seconds: (all - begin).clamp(1e-3, length),
            offered,
            published,
            failed,
            dropped,
            retries,
            in_flight: interval.in_flight,
            latency_ms: interval.latency.percentiles(),
            service_ms: interval.service.percentiles(),
        })
    }

    /// Returns the last completed interval, for the live view; `None` if there is none.
    pub(super) fn latest(&self) -> Option<Interval> {
        let now = Instant::now();
        let under_way = (now.saturating_duration_since(self.started).as_nanos() / self.length.as_nanos()) as usize;
        self.interval(self.intervals.len().min(under_way).checked_sub(1)?, now)
    }

    /// Returns the latency distribution as upper bound in milliseconds and count. Each bound is twice the one before;
    /// the first covers the minimum.
    pub(super) fn spread(&self) -> Vec<(f64, u64)> {
        self.latency.spread()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_merges_intervals_and_loses_no_count() {
        let mut telemetry = Telemetry::new();
        let started = telemetry.started;
        for second in 0..3_000_u64 {
            let at = started + Duration::from_secs(second);
            telemetry.count(at, Counts { offered: 2, ..Counts::default() });
            telemetry.published(at, Duration::from_millis(second), Duration::from_millis(1));
        }
        let intervals = telemetry.intervals(started + Duration::from_secs(3_000));
        assert!((MAX_INTERVALS / 2..=MAX_INTERVALS).contains(&intervals.len()), "{}", intervals.len());
        assert_eq!(intervals.iter().map(|one| one.offered).sum::<u64>(), 6_000);
        assert_eq!(intervals.iter().map(|one| one.published).sum::<u64>(), 3_000);
        let first = intervals[0];
        assert!((first.seconds - 8.0).abs() < 1e-9 && first.published == 8, "{first:?}");
        assert!((first.latency_ms.max - 7.0).abs() < 0.1, "{first:?}");
        assert!((telemetry.latency.percentiles().p50 / 1_500.0 - 1.0).abs() < 2e-3);
    }

    #[test]
    fn batches_in_flight_are_those_of_the_whole_interval() {
        let mut telemetry = Telemetry::new();
        telemetry.in_flight(3);
        telemetry.started -= Duration::from_secs(2);
        telemetry.in_flight(2); // a result, two intervals later
        telemetry.in_flight(0);
        let at_most: Vec<_> = telemetry.intervals(Instant::now()).iter().map(|one| one.in_flight).collect();
        assert_eq!(at_most, [3, 3, 3], "they were in flight until then");
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
