//! What a file holds. Owns carrying out faults, delivering late and out of order, and writing the lines of a unit; leaves which
//! fault befalls a reading to `faults`, broken lines to `malformed` and the bytes of a line to `encode`.
//!
//! A unit is a pure function of herd, faults and its own place. It costs the same on any day: only late readings make
//! it look back, three days at most.

use super::encode::LineFormat;
use super::fault::Fault;
use super::faults::{FaultCounts, Faults, InjectedFault};
use super::random::KeyedRng;
use super::reading::{Farm, Reading};
use super::{FileUnit, Herd};
use reorder::ReorderBuffer;

mod reorder;

/// A late reading is this many days late at most.
const LATEST_DAYS: u32 = 3;

/// The number that stands for all pens of a farm, where chance is that of a whole day.
const ALL_PENS: u32 = u32::MAX;

/// The farm that is none of any herd's.
const UNKNOWN_FARM: &str = "FazendaDesconhecida";

/// A reading on its way: what it truly is, and what is done to it.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The reading as the history has it, before the fault.
    pub reading: Reading<'a>,
    /// What goes wrong with it, if anything.
    pub fault: Option<InjectedFault>,
    pub(super) rng: KeyedRng,
}

/// A line that was written, or a reading that gets none.
#[derive(Debug, Clone, Copy)]
pub struct DeliveredLine<'a> {
    /// The reading as it is delivered; of a malformed line, and of one that is never delivered, as it should have been.
    pub reading: Reading<'a>,
    /// What is wrong with this line: of a duplicate the repeat, of a correction what corrects.
    pub fault: Option<InjectedFault>,
    /// Its bytes, line feed included; empty where there is no line, or none is printed.
    pub bytes: &'a [u8],
}

impl DeliveredLine<'_> {
    /// Whether it is delivered at all.
    pub fn is_delivered(&self) -> bool {
        !self.fault.is_some_and(|chosen| matches!(chosen.fault, Fault::Missing | Fault::MissingDay))
    }
}

/// What was written of a unit, or of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileStats {
    /// Lines that stand for a reading: all lines but headers, duplicates and broken ones included.
    pub readings: u64,
    /// Readings each kind of fault happened to.
    pub faults: FaultCounts,
}

impl FileStats {
    /// Whether a file has nothing in it because its whole day is missing: there is no such file then.
    pub fn is_lost(&self) -> bool {
        self.readings == 0 && self.faults.get(Fault::MissingDay) > 0
    }
}

impl std::ops::AddAssign for FileStats {
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
            self.drop_day(&farm, unit, &mut each);
        } else {
            self.deliver_day(&farm, unit, faults, &mut each);
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

    fn drop_day(&self, farm: &Farm, unit: FileUnit, each: &mut impl FnMut(Delivery<'_>)) {
        let unix_day = self.unix_day(unit.day);
        let today = farm.day(unix_day, self.date(unit.day));
        for pen in 0..self.lots {
            if let Some(reading) = today.reading(pen) {
                let rng = farm.delivery_chance(pen, unix_day);
                each(Delivery { reading, fault: Some(Fault::MissingDay.into()), rng });
            }
        }
    }

    fn deliver_day(&self, farm: &Farm, unit: FileUnit, faults: &Faults, each: &mut impl FnMut(Delivery<'_>)) {
        let unix_day = self.unix_day(unit.day);
        let today = farm.day(unix_day, self.date(unit.day));
        if !faults.happen() {
            let rng = farm.delivery_chance(ALL_PENS, unix_day); // nobody asks it
            let readings = (0..self.lots).filter_map(|pen| today.reading(pen));
            return readings.for_each(|reading| each(Delivery { reading, fault: None, rng }));
        }
        let mut held = ReorderBuffer::default();
        for pen in 0..self.lots {
            let chance = farm.delivery_chance(pen, unix_day);
            let chosen = faults.choose(chance);
            let fault = chosen.map(|chosen| chosen.fault);
            if fault == Some(Fault::Late) && !self.is_last(unit.day) {
                continue;
            }
            let Some(reading) = today.reading(pen) else { continue };
            let delivery = Delivery { reading, fault: chosen, rng: chance };
            match fault {
                Some(Fault::OutOfOrder) => held.hold_back(delivery),
                Some(Fault::Late) => held.deliver(delivery.faultless(), each),
                Some(Fault::Missing) => each(delivery),
                _ => held.deliver(delivery, each),
            }
        }
        held.flush(each);
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
            let rng = farm.delivery_chance(pen, unix_day);
            let Some(fault) = faults.choose(rng).filter(|chosen| chosen.fault == Fault::Late) else { continue };
            let late_by = rng.with(b'd').between(1, LATEST_DAYS);
            let arrives = late_by == back || (late_by > back && self.is_last(unit.day));
            if let Some(reading) = today.reading(pen).filter(|_| arrives) {
                each(Delivery { reading, fault: Some(fault), rng });
            }
        }
    }

    fn is_last(&self, day: u32) -> bool {
        day + 1 >= self.days
    }

    /// Appends a whole file to `out`, header included if the format has one, and says what it holds.
    pub fn write_unit(&self, unit: FileUnit, format: LineFormat, faults: &Faults, out: &mut Vec<u8>) -> FileStats {
        out.extend_from_slice(format.header());
        self.write_lines(unit, format, faults, out, |_| {})
    }

    /// Appends the lines of a file, without the header, and hands over each as it was written, and each reading that gets none.
    pub fn write_lines(
        &self,
        unit: FileUnit,
        format: LineFormat,
        faults: &Faults,
        out: &mut Vec<u8>,
        each: impl FnMut(&DeliveredLine<'_>),
    ) -> FileStats {
        self.each_line(unit, Some(format), faults, out, each)
    }

    /// As [`Herd::write_lines`], but nothing is printed: the readings are for a form that has no lines.
    pub fn each_reading(&self, unit: FileUnit, faults: &Faults, each: impl FnMut(&DeliveredLine<'_>)) -> FileStats {
        self.each_line(unit, None, faults, &mut Vec::new(), each)
    }

    fn each_line(
        &self,
        unit: FileUnit,
        format: Option<LineFormat>,
        faults: &Faults,
        out: &mut Vec<u8>,
        mut each: impl FnMut(&DeliveredLine<'_>),
    ) -> FileStats {
        let mut stats = FileStats::default();
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

impl Delivery<'_> {
    pub(super) fn faultless(self) -> Self {
        Self { fault: None, ..self }
    }

    /// Appends the lines the file gets for it in this format, none, one or two, and hands each over; where there is none, the
    /// reading.
    fn write(&self, format: Option<LineFormat>, out: &mut Vec<u8>, each: &mut impl FnMut(&DeliveredLine<'_>)) {
        let (reading, fault) = (self.reading, self.fault);
        let mut line = |reading: Reading<'_>, fault: Option<InjectedFault>| {
            let begin = out.len();
            if let Some(format) = format {
                self.print(&reading, fault, format, out);
            }
            each(&DeliveredLine { reading, fault, bytes: &out[begin..] });
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

    fn print(&self, reading: &Reading<'_>, fault: Option<InjectedFault>, format: LineFormat, out: &mut Vec<u8>) {
        match fault {
            Some(InjectedFault { fault: Fault::Missing | Fault::MissingDay, .. }) => {}
            Some(InjectedFault { fault: Fault::Oversized, .. }) => reading.write_oversized(format, out),
            Some(InjectedFault { kind: Some(kind), .. }) => reading.write_malformed(kind, self.rng, format, out),
            _ => reading.write(format, out),
        }
    }

    /// The reading as it was first, wrongly, delivered: an eighth too much, as feed left from the day before does.
    fn wrong_intake(&self) -> Reading<'_> {
        let eaten = self.reading.consumo_real_mg;
        Reading { consumo_real_mg: eaten + eaten / 8, ..self.reading }
    }
}

#[cfg(test)]
mod tests;
