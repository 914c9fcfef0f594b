//! Round trips of outcomes through JSON, and merging.

use uuid::Uuid;

use super::*;
use crate::outcome::read_back;
use crate::publish::HistogramStats;

const MS: Percentiles = Percentiles { p50: 1.0, p90: 2.0, p99: 4.0, max: 8.0 };

fn times(curve: Vec<PercentilePoint>) -> Times {
    let shape = HistogramStats { mean_ms: 1.5, std_deviation_ms: 0.5, ..HistogramStats::default() };
    Times {
        seconds: 10.0,
        rate_per_second: 10.0,
        latency_ms: MS,
        latency_p999_ms: 7.0,
        service_ms: MS,
        service_p999_ms: 7.0,
        intervals: vec![Interval {
            begin: 0.0,
            seconds: 10.0,
            offered: 106,
            published: 100,
            latency_ms: MS,
            ..Interval::default()
        }],
        latency_curve: curve.clone(),
        service_curve: curve,
        latency_shape: shape,
        service_shape: shape,
    }
}

/// Returns an outcome in which no field has its default value.
fn full() -> Outcome {
    let point = |(percentile, ms, count)| PercentilePoint { percentile, ms, count };
    let curve: Vec<PercentilePoint> =
        [(0.0, 0.5, 1), (50.0, 1.0, 50), (99.0, 4.0, 99), (100.0, 8.0, 100)].map(point).into();
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
        readings: vec![missing],
        ..TruthDelivery::default()
    };
    let mut outcome = Outcome {
        topic: "local".into(),
        command: "ruminate publish a.json".into(),
        conditional_writes: Some(ConditionalWrites::Emulated),
        input: Some(120),
        counts: Counts::from(counts),
        rest: Rest::new(6, None),
        resumed: true,
        pacing: Pacing {
            schedule: "hold:5/s:1s".into(),
            rate: Some(5.0),
            schedule_ended: true,
            last_rate: Some(5.0),
            behind_seconds: Some(2.0),
            most_behind_seconds: 3.0,
            starved_seconds: 4.0,
        },
        times: times(curve.clone()),
        errors: [("Throttling".into(), 7)].into(),
        lag: Some(Lag { watched: 3, arrived: 2, missing: 1, curve, truth: Some(truth), ..Lag::default() }),
        verdicts: vec![ConditionResult { text: "p99 > 5s".into(), passed: false, measured: "6 s".into() }],
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
fn merging_adds_counts_and_latencies() {
    let mut slow = full();
    for point in &mut slow.times.latency_curve {
        point.ms *= 100.0;
    }
    slow.times.latency_ms.max = 800.0;
    let mut merged = full();
    merged.merge(slow);
    merged.check().unwrap();
    assert_eq!((merged.input, merged.counts[Count::Read], merged.counts[Count::Published]), (Some(240), 218, 200));
    assert_eq!((merged.errors["Throttling"], merged.rest.known(), merged.times.intervals.len()), (14, 12, 2));
    let Times { latency_ms, latency_curve, seconds, rate_per_second, .. } = &merged.times;
    assert_eq!((latency_ms.p50, latency_ms.p99, latency_ms.max), (8.0, 400.0, 800.0));
    assert_eq!((latency_curve.last().unwrap().count, *seconds, *rate_per_second), (200, 20.0, 10.0));
}
