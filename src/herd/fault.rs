//! The words for what goes wrong: [`Fault`], and [`Malformed`] for the kinds of broken lines. Owns their names and what must
//! become of a line; leaves rates and choice to `faults`.

use std::fmt;

use crate::truth::Expectation;

/// One way a reading is delivered badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Its line stands in the file twice; the second one is the fault.
    Duplicate,
    /// It is in the file of a day 1 to 3 days later, or of the last day if that comes first.
    Late,
    /// It stands in its file behind readings that it should precede, up to 20 pens of them.
    OutOfOrder,
    /// Nothing of its farm's day is ever delivered.
    MissingDay,
    /// Its line is no valid reading.
    Malformed,
    /// A wrong intake comes first, and right after it a second reading of the same natural key with the true one.
    Corrected,
    /// It is valid, but has so long a remark that no topic takes it.
    Oversized,
    /// It is valid, but names a farm that is none of the herd's.
    UnknownFarm,
    /// It is never delivered.
    Missing,
    /// Its intake is 0.
    Zero,
}

impl Fault {
    /// All of them, in the order of their counts.
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

    /// The word for it on the command line, in reports and in truth files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::OutOfOrder => "out_of_order",
            Self::MissingDay => "missing_day",
            Self::Malformed => "malformed",
            Self::Corrected => "corrected",
            Self::Oversized => "oversized",
            Self::UnknownFarm => "unknown_farm",
            Self::Missing => "missing",
            Self::Zero => "zero",
        }
    }

    /// What must become of a line with this fault, or of a reading that has no line because of it.
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
    /// Whether its line, if it has one, is a reading that every form of file and every topic can hold.
    pub fn is_plain_reading(self) -> bool {
        !matches!(self.expectation(), Expectation::Quarantined | Expectation::Oversized)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a line is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Malformed {
    /// It breaks off behind `data`: no JSON, or a CSV row of fewer than ten fields.
    Truncated,
    /// It is noise.
    Garbage,
    /// One of the ten fields is not there.
    MissingField,
    /// One of the ten fields is `null`, or empty in CSV.
    NullField,
    /// The intake is a word.
    Text,
    /// The mean weight is negative.
    Negative,
    /// The intake is `NaN`, which no JSON knows.
    Nan,
    /// `data` is in day, month, year.
    BadDate,
    /// `data` is the 30th of February.
    ImpossibleDate,
    /// The mean weight has a comma where its point should be.
    DecimalComma,
    /// There is half an animal more.
    Fraction,
    /// The days on feed are more than their column holds.
    Huge,
    /// The farm has no name.
    EmptyFarm,
}

impl Malformed {
    /// All kinds.
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

    /// The word for it behind `malformed.` on the command line, and in truth files.
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
