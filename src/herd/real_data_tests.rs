//! Tests only: generated readings beside the 52 real ones in `samples/real`. Owns the comparison reading by reading; means and ranges of all
//! 912 are in `calibration`. The same figures with pictures: `docs/herd.md`.

use chrono::NaiveDate;

use super::{Faults, Herd};
use pipeline::record::Reading;

const FILES: [&str; 4] = [
    include_str!("../../samples/real/FazendaUm_Consumo_20230101.json"),
    include_str!("../../samples/real/FazendaUm_Consumo_20230102.json"),
    include_str!("../../samples/real/FazendaUm_Consumo_20230103.json"),
    include_str!("../../samples/real/FazendaUm_Consumo_20230104.json"),
];

/// One reading as it is compared.
#[derive(Debug, Clone, Copy)]
struct Point {
    day: i32,
    /// Since entry, kg/day.
    gain: f64,
    /// Of live weight, %.
    intake: f64,
    is_new_year: bool,
}

fn real() -> Vec<Point> {
    let lines = FILES.into_iter().flat_map(str::lines);
    let point = |reading: Reading| Point {
        day: reading.dia_confinamento,
        gain: (reading.peso_medio - reading.peso_entrada) / f64::from(reading.dia_confinamento),
        intake: 100.0 * reading.consumo_real / reading.peso_medio,
        is_new_year: reading.data.date_naive() == NaiveDate::from_ymd_opt(2023, 1, 1).unwrap(),
    };
    lines.map(|line| point(Reading::parse(line.as_bytes()).unwrap())).collect()
}

/// The same days of other farms, of lots as old as the real ones.
fn generated() -> Vec<Point> {
    let start = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
    let herd = Herd::try_new(20, 200, 4, start, 1).unwrap();
    let mut points = Vec::new();
    for unit in herd.files() {
        herd.deliveries(unit, &Faults::none(), |delivery| {
            let reading = delivery.reading;
            let (entry, weight) = (f64::from(reading.peso_entrada_g), f64::from(reading.peso_medio_g));
            points.push(Point {
                day: reading.dia_confinamento as i32,
                gain: (weight - entry) / 1e3 / f64::from(reading.dia_confinamento),
                intake: 100.0 * f64::from(reading.consumo_real_mg) / 1e3 / weight,
                is_new_year: reading.data == start,
            });
        });
    }
    points.retain(|point| (6..=106).contains(&point.day));
    points
}

/// The distance of Kolmogorov and Smirnov: how far the shares of two samples below any value are apart at most.
fn distance(one: &[f64], other: &[f64]) -> f64 {
    let below = |sample: &[f64], value: f64| {
        sample.iter().filter(|&&found| found <= value).count() as f64 / sample.len() as f64
    };
    one.iter().map(|&value| (below(one, value) - below(other, value)).abs()).fold(0.0, f64::max)
}

#[test]
fn there_are_fifty_two_real_readings() {
    assert_eq!(real().len(), 52);
    assert!(generated().len() > 5_000);
}

#[test]
fn every_real_gain_is_the_middle_one_of_generated_lots_of_that_age() {
    let generated = generated();
    for point in real() {
        let mut gains: Vec<f64> =
            generated.iter().filter(|other| other.day == point.day).map(|other| other.gain).collect();
        gains.sort_by(f64::total_cmp);
        let between = |low: f64, high: f64| {
            let at = |share: f64| gains[(share * (gains.len() - 1) as f64) as usize];
            (at(low) - 0.001..=at(high) + 0.001).contains(&point.gain)
        };
        // Lots are weighed on days around the one on which the real farm revises its gain.
        let revised = (77..=86).contains(&point.day);
        assert!(if revised { between(0.02, 0.98) } else { between(0.25, 0.75) }, "{point:?} {gains:?}");
    }
}

#[test]
fn intake_of_live_weight_on_ordinary_days_is_that_of_the_real_farm() {
    let ordinary = |points: Vec<Point>| -> Vec<f64> {
        points.into_iter().filter(|point| !point.is_new_year).map(|point| point.intake).collect()
    };
    let (real, generated) = (ordinary(real()), ordinary(generated()));
    let distance = distance(&real, &generated);
    // 39 readings, but of 13 lots: samples of 13 of one and the same distribution are further apart than 0.36 one time in twenty.
    assert!(distance < 0.2, "{distance}");
    let mean = |sample: &[f64]| sample.iter().sum::<f64>() / sample.len() as f64;
    assert!((mean(&real) / mean(&generated) - 1.0).abs() < 0.05, "{} {}", mean(&real), mean(&generated));
}

#[test]
fn every_real_reading_of_an_ordinary_day_is_one_that_could_have_been_generated() {
    let generated = generated();
    for point in real().into_iter().filter(|point| !point.is_new_year) {
        let near = generated.iter().filter(|other| (other.day - point.day).abs() <= 5 && !other.is_new_year);
        let (least, max) =
            near.fold((f64::MAX, 0.0_f64), |(least, most), other| (least.min(other.intake), most.max(other.intake)));
        assert!((least..=max).contains(&point.intake), "{point:?} {least} {max}");
    }
}
