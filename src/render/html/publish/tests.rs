//! Tests of the page: passed, failed, stopped, empty, hostile data, large data.

use uuid::Uuid;

use super::categories::MessageCategory;
use crate::outcome::CommandOutcome as _;
use crate::publish::{
    ConditionResult, Count, End, Interval, Lag, MissingReading, Outcome, Pacing, PercentilePoint, Percentiles, Rest,
    Times, TruthDelivery,
};
use crate::render::html::unbroken::without_marks;
use crate::render::html::{MAX_BYTES, render, write};

const MS: Percentiles = Percentiles { p50: 12.0, p90: 30.0, p99: 812.0, max: 1_900.0 };
const CALL: Percentiles = Percentiles { p50: 9.0, p90: 18.0, p99: 46.0, max: 1_010.0 };

/// Returns a run of `intervals` intervals in which everything was published.
fn passed(intervals: u64) -> Outcome {
    let interval = |n: u64| Interval {
        begin: n as f64,
        seconds: 1.0,
        offered: 500,
        published: 500,
        in_flight: 7,
        latency_ms: MS,
        service_ms: CALL,
        ..Interval::default()
    };
    let count = intervals * 500;
    let point =
        |(percentile, ms)| PercentilePoint { percentile, ms, count: (count as f64 * percentile / 100.0) as u64 };
    let curve: Vec<PercentilePoint> =
        [(0.0, 1.0), (50.0, 12.0), (90.0, 30.0), (99.0, 812.0), (99.9, 1_500.0), (100.0, 1_900.0)].map(point).into();
    let outcome = Outcome {
        topic: "arn:aws:sns:us-east-1:123456789012:historico".into(),
        command: "ruminate publish history.json --rate 500/s".into(),
        counts: [(Count::Read, count), (Count::Published, count)].into(),
        pacing: Pacing { schedule: "500/s".into(), rate: Some(500.0), behind_seconds: Some(0.0), ..Pacing::default() },
        times: Times {
            seconds: intervals as f64,
            rate_per_second: 500.0,
            latency_ms: MS,
            latency_p999_ms: 1_500.0,
            service_ms: CALL,
            service_p999_ms: 700.0,
            intervals: (0..intervals).map(interval).collect(),
            service_curve: curve.clone(),
            latency_curve: curve,
            ..Times::default()
        },
        ..Outcome::default()
    };
    outcome.check().unwrap();
    outcome
}

/// Returns a completed run with every kind of problem, with `text` in all places for data.
fn every_category(text: &str) -> Outcome {
    let mut outcome = passed(60);
    (
        outcome.counts[Count::Failed],
        outcome.counts[Count::Invalid],
        outcome.counts[Count::Dropped],
        outcome.counts[Count::Retries],
        outcome.counts[Count::Skipped],
    ) = (5, 6, 7, 8, 9);
    outcome.counts[Count::Read] += 5 + 6 + 7;
    (outcome.topic, outcome.pacing.schedule, outcome.command) = (text.into(), text.into(), text.into());
    (outcome.dead_letters, outcome.end.journal) = (Some(text.into()), Some(text.into()));
    outcome.errors.insert(text.into(), 12);
    (0..5).for_each(|_| outcome.problems.add("failed", text, text));
    outcome.times.intervals[3] =
        Interval { failed: 5, dropped: 7, retries: 8, published: 0, ..outcome.times.intervals[3] };
    outcome.conditions = vec![
        ConditionResult { condition: text.into(), passed: true, measured: text.into() },
        ConditionResult { condition: "p99 > 500ms".into(), passed: false, measured: "812.0 ms".into() },
    ];
    outcome.lag = Some(Lag {
        watched: 30_000,
        not_watched: 1,
        arrived: 29_990,
        already_present: 2,
        missing: 8,
        lag_ms: MS,
        resolution_ms: 100.0,
        lag_curve: outcome.times.latency_curve.clone(),
        missing_ids: vec![Uuid::from_u128(7); 8],
        errors: [(text.to_owned(), 3)].into(),
        waited_seconds: 60.0,
        stopped: Some(text.into()),
        truth: Some(TruthDelivery {
            file: text.into(),
            ids: 30_001,
            missing: 9,
            missing_by_fault: [(text.to_owned(), 9)].into(),
            missing_readings: vec![
                MissingReading {
                    id: Uuid::from_u128(8),
                    file: text.into(),
                    line: 7,
                    fault: Some(text.into())
                };
                9
            ],
            stopped: Some(text.into()),
            ..TruthDelivery::default()
        }),
    });
    outcome.check().unwrap();
    outcome
}

fn head(html: &str) -> &str {
    &html[html.find("<h1>").unwrap()..html.find("</header>").unwrap()]
}

#[test]
fn a_run_that_passed_shows_it_first() {
    let html = without_marks(&render(&passed(60)).unwrap());
    let head = head(&html);
    assert!(head.contains("Every message was published"), "{head}");
    assert!(head.contains("30,000 of 30,000 messages published in 60.00 s: 500 per second of 500 requested"), "{head}");
    assert!(head.contains("Half took at most 12.0 ms, 99 % at most 812 ms"), "{head}");
    assert!(html.contains("verdict clean") && html.contains("Nothing was dropped, failed or sent again"));
    assert!(html.contains("Here p99 is 812 ms, of which the request took 46.0 ms"), "omission is reported");
    for absent in ["id=\"conditions\"", "id=\"lag\"", "What went wrong"] {
        assert!(!html.contains(absent), "{absent}");
    }
}

#[test]
fn what_was_dropped_is_not_hidden_by_the_percentiles_of_the_rest() {
    let mut outcome = passed(60);
    outcome.times = Times { latency_ms: MS, service_ms: MS, service_p999_ms: 1_500.0, ..outcome.times };
    assert!(render(&outcome).unwrap().contains("the sender kept to its schedule"));
    (outcome.counts[Count::Dropped], outcome.counts[Count::Read]) = (7, outcome.counts[Count::Read] + 7);
    let html = render(&outcome).unwrap();
    assert!(!html.contains("kept to its schedule") && html.contains("The 7 messages dropped have no latency:"));
    outcome.times.latency_ms.p90 = 800.0;
    let html = without_marks(&render(&outcome).unwrap());
    assert!(html.contains("Here p90 is 800 ms, of which the request took 30.0 ms"));
}

#[test]
fn without_a_schedule_no_claim_is_made_of_it() {
    let mut outcome = passed(60);
    outcome.pacing = Pacing { behind_seconds: None, rate: None, ..outcome.pacing };
    let html = render(&outcome).unwrap();
    assert!(html.contains("Without a schedule") && !html.contains("Latency starts when a message was due"));
    assert!(html.contains("500&#x2f;s sent, 500&#x2f;s published") && !head(&html).contains("requested"));
    assert!(!html.contains("scheduled time") && !html.contains(">due</th>"), "{html}");
    for text in ["Latency, from the first request</th>", "latency, from the first request</li>", ">sent</th>"] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn conditions_come_before_counts_and_failed_ones_before_passed_ones() {
    let mut outcome = every_category("failed > 1%");
    let html = render(&outcome).unwrap();
    assert!(head(&html).contains("1 of 2 checks failed"), "{}", head(&html));
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(at("row\"><code>p99 &gt; 500ms</code>") < at("row\"><code>failed &gt; 1%</code>"));
    assert!(at("✗ FAIL") < at("✓ PASS") && at("✓ PASS") < at("id=\"breakdown\""));
    outcome.conditions.iter_mut().for_each(|verdict| verdict.passed = true);
    let html = render(&outcome).unwrap();
    assert!(head(&html).contains("Both checks passed") && html.contains("verdict clean"));
    assert!(head(&html).contains("messages failed"), "failures are reported nevertheless");
}

#[test]
fn failures_are_in_the_breakdown_which_adds_up() {
    let mut outcome = every_category("x");
    outcome.conditions.clear();
    let html = render(&outcome).unwrap();
    assert!(head(&html).contains("18 messages were not published"), "{}", head(&html));
    for category in MessageCategory::ALL {
        assert!(html.contains(category.words().title), "{category:?}");
    }
    let breakdown = &html[html.find("<div class=\"breakdown\">").unwrap()..];
    let breakdown = &breakdown[..breakdown.find("</p>").unwrap()];
    let number = |part: &str| part.split(' ').next().unwrap().replace(',', "").parse::<u64>().unwrap();
    let parts: u64 = breakdown.split("<span class=\"nb\">").skip(1).map(number).sum();
    assert_eq!(parts, outcome.counts[Count::Read], "{breakdown}");
    let html = without_marks(&html);
    for text in
        ["5 failed, 7 dropped, 8 sent again", "3 s: nothing published", "29,990 (99.9 %) arrived", "The ids of 8"]
    {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn readings_that_did_not_arrive_are_no_success() {
    let lag = Lag { watched: 10, arrived: 9, missing: 1, ..Lag::default() };
    let outcome = Outcome { lag: Some(lag), ..passed(1) };
    let html = render(&outcome).unwrap();
    assert!(head(&html).contains("1 reading was not delivered") && html.contains("verdict found"));
}

#[test]
fn a_run_that_stopped_claims_nothing() {
    let mut outcome = every_category("x");
    (outcome.end.stopped, outcome.counts[Count::Unsent], outcome.end.resume_skip) =
        (Some("the token has expired".into()), 3, Some(1_234));
    outcome.counts[Count::Read] += 3;
    outcome.conditions.iter_mut().for_each(|verdict| verdict.passed = true);
    outcome.check().unwrap();
    for (journal, how) in [(Some("j".to_owned()), "--resume"), (None, "--skip 1234")] {
        outcome.end.journal = journal;
        let html = render(&outcome).unwrap();
        let head = without_marks(head(&html));
        assert!(
            head.contains("Stopped early") && head.contains("The token has expired. 30,000 messages were"),
            "{head}"
        );
        assert!(
            head.contains(&format!("with {how} resumes it")) && html.contains(&format!("<code class=\"flag\">{how}"))
        );
        assert!(html.contains("verdict stopped") && html.contains("the complete run was not evaluated"));
        assert!(!html.contains("checks passed") && !html.contains("Every message"));
    }
}

#[test]
fn a_run_that_ended_before_its_input_claims_only_what_was_due() {
    let left = |outcome: Outcome| Outcome {
        end: End { resume_skip: Some(outcome.counts[Count::Read]), ..outcome.end },
        pacing: Pacing { schedule_ended: true, last_rate: Some(500.0), ..outcome.pacing },
        ..outcome
    };
    let known = Outcome { rest: Rest::new(70, None), input: Some(30_070), ..left(passed(60)) };
    known.check().unwrap();
    let html = render(&known).unwrap();
    assert!(head(&html).contains("Every message that was due was published"), "{}", head(&html));
    assert!(
        head(&html).contains("The schedule ended before the input did. 70 messages of the input were not reached.")
    );
    assert!(html.contains("<code class=\"flag\">--skip 30000") && html.contains("30,070 messages"));
    let unread = Some("the rest of standard input was not read".to_owned());
    let unknown = Outcome { rest: Rest::new(3, unread), ..left(passed(60)) };
    unknown.check().unwrap();
    let html = render(&unknown).unwrap();
    let message = "At least 3 messages of the input were not reached: the rest of standard input was not read.";
    assert!(head(&html).contains(message), "{}", head(&html));
    let wrong = Outcome { input: Some(30_071), ..known.clone() };
    assert!(wrong.check().is_err(), "one message is in no count");
    let mut unsaid = known;
    unsaid.pacing.schedule_ended = false;
    assert!(unsaid.check().is_err(), "a run that neither stopped nor ended its schedule reached everything");
}

#[test]
fn an_empty_run_is_no_success_and_has_no_plots() {
    let html = render(&Outcome::default()).unwrap();
    assert!(head(&html).contains("There was nothing to publish") && !html.contains("verdict clean"));
    assert!(!html.contains("<svg") && html.contains("nothing was measured") && !html.contains("NaN"));
    let refused = Outcome { counts: [(Count::Read, 3), (Count::Invalid, 3)].into(), ..Outcome::default() };
    let html = render(&refused).unwrap();
    let head = without_marks(head(&html));
    assert!(head.contains("Nothing was published") && head.contains("0 of 3 messages (0 %)"), "{head}");
}

#[test]
fn one_interval_and_six_hundred_are_drawn() {
    for intervals in [1, 2, 600] {
        let html = render(&passed(intervals)).unwrap();
        assert!(html.len() < MAX_BYTES / 2, "{intervals}: {}", html.len());
        assert!(!html.contains("NaN") && !html.contains("inf"), "{intervals}");
        let svg = html.matches("<svg").count();
        assert_eq!((svg, html.matches("</svg>").count()), (5, 5));
        for class in ["achieved", "offered", "p50", "p90", "p99", "max", "latency", "service"] {
            let path = format!("<path class=\"{class}\" d=\"M0 ");
            assert!(html.contains(&path), "{class} of {intervals}");
        }
    }
}

#[test]
fn a_gap_is_drawn_where_nothing_was_published() {
    let html = render(&every_category("x")).unwrap();
    let line = html.split("<path class=\"p50\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(line.matches('M').count(), 2, "{line}");
}

#[test]
fn hostile_text_is_text() {
    let hostile = "\"'><img src=x onerror=pwned()><script>pwned()</script>\u{202e}\0";
    let html = render(&every_category(hostile)).unwrap();
    for made in ["<img", "<script", "\u{202e}", "\0", "'><"] {
        assert!(!html.contains(made), "{made:?}");
    }
    assert!(html.matches("&lt;script&gt;").count() >= 9);
}

#[test]
fn nothing_is_loaded_and_nothing_runs() {
    let html = render(&every_category("x")).unwrap();
    for loads in ["http://", "https://", "src=", "url(", "@import", "<link", "<script", "javascript:", " onload"] {
        assert!(!html.contains(loads), "{loads}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn the_worst_fits() {
    let worst = "\"".repeat(100_000);
    let mut outcome = every_category(&worst);
    outcome.times.intervals = passed(600).times.intervals;
    for n in 0..10_000 {
        outcome.errors.insert(format!("{n}{worst:.2000}"), n);
        outcome.problems.add("invalid", format!("{n}{worst:.5000}"), format!("{worst:.5000}"));
    }
    let html = render(&outcome).unwrap();
    assert!(html.len() < MAX_BYTES, "{}", html.len());
}

#[test]
fn the_page_and_the_exit_code_agree() {
    let stopped = Outcome { end: End { stopped: Some("x".into()), ..End::default() }, ..passed(1) };
    for outcome in [passed(1), every_category("x"), stopped] {
        let code = outcome.exit().code();
        let state = ["clean", "found", "", "stopped"][usize::from(code)];
        let html = render(&outcome).unwrap();
        assert!(html.contains(&format!("exit code {code}")) && html.contains(&format!("verdict {state}\"")), "{state}");
    }
}

#[test]
fn a_file_is_complete_or_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.html");
    write(&path, &passed(3)).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("</html>"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
