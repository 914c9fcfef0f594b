//! What a run measured: latencies and service times, of the complete run and of each interval of it.

use serde::{Deserialize, Serialize};

/// Latencies, milliseconds; all zero where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half were at most this long.
    pub p50: f64,
    /// Nine of ten were.
    pub p90: f64,
    /// Ninety-nine of a hundred were.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// An interval of a run: a second, or more of a long run, so that a run of any length has some hundreds of them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Interval {
    /// When it began, seconds since the run did.
    pub begin: f64,
    /// How long it was, seconds.
    pub seconds: f64,
    /// Messages that were due in it; without a schedule, those that were sent.
    pub offered: u64,
    /// Messages that the topic took in it.
    pub published: u64,
    /// Messages given up in it.
    pub failed: u64,
    /// Messages that were due in it and not sent, because the sender was behind.
    pub dropped: u64,
    /// Messages sent again in it.
    pub retries: u64,
    /// Batches in flight, at most.
    pub in_flight: u32,
    /// Latency of those published in it, from when they were due.
    pub latency_ms: Percentiles,
    /// Service time of those published in it.
    pub service_ms: Percentiles,
}

/// A point of a curve of percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PercentilePoint {
    /// Share of messages, per cent: 99.9.
    pub percentile: f64,
    /// So many milliseconds at most.
    pub ms: f64,
    /// Messages up to there.
    pub count: u64,
}

/// What a histogram tells of itself beside its percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct HistogramStats {
    /// The mean, milliseconds.
    pub mean_ms: f64,
    /// The standard deviation, milliseconds.
    pub std_deviation_ms: f64,
    /// Its buckets, each of twice the width of the one before.
    #[serde(skip)]
    pub buckets: u32,
    /// Steps in a bucket.
    #[serde(skip)]
    pub sub_buckets: u32,
}

impl HistogramStats {
    /// The shape of two distributions together, with how many values each has.
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

/// The measurements of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Time of the run, from the first message read to the last answer.
    pub seconds: f64,
    /// Messages published per second.
    pub rate_per_second: f64,
    /// From when a message was due (its first call, without a rate) to the answer.
    pub latency_ms: Percentiles,
    /// 99.9 % took at most this long.
    pub latency_p999_ms: f64,
    /// From the call that got a message through to the answer.
    pub service_ms: Percentiles,
    /// 99.9 % of the calls took at most this long.
    pub service_p999_ms: f64,
    /// The run, interval by interval.
    pub intervals: Vec<Interval>,
    /// Latency by percentile, from the least to the greatest.
    pub latency_curve: Vec<PercentilePoint>,
    /// Service time by percentile.
    pub service_curve: Vec<PercentilePoint>,
    /// Mean and standard deviation of the latency.
    pub latency_shape: HistogramStats,
    /// Mean and standard deviation of the service time.
    pub service_shape: HistogramStats,
}

impl Times {
    /// Adds another run, as if it had come after this one. Percentiles are read from the merged curves, so they are as
    /// coarse as those.
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
