//! Suite for [`Warehouse`]: the behaviour that all back ends share, checked on an empty database; [`bulk()`] for
//! [`BulkWarehouse`].
//!
//! [`BulkWarehouse`]: pipeline::warehouse::BulkWarehouse

use chrono::DateTime;

use pipeline::record::row::{Row, TableSchema, Value};
use pipeline::record::{Column, Reading, Record, Rules};
use pipeline::warehouse::{InsertResult, LoadResult, OnConflict, Reason, Warehouse, load};

mod bulk;
mod snapshot;

pub use bulk::bulk;

/// Returns record number `n` of a synthetic lot, with values that decimal text of six digits would damage.
pub fn record(n: u32) -> Record {
    let (peso_entrada, peso_medio) = (234.941_234 + f64::from(n), 1_234.567_891 + f64::from(n) / 7.0);
    let message = format!(
        r#"{{"id_curral":"25994051003275","id_raca":"9000001","id_lote":"7357874101{n:04}","peso_entrada":{peso_entrada},
            "peso_medio":{peso_medio},"data":"2023-01-{:02} 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66",
            "consumo_real":9.076451,"cod_cliente":"Fazenda São João"}}"#,
        n % 30 + 1
    );
    let reading = Reading::parse(message.as_bytes()).unwrap();
    let processed = DateTime::from_timestamp(1_800_000_000, 600_000_000).unwrap();
    Record::from_reading(reading, Rules::default(), processed)
}

/// Runs every check; the database must have no table of that name.
pub async fn check(warehouse: &dyn Warehouse) {
    let e = warehouse.table_schema().await.unwrap_err();
    assert_eq!(e.reason, Reason::NoTable, "{e}");
    assert!(!warehouse.init().await.unwrap().is_empty());
    assert_eq!(warehouse.init().await.unwrap(), Vec::<String>::new(), "init again creates nothing");
    let schema = warehouse.table_schema().await.unwrap();
    loading_twice_changes_nothing(warehouse, &schema).await;
    every_value_survives(warehouse, &schema).await;
    a_batch_with_a_taken_id_is_not_inserted(warehouse, &schema).await;
    results_of_mixed_batches_are_distinguished(warehouse, &schema).await;
    a_guarded_update_never_overwrites_a_newer_write(warehouse, &schema).await;
    a_value_too_long_is_refused_alone(warehouse, &schema).await;
    assert!(warehouse.status().await.unwrap().rows.is_some_and(|rows| rows >= 2_345));
}

fn count(outcome: &[LoadResult], what: impl Fn(&LoadResult) -> bool) -> usize {
    outcome.iter().filter(|loaded| what(loaded)).count()
}

async fn loading_twice_changes_nothing(warehouse: &dyn Warehouse, schema: &TableSchema) {
    let records: Vec<Record> = (0..2_345).map(record).collect();
    for expected in [LoadResult::Inserted, LoadResult::Identical] {
        let outcome = load(warehouse, &records, schema, OnConflict::Keep).await.unwrap();
        assert_eq!(count(&outcome, |loaded| *loaded == expected), records.len(), "{expected:?}");
    }
}

async fn every_value_survives(warehouse: &dyn Warehouse, schema: &TableSchema) {
    let record = record(7);
    let rows = warehouse.fetch(&[record.id_treated_data.clone(), "missing".into()], schema).await.unwrap();
    assert_eq!(rows, [record.to_row(schema)], "bit for bit");
}

async fn a_batch_with_a_taken_id_is_not_inserted(warehouse: &dyn Warehouse, schema: &TableSchema) {
    let rows: Vec<Row> = [5_000, 5_001, 7].map(|n| record(n).to_row(schema)).to_vec();
    assert_eq!(warehouse.insert(&rows, schema).await.unwrap(), InsertResult::IdTaken);
    let ids = [rows[0].id().to_owned(), rows[1].id().to_owned()];
    assert!(warehouse.fetch(&ids, schema).await.unwrap().is_empty(), "all or nothing");
}

async fn results_of_mixed_batches_are_distinguished(warehouse: &dyn Warehouse, schema: &TableSchema) {
    let mut changed = record(8);
    changed.reading.peso_medio += 0.5;
    let records = [record(3_000), record(7), changed, record(3_001), record(3_000)];
    let outcome = load(warehouse, &records, schema, OnConflict::Keep).await.unwrap();
    let [
        LoadResult::Inserted,
        LoadResult::Identical,
        LoadResult::Conflicting(conflict),
        LoadResult::Inserted,
        LoadResult::Identical,
    ] = outcome.as_slice()
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(conflict.differences.iter().map(|d| d.column).collect::<Vec<_>>(), [Column::PesoMedio]);
    assert_eq!(
        warehouse.fetch(&[record(8).id_treated_data], schema).await.unwrap(),
        [record(8).to_row(schema)],
        "kept"
    );
    let outcome = load(warehouse, &records[2..3], schema, OnConflict::Overwrite).await.unwrap();
    assert!(matches!(outcome.as_slice(), [LoadResult::Overwritten(_)]), "{outcome:?}");
    assert_eq!(warehouse.fetch(&[record(8).id_treated_data], schema).await.unwrap(), [records[2].to_row(schema)]);
}

async fn a_guarded_update_never_overwrites_a_newer_write(warehouse: &dyn Warehouse, schema: &TableSchema) {
    let old = record(9).to_row(schema);
    let (mut first, mut second) = (old.clone(), old.clone());
    first.0[Column::QuantidadeAnimais.index()] = Value::Integer(50);
    second.0[Column::QuantidadeAnimais.index()] = Value::Integer(49);
    assert!(warehouse.replace(&old, &first, schema).await.unwrap());
    assert!(!warehouse.replace(&old, &second, schema).await.unwrap());
    assert_eq!(warehouse.fetch(&[old.id().to_owned()], schema).await.unwrap(), [first]);
}

/// Inserts a value that is too long. SQLite accepts text of any length, so the value is stored there.
async fn a_value_too_long_is_refused_alone(warehouse: &dyn Warehouse, schema: &TableSchema) {
    let mut records: Vec<Record> = (6_000..6_150).map(record).collect();
    records[70].reading.id_lote = "x".repeat(300);
    let outcome = load(warehouse, &records, schema, OnConflict::Keep).await.unwrap();
    let refused = count(&outcome, |loaded| matches!(loaded, LoadResult::Refused(_)));
    assert_eq!(count(&outcome, |loaded| *loaded == LoadResult::Inserted) + refused, records.len());
    assert!(refused <= 1 && outcome[70] != LoadResult::Identical, "{:?}", outcome[70]);
}
