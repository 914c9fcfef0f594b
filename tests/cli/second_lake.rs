//! Protection against a second lake: with a mistyped address, the readings of one warehouse would be in two lakes.

use testkit::s3::S3Server;
use testkit::{BUCKET, Scene};

/// Returns a scene whose warehouse has rows.
fn filled() -> Scene {
    let scene = Scene::embedded();
    scene.history(1, 5, 2);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    std::fs::write(scene.path("event.json"), include_str!("../../samples/sns-event.json")).unwrap();
    scene
}

const COMMANDS: [&[&str]; 4] = [
    &["backfill", "history.json"],
    &["publish", "--topic", "local", "history.json"],
    &["process", "--event", "event.json"],
    &["process", "--listen", "127.0.0.1:0", "--topic", "arn:aws:sns:us-east-1:123456789012:t", "--max-messages", "1"],
];

#[test]
fn a_lake_that_does_not_exist_is_refused_if_the_warehouse_has_rows() {
    let scene = filled();
    std::fs::create_dir(scene.path("empty")).unwrap();
    for (lake, what) in [("laek", "\"laek\" does not exist"), ("empty", "\"empty\" is empty")] {
        for command in COMMANDS {
            let ran = scene.run(&[command, &["--lake", lake]].concat());
            assert_eq!(ran.code, Some(2), "{command:?}: {ran:?}");
            for text in [what, "has rows: check --lake", "--allow-empty"] {
                assert!(ran.stderr.contains(text), "{command:?} lacks {text:?}: {}", ran.stderr);
            }
            assert!(!scene.path("laek").exists() && !scene.path("quarentena").exists(), "{command:?}");
            assert_eq!(std::fs::read_dir(scene.path("empty")).unwrap().count(), 0, "{command:?}");
        }
    }
}

#[test]
fn a_file_is_not_a_lake() {
    let scene = filled();
    std::fs::write(scene.path("file"), "text").unwrap();
    for command in COMMANDS.into_iter().chain([&["replay"][..], &["reconcile"], &["compact"]]) {
        let ran = scene.run(&[command, &["--lake", "file"]].concat());
        assert_eq!(ran.code, Some(2), "{command:?}: {ran:?}");
        assert!(ran.stderr.contains("is a file, not a directory: check --lake"), "{command:?}: {}", ran.stderr);
    }
    let ran = scene.run(&[COMMANDS[0], &["--lake", "file", "--allow-empty"]].concat());
    assert!(ran.code == Some(2) && ran.stderr.contains("is a file, not a directory: check --lake"), "{ran:?}");
    assert_eq!(std::fs::read(scene.path("file")).unwrap(), b"text");
}

#[test]
fn an_empty_prefix_of_a_bucket_is_refused_too() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = filled().with_s3(&s3);
    let ran = scene.run(COMMANDS[0]);
    assert!(ran.code == Some(2) && ran.stderr.contains("is empty, and the warehouse"), "{ran:?}");
    assert!(s3.store().is_empty(BUCKET));
}

#[test]
fn a_new_lake_is_accepted_if_it_is_intended_or_the_warehouse_is_empty() {
    let scene = filled();
    let meant = [COMMANDS[0], &["--lake", "second", "--allow-empty"]].concat();
    scene.run(&meant).expect(1, &[("written", 8), ("conflicting", 8)]);
    assert!(scene.path("second").is_dir());
    scene.sql("DELETE FROM historico_consumo");
    scene.run(&[COMMANDS[0], &["--lake", "third"]].concat()).expect(0, &[("written", 8), ("inserted", 8)]);
}

#[test]
fn an_s3_address_without_its_colon_is_not_a_directory() {
    let scene = filled();
    let ran = scene.run(&[COMMANDS[0], &["--lake", "s3//bucket/prefix"]].concat());
    assert!(ran.code == Some(2) && ran.stderr.contains("write s3://bucket/prefix"), "{ran:?}");
    assert!(!scene.path("s3").exists());
}
