//! Jobs in shards: planned once, run in any way, merged; the result is that of a single run.

use std::time::Duration;

use pipeline::lake::Key;
use pipeline::record::Record;
use serde_json::Value;
use testkit::planted_drift::{Case, Damage, World, to_folder, to_sqlite};
use testkit::{Ran, Scene, moment};

use super::planted_drift::schema;

mod bad_input;
mod compact;
mod failures;
#[cfg(unix)]
mod guides;
mod reconcile;
mod replay;

/// Lake, by the names of its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lake {
    /// Names with ids of version 8.
    New,
    /// Names of the legacy Lambda with random ids.
    Legacy,
    /// Both kinds of names.
    Mixed,
}

/// Way to run the shards of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Ascending,
    Shuffled,
    EachTwice,
    /// Each shard is killed once, at a different time, and then run.
    Killed,
    /// Two attempts at each shard at once.
    TwoAtOnce,
}

/// Returns the records of a lake, some with the names and ids of the legacy Lambda.
fn world(scene: &Scene, lake: Lake, (farms, lots, days): (u32, u32, u32)) -> World {
    let world = World::of(scene, farms, lots, days);
    let legacy = |n: usize, record: Record| {
        let mut record = record;
        let mut id: Vec<char> = record.id_treated_data.chars().collect();
        // The id starts with its hash, so that ids are spread over all values.
        let (head, tail): (Vec<char>, Vec<char>) = (id[..8].to_vec(), id[28..].to_vec());
        id[..8].copy_from_slice(&tail);
        id[28..].copy_from_slice(&head);
        id[14] = '4';
        record.id_treated_data = id.into_iter().collect();
        record.row_ts = record.reading.data + chrono::TimeDelta::milliseconds(3_600_000 + n as i64);
        let stamp = record.row_ts.naive_utc();
        let farm = if record.reading.slug().as_str() == "fazenda_um" { "fazenda_um" } else { "fazenda_dois" };
        let key = Key { farm: farm.into(), day: stamp.date(), stamp, id: None };
        (key.to_string(), record)
    };
    let records = world.0.into_iter().enumerate().map(|(n, (key, record))| match lake {
        Lake::New => (key, record),
        Lake::Mixed if n % 2 == 0 => (key, record),
        Lake::Legacy | Lake::Mixed => legacy(n, record),
    });
    World(records.collect())
}

/// Creates a lake in a directory and its warehouse, with every kind of damage.
pub fn damaged(lake: Lake, size: (u32, u32, u32), times: usize) -> Scene {
    let scene = stores(lake, size);
    let world = world(&scene, lake, size);
    let damage = Damage::plant(&world, &schema(), &Case::all(), times, 2);
    to_folder(&scene.path("lake"), &damage.objects);
    to_sqlite(&scene.path("w.db"), &damage.sql);
    scene
}

/// Creates a lake in a directory and its warehouse.
pub fn stores(lake: Lake, size: (u32, u32, u32)) -> Scene {
    let scene = Scene::embedded();
    let world = world(&scene, lake, size);
    to_folder(&scene.path("lake"), &world.objects());
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[("inserted", world.0.len() as u64)]);
    scene
}

/// Plans a job in `shards` shards.
#[track_caller]
pub fn plan(scene: &Scene, job: &str, run: &str, shards: u32, more: &[&str]) -> Value {
    let shards = shards.to_string();
    let planned = scene.run(&[&["plan", job, "--shards", &shards, "--out", run], more].concat());
    planned.expect(0, &[("shards", shards.parse().unwrap())]);
    planned.json
}

#[track_caller]
pub fn shard(scene: &Scene, run: &str, shard: u32) -> Ran {
    let ran = scene.run(&["shard", run, "--shard", &shard.to_string()]);
    ran.expect(0, &[("shard", u64::from(shard))]);
    ran
}

/// Runs all shards of a run.
#[track_caller]
pub fn run_all(scene: &Scene, run: &str, shards: u32, order: Order) {
    let mut numbers: Vec<u32> = (0..shards).collect();
    if order == Order::Shuffled {
        numbers.sort_by_key(|n| n.wrapping_mul(2_654_435_761).rotate_left(16));
    }
    for n in numbers {
        let number = n.to_string();
        let args = ["shard", run, "--shard", &number];
        match order {
            Order::Ascending | Order::Shuffled => {}
            Order::EachTwice => {
                assert_eq!(shard(scene, run, n).json["state"], "written");
                assert_eq!(shard(scene, run, n).json["state"], "already_written");
                continue;
            }
            Order::Killed => scene.kill(&args, Duration::from_secs_f64(moment(n) * 0.4)),
            Order::TwoAtOnce => {
                let both = [(); 2].map(|()| scene.start(&[&args[..], &["--output", "json"]].concat()));
                let states = both.map(|child| {
                    let ran = Ran::of(&child.wait_with_output().unwrap());
                    ran.expect(0, &[]);
                    ran.json["state"].as_str().unwrap_or_default().to_owned()
                });
                let written = states.iter().filter(|state| *state == "written").count();
                assert!(written == 1 && states.iter().any(|state| state == "already_written"), "{states:?}");
                continue;
            }
        }
        shard(scene, run, n);
    }
}
