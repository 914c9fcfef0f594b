//! What a histogram of latencies is shown as: percentiles, their curve, mean and standard deviation.

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

/// A point of a curve of percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PercentilePoint {
    /// Share of messages, per cent: 99.9.
    pub percentile: f64,
    /// Latency in milliseconds, at most.
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
