//! Illness and death in a lot: when a lot falls ill, the effect on its intake, and when animals die. `lot` owns the
//! other properties of a lot.

use super::random::KeyedRng;

/// Fraction of lots that fall ill, and the minimum and maximum fraction of their animals that do. Together 16 % of all
/// animals. Of 14 studies of calves in North American feedlots, most found 15 % to 45 % (Kelly and Janzen, Canadian
/// Veterinary Journal 27, 1986); Brazilian lots are older, so the lower end is used. The distribution of the 16 % over
/// lots is an assumption.
const ILL_LOTS: f64 = 0.5;
const ILL_ANIMALS: (f64, f64) = (0.12, 0.52);

/// Range of days on feed on which an illness starts, most of them early: disease peaks in the first three weeks (Kelly
/// and Janzen).
const ILL_DAYS: (f64, f64) = (3.0, 45.0);

/// Fraction of its feed that an ill animal leaves: calves ate 0.90 % of their weight ill and 1.55 % healthy in the
/// first week (Hutcheson and Cole, Journal of Animal Science 62, 1986, from memory).
const LEFT_BY_ILL: f64 = 0.42;

/// Days until most of the ill animals are ill, and until all have recovered (assumption).
const WORST_AFTER: u32 = 3;
const WELL_AFTER: u32 = 14;

/// Deaths during a stay as a fraction of head (anchors: 1.5 % of 15,269 head).
const DEATH_SHARE: f64 = 0.015;

/// Number of independent chances of a lot to lose an animal, with equal probabilities that add up to the death rate.
pub(super) const DEATH_CHANCES: u32 = 4;

/// In a lot that fell ill, the fraction of deaths caused by the illness, and on which days after its start they occur
/// (assumptions).
const DEATHS_OF_ILLNESS: f64 = 0.6;
const DEATH_AFTER: (u32, u32) = (2, 21);

/// The health of a lot during its stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Health {
    rng: KeyedRng,
    /// Day on feed on which the lot falls ill, and the fraction of its animals that do; `None` if it stays healthy.
    illness: Option<(u32, f64)>,
}

impl Health {
    /// Computes the health of a lot from its random key.
    #[inline]
    pub(super) fn new(lot: KeyedRng) -> Self {
        let rng = lot.with(b'i');
        let [ill, animals, _, _] = rng.lanes();
        let (ill, animals) = (f64::from(ill) / 65_536.0, f64::from(animals) / 65_536.0);
        let illness = (ill < ILL_LOTS).then(|| {
            let share = ILL_ANIMALS.0 + (ILL_ANIMALS.1 - ILL_ANIMALS.0) * animals;
            (ill_day(rng.with(b'b').share()), share)
        });
        Self { rng, illness }
    }

    /// Returns the factor that illness applies to the lot's intake on a day on feed.
    #[inline]
    pub(super) fn share(&self, day: u32) -> f64 {
        let Some((begin, animals)) = self.illness else { return 1.0 };
        let Some(since) = day.checked_sub(begin).filter(|&since| since < WELL_AFTER) else { return 1.0 };
        let rising = f64::from(since + 1) / f64::from(WORST_AFTER);
        let falling = f64::from(WELL_AFTER - since) / f64::from(WELL_AFTER - WORST_AFTER + 1);
        1.0 - LEFT_BY_ILL * animals * rising.min(falling)
    }

    /// Returns how many of `head` animals have died by a day on feed, in a stay of `length` days.
    #[inline]
    pub(super) fn deaths(&self, head: u32, day: u32, length: u32) -> u32 {
        let risk = f64::from(head) * DEATH_SHARE / f64::from(DEATH_CHANCES);
        let below = (risk * 65_536.0) as u32;
        let outcomes = self.rng.with(b'm');
        let dead = (0..DEATH_CHANCES)
            .zip(outcomes.lanes())
            .filter(|&(n, lane)| lane < below && self.death_day(outcomes.with(n), length) <= day);
        dead.count() as u32
    }

    fn death_day(&self, death: KeyedRng, length: u32) -> u32 {
        match self.illness {
            Some((begin, _)) if death.share() < DEATHS_OF_ILLNESS => {
                begin + death.with(b'i').between(DEATH_AFTER.0, DEATH_AFTER.1)
            }
            _ => death.with(b'd').between(1, length),
        }
    }
}

/// Converts a uniform number into the day on feed on which an illness starts: two thirds by day 21.
#[inline]
fn ill_day(share: f64) -> u32 {
    (ILL_DAYS.0 + (ILL_DAYS.1 - ILL_DAYS.0 + 1.0) * share * share) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: u32 = 58;
    const LENGTH: u32 = 206;

    fn lots() -> impl Iterator<Item = Health> {
        (0..20_000u64).map(|lot| Health::new(KeyedRng::new(2).with(lot)))
    }

    #[test]
    fn sixteen_percent_of_animals_fall_ill_early_in_their_stay() {
        let ill: f64 = lots().filter_map(|health| health.illness).map(|(_, animals)| animals).sum();
        assert!((ill / 20_000.0 - 0.16).abs() < 0.005, "{ill}");
        let days: Vec<u32> = lots().filter_map(|health| health.illness).map(|(day, _)| day).collect();
        assert_eq!((days.iter().min(), days.iter().max()), (Some(&3), Some(&45)));
        let early = days.iter().filter(|&&day| day <= 21).count() as f64 / days.len() as f64;
        assert!((0.62..0.71).contains(&early), "{early}");
    }

    #[test]
    fn an_ill_lot_eats_less_for_two_weeks() {
        for health in lots().take(500) {
            let shares: Vec<f64> = (0..=LENGTH).map(|day| health.share(day)).collect();
            let low: Vec<usize> = (0..shares.len()).filter(|&day| shares[day] < 1.0).collect();
            match health.illness {
                None => assert!(low.is_empty()),
                Some((begin, animals)) => {
                    assert_eq!((low[0], low.len()), (begin as usize, WELL_AFTER as usize));
                    let least = shares.iter().copied().fold(1.0, f64::min);
                    assert!((least - (1.0 - LEFT_BY_ILL * animals)).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn one_and_a_half_percent_of_animals_die_with_more_deaths_after_illness() {
        let dead = |day| lots().map(|health| health.deaths(HEAD, day, LENGTH)).sum::<u32>();
        let all = f64::from(dead(LENGTH));
        assert!((all / 20_000.0 / f64::from(HEAD) - 0.015).abs() < 0.0005, "{all}");
        assert_eq!(dead(0), 0);
        // All illness is over by day 66. By then, a third of the deaths unrelated to illness and all of the related
        // ones have occurred.
        let early = f64::from(dead(66)) / all;
        assert!((early - (0.3 + 0.7 * 0.32)).abs() < 0.03, "{early}");
    }
}
