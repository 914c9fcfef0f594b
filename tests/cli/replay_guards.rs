//! Replay: a table swap that would lose values, and a lake whose folders are links.

use testkit::Scene;

#[test]
fn a_column_whose_values_would_be_lost_blocks_a_table_swap() {
    let (scene, count) = crate::store_state::whole();
    scene.sql("ALTER TABLE historico_consumo ADD COLUMN nota TEXT");
    scene.sql("ALTER TABLE historico_consumo ADD COLUMN dobro REAL GENERATED ALWAYS AS (peso_medio * 2)");
    scene.run(&["replay", "--into-new-table"]).expect(0, &[("inserted", count)]);
    scene.sql("UPDATE historico_consumo SET nota = 'x' WHERE rowid = 7");
    let before = crate::store_state::rows(&scene);
    let dry = scene.text(&["replay", "--into-new-table", "--dry-run"]);
    assert!(dry.stdout.contains("column nota has values"), "{dry:?}");
    let ran = scene.run(&["replay", "--into-new-table"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("column nota has values that the lake lacks"), "{ran:?}");
    assert!(!ran.stderr.contains("dobro"), "{ran:?}");
    assert!(crate::store_state::rows(&scene) == before);
}

#[test]
#[cfg(unix)]
fn a_farm_folder_on_another_disk_is_written_read_and_audited_through_its_link() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(1, 5, 3);
    let disk = scene.path("disk");
    std::fs::create_dir_all(&disk).unwrap();
    std::fs::create_dir(scene.path("lake")).unwrap();
    std::os::unix::fs::symlink(&disk, scene.path("lake/fazenda_um")).unwrap();
    scene.run(&["backfill", "history.json", "--fsync"]).expect(0, &[("written", count)]);
    assert!(std::fs::read_dir(&disk).unwrap().count() > 0, "the objects are on the disk");
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    scene.sql("DELETE FROM historico_consumo");
    scene.run(&["replay"]).expect(0, &[("inserted", count)]);
}
