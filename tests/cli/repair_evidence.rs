//! What a repair shows: its plan, the side that is intact, and its result.

use std::path::Path;

use serde_json::Value;
use testkit::Scene;

use crate::repair::{damage, expect_repaired, with_members};
use crate::store_state::{State, id_of, objects_of, sql, whole};

/// Changes the row of an object.
fn change_row(scene: &Scene, object: &Path, set: &str) {
    let statement = format!("UPDATE historico_consumo SET {set} WHERE id_treated_data = '{}'", id_of(object));
    assert_eq!(sql(scene, &statement), 1);
}

fn read(scene: &Scene, name: &str) -> String {
    testkit::without_marks(&std::fs::read_to_string(scene.path(name)).unwrap())
}

#[test]
fn a_report_claims_that_every_change_was_verified_only_if_none_failed() {
    let (scene, _) = whole();
    let objects = objects_of(&scene, "fazenda_um/2024/01/02");
    change_row(&scene, &objects[0], "id_raca = NULL");
    change_row(&scene, &objects[1], "consumo_real = 5.5");
    let repair = ["reconcile", "--repair", "lake", "--trust", "warehouse", "--report", "audit.html"];
    let over = scene.run(&[&repair[..], &["--max-repairs", "1"]].concat());
    expect_repaired(over.expect(1, &[("differing", 2)]), &[("objects_replaced", 2), ("verified", 0)]);
    let page = read(&scene, "audit.html");
    assert!(page.contains("Not applied. 2 changes are more than --max-repairs 1"), "{page}");
    assert!(!page.contains("change was verified") && page.contains("<dt>Objects to replace</dt><dd>2</dd>"), "{page}");

    let ran = scene.run(&repair);
    expect_repaired(ran.expect(1, &[("differing", 2)]), &[("objects_replaced", 1), ("verified", 1), ("failed", 1)]);
    let page = read(&scene, "audit.html");
    assert!(page.contains("Applied in part: 1 change was verified, 1 failed."), "{page}");
    assert!(!page.contains("every change was verified") && page.contains("2 findings, 1 repaired, 1 failed"), "{page}");

    // Only the one that no object can hold is left.
    let text = scene.text(&repair[..5]).stdout;
    assert!(text.contains("not all changes could be made") && !text.contains("there is no undo file"), "{text}");
    scene.run(&["reconcile", "--repair", "warehouse", "--report", "audit.html"]).expect(1, &[("differing", 1)]);
    let page = read(&scene, "audit.html");
    assert!(
        page.contains("Applied, and every change was verified.") && page.contains("1 finding, 1 repaired<"),
        "{page}"
    );
    scene.run(&["reconcile", "--repair", "warehouse", "--report", "audit.html"]).expect(0, &[("differing", 0)]);
    let page = read(&scene, "audit.html");
    assert!(!page.contains("every change was verified") && page.contains("Nothing was changed."), "{page}");
}

/// Changes the value of `consumo_real` in an object.
fn change_object(object: &Path, value: &str) {
    let text = std::fs::read_to_string(object).unwrap();
    std::fs::write(object, with_members(&text, &[("consumo_real", value)])).unwrap();
}

/// Returns the intact side of a finding in a drift file.
fn intact(scene: &Scene, kind: &str, object: &Path) -> Value {
    let lines = read(scene, "drift.ndjson");
    let mut findings = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = findings.find(|finding| finding["kind"] == kind && finding["id"] == *id_of(object));
    found.unwrap_or_else(|| panic!("{kind} of {object:?}: {lines}"))["intact"].clone()
}

#[test]
fn a_difference_shows_which_side_alone_matches_the_id() {
    let (scene, _) = whole();
    let objects = objects_of(&scene, "fazenda_um/2024/01/02");
    let [row, object, both, other] = [0, 1, 2, 3].map(|at: usize| objects[at].as_path());
    change_row(&scene, row, "consumo_real = 1.5");
    change_object(object, "1.5");
    change_row(&scene, both, "consumo_real = 2.5");
    change_object(both, "1.5");
    change_row(&scene, other, "row_ts = datetime(row_ts, '-3 hours')");
    let args = ["reconcile", "--drift", "drift.ndjson", "--report", "audit.html", "--evidence", "evidence"];
    scene.run(&args).expect(1, &[("differing", 4), ("forged_ids", 2)]);
    assert_eq!(intact(&scene, "differing", row), "lake");
    for kind in ["differing", "forged_id"] {
        assert_eq!(intact(&scene, kind, object), "warehouse", "{kind}");
        assert_eq!(intact(&scene, kind, both), Value::Null, "{kind}: neither side is");
    }
    assert_eq!(intact(&scene, "differing", other), Value::Null, "row_ts is no part of the id");
    let csv = read(&scene, "evidence/drift.csv");
    assert!(csv.lines().next().unwrap().ends_with(",reason,intact,repair"), "{csv}");
    assert!(csv.lines().any(|line| line.contains(&id_of(row)) && line.ends_with(",lake,")), "{csv}");
    let (text, page) = (scene.text(&["reconcile"]).stdout, read(&scene, "audit.html"));
    for side in ["lake", "warehouse"] {
        let shown = format!("only the {side}'s values match the id");
        assert!(text.contains(&shown), "{text}");
        assert!(page.contains(&format!("</b>: {}.", shown.replace('\'', "&#x27;"))), "{page}");
    }
}

#[test]
fn a_plan_to_replace_objects_states_how_many_of_them_match_their_ids() {
    let (scene, _) = whole();
    let objects = objects_of(&scene, "fazenda_um/2024/01/02");
    change_row(&scene, &objects[0], "consumo_real = 1.5");
    change_row(&scene, &objects[1], "consumo_real = 1.5");
    change_object(&objects[2], "1.5");
    let repair = ["reconcile", "--repair", "lake", "--trust", "warehouse"];
    let dry_run = [&repair[..], &["--dry-run", "--report", "audit.html"]].concat();
    expect_repaired(&scene.run(&dry_run), &[("objects_replaced", 3), ("intact_overwritten", 2)]);
    let shown =
        "2 of the objects to replace match their id; the rows do not: --repair warehouse would repair the rows instead";
    let text = scene.text(&dry_run).stdout;
    assert!(text.contains(shown) && read(&scene, "audit.html").contains(shown), "{text}");
    expect_repaired(&scene.run(&repair), &[("objects_replaced", 3), ("intact_overwritten", 2), ("failed", 0)]);
    scene.run(&["reconcile"]).expect(0, &[("from_warehouse", 2)]);
}

/// The object has a repair's mark, so it is not forged. The row alone matches the id.
#[test]
fn a_row_that_alone_matches_its_id_is_not_overwritten() {
    let (scene, count) = whole();
    let object = objects_of(&scene, "fazenda_um/2024/01/02").remove(0);
    let original: Value = serde_json::from_str(&std::fs::read_to_string(&object).unwrap()).unwrap();
    change_row(&scene, &object, "consumo_real = 1.5");
    let trust = ["reconcile", "--repair", "lake", "--trust", "warehouse"];
    expect_repaired(&scene.run(&trust), &[("objects_replaced", 1), ("verified", 1)]);
    change_row(&scene, &object, &format!("consumo_real = {}", original["consumo_real"]));
    let damaged = State::of(&scene);
    let ran = scene.run(&["reconcile", "--repair", "both", "--drift", "drift.ndjson"]);
    ran.expect(1, &[("differing", 1), ("forged_ids", 0), ("from_warehouse", 1)]);
    assert_eq!(intact(&scene, "differing", &object), "warehouse");
    expect_repaired(&ran, &[("updated", 0), ("not_repaired", 1), ("failed", 0)]);
    assert!(ran.json["repaired"]["reasons"].to_string().contains("the row matches its id"), "{ran:?}");
    assert!(State::of(&scene) == damaged);
    expect_repaired(&scene.run(&trust), &[("objects_replaced", 1), ("intact_overwritten", 0), ("verified", 1)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count), ("from_warehouse", 0)]);
}

#[test]
fn a_finding_that_is_gone_with_the_new_values_of_its_object_counts_as_resolved() {
    let (scene, count) = whole();
    let objects = objects_of(&scene, "fazenda_um/2024/01/02");
    change_object(&objects[0], "1.5");
    let text = std::fs::read_to_string(&objects[1]).unwrap();
    std::fs::write(&objects[1], with_members(&text, &[("consumo_meta", "1.25")])).unwrap();
    let found = [("differing", 2), ("forged_ids", 1), ("rule_breaks", 1)];
    let repair = ["reconcile", "--repair", "lake", "--trust", "warehouse"];
    let counts = [("objects_replaced", 2), ("also_resolved", 2), ("not_repaired", 0), ("failed", 0)];
    let planned = scene.run(&[&repair[..], &["--dry-run"]].concat());
    expect_repaired(planned.expect(1, &found), &counts);
    assert_eq!(planned.json["repaired"]["reasons"], Value::Array(Vec::new()), "{planned:?}");
    // Without a change of the object, both findings remain.
    let other = scene.run(&["reconcile", "--repair", "warehouse", "--dry-run"]);
    expect_repaired(&other, &[("updated", 1), ("also_resolved", 0), ("not_repaired", 3)]);
    let ran = scene.run(&repair);
    expect_repaired(ran.expect(1, &found), &counts);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
}

#[test]
fn a_finding_remains_if_its_object_could_not_be_replaced() {
    let (scene, _) = whole();
    let object = objects_of(&scene, "fazenda_um/2024/01/02").remove(0);
    change_object(&object, "1.5");
    change_row(&scene, &object, "data = datetime(data, '+1 day')");
    let ran = scene.run(&["reconcile", "--repair", "lake", "--trust", "warehouse"]);
    ran.expect(1, &[("differing", 1), ("forged_ids", 1)]);
    let counts = [("objects_replaced", 0), ("failed", 1), ("also_resolved", 0), ("not_repaired", 1)];
    expect_repaired(&ran, &counts);
    assert!(ran.json["repaired"]["reasons"].to_string().contains("1 forged_id: "), "{ran:?}");
}

fn drift(scene: &Scene, name: &str) -> Vec<Value> {
    read(scene, name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_dry_run_lists_the_first_changes_and_the_drift_file_has_all() {
    let (scene, _) = whole();
    let done = damage(&scene);
    let damaged = State::of(&scene);
    let dry_run = ["reconcile", "--repair", "both", "--dry-run", "--drift", "drift.ndjson"];
    let ran = scene.run(&[&dry_run[..], &["--report", "audit.html", "--evidence", "evidence"]].concat());
    let planned = ran.expect(1, &[]).json["repaired"]["planned"].as_array().unwrap();
    assert_eq!(planned.len() as u64, done.all());
    let (lines, evidence) = (drift(&scene, "drift.ndjson"), drift(&scene, "evidence/drift.ndjson"));
    let counts =
        [("insert_row", done.lake_only), ("update_row", done.differing), ("write_object", done.warehouse_only)];
    for (action, count) in counts {
        for (place, name, list) in
            [("plan", "action", planned), ("drift", "repair", &lines), ("evidence", "repair", &evidence)]
        {
            let found = list.iter().filter(|change| change[name] == action).count();
            assert_eq!(found as u64, count, "{action} in {place}");
        }
    }
    for change in planned.iter().filter(|change| change["action"] == "update_row") {
        let finding = lines.iter().find(|finding| finding["id"] == change["id"]).unwrap();
        for (name, values) in change["fields"].as_object().unwrap() {
            let [lake, warehouse] = [0, 1].map(|side: usize| &finding["fields"][name][side]);
            assert_eq!((&values[0], &values[1]), (warehouse, lake), "{name}: old, new");
        }
    }
    assert!(read(&scene, "evidence/drift.csv").contains(",update_row\n"));
    let text = scene.text(&dry_run).stdout;
    let listed = |what: &str| text.lines().filter(|line| line.starts_with(&format!("  {what} 0"))).count();
    assert_eq!((listed("insert row"), listed("update row"), listed("write object")), (6, 6, 6), "{text}");
    let more = format!("… and {} more rows to update (drift.ndjson has all)", done.differing - 6);
    assert!(text.contains(&more) && text.contains(" → "), "{text}");
    let page = read(&scene, "audit.html");
    assert!(page.contains("<h3>Planned changes</h3>") && page.contains("<th scope=\"row\">update row</th>"), "{page}");
    assert!(page.contains(&format!("{} more changes", done.all() - 18)), "{page}");
    assert!(State::of(&scene) == damaged);

    // A repair has an undo file instead; an audit plans nothing.
    let ran = scene.run(&["reconcile", "--repair", "both", "--drift", "drift.ndjson"]);
    assert_eq!(ran.json["repaired"]["planned"], Value::Array(Vec::new()));
    assert!(drift(&scene, "drift.ndjson").iter().all(|finding| finding["repair"].is_string()));
    change_row(&scene, &objects_of(&scene, "fazenda_um/2024/01/02")[0], "consumo_real = 1.5");
    scene.run(&["reconcile", "--drift", "drift.ndjson"]).expect(1, &[("differing", 1)]);
    assert_eq!(drift(&scene, "drift.ndjson")[0].get("repair"), None);
}

#[test]
fn a_plan_shows_the_values_before_and_after_and_the_side_that_is_written() {
    let (scene, _) = whole();
    let object = objects_of(&scene, "fazenda_um/2024/01/02").remove(0);
    let original: Value = serde_json::from_str(&std::fs::read_to_string(&object).unwrap()).unwrap();
    change_row(&scene, &object, "consumo_real = 1.5");
    let values = |trust: &str| {
        let ran = scene.run(&["reconcile", "--repair", "both", "--trust", trust, "--dry-run"]);
        let planned = ran.json["repaired"]["planned"][0].clone();
        assert_eq!((&planned["id"], &planned["intact"]), (&id_of(&object).into(), &"lake".into()), "{ran:?}");
        let value = |at: usize| planned["fields"]["consumo_real"][at].as_f64();
        (planned["action"].clone(), value(0), value(1))
    };
    let real = original["consumo_real"].as_f64();
    assert_eq!(values("lake"), ("update_row".into(), Some(1.5), real));
    assert_eq!(values("warehouse"), ("replace_object".into(), real, Some(1.5)));
    let text = scene.text(&["reconcile", "--repair", "lake", "--trust", "warehouse", "--dry-run"]).stdout;
    let begin = format!("  replace object {}  consumo_real: ", id_of(&object));
    let line = text.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("{text}"));
    assert!(line.ends_with(" → 1.5  (only the lake's values match the id)"), "{line}");
}

#[test]
fn the_page_of_an_audit_promises_only_what_a_repair_would_change() {
    let (scene, _) = whole();
    let objects = objects_of(&scene, "fazenda_um/2024/01/02");
    // Changed objects, one of them without a row, are not copied; a changed row is repaired.
    change_object(&objects[0], "1.5");
    change_object(&objects[1], "1.5");
    sql(&scene, &format!("DELETE FROM historico_consumo WHERE id_treated_data = '{}'", id_of(&objects[1])));
    change_row(&scene, &objects[2], "consumo_real = 1.5");
    let audit = scene.run(&["reconcile", "--report", "audit.html"]);
    audit.expect(1, &[("differing", 2), ("lake_only", 1), ("forged_ids", 2)]);
    let counts = [("inserted", 0), ("updated", 1), ("objects_written", 0), ("not_repaired", 4)];
    let planned = scene.run(&["reconcile", "--repair", "both", "--dry-run"]);
    expect_repaired(&planned, &counts);
    assert_eq!(planned.json["repairable"], Value::Null);
    for (name, count) in counts {
        assert_eq!(audit.json["repairable"][name], count, "{name}: {audit:?}");
    }
    let page = read(&scene, "audit.html");
    let lines = ["Rows that can be inserted", "Rows that can be updated", "Objects that can be written"];
    for (name, count) in lines.into_iter().chain(["Findings to resolve manually"]).zip([0, 1, 0, 4]) {
        assert!(page.contains(&format!("<dt>{name}</dt><dd>{count}</dd>")), "{name}: {page}");
    }
    assert!(page.contains("Add <code class=\"flag\">--repair warehouse</code>"), "{page}");
}
