//! Audits beyond counts: gaps, halting, baselines, reproducibility, patterns and evidence.

use testkit::Scene;

/// A day was lost before it reached either store, and the clock of the warehouse had another time zone.
#[test]
fn gaps_and_likely_causes_are_named() {
    let scene = Scene::embedded();
    let count = scene.history(2, 3, 10);
    let text = std::fs::read_to_string(scene.path("history.json")).unwrap();
    let kept: Vec<&str> =
        text.lines().filter(|line| !(line.contains("2024-01-05") && line.contains("FazendaUm"))).collect();
    let lost = count - kept.len() as u64;
    assert!(lost > 0);
    std::fs::write(scene.path("history.json"), kept.join("\n")).unwrap();
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count - lost)]);
    let audit = scene.run(&["reconcile"]);
    audit.expect(0, &[("matched", count - lost)]);
    let gap = serde_json::json!([{"farm": "fazenda_um", "from": "2024-01-05", "to": "2024-01-05", "days": 1}]);
    assert_eq!(audit.json["gaps"], gap, "both sides agree, and the gap of both is reported");
    let sql = "UPDATE historico_consumo SET data = datetime(data, '-3 hours') WHERE cod_cliente = 'FazendaDois'";
    let changed = scene.sql(sql);
    let audit = scene.run(&["reconcile"]);
    audit.expect(1, &[("differing", changed), ("matched", count - lost - changed)]);
    assert_eq!(audit.json["causes"]["3 h earlier in the warehouse: another time zone"], changed, "{audit:?}");
    let printed = scene.text(&["reconcile"]).stdout;
    assert!(
        printed.contains("gap on both sides: fazenda_um 2024-01-05") && printed.contains("another time zone"),
        "{printed}"
    );
}

#[test]
fn evidence_can_be_checked_by_others_and_is_never_mixed() {
    let scene = Scene::embedded();
    let count = scene.history(2, 3, 40);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    let gone = scene.sql("DELETE FROM historico_consumo WHERE cod_cliente = 'FazendaUm' AND data < '2024-01-03'");
    let audit = scene.run(&["reconcile", "--evidence", "evidence", "--drift", "drift.ndjson"]);
    audit.expect(1, &[("lake_only", gone)]);
    let evidence = scene.path("evidence");
    let checked =
        std::process::Command::new("sha256sum").args(["-c", "--strict", "SHA256SUMS"]).current_dir(&evidence).output();
    assert!(checked.unwrap().status.success());
    let read = |name: &str| std::fs::read_to_string(evidence.join(name)).unwrap();
    let lines = |text: String| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(lines(read("drift.ndjson")), lines(std::fs::read_to_string(scene.path("drift.ndjson")).unwrap()));
    assert_eq!(read("drift.ndjson").lines().count() as u64, gone);
    assert!(read("report.html").contains("</html>"));
    let whole: serde_json::Value = serde_json::from_str(&read("audit.json")).unwrap();
    assert_eq!((&whole["lake_only"], &whole["months"]), (&audit.json["lake_only"], &audit.json["months"]));
    // The months add up to the total, on both sides.
    let mut table = csv::Reader::from_path(evidence.join("totals.csv")).unwrap();
    let lines: Vec<std::collections::HashMap<String, String>> = table.deserialize().map(Result::unwrap).collect();
    let sum = |column: &str, of: &str| -> u64 {
        lines.iter().filter(|line| line["column"] == column).map(|line| line[of].parse::<u64>().unwrap()).sum()
    };
    assert_eq!((sum("peso_medio", "lake_count"), sum("peso_medio", "warehouse_count")), (count, count - gone));
    assert!(lines.iter().any(|line| line["month"] == "2024-02" && line["farm"] == "fazenda_dois"));
    let refused = scene.run(&["reconcile", "--evidence", "evidence"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("not empty"), "{refused:?}");
}

/// Returns a lake of N records whose warehouse lacks one day.
fn damaged() -> (Scene, u64, u64) {
    let scene = Scene::embedded();
    let count = scene.history(2, 10, 20);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    let gone = scene.sql("DELETE FROM historico_consumo WHERE cod_cliente = 'FazendaUm' AND data < '2024-01-02'");
    assert!(gone > 5 && gone * 50 > count, "{gone} of {count}");
    (scene, count, gone)
}

#[test]
fn a_budget_accepts_drift_and_an_audit_can_stop_after_n_findings() {
    let (scene, count, gone) = damaged();
    let with = |budget: &str| scene.run(&["reconcile", "--max-drift", budget]);
    with(&gone.to_string()).expect(0, &[("lake_only", gone)]);
    with(&(gone - 1).to_string()).expect(1, &[("lake_only", gone)]);
    with("10%").expect(0, &[("lake_only", gone)]);
    with("0.1%").expect(1, &[("lake_only", gone)]);
    let refused = with("some");
    assert!(refused.code == Some(2) && refused.stderr.contains("0.1%"), "{refused:?}");
    let page = |budget: &str| {
        scene.run(&["reconcile", "--max-drift", budget, "--report", "page.html"]);
        std::fs::read_to_string(scene.path("page.html")).unwrap()
    };
    assert!(page("10%").contains("within budget") && page("1").contains("exceed the budget of 1"));
    scene.sql("DELETE FROM historico_consumo");
    let halted =
        scene.run(&["reconcile", "--halt-after", "7", "--max-drift", "100%", "--repair", "warehouse", "--allow-empty"]);
    assert_eq!(halted.code, Some(1), "an audit that halted does not pass: {halted:?}");
    let found = halted.json["lake_only"].as_u64().unwrap();
    assert!(found >= 7 && halted.json["halted"].as_str().unwrap().contains("7 findings"), "{halted:?}");
    assert!(found == count || found <= 1_000, "{halted:?}");
    assert_eq!(scene.sql("DELETE FROM historico_consumo"), 0, "a part is not repaired from");
}

#[test]
fn findings_are_new_persisting_or_resolved() {
    let (scene, _, gone) = damaged();
    let json = scene.run(&["reconcile", "--drift", "before.ndjson"]).stdout;
    std::fs::write(scene.path("before.json"), json).unwrap();
    let more = scene.sql("DELETE FROM historico_consumo WHERE cod_cliente = 'FazendaDois' AND data < '2024-01-02'");
    scene.run(&["replay", "--farm", "fazenda_um"]).expect(0, &[("inserted", gone)]);
    let back = scene.sql("DELETE FROM historico_consumo WHERE cod_cliente = 'FazendaUm' AND data < '2024-01-02' AND id_curral IN (SELECT MIN(id_curral) FROM historico_consumo WHERE cod_cliente = 'FazendaUm' AND data < '2024-01-02')");
    assert!(back > 0 && back < gone);
    for baseline in ["before.ndjson", "before.json"] {
        let audit = scene.run(&["reconcile", "--baseline", baseline]);
        let since = serde_json::json!({"baseline": baseline, "new": more, "persisting": back, "resolved": gone - back});
        assert_eq!(audit.json["since_baseline"], since, "{audit:?}");
    }
    let printed = scene.text(&["reconcile", "--baseline", "before.json"]).stdout;
    assert!(printed.contains(&format!("since before.json: {more} new, {back} persisting")), "{printed}");
    std::fs::write(scene.path("other"), "other").unwrap();
    for (file, expected) in [("other", "neither a drift file nor"), ("none", "cannot be read")] {
        let refused = scene.run(&["reconcile", "--baseline", file]);
        assert!(refused.code == Some(2) && refused.stderr.contains(expected), "{refused:?}");
    }
}

/// Two audits of the same stores may differ only in the run's id and times.
#[test]
fn the_same_inputs_give_the_same_report() {
    let (scene, ..) = damaged();
    scene.sql("UPDATE historico_consumo SET peso_medio = ROUND(peso_medio, 1) WHERE data >= '2024-01-15'");
    let objects: Vec<_> = files(&scene.path("lake")).into_iter().step_by(7).collect();
    objects.iter().for_each(|object| std::fs::write(object, "{\"id_curral\":").unwrap());
    for (n, object) in objects.iter().enumerate().step_by(3) {
        std::fs::write(object.with_file_name(format!("unrecognized {}", 1_000 - n)), "").unwrap();
    }
    let audited = |folder: &str, concurrency: &str| {
        let ran = scene.run(&["reconcile", "--evidence", folder, "--concurrency", concurrency]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let read = |name: &str| std::fs::read_to_string(scene.path(folder).join(name)).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&read("audit.json")).unwrap();
        let mut page = testkit::without_marks(&read("report.html"));
        let run = json["run"]["id"].as_str().unwrap().to_owned();
        assert!(page.contains(&run) && page.contains(json["options"]["settings_sha256"].as_str().unwrap()));
        let second = |time: &str| time[..19].replace('T', " ");
        let seconds = format!("{:.2} s", json["seconds"].as_f64().unwrap());
        for time in [
            run,
            second(json["cutoff"].as_str().unwrap()),
            second(json["run"]["started_at"].as_str().unwrap()),
            seconds,
        ] {
            page = page.replace(&time, "…");
        }
        // The only difference is the number of concurrent reads, which changes the order of the objects.
        let command = json["options"]["command"].take();
        page = page.replace(&format!("--concurrency {concurrency}"), "…").replace(&format!("--evidence {folder}"), "…");
        assert!(command.as_str().unwrap().contains("--concurrency"));
        json["run"] = serde_json::Value::Null;
        (json["cutoff"], json["seconds"]) = Default::default();
        let sums = read("SHA256SUMS");
        let sums: Vec<String> = sums
            .lines()
            .filter(|line| !line.ends_with("audit.json") && !line.ends_with("report.html"))
            .map(str::to_owned)
            .collect();
        assert_eq!(sums.len(), 5, "{sums:?}");
        (json, page, sums)
    };
    let (one, other) = (audited("one", "64"), audited("other", "3"));
    assert!(one.0 == other.0, "audit.json differs beyond its run, cutoff and time");
    assert_eq!(one.2, other.2);
    let differ: Vec<_> = one.1.lines().zip(other.1.lines()).filter(|(a, b)| a != b).collect();
    assert!(differ.is_empty() && one.1.len() == other.1.len(), "{differ:?}");
}

/// Returns every file below a folder, in order.
fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn hash_totals_are_the_same_exactly_when_every_value_is() {
    let scene = Scene::embedded();
    let count = scene.history(2, 3, 60);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    let audit = scene.run(&["reconcile"]);
    let hashes = &audit.json["hash_totals"];
    assert_eq!((&hashes["same"], &hashes["lake"]), (&true.into(), &hashes["warehouse"]));
    assert_eq!(hashes["lake"]["records"], count);
    let before = hashes["lake"].clone();
    let digits = before["xxh3_128"].as_str().unwrap();
    assert!(scene.text(&["reconcile"]).stdout.contains(&format!("hash total of both sides: {digits}")));
    assert_eq!(scene.sql("UPDATE historico_consumo SET id_raca = id_raca || ' ' WHERE id_treated_data IN (SELECT MAX(id_treated_data) FROM historico_consumo WHERE data < '2024-02-01')"), 1);
    let audit = scene.run(&["reconcile"]);
    assert_eq!((&audit.json["hash_totals"]["same"], &audit.json["hash_totals"]["lake"]), (&false.into(), &before));
    let months = audit.json["months"].as_array().unwrap();
    let distance: Vec<&str> = months
        .iter()
        .filter(|month| month["hash_totals"]["same"] == false)
        .map(|month| month["month"].as_str().unwrap())
        .collect();
    assert_eq!((distance, months.len()), (vec!["2024-01"], 4));
}

#[test]
fn patterns_of_findings_are_reported() {
    let scene = Scene::embedded();
    let count = scene.history(4, 10, 20);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    let gone = scene.sql("DELETE FROM historico_consumo WHERE cod_cliente = 'FazendaUm' AND data < '2024-01-02'");
    let audit = scene.run(&["reconcile", "--report", "page.html"]);
    let patterns = audit.json["patterns"].as_array().unwrap();
    let of =
        |name: &str| patterns.iter().find(|pattern| pattern["pattern"] == name).unwrap_or(&serde_json::Value::Null);
    assert_eq!((&of("one_farm")["farm"], &of("one_farm")["findings"]), (&"fazenda_um".into(), &gone.into()));
    assert_eq!(of("one_day")["day"], "2024-01-01", "{patterns:?}");
    assert!(of("late_arrival").is_null(), "all records came within minutes, and most have their rows: {patterns:?}");
    let (printed, page) =
        (scene.text(&["reconcile"]).stdout, std::fs::read_to_string(scene.path("page.html")).unwrap());
    assert!(printed.contains("lake only: all") && printed.contains("are in fazenda_um, a farm with"), "{printed}");
    assert!(page.contains("Patterns") && page.contains("2024-01-01"));
    scene.run(&["replay"]).expect(0, &[("inserted", gone)]);
    assert_eq!(scene.run(&["reconcile"]).json["patterns"], serde_json::json!([]));
}

#[test]
fn an_unwritable_output_is_reported_before_the_audit() {
    let (scene, ..) = damaged();
    std::fs::write(scene.path("file"), "").unwrap();
    for flag in ["--drift", "--report", "--evidence"] {
        for place in ["file/below", "none/such/file.html", "lake"] {
            if (flag, place) == ("--evidence", "none/such/file.html") {
                continue; // a folder that can be created
            }
            let refused = scene.run(&["reconcile", flag, place]);
            assert!(refused.code == Some(2) && refused.stderr.contains(flag), "{flag} {place}: {refused:?}");
        }
    }
}

/// The disk is full: a file that would grow past a limit cannot be written.
#[test]
fn a_full_disk_is_reported_and_leaves_no_file_that_looks_complete() {
    let scene = Scene::embedded();
    let count = scene.history(2, 10, 20);
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["backfill", "history.json"]).expect(0, &[("inserted", count)]);
    scene.sql("DELETE FROM historico_consumo");
    let whole = ["reconcile", "--allow-empty", "--drift", "drift.ndjson", "--report", "page.html"];
    scene.run(&whole).expect(1, &[("lake_only", count)]);
    let size = |name: &str| std::fs::metadata(scene.path(name)).unwrap().len();
    let (drift, page) = (size("drift.ndjson"), size("page.html"));
    assert!(page > drift + 40_000, "{page} {drift}");
    let with =
        |max: u64, flag: &str, place: &str| scene.run_on_full_disk(max, &["reconcile", "--allow-empty", flag, place]);
    let before = std::fs::read(scene.path("drift.ndjson")).unwrap();
    let full = with(drift / 2, "--drift", "drift.ndjson");
    assert!(full.code == Some(2) && full.stderr.contains("cannot be written to the drift file"), "{full:?}");
    assert_eq!(std::fs::read(scene.path("drift.ndjson")).unwrap(), before, "what was there is still there, and whole");
    let old = std::fs::read(scene.path("page.html")).unwrap();
    let full = with((drift + page) / 2, "--report", "page.html");
    assert!(full.code == Some(2) && full.stderr.contains("--report page.html cannot be written"), "{full:?}");
    assert_eq!(std::fs::read(scene.path("page.html")).unwrap(), old);
    let full = with((drift + page) / 2, "--evidence", "evidence");
    assert!(
        full.code == Some(2) && full.stderr.contains("--evidence: ") && full.stderr.contains("cannot be written"),
        "{full:?}"
    );
    assert!(!scene.path("evidence/SHA256SUMS").exists() && !scene.path("evidence/report.html").exists());
    let left = files(scene.home.path()).into_iter().filter(|path| path.to_string_lossy().contains(".ruminate-"));
    assert_eq!(left.count(), 0, "nothing half-written is left");
}

#[test]
fn an_id_in_another_spelling_is_one_finding_wherever_its_white_space_is() {
    let (scene, count) = crate::store_state::whole();
    let id = crate::store_state::id_of(&crate::store_state::objects_of(&scene, "fazenda_um/2024/01/02")[0]);
    let rename = |from: &str, to: &str| {
        let update = format!("UPDATE historico_consumo SET id_treated_data = '{to}' WHERE id_treated_data = '{from}'");
        assert_eq!(crate::store_state::sql(&scene, &update), 1, "{from:?} to {to:?}");
    };
    for other in [format!(" {id}"), format!("{id} "), format!("\t{id}\n"), format!(" {} ", id.to_uppercase())] {
        rename(&id, &other);
        let counts = [("differing", 1), ("lake_only", 0), ("warehouse_only", 0), ("matched", count - 1)];
        scene.run(&["reconcile"]).expect(1, &counts);
        rename(&other, &id);
    }
    scene.run(&["reconcile"]).expect(0, &[("matched", count)]);
}

#[test]
fn a_legacy_object_of_fazenda_um_in_the_folder_of_all_others_is_misfiled() {
    let object = |farm: &str, id: &str| {
        format!(
            r#"{{"id_curral":"1","id_raca":"2","id_lote":"{farm}","peso_entrada":234.941,"peso_medio":360.341,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.076451,"cod_cliente":"{farm}","consumo_meta":6.342001600000001,"id_treated_data":"{id}","row_ts":"2026-11-22T18:49:03"}}"#
        )
    };
    let scene = Scene::embedded();
    let day = scene.path("lake/fazenda_dois/2026/11/22");
    std::fs::create_dir_all(&day).unwrap();
    let write = |millis: u32, object: String| {
        std::fs::write(day.join(format!("historico_consumo_2026-11-22 18:49:03.{millis}.json")), object).unwrap();
    };
    write(457, object("FazendaTres", "0f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6ab"));
    scene.run(&["init"]).expect(0, &[]);
    scene.run(&["replay"]).expect(0, &[("inserted", 1)]);
    scene.run(&["reconcile"]).expect(0, &[("matched", 1), ("misfiled", 0)]);
    write(458, object("FazendaUm", "1f1f4d5c-4a7e-4b0c-9d62-8c7d70e6f6ab"));
    scene.run(&["replay"]).expect(0, &[("inserted", 1)]);
    scene.run(&["reconcile"]).expect(1, &[("matched", 2), ("misfiled", 1)]);
}
