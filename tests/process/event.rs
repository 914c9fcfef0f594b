//! Event files through the real binary: the outcome and the exit code.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

fn ruminate(home: &Path) -> Command {
    let mut command = Command::cargo_bin("ruminate").unwrap();
    command.current_dir(home).env("RUMINATE_WAREHOUSE", "sqlite:w.db").env("RUMINATE_LAKE", "lake");
    command
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    ruminate(home.path()).arg("init").assert().success();
    home
}

fn sample(name: &str) -> String {
    format!("{}/samples/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn counts(home: &Path, event: &str, code: i32) -> [u64; 5] {
    let output = ruminate(home).args(["process", "--output", "json", "--event", event]).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
    ["messages", "processed", "duplicates", "quarantined", "failed"].map(|name| outcome[name].as_u64().unwrap())
}

#[test]
fn the_samples_have_the_documented_results() {
    let home = home();
    assert_eq!(counts(home.path(), &sample("sns-event.json"), 0), [1, 1, 0, 0, 0]);
    assert_eq!(counts(home.path(), &sample("sns-event.json"), 0), [1, 0, 1, 0, 0]);
    assert_eq!(counts(home.path(), &sample("sqs-event.json"), 0), [3, 3, 0, 0, 0]);
    assert_eq!(counts(self::home().path(), &sample("sqs-event-faults.json"), 1), [5, 1, 1, 3, 0]);
}

#[test]
fn messages_that_a_store_fails_to_take_are_failed_and_code_1() {
    let home = home();
    // A file instead of the farm's folder.
    std::fs::create_dir_all(home.path().join("lake")).unwrap();
    std::fs::write(home.path().join("lake/fazenda_um"), "not a directory").unwrap();
    assert_eq!(counts(home.path(), &sample("sqs-event.json"), 1), [3, 0, 0, 0, 3]);
}

#[test]
fn what_is_no_event_could_not_run() {
    let home = home();
    let cases = [
        ("", "not JSON: empty"),
        ("{\"Records\":[]}", "empty list of Records"),
        ("{\"Records\":[{\"eventSource\":\"aws:s3\"}]}", "is from aws:s3"),
        ("{}", "has no Records"),
    ];
    for (event, reason) in cases {
        let output = ruminate(home.path())
            .args(["process", "--event", "-"])
            .write_stdin(event)
            .assert()
            .code(2)
            .get_output()
            .clone();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with("error: -: ") && error.contains(reason), "{error}");
        assert!(output.stdout.is_empty());
    }
    ruminate(home.path()).arg("process").assert().code(2);
    assert!(!home.path().join("lake").exists(), "nothing was started");
}

#[test]
fn an_array_of_eventbridge_pipes_is_read_like_the_records_of_a_queue() {
    let event: Value = serde_json::from_slice(&std::fs::read(sample("sqs-event.json")).unwrap()).unwrap();
    let home = home();
    let file = |name: &str, event: &Value| {
        std::fs::write(home.path().join(name), event.to_string()).unwrap();
        home.path().join(name).display().to_string()
    };
    let bare = file("bare.json", &event["Records"]);
    assert_eq!(counts(home.path(), &bare, 0), [3, 3, 0, 0, 0]);
    assert_eq!(counts(home.path(), &sample("sqs-event.json"), 0), [3, 0, 3, 0, 0]);
    let bodies: Vec<&Value> = event["Records"].as_array().unwrap().iter().map(|record| &record["body"]).collect();
    let transformed = file("transformed.json", &serde_json::json!(bodies));
    assert_eq!(counts(home.path(), &transformed, 0), [3, 0, 3, 0, 0]);
}

#[test]
fn a_missing_table_could_not_run() {
    let home = tempfile::tempdir().unwrap();
    let sample = sample("sns-event.json");
    let output = ruminate(home.path()).args(["process", "--event", &sample]).assert().code(2).get_output().clone();
    assert!(String::from_utf8(output.stderr).unwrap().contains("ruminate init"));
}
