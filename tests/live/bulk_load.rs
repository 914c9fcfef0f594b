//! Loading in bulk into real servers, and what goes wrong meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pipeline::record::Column;
use pipeline::record::row::{Row, TableSchema, Value};
use pipeline::retry::RetryPolicy;
use pipeline::warehouse::mysql::MySql;
use pipeline::warehouse::{
    BulkWarehouse, ChangeSet, InsertResult, JournalEntry, LoadMethod, Reason, TableName, Warehouse, WarehouseUrl,
};
use testkit::conformance::warehouse as conformance;
use testkit::{Database, MYSQL, PrivateMariaDb, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
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

/// A warehouse with its schema and a journal, ready.
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
    bad_rows_are_named: live_mysql_a_bad_row_is_named, live_mariadb_a_bad_row_is_named;
    killed_in_the_middle: live_mysql_a_session_killed_in_mid_load, live_mariadb_a_session_killed_in_mid_load;
    a_lost_commit_is_looked_for: live_mysql_a_lost_commit_is_looked_for, live_mariadb_a_lost_commit_is_looked_for;
    small_accounts: live_mysql_accounts_that_may_not, live_mariadb_accounts_that_may_not;
    tls_of_every_mode: live_mysql_tls_of_every_mode, live_mariadb_tls_of_every_mode;
    obstacles_are_named: live_mysql_obstacles_are_named, live_mariadb_obstacles_are_named;
    signals_are_read: live_mysql_signals_are_read, live_mariadb_signals_are_read;
}

/// Bit patterns of all sizes, sent by both methods and read back in binary.
async fn floats_keep_their_bits(server: Server) {
    let Some(database) = Database::new(server).await else { return };
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

fn bits_of(row: &Row) -> Vec<u64> {
    let bits = |value: &Value| match value {
        Value::Float(value) => Some(u64::from(value.to_bits())),
        Value::Double(value) => Some(value.to_bits()),
        _ => None,
    };
    row.0.iter().filter_map(bits).collect()
}

/// Tables as others made them: what LOAD DATA puts there is what INSERT puts there, and nothing is loaded twice for it.
async fn columns_of_every_kind(server: Server) {
    let Some(database) = Database::new(server).await else { return };
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

/// Weights half way between two that the columns hold: whichever way a server rounds them, they agree.
async fn ties_are_no_conflicts(server: Server) {
    let Some(database) = Database::new(server).await else { return };
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

/// Transactions that the sessions in this database gave up, where the server counts them: MariaDB does not by default.
async fn rollbacks(database: &Database) -> i64 {
    let sql = "SELECT CAST(COALESCE(SUM(s.count_star), 0) AS SIGNED) FROM performance_schema.threads t \
               JOIN performance_schema.events_statements_summary_by_thread_by_event_name s USING (thread_id) \
               WHERE t.processlist_db = DATABASE() AND s.event_name = 'statement/sql/rollback'";
    database.count(sql).await
}

async fn bad_rows_are_named(server: Server) {
    let Some(database) = Database::new(server).await else { return };
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
            // MySQL names the character sets where the other words name the column.
            assert!(e.message.contains(named) || e.message.contains("(error 3988)"), "{method}: {e}");
            assert!(e.reason == Reason::BadRow || named.is_empty(), "{method}: {e}");
            assert_eq!(warehouse.count("0", "z").await.unwrap(), 0, "rolled back");
            assert_eq!(warehouse.run_entries(note(1).run_id).await.unwrap(), []);
        }
        if server.variable == MYSQL.variable {
            assert!(rollbacks(&database).await > 0, "they are counted");
        }
        // A taken id and a bad value in one batch: never said to be taken alone, never half done.
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

/// Sessions are killed at random moments; with a note the load says what it did, without one nothing is half there.
async fn killed_in_the_middle(server: Server) {
    let Some(database) = Database::new(server).await else { return };
    let (warehouse, schema) = ready(&database.url()).await;
    let warehouse = Arc::new(warehouse);
    let mut kills = 0;
    for round in 0..12_u32 {
        let rows = rows(round * 4_000..(round + 1) * 4_000, &schema);
        let entries = [note(u64::from(round) + 1)];
        let noted = round % 3 != 2;
        let change =
            ChangeSet { insert: &rows, journal_writes: if noted { &entries } else { &[] }, ..ChangeSet::default() };
        let loading = warehouse.apply(&change, &schema);
        let killing = async {
            tokio::time::sleep(Duration::from_millis(u64::from(round) * 23)).await;
            kill_sessions(&database).await
        };
        let (done, killed) = tokio::join!(loading, killing);
        kills += killed;
        match done.unwrap() {
            InsertResult::Inserted => {}
            InsertResult::IdTaken => assert!(!noted, "what has a note is known"),
        }
        let ids: Vec<String> = rows.iter().map(|row| row.id().to_owned()).collect();
        assert_eq!(warehouse.fetch(&ids, &schema).await.unwrap().len(), rows.len());
        assert_eq!(
            warehouse.run_entries(note(1).run_id).await.unwrap().len() as u32,
            (0..=round).filter(|r| r % 3 != 2).count() as u32
        );
    }
    assert!(kills > 0, "no session was ever killed");
    assert_eq!(warehouse.count("0", "z").await.unwrap(), 48_000);
    database.drop().await;
}

async fn kill_sessions(database: &Database) -> u32 {
    let mut killed = 0;
    for session in database.sessions().await {
        killed += u32::from(database.kill(session).await);
    }
    killed
}

/// The connection breaks just before or just after the server has COMMIT, at each method, with a note and without.
async fn a_lost_commit_is_looked_for(server: Server) {
    let Some(database) = Database::new(server).await else { return };
    let (owner, schema) = ready(&database.url()).await;
    let mut first = 0;
    for method in BOTH {
        for (arrives, noted) in [(true, true), (false, true), (true, false), (false, false)] {
            let proxy = Cut::start(&database.url(), arrives).await;
            let warehouse = open(&proxy.url).with_load_method(Some(method));
            let rows = rows(first..first + 500, &schema);
            first += 500;
            let entries = [note(u64::from(first))];
            let change =
                ChangeSet { insert: &rows, journal_writes: if noted { &entries } else { &[] }, ..ChangeSet::default() };
            let done = warehouse.apply(&change, &schema).await.unwrap();
            assert!(proxy.cut.load(Ordering::SeqCst), "{method}: no COMMIT was seen");
            let expected = if arrives && !noted { InsertResult::IdTaken } else { InsertResult::Inserted };
            assert_eq!(done, expected, "{method}, arrives {arrives}, noted {noted}");
            assert_eq!(owner.count("0", "z").await.unwrap(), u64::from(first));
        }
    }
    assert_eq!(owner.run_entries(note(1).run_id).await.unwrap().len(), 4);
    database.drop().await;
}

/// A way to a server that breaks once, at the first COMMIT.
struct Cut {
    url: String,
    cut: Arc<AtomicBool>,
}

impl Cut {
    async fn start(to: &str, arrives: bool) -> Self {
        let mut url = url::Url::parse(to).unwrap();
        let server = format!("127.0.0.1:{}", url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        url.set_query(Some("ssl-mode=DISABLED"));
        let cut = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, done) = (TcpStream::connect(&server).await.unwrap(), Arc::clone(&done));
                tokio::spawn(async move { pass(client, server, arrives, &done).await });
            }
        });
        Self { url: url.into(), cut }
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, arrives: bool, done: &AtomicBool) {
    let (mut out, mut back) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut out) => {
                let Ok(count @ 1..) = read else { return };
                let commits = out[..count].windows(6).any(|bytes| bytes == b"COMMIT");
                if commits && !done.swap(true, Ordering::SeqCst) {
                    if arrives {
                        server.write_all(&out[..count]).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                    return;
                }
                if server.write_all(&out[..count]).await.is_err() { return }
            }
            read = server.read(&mut back) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&back[..count]).await.is_err() { return }
            }
        }
    }
}

async fn small_accounts(server: Server) {
    let Some(database) = Database::new(server).await else { return };
    let root = url::Url::parse(&database.url()).unwrap();
    let account = async |name: &str, grants: &[&str]| {
        let name = format!("{}_{name}", database.name);
        database.run(&format!("CREATE USER {name} IDENTIFIED BY 'segredo'")).await;
        for grant in grants {
            database.run(&format!("GRANT {grant} TO {name}")).await;
        }
        let mut url = root.clone();
        url.set_username(&name).unwrap();
        url.set_password(Some("segredo")).unwrap();
        open(url.as_str())
    };
    let (owner, schema) = (open(&database.url()), TableSchema::standard());
    owner.init().await.unwrap();
    let db = &database.name;
    let rows = rows(0..5, &schema);
    let change = ChangeSet { insert: &rows, ..ChangeSet::default() };

    let reader = account("r", &[&format!("SELECT ON {db}.*")]).await;
    let e = reader.apply(&change, &schema).await.unwrap_err();
    assert_eq!(e.reason, Reason::Privilege, "{e}");
    assert!(reader.swap_blockers().await.unwrap().iter().any(|line| line.contains("no CREATE")));

    let writer = account("w", &[&format!("SELECT, INSERT, UPDATE, DELETE ON {db}.*")]).await;
    let e = writer.open_journal(true).await.unwrap_err();
    assert!(e.reason == Reason::Privilege && e.message.contains("--no-journal"), "{e}");
    assert!(!writer.open_journal(false).await.unwrap());
    assert_eq!(writer.apply(&change, &schema).await.unwrap(), InsertResult::Inserted);

    assert!(owner.open_journal(true).await.unwrap());
    assert!(writer.open_journal(true).await.unwrap(), "it is there already");
    let change = ChangeSet {
        journal_writes: &[note(0), note(1)],
        journal_deletes: &[(note(0).run_id, 9)],
        ..ChangeSet::default()
    };
    assert_eq!(writer.apply(&change, &schema).await.unwrap(), InsertResult::Inserted);
    assert_eq!(writer.run_headers().await.unwrap(), [note(0)]);

    let e = writer.create_like(&"historico_consumo_new".parse().unwrap()).await.unwrap_err();
    assert_eq!(e.reason, Reason::Privilege, "{e}");
    let e = writer.replica_lag().await.unwrap_err();
    assert_eq!(e.reason, Reason::Privilege, "{e}");
    for name in ["r", "w"] {
        database.run(&format!("DROP USER {db}_{name}")).await;
    }
    database.drop().await;
}

async fn tls_of_every_mode(server: Server) {
    let Some(ca) = testkit::server(&format!("{}_CA", server.variable), server.group) else { return };
    let Some(database) = Database::new(server).await else { return };
    let (owner, schema) = ready(&database.url()).await;
    drop(owner);
    let url = |host: &str, mode: &str, ca: Option<&str>| {
        let mut url = url::Url::parse(&database.url()).unwrap();
        url.set_host(Some(host)).unwrap();
        url.query_pairs_mut().append_pair("ssl-mode", mode).extend_pairs(ca.map(|ca| ("ssl-ca", ca)));
        url.to_string()
    };
    let (ip, name, ca) = ("127.0.0.1", "localhost", Some(ca.as_str()));
    for (at, (host, mode, ca, encrypted)) in (0..).zip([
        (ip, "DISABLED", None, false),
        (ip, "PREFERRED", None, true),
        (ip, "REQUIRED", None, true),
        (ip, "VERIFY_CA", ca, true),
        (name, "VERIFY_CA", ca, true),
        (name, "VERIFY_IDENTITY", ca, true),
    ]) {
        let warehouse = open(&url(host, mode, ca)).with_load_method(Some(LoadMethod::LoadData));
        let rows = rows(at * 5..at * 5 + 5, &schema);
        let change = ChangeSet { insert: &rows, ..ChangeSet::default() };
        assert_eq!(warehouse.apply(&change, &schema).await.unwrap(), InsertResult::Inserted, "{host} {mode}");
        if server.variable == MYSQL.variable {
            assert_eq!(ciphers(&database).await > 0, encrypted, "{host} {mode}");
        }
        drop(warehouse);
        gone(&database).await;
    }
    let stranger = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sns/certificate.pem"));
    for (host, mode, ca) in [
        (ip, "VERIFY_IDENTITY", ca),
        (ip, "VERIFY_CA", stranger),
        (name, "VERIFY_IDENTITY", stranger),
        (name, "VERIFY_IDENTITY", None),
    ] {
        let e = open(&url(host, mode, ca)).load_strategy().await.unwrap_err();
        assert_eq!(e.reason, Reason::Untrusted, "{host} {mode}: {e}");
        assert!(!e.to_string().contains(url::Url::parse(&database.url()).unwrap().password().unwrap()));
    }
    database.drop().await;
}

/// Sessions of this database that are encrypted, where the server tells: MariaDB does not by default.
async fn ciphers(database: &Database) -> i64 {
    let sql = "SELECT COUNT(*) FROM performance_schema.threads t JOIN performance_schema.status_by_thread s USING (thread_id) \
               WHERE t.processlist_db = DATABASE() AND t.processlist_id <> CONNECTION_ID() \
               AND s.variable_name = 'Ssl_cipher' AND s.variable_value <> ''";
    database.count(sql).await
}

/// Waits until no session is left in this database.
async fn gone(database: &Database) {
    let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()";
    while database.count(sql).await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn obstacles_are_named(server: Server) {
    let Some(database) = Database::new(server).await else { return };
    let (warehouse, _) = ready(&database.url()).await;
    assert_eq!(warehouse.swap_blockers().await.unwrap(), Vec::<String>::new());
    database.run("CREATE TRIGGER conta AFTER INSERT ON historico_consumo FOR EACH ROW SET @n = 1").await;
    database.run("CREATE TABLE nota (id INT PRIMARY KEY, dono VARCHAR(255), CONSTRAINT do_consumo FOREIGN KEY (dono) REFERENCES historico_consumo (id_treated_data)) DEFAULT CHARSET = utf8mb4").await;
    database.run("CREATE TABLE fazendas (nome VARCHAR(255) PRIMARY KEY) DEFAULT CHARSET = utf8mb4").await;
    database.run("ALTER TABLE historico_consumo ADD CONSTRAINT da_fazenda FOREIGN KEY (cod_cliente) REFERENCES fazendas (nome)").await;
    let found = warehouse.swap_blockers().await.unwrap();
    assert_eq!(found.len(), 3, "{found:?}");
    for word in ["trigger conta", "do_consumo", "da_fazenda"] {
        assert!(found.iter().any(|line| line.contains(word)), "{word}: {found:?}");
    }
    database.run("CREATE VIEW vista AS SELECT * FROM historico_consumo").await;
    let found = warehouse.with_table("vista".parse().unwrap()).swap_blockers().await.unwrap();
    assert!(found.iter().any(|line| line.contains("is a view")), "{found:?}");
    database.drop().await;
}

async fn signals_are_read(server: Server) {
    let Some(database) = Database::new(server).await else { return };
    let (warehouse, _) = ready(&database.url()).await;
    let read = warehouse.load_metrics(None).await.unwrap();
    assert!(read.threads_running.is_some_and(|threads| threads >= 1) && read.query_value.is_none(), "{read:?}");
    for (query, value) in [
        ("SELECT 2.5", 2.5),
        ("SELECT 7, 'x'", 7.0),
        ("SELECT '1e3'", 1_000.0),
        ("SELECT COUNT(*) FROM historico_consumo", 0.0),
        ("SELECT 0.25e0", 0.25),
    ] {
        assert_eq!(warehouse.load_metrics(Some(query)).await.unwrap().query_value, Some(value), "{query}");
    }
    for query in ["SELECT NULL", "SELECT 'x'", "SELECT 1 FROM historico_consumo", "SELECT x FROM nowhere"] {
        let e = warehouse.load_metrics(Some(query)).await.unwrap_err();
        assert!(e.message.contains(query), "{e}");
    }
    database.drop().await;
}

#[tokio::test]
async fn live_mariadb_without_local_infile_rows_go_in_by_insert() {
    let Some(own) = PrivateMariaDb::start(&["--local-infile=0"]).await else { return };
    let warehouse = open(&own.url());
    conformance::bulk(&warehouse).await;
    let method = warehouse.load_strategy().await.unwrap();
    assert_eq!(method.kind, LoadMethod::Insert);
    assert!(method.reason.contains("local_infile is OFF on the server"), "{}", method.reason);
    let e = open(&own.url()).with_load_method(Some(LoadMethod::LoadData)).load_strategy().await.unwrap_err();
    assert!(e.message.contains("local_infile is OFF"), "{e}");
    // Switched off after it was asked: the server's word changes the way.
    own.run("SET GLOBAL local_infile = 1").await;
    let (warehouse, schema) = ready(&own.url()).await;
    assert_eq!(warehouse.load_strategy().await.unwrap().kind, LoadMethod::LoadData);
    own.run("SET GLOBAL local_infile = 0").await;
    let rows = rows(50_000..50_100, &schema);
    let change = ChangeSet { insert: &rows, ..ChangeSet::default() };
    assert_eq!(warehouse.apply(&change, &schema).await.unwrap(), InsertResult::Inserted);
    let method = warehouse.load_strategy().await.unwrap();
    assert_eq!(method.kind, LoadMethod::Insert, "{}", method.reason);
    assert!(method.reason.contains("(error"), "{}", method.reason);
}

/// 16 KB, for rows, notes of 100 KB and lookups of a thousand ids.
#[tokio::test]
async fn live_mariadb_packets_may_be_small() {
    let Some(own) = PrivateMariaDb::start(&["--local-infile=1", "--max-allowed-packet=16384"]).await else { return };
    for (at, method) in BOTH.into_iter().enumerate() {
        own.run(&format!("CREATE DATABASE small{at}")).await;
        let url = own.url().replace("/own", &format!("/small{at}"));
        conformance::bulk(&open(&url).with_load_method(Some(method))).await;
    }
}

#[tokio::test]
async fn live_mariadb_a_server_without_tls_is_preferred_as_it_is() {
    let Some(own) = PrivateMariaDb::start(&["--local-infile=1", "--skip-ssl"]).await else { return };
    assert_eq!(open(&own.url()).load_strategy().await.unwrap().kind, LoadMethod::LoadData);
    let e = open(&format!("{}?ssl-mode=REQUIRED", own.url())).load_strategy().await.unwrap_err();
    assert_eq!(e.reason, Reason::Untrusted, "{e}");
}

/// At several moments of a load; nobody need notice.
#[tokio::test]
async fn live_mariadb_a_server_that_restarts_in_mid_load_is_waited_for() {
    let Some(mut own) = PrivateMariaDb::start(&["--local-infile=1"]).await else { return };
    let (warehouse, schema) = ready(&own.url()).await;
    for (round, after) in (0..).zip([30, 120, 250]) {
        let rows = rows(round * 8_000..(round + 1) * 8_000, &schema);
        let entries = [note(u64::from(round) + 1)];
        let change = ChangeSet { insert: &rows, journal_writes: &entries, ..ChangeSet::default() };
        let restart = async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            own.restart().await;
        };
        let (done, ()) = tokio::join!(warehouse.apply(&change, &schema), restart);
        assert_eq!(done.unwrap(), InsertResult::Inserted);
        assert_eq!(warehouse.count("0", "z").await.unwrap(), u64::from(round + 1) * 8_000);
    }
    assert_eq!(warehouse.run_entries(note(1).run_id).await.unwrap(), [note(1), note(2), note(3)]);
}

#[tokio::test]
async fn live_mariadb_a_read_only_server_is_named() {
    let Some(own) = PrivateMariaDb::start(&["--local-infile=1"]).await else { return };
    let (_, schema) = ready(&own.url()).await;
    own.run("CREATE USER w@'127.0.0.1'; GRANT ALL ON own.* TO w@'127.0.0.1'; SET GLOBAL read_only = 1").await;
    let WarehouseUrl::MySql(url) = own.url().replace("root@", "w@").parse().unwrap() else { panic!() };
    let warehouse = MySql::new(&url, TableName::default(), 1, RetryPolicy::NO_RETRY).unwrap();
    let rows = rows(0..10, &schema);
    for entries in [&[][..], &[note(1)][..]] {
        let change = ChangeSet { insert: &rows, journal_writes, ..ChangeSet::default() };
        let e = warehouse.apply(&change, &schema).await.unwrap_err();
        assert_eq!(e.reason, Reason::ReadOnly, "{e}");
    }
}

#[tokio::test]
async fn live_mariadb_a_replica_says_how_far_it_is_behind() {
    let settings = ["--server-id=1", "--log-bin=bin", "--binlog-format=ROW"];
    let Some(source) = PrivateMariaDb::start(&settings).await else { return };
    let Some(replica) = PrivateMariaDb::start(&["--server-id=2"]).await else { return };
    assert_eq!(open(&replica.url()).replica_lag().await.unwrap(), None);
    let port = source.port();
    let follow = format!(
        "CHANGE MASTER TO master_host='127.0.0.1', master_port={port}, master_user='root', master_use_gtid=no, \
         master_log_file='bin.000001', master_log_pos=4"
    );
    replica.run(&follow).await;
    let e = open(&replica.url()).replica_lag().await.unwrap_err();
    assert!(e.message.contains("replication has stopped"), "{e}");
    source.run("SET GLOBAL binlog_checksum = NONE; CREATE DATABASE seen").await;
    replica.run("SET GLOBAL slave_exec_mode = 'IDEMPOTENT'; SET GLOBAL sql_slave_skip_counter = 0; START SLAVE").await;
    let (seen, until) = (open(&replica.url()), std::time::Instant::now() + Duration::from_secs(30));
    loop {
        match seen.replica_lag().await {
            Ok(Some(lag)) if lag < Duration::from_secs(30) => break,
            other => assert!(std::time::Instant::now() < until, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
