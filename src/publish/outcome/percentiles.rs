//! Statistics of a latency histogram: percentiles, their curve, mean and standard deviation.

use serde::{Deserialize, Serialize};

/// Latencies in milliseconds; all zero if nothing was measured.
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

/// A point of a curve of percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PercentilePoint {
    /// Percentage of messages, such as 99.9.
    pub percentile: f64,
    /// Maximum latency of these messages, in milliseconds.
    pub ms: f64,
    /// Number of these messages.
    pub count: u64,
}

/// Statistics of a histogram in addition to its percentiles.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct HistogramStats {
    /// Mean, in milliseconds.
    pub mean_ms: f64,
    /// Standard deviation, in milliseconds.
    pub std_deviation_ms: f64,
    /// Number of buckets; each is twice as wide as the one before.
    #[serde(skip)]
    pub buckets: u32,
    /// Number of steps per bucket.
    #[serde(skip)]
    pub sub_buckets: u32,
}
