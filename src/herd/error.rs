//! Errors of invalid herd parameters, each with a message that shows the valid values.

use std::fmt;

use chrono::NaiveDate;

use super::fault::{Fault, Malformed};
use super::{MAX_FARMS, MAX_LOTS};

/// Reason why a herd, a part or a set of faults is invalid.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// No farms, or more than [`MAX_FARMS`].
    Farms(u32),
    /// No pens, or more than [`MAX_LOTS`] per farm.
    Lots(u32),
    /// A history of 0 days.
    NoDays,
    /// A first day before 1970 or after 9999.
    Start(NaiveDate),
    /// A history that ends after the year 9999.
    TooManyDays {
        /// The requested first day.
        start: NaiveDate,
        /// The requested number of days.
        days: u32,
    },
    /// A part that is not one of 1 to n.
    Part(String),
    /// An unknown format.
    Format(String),
    /// A fault that is not `kind=rate`.
    FaultSyntax(String),
    /// An unknown fault.
    FaultKind(String),
    /// An unknown subtype of malformed.
    Malformed(String),
    /// A fault that is given twice.
    FaultTwice(String),
    /// A rate that is not a number from 0 to 1.
    FaultRate {
        /// The fault.
        fault: String,
        /// The rate as given.
        rate: String,
    },
    /// Rates that add up to more than 1, although a reading has at most one fault.
    FaultSum(f64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Farms(n) => write!(f, "farms must be between 1 and {MAX_FARMS}, not {n}"),
            Self::Lots(n) => write!(f, "lots must be between 1 and {MAX_LOTS}, not {n}"),
            Self::NoDays => write!(f, "days must be at least 1"),
            Self::Start(date) => write!(f, "start must be between 1970-01-01 and 9999-12-31, not {date}"),
            Self::TooManyDays { start, days } => {
                write!(f, "{days} days from {start} end after 9999-12-31: use fewer days or an earlier start")
            }
            Self::Part(text) => write!(f, "part {text} is not I/N with 1 <= I <= N, for example 2/4"),
            Self::Format(text) => write!(f, "format {text:?} is unknown: use ndjson or csv"),
            Self::FaultSyntax(text) => write!(f, "fault {text:?} is not kind=rate, for example duplicate=0.01"),
            Self::FaultKind(kind) => {
                let known = Fault::ALL.map(Fault::name).join(", ");
                write!(f, "fault {kind:?} is unknown: use one of {known}, or malformed.KIND")
            }
            Self::Malformed(kind) => {
                let known = Malformed::ALL.map(Malformed::name).join(", ");
                write!(f, "malformed has no kind {kind:?}: use one of {known}")
            }
            Self::FaultTwice(fault) => write!(f, "fault {fault} is given twice: give one rate"),
            Self::FaultRate { fault, rate } => {
                write!(f, "fault {fault} has rate {rate:?}: use a number between 0 and 1")
            }
            Self::FaultSum(sum) => {
                write!(f, "fault rates add up to {sum}: at most 1, because a reading has at most one fault")
            }
        }
    }
}

impl std::error::Error for Error {}
