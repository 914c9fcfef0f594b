//! What an operator may ask of a replay: a plan, a report, limits, a new table, a way back.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{Duration, Instant};

use testkit::s3::S3Server;
use testkit::{BUCKET, PREFIX, Ran, Scene, real_files, with_real};

/// A lake of the 52 real readings, and an empty warehouse.
fn lost() -> Scene {
    let scene = Scene::embedded();
    fill(&scene);
    scene
}

fn fill(scene: &Scene) {
    scene.run(&["init"]).expect(0, &[]);
    let files = real_files();
    scene.run(&with_real("backfill", &files)).expect(0, &[("inserted", 52)]);
    sql(scene, "DELETE FROM historico_consumo");
}

fn sql(scene: &Scene, text: &'static str) -> u64 {
    scene.sql(text)
}

fn number(ran: &Ran, name: &str) -> f64 {
    ran.json[name].as_f64().unwrap_or_else(|| panic!("{name}: {ran:?}"))
}

#[test]
fn a_dry_run_says_what_it_takes_and_changes_nothing() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    fill(&scene);
    let plan = scene.run(&["replay", "--dry-run"]);
    plan.expect(0, &[("objects", 52), ("get_requests", 52), ("rows_now", 0), ("partitions", 4)]);
    assert!(number(&plan, "list_requests") >= 4.0 && number(&plan, "price_usd") > 0.000_04, "{plan:?}");
    assert_eq!(plan.json["sample"]["records"].as_u64(), Some(52));
    assert!(number(&plan, "seconds") > 0.0);
    assert_eq!(plan.json["classes"]["STANDARD"]["objects"].as_u64(), Some(52), "{plan:?}");
    assert!(plan.json["method"].as_str().unwrap().contains("INSERT"));
    let text = scene.text(&["replay", "--dry-run", "--into-new-table"]).stdout;
    for part in ["(dry run)", "one RENAME", "request cost", "objects/s", "class STANDARD: 52 objects"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
}

/// More of them in a row than a lake may fail.
#[test]
fn objects_that_look_like_the_store_s_errors_are_named_and_end_nothing() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    fill(&scene);
    for n in 0..120 {
        let name = format!("historico_consumo_2023-01-02 00:00:00.{n:03}_x.json");
        let key = format!("{PREFIX}/fazenda_um/2023/01/02/{name}");
        s3.store().put(BUCKET, &key, "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>".to_owned());
    }
    scene.run(&["replay"]).expect(1, &[("inserted", 52), ("unreadable", 120)]);
}

#[test]
fn the_report_is_a_page_or_json_and_tells_of_every_day() {
    let scene = lost();
    std::fs::write(scene.path("lake/fazenda_um/2023/01/02/historico_consumo_2023-01-02 00:00:00.000_x.json"), "{")
        .unwrap();
    let ran = scene.run(&["replay", "--report", "report.html"]);
    ran.expect(1, &[("inserted", 52), ("unreadable", 1)]);
    let html = std::fs::read_to_string(scene.path("report.html")).unwrap();
    assert!(html.contains("52") && html.contains("fazenda_um") && !html.contains("<script"), "{html}");
    scene.run(&["replay", "--report", "report.json"]).expect(1, &[("identical", 52)]);
    let json = std::fs::read(scene.path("report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let days = json["days"].as_array().unwrap();
    assert_eq!(days.len(), 4);
    let back: Vec<u64> = days.iter().map(|day| day["back"].as_u64().unwrap()).collect();
    assert_eq!((back.iter().sum::<u64>(), days[1]["unreadable"].as_u64()), (52, Some(1)));
    assert!(json["newest_row_ts"].as_str().is_some() && json["newest_data"].as_str() == Some("2023-01-04T00:00:00Z"));
    let refused = scene.run(&["replay", "--report", "no/such/dir.html"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("--report"), "{refused:?}");
}

#[test]
fn limits_on_time_and_place_leave_records_out() {
    let scene = lost();
    let ran = scene.run(&["replay", "--data-from", "2023-01-02", "--data-to", "2023-01-03"]);
    ran.expect(0, &[("listed", 52), ("inserted", 26), ("skipped", 26), ("skipped_data", 26)]);
    let ran = scene.run(&["replay", "--processed-until", "2020-01-01T00:00:00Z"]);
    ran.expect(0, &[("skipped_until", 52), ("inserted", 0), ("identical", 0)]);
    let swapped = scene.run(&["replay", "--data-from", "2026-01-05", "--data-to", "2026-01-01"]);
    assert!(swapped.code == Some(2) && swapped.stderr.contains("--data-from 2026-01-05 is after"), "{swapped:?}");
    let refused = scene.run(&["replay", "--processed-until", "yesterday"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("2026-11-22T18:00:00Z"), "{refused:?}");
}

#[test]
fn what_was_overwritten_can_be_put_back_unless_it_changed_since() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    let changed =
        "UPDATE historico_consumo SET quantidade_animais = 1, peso_medio = 0.1 WHERE id_curral = '25994051003275'";
    assert_eq!(sql(&scene, changed), 4);
    let over = scene.run(&["replay", "--on-conflict", "overwrite", "--undo-file", "undo.ndjson"]);
    over.expect(0, &[("overwritten", 4)]);
    assert_eq!(over.json["undo"].as_str(), Some("undo.ndjson"));
    let look = scene.run(&["undo", "undo.ndjson", "--dry-run"]);
    look.expect(0, &[("changes", 4), ("restored", 4)]);
    scene.run(&["replay"]).expect(0, &[("identical", 52)]);
    sql(
        &scene,
        "UPDATE historico_consumo SET id_raca = '7' WHERE data LIKE '2023-01-01%' AND id_curral = '25994051003275'",
    );
    let undone = scene.run(&["undo", "undo.ndjson"]);
    undone.expect(1, &[("changes", 4), ("restored", 3), ("changed_since", 1)]);
    scene.run(&["replay"]).expect(1, &[("conflicting", 4), ("identical", 48)]);
    scene.run(&["undo", "undo.ndjson"]).expect(1, &[("already", 3), ("changed_since", 1)]);
}

#[test]
fn an_undo_file_that_broke_off_takes_back_the_rest() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    let over = ["replay", "--on-conflict", "overwrite", "--undo-file", "undo.ndjson"];
    sql(&scene, "UPDATE historico_consumo SET quantidade_animais = 1 WHERE id_curral = '25994051003275'");
    scene.run(&over).expect(0, &[("overwritten", 4)]);
    // As a kill leaves it in the middle of a line.
    let text = std::fs::read(scene.path("undo.ndjson")).unwrap();
    std::fs::write(scene.path("undo.ndjson"), &text[..text.len() - 50]).unwrap();
    sql(&scene, "UPDATE historico_consumo SET quantidade_animais = 2 WHERE id_curral <> '25994051003275'");
    scene.run(&over).expect(0, &[("overwritten", 48)]);
    let undone = scene.run(&["undo", "undo.ndjson"]);
    undone.expect(1, &[("changes", 51), ("restored", 51), ("broken", 1), ("changed_since", 0)]);
    let problem = &undone.json["problems"]["kept"][0];
    assert_eq!(problem["key"].as_str(), Some("line 4"), "{undone:?}");
    scene.run(&["replay"]).expect(1, &[("conflicting", 51), ("identical", 1)]);
}

/// Found out piece by piece, of which none counts at the rate of rows but the batch once.
#[test]
fn rows_that_another_key_refuses_are_named_and_count_once_at_the_rate() {
    let scene = lost();
    sql(&scene, "CREATE UNIQUE INDEX strange ON historico_consumo (data)");
    let ran = scene.run(&["replay", "--rows-per-second", "26"]);
    ran.expect(1, &[("inserted", 4), ("rejected", 48)]);
    let reason = ran.json["problems"]["kept"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("another unique index"), "{reason}");
    assert!(number(&ran, "seconds") < 4.0, "52 rows at 26 a second: {ran:?}");
    scene.run(&["replay"]).expect(1, &[("identical", 4), ("rejected", 48)]);
}

#[test]
fn a_journal_that_takes_no_notes_ends_the_run_with_a_word_on_what_to_do() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    sql(
        &scene,
        "CREATE TRIGGER vigia BEFORE INSERT ON ruminate_journal WHEN NEW.seq > 0 BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    for change in ["SELECT 1", "DELETE FROM historico_consumo"] {
        sql(&scene, change);
        let ran = scene.run(&["replay"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("ruminate_journal was altered") && ran.stderr.contains("--no-journal"), "{ran:?}");
    }
    scene.run(&["replay", "--no-journal"]).expect(0, &[("inserted", 52)]);
}

/// An object under another day's path, with other values: one of the two wins, and in every run the same.
#[test]
fn two_objects_of_one_id_do_not_take_turns() {
    let scene = lost();
    let day = scene.path("lake/fazenda_um/2023/01/01");
    let object = std::fs::read_dir(&day).unwrap().next().unwrap().unwrap();
    let text = std::fs::read_to_string(object.path()).unwrap();
    let mut copy: serde_json::Value = serde_json::from_str(&text).unwrap();
    copy["peso_medio"] = 999.5.into();
    let other = scene.path("lake/fazenda_um/2023/01/03").join(object.file_name());
    std::fs::write(other, copy.to_string()).unwrap();
    for (inserted, identical) in [(52, 0), (0, 52), (0, 52)] {
        let ran = scene.run(&["replay", "--on-conflict", "overwrite", "--undo-file", "undo.ndjson", "--verify"]);
        let counts = [("inserted", inserted), ("identical", identical), ("conflicting", 1)];
        ran.expect(1, &counts).expect(1, &[("overwritten", 0), ("verified", 52), ("unverified", 0)]);
    }
}

#[test]
fn a_new_table_is_swapped_in_and_the_old_one_kept() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    sql(&scene, "UPDATE historico_consumo SET quantidade_animais = 1");
    let ran = scene.run(&["replay", "--into-new-table"]);
    ran.expect(0, &[("inserted", 52), ("verified", 52)]);
    assert_eq!(ran.json["cut_over"]["swapped"].as_bool(), Some(true), "{ran:?}");
    scene.run(&["replay"]).expect(0, &[("identical", 52)]);
    let old = ran.json["cut_over"]["old"].as_str().unwrap().to_owned();
    scene.run(&["replay", "--table", &old]).expect(1, &[("conflicting", 52)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", 52)]);
    // With no table at all it is simply made.
    sql(&scene, "DROP TABLE historico_consumo");
    let ran = scene.run(&["replay", "--into-new-table"]);
    assert!(ran.code == Some(0) && ran.json["cut_over"]["swapped"].as_bool() == Some(true), "{ran:?}");
    scene.run(&["replay"]).expect(0, &[("identical", 52)]);
    let partial = ["replay", "--into-new-table", "--farm", "fazenda_um", "--dry-run"];
    for flags in [&partial[..4], &partial] {
        let refused = scene.run(flags);
        assert!(refused.code == Some(2) && refused.stderr.contains("whole lake"), "{flags:?}: {refused:?}");
    }
}

/// A file in the way, then a limit in the settings file that is raised: both while the run goes on.
#[test]
fn a_run_waits_and_says_why_and_its_limits_follow_the_settings_file() {
    let scene = lost();
    std::fs::write(scene.path("pause"), "").unwrap();
    std::fs::write(scene.path("ruminate.toml"), "rows-per-second = 5\n").unwrap();
    let started = Instant::now();
    let args = ["replay", "--pause-file", "pause", "--output", "json"];
    let mut child =
        scene.command(&args).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let output = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("paused"))).unwrap().unwrap();
    assert!(output.contains("pause file pause exists"), "{output}");
    std::fs::remove_file(scene.path("pause")).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    std::fs::write(scene.path("ruminate.toml"), "rows-per-second = 5000\n").unwrap();
    let told: Vec<String> = lines.map_while(Result::ok).collect();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(child.wait().unwrap().success(), "{told:?}");
    assert!(told.iter().any(|line| line.contains("throttle limits changed") && line.contains("5000")), "{told:?}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["inserted"].as_u64(), Some(52));
    let pauses = json["pauses"].as_array().unwrap();
    let reasons: Vec<&str> = pauses.iter().map(|pause| pause["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["pause file", "rows per second"]);
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "52 rows at 5 a second and no more take as long as that by themselves"
    );
}

#[test]
fn a_full_disk_ends_the_sort_with_a_word_on_what_to_do() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(2, 250, 10);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    sql(&scene, "DELETE FROM historico_consumo");
    // All in one day: more than the least memory holds.
    let mut all = std::fs::read_dir(scene.path("lake/fazenda_um/2024/01")).unwrap().map(|day| day.unwrap().path());
    let into = all.next().unwrap();
    for day in all {
        for object in std::fs::read_dir(day).unwrap() {
            let object = object.unwrap();
            std::fs::rename(object.path(), into.join(object.file_name())).unwrap();
        }
    }
    std::fs::create_dir(scene.path("small")).unwrap();
    let binary = testkit::built("ruminate").display().to_string();
    let script = format!(
        "mount -t tmpfs -o size=64k none small && exec {binary} replay --sort-memory 1MB --sort-dir small --output json"
    );
    let run = |flags: &[&str]| {
        let mut command = scene.command(&[]);
        let mut unshared = std::process::Command::new("unshare");
        unshared.args(flags).args(["sh", "-c", &script]).current_dir(scene.home.path());
        unshared.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = unshared;
        Ran::of(&command.output().unwrap())
    };
    let mut ran = run(&["-m"]);
    if ran.json.is_null() {
        ran = run(&["-rm"]);
    }
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let stopped = ran.json["stopped"].as_str().unwrap();
    assert!(stopped.contains("sorted on disk") && stopped.contains("--sort-dir"), "{stopped}");
    scene.run(&["replay", "--resume"]).expect(0, &[("listed", count), ("inserted", count)]);
}

#[test]
fn limits_that_would_protect_nothing_are_refused() {
    let scene = lost();
    let replica = format!("sqlite:{}", scene.path("w.db").display());
    for (flags, says) in [
        (&["--max-replica-lag", "5s"][..], "add --replica URL"),
        (&["--max-replica-lag", "5s", "--dry-run"], "add --replica URL"),
        (&["--max-replica-lag", "5s", "--replica", &replica], "it is not a replica"),
        (&["--max-replica-lag", "nan", "--replica", &replica], "is not a duration"),
        (&["--max-threads-running", "0"], "0 is not in 1.."),
        (&["--max-threads-running", "9"], "it does not report running threads"),
    ] {
        let refused = scene.run(&[&["replay"], flags].concat());
        assert!(refused.code == Some(2) && refused.stderr.contains(says), "{flags:?}: {refused:?}");
    }
}

/// The query's table goes while the run waits at the rate of rows.
#[test]
fn a_signal_that_is_lost_is_waited_for_no_longer_than_the_patience() {
    let scene = lost();
    sql(&scene, "CREATE TABLE pausa (n INT)");
    let query = "SELECT COUNT(*) FROM pausa";
    let args =
        ["--throttle-query", query, "--rows-per-second", "10", "--connections", "1", "--unavailable-timeout", "2s"];
    let started = Instant::now();
    let child = scene.start(&[&["replay", "--output", "json"], &args[..]].concat());
    std::thread::sleep(Duration::from_millis(1_500));
    sql(&scene, "DROP TABLE pausa");
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert!(ran.code == Some(3) && started.elapsed() < Duration::from_secs(30), "{ran:?}");
    let stopped = ran.json["stopped"].as_str().unwrap();
    assert!(stopped.contains("--unavailable-timeout") && stopped.contains(query), "{stopped}");
    assert_eq!(ran.stderr.matches("WARN paused: ").count(), 1, "{}", ran.stderr);
    scene.run(&["replay", "--resume"]).expect(0, &[("listed", 52)]);
}

#[test]
fn the_command_of_the_outcome_has_every_flag_that_was_given_and_no_secret() {
    let scene = lost();
    let flags = [
        ("--rows-per-second", "9000"),
        ("--pause-file", "pause"),
        ("--throttle-query", "SELECT 0"),
        ("--unavailable-timeout", "60s"),
        ("--sort-dir", "."),
        ("--sort-memory", "32MB"),
        ("--undo-file", "undo.ndjson"),
        ("--on-conflict", "overwrite"),
        ("--load-method", "insert"),
        ("--max-missing", "3"),
        ("--replica", "mysql://ana:segredo@127.0.0.1:1/x"),
        ("--concurrency", "8"),
        ("--connections", "2"),
        ("--max-attempts", "3"),
        ("--report", "report.html"),
    ];
    let args: Vec<&str> = flags.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let ran = scene.run(&[&["replay"], &args[..]].concat());
    ran.expect(0, &[("inserted", 52)]);
    let command = ran.json["command"].as_str().unwrap();
    for (name, value) in flags {
        let output = match value {
            "SELECT 0" => format!("{name} 'SELECT 0'"),
            "mysql://ana:segredo@127.0.0.1:1/x" => format!("{name} 'mysql://ana:***@127.0.0.1:1/x'"),
            value => format!("{name} {value}"),
        };
        assert!(command.contains(&output), "{output} in {command}");
    }
    assert!(!ran.stdout.contains("segredo"));
}

#[test]
fn a_drift_file_that_names_no_object_leaves_nothing_to_do() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    scene.run(&["reconcile", "--drift", "drift.ndjson"]).expect(0, &[("matched", 52)]);
    let only = ["replay", "--only", "drift.ndjson"];
    scene.run(&only).expect(0, &[("listed", 0), ("not_found", 0)]);
    assert!(scene.text(&only).stdout.contains("nothing to load"));
    let kind = r#"{"kind":"warehouse_only","id":"a","key":null,"fields":{}}"#;
    std::fs::write(scene.path("drift.ndjson"), kind).unwrap();
    scene.run(&only).expect(0, &[("listed", 0)]);
    scene.run(&[&only[..], &["--dry-run"]].concat()).expect(0, &[("objects", 0)]);
}

#[test]
fn a_drift_file_s_objects_outside_of_the_span_are_counted_as_such() {
    let scene = lost();
    scene.run(&["reconcile", "--allow-empty", "--drift", "drift.ndjson"]).expect(1, &[("lake_only", 52)]);
    let only = ["replay", "--only", "drift.ndjson"];
    let ran = scene.run(&[&only[..], &["--from", "2023-01-02", "--to", "2023-01-02"]].concat());
    ran.expect(0, &[("listed", 13), ("inserted", 13), ("not_found", 0)]);
    assert_eq!((ran.json["asked"]["only"].as_u64(), ran.json["asked"]["only_outside"].as_u64()), (Some(52), Some(39)));
    scene.run(&[&only[..], &["--farm", "nenhuma"]].concat()).expect(0, &[("listed", 0), ("not_found", 0)]);
}

#[test]
fn a_run_that_ends_at_a_conflict_says_what_to_change() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    sql(&scene, "UPDATE historico_consumo SET quantidade_animais = 1 WHERE data LIKE '2023-01-02%'");
    let ran = scene.text(&["replay", "--on-conflict", "fail"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let advice = ran.stdout.lines().find(|line| line.starts_with("to resume, ")).unwrap();
    assert!(advice.contains("--on-conflict keep or --on-conflict overwrite"), "{advice}");
}

/// The journal speaks of a lake, not of the name it was called by.
#[test]
fn a_run_goes_on_with_its_own_lake_only() {
    let scene = Scene::embedded();
    let count = scene.history(2, 250, 10);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    std::fs::create_dir_all(scene.path("other")).unwrap();
    std::fs::rename(scene.path("lake"), scene.path("other/lake")).unwrap();
    std::fs::create_dir(scene.path("lake")).unwrap();
    std::fs::remove_file(scene.path("w.db")).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    let warehouse = format!("sqlite:{}", scene.path("w.db").display());
    let there = scene.path("other");
    let start = |extra: &[&str]| {
        let mut command = scene.command(&["replay", "--lake", "lake", "--warehouse", &warehouse, "--output", "json"]);
        command.args(extra).current_dir(&there);
        command
    };
    let mut child = start(&["--rows-per-second", "1000", "--connections", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(2_500));
    child.kill().unwrap();
    child.wait().unwrap();
    // Of this name there is another lake here, which is empty.
    let other = scene.run(&["replay", "--lake", "lake", "--resume", "--allow-empty"]);
    assert_eq!(other.json["resumed"], false, "{other:?}");
    other.expect(0, &[("listed", 0)]);
    // And this is the same one, by another name.
    let whole = scene.path("other/lake").display().to_string();
    let own = scene.run(&["replay", "--lake", &whole, "--resume"]);
    assert_eq!(own.json["resumed"], true, "{own:?}");
    own.expect(0, &[("listed", count), ("inserted", count)]);
}

#[test]
fn a_throttle_query_can_only_read() {
    let (scene, count) = crate::store_state::whole();
    let before = crate::store_state::rows(&scene);
    for query in [
        "DELETE FROM historico_consumo",
        "PRAGMA user_version = 7",
        "SELECT 0; DELETE FROM historico_consumo",
        "WITH x AS (SELECT 1) DELETE FROM historico_consumo",
    ] {
        let ran = scene.run(&["replay", "--throttle-query", query]);
        assert_eq!(ran.code, Some(2), "{query}: {ran:?}");
        std::fs::write(scene.path("ruminate.toml"), format!("throttle_query = \"{query}\"")).unwrap();
        assert_eq!(scene.run(&["replay"]).code, Some(2), "{query}");
        std::fs::remove_file(scene.path("ruminate.toml")).unwrap();
        assert!(crate::store_state::rows(&scene) == before, "{query}");
    }
    let query = "SELECT count(*) > 1000000 FROM historico_consumo -- rows";
    scene.run(&["replay", "--throttle-query", query]).expect(0, &[("identical", count)]);
}

#[test]
fn a_column_whose_values_would_be_lost_blocks_a_table_swap() {
    let (scene, count) = crate::store_state::whole();
    scene.sql("ALTER TABLE historico_consumo ADD COLUMN nota TEXT");
    scene.sql("ALTER TABLE historico_consumo ADD COLUMN dobro REAL GENERATED ALWAYS AS (peso_medio * 2)");
    scene.run(&["replay", "--into-new-table"]).expect(0, &[("inserted", count)]);
    scene.sql("UPDATE historico_consumo SET nota = 'x' WHERE rowid = 7");
    let before = crate::store_state::rows(&scene);
    let dry = scene.text(&["replay", "--into-new-table", "--dry-run"]);
    assert!(dry.stdout.contains("column nota has values"), "{dry:?}");
    let ran = scene.run(&["replay", "--into-new-table"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("column nota has values that the lake lacks"), "{ran:?}");
    assert!(!ran.stderr.contains("dobro"), "{ran:?}");
    assert!(crate::store_state::rows(&scene) == before);
}

#[test]
#[cfg(unix)]
fn a_farm_folder_on_another_disk_is_written_read_and_audited_through_its_link() {
    let scene = Scene::embedded();
    scene.run(&["init"]).expect(0, &[]);
    let count = scene.history(1, 5, 3);
    let disk = scene.path("disk");
    std::fs::create_dir_all(&disk).unwrap();
    std::fs::create_dir(scene.path("lake")).unwrap();
    std::os::unix::fs::symlink(&disk, scene.path("lake/fazenda_um")).unwrap();
    scene.run(&["backfill", "history.json", "--fsync"]).expect(0, &[("written", count)]);
    assert!(std::fs::read_dir(&disk).unwrap().count() > 0, "the objects are on the disk");
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
    scene.sql("DELETE FROM historico_consumo");
    scene.run(&["replay"]).expect(0, &[("inserted", count)]);
}
