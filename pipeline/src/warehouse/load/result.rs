//! Results of loading one record.

use crate::record::row::{Difference, Row};

/// Handling of a row with the same id and other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The row is kept, and the conflict is reported with both values.
    #[default]
    Keep,
    /// The record's values replace those of the row, if the row has not changed.
    Overwrite,
}

/// Row whose values differ from the record of its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Fields that differ, with both values.
    pub differences: Vec<Difference>,
    /// Existing row.
    pub row: Row,
}

impl Conflict {
    /// Returns the names of the fields that differ, as text.
    pub fn fields(&self) -> String {
        self.differences.iter().map(|difference| difference.column.name()).collect::<Vec<_>>().join(", ")
    }
}

/// Result of loading one record.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadResult {
    /// A new row was inserted.
    Inserted,
    /// A row with the same values existed.
    Identical,
    /// A row with other values existed, and was kept.
    Conflicting(Box<Conflict>),
    /// A row with other values existed, and was overwritten with the record's values.
    Overwritten(Box<Conflict>),
    /// A column rejects one of the values, with the reason.
    Refused(String),
}
