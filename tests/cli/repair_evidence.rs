//! What a repair shows: its plan, the side that is intact, and its result.

use std::path::Path;

use testkit::Scene;

use crate::repair::expect_repaired;
use crate::store_state::{id_of, objects_of, sql, whole};

/// Changes the row of an object.
fn change_row(scene: &Scene, object: &Path, set: &str) {
    let statement = format!("UPDATE historico_consumo SET {set} WHERE id_treated_data = '{}'", id_of(object));
    assert_eq!(sql(scene, &statement), 1);
}

fn read(scene: &Scene, name: &str) -> String {
    std::fs::read_to_string(scene.path(name)).unwrap()
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
