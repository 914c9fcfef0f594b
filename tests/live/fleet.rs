//! Jobs in shards on real servers: planted drift of every kind, an unavailable warehouse, two machines with one shard,
//! and replays.

use std::time::Duration;

use testkit::mysql_relay::{Changes, MySqlRelay};
use testkit::planted_drift::found_in;
use testkit::{BUCKET, Ran, Scene, Server, assert_same_evidence};

use crate::planted_drift::Stores;
use crate::store_state::rows;

on_both! {
    planted_drift_in_shards: live_mysql_planted_drift_in_shards, live_mariadb_planted_drift_in_shards;
    an_unavailable_warehouse: live_mysql_an_unavailable_warehouse_under_eight_shards, live_mariadb_an_unavailable_warehouse_under_eight_shards;
    two_machines_run_the_same_shard: live_mysql_two_machines_run_the_same_shard, live_mariadb_two_machines_run_the_same_shard;
    a_replay_in_shards: live_mysql_a_replay_in_shards, live_mariadb_a_replay_in_shards;
}

/// Time for which the warehouse is unavailable: longer than the retries of one statement, and short enough for a test.
const AWAY: Duration = Duration::from_secs(12);

fn run() -> String {
    format!("s3://{BUCKET}/runs/live")
}

#[track_caller]
fn plan(scene: &Scene, job: &str, shards: u32) {
    let shards = shards.to_string();
    scene.run(&["plan", job, "--shards", &shards, "--out", &run()]).expect(0, &[("shards", shards.parse().unwrap())]);
}

fn shard(scene: &Scene, number: u32) -> Ran {
    scene.run(&["shard", &run(), "--shard", &number.to_string()])
}

async fn planted_drift_in_shards(server: Server) {
    let stores = Stores::of(server, None, (3, 25, 40)).await;
    let Stores { scene, world, .. } = &stores;
    let damage = stores.damaged(1, 2).await;
    scene.run(&["reconcile", "--evidence", "single", "--drift", "drift.ndjson"]).expect(1, &[]);
    let single = std::fs::read(scene.path("drift.ndjson")).unwrap();
    plan(scene, "reconcile", 7);
    for number in [3, 0, 6, 1, 5, 2, 4] {
        shard(scene, number).expect(0, &[]);
    }
    let merged = scene.run(&["merge", &run(), "--evidence", "merged", "--drift", "drift.ndjson"]);
    assert!(std::fs::read(scene.path("drift.ndjson")).unwrap() == single, "the drift files have the same bytes");
    assert_same_evidence(&scene.path("single"), &scene.path("merged"), server.variable);
    damage.is_reported_by(&merged, &found_in(&scene.path("drift.ndjson")), world, "in shards");
    stores.database.drop().await;
}

/// While the warehouse is unavailable, a shard may end with 3, and the next attempt completes it.
async fn an_unavailable_warehouse(server: Server) {
    let stores = Stores::of(server, None, (3, 25, 40)).await;
    let Stores { scene, database, .. } = &stores;
    stores.damaged(1, 0).await;
    let relay = MySqlRelay::start(&database.url(), Changes::default());
    let (url, port) = (relay.url(&database.url()), relay.port());
    scene.run(&["reconcile", "--evidence", "single", "--warehouse", &url]).expect(1, &[]);
    scene.run(&["plan", "reconcile", "--shards", "8", "--out", &run(), "--warehouse", &url]).expect(0, &[]);
    stores.s3.faults().change(|faults| faults.latency = Duration::from_millis(20));
    let start = |number: u32| {
        let number = number.to_string();
        scene.start(&[
            "shard",
            &run(),
            "--shard",
            &number,
            "--warehouse",
            &url,
            "--concurrency",
            "4",
            "--output",
            "json",
        ])
    };
    let children: Vec<_> = (0..8).map(start).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(relay);
    tokio::time::sleep(AWAY).await;
    let relay = MySqlRelay::at(([127, 0, 0, 1], port).into(), &database.url(), Changes::default()).unwrap();
    stores.s3.faults().change(|faults| faults.latency = Duration::ZERO);
    let mut interrupted = 0;
    for (number, child) in (0..).zip(children) {
        let ran = Ran::of(&child.wait_with_output().unwrap());
        match ran.code {
            Some(0) => {}
            Some(3) => {
                interrupted += 1;
                Ran::of(&start(number).wait_with_output().unwrap()).expect(0, &[]);
            }
            _ => panic!("{ran:#?}"),
        }
    }
    assert!(interrupted > 0, "no shard noticed the unavailable warehouse");
    scene.run(&["merge", &run(), "--evidence", "merged", "--warehouse", &url]).expect(1, &[]);
    assert_same_evidence(&scene.path("single"), &scene.path("merged"), server.variable);
    drop(relay);
    stores.database.drop().await;
}

/// Each has its own home and directory, and one of them is slow.
async fn two_machines_run_the_same_shard(server: Server) {
    let stores = Stores::of(server, None, (2, 20, 30)).await;
    let Stores { scene, s3, database, .. } = &stores;
    stores.damaged(1, 0).await;
    scene.run(&["reconcile", "--evidence", "single"]).expect(1, &[]);
    plan(scene, "reconcile", 3);
    let other = Scene::new().with_s3(s3).with("RUMINATE_WAREHOUSE", &database.url());
    for number in 0..3_u32 {
        let (run, number) = (run(), number.to_string());
        let args = ["shard", &run, "--shard", &number, "--output", "json"];
        let slow = [&args[..], &["--concurrency", "1", "--connections", "1"]].concat();
        let machines = [scene.start(&args), other.start(&slow)];
        let states = machines.map(|child| {
            let ran = Ran::of(&child.wait_with_output().unwrap());
            ran.expect(0, &[]);
            ran.json["state"].clone()
        });
        let written = states.iter().filter(|state| **state == "written").count();
        assert!(written == 1 && states.iter().any(|state| state == "already_written"), "{states:?}");
    }
    let merged = other.run(&["merge", &run(), "--evidence", "merged"]);
    merged.expect(1, &[]);
    assert_same_evidence(&scene.path("single"), &other.path("merged"), server.variable);
    assert_eq!(merged.json["run"]["shards"][0]["attempts"], 2, "{:?}", merged.json["run"]);
    stores.database.drop().await;
}

/// Two shards at once, one of which is killed and run again; every row is that of a single replay.
async fn a_replay_in_shards(server: Server) {
    let stores = Stores::of(server, None, (3, 25, 40)).await;
    let Stores { scene, database, world, .. } = &stores;
    let single = rows(database).await;
    database.run("DELETE FROM historico_consumo").await;
    plan(scene, "replay", 4);
    scene.kill(&["shard", &run(), "--shard", "1"], Duration::from_millis(300));
    let number = |n: u32| n.to_string();
    for pair in [[0, 1], [2, 3]] {
        let both = pair.map(|n| scene.start(&["shard", &run(), "--shard", &number(n), "--output", "json"]));
        for child in both {
            Ran::of(&child.wait_with_output().unwrap()).expect(0, &[]);
        }
    }
    let merged = scene.run(&["merge", &run()]);
    merged.expect(0, &[("listed", world.0.len() as u64)]);
    assert!(rows(database).await == single, "the rows are those of a single replay");
    stores.database.drop().await;
}
