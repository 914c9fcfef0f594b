//! The demo: a first run, and a second run in the same directory.

use testkit::Scene;

#[test]
fn the_demo_ends_clean_and_so_does_its_second_run() {
    let scene = Scene::new();
    for args in [&["demo"][..], &["demo"], &["demo", "--keep"]] {
        let ran = scene.run(args);
        ran.expect(0, &[]);
        assert_eq!(ran.json["clean"].as_bool(), Some(true), "{ran:?}");
        let steps = ran.json["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 10);
        let audit = &steps[5]["outcome"];
        let found =
            ["lake_only", "differing", "warehouse_only", "unreadable"].map(|kind| audit[kind].as_u64().unwrap());
        assert_eq!(found, [5, 3, 2, 1], "{audit}");
        for file in ["audit.html", "drift.ndjson", "warehouse.db", "lake", "histories", "quarentena"] {
            assert!(scene.path("demo").join(file).exists(), "{file}");
        }
    }
}

#[test]
fn a_directory_with_other_files_is_unchanged() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("photos")).unwrap();
    std::fs::write(scene.path("photos/cow.jpg"), "moo").unwrap();
    let ran = scene.run(&["demo", "--dir", "photos"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("--dir"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(scene.path("photos/cow.jpg")).unwrap(), "moo");
}
