//! The real binary with a test Runtime API: an audit planned, run shard by shard, and merged by events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::time::Duration;

use serde_json::{Value, json};
use testkit::lambda::sandbox::Sandbox;
use testkit::planted_drift::{World, to_folder};
use testkit::{Scene, built};

fn scene() -> Scene {
    let scene = Scene::embedded();
    let world = World::of(&scene, 2, 6, 10);
    to_folder(&scene.path("lake"), &world.objects());
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[]);
    scene.sql("DELETE FROM historico_consumo WHERE substr(id_treated_data, -1) = '3'");
    scene
}

async fn sandbox(scene: &Scene) -> Sandbox {
    let env = [
        ("RUMINATE_LAKE", scene.path("lake").display().to_string()),
        ("RUMINATE_WAREHOUSE", format!("sqlite:{}", scene.path("w.db").display())),
    ];
    Sandbox::start(&built("fanout"), &env.map(|(name, value)| (name.to_owned(), value))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_planned_run_and_merged_by_events() {
    let scene = tokio::task::spawn_blocking(scene).await.unwrap();
    let function = sandbox(&scene).await;
    let run = scene.path("run").display().to_string();
    let invoke = async |event: Value| function.api.invoke_within(event.to_string(), Duration::from_secs(900)).await.0;
    let planned = invoke(json!({"run": run, "plan": ["reconcile", "--shards", "5"]})).await.unwrap();
    assert_eq!((&planned["shards"], &planned["exit"], &planned["run"]), (&json!(5), &json!(0), &json!(run)));
    // A shard twice, and a number beyond the last shard.
    for shard in [3, 0, 1, 2, 3, 4, 5] {
        let ran = invoke(json!({"run": run, "shard": shard})).await.unwrap();
        assert_eq!(ran["shard"], shard, "{ran}");
    }
    let merged = invoke(json!({"run": run, "merge": []})).await.unwrap();
    assert_eq!(merged["exit"], 1, "{merged}");
    let evidence = merged["evidence"].as_str().unwrap().to_owned();
    let compared = tokio::task::spawn_blocking(move || {
        let single = scene.run(&["reconcile", "--evidence", "single"]);
        assert_eq!(single.json["lake_only"], merged["lake_only"]);
        for name in ["drift.ndjson", "totals.csv", "hashes.csv", "days.csv", "SHA256SUMS"] {
            let of_function = std::fs::read(std::path::Path::new(&evidence).join(name)).unwrap();
            let at_once = std::fs::read(scene.path("single").join(name)).unwrap();
            assert!(of_function == at_once || name == "SHA256SUMS", "{name}");
        }
    });
    compared.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_the_error_names_of_the_state_machine() {
    let scene = tokio::task::spawn_blocking(scene).await.unwrap();
    let function = sandbox(&scene).await;
    let run = scene.path("run").display().to_string();
    let fails = async |event: Value, time: u64| {
        let error = function.api.invoke_within(event.to_string(), Duration::from_secs(time)).await.0.unwrap_err();
        (error["errorType"].as_str().unwrap().to_owned(), error["errorMessage"].as_str().unwrap().to_owned())
    };
    let (name, why) = fails(json!({"run": run, "shard": 0}), 900).await;
    assert!(name == "CannotRun" && why.contains("no plan.json"), "{name}: {why}");
    let (name, why) = fails(json!({"run": run}), 900).await;
    assert!(name == "CannotRun" && why.contains("exactly one of"), "{name}: {why}");
    let (name, why) = fails(json!({"run": run, "shard": 1, "colour": 2}), 900).await;
    assert!(name == "CannotRun" && why.contains("colour"), "{name}: {why}");
    let (name, why) = fails(json!({"run": run, "plan": ["publish"]}), 900).await;
    assert!(name == "CannotRun" && why.contains("publish"), "{name}: {why}");
    let plan = json!({"run": run, "plan": ["reconcile", "--shards", "2"]});
    function.api.invoke_within(plan.to_string(), Duration::from_secs(900)).await.0.unwrap();
    let (name, why) = fails(json!({"run": run, "merge": []}), 900).await;
    assert!(name == "CannotRun" && why.contains("2 of 2 shards are missing"), "{name}: {why}");
    // The merge names the last error of a shard; a long list is bounded, because a state machine must parse it.
    let many = scene.path("many").display().to_string();
    let plan = json!({"run": many, "plan": ["reconcile", "--shards", "200"]});
    function.api.invoke_within(plan.to_string(), Duration::from_secs(900)).await.0.unwrap();
    std::fs::rename(scene.path("lake"), scene.path("away")).unwrap();
    let (name, why) = fails(json!({"run": many, "shard": 7}), 900).await;
    assert_eq!(name, "CannotRun", "{why}");
    std::fs::rename(scene.path("away"), scene.path("lake")).unwrap();
    let (name, missing) = fails(json!({"run": many, "merge": []}), 900).await;
    assert!(name == "CannotRun" && missing.contains("200 of 200 shards are missing"), "{name}: {missing}");
    let first = missing.lines().nth(1).unwrap();
    assert!(first.contains("shard 7, 1 attempt; the last one failed at ") && first.contains(&why), "{first}: {why}");
    assert!(missing.len() < 6_100 && missing.ends_with(" …"), "{}", missing.len());
    // So little time that a shard cannot begin.
    let (name, why) = fails(json!({"run": run, "shard": 0}), 1).await;
    assert!(name == "Interrupted", "{name}: {why}");
}

/// The response of a plan can be lost: the next attempt of the same execution uses it.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_reused_only_on_request_and_for_the_same_job() {
    let scene = tokio::task::spawn_blocking(scene).await.unwrap();
    let function = sandbox(&scene).await;
    let run = scene.path("run").display().to_string();
    let invoke = async |job: &str, reuse: bool| {
        let event = json!({"run": run, "plan": [job, "--shards", "5"], "reuse": reuse});
        function.api.invoke_within(event.to_string(), Duration::from_secs(900)).await.0
    };
    let first = invoke("reconcile", true).await.unwrap();
    let written = std::fs::read(scene.path("run/plan.json")).unwrap();
    let again = invoke("reconcile", true).await.unwrap();
    for name in ["job", "run", "plan_id", "shards", "exit"] {
        assert_eq!(first[name], again[name], "{name}: {first} {again}");
    }
    assert_eq!(std::fs::read(scene.path("run/plan.json")).unwrap(), written);
    for (job, reuse, why) in
        [("reconcile", false, "has a plan already: give another --out"), ("replay", true, "of another job (reconcile)")]
    {
        let refused = invoke(job, reuse).await.unwrap_err().to_string();
        assert!(refused.contains("CannotRun") && refused.contains(why), "{refused}");
    }
}

/// An unavailable store is retried; an event that can never succeed, or would lose a file, is not.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_an_interruption_and_a_repair_is_refused() {
    let scene = tokio::task::spawn_blocking(scene).await.unwrap();
    let away = [
        ("RUMINATE_LAKE", scene.path("lake").display().to_string()),
        ("RUMINATE_WAREHOUSE", "mysql://root@127.0.0.1:9/fazendas".to_owned()),
        ("RUMINATE_CONNECT_TIMEOUT", "1s".to_owned()),
    ];
    let function = Sandbox::start(&built("fanout"), &away.map(|(name, value)| (name.to_owned(), value))).await;
    let run = scene.path("run").display().to_string();
    let invoke = async |event: Value| function.api.invoke_within(event.to_string(), Duration::from_secs(900)).await.0;
    let planned = invoke(json!({"run": run, "plan": ["reconcile"]})).await.unwrap_err();
    assert!(planned.to_string().contains("Interrupted"), "{planned:?}");
    for flags in [&["--repair", "warehouse"][..], &["--undo-file=u"], &["--drift", "d"]] {
        let refused = invoke(json!({"run": run, "merge": flags})).await.unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("CannotRun") && text.contains("run `ruminate merge` elsewhere"), "{text}");
    }
}
