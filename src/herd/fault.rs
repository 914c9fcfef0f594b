//! The types of faults, [`Fault`], and the ways to break a line, [`Malformed`]: names and expected results, as two tables.
//! `delivery` injects a fault, `malformed` breaks a line. Rates, counts, error messages and the help of `--faults` follow from
//! the tables.
//!
//! A new type is the last line of its table, otherwise existing seeds give other histories. A new subtype of malformed changes
//! the histories with plain `malformed=RATE` in any case, because that draws from all subtypes: then
//! `generate/checksums.txt` changes too, and the CHANGELOG needs a line. The truth file calls the subtype `kind`.

use std::fmt;

use crate::truth::{self, Expectation};

/// Declares the types of faults: `Variant: name, expected result, "what is delivered";`.
macro_rules! faults {
    ($($fault:ident: $name:expr, $expected:ident, $help:literal;)+) => {
        /// One way in which a reading is delivered incorrectly.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Fault { $(#[doc = $help] $fault,)+ }

        impl Fault {
            /// All faults, in the order of their counts.
            pub const ALL: [Self; [$(stringify!($fault)),+].len()] = [$(Self::$fault),+];

            /// Returns the name on the command line, in reports and in truth files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)+ }
            }

            /// Returns the expected result of a line with this fault, or of a reading without a line because of it.
            pub fn expectation(self) -> Expectation {
                match self { $(Self::$fault => Expectation::$expected,)+ }
            }
        }
    };
}

faults! {
    Duplicate: truth::REPEAT, Stored, "Its line is in the file twice; the second one is the fault.";
    Late: "late", Stored, "It is in the file of a day 1 to 3 days later, or of the last day if that comes first.";
    OutOfOrder: "out_of_order", Stored, "It comes after readings that it should precede, at most 20 of them.";
    MissingDay: "missing_day", Undelivered, "No reading of its farm's day is ever delivered.";
    Malformed: "malformed", Quarantined, "Its line is not a valid reading.";
    Corrected: truth::CORRECTION, Stored,
        "A wrong intake comes first, followed directly by a second reading of the same natural key with the correct one.";
    Oversized: "oversized", Oversized, "It is valid, but has a remark that makes it too long for a topic.";
    UnknownFarm: "unknown_farm", Stored, "It is valid, but names a farm that is not in the herd.";
    Missing: "missing", Undelivered, "It is never delivered.";
    Zero: "zero", Stored, "Its intake is 0.";
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

/// Declares the ways to break a line: `Variant: "name", "what is wrong";`.
macro_rules! subtypes {
    ($($subtype:ident: $name:literal, $help:literal;)+) => {
        /// Kind of malformed line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Malformed { $(#[doc = $help] $subtype,)+ }

        impl Malformed {
            /// All subtypes. Plain `malformed=RATE` draws from them, each with the same probability.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$subtype),+];

            /// Returns the name after `malformed.` on the command line, and in truth files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$subtype => $name,)+ }
            }
        }
    };
}

subtypes! {
    Truncated: "truncated", "It is truncated after `data`: invalid JSON, or a CSV row with too few fields.";
    Garbage: "garbage", "It is random characters.";
    MissingField: "missing_field", "One of the fields is missing.";
    NullField: "null_field", "One of the fields is `null`, or empty in CSV.";
    Text: "text", "The intake is a word.";
    Negative: "negative", "The mean weight is negative.";
    Nan: "nan", "The intake is `NaN`, which is invalid in JSON.";
    BadDate: "bad_date", "`data` is in the order day, month, year.";
    ImpossibleDate: "impossible_date", "`data` is February 30.";
    DecimalComma: "decimal_comma", "The mean weight has a decimal comma.";
    Fraction: "fraction", "The number of animals has a fraction of one half.";
    Huge: "huge", "The days on feed exceed the range of their column.";
    EmptyFarm: "empty_farm", "The farm has no name.";
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
