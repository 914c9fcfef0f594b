//! The READMEs: their commands run as written, and both languages have the same commands.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::process::Command;

use testkit::{Scene, built};

use crate::reference::repository;

/// Mark on the line above a block that is not run.
const NOT_RUN: &str = "<!-- not run:";

/// Programs of the README: built by this test's cargo, and not installed.
const PRELUDE: &str = r#"
set -eu
servers=
trap 'kill $servers 2>/dev/null || true' EXIT
cargo() {
    case "$*" in
        "run --release -- "*) shift 3; ruminate "$@" ;;
        "run --release -p ruminate-testkit --bin "*) program=$6; shift 7; exec "$program" "$@" ;;
        *) echo "what is cargo $*?" >&2; exit 9 ;;
    esac
}
"#;

/// A block of code with its language, and whether it is run.
#[derive(Debug, PartialEq)]
struct Block {
    language: String,
    text: String,
    is_run: bool,
}

fn blocks(name: &str) -> Vec<Block> {
    let page = fs::read_to_string(repository(name)).unwrap();
    let (mut blocks, mut before) = (Vec::new(), "");
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            blocks.push(Block { language: language.to_owned(), text, is_run: !before.starts_with(NOT_RUN) });
        }
        before = line;
    }
    blocks
}

#[test]
fn both_languages_have_the_same_code() {
    let (english, portuguese) = (blocks("README.md"), blocks("README.pt-BR.md"));
    for (one, other) in english.iter().zip(&portuguese) {
        if one.language != "mermaid" {
            assert_eq!(one, other);
        }
    }
    assert_eq!(english.len(), portuguese.len());
}

#[test]
fn both_are_short_and_name_the_two_commands() {
    for name in ["README.md", "README.pt-BR.md"] {
        let page = fs::read_to_string(repository(name)).unwrap();
        assert!(page.lines().count() <= 250, "{name}");
        for command in ["cargo run --release -- demo", "scripts/test"] {
            assert!(page.contains(command), "{name}: {command}");
        }
    }
}

/// Returns the commands of a page as one script.
fn script(name: &str, prelude: &str) -> String {
    let run: Vec<_> = blocks(name).into_iter().filter(|block| block.language == "sh" && block.is_run).collect();
    assert!(run.len() >= 6, "{run:?}");
    let mut script = prelude.to_owned();
    for (n, block) in run.iter().enumerate() {
        write!(script, "echo '== block {}' >&2\n{}", n + 1, block.text).unwrap();
    }
    script
}

/// Runs a script in an empty directory, which must succeed and leave these files.
#[track_caller]
fn run(script: &str, files: &[&str]) {
    let scene = Scene::new();
    let program = scene.command(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(scene.home.path());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let programs = built("ruminate");
    let path = format!("{}:{}", programs.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = shell.env("PATH", path).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}\n{script}", output.status);
    for file in files {
        assert!(scene.path(file).exists(), "{file}: {out}\n{err}");
    }
}

#[test]
fn the_commands_of_the_tutorial_run() {
    // Some of its audits end with 1, as documented; the last one is clean.
    run(&script("docs/tutorial.md", ""), &["recovery.html", "audit.html", "drift.ndjson", "undo.ndjson"]);
}

#[test]
fn the_commands_of_the_readme_run() {
    let mut script = script("README.md", PRELUDE);
    // Free ports in place of the page's; a server that was started in the background needs a moment.
    for port in ["4566", "4575"] {
        assert!(script.contains(port));
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        script = script.replace(port, &free.to_string());
    }
    // A server that kept the shell's stderr open would keep the test waiting.
    script = script.replace(" &\n", " >/dev/null 2>&1 &\nservers=\"$servers $!\"\nsleep 2\n");
    let reports = ["demo/audit.html", "run.html", "recovery.html", "audit.html", "local.html", "local-audit.html"];
    run(&script, &[&reports[..], &["drift.ndjson", "undo.ndjson"]].concat());
}
