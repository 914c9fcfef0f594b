//! Rain on a farm. Owns how often it rains, how hard, and what that does to the intake of all its lots; leaves feeding to `mill`.
//!
//! Rain is shared by the lots of a farm, and every farm has its own. A day knows its rain from its own chance and that of the day
//! before, so any day costs the same.

use chrono::{Datelike, NaiveDate};

use super::random::KeyedRng;

/// Share of days with rain, January to December: a year of the Cerrado, some 110 days with rain, nearly all from October to April.
///
/// As many days as the normal rainfall of Goiânia takes at 14 mm a day with rain: 249 mm in January (Cimehgo), 272 mm in December and
/// 1.5 mm in July (INMET, 1991–2020). The 14 mm and the months between are assumptions.
const RAINY: [f64; 12] = [0.58, 0.52, 0.48, 0.28, 0.10, 0.02, 0.01, 0.03, 0.13, 0.32, 0.50, 0.62];

/// What the hardest rain takes from the day's intake, as a share: the lower end of 8–15 % that mud of 10–20 cm takes (South Dakota
/// State University, Extension Extra 1020, "Reducing Feedlot Mud Problems").
const HARDEST_DIP: f64 = 0.10;

/// What the mud takes on the day after, as a share of the dip of the rain (assumption: pens dry in a day or two).
const MUD: f64 = 0.5;

/// Days with rain that are as hard as it gets for the animals, as a share: falls over 20 mm, if amounts are exponential with a mean of
/// 14 mm (24 %).
const HARDEST: f64 = 0.24;

/// What rain leaves of intake on a day, as a share of that of a dry one; `farm` is the chance that belongs to the farm.
pub(super) fn share(farm: KeyedRng, unix_day: u32, data: NaiveDate) -> f64 {
    let month = data.month0() as usize;
    // The day before is taken to be in the same month, which one day in thirty is not.
    let before = unix_day.checked_sub(1).map_or(0.0, |before| rain(farm, before, month));
    1.0 - HARDEST_DIP * (rain(farm, unix_day, month) + MUD * before)
}

/// How hard it rains on a day, 0 (not at all) to 1.
pub(super) fn rain(farm: KeyedRng, unix_day: u32, month: usize) -> f64 {
    let day = farm.with(b'w').with(unix_day);
    let rainy = day.share() < RAINY[month];
    // Evenly spread below the hardest, which comes close to exponential amounts cut there.
    if rainy { (day.with(b'h').share() / (1.0 - HARDEST)).min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn year(farm: u32) -> impl Iterator<Item = (NaiveDate, f64, f64)> {
        let rng = KeyedRng::new(7).with(farm);
        (0..365).map(move |n| {
            let data = NaiveDate::from_yo_opt(2023, n + 1).unwrap();
            let unix_day = 19_358 + n;
            (data, rain(rng, unix_day, data.month0() as usize), share(rng, unix_day, data))
        })
    }

    #[test]
    fn a_year_has_a_wet_and_a_dry_half() {
        let days = |wet: &dyn Fn(u32) -> bool| {
            let rainy = (0..50).flat_map(year).filter(|(data, rain, _)| *rain > 0.0 && wet(data.month()));
            rainy.count() as f64 / 50.0
        };
        let (all, dry) = (days(&|_| true), days(&|month| (5..=8).contains(&month)));
        assert!((105.0..115.0).contains(&all), "{all}");
        assert!((3.0..10.0).contains(&dry), "{dry}");
    }

    #[test]
    fn rain_and_mud_take_at_most_fifteen_parts_in_a_hundred_and_nothing_once_dry() {
        let days: Vec<_> = (0..50).flat_map(year).collect();
        assert!(days.iter().all(|day| day.2 > 0.849 && day.2 <= 1.0));
        for pair in days.windows(2).filter(|pair| pair[1].0.day() > 1) {
            assert_eq!(pair[1].2 < 1.0, pair[0].1 > 0.0 || pair[1].1 > 0.0, "{pair:?}");
        }
        let hardest = days.iter().filter(|day| day.1 == 1.0).count() as f64;
        let rainy = days.iter().filter(|day| day.1 > 0.0).count() as f64;
        assert!((hardest / rainy - HARDEST).abs() < 0.02, "{}", hardest / rainy);
    }

    #[test]
    fn farms_have_weather_of_their_own() {
        let alike = year(1).zip(year(2)).filter(|(a, b)| (a.1 > 0.0) == (b.1 > 0.0)).count();
        assert!(alike < 320, "{alike}");
    }
}
