//! `kill -9` at many moments of a backfill and of a replay, from S3 to MySQL: nothing is lost or duplicated.

use std::time::Instant;

use testkit::s3::S3Server;
use testkit::{BUCKET, Database, MYSQL, PREFIX, Scene, moment};

/// Moments of a backfill, and of a replay.
const BACKFILLS: u32 = 20;
const REPLAYS: u32 = 50;

struct Stores {
    s3: S3Server,
    database: Database,
    scene: Scene,
}

impl Stores {
    async fn new() -> Self {
        let database = Database::new(MYSQL).await;
        let s3 = S3Server::with_bucket(BUCKET);
        let scene = Scene::new().with_s3(&s3).with("RUMINATE_WAREHOUSE", &database.url());
        scene.run(&["init"]).expect(0, &[]);
        Self { s3, database, scene }
    }

    /// State of both stores, read from the stores themselves.
    async fn hold(&self, count: u64) {
        assert_eq!(self.s3.store().list(BUCKET, PREFIX).len() as u64, count);
        let distinct = "SELECT COUNT(DISTINCT cod_cliente, id_curral, id_lote, data) FROM historico_consumo";
        for sql in ["SELECT COUNT(*) FROM historico_consumo", distinct] {
            assert_eq!(self.database.count(sql).await.unsigned_abs(), count, "{sql}");
        }
        let both = [("matched", count), ("lake_objects", count), ("warehouse_rows", count)];
        self.scene.run(&["reconcile"]).expect(0, &both);
    }
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_backfill_killed_at_any_moment_loses_and_doubles_nothing() {
    let stores = Stores::new().await;
    let count = stores.scene.history(2, 40, 15);
    let backfill = ["backfill", "history.json"];
    let started = Instant::now();
    stores.scene.run(&backfill).expect(0, &[("inserted", count)]);
    let whole = started.elapsed();
    for n in 0..BACKFILLS {
        for key in stores.s3.store().list(BUCKET, "") {
            stores.s3.store().remove(BUCKET, &key);
        }
        stores.database.run("TRUNCATE TABLE historico_consumo").await;
        stores.scene.kill(&backfill, whole.mul_f64(moment(n)));
        stores.scene.run(&backfill).expect(0, &[("read", count), ("conflicting", 0)]);
        stores.hold(count).await;
    }
    stores.database.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MYSQL"]
async fn live_mysql_a_replay_killed_at_any_moment_loses_and_doubles_nothing() {
    let stores = Stores::new().await;
    let count = stores.scene.history(2, 40, 15);
    stores.scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    stores.database.run("TRUNCATE TABLE historico_consumo").await;
    let started = Instant::now();
    stores.scene.run(&["replay"]).expect(0, &[("inserted", count)]);
    let whole = started.elapsed();
    for n in 0..REPLAYS {
        stores.database.run("TRUNCATE TABLE historico_consumo").await;
        stores.scene.kill(&["replay"], whole.mul_f64(moment(n)));
        // A resumed run reports everything that it has done, before and after the kill.
        let exact = stores.scene.run(&["replay", "--resume"]);
        // If there is nothing to resume, the run ended before the kill and has all its rows.
        let ended = exact.json["resumed"] == false && exact.json["inserted"] == 0;
        let (inserted, identical) = if ended { (0, count) } else { (count, 0) };
        exact.expect(0, &[("listed", count), ("inserted", inserted), ("identical", identical), ("conflicting", 0)]);
        stores.hold(count).await;
    }
    stores.database.drop().await;
}
