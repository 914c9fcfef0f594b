//! The real readings in S3 and MySQL: the table is dropped and recovered.

use testkit::s3::S3Server;
use testkit::{BUCKET, Database, MARIADB, MYSQL, PREFIX, Scene, Server, real_files, with_real};

async fn ingested_deleted_and_recovered(server: Server) {
    let database = Database::new(server).await;
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::new().with_s3(&s3).with("RUMINATE_WAREHOUSE", &database.url());
    let files = real_files();
    scene.run(&["init"]).expect(0, &[]);
    let all_new = [("read", 52), ("written", 52), ("inserted", 52), ("existing", 0), ("rejected", 0)];
    scene.run(&with_real("backfill", &files)).expect(0, &all_new);
    let nothing_new = [("read", 52), ("existing", 52), ("identical", 52), ("inserted", 0), ("written", 0)];
    scene.run(&with_real("backfill", &files)).expect(0, &nothing_new);
    assert_eq!(s3.store().list(BUCKET, PREFIX).len(), 52);
    let before = database.ids().await;

    database.run("DROP TABLE historico_consumo").await;
    let refused = scene.run(&["replay"]);
    assert!(refused.stderr.contains("no table historico_consumo: run `ruminate init`"), "{refused:?}");
    refused.expect(2, &[]);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay", "--dry-run"]).expect(0, &[("objects", 52), ("current_rows", 0)]);
    scene.run(&["replay", "--verify"]).expect(0, &[("listed", 52), ("inserted", 52), ("verified", 52)]);
    scene.run(&["replay"]).expect(0, &[("listed", 52), ("identical", 52), ("inserted", 0)]);
    assert_eq!(database.ids().await, before);
    scene.run(&["reconcile"]).expect(0, &[("matched", 52), ("lake_objects", 52), ("warehouse_rows", 52)]);
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_lost_warehouse_is_recovered() {
    ingested_deleted_and_recovered(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MARIADB"]
async fn live_mariadb_a_lost_warehouse_is_recovered() {
    ingested_deleted_and_recovered(MARIADB).await;
}
