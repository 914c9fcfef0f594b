//! The cutoff of a run: the instant, by the lake's own clock, up to which objects belong to it.
//!
//! A store returns its time in the `Date` header, in whole seconds. An object written in the same second as the command
//! started can have any fraction of it, so the cutoff is the end of that second. [`Cutoff::of`] returns only after the
//! store's clock has passed it. A listing that starts then includes everything written before the command started.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use pipeline::lake::{Error, Lake};

/// Interval between two requests for the store's clock.
const POLL: Duration = Duration::from_millis(100);

/// Tolerated clock difference of a store's servers: how far an object's time may be ahead of the lake's clock.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// Position of an object's time relative to the cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Not after the cutoff: the object belongs to the run.
    Included,
    /// After the cutoff: the object was written during the run.
    After,
    /// Later than the lake's current time: the time was set by a wrong clock, so it is unknown when the object was
    /// written.
    Future,
}

/// The cutoff of a run, and the lake's clock.
#[derive(Debug, Clone, Copy)]
pub struct Cutoff {
    at: DateTime<Utc>,
    /// A time of the lake's clock, and when it was read by this machine's clock.
    shown: (DateTime<Utc>, Instant),
}

impl Cutoff {
    /// Returns the cutoff of a run that starts now. Takes up to a second if the lake's clock has a precision of whole
    /// seconds.
    ///
    /// # Errors
    ///
    /// Returns an error if the lake cannot be reached; see [`Lake::clock`].
    pub async fn of(lake: &dyn Lake) -> Result<Self, Error> {
        let first = lake.clock().await?;
        let Ok(precision) = lake.clock_precision().to_std() else { return Ok(Self::at(first)) };
        if precision.is_zero() {
            return Ok(Self::at(first));
        }
        // Regardless of the responses, the second has passed once this machine has waited for one: a proxy may repeat a
        // header.
        let requested_at = Instant::now();
        let end = first + lake.clock_precision();
        while requested_at.elapsed() < precision {
            tokio::time::sleep(POLL.min(precision)).await;
            if lake.clock().await? >= end {
                break;
            }
        }
        Ok(Self { at: end - TimeDelta::microseconds(1), shown: (end, Instant::now()) })
    }

    /// Creates a cutoff at that instant, with the lake's clock at the same time.
    pub fn at(at: DateTime<Utc>) -> Self {
        Self { at, shown: (at, Instant::now()) }
    }

    /// Returns the same clock with the cutoff of an earlier session of the run.
    #[must_use]
    pub fn resumed(self, at: DateTime<Utc>) -> Self {
        Self { at, ..self }
    }

    /// Returns the last instant that belongs to the run.
    pub fn instant(self) -> DateTime<Utc> {
        self.at
    }

    /// Returns a past time at which a lake is to be read, or the cutoff if the clocks differ by a little; `None` for a
    /// time in the future.
    pub fn past(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        (at <= self.at + CLOCK_SKEW).then(|| at.min(self.at))
    }

    /// Classifies an object by its modification time in the store.
    pub fn age(self, last_modified: DateTime<Utc>) -> Age {
        let (shown, since) = self.shown;
        let now = shown + TimeDelta::from_std(since.elapsed()).unwrap_or_default();
        if last_modified <= self.at {
            Age::Included
        } else if last_modified <= now + CLOCK_SKEW {
            Age::After
        } else {
            Age::Future
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::lake::memory::Memory;

    #[tokio::test]
    async fn the_cutoff_of_a_precise_clock_is_now_and_costs_no_time() {
        let before = Utc::now();
        let cutoff = Cutoff::of(&Memory::default()).await.unwrap();
        assert!(before <= cutoff.instant() && cutoff.instant() <= Utc::now());
    }

    #[test]
    fn the_lake_can_be_read_as_it_was_and_not_as_it_will_be() {
        let now = Utc::now();
        let past = |seconds| Cutoff::at(now).past(now + TimeDelta::seconds(seconds));
        assert_eq!(past(-3_600), Some(now - TimeDelta::seconds(3_600)));
        assert_eq!((past(0), past(60)), (Some(now), Some(now)), "clocks differ a little");
        assert_eq!(past(61), None);
    }

    #[test]
    fn a_time_ahead_of_the_clock_is_distinguished_from_one_after_the_cutoff() {
        let now = Utc::now();
        let cutoff = Cutoff::at(now);
        let ages = [(-86_400, Age::Included), (0, Age::Included), (1, Age::After), (172_800, Age::Future)];
        for (seconds, expected) in ages {
            assert_eq!(cutoff.age(now + TimeDelta::seconds(seconds)), expected, "{seconds} s");
        }
        // A resumed run has an old cutoff and the current clock.
        let resumed = cutoff.resumed(now - TimeDelta::days(3));
        assert_eq!(resumed.age(now - TimeDelta::days(1)), Age::After);
        assert_eq!(resumed.age(now + TimeDelta::days(1)), Age::Future);
    }
}
