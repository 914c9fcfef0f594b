//! Latency, next to the service time: over time, and by percentile. It starts at the scheduled time of a message, or
//! without a schedule at its first request.

use serde::Serialize;

use super::Pair;
use super::timeline::tipped;
use crate::publish::{Count, Interval, Outcome, PercentilePoint, Percentiles};
use crate::render::counted;
use crate::render::html::numbers;
use crate::render::html::plot::{Column, Plot, PlotLabels, Scale, Series, millis, nines, since};

/// Minimum wait to report, in milliseconds: filling a batch takes half of it.
const A_WAIT_MS: f64 = 40.0;
/// Difference below which latency and service time count as the same, in milliseconds.
const A_LITTLE_MS: f64 = 1.0;

/// Section of the latencies.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    /// Explanation of the figures, and of the difference between them.
    note: String,
    /// Start of the latency: `from the scheduled time`.
    from: &'static str,
    percentiles: Vec<Percentile>,
    over_time: Pair,
    curve: Option<Plot>,
}

/// Row in the table of percentiles.
#[derive(Debug, Serialize)]
pub(super) struct Percentile {
    name: &'static str,
    values: Vec<String>,
}

impl Percentile {
    pub(super) fn of(name: &'static str, ms: &[f64]) -> Self {
        Self { name, values: ms.iter().map(|ms| millis(*ms)).collect() }
    }
}

impl Latency {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let (due, call) = (outcome.times.latency_ms, outcome.times.service_ms);
        let table = [
            ("p50", due.p50, call.p50),
            ("p90", due.p90, call.p90),
            ("p99", due.p99, call.p99),
            ("p99.9", outcome.times.latency_p999_ms, outcome.times.service_p999_ms),
            ("maximum", due.max, call.max),
        ];
        let any = outcome.counts[Count::Published] > 0;
        Self {
            note: note(outcome),
            from: from(outcome),
            percentiles: table
                .into_iter()
                .filter(|_| any)
                .map(|(name, due, call)| Percentile::of(name, &[due, call]))
                .collect(),
            over_time: if any { over_time(outcome) } else { Vec::new() },
            curve: curves(
                "Latency by percentile",
                &[
                    ("latency", curve_name(outcome), &outcome.times.latency_curve),
                    ("service", "service time, of the request", &outcome.times.service_curve),
                ],
            ),
        }
    }
}

/// Returns true if messages had a due time.
const fn has_schedule(outcome: &Outcome) -> bool {
    outcome.pacing.behind_seconds.is_some()
}

/// Returns the start of the latency.
const fn from(outcome: &Outcome) -> &'static str {
    if has_schedule(outcome) { "from the scheduled time" } else { "from the first request" }
}

/// Returns the name of the latency in the legend of the curves.
const fn curve_name(outcome: &Outcome) -> &'static str {
    if has_schedule(outcome) { "latency, from the scheduled time" } else { "latency, from the first request" }
}

fn note(outcome: &Outcome) -> String {
    if outcome.counts[Count::Published] == 0 {
        return "Nothing was published, so nothing was measured.".into();
    }
    let dropped = match outcome.counts[Count::Dropped] {
        0 => String::new(),
        n => format!(
            " The {} dropped have no latency: they would have been the slowest.",
            numbers::of(n, "message", "messages")
        ),
    };
    if !has_schedule(outcome) {
        return "Without a schedule, latency starts at a message's first request, and nothing is sent while all slots are in use, so a \
                stall of the topic is underestimated. For the latency of messages that arrive at a given rate, use `--rate` or \
                `--stages`."
            .into();
    }
    let description = match widest(outcome) {
        Some((name, due, call)) => {
            let [due, call] = [due, call].map(millis);
            format!(
                "Here {name} is {due}, of which the request took {call}: the rest is waiting, which a tool that measures only \
                 requests would not show."
            )
        }
        None if outcome.counts[Count::Dropped] == 0 => match wait(outcome) {
            wait if wait < A_LITTLE_MS => "Here both are nearly the same: the sender kept to its schedule.".into(),
            wait => format!(
                "Here latency is up to {} above service time, because batches wait to be filled (`--linger`); the sender kept to \
                 its schedule.",
                millis(wait)
            ),
        },
        None => String::new(),
    };
    format!(
        "Latency starts when a message was due, so it includes waiting behind slow responses; service time is the duration \
         of the successful request. {description}{dropped}"
    )
}

/// Returns the largest difference between a percentile of the latency and that of the service time, in milliseconds.
fn wait(outcome: &Outcome) -> f64 {
    let (due, call) = (outcome.times.latency_ms, outcome.times.service_ms);
    [due.p50 - call.p50, due.p90 - call.p90, due.p99 - call.p99].into_iter().fold(0.0, f64::max)
}

/// Returns the percentile with the largest difference between latency and service time, if it is relevant: filling a
/// batch also causes waits.
fn widest(outcome: &Outcome) -> Option<(&'static str, f64, f64)> {
    let (due, call) = (outcome.times.latency_ms, outcome.times.service_ms);
    [
        ("p90", due.p90, call.p90),
        ("p99", due.p99, call.p99),
        ("p99.9", outcome.times.latency_p999_ms, outcome.times.service_p999_ms),
    ]
    .into_iter()
    .filter(|(_, due, call)| *due > 1.5 * call && due - call > A_WAIT_MS)
    .max_by(|a, b| (a.1 / a.2).total_cmp(&(b.1 / b.2)))
}

/// Line of latencies over time: its class, its name, and the percentile of an interval.
type Quantile = (&'static str, &'static str, fn(&Percentiles) -> f64);

const QUANTILES: [Quantile; 4] = [
    ("p50", "p50", |ms| ms.p50),
    ("p90", "p90", |ms| ms.p90),
    ("p99", "p99", |ms| ms.p99),
    ("max", "maximum", |ms| ms.max),
];

/// Returns latency and service time on the same scale, so that their difference is visible.
fn over_time(outcome: &Outcome) -> Pair {
    let measured = || outcome.times.intervals.iter().filter(|one| one.published > 0);
    let least = measured().map(|one| one.latency_ms.p50.min(one.service_ms.p50)).fold(f64::INFINITY, f64::min);
    let most = measured().map(|one| one.latency_ms.max.max(one.service_ms.max)).fold(0.0, f64::max);
    let scale = Scale::latencies(if least.is_finite() { least } else { 0.0 }, most);
    let plot = |title, name: &str, of: fn(&Interval) -> Percentiles, all: Percentiles| {
        let description = format!("{title}, percentiles by interval; of the whole run: {all}");
        let words = PlotLabels { title, unit: unit(name, &scale), across: since(outcome.times.seconds), description };
        let columns = tipped(outcome, |one| match one.published {
            0 => "nothing published".to_owned(),
            _ => QUANTILES.map(|(_, name, quantile)| format!("{name} {}", millis(quantile(&of(one))))).join(", "),
        });
        let lines = QUANTILES.map(|(class, name, quantile)| Series {
            class,
            name,
            values: outcome.times.intervals.iter().map(|one| (one.published > 0).then(|| quantile(&of(one)))).collect(),
        });
        Plot::of(words, (&Scale::seconds(outcome.times.seconds), &scale), &columns, lines.into())
    };
    vec![
        plot("Latency over time", from(outcome), |one| one.latency_ms, outcome.times.latency_ms),
        plot("Service time over time", "of the request", |one| one.service_ms, outcome.times.service_ms),
    ]
}

fn unit(name: &str, scale: &Scale) -> String {
    if scale.is_logarithmic() { format!("{name}, logarithmic scale") } else { name.to_owned() }
}

/// Returns percentile curves on one scale: class, name, points. Empty without measurements.
pub(super) fn curves(
    title: &'static str,
    curves: &[(&'static str, &'static str, &Vec<PercentilePoint>)],
) -> Option<Plot> {
    let points = || curves.iter().flat_map(|(.., points)| points.iter());
    let count = points().map(|point| point.count).max().filter(|count| *count > 0)?;
    // The maximum is drawn at the highest percentile that this number of messages can resolve.
    let all = (count as f64).log10().max(1.0) + 0.15;
    let mut ends: Vec<f64> = points().map(|point| nines(point.percentile).min(all)).filter(|end| *end > 0.0).collect();
    ends.push(all);
    ends.sort_by(f64::total_cmp);
    ends.dedup_by(|a, b| (*a - *b).abs() < 1e-6);
    let at = |points: &[PercentilePoint], end: f64| {
        points
            .iter()
            .find(|point| nines(point.percentile).min(all) >= end - 1e-6)
            .or(points.last())
            .map(|point| point.ms)
    };
    let starts = std::iter::once(0.0).chain(ends.iter().copied());
    let columns = starts
        .zip(&ends)
        .map(|(from, to)| Column { from, to: *to, tip: tip(curves, *to, all, at) })
        .collect::<Vec<_>>();
    let lines = curves.iter().map(|(class, name, points)| Series {
        class,
        name,
        values: ends.iter().map(|end| at(points, *end)).collect(),
    });
    let least = points().map(|point| point.ms).fold(f64::INFINITY, f64::min);
    let most = points().map(|point| point.ms).fold(0.0, f64::max);
    let scale = Scale::latencies(least, most);
    let description =
        format!("{title}, of {}, from {} to {}", counted(count, "message", "messages"), millis(least), millis(most));
    let words =
        PlotLabels { title, unit: unit("maximum", &scale), across: "percent of the messages".into(), description };
    Some(Plot::of(words, (&Scale::nines(all), &scale), &columns, lines.collect()))
}

fn tip(
    curves: &[(&'static str, &'static str, &Vec<PercentilePoint>)],
    end: f64,
    all: f64,
    at: impl Fn(&[PercentilePoint], f64) -> Option<f64>,
) -> String {
    let percentile = (1.0 - 10_f64.powf(-end)) * 100.0;
    let share =
        if end >= all - 1e-6 { "all".to_owned() } else { format!("{:.*} %", end.ceil().max(1.0) as usize, percentile) };
    let message = curves.iter().filter_map(|(class, _, points)| Some(format!("{class} {}", millis(at(points, end)?))));
    format!("{share}: {}", message.collect::<Vec<_>>().join(", "))
}
