//! The calendar of a pen: which lot is in it on a day, and for how long: entries, exits and empty days. `lot` owns the
//! state of the lot.
//!
//! To find the lot of any day directly, the days of a pen are divided into periods of 222 days. A period holds one lot,
//! or at times two that stay half as long, and ends with cleaning the pen. The periods of pens start evenly distributed
//! over those days, so on any day the herd has lots of all ages.
//!
//! The lengths of stay reconcile two sources. Commercial lots stay 90 to 120 days (docs/herd.md), but
//! then a lot on a random day would have been on feed for about 55 days. The real files (docs/herd.md) have 105 on
//! average and at most 213, which matches stays of 204 to 213 days. The real figures take precedence: 6 % of periods
//! hold two lots of 90 to 120 days, all others one lot of 204 to 213.

use super::random::{KeyedRng, spread_lots, spread_pens};

/// Days on feed of a lot's first reading: the minimum in the real files (docs/herd.md). A farm does not report the days
/// on which the lot is still being assembled.
pub(super) const FIRST_REPORTED_DAY: u32 = 6;

/// Longest stay in days: the maximum in the real files (docs/herd.md).
pub(super) const LONGEST_STAY: u32 = 213;

/// Shortest stay in days of a lot that is alone in its period. Sets the mean of days on feed to 105 (docs/herd.md).
const SHORTEST_LONG_STAY: u32 = 204;

/// Total stay in days of two lots that share a period, and the range of the first: 90 to 120 each (docs/herd.md).
const SHARED_STAY: u32 = 210;
const SHARED_FIRST_STAY: (u32, u32) = (90, 120);

/// Number of periods out of 1,000 that hold two lots. Small, to keep the mean days on feed at 105 (docs/herd.md).
const SHARED_PER_MILLE: u32 = 60;

/// Length of a period in days: the longest stay, a late entry and at least a day of cleaning.
const PERIOD: u32 = 222;

/// Maximum number of days from the start of a period to the entry of its lot.
const LATEST_ENTRY: u32 = 6;

/// Range of days for cleaning a pen between two lots that share a period.
const SHARED_CLEANING: (u32, u32) = (1, 3);

/// A stay in the calendar: which lot, and for how long it has been in the pen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stay {
    /// Number of the lot in its pen: twice the number of its period since 1970, plus one for the second lot of a
    /// period.
    pub(super) sequence: u32,
    /// Days on feed today; 0 on the day of entry.
    pub(super) day: u32,
    /// Days on feed on the day of exit.
    pub(super) length: u32,
}

/// The pens of a farm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pens {
    rng: KeyedRng,
    farm: u32,
    /// Random offsets for the distribution of pens, and of the first and second lots of a period.
    pens_from: u64,
    lots_from: [u64; 2],
}

/// A pen of a farm, with its random key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    rng: KeyedRng,
    /// Position among all pens, evenly distributed over 0..2^64.
    place: u64,
    /// Days between the start of its periods and that of the calendar.
    phase: u32,
    lots_from: [u64; 2],
}

impl Pens {
    /// Creates the pens of a farm from the random key of the herd.
    pub(super) fn new(herd: KeyedRng, farm: u32) -> Self {
        let lots_from = [0u32, 1].map(|second| herd.with(b'r').with(second).bits());
        Self { rng: herd.with(farm), farm, pens_from: herd.with(b'p').bits(), lots_from }
    }

    /// Returns one pen, with the phase of its periods and its position among all pens.
    #[inline]
    pub(super) fn pen(&self, pen: u32) -> Pen {
        let rng = self.rng.with(pen);
        let place = spread_pens(self.pens_from, self.farm, pen);
        let phase = (((place >> 32) * u64::from(PERIOD)) >> 32) as u32;
        Pen { rng, place, phase, lots_from: self.lots_from }
    }
}

impl Pen {
    /// Returns the random key of a lot of this pen.
    #[inline]
    pub(super) fn lot(&self, stay: Stay) -> KeyedRng {
        self.rng.with(b'l').with(stay.sequence)
    }

    /// Returns the position of a lot among all lots, evenly distributed over 0 to 1.
    #[inline]
    pub(super) fn spread(&self, stay: Stay) -> f64 {
        let from = self.lots_from[stay.sequence as usize % 2];
        (spread_lots(from, self.place, stay.sequence / 2) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns the stay of the lot that the farm reports on a day (from 1970-01-01); `None` if there is none.
    pub(super) fn reported(&self, unix_day: u32) -> Option<Stay> {
        self.stay(unix_day).filter(|stay| stay.day >= FIRST_REPORTED_DAY)
    }

    /// Returns the stay of the lot that is in the pen on a day; `None` if it is empty.
    fn stay(&self, unix_day: u32) -> Option<Stay> {
        let since = unix_day + self.phase;
        let (number, offset) = (since / PERIOD, since % PERIOD);
        let rng = self.rng.with(number);
        let entry = rng.with(b'e').between(0, LATEST_ENTRY);
        if rng.with(b'2').between(1, 1_000) > SHARED_PER_MILLE {
            let length = rng.with(b'd').between(SHORTEST_LONG_STAY, LONGEST_STAY);
            return Stay::at(number * 2, offset, entry, length);
        }
        let first = rng.with(b'd').between(SHARED_FIRST_STAY.0, SHARED_FIRST_STAY.1);
        let second_entry = entry + first + 1 + rng.with(b'c').between(SHARED_CLEANING.0, SHARED_CLEANING.1);
        Stay::at(number * 2, offset, entry, first)
            .or_else(|| Stay::at(number * 2 + 1, offset, second_entry, SHARED_STAY - first))
    }
}

impl Stay {
    fn at(sequence: u32, offset: u32, entry: u32, length: u32) -> Option<Self> {
        let day = offset.checked_sub(entry).filter(|&day| day <= length)?;
        Some(Self { sequence, day, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_contains_its_lots_and_a_day_of_cleaning() {
        let alone = LATEST_ENTRY + LONGEST_STAY;
        let shared = LATEST_ENTRY + SHARED_STAY + 1 + SHARED_CLEANING.1;
        // Days are counted from 0: the last of a period is PERIOD - 1, and must be empty.
        assert!(alone < PERIOD - 1, "{alone}");
        assert!(shared < PERIOD - 1, "{shared}");
    }

    #[test]
    fn days_on_feed_increase_daily_until_exit() {
        for pen in 0..200 {
            let pen = Pens::new(KeyedRng::new(7), 3).pen(pen);
            let mut before: Option<Stay> = None;
            let mut empty_days = 0;
            for day in 19_000..20_500 {
                let today = pen.stay(day);
                match (before, today) {
                    (Some(was), Some(is)) => assert_eq!(is, Stay { day: was.day + 1, ..was }),
                    (Some(was), None) => assert_eq!(was.day, was.length),
                    (None, Some(is)) if day > 19_000 => {
                        assert_eq!(is.day, 0);
                        assert!(empty_days >= 1);
                    }
                    _ => {}
                }
                empty_days = if today.is_none() { empty_days + 1 } else { 0 };
                before = today;
            }
        }
    }

    #[test]
    fn about_91_percent_of_pens_report() {
        let reported =
            (0..10_000).filter(|&pen| Pens::new(KeyedRng::new(7), 0).pen(pen).reported(19_000).is_some()).count();
        assert!((8_950..9_300).contains(&reported), "{reported}");
    }
}
