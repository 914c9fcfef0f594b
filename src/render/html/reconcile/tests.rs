//! Tests of the page: every kind of drift, hostile data, large data.

use chrono::{DateTime, Days, NaiveDate};
use serde_json::json;

use crate::reader::Skip;
use crate::reconcile::{
    AuditOptions, AuditSettings, Counter, Outcome, RepairCounter, RunInfo, Store, StoreInfo, TruthCounter, TruthResult,
};
use crate::reconcile::{Drift, DriftKind, Pattern, PatternKind};
use crate::render::html::unbroken::without_marks;
use crate::render::html::{MAX_BYTES, render, write};
use pipeline::record::row::TableSchema;

const ID: &str = "0185a5f5-2000-8d49-8f0c-5f3c5a6a7b8c";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn audit() -> Outcome {
    Outcome {
        lake: "s3://fazendas/historico_diario".into(),
        warehouse: "mysql://ana:***@db/fazendas table historico_consumo".into(),
        server: "8.4.3".into(),
        cutoff: DateTime::from_timestamp(1_700_000_000, 0),
        window_column: "data".into(),
        options: AuditOptions {
            command: "ruminate reconcile --lake s3://f/h".into(),
            meta_rate: 0.0176,
            ..AuditOptions::default()
        },
        ..Outcome::default()
    }
}

pub(super) fn clean() -> Outcome {
    let mut outcome = audit();
    (
        outcome[Counter::LakeObjects],
        outcome[Counter::LakeRecords],
        outcome[Counter::WarehouseRows],
        outcome[Counter::Matched],
    ) = (1_300, 1_300, 1_300, 1_300);
    for at in 0..4 {
        let cell = outcome.cell("fazenda_um", day("2023-01-01") + Days::new(at));
        (cell.lake, cell.warehouse) = (325, 325);
    }
    for n in 0..1_300 {
        let record = testkit::conformance::warehouse::record(n);
        outcome.add_matched(&record.to_row(&TableSchema::standard()), Some(("fazenda_um", day("2023-01-01"))));
    }
    outcome
}

/// Returns an outcome with one finding of each kind, with `text` in all places for data.
fn every_kind(text: &str) -> Outcome {
    let mut outcome = clean();
    for kind in DriftKind::ALL {
        let mut drift = Drift::new(kind, text, Some(text.into()))
            .with_field("consumo_real", json!(9.076_451), json!(9.5))
            .with_reason(text);
        drift = drift.with_field(text, json!(text), serde_json::Value::Null);
        outcome.count(&drift, Some((text.into(), day("2023-01-02"))));
    }
    (
        outcome[Counter::Archived],
        outcome[Skip::AfterCutoff],
        outcome[Skip::Unrecognized],
        outcome[Counter::NotCompared],
    ) = (1, 2, 3, 4);
    outcome.problems.add("skipped", text, text);
    outcome.repaired.problems.add("differing", text, text);
    outcome.repaired.reasons.add(DriftKind::Misfiled, text, 1);
    outcome.carry.repair_asked = true;
    outcome
}

#[test]
fn a_clean_audit_shows_it_first() {
    let html = render(&clean()).unwrap();
    let head = &html[html.find("<h1>").unwrap()..html.find("</header>").unwrap()];
    assert!(head.contains("Lake and warehouse agree"), "{head}");
    assert!(head.contains("1,300 records") && head.contains("2023-11-14 22:13:20 UTC"), "{head}");
    assert!(html.contains("All totals agree") && html.contains("Nothing to repair"));
    assert!(!html.contains("class=\"group\""));
}

#[test]
fn every_kind_of_drift_has_its_section() {
    let html = render(&every_kind(ID)).unwrap();
    for kind in DriftKind::ALL {
        assert!(html.contains(&format!("<section id=\"{}\"", kind.name())), "{}", kind.name());
        assert!(html.contains(&format!("href=\"#{}\"", kind.name())), "{}", kind.name());
    }
    assert!(html.contains("<h1>12 findings, 4 objects not read</h1>"));
    for text in ["+0.423549", "Archived objects", "Not repaired, with reasons", "Could not be repaired"] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn an_audit_that_stopped_claims_nothing() {
    let mut outcome = clean();
    outcome.stopped = Some("interrupted".into());
    let html = render(&outcome).unwrap();
    assert!(html.contains("Stopped early") && html.contains("run it again for a verdict"));
    assert!(!html.contains("Lake and warehouse agree") && !html.contains("class=\"breakdown\""));
}

#[test]
fn an_empty_audit_is_suspicious() {
    assert!(render(&audit()).unwrap().contains("check the addresses and the window"));
    assert!(render(&Outcome::default()).is_ok());
}

#[test]
fn hostile_text_stays_text() {
    let hostile = "\"'><script>alert(1)</script>&lt;{{ 7*7 }}{% raw %}\u{202e}\0\n</style><!--";
    let mut outcome = every_kind(hostile);
    (outcome.lake, outcome.warehouse, outcome.server) = (hostile.into(), hostile.into(), hostile.into());
    outcome.options.farms = vec![hostile.into()];
    outcome.options.command = hostile.into();
    outcome.options.drift_file = Some(hostile.into());
    outcome.options.settings = AuditSettings::default().with("lake", hostile);
    outcome.options.settings_sha256 = hostile.into();
    outcome.run.id = hostile.into();
    outcome.stores.server_settings.insert(hostile.into(), hostile.into());
    outcome.stores.columns.insert("peso_medio".into(), hostile.into());
    let shape = PatternKind::OneFarm { farm: hostile.into() };
    let (cause, kind) = (Some(hostile.to_owned()), DriftKind::Differing);
    outcome.patterns.push(Pattern {
        also_one_farm: None,
        kind,
        cause: cause.clone(),
        shape,
        findings: 1,
        total: 1,
        compared: 1,
        compared_elsewhere: 9,
    });
    outcome.count(&Drift { cause, ..Drift::new(kind, hostile, None) }, None);
    let fields = json!({ (hostile): [hostile, hostile] });
    let change = json!({ "action": "update_row", "id": hostile, "key": null, "fields": fields });
    outcome.repaired.planned = serde_json::from_value(json!([change])).unwrap();
    (outcome.repaired.dry_run, outcome.repaired[RepairCounter::Updated]) = (true, 1);
    let row = testkit::conformance::warehouse::record(1).to_row(&TableSchema::standard());
    outcome.add(Store::Lake, &row, Some((hostile, day("2023-01-02"))));
    for long in [false, true] {
        if long {
            outcome.cell(hostile, day("2023-12-30")).lake = 3; // enough days for calendars
        }
        let html = render(&outcome).unwrap();
        for raw in ["<script", "alert(1)</", "<!--", "'>", "\u{202e}", "\0"] {
            assert!(!html.contains(raw), "{raw:?}");
        }
        assert!(html.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;"));
        assert!(html.contains("&amp;lt;{{ 7*7 }}{% raw %}"));
        assert_eq!(html.matches("</style>").count(), 1);
    }
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    let html = render(&every_kind(ID)).unwrap();
    for loads in ["<script", "src=", "<link", "@import", "url(", "http:", "https:", "onclick", "javascript:"] {
        assert!(!html.contains(loads), "{loads}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn a_thousand_samples_with_long_keys_fit() {
    let mut outcome = clean();
    for at in 0..5_000 {
        let key = format!("fazenda/{at:05}/{}", "k".repeat(286));
        let drift = Drift::new(DriftKind::Differing, ID, Some(key)).with_field("peso_medio", json!(1.5), json!(2.5));
        outcome.count(&drift, None);
    }
    let html = render(&outcome).unwrap();
    assert!(html.len() < MAX_BYTES, "{}", html.len());
    assert!(html.contains("4,000 further findings"), "all that were kept are shown");
}

#[test]
fn the_worst_text_still_fits_and_no_kind_hides_another() {
    let mut outcome = clean();
    let worst = "\"".repeat(1_024);
    for kind in DriftKind::ALL {
        for at in 0..1_200 {
            let drift = Drift::new(kind, &worst, Some(worst.clone())).with_reason(&worst);
            outcome.count(&drift, Some((worst.clone(), day("2015-01-01") + Days::new(at))));
        }
    }
    let html = render(&outcome).unwrap();
    assert!(html.len() < MAX_BYTES, "{}", html.len());
    for kind in DriftKind::ALL {
        assert!(html.contains(&format!("<section id=\"{}\"", kind.name())), "{}", kind.name());
    }
}

#[test]
fn ten_farms_and_three_years_fit_as_do_a_thousand_farms() {
    for (farms, days) in [(10, 1_095), (1_000, 400)] {
        let mut outcome = clean();
        for farm in 0..farms {
            for at in (0..days).filter(|at| at % 50 != 49) {
                let cell = outcome.cell(format!("fazenda_{farm:03}"), day("2022-01-01") + Days::new(at));
                (cell.lake, cell.warehouse, cell.drift) = (1_200 + at, 1_200 + at, u64::from(at % 9 == 0));
            }
        }
        let html = render(&outcome).unwrap();
        assert!(html.len() < MAX_BYTES, "{farms} farms: {}", html.len());
        assert!(html.contains("class=\"months by-") && html.contains("class=\"squares"));
        assert_eq!(html.contains("more are not."), farms > 10);
    }
}

#[test]
fn a_day_of_another_century_does_not_draw_the_century() {
    let mut outcome = clean();
    outcome.cell("fazenda_um", day("1901-05-05")).lake = 1;
    let html = render(&outcome).unwrap();
    assert!(html.contains("121 years between have nothing at all"));
    assert!(html.len() < 100_000, "{}", html.len());
}

#[test]
fn a_file_is_complete_or_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.html");
    write(&path, &clean()).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("</html>"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(write(&dir.path().join("none/r.html"), &clean()).is_err());
}

#[test]
fn days_that_both_sides_lack_and_what_explains_differences_have_their_place() {
    let mut outcome = clean();
    outcome.find_gaps();
    let page = render(&outcome).unwrap();
    assert!(!page.contains("Missing on both sides") && !page.contains("<h4>"));
    outcome.cell("fazenda_um", day("2023-01-20")).lake = 1;
    outcome.cell("fazenda_um", day("2023-01-12"));
    outcome.find_gaps();
    let shifted = Drift { cause: Some("3 h earlier".into()), ..Drift::new(DriftKind::Differing, ID, None) };
    outcome.count(&shifted, None);
    let page = render(&outcome).unwrap();
    assert!(page.contains("15 days in 1 gap"), "a day without data on both sides is part of a gap: {page}");
    assert!(page.contains("2023-01-05") && page.contains("2023-01-19"));
    assert!(page.contains("<h4><span class=\"tally\">1</span> 3 h earlier</h4>"), "{page}");
}

/// Three years of 20 farms, 10,000 differences with several causes, and a difference in every farm-month.
#[test]
fn a_large_audit_with_ten_thousand_differences_fits() {
    let mut outcome = clean();
    let row = testkit::conformance::warehouse::record(1).to_row(&TableSchema::standard());
    for (farm, at) in (0..20).flat_map(|farm| (0..1_096).map(move |at| (format!("fazenda_{farm:02}"), at))) {
        let date = day("2022-01-01") + Days::new(at);
        let cell = outcome.cell(&farm, date);
        (cell.lake, cell.warehouse) = (400, 399);
        outcome.add(Store::Lake, &row, Some((&farm, date)));
    }
    for n in 0..10_000_u64 {
        let cause = [None, Some("rounded to 1 decimal"), Some("3 h earlier in the warehouse: another time zone")];
        let key = format!("fazenda_{:02}/2022/01/01/historico_consumo_2022-01-01 00:00:00.000_{n:036}.json", n % 20);
        let mut drift = Drift::new(DriftKind::Differing, format!("{n:036}"), Some(key));
        drift.cause = cause[n as usize % 3].map(str::to_owned);
        for field in ["consumo_real", "peso_medio", "data"] {
            drift = drift.with_field(field, json!(9.076_451), json!(9.5));
        }
        outcome.count(&drift, Some((format!("fazenda_{:02}", n % 20), day("2022-01-01") + Days::new(n % 1_096))));
    }
    outcome.finalize();
    let html = render(&outcome).unwrap();
    assert!(html.len() < MAX_BYTES, "{}", html.len());
    for part in ["3,333</span> rounded to 1 decimal", "3,334</span> no plain cause", "class=\"squares"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn hash_totals_are_side_by_side_with_the_months_that_differ() {
    let mut outcome = clean();
    let [lake, _] = outcome.control.hashes();
    let page = render(&outcome).unwrap();
    assert!(page.contains("The same on both sides</b>: every value") && page.matches(&lake.hex()).count() == 2);
    assert!(page.contains("So do those of each of 1 farm-month.") && !page.contains("Farm-months that differ"));
    let row = testkit::conformance::warehouse::record(9_999).to_row(&TableSchema::standard());
    outcome.add(Store::Warehouse, &row, Some(("fazenda_dois", day("2023-02-01"))));
    let page = render(&outcome).unwrap();
    assert!(page.contains("Different</b>: at least one value") && page.contains("Of 2 farm-months, 1 differs."));
    assert!(page.contains("<bdi>fazenda_dois</bdi></th><td rowspan=\"2\">2023-02</td>"));
}

#[test]
fn options_and_stores_of_the_run_are_listed() {
    let mut outcome = clean();
    outcome.run = RunInfo::begin();
    outcome.options.settings = AuditSettings::default().with("meta-rate", 0.0176);
    outcome.options.settings_sha256 = outcome.options.settings.sha256();
    outcome.stores = StoreInfo::of(&TableSchema::standard(), [("sql_mode".to_owned(), String::new())].into());
    let page = render(&outcome).unwrap();
    assert_eq!(page.matches(&outcome.run.id).count(), 2, "at the top and at the end");
    for part in [&*outcome.options.settings_sha256, "sql_mode = &#x27;&#x27;", "FLOAT (32-bit)", "Limitations"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn an_audit_of_ids_alone_claims_no_more() {
    let mut outcome = audit();
    (outcome.quick, outcome[Counter::Present]) = (true, 1_300);
    (outcome[Counter::LakeObjects], outcome[Counter::LakeRecords], outcome[Counter::WarehouseRows]) =
        (1_300, 1_300, 1_300);
    let page = render(&outcome).unwrap();
    assert!(page.contains("Both sides have the same ids") && !page.contains("Lake and warehouse agree"));
    assert!(page.contains("by their ids alone: 1,300 ids are on both sides") && page.contains("Audit without <code"));
    assert!(page.contains("1,300 present on both sides") && page.contains("No totals were computed"));
    assert!(!page.contains("Hash totals"), "of nothing");
}

#[test]
fn a_truth_section_shows_first_whether_the_check_passed() {
    let mut truth = TruthResult {
        files: vec!["herd/truth.ndjson".into()],
        faults: [("duplicate".to_owned(), 12), ("<b>".to_owned(), 1)].into(),
        passed: true,
        ..TruthResult::default()
    };
    for (counter, n) in [
        (TruthCounter::Lines, 1_310),
        (TruthCounter::Expected, 1_300),
        (TruthCounter::Found, 1_300),
        (TruthCounter::QuarantinedExpected, 7),
        (TruthCounter::QuarantinedWithheld, 7),
    ] {
        truth[counter] = n;
    }
    assert!(!render(&clean()).unwrap().contains("id=\"truth\""));
    let html = render(&Outcome { truth: Some(truth.clone()), ..clean() }).unwrap();
    assert!(html.contains("Ground truth verified</h1>"));
    assert!(html.contains("Passed.") && html.contains("Of 1,300 ids that the history must store, 1,300 are"));
    assert!(without_marks(&html).contains("does not send them without --send-invalid") && html.contains("&lt;b&gt;"));
    let mut lost = TruthResult { passed: false, ..truth };
    for (counter, n) in [
        (TruthCounter::Found, 1_297),
        (TruthCounter::Missing, 3),
        (TruthCounter::MissingInWarehouse, 3),
        (TruthCounter::QuarantinedFound, 5),
        (TruthCounter::QuarantinedMissing, 2),
        (TruthCounter::QuarantinedWithheld, 0),
    ] {
        lost[counter] = n;
    }
    let mut outcome = Outcome { truth: Some(lost), ..clean() };
    outcome[Counter::TruthMissing] = 5;
    let html = render(&outcome).unwrap();
    assert!(
        html.contains("Failed.</b>") && html.contains("3 are missing, 0 are unexpected; the quarantine lacks 2"),
        "{html}"
    );
    assert!(html.contains("<h1>5 findings</h1>"));
}
