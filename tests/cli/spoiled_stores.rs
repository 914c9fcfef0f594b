//! Lakes and warehouses that other programs spoiled: placeholders of folders, listings that are wrong, and rows with values
//! that their columns cannot have.

use testkit::Scene;

/// Stores a history, and returns its scene and the number of its readings.
fn stored(scene: Scene) -> (Scene, u64) {
    let count = scene.history(1, 10, 3);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("written", count)]);
    (scene, count)
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
        assert_eq!(scene.sql(Box::leak(sql.into_boxed_str())), 1);
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
