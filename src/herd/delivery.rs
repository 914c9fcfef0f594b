//! What a file holds. Owns carrying out faults, delivering late, and writing the lines of a unit; leaves which fault befalls
//! a reading to `faults` and the bytes of a line to `print`.
//!
//! A unit is a pure function of herd, faults and its own place. It costs the same on any day: only late readings make
//! it look back, three days at most.

use super::faults::{Fault, FaultCounts, Faults};
use super::print::{Format, Intake};
use super::reading::{Farm, Reading};
use super::{FileUnit, Herd};

/// A late reading is this many days late at most.
const LATEST_DAYS: u32 = 3;

/// A reading on its way: what it truly is, and what is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery<'a> {
    /// The reading as the history has it, before the fault.
    pub reading: Reading<'a>,
    /// What goes wrong with it, if anything.
    pub fault: Option<Fault>,
}

/// What was written of a unit, or of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitStats {
    /// Lines that stand for a reading: all lines but headers, duplicates and broken ones included.
    pub readings: u64,
    /// Readings each kind of fault happened to.
    pub faults: FaultCounts,
}

impl std::ops::AddAssign for UnitStats {
    fn add_assign(&mut self, other: Self) {
        self.readings += other.readings;
        self.faults += other.faults;
    }
}

impl Herd {
    /// Hands over what becomes of the readings that a file holds or should hold: first those of its day by pen, then the
    /// late ones of the days before, oldest first.
    ///
    /// Every reading of the history is handed over once, by exactly one unit; missing ones by that of their own day.
    /// On the last day nothing can be late any more: it takes all late readings that are left, and its own are in time.
    pub fn deliveries(&self, unit: FileUnit, faults: &Faults, mut each: impl FnMut(Delivery<'_>)) {
        let farm = Farm::new(self, unit.farm);
        self.deliver_own(&farm, unit, faults, &mut each);
        if faults.rate(Fault::Late) > 0.0 {
            for back in (1..=LATEST_DAYS.min(unit.day)).rev() {
                self.deliver_late(&farm, unit, back, faults, &mut each);
            }
        }
    }

    fn deliver_own(&self, farm: &Farm, unit: FileUnit, faults: &Faults, each: &mut impl FnMut(Delivery<'_>)) {
        let (data, unix_day) = (self.date(unit.day), self.unix_day(unit.day));
        for pen in 0..self.lots {
            let fault = faults.choose(farm.delivery_chance(pen, unix_day));
            let late = fault == Some(Fault::Late);
            if late && !self.is_last(unit.day) {
                continue;
            }
            if let Some(reading) = farm.reading(pen, unix_day, data) {
                each(Delivery { reading, fault: fault.filter(|_| !late) });
            }
        }
    }

    fn deliver_late(
        &self,
        farm: &Farm,
        unit: FileUnit,
        back: u32,
        faults: &Faults,
        each: &mut impl FnMut(Delivery<'_>),
    ) {
        let day = unit.day - back;
        let (data, unix_day) = (self.date(day), self.unix_day(day));
        for pen in 0..self.lots {
            let chance = farm.delivery_chance(pen, unix_day);
            if faults.choose(chance) != Some(Fault::Late) {
                continue;
            }
            let late_by = chance.with(b'd').between(1, LATEST_DAYS);
            let arrives = late_by == back || (late_by > back && self.is_last(unit.day));
            if let Some(reading) = farm.reading(pen, unix_day, data).filter(|_| arrives) {
                each(Delivery { reading, fault: Some(Fault::Late) });
            }
        }
    }

    fn is_last(&self, day: u32) -> bool {
        day + 1 >= self.days
    }

    /// Appends a whole file to `out`, header included if the format has one, and says what it holds.
    pub fn write_unit(&self, unit: FileUnit, format: Format, faults: &Faults, out: &mut Vec<u8>) -> UnitStats {
        let mut stats = UnitStats::default();
        out.extend_from_slice(format.header());
        self.deliveries(unit, faults, |delivery| {
            stats.readings += delivery.write(format, out);
            if let Some(fault) = delivery.fault {
                stats.faults.count(fault);
            }
        });
        stats
    }
}

impl Delivery<'_> {
    /// Appends the lines the file gets for it, and says how many: none, one or two.
    pub fn write(&self, format: Format, out: &mut Vec<u8>) -> u64 {
        let reading = self.reading;
        match self.fault {
            None | Some(Fault::Late) => reading.write(format, out),
            Some(Fault::Missing) => return 0,
            Some(Fault::Zero) => Reading { consumo_real_mg: 0, ..reading }.write(format, out),
            Some(Fault::Negative) => {
                Reading { peso_medio_g: -reading.peso_medio_g, ..reading }.write(format, out);
            }
            Some(Fault::Text) => reading.write_with(format, Intake::Word, out),
            Some(Fault::Malformed) => self.write_broken(format, out),
            Some(Fault::Duplicate) => {
                reading.write(format, out);
                reading.write(format, out);
                return 2;
            }
            Some(Fault::Correction) => {
                self.wrong_intake().write(format, out);
                reading.write(format, out);
                return 2;
            }
        }
        1
    }

    /// The line without its end: cut before the last comma, so that neither JSON nor ten fields are left.
    fn write_broken(&self, format: Format, out: &mut Vec<u8>) {
        let begin = out.len();
        self.reading.write(format, out);
        let last_comma = out[begin..].iter().rposition(|&byte| byte == b',').unwrap_or(1);
        // Intake in milligrams is as good as a random number, and belongs to the reading alone.
        let kept = 1 + self.reading.consumo_real_mg.unsigned_abs() as usize % last_comma.max(1);
        out.truncate(begin + kept);
        out.push(b'\n');
    }

    /// The reading as it was first, wrongly, delivered: an eighth too much, as feed left from the day before does.
    fn wrong_intake(&self) -> Reading<'_> {
        let eaten = self.reading.consumo_real_mg;
        Reading { consumo_real_mg: eaten + eaten / 8, ..self.reading }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use chrono::NaiveDate;
    use serde_json::Value;

    use super::*;
    use crate::herd::COLUMNS;

    fn herd() -> Herd {
        Herd::try_new(5, 40, 300, NaiveDate::from_ymd_opt(2024, 2, 20).unwrap(), 11).unwrap()
    }

    fn all(herd: &Herd, format: Format, faults: &str) -> (String, UnitStats) {
        let faults = Faults::parse(faults).unwrap();
        let (mut out, mut total) = (Vec::new(), UnitStats::default());
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
        let (text, stats) = all(&herd(), Format::Ndjson, "");
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
    fn natural_keys_are_unique_and_so_is_the_lot_of_a_pen_on_a_day() {
        let (text, stats) = all(&herd(), Format::Ndjson, "");
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
        herd().write_unit(unit, Format::Csv, &Faults::none(), &mut csv);
        herd().write_unit(unit, Format::Ndjson, &Faults::none(), &mut json);
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
        let lines = |herd| all(&herd, Format::Ndjson, "").0.lines().map(str::to_owned).collect::<HashSet<_>>();
        assert!(lines(small).is_subset(&lines(large)));
    }

    #[test]
    fn each_fault_happens_as_often_as_asked() {
        let rates =
            "duplicate=0.02,malformed=0.01,late=0.05,missing=0.03,zero=0.02,negative=0.01,text=0.01,correction=0.02";
        let faults = Faults::parse(rates).unwrap();
        let (_, faultless) = all(&herd(), Format::Ndjson, "");
        let (text, stats) = all(&herd(), Format::Ndjson, rates);
        for fault in Fault::ALL {
            let share = stats.faults.get(fault) as f64 / faultless.readings as f64;
            assert!((share / faults.rate(fault) - 1.0).abs() < 0.15, "{fault}: {share}");
        }
        let count = |fault| stats.faults.get(fault);
        let expected = faultless.readings + count(Fault::Duplicate) + count(Fault::Correction) - count(Fault::Missing);
        assert_eq!(stats.readings, expected);
        assert_eq!(text.lines().count() as u64, expected);
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
                delivery.reading.write(Format::Ndjson, &mut delivered);
            });
        }
        assert_eq!(delays.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let (truth, _) = all(&herd, Format::Ndjson, "");
        assert!(sorted(&String::from_utf8(delivered).unwrap()) == sorted(&truth));
    }

    #[test]
    fn a_history_shorter_than_the_delay_still_delivers_everything() {
        for days in 1..5 {
            let herd = Herd::try_new(3, 50, days, NaiveDate::from_ymd_opt(2023, 1, 1).unwrap(), 2).unwrap();
            let (text, stats) = all(&herd, Format::Ndjson, "late=1");
            let (truth, _) = all(&herd, Format::Ndjson, "");
            assert_eq!(text.lines().collect::<HashSet<_>>(), truth.lines().collect::<HashSet<_>>());
            assert_eq!(text.len(), truth.len());
            assert_eq!(stats.faults.get(Fault::Late) == 0, days == 1);
        }
    }

    #[test]
    fn broken_lines_are_neither_json_nor_ten_fields_nor_empty() {
        let (json, stats) = all(&herd(), Format::Ndjson, "malformed=1");
        assert_eq!(stats.readings, stats.faults.get(Fault::Malformed));
        assert!(json.lines().all(|line| !line.is_empty() && serde_json::from_str::<Value>(line).is_err()));
        let (csv, _) = all(&herd(), Format::Csv, "malformed=1");
        assert!(
            csv.lines()
                .filter(|line| !line.starts_with("id_"))
                .all(|row| !row.is_empty() && row.split(',').count() < 10)
        );
    }

    #[test]
    fn faulty_values_are_still_json_but_wrong_in_their_one_field() {
        let check = |faults: &str, wrong: &dyn Fn(&Value) -> bool| {
            let (text, _) = all(&herd(), Format::Ndjson, faults);
            assert!(text.lines().all(|line| wrong(&serde_json::from_str(line).unwrap())), "{faults}");
        };
        check("zero=1", &|reading| reading["consumo_real"] == 0);
        check("negative=1", &|reading| reading["peso_medio"].as_f64().unwrap() < 0.0);
        check("text=1", &|reading| reading["consumo_real"] == "n/d");
    }

    #[test]
    fn a_correction_is_a_second_reading_of_the_same_key_and_ends_with_the_truth() {
        let (text, _) = all(&herd(), Format::Ndjson, "correction=1");
        let (truth, _) = all(&herd(), Format::Ndjson, "");
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
}
