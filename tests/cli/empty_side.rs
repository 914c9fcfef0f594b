//! An empty or mistyped store: an error that names it before anything is changed, unless `--allow-empty` is given.

use std::fs;

use testkit::{Ran, Scene};

fn refused(ran: &Ran, output: &[&str]) {
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for message in output {
        assert!(ran.stderr.contains(message), "{message}\n{ran:?}");
    }
}

/// Returns a scene with a lake and a warehouse that agree, and an empty folder `other`.
fn both() -> (Scene, u64) {
    let scene = Scene::embedded();
    let count = scene.history(2, 3, 10);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    fs::create_dir(scene.path("other")).unwrap();
    (scene, count)
}

fn files(scene: &Scene, folder: &str) -> usize {
    walkdir(&scene.path(folder))
}

fn walkdir(dir: &std::path::Path) -> usize {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walkdir(&path) } else { 1 }).sum()
}

#[test]
fn a_repair_against_an_empty_lake_is_refused_and_writes_nothing() {
    let (scene, count) = both();
    for extra in [&[][..], &["--repair", "both"], &["--repair", "lake", "--dry-run"], &["--quick"]] {
        let ran = scene.run(&[&["reconcile", "--lake", "other", "--report", "p.html"], extra].concat());
        refused(&ran, &["the lake is empty: check --lake", "--allow-empty", "other"]);
        assert!(ran.stdout.is_empty() && !scene.path("p.html").exists(), "{ran:?}");
    }
    assert_eq!(files(&scene, "other"), 0);
    let meant = ["reconcile", "--lake", "other", "--allow-empty", "--repair", "both"];
    let planned = scene.run(&[&meant[..], &["--dry-run"]].concat());
    assert_eq!((planned.code, planned.json["warehouse_only"].as_u64()), (Some(1), Some(count)), "{planned:?}");
    scene.run(&meant).expect(1, &[("warehouse_only", count)]);
    assert_eq!(files(&scene, "other") as u64, count, "written because it was meant");
}

#[test]
fn an_audit_of_an_empty_warehouse_points_to_replay() {
    let (scene, count) = both();
    scene.sql("DELETE FROM historico_consumo");
    for extra in [&[][..], &["--repair", "both"], &["--farm", "fazenda_um"], &["--from", "2024-01-02"]] {
        let ran = scene.run(&[&["reconcile"], extra].concat());
        refused(&ran, &["has no rows", "`ruminate replay`", "--allow-empty"]);
    }
    let both = scene.run(&["reconcile", "--lake", "other"]);
    refused(&both, &["both sides are empty", "the lake is empty"]);
    scene.run(&["reconcile", "--lake", "other", "--allow-empty"]).expect(0, &[("lake_objects", 0)]);
    scene.run(&["reconcile", "--allow-empty"]).expect(1, &[("lake_only", count)]);
    scene.run(&["replay"]).expect(0, &[("inserted", count)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
}

#[test]
fn rows_that_are_all_lost_of_one_farm_are_drift_and_not_an_empty_warehouse() {
    let (scene, _) = both();
    let gone = scene.sql("DELETE FROM historico_consumo WHERE cod_cliente = 'FazendaUm'");
    scene.run(&["reconcile", "--farm", "fazenda_um"]).expect(1, &[("lake_only", gone)]);
}

#[test]
fn a_replay_of_an_empty_lake_is_rejected_with_any_flags() {
    let (scene, count) = both();
    let ways: [&[&str]; 5] =
        [&[], &["--dry-run"], &["--into-new-table"], &["--resume"], &["--on-conflict", "overwrite"]];
    for extra in ways {
        let ran = scene.run(&[&["replay", "--lake", "other", "--report", "r.json"], extra].concat());
        refused(&ran, &["the lake is empty: check --lake", "--allow-empty"]);
    }
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    scene.run(&["replay", "--lake", "other", "--allow-empty"]).expect(0, &[("listed", 0)]);
    let preview = scene.run(&["replay", "--lake", "other", "--allow-empty", "--dry-run"]);
    assert_eq!((preview.code, preview.json["objects"].as_u64()), (Some(0), Some(0)), "{preview:?}");
}

#[test]
fn a_farm_or_days_that_the_lake_does_not_have_are_named_with_those_it_has() {
    let (scene, _) = both();
    for command in ["replay", "reconcile"] {
        let farm = scene.run(&[command, "--farm", "fazenda_tres"]);
        refused(&farm, &["no farm of that name is in the lake (fazenda_tres", "farms are fazenda_dois, fazenda_um"]);
        let days = scene.run(&[command, "--from", "2031-01-01"]);
        refused(&days, &["the lake has no partition in this span: its days are 2024-01-01 to "]);
        let both = scene.run(&[command, "--farm", "fazenda_um", "--to", "1999-01-01"]);
        refused(&both, &["the lake has no partition in this span"]);
    }
    // The day before the first one: its neighbour is read, but has no data of that day.
    let day_before = scene.run(&["reconcile", "--from", "2023-12-31", "--to", "2023-12-31"]);
    refused(&day_before, &["its days are 2024-01-01 to ", "--allow-empty"]);
    scene.run(&["reconcile", "--from", "2031-01-01", "--allow-empty"]).expect(0, &[("lake_objects", 0)]);
}

#[test]
fn a_lake_of_unrecognized_names_only_is_empty_and_the_first_are_named() {
    let (scene, _) = both();
    for name in ["other/a.txt", "other/fazenda_um/2024/01/02/b.txt"] {
        fs::create_dir_all(scene.path(name).parent().unwrap()).unwrap();
        fs::write(scene.path(name), "x").unwrap();
    }
    for flags in [&["replay"][..], &["replay", "--into-new-table"], &["reconcile"], &["reconcile", "--repair", "both"]]
    {
        let ran = scene.run(&[flags, &["--lake", "other"]].concat());
        refused(&ran, &["2 objects with unrecognized names (a.txt, fazenda_um/2024/01/02/b.txt)", "--allow-empty"]);
    }
    // The folder above the lake, and a farm's folder in it.
    fs::create_dir(scene.path("above")).unwrap();
    fs::rename(scene.path("lake"), scene.path("above/hist")).unwrap();
    for command in ["replay", "reconcile"] {
        refused(&scene.run(&[command, "--lake", "above"]), &["the lake seems to be in hist/ below it"]);
        refused(&scene.run(&[command, "--lake", "above/hist/fazenda_um"]), &["seems to be a farm's folder"]);
    }
}

#[test]
fn objects_by_name_that_are_gone_are_counted_but_of_another_lake_refused() {
    let (scene, _) = both();
    let gone = scene.sql("DELETE FROM historico_consumo WHERE cod_cliente = 'FazendaUm'");
    scene.run(&["reconcile", "--drift", "drift.ndjson"]).expect(1, &[("lake_only", gone)]);
    refused(&scene.run(&["replay", "--lake", "other", "--only", "drift.ndjson"]), &["the lake is empty"]);
    fs::rename(scene.path("lake/fazenda_um"), scene.path("moved")).unwrap();
    let ran = scene.run(&["replay", "--only", "drift.ndjson"]);
    assert!(ran.json["not_found"].as_u64() == Some(gone), "{ran:?}");
    fs::rename(scene.path("moved"), scene.path("lake/fazenda_um")).unwrap();
    scene.run(&["replay", "--only", "drift.ndjson"]).expect(0, &[("inserted", gone)]);
}
