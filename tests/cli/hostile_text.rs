//! Names and values that would control a terminal, forge a line, or be a formula: they are shown without effect.

use std::path::Path;

use pipeline::record::Column;
use testkit::{Ran, Scene, copy_rows};

/// Text that clears the screen, sets a title, sets colors by a C1 control, reverses the text direction, and forges a
/// line.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}\r\nerror: forged\u{2066}";

/// Asserts that a text has no character that controls a terminal, and no forged line.
#[track_caller]
fn harmless(what: &str, text: &str) {
    let is_control = |c: char| c != '\n' && pipeline::printable::is_control(c);
    assert!(!text.chars().any(is_control), "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{what}: {text}");
}

#[track_caller]
fn harmless_run(what: &str, ran: &Ran) {
    harmless(&format!("{what}: stdout"), &ran.stdout);
    harmless(&format!("{what}: stderr"), &ran.stderr);
}

/// Returns every format of output and logs of a command.
fn all_outputs(scene: &Scene, args: &[&str]) {
    for more in [&[][..], &["--output", "json"], &["-v"], &["-vv", "--log-format", "json"]] {
        let ran = scene.text(&[args, more].concat());
        harmless_run(&format!("{args:?} {more:?}"), &ran);
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
#[cfg(unix)]
fn nothing_in_names_and_values_reaches_a_terminal_a_page_or_a_table_as_control() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    scene.history(1, 3, 2);
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    let text = std::fs::read_to_string(scene.path("history.json")).unwrap();
    // Values of messages: a weight and a farm that are rejected, and texts that are stored.
    let value = serde_json::Value::from(HOSTILE).to_string();
    let mut lines = String::new();
    for (name, line) in ["peso_medio", "data", "id_curral", "cod_cliente", "id_lote"].into_iter().zip(text.lines()) {
        let mut reading: serde_json::Value = serde_json::from_str(line).unwrap();
        reading[name] = HOSTILE.into();
        lines += &format!("{reading}\n");
    }
    lines += &format!("{value}\n");
    write(&scene.path(HOSTILE.replace('/', "_").as_str()), &lines);
    all_outputs(&scene, &["backfill", HOSTILE]);
    // Names of objects, in a partition and outside of any, and an object that cannot be read.
    let day = scene.path("lake/fazenda_um/2024/01/01");
    write(&day.join(HOSTILE), "{}");
    write(&scene.path("lake").join(HOSTILE), "{}");
    write(&day.join("historico_consumo_2024-01-01 00:00:00.000_x.json"), &format!("{{\"data\":{value}}}"));
    // Rows without an object.
    let values = [
        (Column::IdTreatedData, "'a' || char(27) || '[2J' || char(8238) || char(10) || 'error: forged'"),
        (Column::IdCurral, "'=1+1'"),
        (Column::IdRaca, "char(155) || '31m'"),
        (Column::IdLote, "'a;=HYPERLINK(1)'"),
        (Column::CodCliente, "'x' || char(27)"),
    ];
    scene.sql(&copy_rows(&values, "LIMIT 1"));
    all_outputs(&scene, &["replay", "--report", "replay.html"]);
    all_outputs(&scene, &["replay", "--dry-run"]);
    all_outputs(&scene, &["reconcile", "--report", "audit.html"]);
    all_outputs(&scene, &["reconcile", "--repair", "both", "--dry-run"]);
    scene.text(&["reconcile", "--evidence", "evidence"]);
    for page in ["replay.html", "audit.html", "evidence/report.html"] {
        harmless(page, &std::fs::read_to_string(scene.path(page)).unwrap());
    }
    let mut tables = 0;
    for entry in std::fs::read_dir(scene.path("evidence")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".csv") {
            continue;
        }
        tables += 1;
        let text = std::fs::read_to_string(&entry).unwrap();
        harmless(&name, &text);
        let formula = |part: &str| part.trim_start_matches(['"', ' ']).starts_with(['=', '@']);
        for line in text.lines() {
            assert!(!line.split([',', ';']).any(formula), "{name}: {line}");
        }
    }
    assert!(tables >= 3, "{tables} tables");
    let drift = std::fs::read_to_string(scene.path("evidence/drift.csv")).unwrap();
    assert!(drift.contains("a;'=HYPERLINK(1)") && drift.contains("'=1+1"), "{drift}");
    // An error that names such a file.
    let missing = format!("none{HOSTILE}");
    harmless_run("error", &scene.text(&["backfill", &missing]));
}
