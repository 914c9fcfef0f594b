//! Repair and undo with a directory lake and SQLite: exactly the intended changes, compared bit for bit.

use testkit::{Ran, Scene};

use crate::store_state::{State, id_of, objects_of, sql, whole};

/// Damage by [`damage`].
pub(crate) struct Damage {
    pub(crate) lake_only: u64,
    pub(crate) differing: u64,
    pub(crate) warehouse_only: u64,
}

impl Damage {
    pub(crate) fn all(&self) -> u64 {
        self.lake_only + self.differing + self.warehouse_only
    }
}

/// Deletes rows and objects, and changes values by the last bit, to NULL, and to other texts and times.
pub(crate) fn damage(scene: &Scene) -> Damage {
    let of = |day: &str| format!("WHERE cod_cliente = 'FazendaUm' AND date(data) = '{day}'");
    let lake_only = sql(scene, &format!("DELETE FROM historico_consumo {}", of("2024-01-01")));
    let changes = [
        (
            "2024-01-02",
            "peso_medio = peso_medio * 1.0000000000000003, consumo_meta = consumo_meta * 1.0000000000000003",
        ),
        (
            "2024-01-03",
            "consumo_real = consumo_real * 1.0000000000000003, peso_entrada = peso_entrada * 0.9999999999999998",
        ),
        ("2024-01-04", "id_raca = NULL, peso_entrada = NULL, dia_confinamento = NULL, row_ts = NULL"),
        (
            "2024-01-05",
            "id_lote = id_lote || ' ção\n\"', quantidade_animais = -1, row_ts = datetime(row_ts, '-3 hours'), peso_medio = 9e999",
        ),
    ];
    let changed = |(day, set): (&str, &str)| sql(scene, &format!("UPDATE historico_consumo SET {set} {}", of(day)));
    let differing = changes.into_iter().map(changed).sum();
    let lost = scene.path("lake/fazenda_dois/2024/01/06");
    let warehouse_only = std::fs::read_dir(&lost).unwrap().count() as u64;
    std::fs::remove_dir_all(lost).unwrap();
    assert!(lake_only > 5 && differing > 20 && warehouse_only > 5);
    Damage { lake_only, differing, warehouse_only }
}

fn repaired(ran: &Ran, name: &str) -> u64 {
    ran.json["repaired"][name].as_u64().unwrap_or_else(|| panic!("{name}: {ran:#?}"))
}

#[track_caller]
pub(crate) fn expect_repaired(ran: &Ran, counts: &[(&str, u64)]) {
    for (name, count) in counts {
        assert_eq!(repaired(ran, name), *count, "{name}: {ran:#?}");
    }
}

#[test]
fn a_dry_run_changes_nothing_and_shows_the_repair_and_undo_restores_every_bit() {
    let (scene, count) = whole();
    let done = damage(&scene);
    let damaged = State::of(&scene);
    let found = [("lake_only", done.lake_only), ("differing", done.differing), ("warehouse_only", done.warehouse_only)];
    let repair = ["reconcile", "--repair", "both", "--undo-file", "undo.ndjson"];
    let counts = [
        ("inserted", done.lake_only),
        ("updated", done.differing),
        ("objects_written", done.warehouse_only),
        ("objects_replaced", 0),
        ("not_repaired", 0),
        ("failed", 0),
    ];
    let planned = scene.run(&[&repair[..], &["--dry-run"]].concat());
    expect_repaired(planned.expect(1, &found), &counts);
    assert_eq!(planned.json["repaired"]["dry_run"], true);
    assert!(State::of(&scene) == damaged && !scene.path("undo.ndjson").exists(), "a dry run changed something");

    let ran = scene.run(&repair);
    expect_repaired(ran.expect(1, &found), &counts);
    expect_repaired(&ran, &[("verified", done.all())]);
    assert_eq!(ran.json["repaired"]["undo_file"], "undo.ndjson");
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    let repaired_state = State::of(&scene);
    assert_eq!(repaired_state.changed_rows(&damaged) as u64, done.lake_only + done.differing);
    assert_eq!(repaired_state.changed_files(&damaged) as u64, done.warehouse_only);
    let lines = std::fs::read_to_string(scene.path("undo.ndjson")).unwrap().lines().count();
    assert_eq!(lines as u64, done.all());

    let undo = ["undo", "undo.ndjson"];
    let counts = [("changes", done.all()), ("restored", done.all()), ("already_restored", 0), ("modified_since", 0)];
    scene.run(&[&undo[..], &["--dry-run"]].concat()).expect(0, &counts);
    assert!(State::of(&scene) == repaired_state, "a dry run of undo changed something");
    scene.run(&undo).expect(0, &counts);
    assert!(State::of(&scene) == damaged, "not all is as it was");
    scene.run(&undo).expect(0, &[("restored", 0), ("already_restored", done.all()), ("modified_since", 0)]);
    assert!(State::of(&scene) == damaged, "a second undo changed something");
    scene.run(&["reconcile"]).expect(1, &found);
}

/// `--repair warehouse` and `--repair lake` touch their side only, and each run goes into its own undo file.
#[test]
fn one_side_is_repaired_without_the_other() {
    let (scene, count) = whole();
    let done = damage(&scene);
    let damaged = State::of(&scene);
    let ran = scene.run(&["reconcile", "--repair", "lake"]);
    expect_repaired(
        &ran,
        &[("objects_written", done.warehouse_only), ("not_repaired", done.lake_only + done.differing)],
    );
    let undo_file = ran.json["repaired"]["undo_file"].as_str().unwrap();
    assert!(undo_file.starts_with("ruminate-undo-"), "{undo_file}");
    let lake_repaired = State::of(&scene);
    assert_eq!(
        (lake_repaired.changed_rows(&damaged), lake_repaired.changed_files(&damaged) as u64),
        (0, done.warehouse_only)
    );
    let ran = scene.run(&["reconcile", "--repair", "warehouse", "--undo-file", "rows.ndjson"]);
    expect_repaired(&ran, &[("inserted", done.lake_only), ("updated", done.differing), ("not_repaired", 0)]);
    assert_eq!(State::of(&scene).changed_files(&lake_repaired), 0);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    scene.run(&["undo", undo_file]).expect(0, &[("restored", done.warehouse_only)]);
    scene.run(&["undo", "rows.ndjson"]).expect(0, &[("restored", done.lake_only + done.differing)]);
    assert!(State::of(&scene) == damaged);
}

#[test]
fn a_repair_over_its_budget_changes_nothing_and_reports_it() {
    let (scene, count) = whole();
    let all = damage(&scene).all();
    let damaged = State::of(&scene);
    let repair = |max: &str| scene.run(&["reconcile", "--repair", "both", "--undo-file", "u", "--max-repairs", max]);
    let share = 100.0 * all as f64 / count as f64;
    for most in ["0".to_owned(), (all - 1).to_string(), format!("{}%", share - 0.01), "0%".to_owned()] {
        let refused = repair(&most);
        let why = refused.expect(1, &[]).json["repaired"]["over_budget"].as_str().unwrap_or_default();
        assert!(why.contains(&format!("{all} changes")) && why.contains("nothing was changed"), "{refused:?}");
        expect_repaired(&refused, &[("verified", 0)]);
        assert!(State::of(&scene) == damaged && !scene.path("u").exists(), "{most}");
    }
    let printed = scene.text(&["reconcile", "--repair", "both", "--max-repairs", "1"]).stdout;
    assert!(printed.contains("more than --max-repairs 1: nothing was changed"), "{printed}");
    // The limit itself is accepted.
    expect_repaired(&repair(&all.to_string()), &[("verified", all)]);
    scene.run(&["reconcile"]).expect(0, &[]);
    scene.run(&["undo", "u"]).expect(0, &[("restored", all)]);
    expect_repaired(&repair(&format!("{}%", share + 0.01)), &[("verified", all)]);
    for invalid in ["-1", "101%", "all"] {
        assert_eq!(repair(invalid).code, Some(2), "{invalid}");
    }
}

/// Returns the text of an object with other values for some members; the rest is unchanged.
pub(crate) fn with_members(text: &str, members: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (name, value) in members {
        let begin = text.find(&format!("\"{name}\":")).unwrap() + name.len() + 3;
        let end = begin + text[begin..].find([',', '}']).unwrap();
        text.replace_range(begin..end, value);
    }
    text
}

#[test]
fn a_trusted_warehouse_writes_its_values_into_objects_and_leaves_all_else_in_them() {
    let (scene, count) = whole();
    let objects = objects_of(&scene, "fazenda_um/2024/01/02");
    // An object with more members than a record, in another order.
    let text = std::fs::read_to_string(&objects[0]).unwrap();
    let nota = r#"{"nota":{"ração":[1, 2.50]},"longo":123456789012345678901234567890,"#;
    std::fs::write(&objects[0], text.replacen('{', nota, 1)).unwrap();
    let set = "UPDATE historico_consumo SET consumo_real = 7.123456789012345, quantidade_animais = 50, id_raca = 'a\"b' \
               WHERE cod_cliente = 'FazendaUm' AND date(data) = '2024-01-02'";
    let changed = sql(&scene, set);
    assert_eq!(changed, objects.len() as u64);
    let damaged = State::of(&scene);
    let lake = scene.run(&["reconcile", "--repair", "warehouse", "--trust", "warehouse"]);
    expect_repaired(&lake, &[("updated", 0), ("objects_replaced", 0), ("not_repaired", changed)]);
    let reasons = lake.json["repaired"]["reasons"].to_string();
    assert!(reasons.contains("the warehouse is trusted"), "{reasons}");
    assert!(State::of(&scene) == damaged);

    let repair = ["reconcile", "--repair", "both", "--trust", "warehouse", "--undo-file", "u"];
    let planned = scene.run(&[&repair[..], &["--dry-run"]].concat());
    expect_repaired(&planned, &[("objects_replaced", changed), ("updated", 0)]);
    assert!(State::of(&scene) == damaged);
    expect_repaired(&scene.run(&repair), &[("objects_replaced", changed), ("verified", changed), ("failed", 0)]);
    let repaired_state = State::of(&scene);
    assert_eq!((repaired_state.changed_rows(&damaged), repaired_state.changed_files(&damaged) as u64), (0, changed));
    for object in &objects {
        let before = String::from_utf8(damaged.files[object].clone()).unwrap();
        let values =
            [("consumo_real", "7.123456789012345"), ("quantidade_animais", "\"50\""), ("id_raca", r#""a\"b""#)];
        let after = String::from_utf8(repaired_state.files[object].clone()).unwrap();
        let (unmarked, mark) = after.rsplit_once(",\"repaired_id\":").expect("the mark of a repair");
        assert!(mark.len() == 39, "{mark}");
        assert_eq!(format!("{unmarked}}}"), with_members(&before, &values));
    }
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    scene.run(&["undo", "u"]).expect(0, &[("restored", changed)]);
    assert!(State::of(&scene) == damaged);
}

/// Values that no object can have, or that would move it to another path, are reported and left as they are.
#[test]
fn a_trusted_warehouse_with_values_that_no_object_can_have_changes_nothing() {
    let (scene, _) = whole();
    let objects = objects_of(&scene, "fazenda_um/2024/01/02");
    let set = |at: usize, set: &str| {
        let id = id_of(&objects[at]);
        assert_eq!(sql(&scene, &format!("UPDATE historico_consumo SET {set} WHERE id_treated_data = '{id}'")), 1);
    };
    set(0, "id_raca = NULL");
    set(1, "data = datetime(data, '+1 day')");
    set(2, "cod_cliente = 'FazendaDois'");
    set(3, "quantidade_animais = -3");
    set(4, "consumo_real = 5.5");
    let damaged = State::of(&scene);
    let ran = scene.run(&["reconcile", "--repair", "lake", "--trust", "warehouse", "--undo-file", "u"]);
    expect_repaired(ran.expect(1, &[("differing", 5)]), &[("objects_replaced", 1), ("failed", 4)]);
    let problems = ran.json["repaired"]["problems"].to_string();
    for (at, why) in [(0, "NULL"), (1, "path"), (2, "path"), (3, "values that no record can have")] {
        let id = id_of(&objects[at]);
        let kept = ran.json["repaired"]["problems"]["items"].as_array().unwrap();
        let printed = kept.iter().find(|problem| problem.to_string().contains(&id));
        assert!(printed.is_some_and(|problem| problem.to_string().contains(why)), "{why}: {problems}");
    }
    let now = State::of(&scene);
    assert_eq!((now.changed_rows(&damaged), now.changed_files(&damaged)), (0, 1));
    assert!(now.files[&objects[4]] != damaged.files[&objects[4]]);
    // The lake's values repair rows that the warehouse's values could not.
    scene.run(&["reconcile", "--repair", "both"]);
    scene.run(&["reconcile"]).expect(0, &[]);
}
