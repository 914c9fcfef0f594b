//! A SQLite warehouse is a single file after every command, however it ended; files of another database are never used.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use testkit::s3::{Op, S3Server};
use testkit::{BUCKET, Ran, Scene, wait_for};

/// Returns the file names in the scene that begin with the warehouse's name.
fn files(scene: &Scene) -> Vec<String> {
    let names = std::fs::read_dir(scene.home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("w.db"));
    names.sort();
    names
}

#[track_caller]
fn one_file(scene: &Scene, after: &str) {
    assert_eq!(files(scene), ["w.db"], "after {after}");
    let header = std::fs::read(scene.path("w.db")).unwrap();
    assert_eq!(header[18..20], [1, 1], "after {after} the file has left WAL mode");
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
}

/// Returns a scene with a slow lake, and a running backfill that has written rows.
fn under_way(s3: &S3Server, scene: &Scene) -> Child {
    scene.history(2, 500, 15);
    scene.run(&["init"]).expect(0, &[]);
    s3.faults().change(|faults| faults.latency = Duration::from_millis(250));
    let child = scene.start(&["backfill", "history.json", "--output", "json"]);
    wait_for("rows are written", || scene.rows() > 0);
    child
}

fn rows(scene: &Scene, file: &str) -> u64 {
    let warehouse = format!("sqlite:{}", scene.path(file).display());
    let ran = scene.run(&["reconcile", "--allow-empty", "--warehouse", &warehouse]);
    ran.json["hash_totals"]["warehouse"]["records"].as_u64().unwrap_or_else(|| panic!("{ran:?}"))
}

#[test]
fn the_warehouse_is_one_file_after_every_command() {
    let scene = Scene::embedded();
    let count = scene.history(2, 60, 5);
    scene.run(&["init"]).expect(0, &[]);
    one_file(&scene, "init");
    std::fs::copy(scene.path("w.db"), scene.path("empty.db")).unwrap();
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    one_file(&scene, "backfill");
    std::fs::copy(scene.path("w.db"), scene.path("copy.db")).unwrap();
    assert_eq!(rows(&scene, "copy.db"), count, "a copy of the file alone has every row");
    scene.run(&["publish", "--topic", "local", "history.json"]).expect(0, &[]);
    one_file(&scene, "publish");
    std::fs::write(scene.path("event.json"), sns_event()).unwrap();
    scene.run(&["process", "--event", "event.json"]).expect(0, &[]);
    one_file(&scene, "process");
    scene.run(&["doctor"]);
    one_file(&scene, "doctor");
    std::fs::copy(scene.path("empty.db"), scene.path("w.db")).unwrap();
    scene.run(&["reconcile", "--allow-empty", "--repair", "warehouse", "--undo-file", "undo.ndjson"]);
    one_file(&scene, "reconcile --repair");
    assert_eq!(rows(&scene, "w.db"), count + 1);
    scene.run(&["undo", "undo.ndjson"]).expect(0, &[]);
    one_file(&scene, "reconcile --undo");
    scene.run(&["replay", "--verify"]).expect(0, &[]);
    one_file(&scene, "replay");
    scene.run(&["replay", "--into-new-table"]);
    one_file(&scene, "replay --into-new-table");
    scene.run(&["reconcile"]).expect(0, &[("matched", count + 1)]);
    one_file(&scene, "reconcile");
    scene.run(&["demo", "--dir", "d"]).expect(0, &[]);
    assert!(scene.path("d/warehouse.db").exists() && !scene.path("d/warehouse.db-wal").exists());
}

fn sns_event() -> &'static str {
    include_str!("../../samples/sns-event.json")
}

#[test]
fn the_warehouse_is_one_file_after_a_command_that_fails() {
    let scene = Scene::embedded();
    scene.history(1, 10, 2);
    scene.run(&["init"]).expect(0, &[]);
    for args in [
        &["backfill", "missing.json"][..],
        &["publish", "--topic", "local", "missing.json"],
        &["reconcile", "--lake", "nowhere"],
        &["reconcile", "--table", "other"],
        &["replay", "--lake", "nowhere"],
        &["process", "--event", "missing.json"],
        &["undo", "missing.ndjson"],
    ] {
        let ran = scene.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        one_file(&scene, &args.join(" "));
    }
}

#[test]
fn the_warehouse_is_one_file_after_a_signal() {
    for (name, code) in [("-INT", 3), ("-TERM", 3), ("-HUP", 3)] {
        let s3 = S3Server::with_bucket(BUCKET);
        let scene = Scene::embedded().with_s3(&s3);
        let child = under_way(&s3, &scene);
        signal(&child, name);
        let ran = Ran::of(&child.wait_with_output().unwrap());
        ran.expect(code, &[]);
        one_file(&scene, name);
        s3.faults().change(|faults| faults.latency = Duration::ZERO);
        scene.run(&["reconcile"]).expect(0, &[("matched", ran.json["read"].as_u64().unwrap())]);
    }
}

#[test]
fn the_warehouse_is_one_file_after_a_second_ctrl_c() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    let mut child = under_way(&s3, &scene);
    s3.faults().change(|faults| faults.latency = Duration::from_secs(90));
    s3.faults().reset_counts();
    wait_for("requests take long", || s3.faults().counts().requests(Op::Put) > 0);
    wait_for("the process ends", || {
        signal(&child, "-INT");
        std::thread::sleep(Duration::from_millis(300));
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    one_file(&scene, "two signals");
}

#[test]
fn the_warehouse_is_one_file_after_an_endpoint_and_concurrent_commands() {
    let scene = Scene::embedded();
    let count = scene.history(1, 20, 2);
    scene.run(&["init"]).expect(0, &[]);
    let listen = ["process", "--listen", "127.0.0.1:0", "--any-topic", "--output", "json"];
    let child = scene.start(&listen);
    std::thread::sleep(Duration::from_millis(800));
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    signal(&child, "-TERM");
    assert!(child.wait_with_output().unwrap().status.success());
    one_file(&scene, "the endpoint");
    assert_eq!(rows(&scene, "w.db"), count);
}

/// Returns a scene with the warehouse files of a killed command.
fn killed(s3: &S3Server) -> Scene {
    let scene = Scene::embedded().with_s3(s3);
    let mut child = under_way(s3, &scene);
    child.kill().unwrap();
    child.wait().unwrap();
    s3.faults().change(|faults| faults.latency = Duration::ZERO);
    assert!(std::fs::metadata(scene.path("w.db-wal")).unwrap().len() > 0, "kill -9 leaves it");
    scene
}

#[test]
fn the_next_command_recovers_the_files_of_a_killed_one() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = killed(&s3);
    let before = rows(&scene, "w.db");
    assert!(before > 0);
    one_file(&scene, "the next command");
    std::fs::copy(scene.path("w.db"), scene.path("copy.db")).unwrap();
    assert_eq!(rows(&scene, "copy.db"), before);
}

#[test]
fn a_restored_backup_is_never_mixed_with_the_files_of_a_killed_command() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = killed(&s3);
    let other = Scene::embedded();
    let count = other.history(1, 30, 4);
    other.run(&["init"]).expect(0, &[]);
    other.run(&["backfill", "history.json"]).expect(0, &[]);
    let mut backup = std::fs::read(other.path("w.db")).unwrap();
    for version in [1, 2] {
        backup[18..20].fill(version); // as an older ruminate left it, in WAL mode
        std::fs::write(scene.path("w.db"), &backup).unwrap();
        let wal = std::fs::read(scene.path("w.db-wal")).unwrap();
        for args in [&["reconcile"][..], &["replay"], &["init"], &["backfill", "history.json"]] {
            let ran = scene.run(args);
            assert_eq!(ran.code, Some(2), "{ran:?}");
            assert!(ran.stderr.contains("w.db-wal does not belong to") && ran.stderr.contains("move"), "{ran:?}");
        }
        assert!(scene.run(&["doctor"]).stdout.contains("does not belong to"));
        assert!(std::fs::read(scene.path("w.db")).unwrap() == backup, "the backup is as it was");
        assert!(std::fs::read(scene.path("w.db-wal")).unwrap() == wal, "and so is what may still be needed");
    }
    std::fs::rename(scene.path("w.db-wal"), scene.path("moved-away")).unwrap();
    let lake = other.path("lake").display().to_string();
    scene.run(&["reconcile", "--lake", &lake]).expect(0, &[("matched", count)]);
    one_file(&scene, "moving it away");
}

#[test]
fn what_is_left_of_a_deleted_warehouse_is_not_deleted_by_a_new_one() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = killed(&s3);
    std::fs::remove_file(scene.path("w.db")).unwrap();
    let ran = scene.run(&["init"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("w.db-wal is there without its database"), "{ran:?}");
    assert!(Path::new(&scene.path("w.db-wal")).exists() && !scene.path("w.db").exists());
}

/// Schedulers send SIGTERM to a script and to what it runs, and the script passes it on.
#[test]
fn a_second_sigterm_changes_nothing() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    let child = under_way(&s3, &scene);
    s3.faults().change(|faults| faults.latency = Duration::from_secs(2));
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(300));
        signal(&child, "-TERM");
    }
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(3));
}
