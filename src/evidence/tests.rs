//! Evidence is complete, in a fixed order, free of formulas, and never mixed with other files.

use super::*;
use crate::reconcile::DriftKind;
use serde_json::json;

const PAGE: &str = "<html></html>";

fn outcome() -> (Outcome, Vec<Drift>) {
    let mut outcome = Outcome::default();
    let evil = "=HYPERLINK(\"http://x\",\"y\")";
    let drift = [
        Drift::new(DriftKind::Differing, evil, Some("+k,\"e\"\ny".into())).with_field(
            "peso_medio",
            json!(-1.5),
            json!("@x"),
        ),
        Drift::new(DriftKind::LakeOnly, "plain", None).with_reason("-2+3"),
    ];
    let day = "2024-02-29".parse().unwrap();
    drift.iter().for_each(|drift| outcome.count(drift, Some((evil.into(), day))));
    let row = testkit::conformance::warehouse::record(1).to_row(&pipeline::record::row::TableSchema::standard());
    outcome.add_matched(&row, Some((evil, day)));
    (outcome, drift.into())
}

fn written(dir: &Path) -> Vec<String> {
    let (outcome, drift) = outcome();
    Evidence::begin(dir).unwrap().write(&outcome, PAGE, drift.into_iter().map(Ok)).unwrap()
}

#[test]
fn every_file_has_a_checksum_and_a_directory_is_used_once() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a/b");
    let names = written(&dir);
    let sums = fs::read_to_string(dir.join(SUMS)).unwrap();
    assert_eq!(sums.lines().count(), names.len() - 1);
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        assert_eq!(hex(&Sha256::digest(fs::read(dir.join(name)).unwrap())), sum, "{name}");
    }
    let mut there: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    let mut names = names;
    names.sort();
    assert_eq!(there, names, "nothing else is left");
    let e = Evidence::begin(&dir).unwrap_err().to_string();
    assert!(e.contains("not empty"), "{e}");
    let same = |name: &str| fs::read(dir.join(name)).unwrap();
    let again = home.path().join("again");
    written(&again);
    for name in names {
        assert_eq!(same(&name), fs::read(again.join(&name)).unwrap(), "{name}: same inputs, same bytes");
    }
}

/// The tables of rules in the module documentation must equal those in `docs/audit.md`, line by line.
#[test]
fn the_audit_page_equals_the_module_documentation() {
    let page = include_str!("../../docs/audit.md");
    let table = |code: &'static str| {
        let docs = code.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
        docs.filter(|line| line.starts_with("| ")).collect::<Vec<_>>()
    };
    let sources = [
        (include_str!("../../pipeline/src/record/row/compare.rs"), 9),
        (include_str!("../reconcile/cause.rs"), 10),
        (include_str!("../reconcile/patterns/mod.rs"), 6),
    ];
    for (source, lines) in sources {
        let table = table(source);
        assert_eq!(table.len(), lines, "{table:?}");
        for line in table {
            assert!(page.contains(line), "docs/audit.md lacks {line}");
        }
    }
    for kind in DriftKind::ALL {
        assert!(page.contains(&format!("`{}`", kind.name())), "{}", kind.name());
    }
}

#[test]
fn incomplete_evidence_has_no_checksums() {
    let home = tempfile::tempdir().unwrap();
    let (outcome, drift) = outcome();
    let findings = drift.into_iter().map(Ok).chain([Err(io::Error::from(io::ErrorKind::StorageFull))]);
    let e = format!("{:#}", Evidence::begin(home.path()).unwrap().write(&outcome, PAGE, findings).unwrap_err());
    assert!(e.contains("drift.ndjson cannot be written") && e.contains("no storage space"), "{e}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "no partial file is left");
}

#[test]
fn no_cell_starts_like_a_formula() {
    let home = tempfile::tempdir().unwrap();
    written(home.path());
    for name in ["drift.csv", "days.csv", "hashes.csv", "totals.csv"] {
        let mut table = csv::Reader::from_path(home.path().join(name)).unwrap();
        for record in table.records() {
            for field in record.unwrap().iter() {
                let number = field.parse::<f64>().is_ok();
                assert!(number || !field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{name}: {field}");
            }
        }
    }
    let text = fs::read_to_string(home.path().join("drift.csv")).unwrap();
    assert!(text.contains("'=HYPERLINK") && text.contains(",-1.5,'@x,"), "{text}");
}
