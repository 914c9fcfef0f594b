//! Says of each record what is to be done, by the rows that are there: nothing here asks a server.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDate;

use super::loader::Loader;
use crate::replay::order::{IdOrder, ReplayEntry, id_day};
use crate::replay::policy::Policy;
use crate::sort::OrderedId;
use pipeline::record::row::{Row, TableSchema};
use pipeline::warehouse::{ColumnLimits, Conflict, LoadResult};

/// A part of a batch with what is to be done.
#[derive(Debug)]
pub(super) struct Classified {
    /// What happens to each record; `None` for those that go in.
    pub results: Vec<Option<LoadResult>>,
    pub insert: Vec<Row>,
    pub replace: Vec<(Row, Row)>,
    /// It changes nothing, and what is noted of it may wait for another transaction.
    pub may_wait: bool,
}

impl Classified {
    fn with_capacity(records: usize, inserts: usize) -> Self {
        let results = Vec::with_capacity(records);
        Self { results, insert: Vec::with_capacity(inserts), replace: Vec::new(), may_wait: false }
    }

    /// Rows that are changed.
    pub(super) fn changes(&self) -> usize {
        self.insert.len() + self.replace.len()
    }
}

/// The row of an id once a part is in.
#[derive(Clone, Copy)]
enum ResultingRow<'a> {
    None,
    Found(&'a Row),
    Inserted(usize),
    Replaced(usize),
}

impl<'a> ResultingRow<'a> {
    fn row(&self, classified: &'a Classified) -> Option<&'a Row> {
        match *self {
            Self::None => None,
            Self::Found(row) => Some(row),
            Self::Inserted(at) => classified.insert.get(at),
            Self::Replaced(at) => classified.replace.get(at).map(|(_, new)| new),
        }
    }
}

/// A conflict that ends the load, with the place of its record.
pub(super) type FatalConflict = (usize, LoadResult);

/// What a record is compared with, and what may be done about it.
#[derive(Debug)]
pub(super) struct Classifier<'a> {
    pub schema: &'a TableSchema,
    /// What the columns refuse.
    pub limits: &'a ColumnLimits,
    pub policy: Policy,
    pub order: IdOrder,
    /// The days of the plan.
    pub days: &'a BTreeSet<NaiveDate>,
}

impl<'a> Classifier<'a> {
    pub(super) fn of(loader: &'a Loader, order: IdOrder) -> Self {
        let Loader { schema, limits, policy, days, .. } = loader;
        Self { schema, limits, policy: *policy, order, days }
    }

    /// Says of each record, in the order of ids, what is to be done.
    pub(super) fn classify(
        &self,
        part: &[ReplayEntry],
        rows: &HashMap<String, Row>,
    ) -> Result<Classified, FatalConflict> {
        let mut classified = Classified::with_capacity(part.len(), part.len().saturating_sub(rows.len()));
        // The row of the record before, for further records of the same id.
        let mut last: Option<(&str, ResultingRow<'_>)> = None;
        for (at, entry) in part.iter().enumerate() {
            let id = entry.record.id_treated_data.as_str();
            let twin = last.take().filter(|(other, _)| *other == id).map(|(_, after)| after);
            let (result, after) = match twin {
                Some(after) => match after.row(&classified) {
                    Some(row) => (Some(self.compare(entry, row)), after),
                    None => self.insert(entry, &mut classified),
                },
                None => match rows.get(id) {
                    Some(row) if self.may_overwrite(&entry.id) => self.plan_overwrite(entry, row, &mut classified),
                    Some(row) => (Some(self.compare(entry, row)), ResultingRow::Found(row)),
                    None => self.insert(entry, &mut classified),
                },
            };
            self.accept(at, result.as_ref())?;
            classified.results.push(result);
            last = Some((id, after));
        }
        Ok(classified)
    }

    /// The same where it is known what happens to each of them.
    pub(super) fn given(
        &self,
        part: &[ReplayEntry],
        loaded: &LoadResult,
        may_wait: bool,
    ) -> Result<Classified, FatalConflict> {
        self.accept(0, Some(loaded))?;
        let results = part.iter().map(|_| Some(loaded.clone())).collect();
        Ok(Classified { results, may_wait, ..Classified::with_capacity(0, 0) })
    }

    fn accept(&self, at: usize, result: Option<&LoadResult>) -> Result<(), FatalConflict> {
        match (self.policy, result) {
            (Policy::Fail, Some(conflict @ LoadResult::Conflicting(_))) => Err((at, conflict.clone())),
            _ => Ok(()),
        }
    }

    /// A record whose id has no row.
    fn insert<'r>(&self, entry: &ReplayEntry, classified: &mut Classified) -> (Option<LoadResult>, ResultingRow<'r>) {
        let row = entry.record.to_row(self.schema);
        if let Some(why) = self.limits.violation(&row) {
            return (Some(LoadResult::Refused(why)), ResultingRow::None);
        }
        classified.insert.push(row);
        (None, ResultingRow::Inserted(classified.insert.len() - 1))
    }

    /// A record whose id has a row.
    pub(super) fn compare(&self, entry: &ReplayEntry, row: &Row) -> LoadResult {
        let differences = entry.record.differences(row, self.schema);
        if differences.is_empty() {
            return LoadResult::Identical;
        }
        LoadResult::Conflicting(Box::new(Conflict { differences, row: row.clone() }))
    }

    /// Whether a record may take the place of a row: one of two objects that claim the same row, and in every run the same.
    ///
    /// The records of one id are in one batch, where the first of them is meant, but for a time-ordered one and unordered
    /// ones. The row is then the time-ordered one's; and such a one may be wherever the day that the id tells is in the
    /// plan.
    fn may_overwrite(&self, id: &OrderedId) -> bool {
        self.policy == Policy::Overwrite
            && (self.order == IdOrder::TimeOrdered || id_day(id).is_none_or(|day| !self.days.contains(&day)))
    }

    /// The same, where the row may be overwritten: only by the first record of its id.
    fn plan_overwrite<'r>(
        &self,
        entry: &ReplayEntry,
        row: &'r Row,
        classified: &mut Classified,
    ) -> (Option<LoadResult>, ResultingRow<'r>) {
        match self.compare(entry, row) {
            LoadResult::Conflicting(conflict) => {
                let new = entry.record.to_row(self.schema);
                if self.limits.violation(&new).is_some() {
                    return (Some(LoadResult::Conflicting(conflict)), ResultingRow::Found(row));
                }
                classified.replace.push((row.clone(), new));
                (Some(LoadResult::Overwritten(conflict)), ResultingRow::Replaced(classified.replace.len() - 1))
            }
            loaded => (Some(loaded), ResultingRow::Found(row)),
        }
    }
}
