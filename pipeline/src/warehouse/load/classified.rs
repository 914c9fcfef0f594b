//! Part with the decision for each of its records.

use super::result::LoadResult;
use crate::record::row::Row;

/// Part with the decision for each of its records.
#[derive(Debug)]
pub struct Classified {
    /// Result of each record. `None` for records to insert.
    pub results: Vec<Option<LoadResult>>,
    /// New rows.
    pub insert: Vec<Row>,
    /// Existing rows with their replacements, in the order of the records.
    pub replace: Vec<(Row, Row)>,
    /// True for a single record whose id is used by another row, so that nothing is changed.
    pub place_taken: bool,
}

impl Classified {
    pub(super) fn with_capacity(records: usize, inserts: usize) -> Self {
        let results = Vec::with_capacity(records);
        Self { results, insert: Vec::with_capacity(inserts), replace: Vec::new(), place_taken: false }
    }

    /// Returns the classification of a single record with a known result.
    pub(super) fn single(loaded: LoadResult, place_taken: bool) -> Self {
        Self { results: vec![Some(loaded)], place_taken, ..Self::with_capacity(0, 0) }
    }

    /// Returns the number of rows to change.
    pub fn changes(&self) -> usize {
        self.insert.len() + self.replace.len()
    }
}
