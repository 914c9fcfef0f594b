//! Content of files with injected faults.

use std::collections::{BTreeMap, HashSet};

use chrono::NaiveDate;
use serde_json::Value;

use super::*;
use crate::herd::COLUMNS;

fn herd() -> Herd {
    Herd::try_new(5, 40, 300, NaiveDate::from_ymd_opt(2024, 2, 20).unwrap(), 11).unwrap()
}

fn all(herd: &Herd, format: LineFormat, faults: &str) -> (String, FileStats) {
    let faults = Faults::parse(faults).unwrap();
    let (mut out, mut total) = (Vec::new(), FileStats::default());
    for unit in herd.files() {
        total += herd.write_unit(unit, format, &faults, &mut out);
    }
    (String::from_utf8(out).unwrap(), total)
}

fn natural_key(reading: &Value) -> [String; 4] {
    ["cod_cliente", "id_curral", "id_lote", "data"].map(|field| reading[field].as_str().unwrap().to_owned())
}

#[test]
fn every_line_of_a_faultless_set_is_json_with_the_ten_fields_in_order() {
    let (text, stats) = all(&herd(), LineFormat::Ndjson, "");
    assert_eq!(text.lines().count() as u64, stats.readings);
    for line in text.lines() {
        let reading: Value = serde_json::from_str(line).unwrap();
        assert_eq!(reading.as_object().unwrap().len(), 10);
        let places: Vec<usize> = COLUMNS.iter().map(|field| line.find(&format!("\"{field}\":")).unwrap()).collect();
        assert!(places.is_sorted());
        for field in ["id_curral", "id_raca", "id_lote", "quantidade_animais", "dia_confinamento"] {
            assert!(reading[field].as_str().unwrap().parse::<u64>().is_ok());
        }
        for field in ["peso_entrada", "peso_medio", "consumo_real"] {
            assert!(reading[field].as_f64().unwrap() > 0.0);
        }
    }
}

#[test]
fn natural_keys_are_unique_and_a_pen_has_one_lot_per_day() {
    let (text, stats) = all(&herd(), LineFormat::Ndjson, "");
    let (mut keys, mut pens) = (HashSet::new(), HashSet::new());
    for line in text.lines() {
        let key = natural_key(&serde_json::from_str(line).unwrap());
        assert!(pens.insert((key[1].clone(), key[3].clone())));
        assert!(keys.insert(key));
    }
    assert_eq!(keys.len() as u64, stats.readings);
}

#[test]
fn a_csv_file_has_a_header_and_the_readings_of_the_json_file() {
    let unit = FileUnit { farm: 2, day: 77 };
    let (mut csv, mut json) = (Vec::new(), Vec::new());
    herd().write_unit(unit, LineFormat::Csv, &Faults::none(), &mut csv);
    herd().write_unit(unit, LineFormat::Ndjson, &Faults::none(), &mut json);
    let (csv, json) = (String::from_utf8(csv).unwrap(), String::from_utf8(json).unwrap());
    assert_eq!(csv.lines().next(), Some(COLUMNS.join(",").as_str()));
    assert_eq!(csv.lines().count(), json.lines().count() + 1);
    for (row, line) in csv.lines().skip(1).zip(json.lines()) {
        let reading: Value = serde_json::from_str(line).unwrap();
        let fields: Vec<String> = COLUMNS.map(|field| reading[field].to_string().replace('"', "")).into();
        assert_eq!(row, fields.join(","));
    }
}

#[test]
fn a_larger_herd_repeats_the_readings_of_a_smaller_one() {
    let start = |day| NaiveDate::from_ymd_opt(2024, 3, day).unwrap();
    let small = Herd::try_new(3, 20, 5, start(10), 11).unwrap();
    let large = Herd::try_new(9, 30, 50, start(1), 11).unwrap();
    let lines = |herd| all(&herd, LineFormat::Ndjson, "").0.lines().map(str::to_owned).collect::<HashSet<_>>();
    assert!(lines(small).is_subset(&lines(large)));
}

#[test]
fn each_fault_occurs_at_its_rate() {
    let rate = |fault| match fault {
        Fault::Late | Fault::OutOfOrder => 0.05,
        Fault::Missing => 0.03,
        Fault::MissingDay => 0.1,
        Fault::Oversized => 0.0001,
        _ => 0.02,
    };
    let rates = format!("{},malformed.text=0.01", Fault::ALL.map(|fault| format!("{fault}={}", rate(fault))).join(","));
    let faults = Faults::parse(&rates).unwrap();
    let (_, faultless) = all(&herd(), LineFormat::Ndjson, "");
    let (text, stats) = all(&herd(), LineFormat::Ndjson, &rates);
    for fault in Fault::ALL.into_iter().filter(|&fault| fault != Fault::Oversized) {
        let share = stats.faults.get(fault) as f64 / faultless.readings as f64;
        assert!((share / faults.rate(fault) - 1.0).abs() < 0.15, "{fault}: {share}");
    }
    let count = |fault| stats.faults.get(fault);
    assert!((1..20).contains(&count(Fault::Oversized)));
    let twice = count(Fault::Duplicate) + count(Fault::Corrected);
    let expected = faultless.readings + twice - count(Fault::Missing) - count(Fault::MissingDay);
    assert_eq!(stats.readings, expected);
    assert_eq!(text.lines().count() as u64, expected);
}

#[test]
fn a_missing_day_has_no_reading_anywhere() {
    let herd = herd();
    let faults = Faults::parse("missing_day=0.2,late=0.3").unwrap();
    let (mut lost, mut delivered) = (HashSet::new(), HashSet::new());
    for unit in herd.files() {
        herd.deliveries(unit, &faults, |delivery| {
            let day = (unit.farm, delivery.reading.data);
            let is_lost = delivery.fault.is_some_and(|chosen| chosen.fault == Fault::MissingDay);
            if is_lost {
                lost.insert(day)
            } else {
                delivered.insert(day)
            };
        });
    }
    assert!(lost.is_disjoint(&delivered));
    assert!((240..360).contains(&lost.len()), "{} of {}", lost.len(), delivered.len());
}

#[test]
fn only_out_of_order_readings_move() {
    let herd = herd();
    let (mut moved, mut farthest) = (0, 0);
    for unit in herd.files() {
        let order = |faults: &str| {
            let mut pens = Vec::new();
            herd.deliveries(unit, &Faults::parse(faults).unwrap(), |delivery| {
                pens.push((delivery.reading.id_curral, delivery.fault.is_some()));
            });
            pens
        };
        let (truth, found) = (order(""), order("out_of_order=0.2"));
        let place = |pen: u64| truth.iter().position(|&(other, _)| other == pen).unwrap();
        let places: Vec<(usize, bool)> = found.iter().map(|&(pen, wrong)| (place(pen), wrong)).collect();
        assert!(places.iter().filter(|(_, wrong)| !wrong).is_sorted());
        for (at, &(place, wrong)) in places.iter().enumerate() {
            let overtaken = places[..at].iter().filter(|(before, _)| *before > place).count();
            assert_eq!(wrong, overtaken > 0);
            moved += usize::from(wrong);
            farthest = farthest.max(overtaken);
        }
        assert_eq!(found.len(), truth.len());
    }
    assert!(moved > 5_000 && farthest >= 20, "{moved} {farthest}");
}

#[test]
fn late_readings_come_one_to_three_days_later_and_none_is_lost() {
    let herd = herd();
    let faults = Faults::parse("late=0.3").unwrap();
    let (mut delays, mut delivered) = (BTreeMap::new(), Vec::new());
    for unit in herd.files() {
        herd.deliveries(unit, &faults, |delivery| {
            let delay = herd.date(unit.day).signed_duration_since(delivery.reading.data).num_days();
            assert_eq!(delivery.fault.is_some(), delay > 0);
            *delays.entry(delay).or_insert(0) += 1;
            delivery.reading.write(LineFormat::Ndjson, &mut delivered);
        });
    }
    assert_eq!(delays.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let (truth, _) = all(&herd, LineFormat::Ndjson, "");
    assert!(sorted(&String::from_utf8(delivered).unwrap()) == sorted(&truth));
}

#[test]
fn a_history_shorter_than_the_delay_still_delivers_everything() {
    for days in 1..5 {
        let herd = Herd::try_new(3, 50, days, NaiveDate::from_ymd_opt(2023, 1, 1).unwrap(), 2).unwrap();
        let (text, stats) = all(&herd, LineFormat::Ndjson, "late=1");
        let (truth, _) = all(&herd, LineFormat::Ndjson, "");
        assert_eq!(text.lines().collect::<HashSet<_>>(), truth.lines().collect::<HashSet<_>>());
        assert_eq!(text.len(), truth.len());
        assert_eq!(stats.faults.get(Fault::Late) == 0, days == 1);
    }
}

#[test]
fn a_zero_intake_is_still_a_reading() {
    let (text, _) = all(&herd(), LineFormat::Ndjson, "zero=1");
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["consumo_real"] == 0));
}

#[test]
fn an_unknown_farm_is_in_no_herd() {
    let (text, _) = all(&herd(), LineFormat::Ndjson, "unknown_farm=1");
    assert!(text.lines().all(|line| line.ends_with(&format!("\"{UNKNOWN_FARM}\"}}"))));
    assert!((0..crate::herd::MAX_FARMS).all(|farm| crate::herd::cod_cliente(farm) != UNKNOWN_FARM));
}

#[test]
fn a_correction_follows_the_wrong_reading_with_the_same_key() {
    let (text, _) = all(&herd(), LineFormat::Ndjson, "corrected=1");
    let (truth, _) = all(&herd(), LineFormat::Ndjson, "");
    let lines: Vec<&str> = text.lines().collect();
    let (pairs, rest) = lines.as_chunks::<2>();
    assert!(rest.is_empty());
    for ([wrong, right], true_line) in pairs.iter().zip(truth.lines()) {
        assert_eq!(*right, true_line);
        assert_ne!(wrong, right);
        let key = |line: &str| natural_key(&serde_json::from_str(line).unwrap());
        assert_eq!(key(wrong), key(right));
    }
}
