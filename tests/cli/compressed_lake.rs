//! B13: lake objects that were compressed, with `Content-Encoding` or in place, are read everywhere.

use std::path::{Path, PathBuf};

use testkit::s3::S3Server;
use testkit::{BUCKET, PREFIX, Scene};

use super::input_files::{gzipped, json, scene};

/// The objects of a scene's directory lake, in order.
pub fn objects(scene: &Scene) -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&scene.path("lake"), &mut found);
    found.sort();
    found
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 19).unwrap()
}

/// Compresses every object: gzip and zstd in turn.
fn compress(scene: &Scene) {
    for (at, object) in objects(scene).into_iter().enumerate() {
        let body = std::fs::read(&object).unwrap();
        std::fs::write(&object, if at % 2 == 0 { gzipped(&body) } else { zstd(&body) }).unwrap();
    }
}

#[test]
fn b13_compressed_objects_are_read_by_replay_reconcile_and_repair() {
    let scene = scene();
    std::fs::write(scene.path("x.json"), (0..6).map(|pen| json(pen) + "\n").collect::<String>()).unwrap();
    scene.run(&["backfill", "x.json"]).expect(0, &[("written", 6)]);
    compress(&scene);
    scene.run(&["reconcile"]).expect(0, &[("matched", 6), ("lake_objects", 6)]);
    scene.run(&["reconcile", "--cache", "cache"]).expect(0, &[("matched", 6)]);
    scene.run(&["reconcile", "--cache", "cache"]).expect(0, &[("matched", 6)]);
    std::fs::remove_file(scene.path("w.db")).unwrap();
    scene.run(&["init"]);
    scene.run(&["replay"]).expect(0, &[("listed", 6), ("inserted", 6)]);
    scene.run(&["replay"]).expect(0, &[("identical", 6)]);
    scene.sql("UPDATE historico_consumo SET peso_medio = 500 WHERE id_curral = '3'");
    scene.run(&["reconcile"]).expect(1, &[("differing", 1)]);
    // An undo file holds text, so a compressed object is not overwritten; its row can be.
    let refused = scene.run(&["reconcile", "--repair", "lake", "--trust", "warehouse"]);
    refused.expect(1, &[("differing", 1)]);
    assert!(refused.json["repaired"].to_string().contains("is compressed"), "{refused:?}");
    scene.run(&["reconcile", "--repair", "warehouse"]).expect(1, &[("differing", 1)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", 6)]);
}

#[test]
fn b13_an_existing_compressed_object_is_the_same_record_for_backfill_and_publish() {
    let scene = scene();
    std::fs::write(scene.path("x.json"), (0..6).map(|pen| json(pen) + "\n").collect::<String>()).unwrap();
    scene.run(&["backfill", "x.json"]).expect(0, &[("written", 6)]);
    compress(&scene);
    scene.run(&["backfill", "x.json"]).expect(0, &[("existing", 6), ("identical", 6), ("rejected", 0)]);
    scene.run(&["publish", "--topic", "local", "x.json"]).expect(0, &[("published", 6)]);
    std::fs::remove_file(scene.path("w.db")).unwrap();
    scene.run(&["init"]);
    scene.run(&["backfill", "x.json"]).expect(0, &[("existing", 6), ("inserted", 6)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", 6)]);
}

#[test]
fn b13_compressed_objects_of_s3_are_read_and_damaged_or_huge_ones_are_named() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    scene.run(&["init"]);
    std::fs::write(scene.path("x.json"), (0..6).map(|pen| json(pen) + "\n").collect::<String>()).unwrap();
    scene.run(&["backfill", "x.json"]).expect(0, &[("written", 6)]);
    let store = s3.store();
    let keys = store.list(BUCKET, PREFIX);
    let body = |at: usize| store.get(BUCKET, &keys[at]).unwrap().to_vec();
    let cut = gzipped(body(2));
    for (at, changed) in [
        (0, gzipped(body(0))),
        (1, zstd(&body(1))),
        (2, cut[..cut.len() / 2].to_vec()),
        (3, gzipped(vec![b' '; 50_000_000])),
        (4, zstd(&vec![b' '; 50_000_000])),
    ] {
        store.put(BUCKET, &keys[at], changed);
    }
    let ran = scene.run(&["replay"]);
    ran.expect(1, &[("listed", 6), ("identical", 3), ("unreadable", 1), ("rejected", 2)]);
    let problems = ran.json["problems"].to_string();
    assert!(
        problems.contains("cannot be decompressed") && problems.contains("decompresses to more than"),
        "{problems}"
    );
}
