//! Ids that do not match the content of their objects: found by an audit, never copied by a repair.

use std::path::Path;

use testkit::planted_drift::found_in;

use crate::repair::{expect_repaired, with_members};
use crate::store_state::{State, id_of, objects_of, sql, whole};

fn set(object: &Path, members: &[(&str, &str)]) {
    let text = std::fs::read_to_string(object).unwrap();
    std::fs::write(object, with_members(&text, members)).unwrap();
}

#[test]
fn a_value_that_was_changed_on_both_sides_is_a_forged_id() {
    let (scene, count) = whole();
    let objects = objects_of(&scene, "fazenda_um/2024/01/02");
    set(&objects[0], &[("consumo_real", "1.5")]);
    let id = id_of(&objects[0]);
    let update = format!("UPDATE historico_consumo SET consumo_real = 1.5 WHERE id_treated_data = '{id}'");
    assert_eq!(sql(&scene, &update), 1);
    for cache in [&[][..], &["--cache", "cache"], &["--cache", "cache"]] {
        let ran = scene.run(&[&["reconcile", "--drift", "drift.ndjson", "--report", "audit.html"], cache].concat());
        ran.expect(1, &[("forged_ids", 1), ("matched", count), ("differing", 0), ("from_warehouse", 0)]);
        let found = found_in(&scene.path("drift.ndjson"));
        let finding = found.first().unwrap();
        assert_eq!((found.len(), &*finding.kind, finding.id.as_deref()), (1, "forged_id", Some(&*id)));
    }
    let page = std::fs::read_to_string(scene.path("audit.html")).unwrap();
    assert!(page.contains("Forged ids"), "{page}");
    let text = scene.text(&["reconcile"]).stdout;
    assert!(text.contains("forged id") && text.contains("the id of its content is"), "{text}");
    // A quick audit opens no object and reports that.
    scene.run(&["reconcile", "--quick"]).expect(0, &[("forged_ids", 0), ("present", count)]);
    let text = scene.text(&["reconcile", "--quick"]).stdout;
    assert!(text.contains("not checked (--quick): values, and ids"), "{text}");
}

#[test]
fn a_repair_never_copies_a_forged_object_into_the_warehouse_and_can_restore_it_from_there() {
    let (scene, count) = whole();
    let objects = objects_of(&scene, "fazenda_um/2024/01/02");
    let [differing, lost] = [&objects[0], &objects[1]];
    let intact = State::of(&scene);
    set(differing, &[("consumo_real", "1.5")]);
    set(lost, &[("consumo_real", "1.5")]);
    sql(&scene, &format!("DELETE FROM historico_consumo WHERE id_treated_data = '{}'", id_of(lost)));
    let damaged = State::of(&scene);
    let counts = [("forged_ids", 2), ("differing", 1), ("lake_only", 1)];
    let ran = scene.run(&["reconcile", "--repair", "both"]);
    expect_repaired(ran.expect(1, &counts), &[("updated", 0), ("inserted", 0), ("not_repaired", 4), ("failed", 0)]);
    assert!(ran.json["repaired"]["reasons"].to_string().contains("changed after it was written"), "{ran:?}");
    assert!(State::of(&scene) == damaged);
    let ran = scene.run(&["reconcile", "--repair", "lake", "--trust", "warehouse"]);
    expect_repaired(ran.expect(1, &counts), &[("objects_replaced", 1), ("also_resolved", 1), ("not_repaired", 2)]);
    let now = State::of(&scene);
    assert_eq!((now.changed_files(&intact), now.changed_rows(&intact)), (1, 1), "only the one without a row is left");
    scene.run(&["reconcile"]).expect(1, &[("forged_ids", 1), ("lake_only", 1), ("matched", count - 1)]);
}

#[test]
fn values_that_a_repair_took_from_the_warehouse_are_marked_and_not_forged_until_they_change_again() {
    let (scene, count) = whole();
    let object = objects_of(&scene, "fazenda_um/2024/01/02").remove(0);
    let update =
        format!("UPDATE historico_consumo SET consumo_real = 1.5 WHERE id_treated_data = '{}'", id_of(&object));
    sql(&scene, &update);
    let damaged = State::of(&scene);
    let repair = ["reconcile", "--repair", "lake", "--trust", "warehouse", "--undo-file", "undo.ndjson"];
    expect_repaired(scene.run(&repair).expect(1, &[("differing", 1)]), &[("objects_replaced", 1), ("verified", 1)]);
    assert!(std::fs::read_to_string(&object).unwrap().contains("\"repaired_id\":\""));
    for cache in [&[][..], &["--cache", "cache"], &["--cache", "cache"]] {
        let audit = scene.run(&[&["reconcile"], cache].concat());
        audit.expect(0, &[("forged_ids", 0), ("from_warehouse", 1), ("matched", count)]);
    }
    let text = scene.text(&["reconcile"]).stdout;
    assert!(text.contains("repaired from the warehouse"), "{text}");
    let undo = scene.text(&["undo", "undo.ndjson"]).stdout;
    assert!(undo.contains("not checked: ids against the content"), "{undo}");
    assert!(State::of(&scene) == damaged, "the mark is gone, too");
    scene.run(&repair).expect(1, &[("differing", 1)]);
    set(&object, &[("consumo_real", "2.5")]);
    sql(&scene, &update.replace("1.5", "2.5"));
    scene.run(&["reconcile"]).expect(1, &[("forged_ids", 1), ("from_warehouse", 0), ("matched", count)]);
}

#[test]
fn ids_of_the_legacy_lambda_are_never_forged() {
    let scene = testkit::Scene::embedded();
    let day = scene.path("lake/fazenda_um/2026/11/22");
    std::fs::create_dir_all(&day).unwrap();
    let old = r#"{"id_curral":"1","id_raca":"2","id_lote":"3","peso_entrada":234.941,"peso_medio":360.341,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.076451,"cod_cliente":"FazendaUm","consumo_meta":6.342001600000001,"id_treated_data":"0f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6ab","row_ts":"2026-11-22T18:49:03"}"#;
    std::fs::write(day.join("historico_consumo_2026-11-22 18:49:03.457.json"), old).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[("inserted", 1)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", 1), ("forged_ids", 0)]);
}

#[test]
fn a_copy_whose_content_was_changed_is_a_forged_id_too() {
    let (scene, count) = whole();
    let object = objects_of(&scene, "fazenda_um/2024/01/02").remove(0);
    let copy = std::path::PathBuf::from(object.display().to_string().replace("fazenda_um", "fazenda_dois"));
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    std::fs::copy(&object, &copy).unwrap();
    scene.run(&["reconcile"]).expect(1, &[("duplicate_objects", 1), ("forged_ids", 0), ("matched", count)]);
    set(&copy, &[("consumo_real", "1.5")]);
    for cache in [&[][..], &["--cache", "cache"], &["--cache", "cache"]] {
        let ran = scene.run(&[&["reconcile", "--drift", "drift.ndjson"], cache].concat());
        ran.expect(1, &[("duplicate_objects", 1), ("forged_ids", 1), ("matched", count)]);
        let found = found_in(&scene.path("drift.ndjson"));
        let kinds: Vec<_> = found.iter().map(|finding| &*finding.kind).collect();
        assert_eq!(kinds, ["duplicate_object", "forged_id"]);
        let is_copy = |key: &str| key.starts_with("fazenda_dois/2024/01/02/");
        assert!(found.iter().all(|finding| finding.key.as_deref().is_some_and(is_copy)), "{found:?}");
    }
}

/// Returns the reasons in the plan of a repair of everything, by kind of finding.
fn left(scene: &testkit::Scene, kind: &str) -> String {
    let ran = scene.run(&["reconcile", "--repair", "both", "--trust", "warehouse", "--dry-run"]);
    let reasons = ran.json["repaired"]["reasons"].to_string();
    let of_kind: serde_json::Value = serde_json::from_str(&reasons).unwrap();
    assert!(reasons.contains(kind), "{kind} in {of_kind:#}");
    reasons
}

#[test]
fn the_advice_for_a_forged_copy_is_that_for_a_copy() {
    let (scene, _) = whole();
    let object = objects_of(&scene, "fazenda_um/2024/01/02").remove(0);
    let copy = std::path::PathBuf::from(object.display().to_string().replace("fazenda_um", "fazenda_dois"));
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    std::fs::copy(&object, &copy).unwrap();
    set(&copy, &[("consumo_real", "1.5")]);
    let reasons = left(&scene, "forged_id");
    assert!(
        reasons.contains("is a copy of another one and was changed after it was written; remove the copy"),
        "{reasons}"
    );
    assert!(reasons.contains("never deletes objects; remove the copy"), "{reasons}");
    for contradiction in ["restore it", "--trust warehouse", "do not remove"] {
        assert!(!reasons.contains(contradiction), "{contradiction} in {reasons}");
    }
}

#[test]
fn a_copy_that_alone_has_the_values_of_its_id_is_not_to_be_removed() {
    let (scene, count) = whole();
    let object = objects_of(&scene, "fazenda_um/2024/01/02").remove(0);
    let copy = std::path::PathBuf::from(object.display().to_string().replace("fazenda_um", "fazenda_dois"));
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    std::fs::copy(&object, &copy).unwrap();
    let id = id_of(&object);
    set(&object, &[("consumo_real", "1.5")]);
    sql(&scene, &format!("UPDATE historico_consumo SET consumo_real = 1.5 WHERE id_treated_data = '{id}'"));
    let ran = scene.run(&["reconcile", "--drift", "drift.ndjson"]);
    ran.expect(1, &[("duplicate_objects", 1), ("forged_ids", 1), ("matched", count)]);
    let drift = std::fs::read_to_string(scene.path("drift.ndjson")).unwrap();
    assert!(drift.contains("which was changed: only the copy has those of the id"), "{drift}");
    assert!(drift.contains("has the values of the id"), "{drift}");
    let reasons = left(&scene, "duplicate_object");
    assert!(reasons.contains("do not remove it; restore the other object from it first"), "{reasons}");
    assert!(!reasons.contains("remove the copy manually"), "{reasons}");
}
