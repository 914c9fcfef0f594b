//! Synthetic farm histories: seeded, pure, and part k of n never needs part k-1.
//!
//! This room owns what a herd looks like (lots, weights, intake), what goes wrong on the way (faults) and
//! the bytes a farm delivers. It leaves to others where those bytes go (`cli`, `publish`), what a record is
//! and how a farm's folder is called (`record`). It reads no clock and no file, and keeps no state.
//!
//! | file | owns |
//! | --- | --- |
//! | `mod.rs` | [`Herd`], the checked configuration |
//! | `chance.rs` | random numbers as a function of what they are for |
//! | `names.rs` | `cod_cliente`, and ids of pens and lots |
//! | `pens.rs` | the calendar of a pen: which lot stands in it on a day |
//! | `moves.rs` | which pen a lot stands in once two pens trade lots |
//! | `lot.rs` | what becomes of a lot: entry, growth, appetite, day-to-day variation |
//! | `health.rs` | illness and death in a lot |
//! | `scales.rs` | weighings, and the weight reported between them |
//! | `weather.rs` | rain on a farm, shared by its lots |
//! | `mill.rs` | feeding on a farm: the week, stops of the feed mill, the New Year |
//! | `raca.rs` | [`Raca`], the breed of a lot |
//! | `reading.rs` | [`Reading`], one day of one lot |
//! | `print.rs` | a reading as NDJSON or CSV bytes |
//! | `digits.rs` | numbers and dates as digits |
//! | `fault.rs` | [`Fault`] and [`Malformed`], the words for what goes wrong |
//! | `faults.rs` | [`Faults`], what goes wrong and how often |
//! | `malformed.rs` | lines that are no valid reading |
//! | `oversized.rs` | a reading that is too long for a topic |
//! | `message.rs` | a line as the message it is read as |
//! | `id.rs` | the id that the intake gives a reading |
//! | `told.rs` | a unit's lines of the truth file |
//! | `unit.rs` | [`FileUnit`] (farm × day), [`Part`], order and names of files |
//! | `delivery.rs` | [`Delivery`], what a file holds once faults are carried out |
//! | `delivery/held.rs` | readings out of order |
//! | `generate.rs` | [`generate()`], many units on all cores, handed over in order |
//!
//! The faultless history is the truth: every fault is a way of delivering it badly, and
//! [`Herd::tell_lines`] tells, line by line, what was done to it.

mod delivery;
mod encode;
mod error;
mod fault;
mod faults;
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
pub use faults::{FaultCounts, Faults, InjectedFault};
pub use file_unit::{FileUnit, Files, Part};
pub(crate) use format_digits::push_whole;
pub use names::cod_cliente;
pub use parallel::{BATCH_PENS, Threads, batches, generate};
pub use raca::Raca;
pub use reading::Reading;
pub use truth_lines::TruthTarget;

/// Most farms a herd may have: the space of the 14-digit ids is shared out between them.
pub const MAX_FARMS: u32 = 100_000;

/// Most pens a farm may have, for the same reason.
pub const MAX_LOTS: u32 = 10_000;

/// A checked description of a history: how many farms and pens, which days, and the seed that decides the rest.
///
/// Chance is keyed by seed, farm, pen and calendar day only. So a herd with more farms, more pens or other
/// days repeats, byte for byte, the readings it shares with a smaller one of the same seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Herd {
    farms: u32,
    lots: u32,
    days: u32,
    start: NaiveDate,
    seed: u64,
}

impl Herd {
    /// Checks the figures: `farms` (1 to [`MAX_FARMS`]), `lots` as pens a farm (1 to [`MAX_LOTS`]), `days` from
    /// `start` on (at least 1, from 1970-01-01 to 9999-12-31), and any `seed`.
    ///
    /// A pen is empty between two lots and says nothing of a lot's first five days, so that on any day about
    /// 91 of 100 pens deliver a reading.
    ///
    /// # Errors
    /// One variant of [`Error`] a figure that is out of bounds.
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

    /// How many farms deliver.
    pub fn farms(&self) -> u32 {
        self.farms
    }

    /// How many pens a farm has: the lots it can have on feed at any one time.
    pub fn lots(&self) -> u32 {
        self.lots
    }

    /// How many days the history has.
    pub fn days(&self) -> u32 {
        self.days
    }

    /// The first day of the history.
    pub fn start(&self) -> NaiveDate {
        self.start
    }

    /// The seed that decides everything the other figures leave open.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The calendar date of a day of the history, counted from 0; a day past the end is cut to the last one.
    pub fn date(&self, day: u32) -> NaiveDate {
        let day = day.min(self.days - 1);
        self.start + Days::new(u64::from(day))
    }

    /// Days from 1970-01-01 to a day of the history: the name chance knows a day by, whatever the start.
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
    fn figures_out_of_bounds_are_refused_with_a_message_that_names_them() {
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
    fn the_last_day_of_the_calendar_is_still_a_day() {
        let herd = Herd::try_new(1, 1, 1, day(9999, 12, 31), 1).unwrap();
        assert_eq!(herd.date(0), day(9999, 12, 31));
        assert_eq!(herd.unix_day(0), 2_932_896);
    }
}
