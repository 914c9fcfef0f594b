//! Parts next to the lake: the same results with and without them, and the effects of races, kills and unrecognized
//! files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use testkit::planted_drift::{Case, Damage, World, archive, to_folder, to_s3, to_sqlite};
use testkit::s3::{Fault, Op, S3Server, Settings};
use testkit::{BUCKET, PREFIX, Ran, Scene, extract_legacy_lake, moment, real_files, with_real};

use crate::planted_drift::schema;

/// Returns every file below a directory, by its path.
pub fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Makes all objects of a directory old enough that a compaction need not wait for its clock.
pub fn age(lake: &Path) {
    let yesterday = std::time::SystemTime::now() - Duration::from_secs(86_400);
    for path in files(lake).into_keys() {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(yesterday).unwrap();
    }
}

/// Returns a lake in S3 that is not compacted, with the number of its objects.
pub fn lake_in_s3(farms: u32, lots: u32, days: u32) -> (S3Server, Scene, World, u64) {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    let world = World::of(&scene, farms, lots, days);
    to_s3(&s3, &world.objects());
    let count = world.0.len() as u64;
    (s3, scene, world, count)
}

fn lake_in_a_directory(farms: u32, lots: u32, days: u32) -> (Scene, World, u64) {
    let scene = Scene::embedded();
    let world = World::of(&scene, farms, lots, days);
    to_folder(&scene.path("lake"), &world.objects());
    let count = world.0.len() as u64;
    (scene, world, count)
}

/// Compacts a lake without and with faults, and asserts that the parts are the same. Returns the server.
pub fn same_parts_despite(faults: impl FnOnce(&mut Settings)) -> S3Server {
    let (s3, scene, _, count) = lake_in_s3(2, 10, 20);
    scene.run(&["compact"]).expect(0, &[("in_parts", count)]);
    scene.run(&["init"]).expect(0, &[]);
    let whole = s3.store().dump(BUCKET, "partes/");
    for key in whole.keys() {
        s3.store().remove(BUCKET, key).unwrap();
    }
    s3.faults().change(faults);
    scene.run(&["compact"]).expect(0, &[("in_parts", count)]);
    let preview = scene.run(&["replay", "--dry-run"]);
    assert_eq!(preview.code, Some(0), "{preview:?}");
    assert_eq!(s3.store().dump(BUCKET, "partes/"), whole);
    s3
}

/// Runs an audit with and without parts: the same findings, byte for byte, and the same outcome except for the sources
/// of the records.
#[track_caller]
fn audits_alike(scene: &Scene, more: &[&str]) -> Ran {
    let audit = |mode: &str, drift: &str| {
        let ran = scene.run(&[&["reconcile", "--parts", mode, "--drift", drift], more].concat());
        (ran, std::fs::read_to_string(scene.path(drift)).unwrap())
    };
    let (never, by_objects) = audit("never", "never.ndjson");
    let (auto, by_parts) = audit("auto", "auto.ndjson");
    assert_eq!(by_objects, by_parts);
    assert_eq!(stable(&never.json), stable(&auto.json));
    assert_eq!(never.code, auto.code);
    auto
}

/// Returns the outcome without the fields that differ from run to run, and without the sources of the records.
fn stable(outcome: &Value) -> Value {
    let mut outcome = outcome.clone();
    for name in ["run", "seconds", "options", "cutoff", "from_parts"] {
        outcome.as_object_mut().unwrap().remove(name);
    }
    outcome
}

fn from_parts(ran: &Ran) -> (u64, u64) {
    let of = |name: &str| ran.json["from_parts"][name].as_u64().unwrap_or_else(|| panic!("{ran:?}"));
    (of("rows"), of("fetched"))
}

#[test]
fn the_real_and_the_legacy_lake_are_compacted_replayed_and_audited_from_parts() {
    let s3 = S3Server::with_bucket(BUCKET);
    for scene in [Scene::embedded(), Scene::embedded().with_s3(&s3)] {
        scene.run(&["init"]).expect(0, &[]);
        let written = scene.run(&with_real("backfill", &real_files())).json["written"].as_u64().unwrap();
        let extracted = scene.path("extracted");
        std::fs::create_dir(&extracted).unwrap();
        extract_legacy_lake(&extracted);
        if scene.path("lake").exists() {
            let from = extracted.join(PREFIX);
            for (path, body) in files(&from) {
                let to = scene.path("lake").join(path.strip_prefix(&from).unwrap());
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::write(to, body).unwrap();
            }
            age(&scene.path("lake"));
        } else {
            s3.store().load_dir(BUCKET, "", &extracted).unwrap();
        }
        let count = written + 52;
        let compacted = scene.run(&["compact", "--deep"]);
        compacted.expect(0, &[("listed", count), ("in_parts", count), ("fetched", count), ("mismatched", 0)]);
        let replayed = scene.run(&["replay"]);
        replayed.expect(0, &[("listed", count), ("inserted", 52), ("identical", written)]);
        assert_eq!(from_parts(&replayed), (count, 0));
        let audit = audits_alike(&scene, &[]);
        // The legacy lake has the same readings under other ids.
        let found = [("matched", count), ("logical_duplicates", 52)];
        audit.expect(1, &found);
        assert_eq!(from_parts(&audit), (count, 0));
        let only = scene.run(&["reconcile", "--parts", "only"]);
        only.expect(1, &found);
        let verified = scene.run(&["replay", "--verify", "--parts", "only"]);
        verified.expect(0, &[("identical", count), ("verified", count)]);
        let text = scene.text(&["reconcile"]).stdout;
        assert!(text.contains(&format!("{count} objects from ")), "{text}");
    }
}

#[test]
fn all_kinds_of_damage_after_a_compaction_are_found_as_from_objects() {
    let (scene, world, count) = lake_in_a_directory(3, 25, 40);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["compact"]).expect(0, &[("in_parts", count)]);
    scene.run(&["replay"]).expect(0, &[("inserted", count)]);
    let damage = Damage::plant(&world, &schema(), &Case::all(), 10, 2);
    to_folder(&scene.path("lake"), &damage.objects);
    to_sqlite(&scene.path("w.db"), &damage.sql);
    let ran = damage.is_found_by(&scene, &world, &[]);
    let (rows, fetched) = from_parts(&ran);
    assert!(rows > count / 2 && fetched > 0, "{rows} {fetched}");
    audits_alike(&scene, &[]);
    // A cache has only objects that no part has.
    damage.is_found_by(&scene, &world, &["--cache", "cache"]);
    let warm = damage.is_found_by(&scene, &world, &["--cache", "cache"]);
    assert_eq!(from_parts(&warm), (rows, warm.json["unreadable"].as_u64().unwrap()));
    assert_eq!(warm.json["cache"]["misses"], warm.json["unreadable"]);
    // Parts with deleted objects are not updated until this is accepted.
    scene.run(&["compact"]).expect(1, &[]);
    let dropped = scene.run(&["compact", "--drop-deleted", "--verify"]);
    dropped.expect(1, &[("skipped_held", 0), ("deleted", 0), ("mismatched", 0)]);
    let after = damage.is_found_by(&scene, &world, &[]);
    assert_eq!(from_parts(&after).1, 0, "everything is in parts again, also objects that are not records: {after:?}");
    audits_alike(&scene, &["--halt-after", "100000"]);
}

#[test]
fn damage_on_s3_is_found_including_archived_objects() {
    let (s3, scene, world, count) = lake_in_s3(2, 10, 10);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["compact"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[("inserted", count)]);
    let damage = Damage::plant(&world, &schema(), &[Case::all(), vec![Case::Archived]].concat(), 3, 1);
    to_s3(&s3, &damage.objects);
    archive(&s3, &damage.archived);
    to_sqlite(&scene.path("w.db"), &damage.sql);
    damage.is_found_by(&scene, &world, &[]);
    audits_alike(&scene, &[]);
    // Nothing is fetched, so it does not matter that an object is archived.
    let only = scene.run(&["replay", "--parts", "only", "--dry-run"]);
    assert_eq!(only.code, Some(0), "{only:?}");
}

#[test]
fn a_month_that_was_deleted_is_restored_byte_for_byte_with_its_etags() {
    let (s3, scene, _, count) = lake_in_s3(2, 10, 40);
    scene.run(&["compact"]).expect(0, &[("in_parts", count)]);
    let before = s3.store().dump(BUCKET, &format!("{PREFIX}/"));
    let january = |key: &&String| key.contains("/2024/01/");
    let lost = before.keys().filter(january).count() as u64;
    assert!(lost > 100 && lost < count);
    for key in before.keys().filter(january) {
        s3.store().remove(BUCKET, key).unwrap();
    }
    let held = scene.run(&["compact"]);
    held.expect(1, &[("deleted", lost), ("written", 0)]);
    assert!(held.json["problems"]["items"][0]["reason"].as_str().unwrap().contains("ruminate restore"), "{held:?}");
    let to = format!("s3://{BUCKET}/{PREFIX}");
    let restored = scene.run(&["restore", "--to", &to, "--month", "2024-01"]);
    restored.expect(0, &[("restored", lost), ("proved", lost), ("identical", 0)]);
    assert_eq!(s3.store().dump(BUCKET, &format!("{PREFIX}/")), before);
    let after = scene.run(&["compact"]);
    after.expect(0, &[("in_parts", count), ("fetched", 0), ("written", 0)]);
    // All objects, into a directory.
    scene.run(&["restore", "--to", "restored"]).expect(0, &[("restored", count)]);
    let there = files(&scene.path("restored"));
    assert_eq!(there.len() as u64, count);
    for (key, body) in &before {
        let path = scene.path("restored").join(key.strip_prefix(&format!("{PREFIX}/")).unwrap());
        assert_eq!(there[&path], *body, "{key}");
    }
}

#[test]
fn a_restored_directory_has_its_bytes_and_is_read_again() {
    let (scene, _, count) = lake_in_a_directory(1, 10, 20);
    scene.run(&["compact"]).expect(0, &[("in_parts", count)]);
    let before = files(&scene.path("lake"));
    std::fs::remove_dir_all(scene.path("lake")).unwrap();
    scene.run(&["restore", "--to", "lake"]).expect(0, &[("restored", count)]);
    assert!(files(&scene.path("lake")) == before);
    // The files have other times now, so they do not match the parts until they are read again.
    scene.run(&["compact"]).expect(0, &[("in_parts", count), ("fetched", count), ("written", 1)]);
    scene.run(&["compact"]).expect(0, &[("in_parts", count), ("fetched", 0), ("unchanged", 1)]);
    // Never over an existing object.
    let (path, body) = before.first_key_value().unwrap();
    std::fs::write(path, "{}").unwrap();
    scene.run(&["restore", "--to", "lake"]).expect(1, &[("restored", 0), ("differing", 1), ("identical", count - 1)]);
    assert_eq!(std::fs::read(path).unwrap(), b"{}");
    std::fs::remove_file(path).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[("inserted", count - 1)]);
    std::fs::write(path, body).unwrap();
    scene.run(&["replay"]).expect(0, &[("inserted", 1)]);
    std::fs::remove_file(path).unwrap();
    scene.run(&["reconcile", "--drift", "drift.ndjson"]).expect(1, &[("warehouse_only", 1)]);
    scene.run(&["restore", "--to", "lake", "--only", "drift.ndjson"]).expect(0, &[("rows", 1), ("restored", 1)]);
    assert_eq!(std::fs::read(path).unwrap(), *body);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
}

#[test]
fn a_directory_in_place_of_a_part_is_named() {
    let (scene, _, count) = lake_in_a_directory(1, 2, 5);
    scene.run(&["compact"]).expect(0, &[("in_parts", count)]);
    let part = files(&scene.path("partes")).into_keys().find(|path| path.ends_with("parte.parquet")).unwrap();
    std::fs::remove_file(&part).unwrap();
    std::fs::create_dir(&part).unwrap();
    let ran = scene.run(&["compact"]);
    ran.expect(1, &[("skipped_not_written", count)]);
    assert!(ran.json["problems"]["items"][0]["reason"].as_str().unwrap().contains("move it away"), "{ran:?}");
}

#[test]
fn a_compaction_while_the_lake_is_written_and_two_at_once_leave_complete_parts() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(3, 20, 40);
    let mut backfill = scene.start(&["backfill", "history.json"]);
    while s3.store().list(BUCKET, PREFIX).len() < 200 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let two: Vec<_> = (0..2).map(|_| scene.start(&["compact", "--verify", "--output", "json"])).collect();
    for compact in two {
        let ran = Ran::of(&compact.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.json["in_parts"].as_u64().unwrap() >= 200);
    }
    assert!(backfill.wait().unwrap().success());
    let last = scene.run(&["compact", "--verify"]);
    last.expect(0, &[("in_parts", count), ("not_trusted", 0), ("mismatched", 0)]);
    let audit = audits_alike(&scene, &[]);
    audit.expect(0, &[("matched", count)]);
    assert_eq!(from_parts(&audit), (count, 0));
}

/// After a kill at any moment, existing parts are complete, and the next run completes the rest.
#[test]
fn a_killed_compaction_leaves_complete_parts_or_none() {
    let (scene, _, count) = lake_in_a_directory(3, 40, 40);
    let started = std::time::Instant::now();
    scene.run(&["compact"]).expect(0, &[("in_parts", count)]);
    let took = started.elapsed();
    let whole = files(&scene.path("partes"));
    for n in 0..30 {
        std::fs::remove_dir_all(scene.path("partes")).unwrap();
        scene.kill(&["compact"], took.mul_f64(moment(n)));
        for (path, bytes) in files(&scene.path("partes")) {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with(".ruminate-") || whole[&path] == bytes, "{}", path.display());
        }
        std::fs::create_dir_all(scene.path("partes")).unwrap();
    }
    scene.run(&["compact"]).expect(0, &[("in_parts", count)]);
    let mut again = files(&scene.path("partes"));
    again.retain(|path, _| !path.file_name().unwrap().to_str().unwrap().starts_with(".ruminate-"));
    assert!(again == whole, "the same objects give the same bytes");
}

#[test]
fn a_store_that_ignores_conditions_is_refused_and_everything_works_from_objects() {
    let [ignores, rejects, replaces] = [(); 3].map(|()| S3Server::with_bucket(BUCKET));
    ignores.faults().change(|faults| (faults.ignore_if_none_match, faults.ignore_if_match) = (true, true));
    rejects.faults().change(|faults| faults.reject_conditions = true);
    replaces.faults().change(|faults| faults.ignore_if_match = true);
    for s3 in [ignores, rejects, replaces] {
        let scene = Scene::embedded().with_s3(&s3);
        scene.run(&["init"]).expect(0, &[]);
        let count = scene.history(1, 5, 5);
        scene.run(&["backfill", "history.json"]).expect(0, &[("written", count)]);
        let refused = scene.run(&["compact"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("does not honour If-None-Match"), "{}", refused.stderr);
        assert!(!s3.store().list(BUCKET, "partes/").iter().any(|key| key.ends_with(".parquet")));
        scene.run(&["replay"]).expect(0, &[("identical", count)]);
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_or_read_is_one_message_and_everything_works_from_objects() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(1, 5, 5);
    scene.run(&["backfill", "history.json"]).expect(0, &[("written", count)]);
    // A file instead of the folder also blocks root.
    std::fs::write(scene.path("partes"), "a file").unwrap();
    let refused = scene.run(&["compact"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("partes") && refused.stderr.lines().count() <= 3, "{}", refused.stderr);
    let replayed = scene.run(&["replay"]);
    replayed.expect(0, &[("identical", count)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    std::fs::remove_file(scene.path("partes")).unwrap();
    std::fs::create_dir(scene.path("partes")).unwrap();
    std::fs::set_permissions(scene.path("partes"), std::fs::Permissions::from_mode(0o500)).unwrap();
    let refused = scene.run(&["compact"]);
    if refused.code == Some(2) {
        assert!(refused.stderr.contains("the parts cannot be written"), "{}", refused.stderr);
    }
    std::fs::set_permissions(scene.path("partes"), std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn objects_that_vanish_after_they_were_listed_are_counted_and_the_rest_is_compacted() {
    let (s3, scene, world, count) = lake_in_s3(1, 10, 10);
    let vanished: Vec<String> = world.drawn()[..5].iter().map(|key| format!("{PREFIX}/{key}")).collect();
    s3.faults().change(|faults| faults.vanish = vanished.iter().cloned().collect());
    let ran = scene.run(&["compact"]);
    ran.expect(1, &[("listed", count), ("in_parts", count - 5), ("unreadable", 5), ("written", 1)]);
    // Again: the objects are looked up, and the part does not change.
    let again = scene.run(&["compact"]);
    again.expect(1, &[("in_parts", count - 5), ("unreadable", 5), ("written", 0), ("unchanged", 1)]);
    s3.faults().change(|faults| faults.vanish.clear());
    scene.run(&["compact"]).expect(0, &[("in_parts", count), ("fetched", 5), ("written", 1)]);
}

#[test]
fn a_lossy_network_gives_the_same_parts() {
    same_parts_despite(|faults| {
        faults.slow_down = Fault::rate(0.1);
        faults.reset = Fault::rate(0.05);
        faults.lost_answer = Fault::rate(0.05);
        faults.truncate = Fault::rate(0.05);
        faults.internal_error = Fault::rate(0.05);
    });
}

#[test]
fn a_replay_from_parts_gets_no_object() {
    let (s3, scene, world, count) = lake_in_s3(2, 10, 40);
    scene.run(&["compact"]).expect(0, &[("in_parts", count)]);
    scene.run(&["init"]).expect(0, &[]);
    let before = s3.faults().counts().requests(Op::Get);
    scene.run(&["replay"]).expect(0, &[("inserted", count)]);
    let gets = s3.faults().counts().requests(Op::Get) - before;
    // One request for the end of each of four parts, and one for its row group.
    assert!(gets <= 8, "{gets} requests for {count} objects");
    let changed = &world.drawn()[0];
    let mut body = world.0[changed].object_from_values();
    body.push(b' ');
    s3.store().put(BUCKET, &format!("{PREFIX}/{changed}"), body);
    let before = s3.faults().counts().requests(Op::Get);
    let ran = scene.run(&["replay"]);
    ran.expect(0, &[("identical", count)]);
    assert_eq!(from_parts(&ran), (count - 1, 1));
    assert!(s3.faults().counts().requests(Op::Get) - before <= 9);
}
