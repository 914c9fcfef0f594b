//! Tests only: does a herd look like the real ones? Owns the comparison with the real figures (DESIGN.md §2); the constants
//! that make it so are in `lot` and `pens`.

use chrono::NaiveDate;

use super::{Faults, Herd, Raca, Reading};

/// Means over readings, in the units of DESIGN.md §2.
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

/// Farms and pens that have about 228 lots on feed: 250 pens, 91 % of them reporting.
const SHAPES: [(u32, u32); 4] = [(1, 250), (5, 50), (50, 5), (250, 1)];

#[test]
fn any_228_lots_on_any_four_days_look_like_the_real_ones_from_the_first_day_on() {
    for seed in 0..25 {
        for (farms, lots) in SHAPES {
            let start = NaiveDate::from_ymd_opt(2015 + seed as i32, 1 + seed as u32 % 12, 1).unwrap();
            let means = means(&Herd::try_new(farms, lots, 4, start, seed).unwrap());
            assert!((850.0..=970.0).contains(&means.readings), "{means:?}");
            assert_like_real(&means, 0.10);
        }
    }
}

#[test]
fn a_large_herd_over_two_years_comes_closer_still() {
    let start = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
    assert_like_real(&means(&Herd::try_new(4, 100, 730, start, 8).unwrap()), 0.025);
}

#[test]
fn values_stay_within_the_real_ranges() {
    let start = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
    let herd = Herd::try_new(4, 250, 400, start, 3).unwrap();
    let mut heaviest = 0;
    let mut longest = 0;
    visit(&herd, |reading| {
        assert!((170_000..=500_000).contains(&reading.peso_entrada_g), "{reading:?}");
        assert!(reading.peso_medio_g > reading.peso_entrada_g && reading.peso_medio_g <= 707_000, "{reading:?}");
        assert!((14..=84).contains(&reading.quantidade_animais), "{reading:?}");
        assert!((6..=213).contains(&reading.dia_confinamento), "{reading:?}");
        assert!((2_200_000..=19_300_000).contains(&reading.consumo_real_mg), "{reading:?}");
        heaviest = heaviest.max(reading.peso_medio_g);
        longest = longest.max(reading.dia_confinamento);
    });
    assert!(heaviest > 690_000, "{heaviest}");
    assert_eq!(longest, 213);
}

#[test]
fn the_day_to_day_variation_seen_in_readings_is_that_of_pens() {
    let start = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
    let herd = Herd::try_new(1, 200, 120, start, 5).unwrap();
    let mut intake = vec![Vec::new(); 200];
    let mut pens: Vec<u64> = Vec::new();
    visit(&herd, |reading| {
        let pen = pens.iter().position(|&id| id == reading.id_curral).unwrap_or_else(|| {
            pens.push(reading.id_curral);
            pens.len() - 1
        });
        if reading.dia_confinamento >= 30 {
            intake[pen].push((reading.id_lote, reading.dia_confinamento, f64::from(reading.consumo_real_mg)));
        }
    });
    let (mut squares, mut products, mut count) = (0.0, 0.0, 0.0);
    for days in &intake {
        // Off the mean of the three weeks around: what is left once the slow change of intake is taken out.
        let off: Vec<f64> = days
            .windows(41)
            .filter(|window| window[0].0 == window[40].0 && window[40].1 == window[0].1 + 40)
            .map(|window| window[20].2 / (window.iter().map(|day| day.2).sum::<f64>() / 41.0) - 1.0)
            .collect();
        for pair in off.windows(2) {
            squares += pair[0] * pair[0];
            products += pair[0] * pair[1];
            count += 1.0;
        }
    }
    let (variation, lag) = (f64::sqrt(squares / count), products / squares);
    assert!((variation - 0.077).abs() < 0.005, "{variation}");
    assert!((lag - 0.37).abs() < 0.05, "{lag}");
}

#[test]
fn a_young_lot_gains_about_what_real_ones_gain_a_day() {
    let start = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
    let (mut gain, mut count) = (0.0, 0.0);
    visit(&Herd::try_new(2, 200, 10, start, 5).unwrap(), |reading| {
        if (24..=106).contains(&reading.dia_confinamento) {
            let gained = f64::from(reading.peso_medio_g - reading.peso_entrada_g) / 1e3;
            gain += gained / f64::from(reading.dia_confinamento);
            count += 1.0;
        }
    });
    // The 48 readings of that age in the real files: 1.80 kg/day since entry, on average.
    assert!((gain / count / 1.80 - 1.0).abs() < 0.10, "{}", gain / count);
}
