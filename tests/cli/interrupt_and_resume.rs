//! Interrupted runs are resumed: Ctrl-C ends a run cleanly, and `kill -9` neither loses nor duplicates anything.

use std::process::Child;
use std::time::{Duration, Instant};

use testkit::s3::{Op, S3Server};
use testkit::{BUCKET, Ran, Scene, moment, wait_for};

fn readings(scene: &Scene) -> u64 {
    scene.history(2, 60, 15)
}

/// Number of readings, for several batches and chunks.
fn more_readings(scene: &Scene) -> u64 {
    scene.history(2, 250, 10)
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
}

#[test]
fn ctrl_c_finishes_in_flight_work_and_prints_how_to_resume() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    let count = more_readings(&scene);
    scene.run(&["init"]).expect(0, &[]);
    s3.faults().change(|faults| faults.latency = Duration::from_millis(250));
    let child = scene.start(&["backfill", "history.json", "--output", "json"]);
    wait_for("objects are written", || s3.faults().counts().requests(Op::Put) > 20);
    signal(&child, "-INT");
    let ran = Ran::of(&child.wait_with_output().unwrap());
    ran.expect(3, &[]);
    let read = ran.json["read"].as_u64().unwrap();
    assert!(read < count && ran.json["written"].as_u64() == Some(read), "{ran:?}");
    s3.faults().change(|faults| faults.latency = Duration::ZERO);
    scene.run(&["backfill", "history.json"]).expect(0, &[("existing", read), ("written", count - read)]);

    s3.faults().change(|faults| faults.latency = Duration::from_millis(100));
    let replay = ["replay", "--output", "json", "--concurrency", "8"];
    s3.faults().reset_counts();
    let child = scene.start(&replay);
    wait_for("objects are read", || s3.faults().counts().requests(Op::Get) > 20);
    signal(&child, "-TERM");
    let ran = Ran::of(&child.wait_with_output().unwrap());
    ran.expect(3, &[]);
    s3.faults().change(|faults| faults.latency = Duration::ZERO);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
}

#[test]
fn ctrl_c_ends_a_dry_run_soon_with_what_it_has_seen() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    readings(&scene);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    s3.faults().change(|faults| faults.latency = Duration::from_secs(3));
    s3.faults().reset_counts();
    let child = scene.start(&["replay", "--dry-run", "--output", "json"]);
    wait_for("objects are requested", || s3.faults().counts().requests(Op::Get) > 0);
    signal(&child, "-INT");
    let requested_at = Instant::now();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert!(requested_at.elapsed() < Duration::from_secs(2), "{:?}: {ran:?}", requested_at.elapsed());
    ran.expect(3, &[]);
    assert!(ran.json["stopped"].as_str().unwrap().contains("interrupted"), "{ran:?}");
}

#[test]
fn a_stopped_replay_resumes_where_it_was() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    let count = more_readings(&scene);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    std::fs::remove_file(scene.path("w.db")).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    // The lake becomes unavailable during the run, for longer than requests are retried.
    s3.faults().change(|faults| faults.outage_after = Some(count * 3 / 4));
    let stopped = scene.run(&["replay", "--connections", "1", "--max-attempts", "2", "--concurrency", "8"]);
    stopped.expect(3, &[]);
    assert!(stopped.json["stopped"].as_str().unwrap().contains("in a row"), "{stopped:?}");
    let inserted = stopped.json["inserted"].as_u64().unwrap();
    assert!(inserted > 0 && inserted < count, "{stopped:?}");
    s3.faults().change(|faults| faults.outage_after = None);
    let refused = scene.run(&["replay", "--resume", "--processed-until", "2024-01-03T00:00:00Z"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("processed-until was null and is"), "{refused:?}");
    // Counts are those of the complete run: nothing is inserted twice, and its own rows do not count as existing.
    let resumed = scene.run(&["replay", "--resume"]);
    resumed.expect(0, &[("listed", count), ("inserted", count), ("identical", 0)]);
    assert!(resumed.json["resumed"].as_bool() == Some(true) && resumed.json["run_id"] == stopped.json["run_id"]);
    let days = resumed.json["days"].as_array().unwrap();
    assert!(days.iter().all(|day| day["recovered"] == day["listed"]) && days.len() == 20, "{resumed:?}");
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    forget_rows(&scene);
    s3.faults().change(|faults| faults.outage_after = Some(count * 3 / 4));
    scene.run(&["replay", "--connections", "1", "--max-attempts", "2", "--concurrency", "8"]).expect(3, &[]);
    s3.faults().change(|faults| faults.outage_after = Some(20));
    forget_rows(&scene); // deleted again, and the next run is stopped before it has loaded anything
    scene.run(&["replay", "--connections", "1", "--max-attempts", "2", "--concurrency", "8"]);
    s3.faults().change(|faults| faults.outage_after = None);
    let resumed = scene.run(&["replay", "--resume"]);
    // The journal was lost with its table: entries of the lost rows are invalid.
    resumed.expect(0, &[("listed", count), ("inserted", count), ("identical", 0)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    let again = scene.run(&["replay", "--resume"]);
    again.expect(0, &[("identical", count)]);
    assert_eq!(again.json["resumed"].as_bool(), Some(false), "a run that ended leaves nothing to resume");
}

#[test]
fn a_backfill_killed_at_any_moment_loses_and_doubles_nothing() {
    let scene = Scene::embedded();
    let count = readings(&scene);
    let whole = time(&scene, &["backfill", "history.json"]);
    for n in 0..20 {
        for name in ["lake", "quarentena"] {
            let _ = std::fs::remove_dir_all(scene.path(name));
        }
        forget_rows(&scene);
        scene.kill(&["backfill", "history.json"], whole.mul_f64(moment(n)));
        let ran = scene.run(&["backfill", "history.json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let total = |a: &str, b: &str| ran.json[a].as_u64().unwrap() + ran.json[b].as_u64().unwrap();
        assert_eq!((total("written", "existing"), total("inserted", "identical")), (count, count));
        scene.run(&["reconcile"]).expect(0, &[("matched", count), ("lake_objects", count), ("warehouse_rows", count)]);
    }
}

#[test]
fn a_replay_killed_at_any_moment_loses_and_doubles_nothing() {
    let scene = Scene::embedded();
    let count = readings(&scene);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    forget_rows(&scene);
    let whole = time(&scene, &["replay"]);
    for n in 0..50 {
        forget_rows(&scene);
        scene.kill(&["replay"], whole.mul_f64(moment(n)));
        // A resumed run reports everything that it has done, before and after the kill.
        let exact = scene.run(&["replay", "--resume"]);
        // If there is nothing to resume, the run ended before the kill and has all its rows.
        let ended = exact.json["resumed"] == false && exact.json["inserted"] == 0;
        let (inserted, identical) = if ended { (0, count) } else { (count, 0) };
        exact.expect(0, &[("listed", count), ("inserted", inserted), ("identical", identical)]);
        scene.run(&["reconcile"]).expect(0, &[("matched", count), ("warehouse_rows", count)]);
    }
}

fn time(scene: &Scene, args: &[&str]) -> Duration {
    scene.run(&["init"]).expect(0, &[]);
    let started = Instant::now();
    scene.run(args).expect(0, &[]);
    started.elapsed()
}

/// Creates an empty table in a new file.
fn forget_rows(scene: &Scene) {
    for name in ["w.db", "w.db-wal", "w.db-shm"] {
        let _ = std::fs::remove_file(scene.path(name));
    }
    scene.run(&["init"]).expect(0, &[]);
}
