//! The undo file: its content after failures, changes that it does not revert, and findings that a repair does not touch.

use std::path::PathBuf;

use serde_json::json;
use testkit::{Ran, Scene};

use crate::repair::{damage, expect_repaired};
use crate::store_state::{State, id_of, objects_of, sql, whole};

const REPAIR: [&str; 5] = ["reconcile", "--repair", "both", "--undo-file", "undo.ndjson"];
const UNDO: [&str; 2] = ["undo", "undo.ndjson"];

#[test]
fn undo_does_not_change_what_was_modified_since_and_names_it() {
    let (scene, _) = whole();
    let done = damage(&scene);
    let damaged = State::of(&scene);
    expect_repaired(&scene.run(&REPAIR), &[("verified", done.all())]);
    // An inserted, an updated and a deleted row; a written object and a deleted one.
    let first = |day: &str| objects_of(&scene, day).into_iter().next().unwrap();
    let (inserted, updated) = (first("fazenda_um/2024/01/01"), first("fazenda_um/2024/01/02"));
    let gone = first("fazenda_um/2024/01/03");
    for object in [&inserted, &updated] {
        let set = format!("UPDATE historico_consumo SET consumo_real = 3 WHERE id_treated_data = '{}'", id_of(object));
        assert_eq!(sql(&scene, &set), 1);
    }
    sql(&scene, &format!("DELETE FROM historico_consumo WHERE id_treated_data = '{}'", id_of(&gone)));
    let written = objects_of(&scene, "fazenda_dois/2024/01/06");
    std::fs::write(&written[0], [std::fs::read(&written[0]).unwrap(), b"\n".to_vec()].concat()).unwrap();
    std::fs::remove_file(&written[1]).unwrap();
    let since = State::of(&scene);
    // The deleted object did not exist before the repair, so nothing has to be reverted.
    let counts =
        [("changes", done.all()), ("restored", done.all() - 5), ("modified_since", 4), ("already_restored", 1)];
    scene.run(&[&UNDO[..], &["--dry-run"]].concat()).expect(1, &counts);
    assert!(State::of(&scene) == since);
    let undone = scene.run(&UNDO);
    undone.expect(1, &counts);
    let printed = undone.json["problems"].to_string();
    for object in [&inserted, &updated, &gone, &written[0]] {
        assert!(printed.contains(&id_of(object)), "{object:?} in {printed}");
    }
    let now = State::of(&scene);
    for object in [&inserted, &updated, &gone] {
        let id = id_of(object);
        assert_eq!(now.rows.get(&id), since.rows.get(&id));
    }
    assert_eq!(now.files.get(&written[0]), since.files.get(&written[0]));
    assert_eq!((now.changed_rows(&damaged), now.changed_files(&damaged)), (3, 1), "all else is as it was");
    scene.run(&UNDO).expect(1, &[("restored", 0), ("already_restored", done.all() - 4), ("modified_since", 4)]);
    assert!(State::of(&scene) == now);
}

#[test]
fn nothing_is_changed_without_its_undo_entry() {
    let (scene, _) = whole();
    damage(&scene);
    let damaged = State::of(&scene);
    std::fs::create_dir(scene.path("folder")).unwrap();
    for (file, why) in [("/dev/full", "No space left"), ("none/such/undo", "No such file"), ("folder", "directory")] {
        for side in ["warehouse", "lake", "both"] {
            let ran = scene.run(&["reconcile", "--repair", side, "--undo-file", file]);
            expect_repaired(ran.expect(3, &[]), &[("verified", 0), ("inserted", 0), ("updated", 0)]);
            let printed = ran.json["repaired"]["stopped"].as_str().unwrap();
            assert!(printed.contains("the undo file cannot be written") && printed.contains(why), "{printed}");
            assert!(State::of(&scene) == damaged, "{file} {side}");
            assert_eq!(ran.json["repaired"]["undo_file"], json!(null), "nothing is in it");
        }
        let printed = scene.text(&["reconcile", "--repair", "both", "--undo-file", file]).stdout;
        assert!(printed.contains("nothing is changed without it"), "{printed}");
    }
}

/// The disk is full during the repair: earlier changes have their lines, and can be reverted.
#[test]
fn a_disk_that_fills_up_stops_the_repair_before_a_change_without_an_undo_entry() {
    let (scene, count) = whole();
    let lost: Vec<PathBuf> = objects_of(&scene, "fazenda_dois");
    lost.iter().for_each(|object| std::fs::remove_file(object).unwrap());
    let damaged = State::of(&scene);
    expect_repaired(&scene.run(&REPAIR), &[("objects_written", lost.len() as u64)]);
    let whole_size = std::fs::metadata(scene.path("undo.ndjson")).unwrap().len();
    scene.run(&UNDO).expect(0, &[]);
    std::fs::remove_file(scene.path("undo.ndjson")).unwrap();
    assert!(State::of(&scene) == damaged);
    let full = limited(&scene, whole_size * 2 / 3, &[&REPAIR[..], &["--output", "json"]].concat());
    full.expect(3, &[]);
    let printed = full.json["repaired"]["stopped"].as_str().unwrap();
    assert!(printed.contains("the undo file cannot be written"), "{printed}");
    let written = full.json["repaired"]["objects_written"].as_u64().unwrap();
    let text = std::fs::read_to_string(scene.path("undo.ndjson")).unwrap();
    let lines = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count() as u64;
    assert!(!text.ends_with('\n') && written > 10 && written < lost.len() as u64, "{written}");
    assert_eq!((lines, State::of(&scene).changed_files(&damaged) as u64), (written, written));
    // With space again, the repair continues in the same file, and everything can be reverted.
    let rest = lost.len() as u64 - written;
    expect_repaired(&scene.run(&REPAIR), &[("objects_written", rest), ("verified", rest)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    scene.run(&UNDO).expect(1, &[("restored", lost.len() as u64), ("truncated_lines", 1), ("modified_since", 0)]);
    assert!(State::of(&scene) == damaged);
}

/// Runs the binary with a limit on the size of files, in bytes.
fn limited(scene: &Scene, max: u64, args: &[&str]) -> Ran {
    let ran = scene.command(args);
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", max / 512);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script, "sh"]).arg(ran.get_program()).args(ran.get_args()).current_dir(scene.home.path());
    for (name, value) in ran.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Ran::of(&shell.output().unwrap())
}

#[test]
fn a_truncated_last_line_does_not_affect_others() {
    let (scene, _) = whole();
    let done = damage(&scene);
    let damaged = State::of(&scene);
    expect_repaired(&scene.run(&REPAIR), &[("verified", done.all())]);
    let text = std::fs::read(scene.path("undo.ndjson")).unwrap();
    std::fs::write(scene.path("undo.ndjson"), &text[..text.len() - 40]).unwrap();
    let undone = scene.run(&UNDO);
    undone.expect(1, &[("restored", done.all() - 1), ("truncated_lines", 1), ("modified_since", 0)]);
    assert!(undone.json["problems"].to_string().contains(&format!("line {}", done.all())), "{undone:?}");
    let now = State::of(&scene);
    assert_eq!(now.changed_rows(&damaged) + now.changed_files(&damaged), 1, "only that of the line");
    // A missing line end is not a missing line.
    std::fs::write(scene.path("undo.ndjson"), &text[..text.len() - 1]).unwrap();
    scene.run(&UNDO).expect(0, &[("restored", 1), ("already_restored", done.all() - 1), ("truncated_lines", 0)]);
    assert!(State::of(&scene) == damaged);
}

#[test]
fn an_undo_file_of_other_stores_or_none_at_all_changes_nothing() {
    let (scene, _) = whole();
    damage(&scene);
    scene.run(&REPAIR);
    let repaired_state = State::of(&scene);
    let text = std::fs::read_to_string(scene.path("undo.ndjson")).unwrap();
    let (rows, objects): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains("\"table\":"));
    let lines = |lines: &[&str]| lines.join("\n");
    let other = |line: &str| line.replace("/lake\",\"key\"", "/other\",\"key\"");
    let of_other_lake = other(objects[0]);
    assert_ne!(of_other_lake, objects[0]);
    let table = rows[0].replace("\"historico_consumo\"", "\"historico_velho\"");
    let number = rows[0].replacen("\"peso_medio\":", "\"peso_medio\":\"x\",\"era\":", 1);
    assert!(number != rows[0] && table != rows[0]);
    let cases = [
        ("garbage", "a,b\n1,2\n".to_owned(), "not an undo file"),
        ("binary", "\u{1}\u{0}\u{7f}".repeat(500), "not an undo file"),
        ("drift", "{\"kind\":\"lake_only\",\"id\":\"x\"}\n".to_owned(), "line 1"),
        ("last", lines(&[rows[0], "{\"kind\":\"lake_only\"}"]), "line 2"),
        ("table", lines(&[rows[0], &table]), "was written for the table historico_velho, not historico_consumo"),
        ("kind", lines(&[rows[1], &number]), "peso_medio"),
        ("lake", of_other_lake.clone(), "check --lake"),
        ("lake and rows", lines(&[&of_other_lake, rows[0], rows[1]]), "check --lake"),
        ("rows and lake", lines(&[rows[0], objects[1], &of_other_lake]), "check --lake"),
    ];
    for (name, text, why) in cases {
        std::fs::write(scene.path("changes.ndjson"), text).unwrap();
        let refused = scene.run(&["undo", "changes.ndjson"]);
        assert!(refused.code == Some(2) && refused.stderr.contains(why), "{name}: {refused:?}");
        assert!(refused.stderr.contains("changes.ndjson"), "{name} names its file: {refused:?}");
        assert!(State::of(&scene) == repaired_state, "{name} changed something");
    }
    let refused = scene.run(&["undo", "none"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("none"), "{refused:?}");
    std::fs::write(scene.path("changes.ndjson"), "").unwrap();
    scene.run(&["undo", "changes.ndjson"]).expect(0, &[("changes", 0)]);
    assert!(State::of(&scene) == repaired_state);
}

/// Every ambiguous case is reported with the reason, and stays unchanged to the byte.
#[test]
fn ambiguous_repairs_are_skipped_with_reasons() {
    let (scene, _) = whole();
    let objects = objects_of(&scene, "fazenda_um/2024/01/02");
    let text = |object: &PathBuf| std::fs::read_to_string(object).unwrap();
    let copy_of =
        |object: &PathBuf| PathBuf::from(object.display().to_string().replace("00:00:00.000", "00:00:01.000"));
    let with = |object: &PathBuf, name: &str, value: &str| crate::repair::with_members(&text(object), &[(name, value)]);
    // A copy, and one with other values.
    std::fs::copy(&objects[0], copy_of(&objects[0])).unwrap();
    std::fs::write(copy_of(&objects[1]), with(&objects[1], "consumo_real", "1.5")).unwrap();
    // A target that breaks the rule, on both sides.
    std::fs::write(&objects[2], with(&objects[2], "consumo_meta", "1.25")).unwrap();
    let rule =
        format!("UPDATE historico_consumo SET consumo_meta = 1.25 WHERE id_treated_data = '{}'", id_of(&objects[2]));
    assert_eq!(sql(&scene, &rule), 1);
    // Another reading of the same pen, lot and time.
    let other = [("consumo_real", "1.75"), ("id_treated_data", "null")];
    let copy = crate::repair::with_members(&text(&objects[3]), &other);
    std::fs::write(scene.path("again.json"), format!("{copy}\n")).unwrap();
    scene.run(&["backfill", "again.json"]).expect(0, &[("inserted", 1)]);
    let misfiled = PathBuf::from(objects[4].display().to_string().replace("fazenda_um", "fazenda_dois"));
    std::fs::rename(&objects[4], &misfiled).unwrap();
    std::fs::write(&objects[5], "{\"id_curral\":").unwrap();
    std::fs::write(&objects[6], "{\"id_curral\":\"1\"}").unwrap();
    let damaged = State::of(&scene);
    let counts = [
        ("duplicate_objects", 2),
        ("forged_ids", 1),
        ("rule_breaks", 1),
        ("logical_duplicates", 1),
        ("misfiled", 1),
        ("unreadable", 1),
        ("rejected", 1),
        ("lake_only", 0),
        ("warehouse_only", 0),
        ("differing", 0),
    ];
    for trust in ["lake", "warehouse"] {
        let ran = scene.run(&[&REPAIR[..], &["--trust", trust]].concat());
        expect_repaired(ran.expect(1, &counts), &[("not_repaired", 8), ("failed", 0), ("verified", 0)]);
        let reasons = ran.json["repaired"]["reasons"].to_string();
        for why in [
            "2 duplicate_object: a repair never deletes objects",
            "1 rule_break: which side is wrong is not known",
            "1 logical_duplicate: which reading is correct is not known",
            "1 misfiled: a repair never moves objects",
            "1 unreadable: a repair does not overwrite objects",
            "1 rejected: a repair does not overwrite objects",
        ] {
            assert!(reasons.contains(why), "{why} in {reasons}");
        }
        assert_eq!(ran.json["repaired"]["undo_file"], json!(null));
        assert!(State::of(&scene) == damaged && !scene.path("undo.ndjson").exists());
    }
}

/// Runs the line that a repair prints in a shell without other settings.
#[test]
fn the_printed_undo_command_can_be_pasted() {
    let (scene, _) = whole();
    let done = damage(&scene);
    let damaged = State::of(&scene);
    let printed = scene.text(&["reconcile", "--repair", "both", "--undo-file", "my undo.ndjson"]);
    let line = printed.stdout.lines().find_map(|line| line.trim().strip_prefix("to revert, run: ruminate ")).unwrap();
    assert!(printed.stdout.contains("exit code 1: the audit before the repair found drift"), "{}", printed.stdout);
    let binary = scene.command(&[]).get_program().to_owned().into_string().unwrap();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("{binary} {line} --output json")]).current_dir(scene.home.path());
    shell.env_remove("RUMINATE_LAKE").env_remove("RUMINATE_WAREHOUSE");
    Ran::by(&mut shell).expect(0, &[("restored", done.all())]);
    assert!(State::of(&scene) == damaged);
    assert!(!std::fs::read_to_string(scene.path("my undo.ndjson")).unwrap().is_empty());
}

#[test]
fn an_undo_file_of_rows_needs_no_lake_and_one_of_objects_reports_that() {
    let (scene, _) = whole();
    damage(&scene);
    scene.run(&["reconcile", "--repair", "warehouse", "--undo-file", "rows"]).expect(1, &[]);
    scene.run(&["reconcile", "--repair", "lake", "--undo-file", "objects"]).expect(1, &[]);
    let undo = |file: &str| {
        let mut command = scene.command(&["undo", file, "--output", "json"]);
        Ran::by(command.env_remove("RUMINATE_LAKE"))
    };
    let refused = undo("objects");
    assert!(refused.code == Some(2) && refused.stderr.contains("--lake"), "{refused:?}");
    undo("rows").expect(0, &[]);
}

#[test]
fn a_dry_run_without_a_repair_suggests_what_to_do() {
    let (scene, _) = whole();
    let refused = scene.run(&["reconcile", "--dry-run"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("add --repair warehouse, lake or both"), "{refused:?}");
}
