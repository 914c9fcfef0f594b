//! Decides what to do with each record from the existing rows, without access to a server.

use super::classified::Classified;
use super::result::{Conflict, LoadResult};
use super::sink::{Rows, Sink};
use crate::record::Record;
use crate::record::row::{Row, TableSchema};

/// Row of an id after a part was written.
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

/// Compares a record with the row of its id.
pub fn compare(record: &Record, row: &Row, schema: &TableSchema) -> LoadResult {
    let differences = record.differences(row, schema);
    if differences.is_empty() {
        return LoadResult::Identical;
    }
    LoadResult::Conflicting(Box::new(Conflict { differences, row: row.clone() }))
}

/// Classifies each record of a part. Records of one id are adjacent: the first becomes the row or replaces it, the
/// others are compared with it.
pub(super) fn classify<S: Sink>(part: &[S::Entry], rows: &Rows, sink: &S) -> Classified {
    let mut classified = Classified::with_capacity(part.len(), part.len().saturating_sub(rows.len()));
    // Row of the previous record, for further records with the same id.
    let mut last: Option<(&str, ResultingRow<'_>)> = None;
    for entry in part {
        let record: &Record = entry.as_ref();
        let id = record.id_treated_data.as_str();
        let repeated = last.take().filter(|(other, _)| *other == id).map(|(_, after)| after);
        let (result, after) = match repeated {
            Some(after) => match after.row(&classified) {
                Some(row) => (Some(compare(record, row, sink.schema())), after),
                None => insert(record, &mut classified, sink),
            },
            None => match rows.get(id) {
                Some(row) if sink.may_overwrite(entry) => overwrite(record, row, &mut classified, sink),
                Some(row) => (Some(compare(record, row, sink.schema())), ResultingRow::Found(row)),
                None => insert(record, &mut classified, sink),
            },
        };
        classified.results.push(result);
        last = Some((id, after));
    }
    classified
}

/// Classifies a record whose id has no row.
fn insert<'r, S: Sink>(
    record: &Record,
    classified: &mut Classified,
    sink: &S,
) -> (Option<LoadResult>, ResultingRow<'r>) {
    let row = record.to_row(sink.schema());
    if let Some(why) = sink.refusal(&row) {
        return (Some(LoadResult::Refused(why)), ResultingRow::None);
    }
    classified.insert.push(row);
    (None, ResultingRow::Inserted(classified.insert.len() - 1))
}

/// Classifies a record that may replace the row of its id.
fn overwrite<'r, S: Sink>(
    record: &Record,
    row: &'r Row,
    classified: &mut Classified,
    sink: &S,
) -> (Option<LoadResult>, ResultingRow<'r>) {
    match compare(record, row, sink.schema()) {
        LoadResult::Conflicting(conflict) => {
            let new = record.to_row(sink.schema());
            if sink.refusal(&new).is_some() {
                return (Some(LoadResult::Conflicting(conflict)), ResultingRow::Found(row));
            }
            classified.replace.push((row.clone(), new));
            (Some(LoadResult::Overwritten(conflict)), ResultingRow::Replaced(classified.replace.len() - 1))
        }
        loaded => (Some(loaded), ResultingRow::Found(row)),
    }
}
