//! Audits in shards, compared with a single audit: planted drift of every kind, in every kind of lake, run in every way.

use std::time::{Duration, Instant};

use testkit::planted_drift::{World, to_s3};
use testkit::s3::S3Server;
use testkit::{BUCKET, Scene, assert_same_evidence};

use super::{Lake, Order, damaged, plan, run_all, shard, stores};

/// Runs a single audit, and then the audit in shards in every given way, and compares the evidence.
#[track_caller]
fn is_same(scene: &Scene, flags: &[&str], ways: &[(u32, Order)]) {
    let drift = || std::fs::read(scene.path("drift.ndjson")).unwrap();
    let single = scene.run(&[&["reconcile", "--evidence", "single", "--drift", "drift.ndjson"], flags].concat());
    assert_eq!(single.code, Some(1), "{single:#?}");
    let found = drift();
    assert!(
        found == std::fs::read(scene.path("single/drift.ndjson")).unwrap(),
        "the evidence has the lines of --drift"
    );
    for (n, (shards, order)) in ways.iter().enumerate() {
        let (run, evidence) = (format!("run{n}"), format!("merged{n}"));
        plan(scene, "reconcile", &run, *shards, flags);
        run_all(scene, &run, *shards, *order);
        if *order == Order::Killed {
            for at in [20, 80, 200] {
                let killed = format!("{evidence}-killed-{at}");
                scene.kill(&["merge", &run, "--evidence", &killed], Duration::from_millis(at));
            }
        }
        let merged = scene.run(&["merge", &run, "--evidence", &evidence, "--drift", "drift.ndjson"]);
        assert_eq!(merged.code, single.code, "{merged:#?}");
        assert_same_evidence(&scene.path("single"), &scene.path(&evidence), &format!("{shards} shards, {order:?}"));
        assert!(drift() == found, "{shards} shards, {order:?}: other bytes in the drift file");
        let times = merged.json["run"]["shards"].as_array().unwrap();
        assert_eq!(times.len(), *shards as usize);
        let longest = times.iter().map(|shard| shard["seconds"].as_f64().unwrap()).fold(0.0, f64::max);
        assert!(merged.json["seconds"].as_f64().unwrap() > longest, "{}: {longest}", merged.json["seconds"]);
    }
}

const SIZE: (u32, u32, u32) = (3, 20, 30);

#[test]
fn a_new_lake_in_1_2_7_and_64_shards_is_audited_as_at_once() {
    let ways = [1, 2, 7, 64].map(|shards| (shards, Order::Ascending));
    is_same(&damaged(Lake::New, SIZE, 3), &[], &ways);
}

#[test]
fn a_legacy_lake_in_1_2_7_and_64_shards_is_audited_as_at_once() {
    let ways = [1, 2, 7, 64].map(|shards| (shards, Order::Ascending));
    is_same(&damaged(Lake::Legacy, SIZE, 3), &[], &ways);
}

#[test]
fn a_mixed_lake_in_1_2_7_and_64_shards_is_audited_as_at_once() {
    let ways = [1, 2, 7, 64].map(|shards| (shards, Order::Ascending));
    is_same(&damaged(Lake::Mixed, SIZE, 3), &[], &ways);
}

#[test]
fn shards_run_in_any_way_give_the_same_audit() {
    let ways = [Order::Shuffled, Order::EachTwice, Order::Killed, Order::TwoAtOnce].map(|order| (7, order));
    for lake in [Lake::New, Lake::Legacy, Lake::Mixed] {
        is_same(&damaged(lake, (2, 12, 20), 3), &[], &ways);
    }
}

#[test]
fn shards_of_single_objects_give_the_same_audit() {
    is_same(&damaged(Lake::Mixed, (2, 8, 8), 1), &[], &[(100, Order::Shuffled)]);
}

#[test]
fn windows_names_only_and_tolerances_give_the_same_audit() {
    let scene = damaged(Lake::Mixed, (3, 12, 20), 2);
    let flags: [&[&str]; 5] = [
        &["--quick"],
        &["--from", "2024-01-05", "--to", "2024-01-12"],
        &["--from", "2024-01-05", "--farm", "fazenda_um"],
        &["--tolerance", "peso_medio=0.01", "--tolerance", "data=2s", "--max-drift", "99%"],
        &["--meta-rate", "0.018"],
    ];
    for (n, flags) in flags.iter().enumerate() {
        let (single, merged, run) = (format!("s{n}"), format!("m{n}"), format!("r{n}"));
        let at_once = scene.run(&[&["reconcile", "--evidence", &single], *flags].concat());
        plan(&scene, "reconcile", &run, 5, flags);
        run_all(&scene, &run, 5, Order::Shuffled);
        let in_shards = scene.run(&["merge", &run, "--evidence", &merged]);
        assert_eq!(in_shards.code, at_once.code, "{flags:?}: {in_shards:#?}");
        assert_same_evidence(&scene.path(&single), &scene.path(&merged), &format!("{flags:?}"));
        let is_limited = at_once.json["limitations"].to_string().contains("outside of the window");
        assert_eq!(is_limited, flags.contains(&"--from"), "{:?}", at_once.json["limitations"]);
    }
}

#[test]
fn clean_stores_have_no_findings_and_a_finished_shard_is_not_repeated() {
    let scene = stores(Lake::New, (2, 12, 20));
    plan(&scene, "reconcile", "run", 4, &[]);
    run_all(&scene, "run", 4, Order::Ascending);
    // Recognizing a complete shard does not require the stores.
    let away = scene.path("away");
    std::fs::rename(scene.path("w.db"), &away).unwrap();
    let started = Instant::now();
    assert_eq!(shard(&scene, "run", 2).json["state"], "already_written");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    std::fs::rename(away, scene.path("w.db")).unwrap();
    let merged = scene.run(&["merge", "run"]);
    merged.expect(0, &[("lake_only", 0), ("differing", 0)]);
    assert_eq!(merged.json["matched"], merged.json["lake_objects"]);
    assert_eq!(shard(&scene, "run", 4).json["state"], "nothing_to_do");
}

#[test]
fn missing_shards_are_named_with_their_commands_and_nothing_is_concluded() {
    let scene = damaged(Lake::New, (2, 8, 10), 1);
    plan(&scene, "reconcile", "run", 5, &[]);
    for n in [0, 2, 3] {
        shard(&scene, "run", n);
    }
    let merged = scene.text(&["merge", "run", "--drift", "drift.ndjson"]);
    assert_eq!((merged.code, &*merged.stdout), (Some(2), ""), "{merged:#?}");
    assert!(merged.stderr.contains("2 of 5 shards are missing"), "{}", merged.stderr);
    for n in [1, 4] {
        assert!(merged.stderr.contains(&format!("`ruminate shard run --shard {n}`")), "{}", merged.stderr);
    }
    assert!(!scene.path("drift.ndjson").exists());
    for line in merged.stderr.split('`').filter_map(|text| text.strip_prefix("ruminate ")) {
        scene.run(&line.split(' ').collect::<Vec<_>>()).expect(0, &[]);
    }
    scene.run(&["merge", "run"]).expect(1, &[]);
}

/// The variable of a scheduler gives the number, and the outcome shows it.
#[test]
fn the_number_comes_from_the_scheduler() {
    let scene = stores(Lake::New, (1, 4, 6));
    plan(&scene, "reconcile", "run", 3, &[]);
    let schedulers = [
        ("AWS_BATCH_JOB_ARRAY_INDEX", "aws_batch"),
        ("JOB_COMPLETION_INDEX", "kubernetes"),
        ("SLURM_ARRAY_TASK_ID", "slurm"),
    ];
    for (n, (variable, source)) in schedulers.iter().enumerate() {
        let mut command = scene.command(&["shard", "run", "--output", "json"]);
        let ran = testkit::Ran::by(command.env(variable, n.to_string()));
        ran.expect(0, &[("shard", n as u64)]);
        assert_eq!(ran.json["source"], *source);
    }
    let merged = scene.run(&["merge", "run"]);
    merged.expect(0, &[]);
    let sources: Vec<_> =
        merged.json["run"]["shards"].as_array().unwrap().iter().map(|s| s["source"].clone()).collect();
    assert_eq!(sources, schedulers.map(|(_, source)| source));
    let mut command = scene.command(&["shard", "run", "--shard", "1"]);
    let ran = testkit::Ran::by(command.env("SLURM_ARRAY_TASK_ID", "2"));
    assert!(ran.code == Some(2) && ran.stderr.contains("SLURM_ARRAY_TASK_ID is 2"), "{ran:#?}");
}

/// The repair of a merged audit equals that of a single one.
#[test]
fn a_merged_audit_repairs_what_a_single_one_would() {
    let [single, merged] = [(); 2].map(|()| damaged(Lake::New, (2, 12, 20), 2));
    let at_once = single.run(&["reconcile", "--repair", "both", "--undo-file", "undo.ndjson"]);
    plan(&merged, "reconcile", "run", 6, &[]);
    run_all(&merged, "run", 6, Order::Ascending);
    let dry = merged.run(&["merge", "run", "--repair", "both", "--dry-run"]);
    let in_shards = merged.run(&["merge", "run", "--repair", "both", "--undo-file", "undo.ndjson"]);
    for name in ["inserted", "updated", "objects_written", "verified", "failed", "left"] {
        assert_eq!(in_shards.json["repaired"][name], at_once.json["repaired"][name], "{name}: {in_shards:#?}");
    }
    assert!(in_shards.json["repaired"]["inserted"].as_u64().unwrap() > 0);
    assert_eq!(dry.json["repaired"]["inserted"], in_shards.json["repaired"]["inserted"]);
    let audits =
        [&single, &merged].map(|scene| scene.run(&["reconcile", "--drift", "after.ndjson"]).json["samples"].clone());
    assert_eq!(audits[0], audits[1]);
    // A second merge finds what an audit finds now, and not what the first one repaired.
    let again = merged.run(&["merge", "run", "--repair", "both", "--undo-file", "again.ndjson"]);
    let now = merged.run(&["reconcile"]);
    assert_eq!(again.json["differing"], now.json["differing"], "{again:#?}");
    assert!(in_shards.json["differing"].as_u64() > now.json["differing"].as_u64(), "{in_shards:#?}");
    for name in ["inserted", "updated", "verified"] {
        assert_eq!(again.json["repaired"][name], 0, "{name}: {again:#?}");
    }
    let undo = in_shards.json["repaired"]["undo_command"].as_str().unwrap();
    let words = undo.strip_prefix("ruminate ").unwrap();
    merged.run(&words.split(' ').collect::<Vec<_>>()).expect(0, &[]);
}

/// Lake and run in a bucket, on a store that honours conditions, and on stores that ignore or reject them.
#[test]
fn a_run_in_a_bucket_is_merged_as_one_in_a_directory() {
    for (ignores, rejects) in [(false, false), (true, false), (false, true)] {
        let s3 = S3Server::with_bucket(BUCKET);
        s3.faults().change(|faults| (faults.ignore_if_none_match, faults.reject_conditions) = (ignores, rejects));
        let scene = Scene::embedded().with_s3(&s3);
        let world = World::of(&scene, 2, 10, 12);
        to_s3(&s3, &world.objects());
        scene.run(&["init"]).expect(0, &[]);
        scene.run(&["replay"]).expect(0, &[("inserted", world.0.len() as u64)]);
        scene.sql("DELETE FROM historico_consumo WHERE substr(id_treated_data, -1) = '3'");
        scene.run(&["reconcile", "--evidence", "single"]).expect(1, &[]);
        let run = format!("s3://{BUCKET}/runs/one");
        plan(&scene, "reconcile", &run, 4, &[]);
        run_all(&scene, &run, 4, Order::EachTwice);
        let merged = scene.run(&["merge", &run, "--evidence", "merged"]);
        merged.expect(1, &[]);
        assert_same_evidence(&scene.path("single"), &scene.path("merged"), "in a bucket");
        let required = scene.text(&["shard", &run, "--shard", "0", "--require-conditional-writes"]);
        assert_eq!(required.code, Some(if ignores || rejects { 2 } else { 0 }), "{required:#?}");
    }
}

/// Objects and rows that are written after the plan belong to no shard, and are not findings.
#[test]
fn what_is_written_after_the_cutoff_is_left_to_the_next_audit() {
    let scene = stores(Lake::New, (2, 8, 10));
    plan(&scene, "reconcile", "run", 3, &[]);
    shard(&scene, "run", 0);
    std::thread::sleep(Duration::from_millis(20));
    let new = scene.history(2, 9, 11);
    let backfilled = scene.run(&["backfill", "history.json"]);
    let written = backfilled.json["written"].as_u64().unwrap();
    assert!(written > 20 && written < new, "{backfilled:#?}");
    run_all(&scene, "run", 3, Order::Ascending);
    let merged = scene.run(&["merge", "run"]);
    merged.expect(0, &[("lake_only", 0), ("warehouse_only", 0)]);
    let skipped = merged.json["skipped_after_cutoff"].as_u64().unwrap();
    assert!(skipped > 0 && skipped <= written, "{merged:#?}");
}
