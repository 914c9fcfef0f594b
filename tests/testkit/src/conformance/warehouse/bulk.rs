//! Suite for [`BulkWarehouse`]: loading, journal, table swap.

use uuid::Uuid;

use super::{record, snapshot};
use pipeline::record::row::{Row, TableSchema, Value};
use pipeline::record::{Column, MAX_TEXT_CHARS};
use pipeline::warehouse::bulk::{BulkWarehouse, ChangeSet, JournalEntry};
use pipeline::warehouse::{InsertResult, OnConflict, Reason, TableName, load};

/// Ids before and after every id of a record.
const ALL: [&str; 2] = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"];

/// Runs every check; the database must have no table of that name, no journal and no table that begins like it.
pub async fn bulk(warehouse: &dyn BulkWarehouse) {
    warehouse.init().await.unwrap();
    let schema = warehouse.table_schema().await.unwrap();
    assert!(!warehouse.load_strategy().await.unwrap().reason.is_empty());
    without_a_journal_no_entry_is_written(warehouse, &schema).await;
    assert!(warehouse.open_journal(true).await.unwrap());
    assert!(warehouse.open_journal(true).await.unwrap(), "creating it again is not an error");
    rows_and_journal_entries_are_committed_together(warehouse, &schema).await;
    entries_are_overwritten_and_deleted(warehouse, &schema).await;
    a_taken_id_rolls_back_the_batch(warehouse, &schema).await;
    replacements_are_guarded(warehouse, &schema).await;
    only_the_given_row_is_deleted(warehouse, &schema).await;
    a_rejected_row_rolls_back_the_batch(warehouse, &schema).await;
    any_text_survives(warehouse, &schema).await;
    two_loaders_do_not_interfere(warehouse, &schema).await;
    load_metrics_name_the_query_that_fails(warehouse).await;
    a_shadow_table_is_swapped_in(warehouse, &schema).await;
}

/// Returns rows in the order of their ids.
fn rows(numbers: impl Iterator<Item = u32>, schema: &TableSchema) -> Vec<Row> {
    let mut rows: Vec<Row> = numbers.map(|n| record(n).to_row(schema)).collect();
    rows.sort_by(|a, b| a.id().cmp(b.id()));
    rows
}

fn note(run: u128, seq: u64, text: &str) -> JournalEntry {
    JournalEntry { run_id: Uuid::from_u128(run), seq, text: text.into() }
}

async fn without_a_journal_no_entry_is_written(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    assert!(!warehouse.open_journal(false).await.unwrap());
    assert_eq!(warehouse.run_headers().await.unwrap(), []);
    assert_eq!(warehouse.run_entries(Uuid::from_u128(1)).await.unwrap(), []);
    let (rows, entries) = (rows(0..3, schema), [note(1, 1, "x")]);
    let change = ChangeSet { insert: &rows, journal_writes: &entries, ..ChangeSet::default() };
    let e = warehouse.apply(&change, schema).await.unwrap_err();
    assert_eq!(e.reason, Reason::NoTable, "{e}");
    assert!(e.message.contains("journal"), "{e}");
    assert_eq!(warehouse.count(ALL[0], ALL[1]).await.unwrap(), 0, "all or nothing");
}

async fn rows_and_journal_entries_are_committed_together(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let rows = rows(0..5_003, schema);
    let (first, rest) = rows.split_at(2_777);
    for (insert, entries) in [(first, [note(1, 1, "a")]), (rest, [note(1, 2, "b")]), (&[], [note(1, 0, "head")])] {
        let change = ChangeSet { insert, journal_writes: &entries, ..ChangeSet::default() };
        assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::Inserted);
    }
    assert_eq!(
        warehouse.apply(&ChangeSet::default(), schema).await.unwrap(),
        InsertResult::Inserted,
        "nothing is easily done"
    );
    assert_eq!(warehouse.range(ALL[0], ALL[1], 10_000, schema).await.unwrap(), rows, "bit for bit, in order");
    let (from, to) = (&rows[100], &rows[4_000]);
    assert_eq!(warehouse.range(from.id(), to.id(), 10_000, schema).await.unwrap(), rows[100..=4_000]);
    assert_eq!(warehouse.range(from.id(), to.id(), 7, schema).await.unwrap(), rows[100..107]);
    assert_eq!(warehouse.count(from.id(), to.id()).await.unwrap(), 3_901);
    assert_eq!(warehouse.run_entries(Uuid::from_u128(1)).await.unwrap(), [note(1, 1, "a"), note(1, 2, "b")]);
    assert_eq!(warehouse.run_headers().await.unwrap(), [note(1, 0, "head")]);
    assert_eq!(warehouse.run_entries(Uuid::from_u128(2)).await.unwrap(), []);
}

async fn entries_are_overwritten_and_deleted(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let write = async |entries: &[JournalEntry], forget: &[(Uuid, u64)]| {
        let change = ChangeSet { journal_writes: entries, journal_deletes: forget, ..ChangeSet::default() };
        assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::Inserted);
    };
    write(&[note(2, 0, "second"), note(2, u64::from(u32::MAX) + 7, "far"), note(2, 3, "c")], &[]).await;
    let heads = |notes: &[JournalEntry]| notes.iter().map(|entry| entry.text.clone()).collect::<Vec<_>>();
    assert_eq!(heads(&warehouse.run_headers().await.unwrap()), ["second", "head"], "the newest first");
    write(&[note(1, 0, "again")], &[]).await;
    assert_eq!(heads(&warehouse.run_headers().await.unwrap()), ["again", "second"], "what is written over is new");
    let long = "ração \\ ' \" \t\n\r\0 \u{1a} 🐂 ".repeat(4_000);
    write(&[note(2, 3, &long)], &[(Uuid::from_u128(2), u64::from(u32::MAX) + 7), (Uuid::from_u128(9), 1)]).await;
    assert_eq!(warehouse.run_entries(Uuid::from_u128(2)).await.unwrap(), [note(2, 3, &long)]);
    write(&[note(2, 3, "kept")], &[(Uuid::from_u128(2), 3)]).await;
    assert_eq!(
        warehouse.run_entries(Uuid::from_u128(2)).await.unwrap(),
        [note(2, 3, "kept")],
        "forgotten, then written"
    );
}

async fn a_taken_id_rolls_back_the_batch(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let before =
        (warehouse.count(ALL[0], ALL[1]).await.unwrap(), warehouse.run_entries(Uuid::from_u128(1)).await.unwrap());
    let rows = rows((9_000..9_400).chain([17]), schema);
    let change = ChangeSet {
        insert: &rows,
        journal_writes: &[note(1, 3, "x")],
        journal_deletes: &[(Uuid::from_u128(1), 1)],
        ..ChangeSet::default()
    };
    assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::IdTaken);
    let after =
        (warehouse.count(ALL[0], ALL[1]).await.unwrap(), warehouse.run_entries(Uuid::from_u128(1)).await.unwrap());
    assert_eq!(before, after);
    let all_taken = self::rows(0..2_500, schema);
    let change = ChangeSet { insert: &all_taken, ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::IdTaken);
}

async fn replacements_are_guarded(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let with = |row: &Row, animals: i64| {
        let mut row = row.clone();
        row.0[Column::QuantidadeAnimais.index()] = Value::Integer(animals);
        row
    };
    let new = rows(9_500..9_502, schema);
    let (a, b) = (record(20).to_row(schema), record(21).to_row(schema));
    let replace = [(a.clone(), with(&a, 7)), (b.clone(), with(&b, 8))];
    let change =
        ChangeSet { insert: &new[..1], replace: &replace, journal_writes: &[note(3, 1, "r")], ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::Inserted);
    assert_eq!(warehouse.fetch(&[a.id().into()], schema).await.unwrap(), [with(&a, 7)]);
    assert_eq!(warehouse.fetch(&[b.id().into()], schema).await.unwrap(), [with(&b, 8)]);
    // The first row is unchanged, but the second is not.
    let stale = [(with(&a, 7), with(&a, 9)), (b.clone(), with(&b, 9))];
    let change =
        ChangeSet { insert: &new[1..], replace: &stale, journal_writes: &[note(3, 2, "r")], ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::IdTaken);
    assert_eq!(warehouse.fetch(&[a.id().into()], schema).await.unwrap(), [with(&a, 7)]);
    assert_eq!(warehouse.fetch(&[new[1].id().into()], schema).await.unwrap(), []);
    assert_eq!(warehouse.run_entries(Uuid::from_u128(3)).await.unwrap(), [note(3, 1, "r")]);
    let back = [(with(&a, 7), a.clone()), (with(&b, 8), b.clone())];
    let change = ChangeSet { replace: &back, ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::Inserted);
}

/// Loads a value that is too long. SQLite accepts text of any length, so the value is stored there.
async fn only_the_given_row_is_deleted(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let there = rows(60_000..60_004, schema);
    let insert = ChangeSet { insert: &there, ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&insert, schema).await.unwrap(), InsertResult::Inserted);
    let ids: Vec<String> = there.iter().map(|row| row.id().to_owned()).collect();
    for column in [Column::PesoMedio, Column::RowTs, Column::IdLote, Column::QuantidadeAnimais] {
        let mut other = there[1].clone();
        other.0[column.index()] = record(1).to_row(schema).get(column).clone();
        if matches!(column, Column::RowTs | Column::QuantidadeAnimais) {
            other.0[column.index()] = Value::Null;
        }
        let remove = [there[0].clone(), other];
        let change = ChangeSet { remove: &remove, ..ChangeSet::default() };
        assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::IdTaken, "{column}");
        assert_eq!(warehouse.fetch(&ids, schema).await.unwrap().len(), 4, "all or nothing");
    }
    let change = ChangeSet { remove: &there[..3], ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::Inserted);
    assert_eq!(warehouse.fetch(&ids, schema).await.unwrap(), [there[3].clone()]);
    let change = ChangeSet { remove: &there[3..], ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::Inserted);
}

async fn a_rejected_row_rolls_back_the_batch(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let mut rows = rows(9_600..9_700, schema);
    rows[70].0[Column::IdLote.index()] = Value::Text("x".repeat(MAX_TEXT_CHARS + 1));
    let change = ChangeSet { insert: &rows, journal_writes: &[note(4, 1, "bad")], ..ChangeSet::default() };
    let refused = warehouse.limits().await.unwrap().violation(&rows[70]);
    assert_eq!(warehouse.limits().await.unwrap().violation(&rows[69]), None);
    let in_there = match warehouse.apply(&change, schema).await {
        Ok(done) => {
            assert_eq!(refused, None, "an existing id is not reported as refused");
            assert_eq!(done, InsertResult::Inserted);
            rows.len()
        }
        Err(e) => {
            assert_eq!(e.reason, Reason::BadRow, "{e}");
            assert!(refused.is_some_and(|why| why.starts_with("id_lote has 256 characters")));
            0
        }
    };
    let ids: Vec<String> = rows.iter().map(|row| row.id().to_owned()).collect();
    assert_eq!(warehouse.fetch(&ids, schema).await.unwrap().len(), in_there);
    assert_eq!(warehouse.run_entries(Uuid::from_u128(4)).await.unwrap().len(), usize::from(in_there > 0));
}

async fn any_text_survives(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let nasty = [
        "tab\tnew\nline\r\nreturn",
        "back\\slash \\N \\t \\0 \\\\ at the end\\",
        "'single' \"double\" `back` %_;--/*",
        "nul \0 in it, \u{1a} and \u{8}",
        "ração São João 日本 🐂🐄",
        "",
        " blanks ",
        "\\N",
        "NULL",
    ];
    let mut rows = rows(9_800..9_809, schema);
    for (row, text) in rows.iter_mut().zip(nasty) {
        for column in [Column::IdCurral, Column::IdRaca, Column::IdLote, Column::CodCliente] {
            row.0[column.index()] = Value::Text(text.into());
        }
    }
    rows.last_mut().unwrap().0[Column::IdTreatedData.index()] = Value::Text("zz\t\\'\"\n\0🐂".into());
    let longest = "🐂".repeat(MAX_TEXT_CHARS);
    rows[0].0[Column::IdRaca.index()] = Value::Text(longest);
    let change = ChangeSet { insert: &rows, ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::Inserted);
    for row in &rows {
        assert_eq!(warehouse.fetch(&[row.id().to_owned()], schema).await.unwrap(), std::slice::from_ref(row));
    }
}

async fn two_loaders_do_not_interfere(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let (left, right) = (rows((20_000..22_000).step_by(2), schema), rows((20_001..22_000).step_by(2), schema));
    let (left_note, right_note) = ([note(5, 1, "left")], [note(5, 2, "right")]);
    let one = ChangeSet { insert: &left, journal_writes: &left_note, ..ChangeSet::default() };
    let two = ChangeSet { insert: &right, journal_writes: &right_note, ..ChangeSet::default() };
    let done = futures::join!(warehouse.apply(&one, schema), warehouse.apply(&two, schema));
    assert_eq!((done.0.unwrap(), done.1.unwrap()), (InsertResult::Inserted, InsertResult::Inserted));
    let same = rows(22_000..24_000, schema);
    let (left_note, right_note) = ([note(5, 3, "left")], [note(5, 4, "right")]);
    let one = ChangeSet { insert: &same, journal_writes: &left_note, ..ChangeSet::default() };
    let two = ChangeSet { insert: &same, journal_writes: &right_note, ..ChangeSet::default() };
    let done = futures::join!(warehouse.apply(&one, schema), warehouse.apply(&two, schema));
    let done = [done.0.unwrap(), done.1.unwrap()];
    assert_eq!(done.iter().filter(|&&done| done == InsertResult::Inserted).count(), 1, "{done:?}");
    assert_eq!(warehouse.run_entries(Uuid::from_u128(5)).await.unwrap().len(), 3);
    let ids: Vec<String> = same.iter().map(|row| row.id().to_owned()).collect();
    assert_eq!(warehouse.fetch(&ids, schema).await.unwrap().len(), same.len());
}

async fn load_metrics_name_the_query_that_fails(warehouse: &dyn BulkWarehouse) {
    assert_eq!(warehouse.load_metrics(None).await.unwrap().query_value, None);
    let e = warehouse.load_metrics(Some("SELECT nothing_known")).await.unwrap_err();
    assert!(e.message.contains("SELECT nothing_known"), "{e}");
    assert_eq!(warehouse.replica_lag().await.unwrap(), None);
}

async fn a_shadow_table_is_swapped_in(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let address = warehouse.address();
    let name = |suffix: &str| format!("{}{suffix}", TableName::default()).parse::<TableName>().unwrap();
    let (shadow, old, older) = (name("_new"), name("_old"), name("_older"));
    assert_eq!(warehouse.swap_blockers().await.unwrap(), Vec::<String>::new());
    assert!(warehouse.create_like(&shadow).await.unwrap());
    assert!(!warehouse.create_like(&shadow).await.unwrap(), "it is there");
    let shadow_table = warehouse.with_table(shadow.clone());
    let shadow_schema = shadow_table.table_schema().await.unwrap();
    assert_eq!(&shadow_schema, schema);
    assert_eq!(shadow_table.run_headers().await.unwrap(), [], "another table's runs are not its own");
    let rows = rows((0..10).chain(30_000..30_005), schema);
    let change = ChangeSet { insert: &rows, journal_writes: &[note(6, 0, "shadow")], ..ChangeSet::default() };
    assert_eq!(shadow_table.apply(&change, schema).await.unwrap(), InsertResult::Inserted);
    assert_eq!(shadow_table.run_headers().await.unwrap(), [note(6, 0, "shadow")]);
    let before = warehouse.status().await.unwrap().rows.unwrap();
    assert_eq!(warehouse.count_rows_only_in(&shadow).await.unwrap(), 5);
    assert_eq!(shadow_table.count_rows_only_in(&TableName::default()).await.unwrap(), before - 10);

    warehouse.swap_tables(&shadow, &old).await.unwrap();
    assert_eq!(warehouse.status().await.unwrap().rows, Some(15));
    assert_eq!(warehouse.with_table(old.clone()).status().await.unwrap().rows, Some(before));
    assert_eq!(warehouse.address(), address);
    assert_eq!(
        shadow_table.table_schema().await.unwrap_err().reason,
        Reason::NoTable,
        "the shadow table no longer exists"
    );
    assert_eq!(warehouse.init().await.unwrap(), Vec::<String>::new(), "all of the schema is there");
    let outcome = load(warehouse, &[record(40_000)], schema, OnConflict::Keep).await.unwrap();
    assert_eq!(outcome.len(), 1);

    assert!(warehouse.create_like(&shadow).await.unwrap());
    let e = warehouse.swap_tables(&shadow, &old).await.unwrap_err();
    assert_eq!(e.reason, Reason::AlreadyExists, "{e}");
    assert_eq!(warehouse.status().await.unwrap().rows, Some(16), "nothing was swapped");
    // If there is no table, its shadow table follows the schema.
    warehouse.swap_tables(&shadow, &older).await.unwrap();
    let nowhere = warehouse.with_table(name("_lost"));
    assert!(nowhere.create_like(&shadow).await.unwrap());
    nowhere.swap_tables(&shadow, &name("_never")).await.unwrap();
    assert_eq!(nowhere.status().await.unwrap().rows, Some(0));
    assert_eq!(nowhere.with_table(name("_never")).table_schema().await.unwrap_err().reason, Reason::NoTable);
    snapshot::check(&*nowhere, schema).await;
}
