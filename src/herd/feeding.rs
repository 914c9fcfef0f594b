//! Feeding on a farm: days of the week, stops of the feed mill, and New Year, with their effect on intake. `weather`
//! owns rain, `lot` the expected intake of a lot.
//!
//! No source has figures for weekdays and stops. These are assumptions, small enough to keep the measured variation of
//! pens. The New Year effect is measured, on the one in the real files.

use chrono::{Datelike, NaiveDate};

use super::random::KeyedRng;

/// Intake as a fraction of an ordinary day's, Monday to Sunday (assumption: fewer staff feed less at weekends).
const WEEK: [f64; 7] = [1.0, 1.0, 1.0, 1.0, 1.0, 0.98, 0.96];

/// The mill of a farm stops once in each interval of this many days: 6 times per year (assumption).
const STOP_EVERY_DAYS: u32 = 61;

/// Number of stops out of 4 that last 2 days; the others last 1 day (assumption).
const LONG_STOPS: u32 = 1;

/// Intake as a fraction of an ordinary day's: on a day without the mill, from feed in bunks and stores, and on the
/// first day after (assumptions).
const STOPPED: f64 = 0.85;
const STARTED: f64 = 1.03;

/// Fraction of lots that read more on January 1, and the mean and deviation of the factor. In the real files of 2023, 8
/// of 13 lots read 1.49 to 1.71 times as much as on the days after (mean 1.55, deviation 0.07), and the other 5 the
/// same.
const NEW_YEAR_LOTS: (f64, f64) = (8.0, 13.0);
const NEW_YEAR: (f64, f64) = (1.55, 0.07);

/// Effect of feeding on intake, for one farm and day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Feeding {
    /// Intake of all lots as a fraction of an ordinary day's.
    share: f64,
    new_year: bool,
}

impl Feeding {
    /// Computes the feeding of a day; `farm` is the random key of the farm.
    pub(super) fn new(farm: KeyedRng, unix_day: u32, data: NaiveDate) -> Self {
        let week = WEEK[data.weekday().num_days_from_monday() as usize];
        let mill = match (is_stopped(farm, unix_day), unix_day > 0 && is_stopped(farm, unix_day - 1)) {
            (true, _) => STOPPED,
            (false, true) => STARTED,
            (false, false) => 1.0,
        };
        Self { share: week * mill, new_year: data.ordinal0() == 0 }
    }

    /// Returns the intake of all lots of the farm as a fraction of an ordinary day's.
    #[inline]
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    /// Returns the factor of intake on January 1 for a lot that reads more then; `None` for any other lot or day. `lot`
    /// is the random key of the lot; no lot is on feed on two January 1sts.
    #[inline]
    pub(super) fn new_year(&self, lot: KeyedRng) -> Option<f64> {
        let (lots, of) = NEW_YEAR_LOTS;
        let more = self.new_year && lot.with(b'n').share() < lots / of;
        more.then(|| NEW_YEAR.0 + NEW_YEAR.1 * lot.with(b'y').bell())
    }
}

/// Returns true if the mill of a farm is stopped on that day.
pub(super) fn is_stopped(farm: KeyedRng, unix_day: u32) -> bool {
    let stop = farm.with(b's').with(unix_day / STOP_EVERY_DAYS);
    let length = if stop.with(b'l').between(1, 4) <= LONG_STOPS { 2 } else { 1 };
    let begin = stop.between(0, STOP_EVERY_DAYS - length);
    (begin..begin + length).contains(&(unix_day % STOP_EVERY_DAYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mill_stops_six_times_per_year_for_a_day_or_two() {
        let (mut stops, mut days) = (0, 0);
        for farm in 0..200u32 {
            let rng = KeyedRng::new(3).with(farm);
            let still: Vec<bool> = (19_000..19_731).map(|day| is_stopped(rng, day)).collect();
            days += still.iter().filter(|&&still| still).count();
            stops += still.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        }
        let (a_year, length) = (stops as f64 / 400.0, days as f64 / stops as f64);
        assert!((5.5..6.5).contains(&a_year), "{a_year}");
        assert!((1.2..1.35).contains(&length), "{length}");
    }

    #[test]
    fn eight_of_thirteen_lots_read_about_half_more_on_new_year() {
        let new_year = Feeding::new(KeyedRng::new(1), 19_358, NaiveDate::from_ymd_opt(2023, 1, 1).unwrap());
        let more: Vec<f64> = (0..13_000u64).filter_map(|lot| new_year.new_year(KeyedRng::new(lot))).collect();
        assert!((7_800..8_200).contains(&more.len()), "{}", more.len());
        let mean = more.iter().sum::<f64>() / more.len() as f64;
        assert!((mean - 1.55).abs() < 0.005, "{mean}");
        let next = Feeding::new(KeyedRng::new(1), 19_359, NaiveDate::from_ymd_opt(2023, 1, 2).unwrap());
        assert!((0..1_000u64).all(|lot| next.new_year(KeyedRng::new(lot)).is_none()));
    }
}
