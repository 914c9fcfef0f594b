//! What a run measured: latencies and service times, of the complete run and of each interval of it.

use serde::{Deserialize, Serialize};

use super::latencies::Latencies;
use super::percentiles::{HistogramStats, PercentilePoint, Percentiles};

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
    /// What only a merge needs.
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

    /// Takes over what the histograms tell.
    pub(in crate::publish) fn measure(&mut self, latency: &Latencies, service: &Latencies) {
        (self.latency_ms, self.latency_p999_ms) = (latency.percentiles(), latency.at(0.999));
        (self.service_ms, self.service_p999_ms) = (service.percentiles(), service.at(0.999));
        (self.latency_curve, self.latency_shape) = (latency.curve(), latency.shape());
        (self.service_curve, self.service_shape) = (service.curve(), service.shape());
        self.carry = Carry { latency_us: latency.recorded(), service_us: service.recorded() };
    }
}

/// The histograms, for a merge: microseconds with how often they were measured, in ascending order.
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
