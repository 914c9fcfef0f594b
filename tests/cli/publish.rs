//! `ruminate publish` to the SNS stub.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::sns::{Fault, SnsStub, TOPIC};
use testkit::{Ran, ruminate};

use crate::sns_stub::{stub, stub_with};

/// Writes a history of 93 readings in one file per day and farm.
const SPEC: &str = "farms=1,lots=50,days=2,start=2026-01-01";

pub fn publish(home: &Path, sns: &SnsStub) -> Command {
    publish_to(home, sns, TOPIC)
}

pub fn publish_to(home: &Path, sns: &SnsStub, topic: &str) -> Command {
    let mut command = ruminate(home);
    command.args(["publish", "--output", "json", "--topic", topic]).envs(sns.env());
    command
}

pub fn history(home: &Path, name: &str) -> Vec<String> {
    let flags = ["generate", "--lots", "50", "--days", "2", "--start", "2026-01-01", "--out", "-", "-q"];
    let made = Ran::by(ruminate(home).args(flags));
    std::fs::write(home.join(name), &made.stdout).unwrap();
    made.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn every_field_is_there_and_every_reading_arrives() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let lines = history(home.path(), "in.json");
    let run = Ran::by(publish(home.path(), &sns).arg("in.json"));
    let outcome = run.json;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(
        (outcome["read"].as_u64(), outcome["published"].as_u64()),
        (Some(lines.len() as u64), Some(lines.len() as u64))
    );
    for field in ["failed", "invalid", "retries"] {
        assert_eq!(outcome[field], 0, "{field}");
    }
    for field in ["p50", "p90", "p99", "max"] {
        assert!(outcome["latency_ms"][field].as_f64().unwrap() > 0.0, "{field}");
    }
    assert!(outcome["seconds"].is_f64() && outcome["rate_per_second"].is_f64());
    let sent: HashSet<String> = sns.bodies().into_iter().collect();
    assert_eq!(sent, lines.into_iter().collect());
    assert!(sns.messages().iter().all(|message| message.attribute("cod_cliente") == Some("FazendaUm")));
    assert_eq!(sns.stats().calls["PublishBatch"], sent.len().div_ceil(10) as u64);
}

#[test]
fn permanently_rejected_messages_are_dead_letters_that_can_be_sent_again() {
    let faults = [
        Fault::Entry(2, "InvalidParameter", true),
        Fault::Entry(4, "InternalError", false),
        Fault::Call(400, "ThrottlingException"),
        Fault::LostAnswer,
    ];
    let sns = stub();
    sns.faults().plan(faults);
    let home = tempfile::tempdir().unwrap();
    let lines = history(home.path(), "in.json");
    let run = Ran::by(publish(home.path(), &sns).args(["in.json", "--dead-letters", "dead", "--concurrency", "1"]));
    let (outcome, dead) = (run.json, std::fs::read_to_string(home.path().join("dead")).unwrap());
    assert_eq!((run.code, &outcome["failed"]), (Some(1), &1.into()), "{}", run.stderr);
    assert_eq!(outcome["published"], lines.len() - 1);
    assert_eq!(outcome["retries"], 1 + 1 + 1, "the entry, throttled, and its answer lost");
    assert_eq!(dead.lines().count(), 1);
    let letter: serde_json::Value = serde_json::from_str(&dead).unwrap();
    assert_eq!((&letter["message"], &letter["code"]), (&lines[2].as_str().into(), &"InvalidParameter".into()));
    assert_eq!((&letter["file"], &letter["line"], &letter["attempts"]), (&"in.json".into(), &3.into(), &1.into()));
    let sent: HashSet<String> = sns.bodies().into_iter().collect();
    assert_eq!(sent.len(), lines.len() - 1);

    let again = Ran::by(publish(home.path(), &sns).args(["in.json", "--dead-letters", "dead"]));
    assert!(again.code == Some(2) && again.stderr.contains("is not empty"), "{}", again.stderr);
}

#[test]
fn the_page_and_the_histogram_text_agree_with_the_outcome() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    history(home.path(), "in.json");
    let flags = ["in.json", "--rate", "300/s", "--report", "p.html", "--hdr", "p.hdr", "--fail-if", "p99 > 0ms"];
    let run = Ran::by(publish(home.path(), &sns).args(flags));
    let outcome = run.json;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    let page = read("p.html");
    for text in ["1 check failed", "exit code 1", "ruminate publish in.json", "--fail-if"] {
        assert!(page.contains(text), "{text}");
    }
    for (file, of) in [("p.hdr", "latency"), ("p.hdr.service", "service")] {
        let max = format!("#[Max     = {:>12.3},", outcome[format!("{of}_ms")]["max"].as_f64().unwrap());
        let text = read(file);
        assert!(text.contains(&max) && text.contains("Total count    =           93"), "{max}\n{text}");
    }
    for flag in ["--report", "--hdr"] {
        let run = Ran::by(publish(home.path(), &sns).args(["in.json", flag, "no/where"]));
        assert!(run.code == Some(2) && run.stderr.contains(flag), "before anything is sent: {}", run.stderr);
    }
}

#[test]
fn a_run_that_cannot_start_prints_one_line_and_exits_with_2() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    history(home.path(), "in.json");
    std::fs::create_dir(home.path().join("in.service")).unwrap();
    std::fs::write(home.path().join("cut.truth"), "{\"ruminate_truth\":2,\"history\":{}}\n").unwrap();
    assert!(ruminate(home.path()).args(["init", "--warehouse", "sqlite:w.db"]).output().unwrap().status.success());
    let watch = ["in.json", "--watch", "--warehouse", "sqlite:w.db", "--truth", "cut.truth"];
    let cases: [(&[&str], &str); 12] = [
        (&["none.json"], "none.json: No such file"),
        (&["in.service"], "in.service"),
        (&["in.json", "--topic", "arn:aws:sns:us-east-1:123456789012:other"], "no such topic"),
        (&["in.json", "--topic", "other"], "arn:aws:sns"),
        (&["in.json", "--topic", "local"], "pass --lake URL"),
        (&["in.json", "--rate", "0/s"], "500/s"),
        (&["in.json", "--dead-letters", "no/where"], "dead-letter file no/where"),
        (&["--generate", "farms=0"], "farms must be between"),
        (&["in.json", "--truth", "cut.truth"], "--truth with files is checked in the warehouse: add --watch"),
        (&["--generate", SPEC, "--truth", "cut.truth"], "cut.truth exists with other content: use another name"),
        (&watch, "--truth cut.truth: ends at line 2 without its totals"),
        (&["in.json", "--hdr", "in"], "--hdr in.service cannot be written"),
    ];
    for (flags, words) in cases {
        let mut command = ruminate(home.path());
        let run = Ran::by(command.arg("publish").args(flags).envs(sns.env()).env("SNS_TOPIC_ARN", TOPIC));
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{flags:?}");
        let error = run.stderr.lines().find(|line| line.starts_with("error: "));
        assert!(error.is_some_and(|line| line.contains(words)), "{flags:?}: {}", run.stderr);
    }
    let nowhere = Ran::by(publish(home.path(), &sns).arg("in.json").env("AWS_ENDPOINT_URL", "http://127.0.0.1:9"));
    assert!(
        nowhere.code == Some(2) && nowhere.stderr.contains("cannot connect to 127.0.0.1:9: Connection refused"),
        "{}",
        nowhere.stderr
    );
    assert!(nowhere.stderr.contains("AWS_ENDPOINT_URL_SNS"), "{}", nowhere.stderr);
    let schemeless = Ran::by(publish(home.path(), &sns).arg("in.json").env("AWS_ENDPOINT_URL", "127.0.0.1:9"));
    assert!(schemeless.code == Some(2) && schemeless.stderr.contains("http://host:port"), "{}", schemeless.stderr);
    assert!(!schemeless.stderr.contains("credentials"), "{}", schemeless.stderr);
    let anonymous = Ran::by(publish(home.path(), &sns).arg("in.json").env_remove("AWS_ACCESS_KEY_ID"));
    assert!(anonymous.code == Some(2) && anonymous.stderr.contains("no usable credentials"), "{}", anonymous.stderr);
    let error = anonymous.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.ends_with("or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{error}");
    assert!(!error.contains("Attempted"), "{error}");
    assert!(sns.bodies().is_empty());
}

#[test]
fn an_account_without_get_topic_attributes_can_publish() {
    let sns = stub_with(|d| d.may_not_read_attributes = true);
    let home = tempfile::tempdir().unwrap();
    let run = Ran::by(publish(home.path(), &sns).args(["--generate", SPEC]));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("sns:GetTopicAttributes"), "{}", run.stderr);
}

#[test]
fn invalid_messages_are_withheld_and_named_or_sent_where_they_are_wanted() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let good = history(home.path(), "in.json")[0].clone();
    let lines = ["{broken", &good, &format!("{{\"x\":\"{}\"}}", "y".repeat(270_000))];
    std::fs::write(home.path().join("in.json"), lines.join("\n")).unwrap();
    let run = Ran::by(publish(home.path(), &sns).arg("in.json"));
    let outcome = run.json;
    assert_eq!((run.code, &outcome["invalid"], &outcome["published"]), (Some(1), &2.into(), &1.into()));
    assert_eq!(outcome["problems"]["items"][0]["key"], "in.json:1");
    let run = Ran::by(publish(home.path(), &sns).args(["in.json", "--send-invalid"]));
    let outcome = run.json;
    assert_eq!((run.code, &outcome["invalid"], &outcome["published"]), (Some(1), &1.into(), &2.into()));
    assert!(outcome["problems"]["items"][0]["reason"].as_str().unwrap().contains("at most 262144"));
    let spec = format!("{SPEC},malformed=0.5");
    let run = Ran::by(publish(home.path(), &sns).args(["--generate", &spec]));
    let place = run.json["problems"]["items"][0]["key"].as_str().unwrap();
    assert!(place.starts_with("generated FazendaUm_Consumo_202601"), "there is no such file: {place}");
}

#[test]
fn large_messages_share_a_call_only_where_they_fit() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let good = history(home.path(), "in.json")[0].clone();
    let large = |n: usize| good.replacen("\"}", &format!("\",\"x\":\"{}\"}}", "é".repeat(n)), 1);
    let lines: Vec<_> = (0..12).map(|n| large(30_000 + n)).collect();
    std::fs::write(home.path().join("in.json"), lines.join("\n")).unwrap();
    let run = Ran::by(publish(home.path(), &sns).arg("in.json"));
    assert_eq!((run.code, &run.json["published"]), (Some(0), &12.into()), "{}", run.stderr);
    // Four of 60 kB fit into 256 KiB, which the server checks; on a busy machine a batch is sent before it is full.
    let calls = sns.stats().calls["PublishBatch"];
    assert!((3..12).contains(&calls), "{calls}");
}

#[test]
fn messages_piped_in_slowly_are_sent_as_they_come() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let lines = history(home.path(), "in.json");
    let mut child = publish(home.path(), &sns)
        .args(["-", "--rate", "1000/s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in &lines[..2] {
        writeln!(input, "{line}").unwrap();
        let before = sns.bodies().len();
        let started = Instant::now();
        while sns.bodies().len() == before {
            assert!(started.elapsed() < Duration::from_secs(10), "it waits for more");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    drop(input);
    let run = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!((run.code, &run.json["published"]), (Some(0), &2.into()));
    assert!(run.json["latency_ms"]["max"].as_f64().unwrap() < 500.0, "the slow pipe is not the topic's latency");
}

#[test]
fn a_rate_over_the_quota_is_reported_before_it_starts() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let run = Ran::by(publish(home.path(), &sns).args(["--generate", SPEC, "--rate", "40000/s"]));
    assert!(run.code == Some(0) && run.stderr.contains("quota of us-east-1, 30,000 messages/s"), "{}", run.stderr);
}

#[test]
fn stages_end_a_run_and_what_is_left_is_not_read() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let spec = "farms=1,lots=50,days=400,start=2026-01-01";
    let stages = "ramp:0-200/s:0.5s,hold:200/s:0.5s";
    let run = Ran::by(publish(home.path(), &sns).args(["--generate", spec, "--stages", stages]));
    let outcome = run.json;
    assert_eq!((run.code, &outcome["published"]), (Some(0), &150.into()), "{}", run.stderr);
    assert_eq!((&outcome["schedule"], &outcome["dropped"]), (&stages.into(), &0.into()));
    let offered: u64 =
        outcome["intervals"].as_array().unwrap().iter().map(|one| one["offered"].as_u64().unwrap()).sum();
    assert_eq!(offered, 150);
    assert!((0.9..3.0).contains(&outcome["seconds"].as_f64().unwrap()), "{}", outcome["seconds"]);
    assert!(run.stderr.contains("the schedule ends before the generated history does: about 18,0"), "{}", run.stderr);
    assert!(!run.stderr.contains('$'), "a local service has no price: {}", run.stderr);
    let mut command = ruminate(home.path());
    let text = command.args(["publish", "--topic", TOPIC, "--generate", spec, "--stages", stages]).envs(sns.env());
    let text = Ran::by(text).stdout;
    for line in ["add a last stage without a time, such as hold:200/s", "--skip 150"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn a_history_is_replayed_by_its_own_times() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let spec = "farms=1,lots=10,days=5,start=2026-01-01";
    let run = Ran::by(publish(home.path(), &sns).args(["--generate", spec, "--speed", "345600x"]));
    let outcome = run.json;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    // There are four days between the first reading and the last, a quarter of a second each.
    assert!((0.95..3.0).contains(&outcome["seconds"].as_f64().unwrap()), "{}", outcome["seconds"]);
}

#[test]
fn messages_that_a_slow_topic_cannot_accept_in_time_are_dropped_counted_and_stored() {
    let home = tempfile::tempdir().unwrap();
    let sns = stub_with(|d| d.latency_ms = 200.0);
    let flags = ["--generate", SPEC, "--rate", "1000/s", "--concurrency", "1", "--drop-after", "100ms"];
    let run = Ran::by(publish(home.path(), &sns).args(flags).args(["--dead-letters", "late"]));
    let outcome = run.json;
    let number = |field: &str| outcome[field].as_u64().unwrap();
    assert_eq!((run.code, number("read")), (Some(1), 93), "{}", run.stderr);
    assert!(number("dropped") > 0 && number("published") + number("dropped") == 93, "{outcome}");
    let late = std::fs::read_to_string(home.path().join("late")).unwrap();
    assert_eq!(late.lines().count() as u64, number("dropped"));
    assert!(late.lines().all(|line| line.contains(r#""code":"Dropped""#)));

    sns.faults().change(|d| d.latency_ms = 0.0);
    let rest = Ran::by(publish(home.path(), &sns).arg("late"));
    assert_eq!((rest.code, &rest.json["published"]), (Some(0), &outcome["dropped"]), "{}", rest.stderr);
    assert_eq!(sns.bodies().into_iter().collect::<HashSet<_>>().len(), 93, "each arrived");
}

#[test]
fn a_large_run_against_aws_must_be_confirmed() {
    let home = tempfile::tempdir().unwrap();
    let flags = ["publish", "--topic", TOPIC, "--generate", "farms=100,lots=1000,days=365"];
    let run = Ran::by(ruminate(home.path()).args(flags));
    assert_eq!(run.code, Some(2));
    assert!(
        run.stderr.contains("about 33,215,000 messages in 3,321,500 requests, about $1.66 at list price"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("pass --yes to confirm"), "{}", run.stderr);
}
