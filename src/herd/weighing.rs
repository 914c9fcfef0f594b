//! Weighings, and the mean weight that a farm reports between them: when a lot is weighed, and which gain is used from
//! then on. `lot` owns the actual growth.
//!
//! In all 52 real readings, `peso_medio` is exactly `peso_entrada` + `dia_confinamento` × a gain that is a multiple of
//! 0.05 kg/day: 1.25 on days 6–9, 1.90 on days 24–80, 1.75 on days 81–92 and 1.55 on days 103–106. The weight of a lot
//! rises by that gain per day; when the gain is revised, the weight jumps (lot 73340581015010: 321.622 kg on day 80,
//! 311.372 kg on day 81). Generated lots do the same: the gain since entry is measured at a weighing, rounded to 0.05
//! kg/day, and used until the next.

use super::random::KeyedRng;

/// Gain since entry before the first weighing, in grams per day (real: days 6–9).
const FIRST_GAIN_G: u32 = 1_250;

/// Gain from the first weighing to the second, in grams per day (real: days 24–80, the same in all eight lots of that
/// age).
const SECOND_GAIN_G: u32 = 1_900;

/// The later weighings: mean day on feed, maximum deviation in days, and gain since entry of a lot of growth 1 in grams
/// per day. The second (day 81, 1.75) and the third (after day 92, by day 103, 1.55) are real. No real lot is older
/// than 106 days; the remaining values bring the mean weight of all readings to 506 kg (docs/herd.md).
const LATER: [(u32, u32, f64); 4] = [(81, 4, 1_750.0), (98, 4, 1_550.0), (126, 8, 1_450.0), (166, 8, LAST_GAIN_G)];

/// Gain since entry of a lot of growth 1 at the last weighing, in grams per day.
pub(super) const LAST_GAIN_G: f64 = 1_350.0;

/// Gains are multiples of this, in grams per day (real).
pub(super) const STEP_G: u32 = 50;

/// The weighings of one lot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighings {
    days: KeyedRng,
    first_day: u32,
    growth: f64,
}

impl Weighings {
    /// Creates the weighings of a lot. `lot` is its random key, `adapted` the day on which it is adapted and after
    /// which it is first weighed (real: after day 9, by day 24), and `growth` its growth factor.
    pub(super) fn new(lot: KeyedRng, adapted: u32, growth: f64) -> Self {
        Self { days: lot.with(b's'), first_day: adapted + 1, growth }
    }

    /// Returns the gain since entry, in grams per day, that the farm uses on a day on feed.
    #[inline]
    pub(super) fn gain_g(&self, day: u32) -> u32 {
        if day < self.first_day {
            return FIRST_GAIN_G;
        }
        let found = self.later().take_while(|&(on, _)| on <= day).last();
        found.map_or(SECOND_GAIN_G, |(_, gain)| (gain * self.growth / f64::from(STEP_G) + 0.5) as u32 * STEP_G)
    }

    /// Returns true if the lot is weighed on a day on feed, so that `peso_medio` may jump.
    #[cfg(test)]
    pub(super) fn weighs(&self, day: u32) -> bool {
        day == self.first_day || self.later().any(|(on, _)| on == day)
    }

    #[inline]
    fn later(&self) -> impl Iterator<Item = (u32, f64)> {
        let off = self.days.lanes();
        LATER
            .into_iter()
            .zip(off)
            .map(|((middle, max, gain), lane)| (middle - max + ((lane * (2 * max + 1)) >> 16), gain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lots(growth: f64) -> impl Iterator<Item = Weighings> {
        (0..2_000u64).map(move |lot| Weighings::new(KeyedRng::new(4).with(lot), 9 + (lot % 13) as u32, growth))
    }

    #[test]
    fn lots_of_growth_one_have_the_gains_of_the_real_files() {
        for scales in lots(1.0) {
            for (days, gain) in [(6..=9, 1_250), (24..=76, 1_900), (86..=92, 1_750), (103..=106, 1_550)] {
                assert!(days.clone().all(|day| scales.gain_g(day) == gain), "{days:?}");
            }
        }
    }

    #[test]
    fn gain_changes_only_at_the_five_weighings() {
        for scales in lots(1.07) {
            assert_eq!((0..=213).filter(|&day| scales.weighs(day)).count(), 5);
            for day in 1..=213 {
                assert_eq!(scales.gain_g(day) % STEP_G, 0);
                assert!(scales.gain_g(day) == scales.gain_g(day - 1) || scales.weighs(day), "{day}");
            }
        }
    }
}
