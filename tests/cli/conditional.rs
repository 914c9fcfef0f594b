//! Stores that do not honour conditional writes: repeated runs change nothing, and `--require-conditional-writes` fails.

use std::collections::BTreeMap;
use std::time::SystemTime;

use testkit::s3::{Op, S3Server};
use testkit::{BUCKET, PREFIX, Ran, Scene, real_files, with_real};

use crate::store_state;

/// Stores that do not honour conditions: like Garage, and with response 501.
fn unconditional() -> [S3Server; 2] {
    let [ignores, rejects] = [(); 2].map(|()| S3Server::with_bucket(BUCKET));
    ignores.faults().change(|faults| (faults.ignore_if_none_match, faults.ignore_if_match) = (true, true));
    rejects.faults().change(|faults| faults.reject_conditions = true);
    [ignores, rejects]
}

/// Returns every object: its bytes, and its time.
fn objects(s3: &S3Server) -> BTreeMap<String, (bytes::Bytes, SystemTime)> {
    let keys = s3.store().list(BUCKET, "").into_iter();
    keys.filter_map(|key| s3.store().object(BUCKET, &key).map(|it| (key, (it.bytes, it.last_modified)))).collect()
}

fn scene(s3: &S3Server) -> Scene {
    let scene = Scene::embedded().with_s3(s3);
    scene.run(&["init"]).expect(0, &[]);
    scene
}

#[track_caller]
fn shows(ran: &Ran, support: &str) {
    assert_eq!(ran.json["conditional_writes"], support, "{ran:#?}");
}

#[test]
fn a_repeated_backfill_changes_nothing_on_a_store_without_conditional_writes() {
    for s3 in unconditional() {
        let scene = scene(&s3);
        let count = scene.history(2, 10, 12);
        let first = scene.run(&["backfill", "history.json"]);
        first.expect(0, &[("written", count), ("inserted", count)]);
        shows(&first, "emulated");
        assert!(first.stderr.contains("If-None-Match"), "{}", first.stderr);
        assert_eq!(s3.store().list(BUCKET, &format!("{PREFIX}/")).len() as u64, count);
        let (stored, rows) = (objects(&s3), store_state::rows(&scene));
        let written = s3.faults().counts().requests(Op::Put);
        let second = scene.run(&["backfill", "history.json"]);
        second.expect(0, &[("written", 0), ("existing", count), ("identical", count), ("conflicting", 0)]);
        assert_eq!(s3.faults().counts().requests(Op::Put), written);
        assert!(objects(&s3) == stored && store_state::rows(&scene) == rows);
        scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    }
}

#[test]
fn a_store_and_a_directory_that_honour_them_are_reported() {
    let s3 = S3Server::with_bucket(BUCKET);
    shows(&scene(&s3).run(&with_real("backfill", &real_files())), "honoured");
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    shows(&scene.run(&with_real("backfill", &real_files())), "honoured");
}

#[test]
fn the_text_reports_that_objects_were_looked_up() {
    let [s3, _] = unconditional();
    let ran = scene(&s3).text(&with_real("backfill", &real_files()));
    assert!(ran.stdout.contains("does not honour conditional writes"), "{}", ran.stdout);
}

#[test]
fn a_redelivered_event_and_a_second_publish_change_nothing() {
    let event = format!("{}/samples/sqs-event.json", env!("CARGO_MANIFEST_DIR"));
    for s3 in unconditional() {
        let scene = scene(&s3);
        let first = scene.run(&["process", "--event", &event]);
        first.expect(0, &[("messages", 3), ("processed", 3)]);
        shows(&first, "emulated");
        let files = real_files();
        let publish = [&with_real("publish", &files)[..], &["--topic", "local"]].concat();
        shows(scene.run(&publish).expect(0, &[("published", 52)]), "emulated");
        let (stored, rows) = (objects(&s3), store_state::rows(&scene));
        scene.run(&["process", "--event", &event]).expect(0, &[("duplicates", 3), ("conflicting", 0)]);
        scene.run(&publish).expect(0, &[("published", 52)]);
        assert!(objects(&s3) == stored && store_state::rows(&scene) == rows);
    }
}

#[test]
fn who_requires_conditional_writes_is_refused_before_anything_is_written() {
    let event = format!("{}/samples/sqs-event.json", env!("CARGO_MANIFEST_DIR"));
    let files = real_files();
    for s3 in unconditional() {
        let scene = scene(&s3);
        let commands = [
            with_real("backfill", &files),
            vec!["process", "--event", &event],
            [&with_real("publish", &files)[..], &["--topic", "local"]].concat(),
            vec!["reconcile", "--repair", "lake"],
            vec!["undo", "undo.ndjson"],
        ];
        for command in commands {
            let ran = scene.run(&[&command[..], &["--require-conditional-writes"]].concat());
            ran.expect(2, &[]);
            assert!(ran.stderr.contains("does not honour conditional writes"), "{command:?}: {}", ran.stderr);
            assert!(s3.store().is_empty(BUCKET) && store_state::rows(&scene).is_empty(), "{command:?}");
        }
        let demanded = scene.with("RUMINATE_REQUIRE_CONDITIONAL_WRITES", "true");
        demanded.run(&with_real("backfill", &files)).expect(2, &[]);
        assert!(s3.store().is_empty(BUCKET));
    }
    let s3 = S3Server::with_bucket(BUCKET);
    let ran = scene(&s3).run(&[&with_real("backfill", &files)[..], &["--require-conditional-writes"]].concat());
    shows(ran.expect(0, &[("written", 52)]), "honoured");
    assert_eq!(s3.store().len(BUCKET), 52, "nothing stays of the test");
}

#[test]
fn the_doctor_reports_what_the_store_honours_and_leaves_no_files() {
    let check = |s3: &S3Server, more: &[&str]| {
        let ran = Scene::embedded().with_s3(s3).run(&[&["doctor"], more].concat());
        let checks = ran.json["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == "lake conditional writes").unwrap();
        (check["status"].as_str().unwrap().to_owned(), check["detail"].as_str().unwrap().to_owned())
    };
    let honours = S3Server::with_bucket(BUCKET);
    assert_eq!(check(&honours, &[]).0, "ok");
    for s3 in unconditional() {
        let (health, detail) = check(&s3, &[]);
        assert!(health == "warning" && detail.contains("If-None-Match is not honoured"), "{detail}");
        assert!(s3.store().is_empty(BUCKET));
        let written = s3.faults().counts().requests(Op::Put);
        assert_eq!(check(&s3, &["--read-only"]).0, "skipped");
        assert_eq!(s3.faults().counts().requests(Op::Put), written);
    }
}

#[test]
fn a_repair_of_the_lake_and_its_undo_succeed() {
    for s3 in unconditional() {
        let scene = scene(&s3);
        scene.run(&with_real("backfill", &real_files())).expect(0, &[("written", 52)]);
        std::thread::sleep(std::time::Duration::from_millis(1_100)); // a row of the audit's own second is not compared
        let before = s3.store().dump(BUCKET, "");
        let gone = before.keys().next().unwrap().clone();
        s3.store().remove(BUCKET, &gone);
        scene.sql("UPDATE historico_consumo SET peso_medio = peso_medio + 1 WHERE rowid = 20");
        let damaged = s3.store().dump(BUCKET, "");
        let repair = ["reconcile", "--repair", "lake", "--trust", "warehouse", "--undo-file", "u.ndjson"];
        let ran = scene.run(&repair);
        ran.expect(1, &[]); // the audit found something
        let repaired = &ran.json["repaired"];
        assert_eq!((&repaired["objects_written"], &repaired["objects_replaced"]), (&1.into(), &1.into()), "{ran:#?}");
        assert_eq!(repaired["conditional_writes"], "emulated", "{ran:#?}");
        let undone = scene.run(&["undo", "u.ndjson"]);
        shows(undone.expect(0, &[("restored", 2)]), "emulated");
        assert!(s3.store().dump(BUCKET, "") == damaged);
    }
}
