//! The calendar of a pen: which lot stands in it on a day, and for how long already. Owns entries, exits and
//! empty days; leaves what becomes of the lot to `lot`.
//!
//! To find the lot of any day at once, without walking there, the days of a pen are cut into stretches of 222 days. A
//! stretch holds one lot, or at times two that stay half as long, and ends with the pen being cleaned. Pens begin
//! their stretches evenly spread over those days and keep the distance, so any day finds the herd in mid-flow.
//!
//! Stays reconcile two sources. Commercial lots stay 90 to 120 days (ANCHORS.md, "Making histories"), but then a lot
//! seen on a random day would be some 55 days on feed. The real files (DESIGN.md §2) say 105 on average and 213 at
//! most, which is what stays of 204 to 213 days give. The real figures win: six stretches in a hundred hold two
//! lots of 90 to 120 days, all others one lot of 204 to 213.

use super::random::{KeyedRng, spread_lots, spread_pens};

/// Days on feed of a lot's first reading: the smallest figure in the real files (DESIGN.md §2). What a farm does not
/// report are the days when the lot is still being gathered.
pub(super) const FIRST_REPORTED_DAY: u32 = 6;

/// The longest stay, days: the largest figure in the real files (DESIGN.md §2).
pub(super) const LONGEST_STAY: u32 = 213;

/// Shortest stay of a lot that has its stretch to itself, days. Sets the mean of days on feed to 105 (DESIGN.md §2).
const SHORTEST_LONG_STAY: u32 = 204;

/// Two lots that share a stretch stay this many days together: each 90 to 120 (ANCHORS.md).
const SHARED_STAY: u32 = 210;
const SHARED_FIRST_STAY: (u32, u32) = (90, 120);

/// Of 1,000 stretches, how many hold two lots. Few, to keep days on feed at 105 (DESIGN.md §2).
const SHARED_PER_MILLE: u32 = 60;

/// Length of a pen's stretch, days: the longest stay, a late entry and at least a day of cleaning.
const STRETCH: u32 = 222;

/// A lot enters up to this many days after its stretch begins.
const LATEST_ENTRY: u32 = 6;

/// Days a pen is cleaned between two lots that share a stretch.
const SHARED_CLEANING: (u32, u32) = (1, 3);

/// A lot as the calendar knows it: which one, and how long it has been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stay {
    /// The lot's number in its pen: twice the number of its stretch since 1970, and one more for the second of two.
    pub(super) sequence: u32,
    /// Days on feed today; 0 on the day of entry.
    pub(super) day: u32,
    /// Days on feed on the day of exit.
    pub(super) length: u32,
}

/// The pens of a farm: what their calendars have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pens {
    rng: KeyedRng,
    farm: u32,
    /// From where on pens are spread, and the lots they take in, first ones of a stretch and second ones.
    pens_from: u64,
    lots_from: [u64; 2],
}

/// A pen of a farm, and the chance that belongs to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    rng: KeyedRng,
    /// Where it stands among all pens, evenly spread over 0..2^64.
    place: u64,
    /// Days between the beginning of its stretches and that of the calendar's.
    phase: u32,
    lots_from: [u64; 2],
}

impl Pens {
    /// The pens of a farm, from the chance of the herd.
    pub(super) fn new(herd: KeyedRng, farm: u32) -> Self {
        let lots_from = [0u32, 1].map(|second| herd.with(b'r').with(second).bits());
        Self { rng: herd.with(farm), farm, pens_from: herd.with(b'p').bits(), lots_from }
    }

    /// One of them: its rhythm, and its place among all pens.
    #[inline]
    pub(super) fn pen(&self, pen: u32) -> Pen {
        let rng = self.rng.with(pen);
        let place = spread_pens(self.pens_from, self.farm, pen);
        let phase = (((place >> 32) * u64::from(STRETCH)) >> 32) as u32;
        Pen { rng, place, phase, lots_from: self.lots_from }
    }
}

impl Pen {
    /// The chance keyed by a lot of this pen.
    #[inline]
    pub(super) fn lot(&self, stay: Stay) -> KeyedRng {
        self.rng.with(b'l').with(stay.sequence)
    }

    /// Where a lot of this pen stands among all lots, evenly spread over 0 to 1.
    #[inline]
    pub(super) fn spread(&self, stay: Stay) -> f64 {
        let from = self.lots_from[stay.sequence as usize % 2];
        (spread_lots(from, self.place, stay.sequence / 2) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The lot whose reading the farm delivers for a day (counted from 1970-01-01), if the pen has one.
    pub(super) fn reported(&self, unix_day: u32) -> Option<Stay> {
        self.stay(unix_day).filter(|stay| stay.day >= FIRST_REPORTED_DAY)
    }

    /// The lot that stands in the pen on a day, if any.
    fn stay(&self, unix_day: u32) -> Option<Stay> {
        let since = unix_day + self.phase;
        let (number, offset) = (since / STRETCH, since % STRETCH);
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
    fn a_stretch_has_room_for_its_lots_and_a_day_of_cleaning() {
        let alone = LATEST_ENTRY + LONGEST_STAY;
        let shared = LATEST_ENTRY + SHARED_STAY + 1 + SHARED_CLEANING.1;
        // Days are counted from 0: the last of a stretch is STRETCH - 1, and must be empty.
        assert!(alone < STRETCH - 1, "{alone}");
        assert!(shared < STRETCH - 1, "{shared}");
    }

    #[test]
    fn a_lot_is_on_feed_one_day_more_every_day_until_it_leaves() {
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
    fn about_ninety_one_pens_in_a_hundred_report() {
        let reported =
            (0..10_000).filter(|&pen| Pens::new(KeyedRng::new(7), 0).pen(pen).reported(19_000).is_some()).count();
        assert!((8_950..9_300).contains(&reported), "{reported}");
    }
}
