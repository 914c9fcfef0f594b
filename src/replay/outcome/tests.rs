//! An outcome adds up, merges, and comes back from its JSON whole.

use super::*;
use crate::outcome::{Unread, read_back};
use crate::reader::Skip;

/// An outcome in which nothing is left at its default.
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
    let cell = DayCounts { listed: 5, rejected: 1, pending: 2, ..DayCounts::default() };
    Outcome {
        run: "0199a1b2".into(),
        lake: "lake".into(),
        warehouse: "warehouse".into(),
        options: ReplayOptions {
            farms: vec!["a".into()],
            only: Some(3),
            on_conflict: "fail".into(),
            ..Default::default()
        },
        command: "ruminate replay".into(),
        cutoff: at("2026-11-22T18:53:15Z"),
        method: "LOAD DATA".into(),
        counts,
        seconds: 1.5,
        resumed: true,
        stopped: Some("why".into()),
        pressure: ThrottleStats { slow_downs: 1, retries: 2, min_concurrency: Some(3) },
        transactions: 4,
        reading_seconds: 0.25,
        loading_seconds: 0.75,
        pauses: vec![Pause { reason: "replica lag".into(), times: 1, seconds: 2.0 }],
        newest_row_ts: at("2026-11-22T18:49:03Z"),
        newest_data: at("2026-11-22T12:00:00Z"),
        undo: Some("undo".into()),
        undo_earlier: vec!["earlier".into()],
        cut_over: Some(TableSwap { shadow: "new".into(), caught_up: 1, ..TableSwap::default() }),
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
        changes: vec!["a line".into()],
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
    assert_eq!((merged.pauses.len(), merged.pauses[0].times), (1, 2));
    assert_eq!(merged.problems.of("rejected"), 2);
    assert_eq!(merged.undo_earlier, ["earlier"]);
    assert_eq!(merged.cut_over.unwrap().caught_up, 2);
}

#[test]
fn the_counts_of_the_contract_have_their_names() {
    let names = serde_json::to_string(&full().contract()).unwrap();
    assert_eq!(
        names,
        "{\"archived\":2,\"conflicting\":2,\"identical\":2,\"inserted\":2,\"listed\":27,\"overwritten\":2,\"rejected\":2,\
         \"skipped\":15,\"unreadable\":2}"
    );
}
