//! Round trips of outcomes through JSON, and merging.

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::outcome::{CommandOutcome as _, read_back, through_json};
use crate::topic::Delivery;

/// Measurements of ten seconds with these latencies, in milliseconds.
fn times(ms: impl IntoIterator<Item = u64>) -> Times {
    let mut latency = Latencies::new();
    ms.into_iter().for_each(|ms| latency.add(Duration::from_millis(ms)));
    let interval = Interval { seconds: 10.0, offered: 106, published: 100, ..Interval::default() };
    let mut times = Times { seconds: 10.0, rate_per_second: 10.0, intervals: vec![interval], ..Times::default() };
    times.measure(&latency, &latency);
    times
}

/// Returns an outcome in which no field has its default value.
#[allow(clippy::too_many_lines, reason = "a table: one line per field")]
fn full() -> Outcome {
    let times = times(1..=100);
    let curve = times.latency_curve.clone();
    let counts = [
        (Count::Read, 109),
        (Count::Published, 100),
        (Count::Failed, 2),
        (Count::Invalid, 3),
        (Count::Dropped, 3),
        (Count::Unsent, 1),
        (Count::Retries, 7),
        (Count::Skipped, 5),
    ];
    let missing = MissingReading { id: Uuid::from_u128(1), file: "a.json".into(), line: 3, fault: Some("late".into()) };
    let truth = TruthDelivery {
        file: "t".into(),
        ids: 3,
        arrived: 2,
        missing: 1,
        missing_readings: vec![missing],
        ..TruthDelivery::default()
    };
    let mut outcome = Outcome {
        topic: "local".into(),
        endpoint: Some("http://127.0.0.1:4575".into()),
        command: "ruminate publish a.json".into(),
        conditional_writes: Some(ConditionalWrites::Emulated),
        local: Some(Deliveries {
            counts: [
                (Delivery::Stored, 95),
                (Delivery::Existing, 2),
                (Delivery::Conflicting, 1),
                (Delivery::Quarantined, 2),
            ]
            .into(),
            quarantine: "quarentena".into(),
            problems: Problems::default(),
        }),
        started: DateTime::from_timestamp(1_800_000_000, 0),
        input: Some(120),
        inputs: InputReports::default(),
        counts: Counts::from(counts),
        rest: Rest::new(6, None),
        resumed: true,
        pacing: Pacing {
            schedule: "hold:5/s:1s".into(),
            rate: Some(5.0),
            schedule_ended: true,
            last_rate: Some(5.0),
            behind_seconds: Some(2.0),
            max_behind_seconds: 3.0,
            starved_seconds: 4.0,
        },
        times,
        errors: [("Throttling".into(), 7)].into(),
        lag: Some(Lag { watched: 3, arrived: 2, missing: 1, lag_curve: curve, truth: Some(truth), ..Lag::default() }),
        conditions: vec![ConditionResult { condition: "p99 > 5s".into(), passed: false, measured: "6 s".into() }],
        dead_letters: Some("dead".into()),
        end: End { stopped: Some("why".into()), journal: Some("j".into()), resume_skip: Some(5), source_failed: true },
        problems: Problems::default(),
    };
    outcome.problems.add("failed", "a.json:1", "Throttling");
    outcome
}

fn comes_back(outcome: &Outcome) {
    outcome.check().unwrap();
    let json = serde_json::to_vec(outcome).unwrap();
    let back: Outcome = read_back(&json).unwrap();
    assert_eq!((serde_json::to_vec(&back).unwrap(), back.to_string()), (json, outcome.to_string()));
}

#[test]
fn an_outcome_survives_a_json_round_trip() {
    let mut merged = full();
    merged.merge(full());
    let unknown = Outcome { input: None, rest: Rest::new(6, Some("a pipe".into())), ..full() };
    for outcome in [full(), merged, unknown, Outcome::default()] {
        comes_back(&outcome);
    }
}

#[test]
fn merged_runs_add_up_and_so_do_their_latencies() {
    let slow = Outcome { times: times((1..=100).map(|n| n * 100)), ..full() };
    let mut merged = full();
    merged.merge(slow);
    merged.check().unwrap();
    assert_eq!((merged.input, merged.counts[Count::Read], merged.counts[Count::Published]), (Some(240), 218, 200));
    assert_eq!((merged.errors["Throttling"], merged.rest.known(), merged.times.intervals.len()), (14, 12, 2));
    let Times { latency_ms, latency_curve, seconds, rate_per_second, .. } = &merged.times;
    let is_near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 2e-3;
    assert!(is_near(latency_ms.p50, 100.0) && is_near(latency_ms.p99, 9_800.0) && is_near(latency_ms.max, 10_000.0));
    assert_eq!((latency_curve.last().unwrap().count, *seconds, *rate_per_second), (200, 20.0, 10.0));
}

#[test]
fn what_the_intake_of_a_local_topic_did_is_counted_and_sets_the_exit_code() {
    let of = |counts: &[(Delivery, u64)], published| {
        let mut local = Deliveries::default();
        counts.iter().for_each(|(delivery, n)| local.counts[*delivery] += n);
        let counts = [(Count::Read, published), (Count::Published, published)].into();
        Outcome { counts, local: Some(local), input: Some(published), rest: Rest::new(0, None), ..Outcome::default() }
    };
    let clean = of(&[(Delivery::Stored, 3), (Delivery::Existing, 2)], 5);
    clean.check().unwrap();
    assert_eq!(clean.exit(), Exit::Clean);
    for kind in [Delivery::Conflicting, Delivery::Quarantined, Delivery::Refused] {
        let found = of(&[(Delivery::Stored, 4), (kind, 1)], 5);
        found.check().unwrap();
        assert_eq!(found.exit(), Exit::Findings, "{kind:?}");
    }
    assert!(of(&[(Delivery::Stored, 4)], 5).check().is_err(), "one published message is in no count");
    let mut merged = of(&[(Delivery::Stored, 1), (Delivery::Quarantined, 1)], 2);
    merged.merge(clean);
    merged.check().unwrap();
    let text = merged.to_string();
    for line in ["stored 4", "already stored 2", "quarantined 1"] {
        let words: Vec<_> = line.split(' ').collect();
        let is_shown = |shown: &str| shown.starts_with("    ") && shown.split_whitespace().eq(words.iter().copied());
        assert!(text.lines().any(is_shown), "{line} in {text}");
    }
}

/// A message: how often it was sent again, and how long it took; dead if it did not get through.
type Message = (u64, Option<u64>);

fn outcome(messages: &[Message]) -> Outcome {
    let (mut outcome, mut latency, mut service) = (Outcome::default(), Latencies::new(), Latencies::new());
    outcome.input = Some(messages.len() as u64);
    outcome.rest = Rest::new(0, None);
    for (n, (retries, took)) in messages.iter().enumerate() {
        outcome.counts.add(Count::Read);
        outcome.counts[Count::Retries] += retries;
        *outcome.errors.entry("Throttling".into()).or_default() += retries;
        match took {
            None => {
                outcome.counts.add(Count::Failed);
                outcome.problems.add("failed", format!("a.json:{n}"), "Throttling");
            }
            Some(micros) => {
                outcome.counts.add(Count::Published);
                latency.add(Duration::from_micros(*micros));
                service.add(Duration::from_micros(micros / 3));
            }
        }
    }
    outcome.errors.retain(|_, n| *n > 0);
    outcome.times.measure(&latency, &service);
    outcome
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn parts_that_come_back_from_their_json_make_the_whole(
        messages in prop::collection::vec((0..3_u64, prop::option::weighted(0.9, 1..5_000_000_u64)), 1..200),
        parts in 1..5_usize,
    ) {
        let whole = outcome(&messages);
        let size = messages.len().div_ceil(parts);
        let mut read = messages.chunks(size).map(|part| through_json(&outcome(part)));
        let mut merged = read.next().unwrap();
        read.for_each(|part| merged.merge(part));
        merged.check().unwrap();
        let json = |outcome: &Outcome| {
            let mut json = serde_json::to_value(outcome).unwrap();
            json["problems"] = serde_json::json!(outcome.problems.of("failed"));
            json
        };
        prop_assert_eq!(json(&merged), json(&whole));
    }
}
