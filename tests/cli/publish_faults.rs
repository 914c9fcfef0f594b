//! `ruminate publish` with every fault of the SNS stub: the messages that the topic received, and the reported counts.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::sns::{FIFO_TOPIC, SnsStub, TOPIC};
use testkit::{Ran, ruminate};

use crate::publish::{publish, publish_to};
use crate::sns_stub::{stub, stub_with};

/// Writes a history of some hundreds of readings, all different.
fn history(home: &Path) -> Vec<String> {
    let flags =
        ["generate", "--farms", "2", "--lots", "60", "--days", "5", "--start", "2026-01-01", "--out", "-", "-q"];
    let made = Ran::by(ruminate(home).args(flags));
    std::fs::write(home.join("in.json"), &made.stdout).unwrap();
    let lines: Vec<_> = made.stdout.lines().map(str::to_owned).collect();
    assert!(lines.len() > 300, "{}", made.stderr);
    lines
}

/// Asserts that all readings arrived; returns the number of repeats.
fn all_arrived(sns: &SnsStub, lines: &[String]) -> u64 {
    let (sent, wanted) = (sns.bodies(), lines.iter().cloned().collect::<HashSet<_>>());
    assert_eq!(sent.iter().cloned().collect::<HashSet<_>>(), wanted);
    let stats = sns.stats();
    assert_eq!(stats.accepted - stats.repeats, lines.len() as u64);
    stats.repeats
}

/// Publishes the history with faults that a retry can resolve. Returns the outcome, and the number of repeated messages.
fn published(faults: impl FnOnce(&mut testkit::sns::Settings)) -> (Value, SnsStub, u64) {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub_with(faults));
    let lines = history(home.path());
    let run = Ran::by(publish(home.path(), &sns).args(["in.json", "--concurrency", "4"]));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let outcome = run.json;
    assert_eq!((&outcome["published"], &outcome["failed"]), (&lines.len().into(), &0.into()));
    let repeats = all_arrived(&sns, &lines);
    (outcome, sns, repeats)
}

#[test]
fn lost_answers_make_repeats_that_are_known_by_their_ids() {
    let (outcome, sns, repeats) = published(|d| d.lost_answer = 0.2);
    let stats = sns.stats();
    assert!(stats.lost_answers > 0 && repeats > 0);
    assert_eq!(outcome["retries"], repeats, "each repeat is counted as a retry");
    assert_eq!(outcome["errors"]["NoAnswer"], repeats);
}

#[test]
fn resets_and_errors_of_the_service_are_tried_again_and_repeat_nothing() {
    let (outcome, sns, repeats) = published(|d| (d.reset, d.internal_error) = (0.1, 0.1));
    let stats = sns.stats();
    assert!(stats.resets > 0 && stats.refused["InternalFailure"] > 0);
    assert_eq!(repeats, 0);
    assert_eq!(outcome["errors"]["NoAnswer"].as_u64(), Some(stats.resets * 10).filter(|n| *n > 0), "{outcome}");
}

#[test]
fn requests_whose_connection_was_closed_are_sent_again_and_repeat_nothing() {
    let (outcome, sns, repeats) = published(|d| d.close = 0.2);
    assert!(sns.stats().closes > 0 && repeats == 0);
    assert!(outcome["errors"]["NoAnswer"].as_u64() > Some(0), "{outcome}");
}

#[test]
fn entries_that_fail_for_now_are_sent_again_alone() {
    let (outcome, sns, repeats) = published(|d| d.fail_entries = 0.1);
    let stats = sns.stats();
    assert!(stats.failed_entries > 0 && repeats == 0);
    assert_eq!(outcome["retries"], stats.failed_entries);
    assert_eq!(outcome["errors"]["InternalError"], stats.failed_entries);
    assert_eq!(stats.offered, stats.accepted + stats.failed_entries);
}

#[test]
fn throttling_slows_a_run_down_and_loses_nothing() {
    let (outcome, sns, repeats) = published(|d| d.throttle_per_second = Some(150));
    let stats = sns.stats();
    assert!(stats.throttled_calls > 0 && repeats == 0);
    assert_eq!(outcome["errors"]["Throttling"], stats.throttled_messages);
}

#[test]
fn all_faults_at_once_are_handled() {
    let (_, sns, _) = published(|d| {
        (d.lost_answer, d.reset, d.internal_error, d.fail_entries) = (0.05, 0.05, 0.05, 0.05);
        (d.latency_ms, d.jitter_ms, d.throttle_per_second) = (2.0, 5.0, Some(1_000));
    });
    let stats = sns.stats();
    assert!(stats.lost_answers + stats.resets + stats.failed_entries > 0);
}

#[test]
fn entries_that_are_the_senders_fault_are_dead_letters_and_only_they() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub_with(|d| (d.fail_entries, d.fail_sender) = (0.05, true)));
    let lines = history(home.path());
    let run = Ran::by(publish(home.path(), &sns).args(["in.json", "--dead-letters", "dead"]));
    let dead = std::fs::read_to_string(home.path().join("dead")).unwrap();
    let dead: Vec<Value> = dead.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((run.code, run.json["failed"].as_u64()), (Some(1), Some(dead.len() as u64)), "{}", run.stderr);
    assert!(!dead.is_empty() && dead.iter().all(|letter| letter["code"] == "InternalError"));
    assert_eq!((sns.stats().failed_entries, sns.stats().repeats), (dead.len() as u64, 0));
    let dead = dead.iter().map(|letter| letter["message"].as_str().unwrap().to_owned());
    assert_eq!(sns.bodies().into_iter().chain(dead).collect::<HashSet<_>>(), lines.into_iter().collect());
}

/// Credentials come from a process, each time with another token, and the stub accepts each token for some time.
#[cfg(unix)]
#[test]
fn credentials_that_expire_during_a_run_are_renewed() {
    use std::os::unix::fs::PermissionsExt as _;

    let (home, sns) = (tempfile::tempdir().unwrap(), stub_with(|d| d.expire_after = Some(12)));
    let lines = history(home.path());
    let (login, requested) = (home.path().join("login"), home.path().join("asked"));
    let script = format!(
        "#!/bin/sh\necho x >>{0}\nn=$(wc -l <{0})\nprintf '{{\"Version\":1,\"AccessKeyId\":\"{1}\",\"SecretAccessKey\":\"{2}\",\"SessionToken\":\"t%s\"}}' $n\n",
        requested.display(),
        testkit::sns::ACCESS_KEY,
        testkit::sns::SECRET_KEY,
    );
    std::fs::write(&login, script).unwrap();
    std::fs::set_permissions(&login, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = home.path().join("config");
    std::fs::write(&config, format!("[default]\ncredential_process = {}\n", login.display())).unwrap();
    let with_process = |command: &mut Command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("AWS_CONFIG_FILE", &config);
        command.env("PATH", "/usr/bin:/bin");
        Ran::by(command)
    };
    let run = with_process(publish(home.path(), &sns).args(["in.json", "--concurrency", "2"]));
    assert_eq!((run.code, run.json["published"].as_u64()), (Some(0), Some(lines.len() as u64)), "{}", run.stderr);
    assert_eq!(all_arrived(&sns, &lines), 0);
    assert!(sns.stats().refused["ExpiredToken"] > 0, "{:?}", sns.stats());
    let errors = run.json["errors"].clone();
    assert_eq!(errors.as_object().map(serde_json::Map::len), Some(0), "no message was any the worse for it: {errors}");

    sns.faults().change(|d| d.expired = true);
    let stays = with_process(publish(home.path(), &sns).arg("in.json"));
    assert_eq!(stays.code, Some(2));
    assert!(stays.stderr.contains("the credentials have expired: log in again"), "{}", stays.stderr);
}

#[test]
fn a_topic_deleted_during_a_run_stops_it_and_resume_continues() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub_with(|d| d.latency_ms = 20.0));
    let lines = history(home.path());
    let mut command = publish(home.path(), &sns);
    let child = command.args(["in.json", "--concurrency", "2", "--journal", "journal"]);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while sns.stats().accepted < 60 {
        assert!(started.elapsed() < Duration::from_secs(20), "nothing arrives");
        std::thread::sleep(Duration::from_millis(2));
    }
    sns.delete_topic(TOPIC);
    let run = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(
        run.stderr.contains("no such topic") || run.stdout.contains("no such topic"),
        "{} {}",
        run.stdout,
        run.stderr
    );
    sns.create_topic(TOPIC).unwrap();
    sns.faults().change(|d| d.latency_ms = 0.0);
    let flags = ["in.json", "--concurrency", "2", "--journal", "journal", "--resume"];
    let rest = Ran::by(publish(home.path(), &sns).args(flags));
    assert_eq!(rest.code, Some(0), "{}", rest.stderr);
    assert_eq!(all_arrived(&sns, &lines), 0);
}

#[test]
fn a_stall_is_in_the_latency_of_every_message_that_was_due_in_it() {
    // Changed when the run is ready to send, so that its start is not in a stall.
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    sns.faults().change(|d| (d.stall_seconds, d.stall_every_seconds) = (0.5, 1.5));
    let spec = "farms=1,lots=500,days=20,start=2026-01-01";
    let flags = ["--generate", spec, "--stages", "hold:1000/s:4.5s", "--drop-after", "never"];
    let run = Ran::by(publish(home.path(), &sns).args(flags));
    let outcome = run.json;
    assert_eq!((run.code, outcome["published"].as_u64()), (Some(0), Some(4_500)), "{}", run.stderr);
    // A third of the messages was due in a stall, and 1 % of all in its first 15 ms.
    let p99 = outcome["latency_ms"]["p99"].as_f64().unwrap();
    // A busy machine increases both.
    assert!((425.0..900.0).contains(&p99), "{p99}");
    let p90 = outcome["latency_ms"]["p90"].as_f64().unwrap();
    assert!((290.0..700.0).contains(&p90), "{p90}");
}

#[test]
fn a_fifo_topic_accepts_each_reading_once() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub_with(|d| d.lost_answer = 0.2));
    let lines = history(home.path());
    for _ in 0..2 {
        let run = Ran::by(publish_to(home.path(), &sns, FIFO_TOPIC).arg("in.json"));
        assert_eq!((run.code, run.json["published"].as_u64()), (Some(0), Some(lines.len() as u64)), "{}", run.stderr);
    }
    let stats = sns.stats();
    assert_eq!((stats.accepted, stats.repeats), (lines.len() as u64, 0), "{stats:?}");
    assert!(stats.deduplicated > lines.len() as u64);
    let kept = sns.messages();
    assert!(kept.iter().all(|one| one.dedup.as_ref().is_some_and(|id| id.len() == 36) && one.group.is_some()));
}
