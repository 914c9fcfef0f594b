//! Measurements of a run: latencies and service times, in total and per interval.

use serde::{Deserialize, Serialize};

/// Latency percentiles in milliseconds; all zero if nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Maximum.
    pub max: f64,
}

/// Measurements of one interval of a run: 1 s, or longer in long runs, so that a run has at most a few hundred
/// intervals.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Interval {
    /// Start of the interval, in seconds since the run started.
    pub begin: f64,
    /// Length in seconds.
    pub seconds: f64,
    /// Messages due in the interval; without a schedule, those sent.
    pub offered: u64,
    /// Messages accepted by the topic.
    pub published: u64,
    /// Messages that failed permanently.
    pub failed: u64,
    /// Messages that were due in the interval and not sent, because the sender was behind.
    pub dropped: u64,
    /// Retries.
    pub retries: u64,
    /// Maximum number of batches in flight.
    pub in_flight: u32,
    /// Latency of messages published in the interval, from their due time.
    pub latency_ms: Percentiles,
    /// Service time of messages published in the interval.
    pub service_ms: Percentiles,
}

/// One point of a percentile curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PercentilePoint {
    /// Percentile, such as 99.9.
    pub percentile: f64,
    /// Upper bound of the latency at this percentile, in milliseconds.
    pub ms: f64,
    /// Cumulative number of messages.
    pub count: u64,
}

/// Statistics of a histogram other than its percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct HistogramStats {
    /// Mean in milliseconds.
    pub mean_ms: f64,
    /// Standard deviation in milliseconds.
    pub std_deviation_ms: f64,
    /// Number of buckets; each is twice as wide as the one before.
    #[serde(skip)]
    pub buckets: u32,
    /// Number of sub-buckets per bucket.
    #[serde(skip)]
    pub sub_buckets: u32,
}

impl HistogramStats {
    /// Combines the statistics of two distributions, weighted by their number of values.
    fn merged(self, other: Self, (mine, theirs): (u64, u64)) -> Self {
        let (mine, theirs) = (mine as f64, theirs as f64);
        let all = (mine + theirs).max(1.0);
        let mean = (self.mean_ms * mine + other.mean_ms * theirs) / all;
        let squares = |shape: Self, n: f64| n * (shape.std_deviation_ms.powi(2) + (shape.mean_ms - mean).powi(2));
        Self {
            mean_ms: mean,
            std_deviation_ms: ((squares(self, mine) + squares(other, theirs)) / all).sqrt(),
            buckets: self.buckets.max(other.buckets),
            sub_buckets: self.sub_buckets.max(other.sub_buckets),
        }
    }
}

/// Measurements of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Duration from the first message read to the last response, in seconds.
    pub seconds: f64,
    /// Messages published per second.
    pub rate_per_second: f64,
    /// Latency: from a message's due time (without a schedule, its first request) to the response.
    pub latency_ms: Percentiles,
    /// 99.9th percentile of the latency.
    pub latency_p999_ms: f64,
    /// Service time: duration of the request that succeeded.
    pub service_ms: Percentiles,
    /// 99.9th percentile of the service time.
    pub service_p999_ms: f64,
    /// Measurements per interval.
    pub intervals: Vec<Interval>,
    /// Latency by percentile, ascending.
    pub latency_curve: Vec<PercentilePoint>,
    /// Service time by percentile, ascending.
    pub service_curve: Vec<PercentilePoint>,
    /// Mean and standard deviation of the latency.
    pub latency_shape: HistogramStats,
    /// Mean and standard deviation of the service time.
    pub service_shape: HistogramStats,
}

impl Times {
    /// Adds another run, as if it had followed this one. Percentiles are read from the merged curves and have their
    /// resolution.
    pub(super) fn merge(&mut self, other: Self) {
        let published = self.rate_per_second * self.seconds + other.rate_per_second * other.seconds;
        let begin = self.seconds;
        self.intervals.extend(other.intervals.into_iter().map(|one| Interval { begin: begin + one.begin, ..one }));
        self.seconds += other.seconds;
        self.rate_per_second = published / self.seconds.max(1e-6);
        let measured = |curve: &[PercentilePoint]| curve.last().map_or(0, |last| last.count);
        let latencies = (measured(&self.latency_curve), measured(&other.latency_curve));
        let services = (measured(&self.service_curve), measured(&other.service_curve));
        self.latency_shape = self.latency_shape.merged(other.latency_shape, latencies);
        self.service_shape = self.service_shape.merged(other.service_shape, services);
        let latency = (other.latency_curve, other.latency_ms, other.latency_p999_ms);
        let service = (other.service_curve, other.service_ms, other.service_p999_ms);
        merge_curve((&mut self.latency_curve, &mut self.latency_ms, &mut self.latency_p999_ms), latency);
        merge_curve((&mut self.service_curve, &mut self.service_ms, &mut self.service_p999_ms), service);
    }
}

type Measured<'a> = (&'a mut Vec<PercentilePoint>, &'a mut Percentiles, &'a mut f64);

fn merge_curve((curve, percentiles, p999): Measured<'_>, other: (Vec<PercentilePoint>, Percentiles, f64)) {
    let measured = |curve: &[PercentilePoint]| curve.last().is_some_and(|last| last.count > 0);
    match (measured(curve), measured(&other.0)) {
        (_, false) => return,
        (false, true) => {
            (*curve, *percentiles, *p999) = other;
            return;
        }
        (true, true) => {}
    }
    let mut steps: Vec<(f64, u64)> = Vec::new();
    for curve in [&*curve, &other.0] {
        let mut below = 0;
        for point in curve {
            steps.push((point.ms, point.count - below));
            below = point.count;
        }
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: u64 = steps.iter().map(|(_, n)| n).sum();
    let mut count = 0;
    let points = steps.into_iter().filter(|(_, n)| *n > 0).map(|(ms, n)| {
        count += n;
        PercentilePoint { percentile: 100.0 * count as f64 / all as f64, ms, count }
    });
    *curve = points.collect();
    let at = |percentile: f64| curve.iter().find(|point| point.percentile >= percentile).map_or(0.0, |point| point.ms);
    let max = percentiles.max.max(other.1.max);
    (*percentiles, *p999) = (Percentiles { p50: at(50.0), p90: at(90.0), p99: at(99.0), max }, at(99.9));
}
