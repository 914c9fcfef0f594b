//! Files that do not belong to one run: each error names the file and what to do, and nothing is merged.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::planted_drift::{World, to_s3};
use testkit::s3::S3Server;
use testkit::{BUCKET, Ran, Scene};

use super::{Lake, Order, damaged, plan, run_all, shard, stores};

#[track_caller]
fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!((ran.code, &*ran.stdout), (Some(2), ""), "{ran:#?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} in {}", ran.stderr);
    }
}

fn finished() -> Scene {
    let scene = damaged(Lake::New, (2, 8, 10), 1);
    plan(&scene, "reconcile", "run", 3, &[]);
    run_all(&scene, "run", 3, Order::Ascending);
    scene
}

/// Changes a JSON file.
fn edit(scene: &Scene, name: &str, change: impl FnOnce(&mut Value)) {
    let path = scene.path(name);
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, serde_json::to_vec(&json).unwrap()).unwrap();
}

/// Returns a file of a shard.
fn file(scene: &Scene, shard: u32, stream: &str) -> PathBuf {
    let folder = scene.path(&format!("run/shards/{shard:06}"));
    let mut found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    found.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{stream}-"))).unwrap()
}

#[test]
fn a_plan_that_was_edited_or_is_of_another_version_or_missing_is_named() {
    let scene = finished();
    refused(&scene.run(&["shard", "nowhere", "--shard", "0"]), &["nowhere has no plan.json", "ruminate plan"]);
    edit(&scene, "run/plan.json", |plan| plan["plan"]["cutoff"] = json!("2030-01-01T00:00:00Z"));
    refused(&scene.run(&["merge", "run"]), &["plan.json", "was changed after it was written", "plan again"]);
    edit(&scene, "run/plan.json", |plan| plan["plan"]["program"] = json!("9.9.9"));
    refused(&scene.run(&["shard", "run", "--shard", "0"]), &["planned by ruminate 9.9.9", "one version"]);
    fs::write(scene.path("run/plan.json"), "{}").unwrap();
    refused(&scene.run(&["merge", "run"]), &["plan.json of the run run is not the plan of a run"]);

    let scene = finished();
    let lines = fs::read_to_string(scene.path("run/shards.jsonl")).unwrap();
    fs::write(scene.path("run/shards.jsonl"), lines.replacen("\"objects\":", "\"objects\":1", 1)).unwrap();
    refused(&scene.run(&["merge", "run"]), &["shards.jsonl", "was changed"]);
    fs::remove_file(scene.path("run/shards.jsonl")).unwrap();
    refused(&scene.run(&["merge", "run"]), &["no shards.jsonl"]);
}

#[test]
fn a_second_plan_does_not_replace_the_first() {
    let scene = finished();
    let before = fs::read(scene.path("run/plan.json")).unwrap();
    let again = scene.run(&["plan", "reconcile", "--out", "run"]);
    refused(&again, &["has a plan already", "another --out"]);
    assert!(fs::read(scene.path("run/plan.json")).unwrap() == before);
    fs::remove_file(scene.path("run/plan.json")).unwrap();
    refused(&scene.run(&["plan", "reconcile", "--shards", "2", "--out", "run"]), &["an earlier plan was interrupted"]);
}

#[test]
fn a_run_of_another_lake_or_warehouse_or_of_a_changed_table_is_named() {
    let scene = finished();
    let other = stores(Lake::New, (1, 4, 4));
    let [lake, warehouse] = [other.path("lake"), other.path("w.db")].map(|path| path.display().to_string());
    let remove = || fs::remove_dir_all(scene.path("run/shards/000001")).unwrap();
    remove();
    let of = |more: &[&str]| scene.run(&[&["shard", "run", "--shard", "1"], more].concat());
    refused(&of(&["--lake", &lake]), &["the run is of the lake", &lake, "check --lake"]);
    let url = format!("sqlite:{warehouse}");
    refused(&of(&["--warehouse", &url]), &["the run is of the warehouse", "check --warehouse"]);
    let merged = scene.text(&["merge", "run", "--warehouse", &url]);
    refused(&merged, &["1 of 3 shard is missing", "2 attempts", "the run is of the warehouse"]);
    scene.sql("ALTER TABLE historico_consumo RENAME TO old");
    scene.sql("CREATE TABLE historico_consumo AS SELECT * FROM old");
    let ran = of(&[]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
}

#[test]
fn a_shard_file_that_is_cut_changed_missing_or_of_another_run_is_named() {
    for stream in ["objects", "rows", "rechecked", "judged", "naturals", "counts"] {
        let scene = finished();
        // This file is read only if it is needed.
        let is_needed = !matches!(stream, "judged" | "naturals");
        let path = file(&scene, 1, stream);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let merged = scene.run(&["merge", "run"]);
        if is_needed {
            refused(&merged, &[stream, "is not the file that shard 1 wrote", "ruminate shard run --shard 1"]);
        }
        // Another attempt cannot replace it.
        let what_to_do = [stream, "is not the file that shard 1 wrote", "remove the folder shards/000001/"];
        refused(&scene.run(&["shard", "run", "--shard", "1"]), &what_to_do);
        fs::remove_file(&path).unwrap();
        let merged = scene.run(&["merge", "run"]);
        if is_needed {
            refused(&merged, &[stream, "is missing", "ruminate shard run --shard 1"]);
        }
        // The next attempt at the shard writes what is missing.
        shard(&scene, "run", 1);
        assert!(fs::read(&path).unwrap() == whole, "{stream}");
        scene.run(&["merge", "run"]).expect(1, &[]);
    }
}

#[test]
fn files_and_outcomes_of_another_run_are_not_merged() {
    let scene = finished();
    plan(&scene, "reconcile", "other", 3, &[]);
    run_all(&scene, "other", 3, Order::Ascending);
    let outcome = "shards/000001/outcome.json";
    let own = fs::read_to_string(scene.path("run").join(outcome)).unwrap();
    fs::copy(scene.path("other").join(outcome), scene.path("run").join(outcome)).unwrap();
    refused(&scene.run(&["merge", "run"]), &["outcome.json", "belongs to another plan", "--shard 1"]);
    fs::write(scene.path("run").join(outcome), &own).unwrap();
    // An outcome with files of another shard.
    fs::write(scene.path("run").join(outcome), own.replace("\"shard\":1", "\"shard\":2")).unwrap();
    refused(&scene.run(&["merge", "run"]), &["belongs to another plan or shard"]);
    for (format, words) in [("2,\"new\":1", "another version of ruminate"), ("1,\"new\":1", "has the field \"new\"")] {
        let newer = own.replacen("{\"format\":1", &format!("{{\"format\":{format}"), 1);
        assert_ne!(newer, own);
        fs::write(scene.path("run").join(outcome), newer).unwrap();
        refused(&scene.run(&["merge", "run"]), &["outcome.json", words, "--shard 1"]);
    }
}

/// A file of another plan, with an outcome that was edited to list it.
#[test]
fn a_shard_file_of_another_plan_is_not_merged_even_if_an_outcome_lists_it() {
    let scene = finished();
    plan(&scene, "reconcile", "other", 3, &[]);
    run_all(&scene, "other", 3, Order::Ascending);
    let plan_id = |run: &str| {
        let plan: Value = serde_json::from_slice(&fs::read(scene.path(run).join("plan.json")).unwrap()).unwrap();
        plan["plan_id"].as_str().unwrap().to_owned()
    };
    let folder = "shards/000001";
    for file in fs::read_dir(scene.path("other").join(folder)).unwrap().map(|entry| entry.unwrap()) {
        fs::copy(file.path(), scene.path("run").join(folder).join(file.file_name())).unwrap();
    }
    let outcome = scene.path("run").join(folder).join("outcome.json");
    let forged = fs::read_to_string(&outcome).unwrap().replace(&plan_id("other"), &plan_id("run"));
    fs::write(&outcome, seal(&forged)).unwrap();
    let merged = scene.run(&["merge", "run", "--drift", "drift.ndjson"]);
    refused(&merged, &["belongs to another plan, shard or version", "remove the folder", "--shard 1"]);
    assert!(!scene.path("drift.ndjson").exists());
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Completes an outcome with its checksum, as if another program wrote it.
fn seal(outcome: &str) -> String {
    let mut outcome: Value = serde_json::from_str(outcome).unwrap();
    outcome.as_object_mut().unwrap().remove("sha256");
    outcome["sha256"] = sha256(outcome.to_string().as_bytes()).into();
    outcome.to_string()
}

/// An outcome that does not list the entries of a stream: the merge would not find what they contain.
#[test]
fn an_outcome_that_was_edited_is_not_merged() {
    let scene = finished();
    let outcome = scene.path("run/shards/000001/outcome.json");
    let whole = fs::read_to_string(&outcome).unwrap();
    let mut shortened: Value = serde_json::from_str(&whole).unwrap();
    let files = shortened["result"]["files"].as_array_mut().unwrap();
    let before = files.len();
    files.retain(|file| file["stream"] != "objects");
    assert!(files.len() < before, "{whole}");
    let shortened = shortened.to_string();
    fs::write(&outcome, &shortened).unwrap();
    for args in [&["merge", "run"][..], &["shard", "run", "--shard", "1"]] {
        let words =
            ["outcome.json", "was changed after it was written", "remove the folder shards/000001/", "--shard 1`"];
        refused(&scene.run(args), &words);
    }
    fs::write(&outcome, seal(&shortened)).unwrap();
    let words = ["outcome.json", "lists 0 of", "entries of `objects`", "remove the folder shards/000001/"];
    refused(&scene.run(&["merge", "run"]), &words);
    fs::write(&outcome, seal(&whole)).unwrap();
    scene.run(&["merge", "run"]).expect(1, &[]);
}

#[test]
fn a_run_inside_the_lake_is_not_planned() {
    let scene = finished();
    for out in ["lake", "lake/run"] {
        refused(&scene.run(&["plan", "reconcile", "--out", out]), &["--out", "is inside"]);
        assert!(!scene.path(out).join("plan.json").exists());
    }
}

#[test]
fn an_outcome_that_was_cut_is_named_and_can_be_repeated() {
    let scene = finished();
    let outcome = scene.path("run/shards/000001/outcome.json");
    let whole = fs::read(&outcome).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 2] {
        fs::write(&outcome, &whole[..length]).unwrap();
        for args in [&["merge", "run"][..], &["shard", "run", "--shard", "1"]] {
            let what_to_do = ["is not the outcome of a shard", "remove the folder shards/000001/", "--shard 1`"];
            refused(&scene.run(args), &what_to_do);
        }
    }
    fs::remove_dir_all(scene.path("run/shards/000001")).unwrap();
    shard(&scene, "run", 1);
    scene.run(&["merge", "run"]).expect(1, &[]);
}

#[test]
fn a_second_attempt_that_finds_something_else_does_not_replace_the_first() {
    let scene = finished();
    let outcome = scene.path("run/shards/000001/outcome.json");
    let first = fs::read(&outcome).unwrap();
    // A file is missing, so the shard is run again; the stores have changed since.
    fs::remove_file(file(&scene, 1, "counts")).unwrap();
    let lines = fs::read_to_string(scene.path("run/shards.jsonl")).unwrap();
    let range: Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    let until = range["until"].as_str().unwrap();
    assert!(scene.sql("UPDATE historico_consumo SET quantidade_animais = 9999") > 0, "{until}");
    let ran = scene.run(&["shard", "run", "--shard", "1"]);
    ran.expect(0, &[]);
    assert_eq!(ran.json["state"], "written_differently", "{ran:#?}");
    let differs = ran.json["differs"].to_string();
    assert!(differs.contains("left.judged was") && differs.contains("files of"), "{differs}");
    assert!(fs::read(&outcome).unwrap() == first);
    refused(&scene.run(&["merge", "run"]), &["counts", "is missing"]);
}

/// The lake's clock is an hour ahead of the machine's; and a plan was made by a clock that was ahead.
#[test]
fn clocks_that_differ_are_named() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    to_s3(&s3, &World::of(&scene, 1, 4, 4).objects());
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[]);
    let ahead = |minutes: u64| s3.faults().change(|faults| faults.clock_ahead = Duration::from_secs(60 * minutes));
    ahead(60);
    let far = scene.run(&["plan", "reconcile", "--out", "run"]);
    refused(&far, &["this machine's clock is", "behind the service's", "NTP"]);
    assert!(!scene.path("run/plan.json").exists());
    ahead(10);
    plan(&scene, "reconcile", "run", 2, &[]);
    ahead(0);
    let before = scene.run(&["shard", "run", "--shard", "0"]);
    refused(&before, &["the lake's clock", "is before the cutoff of the plan", "plan again"]);
    ahead(10);
    run_all(&scene, "run", 2, Order::Ascending);
    ahead(60);
    refused(&scene.run(&["merge", "run"]), &["behind the lake's"]);
    ahead(10);
    scene.run(&["merge", "run"]).expect(0, &[("lake_only", 0)]);
}

#[test]
fn what_is_no_job_or_size_or_run_is_a_usage_error() {
    let scene = stores(Lake::New, (1, 4, 4));
    for (args, words) in [
        (&["plan", "reconcile"][..], &["--out"][..]),
        (&["plan", "publish", "--out", "r"], &["publish"]),
        (&["plan", "reconcile", "--out", "r", "--shards", "0"], &["--shards"]),
        (&["plan", "reconcile", "--out", "r", "--shards", "3", "--objects-per-shard", "5"], &["cannot be used with"]),
        (&["plan", "reconcile", "--out", "r", "--truth", "t"], &["--truth"]),
        (&["plan", "replay", "--out", "r", "--on-conflict", "overwrite"], &["--on-conflict"]),
        (&["shard"], &["RUN"]),
        (&["shard", "r", "--shard", "x"], &["--shard"]),
        (&["merge", "r", "--dry-run"], &["--dry-run"]),
        (&["plan", "reconcile", "--out", "s3://B/x"], &["bucket"]),
    ] {
        refused(&scene.run(args), words);
    }
    let without_number = scene.run(&["shard", "r"]);
    refused(&without_number, &["give --shard K", "SLURM_ARRAY_TASK_ID"]);
    let empty = Scene::embedded();
    empty.run(&["init"]).expect(0, &[]);
    fs::create_dir(empty.path("lake")).unwrap();
    refused(&empty.run(&["plan", "reconcile", "--out", "r"]), &["both sides are empty"]);
    refused(&empty.run(&["plan", "replay", "--out", "r"]), &["nothing to replay"]);
    assert!(!empty.path("r/plan.json").exists());
}
