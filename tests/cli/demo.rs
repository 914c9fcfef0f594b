//! The demo: a first run, and a second run in the same directory.

use std::process::Command;

use testkit::Scene;

#[test]
fn the_demo_ends_clean_and_so_does_its_second_run() {
    let scene = Scene::new();
    for args in [&["demo"][..], &["demo"], &["demo", "--keep"]] {
        let ran = scene.run(args);
        ran.expect(0, &[]);
        assert_eq!(ran.json["clean"].as_bool(), Some(true), "{ran:?}");
        let steps = ran.json["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 11);
        let (replay, audit) = (&steps[4]["outcome"], &steps[6]["outcome"]);
        assert_eq!(replay["from_parts"]["rows"], replay["listed"], "{replay}");
        let found =
            ["lake_only", "differing", "warehouse_only", "unreadable"].map(|kind| audit[kind].as_u64().unwrap());
        assert_eq!(found, [5, 3, 2, 1], "{audit}");
        for file in ["audit.html", "drift.ndjson", "warehouse.db", "lake", "histories", "quarentena", "partes"] {
            assert!(scene.path("demo").join(file).exists(), "{file}");
        }
    }
}

#[test]
fn a_directory_with_other_files_is_unchanged() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("photos")).unwrap();
    std::fs::write(scene.path("photos/cow.jpg"), "moo").unwrap();
    let ran = scene.run(&["demo", "--dir", "photos"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("--dir"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(scene.path("photos/cow.jpg")).unwrap(), "moo");
}

/// Runs a command of the demo's output in a shell, with this binary; statements are executed by the test, because not
/// every machine has `sqlite3`.
fn paste(scene: &Scene, command: &str) -> Option<i32> {
    let words = shlex::split(command).unwrap();
    if let [tool, database, statement] = &words[..]
        && tool == "sqlite3"
    {
        let url = format!("sqlite:{}", scene.path(database).display());
        let statement = sqlx::AssertSqlSafe(statement.clone());
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
            sqlx::query(statement).execute(&mut connection).await.unwrap();
            sqlx::Connection::close(connection).await.unwrap();
        });
        return Some(0);
    }
    let binary = scene.command(&[]);
    let line = command.replacen("ruminate ", &format!("'{}' ", binary.get_program().display()), 1);
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(scene.home.path()).env("LC_ALL", "C.UTF-8");
    let ran = shell.output().unwrap();
    assert!(ran.status.code() != Some(2), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.status.code()
}

/// Runs every step manually, in a directory whose name must be quoted: the same findings, and a clean end.
#[test]
fn the_commands_that_the_demo_prints_do_the_same() {
    let demo = Scene::new();
    let ran = demo.run(&["demo", "--dir", "my demo"]);
    ran.expect(0, &[]);
    let scene = Scene::new();
    std::fs::create_dir(scene.path("my demo")).unwrap();
    let mut codes = Vec::new();
    for step in ran.json["steps"].as_array().unwrap() {
        let commands = step["commands"].as_array().unwrap();
        assert!(!commands.is_empty(), "{step}");
        let pasted: Vec<_> = commands.iter().map(|command| paste(&scene, command.as_str().unwrap())).collect();
        codes.extend(pasted.last().copied());
    }
    let found = Some(1);
    let clean = Some(0);
    assert_eq!(codes, [clean, found, clean, clean, clean, clean, found, found, clean, found, clean]);
    for file in ["audit.html", "drift.ndjson", "undo.ndjson", "moved-away", "quarentena"] {
        assert!(scene.path("my demo").join(file).exists(), "{file}");
    }
    let drift = |scene: &Scene| std::fs::read_to_string(scene.path("my demo/drift.ndjson")).unwrap().lines().count();
    assert_eq!(drift(&scene), drift(&demo), "the same damage was found");
}

#[test]
fn the_text_of_the_demo_names_what_the_intake_quarantined() {
    let scene = Scene::new();
    let text = scene.text(&["demo"]).stdout;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(text.lines().any(|line| words(line) == ["quarantined", "3"]), "{text}");
    for part in [
        "rows were deleted with the file",
        "lake only: all 5 are from 2026-01-01, a day with 3.6 % of the compared ids",
        "(the only one for SQLite); 1 transaction\n",
        "1 unreadable: a repair does not overwrite objects; move it away",
        "lake and warehouse agree again",
        "\n   exit code 1: 3 messages were quarantined or in conflict\n",
        "\n   exit code 1: the audit found drift\n",
    ] {
        assert!(text.contains(part), "lacks {part:?}: {text}");
    }
    // The exit codes of the commands, for those who paste them: one for each that does not end with 0.
    let steps: Vec<&str> = text.split("\n\n").collect();
    let found = (1..12_usize).filter(|number| steps[number - 1].contains("\n   exit code 1: "));
    assert_eq!(found.collect::<Vec<_>>(), [2, 7, 8, 10]);
    assert!(!text.contains("1 transactions") && !text.contains("lake_only"), "{text}");
}
