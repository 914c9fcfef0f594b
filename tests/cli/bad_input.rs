//! Bad input: either one line that suggests a fix and exit code 2, or counted and reported while the run continues.

use std::io::Write;
use std::process::Stdio;

use testkit::s3::{Fault, Op, S3Server, StorageClass};
use testkit::{BUCKET, PREFIX, Ran, Scene, real_files, with_real};

/// Asserts exit code 2 and one line on stderr that begins with `error:` and has these words and no secret.
#[track_caller]
fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error:")).collect();
    assert_eq!(errors.len(), 1, "one line: {ran:#?}");
    for word in words {
        assert!(errors[0].contains(word), "{word:?} in {}", errors[0]);
    }
    assert!(!ran.stderr.contains("segredo") && !ran.stdout.contains("segredo"), "{ran:#?}");
}

#[test]
fn what_cannot_be_reached_is_named_with_what_to_do() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded();
    refused(&scene.run(&["replay", "--lake", "http://x"]), &["invalid value"]);
    std::fs::create_dir(scene.path("lake")).unwrap();
    refused(&scene.run(&["replay"]), &["there is no file", "w.db", "ruminate init"]);
    assert!(!scene.path("w.db").exists(), "only init makes a file");
    scene.run(&["init", "--table", "other"]).expect(0, &[]);
    refused(&scene.run(&["replay", "--lake", "/no/such/dir", "--table", "other"]), &["/no/such/dir", "check --lake"]);
    refused(&scene.run(&["replay"]), &["no table historico_consumo", "ruminate init"]);
    refused(
        &scene.run(&["replay", "--warehouse", "mysql://ana:segredo@127.0.0.1:1/x"]),
        &["127.0.0.1:1", "check host"],
    );
    refused(&scene.run(&["replay", "--warehouse", "mysql://ana:segredo@127.0.0.1:1"]), &["database"]);
    refused(&scene.run(&["replay", "--table", "x;y"]), &["is not a table name"]);
    refused(
        &scene.run(&["replay", "--from", "2023-02-01", "--to", "2023-01-01"]),
        &["--from 2023-02-01 is after --to"],
    );
    refused(&scene.run(&["backfill", "missing.json"]), &["no table"]);
    scene.run(&["init"]).expect(0, &[]);
    refused(&scene.run(&["backfill", "missing.json"]), &["missing.json"]);
    refused(&scene.run(&["replay", "--only", "missing.ndjson"]), &["missing.ndjson"]);

    let on_s3 = Scene::embedded().with_s3(&s3);
    on_s3.run(&["init"]).expect(0, &[]);
    refused(&on_s3.run(&["replay", "--lake", "s3://nobody/x"]), &["no such bucket", "nobody", "--lake"]);
    let ready = |name: &str, value: &str| {
        let scene = Scene::embedded().with_s3(&s3).with(name, value);
        scene.run(&["init"]).expect(0, &[]);
        scene
    };
    let scene = ready("AWS_SECRET_ACCESS_KEY", "segredo");
    refused(&scene.run(&["replay"]), &["refused", "credentials"]);
    let scene = ready("AWS_REGION", "sa-east-1");
    refused(&scene.run(&["replay"]), &["us-east-1", "AWS_REGION"]);
    let scene = ready("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    refused(&scene.run(&["replay", "--max-attempts", "2"]), &["cannot connect", "AWS_ENDPOINT_URL"]);
}

#[test]
fn a_missing_warehouse_is_an_error_with_the_ways_to_set_one() {
    let scene = Scene::new().with("RUMINATE_LAKE", ".");
    refused(&scene.run(&["replay"]), &["--warehouse", "DATABASE_URL", "RDS_HOST"]);
}

#[test]
fn bad_objects_are_counted_and_reported_and_the_rest_continues() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    let files = real_files();
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&with_real("backfill", &files)).expect(0, &[("inserted", 52)]);
    let store = s3.store();
    let keys = store.list(BUCKET, PREFIX);
    let good = String::from_utf8(store.get(BUCKET, &keys[0]).unwrap().to_vec()).unwrap();
    let day = format!("{PREFIX}/fazenda_um/2023/01/02");
    let named = |n: u32| format!("{day}/historico_consumo_2023-01-02 00:00:0{n}.000.json");
    store.put(BUCKET, &keys[1], &b"{\"id_curral\":"[..]); // truncated
    store.put(BUCKET, &keys[2], &b""[..]); // zero bytes
    store.put(BUCKET, &keys[3], &b"{\"id_curral\":\"\xff\xfe\"}"[..]); // not UTF-8
    store.put(BUCKET, &keys[4], good.replace("\"id_lote\"", "\"lote\"")); // JSON, but not a record
    store.put(BUCKET, &keys[5], &b"[1,2,3]"[..]); // JSON, but not an object
    s3.faults().change(|faults| {
        faults.vanish.insert(format!("{BUCKET}/{}", keys[6]));
        faults.vanish.insert(keys[6].clone());
    });
    store.set_storage_class(BUCKET, &keys[7], StorageClass::Glacier);
    for strange in ["a+b.json", "a%20b.json", "100%.json", "são joão.json", "a b:c.json", "readme.txt"] {
        store.put(BUCKET, &format!("{day}/{strange}"), &b"{}"[..]);
    }
    store.put(BUCKET, &format!("{PREFIX}/readme.txt"), &b"hello"[..]);
    store.put(BUCKET, &named(7), good.replace("peso_medio\":", "peso_medio\":-"));

    scene.command(&["--version"]).status().unwrap();
    std::fs::remove_file(scene.path("w.db")).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    let ran = scene.run(&["replay"]);
    let counts =
        [("listed", 60), ("inserted", 45), ("unreadable", 4), ("rejected", 3), ("archived", 1), ("skipped", 7)];
    ran.expect(1, &counts);
    let problems = serde_json::to_string(&ran.json["problems"]).unwrap();
    for name in [
        "a+b.json",
        "a%20b.json",
        "100%.json",
        "são joão.json",
        "a b:c.json",
        "readme.txt",
        "deleted after listing",
        "field id_lote is missing",
    ] {
        assert!(problems.contains(name), "{name}: {problems}");
    }
    let counts = [("lake_objects", 60), ("unreadable", 4), ("rejected", 3), ("archived", 1), ("matched", 45)];
    scene.run(&["reconcile"]).expect(1, &counts);
}

#[test]
fn many_503s_and_lost_connections_change_no_count() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    s3.faults().change(|faults| {
        faults.slow_down = Fault::rate(0.2);
        faults.reset = Fault::rate(0.05);
        faults.lost_answer = Fault::rate(0.05);
        faults.truncate = Fault::rate(0.05).on(&[Op::Get]);
    });
    let files = real_files();
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&with_real("backfill", &files)).expect(0, &[("written", 52), ("inserted", 52)]);
    scene.run(&["replay"]).expect(0, &[("listed", 52), ("identical", 52)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", 52)]);
}

#[test]
fn invalid_messages_go_to_the_quarantine_and_the_rest_is_stored() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    let good = std::fs::read_to_string(&real_files()[0]).unwrap();
    let mut file = std::fs::File::create(scene.path("mixed.json")).unwrap();
    file.write_all(good.as_bytes()).unwrap();
    file.write_all(b"\n{\"id_curral\":\n\n[]\n\xff\xfe\n{}\n").unwrap();
    let ran = scene.run(&["backfill", "mixed.json"]);
    ran.expect(1, &[("read", 17), ("written", 13), ("inserted", 13), ("rejected", 4)]);
    let problems = serde_json::to_string(&ran.json["problems"]).unwrap();
    for (line, why) in [(14, "not JSON"), (16, "an array"), (17, "not UTF-8"), (18, "field id_curral is missing")] {
        assert!(problems.contains(&format!("mixed.json:{line}")) && problems.contains(why), "{line} {why}: {problems}");
    }
    let quarantine = walk(&scene.path("quarentena"));
    assert_eq!(quarantine.len(), 4, "{quarantine:?}");
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(dir)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path) } else { vec![path] }
        })
        .collect()
}

#[test]
#[cfg(unix)]
fn pipes_loops_and_huge_files_in_a_lake_are_reported_and_the_rest_continues() {
    let scene = Scene::embedded();
    let files = real_files();
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&with_real("backfill", &files)).expect(0, &[("inserted", 52)]);
    let day = scene.path("lake/fazenda_um/2023/01/02");
    let name = |n: u32| day.join(format!("historico_consumo_2023-01-02 00:00:0{n}.000.json"));
    assert!(std::process::Command::new("mkfifo").arg(name(1)).status().unwrap().success());
    std::os::unix::fs::symlink(name(2), name(2)).unwrap();
    std::os::unix::fs::symlink(scene.path("lake"), day.join("circle")).unwrap();
    std::fs::File::create(name(3)).unwrap().set_len(1 << 32).unwrap();
    std::fs::write(day.join("a\\b.json"), "{}").unwrap();
    let ran = scene.run(&["replay"]);
    ran.expect(1, &[("listed", 57), ("identical", 52), ("unreadable", 2), ("rejected", 1), ("skipped", 2)]);
    scene.run(&["reconcile"]).expect(1, &[("matched", 52), ("lake_objects", 57)]);
}

#[test]
fn a_closed_stdout_ends_quietly() {
    let scene = Scene::embedded();
    for args in [&["--help"][..], &["man"], &["completions", "bash"]] {
        let mut child = scene.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            !stderr.contains("panicked") && output.status.code().is_some_and(|code| code <= 2),
            "{args:?} {stderr}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_on_a_full_disk_ends_no_run() {
    let home = tempfile::tempdir().unwrap();
    for form in ["text", "json"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = testkit::scene::ruminate(home.path());
        command.args(["generate", "--days", "2", "--lots", "5", "--out", "-", "-v", "--log-format", form]).stderr(full);
        let ran = command.output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{form}");
        assert!(ran.stdout.split(|&b| b == b'\n').count() > 5);
    }
}

#[test]
fn nothing_but_one_json_object_is_on_stdout() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    let files = real_files();
    let ran = scene.run(&with_real("backfill", &files));
    assert_eq!(ran.stdout.lines().count(), 1);
    assert!(ran.json.is_object());
}

#[test]
fn only_named_objects_are_replayed_and_those_that_are_gone_are_counted() {
    let scene = Scene::embedded();
    let files = real_files();
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&with_real("backfill", &files)).expect(0, &[("inserted", 52)]);
    std::fs::remove_file(scene.path("w.db")).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    scene
        .run(&["reconcile", "--allow-empty", "--drift", "drift.ndjson", "--from", "2023-01-02", "--to", "2023-01-02"])
        .expect(1, &[("lake_only", 13)]);
    scene.run(&["replay", "--only", "drift.ndjson"]).expect(0, &[("listed", 13), ("inserted", 13), ("not_found", 0)]);
    std::fs::remove_dir_all(scene.path("lake/fazenda_um/2023/01/02")).unwrap();
    scene.run(&["replay", "--only", "drift.ndjson"]).expect(1, &[("listed", 0), ("not_found", 13)]);
    std::fs::write(scene.path("drift.ndjson"), "{}\n").unwrap();
    refused(&scene.run(&["replay", "--only", "drift.ndjson"]), &["no line contains a key"]);
}

#[test]
fn conflicts_are_kept_overwritten_or_fatal_as_requested() {
    let scene = Scene::embedded();
    let files = real_files();
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&with_real("backfill", &files)).expect(0, &[]);
    let change = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let url = format!("sqlite:{}", scene.path("w.db").display());
            let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
            let sql = "UPDATE historico_consumo SET quantidade_animais = 1 WHERE id_curral = '25994051003275'";
            let changed = sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected();
            assert_eq!(changed, 4);
        });
    };
    change();
    scene.run(&["replay"]).expect(1, &[("conflicting", 4), ("identical", 48), ("overwritten", 0)]);
    let ran = scene.run(&["replay", "--on-conflict", "fail"]);
    ran.expect(3, &[]);
    assert!(ran.json["stopped"].as_str().unwrap().contains("--on-conflict"));
    scene.run(&["replay", "--on-conflict", "overwrite"]).expect(0, &[("conflicting", 4), ("overwritten", 4)]);
    scene.run(&["replay"]).expect(0, &[("identical", 52)]);
}
