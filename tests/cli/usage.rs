//! Usage errors: each names where the value comes from, and what to write instead.

use testkit::{Ran, Scene};

/// Asserts that a run cannot start and that its error has these texts.
#[track_caller]
fn refused(ran: &Ran, texts: &[&str]) {
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for text in texts {
        assert!(ran.stderr.contains(text), "lacks {text:?}: {}", ran.stderr);
    }
}

fn ready() -> Scene {
    let scene = Scene::embedded();
    scene.history(1, 5, 2);
    scene.run(&["init"]).expect(0, &[]);
    scene
}

#[test]
fn help_is_a_command_too() {
    let scene = Scene::new();
    for (args, same) in [(&["help"][..], &["--help"][..]), (&["help", "replay"], &["replay", "--help"])] {
        let ran = scene.text(args);
        assert_eq!((ran.code, ran.stdout), (Some(0), scene.text(same).stdout), "{args:?}");
    }
    refused(&scene.text(&["help", "replays"]), &["replay"]);
}

#[test]
fn the_help_of_a_compaction_states_that_months_are_complete() {
    let scene = Scene::new();
    for args in [&["help", "compact"][..], &["plan", "compact", "--help"]] {
        let help = scene.text(args).stdout;
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("--from and --to are extended to whole months"), "{args:?}: {help}");
    }
}

#[test]
fn a_flag_of_other_commands_names_them() {
    let scene = ready();
    let ran = scene.text(&["backfill", "history.json", "--dry-run"]);
    refused(&ran, &["backfill has no --dry-run: it is a flag of replay, reconcile, undo, compact, restore and merge"]);
    assert!(!ran.stderr.contains("as a value"), "{}", ran.stderr);
    let ran = scene.text(&["publish", "history.json", "--topic", "local", "--attempts", "3"]);
    refused(&ran, &["--attempts is now --max-attempts, which publish does not have"]);
    refused(&scene.text(&["publish", "--topic", "local"]), &["--generate farms=2"]);
}

#[test]
fn a_wrong_value_names_its_variable_or_its_file() {
    let scene = ready().with("RUMINATE_MAX_DRIFT", "much");
    refused(&scene.text(&["reconcile"]), &["the value comes from the environment variable RUMINATE_MAX_DRIFT"]);
    let scene = ready();
    for (text, expected) in [
        ("concurrency = 'many'", &["--concurrency", "ruminate.toml, key concurrency", "is a whole number"][..]),
        ("[replay]\nconcurrency = 'many'", &["ruminate.toml, key concurrency in [replay]"]),
        ("lake = ../lake", &["config file ruminate.toml", "text needs quotes: lake = \"../lake\""]),
        ("[reconcil]\nquick = true", &["unknown section [reconcil]: did you mean [reconcile]?"]),
    ] {
        std::fs::write(scene.path("ruminate.toml"), text).unwrap();
        refused(&scene.text(&["replay"]), expected);
    }
}

#[test]
fn a_misspelled_variable_is_a_warning() {
    let scene = ready().with("RUMINATE_WAREHOSE", "sqlite:other.db");
    let ran = scene.run(&["backfill", "history.json"]);
    ran.expect(0, &[("inserted", 8)]);
    assert!(ran.stderr.contains("RUMINATE_WAREHOSE is not a variable of ruminate"), "{ran:?}");
    assert!(ran.stderr.contains("did you mean RUMINATE_WAREHOUSE?"), "{ran:?}");
}

#[test]
fn values_are_rejected_with_their_reason() {
    let scene = ready();
    let publish = ["publish", "history.json", "--topic", "local"];
    for (args, expected) in [
        (&["--stages", "ramp:0-200/s"][..], "its time is missing: write ramp:0-200/s:60s"),
        (&["--fail-if", "p99 > 500"], "write 500ms, 500s or 500m"),
        (&["--report", "page.pdf"], "use a name that ends in .html or .json"),
        (&["--report", "none/page.html"], "none is not a directory: create it first"),
    ] {
        let ran = scene.text(&[&publish, args].concat());
        refused(&ran, &[expected]);
        assert!(!ran.stderr.contains(".tmp"), "{}", ran.stderr);
    }
    let ndjson = "use a name that ends in .ndjson";
    refused(&scene.text(&[&publish[..], &["--dead-letters", "dead.csv"]].concat()), &["--dead-letters", ndjson]);
    for args in [
        &["reconcile", "--drift", "drift.csv"][..],
        &["reconcile", "--drift", "drift.ndjson.gz"],
        &["reconcile", "--repair", "both", "--undo-file", "undo.CSV"],
        &["replay", "--on-conflict", "overwrite", "--undo-file", "undo.html"],
    ] {
        refused(&scene.text(args), &[args[args.len() - 2], ndjson]);
        assert!(!scene.path(args[args.len() - 1]).exists(), "{args:?}");
    }
    for name in ["drift", "drift.2026-11-22", "drift.json", "drift.NDJSON", "drift.jsonl", "drift.txt"] {
        let ran = scene.text(&["reconcile", "--drift", name]);
        assert!(!ran.stderr.contains(ndjson), "{name}: {}", ran.stderr);
    }
    for (spec, expected) in [
        ("farms=two", "farms=two is not a whole number"),
        ("malfrmed=0.1", "malfrmed is not a key (did you mean malformed?)"),
        ("start=2026-02-30", "there is no such day"),
    ] {
        refused(&scene.text(&["publish", "--topic", "local", "--generate", spec]), &[expected]);
    }
    refused(&scene.text(&["replay", "--from", "2026-02-30"]), &["2026-02-30: there is no such day"]);
    refused(&scene.text(&["replay", "--as-of", "2026-03-01"]), &["write 2026-03-01T00:00:00Z"]);
    std::fs::create_dir(scene.path("lake lake")).unwrap();
    refused(&scene.text(&["replay", "--lake", "lake lake"]), &["from lake \"lake lake\""]);
    let history = std::fs::read_to_string(scene.path("history.json")).unwrap();
    let impossible = history.lines().next().unwrap().replace("2024-01-01", "2026-02-30");
    std::fs::write(scene.path("bad.json"), impossible + "\n").unwrap();
    let ran = scene.run(&["backfill", "bad.json"]);
    assert!(ran.json["problems"].to_string().contains("has a date that does not exist: 2026-02-30"), "{ran:?}");
}

#[test]
fn what_was_written_is_announced() {
    let scene = ready();
    scene.run(&["backfill", "history.json"]).expect(0, &[]);
    let ran = scene.run(&["reconcile", "--report", "a.html", "--drift", "d.ndjson", "--evidence", "proof"]);
    for text in ["report written: a.html", "findings written: d.ndjson", "evidence written: proof"] {
        assert!(ran.stderr.contains(text), "lacks {text:?}: {}", ran.stderr);
    }
    let ran = scene.run(&["replay", "--report", "r.json"]);
    assert!(ran.stderr.contains("report written: r.json"), "{}", ran.stderr);
    let hdr = ["publish", "history.json", "--topic", "local", "--report", "p.html", "--hdr", "p.hdr"];
    let ran = scene.run(&hdr);
    assert!(ran.stderr.contains("report written: p.html") && ran.stderr.contains("p.hdr"), "{}", ran.stderr);
}
