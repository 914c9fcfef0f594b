//! A replay whose rows another session has locked: as an attempt that was frozen or cut off in its transaction.

use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::mysql::MySqlConnection;
use sqlx::{Connection as _, Executor as _};
use testkit::{Database, MARIADB, MYSQL, Server};

use crate::replay::{ended, reasons, scene, wait_for};

/// Log message of a replay that waits for locks.
const REPORTED: &str = "waiting for the warehouse: ";

/// Returns a session with locks on all rows of the table, present and future.
async fn locking(database: &Database) -> MySqlConnection {
    let mut other = MySqlConnection::connect(&database.url()).await.unwrap();
    other.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT * FROM historico_consumo FOR UPDATE").await.unwrap();
    other
}

async fn locks_are_reported_and_waited_for(server: Server) {
    let (database, scene, count) = scene(server).await;
    let mut other = locking(&database).await;
    let mut child = scene.start(&["replay", "--output", "json"]);
    let stderr = wait_for(&mut child, REPORTED);
    assert_eq!(database.count("SELECT COUNT(*) FROM historico_consumo").await, 0);
    other.execute("ROLLBACK").await.unwrap();
    let ran = ended(child, stderr);
    ran.expect(0, &[("inserted", count)]);
    assert_eq!(reasons(&ran), ["locked rows"], "{ran:?}");
    database.drop().await;
}

/// SIGTERM ends it at the end of one lock wait, and the error states what to do; the next run completes it.
async fn a_replay_that_waits_for_locks_can_be_stopped(server: Server) {
    let (database, scene, count) = scene(server).await;
    let mut other = locking(&database).await;
    let mut child = scene.start(&["replay", "--output", "json"]);
    let stderr = wait_for(&mut child, "another session holds locks on these rows or on the table");
    let id = child.id().to_string();
    let stopped = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ran = ended(child, stderr);
    ran.expect(3, &[("inserted", 0)]);
    assert!(stopped.elapsed() < Duration::from_secs(20), "{:?}", stopped.elapsed());
    other.execute("ROLLBACK").await.unwrap();
    scene.run(&["replay", "--resume"]).expect(0, &[("inserted", count)]);
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_locks_of_others_are_reported_and_waited_for() {
    locks_are_reported_and_waited_for(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_locks_of_others_are_reported_and_waited_for() {
    locks_are_reported_and_waited_for(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_replay_that_waits_for_locks_can_be_stopped() {
    a_replay_that_waits_for_locks_can_be_stopped(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_replay_that_waits_for_locks_can_be_stopped() {
    a_replay_that_waits_for_locks_can_be_stopped(MARIADB).await;
}
