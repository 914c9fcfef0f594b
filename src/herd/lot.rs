//! The state of a lot on each day: weight, head and intake, from entry, growth, appetite and day-to-day variation.
//! `pens` owns entry and exit, `health` illness and death, `weighing` the reported weight, and `weather` and `feeding`
//! what the lots of a farm share on a day.
//!
//! Sources: *real* is the real files (docs/herd.md: 912 readings, 228 lots), and for day-to-day changes the 52 available readings of 13
//! of those lots. *Anchors* is the literature in docs/herd.md. If they disagree, the real means take precedence:
//!
//! - **Gain.** Anchors give 1.48 kg/day; the real files (506 − 347) / 105 = 1.51, with 1.9 in young lots and less
//!   later. Here the mean gain since entry falls linearly, following the gains that the real farm uses (`weighing`).
//! - **Intake.** The published equations (SciELO S1516-35982010000800024) give 10.3 kg at the mean weight and gain; the
//!   real mean is 12.1. Anchors state that they under-predict by 12–20 % (Bioscience J. 54149), and give a lot-level
//!   multiplier of 1.0–1.2. The remaining difference is one factor, [`REAL_SCALE`].
//! - **Entry weight.** Anchors give 361 ± 30 kg, the real files a mean of 347 in 170–500. Used here: the real mean, and
//!   a deviation that fills the range.

use super::feeding::Feeding;
use super::health::{DEATH_CHANCES, Health};
use super::pens::{Pen, Stay};
use super::raca::Raca;
use super::random::KeyedRng;
use super::weighing::{LAST_GAIN_G, STEP_G, Weighings};

/// Weight at entry in kg: real mean and bounds. With this deviation, 228 lots nearly cover the range.
const ENTRY_MEAN_KG: f64 = 347.0;
const ENTRY_DEVIATION_KG: f64 = 58.0;
const ENTRY_BOUNDS_KG: (f64, f64) = (170.0, 500.0);

/// Mean gain since entry in kg/day of a lot of growth 1: on day 0, and its decline per day. Follows the gains of
/// `weighing`: 1.90 on day 17, 1.67 on day 81, 1.36 on day 166.
const MEAN_GAIN_KG: f64 = 1.96;
const MEAN_GAIN_DECLINE_KG: f64 = 0.0036;

/// Gain of crosses relative to Nellore: the retained heterosis of 5.46 % in daily gain in feedlots (Menezes and Restle,
/// "Desempenho de novilhos de gerações avançadas do cruzamento alternado entre as raças Charolês e Nelore"). At 63 % to
/// 37 %, the mean growth of both is 1.
const CROSSES_GAIN: f64 = 1.0546;
const NELORE_GROWTH: f64 = 1.0 / (FIRST_BREED_SHARE + (1.0 - FIRST_BREED_SHARE) * CROSSES_GAIN);

/// Coefficient of variation of gain among lots of one breed. Real lots of one age do not differ, because the farm uses
/// one gain for them (`weighing`). This value keeps most of them within one or two steps of 0.05 kg/day (assumption).
const GAIN_VARIATION: f64 = 0.05;

/// Maximum weight of a lot in kg (real maximum 707). Lots with a high entry weight gain less.
const HEAVIEST_KG: f64 = 707.0;

/// Longest stay in days, as a float.
const LONGEST_STAY: f64 = super::pens::LONGEST_STAY as f64;

/// Head at entry: real mean 58 in 14–84. With this deviation, 228 lots cover the range, and some pens are full. At most
/// [`DEATH_CHANCES`] animals die, so head stays within the real range.
const HEAD_MEAN: f64 = 60.0;
const HEAD_DEVIATION: f64 = 16.0;
const HEAD_BOUNDS: (f64, f64) = (14.0 + DEATH_CHANCES as f64, 84.0);

/// Fraction of lots of breed 9000001 (real: 63 %).
const FIRST_BREED_SHARE: f64 = 0.63;

/// Lot-level multiplier on the equations (anchors: 1.0–1.2).
const APPETITE_MEAN: f64 = 1.12;
const APPETITE_DEVIATION: f64 = 0.035;
const APPETITE_BOUNDS: (f64, f64) = (1.0, 1.2);

/// Factor that scales intake to the real mean of 12.1 kg, 2.4 % of live weight, after the effects of rain, weekends and
/// illness. With the multiplier, the equations are raised by 24 % on average, more than the anchors' 12–20 %; about 3 %
/// compensate for these effects.
const REAL_SCALE: f64 = 1.108;

/// Intake on day 0 as a fraction of the target (the four real readings on days 6–9 suggest 0.8 there), and the day when
/// the target is reached: within 9–21 days of adaptation, most lots by day 17–20 (anchors).
const ADAPTATION_START: f64 = 0.70;
const ADAPTED_MEAN: f64 = 17.0;
const ADAPTED_DEVIATION: f64 = 2.5;
const ADAPTED_BOUNDS: (f64, f64) = (9.0, 21.0);

/// Day-to-day variation of a lot's own intake, and its autocorrelation. With rain, weekends, mill stops and illness,
/// readings vary by 7.7 % and have a lag-1 autocorrelation of 0.37 (anchors).
const DAILY_VARIATION: f64 = 0.066;
const DAILY_CORRELATION: f64 = 0.46;

/// Number of past days in the autocorrelation: 0.46⁶ is less than 1 %, too small to show in a history.
const MEMORY_DAYS: u32 = 6;

/// Bounds of intake in kg (real).
const INTAKE_BOUNDS_KG: (f64, f64) = (2.2, 19.3);

/// A lot on one day of its stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lot {
    rng: KeyedRng,
    stay: Stay,
    /// Its breed.
    pub(super) raca: Raca,
    entry_kg: f64,
    growth: f64,
    adapted: u32,
}

impl Lot {
    /// Creates the lot of a stay in a pen.
    #[inline]
    pub(super) fn new(pen: &Pen, stay: Stay) -> Self {
        let rng = pen.lot(stay);
        let raca = if pen.spread(stay) <= FIRST_BREED_SHARE { Raca::Nelore } else { Raca::Cruzado };
        let entry_kg = bell(rng.with(b'w'), ENTRY_MEAN_KG, ENTRY_DEVIATION_KG, ENTRY_BOUNDS_KG);
        let adapted = bell(rng.with(b'd'), ADAPTED_MEAN, ADAPTED_DEVIATION, ADAPTED_BOUNDS) as u32;
        Self { rng, stay, raca, entry_kg, growth: growth(rng, raca, entry_kg), adapted }
    }

    /// Returns the mean weight at entry, in grams.
    pub(super) fn peso_entrada_g(&self) -> i32 {
        fixed(self.entry_kg, 1e3)
    }

    /// Returns the mean weight today as the farm reports it, in grams.
    pub(super) fn peso_medio_g(&self) -> i32 {
        let scales = Weighings::new(self.rng, self.adapted, self.growth);
        self.peso_entrada_g() + (scales.gain_g(self.stay.day) * self.stay.day) as i32
    }

    /// Returns the head today: those that entered, minus the deaths.
    pub(super) fn quantidade_animais(&self, health: &Health) -> u32 {
        let head = bell(self.rng.with(b'h'), HEAD_MEAN, HEAD_DEVIATION, HEAD_BOUNDS) as u32;
        head - health.deaths(head, self.stay.day, self.stay.length)
    }

    /// Returns the lot's health during its stay.
    pub(super) fn health(&self) -> Health {
        Health::new(self.rng)
    }

    /// Returns the intake today in milligrams per animal. It combines the expected intake, the farm's day (`weather` as
    /// a fraction, `feeding`), the lot's health and its own variation. The New Year effect is skipped if it would
    /// exceed the real maximum.
    pub(super) fn consumo_real_mg(&self, health: &Health, weather: f64, feeding: &Feeding) -> i32 {
        let own = health.share(self.stay.day) * (1.0 + DAILY_VARIATION * self.daily_variation());
        let fed = self.expected_intake_kg() * weather * own;
        let more = feeding.new_year(self.rng).map(|share| fed * share).filter(|&more| more < INTAKE_BOUNDS_KG.1);
        let eaten = more.unwrap_or(fed * feeding.share());
        fixed(eaten.clamp(INTAKE_BOUNDS_KG.0, INTAKE_BOUNDS_KG.1), 1e6)
    }

    /// Returns the expected intake of an ordinary day, in kg per animal.
    ///
    /// Regression of intake on metabolic weight (kg^0.75) and mean gain (kg/day), n = 561: SciELO
    /// S1516-35982010000800024. Which of the two breed ids is the Nellore is unknown; the more common one is assumed.
    pub(super) fn expected_intake_kg(&self) -> f64 {
        let day = f64::from(self.stay.day);
        let gain = self.growth * (MEAN_GAIN_KG - MEAN_GAIN_DECLINE_KG * day);
        let root = (self.entry_kg + gain * day).sqrt().sqrt();
        let metabolic = root * root * root;
        let equation = match self.raca {
            Raca::Nelore => -2.7878 + 0.08789 * metabolic + 5.0487 * gain - 1.6835 * gain * gain,
            Raca::Cruzado => -2.6098 + 0.08844 * metabolic + 4.4672 * gain - 1.3579 * gain * gain,
        };
        equation * self.appetite() * REAL_SCALE * self.adaptation()
    }

    fn appetite(&self) -> f64 {
        bell(self.rng.with(b'a'), APPETITE_MEAN, APPETITE_DEVIATION, APPETITE_BOUNDS)
    }

    /// Returns intake as a fraction of the target: linear up to the day on which the lot is adapted.
    fn adaptation(&self) -> f64 {
        let days = f64::from(self.stay.day.min(self.adapted)) / f64::from(self.adapted);
        ADAPTATION_START + (1.0 - ADAPTATION_START) * days
    }

    /// Returns the value of a first-order autoregressive series with deviation 1, computed as the equivalent moving
    /// average, so that the cost is the same for any day. It includes days before entry, so the series has no start.
    fn daily_variation(&self) -> f64 {
        /// 1 / √(1 + r² + r⁴ + …) over [`MEMORY_DAYS`] terms, approximately √(1 − r²).
        const SCALE: f64 = 0.887_919;
        let rng = self.rng.with(b'v');
        let (mut weight, mut sum) = (SCALE, 0.0);
        for back in 0..MEMORY_DAYS {
            // Shifted so that days before entry are not negative.
            let day = self.stay.day + MEMORY_DAYS - back;
            sum += weight * rng.with(day).bell();
            weight *= DAILY_CORRELATION;
        }
        sum
    }
}

/// Returns the growth factor of a lot. Limited for a high entry weight, so that the lot stays below the maximum weight
/// on the last day, even after rounding of the reported gain.
fn growth(lot: KeyedRng, raca: Raca, entry_kg: f64) -> f64 {
    let breed = match raca {
        Raca::Nelore => NELORE_GROWTH,
        Raca::Cruzado => NELORE_GROWTH * CROSSES_GAIN,
    };
    let growth = breed * (1.0 + GAIN_VARIATION * lot.with(b'g').bell());
    let room_kg = HEAVIEST_KG - entry_kg - f64::from(STEP_G) / 2e3 * LONGEST_STAY;
    growth.min(room_kg * 1e3 / (LAST_GAIN_G * LONGEST_STAY))
}

/// Returns an approximately normal number with this mean and deviation, clamped to the bounds.
#[inline]
fn bell(rng: KeyedRng, mean: f64, deviation: f64, bounds: (f64, f64)) -> f64 {
    (mean + deviation * rng.bell()).clamp(bounds.0, bounds.1)
}

/// Converts a positive value to an integer in units of 1/`scale`, rounded half up.
fn fixed(value: f64, scale: f64) -> i32 {
    (value * scale + 0.5) as i32
}

#[cfg(test)]
mod tests {
    use super::super::pens::Pens;
    use super::*;

    fn lot(number: u32, day: u32) -> Lot {
        let stay = Stay { sequence: 0, day, length: 206 };
        Lot::new(&Pens::new(KeyedRng::new(1), 0).pen(number), stay)
    }

    fn mean(lots: u32, value: impl Fn(u32) -> f64) -> f64 {
        (0..lots).map(value).sum::<f64>() / f64::from(lots)
    }

    #[test]
    fn lots_reach_their_target_between_day_9_and_21_and_most_by_day_17_to_20() {
        let share = |day| mean(2_000, |n| lot(n, day).adaptation());
        let there = |day| mean(2_000, |n| f64::from(u8::from(lot(n, day).adaptation() == 1.0)));
        assert_eq!((there(8), there(21)), (0.0, 1.0));
        assert!((0.5..0.8).contains(&there(17)) && there(20) > 0.9, "{} {}", there(17), there(20));
        assert!(share(7) < 0.85 && share(17) > 0.97, "{} {}", share(7), share(17));
    }

    #[test]
    fn the_appetite_of_lots_is_between_1_and_1_2() {
        assert!((0..5_000).all(|n| (1.0..=1.2).contains(&lot(n, 50).appetite())));
    }

    #[test]
    fn daily_variation_has_its_deviation_and_autocorrelation() {
        let (mut squares, mut products, mut count) = (0.0, 0.0, 0.0);
        for number in 0..300 {
            let off = |day| lot(number, day).daily_variation();
            for day in 30..200 {
                squares += off(day) * off(day);
                products += off(day) * off(day + 1);
                count += 1.0;
            }
        }
        let deviation = f64::sqrt(squares / count);
        assert!((deviation - 1.0).abs() < 0.02, "{deviation}");
        assert!((products / squares - DAILY_CORRELATION).abs() < 0.02, "{}", products / squares);
    }

    #[test]
    fn crosses_gain_more_than_nellore_by_their_heterosis() {
        let gain = |raca| {
            let lots = (0..20_000).map(|n| lot(n, 0)).filter(|lot| lot.raca == raca && lot.entry_kg < 400.0);
            let (sum, count) = lots.fold((0.0, 0.0), |(sum, count), lot| (sum + lot.growth, count + 1.0));
            sum / count
        };
        let (nelore, cruzado) = (gain(Raca::Nelore), gain(Raca::Cruzado));
        assert!((cruzado / nelore - 1.0546).abs() < 0.005, "{cruzado} {nelore}");
        assert!((0.63 * nelore + 0.37 * cruzado - 1.0).abs() < 0.005, "{cruzado} {nelore}");
    }
}
