//! Output on limited terminals and in files: other locales, no colors, few columns.

use std::process::Command;

use testkit::{Ran, Scene};

const COMMANDS: [&str; 13] = [
    "demo",
    "init",
    "doctor",
    "generate",
    "publish",
    "backfill",
    "process",
    "replay",
    "reconcile",
    "undo",
    "bundle",
    "completions",
    "man",
];

/// Returns the output of a command on a terminal with N columns, through the `script` of util-linux. The variable
/// `TEST_ROWS` sets the number of rows.
pub fn on_terminal(scene: &Scene, columns: u32, variables: &[(&str, &str)], args: &[&str]) -> String {
    let binary = scene.command(&[]).get_program().to_owned().into_string().unwrap();
    let line = format!("stty cols {columns} rows ${{TEST_ROWS:-50}}; {binary} {}", args.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(scene.home.path());
    for (name, value) in scene.command(&[]).get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    // With `CI` set, colors are printed on any terminal.
    script.env_remove("CI");
    let output = script.envs(variables.iter().copied()).stdin(std::process::Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns a scene with a small ingested history, of which one row is missing.
fn damaged() -> Scene {
    let scene = Scene::embedded();
    scene.history(1, 5, 2);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    scene.sql("DELETE FROM historico_consumo WHERE rowid = 1");
    scene
}

#[test]
fn without_utf_8_everything_printed_is_ascii() {
    let scene = damaged().with("LC_ALL", "C");
    let topic = ["publish", "history.json", "--topic", "local"];
    let runs: [&[&str]; 8] = [
        &["--help"],
        &["demo", "--dir", "demo"],
        &["replay", "--dry-run"],
        &["reconcile"],
        &["replay"],
        &topic,
        &["doctor"],
        &["generate", "--faults", "x=1"],
    ];
    let help = COMMANDS.iter().flat_map(|command| ["-h", "--help"].map(|flag| vec![*command, flag]));
    for args in runs.map(<[&str]>::to_vec).into_iter().chain(help) {
        let Ran { stdout, stderr, .. } = scene.text(&args);
        let non_ascii = stdout.chars().chain(stderr.chars()).find(|c| !c.is_ascii());
        assert_eq!(non_ascii, None, "{args:?}: {stdout}{stderr}");
    }
    let utf8 = scene.with("LC_ALL", "pt_BR.UTF-8").text(&["--help"]);
    assert!(utf8.stdout.contains('→'), "{}", utf8.stdout);
}

#[test]
fn what_is_redirected_has_no_control_characters() {
    let scene = damaged();
    let runs: [&[&str]; 5] =
        [&["-h"], &["replay", "-h"], &["demo", "--dir", "demo"], &["replay", "--dry-run"], &["reconcile"]];
    for args in runs {
        let Ran { stdout, stderr, .. } = scene.text(args);
        for text in [stdout, stderr] {
            assert!(!text.contains(['\x1b', '\r', '\x08']), "{args:?}: {text:?}");
        }
    }
}

#[test]
fn a_dumb_terminal_gets_no_escape_sequences() {
    let scene = damaged();
    for args in [&["reconcile"][..], &["replay"], &["replay", "-h"], &["-h"], &["replay", "--nothing"]] {
        let text = on_terminal(&scene, 80, &[("TERM", "dumb")], args);
        assert!(text.contains("re") && !text.contains('\x1b'), "{args:?}: {text:?}");
    }
}

#[test]
fn no_color_is_respected() {
    let scene = damaged();
    for args in [&["replay", "-h"][..], &["doctor", "--config", "none"], &["replay", "--nothing"]] {
        let text = on_terminal(&scene, 80, &[("TERM", "xterm-256color"), ("NO_COLOR", "1")], args);
        assert!(!text.contains("\x1b[3") && !text.contains("\x1b[9"), "{args:?}: {text:?}");
    }
}

/// Long words, such as flags and addresses, cannot be broken; nothing else may be wider than the terminal.
#[test]
fn help_fits_into_forty_columns() {
    let scene = Scene::new();
    for command in COMMANDS {
        let text = on_terminal(&scene, 40, &[("TERM", "dumb")], &[command, "-h"]);
        for line in text.lines().map(str::trim_end) {
            let longest = line.split_whitespace().map(str::len).max().unwrap_or(0);
            let breaks = longest < 24 && !line.trim_start().starts_with('-') && !line.starts_with("Usage");
            assert!(line.chars().count() <= 40 || !breaks, "{command}: {line}\n{text}");
        }
    }
}
