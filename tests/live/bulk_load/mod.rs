//! Bulk loading into real servers: values, types and rejected rows.

mod connections;
mod hostile;
mod replica;

use pipeline::record::Column;
use pipeline::record::row::{Row, TableSchema, Value};
use pipeline::retry::RetryPolicy;
use pipeline::warehouse::mysql::MySql;
use pipeline::warehouse::{
    BulkWarehouse, ChangeSet, InsertResult, JournalEntry, LoadMethod, Reason, TableName, Warehouse, WarehouseUrl,
};
use testkit::conformance::warehouse as conformance;
use testkit::{Database, MYSQL, Server};
use uuid::Uuid;

const BOTH: [LoadMethod; 2] = [LoadMethod::LoadData, LoadMethod::Insert];

fn open(url: &str) -> MySql {
    let WarehouseUrl::MySql(url) = url.parse().unwrap() else { panic!("{url}") };
    MySql::new(&url, TableName::default(), 4, RetryPolicy::default()).unwrap()
}

fn rows(numbers: impl Iterator<Item = u32>, schema: &TableSchema) -> Vec<Row> {
    let mut rows: Vec<Row> = numbers.map(|n| conformance::record(n).to_row(schema)).collect();
    rows.sort_by(|a, b| a.id().cmp(b.id()));
    rows
}

fn note(seq: u64) -> JournalEntry {
    JournalEntry { run_id: Uuid::from_u128(7), seq, text: format!("note {seq}") }
}

/// Returns a warehouse with its schema and a journal.
async fn ready(url: &str) -> (MySql, TableSchema) {
    let warehouse = open(url);
    warehouse.init().await.unwrap();
    warehouse.open_journal(true).await.unwrap();
    let schema = warehouse.table_schema().await.unwrap();
    (warehouse, schema)
}

on_both! {
    floats_keep_their_bits: live_mysql_floats_keep_their_bits, live_mariadb_floats_keep_their_bits;
    columns_of_every_kind: live_mysql_both_methods_agree_on_every_column, live_mariadb_both_methods_agree_on_every_column;
    ties_are_no_conflicts: live_mysql_ties_of_rounded_columns_are_no_conflicts, live_mariadb_ties_of_rounded_columns_are_no_conflicts;
    hostile_rows: live_mysql_hostile_rows_are_stored_as_they_are, live_mariadb_hostile_rows_are_stored_as_they_are;
    bad_rows_are_named: live_mysql_a_bad_row_is_named, live_mariadb_a_bad_row_is_named;
}

/// Bit patterns of all sizes are loaded by both methods and read back in binary.
async fn floats_keep_their_bits(server: Server) {
    let database = Database::new(server).await;
    let (warehouse, schema) = ready(&database.url()).await;
    let wide = "ALTER TABLE historico_consumo MODIFY consumo_real DOUBLE, MODIFY consumo_meta DOUBLE";
    let mut bits = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bits ^ bits >> 29
    };
    for doubles in [false, true] {
        if doubles {
            database.run("DELETE FROM historico_consumo").await;
            database.run(wide).await;
        }
        let shape = if doubles { warehouse.table_schema().await.unwrap() } else { schema };
        let mut all = rows(0..20_000, &shape);
        for value in all.iter_mut().flat_map(|row| &mut row.0) {
            match value {
                Value::Float(value) => {
                    *value = std::iter::repeat_with(|| f32::from_bits(next() as u32)).find(|f| f.is_finite()).unwrap();
                }
                Value::Double(value) => {
                    *value = std::iter::repeat_with(|| f64::from_bits(next())).find(|f| f.is_finite()).unwrap();
                }
                _ => {}
            }
        }
        for (method, rows) in BOTH.into_iter().zip(all.chunks(10_000)) {
            let warehouse = warehouse.clone().with_load_method(Some(method));
            let change = ChangeSet { insert: rows, ..ChangeSet::default() };
            assert_eq!(warehouse.apply(&change, &shape).await.unwrap(), InsertResult::Inserted);
            let (first, last) = (rows[0].id(), rows[rows.len() - 1].id());
            let found = warehouse.range(first, last, 20_000, &shape).await.unwrap();
            assert_eq!(found.len(), rows.len());
            for (sent, found) in rows.iter().zip(&found) {
                assert_eq!(bits_of(sent), bits_of(found), "{method} {sent:?}");
            }
        }
    }
    database.drop().await;
}

/// Random rows with hostile texts and numbers: LOAD DATA and INSERT store exactly what was sent. What LOAD DATA would store with a
/// warning is inserted.
async fn hostile_rows(server: Server) {
    let database = Database::new(server).await;
    let (warehouse, schema) = ready(&database.url()).await;
    let rows = hostile::rows(2_000);
    for method in BOTH {
        let warehouse = warehouse.clone().with_load_method(Some(method));
        let change = ChangeSet { insert: &rows, ..ChangeSet::default() };
        assert_eq!(warehouse.apply(&change, &schema).await.unwrap(), InsertResult::Inserted);
        let stored = warehouse.range("0", "z", 10_000, &schema).await.unwrap();
        assert_eq!(stored.len(), rows.len(), "{method}");
        for (sent, stored) in rows.iter().zip(&stored) {
            assert_eq!((stored, bits_of(stored)), (sent, bits_of(sent)), "{method}");
        }
        database.run("DELETE FROM historico_consumo").await;
    }
    database.drop().await;
}

fn bits_of(row: &Row) -> Vec<u64> {
    let bits = |value: &Value| match value {
        Value::Float(value) => Some(u64::from(value.to_bits())),
        Value::Double(value) => Some(value.to_bits()),
        _ => None,
    };
    row.0.iter().filter_map(bits).collect()
}

/// Tables with other column types: LOAD DATA and INSERT store the same values, and nothing is loaded twice.
async fn columns_of_every_kind(server: Server) {
    let database = Database::new(server).await;
    let (warehouse, _) = ready(&database.url()).await;
    let kinds = "ALTER TABLE historico_consumo MODIFY peso_entrada DECIMAL(12,2), MODIFY peso_medio DECIMAL(9,0), \
                 MODIFY consumo_real DOUBLE, MODIFY consumo_meta FLOAT(9,3), MODIFY data DATETIME(3), \
                 MODIFY row_ts DATETIME(6), MODIFY id_lote VARCHAR(36), MODIFY id_raca CHAR(40), \
                 MODIFY quantidade_animais SMALLINT UNSIGNED, MODIFY dia_confinamento BIGINT, \
                 ADD COLUMN origem VARCHAR(20) DEFAULT 'x', ADD COLUMN nota TEXT";
    database.run(kinds).await;
    let schema = warehouse.table_schema().await.unwrap();
    let rows: Vec<Row> = rows(0..3_000, &schema);
    let mut stored = Vec::new();
    for method in BOTH {
        let warehouse = warehouse.clone().with_load_method(Some(method));
        let change = ChangeSet { insert: &rows, ..ChangeSet::default() };
        assert_eq!(warehouse.apply(&change, &schema).await.unwrap(), InsertResult::Inserted);
        assert_eq!(rollbacks(&database).await, 0, "{method}: nothing is done twice");
        stored.push(warehouse.range("0", "z", 10_000, &schema).await.unwrap());
        database.run("DELETE FROM historico_consumo").await;
    }
    assert_eq!(stored[0].len(), rows.len());
    assert_eq!(stored[0], stored[1]);
    let record = conformance::record(7);
    let row = stored[0].iter().find(|row| row.id() == record.id_treated_data).unwrap();
    assert_eq!(record.differences(row, &schema), []);
    database.drop().await;
}

/// Weights half way between two values of the column: they agree regardless of how a server rounds them.
async fn ties_are_no_conflicts(server: Server) {
    let database = Database::new(server).await;
    let (warehouse, _) = ready(&database.url()).await;
    let kinds = "ALTER TABLE historico_consumo MODIFY peso_entrada FLOAT(7,2), MODIFY peso_medio DOUBLE(9,2), \
                 MODIFY consumo_real DECIMAL(9,2), MODIFY consumo_meta FLOAT(9,4)";
    database.run(kinds).await;
    let schema = warehouse.table_schema().await.unwrap();
    let mut records: Vec<_> = (0..5_000).map(conformance::record).collect();
    for (n, record) in (0_u32..).zip(&mut records) {
        let tie = (f64::from(n) * 137.0 * 10.0 + 5.0) / 1_000.0;
        let reading = &mut record.reading;
        (reading.peso_entrada, reading.peso_medio, reading.consumo_real, record.consumo_meta) =
            (tie, tie, tie, tie + 0.00005);
    }
    records.sort_by(|a, b| a.id_treated_data.cmp(&b.id_treated_data));
    let rows: Vec<Row> = records.iter().map(|record| record.to_row(&schema)).collect();
    for method in BOTH {
        let warehouse = warehouse.clone().with_load_method(Some(method));
        let change = ChangeSet { insert: &rows, ..ChangeSet::default() };
        assert_eq!(warehouse.apply(&change, &schema).await.unwrap(), InsertResult::Inserted);
        let stored = warehouse.range("0", "z", 10_000, &schema).await.unwrap();
        for (record, row) in records.iter().zip(&stored) {
            assert_eq!(record.differences(row, &schema), [], "{method}: {record:?}");
        }
        database.run("DELETE FROM historico_consumo").await;
    }
    database.drop().await;
}

/// Returns the number of transactions that the sessions in this database rolled back, if the server counts them:
/// MariaDB does not by default.
async fn rollbacks(database: &Database) -> i64 {
    let sql = "SELECT CAST(COALESCE(SUM(s.count_star), 0) AS SIGNED) FROM performance_schema.threads t \
               JOIN performance_schema.events_statements_summary_by_thread_by_event_name s USING (thread_id) \
               WHERE t.processlist_db = DATABASE() AND s.event_name = 'statement/sql/rollback'";
    database.count(sql).await
}

async fn bad_rows_are_named(server: Server) {
    let database = Database::new(server).await;
    let (warehouse, _) = ready(&database.url()).await;
    database.run("ALTER TABLE historico_consumo MODIFY cod_cliente VARCHAR(255) CHARACTER SET latin1, MODIFY quantidade_animais TINYINT, MODIFY id_raca VARCHAR(255) NOT NULL").await;
    let schema = warehouse.table_schema().await.unwrap();
    let bad = [
        (Column::IdLote, Value::Text("x".repeat(256)), "id_lote"),
        (Column::CodCliente, Value::Text("boi 🐂".into()), "cod_cliente"),
        (Column::QuantidadeAnimais, Value::Integer(128), "quantidade_animais"),
        (Column::IdRaca, Value::Null, "id_raca"),
        (Column::PesoMedio, Value::Float(f32::NAN), ""),
    ];
    for method in BOTH {
        let warehouse = warehouse.clone().with_load_method(Some(method));
        for (at, (column, value, named)) in (1..).zip(bad.clone()) {
            let mut rows = rows(0..300, &schema);
            rows[123].0[column.index()] = value.clone();
            let change = ChangeSet { insert: &rows, journal_writes: &[note(at)], ..ChangeSet::default() };
            let why = warehouse.limits().await.unwrap().violation(&change.insert[123]);
            assert!(why.is_some_and(|why| why.starts_with(named)) || column == Column::IdRaca, "{column}");
            assert_eq!(warehouse.limits().await.unwrap().violation(&change.insert[122]), None);
            let e = warehouse.apply(&change, &schema).await.unwrap_err();
            // MySQL's message has the character sets where others have the column.
            assert!(e.message.contains(named) || e.message.contains("(error 3988)"), "{method}: {e}");
            assert!(e.reason == Reason::BadRow || named.is_empty(), "{method}: {e}");
            assert_eq!(warehouse.count("0", "z").await.unwrap(), 0, "rolled back");
            assert_eq!(warehouse.run_entries(note(1).run_id).await.unwrap(), []);
        }
        if server.variable == MYSQL.variable {
            assert!(rollbacks(&database).await > 0, "they are counted");
        }
        // An existing id and an invalid value in one batch: both are reported, and nothing is partially written.
        let mut rows = rows(0..300, &schema);
        let change = ChangeSet { insert: &rows[..1], ..ChangeSet::default() };
        assert_eq!(warehouse.apply(&change, &schema).await.unwrap(), InsertResult::Inserted);
        rows[123].0[Column::IdLote.index()] = Value::Text("x".repeat(256));
        let change = ChangeSet { insert: &rows, ..ChangeSet::default() };
        let done = warehouse.apply(&change, &schema).await;
        assert!(
            matches!(&done, Ok(InsertResult::IdTaken)) || done.as_ref().is_err_and(|e| e.reason == Reason::BadRow),
            "{done:?}"
        );
        assert_eq!(warehouse.count("0", "z").await.unwrap(), 1);
        database.run("DELETE FROM historico_consumo").await;
    }
    database.drop().await;
}
