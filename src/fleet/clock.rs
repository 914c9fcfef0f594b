//! Check of the clocks of a machine and of the lake.
//!
//! The lake's clock determines the cutoff. The clock of the machine that concludes determines which rows are too new to
//! be compared. If the two clocks are too far apart, or the lake's clock is behind the cutoff, verdicts would be wrong.

use anyhow::ensure;
use chrono::{DateTime, TimeDelta, Utc};

use pipeline::lake::Lake;

/// Maximum difference of two clocks; AWS rejects requests beyond it.
const MAX_SKEW: TimeDelta = TimeDelta::minutes(15);
/// Tolerated difference between two servers of a store.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// Checks the clocks against each other, and against the cutoff of a plan.
///
/// # Errors
/// Returns an error if they are too far apart, or if the lake cannot be reached.
pub(super) async fn check(lake: &dyn Lake, cutoff: Option<DateTime<Utc>>) -> anyhow::Result<()> {
    compare(lake.clock().await?, Utc::now(), cutoff)
}

fn compare(lake: DateTime<Utc>, here: DateTime<Utc>, cutoff: Option<DateTime<Utc>>) -> anyhow::Result<()> {
    let (skew, is) = (here - lake, if here > lake { "ahead of" } else { "behind" });
    ensure!(
        skew.abs() <= MAX_SKEW,
        "this machine's clock is {} {is} the lake's: synchronize it (NTP), then run again",
        crate::outcome::between(lake, here)
    );
    if let Some(cutoff) = cutoff {
        ensure!(
            lake + SKEW >= cutoff,
            "the lake's clock ({}) is before the cutoff of the plan ({}): one of the two clocks was wrong; check \
             the clocks of the machines, then plan again",
            lake.format("%Y-%m-%d %H:%M:%S UTC"),
            cutoff.format("%Y-%m-%d %H:%M:%S UTC")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_a_quarter_of_an_hour() {
        let at = |seconds: i64| DateTime::<Utc>::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        assert!(compare(at(0), at(900), Some(at(0))).is_ok() && compare(at(900), at(0), None).is_ok());
        let e = compare(at(0), at(10_000), None).unwrap_err().to_string();
        assert!(e.contains("2 h 46 min ahead of the lake's"), "{e}");
        assert!(compare(at(1_000), at(0), None).unwrap_err().to_string().contains("behind"));
        assert!(compare(at(0), at(0), Some(at(60))).is_ok());
        assert!(compare(at(0), at(0), Some(at(61))).unwrap_err().to_string().contains("plan again"));
    }
}
