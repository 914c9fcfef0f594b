//! Replays that end early, and those that resume them: the journal, a full disk, another lake.

use std::process::Stdio;

use testkit::{Ran, Scene, wait_for};

use crate::replay::{lost, sql};

#[test]
fn a_journal_that_cannot_be_written_ends_the_run_with_a_suggestion() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    sql(
        &scene,
        "CREATE TRIGGER vigia BEFORE INSERT ON ruminate_journal WHEN NEW.seq > 0 BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    for change in ["SELECT 1", "DELETE FROM historico_consumo"] {
        sql(&scene, change);
        let ran = scene.run(&["replay"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("ruminate_journal was altered") && ran.stderr.contains("--no-journal"), "{ran:?}");
    }
    scene.run(&["replay", "--no-journal"]).expect(0, &[("inserted", 52)]);
}

#[test]
fn a_full_sort_disk_stops_the_run_with_a_suggestion() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(2, 250, 10);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    sql(&scene, "DELETE FROM historico_consumo");
    // All objects are in one day, which is more than the minimum memory.
    let mut all = std::fs::read_dir(scene.path("lake/fazenda_um/2024/01")).unwrap().map(|day| day.unwrap().path());
    let into = all.next().unwrap();
    for day in all {
        for object in std::fs::read_dir(day).unwrap() {
            let object = object.unwrap();
            std::fs::rename(object.path(), into.join(object.file_name())).unwrap();
        }
    }
    std::fs::create_dir(scene.path("small")).unwrap();
    let binary = testkit::built("ruminate").display().to_string();
    let script = format!(
        "mount -t tmpfs -o size=64k none small && exec {binary} replay --sort-memory 1MB --sort-dir small --output json"
    );
    let run = |flags: &[&str]| {
        let mut command = scene.command(&[]);
        let mut unshared = std::process::Command::new("unshare");
        unshared.args(flags).args(["sh", "-c", &script]).current_dir(scene.home.path());
        unshared.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = unshared;
        Ran::of(&command.output().unwrap())
    };
    let mut ran = run(&["-m"]);
    if ran.json.is_null() {
        ran = run(&["-rm"]);
    }
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let stopped = ran.json["stopped"].as_str().unwrap();
    assert!(stopped.contains("sorted on disk") && stopped.contains("--sort-dir"), "{stopped}");
    scene.run(&["replay", "--resume"]).expect(0, &[("listed", count), ("inserted", count)]);
}

/// Without 32 KiB for its `-shm`, SQLite cannot even read, and its own error is a mere "disk I/O error".
#[test]
fn a_disk_that_is_too_full_to_open_the_warehouse_is_named() {
    let scene = lost();
    let ran = scene.run_on_full_disk(16_384, &["replay"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("free space, then run this again"), "{ran:?}");
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
}

/// The journal identifies a lake independently of how its address was written.
#[test]
fn a_run_is_resumed_only_with_its_own_lake() {
    let scene = Scene::embedded();
    let count = scene.history(2, 250, 10);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    std::fs::create_dir_all(scene.path("other")).unwrap();
    std::fs::rename(scene.path("lake"), scene.path("other/lake")).unwrap();
    std::fs::create_dir(scene.path("lake")).unwrap();
    std::fs::remove_file(scene.path("w.db")).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    let warehouse = format!("sqlite:{}", scene.path("w.db").display());
    let there = scene.path("other");
    let start = |extra: &[&str]| {
        let mut command = scene.command(&["replay", "--lake", "lake", "--warehouse", &warehouse, "--output", "json"]);
        command.args(extra).current_dir(&there);
        command
    };
    let mut child = start(&["--rows-per-second", "1000", "--connections", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("rows are written", || scene.rows() > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    // The same relative path is another, empty lake in this directory.
    let other = scene.run(&["replay", "--lake", "lake", "--resume", "--allow-empty"]);
    assert_eq!(other.json["resumed"], false, "{other:?}");
    other.expect(0, &[("listed", 0)]);
    // The absolute path is the same lake.
    let whole = scene.path("other/lake").display().to_string();
    let own = scene.run(&["replay", "--lake", &whole, "--resume"]);
    assert_eq!(own.json["resumed"], true, "{own:?}");
    own.expect(0, &[("listed", count), ("inserted", count)]);
}
