//! Feeding on a farm: the week, days on which the feed mill stands still, and the New Year. Owns what they do to intake; leaves rain to
//! `weather` and what a lot would eat to `lot`.
//!
//! No source gives figures for the first two: they are assumptions, small enough to leave the measured variation of pens as it is.
//! The New Year is measured, on the one that the real files have.

use chrono::{Datelike, NaiveDate};

use super::random::KeyedRng;

/// Intake as a share of an ordinary day's, Monday to Sunday (assumption: fewer hands feed less at the weekend).
const WEEK: [f64; 7] = [1.0, 1.0, 1.0, 1.0, 1.0, 0.98, 0.96];

/// One stop of the mill falls into every so many days of a farm: six a year (assumption).
const STOP_EVERY_DAYS: u32 = 61;

/// Of 4 stops, how many last two days; the others last one (assumption).
const LONG_STOPS: u32 = 1;

/// Intake on a day without the mill, from what is left in bunks and stores, and on the first day after, as shares of an ordinary
/// day's (assumptions).
const STOPPED: f64 = 0.85;
const STARTED: f64 = 1.03;

/// On New Year's Day, so many lots of 13 read so much more than on the days after: of the 13 lots in the real files of 2023, 8 read
/// 1.49 to 1.71 times as much, 1.55 on average with a deviation of 0.07, and the other five the same.
const NEW_YEAR_LOTS: (f64, f64) = (8.0, 13.0);
const NEW_YEAR: (f64, f64) = (1.55, 0.07);

/// What feeding makes of intake on a farm's day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Feeding {
    /// For all lots, as a share of an ordinary day's.
    share: f64,
    new_year: bool,
}

impl Feeding {
    /// The feeding of a day; `farm` is the chance that belongs to the farm.
    pub(super) fn new(farm: KeyedRng, unix_day: u32, data: NaiveDate) -> Self {
        let week = WEEK[data.weekday().num_days_from_monday() as usize];
        let mill = match (stands_still(farm, unix_day), unix_day > 0 && stands_still(farm, unix_day - 1)) {
            (true, _) => STOPPED,
            (false, true) => STARTED,
            (false, false) => 1.0,
        };
        Self { share: week * mill, new_year: data.ordinal0() == 0 }
    }

    /// What all lots of the farm get, as a share of an ordinary day's intake.
    #[inline]
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    /// What one lot reads instead where it is New Year and the lot one of those that read more; `lot` is the chance that belongs to
    /// the lot, none of which is on feed on two New Year's Days.
    #[inline]
    pub(super) fn new_year(&self, lot: KeyedRng) -> Option<f64> {
        let (lots, of) = NEW_YEAR_LOTS;
        let more = self.new_year && lot.with(b'n').share() < lots / of;
        more.then(|| NEW_YEAR.0 + NEW_YEAR.1 * lot.with(b'y').bell())
    }
}

/// Whether the mill of a farm stands still on a day.
pub(super) fn stands_still(farm: KeyedRng, unix_day: u32) -> bool {
    let stop = farm.with(b's').with(unix_day / STOP_EVERY_DAYS);
    let length = if stop.with(b'l').between(1, 4) <= LONG_STOPS { 2 } else { 1 };
    let begin = stop.between(0, STOP_EVERY_DAYS - length);
    (begin..begin + length).contains(&(unix_day % STOP_EVERY_DAYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mill_stands_still_six_times_a_year_for_a_day_or_two() {
        let (mut stops, mut days) = (0, 0);
        for farm in 0..200u32 {
            let rng = KeyedRng::new(3).with(farm);
            let still: Vec<bool> = (19_000..19_731).map(|day| stands_still(rng, day)).collect();
            days += still.iter().filter(|&&still| still).count();
            stops += still.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        }
        let (a_year, length) = (stops as f64 / 400.0, days as f64 / stops as f64);
        assert!((5.5..6.5).contains(&a_year), "{a_year}");
        assert!((1.2..1.35).contains(&length), "{length}");
    }

    #[test]
    fn eight_lots_in_thirteen_read_half_as_much_again_on_new_year() {
        let new_year = Feeding::new(KeyedRng::new(1), 19_358, NaiveDate::from_ymd_opt(2023, 1, 1).unwrap());
        let more: Vec<f64> = (0..13_000u64).filter_map(|lot| new_year.new_year(KeyedRng::new(lot))).collect();
        assert!((7_800..8_200).contains(&more.len()), "{}", more.len());
        let mean = more.iter().sum::<f64>() / more.len() as f64;
        assert!((mean - 1.55).abs() < 0.005, "{mean}");
        let next = Feeding::new(KeyedRng::new(1), 19_359, NaiveDate::from_ymd_opt(2023, 1, 2).unwrap());
        assert!((0..1_000u64).all(|lot| next.new_year(KeyedRng::new(lot)).is_none()));
    }
}
