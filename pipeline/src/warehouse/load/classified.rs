//! A part with what is to be done about each of its records.

use super::result::LoadResult;
use crate::record::row::Row;

/// A part with what is to be done.
#[derive(Debug)]
pub struct Classified {
    /// What happens to each record; `None` for those that are inserted.
    pub results: Vec<Option<LoadResult>>,
    /// New rows.
    pub insert: Vec<Row>,
    /// Rows as they were found and what replaces them, in the order of their records.
    pub replace: Vec<(Row, Row)>,
    /// It is a single record whose place another row has, so that nothing is changed.
    pub place_taken: bool,
}

impl Classified {
    pub(super) fn with_capacity(records: usize, inserts: usize) -> Self {
        let results = Vec::with_capacity(records);
        Self { results, insert: Vec::with_capacity(inserts), replace: Vec::new(), place_taken: false }
    }

    /// A single record whose result is known.
    pub(super) fn single(loaded: LoadResult, place_taken: bool) -> Self {
        Self { results: vec![Some(loaded)], place_taken, ..Self::with_capacity(0, 0) }
    }

    /// Rows that are changed.
    pub fn changes(&self) -> usize {
        self.insert.len() + self.replace.len()
    }
}
