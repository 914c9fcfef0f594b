//! Replays on real servers that are under load, restarted, or restricted.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::time::Duration;

use pipeline::record::Column;
use testkit::{Database, MARIADB, MYSQL, PrivateMariaDb, Ran, Scene, Server, copy_rows};

/// Returns a directory lake with N readings, created without a server.
fn lake(warehouse: &str) -> (Scene, u64) {
    let scene = Scene::embedded();
    let count = scene.history(2, 120, 15);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    (scene.with("RUMINATE_WAREHOUSE", warehouse), count)
}

/// Returns a lake with N readings, and an empty table on the server.
pub async fn scene(server: Server) -> (Database, Scene, u64) {
    let database = Database::new(server).await;
    let (scene, count) = lake(&database.url());
    scene.run(&["init"]).expect(0, &[]);
    (database, scene, count)
}

/// Reads stderr until a line contains a text.
pub fn wait_for(child: &mut Child, what: &str) -> BufReader<std::process::ChildStderr> {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut output = String::new();
    while !output.contains(what) {
        output.clear();
        assert!(stderr.read_line(&mut output).unwrap() > 0, "it ended without printing {what:?}");
    }
    stderr
}

pub fn ended(mut child: Child, mut stderr: BufReader<std::process::ChildStderr>) -> Ran {
    let (mut out, mut err) = (String::new(), String::new());
    stderr.read_to_string(&mut err).unwrap();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let code = child.wait().unwrap().code();
    Ran { code, json: serde_json::from_str(&out).unwrap_or_default(), stdout: out, stderr: err }
}

pub fn reasons(ran: &Ran) -> Vec<String> {
    let pauses = ran.json["pauses"].as_array().unwrap();
    pauses.iter().map(|pause| pause["reason"].as_str().unwrap().to_owned()).collect()
}

async fn signals(server: Server) {
    let (database, scene, count) = scene(server).await;
    database.run("CREATE TABLE pausa (n INT)").await;
    database.run("INSERT INTO pausa VALUES (1)").await;
    let query = "SELECT COUNT(*) FROM pausa";
    let mut child = scene.start(&["replay", "--output", "json", "--throttle-query", query]);
    let stderr = wait_for(&mut child, "the throttle query returned 1");
    assert_eq!(database.count("SELECT COUNT(*) FROM historico_consumo").await, 0);
    database.run("DELETE FROM pausa").await;
    let ran = ended(child, stderr);
    ran.expect(0, &[("inserted", count)]);
    assert_eq!(reasons(&ran), ["throttle query"]);
    // Another thread runs in addition to the one that queries.
    let url = database.url();
    let busy = tokio::spawn(async move {
        let mut connection = <sqlx::MySqlConnection as sqlx::Connection>::connect(&url).await.unwrap();
        sqlx::query("SELECT SLEEP(60)").execute(&mut connection).await.ok();
    });
    let sleeping =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'SELECT SLEEP%'";
    while database.count(sleeping).await == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut child = scene.start(&["replay", "--output", "json", "--max-threads-running", "1"]);
    let stderr = wait_for(&mut child, "threads running, more than 1");
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let stopped = ended(child, stderr);
    stopped.expect(3, &[("inserted", 0), ("skipped", count)]);
    assert_eq!(reasons(&stopped), ["threads running"]);
    busy.abort();
    scene.run(&["replay", "--resume"]).expect(0, &[("listed", count), ("identical", count)]);
    let wrong = scene.run(&["replay", "--throttle-query", "SELECT nothing FROM nowhere"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("nowhere"), "{wrong:?}");
    let slow = scene.run(&["replay", "--throttle-query", "SELECT SLEEP(25)"]);
    assert!(slow.code == Some(2) && slow.stderr.contains("took longer than 10 s"), "{slow:?}");
    let none = scene.run(&["replay", "--max-replica-lag", "5s", "--replica", &database.url()]);
    assert!(none.code == Some(2) && none.stderr.contains("it is not a replica"), "{none:?}");
    database.drop().await;
}

/// A run waits for a query without a response until the timeout, and Ctrl-C does not wait for a slow query.
async fn signals_that_fail(server: Server) {
    let (database, scene, count) = scene(server).await;
    database.run("CREATE TABLE pausa (n INT, s INT)").await;
    database.run("INSERT INTO pausa VALUES (0, 0)").await;
    let query = "SELECT n + SLEEP(s) FROM pausa";
    let args =
        ["replay", "--output", "json", "--throttle-query", query, "--rows-per-second", "500", "--connections", "1"];
    let mut child = scene.start(&[&args[..], &["--unavailable-timeout", "2s"]].concat());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    database.run("UPDATE pausa SET n = NULL").await;
    let stderr = wait_for(&mut child, "returned no number");
    let ran = ended(child, stderr);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.json["stopped"].as_str().unwrap().contains("--unavailable-timeout"), "{ran:?}");
    database.run("UPDATE pausa SET n = 0").await;
    let child = scene.start(&args);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    database.run("UPDATE pausa SET s = 25").await;
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let requested_at = std::time::Instant::now();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert!(requested_at.elapsed() < Duration::from_secs(4), "{:?}: {ran:?}", requested_at.elapsed());
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.json["inserted"].as_u64().unwrap() + ran.json["identical"].as_u64().unwrap() < count, "{ran:?}");
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_failing_or_slow_signal_does_not_block_the_run() {
    signals_that_fail(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_failing_or_slow_signal_does_not_block_the_run() {
    signals_that_fail(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_any_signal_makes_it_wait() {
    signals(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_any_signal_makes_it_wait() {
    signals(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_new_table_takes_the_place_of_a_damaged_one() {
    let (database, scene, count) = scene(MYSQL).await;
    scene.run(&["replay"]).expect(0, &[("inserted", count)]);
    database.run("UPDATE historico_consumo SET peso_medio = peso_medio * 1.001").await;
    database
        .run("CREATE TRIGGER vigia BEFORE INSERT ON historico_consumo FOR EACH ROW SET NEW.id_raca = NEW.id_raca")
        .await;
    let refused = scene.run(&["replay", "--into-new-table"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("vigia"), "{refused:?}");
    database.run("DROP TRIGGER vigia").await;
    let ran = scene.run(&["replay", "--into-new-table"]);
    ran.expect(0, &[("inserted", count), ("verified", count)]);
    let old = ran.json["table_swap"]["old"].as_str().unwrap().to_owned();
    assert_eq!(database.count(&format!("SELECT COUNT(*) FROM {old}")).await.unsigned_abs(), count);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    // A row without an object would be lost with the old table.
    database.run(&copy_rows(&[(Column::IdTreatedData, "UUID()")], "LIMIT 1")).await;
    let kept = scene.run(&["replay", "--into-new-table"]);
    kept.expect(1, &[("inserted", count)]);
    assert_eq!(kept.json["table_swap"]["only_in_old"].as_u64(), Some(1), "{kept:?}");
    assert_eq!(database.count("SELECT COUNT(*) FROM historico_consumo").await.unsigned_abs(), count + 1);
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_accounts_that_may_not_create_go_without_a_journal() {
    let (database, scene, count) = scene(MYSQL).await;
    let user = format!("u{}", database.name);
    database.run(&format!("CREATE USER {user} IDENTIFIED BY 'segredo-77'")).await;
    database.run(&format!("GRANT SELECT, INSERT, UPDATE ON {}.historico_consumo TO {user}", database.name)).await;
    let url = database.url();
    let (_, rest) = url.split_once('@').unwrap();
    let scene = scene.with("RUMINATE_WAREHOUSE", &format!("mysql://{user}:segredo-77@{rest}"));
    let refused = scene.run(&["replay"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("--no-journal"), "{refused:?}");
    assert!(!refused.stderr.contains("segredo-77"));
    scene.run(&["replay", "--no-journal"]).expect(0, &[("inserted", count)]);
    scene.run(&["replay", "--no-journal"]).expect(0, &[("identical", count)]);
    database.run(&format!("DROP USER {user}")).await;
    database.drop().await;
}

/// Tables without DATETIME columns are read, compared, overwritten and audited like any other.
async fn timestamps(server: Server) {
    let (database, scene, count) = scene(server).await;
    database
        .run("ALTER TABLE historico_consumo MODIFY data TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, MODIFY row_ts TIMESTAMP(6) NULL")
        .await;
    // One record with a time that no TIMESTAMP can store.
    let far = r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":200,"peso_medio":300,"data":"2040-01-01 00:00:00 UTC","quantidade_animais":1,"dia_confinamento":1,"consumo_real":9.5,"cod_cliente":"FazendaUm"}"#;
    std::fs::write(scene.path("far.json"), format!("{far}\n")).unwrap();
    let own = format!("sqlite:{}", scene.path("w.db").display());
    scene.run(&["backfill", "far.json", "--warehouse", &own]).expect(0, &[("inserted", 1)]);
    for method in ["load-data", "insert"] {
        let first = scene.run(&["replay", "--verify", "--load-method", method]);
        first.expect(1, &[("inserted", count), ("verified", count), ("rejected", 1)]);
        let reason = first.json["problems"]["items"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("data is 2040-01-01") && reason.contains("2038"), "{reason}");
        let again = [("identical", count), ("conflicting", 0), ("rejected", 1)];
        scene.run(&["replay", "--load-method", method]).expect(1, &again);
        let changed = database.run("UPDATE historico_consumo SET row_ts = '2001-02-03 04:05:06.789' LIMIT 7").await;
        let over = ["replay", "--on-conflict", "overwrite", "--undo-file", "undo.ndjson", "--load-method", method];
        scene.run(&over).expect(1, &[("overwritten", changed)]);
        scene.run(&["undo", "undo.ndjson"]).expect(0, &[("restored", changed)]);
        std::fs::remove_file(scene.path("undo.ndjson")).unwrap();
        scene.run(&["reconcile"]).expect(1, &[("matched", count - changed), ("differing", changed), ("lake_only", 1)]);
        let window = ["reconcile", "--from", "2024-01-03", "--to", "2024-01-05"];
        let audited = scene.run(&window);
        assert!(audited.code.is_some_and(|code| code < 2) && audited.json["matched"].as_u64() > Some(0), "{audited:?}");
        database.run("DELETE FROM historico_consumo").await;
    }
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_times_may_be_timestamps() {
    timestamps(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_times_may_be_timestamps() {
    timestamps(MARIADB).await;
}

/// Columns that keep fewer decimals than the lake: nothing is a conflict, and overwritten values can be restored.
async fn rounded(server: Server) {
    let (database, scene, count) = scene(server).await;
    database
        .run("ALTER TABLE historico_consumo MODIFY peso_entrada FLOAT(7,2), MODIFY peso_medio DECIMAL(9,1), MODIFY consumo_real DOUBLE(9,2)")
        .await;
    for method in ["load-data", "insert"] {
        let first = scene.run(&["replay", "--verify", "--load-method", method]);
        first.expect(0, &[("inserted", count), ("verified", count), ("mismatched", 0)]);
        let changed = database.run("UPDATE historico_consumo SET id_raca = '7' LIMIT 60").await;
        let over = ["replay", "--on-conflict", "overwrite", "--undo-file", "undo.ndjson", "--load-method", method];
        scene.run(&over).expect(0, &[("overwritten", changed)]);
        scene.run(&over).expect(0, &[("overwritten", 0), ("identical", count)]);
        scene.run(&["undo", "undo.ndjson"]).expect(0, &[("restored", changed)]);
        scene.run(&["undo", "undo.ndjson"]).expect(0, &[("already_restored", changed)]);
        std::fs::remove_file(scene.path("undo.ndjson")).unwrap();
        database.run("DELETE FROM historico_consumo").await;
    }
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_columns_that_round_are_no_conflicts() {
    rounded(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_columns_that_round_are_no_conflicts() {
    rounded(MARIADB).await;
}

/// For some time, each loading connection is killed as soon as it appears.
#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_killed_connections_cost_time_and_nothing_else() {
    let (database, scene, count) = scene(MYSQL).await;
    let args = ["replay", "--output", "json", "--rows-per-second", "700", "-v"];
    let mut child = scene.start(&args);
    let mut kills = 0;
    for _ in 0..200 {
        let oldest = database.sessions().await.first().copied();
        if let Some(session) = oldest
            && kills < 12
        {
            kills += u32::from(database.kill(session).await);
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
        if child.try_wait().unwrap().is_some() {
            break;
        }
    }
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let ran = ended(child, stderr);
    assert!(kills >= 3, "{kills}");
    ran.expect(0, &[("listed", count), ("inserted", count), ("identical", 0)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_table_that_cannot_hold_records_is_refused_before_anything_is_written() {
    let (database, scene, count) = scene(MYSQL).await;
    let cases = [
        ("ALTER TABLE historico_consumo DROP COLUMN id_raca", "id_raca is missing"),
        ("ALTER TABLE historico_consumo ADD COLUMN id_raca INT NOT NULL DEFAULT 0", "id_raca is int"),
        (
            "ALTER TABLE historico_consumo MODIFY id_raca VARCHAR(255), ADD COLUMN origem INT NOT NULL",
            "origem needs a value",
        ),
    ];
    for (change, expected) in cases {
        database.run(change).await;
        let refused = scene.run(&["replay"]);
        assert!(refused.code == Some(2) && refused.stderr.contains(expected), "{expected}: {refused:?}");
        let journal = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'ruminate_journal'";
        assert_eq!(database.count(journal).await, 0, "{expected}");
    }
    // A narrower column accepts values that fit; other records are reported before they are sent.
    database.run("ALTER TABLE historico_consumo DROP COLUMN origem, MODIFY quantidade_animais TINYINT, MODIFY cod_cliente VARCHAR(9)").await;
    let ran = scene.run(&["replay"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let number = |name: &str| ran.json[name].as_u64().unwrap();
    assert_eq!(number("inserted") + number("rejected"), count);
    assert!(number("inserted") > 0 && number("rejected") > 0, "{ran:?}");
    let reason = ran.json["problems"]["items"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("cod_cliente has"), "{reason}");
    database.drop().await;
}

/// The server becomes unavailable while rows are loaded, and available again.
#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_server_that_restarts_is_waited_for() {
    let mut own = PrivateMariaDb::start(&[]).await;
    let (scene, count) = lake(&own.url());
    scene.run(&["init"]).expect(0, &[]);
    let mut child = scene.start(&["replay", "--output", "json", "--rows-per-second", "1200", "-v"]);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    own.restart().await;
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let ran = ended(child, stderr);
    ran.expect(0, &[("listed", count), ("inserted", count), ("identical", 0)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    // A signal that remains unavailable ends the run, which prints how to resume.
    let mut child =
        scene.start(&["replay", "--output", "json", "--rows-per-second", "1200", "--unavailable-timeout", "1s"]);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    own.stop();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let ran = ended(child, stderr);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.json["stopped"].as_str().unwrap().contains("cannot connect"), "{ran:?}");
    own.restart().await;
    scene.run(&["replay", "--resume"]).expect(0, &[("listed", count), ("identical", count)]);
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_without_local_infile_and_with_small_packets_everything_is_recovered() {
    let own = PrivateMariaDb::start(&["--local-infile=0", "--max-allowed-packet=16384"]).await;
    let (scene, count) = lake(&own.url());
    scene.run(&["init"]).expect(0, &[]);
    let ran = scene.run(&["replay", "--verify"]);
    ran.expect(0, &[("inserted", count), ("verified", count)]);
    let method = ran.json["method"].as_str().unwrap();
    assert!(method.contains("INSERT") && method.contains("local_infile"), "{method}");
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_read_only_server_is_named_at_once() {
    let own = PrivateMariaDb::start(&[]).await;
    let (scene, _) = lake(&own.url());
    scene.run(&["init"]).expect(0, &[]);
    own.run("CREATE USER leitor@'%'; GRANT SELECT, INSERT, UPDATE, CREATE, DELETE ON own.* TO leitor@'%'; SET GLOBAL read_only = ON").await;
    let scene = scene.with("RUMINATE_WAREHOUSE", &own.url().replace("root@", "leitor@"));
    let refused = scene.run(&["replay", "--unavailable-timeout", "1s"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("read-only"), "{refused:?}");
}
