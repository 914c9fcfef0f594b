//! Progress on a terminal, as an emulator shows it: it fits, and is removed at the end.

use testkit::Scene;

use crate::terminal::on_terminal;

/// Rows of the emulated screen: all output fits without scrolling.
const ROWS: u16 = 3_000;

/// Returns the final content of a screen with this width, line by line.
fn screen(output: &str, columns: u16) -> Vec<String> {
    let mut terminal = vt100::Parser::new(ROWS, columns, 0);
    terminal.process(output.as_bytes());
    let lines = terminal.screen().rows(0, columns);
    lines.map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Replaces the parts that differ from run to run.
fn plain(line: &str) -> String {
    let kept = line.chars().filter(|c| !c.is_ascii_hexdigit() && !" .,".contains(*c));
    kept.collect::<String>().replace("min", "")
}

fn damaged() -> Scene {
    let scene = Scene::embedded();
    scene.history(2, 60, 20);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    scene.sql("DELETE FROM historico_consumo WHERE rowid % 7 = 1");
    scene
}

#[test]
fn no_progress_line_remains_on_the_screen() {
    let scene = damaged();
    for args in
        [&["demo"][..], &["reconcile"], &["reconcile", "--repair", "both", "--dry-run"], &["replay", "--dry-run"]]
    {
        let redirected = scene.text(args);
        let expected: Vec<String> = redirected.stdout.lines().map(plain).collect();
        let is_timing = |line: &str| line.contains("latency ") || line.contains("service time ");
        for locale in ["C.UTF-8", "C"] {
            let output = on_terminal(&scene, 300, &[("TERM", "xterm-256color"), ("LC_ALL", locale)], args);
            // A dry run of a small lake ends before anything is drawn.
            assert!(args.contains(&"--dry-run") || output.contains("\x1b["), "progress was drawn: {args:?}");
            for line in screen(&output, 300) {
                let same = expected.contains(&plain(&line))
                    || is_timing(&line)
                    || line.contains(" INFO ")
                    || line.contains("-> ");
                assert!(same || locale == "C", "{args:?}: {line:?} is not a result");
                assert!(!line.contains(" left") && !line.contains("0 of "), "{args:?}: {line:?}");
            }
            assert!(locale != "C" || output.is_ascii(), "{args:?}: {:?}", output.chars().find(|c| !c.is_ascii()));
        }
    }
}

#[test]
fn progress_and_results_fit_into_forty_columns_even_if_the_terminal_reports_no_rows() {
    let scene = damaged();
    for rows in [0, 50] {
        let terminal = [("TERM", "xterm-256color"), ("TEST_ROWS", if rows == 0 { "0" } else { "50" })];
        for args in [&["reconcile"][..], &["replay"], &["publish", "history.json", "--topic", "local"]] {
            let output = on_terminal(&scene, 40, &terminal, args);
            for line in screen(&output, 40) {
                assert!(!line.contains(" left") && !line.contains("batches in flight"), "{args:?}: {line:?}");
            }
            // A word is broken only if it is longer than the terminal, or part of a path or a command.
            let broken = output.lines().map(|line| line.trim_end_matches('\r')).filter(|line| {
                let shown = line.rsplit('\x1b').next().unwrap_or_default();
                !line.contains('\x1b')
                    && shown.chars().count() > 40
                    && !shown.contains('/')
                    && !shown.contains("ruminate ")
                    && shown.split_whitespace().all(|word| word.len() < 36)
            });
            assert_eq!(broken.collect::<Vec<_>>(), Vec::<&str>::new(), "{args:?}");
        }
    }
}

/// Rows are counted once their transaction has ended, which takes a while; objects are counted when they are read.
#[test]
fn a_replay_shows_the_objects_that_it_has_read() {
    let scene = damaged();
    let args = ["replay", "--rows-per-second", "1000"];
    let output = on_terminal(&scene, 100, &[("TERM", "xterm-256color")], &args);
    let mut counts = output.split("lake ").skip(1).filter_map(|rest| rest.trim_start().split_once(" objects"));
    let is_count = |text: &str| !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit() || b == b',');
    assert!(counts.any(|(count, _)| is_count(count)), "{output}");
}
