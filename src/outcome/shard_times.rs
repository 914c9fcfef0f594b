//! Durations of the shards of a run that was merged from shards.

use serde::{Deserialize, Serialize};

use super::{counted, duration};

/// Durations of the shards of a merged run. They may have run at the same time, or one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ShardTimes {
    /// Number of shards.
    pub count: u64,
    /// Sum of their durations, in seconds.
    pub total_seconds: f64,
    /// Duration of the longest one, in seconds.
    pub longest_seconds: f64,
}

impl ShardTimes {
    /// Returns the sums of these durations; `None` without shards.
    pub fn of(seconds: impl IntoIterator<Item = f64>) -> Option<Self> {
        let add = |sum: Self, seconds: f64| Self {
            count: sum.count + 1,
            total_seconds: sum.total_seconds + seconds,
            longest_seconds: sum.longest_seconds.max(seconds),
        };
        Some(seconds.into_iter().fold(Self::default(), add)).filter(|sum| sum.count > 0)
    }

    /// Returns the duration of the merge, for a run whose duration is that of the longest shard and of the merge.
    pub fn merge_seconds(&self, seconds: f64) -> f64 {
        (seconds - self.longest_seconds).max(0.0)
    }
}

/// Formats the duration of a run, as the end of `in …`: `40.00 s`, or `4 shards of 8.10 s in total, the longest 2.70 s, and a
/// merge of 0.20 s`.
pub(crate) fn took(seconds: f64, shards: Option<&ShardTimes>) -> String {
    let Some(times) = shards else { return duration(seconds) };
    let (shards, total) = (counted(times.count, "shard", "shards"), duration(times.total_seconds));
    let merge = duration(times.merge_seconds(seconds));
    match times.count {
        1 => format!("{shards} of {total} and a merge of {merge}"),
        _ => {
            let longest = duration(times.longest_seconds);
            format!("{shards} of {total} in total, the longest {longest}, and a merge of {merge}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_run_shows_its_shards_and_the_merge() {
        assert_eq!(took(40.0, None), "40.00 s");
        assert_eq!(ShardTimes::of([]), None);
        let times = ShardTimes::of([1.5, 4.0, 2.0]);
        let text = "3 shards of 7.50 s in total, the longest 4.00 s, and a merge of 0.25 s";
        assert_eq!(took(4.25, times.as_ref()), text);
        let one = ShardTimes::of([4.0]);
        assert_eq!(took(4.25, one.as_ref()), "1 shard of 4.00 s and a merge of 0.25 s");
    }
}
