//! What becomes of a lot: weight, head and intake on each of its days. Owns every calibrated constant of the
//! animals; leaves when a lot comes and goes to `pens`.
//!
//! Sources: *real* is DESIGN.md §2 (912 readings, 228 lots), *anchors* is ANCHORS.md, "Making histories". They disagree,
//! and real means win:
//!
//! - **Gain.** Anchors say 1.48 kg/day; in the real files young lots rise 1.9 kg/day, yet (506 − 347) / 105 = 1.51. One curve
//!   fits all three: gain begins at 1.9 and falls in a straight line to 0.85 on day 206, so that the mean gain since
//!   entry is 1.63 at day 105 and the mean weight over all ages is 506.
//! - **Intake.** The published equations (SciELO S1516-35982010000800024) give 10.4 kg at the mean weight and gain, the real
//!   mean is 12.1. Anchors know that they under-predict by 12–20 % (Bioscience J. 54149) and give a multiplier of
//!   1.0–1.2; its mean here is 1.19.
//! - **Entry weight.** Anchors say 361 ± 30 kg, real 347 in 170–500: the real mean, and a deviation that fills the range.

use super::chance::{Chance, spread_lots};
use super::pens::{LONGEST_STAY, Pen, Stay};
use super::reading::Raca;

/// Weight at entry, kg: real mean and bounds; the deviation is what 228 lots within those bounds suggest.
const ENTRY_MEAN_KG: f64 = 347.0;
const ENTRY_DEVIATION_KG: f64 = 50.0;
const ENTRY_BOUNDS_KG: (f64, f64) = (170.0, 500.0);

/// Gain on the first day, kg/day (real: young lots rise 1.9 kg/day).
const FIRST_GAIN_KG: f64 = 1.9;

/// How much gain falls from one day to the next, kg/day²: from 1.9 to 0.85 in 206 days (see the head of this file).
const GAIN_DECLINE_KG: f64 = 1.05 / 206.0;

/// Lots differ in gain by this coefficient of variation: real lots of one age differ by some 10 %.
const GAIN_VARIATION: f64 = 0.10;

/// No lot grows beyond this weight, kg (real maximum 707): what enters heavy gains less.
const HEAVIEST_KG: f64 = 707.0;

/// Head at entry: real mean 58 in 14–84. At most [`DEATH_CHANCES`] die, so entries of 18 stay within.
const HEAD_MEAN: f64 = 59.0;
const HEAD_DEVIATION: f64 = 14.0;
const HEAD_BOUNDS: (f64, f64) = (18.0, 84.0);

/// Deaths over a stay, as a share of head (anchors: 1.5 % of 15,269 head).
const DEATH_SHARE: f64 = 0.015;

/// A lot has this many chances to lose an animal, each as likely as keeps the share.
const DEATH_CHANCES: u32 = 4;

/// Share of lots of breed 9000001 (real: 63 %).
const FIRST_BREED_SHARE: f64 = 0.63;

/// Lot-level multiplier on the equations: mean so that intake averages 12.1 kg and 2.4 % of live weight (real).
const APPETITE_MEAN: f64 = 1.19;
const APPETITE_DEVIATION: f64 = 0.04;

/// Intake on day 0 as a share of the target, and the days when it is reached (anchors: about day 17–20).
const ADAPTATION_START: f64 = 0.70;
const ADAPTED_BY_DAY: (u32, u32) = (17, 20);

/// Day-to-day variation of a pen's intake: coefficient of variation and lag-1 autocorrelation (anchors).
const DAILY_VARIATION: f64 = 0.077;
const DAILY_CORRELATION: f64 = 0.37;

/// Days a surprise is remembered: 0.37⁶ is 0.3 %, which is below what a history could show.
const MEMORY_DAYS: u32 = 6;

/// Intake never leaves this range, kg (real).
const INTAKE_BOUNDS_KG: (f64, f64) = (2.2, 19.3);

/// What a lot brings with it on the day it enters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lot {
    chance: Chance,
    stay: Stay,
    /// Its breed.
    pub(super) raca: Raca,
    entry_kg: f64,
    head: u32,
    growth: f64,
    appetite: f64,
    adapted_by_day: u32,
}

impl Lot {
    /// The lot of a stay in a pen, from the chance of the herd and that of the pen.
    pub(super) fn new(herd: Chance, pen: &Pen, stay: Stay) -> Self {
        let chance = pen.chance().with(b'l').with(stay.sequence);
        let offset = herd.with(b'r').with(stay.sequence % 2).bits();
        let spread = spread_lots(offset, pen.place(), stay.sequence / 2);
        let first_breed = (spread >> 11) as f64 / (1u64 << 53) as f64 <= FIRST_BREED_SHARE;
        let entry_kg = ENTRY_MEAN_KG + ENTRY_DEVIATION_KG * chance.with(b'w').bell();
        let entry_kg = entry_kg.clamp(ENTRY_BOUNDS_KG.0, ENTRY_BOUNDS_KG.1);
        let growth = 1.0 + GAIN_VARIATION * chance.with(b'g').bell();
        let head = HEAD_MEAN + HEAD_DEVIATION * chance.with(b'h').bell();
        Self {
            chance,
            stay,
            raca: if first_breed { Raca::Nelore } else { Raca::Cruzado },
            entry_kg,
            head: head.clamp(HEAD_BOUNDS.0, HEAD_BOUNDS.1) as u32,
            growth: growth.min((HEAVIEST_KG - entry_kg) / standard_growth(LONGEST_STAY)),
            appetite: APPETITE_MEAN + APPETITE_DEVIATION * chance.with(b'a').bell(),
            adapted_by_day: chance.with(b'd').between(ADAPTED_BY_DAY.0, ADAPTED_BY_DAY.1),
        }
    }

    /// Mean weight at entry, grams.
    pub(super) fn peso_entrada_g(&self) -> i32 {
        fixed(self.entry_kg, 1e3)
    }

    /// Mean weight today, grams.
    pub(super) fn peso_medio_g(&self) -> i32 {
        fixed(self.weight_kg(), 1e3)
    }

    /// Head today: those that entered, less the dead.
    pub(super) fn quantidade_animais(&self) -> u32 {
        let risk = f64::from(self.head) * DEATH_SHARE / f64::from(DEATH_CHANCES);
        let below = (risk * f64::from(u32::MAX)) as u32;
        let deaths = (0..DEATH_CHANCES).map(|n| self.chance.with(b'm').with(n));
        let dead = deaths.filter(|death| {
            let on_day = death.with(b'd').between(1, self.stay.length);
            ((death.bits() >> 32) as u32) < below && on_day <= self.stay.day
        });
        self.head - dead.count() as u32
    }

    /// Intake today, milligrams an animal: what is expected, and the day's own variation.
    pub(super) fn consumo_real_mg(&self) -> i32 {
        let intake = self.expected_intake_kg() * (1.0 + DAILY_VARIATION * self.daily_variation());
        fixed(intake.clamp(INTAKE_BOUNDS_KG.0, INTAKE_BOUNDS_KG.1), 1e6)
    }

    fn weight_kg(&self) -> f64 {
        self.entry_kg + self.growth * standard_growth(self.stay.day)
    }

    /// Intake today without the day's own variation, kg an animal.
    ///
    /// Equations of intake on metabolic weight (kg^0.75) and gain (kg/day), n = 561: SciELO S1516-35982010000800024. Which of
    /// the two breed ids is the Nellore is not known; the commoner one is taken to be.
    pub(super) fn expected_intake_kg(&self) -> f64 {
        let root = self.weight_kg().sqrt().sqrt();
        let metabolic = root * root * root;
        let gain = self.growth * (FIRST_GAIN_KG - GAIN_DECLINE_KG * f64::from(self.stay.day));
        let equation = match self.raca {
            Raca::Nelore => -2.7878 + 0.08789 * metabolic + 5.0487 * gain - 1.6835 * gain * gain,
            Raca::Cruzado => -2.6098 + 0.08844 * metabolic + 4.4672 * gain - 1.3579 * gain * gain,
        };
        let days = f64::from(self.stay.day.min(self.adapted_by_day)) / f64::from(self.adapted_by_day);
        equation * self.appetite * (ADAPTATION_START + (1.0 - ADAPTATION_START) * days)
    }

    /// A first-order autoregressive series with deviation 1, written as the moving average it equals, so that any day
    /// costs the same. What came before the day of entry counts too: the series has no beginning.
    fn daily_variation(&self) -> f64 {
        let (mut weight, mut sum, mut squares) = (1.0, 0.0, 0.0);
        for back in 0..MEMORY_DAYS {
            // Shifted by the memory so that days before entry are not negative.
            let day = self.stay.day + MEMORY_DAYS - back;
            sum += weight * self.chance.with(b'v').with(day).bell();
            squares += weight * weight;
            weight *= DAILY_CORRELATION;
        }
        sum / squares.sqrt()
    }
}

/// What a lot of growth 1 has gained by a day, kg: gain that falls in a straight line, summed up.
fn standard_growth(day: u32) -> f64 {
    let day = f64::from(day);
    FIRST_GAIN_KG * day - GAIN_DECLINE_KG * day * day / 2.0
}

/// A positive value as a whole number of its `scale`th parts, rounded half up.
fn fixed(value: f64, scale: f64) -> i32 {
    (value * scale + 0.5) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(number: u32, day: u32) -> Lot {
        let stay = Stay { sequence: 0, day, length: 206 };
        Lot::new(Chance::new(1), &Pen::new(Chance::new(1), 0, number), stay)
    }

    #[test]
    fn intake_climbs_to_its_target_in_the_third_week() {
        let mean = |day| (0..500).map(|n| lot(n, day).expected_intake_kg()).sum::<f64>() / 500.0;
        assert!(mean(6) < 0.85 * mean(20));
        assert!(mean(12) < 0.92 * mean(20));
        assert!(mean(30) < 1.06 * mean(20));
    }

    #[test]
    fn days_of_intake_vary_and_remember_as_measured() {
        let (mut squares, mut products, mut count) = (0.0, 0.0, 0.0);
        for number in 0..300 {
            let off = |day| lot(number, day).daily_variation() * DAILY_VARIATION;
            for day in 30..200 {
                squares += off(day) * off(day);
                products += off(day) * off(day + 1);
                count += 1.0;
            }
        }
        let variation = f64::sqrt(squares / count);
        assert!((variation - 0.077).abs() < 0.002, "{variation}");
        assert!((products / squares - 0.37).abs() < 0.02, "{}", products / squares);
    }

    #[test]
    fn deaths_take_one_and_a_half_animals_in_a_hundred() {
        let count = |day| (0..5_000).map(|n| lot(n, day).quantidade_animais()).sum::<u32>();
        let (entered, left) = (f64::from(count(0)), f64::from(count(206)));
        let dead = (entered - left) / entered;
        assert!((dead - 0.015).abs() < 0.001, "{dead}");
    }

    #[test]
    fn weight_rises_nearly_two_kilograms_a_day_at_first_and_half_of_that_in_the_end() {
        let rise = |day| (0..500).map(|n| lot(n, day + 1).weight_kg() - lot(n, day).weight_kg()).sum::<f64>() / 500.0;
        assert!((rise(10) - 1.85).abs() < 0.1, "{}", rise(10));
        assert!((rise(200) - 0.88).abs() < 0.1, "{}", rise(200));
    }
}
