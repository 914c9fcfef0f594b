//! Suite for snapshots of a table: scans by id range and by window, and isolation from later writes.

use chrono::Days;
use futures::TryStreamExt;

use super::record;
use pipeline::record::Column;
use pipeline::record::row::{Row, TableSchema, Value};
use pipeline::warehouse::{BulkWarehouse, ChangeSet, IdRange, InsertResult, Snapshot, TimeWindow};

/// Rows of the table.
const ROWS: u32 = 2_345;

/// Runs every check on a table that has no rows yet.
pub(super) async fn check(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let mut rows: Vec<Row> = (0..ROWS).map(|n| record(n).to_row(schema)).collect();
    rows.sort_by(|a, b| a.id().cmp(b.id()));
    let change = ChangeSet { insert: &rows, ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::Inserted);
    pages_come_in_the_order_of_ids(warehouse, schema, &rows).await;
    windows_hold(warehouse, schema).await;
    ranges_have_every_row_once(warehouse, schema, &rows).await;
    later_writes_are_not_visible(warehouse, schema, &rows).await;
}

/// Scans every row of some windows, at most N rows each, in pages of N/7 rows.
async fn all(snapshot: &mut dyn Snapshot, limit: u32, windows: &[TimeWindow]) -> Vec<Row> {
    let (mut all, page): (Vec<Row>, usize) = (Vec::new(), (limit / 7).max(1) as usize);
    loop {
        let ids = IdRange::default().after(all.last().map(|row| row.id().to_owned()));
        let pages: Vec<Vec<Row>> = snapshot.scan(ids, limit, page, windows).try_collect().await.unwrap();
        assert!(pages.iter().all(|rows| rows.len() <= page));
        let rows: Vec<Row> = pages.into_iter().flatten().collect();
        if rows.is_empty() {
            return all;
        }
        assert!(rows.len() <= limit as usize);
        all.extend(rows);
    }
}

async fn pages_come_in_the_order_of_ids(warehouse: &dyn BulkWarehouse, schema: &TableSchema, rows: &[Row]) {
    let mut snapshot = warehouse.snapshot(schema).await.unwrap();
    for page in [100, 5_000] {
        assert!(all(&mut *snapshot, page, &[]).await == rows, "pages of {page}: bit for bit");
    }
}

async fn windows_hold(warehouse: &dyn BulkWarehouse, schema: &TableSchema) {
    let day = record(0).reading.data.naive_utc();
    let next = day.checked_add_days(Days::new(1));
    let of_row_ts = |from, until| TimeWindow { column: Column::RowTs, from, until };
    let of_data = |from, until| TimeWindow { column: Column::Data, from, until };
    let processed = record(0).row_ts.naive_utc();
    let later = processed.checked_add_days(Days::new(1));
    let mut snapshot = warehouse.snapshot(schema).await.unwrap();
    let cases = [
        (vec![of_data(Some(day), next)], 79),
        (vec![of_data(next, None)], ROWS - 79),
        (vec![of_data(None, Some(day))], 0),
        (vec![of_data(None, Some(day)), of_data(Some(day), next)], 79),
        (vec![of_data(Some(day), next), of_row_ts(None, later)], ROWS),
        (vec![of_data(Some(day), next), of_row_ts(later, None)], 79),
        (vec![of_data(None, None)], ROWS),
    ];
    for (windows, expected) in cases {
        let found = all(&mut *snapshot, 700, &windows).await;
        assert_eq!(found.len(), expected as usize, "{windows:?}");
    }
}

/// Checks adjacent ranges; one of them is empty, and one is between two ids.
async fn ranges_have_every_row_once(warehouse: &dyn BulkWarehouse, schema: &TableSchema, rows: &[Row]) {
    let id = |at: usize| Some(rows[at].id().to_owned());
    let between = rows[1_500].id().replace('-', "");
    let between = format!("{}-{}", &between[..8], &between[8..10]);
    let limits = [None, id(0), id(700), id(700), Some(between), id(rows.len() - 1), None];
    let mut snapshot = warehouse.snapshot(schema).await.unwrap();
    let mut found = Vec::new();
    for limits in limits.windows(2) {
        let ids = IdRange { after: limits[0].clone(), until: limits[1].clone() };
        let part = snapshot.scan(ids.clone(), u32::MAX, 1_000, &[]).try_concat().await.unwrap();
        assert!(limits[0].is_none() || limits[0] != limits[1] || part.is_empty(), "{ids:?}");
        found.extend(part);
    }
    assert!(found == rows, "{} of {}", found.len(), rows.len());
    let day = record(0).reading.data.naive_utc();
    let window = TimeWindow { column: Column::Data, from: Some(day), until: day.checked_add_days(Days::new(1)) };
    let ids = IdRange { after: id(30), until: id(2_000) };
    let part = snapshot.scan(ids, u32::MAX, 1_000, &[window]).try_concat().await.unwrap();
    let inside = |row: &&Row| row.instant(Column::Data).is_some_and(|at| window.has(at));
    assert!(part == rows[31..=2_000].iter().filter(inside).cloned().collect::<Vec<_>>(), "a window in a range");
}

async fn later_writes_are_not_visible(warehouse: &dyn BulkWarehouse, schema: &TableSchema, rows: &[Row]) {
    let mut snapshot = warehouse.snapshot(schema).await.unwrap();
    let first = snapshot.scan(IdRange::default(), 10, 100, &[]).try_concat().await.unwrap();
    assert!(first == rows[..10]);
    let last = rows.last().unwrap();
    let mut changed = last.clone();
    changed.0[Column::QuantidadeAnimais.index()] = Value::Integer(1);
    let new = [record(ROWS).to_row(schema)];
    let replace = [(last.clone(), changed.clone())];
    let change = ChangeSet { insert: &new, replace: &replace, ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&change, schema).await.unwrap(), InsertResult::Inserted);
    let after = IdRange::default().after(first.last().map(|row| row.id().to_owned()));
    let rest = snapshot.scan(after, 5_000, 1_000, &[]).try_concat().await.unwrap();
    assert!(rest == rows[10..], "as it was when the reading began");
    let mut later = warehouse.snapshot(schema).await.unwrap();
    let now = all(&mut *later, 5_000, &[]).await;
    assert_eq!(now.len(), rows.len() + 1, "another reading shows a later moment");
    assert!(now.contains(&changed) && now.contains(&new[0]));
}
