//! `ruminate generate --truth`: the expectations of the truth file match the results of the pipeline.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use sqlx::{Connection, Row, SqliteConnection};
use testkit::{Ran, Scene};

/// Every fault at once. Oversized readings are few, because each has a quarter of a megabyte.
const FAULTS: &str = "duplicate=0.05,late=0.1,out_of_order=0.1,missing_day=0.05,malformed=0.1,corrected=0.05,\
                      oversized=0.002,unknown_farm=0.05,missing=0.05,zero=0.05";

const HISTORY: [&str; 11] =
    ["generate", "--farms", "3", "--lots", "30", "--days", "12", "--start", "2026-01-01", "--output", "json"];

fn ran(scene: &Scene, args: &[&str], more: &[String]) -> Ran {
    Ran::of(&scene.command(args).args(more).output().unwrap())
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the values of this field in the lines with one expectation.
fn values(truth: &[Value], outcome: &str, field: &str) -> BTreeSet<String> {
    truth.iter().filter(|line| line["expect"] == outcome).map(|line| line[field].as_str().unwrap().to_owned()).collect()
}

fn rows(scene: &Scene) -> BTreeSet<String> {
    let url = format!("sqlite:{}", scene.path("w.db").display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let rows = sqlx::query("SELECT id_treated_data FROM historico_consumo").fetch_all(&mut connection).await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    })
}

/// The SHA-256 sums by which the quarantine keeps messages.
fn quarantined(dir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.map(|path| {
        if path.is_dir() { quarantined(&path) } else { [path.file_stem().unwrap().to_str().unwrap().to_owned()].into() }
    });
    found.flatten().collect()
}

fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path().display().to_string()).collect();
    files.sort();
    files
}

#[test]
fn what_the_truth_file_expects_is_what_the_pipeline_stores() {
    for format in ["ndjson", "csv"] {
        let scene = Scene::embedded();
        let flags = ["--faults", FAULTS, "--format", format, "--out", "h", "--truth", "t.ndjson"];
        let made = ran(&scene, &HISTORY, &flags.map(str::to_owned));
        let truth = lines(&scene.path("t.ndjson"));
        let totals = &truth.last().unwrap()["totals"];
        assert_eq!(made.code, Some(0), "{made:#?}");
        for (fault, count) in made.json["faults"].as_object().unwrap() {
            assert_eq!(&totals["faults"][fault], count);
            assert!(count.as_u64().unwrap() > 0, "{fault}");
        }
        std::fs::create_dir(scene.path("lake")).unwrap();
        ran(&scene, &["init", "--output", "json"], &[]);
        let publish = ["publish", "--topic", "local", "--send-invalid", "--output", "json"];
        let published = ran(&scene, &publish, &files(&scene.path("h")));
        assert_eq!(published.json["read"], totals["lines"], "{published:#?}");
        assert_eq!(published.json["invalid"], totals["oversized"], "{published:#?}");
        assert_eq!(
            published.json["published"].as_u64(),
            totals["stored"].as_u64().zip(totals["quarantined"].as_u64()).map(|(a, b)| a + b)
        );
        let ids = values(&truth[1..truth.len() - 1], "stored", "id");
        let rows = rows(&scene);
        assert!(rows == ids, "{format}: {} rows, {} ids expected", rows.len(), ids.len());
        assert_eq!(made.json["truth"]["ids"], ids.len() as u64);
        let expected = values(&truth[1..truth.len() - 1], "quarantined", "sha256");
        assert_eq!(quarantined(&scene.path("quarentena")), expected, "{format}");
    }
}

#[test]
fn the_truth_files_of_all_parts_equal_that_of_the_whole_compressed_or_not() {
    let scene = Scene::embedded();
    let make = |more: &[&str]| {
        let flags: Vec<String> = ["--faults", FAULTS].iter().chain(more).map(|&flag| flag.to_owned()).collect();
        let made = ran(&scene, &HISTORY, &flags);
        assert_eq!(made.code, Some(0), "{made:#?}");
        made.json
    };
    make(&["--out", "whole.ndjson", "--truth", "whole.truth", "--threads", "1"]);
    let whole = lines(&scene.path("whole.truth"));
    let mut joined = Vec::new();
    for part in 1..=3 {
        let (name, part) = (format!("{part}.truth"), format!("{part}/3"));
        make(&["--out", "part.ndjson", "--truth", &name, "--part", &part, "--force", "--threads", "3"]);
        let part_lines = lines(&scene.path(&name));
        assert_eq!(part_lines[0]["history"]["part"], part);
        joined.extend(part_lines[1..part_lines.len() - 1].to_vec());
    }
    assert!(joined == whole[1..whole.len() - 1]);
    for name in ["x.truth.gz", "x.truth.zst"] {
        make(&["--out", "whole.ndjson", "--truth", name]);
        let file = std::fs::File::open(scene.path(name)).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut ruminate::compression::open_decompressed(file).unwrap(), &mut text).unwrap();
        assert!(text == std::fs::read_to_string(scene.path("whole.truth")).unwrap(), "{name}");
    }
    let refused =
        ran(&scene, &HISTORY, &["--out", "other.ndjson", "--truth", "whole.truth", "--seed", "2"].map(str::to_owned));
    assert!(
        refused.code == Some(2) && refused.stderr.contains("whole.truth exists with other content"),
        "{refused:#?}"
    );
}

#[test]
fn reconcile_checks_a_history_with_all_faults_against_the_truth_of_its_parts_and_finds_a_lost_row() {
    let scene = Scene::embedded();
    for (part, ending) in [("1/2", ".gz"), ("2/2", ".zst")] {
        let name = part.replace('/', "-");
        let flags = ["--faults", FAULTS, "--part", part, "--out", &format!("{name}.csv{ending}"), "--truth"];
        let made = ran(&scene, &HISTORY, &[&flags.map(str::to_owned)[..], &[format!("{name}.truth{ending}")]].concat());
        assert_eq!(made.code, Some(0), "{made:#?}");
    }
    std::fs::create_dir(scene.path("lake")).unwrap();
    ran(&scene, &["init", "--output", "json"], &[]);
    let publish = ["publish", "--topic", "local", "--send-invalid", "--output", "json", "1-2.csv.gz", "2-2.csv.zst"];
    ran(&scene, &publish, &[]);
    let reconcile = ["reconcile", "--truth", "1-2.truth.gz", "--truth", "2-2.truth.zst", "--output", "json"];
    let proved = ran(&scene, &reconcile, &[]);
    assert_eq!(proved.json["truth"]["passed"], true, "{:#}", proved.json["truth"]);
    assert_eq!(scene.sql("DELETE FROM historico_consumo WHERE id_treated_data IN (SELECT MIN(id_treated_data) FROM historico_consumo)"), 1);
    let lost = ran(&scene, &reconcile, &[]);
    assert_eq!((&lost.json["truth"]["passed"], &lost.json["truth"]["missing"]), (&false.into(), &1.into()));
}
