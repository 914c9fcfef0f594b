//! Latency percentiles in HdrHistogram's text format, for its plotter.
//!
//! The format is that of `AbstractHistogram.outputPercentileDistribution` of the Java library
//! (<https://github.com/HdrHistogram/HdrHistogram>), in milliseconds.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{HistogramStats, Outcome, PercentilePoint};
use pipeline::atomic_file::temp_file_next_to;

/// A latency distribution; its `Display` is the HdrHistogram text.
#[derive(Debug, Clone, Copy)]
pub struct Distribution<'a> {
    /// Percentiles in ascending order.
    pub curve: &'a [PercentilePoint],
    /// Mean, standard deviation and bucket sizes.
    pub stats: HistogramStats,
}

impl fmt::Display for Distribution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
        for PercentilePoint { percentile, ms, count } in self.curve {
            let share = percentile / 100.0;
            write!(f, "{ms:>12.3} {share:>14.12} {count:>10}")?;
            if share < 1.0 {
                write!(f, " {:>14.2}", 1.0 / (1.0 - share))?;
            }
            writeln!(f)?;
        }
        let HistogramStats { mean_ms, std_deviation_ms, buckets, sub_buckets } = self.stats;
        let (max, count) = self.curve.last().map_or((0.0, 0), |last| (last.ms, last.count));
        writeln!(f, "#[Mean    = {mean_ms:>12.3}, StdDeviation   = {std_deviation_ms:>12.3}]")?;
        writeln!(f, "#[Max     = {max:>12.3}, Total count    = {count:>12}]")?;
        writeln!(f, "#[Buckets = {buckets:>12}, SubBuckets     = {sub_buckets:>12}]")
    }
}

/// Returns the path of the service-time file: the path of the latency file with `.service` appended.
pub fn service_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".service");
    name.into()
}

/// Writes latencies to `path` and service times to [`service_file`]. Each is written to a temporary file and then
/// renamed.
///
/// # Errors
///
/// Returns an error if a file cannot be written.
pub fn write(path: &Path, outcome: &Outcome) -> io::Result<()> {
    let latency = Distribution { curve: &outcome.times.latency_curve, stats: outcome.times.latency_stats };
    let service = Distribution { curve: &outcome.times.service_curve, stats: outcome.times.service_stats };
    for (path, distribution) in [(path, latency), (&service_file(path), service)] {
        let mut half = temp_file_next_to(path)?;
        half.write_all(distribution.to_string().as_bytes())?;
        half.as_file().sync_all()?;
        half.persist(path).map_err(|e| e.error)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_equals_that_of_the_java_library() {
        let point = |percentile, ms, count| PercentilePoint { percentile, ms, count };
        let curve = [point(0.0, 1.0, 1), point(99.9, 1_234.567_8, 999), point(100.0, 2_000.0, 1_000)];
        let stats = HistogramStats { mean_ms: 12.345_67, std_deviation_ms: 1.5, buckets: 12, sub_buckets: 2_048 };
        let expected = "       Value     Percentile TotalCount 1/(1-Percentile)

       1.000 0.000000000000          1           1.00
    1234.568 0.999000000000        999        1000.00
    2000.000 1.000000000000       1000
#[Mean    =       12.346, StdDeviation   =        1.500]
#[Max     =     2000.000, Total count    =         1000]
#[Buckets =           12, SubBuckets     =         2048]
";
        assert_eq!(Distribution { curve: &curve, stats }.to_string(), expected);
    }

    #[test]
    fn two_files_are_written_even_for_an_empty_run() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("hdr.txt");
        write(&path, &Outcome::default()).unwrap();
        for path in [&path, &service_file(&path)] {
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.starts_with("       Value") && text.contains("Total count    =            0"), "{text}");
        }
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2);
        assert!(write(&home.path().join("no/where"), &Outcome::default()).is_err());
    }
}
