//! Intermediaries and settings of a real MySQL or MariaDB: proxies without LOAD DATA, servers that greet late, TLS,
//! defaults that would end an audit, readers of a cluster, and partitioned tables.

use std::time::{Duration, Instant};

use pipeline::record::Column;
use sqlx::{Connection as _, Executor as _, MySqlConnection};
use testkit::mysql_relay::{Changes, MySqlRelay};
use testkit::{Database, PrivateMariaDb, Ran, Scene, Server, copy_rows};

on_both! {
    a_proxy_without_load_data_is_served_by_insert: live_mysql_a_proxy_without_load_data_is_served_by_insert, live_mariadb_a_proxy_without_load_data_is_served_by_insert;
    a_server_that_greets_late_is_waited_for: live_mysql_a_server_that_greets_late_is_waited_for, live_mariadb_a_server_that_greets_late_is_waited_for;
    a_partitioned_table_is_loaded_and_audited: live_mysql_a_partitioned_table_is_loaded_and_audited, live_mariadb_a_partitioned_table_is_loaded_and_audited;
    a_server_s_time_limit_does_not_end_a_run: live_mysql_a_server_s_time_limit_does_not_end_a_run, live_mariadb_a_server_s_time_limit_does_not_end_a_run;
    a_server_that_is_too_old_is_named_before_anything_is_created: live_mysql_a_server_that_is_too_old_is_named_before_anything_is_created, live_mariadb_a_server_that_is_too_old_is_named_before_anything_is_created;
    an_engine_without_transactions_is_rejected: live_mysql_an_engine_without_transactions_is_rejected, live_mariadb_an_engine_without_transactions_is_rejected;
    a_server_elsewhere_is_verified_by_default: live_mysql_a_server_elsewhere_is_verified_by_default, live_mariadb_a_server_elsewhere_is_verified_by_default;
}

/// Returns a lake with readings in a directory, created without the database.
fn lake() -> (Scene, u64) {
    let scene = Scene::embedded();
    let count = scene.history(2, 60, 10);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("written", count)]);
    (scene, count)
}

fn run(scene: &Scene, url: &str, args: &[&str]) -> Ran {
    scene.run(&[args, &["--warehouse", url]].concat())
}

async fn a_proxy_without_load_data_is_served_by_insert(server: Server) {
    for (code, message) in [
        (1047, "Unsupported 'LOAD DATA LOCAL INFILE' command"),
        (1064, "syntax error near 'LOAD DATA'"),
        (1105, "unsupported: LOAD DATA"),
    ] {
        let database = Database::new(server).await;
        let relay =
            MySqlRelay::start(&database.url(), Changes { load_data: Some((code, message)), ..Changes::default() });
        let url = relay.url(&database.url());
        let (scene, count) = lake();
        run(&scene, &url, &["init"]).expect(0, &[]);
        let ran = run(&scene, &url, &["replay"]);
        ran.expect(0, &[("inserted", count)]);
        let method = ran.json["method"].as_str().unwrap();
        assert!(method.contains("INSERT") && method.contains(message), "{method}");
        assert!(relay.refused() > 0);
        run(&scene, &url, &["reconcile"]).expect(0, &[("matched", count)]);
        // Requested by name, it is an error.
        database.run("DELETE FROM historico_consumo").await;
        let named = run(&scene, &url, &["replay", "--load-method", "load-data"]);
        assert!(named.code == Some(2) && named.stderr.contains(message), "{named:#?}");
        run(&scene, &url, &["backfill", "history.json"]).expect(0, &[("inserted", count)]);
        database.drop().await;
    }
}

async fn a_server_that_greets_late_is_waited_for(server: Server) {
    let database = Database::new(server).await;
    let relay = MySqlRelay::start(&database.url(), Changes { delay: Duration::from_secs(7), ..Changes::default() });
    let url = relay.url(&database.url());
    let started = Instant::now();
    run(&Scene::new(), &url, &["init"]).expect(0, &[]);
    assert!(started.elapsed() >= Duration::from_secs(7));
    let hasty = Scene::new().text(&["init", "--warehouse", &url, "--connect-timeout", "2s"]);
    assert!(hasty.code == Some(2) && hasty.stderr.contains("no response within 2 s"), "{hasty:#?}");
    database.drop().await;
}

/// MySQL requires the partitioning column in every unique key.
async fn a_partitioned_table_is_loaded_and_audited(server: Server) {
    let database = Database::new(server).await;
    let (scene, count) = lake();
    let url = database.url();
    run(&scene, &url, &["init"]).expect(0, &[]);
    database.run("ALTER TABLE historico_consumo MODIFY data DATETIME NOT NULL, DROP PRIMARY KEY, ADD PRIMARY KEY (id_treated_data, data) PARTITION BY RANGE (TO_DAYS(data)) (PARTITION p0 VALUES LESS THAN (TO_DAYS('2024-01-04')), PARTITION p1 VALUES LESS THAN MAXVALUE)").await;
    for method in ["load-data", "insert"] {
        run(&scene, &url, &["replay", "--load-method", method, "--verify"]).expect(0, &[("inserted", count)]);
        run(&scene, &url, &["replay", "--load-method", method]).expect(0, &[("identical", count)]);
        run(&scene, &url, &["reconcile"]).expect(0, &[("matched", count)]);
        database.run("DELETE FROM historico_consumo").await;
    }
    run(&scene, &url, &["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    run(&scene, &url, &["backfill", "history.json"]).expect(0, &[("identical", count)]);
    // The same id at another time would be a second row, which the key permits.
    let ids = database.ids().await;
    database
        .run(&format!("UPDATE historico_consumo SET data = '2024-02-01' WHERE id_treated_data = '{}'", ids[3]))
        .await;
    run(&scene, &url, &["backfill", "history.json"]).expect(1, &[("identical", count - 1), ("conflicting", 1)]);
    run(&scene, &url, &["replay"]).expect(1, &[("identical", count - 1), ("conflicting", 1)]);
    run(&scene, &url, &["reconcile", "--repair", "warehouse", "--undo-file", "undo.ndjson"])
        .expect(1, &[("differing", 1)]);
    run(&scene, &url, &["reconcile"]).expect(0, &[("matched", count)]);
    assert_eq!(database.count("SELECT COUNT(*) FROM historico_consumo").await.unsigned_abs(), count);
    run(&scene, &url, &["undo", "undo.ndjson"]).expect(0, &[]);
    run(&scene, &url, &["replay", "--on-conflict", "overwrite", "--undo-file", "u.ndjson"])
        .expect(0, &[("conflicting", 1)]);
    run(&scene, &url, &["replay", "--into-new-table"]).expect(0, &[("inserted", count)]);
    run(&scene, &url, &["reconcile"]).expect(0, &[("matched", count)]);
    // Two rows of one id, which an audit cannot attribute.
    let copied = copy_rows(&[(Column::Data, "'2024-03-01'")], &format!("WHERE id_treated_data = '{}'", ids[5]));
    database.run(&copied).await;
    let doubled = run(&scene, &url, &["reconcile"]);
    assert!(doubled.code == Some(2) && doubled.stderr.contains(&ids[5]), "{doubled:#?}");
    database.run("ALTER TABLE historico_consumo DROP PRIMARY KEY, ADD PRIMARY KEY (data, id_treated_data)").await;
    let other = run(&scene, &url, &["reconcile"]);
    assert!(other.code == Some(2) && other.stderr.contains("starts with id_treated_data"), "{other:#?}");
    database.drop().await;
}

/// As with `max_execution_time` (MySQL) or `max_statement_time` (MariaDB) as defaults of the server.
async fn a_server_s_time_limit_does_not_end_a_run(server: Server) {
    let database = Database::new(server).await;
    let is_mysql = server.variable == testkit::MYSQL.variable;
    let limit = if is_mysql { "SET SESSION max_execution_time = 1" } else { "SET SESSION max_statement_time = 0.0001" };
    let relay = MySqlRelay::start(&database.url(), Changes { first: Some(limit.into()), ..Changes::default() });
    let url = relay.url(&database.url());
    // The limit is in force: another client's long statement is ended.
    let mut other = MySqlConnection::connect(&url).await.unwrap();
    let long = "SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b WHERE a.table_name <> b.table_name";
    assert!(other.fetch_one(long).await.is_err());
    let (scene, count) = lake();
    run(&scene, &url, &["init"]).expect(0, &[]);
    run(&scene, &url, &["replay"]).expect(0, &[("inserted", count)]);
    run(&scene, &url, &["reconcile"]).expect(0, &[("matched", count)]);
    database.drop().await;
}

/// Tried on MySQL 5.6.24: `init` failed at the length of a key, the other commands at a column that it does not have.
async fn a_server_that_is_too_old_is_named_before_anything_is_created(server: Server) {
    let database = Database::new(server).await;
    let relay = MySqlRelay::start(&database.url(), Changes { version: Some("5.6.24"), ..Changes::default() });
    let url = relay.url(&database.url());
    let (scene, _) = lake();
    for args in [&["init"][..], &["replay"], &["reconcile"], &["backfill", "history.json"]] {
        let done = run(&scene, &url, args);
        assert!(done.code == Some(2) && done.stderr.contains("MySQL 5.6.24 is too old"), "{args:?} {done:#?}");
    }
    let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()";
    assert_eq!(database.count(tables).await, 0);
    database.drop().await;
}

async fn an_engine_without_transactions_is_rejected(server: Server) {
    let database = Database::new(server).await;
    let (scene, _) = lake();
    let url = database.url();
    run(&scene, &url, &["init"]).expect(0, &[]);
    let engines = if server.variable == testkit::MYSQL.variable { &["MyISAM"][..] } else { &["MyISAM", "Aria"] };
    for engine in engines {
        // Their keys have at most 1,000 bytes.
        database.run(&format!("ALTER TABLE historico_consumo MODIFY id_treated_data VARCHAR(36), DROP INDEX idx_cod_cliente_data, ENGINE = {engine}")).await;
        for command in [&["replay"][..], &["reconcile"], &["backfill", "history.json"], &["init"], &["doctor"]] {
            let ran = run(&scene, &url, command);
            let output = format!("{}{}", ran.stdout, ran.stderr);
            assert!(
                ran.code == Some(2) && output.contains(engine) && output.contains("ENGINE = InnoDB"),
                "{engine}: {ran:#?}"
            );
        }
        database
            .run("ALTER TABLE historico_consumo ENGINE = InnoDB, ADD INDEX idx_cod_cliente_data (cod_cliente, data)")
            .await;
    }
    database.drop().await;
}

/// 0.0.0.0 is this machine, but its name does not show it.
async fn a_server_elsewhere_is_verified_by_default(server: Server) {
    let ca = testkit::server(&format!("{}_CA", server.variable));
    let database = Database::new(server).await;
    let mut url = url::Url::parse(&database.url()).unwrap();
    let local = Scene::new();
    let doctor = run(&local, url.as_str(), &["doctor"]);
    assert!(doctor.stdout.contains("the server is on this machine"), "{doctor:#?}");
    url.set_host(Some("0.0.0.0")).unwrap();
    let scene = Scene::new();
    let ran = run(&scene, url.as_str(), &["init"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("ssl-ca") && ran.stderr.contains("REQUIRED"), "{ran:#?}");
    // The authority is trusted, but its certificate is for another name.
    url.set_query(Some(&format!("ssl-ca={ca}")));
    let ran = run(&scene, url.as_str(), &["init"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    for (options, words) in [
        (format!("ssl-ca={ca}&sslMode=VERIFY_CA"), "name is not verified (VERIFY_CA)"),
        ("ssl_mode=REQUIRED".into(), "certificate is not verified (REQUIRED)"),
        ("useSSL=true&verifyServerCertificate=false".into(), "certificate is not verified (REQUIRED)"),
        ("tls=skip-verify".into(), "certificate is not verified (REQUIRED)"),
        ("ssl-mode=DISABLED".into(), "without encryption (DISABLED)"),
    ] {
        url.set_query(Some(&options));
        run(&scene, url.as_str(), &["init"]).expect(0, &[]);
        let doctor = run(&scene, url.as_str(), &["doctor"]);
        let tls =
            doctor.json["checks"].as_array().unwrap().iter().find(|check| check["name"] == "warehouse TLS").unwrap();
        assert!(tls["status"] == "warning" && tls["detail"].as_str().unwrap().contains(words), "{options}: {tls}");
        // LOAD DATA, which another driver sends.
        let (lake, count) = lake();
        run(&lake, url.as_str(), &["replay", "--load-method", "load-data"]).expect(0, &[("inserted", count)]);
        database.run("DELETE FROM historico_consumo").await;
    }
    url.set_host(Some("localhost")).unwrap();
    url.set_query(Some(&format!("tls=true&ssl_ca={ca}")));
    let verified = run(&scene, url.as_str(), &["doctor"]);
    assert!(verified.stdout.contains("certificate and name are verified"), "{verified:#?}");
    let (lake, count) = lake();
    run(&lake, url.as_str(), &["replay", "--load-method", "load-data"]).expect(0, &[("inserted", count)]);
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_reader_of_a_cluster_is_no_place_to_write() {
    let mut server = PrivateMariaDb::start(&[]).await;
    let (scene, _) = lake();
    let url = server.url();
    run(&scene, &url, &["init"]).expect(0, &[]);
    let rows = run(&scene, &url, &["replay"]);
    rows.expect(0, &[]);
    server.restart_with(&["--innodb-read-only=1"]).await;
    for command in [
        &["init"][..],
        &["backfill", "history.json"],
        &["replay"],
        &["replay", "--into-new-table"],
        &["reconcile", "--repair", "warehouse"],
    ] {
        let ran = run(&scene, &url, command);
        assert!(ran.code == Some(2) && ran.stderr.contains("writer endpoint"), "{command:?} {ran:#?}");
    }
    let doctor = run(&scene, &url, &["doctor"]);
    assert!(doctor.code == Some(2) && doctor.stdout.contains("writer endpoint"), "{doctor:#?}");
    // An audit reads only.
    run(&scene, &url, &["reconcile"]).expect(0, &[]);
}
