//! Lakes and warehouses that other programs damaged: folder markers, wrong listings, and rows with values that are
//! invalid for their columns.

use std::time::Duration;

use testkit::s3::{ListingFault, S3Server};
use testkit::{BUCKET, PREFIX, Scene};

/// Stores a history, and returns its scene and the number of its readings.
fn stored(scene: Scene) -> (Scene, u64) {
    let count = scene.history(1, 10, 3);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("written", count)]);
    (scene, count)
}

fn on_s3(s3: &S3Server) -> (Scene, u64) {
    stored(Scene::embedded().with_s3(s3))
}

#[test]
fn folder_markers_are_counted_and_no_finding() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, count) = on_s3(&s3);
    let key = s3.store().list(BUCKET, PREFIX)[0].clone();
    for (at, _) in key.match_indices('/') {
        s3.store().put(BUCKET, &key[..=at], "");
    }
    // The lake's prefix itself is not one of its objects.
    let markers = key[PREFIX.len() + 1..].matches('/').count() as u64;
    std::thread::sleep(Duration::from_millis(1_100));
    let skipped = [("skipped_folder_markers", markers), ("skipped_unrecognized", 0)];
    let replay = scene.run(&["replay"]);
    replay.expect(0, &[("listed", count + markers), ("identical", count)]).expect(0, &skipped);
    let audit = scene.run(&["reconcile"]);
    audit.expect(0, &[("lake_objects", count + markers), ("matched", count)]).expect(0, &skipped);
    scene.run(&["replay", "--dry-run"]).expect(0, &[("folder_markers", markers), ("get_requests", count)]);
}

#[test]
fn files_of_an_operating_system_are_counted_as_folder_markers() {
    let (scene, count) = stored(Scene::embedded());
    std::fs::write(scene.path("lake/.DS_Store"), "Bud1").unwrap();
    std::fs::write(scene.path("lake/readme.txt"), "text").unwrap();
    let counts = [("skipped_folder_markers", 1), ("skipped_unrecognized", 1), ("matched", count)];
    scene.run(&["reconcile"]).expect(1, &counts);
    std::fs::remove_file(scene.path("lake/readme.txt")).unwrap();
    scene.run(&["reconcile"]).expect(0, &[("skipped_folder_markers", 1), ("matched", count)]);
}

#[test]
fn the_headline_counts_the_findings_of_the_drift_file_and_objects_not_read_separately() {
    let (scene, count) = stored(Scene::embedded());
    std::fs::write(scene.path("lake/readme.txt"), "text").unwrap();
    assert_eq!(scene.sql("DELETE FROM historico_consumo WHERE rowid = 1"), 1);
    let audit = ["reconcile", "--drift", "drift.ndjson", "--report", "audit.html"];
    let text = scene.text(&audit).stdout;
    assert!(text.starts_with("reconcile: 1 finding, 1 object not read ("), "{text}");
    assert_eq!(std::fs::read_to_string(scene.path("drift.ndjson")).unwrap().lines().count(), 1);
    let page = || std::fs::read_to_string(scene.path("audit.html")).unwrap();
    assert!(page().contains("<h1>1 finding, 1 object not read</h1>"), "{}", page());
    let since = scene.run(&["reconcile", "--baseline", "drift.ndjson"]).json["since_baseline"].clone();
    assert_eq!((&since["new"], &since["persisting"]), (&0.into(), &1.into()), "{since}");

    let text = scene.text(&["reconcile"]).stdout;
    assert!(text.ends_with("\nexit code 1: the audit found drift\n"), "{text}");

    scene.run(&["replay"]).expect(1, &[("inserted", 1)]);
    scene.run(&audit).expect(1, &[("matched", count), ("skipped_unrecognized", 1)]);
    assert!(page().contains("<h1>No findings, 1 object not read</h1>"), "{}", page());
    let text = scene.text(&["reconcile", "--max-drift", "0"]).stdout;
    assert!(text.starts_with("reconcile: no findings, 1 object not read ("), "{text}");
    assert!(text.contains("findings and objects not read exceed the budget of 0"), "{text}");
    let text = scene.text(&["reconcile", "--repair", "both"]).stdout;
    assert!(text.contains("exit code 1: the audit found no drift, but did not read all objects"), "{text}");
}

#[test]
fn a_listing_that_may_be_incomplete_ends_the_command() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, count) = on_s3(&s3);
    scene.sql("DELETE FROM historico_consumo");
    for (fault, message) in [(ListingFault::NoToken, "its listing continues"), (ListingFault::Cut, "truncated")] {
        s3.faults().change(|faults| (faults.listing, faults.page_keys) = (fault, Some(5)));
        for command in ["replay", "reconcile"] {
            let ran = scene.run(&[command, "--max-attempts", "2"]);
            let text = format!("{}{}", ran.stdout, ran.stderr);
            assert!(matches!(ran.code, Some(2 | 3)) && text.contains(message), "{fault:?} {command}: {ran:#?}");
        }
    }
    s3.faults().change(|faults| faults.listing = ListingFault::None);
    scene.run(&["replay"]).expect(0, &[("listed", count)]);
}

#[test]
fn an_object_that_is_listed_twice_is_no_duplicate() {
    let s3 = S3Server::with_bucket(BUCKET);
    let (scene, count) = on_s3(&s3);
    for fault in [ListingFault::Doubled, ListingFault::Overlap] {
        s3.faults().change(|faults| (faults.listing, faults.page_keys) = (fault, Some(4)));
        scene.run(&["reconcile"]).expect(0, &[("matched", count), ("duplicate_objects", 0)]);
        scene.run(&["replay"]).expect(0, &[("listed", count), ("identical", count)]);
    }
}

#[test]
fn a_row_with_a_value_that_its_column_cannot_have_is_a_finding_and_repairable() {
    let (scene, count) = stored(Scene::embedded());
    let damage = [
        "peso_medio = 'n/d'",
        "data = ''",
        "data = '2024-02-30 00:00:00'",
        "cod_cliente = x'ff'",
        "quantidade_animais = 51.5",
    ];
    for (at, set) in damage.into_iter().enumerate() {
        let sql = format!("UPDATE historico_consumo SET {set} WHERE rowid = {}", at + 1);
        assert_eq!(scene.sql(&sql), 1);
    }
    let broken = damage.len() as u64;
    let audit = scene.run(&["reconcile", "--drift", "drift.ndjson"]);
    audit.expect(1, &[("differing", broken), ("matched", count - broken)]);
    let findings = std::fs::read_to_string(scene.path("drift.ndjson")).unwrap();
    assert!(findings.contains("n/d") && findings.contains("not a value of its column"), "{findings}");
    let replay = scene.run(&["replay"]);
    replay.expect(1, &[("identical", count - broken), ("conflicting", broken)]);
    let repair = scene.run(&["reconcile", "--repair", "warehouse", "--undo-file", "undo.ndjson"]);
    repair.expect(1, &[("differing", broken)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    scene.run(&["undo", "undo.ndjson"]).expect(0, &[("restored", broken)]);
    scene.run(&["replay", "--on-conflict", "overwrite"]).expect(0, &[("overwritten", broken)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
}
