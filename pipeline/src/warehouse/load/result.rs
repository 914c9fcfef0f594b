//! Results of loading one record.

use crate::record::row::{Difference, Row};

/// What to do if a row with the same id holds other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The row stays; the conflict is reported with both values.
    #[default]
    Keep,
    /// The record's values replace the row's, guarded by the old ones.
    Overwrite,
}

/// A row that holds other values than the record of its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The fields that differ, with both values.
    pub differences: Vec<Difference>,
    /// The row as it was found.
    pub row: Row,
}

impl Conflict {
    /// The names of the fields that differ, for a sentence.
    pub fn fields(&self) -> String {
        self.differences.iter().map(|difference| difference.column.name()).collect::<Vec<_>>().join(", ")
    }
}

/// Result of loading one record.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadResult {
    /// A new row.
    Inserted,
    /// A row with the same values was there.
    Identical,
    /// A row with other values was there, and stays.
    Conflicting(Box<Conflict>),
    /// A row with other values was there, and now holds the record's.
    Overwritten(Box<Conflict>),
    /// A column refuses one of its values.
    Refused(String),
}
