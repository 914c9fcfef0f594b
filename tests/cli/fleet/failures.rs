//! Attempts that fail, are interrupted, killed or stopped, and runs that cannot be written: what the merge names.

use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::Value;
use testkit::planted_drift::{World, to_s3};
use testkit::s3::{Op, S3Server};
use testkit::{BUCKET, Ran, Scene, assert_same_evidence, wait_for};

use super::{Lake, Order, damaged, plan, run_all, shard, stores};

/// Merges a run that lacks shards, and returns the list of them.
#[track_caller]
fn missing(scene: &Scene) -> Vec<Value> {
    let merged = scene.run(&["merge", "run"]);
    assert_eq!(merged.code, Some(2), "{merged:#?}");
    assert!(merged.stderr.contains("missing: run"), "{merged:#?}");
    let missing = merged.json["missing"].as_array().unwrap().clone();
    for shard in &missing {
        // The text names the same commands.
        assert!(merged.stderr.contains(shard["command"].as_str().unwrap()), "{merged:#?}");
    }
    missing
}

/// Returns true if a file of the run contains a text.
fn contains(folder: &std::path::Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contains(&path, text)
        } else {
            String::from_utf8_lossy(&fs::read(path).unwrap()).contains(text)
        }
    })
}

#[test]
fn a_shard_that_cannot_run_leaves_its_error_for_the_merge() {
    let scene = damaged(Lake::New, (2, 8, 10), 1);
    plan(&scene, "reconcile", "run", 3, &[]);
    shard(&scene, "run", 0);
    let other = stores(Lake::New, (1, 4, 4));
    let lake = other.path("lake").display().to_string();
    for _ in 0..2 {
        let ran = Ran::by(
            scene
                .command(&["shard", "run", "--lake", &lake])
                .env("SLURM_ARRAY_TASK_ID", "1")
                .env("SLURM_JOB_ID", "4711"),
        );
        assert_eq!(ran.code, Some(2), "{ran:#?}");
    }
    let before = missing(&scene);
    assert_eq!(before.iter().map(|shard| shard["shard"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    let [first, second] = &before[..] else { panic!("{before:#?}") };
    assert_eq!((&first["attempts"], &second["attempts"]), (&2.into(), &0.into()));
    assert_eq!((&second["last_error"], &first["unfinished"]), (&Value::Null, &Value::Null));
    let error = &first["last_error"];
    assert_eq!(
        (&error["exit"], &error["source"], &error["job"]["SLURM_JOB_ID"]),
        (&2.into(), &"slurm".into(), &"4711".into())
    );
    assert!(error["error"].as_str().unwrap().contains("the run is of the lake"), "{error}");
    assert!(error["error"].as_str().unwrap().contains("check --lake"), "{error}");
    let text = scene.text(&["merge", "run"]);
    assert_eq!((text.code, &*text.stdout), (Some(2), ""), "{text:#?}");
    let lines: Vec<&str> = text.stderr.lines().filter(|line| line.starts_with("  shard ")).collect();
    assert!(
        lines[0].contains("shard 1, 2 attempts; the last one failed at ") && lines[0].contains("SLURM_JOB_ID=4711"),
        "{text:#?}"
    );
    assert!(lines[1].starts_with("  shard 2 was not started: `ruminate shard run --shard 2`"), "{text:#?}");
    // A success makes the records obsolete.
    shard(&scene, "run", 1);
    assert_eq!(missing(&scene).len(), 1);
    shard(&scene, "run", 2);
    let merged = scene.run(&["merge", "run"]);
    merged.expect(1, &[]);
    assert_eq!(merged.json["run"]["shards"][1]["attempts"], 3, "{:?}", merged.json["run"]);
}

#[test]
fn the_record_of_an_error_has_no_password() {
    let scene = stores(Lake::New, (1, 4, 6));
    plan(&scene, "replay", "run", 2, &[]);
    let other = ["--warehouse", "mysql://root:topsecret@127.0.0.1:9/fazendas", "--connect-timeout", "1s"];
    let ran = scene.run(&[&["shard", "run", "--shard", "1"], &other[..]].concat());
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    let found = missing(&scene);
    let error = &found[1]["last_error"];
    assert_eq!((&error["exit"], &found[1]["attempts"]), (&2.into(), &1.into()), "{found:#?}");
    assert!(error["error"].as_str().unwrap().contains("127.0.0.1:9"), "{error}");
    assert!(!contains(&scene.path("run"), "topsecret"));
    // A record that was damaged, or is of another run, is not shown, and does no harm.
    let folder = scene.path("run/shards/000001");
    let record = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("failure-"))
        .unwrap();
    let whole = fs::read_to_string(&record).unwrap();
    for changed in [&whole[..whole.len() / 2], whole.replacen("\"plan_id\":\"", "\"plan_id\":\"0", 1).as_str()] {
        fs::write(&record, changed).unwrap();
        assert_eq!((&missing(&scene)[1]["last_error"], &missing(&scene)[1]["attempts"]), (&Value::Null, &1.into()));
    }
}

#[test]
fn a_lake_that_cannot_be_reached_is_recorded() {
    let (s3, scene, _) = slow();
    drop(s3);
    let ran = scene.run(&["shard", "run", "--shard", "1"]);
    assert_eq!(ran.code, Some(3), "{ran:#?}");
    let error = &missing(&scene)[1]["last_error"];
    assert_eq!(error["exit"], 3, "{error}");
    assert!(error["error"].as_str().unwrap().ends_with(": run it again"), "{error}");
}

/// A lake in a bucket that is slow enough to interrupt a shard, and an audit of it in two shards.
fn slow() -> (S3Server, Scene, u64) {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    let world = World::of(&scene, 2, 30, 20);
    to_s3(&s3, &world.objects());
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[]);
    plan(&scene, "reconcile", "run", 2, &[]);
    s3.faults().change(|faults| faults.latency = Duration::from_millis(100));
    s3.faults().reset_counts();
    (s3, scene, world.0.len() as u64)
}

const SLOW: [&str; 8] = ["shard", "run", "--shard", "1", "--concurrency", "4", "--output", "json"];

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn has_read(s3: &S3Server) {
    wait_for("objects are read", || s3.faults().counts().requests(Op::Get) > 20);
}

#[test]
fn a_killed_attempt_is_named_with_its_host_and_its_start() {
    let (s3, scene, all) = slow();
    let mut child = scene.start(&SLOW);
    has_read(&s3);
    child.kill().unwrap();
    child.wait().unwrap();
    shard(&scene, "run", 0);
    let found = missing(&scene);
    let [of_1] = &found[..] else { panic!("{found:#?}") };
    assert_eq!((&of_1["attempts"], &of_1["last_error"]), (&1.into(), &Value::Null));
    assert!(of_1["unfinished"]["started_at"].is_string() && of_1["unfinished"]["source"] == "command_line", "{of_1}");
    let text = scene.text(&["merge", "run"]).stderr;
    assert!(text.contains("has not ended: it is running, or was killed: `ruminate shard run --shard 1`"), "{text}");
    s3.faults().change(|faults| faults.latency = Duration::ZERO);
    shard(&scene, "run", 1);
    scene.run(&["merge", "run"]).expect(0, &[("matched", all)]);
}

/// SIGTERM ends a shard with 3, and so does the end of its time; the next attempt completes it.
#[test]
fn an_interrupted_shard_ends_with_3_and_is_run_again() {
    let (s3, scene, all) = slow();
    let child = scene.start(&SLOW);
    has_read(&s3);
    signal(&child, "-TERM");
    let ran = Ran::of(&child.wait_with_output().unwrap());
    ran.expect(3, &[]);
    assert_eq!(ran.json["state"], "interrupted");
    let of_1 = missing(&scene)[1].clone();
    assert_eq!((&of_1["attempts"], &of_1["last_error"]["exit"]), (&1.into(), &3.into()));
    assert_eq!(of_1["last_error"]["error"], "interrupted: run it again");
    let ran = scene.run(&[&SLOW[..6], &["--stop-before", "1s"]].concat());
    ran.expect(3, &[]);
    let why = ran.json["stopped"].as_str().unwrap();
    assert!(why.contains("--stop-before (1.00 s)") && why.contains("--objects-per-shard"), "{why}");
    let of_1 = missing(&scene)[1].clone();
    assert_eq!((&of_1["attempts"], &of_1["last_error"]["error"]), (&2.into(), &why.into()), "the last error is named");
    s3.faults().change(|faults| faults.latency = Duration::ZERO);
    run_all(&scene, "run", 2, Order::Ascending);
    let merged = scene.run(&["merge", "run"]);
    merged.expect(0, &[("matched", all)]);
    assert_eq!(merged.json["run"]["shards"][1]["attempts"], 3, "{:?}", merged.json["run"]);
}

/// A process that was stopped, as on a frozen host, continues after another attempt has finished its shard.
#[test]
fn a_stopped_attempt_continues_after_another_has_finished_its_shard() {
    let (s3, scene, all) = slow();
    let child = scene.start(&SLOW);
    has_read(&s3);
    signal(&child, "-STOP");
    s3.faults().change(|faults| faults.latency = Duration::ZERO);
    assert_eq!(shard(&scene, "run", 1).json["state"], "written");
    let outcome = fs::read(scene.path("run/shards/000001/outcome.json")).unwrap();
    signal(&child, "-CONT");
    let ran = Ran::of(&child.wait_with_output().unwrap());
    ran.expect(0, &[]);
    assert_eq!(ran.json["state"], "already_written", "{ran:#?}");
    assert!(fs::read(scene.path("run/shards/000001/outcome.json")).unwrap() == outcome);
    shard(&scene, "run", 0);
    let merged = scene.run(&["merge", "run"]);
    merged.expect(0, &[("matched", all)]);
    assert_eq!(merged.json["run"]["shards"][1]["attempts"], 2, "{:?}", merged.json["run"]);
}

/// Runs a script in which `small` is a file system of 200 KB with a copy of `run`, and `ruminate` the binary.
fn on_a_small_disk(scene: &Scene, script: &str) -> Ran {
    fs::create_dir_all(scene.path("small")).unwrap();
    let binary = testkit::built("ruminate").display().to_string();
    let script = format!(
        "ruminate() {{ {binary} \"$@\"; }}; mount -t tmpfs -o size=200k none small && cp -R run/. small/ && {script}"
    );
    let run = |flags: &[&str]| {
        let mut unshared = Command::new("unshare");
        unshared.args(flags).args(["sh", "-c", &script]).current_dir(scene.home.path());
        let command = scene.command(&[]);
        unshared.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Ran::by(&mut unshared)
    };
    let ran = run(&["-m"]);
    if ran.stderr.contains("unshare") || ran.stderr.contains("mount") { run(&["-rm"]) } else { ran }
}

#[test]
fn a_run_that_is_full_or_cannot_be_written_is_named_and_nothing_is_concluded() {
    let scene = damaged(Lake::New, (2, 8, 10), 1);
    plan(&scene, "reconcile", "run", 2, &[]);
    // Full after the start of the attempt: its files do not fit.
    let fill = "dd if=/dev/zero of=small/fill bs=4k 2>/dev/null; truncate -s -8k small/fill";
    let ran = on_a_small_disk(
        &scene,
        &format!("{{ {fill}; ruminate shard small --shard 0; code=$?; ls small/shards/000000 >&2; exit $code; }}"),
    );
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    for words in ["of the run small cannot be written", "No space left", "free space there", "attempt-"] {
        assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
    }
    assert!(!ran.stderr.contains("outcome.json\n"), "{ran:#?}");
    // Full, then with space: what the first attempt left does no harm.
    let ran = on_a_small_disk(
        &scene,
        &format!("{{ {fill}; ruminate shard small --shard 0; rm small/fill; cp -R small/. run/; }}"),
    );
    assert!(ran.stderr.contains("No space left"), "{ran:#?}");
    run_all(&scene, "run", 2, Order::Ascending);
    scene.run(&["reconcile", "--evidence", "single"]).expect(1, &[]);
    scene.run(&["merge", "run", "--evidence", "merged"]).expect(1, &[]);
    assert_same_evidence(&scene.path("single"), &scene.path("merged"), "after a full disk");
    // A complete run can be merged and its shards recognized, also where nothing can be written.
    let read_only = "mount -o remount,ro small";
    let ran = on_a_small_disk(
        &scene,
        &format!("{read_only} && ruminate shard small --shard 1 && ruminate merge small --evidence read-only"),
    );
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stdout.contains("shard 1 of 2: already complete"), "{ran:#?}");
    assert_same_evidence(&scene.path("single"), &scene.path("read-only"), "read-only");
    let ran =
        on_a_small_disk(&scene, &format!("rm -r small/shards/000001 && {read_only} && ruminate shard small --shard 1"));
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("cannot be written (make the run writable"), "{ran:#?}");
    let ran = on_a_small_disk(&scene, &format!("rm -r small/* && {read_only} && ruminate plan reconcile --out small"));
    assert!(ran.code == Some(2) && ran.stderr.contains("make the run writable"), "{ran:#?}");
}
