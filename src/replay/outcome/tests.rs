//! Tests that an outcome adds up, merges, and is read from its JSON without loss.

use chrono::NaiveDate;
use proptest::prelude::*;

use super::*;
use crate::outcome::{Unread, read_back, through_json};
use crate::parts::PartsStats;
use crate::reader::Skip;
use crate::request_cost::ClassCounts;

/// Returns an outcome in which every field differs from its default.
fn full() -> Outcome {
    let at = |text: &str| Some(text.parse().unwrap());
    let mut counts = ObjectCounts::default();
    for counter in Counter::ALL {
        counts[*counter] = 2;
    }
    for skip in Skip::ALL {
        counts[*skip] = 3;
    }
    let parts = counts.iter().filter(|(spec, _)| spec.role.is_part()).map(|(_, n)| n).sum();
    counts[Counter::Listed] = parts;
    let mut problems = Problems::default();
    problems.add("rejected", "key", "why");
    let cell = DayCounts::from([(Counter::Listed, 5), (Counter::Rejected, 1), (Counter::NotLoaded, 2)]);
    Outcome {
        allow_empty: true,
        session_records: 3,
        run_id: "0199a1b2".into(),
        lake: "lake".into(),
        lake_endpoint: Some("http://127.0.0.1:9000".into()),
        warehouse: "warehouse".into(),
        options: ReplayOptions {
            farms: vec!["a".into()],
            selected_objects: Some(3),
            on_conflict: "fail".into(),
            ..Default::default()
        },
        command: "ruminate replay".into(),
        cutoff: at("2026-11-22T18:53:15Z"),
        method: "LOAD DATA".into(),
        counts,
        seconds: 1.5,
        shards: ShardTimes::of([0.5, 1.0]),
        resumed: true,
        stopped: Some("why".into()),
        lake_throttling: ThrottleStats { slow_downs: 1, retries: 2, min_concurrency: Some(3) },
        from_parts: Some(PartsStats { rows: 7, fetched: 1, parts: 1, ..PartsStats::default() }),
        listing: Some(InventoryInfo::sample()),
        transactions: 4,
        reading_seconds: 0.25,
        loading_seconds: 0.75,
        pauses: vec![Pause { reason: "replica lag".into(), count: 1, seconds: 2.0 }],
        newest_row_ts: at("2026-11-22T18:49:03Z"),
        newest_data: at("2026-11-22T12:00:00Z"),
        undo_file: Some("undo".into()),
        earlier_undo_files: vec!["earlier".into()],
        undo_commands: vec!["ruminate undo earlier".into(), "ruminate undo undo".into()],
        table_swap: Some(TableSwap { shadow: "new".into(), caught_up: 1, ..TableSwap::default() }),
        days: [(("fazenda_um".to_owned(), "2026-11-20".parse().unwrap()), cell)].into(),
        problems,
    }
}

#[test]
fn an_outcome_comes_back_from_its_json() {
    let mut merged = full();
    merged.merge(full());
    for outcome in [Outcome::default(), full(), merged] {
        outcome.check().unwrap();
        let json = serde_json::to_string(&outcome).unwrap();
        let back: Outcome = read_back(json.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), json);
        assert_eq!(back.to_string(), outcome.to_string());
    }
}

#[test]
fn a_preview_comes_back_from_its_json() {
    let mut preview = Preview {
        lake: "s3://b/p".into(),
        objects: 3,
        sample: Some(ReadSample { objects: 2, records: 1, per_second: 0.5 }),
        seconds: Some(1.5),
        planned_changes: vec!["a line".into()],
        ..Preview::default()
    };
    preview.classes.insert("GLACIER".into(), ClassCounts { objects: 3, archived: 1, ..ClassCounts::default() });
    let json = serde_json::to_string(&preview).unwrap();
    let back: Preview = read_back(json.as_bytes()).unwrap();
    assert_eq!((serde_json::to_string(&back).unwrap(), back.to_string()), (json, preview.to_string()));
}

#[test]
fn an_outcome_of_a_newer_version_with_another_counter_is_not_read() {
    let json =
        serde_json::to_string(&full()).unwrap().replace("\"not_found\":", "\"skipped_encrypted\":1,\"not_found\":");
    let e = read_back::<Outcome>(json.as_bytes()).unwrap_err();
    assert!(matches!(&e, Unread::Newer { field, .. } if field == "skipped_encrypted"), "{e}");
}

#[test]
fn merged_outcomes_add_up_by_counter_day_and_pause() {
    let mut merged = full();
    merged.merge(full());
    assert_eq!(merged.counts[Counter::Inserted], 4);
    assert_eq!(merged.counts[Skip::Unrecognized], 6);
    assert_eq!(merged.days.values().next().unwrap().listed, 10);
    assert_eq!((merged.pauses.len(), merged.pauses[0].count), (1, 2));
    assert_eq!(merged.problems.of("rejected"), 2);
    assert_eq!(merged.earlier_undo_files, ["earlier"]);
    assert_eq!(merged.table_swap.unwrap().caught_up, 2);
    assert_eq!(merged.from_parts.unwrap().rows, 14);
    assert_eq!(merged.lake_throttling, ThrottleStats { slow_downs: 2, retries: 4, min_concurrency: Some(3) });
}

#[test]
fn the_counts_of_the_contract_have_their_names() {
    let names = serde_json::to_string(&full().contract()).unwrap();
    assert_eq!(
        names,
        "{\"archived\":2,\"conflicting\":2,\"identical\":2,\"inserted\":2,\"listed\":33,\"overwritten\":2,\"rejected\":2,\
         \"skipped\":21,\"unreadable\":2}"
    );
}

/// Result of an object: the number of a part or skip reason, and its day.
type Object = (usize, u64);

fn outcome(objects: &[Object]) -> Outcome {
    let own = Counter::ALL.iter().filter(|counter| counter.spec().role.is_part());
    let own: Vec<Counter> = own.copied().collect();
    let first = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    let mut outcome = Outcome { run_id: "one".into(), ..Outcome::default() };
    for &(what, day) in objects {
        outcome.counts[Counter::Listed] += 1;
        let day = first + chrono::Days::new(day);
        let counts = outcome.days.entry(("fazenda_um".to_owned(), day)).or_default();
        counts.listed += 1;
        match own.get(what % (own.len() + Skip::ALL.len())) {
            Some(counter) => {
                outcome.counts[*counter] += 1;
                counts.add(*counter, 1);
                if counter.spec().role.is_finding() {
                    outcome.problems.add(counter.spec().name, format!("key {what}"), "why");
                }
            }
            None => {
                outcome.counts[Skip::ALL[what % Skip::ALL.len()]] += 1;
                counts.skipped += 1;
            }
        }
        outcome.newest_data = outcome.newest_data.max(Some(day.and_hms_opt(0, 0, 0).unwrap().and_utc()));
        outcome.transactions += 1;
        outcome.waited(Pause { reason: format!("reason {}", what % 2), count: 1, seconds: 0.5 });
        outcome.lake_throttling.merge(ThrottleStats { retries: 1, min_concurrency: Some(what as u64), slow_downs: 0 });
    }
    outcome
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parts_that_come_back_from_their_json_make_the_whole(
        objects in prop::collection::vec((0..100_usize, 0..10_u64), 1..200),
        parts in 1..5_usize,
    ) {
        let whole = outcome(&objects);
        let size = objects.len().div_ceil(parts);
        let mut read = objects.chunks(size).map(|part| through_json(&outcome(part)));
        let mut merged = read.next().unwrap();
        read.for_each(|part| merged.merge(part));
        merged.check().unwrap();
        let json = |mut outcome: Outcome| {
            outcome.problems.sort();
            outcome.pauses.sort_by(|a, b| a.reason.cmp(&b.reason));
            serde_json::to_value(&outcome).unwrap()
        };
        prop_assert_eq!(json(merged), json(whole));
    }
}
