//! Measurements of a run: latencies and service times, in total and per interval.

use serde::{Deserialize, Serialize};

use super::latencies::Latencies;
use super::percentiles::{HistogramStats, PercentilePoint, Percentiles};

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

/// The measurements of a run.
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
    pub latency_stats: HistogramStats,
    /// Mean and standard deviation of the service time.
    pub service_stats: HistogramStats,
    /// State that only a merge needs.
    pub carry: Carry,
}

impl Times {
    /// Adds another run, as if it had come after this one. Percentiles are those of all messages together.
    pub(super) fn merge(&mut self, other: Self) {
        let published = self.rate_per_second * self.seconds + other.rate_per_second * other.seconds;
        let begin = self.seconds;
        self.intervals.extend(other.intervals.into_iter().map(|one| Interval { begin: begin + one.begin, ..one }));
        self.seconds += other.seconds;
        self.rate_per_second = published / self.seconds.max(1e-6);
        let (mut latency, mut service) = self.carry.latencies();
        let (more_latency, more_service) = other.carry.latencies();
        latency.merge(&more_latency);
        service.merge(&more_service);
        self.measure(&latency, &service);
    }

    /// Sets the statistics from the histograms.
    pub(in crate::publish) fn measure(&mut self, latency: &Latencies, service: &Latencies) {
        (self.latency_ms, self.latency_p999_ms) = (latency.percentiles(), latency.at(0.999));
        (self.service_ms, self.service_p999_ms) = (service.percentiles(), service.at(0.999));
        (self.latency_curve, self.latency_stats) = (latency.curve(), latency.stats());
        (self.service_curve, self.service_stats) = (service.curve(), service.stats());
        self.carry = Carry { latency_us: latency.recorded(), service_us: service.recorded() };
    }
}

/// Histograms for a merge: values in microseconds with their counts, in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carry {
    /// Latencies.
    pub latency_us: Vec<(u64, u64)>,
    /// Service times.
    pub service_us: Vec<(u64, u64)>,
}

impl Carry {
    fn latencies(&self) -> (Latencies, Latencies) {
        (Latencies::of(&self.latency_us), Latencies::of(&self.service_us))
    }
}
