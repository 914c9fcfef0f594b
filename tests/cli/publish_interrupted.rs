//! `ruminate publish` interrupted by a signal, a kill, a rejecting topic or a full disk, and then resumed.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::sns::Fault;
use testkit::{Ran, ruminate};

use crate::publish::{history, publish};
use crate::sns_stub::{EXPIRED, stub, stub_with};

#[test]
fn a_rejection_stops_the_run_and_the_same_command_resumes_it() {
    let home = tempfile::tempdir().unwrap();
    let lines = history(home.path(), "in.json");
    let sns = stub();
    // One at a time, so that the third call is the third batch.
    sns.faults().plan([Fault::Call(503, "ServiceUnavailable"), EXPIRED, EXPIRED]);
    let first = Ran::by(publish(home.path(), &sns).args(["in.json", "--concurrency", "1"]));
    assert!(first.code == Some(2) && first.stderr.contains("log in again"), "nothing was published: {}", first.stderr);
    let bad = Fault::Entry(99, "", true); // no entry has this number: a call that succeeds
    sns.faults().plan([bad, EXPIRED, EXPIRED]);
    let second = Ran::by(publish(home.path(), &sns).args(["in.json", "--concurrency", "1"]));
    assert_eq!((second.code, &second.json["resume_skip"]), (Some(3), &10.into()), "{}", second.stderr);
    let third = Ran::by(publish(home.path(), &sns).args(["in.json", "--skip", "10"]));
    assert_eq!((third.code, &third.json["skipped"]), (Some(0), &10.into()));
    assert_eq!(sns.bodies().len(), lines.len(), "none twice");
    assert_eq!(sns.bodies().into_iter().collect::<HashSet<_>>(), lines.into_iter().collect());
}

#[cfg(unix)]
#[test]
fn ctrl_c_finishes_in_flight_requests_and_prints_how_to_resume() {
    let sns = stub_with(|d| d.latency_ms = 50.0);
    let home = tempfile::tempdir().unwrap();
    let spec = "farms=1,lots=50,days=40,start=2026-01-01";
    let flags = ["--generate", spec, "--concurrency", "2"];
    let child = publish(home.path(), &sns).args(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while sns.bodies().len() < 40 {
        std::thread::sleep(Duration::from_millis(5));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let run = Ran::of(&child.wait_with_output().unwrap());
    let (outcome, sent) = (run.json, sns.bodies().len() as u64);
    assert_eq!((run.code, outcome["published"].as_u64()), (Some(3), Some(sent)), "{}", run.stderr);
    assert_eq!(outcome["resume_skip"], outcome["published"]);
    sns.faults().change(|d| d.latency_ms = 0.0);
    let rest = Ran::by(publish(home.path(), &sns).args(flags).args(["--skip", &sent.to_string()]));
    assert_eq!(rest.code, Some(0), "{}", rest.stderr);
    let all = sns.bodies();
    assert_eq!(all.len() as u64, sent + rest.json["published"].as_u64().unwrap());
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "none twice");
}

#[cfg(unix)]
#[test]
fn a_killed_run_is_resumed_from_its_journal() {
    let sns = stub_with(|d| d.latency_ms = 30.0);
    let home = tempfile::tempdir().unwrap();
    let flags = ["--generate", "farms=1,lots=50,days=40,start=2026-01-01", "--concurrency", "2", "--resume"];
    let (resume, flags) = flags.split_last().unwrap();
    let mut child = publish(home.path(), &sns).args(flags).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1_600) {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = sns.bodies().len() as u64;
    sns.faults().change(|d| d.latency_ms = 0.0);
    let rest = Ran::by(publish(home.path(), &sns).args(flags).arg(resume));
    let outcome = rest.json;
    let skipped = outcome["skipped"].as_u64().unwrap();
    assert_eq!((rest.code, &outcome["resumed"]), (Some(0), &true.into()), "{}", rest.stderr);
    assert!(skipped > 0 && skipped <= before, "{skipped} of {before}");
    let whole = Ran::by(ruminate(home.path()).args([
        "generate",
        "--lots",
        "50",
        "--days",
        "40",
        "--start",
        "2026-01-01",
        "--out",
        "-",
        "-q",
    ]));
    assert_eq!(sns.bodies().into_iter().collect::<HashSet<_>>(), whole.stdout.lines().map(str::to_owned).collect());
    let none = Ran::by(publish(home.path(), &sns).args(flags).arg(resume));
    assert!(none.code == Some(2) && none.stderr.contains("nothing to resume"), "{}", none.stderr);
}

#[test]
fn credentials_that_expire_during_a_run_stop_it_and_resume_continues() {
    let home = tempfile::tempdir().unwrap();
    let lines = history(home.path(), "in.json");
    let fine = || Fault::Entry(99, "", true); // no entry has this number: a call that succeeds
    let faults = [fine(), fine(), EXPIRED, EXPIRED];
    let sns = stub();
    sns.faults().plan(faults);
    let stopped = Ran::by(publish(home.path(), &sns).args(["in.json", "--concurrency", "1"]));
    let outcome = stopped.json;
    assert_eq!((stopped.code, &outcome["published"]), (Some(3), &20.into()), "{}", stopped.stderr);
    assert!(outcome["stopped"].as_str().unwrap().contains("log in again"), "{outcome}");
    let rest = Ran::by(publish(home.path(), &sns).args(["in.json", "--resume"]));
    assert_eq!((rest.code, &rest.json["skipped"]), (Some(0), &20.into()), "{}", rest.stderr);
    assert_eq!(sns.bodies().len(), lines.len(), "none twice");
    assert_eq!(sns.bodies().into_iter().collect::<HashSet<_>>(), lines.into_iter().collect());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_for_dead_letters_stops_the_run_before_a_message_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let lines = history(home.path(), "in.json");
    let refused = || Fault::Entry(4, "InvalidParameter", true);
    let sns = stub();
    sns.faults().plan([refused()]);
    let flags = ["in.json", "--concurrency", "1", "--dead-letters"];
    let full = Ran::by(publish(home.path(), &sns).args(flags).arg("/dev/full"));
    let outcome = full.json;
    assert_eq!((full.code, &outcome["failed"]), (Some(3), &0.into()), "{}", full.stderr);
    let why = outcome["stopped"].as_str().unwrap();
    assert!(why.contains("/dev/full") && why.contains("free some space"), "{why}");
    assert!(outcome["unsent"].as_u64().unwrap() > 0 && outcome["resume_skip"] == 4, "{outcome}");
    sns.faults().plan([refused()]);
    let rest = Ran::by(publish(home.path(), &sns).args(flags).args(["dead", "--resume"]));
    assert_eq!((rest.code, &rest.json["failed"]), (Some(1), &1.into()), "{}", rest.stderr);
    let letters = Ran::by(publish(home.path(), &sns).arg("dead"));
    assert_eq!((letters.code, &letters.json["published"]), (Some(0), &1.into()), "{}", letters.stderr);
    assert_eq!(sns.bodies().len(), lines.len(), "none twice");
    assert_eq!(sns.bodies().into_iter().collect::<HashSet<_>>(), lines.into_iter().collect());
}

#[test]
fn a_damaged_file_stops_the_run_and_after_its_repair_the_printed_command_resumes_it() {
    let home = tempfile::tempdir().unwrap();
    let lines = history(home.path(), "in.json");
    let (first, rest) = lines.split_at(lines.len() / 3);
    let text = rest.iter().fold(String::new(), |text, line| text + line + "\n");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    std::fs::write(home.path().join("first.json"), first.join("\n")).unwrap();
    std::fs::write(home.path().join("rest.json.gz"), &whole[..whole.len() / 2]).unwrap();
    let sns = stub();
    let files = ["first.json", "rest.json.gz"];
    let cut = Ran::by(publish(home.path(), &sns).args(files));
    let outcome = cut.json;
    let sent = outcome["published"].as_u64().unwrap();
    assert!(cut.code == Some(3) && sent >= first.len() as u64 && outcome["resume_skip"] == sent, "{outcome}");
    assert!(outcome["stopped"].as_str().unwrap().contains("rest.json.gz: it cannot be read on"), "{outcome}");

    std::fs::write(home.path().join("rest.json.gz"), &whole).unwrap();
    let resumed = Ran::by(publish(home.path(), &sns).args(files).arg("--resume"));
    assert!(resumed.code == Some(2) && resumed.stderr.contains(&format!("--skip {sent}")), "{}", resumed.stderr);
    let on = Ran::by(publish(home.path(), &sns).args(files).args(["--skip", &sent.to_string()]));
    assert_eq!(on.code, Some(0), "{}", on.stderr);
    assert_eq!(sns.bodies().len(), lines.len(), "none twice");
    assert_eq!(sns.bodies().into_iter().collect::<HashSet<_>>(), lines.into_iter().collect());
}

#[test]
fn skipping_more_messages_than_exist_is_not_a_success() {
    let home = tempfile::tempdir().unwrap();
    let lines = history(home.path(), "in.json");
    let sns = stub();
    let all = lines.len().to_string();
    assert_eq!(Ran::by(publish(home.path(), &sns).args(["in.json", "--skip", &all])).code, Some(0));
    let over = Ran::by(publish(home.path(), &sns).args(["in.json", "--skip", "1234567"]));
    let why = over.json["stopped"].as_str().unwrap().to_owned();
    assert_eq!(over.code, Some(3), "{}", over.stderr);
    assert!(why.contains("expected to skip 1,234,567 messages") && why.contains(&all), "{why}");
}

#[test]
fn dead_letters_never_go_to_a_file_that_is_being_read() {
    let home = tempfile::tempdir().unwrap();
    history(home.path(), "in.json");
    let before = std::fs::read(home.path().join("in.json")).unwrap();
    let sns = stub();
    let flags = ["in.json", "--skip", "1", "--dead-letters", "./in.json"];
    let refused = Ran::by(publish(home.path(), &sns).args(flags));
    assert!(refused.code == Some(2) && refused.stderr.contains("use another file"), "{}", refused.stderr);
    assert!(sns.bodies().is_empty() && std::fs::read(home.path().join("in.json")).unwrap() == before);
}
