//! The object cache of an audit, which the next audit uses.

use std::path::{Path, PathBuf};

use testkit::{Ran, Scene};

const CACHED: [&str; 3] = ["reconcile", "--cache", "cache"];

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// Returns a scene with a history in both stores, old enough to be cached.
fn scene() -> (Scene, u64) {
    let scene = Scene::embedded();
    let count = scene.history(2, 3, 10);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    for object in files(&scene.path("lake")) {
        let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
        std::fs::File::options().write(true).open(object).unwrap().set_modified(yesterday).unwrap();
    }
    (scene, count)
}

fn served(scene: &Scene, code: i32, matched: u64) -> serde_json::Value {
    let ran = scene.run(&CACHED);
    ran.expect(code, &[("matched", matched)]);
    ran.json["cache"].clone()
}

#[test]
fn an_unchanged_lake_is_listed_and_not_read() {
    let (scene, count) = scene();
    let first = served(&scene, 0, count);
    assert_eq!((first["hits"].as_u64(), first["misses"].as_u64()), (Some(0), Some(count)));
    assert_eq!(first["files_written"], 20, "one file per farm and day");
    let again = served(&scene, 0, count);
    assert_eq!((again["hits"].as_u64(), again["misses"].as_u64()), (Some(count), Some(0)));
    assert_eq!(again["files_written"], 0);
    // The outcome is the same, except for the fields that differ from run to run.
    let without = scene.run(&["reconcile"]);
    let with = scene.run(&CACHED);
    for name in ["matched", "totals", "months", "days", "lake_objects"] {
        assert_eq!(with.json[name], without.json[name], "{name}");
    }
}

#[test]
fn changed_objects_are_read_and_deleted_ones_are_removed_from_the_cache() {
    let (scene, count) = scene();
    served(&scene, 0, count);
    let objects = files(&scene.path("lake"));
    let text = std::fs::read_to_string(&objects[0]).unwrap();
    std::fs::write(&objects[0], text.replacen("\"quantidade_animais\":\"", "\"quantidade_animais\":\"1", 1)).unwrap();
    std::fs::write(&objects[1], "{").unwrap();
    std::fs::remove_file(&objects[2]).unwrap();
    for _ in 0..2 {
        let ran = scene.run(&CACHED);
        ran.expect(1, &[("matched", count - 3), ("differing", 1), ("unreadable", 1), ("warehouse_only", 1)]);
        // Too new to be cached, or unreadable: read again each time.
        assert_eq!(ran.json["cache"]["misses"], 2);
    }
    std::fs::write(&objects[0], text).unwrap();
    scene.run(&CACHED).expect(1, &[("matched", count - 2), ("differing", 0)]);
}

#[test]
fn damaged_files_and_files_of_another_lake_are_rebuilt() {
    let (scene, count) = scene();
    served(&scene, 0, count);
    let cached = files(&scene.path("cache"));
    let mut bytes = std::fs::read(&cached[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&cached[0], &bytes).unwrap();
    std::fs::write(&cached[1], b"").unwrap();
    std::fs::copy(&cached[3], &cached[2]).unwrap();
    let ran = served(&scene, 0, count);
    assert_eq!((ran["invalid_files"].as_u64(), ran["files_written"].as_u64()), (Some(3), Some(3)), "{ran}");
    assert_eq!(served(&scene, 0, count)["misses"], 0, "they are whole again");
    assert_eq!(files(&scene.path("cache")), cached, "no other file remains");

    let (other, more) = self::scene();
    std::fs::remove_file(&files(&other.path("lake"))[0]).unwrap();
    let folder = scene.path("cache").display().to_string();
    let ran = other.run(&["reconcile", "--cache", &folder]);
    ran.expect(1, &[("matched", more - 1), ("warehouse_only", 1)]);
    assert_eq!(ran.json["cache"]["hits"], 0, "another lake's objects are not its own");
    assert_eq!(served(&scene, 0, count)["misses"], 0, "and each keeps its own");
}

#[test]
fn two_audits_at_once_share_a_cache() {
    let (scene, count) = scene();
    let both: Vec<_> = (0..2).map(|_| scene.start(&CACHED)).collect();
    for child in both {
        let ran = Ran::of(&child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    assert_eq!(files(&scene.path("cache")).len(), 20);
    assert_eq!(served(&scene, 0, count)["misses"], 0);
}

#[test]
fn a_cache_that_cannot_be_written_is_named_before_anything_is_read() {
    let (scene, _) = scene();
    std::fs::write(scene.path("cache"), "no folder").unwrap();
    let ran = scene.run(&CACHED);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("--cache"), "{ran:?}");
}
