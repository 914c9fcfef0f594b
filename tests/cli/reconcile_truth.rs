//! `reconcile --truth`: exactly the lost, added and oversized readings are reported, by file and line.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use pipeline::record::{Reading, reading_id};
use ruminate::truth::{Entry, Expectation, Totals, Writer};
use serde_json::Value;
use sha2::{Digest, Sha256};
use testkit::{Ran, Scene};
use uuid::Uuid;

/// A history with its truth, as `generate --truth` writes both.
struct Proved {
    scene: Scene,
    lines: Vec<String>,
    entries: Vec<Entry<'static>>,
}

const FILE: &str = "history.json";

impl Proved {
    fn new() -> Self {
        let scene = Scene::embedded();
        scene.history(2, 3, 10);
        let text = std::fs::read_to_string(scene.path(FILE)).unwrap();
        let mut this = Self { scene, lines: Vec::new(), entries: Vec::new() };
        text.lines().for_each(|line| this.stored(line.to_owned(), None));
        this.scene.run(&["init"]).expect(0, &[]);
        this
    }

    fn add(&mut self, line: Option<String>, entry: Entry<'static>) {
        let at = self.lines.len() as u64 + 1;
        let delivered = line.is_some();
        self.lines.extend(line);
        let (file, line) = if delivered { (Some(FILE.into()), at) } else { (None, 0) };
        self.entries.push(Entry { file, line, ..entry });
    }

    fn stored(&mut self, line: String, fault: Option<&'static str>) {
        let id = Some(id_of(&line));
        self.add(Some(line), Entry { id, fault: fault.map(Into::into), ..expecting(Expectation::Stored) });
    }

    fn broken(&mut self, line: &str) {
        let sha256 = Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let of = Entry {
            sha256: Some(sha256.into()),
            fault: Some("malformed".into()),
            ..expecting(Expectation::Quarantined)
        };
        self.add(Some(line.to_owned()), Entry { kind: Some("cut_off".into()), ..of });
    }

    /// Returns a valid reading that no topic accepts.
    fn oversized(&mut self) {
        let line = other(&self.lines[0], "oversized");
        // The maximum size of a message, which its attribute then exceeds.
        let filler = 262_144 - line.len() - "\"note\":\"\",".len();
        let line = line.replacen('{', &format!("{{\"note\":\"{}\",", "x".repeat(filler)), 1);
        let id = Some(id_of(&line));
        self.add(Some(line), Entry { id, fault: Some("oversized".into()), ..expecting(Expectation::Oversized) });
    }

    /// Adds a reading that is never delivered. Returns its line.
    fn never(&mut self) -> String {
        let line = other(&self.lines[0], "never");
        self.add(
            None,
            Entry { id: Some(id_of(&line)), fault: Some("missing".into()), ..expecting(Expectation::Undelivered) },
        );
        line
    }

    /// Writes the history and its truth.
    fn write(&self) -> Totals {
        std::fs::write(self.scene.path(FILE), self.lines.join("\n") + "\n").unwrap();
        let (totals, text) = truth(&self.entries);
        std::fs::write(self.scene.path("truth.ndjson"), text).unwrap();
        totals
    }

    fn prove(&self, more: &[&str]) -> Ran {
        self.scene.run(&[&["reconcile", "--truth", "truth.ndjson", "--drift", "drift.ndjson"], more].concat())
    }

    /// Returns the findings of the last audit: kind, id, and location in the truth file.
    fn findings(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.scene.path("drift.ndjson")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the findings that only the truth file reveals.
    fn truth_findings(&self) -> Vec<Value> {
        let of_truth = |drift: &Value| drift["kind"].as_str().unwrap().starts_with("truth_");
        self.findings().into_iter().filter(of_truth).collect()
    }

    /// Returns the path of the lake's object with an id.
    fn object(&self, id: Uuid) -> std::path::PathBuf {
        let mut folders = vec![self.scene.path("lake")];
        while let Some(dir) = folders.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.to_string_lossy().contains(&id.to_string()) {
                    return path;
                }
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        panic!("no object of {id}")
    }
}

const fn expecting(expect: Expectation) -> Entry<'static> {
    Entry { file: None, line: 0, id: None, fault: None, kind: None, sha256: None, expect }
}

fn truth(lines: &[Entry<'_>]) -> (Totals, Vec<u8>) {
    let mut writer = Writer::new(Vec::new(), [("farms".to_owned(), "2".to_owned())].into()).unwrap();
    lines.iter().for_each(|entry| writer.write(entry).unwrap());
    writer.finish().unwrap()
}

fn id_of(line: &str) -> Uuid {
    reading_id(&Reading::parse(line.as_bytes()).unwrap())
}

/// Returns the same reading of another pen.
fn other(line: &str, pen: &str) -> String {
    let mut json: Value = serde_json::from_str(line).unwrap();
    json["id_curral"] = pen.into();
    json.to_string()
}

#[track_caller]
fn expect(ran: &Ran, code: i32, counts: &[(&str, u64)]) {
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    let truth = &ran.json["truth"];
    for (name, count) in counts {
        assert_eq!(truth[*name].as_u64(), Some(*count), "{name}: {truth:#}");
    }
    assert_eq!(truth["passed"], code == 0, "{truth:#}");
}

#[test]
fn an_ingested_history_passes_and_lost_or_added_readings_are_reported_by_line() {
    let mut history = Proved::new();
    let first = history.lines[0].clone();
    history.stored(first, Some("duplicate"));
    let never = history.never();
    let totals = history.write();
    history.scene.run(&["backfill", FILE]).expect(0, &[]);
    let clean = history.prove(&[]);
    let all = [("expected", totals.ids), ("found", totals.ids), ("missing", 0), ("unexpected", 0), ("undelivered", 1)];
    expect(&clean, 0, &all);
    assert_eq!(clean.json["truth"]["ingest_path"], Value::Null, "without malformed lines the path cannot be inferred");
    assert!(history.findings().is_empty());

    // A row, an object, and both of a third record are lost; an unexpected one is added.
    let ids: Vec<Uuid> = history.entries.iter().map(|entry| entry.id.unwrap()).collect();
    let gone = history.scene.path("gone.ndjson");
    for (at, row, object) in [(3, true, false), (5, false, true), (7, true, true)] {
        if object {
            std::fs::remove_file(history.object(ids[at])).unwrap();
        }
        if row {
            let text = format!("DELETE FROM historico_consumo WHERE id_treated_data = '{}'", ids[at]);
            assert_eq!(history.scene.sql(&text), 1);
        }
    }
    std::fs::write(&gone, never + "\n" + &other(&history.lines[1], "nobody") + "\n").unwrap();
    history.scene.run(&["backfill", "gone.ndjson"]).expect(0, &[("inserted", 2)]);
    let ran = history.prove(&["--report", "page.html"]);
    let lost = [("missing", 3), ("missing_in_lake", 2), ("missing_in_warehouse", 2), ("unexpected", 2)];
    expect(&ran, 1, &lost);
    expect(&ran, 1, &[("expected", totals.ids), ("found", totals.ids - 3), ("unexpected_unlisted", 1)]);
    ran.expect(1, &[("lake_only", 1), ("warehouse_only", 1), ("truth_missing", 3), ("truth_unexpected", 2)]);
    let found = history.truth_findings();
    let missing: std::collections::BTreeMap<String, (u64, [bool; 2])> = found
        .iter()
        .filter(|drift| drift["kind"] == "truth_missing")
        .map(|drift| {
            let sides = [0, 1].map(|side| !drift["fields"]["id_treated_data"][side].is_null());
            (drift["id"].as_str().unwrap().to_owned(), (drift["truth"]["line"].as_u64().unwrap(), sides))
        })
        .collect();
    let expected = [(3, [true, false]), (5, [false, true]), (7, [false, false])];
    assert_eq!(missing, expected.map(|(at, sides)| (ids[at].to_string(), (at as u64 + 1, sides))).into());
    let unexpected: Vec<&Value> = found.iter().filter(|drift| drift["kind"] == "truth_unexpected").collect();
    assert!(unexpected.iter().any(|drift| drift["truth"]["fault"] == "missing"), "{unexpected:?}");
    let text = history.scene.text(&["reconcile", "--truth", "truth.ndjson"]).stdout;
    assert!(text.contains("ground truth: FAILED") && text.contains("3 missing (2 from the lake, 2 from"), "{text}");
    let page = std::fs::read_to_string(history.scene.path("page.html")).unwrap();
    assert!(page.contains("truth.ndjson") && page.contains("history.json:8"), "{page}");
}

#[test]
fn oversized_and_malformed_lines_are_checked_by_the_ingest_path() {
    let mut history = Proved::new();
    history.broken("{\"cut");
    history.broken("{\"cut");
    history.broken("nothing");
    history.oversized();
    let totals = history.write();
    let prove = |ingest_path: &[&str]| history.prove(ingest_path);

    // The state after publish, made manually, because there is no topic here.
    let sent: Vec<&str> = history.lines.iter().map(String::as_str).filter(|line| line.len() > 100).collect();
    let sent: Vec<&str> = sent.into_iter().filter(|line| line.len() < 100_000).collect();
    std::fs::write(history.scene.path("sent.json"), sent.join("\n")).unwrap();
    history.scene.run(&["backfill", "sent.json"]).expect(0, &[("inserted", totals.ids)]);
    let published = prove(&[]);
    let counts = [("expected", totals.ids), ("quarantined_expected", 2), ("quarantined_withheld", 2), ("oversized", 1)];
    expect(&published, 0, &counts);
    assert_eq!(published.json["truth"]["ingest_path"], "publish");
    let text = history.scene.text(&["reconcile", "--truth", "truth.ndjson"]).stdout;
    assert!(
        text.contains("does not send them without --send-invalid") && text.contains("ground truth: passed"),
        "{text}"
    );
    expect(&prove(&["--ingest-path", "send-invalid"]), 1, &[("quarantined_missing", 2), ("missing", 0)]);
    expect(&prove(&["--ingest-path", "backfill"]), 1, &[("quarantined_missing", 2), ("missing", 1)]);

    history.scene.run(&["backfill", FILE]).expect(1, &[("inserted", 1), ("rejected", 3)]);
    let filled = prove(&[]);
    let counts = [("expected", totals.ids + 1), ("found", totals.ids + 1), ("quarantined_found", 2), ("unexpected", 0)];
    expect(&filled, 0, &counts);
    assert_eq!(filled.json["truth"]["ingest_path"], "backfill", "only backfill ingests oversized lines");
    expect(&prove(&["--ingest-path", "publish"]), 1, &[("unexpected", 1), ("oversized_stored", 1)]);

    let kept = walk(&history.scene.path("quarentena"));
    assert_eq!(kept.len(), 2, "the same bytes are one object");
    std::fs::remove_file(&kept[0]).unwrap();
    expect(&prove(&[]), 1, &[("quarantined_found", 1), ("quarantined_missing", 1), ("missing", 0)]);
    let lost = history.truth_findings();
    assert_eq!((lost.len(), &lost[0]["truth"]["kind"]), (1, &"cut_off".into()), "{lost:?}");
}

/// Returns every file below a directory.
fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn corrections_that_the_truth_file_lists_are_not_findings() {
    let mut history = Proved::new();
    let mut json: Value = serde_json::from_str(&history.lines[4]).unwrap();
    json["consumo_real"] = 1.25.into();
    history.stored(json.to_string(), Some("corrected"));
    history.write();
    history.scene.run(&["backfill", FILE]).expect(0, &[]);
    history.scene.run(&["reconcile"]).expect(1, &[("logical_duplicates", 1)]);
    let ran = history.prove(&[]);
    expect(&ran, 0, &[("corrections", 1), ("missing", 0), ("unexpected", 0)]);
    ran.expect(0, &[("logical_duplicates", 0)]);
}

#[test]
fn no_budget_accepts_a_failed_ground_truth_check() {
    let mut history = Proved::new();
    history.write();
    history.scene.run(&["backfill", FILE]).expect(0, &[]);
    let row =
        "DELETE FROM historico_consumo WHERE id_treated_data = (SELECT MIN(id_treated_data) FROM historico_consumo)";
    assert_eq!(history.scene.sql(row), 1);
    history.scene.run(&["reconcile", "--max-drift", "10"]).expect(0, &[("lake_only", 1)]);
    expect(&history.prove(&["--max-drift", "10"]), 1, &[("missing", 1)]);
    let text = history.scene.text(&["reconcile", "--truth", "truth.ndjson", "--max-drift", "10"]).stdout;
    assert!(text.contains("the budget of 10 does not apply: the ground truth check failed"), "{text}");
    history.scene.run(&["replay"]).expect(0, &[("inserted", 1)]);
    // A correction that no truth file lists is a finding like any other, and may be within the budget.
    let mut json: Value = serde_json::from_str(&history.lines[4]).unwrap();
    json["consumo_real"] = 1.25.into();
    history.stored(json.to_string(), None);
    history.write();
    history.scene.run(&["backfill", FILE]).expect(0, &[("inserted", 1)]);
    expect(&history.prove(&["--max-drift", "10"]), 0, &[("missing", 0), ("unexpected", 0)]);
}

#[test]
fn parts_are_checked_together_without_days_that_were_not_audited() {
    let history = Proved::new();
    let totals = history.write();
    history.scene.run(&["backfill", FILE]).expect(0, &[]);
    let (one, other) = history.entries.split_at(7);
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(&truth(other).1).unwrap();
    std::fs::write(history.scene.path("one.ndjson"), truth(one).1).unwrap();
    std::fs::write(history.scene.path("other.ndjson.gz"), compressed.finish().unwrap()).unwrap();
    let both = ["reconcile", "--truth", "one.ndjson", "--truth", "other.ndjson.gz"];
    expect(&history.scene.run(&both), 0, &[("expected", totals.ids), ("found", totals.ids), ("lines", totals.lines)]);
    let part = history.scene.run(&["reconcile", "--truth", "one.ndjson"]);
    expect(
        &part,
        1,
        &[("expected", 7), ("found", 7), ("unexpected", totals.ids - 7), ("unexpected_unlisted", totals.ids - 7)],
    );
    let day = history.scene.run(&[&both[..], &["--from", "2024-01-03", "--to", "2024-01-03"]].concat());
    let expected = day.json["truth"]["expected"].as_u64().unwrap();
    assert!(expected > 0 && expected < totals.ids);
    expect(&day, 0, &[("found", expected), ("out_of_window", totals.ids - expected), ("unexpected", 0)]);
}

#[test]
fn an_invalid_truth_file_ends_the_run_before_it_starts() {
    let history = Proved::new();
    history.write();
    let whole = std::fs::read_to_string(history.scene.path("truth.ndjson")).unwrap();
    let cut = whole.lines().take(5).collect::<Vec<_>>().join("\n") + "\n";
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(whole.as_bytes()).unwrap();
    let mut compressed = compressed.finish().unwrap();
    compressed.truncate(compressed.len() / 2);
    for (name, text, expected) in [
        ("cut.ndjson", cut.into_bytes(), "without its totals"),
        ("cut.ndjson.gz", compressed, "not a complete truth file"),
        (
            "earlier.ndjson",
            whole.replace("truth\":2", "truth\":1").into_bytes(),
            "version 1, and this program reads version 2",
        ),
        (FILE, std::fs::read(history.scene.path(FILE)).unwrap(), "not a truth file"),
        ("no-id.ndjson", whole.replacen("\"id\"", "\"od\"", 1).into_bytes(), "line 2: has no id"),
    ] {
        std::fs::write(history.scene.path(name), text).unwrap();
        let ran = history.scene.run(&["reconcile", "--truth", name]);
        assert_eq!(ran.code, Some(2), "{name}: {ran:?}");
        let output = ran.stderr.trim();
        assert!(output.contains(name) && output.contains(expected) && output.lines().count() == 1, "{name}: {output}");
    }
    let ran = history.scene.run(&["reconcile", "--truth", "none.ndjson"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("--truth none.ndjson: cannot be read"), "{ran:?}");
    let ran = history.scene.run(&["reconcile", "--truth", "truth.ndjson", "--farm", "fazenda_um"]);
    assert!(
        ran.code == Some(2) && ran.stderr.contains("--farm"),
        "a truth file does not contain the farm of an id: {ran:?}"
    );
}
