//! Protection of a real server during a replay: a table swap loses no values or rows, other sessions are not blocked,
//! and a throttle query cannot write.

use std::time::Duration;

use pipeline::record::Column;
use sqlx::{Connection as _, Executor as _};
use testkit::{MARIADB, MYSQL, Ran, Server, copy_rows};

use crate::replay::scene;

/// A query uses the table: RENAME waits for it in short attempts, between which other sessions continue. Rows that they
/// write are found after the swap.
async fn a_table_in_use(server: Server) {
    let (database, scene, count) = scene(server).await;
    scene.run(&["replay"]).expect(0, &[("inserted", count)]);
    let mut reader = sqlx::MySqlConnection::connect(&database.url()).await.unwrap();
    reader.execute("BEGIN").await.unwrap();
    reader.execute("SELECT COUNT(*) FROM historico_consumo").await.unwrap();
    let child = scene.start(&["replay", "--into-new-table", "--output", "json"]);
    let waits =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE 'RENAME TABLE%'";
    let started = std::time::Instant::now();
    while database.count(waits).await == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "no RENAME");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Another writer continues between two attempts, and does not have to wait for the reader.
    let started = std::time::Instant::now();
    database.run(&copy_rows(&[(Column::IdTreatedData, "UUID()")], "LIMIT 1")).await;
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    reader.execute("COMMIT").await.unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    ran.expect(1, &[("inserted", count), ("verified", count)]);
    let swap = &ran.json["table_swap"];
    assert_eq!((&swap["swapped"], &swap["added_before_swap"]), (&true.into(), &1.into()), "{ran:?}");
    assert!(ran.stderr.contains("in use by another session"), "{ran:?}");
    assert_eq!(database.count("SELECT COUNT(*) FROM historico_consumo").await.unsigned_abs(), count);
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_swap_waits_for_a_table_in_use_without_holding_up_others() {
    a_table_in_use(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_swap_waits_for_a_table_in_use_without_holding_up_others() {
    a_table_in_use(MARIADB).await;
}

/// A throttle query is one SELECT, regardless of the privileges of the account.
async fn a_query_that_only_reads(server: Server) {
    let (database, scene, count) = scene(server).await;
    database.run("CREATE TABLE alvo (n INT)").await;
    database.run("INSERT INTO alvo VALUES (0)").await;
    for query in [
        "SELECT 0; DELETE FROM alvo",
        "DELETE FROM alvo",
        "WITH x AS (SELECT 1) DELETE FROM alvo",
        "SELECT 0 INTO OUTFILE '/tmp/ruminate-throttle-query'",
        "SELECT 1 INTO @x",
        "/*!50000 DELETE FROM alvo */",
        "SELECT n FROM alvo FOR UPDATE",
    ] {
        let ran = scene.run(&["replay", "--throttle-query", query]);
        assert_eq!(ran.code, Some(2), "{query}: {ran:?}");
        assert_eq!(database.count("SELECT COUNT(*) FROM alvo").await, 1, "{query}");
    }
    scene.run(&["replay", "--throttle-query", "SELECT n FROM alvo"]).expect(0, &[("inserted", count)]);
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_throttle_query_can_only_read() {
    a_query_that_only_reads(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_throttle_query_can_only_read() {
    a_query_that_only_reads(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_column_whose_values_would_be_lost_blocks_a_table_swap() {
    let (database, scene, count) = scene(MYSQL).await;
    scene.run(&["replay"]).expect(0, &[("inserted", count)]);
    database
        .run(
            "ALTER TABLE historico_consumo ADD COLUMN `no``ta` VARCHAR(9), ADD COLUMN dobro DOUBLE AS (peso_medio * 2)",
        )
        .await;
    scene.run(&["replay", "--into-new-table"]).expect(0, &[("inserted", count)]);
    database.run("UPDATE historico_consumo SET `no``ta` = 'x' LIMIT 1").await;
    let ran = scene.run(&["replay", "--into-new-table"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("column no`ta has values that the lake lacks"), "{ran:?}");
    assert!(!ran.stderr.contains("dobro"), "{ran:?}");
    database.drop().await;
}
