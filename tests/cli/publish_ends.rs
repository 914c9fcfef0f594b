//! `ruminate publish` that ends before its input does: unreached messages are counted and reported, and can be published later.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::{Ran, ruminate};

use crate::publish::{history, publish};
use crate::sns_stub::{EXPIRED, stub, stub_with};

/// 20 messages, of a history of 93.
const TWENTY: [&str; 2] = ["--stages", "hold:200/s:0.1s"];

fn adds_up(outcome: &Value) {
    let n = |field: &str| outcome[field].as_u64().unwrap_or_else(|| panic!("{field} of {outcome}"));
    let of_read = ["published", "failed", "invalid", "dropped", "unsent"].map(n).iter().sum::<u64>();
    assert_eq!(n("read"), of_read, "{outcome}");
    assert_eq!(n("input"), n("skipped") + n("read") + n("not_reached"), "{outcome}");
}

fn text(home: &Path, sns: &testkit::sns::SnsStub, flags: &[&str]) -> Ran {
    let mut command = ruminate(home);
    Ran::by(command.args(["publish", "--topic", testkit::sns::TOPIC]).args(flags).envs(sns.env()))
}

#[test]
fn stages_that_end_before_the_files_are_no_success_and_resume_publishes_the_rest() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let lines = history(home.path(), "in.json");
    let report = ["in.json", "--report", "p.html"];
    let run = Ran::by(publish(home.path(), &sns).args(TWENTY).args(report));
    let outcome = run.json;
    adds_up(&outcome);
    assert_eq!(
        (run.code, &outcome["published"], &outcome["not_reached"]),
        (Some(3), &20.into(), &73.into()),
        "{}",
        run.stderr
    );
    assert_eq!((&outcome["schedule_ended"], &outcome["input"]), (&true.into(), &93.into()));
    assert!(run.stderr.contains("about 73 messages will not be published"), "warned before it starts: {}", run.stderr);
    let page = std::fs::read_to_string(home.path().join("p.html")).unwrap();
    let head = &page[page.find("<h1>").unwrap()..page.find("</header>").unwrap()];
    assert!(head.contains("Stopped early") && head.contains("73 messages of the input were not reached"), "{head}");
    assert!(!page.contains("Every message was published") && page.contains("hold:200"));

    let rest = Ran::by(publish(home.path(), &sns).args(["in.json", "--resume", "--stages", "hold:500/s"]));
    let outcome = rest.json;
    adds_up(&outcome);
    assert_eq!(
        (rest.code, &outcome["skipped"], &outcome["not_reached"]),
        (Some(0), &20.into(), &0.into()),
        "{}",
        rest.stderr
    );
    assert_eq!(sns.bodies().len(), lines.len(), "none twice");
    assert_eq!(sns.bodies().into_iter().collect::<HashSet<_>>(), lines.into_iter().collect());
}

#[test]
fn the_text_reports_unreached_messages_and_how_to_publish_them() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    history(home.path(), "in.json");
    let run = text(home.path(), &sns, &["in.json", "--stages", "hold:200/s:0.1s"]);
    for output in [
        "not reached",
        "73",
        "the schedule ended after 20 messages, before the input did",
        "hold:200/s",
        "--rate 200/s",
        "--stop-at-schedule-end",
        "run the same command with --resume",
    ] {
        assert!(run.stdout.contains(output), "{output}\n{}", run.stdout);
    }
    let rest = Ran::by(publish(home.path(), &sns).args(["in.json", "--skip", "20"]));
    assert_eq!((rest.code, &rest.json["published"]), (Some(0), &73.into()), "{}", rest.stderr);
}

#[test]
fn a_schedule_whose_end_is_intended_is_clean_and_counts_the_remaining_messages() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let lines = history(home.path(), "in.json");
    let flags = ["in.json", "--stop-at-schedule-end", "--report", "p.html"];
    let run = Ran::by(publish(home.path(), &sns).args(TWENTY).args(flags));
    let outcome = run.json;
    adds_up(&outcome);
    assert_eq!(
        (run.code, &outcome["not_reached"], &outcome["stopped"]),
        (Some(0), &73.into(), &Value::Null),
        "{}",
        run.stderr
    );
    assert_eq!(outcome["resume_skip"], 20);
    let page = std::fs::read_to_string(home.path().join("p.html")).unwrap();
    assert!(page.contains("Every message that was due was published") && page.contains("73 messages of the input"));
    let flags = ["in.json", "--stages", "hold:200/s:0.1s", "--stop-at-schedule-end", "--skip", "20"];
    let run = text(home.path(), &sns, &flags);
    assert!(run.code == Some(0) && run.stdout.contains("the schedule ended after 20 messages"), "{}", run.stdout);
    assert!(
        run.stdout.contains("not reached") && run.stdout.contains("53") && run.stdout.contains("--skip 40"),
        "{}",
        run.stdout
    );
    assert_eq!(sns.bodies().len(), 40, "none twice");
    let first: HashSet<String> = lines.into_iter().take(40).collect();
    assert!(sns.bodies().into_iter().collect::<HashSet<_>>() == first, "the second run continued with the 21st");
}

#[test]
fn a_generated_history_that_is_longer_than_the_stages_is_counted_and_no_failure() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let run = Ran::by(publish(home.path(), &sns).args(["--generate", "lots=50,days=2,start=2026-01-01"]).args(TWENTY));
    let outcome = run.json;
    adds_up(&outcome);
    assert_eq!(
        (run.code, &outcome["input"], &outcome["not_reached"]),
        (Some(0), &93.into(), &73.into()),
        "{}",
        run.stderr
    );
    let large = ["--generate", "farms=40,lots=2000,days=3000,start=2026-01-01"];
    let run = Ran::by(publish(home.path(), &sns).args(large).args(TWENTY).arg("--yes"));
    let outcome = run.json;
    assert_eq!(
        (run.code, &outcome["input"], &outcome["not_reached"]),
        (Some(0), &Value::Null, &Value::Null),
        "{}",
        run.stderr
    );
    assert!(outcome["not_counted"].as_str().unwrap().contains("has about 218,400,000 in all"), "{outcome}");
}

#[test]
fn a_schedule_with_exactly_the_number_of_messages_sends_all_of_them() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let lines = history(home.path(), "in.json");
    std::fs::write(home.path().join("in.json"), lines[..20].join("\n")).unwrap();
    let run = Ran::by(publish(home.path(), &sns).arg("in.json").args(TWENTY));
    let outcome = run.json;
    adds_up(&outcome);
    let ended = (&outcome["not_reached"], &outcome["schedule_ended"], &outcome["resume_skip"]);
    assert_eq!((run.code, ended), (Some(0), (&0.into(), &false.into(), &Value::Null)), "{}", run.stderr);
}

#[test]
fn the_rest_of_a_pipe_is_reported_as_unread_and_never_waited_for() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let lines = history(home.path(), "in.json");
    for meant in [false, true] {
        let mut command = publish(home.path(), &sns);
        command.arg("-").args(TWENTY).args(meant.then_some("--stop-at-schedule-end"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        writeln!(pipe, "{}", lines[..30].join("\n")).unwrap();
        let started = Instant::now();
        let run = Ran::of(&child.wait_with_output().unwrap()); // the pipe is open all the while
        drop(pipe);
        assert!(started.elapsed() < Duration::from_secs(20));
        let outcome = run.json;
        assert_eq!((run.code, &outcome["published"]), (Some(if meant { 0 } else { 3 }), &20.into()), "{}", run.stderr);
        assert_eq!((&outcome["not_reached"], &outcome["input"]), (&Value::Null, &Value::Null), "{outcome}");
        assert_eq!(outcome["not_counted"], "the rest of standard input was not read");
        assert_eq!(outcome["resume_skip"], 20, "of the same input");
    }
}

#[test]
fn a_refusal_in_mid_run_counts_what_it_did_not_reach() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    history(home.path(), "in.json");
    let fine = testkit::sns::Fault::Entry(99, "", true); // no entry has this number: a call that succeeds
    sns.faults().plan([fine, EXPIRED, EXPIRED]);
    let run = Ran::by(publish(home.path(), &sns).args(["in.json", "--concurrency", "1"]));
    let outcome = run.json;
    adds_up(&outcome);
    assert_eq!(
        (run.code, &outcome["published"], &outcome["input"]),
        (Some(3), &10.into(), &93.into()),
        "{}",
        run.stderr
    );
    assert!(outcome["not_reached"].as_u64().unwrap() >= 60, "{outcome}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_counts_what_it_did_not_reach() {
    let sns = stub_with(|d| d.latency_ms = 50.0);
    let home = tempfile::tempdir().unwrap();
    let made = ["generate", "--lots", "50", "--days", "40", "--start", "2026-01-01", "--out", "-", "-q"];
    let whole = Ran::by(ruminate(home.path()).args(made)).stdout;
    std::fs::write(home.path().join("in.json"), &whole).unwrap();
    let mut command = publish(home.path(), &sns);
    command.args(["in.json", "--concurrency", "2"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    while sns.bodies().len() < 40 {
        std::thread::sleep(Duration::from_millis(5));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let run = Ran::of(&child.wait_with_output().unwrap());
    let outcome = run.json;
    adds_up(&outcome);
    assert_eq!((run.code, outcome["input"].as_u64()), (Some(3), Some(whole.lines().count() as u64)), "{outcome}");
    assert!(outcome["not_reached"].as_u64().unwrap() > 100, "{outcome}");
    sns.faults().change(|d| d.latency_ms = 0.0);
    let rest = Ran::by(publish(home.path(), &sns).args(["in.json", "--resume"]));
    adds_up(&rest.json);
    assert_eq!((rest.code, sns.bodies().len()), (Some(0), whole.lines().count()), "{}", rest.stderr);
}

#[test]
fn a_damaged_file_is_not_counted_and_the_files_after_it_are() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let lines = history(home.path(), "after.json");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    std::fs::write(home.path().join("cut.json.gz"), &whole[..whole.len() / 2]).unwrap();
    let run = Ran::by(publish(home.path(), &sns).args(["cut.json.gz", "after.json"]));
    let outcome = run.json;
    assert_eq!(
        (run.code, &outcome["not_reached"], &outcome["input"]),
        (Some(3), &Value::Null, &Value::Null),
        "{}",
        run.stderr
    );
    assert_eq!(outcome["not_counted"], "what is left of cut.json.gz cannot be read");
    let output = text(home.path(), &sns, &["cut.json.gz", "after.json"]);
    assert!(output.stdout.contains("at least 93: what is left of cut.json.gz cannot be read"), "{}", output.stdout);

    // The damage is after the end of the schedule.
    let run = Ran::by(publish(home.path(), &sns).args(["after.json", "cut.json.gz", "after.json"]).args(TWENTY));
    let outcome = run.json;
    assert_eq!((run.code, &outcome["schedule_ended"]), (Some(3), &true.into()), "{}", run.stderr);
    assert_eq!(outcome["not_counted"], "what is left of cut.json.gz cannot be read");
}

#[test]
fn skipping_more_messages_than_exist_counts_only_existing_ones() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    history(home.path(), "in.json");
    let over = Ran::by(publish(home.path(), &sns).args(["in.json", "--skip", "1234567"]));
    let outcome = over.json;
    adds_up(&outcome);
    assert_eq!(
        (over.code, &outcome["skipped"], &outcome["input"]),
        (Some(3), &93.into(), &93.into()),
        "{}",
        over.stderr
    );
}

#[test]
fn a_last_stage_without_a_time_continues_until_the_files_end() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    let lines = history(home.path(), "in.json");
    let run = Ran::by(publish(home.path(), &sns).args(["in.json", "--stages", "ramp:0-200/s:0.2s,hold:200/s"]));
    let outcome = run.json;
    adds_up(&outcome);
    assert_eq!((run.code, &outcome["published"]), (Some(0), &lines.len().into()), "{}", run.stderr);
    assert!((0.5..2.0).contains(&outcome["seconds"].as_f64().unwrap()), "20 in 0.2 s, 73 at 200/s: {outcome}");
}

#[test]
fn a_rate_with_stages_is_refused_with_the_stages_that_do_both() {
    let home = tempfile::tempdir().unwrap();
    let flags = ["publish", "in.json", "--topic", testkit::sns::TOPIC, "--rate", "200/s", "--stages", "hold:5/s:1s"];
    let run = Ran::by(ruminate(home.path()).args(flags));
    assert_eq!(run.code, Some(2));
    for output in ["'--rate <N/s>' cannot be used with '--stages <STAGES>'", "--stages ramp:0-200/s:5s,hold:200/s"] {
        assert!(run.stderr.contains(output), "{output}\n{}", run.stderr);
    }
}

#[test]
fn a_check_that_passed_reads_as_one() {
    let (home, sns) = (tempfile::tempdir().unwrap(), stub());
    history(home.path(), "in.json");
    let run = text(home.path(), &sns, &["in.json", "--fail-if", "p99 > 50s; failed > 0; rate > 0.001/s"]);
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    for output in ["PASS  p99 ", " ms (fails if > 50s)", "PASS  failed 0 (fails if > 0)", "FAIL  rate "] {
        assert!(run.stdout.contains(output), "{output}\n{}", run.stdout);
    }
    let ran = Ran::by(publish(home.path(), &sns).args(["in.json", "--fail-if", "p99 > 50s"])).json;
    assert_eq!(
        (&ran["conditions"][0]["passed"], &ran["conditions"][0]["condition"]),
        (&true.into(), &"p99 > 50s".into())
    );
}
