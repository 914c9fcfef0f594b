//! A mistyped address is an error that shows the right form; nothing is created under the wrong name.

use testkit::Scene;

/// Returns the file names in the scene.
fn names(scene: &Scene) -> Vec<String> {
    let names = std::fs::read_dir(scene.home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// Asserts that a run is rejected with this text, and that nothing is created.
#[track_caller]
fn refused(scene: &Scene, args: &[&str], expected: &str) {
    let before = names(scene);
    let ran = scene.run(args);
    assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
    assert!(ran.stderr.contains(expected), "{args:?} lacks {expected:?}: {}", ran.stderr);
    assert_eq!(names(scene), before, "{args:?}");
}

fn ready() -> Scene {
    let scene = Scene::embedded();
    scene.history(1, 5, 2);
    scene.run(&["init"]).expect(0, &[]);
    scene
}

#[test]
fn a_mistyped_sqlite_path_is_named_and_no_file_is_made() {
    let scene = ready();
    std::fs::write(scene.path("event.json"), include_str!("../../samples/sns-event.json")).unwrap();
    for args in [
        &["backfill", "history.json"][..],
        &["publish", "--topic", "local", "history.json"],
        &["process", "--event", "event.json"],
        &["process", "--listen", "127.0.0.1:0", "--topic", "arn:aws:sns:us-east-1:123456789012:t"],
        &["replay"],
        &["replay", "--dry-run"],
        &["undo", "u.ndjson"],
        &["reconcile"],
        &["reconcile", "--repair", "both"],
    ] {
        let args = [args, &["--warehouse", "sqlite:ww.db"]].concat();
        refused(&scene, &args, "there is no file ww.db: check --warehouse; `ruminate init` would create it");
    }
    let ran = scene.run(&["doctor", "--warehouse", "sqlite:ww.db"]);
    assert!(ran.code == Some(2) && ran.stdout.contains("there is no file ww.db"), "{ran:?}");
    assert!(!scene.path("ww.db").exists());
}

#[test]
fn an_unusable_sqlite_path_is_an_error_with_the_reason() {
    let scene = ready();
    std::fs::create_dir(scene.path("dir")).unwrap();
    std::fs::write(scene.path("text.db"), "no database ".repeat(50)).unwrap();
    std::fs::write(scene.path("short.db"), "x").unwrap();
    std::fs::write(scene.path("empty.db"), "").unwrap();
    for command in ["init", "reconcile"] {
        for (path, expected) in [
            ("nodir/x.db", "nodir is not a directory: create it, or check --warehouse"),
            ("/nodir/x.db", "/nodir is not a directory"),
            ("text.db/x.db", "text.db is not a directory"),
            ("dir", "dir is a directory: name a file in it, such as sqlite:dir/warehouse.db"),
            ("dir/", "names a directory"),
            ("text.db", "text.db is not a SQLite database"),
            ("short.db", "short.db is not a SQLite database"),
            ("/dev/null", "is not a regular file"),
        ] {
            refused(&scene, &[command, "--warehouse", &format!("sqlite:{path}")], expected);
        }
    }
    refused(&scene, &["reconcile", "--warehouse", "sqlite:empty.db"], "empty.db is empty");
    scene.run(&["init", "--warehouse", "sqlite:empty.db"]).expect(0, &[]);
    scene.run(&["init", "--warehouse", "sqlite:dir/x.db"]).expect(0, &[]);
}

#[cfg(unix)]
#[test]
fn an_unreadable_sqlite_file_is_reported() {
    use std::os::unix::fs::PermissionsExt;
    let scene = ready();
    std::fs::set_permissions(scene.path("w.db"), std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(scene.path("w.db")).is_ok() {
        return eprintln!("skipped: this user may read everything");
    }
    refused(&scene, &["reconcile"], "cannot be read");
    refused(&scene, &["init"], "cannot be read");
}

#[test]
fn a_mistyped_lake_is_rejected_by_every_command() {
    let scene = ready();
    for (lake, expected) in [
        ("s3:/bucket/prefix", "write s3://bucket/prefix"),
        ("S3://bucket/prefix", "write s3://bucket/prefix"),
        ("s3a://bucket/prefix", "write s3://bucket/prefix"),
        ("file:lake", "write the directory's path"),
        ("s3 ://bucket/prefix", "write s3://bucket/prefix"),
        ("s\u{ff13}://bucket/prefix", "write s3://bucket/prefix"),
        ("s3:\\\\bucket\\prefix", "write s3://bucket/prefix"),
        ("//bucket/prefix", "write s3://bucket/prefix"),
        ("gs://bucket/x", "is not known"),
        ("https://bucket.s3.amazonaws.com/x", "write s3://bucket/x"),
        ("arn:aws:s3:::bucket", "write s3://bucket"),
        ("s3://", "has no valid bucket name"),
        ("s3://Bucket/x", "has no valid bucket name"),
        ("~/lake", "write the whole path"),
        ("lake:old", "./lake:…"),
        ("\"lake\"", "remove the quotes"),
        ("", "is empty"),
    ] {
        for args in [
            &["backfill", "history.json"][..],
            &["publish", "--topic", "local", "history.json"],
            &["process", "--event", "event.json"],
            &["replay"],
            &["reconcile"],
            &["doctor"],
        ] {
            refused(&scene, &[args, &["--lake", lake]].concat(), expected);
        }
    }
    let by_variable = ready().with("RUMINATE_LAKE", "s3:/bucket/prefix");
    refused(&by_variable, &["backfill", "history.json"], "write s3://bucket/prefix");
    let by_file = Scene::new();
    std::fs::write(by_file.path("ruminate.toml"), "lake = 's3:/bucket/prefix'\nwarehouse = 'sqlite:w.db'").unwrap();
    refused(&by_file, &["reconcile"], "write s3://bucket/prefix");
}

#[test]
fn a_lake_whose_name_has_a_colon_is_written_with_a_dot() {
    let scene = ready();
    scene.run(&["backfill", "history.json", "--lake", "./s3:"]).expect(0, &[]);
    assert!(scene.path("s3:").is_dir());
}

#[test]
fn a_mistyped_warehouse_is_rejected_by_every_command_without_showing_a_password() {
    let scene = ready();
    for (warehouse, expected) in [
        ("w.db", "a SQLite file is written sqlite:w.db"),
        ("sqlite3:w.db", "a SQLite file is written sqlite:PATH"),
        ("mysql:/ana:segredo@h/x", "two slashes"),
        ("postgres://ana:segredo@h/x", "is not known"),
        ("jdbc:mysql://h/x?password=segredo", "omit"),
        ("sqlite:s3://b/x", "./s3:…"),
        ("sqlite:w.db?mode=rwc", "omit ?"),
        ("'sqlite:w.db'", "remove the quotes"),
        ("", "is empty"),
    ] {
        for args in [&["init"][..], &["reconcile"], &["replay"], &["backfill", "history.json"]] {
            let args = [args, &["--warehouse", warehouse]].concat();
            refused(&scene, &args, expected);
            assert!(!scene.run(&args).stderr.contains("segredo"), "{warehouse}");
        }
    }
    let lake = Scene::new().with("DATABASE_URL", "postgres://ana:segredo@h/x");
    refused(&lake, &["reconcile", "--lake", "lake"], "DATABASE_URL: a warehouse of kind \"postgres\" is not known");
}

#[test]
fn a_warehouse_from_a_secret_may_end_in_a_line_break() {
    let scene = Scene::embedded();
    let warehouse = format!("sqlite:{}\n", scene.path("w.db").display());
    scene.with("RUMINATE_WAREHOUSE", &warehouse).run(&["init"]).expect(0, &[]);
}

#[test]
fn a_mistyped_topic_is_rejected_by_every_command() {
    let scene = ready();
    let arn = "arn:aws:sns:us-east-1:123456789012:t";
    for (topic, expected) in [
        ("historico", "give a topic's ARN"),
        ("'local'", "remove the quotes"),
        ("arn:aws:sqs:us-east-1:123456789012:t", "\"sqs\" is not the ARN of a topic"),
        (&format!("{arn}:0b6941c3"), "subscription"),
        (&format!("\"{arn}\""), "remove the quotes"),
    ] {
        for args in [&["publish", "history.json"][..], &["doctor"], &["process", "--listen", "127.0.0.1:0"]] {
            refused(&scene, &[args, &["--topic", topic]].concat(), expected);
        }
        let scene = ready().with("SNS_TOPIC_ARN", topic);
        refused(&scene, &["publish", "history.json"], expected);
    }
    for empty in ["", " "] {
        let scene = ready().with("SNS_TOPIC_ARN", empty);
        refused(&scene, &["publish", "history.json"], "no topic configured");
    }
}

#[test]
fn an_address_is_rejected_as_a_directory_of_a_run() {
    let scene = ready();
    for args in [
        &["generate", "--out", "s3://bucket/x"][..],
        &["generate", "--out=~/x"],
        &["generate", "--truth", "s3://bucket/x"],
        &["reconcile", "--cache", "s3://bucket/x"],
        &["reconcile", "--evidence", "s3://bucket/x"],
        &["reconcile", "--report", "s3:/bucket/x.html"],
        &["demo", "--dir", "s3://bucket/x"],
        &["bundle", "--out", "s3://bucket/x"],
        &["man", "--out", "s3://bucket/x"],
        &["publish", "history.json", "--topic", "local", "--dead-letters", "s3://bucket/x"],
    ] {
        refused(&scene, args, if args.concat().contains('~') { "whole path" } else { "./s3:…" });
    }
}
