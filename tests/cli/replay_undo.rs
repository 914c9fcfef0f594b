//! Conflicts of a replay: rows that are overwritten and reverted, and a run that ends at one.

use crate::replay::{lost, sql};

#[test]
fn overwritten_rows_are_reverted_unless_modified_since() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    let changed =
        "UPDATE historico_consumo SET quantidade_animais = 1, peso_medio = 0.1 WHERE id_curral = '25994051003275'";
    assert_eq!(sql(&scene, changed), 4);
    let over = scene.run(&["replay", "--on-conflict", "overwrite", "--undo-file", "undo.ndjson"]);
    over.expect(0, &[("overwritten", 4)]);
    assert_eq!(over.json["undo_file"].as_str(), Some("undo.ndjson"));
    let preview = scene.run(&["undo", "undo.ndjson", "--dry-run"]);
    preview.expect(0, &[("changes", 4), ("restored", 4)]);
    scene.run(&["replay"]).expect(0, &[("identical", 52)]);
    sql(
        &scene,
        "UPDATE historico_consumo SET id_raca = '7' WHERE data LIKE '2023-01-01%' AND id_curral = '25994051003275'",
    );
    let undone = scene.run(&["undo", "undo.ndjson"]);
    undone.expect(1, &[("changes", 4), ("restored", 3), ("modified_since", 1)]);
    scene.run(&["replay"]).expect(1, &[("conflicting", 4), ("identical", 48)]);
    scene.run(&["undo", "undo.ndjson"]).expect(1, &[("already_restored", 3), ("modified_since", 1)]);
}

#[test]
fn a_truncated_undo_file_reverts_all_other_changes() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    let over = ["replay", "--on-conflict", "overwrite", "--undo-file", "undo.ndjson"];
    sql(&scene, "UPDATE historico_consumo SET quantidade_animais = 1 WHERE id_curral = '25994051003275'");
    scene.run(&over).expect(0, &[("overwritten", 4)]);
    // The state after a kill in the middle of a line.
    let text = std::fs::read(scene.path("undo.ndjson")).unwrap();
    std::fs::write(scene.path("undo.ndjson"), &text[..text.len() - 50]).unwrap();
    sql(&scene, "UPDATE historico_consumo SET quantidade_animais = 2 WHERE id_curral <> '25994051003275'");
    scene.run(&over).expect(0, &[("overwritten", 48)]);
    let undone = scene.run(&["undo", "undo.ndjson"]);
    undone.expect(1, &[("changes", 51), ("restored", 51), ("truncated_lines", 1), ("modified_since", 0)]);
    let problem = &undone.json["problems"]["items"][0];
    assert_eq!(problem["key"].as_str(), Some("line 4"), "{undone:?}");
    scene.run(&["replay"]).expect(1, &[("conflicting", 51), ("identical", 1)]);
}

#[test]
fn a_run_that_ends_at_a_conflict_suggests_other_flags() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    sql(&scene, "UPDATE historico_consumo SET quantidade_animais = 1 WHERE data LIKE '2023-01-02%'");
    let ran = scene.text(&["replay", "--on-conflict", "fail"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let advice = ran.stdout.lines().find(|line| line.starts_with("to resume, ")).unwrap();
    assert!(advice.contains("--on-conflict keep or --on-conflict overwrite"), "{advice}");
}
