//! Tests that a herd matches the real data in its aggregates and over time: the real figures and the
//! other sources (docs/herd.md). The calibrated constants are in `lot.rs` and the files next to it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};

use super::random::KeyedRng;
use super::{Faults, Herd, LineFormat, Raca, Reading, feeding, weather};
use pipeline::record;

/// Means over readings, of the real files (docs/herd.md).
#[derive(Debug, Default)]
struct Means {
    readings: f64,
    peso_entrada: f64,
    peso_medio: f64,
    animais: f64,
    dia: f64,
    consumo: f64,
    nelore: f64,
}

fn visit(herd: &Herd, mut each: impl FnMut(Reading<'_>)) {
    for unit in herd.files() {
        herd.deliveries(unit, &Faults::none(), |delivery| each(delivery.reading));
    }
}

fn means(herd: &Herd) -> Means {
    let mut sum = Means::default();
    visit(herd, |reading| {
        sum.readings += 1.0;
        sum.peso_entrada += f64::from(reading.peso_entrada_g) / 1e3;
        sum.peso_medio += f64::from(reading.peso_medio_g) / 1e3;
        sum.animais += f64::from(reading.quantidade_animais);
        sum.dia += f64::from(reading.dia_confinamento);
        sum.consumo += f64::from(reading.consumo_real_mg) / 1e6;
        sum.nelore += f64::from(u8::from(reading.id_raca == Raca::Nelore));
    });
    let n = sum.readings;
    Means {
        readings: n,
        peso_entrada: sum.peso_entrada / n,
        peso_medio: sum.peso_medio / n,
        animais: sum.animais / n,
        dia: sum.dia / n,
        consumo: sum.consumo / n,
        nelore: sum.nelore / n,
    }
}

fn assert_like_real(means: &Means, tolerance: f64) {
    let real = [
        ("peso_entrada", means.peso_entrada, 347.0),
        ("peso_medio", means.peso_medio, 506.0),
        ("quantidade_animais", means.animais, 58.0),
        ("dia_confinamento", means.dia, 105.0),
        ("consumo_real", means.consumo, 12.1),
        ("consumo_real of live weight", means.consumo / means.peso_medio, 0.024),
        ("breed 9000001", means.nelore, 0.63),
        ("breed 28551700000020", 1.0 - means.nelore, 0.37),
    ];
    for (name, here, there) in real {
        assert!((here / there - 1.0).abs() < tolerance, "{name}: {here} here, {there} real; {means:?}");
    }
}

/// Numbers of farms and pens with about 228 lots on feed: 250 pens, 91 % of which report.
const SHAPES: [(u32, u32); 4] = [(1, 250), (5, 50), (50, 5), (250, 1)];

#[test]
fn any_228_lots_on_any_four_days_match_the_real_means() {
    for seed in 0..25 {
        for (farms, lots) in SHAPES {
            // Not the first of a month, which may be January 1.
            let start = NaiveDate::from_ymd_opt(2015 + seed as i32, 1 + seed as u32 % 12, 5).unwrap();
            let means = means(&Herd::try_new(farms, lots, 4, start, seed).unwrap());
            assert!((850.0..=970.0).contains(&means.readings), "{means:?}");
            assert_like_real(&means, 0.10);
        }
    }
}

#[test]
fn a_large_herd_over_two_years_matches_the_real_means_closely() {
    let start = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
    assert_like_real(&means(&Herd::try_new(4, 100, 730, start, 8).unwrap()), 0.025);
}

#[test]
fn values_stay_within_the_real_ranges() {
    let start = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
    let herd = Herd::try_new(4, 250, 400, start, 3).unwrap();
    let (mut heaviest, mut longest, mut entries) = (0, 0, BTreeSet::new());
    visit(&herd, |reading| {
        assert!((170_000..=500_000).contains(&reading.peso_entrada_g), "{reading:?}");
        assert!(reading.peso_medio_g > reading.peso_entrada_g && reading.peso_medio_g <= 707_000, "{reading:?}");
        assert!((14..=84).contains(&reading.quantidade_animais), "{reading:?}");
        assert!((6..=213).contains(&reading.dia_confinamento), "{reading:?}");
        assert!((2_200_000..=19_300_000).contains(&reading.consumo_real_mg), "{reading:?}");
        heaviest = heaviest.max(reading.peso_medio_g);
        longest = longest.max(reading.dia_confinamento);
        entries.insert(reading.peso_entrada_g);
    });
    assert!(heaviest > 690_000, "{heaviest}");
    assert_eq!(longest, 213);
    assert!(*entries.first().unwrap() < 200_000 && *entries.last().unwrap() > 480_000);
}

#[test]
fn the_intake_accepts_every_faultless_reading_unchanged() {
    let herd = herd(3, 60, 400);
    let (mut line, mut readings) = (Vec::new(), 0);
    visit(&herd, |reading| {
        line.clear();
        reading.write(LineFormat::Ndjson, &mut line);
        let read = record::Reading::parse(&line).unwrap();
        assert_eq!((read.peso_medio * 1e3).round(), f64::from(reading.peso_medio_g));
        assert_eq!((read.consumo_real * 1e6).round(), f64::from(reading.consumo_real_mg));
        assert_eq!(read.quantidade_animais as u32, reading.quantidade_animais);
        assert_eq!(read.id_lote, reading.id_lote.to_string());
        readings += 1;
    });
    assert!(readings > 60_000, "{readings}");
}

fn herd(farms: u32, lots: u32, days: u32) -> Herd {
    Herd::try_new(farms, lots, days, NaiveDate::from_ymd_opt(2023, 1, 1).unwrap(), 5).unwrap()
}

/// Returns the readings of each lot, in order of their days.
fn lives(herd: &Herd) -> Vec<Vec<Reading<'static>>> {
    let mut lots: BTreeMap<u64, Vec<Reading<'static>>> = BTreeMap::new();
    visit(herd, |reading| {
        lots.entry(reading.id_lote).or_default().push(Reading { cod_cliente: "", ..reading });
    });
    lots.into_values().collect()
}

/// Returns the date of each day and its intake relative to the mean of the 41 days around it, which removes the slow
/// trend. `None` before day 60, while lots adapt or may be ill, and around January 1.
fn off_trend(life: &[Reading<'_>]) -> Vec<Option<(NaiveDate, f64)>> {
    let off = |days: &[Reading<'_>]| {
        let ordinary = days[0].dia_confinamento >= 60 && days.iter().all(|day| day.data.ordinal() > 1);
        let mean = days.iter().map(|day| f64::from(day.consumo_real_mg)).sum::<f64>() / days.len() as f64;
        ordinary.then(|| (days[20].data, f64::from(days[20].consumo_real_mg) / mean - 1.0))
    };
    life.windows(41).map(off).collect()
}

#[test]
fn readings_have_the_day_to_day_variation_of_real_pens() {
    let (mut squares, mut products, mut count) = (0.0, 0.0, 0.0);
    for life in lives(&herd(8, 60, 730)) {
        for pair in off_trend(&life).windows(2) {
            if let [Some((_, one)), Some((_, next))] = pair {
                squares += one * one;
                products += one * next;
                count += 1.0;
            }
        }
    }
    let (variation, lag) = (f64::sqrt(squares / count), products / squares);
    assert!((variation - 0.077).abs() < 0.003, "{variation}");
    assert!((lag - 0.37).abs() < 0.03, "{lag}");
}

#[test]
fn weekends_rain_and_mill_stops_affect_all_lots_of_a_farm() {
    let herd = herd(8, 60, 730);
    let mean = |days: &[(usize, NaiveDate, f64)], which: &dyn Fn(usize, NaiveDate) -> bool| {
        let some: Vec<f64> = days.iter().filter(|day| which(day.0, day.1)).map(|day| day.2).collect();
        assert!(some.len() > 500, "{}", some.len());
        some.iter().sum::<f64>() / some.len() as f64
    };
    let farms: Vec<KeyedRng> = (0..8u32).map(|farm| KeyedRng::new(5).with(b'd').with(farm)).collect();
    let unix = |data: NaiveDate| (data - NaiveDate::default()).num_days() as u32;
    let mut days = Vec::new();
    let mut farm_of = BTreeMap::new();
    for unit in herd.files() {
        herd.deliveries(unit, &Faults::none(), |delivery| {
            farm_of.insert(delivery.reading.id_lote, unit.farm as usize);
        });
    }
    for life in lives(&herd) {
        let farm = farm_of[&life[0].id_lote];
        days.extend(off_trend(&life).into_iter().flatten().map(|(data, off)| (farm, data, off)));
    }
    let still = |farm: usize, data| feeding::is_stopped(farms[farm], unix(data));
    let hard = |farm: usize, data: NaiveDate| weather::rain(farms[farm], unix(data), data.month0() as usize) > 0.9;
    let dry = |farm: usize, data: NaiveDate| {
        let rains = |data: NaiveDate| weather::rain(farms[farm], unix(data), data.month0() as usize) > 0.0;
        !rains(data) && !rains(data.pred_opt().unwrap())
    };
    let sunday = |data: NaiveDate| data.weekday().num_days_from_monday() == 6;
    let wet_half = |data: NaiveDate| [11, 12, 1, 2, 3].contains(&data.month());
    let stopped = mean(&days, &|farm, data| still(farm, data)) - mean(&days, &|farm, data| !still(farm, data));
    assert!((stopped + 0.15).abs() < 0.02, "{stopped}");
    let weekend = mean(&days, &|_, data| sunday(data)) - mean(&days, &|_, data| !sunday(data));
    assert!((weekend + 0.037).abs() < 0.01, "{weekend}");
    let rain = mean(&days, &|farm, data| wet_half(data) && hard(farm, data))
        - mean(&days, &|farm, data| wet_half(data) && dry(farm, data));
    assert!((-0.14..-0.09).contains(&rain), "{rain}");
    // The same days of another farm show no effect: weather and stops are specific to each farm.
    let elsewhere = mean(&days, &|farm, data| still((farm + 1) % 8, data)) - mean(&days, &|_, _| true);
    assert!(elsewhere.abs() < 0.02, "{elsewhere}");
}

#[test]
fn intake_climbs_for_two_to_three_weeks_and_then_rises_slowly() {
    let mut by_day = vec![(0.0, 0.0); 214];
    visit(&herd(8, 200, 365), |reading| {
        let (sum, count) = &mut by_day[reading.dia_confinamento as usize];
        *sum += f64::from(reading.consumo_real_mg) / f64::from(reading.peso_medio_g);
        *count += 1.0;
    });
    let share = |day: usize| by_day[day - 1..=day + 1].iter().map(|(sum, count)| sum / count / 3.0).sum::<f64>();
    // Relative to the weight on that day, so that growth does not hide the end of the climb.
    let peak = share(21);
    assert!((0.78..0.90).contains(&(share(8) / peak)), "{}", share(8) / peak);
    assert!((0.97..1.02).contains(&(share(18) / peak)), "{}", share(18) / peak);
    assert!((0.93..1.02).contains(&(share(35) / peak)), "{}", share(35) / peak);
}

#[test]
fn weight_rises_evenly_with_at_most_five_steps() {
    let mut steps_down = 0;
    for life in lives(&herd(3, 60, 400)) {
        let gain = |day: &Reading<'_>| (day.peso_medio_g - day.peso_entrada_g) / day.dia_confinamento as i32;
        let exact =
            |day: &Reading<'_>| gain(day) * day.dia_confinamento as i32 == day.peso_medio_g - day.peso_entrada_g;
        assert!(life.iter().all(|day| exact(day) && gain(day) % 50 == 0), "{:?}", life[0]);
        let steps: Vec<i32> = life
            .windows(2)
            .filter(|pair| gain(&pair[0]) != gain(&pair[1]))
            .map(|pair| pair[1].peso_medio_g - pair[0].peso_medio_g)
            .collect();
        assert!(steps.len() <= 5, "{steps:?}");
        steps_down += steps.iter().filter(|&&step| step < 0).count();
    }
    assert!(steps_down > 200, "{steps_down}");
}

#[test]
fn a_lot_keeps_its_identity_loses_few_animals_and_rarely_changes_pens() {
    let lives = lives(&herd(3, 100, 800));
    let (mut entered, mut left, mut moved) = (0, 0, 0);
    // Lots seen from their first reading to their last.
    let whole: Vec<_> = lives.iter().filter(|life| life[0].dia_confinamento == 6 && life.len() >= 199).collect();
    assert!(whole.len() > 500, "{}", whole.len());
    for life in &whole {
        for pair in life.windows(2) {
            assert_eq!(pair[1].dia_confinamento, pair[0].dia_confinamento + 1);
            assert_eq!(pair[1].data, pair[0].data.succ_opt().unwrap());
            assert!(pair[1].quantidade_animais <= pair[0].quantidade_animais);
            assert_eq!((pair[1].id_raca, pair[1].peso_entrada_g), (pair[0].id_raca, pair[0].peso_entrada_g));
        }
        entered += life[0].quantidade_animais;
        left += life[life.len() - 1].quantidade_animais;
        moved += u32::from(life.windows(2).any(|pair| pair[1].id_curral != pair[0].id_curral));
    }
    let dead = f64::from(entered - left) / f64::from(entered);
    // Of the 1.5 %, some die before the first reading.
    assert!((0.0120..0.0165).contains(&dead), "{dead}");
    let moved = f64::from(moved) / whole.len() as f64;
    assert!((0.2..0.45).contains(&moved), "{moved}");
}

#[test]
fn on_new_year_eight_of_thirteen_lots_read_about_half_more() {
    let (mut ratios, mut at_the_bound, mut readings) = (Vec::new(), 0, 0);
    for life in lives(&herd(20, 200, 4)).iter().filter(|life| life.len() == 4) {
        let after = life[1..].iter().map(|day| f64::from(day.consumo_real_mg)).sum::<f64>() / 3.0;
        // Even 1.9 times as much stays below the largest real reading.
        if (5e6..10e6).contains(&after) {
            ratios.push(f64::from(life[0].consumo_real_mg) / after);
        }
        at_the_bound += life.iter().filter(|day| day.consumo_real_mg == 19_300_000).count();
        readings += 4;
    }
    let more = ratios.iter().filter(|&&ratio| ratio > 1.27).count() as f64 / ratios.len() as f64;
    assert!(ratios.len() > 300 && (more - 8.0 / 13.0).abs() < 0.06, "{more} of {}", ratios.len());
    assert!(at_the_bound * 1_000 < readings, "{at_the_bound} of {readings}");
}

#[test]
fn a_young_lot_has_the_daily_gain_of_real_ones() {
    let (mut gain, mut count) = (0.0, 0.0);
    visit(&herd(2, 200, 30), |reading| {
        if (24..=106).contains(&reading.dia_confinamento) {
            let gained = f64::from(reading.peso_medio_g - reading.peso_entrada_g) / 1e3;
            gain += gained / f64::from(reading.dia_confinamento);
            count += 1.0;
        }
    });
    // Mean of the 48 real readings of that age: 1.80 kg/day since entry.
    assert!((gain / count / 1.80 - 1.0).abs() < 0.03, "{}", gain / count);
}

#[test]
fn days_generated_in_reverse_order_are_the_same() {
    let herd = herd(3, 25, 120);
    let written = |unit| {
        let mut out = Vec::new();
        herd.write_unit(unit, LineFormat::Ndjson, &Faults::none(), &mut out);
        out
    };
    let forwards: Vec<Vec<u8>> = herd.files().map(written).collect();
    let units: Vec<_> = herd.files().collect();
    let backwards: Vec<Vec<u8>> = units.iter().rev().map(|&unit| written(unit)).collect();
    assert!(forwards.iter().eq(backwards.iter().rev()));
    assert!(forwards.iter().all(|file| !file.is_empty()));
}
