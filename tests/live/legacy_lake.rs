//! The legacy lake into tables with legacy types (FLOAT, DOUBLE, VARCHAR(36) keys), on both servers.

use testkit::s3::{S3Server, StorageClass};
use testkit::{BUCKET, Database, MARIADB, MYSQL, PREFIX, Scene, Server, create_table, extract_legacy_lake};

async fn every_legacy_table_accepts_the_legacy_lake(server: Server) {
    let s3 = S3Server::with_bucket(BUCKET);
    let extracted = tempfile::tempdir().unwrap();
    extract_legacy_lake(extracted.path());
    assert_eq!(s3.store().load_dir(BUCKET, "", extracted.path()).unwrap(), 52);
    let keys = s3.store().list(BUCKET, PREFIX);
    for (weight, key) in
        [("FLOAT", "VARCHAR(255)"), ("DOUBLE", "VARCHAR(255)"), ("FLOAT", "VARCHAR(36)"), ("DECIMAL(12,6)", "CHAR(36)")]
    {
        let database = Database::new(server).await;
        let scene = Scene::new().with_s3(&s3).with("RUMINATE_WAREHOUSE", &database.url());
        database.run(&create_table(key, weight)).await;
        let counts = [("listed", 52), ("inserted", 52)];
        scene.run(&["replay", "--verify"]).expect(0, &counts).expect(0, &[("verified", 52)]);
        scene.run(&["reconcile"]).expect(0, &[("matched", 52), ("lake_records", 52)]);

        // MySQL rounds the fraction that the legacy function sent; the toolkit truncates it.
        let rounded = database.run("UPDATE historico_consumo SET row_ts = row_ts + INTERVAL 1 SECOND").await;
        assert_eq!(rounded, 52);
        let ran = scene.run(&["reconcile"]);
        let late = ran.json["differing"].as_u64().unwrap();
        assert!(late > 0 && late < 52, "rows whose lake instant rounds up agree, the others differ: {ran:?}");
        assert_eq!(ran.json["matched"].as_u64(), Some(52 - late));
        database.run("UPDATE historico_consumo SET row_ts = row_ts - INTERVAL 1 SECOND").await;
        scene.run(&["reconcile", "--from", "2026-11-22", "--to", "2026-11-22"]).expect(0, &[("matched", 52)]);
        let args = ["reconcile", "--from", "2023-01-01", "--to", "2023-01-04", "--allow-empty"];
        scene.run(&args).expect(0, &[("lake_records", 0)]);
        scene.run(&["init"]).expect(0, &[]);
        database.drop().await;
    }
    no_object_is_made_for_one_that_is_only_archived(server, &s3, &keys).await;
    assert_eq!(s3.store().list(BUCKET, PREFIX), keys, "the legacy lake is unchanged");
}

/// Both layouts in one lake, audited by the window of the newer one: wrong findings must not be repaired.
async fn an_audit_of_some_days_of_a_mixed_lake_creates_no_object(server: Server, s3: &S3Server) {
    let database = Database::new(server).await;
    let scene = Scene::new().with_s3(s3).with("RUMINATE_WAREHOUSE", &database.url());
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(1, 20, 5);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    scene.run(&["replay"]).expect(0, &[("inserted", 52), ("identical", count)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", 52 + count)]);
    let before = s3.store().list(BUCKET, PREFIX);
    scene.run(&["reconcile", "--from", "2023-01-01", "--to", "2024-12-31", "--repair", "both"]);
    assert_eq!(s3.store().list(BUCKET, PREFIX), before);
    database.drop().await;
}

/// An object whose name does not contain its id may belong to a row without an object.
async fn no_object_is_made_for_one_that_is_only_archived(server: Server, s3: &S3Server, keys: &[String]) {
    let database = Database::new(server).await;
    let scene = Scene::new().with_s3(s3).with("RUMINATE_WAREHOUSE", &database.url());
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    s3.store().set_storage_class(BUCKET, &keys[7], StorageClass::DeepArchive);
    let ran = scene.run(&["reconcile", "--repair", "both"]);
    ran.expect(1, &[("archived", 1), ("warehouse_only", 1), ("unidentified", 1), ("matched", 51)]);
    assert_eq!(ran.json["repaired"]["objects_written"].as_u64(), Some(0), "{ran:?}");
    assert_eq!(ran.json["repaired"]["not_repaired"].as_u64(), Some(1), "{ran:?}");
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_mixed_lake_is_not_repaired_by_a_window() {
    let s3 = S3Server::with_bucket(BUCKET);
    let extracted = tempfile::tempdir().unwrap();
    extract_legacy_lake(extracted.path());
    s3.store().load_dir(BUCKET, "", extracted.path()).unwrap();
    an_audit_of_some_days_of_a_mixed_lake_creates_no_object(MYSQL, &s3).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_accepts_the_legacy_lake() {
    every_legacy_table_accepts_the_legacy_lake(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_accepts_the_legacy_lake() {
    every_legacy_table_accepts_the_legacy_lake(MARIADB).await;
}
