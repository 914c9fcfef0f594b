//! Synthetic farm histories: seeded and pure; part k of n does not need part k-1.
//!
//! This module owns the properties of a herd (lots, weights, intake), the faults of delivery, and the bytes that a farm
//! delivers. `generate` and `publish` consume those bytes; `pipeline::record` owns records and the folder name of a
//! farm. It reads no clock and no file, and keeps no state.
//!
//! | file | owns |
//! | --- | --- |
//! | `mod.rs` | [`Herd`], the validated configuration |
//! | `random.rs` | random numbers as a pure function of a key |
//! | `names.rs` | `cod_cliente`, and ids of pens and lots |
//! | `pens.rs` | the calendar of a pen: which lot is in it on a day |
//! | `pen_moves.rs` | which pen a lot is in when two pens swap lots |
//! | `lot.rs` | the state of a lot: entry, growth, appetite, day-to-day variation |
//! | `health.rs` | illness and death in a lot |
//! | `weighing.rs` | weighings, and the weight reported between them |
//! | `weather.rs` | rain on a farm, shared by its lots |
//! | `feeding.rs` | feeding on a farm: weekdays, stops of the feed mill, New Year |
//! | `raca.rs` | [`Raca`], the breed of a lot |
//! | `reading.rs` | [`Reading`], one day of one lot |
//! | `encode.rs` | a reading as NDJSON or CSV bytes |
//! | `format_digits.rs` | numbers and dates as digits |
//! | `fault.rs` | [`Fault`] and [`Malformed`], the types of faults |
//! | `fault_rates.rs` | [`Faults`], the rate of each fault |
//! | `malformed.rs` | lines that are not a valid reading |
//! | `oversized.rs` | a reading that is too long for a topic |
//! | `line_message.rs` | conversion of a line to a message |
//! | `id.rs` | the id that the intake gives a reading |
//! | `truth_lines.rs` | a unit's lines of the truth file |
//! | `file_unit.rs` | [`FileUnit`] (farm × day), [`Part`], order and names of files |
//! | `delivery.rs` | [`Delivery`], the content of a file with injected faults |
//! | `delivery/reorder.rs` | readings out of order |
//! | `parallel.rs` | [`generate()`], many units on all cores, in order |
//!
//! The history without faults is the ground truth: every fault is a way to deliver it incorrectly.
//! [`Herd::write_lines_with_truth`] records, per line, the injected fault and the expected result.

mod delivery;
mod encode;
mod error;
mod fault;
mod fault_rates;
mod feeding;
mod file_unit;
mod format_digits;
mod health;
mod id;
mod line_message;
mod lot;
mod malformed;
mod names;
mod oversized;
mod parallel;
mod pen_moves;
mod pens;
mod raca;
mod random;
mod reading;
mod truth_lines;
mod weather;
mod weighing;

#[cfg(test)]
mod calibration_tests;
#[cfg(test)]
mod real_data_tests;

use chrono::{Datelike, Days, NaiveDate};

pub use delivery::{DeliveredLine, Delivery, FileStats};
pub use encode::{COLUMNS, FIELDS, LineFormat};
pub use error::Error;
pub use fault::{Fault, Malformed};
pub use fault_rates::{FaultCounts, Faults, InjectedFault};
pub use file_unit::{FileUnit, Files, Part};
pub(crate) use format_digits::push_whole;
pub use names::cod_cliente;
pub use parallel::{BATCH_PENS, Threads, batches, generate};
pub use raca::Raca;
pub use reading::Reading;
pub use truth_lines::TruthTarget;

/// Maximum number of farms of a herd: the space of 14-digit ids is divided among them.
pub const MAX_FARMS: u32 = 100_000;

/// Maximum number of pens per farm, for the same reason.
pub const MAX_LOTS: u32 = 10_000;

/// Validated parameters of a history: the number of farms and pens, the days, and the seed.
///
/// Random numbers depend only on seed, farm, pen and calendar day. A herd with more farms, more pens or other days
/// therefore repeats, byte for byte, the readings it shares with a smaller one of the same seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Herd {
    farms: u32,
    lots: u32,
    days: u32,
    start: NaiveDate,
    seed: u64,
}

impl Herd {
    /// Creates a herd of `farms` farms (1 to [`MAX_FARMS`]) with `lots` pens each (1 to [`MAX_LOTS`]), for `days` days
    /// from `start` (at least 1, within 1970-01-01 to 9999-12-31), with any `seed`.
    ///
    /// A pen is empty between two lots and does not report a lot's first days (0 to 5), so about 91 % of pens deliver a
    /// reading on any day.
    ///
    /// # Errors
    ///
    /// Returns the variant of [`Error`] for the first parameter that is out of bounds.
    pub fn try_new(farms: u32, lots: u32, days: u32, start: NaiveDate, seed: u64) -> Result<Self, Error> {
        if farms == 0 || farms > MAX_FARMS {
            return Err(Error::Farms(farms));
        }
        if lots == 0 || lots > MAX_LOTS {
            return Err(Error::Lots(lots));
        }
        if days == 0 {
            return Err(Error::NoDays);
        }
        if start.year() < 1970 || start.year() > 9999 {
            return Err(Error::Start(start));
        }
        let last = start.checked_add_days(Days::new(u64::from(days) - 1));
        if last.is_none_or(|last| last.year() > 9999) {
            return Err(Error::TooManyDays { start, days });
        }
        Ok(Self { farms, lots, days, start, seed })
    }

    /// Returns the number of farms.
    pub fn farms(&self) -> u32 {
        self.farms
    }

    /// Returns the number of pens per farm: the maximum number of lots on feed at a time.
    pub fn lots(&self) -> u32 {
        self.lots
    }

    /// Returns the number of days of the history.
    pub fn days(&self) -> u32 {
        self.days
    }

    /// Returns the first day of the history.
    pub fn start(&self) -> NaiveDate {
        self.start
    }

    /// Returns the seed of all random numbers.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the date of a day of the history, from 0; a later day is clamped to the last one.
    pub fn date(&self, day: u32) -> NaiveDate {
        let day = day.min(self.days - 1);
        self.start + Days::new(u64::from(day))
    }

    /// Returns the days from 1970-01-01 to a day of the history: the random key of a day, independent of the start.
    fn unix_day(&self, day: u32) -> u32 {
        let since = self.date(day).signed_duration_since(NaiveDate::default()).num_days();
        u32::try_from(since).expect("try_new keeps the history within 1970 to 9999")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(y: i32, m: u32, d: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(y, m, d).unwrap()
    }

    #[test]
    fn parameters_out_of_bounds_are_rejected_by_name() {
        let start = day(2023, 1, 1);
        let message = |farms, lots, days, start| Herd::try_new(farms, lots, days, start, 1).unwrap_err().to_string();
        assert!(message(0, 1, 1, start).contains("farms must be between 1 and 100000, not 0"));
        assert!(message(100_001, 1, 1, start).contains("not 100001"));
        assert!(message(1, 0, 1, start).contains("lots must be between 1 and 10000, not 0"));
        assert!(message(1, 1, 0, start).contains("days must be at least 1"));
        assert!(message(1, 1, 1, day(1969, 12, 31)).contains("1969-12-31"));
        assert!(message(1, 1, 2, day(9999, 12, 31)).contains("9999"));
        assert!(message(1, 1, u32::MAX, start).contains("days from 2023-01-01"));
    }

    #[test]
    fn the_last_day_of_the_calendar_is_valid() {
        let herd = Herd::try_new(1, 1, 1, day(9999, 12, 31), 1).unwrap();
        assert_eq!(herd.date(0), day(9999, 12, 31));
        assert_eq!(herd.unix_day(0), 2_932_896);
    }
}
