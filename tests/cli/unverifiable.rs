//! Existing objects that cannot be read: their names identify their readings, so nothing stops and every row is
//! checked.

use std::collections::HashSet;

use testkit::s3::{S3Server, StorageClass};
use testkit::{BUCKET, Ran, Scene};

/// Returns the number of the first problems of that kind.
fn problems(ran: &Ran, kind: &str) -> usize {
    ran.json["problems"]["items"].as_array().unwrap().iter().filter(|problem| problem["kind"] == kind).count()
}

/// Backfills a history, and returns its scene and the keys of its objects.
fn stored(s3: &S3Server) -> (Scene, u64, Vec<String>) {
    let scene = Scene::embedded().with_s3(s3);
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(1, 10, 6);
    scene.run(&["backfill", "history.json"]).expect(0, &[("written", count)]);
    let keys = s3.store().list(BUCKET, "");
    (scene, count, keys)
}

#[test]
fn archived_and_denied_objects_do_not_end_a_backfill_and_their_rows_are_checked() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, count, keys) = stored(&s3);
    for key in &keys[..7] {
        assert!(s3.store().set_storage_class(BUCKET, key, StorageClass::Glacier));
    }
    let denied: HashSet<String> = keys[7..12].iter().cloned().collect();
    s3.faults().change(|faults| faults.forbid_get = denied);
    // Rows of readable and of unreadable objects are lost, and one has other values.
    assert!(scene.sql("DELETE FROM historico_consumo WHERE rowid % 2 = 0") > 5);
    scene.sql("UPDATE historico_consumo SET peso_medio = 1 WHERE rowid IN (SELECT min(rowid) FROM historico_consumo)");
    let again = scene.run(&["backfill", "history.json"]);
    let inserted = count / 2;
    again.expect(
        1,
        &[
            ("read", count),
            ("existing", count),
            ("written", 0),
            ("unverifiable", 12),
            ("inserted", inserted),
            ("identical", count - inserted - 1),
            ("conflicting", 1),
            ("failed", 0),
        ],
    );
    assert!(again.json["stopped"].is_null(), "{again:?}");
    assert!(problems(&again, "unverifiable") >= 11, "{again:?}");
    let text = scene.text(&["backfill", "history.json"]);
    assert!(text.stdout.contains("existing objects not readable") && text.stdout.contains("archive tier"), "{text:?}");
}

#[test]
fn a_directory_in_the_place_of_an_object_does_not_end_a_backfill() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(1, 5, 2);
    scene.run(&["backfill", "history.json"]).expect(0, &[("written", count)]);
    let mut objects = Vec::new();
    let mut folders = vec![scene.path("lake")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() { folders.push(entry.path()) } else { objects.push(entry.path()) }
        }
    }
    objects.sort();
    std::fs::remove_file(&objects[0]).unwrap();
    std::fs::create_dir(&objects[0]).unwrap();
    std::fs::remove_file(&objects[1]).unwrap();
    std::os::unix::fs::symlink("nowhere", &objects[1]).unwrap();
    let again = scene.run(&["backfill", "history.json"]);
    let counts = [("existing", count), ("unverifiable", 2), ("identical", count), ("conflicting", 0), ("rejected", 0)];
    again.expect(1, &counts);
}

#[test]
fn a_huge_object_in_the_place_of_a_record_is_not_read() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, count, keys) = stored(&s3);
    s3.store().put(BUCKET, &keys[0], vec![b' '; 64 << 20]);
    let again = scene.run(&["backfill", "history.json"]);
    again.expect(1, &[("existing", count - 1), ("rejected", 1), ("unverifiable", 0)]);
    assert!(again.json["problems"]["items"][0]["reason"].as_str().unwrap().contains("67108864 bytes"), "{again:?}");
}

#[test]
fn a_redelivered_event_of_an_archived_object_is_a_duplicate() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    scene.run(&["init"]).expect(0, &[]);
    let event = format!("{}/samples/sns-event.json", env!("CARGO_MANIFEST_DIR"));
    scene.run(&["process", "--event", &event]).expect(0, &[("processed", 1)]);
    let key = s3.store().list(BUCKET, "").remove(0);
    assert!(s3.store().set_storage_class(BUCKET, &key, StorageClass::DeepArchive));
    for _ in 0..2 {
        let ran = scene.run(&["process", "--event", &event]);
        ran.expect(1, &[("duplicates", 1), ("unverifiable", 1), ("conflicting", 0), ("failed", 0), ("quarantined", 0)]);
    }
}
