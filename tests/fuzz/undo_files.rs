//! Undo files: rows and objects before and after each change.

use std::path::Path;

use pipeline::record::Column;
use pipeline::record::row::{ColumnType, Row, TableSchema, Value};
use ruminate::undo::{Change, ChangeReader, ObjectChange, RecordedChanges, UndoFile};

use crate::corpus;
use crate::engine::{Target, Verdict, check_reason, ensure, same};

const TABLE: &str = "historico_consumo";
const LAKE: &str = "/lake";

/// A schema of a table of others: wide numbers, and times with fractions.
fn wide() -> TableSchema {
    let mut schema = TableSchema::standard();
    for column in [Column::PesoMedio, Column::ConsumoReal, Column::ConsumoMeta] {
        schema.0[column.index()] = ColumnType::Double { decimals: None };
    }
    schema.0[Column::RowTs.index()] = ColumnType::DateTime { digits: 6 };
    schema
}

/// Writes changes of rows and objects.
fn write(path: &Path, changes: &[Change]) -> std::io::Result<()> {
    let file = UndoFile::new(path.to_owned(), TABLE.into());
    let is_row = |change: &Change| matches!(change, Change::Row(_));
    for changes in changes.chunk_by(|one, other| is_row(one) && is_row(other)) {
        match &changes[0] {
            Change::Row(_) => {
                let rows = changes.iter().filter_map(|change| match change {
                    Change::Row(row) => Some((row.0.as_ref(), &row.1)),
                    Change::Object(_) => None,
                });
                file.record(rows, &mut RecordedChanges::default())?;
            }
            Change::Object(object) => file.record_object(ObjectChange {
                lake: &object.lake,
                key: &object.key,
                before: object.before.as_deref(),
                after: &object.after,
            })?,
        }
    }
    Ok(())
}

/// Changes as a repair makes them: values replaced, a row inserted, an invalid value, an object written.
fn changes(schema: &TableSchema) -> Vec<Change> {
    let rows: Vec<Row> = corpus::messages()[..3].iter().map(|message| corpus::record(message).to_row(schema)).collect();
    let mut invalid = rows[2].clone();
    invalid.0[Column::Data.index()] = Value::Invalid("0000-00-00 00:00:00".into());
    invalid.0[Column::IdRaca.index()] = Value::Null;
    let row = |before: Option<&Row>, after: &Row| Change::Row(Box::new((before.cloned(), after.clone())));
    vec![
        row(Some(&rows[0]), &rows[1]),
        row(None, &rows[2]),
        row(Some(&invalid), &rows[2]),
        row(Some(&rows[1]), &rows[0]),
    ]
}

fn corpus_of(schema: &TableSchema, path: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    write(path, &changes(schema)).unwrap();
    all.push(std::fs::read(path).unwrap());
    for before in [None, Some("{\"a\":1}")] {
        let object = ObjectChange { lake: LAKE, key: "fazenda_um/2023/01/01/x.json", before, after: "{\"a\":\"2\"}" };
        UndoFile::new(path.to_owned(), TABLE.into()).record_object(object).unwrap();
    }
    all.push(std::fs::read(path).unwrap());
    std::fs::remove_file(path).unwrap();
    all
}

/// Returns all changes of a file, oldest first.
fn read(path: &Path, schema: &TableSchema) -> Result<Vec<Change>, String> {
    let mut reader = ChangeReader::open(path, TABLE, Some(LAKE.into()), schema).map_err(|e| e.to_string())?;
    let mut changes = Vec::new();
    while let Some(piece) = reader.next_chunk().map_err(|e| format!("after it was checked: {e}"))? {
        changes.extend(piece);
    }
    if reader.count() != changes.len() as u64 {
        return Err(format!("after it was checked: {} changes, of {}", changes.len(), reader.count()));
    }
    changes.reverse();
    Ok(changes)
}

fn run(name: &'static str, schema: &TableSchema) {
    let home = tempfile::tempdir().unwrap();
    let (path, again) = (home.path().join("undo.ndjson"), home.path().join("again.ndjson"));
    let words =
        &["\"supersedes\":true,", "\"before\":null,", "\"after\":{", "{\"invalid\":\"x\"}", "\"table\":\"t\",", "\n"];
    Target { words, ..Target::new(name, 1_500, corpus_of(schema, &path)) }.run(|bytes| {
        std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
        let _ = std::fs::remove_file(&again);
        undo(&path, &again, schema)
    });
}

fn undo(path: &Path, again: &Path, schema: &TableSchema) -> Verdict {
    let found = read(path, schema);
    same("read again", &read(path, schema), &found)?;
    match found {
        Ok(changes) if changes.is_empty() => Ok(false),
        Ok(changes) => {
            write(again, &changes).map_err(|e| e.to_string())?;
            let written = read(again, schema).map_err(|e| format!("written and rejected: {e}"))?;
            same("written and read again", &written, &changes)?;
            Ok(true)
        }
        Err(why) => {
            ensure(!why.starts_with("after it was checked"), || why.clone())?;
            check_reason(&why).map(|()| false)
        }
    }
}

#[test]
fn the_changes_of_a_standard_table_are_the_same_after_they_were_written_again() {
    run(
        "undo_files::the_changes_of_a_standard_table_are_the_same_after_they_were_written_again",
        &TableSchema::standard(),
    );
}

#[test]
fn the_changes_of_a_wide_table_are_the_same_after_they_were_written_again() {
    run("undo_files::the_changes_of_a_wide_table_are_the_same_after_they_were_written_again", &wide());
}
