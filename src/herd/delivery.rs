//! What a file holds. Owns carrying out faults, delivering late and out of order, and writing the lines of a unit; leaves which
//! fault befalls a reading to `faults`, broken lines to `malformed` and the bytes of a line to `print`.
//!
//! A unit is a pure function of herd, faults and its own place. It costs the same on any day: only late readings make
//! it look back, three days at most.

use super::chance::Chance;
use super::faults::{Chosen, Fault, FaultCounts, Faults};
use super::print::Format;
use super::reading::{Farm, Reading};
use super::{FileUnit, Herd};
use crate::record::MAX_MESSAGE_BYTES;

/// A late reading is this many days late at most.
const LATEST_DAYS: u32 = 3;

/// A reading out of order is behind the next so many readings of its file at most.
const FARTHEST_BEHIND: u32 = 20;

/// The number that stands for all pens of a farm, where chance is that of a whole day.
const ALL_PENS: u32 = u32::MAX;

/// The farm that is none of any herd's.
const UNKNOWN_FARM: &str = "FazendaDesconhecida";

/// The field that makes an oversized reading so long.
const REMARK: &str = "observacao";

/// A reading on its way: what it truly is, and what is done to it.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The reading as the history has it, before the fault.
    pub reading: Reading<'a>,
    /// What goes wrong with it, if anything.
    pub fault: Option<Chosen>,
    chance: Chance,
}

/// A line that was written, or a reading that gets none.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// The reading as it is delivered; of a malformed line, and of one that is never delivered, as it should have been.
    pub reading: Reading<'a>,
    /// What is wrong with this line: of a duplicate the repeat, of a correction what corrects.
    pub fault: Option<Chosen>,
    /// Its bytes, line feed included; empty where there is no line, or none is printed.
    pub bytes: &'a [u8],
}

impl Line<'_> {
    /// Whether it is delivered at all.
    pub fn is_delivered(&self) -> bool {
        !self.fault.is_some_and(|chosen| matches!(chosen.fault, Fault::Missing | Fault::MissingDay))
    }
}

/// What was written of a unit, or of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitStats {
    /// Lines that stand for a reading: all lines but headers, duplicates and broken ones included.
    pub readings: u64,
    /// Readings each kind of fault happened to.
    pub faults: FaultCounts,
}

impl UnitStats {
    /// Whether a file has nothing in it because its whole day is missing: there is no such file then.
    pub fn is_lost(&self) -> bool {
        self.readings == 0 && self.faults.get(Fault::MissingDay) > 0
    }
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
    /// Every reading of the history is handed over once, by exactly one unit; those never delivered by that of their own
    /// day. On the last day nothing can be late any more: it takes all late readings that are left, and its own are in time.
    pub fn deliveries(&self, unit: FileUnit, faults: &Faults, mut each: impl FnMut(Delivery<'_>)) {
        let farm = Farm::new(self, unit.farm);
        if self.loses_day(&farm, unit.day, faults) {
            self.lose_own(&farm, unit, &mut each);
        } else {
            self.deliver_own(&farm, unit, faults, &mut each);
        }
        if faults.rate(Fault::Late) > 0.0 {
            for back in (1..=LATEST_DAYS.min(unit.day)).rev() {
                self.deliver_late(&farm, unit, back, faults, &mut each);
            }
        }
    }

    fn loses_day(&self, farm: &Farm, day: u32, faults: &Faults) -> bool {
        faults.rate(Fault::MissingDay) > 0.0 && faults.loses_day(farm.delivery_chance(ALL_PENS, self.unix_day(day)))
    }

    fn lose_own(&self, farm: &Farm, unit: FileUnit, each: &mut impl FnMut(Delivery<'_>)) {
        let unix_day = self.unix_day(unit.day);
        let today = farm.day(unix_day, self.date(unit.day));
        for pen in 0..self.lots {
            if let Some(reading) = today.reading(pen) {
                let chance = farm.delivery_chance(pen, unix_day);
                each(Delivery { reading, fault: Some(Fault::MissingDay.into()), chance });
            }
        }
    }

    fn deliver_own(&self, farm: &Farm, unit: FileUnit, faults: &Faults, each: &mut impl FnMut(Delivery<'_>)) {
        let unix_day = self.unix_day(unit.day);
        let today = farm.day(unix_day, self.date(unit.day));
        if !faults.happen() {
            let chance = farm.delivery_chance(ALL_PENS, unix_day); // nobody asks it
            let readings = (0..self.lots).filter_map(|pen| today.reading(pen));
            return readings.for_each(|reading| each(Delivery { reading, fault: None, chance }));
        }
        let mut held = Held::default();
        for pen in 0..self.lots {
            let chance = farm.delivery_chance(pen, unix_day);
            let chosen = faults.choose(chance);
            let fault = chosen.map(|chosen| chosen.fault);
            if fault == Some(Fault::Late) && !self.is_last(unit.day) {
                continue;
            }
            let Some(reading) = today.reading(pen) else { continue };
            let delivery = Delivery { reading, fault: chosen, chance };
            match fault {
                Some(Fault::OutOfOrder) => held.take(delivery),
                Some(Fault::Late) => held.pass(delivery.faultless(), each),
                Some(Fault::Missing) => each(delivery),
                _ => held.pass(delivery, each),
            }
        }
        held.release(each);
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
        if self.loses_day(farm, day, faults) {
            return;
        }
        let unix_day = self.unix_day(day);
        let today = farm.day(unix_day, self.date(day));
        for pen in 0..self.lots {
            let chance = farm.delivery_chance(pen, unix_day);
            let Some(fault) = faults.choose(chance).filter(|chosen| chosen.fault == Fault::Late) else { continue };
            let late_by = chance.with(b'd').between(1, LATEST_DAYS);
            let arrives = late_by == back || (late_by > back && self.is_last(unit.day));
            if let Some(reading) = today.reading(pen).filter(|_| arrives) {
                each(Delivery { reading, fault: Some(fault), chance });
            }
        }
    }

    fn is_last(&self, day: u32) -> bool {
        day + 1 >= self.days
    }

    /// Appends a whole file to `out`, header included if the format has one, and says what it holds.
    pub fn write_unit(&self, unit: FileUnit, format: Format, faults: &Faults, out: &mut Vec<u8>) -> UnitStats {
        out.extend_from_slice(format.header());
        self.write_lines(unit, format, faults, out, |_| {})
    }

    /// Appends the lines of a file, without the header, and hands over each as it was written, and each reading that gets none.
    pub fn write_lines(
        &self,
        unit: FileUnit,
        format: Format,
        faults: &Faults,
        out: &mut Vec<u8>,
        each: impl FnMut(&Line<'_>),
    ) -> UnitStats {
        self.each_line(unit, Some(format), faults, out, each)
    }

    /// As [`Herd::write_lines`], but nothing is printed: the readings are for a form that has no lines.
    pub fn each_reading(&self, unit: FileUnit, faults: &Faults, each: impl FnMut(&Line<'_>)) -> UnitStats {
        self.each_line(unit, None, faults, &mut Vec::new(), each)
    }

    fn each_line(
        &self,
        unit: FileUnit,
        format: Option<Format>,
        faults: &Faults,
        out: &mut Vec<u8>,
        mut each: impl FnMut(&Line<'_>),
    ) -> UnitStats {
        let mut stats = UnitStats::default();
        self.deliveries(unit, faults, |delivery| {
            delivery.write(format, out, &mut |line| {
                stats.readings += u64::from(line.is_delivered());
                if let Some(chosen) = line.fault {
                    stats.faults.count(chosen.fault);
                }
                each(line);
            });
        });
        stats
    }
}

/// Readings that wait until enough of those that should follow them are delivered.
#[derive(Default)]
struct Held<'a>(Vec<(Delivery<'a>, u32)>);

impl<'a> Held<'a> {
    fn take(&mut self, delivery: Delivery<'a>) {
        self.0.push((delivery, delivery.chance.with(b'o').between(1, FARTHEST_BEHIND)));
    }

    /// Delivers a reading that has a line, and after it those that have waited long enough.
    fn pass(&mut self, delivery: Delivery<'a>, each: &mut impl FnMut(Delivery<'_>)) {
        each(delivery);
        if !self.0.is_empty() {
            self.0.iter_mut().for_each(|(_, behind)| *behind -= 1);
            self.0.extract_if(.., |(_, behind)| *behind == 0).for_each(|(delivery, _)| each(delivery));
        }
    }

    /// Delivers the rest at the end of the day, the last one first: behind that one nothing follows, so it is in order.
    fn release(self, each: &mut impl FnMut(Delivery<'_>)) {
        let last = self.0.len().saturating_sub(1);
        for (at, (delivery, behind)) in self.0.into_iter().enumerate().rev() {
            let waited = behind < delivery.chance.with(b'o').between(1, FARTHEST_BEHIND);
            each(if at == last && !waited { delivery.faultless() } else { delivery });
        }
    }
}

impl Delivery<'_> {
    fn faultless(self) -> Self {
        Self { fault: None, ..self }
    }

    /// Appends the lines the file gets for it in this format, none, one or two, and hands each over; where there is none, the
    /// reading.
    fn write(&self, format: Option<Format>, out: &mut Vec<u8>, each: &mut impl FnMut(&Line<'_>)) {
        let (reading, fault) = (self.reading, self.fault);
        let mut line = |reading: Reading<'_>, fault: Option<Chosen>| {
            let begin = out.len();
            if let Some(format) = format {
                self.print(&reading, fault, format, out);
            }
            each(&Line { reading, fault, bytes: &out[begin..] });
        };
        match fault.map(|chosen| chosen.fault) {
            Some(Fault::Duplicate) => line(reading, None),
            Some(Fault::Corrected) => line(self.wrong_intake(), None),
            Some(Fault::Zero) => return line(Reading { consumo_real_mg: 0, ..reading }, fault),
            Some(Fault::UnknownFarm) => return line(Reading { cod_cliente: UNKNOWN_FARM, ..reading }, fault),
            _ => {}
        }
        line(reading, fault);
    }

    fn print(&self, reading: &Reading<'_>, fault: Option<Chosen>, format: Format, out: &mut Vec<u8>) {
        match fault {
            Some(Chosen { fault: Fault::Missing | Fault::MissingDay, .. }) => {}
            Some(Chosen { fault: Fault::Oversized, .. }) => reading.write_oversized(format, out),
            Some(Chosen { kind: Some(kind), .. }) => reading.write_malformed(kind, self.chance, format, out),
            _ => reading.write(format, out),
        }
    }

    /// The reading as it was first, wrongly, delivered: an eighth too much, as feed left from the day before does.
    fn wrong_intake(&self) -> Reading<'_> {
        let eaten = self.reading.consumo_real_mg;
        Reading { consumo_real_mg: eaten + eaten / 8, ..self.reading }
    }
}

impl Reading<'_> {
    /// The reading with a remark, so long that the message has just the bytes that the intake takes: with the attribute
    /// that names the farm it has too many for a topic. A CSV row becomes that message once its names are put to it.
    fn write_oversized(&self, format: Format, out: &mut Vec<u8>) {
        let begin = out.len();
        self.write(format, out);
        match format {
            Format::Ndjson => {
                out.truncate(out.len() - "}\n".len());
                out.extend_from_slice(format!(",\"{REMARK}\":\"").as_bytes());
                let end = begin + MAX_MESSAGE_BYTES - "\"}".len();
                out.resize(end, b'x');
                out.extend_from_slice(b"\"}\n");
            }
            Format::Csv => {
                out.truncate(out.len() - "\n".len());
                let message = super::message::of_row(&out[begin..]).len();
                let more = MAX_MESSAGE_BYTES - message - r#","column_11":"""#.len();
                out.push(b',');
                out.resize(out.len() + more, b'x');
                out.push(b'\n');
            }
        }
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
        let rates = "duplicate=0.02,malformed=0.02,late=0.05,out_of_order=0.05,missing=0.03,missing_day=0.1,zero=0.02,\
                     corrected=0.02,oversized=0.0001,unknown_farm=0.02,malformed.text=0.01";
        let faults = Faults::parse(rates).unwrap();
        let (_, faultless) = all(&herd(), Format::Ndjson, "");
        let (text, stats) = all(&herd(), Format::Ndjson, rates);
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
    fn what_is_out_of_order_stands_behind_what_should_follow_it_and_nothing_else_moves() {
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
    fn a_zero_is_still_a_reading() {
        let (text, _) = all(&herd(), Format::Ndjson, "zero=1");
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["consumo_real"] == 0));
    }

    #[test]
    fn an_unknown_farm_is_none_of_any_herd() {
        let (text, _) = all(&herd(), Format::Ndjson, "unknown_farm=1");
        assert!(text.lines().all(|line| line.ends_with(&format!("\"{UNKNOWN_FARM}\"}}"))));
        assert!((0..crate::herd::MAX_FARMS).all(|farm| crate::herd::cod_cliente(farm) != UNKNOWN_FARM));
    }

    #[test]
    fn a_correction_is_a_second_reading_of_the_same_key_and_ends_with_the_truth() {
        let (text, _) = all(&herd(), Format::Ndjson, "corrected=1");
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
