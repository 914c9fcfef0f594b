//! The cutoff of a run: everything written before the command started is part of it, even if clocks differ.

use std::time::{Duration, SystemTime};

use testkit::s3::S3Server;
use testkit::{BUCKET, PREFIX, Scene};

/// Returns a scene with a store that lists times to the millisecond, as Garage does, and a SQLite warehouse.
fn scene_on(s3: &S3Server) -> Scene {
    s3.faults().change(|faults| faults.listed_milliseconds = true);
    let scene = Scene::embedded().with_s3(s3);
    scene.run(&["init"]).expect(0, &[]);
    scene
}

/// Creates a second, empty warehouse in the same scene.
fn with_empty_warehouse(scene: Scene) -> Scene {
    let url = format!("sqlite:{}", scene.path("empty.db").display());
    let scene = scene.with("RUMINATE_WAREHOUSE", &url);
    scene.run(&["init"]).expect(0, &[]);
    scene
}

#[test]
fn what_was_written_in_the_same_second_is_replayed_and_audited() {
    let s3 = S3Server::with_bucket(BUCKET);
    let mut scene = scene_on(&s3);
    let count = scene.history(2, 5, 4);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count), ("skipped_after_cutoff", 0)]);
    scene = with_empty_warehouse(scene);
    // Objects whose times are exactly the end of the second in which the next command starts.
    for key in s3.store().list(BUCKET, PREFIX) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        s3.store().set_last_modified(BUCKET, &key, SystemTime::UNIX_EPOCH + Duration::from_millis(now * 1_000 + 999));
    }
    scene.run(&["replay", "--dry-run"]).expect(0, &[("objects", count), ("after_cutoff", 0), ("get_requests", count)]);
    scene.run(&["replay"]).expect(0, &[("listed", count), ("inserted", count), ("skipped", 0)]);
}

#[test]
fn a_new_table_and_a_cache_have_what_was_written_in_the_same_second() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = scene_on(&s3);
    let count = scene.history(1, 5, 4);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    let swapped = scene.run(&["replay", "--into-new-table"]);
    swapped.expect(0, &[("listed", count), ("inserted", count), ("skipped", 0)]);
    assert_eq!(swapped.json["table_swap"]["swapped"], true, "{swapped:#?}");
    for _ in 0..2 {
        scene.run(&["reconcile", "--cache", "cache"]).expect(0, &[("matched", count), ("skipped_after_cutoff", 0)]);
    }
}

#[test]
fn a_store_whose_clock_is_not_this_machine_s_gives_the_time() {
    for ahead in [Duration::from_secs(25), Duration::from_secs(600)] {
        let s3 = S3Server::with_bucket(BUCKET);
        s3.faults().change(|faults| faults.clock_ahead = ahead);
        let scene = scene_on(&s3);
        let count = scene.history(1, 3, 2);
        scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
        scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
        with_empty_warehouse(scene).run(&["replay"]).expect(0, &[("inserted", count), ("skipped", 0)]);
    }
}

#[test]
fn an_object_dated_in_the_future_is_named_and_ends_with_1() {
    let s3 = S3Server::with_bucket(BUCKET);
    let on_s3 = scene_on(&s3);
    let embedded = Scene::embedded();
    embedded.run(&["init"]).expect(0, &[]);
    let later = SystemTime::now() + Duration::from_secs(2 * 86_400);
    for (scene, is_s3) in [(on_s3, true), (embedded, false)] {
        let count = scene.history(1, 3, 2);
        scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
        if is_s3 {
            let key = s3.store().list(BUCKET, PREFIX).remove(0);
            assert!(s3.store().set_last_modified(BUCKET, &key, later));
        } else {
            let found = first_file(&scene.path("lake"));
            std::fs::File::options().write(true).open(found).unwrap().set_modified(later).unwrap();
        }
        let audit = scene.run(&["reconcile"]);
        audit.expect(1, &[("matched", count - 1), ("skipped_future_dated", 1), ("not_compared", 1)]);
        scene.run(&["replay", "--dry-run"]).expect(0, &[("future_dated", 1), ("get_requests", count - 1)]);
        let swapped = scene.run(&["replay", "--into-new-table"]);
        assert_eq!(
            (swapped.code, swapped.json["table_swap"]["swapped"].as_bool()),
            (Some(1), Some(false)),
            "{swapped:#?}"
        );
        let scene = with_empty_warehouse(scene);
        let replay = scene.run(&["replay"]);
        replay.expect(1, &[("listed", count), ("inserted", count - 1), ("skipped", 1), ("skipped_future_dated", 1)]);
        let text = scene.text(&["replay"]);
        assert!(text.stdout.contains("dated in the future") && text.stdout.contains("touch"), "{text:#?}");
    }
}

fn first_file(dir: &std::path::Path) -> std::path::PathBuf {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let first = entries.remove(0);
    if first.is_dir() { first_file(&first) } else { first }
}

#[test]
fn an_object_written_during_a_run_is_left_to_the_next_run() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = scene_on(&s3);
    let count = scene.history(1, 3, 2);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    let key = s3.store().list(BUCKET, PREFIX).remove(0);
    assert!(s3.store().set_last_modified(BUCKET, &key, SystemTime::now() + Duration::from_secs(20)));
    let scene = with_empty_warehouse(scene);
    scene.run(&["replay"]).expect(0, &[("inserted", count - 1), ("skipped_after_cutoff", 1)]);
}
