//! The engine over a sink of its own: what is there, what is refused, and what is in the way.

use std::collections::BTreeSet;

use super::super::classify::Classifier;
use super::*;
use crate::replay::order::IdOrder;
use crate::replay::policy::Policy;
use crate::replay::tests::entry;
use pipeline::record::row::TableSchema;
use pipeline::warehouse::{ColumnLimits, Warehouse as _, memory::Memory};

/// Rows in memory, and what goes wrong.
#[derive(Default)]
struct Rows {
    rows: HashMap<String, Row>,
    /// Ids that a column refuses.
    refused: BTreeSet<String>,
    /// Ids that are taken by a row that is not found under them; the row that the server finds instead, if it finds one.
    folded: HashMap<String, Option<Row>>,
    /// Others write into the range each time.
    moving: bool,
    results: Vec<LoadResult>,
    applied: usize,
}

impl Sink for Rows {
    async fn existing(&mut self, part: &[ReplayEntry]) -> Result<HashMap<String, Row>, LoadError> {
        let ids = part.iter().map(|entry| &entry.record.id_treated_data);
        Ok(ids.filter_map(|id| Some((id.clone(), self.rows.get(id)?.clone()))).collect())
    }

    async fn row_of(&mut self, id: &str) -> Result<Option<Row>, LoadError> {
        Ok(self.folded.get(id).cloned().flatten())
    }

    async fn apply(&mut self, _: &[ReplayEntry], classified: &Classified) -> Result<InsertResult, LoadError> {
        self.applied += 1;
        let ids = || classified.insert.iter().map(|row| row.id().to_owned());
        if ids().any(|id| self.refused.contains(&id)) {
            return Err(warehouse::Error::new(Reason::BadRow, "table", "out of range").into());
        }
        if self.moving || ids().any(|id| self.folded.contains_key(&id)) {
            return Ok(InsertResult::IdTaken);
        }
        let rows = classified.insert.iter().chain(classified.replace.iter().map(|(_, new)| new));
        self.rows.extend(rows.map(|row| (row.id().to_owned(), row.clone())));
        self.results.extend(classified.results.iter().map(|one| one.clone().unwrap_or(LoadResult::Inserted)));
        Ok(InsertResult::Inserted)
    }

    fn conflict(&mut self, _: &ReplayEntry, conflict: &LoadResult) {
        self.results.push(conflict.clone());
    }
}

async fn shape() -> TableSchema {
    let warehouse = Memory::default();
    warehouse.init().await.unwrap();
    warehouse.table_schema().await.unwrap()
}

/// Loads these, piece by piece, as a batch does.
async fn load(sink: &mut Rows, policy: Policy, entries: Vec<ReplayEntry>) -> Result<(), LoadError> {
    let (schema, limits, days) = (shape().await, ColumnLimits::default(), BTreeSet::new());
    let classifier = Classifier { schema: &schema, limits: &limits, policy, order: IdOrder::TimeOrdered, days: &days };
    let mut work = vec![entries];
    while let Some(part) = work.pop() {
        if let PartResult::Split(first, second) = load_part(part, &classifier, sink).await? {
            work.extend([second, first]);
        }
    }
    Ok(())
}

fn entries(of: impl IntoIterator<Item = u32>) -> Vec<ReplayEntry> {
    of.into_iter().map(|n| entry(n, 0)).collect()
}

fn id(n: u32) -> String {
    entry(n, 0).record.id_treated_data
}

fn counts(sink: &Rows) -> [usize; 4] {
    let count = |wanted: fn(&LoadResult) -> bool| sink.results.iter().filter(|one| wanted(one)).count();
    [
        count(|one| matches!(one, LoadResult::Inserted)),
        count(|one| matches!(one, LoadResult::Identical)),
        count(|one| matches!(one, LoadResult::Conflicting(_) | LoadResult::Overwritten(_))),
        count(|one| matches!(one, LoadResult::Refused(_))),
    ]
}

#[tokio::test]
async fn what_is_there_is_compared_and_the_rest_goes_in_at_once() {
    let mut sink = Rows::default();
    load(&mut sink, Policy::Keep, entries(0..10)).await.unwrap();
    assert_eq!((counts(&sink), sink.applied), ([10, 0, 0, 0], 1));
    load(&mut sink, Policy::Keep, entries(5..15)).await.unwrap();
    assert_eq!((counts(&sink), sink.applied), ([15, 5, 0, 0], 2));
}

#[tokio::test]
async fn a_refused_row_is_found_by_halving_and_the_others_are_in() {
    let mut sink = Rows { refused: [id(7), id(11)].into(), ..Rows::default() };
    load(&mut sink, Policy::Keep, entries(0..16)).await.unwrap();
    assert_eq!(counts(&sink), [14, 0, 0, 2]);
    assert_eq!(sink.rows.len(), 14);
}

#[tokio::test]
async fn an_id_that_is_taken_under_another_spelling_is_compared_with_that_row() {
    let schema = shape().await;
    let other = Some(entry(3, 0).record.to_row(&schema));
    let mut sink = Rows { folded: [(id(2), other), (id(5), None)].into(), ..Rows::default() };
    load(&mut sink, Policy::Keep, entries(0..8)).await.unwrap();
    assert_eq!(counts(&sink), [6, 0, 1, 1], "one conflicts with the row that was found, one is refused");
}

#[tokio::test]
async fn two_records_of_one_id_are_one_row_and_are_not_torn_apart() {
    let mut sink = Rows { refused: [id(1)].into(), ..Rows::default() };
    load(&mut sink, Policy::Keep, entries([0, 2, 2, 2, 1])).await.unwrap();
    assert_eq!(counts(&sink), [2, 2, 0, 1]);
}

#[tokio::test]
async fn a_conflict_is_kept_overwritten_or_ends_the_load() {
    let schema = shape().await;
    let changed = || {
        let mut old = entry(3, 0).record;
        old.consumo_meta += 1.0;
        HashMap::from([(id(3), old.to_row(&schema))])
    };
    let lakes = entry(3, 0).record.to_row(&schema);
    let mut sink = Rows { rows: changed(), ..Rows::default() };
    load(&mut sink, Policy::Keep, entries(0..5)).await.unwrap();
    assert!(counts(&sink) == [4, 0, 1, 0] && sink.rows[&id(3)] != lakes);
    load(&mut sink, Policy::Overwrite, entries(0..5)).await.unwrap();
    assert!(counts(&sink) == [4, 4, 2, 0] && sink.rows[&id(3)] == lakes);
    let mut sink = Rows { rows: changed(), ..Rows::default() };
    let e = load(&mut sink, Policy::Fail, entries(0..5)).await.unwrap_err();
    assert!(matches!(e, LoadError::Conflict) && sink.applied == 0 && counts(&sink) == [0, 0, 1, 0]);
}

#[tokio::test]
async fn a_row_that_changes_each_time_is_somebody_else_s() {
    let mut sink = Rows { moving: true, ..Rows::default() };
    let e = load(&mut sink, Policy::Keep, entries(0..2)).await.unwrap_err();
    assert!(matches!(&e, LoadError::Warehouse(e) if e.reason == Reason::Locked), "{e}");
}
