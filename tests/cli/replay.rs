//! Replay: dry run, report, filters, drift files, and loading into a new table.

use testkit::s3::S3Server;
use testkit::{BUCKET, PREFIX, Ran, Scene, real_files, with_real};

/// Returns a scene with a lake of the 52 real readings and an empty warehouse.
pub fn lost() -> Scene {
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

pub fn sql(scene: &Scene, text: &'static str) -> u64 {
    scene.sql(text)
}

pub fn number(ran: &Ran, name: &str) -> f64 {
    ran.json[name].as_f64().unwrap_or_else(|| panic!("{name}: {ran:?}"))
}

#[test]
fn a_dry_run_estimates_the_work_and_changes_nothing() {
    let s3 = S3Server::with_bucket(BUCKET);
    let scene = Scene::embedded().with_s3(&s3);
    fill(&scene);
    let plan = scene.run(&["replay", "--dry-run"]);
    plan.expect(0, &[("objects", 52), ("get_requests", 52), ("current_rows", 0), ("partitions", 4)]);
    assert!(number(&plan, "list_requests") >= 4.0 && number(&plan, "request_cost_usd") > 0.000_04, "{plan:?}");
    assert_eq!(plan.json["sample"]["records"].as_u64(), Some(52));
    assert!(number(&plan, "seconds") > 0.0);
    assert_eq!(plan.json["classes"]["STANDARD"]["objects"].as_u64(), Some(52), "{plan:?}");
    assert!(plan.json["method"].as_str().unwrap().contains("INSERT"));
    let text = scene.text(&["replay", "--dry-run", "--into-new-table"]).stdout;
    for part in ["(dry run)", "one RENAME", "request cost", "sample of 52 objects", "class STANDARD: 52 objects"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
}

/// There are more such objects in a row than failed reads that a run accepts.
#[test]
fn objects_that_contain_an_s3_error_document_are_reported_and_do_not_end_the_run() {
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
fn the_report_is_a_page_or_json_with_every_day() {
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
    let back: Vec<u64> = days.iter().map(|day| day["recovered"].as_u64().unwrap()).collect();
    assert_eq!((back.iter().sum::<u64>(), days[1]["unreadable"].as_u64()), (52, Some(1)));
    assert!(json["newest_row_ts"].as_str().is_some() && json["newest_data"].as_str() == Some("2023-01-04T00:00:00Z"));
    let refused = scene.run(&["replay", "--report", "no/such/dir.html"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("--report"), "{refused:?}");
}

#[test]
fn filters_by_date_and_processing_time_skip_records() {
    let scene = lost();
    let ran = scene.run(&["replay", "--data-from", "2023-01-02", "--data-to", "2023-01-03"]);
    ran.expect(0, &[("listed", 52), ("inserted", 26), ("skipped", 26), ("skipped_data_range", 26)]);
    let ran = scene.run(&["replay", "--processed-until", "2020-01-01T00:00:00Z"]);
    ran.expect(1, &[("skipped_processed_later", 52), ("inserted", 0), ("identical", 0)]);
    let ran = scene.run(&["replay", "--data-from", "2027-01-01", "--allow-empty"]);
    ran.expect(0, &[("skipped_data_range", 52), ("inserted", 0)]);
    let text = scene.text(&["replay", "--data-from", "2027-01-01"]).stdout;
    assert!(text.contains("nothing was loaded: the filters exclude 52 records with `data` outside"), "{text}");
    // A date includes the complete day, a timestamp only earlier records.
    let today = chrono::Utc::now().date_naive();
    let ran = scene.run(&["replay", "--processed-until", &today.to_string()]);
    assert_eq!(ran.json["skipped_processed_later"], 0, "{ran:?}");
    let midnight = format!("{today}T00:00:00Z");
    let ran = scene.run(&["replay", "--processed-until", &midnight]);
    ran.expect(1, &[("skipped_processed_later", 52)]);
    let swapped = scene.run(&["replay", "--data-from", "2026-01-05", "--data-to", "2026-01-01"]);
    assert!(swapped.code == Some(2) && swapped.stderr.contains("--data-from 2026-01-05 is after"), "{swapped:?}");
    let refused = scene.run(&["replay", "--processed-until", "yesterday"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("2026-11-22T18:00:00Z"), "{refused:?}");
}

/// Two objects have the same id and different values, in the paths of two days. Every run must load the same one.
#[test]
fn of_two_objects_with_one_id_every_run_loads_the_same() {
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
        ran.expect(1, &counts).expect(1, &[("overwritten", 0), ("verified", 52), ("mismatched", 0)]);
    }
}

#[test]
fn a_new_table_is_swapped_in_and_the_old_one_kept() {
    let scene = lost();
    scene.run(&["replay"]).expect(0, &[("inserted", 52)]);
    sql(&scene, "UPDATE historico_consumo SET quantidade_animais = 1");
    let ran = scene.run(&["replay", "--into-new-table"]);
    ran.expect(0, &[("inserted", 52), ("verified", 52)]);
    assert_eq!(ran.json["table_swap"]["swapped"].as_bool(), Some(true), "{ran:?}");
    scene.run(&["replay"]).expect(0, &[("identical", 52)]);
    let old = ran.json["table_swap"]["old"].as_str().unwrap().to_owned();
    scene.run(&["replay", "--table", &old]).expect(1, &[("conflicting", 52)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", 52)]);
    // Without an old table, the new one is created.
    sql(&scene, "DROP TABLE historico_consumo");
    let ran = scene.run(&["replay", "--into-new-table"]);
    assert!(ran.code == Some(0) && ran.json["table_swap"]["swapped"].as_bool() == Some(true), "{ran:?}");
    scene.run(&["replay"]).expect(0, &[("identical", 52)]);
    let partial = ["replay", "--into-new-table", "--farm", "fazenda_um", "--dry-run"];
    for flags in [&partial[..4], &partial] {
        let refused = scene.run(flags);
        assert!(refused.code == Some(2) && refused.stderr.contains("whole lake"), "{flags:?}: {refused:?}");
    }
}

#[test]
fn the_command_in_the_outcome_has_every_given_flag_and_no_secret() {
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
fn a_drift_file_without_objects_means_nothing_to_load() {
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
fn objects_of_a_drift_file_outside_of_the_span_are_counted() {
    let scene = lost();
    scene.run(&["reconcile", "--allow-empty", "--drift", "drift.ndjson"]).expect(1, &[("lake_only", 52)]);
    let only = ["replay", "--only", "drift.ndjson"];
    let ran = scene.run(&[&only[..], &["--from", "2023-01-02", "--to", "2023-01-02"]].concat());
    ran.expect(0, &[("listed", 13), ("inserted", 13), ("not_found", 0)]);
    assert_eq!(
        (ran.json["options"]["selected_objects"].as_u64(), ran.json["options"]["selected_out_of_span"].as_u64()),
        (Some(52), Some(39))
    );
    scene.run(&[&only[..], &["--farm", "nenhuma"]].concat()).expect(0, &[("listed", 0), ("not_found", 0)]);
}
