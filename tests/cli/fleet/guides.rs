//! The commands of the schedulers' guides, run as they are on the pages, with programs in place of the schedulers.
//!
//! Each of these programs runs the shards of an array one after the other, with the variable of its scheduler.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use testkit::{Ran, Scene, assert_same_evidence, built};

use super::{Lake, damaged, stores};
use crate::reference::repository;

/// Takes the place of jq, which not every machine has.
const JQ: &str = r#"[ "$1" = .shards ] && sed -n 's/.*"shards":\([0-9]*\).*/\1/p'"#;
/// Keeps the mail.
const MAIL: &str = r#"{ echo "$@"; cat; } > mail.txt"#;
/// Shard `FAILING` is called with another lake.
const SBATCH: &str = r#"
for last; do :; done
case "$*" in
*--array=*)
    to=$(echo "$*" | sed -n 's/.*--array=0-\([0-9]*\)%.*/\1/p')
    script=$(echo "$*" | sed -n 's/.* \([^ ]*array.sbatch\) .*/\1/p')
    for n in $(seq 0 "$to"); do
        [ "$n" = "${FAILING-}" ] && lake=other || lake=$RUMINATE_LAKE
        RUMINATE_LAKE=$lake SLURM_ARRAY_TASK_ID=$n SLURM_JOB_ID=47$n bash "$script" "$last" >&2
        code=$?
        [ "$code" -eq 0 ] || failed=1
    done
    echo "${failed-}" > array-failed
    echo 4711 ;;
*--dependency=afterok*) [ -s array-failed ] && [ -n "$(cat array-failed)" ] || { sh -c "$last"; echo $? > merge.code; } ;;
*--dependency=afterany*) sh -c "$last" > merge.log 2>&1; echo $? > merge.code ;;
esac"#;
const KUBECTL: &str = r#"
case "$1" in
apply)
    job=$(cat)
    shards=$(echo "$job" | sed -n 's/.*completions: \([0-9]*\).*/\1/p')
    run=$(echo "$job" | sed -n 's/.*args: \[shard, "\(.*\)", --sort-dir.*/\1/p')
    for n in $(seq 0 $((shards - 1))); do JOB_COMPLETION_INDEX=$n ruminate shard "$run" >&2; done ;;
get) echo SuccessCriteriaMet Complete ;;
esac"#;
const AWS: &str = r#"
run=$(echo "$*" | sed -n 's/.*--parameters run=\([^ ]*\).*/\1/p')
case "$*" in
*"--job-definition ruminate-shard"*)
    size=$(echo "$*" | sed -n 's/.*--array-properties size=\([0-9]*\).*/\1/p')
    for n in $(seq 0 $((size - 1))); do AWS_BATCH_JOB_ARRAY_INDEX=$n ruminate shard "$run" >&2; done
    echo job-1 ;;
*"--depends-on jobId=job-1"*) ruminate merge "$run" --evidence merged > merge.log 2>&1; echo $? > merge.code ;;
esac"#;

/// Address of the run on the pages.
const RUN: &str = "s3://bucket/runs/2026-11-22";

/// Returns the first block of a page that contains a text: indented by four spaces, or between fences.
fn block(page: &str, with: &str) -> String {
    let page = fs::read_to_string(repository("docs/guides").join(page)).unwrap();
    let (mut blocks, mut fenced) = (vec![String::new()], false);
    for line in page.lines() {
        let is_code = match line.strip_prefix("```") {
            Some(_) => {
                fenced = !fenced;
                false
            }
            None => fenced || line.starts_with("    "),
        };
        match blocks.last_mut() {
            Some(block) if is_code => *block += &format!("{}\n", line.strip_prefix("    ").unwrap_or(line)),
            Some(block) if block.is_empty() => {}
            _ => blocks.push(String::new()),
        }
    }
    blocks.into_iter().find(|block| block.contains(with)).unwrap_or_else(|| panic!("no block with {with:?}"))
}

/// Runs a script of a page with the stores of a scene, in eight shards, and in a directory with the files of `scripts/fleet`.
fn run(scene: &Scene, script: &str, env: &[(&str, &str)]) -> Ran {
    let (home, bin) = (scene.home.path().display().to_string(), scene.path("bin"));
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(built("ruminate"), bin.join("ruminate")).unwrap();
        fs::create_dir_all(scene.path("scripts/fleet")).unwrap();
        for path in ["array.sbatch", "scripts/fleet/array.sbatch"] {
            fs::copy(repository("scripts/fleet/array.sbatch"), scene.path(path)).unwrap();
        }
        let job = fs::read_to_string(repository("scripts/fleet/job.yaml")).unwrap();
        fs::write(scene.path("scripts/fleet/job.yaml"), job.replace(RUN, &format!("{home}/run"))).unwrap();
        for (name, text) in [("jq", JQ), ("mail", MAIL), ("sbatch", SBATCH), ("kubectl", KUBECTL), ("aws", AWS)] {
            let path = bin.join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let script = script
        .replace("--lake s3://bucket/historico_diario", "--shards 8")
        .replace("export RUMINATE_LAKE=s3://bucket/historico_diario", "")
        .replace("plan reconcile --out", "plan reconcile --shards 8 --out")
        .replace("export DATABASE_URL=mysql://user:pass@db.example:3306/fazendas", "")
        .replace(RUN, &format!("{home}/run"))
        .replace("/shared/runs/2026-11-22", &format!("{home}/run"))
        .replace("/shared/runs", &home)
        .replace("/shared/", &format!("{home}/"))
        .replace("/var/lib/ruminate", &home);
    assert!(!script.contains("s3://") && !script.contains("mysql://"), "{script}");
    let scene_env = scene.command(&[]);
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(&home);
    bash.envs(scene_env.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    Ran::by(bash.env("PATH", path).envs(env.iter().copied()))
}

fn with_drift() -> Scene {
    let scene = damaged(Lake::Mixed, (2, 8, 10), 1);
    scene.run(&["reconcile", "--evidence", "single"]).expect(1, &[]);
    scene
}

fn file(scene: &Scene, name: &str) -> String {
    fs::read_to_string(scene.path(name)).unwrap_or_default()
}

#[test]
fn the_commands_for_kubernetes_run_unchanged() {
    let scene = with_drift();
    let ran = run(&scene, &block("fleet-kubernetes.md", "kubectl apply"), &[]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert_same_evidence(&scene.path("single"), &scene.path("audit-2026-11-22"), "Kubernetes");
}

#[test]
fn the_commands_for_aws_batch_run_unchanged() {
    let scene = with_drift();
    let ran = run(&scene, &block("fleet-batch.md", "--depends-on"), &[]);
    assert_eq!((ran.code, &*file(&scene, "merge.code")), (Some(0), "1\n"), "{ran:#?}");
    assert_same_evidence(&scene.path("single"), &scene.path("merged"), "AWS Batch");
}

#[test]
fn the_commands_for_slurm_run_unchanged() {
    let scene = with_drift();
    let ran = run(&scene, &block("fleet-slurm.md", "afterok"), &[]);
    assert_eq!((ran.code, &*file(&scene, "merge.code")), (Some(0), "1\n"), "{ran:#?}");
    assert_same_evidence(&scene.path("single"), &scene.path("run-evidence"), "Slurm");
}

/// The merge of every night runs after a shard that failed, and names it with its error and its job.
#[test]
fn the_nightly_script_for_slurm_names_a_shard_that_failed() {
    let scene = stores(Lake::New, (2, 8, 10));
    fs::create_dir(scene.path("other")).unwrap();
    let ran = run(&scene, &block("fleet-slurm.md", "afterany:$job --output"), &[("FAILING", "5")]);
    assert_eq!((ran.code, &*file(&scene, "merge.code")), (Some(0), "2\n"), "{ran:#?}");
    let log = file(&scene, "merge.log");
    assert!(log.contains("shard 5, 1 attempt; the last one failed at ") && log.contains("SLURM_JOB_ID=475"), "{log}");
    assert!(log.contains("1 of 8 shard is missing") && log.contains("the run is of the lake"), "{log}");
}

/// A clean audit sends no mail; drift, and a plan that fails, send one with the exit code and the log.
#[test]
fn the_nightly_script_for_one_machine_sends_a_mail_unless_both_sides_agree() {
    let nightly = block("fleet.md", "/usr/local/bin/nightly-audit\n");
    let clean = stores(Lake::New, (2, 8, 10));
    let ran = run(&clean, &nightly, &[]);
    assert!(ran.code == Some(0) && !clean.path("mail.txt").exists(), "{ran:#?}");
    let scene = with_drift();
    run(&scene, &nightly, &[]);
    let mail = file(&scene, "mail.txt");
    assert!(mail.contains(": exit code 1 oncall@example.org") && mail.contains("lake only"), "{mail}");
    let scene = stores(Lake::New, (1, 4, 4));
    run(&scene, &nightly, &[("RUMINATE_WAREHOUSE", "mysql://root@127.0.0.1:9/x"), ("RUMINATE_CONNECT_TIMEOUT", "1s")]);
    let mail = file(&scene, "mail.txt");
    assert!(mail.contains(": exit code 2") && mail.contains("127.0.0.1:9") && mail.contains("no plan.json"), "{mail}");
}
