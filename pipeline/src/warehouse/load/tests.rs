//! Tests of the engine with an in-memory warehouse whose statements fail like those of a server, in both lookup orders.

use std::collections::BTreeSet;

use chrono::DateTime;

use super::*;
use crate::record::row::{Row, TableSchema, Value};
use crate::record::{Column, Reading, Record, Rules};
use crate::warehouse::{BulkWarehouse, ChangeSet, Error, InsertResult, Reason, Warehouse};

use faulty::{Faults, Faulty};

mod faulty;

const MESSAGE: &[u8] = br#"{"id_curral":"1","id_raca":"9000001","id_lote":"3","peso_entrada":450,"peso_medio":450.5,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.0,"cod_cliente":"FazendaUm"}"#;

fn id(n: u32) -> String {
    format!("01856aa0-{n:04x}-883a-837a-29fe66bbec99")
}

fn record(n: u32) -> Record {
    let processed = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let record = Record::from_reading(Reading::parse(MESSAGE).unwrap(), Rules::default(), processed);
    Record { id_treated_data: id(n), ..record }
}

fn changed(n: u32) -> Record {
    Record { consumo_meta: 1.5, ..record(n) }
}

fn row(record: &Record) -> Row {
    record.to_row(&TableSchema::standard())
}

/// Sink that reads existing rows first, and applies a part as one change.
struct LookupFirst<'a> {
    warehouse: &'a Faulty,
    schema: TableSchema,
    policy: OnConflict,
    refused_before: BTreeSet<String>,
    results: Vec<LoadResult>,
    parts: usize,
}

impl Sink for LookupFirst<'_> {
    type Entry = Entry;
    type Error = Error;

    fn lookup_order(&self) -> LookupOrder {
        LookupOrder::First
    }

    fn schema(&self) -> &TableSchema {
        &self.schema
    }

    fn may_overwrite(&self, _: &Entry) -> bool {
        self.policy == OnConflict::Overwrite
    }

    fn refusal(&self, row: &Row) -> Option<String> {
        self.refused_before.contains(row.id()).then(|| "too long".to_owned())
    }

    fn fault(&self, e: &Error) -> Fault {
        e.into()
    }

    async fn begin(&mut self, _: &[Entry]) -> Result<(), Error> {
        self.parts += 1;
        Ok(())
    }

    async fn existing(&mut self, part: &[Entry]) -> Result<Rows, Error> {
        let mut rows = existing_rows(&self.warehouse.rows, part, &self.schema).await?;
        let faults = self.warehouse.faults.lock().unwrap();
        let found = part.iter().filter_map(|entry| faults.folded.get(&entry.0.id_treated_data).cloned().flatten());
        rows.extend(found.map(|row| (row.id().to_owned(), row)));
        Ok(rows)
    }

    async fn apply(&mut self, _: &[Entry], classified: Classified) -> Result<InsertResult, Error> {
        let taken = self.warehouse.meet(&classified.insert)? == InsertResult::IdTaken;
        let change = ChangeSet { insert: &classified.insert, replace: &classified.replace, ..ChangeSet::default() };
        if taken || self.warehouse.rows.apply(&change, &self.schema).await? == InsertResult::IdTaken {
            return Ok(InsertResult::IdTaken);
        }
        self.results.extend(classified.results.into_iter().map(|one| one.unwrap_or(LoadResult::Inserted)));
        Ok(InsertResult::Inserted)
    }
}

struct Entry(Record);

impl AsRef<Record> for Entry {
    fn as_ref(&self) -> &Record {
        &self.0
    }
}

/// Loads with a sink that reads existing rows first; returns the results and the number of parts.
async fn lookup_first(
    warehouse: &Faulty,
    records: Vec<Record>,
    policy: OnConflict,
) -> (Result<Vec<LoadResult>, Error>, usize) {
    let (schema, refused_before) = (TableSchema::standard(), BTreeSet::new());
    let mut sink = LookupFirst { warehouse, schema, policy, refused_before, results: Vec::new(), parts: 0 };
    let ended = run(records.into_iter().map(Entry).collect(), &mut sink).await;
    (ended.map(|()| sink.results), sink.parts)
}

async fn insert_first(warehouse: &Faulty, records: &[Record]) -> Result<Vec<LoadResult>, Error> {
    load(warehouse, records, &TableSchema::standard(), OnConflict::Keep).await
}

/// Returns the number of inserted, identical, conflicting or overwritten, and refused records.
fn counts(results: &[LoadResult]) -> [usize; 4] {
    let count = |wanted: fn(&LoadResult) -> bool| results.iter().filter(|one| wanted(one)).count();
    [
        count(|one| matches!(one, LoadResult::Inserted)),
        count(|one| matches!(one, LoadResult::Identical)),
        count(|one| matches!(one, LoadResult::Conflicting(_) | LoadResult::Overwritten(_))),
        count(|one| matches!(one, LoadResult::Refused(_))),
    ]
}

#[tokio::test]
async fn new_rows_take_one_statement_per_batch_of_a_fixed_size() {
    let warehouse = Faulty::with(Faults::default()).await;
    let records: Vec<Record> = (0..2_113).map(record).collect();
    assert_eq!(counts(&insert_first(&warehouse, &records).await.unwrap()), [2_113, 0, 0, 0]);
    assert_eq!((warehouse.inserts(), warehouse.fetches()), (vec![1_000, 1_000, 100, 10, 1, 1, 1], vec![]));
    let (results, parts) = lookup_first(&warehouse, (2_000..2_200).map(record).collect(), OnConflict::Keep).await;
    assert_eq!((counts(&results.unwrap()), parts), ([87, 113, 0, 0], 1));
    assert_eq!((warehouse.inserts(), warehouse.fetches()), (vec![87], vec![]), "one change for the whole part");
}

#[tokio::test]
async fn rows_of_taken_ids_are_compared_and_the_others_fill_complete_batches_again() {
    let warehouse = Faulty::with(Faults::default()).await;
    for n in 0..90 {
        warehouse.rows.overwrite(row(&if n < 80 { record(n) } else { changed(n) }));
    }
    let records: Vec<Record> = (0..1_000).map(record).collect();
    let results = insert_first(&warehouse, &records).await.unwrap();
    assert_eq!(counts(&results), [910, 80, 10, 0]);
    assert!(results[..80].iter().all(|one| *one == LoadResult::Identical));
    let inserts = warehouse.inserts();
    assert_eq!((inserts.len(), inserts[0], warehouse.fetches()), (1 + 9 + 1, 1_000, vec![1_000]));
    assert_eq!(
        warehouse.rows.fetch(&[id(85)], &TableSchema::standard()).await.unwrap(),
        [row(&changed(85))],
        "it stays"
    );
}

#[tokio::test]
async fn a_refused_row_is_found_by_bisection_and_the_others_are_in() {
    let faults = || Faults { refused: [id(7), id(11)].into(), ..Faults::default() };
    let warehouse = Faulty::with(faults()).await;
    let records: Vec<Record> = (0..100).map(record).collect();
    let results = insert_first(&warehouse, &records).await.unwrap();
    assert_eq!((counts(&results), warehouse.count().await), ([98, 0, 0, 2], 98));
    assert!(matches!(&results[7], LoadResult::Refused(why) if why == "as planned"), "{:?}", results[7]);
    let warehouse = Faulty::with(faults()).await;
    let (results, _) = lookup_first(&warehouse, records, OnConflict::Keep).await;
    assert_eq!((counts(&results.unwrap()), warehouse.count().await), ([98, 0, 0, 2], 98));
}

#[tokio::test]
async fn a_value_that_a_column_would_reject_is_not_sent() {
    let warehouse = Faulty::with(Faults::default()).await;
    let mut sink = LookupFirst {
        warehouse: &warehouse,
        schema: TableSchema::standard(),
        policy: OnConflict::Overwrite,
        refused_before: [id(2), id(3)].into(),
        results: Vec::new(),
        parts: 0,
    };
    warehouse.rows.overwrite(row(&changed(3)));
    run((0..5).map(|n| Entry(record(n))).collect(), &mut sink).await.unwrap();
    assert_eq!((counts(&sink.results), sink.parts, warehouse.inserts()), ([3, 0, 1, 1], 1, vec![3]));
    assert!(matches!(sink.results[3], LoadResult::Conflicting(_)), "the row stays: {:?}", sink.results[3]);
}

#[tokio::test]
async fn a_locked_row_waits_for_the_others_and_fails_alone_if_it_stays_locked() {
    let locked = |times| Faults { locked: [(id(3), times)].into(), ..Faults::default() };
    let records: Vec<Record> = (0..20).map(record).collect();
    let warehouse = Faulty::with(locked(3)).await;
    assert_eq!(counts(&insert_first(&warehouse, &records).await.unwrap()), [20, 0, 0, 0]);
    let warehouse = Faulty::with(locked(1_000)).await;
    let mut results = vec![None; 20];
    load_into(&warehouse, &records, &TableSchema::standard(), OnConflict::Keep, &mut results).await.unwrap();
    let failed: Vec<usize> = (0..20).filter(|at| matches!(results[*at], Some(Err(_)))).collect();
    assert_eq!((failed, warehouse.count().await), (vec![3], 19));
    assert!(warehouse.inserts().len() < 40, "it is not tried for ever");
}

#[tokio::test]
async fn a_failure_of_unknown_reason_is_a_rows_until_too_many_rows_have_it() {
    let unknown = |ids: std::ops::Range<u32>| Faults { unknown: ids.map(id).collect(), ..Faults::default() };
    let records: Vec<Record> = (0..100).map(record).collect();
    let warehouse = Faulty::with(unknown(40..59)).await;
    let mut results = vec![None; 100];
    load_into(&warehouse, &records, &TableSchema::standard(), OnConflict::Keep, &mut results).await.unwrap();
    let failed = results.iter().filter(|one| matches!(one, Some(Err(e)) if e.reason == Reason::Other)).count();
    assert_eq!((failed, warehouse.count().await), (19, 81));
    let warehouse = Faulty::with(unknown(40..60)).await;
    let e = insert_first(&warehouse, &records).await.unwrap_err();
    assert_eq!((e.reason, warehouse.count().await), (Reason::Other, 40), "the twentieth ends the load");
}

#[tokio::test]
async fn an_id_that_is_taken_under_another_spelling_is_compared_with_that_row() {
    let mut other = row(&changed(2));
    other.0[Column::IdTreatedData.index()] = Value::Text(id(2).to_uppercase());
    let faults = || Faults { folded: [(id(2), Some(other.clone())), (id(5), None)].into(), ..Faults::default() };
    let records: Vec<Record> = (0..20).map(record).collect();
    let warehouse = Faulty::with(faults()).await;
    let results = insert_first(&warehouse, &records).await.unwrap();
    assert_eq!(counts(&results), [18, 0, 1, 1], "one conflicts with the row that was found, one is refused");
    assert!(matches!(&results[2], LoadResult::Conflicting(conflict) if conflict.row == other), "{:?}", results[2]);
    assert!(
        matches!(&results[5], LoadResult::Refused(why) if why.contains("another unique index")),
        "{:?}",
        results[5]
    );
    let warehouse = Faulty::with(faults()).await;
    let (results, _) = lookup_first(&warehouse, records, OnConflict::Keep).await;
    assert_eq!((counts(&results.unwrap()), warehouse.count().await), ([18, 0, 1, 1], 18));
}

#[tokio::test]
async fn records_of_one_id_are_one_row_of_the_first() {
    let warehouse = Faulty::with(Faults { refused: [id(1)].into(), ..Faults::default() }).await;
    let records = [record(2), record(1), record(2), changed(2), record(1)];
    let results = insert_first(&warehouse, &records).await.unwrap();
    assert_eq!(counts(&results), [1, 1, 1, 2], "{results:?}");
    assert!(matches!(&results[4], LoadResult::Refused(_)), "as the first of its id: {:?}", results[4]);
    let warehouse = Faulty::with(Faults { refused: [id(9)].into(), ..Faults::default() }).await;
    let records = vec![record(0), record(2), record(2), record(2), record(9)];
    let (results, _) = lookup_first(&warehouse, records, OnConflict::Keep).await;
    assert_eq!(counts(&results.unwrap()), [2, 2, 0, 1], "they are not torn apart");
}

#[tokio::test]
async fn only_the_first_record_of_an_id_overwrites_its_row() {
    let other = Record { consumo_meta: 2.5, ..record(3) };
    for is_lookup_first in [true, false] {
        let warehouse = Faulty::with(Faults::default()).await;
        warehouse.rows.overwrite(row(&changed(3)));
        let records = vec![record(1), record(3), other.clone()];
        let results = if is_lookup_first {
            lookup_first(&warehouse, records, OnConflict::Overwrite).await.0.unwrap()
        } else {
            load(&warehouse, &records, &TableSchema::standard(), OnConflict::Overwrite).await.unwrap()
        };
        let expected = [LoadResult::Inserted, results[1].clone(), results[2].clone()];
        assert_eq!(results, expected);
        assert!(matches!(&results[1..], [LoadResult::Overwritten(_), LoadResult::Conflicting(_)]), "{results:?}");
        assert_eq!(warehouse.rows.fetch(&[id(3)], &TableSchema::standard()).await.unwrap(), [row(&record(3))]);
    }
}

#[tokio::test]
async fn rows_that_change_at_every_lookup_end_the_load() {
    let warehouse = Faulty::with(Faults { is_unstable: true, ..Faults::default() }).await;
    warehouse.rows.overwrite(row(&record(1)));
    let (ended, _) = lookup_first(&warehouse, vec![record(0), record(1)], OnConflict::Keep).await;
    assert!(ended.is_ok(), "a row with another spelling of the id may exist: {ended:?}");
    // The row can always be found by its id, but the statement still reports that the id is taken.
    struct Unstable<'a>(LookupFirst<'a>);
    impl Sink for Unstable<'_> {
        type Entry = Entry;
        type Error = Error;
        fn lookup_order(&self) -> LookupOrder {
            LookupOrder::First
        }
        fn schema(&self) -> &TableSchema {
            &self.0.schema
        }
        fn may_overwrite(&self, _: &Entry) -> bool {
            true
        }
        fn fault(&self, e: &Error) -> Fault {
            e.into()
        }
        async fn existing(&mut self, part: &[Entry]) -> Result<Rows, Error> {
            self.0.existing(part).await
        }
        async fn apply(&mut self, _: &[Entry], _: Classified) -> Result<InsertResult, Error> {
            self.0.parts += 1;
            Ok(InsertResult::IdTaken)
        }
    }
    let (schema, policy) = (TableSchema::standard(), OnConflict::Overwrite);
    let sink = LookupFirst {
        warehouse: &warehouse,
        schema,
        policy,
        refused_before: BTreeSet::new(),
        results: vec![],
        parts: 0,
    };
    let mut sink = Unstable(sink);
    let e = run(vec![Entry(changed(1))], &mut sink).await.unwrap_err();
    assert!(e.reason == Reason::Locked && e.about == id(1) && sink.0.parts == 4, "{e}");
}

#[tokio::test]
async fn rows_are_read_by_range_if_the_part_has_most_ids_of_it() {
    let warehouse = Faulty::with(Faults::default()).await;
    (0..400).for_each(|n| warehouse.rows.overwrite(row(&record(n))));
    let found = async |records: &[Record]| {
        let entries: Vec<Entry> = records.iter().cloned().map(Entry).collect();
        existing_rows(&warehouse.rows, &entries, &TableSchema::standard()).await.unwrap()
    };
    assert_eq!(found(&[record(0), record(4)]).await.len(), 5, "the whole range");
    assert_eq!(found(&[record(0), record(399)]).await.len(), 2, "too many rows of others: by their ids");
    assert_eq!(found(&[record(1_000), record(1_001)]).await.len(), 0);
    assert_eq!(found(&[record(3)]).await.len(), 1);
    let other = Record { id_treated_data: "7".into(), ..record(0) };
    assert_eq!(found(&[record(0), record(2), other]).await.len(), 2, "servers sort other ids in their own way");
    assert!(found(&[]).await.is_empty());
}
