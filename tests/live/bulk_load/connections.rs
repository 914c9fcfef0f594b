//! Bulk loading while connections fail: killed sessions, lost commits, restarts, TLS modes and accounts with few privileges.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pipeline::record::row::TableSchema;
use pipeline::retry::RetryPolicy;
use pipeline::warehouse::mysql::MySql;
use pipeline::warehouse::{
    BulkWarehouse, ChangeSet, InsertResult, LoadMethod, Reason, TableName, Warehouse, WarehouseUrl,
};
use testkit::conformance::warehouse as conformance;
use testkit::{Database, MYSQL, PrivateMariaDb, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{BOTH, note, open, ready, rows};

on_both! {
    killed_in_the_middle: live_mysql_a_session_killed_in_mid_load, live_mariadb_a_session_killed_in_mid_load;
    the_result_of_a_lost_commit_is_looked_up: live_mysql_the_result_of_a_lost_commit_is_looked_up, live_mariadb_the_result_of_a_lost_commit_is_looked_up;
    small_accounts: live_mysql_accounts_that_may_not, live_mariadb_accounts_that_may_not;
    tls_of_every_mode: live_mysql_tls_of_every_mode, live_mariadb_tls_of_every_mode;
    blockers_are_named: live_mysql_blockers_are_named, live_mariadb_blockers_are_named;
    signals_are_read: live_mysql_signals_are_read, live_mariadb_signals_are_read;
}

/// Sessions are killed at random moments: with a journal entry the result is known, without one there is no partial change.
async fn killed_in_the_middle(server: Server) {
    let database = Database::new(server).await;
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

/// The connection breaks just before or just after the server receives COMMIT, with each method, with and without a
/// journal entry.
async fn the_result_of_a_lost_commit_is_looked_up(server: Server) {
    let database = Database::new(server).await;
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

/// A connection to a server that breaks once, at the first COMMIT.
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
    let database = Database::new(server).await;
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
    let ca = testkit::server(&format!("{}_CA", server.variable));
    let database = Database::new(server).await;
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
    let untrusted = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sns/certificate.pem"));
    for (host, mode, ca) in [
        (ip, "VERIFY_IDENTITY", ca),
        (ip, "VERIFY_CA", untrusted),
        (name, "VERIFY_IDENTITY", untrusted),
        (name, "VERIFY_IDENTITY", None),
    ] {
        let e = open(&url(host, mode, ca)).load_strategy().await.unwrap_err();
        assert_eq!(e.reason, Reason::Untrusted, "{host} {mode}: {e}");
        assert!(!e.to_string().contains(url::Url::parse(&database.url()).unwrap().password().unwrap()));
    }
    database.drop().await;
}

/// Returns the number of encrypted sessions of this database, if the server reports it: MariaDB does not by default.
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

async fn blockers_are_named(server: Server) {
    let database = Database::new(server).await;
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
    let database = Database::new(server).await;
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
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_without_local_infile_rows_are_loaded_by_insert() {
    let own = PrivateMariaDb::start(&["--local-infile=0"]).await;
    let warehouse = open(&own.url());
    conformance::bulk(&warehouse).await;
    let method = warehouse.load_strategy().await.unwrap();
    assert_eq!(method.kind, LoadMethod::Insert);
    assert!(method.reason.contains("local_infile is OFF"), "{}", method.reason);
    let e = open(&own.url()).with_load_method(Some(LoadMethod::LoadData)).load_strategy().await.unwrap_err();
    assert!(e.message.contains("local_infile is OFF"), "{e}");
    // Switched off after the check: the server's rejection changes the method.
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

/// A packet limit of 16 KB, with rows, journal entries of 100 KB and lookups of a thousand ids.
#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_packets_may_be_small() {
    let own = PrivateMariaDb::start(&["--local-infile=1", "--max-allowed-packet=16384"]).await;
    for (at, method) in BOTH.into_iter().enumerate() {
        own.run(&format!("CREATE DATABASE small{at}")).await;
        let url = own.url().replace("/own", &format!("/small{at}"));
        conformance::bulk(&open(&url).with_load_method(Some(method))).await;
    }
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_server_without_tls_is_preferred_as_it_is() {
    let own = PrivateMariaDb::start(&["--local-infile=1", "--skip-ssl"]).await;
    assert_eq!(open(&own.url()).load_strategy().await.unwrap().kind, LoadMethod::LoadData);
    let e = open(&format!("{}?ssl-mode=REQUIRED", own.url())).load_strategy().await.unwrap_err();
    assert_eq!(e.reason, Reason::Untrusted, "{e}");
}

/// Sessions are killed at several moments of a load, without an effect on the result.
#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_server_that_restarts_in_mid_load_is_waited_for() {
    let mut own = PrivateMariaDb::start(&["--local-infile=1"]).await;
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
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_read_only_server_is_named() {
    let own = PrivateMariaDb::start(&["--local-infile=1"]).await;
    let (_, schema) = ready(&own.url()).await;
    own.run("CREATE USER w@'127.0.0.1'; GRANT ALL ON own.* TO w@'127.0.0.1'; SET GLOBAL read_only = 1").await;
    let WarehouseUrl::MySql(url) = own.url().replace("root@", "w@").parse().unwrap() else { panic!() };
    let warehouse = MySql::new(&url, TableName::default(), 1, RetryPolicy::NO_RETRY).unwrap();
    let rows = rows(0..10, &schema);
    for entries in [&[][..], &[note(1)][..]] {
        let change = ChangeSet { insert: &rows, journal_writes: entries, ..ChangeSet::default() };
        let e = warehouse.apply(&change, &schema).await.unwrap_err();
        assert_eq!(e.reason, Reason::ReadOnly, "{e}");
    }
}
