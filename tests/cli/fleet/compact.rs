//! Compactions in shards: the parts are those of a single compaction, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use testkit::planted_drift::to_s3;
use testkit::s3::S3Server;
use testkit::{BUCKET, Scene};

use super::{Lake, Order, damaged, plan, run_all, shard, world};
use crate::compact::{age, files};

/// Counts that do not depend on which parts exist before.
const COUNTS: [&str; 7] =
    ["listed", "in_parts", "rejected", "archived", "unreadable", "skipped_unrecognized", "skipped_misplaced"];

fn counts(outcome: &Value) -> BTreeMap<&str, u64> {
    COUNTS.iter().filter_map(|name| Some((*name, outcome[*name].as_u64()?))).collect()
}

/// Returns the parts, and removes them. A killed attempt may leave a temporary file, which nothing reads.
fn taken(scene: &Scene) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut parts = files(&scene.path("partes"));
    parts.retain(|path, _| !path.file_name().unwrap().to_str().unwrap().starts_with(".ruminate-"));
    fs::remove_dir_all(scene.path("partes")).unwrap();
    parts
}

#[test]
fn the_parts_of_a_compaction_in_shards_are_those_of_a_single_one() {
    let scene = damaged(Lake::Mixed, (3, 4, 100), 1);
    age(&scene.path("lake"));
    let single = scene.run(&["compact"]);
    let parts = taken(&scene);
    assert!(parts.len() > 7 && single.json["in_parts"].as_u64().unwrap() > 300, "{single:?}");
    let orders = [
        (Order::Ascending, &[1, 2, 7][..]),
        (Order::Shuffled, &[2]),
        (Order::EachTwice, &[7]),
        (Order::Killed, &[7]),
        (Order::TwoAtOnce, &[7]),
    ];
    for (n, (order, numbers)) in orders.into_iter().enumerate() {
        for &shards in numbers {
            let run = format!("run{n}-{shards}");
            let planned = plan(&scene, "compact", &run, shards, &[]);
            assert_eq!(planned["listing"]["objects"], single.json["listed"]);
            run_all(&scene, &run, shards, order);
            let merged = scene.run(&["merge", &run]);
            assert_eq!(merged.code, single.code, "{merged:?}");
            assert_eq!(counts(&merged.json), counts(&single.json), "{order:?} {shards}");
            assert!(taken(&scene) == parts, "{order:?} {shards}");
        }
    }
}

#[test]
fn a_shard_has_complete_months_and_at_most_the_requested_objects() {
    let scene = damaged(Lake::New, (2, 4, 100), 1);
    age(&scene.path("lake"));
    let planned = scene.run(&["plan", "compact", "--objects-per-shard", "60", "--out", "run"]);
    planned.expect(0, &[]);
    let lines = fs::read_to_string(scene.path("run/shards.jsonl")).unwrap();
    let shards: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(shards.len() > 3, "{lines}");
    for shard in &shards {
        let months = shard["months"].as_array().unwrap();
        assert!(months.len() == 1 || shard["objects"].as_u64().unwrap() <= 60, "{shard}");
    }
    run_all(&scene, "run", u32::try_from(shards.len()).unwrap(), Order::Ascending);
    let merged = scene.run(&["merge", "run"]);
    let again = scene.run(&["compact"]);
    again.expect(merged.code.unwrap(), &[("written", 0), ("fetched", 0)]);
    assert_eq!(counts(&again.json), counts(&merged.json));
}

/// What is written after the plan is left to the next run, and a month that a shard does not have is not touched.
#[test]
fn objects_after_the_plan_are_left_to_the_next_run() {
    let scene = super::stores(Lake::New, (2, 3, 70));
    age(&scene.path("lake"));
    plan(&scene, "compact", "run", 3, &[]);
    std::thread::sleep(std::time::Duration::from_millis(20));
    scene.history(2, 4, 70);
    let written = scene.run(&["backfill", "history.json"]).json["written"].as_u64().unwrap();
    assert!(written > 20);
    shard(&scene, "run", 1);
    let some = files(&scene.path("partes")).len();
    run_all(&scene, "run", 3, Order::Shuffled);
    assert!(files(&scene.path("partes")).len() > some);
    let merged = scene.run(&["merge", "run"]);
    merged.expect(0, &[("skipped_after_cutoff", written)]);
    scene.run(&["compact"]).expect(0, &[("fetched", written), ("skipped_after_cutoff", 0)]);
}

#[test]
fn bad_input_of_a_compaction_in_shards_is_named() {
    let scene = Scene::embedded();
    let ran = scene.run(&["plan", "compact", "--out", "run"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("nothing to compact"), "{ran:?}");
    let scene = damaged(Lake::New, (2, 3, 70), 1);
    age(&scene.path("lake"));
    plan(&scene, "compact", "run", 3, &[]);
    shard(&scene, "run", 0);
    shard(&scene, "run", 2);
    let refused = |args: &[&str], words: &str| {
        let ran = scene.run(args);
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{words}: {ran:?}");
    };
    refused(&["merge", "run"], "ruminate shard run --shard 1");
    refused(&["merge", "run", "--drift", "drift.ndjson"], "--drift is for an audit, and this run is a compaction");
    refused(&["merge", "run", "--report", "x.html"], "--report is for an audit or a replay");
    let lines = fs::read_to_string(scene.path("run/shards.jsonl")).unwrap();
    fs::write(scene.path("run/shards.jsonl"), lines.replacen("\"farm\":\"f", "\"farm\":\"x", 1)).unwrap();
    refused(&["shard", "run", "--shard", "1"], "shards.jsonl");
    fs::write(scene.path("run/shards.jsonl"), lines).unwrap();
    fs::remove_dir_all(scene.path("lake")).unwrap();
    let ran = scene.run(&["shard", "run", "--shard", "1"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn a_store_that_ignores_conditions_gets_no_plan_and_no_part() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    to_s3(&s3, &world(&scene, Lake::New, (2, 2, 40)).objects());
    s3.faults().change(|faults| faults.ignore_if_none_match = true);
    let ran = scene.run(&["plan", "compact", "--out", "run"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("does not honour If-None-Match"), "{ran:?}");
    assert!(!scene.path("run/plan.json").exists());
    s3.faults().change(|faults| faults.ignore_if_none_match = false);
    plan(&scene, "compact", "run", 2, &[]);
    run_all(&scene, "run", 2, Order::Ascending);
    scene.run(&["merge", "run"]).expect(0, &[]);
}
