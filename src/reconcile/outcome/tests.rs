//! Tests that outcomes merge in any order and grouping, and are read from JSON without loss.

use chrono::Days as DayCount;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::outcome::{Unread, read_back, through_json};
use crate::reconcile::Audit;
use crate::reconcile::tests::{Scene, record};
use pipeline::lake::{Key, Span};
use pipeline::record::row::TableSchema;

/// Event of an audit.
#[derive(Debug, Clone)]
struct Event {
    n: u32,
    farm: u8,
    day: u64,
    /// Kind of the finding, with or without a cause. `None` for a match.
    finding: Option<(DriftKind, Option<u8>)>,
    has_place: bool,
}

fn event() -> impl Strategy<Value = Event> {
    let kind = (0..DriftKind::ALL.len(), prop::option::of(0..3_u8)).prop_map(|(at, cause)| (DriftKind::ALL[at], cause));
    (0..2_000_u32, 0..3_u8, 0..60_u64, prop::option::of(kind), prop::bool::weighted(0.9))
        .prop_map(|(n, farm, day, finding, has_place)| Event { n, farm, day, finding, has_place })
}

fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 1, 1).unwrap()
}

/// Returns the outcome of an audit with these events.
fn outcome(events: &[Event]) -> Outcome {
    let cutoff = record(0).row_ts + chrono::TimeDelta::minutes(5);
    let run = RunInfo { id: "one".into(), ..RunInfo::default() };
    let mut outcome = Outcome { run, cutoff: Some(cutoff), snapshots: 1, ..Outcome::default() };
    for Event { n, farm, day, finding, has_place } in events {
        let (farm, day) = (format!("fazenda_{farm}"), first_day() + DayCount::new(*day));
        let place = has_place.then_some((farm.as_str(), day));
        let row = record(*n).to_row(&TableSchema::standard());
        let Some((kind, cause)) = finding else {
            outcome.counts.add(Counter::Matched);
            outcome.add_matched(&row, place);
            outcome.cell(&farm, day).lake += 1;
            outcome.cell(&farm, day).warehouse += 1;
            continue;
        };
        let drift = Drift::new(*kind, format!("{n:06}"), Some(format!("key {n}")));
        let drift = Drift { cause: cause.map(|cause| format!("cause {cause}")), ..drift };
        outcome.count(&drift, place.map(|(farm, day)| (farm.to_owned(), day)));
        outcome.add(if n % 2 == 0 { Store::Lake } else { Store::Warehouse }, &row, place);
        outcome.cell(&farm, day).out_of_window += u64::from(n % 5 == 0);
        outcome.problems.add("skipped", format!("key {n}"), "why");
        outcome[Skip::ALL[*n as usize % Skip::ALL.len()]] += 1;
        outcome.repaired.reasons.add(*kind, format!("why {}", n % 2), 1);
        outcome.carry.late.records += u64::from(n % 3 == 0);
        outcome.carry.late.lake_only += u64::from(n % 6 == 0);
        outcome.carry.repair_asked |= n % 50 == 0;
    }
    outcome.find_gaps();
    outcome.finalize();
    outcome
}

/// Returns the JSON of everything that is equal for the complete audit and the merged parts.
fn json(outcome: &Outcome) -> Json {
    let mut json = serde_json::to_value(outcome).unwrap();
    for name in ["parts", "from_parts", "snapshots", "seconds", "run", "cutoff", "window_column", "limitations"] {
        json.as_object_mut().unwrap().remove(name);
    }
    json
}

fn merged(parts: impl IntoIterator<Item = Outcome>) -> Outcome {
    let mut parts = parts.into_iter();
    let mut whole = parts.next().unwrap();
    parts.for_each(|part| whole.merge(part));
    whole
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_merge_to_the_complete_outcome_in_any_order_and_grouping(
        events in prop::collection::vec((event(), 0..3_usize), 1..120),
    ) {
        let all: Vec<Event> = events.iter().map(|(event, _)| event.clone()).collect();
        let of_part = |part| events.iter().filter(|(_, of)| *of == part).map(|(event, _)| event.clone()).collect::<Vec<_>>();
        let [one, two, three] = [0, 1, 2].map(|part| outcome(&of_part(part)));
        let whole = json(&outcome(&all));
        prop_assert_eq!(&json(&merged([one.clone(), two.clone(), three.clone()])), &whole);
        prop_assert_eq!(&json(&merged([three.clone(), one.clone(), two.clone()])), &whole);
        let read = || [&one, &two, &three].map(through_json);
        prop_assert_eq!(&json(&merged(read())), &whole, "also from their JSON");
        let [first, second, third] = read();
        prop_assert_eq!(&json(&merged([first, through_json(&merged([second, third]))])), &whole);
        prop_assert_eq!(&json(&merged([one, merged([two, three])])), &whole);
    }

    #[test]
    fn an_outcome_comes_back_from_its_json(events in prop::collection::vec(event(), 1..80), cut in 0..80_usize) {
        let (one, other) = events.split_at(cut.min(events.len()));
        for outcome in [outcome(&events), merged([outcome(one), outcome(other)])] {
            let text = serde_json::to_string(&outcome).unwrap();
            let back: Outcome = read_back(text.as_bytes()).unwrap();
            prop_assert_eq!(serde_json::to_string(&back).unwrap(), text);
            prop_assert_eq!(back.control.hashes(), outcome.control.hashes());
        }
    }
}

#[test]
fn every_field_of_an_outcome_comes_back_from_its_json() {
    let mut outcome = outcome(&[]);
    outcome.options.settings = AuditSettings::default().with("meta-rate", 0.0176);
    outcome.stores = StoreInfo::of(&TableSchema::standard(), [("sql_mode".to_owned(), String::new())].into());
    outcome.max_drift = "0.1%".parse().ok();
    outcome.cache = Some(CacheStats { hits: 3, ..CacheStats::default() });
    outcome.from_parts = Some(PartsStats { rows: 7, ..PartsStats::default() });
    outcome.listing = Some(InventoryInfo::sample());
    outcome.since_baseline = Some(BaselineDiff { new: 1, ..BaselineDiff::default() });
    let mut truth =
        TruthResult { ingest_path: Some(crate::reconcile::IngestPath::SendInvalid), ..TruthResult::default() };
    truth[TruthCounter::Expected] = 7;
    outcome.truth = Some(truth);
    outcome.repaired[RepairCounter::Inserted] = 2;
    outcome.repairable = Some(Repairable { updated: 3, ..Repairable::default() });
    outcome.repaired.conditional_writes = Some(pipeline::lake::ConditionalWrites::Emulated);
    outcome.stopped = Some("interrupted".into());
    let other = outcome.clone();
    outcome.merge(other);
    let written = serde_json::to_value(&outcome).unwrap();
    let back: Outcome = read_back(&serde_json::to_vec(&outcome).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), written);
    assert_eq!((back.parts, back.repaired[RepairCounter::Inserted]), (2, 4));
    assert_eq!(back.repairable.unwrap().updated, 6);
    assert_eq!(back.truth.unwrap()[TruthCounter::Expected], 14);
    assert_eq!(back.from_parts.unwrap().rows, 14);
    let listed = back.not_checked.iter().find(|item| item.item.contains("inventory")).unwrap();
    assert!(listed.count == 7 && listed.reason.contains("5 h"), "{listed:?}");
}

#[test]
fn an_outcome_of_a_newer_version_with_an_unknown_counter_is_rejected_with_its_version() {
    for (at, value) in [("/melted", json!(3)), ("/repaired/melted", json!(1)), ("/days/0/melted", json!(1))] {
        let event = Event { n: 1, farm: 1, day: 1, finding: None, has_place: true };
        let mut newer = serde_json::to_value(outcome(&[event])).unwrap();
        newer["run"]["version"] = json!("9.9.9");
        let (parent, name) = at.rsplit_once('/').unwrap();
        newer.pointer_mut(parent).unwrap()[name] = value;
        let why = read_back::<Outcome>(newer.to_string().as_bytes()).unwrap_err();
        assert!(matches!(&why, Unread::Newer { version, .. } if version == "9.9.9"), "{at}: {why}");
    }
    assert!(matches!(read_back::<Outcome>(b"{}"), Err(Unread::Malformed(_))));
}

/// A part whose contents were not compared leaves the whole incompletely compared, in any order.
#[test]
fn a_quick_part_makes_the_whole_audit_quick() {
    for quick in [[true, false], [false, true]] {
        let [mut all, other] = quick.map(|quick| Outcome { quick, ..Outcome::default() });
        all.merge(other);
        assert!(all.quick, "{quick:?}");
    }
}

#[tokio::test]
async fn an_audit_in_parts_equals_a_single_audit() {
    let scene = Scene::new().await;
    for n in 0..40 {
        if n % 11 != 3 {
            scene.object(&record(n));
        }
        let mut row = record(n);
        if n % 9 == 4 {
            row.reading.consumo_real += 1.5;
        }
        if n % 7 != 5 {
            scene.row(&row);
        }
    }
    scene.lake.overwrite(&Key::of(&record(50)).unwrap().to_string(), b"{}".to_vec());
    let (whole, _) = scene.run(&scene.audit()).await;
    whole.check().unwrap();
    let day = |n: u64| record(0).reading.data.date_naive() + DayCount::new(n);
    let mut parts = Vec::new();
    for (from, to) in [(0, 12), (13, 13), (14, 80)] {
        let span = Span { from: Some(day(from)), to: Some(day(to)), ..Span::default() };
        parts.push(scene.run(&Audit { span, ..scene.audit() }).await.0);
    }
    let counts = [Counter::Matched, Counter::Differing, Counter::LakeOnly, Counter::WarehouseOnly, Counter::Rejected];
    assert!(counts.into_iter().all(|counter| whole[counter] > 0), "{:?}", whole.counts);
    let merged = merged(parts);
    merged.check().unwrap();
    assert_eq!(json(&merged), json(&whole));
    assert_eq!((merged.parts, merged.snapshots), (3, 3));
    assert!(merged.limitations[0].contains("3 parts"), "{:?}", merged.limitations);
}
