//! Content of a file: injects faults, delivers late and out-of-order readings, and writes the lines of a unit. `fault_rates`
//! chooses the fault of a reading, `malformed` breaks lines, and `encode` formats them.
//!
//! A unit is a pure function of the herd, the faults, its farm and its day. The cost is the same for any day; only late
//! readings need earlier days, at most 3 of them.

use super::encode::LineFormat;
use super::fault::Fault;
use super::fault_rates::{FaultCounts, Faults, InjectedFault};
use super::random::KeyedRng;
use super::reading::{Farm, Reading};
use super::{FileUnit, Herd};
use reorder::ReorderBuffer;

mod reorder;

/// Maximum delay of a late reading, in days.
const LATEST_DAYS: u32 = 3;

/// Pen number that represents all pens of a farm, for random decisions about a complete day.
const ALL_PENS: u32 = u32::MAX;

/// A farm that is in no herd.
const UNKNOWN_FARM: &str = "FazendaDesconhecida";

/// A reading to deliver, with its fault.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The reading as it is in the history, before the fault.
    pub reading: Reading<'a>,
    /// The fault to inject; `None` if there is none.
    pub fault: Option<InjectedFault>,
    pub(super) rng: KeyedRng,
}

/// A written line, or a reading without a line.
#[derive(Debug, Clone, Copy)]
pub struct DeliveredLine<'a> {
    /// The reading as delivered. For a malformed line or an undelivered reading, as it should have been.
    pub reading: Reading<'a>,
    /// The fault of this line. For a duplicate it is on the repeated line, for a correction on the correcting line.
    pub fault: Option<InjectedFault>,
    /// The bytes of the line, including its line feed; empty if there is no line or nothing is printed.
    pub bytes: &'a [u8],
}

impl DeliveredLine<'_> {
    /// Returns true if the line is delivered.
    pub fn is_delivered(&self) -> bool {
        !self.fault.is_some_and(|chosen| matches!(chosen.fault, Fault::Missing | Fault::MissingDay))
    }
}

/// Statistics of the lines of one or more units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileStats {
    /// Lines that represent a reading: all lines except headers, including duplicates and malformed ones.
    pub readings: u64,
    /// Number of readings per fault.
    pub faults: FaultCounts,
}

impl FileStats {
    /// Returns true if the file is empty because its complete day is missing. Such a file does not exist.
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
    /// Passes the readings that a file contains, or should contain, to `each`: first those of its day by pen, then the
    /// late ones of earlier days, oldest first.
    ///
    /// Every reading of the history is passed once, by exactly one unit; undelivered readings by the unit of their
    /// day. On the last day nothing can be delayed further, so it contains all remaining late readings, and its own are
    /// in time.
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
            let rng = farm.delivery_chance(ALL_PENS, unix_day); // not used
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

    /// Appends a complete file to `out`, including the header of the format, and returns its statistics.
    pub fn write_unit(&self, unit: FileUnit, format: LineFormat, faults: &Faults, out: &mut Vec<u8>) -> FileStats {
        out.extend_from_slice(format.header());
        self.write_lines(unit, format, faults, out, |_| {})
    }

    /// Appends the lines of a file without the header. Passes each line, and each reading without a line, to `each`.
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

    /// Does the same as [`Herd::write_lines`], but prints nothing, for formats without lines.
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

    /// Appends the 0 to 2 lines of this reading in the given format, and passes each to `each`; without a line, the
    /// reading alone.
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
            Some(InjectedFault { fault: Fault::Oversized, .. }) => reading.write_oversized(out),
            Some(InjectedFault { malformed: Some(subtype), .. }) => {
                reading.write_malformed(subtype, self.rng, format, out);
            }
            _ => reading.write(format, out),
        }
    }

    /// Returns the first, wrong reading of a correction: an eighth too much, as if the feed left from the day before
    /// was counted.
    fn wrong_intake(&self) -> Reading<'_> {
        let eaten = self.reading.consumo_real_mg;
        Reading { consumo_real_mg: eaten + eaten / 8, ..self.reading }
    }
}

#[cfg(test)]
mod tests;
