//! Weighings, and the mean weight a farm reports between them. Owns when a lot goes over the scales and what gain is reckoned with
//! from then on; leaves how the animals truly grow to `lot`.
//!
//! In all 52 real readings `peso_medio` is exactly `peso_entrada` + `dia_confinamento` × a gain that is a multiple of 0.05 kg/day: 1.25 on
//! days 6–9, 1.90 on days 24–80, 1.75 on days 81–92 and 1.55 on days 103–106. From one day to the next a lot rises by that gain; where the
//! gain is revised, the weight steps (lot 73340581015010: 321.622 kg on day 80, 311.372 kg on day 81). So do these: the gain since entry
//! is found at a weighing, rounded to 0.05 kg/day, and holds until the next.

use super::random::KeyedRng;

/// Gain since entry before the first weighing, grams a day (real: days 6–9).
const FIRST_GAIN_G: u32 = 1_250;

/// Gain from the first weighing to the second, grams a day (real: days 24–80, the same in all eight lots of that age).
const SECOND_GAIN_G: u32 = 1_900;

/// The later weighings: middle day on feed, days it may be off either way, gain since entry that a lot of growth 1 is found at,
/// grams a day. Real are the second (day 81; 1.75) and the third (after day 92, by day 103; 1.55). No real lot is older than 106
/// days; what follows brings the mean weight of all readings to 506 kg (DESIGN.md §2).
const LATER: [(u32, u32, f64); 4] = [(81, 4, 1_750.0), (98, 4, 1_550.0), (126, 8, 1_450.0), (166, 8, LAST_GAIN_G)];

/// Gain since entry that a lot of growth 1 is found at in the last weighing, grams a day.
pub(super) const LAST_GAIN_G: f64 = 1_350.0;

/// Gains are multiples of this, grams a day (real).
pub(super) const STEP_G: u32 = 50;

/// The scales as one lot meets them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighings {
    days: KeyedRng,
    first_day: u32,
    growth: f64,
}

impl Weighings {
    /// The weighings of a lot: `lot` is the chance that belongs to it, `adapted` the day on which it is adapted and first weighed
    /// (real: after day 9, by day 24), `growth` how much more than others it gains.
    pub(super) fn new(lot: KeyedRng, adapted: u32, growth: f64) -> Self {
        Self { days: lot.with(b's'), first_day: adapted + 1, growth }
    }

    /// Gain since entry, grams a day, that the farm reckons with on a day on feed.
    #[inline]
    pub(super) fn gain_g(&self, day: u32) -> u32 {
        if day < self.first_day {
            return FIRST_GAIN_G;
        }
        let found = self.later().take_while(|&(on, _)| on <= day).last();
        found.map_or(SECOND_GAIN_G, |(_, gain)| (gain * self.growth / f64::from(STEP_G) + 0.5) as u32 * STEP_G)
    }

    /// Whether the lot is weighed on a day on feed: the days on which `peso_medio` may step.
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
            .map(|((middle, max, gain), worker)| (middle - max + ((worker * (2 * max + 1)) >> 16), gain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lots(growth: f64) -> impl Iterator<Item = Weighings> {
        (0..2_000u64).map(move |lot| Weighings::new(KeyedRng::new(4).with(lot), 9 + (lot % 13) as u32, growth))
    }

    #[test]
    fn lots_of_growth_one_are_reckoned_with_the_gains_of_the_real_files() {
        for scales in lots(1.0) {
            for (days, gain) in [(6..=9, 1_250), (24..=76, 1_900), (86..=92, 1_750), (103..=106, 1_550)] {
                assert!(days.clone().all(|day| scales.gain_g(day) == gain), "{days:?}");
            }
        }
    }

    #[test]
    fn gain_changes_only_at_weighings_of_which_there_are_five() {
        for scales in lots(1.07) {
            assert_eq!((0..=213).filter(|&day| scales.weighs(day)).count(), 5);
            for day in 1..=213 {
                assert_eq!(scales.gain_g(day) % STEP_G, 0);
                assert!(scales.gain_g(day) == scales.gain_g(day - 1) || scales.weighs(day), "{day}");
            }
        }
    }
}
