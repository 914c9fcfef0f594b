//! The types of faults, [`Fault`] and [`Malformed`]: their names and expected results. `delivery` injects a fault, `malformed`
//! breaks a line; `fault_rates` derives the rates from [`Fault::ALL`]. The help of `--faults` in `cli/generate.rs` lists them too; a test compares the two.
//! [`Fault::ALL`] has the order of the declaration, and a new type is the last one, also in the list: otherwise existing seeds give other histories.

use std::fmt;

use crate::truth::{self, Expectation};

/// One way in which a reading is delivered incorrectly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Its line is in the file twice; the second one is the fault.
    Duplicate,
    /// It is in the file of a day 1 to 3 days later, or of the last day if that comes first.
    Late,
    /// It comes after readings that it should precede, at most 20 of them.
    OutOfOrder,
    /// No reading of its farm's day is ever delivered.
    MissingDay,
    /// Its line is not a valid reading.
    Malformed,
    /// A wrong intake comes first, followed directly by a second reading of the same natural key with the correct one.
    Corrected,
    /// It is valid, but has a remark that makes it too long for a topic.
    Oversized,
    /// It is valid, but names a farm that is not in the herd.
    UnknownFarm,
    /// It is never delivered.
    Missing,
    /// Its intake is 0.
    Zero,
}

impl Fault {
    /// All faults, in the order of their counts.
    pub const ALL: [Self; 10] = [
        Self::Duplicate,
        Self::Late,
        Self::OutOfOrder,
        Self::MissingDay,
        Self::Malformed,
        Self::Corrected,
        Self::Oversized,
        Self::UnknownFarm,
        Self::Missing,
        Self::Zero,
    ];

    /// Returns the name on the command line, in reports and in truth files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => truth::REPEAT,
            Self::Late => "late",
            Self::OutOfOrder => "out_of_order",
            Self::MissingDay => "missing_day",
            Self::Malformed => "malformed",
            Self::Corrected => truth::CORRECTION,
            Self::Oversized => "oversized",
            Self::UnknownFarm => "unknown_farm",
            Self::Missing => "missing",
            Self::Zero => "zero",
        }
    }

    /// Returns the expected result of a line with this fault, or of a reading without a line because of it.
    pub fn expectation(self) -> Expectation {
        match self {
            Self::Duplicate | Self::Late | Self::OutOfOrder | Self::Corrected | Self::UnknownFarm | Self::Zero => {
                Expectation::Stored
            }
            Self::Malformed => Expectation::Quarantined,
            Self::Oversized => Expectation::Oversized,
            Self::MissingDay | Self::Missing => Expectation::Undelivered,
        }
    }
}

impl Fault {
    /// Returns true if its line, if any, is a reading that every file format and topic accepts.
    pub fn is_plain_reading(self) -> bool {
        !matches!(self.expectation(), Expectation::Quarantined | Expectation::Oversized)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a line is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Malformed {
    /// It is truncated after `data`: invalid JSON, or a CSV row of fewer than ten fields.
    Truncated,
    /// It is random characters.
    Garbage,
    /// One of the ten fields is missing.
    MissingField,
    /// One of the ten fields is `null`, or empty in CSV.
    NullField,
    /// The intake is a word.
    Text,
    /// The mean weight is negative.
    Negative,
    /// The intake is `NaN`, which is invalid in JSON.
    Nan,
    /// `data` is in the order day, month, year.
    BadDate,
    /// `data` is February 30.
    ImpossibleDate,
    /// The mean weight has a decimal comma.
    DecimalComma,
    /// The number of animals has a fraction of one half.
    Fraction,
    /// The days on feed exceed the range of their column.
    Huge,
    /// The farm has no name.
    EmptyFarm,
}

impl Malformed {
    /// All subtypes.
    pub const ALL: [Self; 13] = [
        Self::Truncated,
        Self::Garbage,
        Self::MissingField,
        Self::NullField,
        Self::Text,
        Self::Negative,
        Self::Nan,
        Self::BadDate,
        Self::ImpossibleDate,
        Self::DecimalComma,
        Self::Fraction,
        Self::Huge,
        Self::EmptyFarm,
    ];

    /// Returns the name after `malformed.` on the command line, and in truth files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Garbage => "garbage",
            Self::MissingField => "missing_field",
            Self::NullField => "null_field",
            Self::Text => "text",
            Self::Negative => "negative",
            Self::Nan => "nan",
            Self::BadDate => "bad_date",
            Self::ImpossibleDate => "impossible_date",
            Self::DecimalComma => "decimal_comma",
            Self::Fraction => "fraction",
            Self::Huge => "huge",
            Self::EmptyFarm => "empty_farm",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
