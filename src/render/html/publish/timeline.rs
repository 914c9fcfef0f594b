//! Run over time: scheduled and sent messages, problems, and messages in flight.

use serde::Serialize;

use super::Pair;
use crate::publish::{Count, Interval, Outcome};
use crate::render::duration;
use crate::render::html::numbers;
use crate::render::html::plot::{Column, Plot, PlotLabels, Scale, Series, millis, moment, since};

/// Section of the timeline.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    notes: Vec<String>,
    rate: Option<Plot>,
    side: Pair,
    /// What was counted before messages were published: `due`, or `sent` without a schedule.
    offered: &'static str,
    /// Figures of each interval.
    table: Vec<Vec<String>>,
}

impl Timeline {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let any = !outcome.times.intervals.is_empty();
        let wrong = outcome.times.intervals.iter().any(|one| one.failed + one.dropped + one.retries > 0);
        let mut side = Vec::new();
        if any && wrong {
            side.push(trouble(outcome));
        }
        if any {
            side.push(in_flight(outcome));
        }
        Self {
            notes: notes(outcome, wrong),
            rate: any.then(|| rate(outcome)),
            side,
            offered: offered(outcome),
            table: outcome.times.intervals.iter().map(|one| figures(one, outcome.times.seconds)).collect(),
        }
    }
}

fn notes(outcome: &Outcome, wrong: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if !wrong && !outcome.times.intervals.is_empty() {
        notes.push("Nothing was dropped, failed or sent again.".into());
    }
    if let Some(behind) = outcome.fell_behind() {
        let behind = duration(behind);
        notes.push(format!(
            "The run ended {behind} behind its schedule, so its latencies include delays of this sender: raise `--concurrency`, \
             or lower the rate."
        ));
    }
    if outcome.pacing.behind_seconds.is_some() && outcome.pacing.max_behind_seconds > 0.1 {
        notes.push(format!(
            "The most delayed batch was sent {} after it was due.",
            duration(outcome.pacing.max_behind_seconds)
        ));
    }
    if outcome.pacing.starved_seconds > 0.1 {
        let starved = duration(outcome.pacing.starved_seconds);
        notes.push(format!("The schedule was delayed by {starved} in total because the source was too slow."));
    }
    notes
}

/// Returns the intervals as columns, each with a tooltip.
pub(super) fn tipped(outcome: &Outcome, message: impl Fn(&Interval) -> String) -> Vec<Column> {
    let column = |one: &Interval| Column {
        from: one.begin,
        to: one.begin + one.seconds,
        tip: format!("{}: {}", when(one, outcome.times.seconds), message(one)),
    };
    outcome.times.intervals.iter().map(column).collect()
}

fn when(one: &Interval, all: f64) -> String {
    moment(one.begin, all, usize::from(one.begin.fract() > 0.01))
}

/// Line over time: its class, its name, and the figure of an interval.
type Figure = (&'static str, &'static str, fn(&Interval) -> f64);

fn lines(outcome: &Outcome, of: &[Figure]) -> (Vec<Series>, f64) {
    let values = |value: fn(&Interval) -> f64| outcome.times.intervals.iter().map(value);
    let most = of.iter().flat_map(|(.., value)| values(*value)).fold(0.0, f64::max);
    let line = |(class, name, value): &Figure| Series { class, name, values: values(*value).map(Some).collect() };
    (of.iter().map(line).collect(), most)
}

/// Returns the rate of an interval, which counts as at least 50 ms: a shorter one at the end has no meaningful rate.
fn per_second(n: u64, one: &Interval) -> f64 {
    n as f64 / one.seconds.max(0.05)
}

/// Returns what an interval counts as offered.
const fn offered(outcome: &Outcome) -> &'static str {
    if outcome.pacing.behind_seconds.is_some() { "due" } else { "sent" }
}

fn rate(outcome: &Outcome) -> Plot {
    let offered = offered(outcome);
    let (lines, max) = lines(
        outcome,
        &[
            ("achieved", "published", |one| per_second(one.published, one)),
            ("offered", offered, |one| per_second(one.offered, one)),
        ],
    );
    let columns = tipped(outcome, |one| {
        let [due, done] = [one.offered, one.published].map(|n| numbers::decimal(per_second(n, one), 0));
        format!("{due}/s {offered}, {done}/s published")
    });
    let description = format!(
        "Rate over time: {:.0} messages per second published over the whole run",
        outcome.times.rate_per_second
    );
    let words = PlotLabels {
        title: "Rate",
        unit: "messages per second".into(),
        across: since(outcome.times.seconds),
        description,
    };
    Plot::of(words, (&Scale::seconds(outcome.times.seconds), &Scale::from_zero(max)), &columns, lines)
}

fn trouble(outcome: &Outcome) -> Plot {
    let (lines, max) = lines(
        outcome,
        &[
            ("retried", "retries", |one| one.retries as f64),
            ("dropped", "dropped", |one| one.dropped as f64),
            ("failed", "failed", |one| one.failed as f64),
        ],
    );
    let columns = tipped(outcome, |one| {
        let [failed, dropped, retries] = [one.failed, one.dropped, one.retries].map(numbers::count);
        format!("{failed} failed, {dropped} dropped, {retries} sent again")
    });
    let length = outcome.times.intervals.first().map_or(1.0, |one| one.seconds);
    let each = if (length - 1.0).abs() < 0.01 { "each second".into() } else { format!("each {length:.0} s") };
    let [failed, dropped, retries] =
        [outcome.counts[Count::Failed], outcome.counts[Count::Dropped], outcome.counts[Count::Retries]]
            .map(numbers::count);
    let description = format!("What went wrong over time: {failed} failed, {dropped} dropped, {retries} sent again");
    let words = PlotLabels {
        title: "What went wrong",
        unit: format!("messages in {each}"),
        across: since(outcome.times.seconds),
        description,
    };
    Plot::of(words, (&Scale::seconds(outcome.times.seconds), &Scale::counts(max)), &columns, lines)
}

fn in_flight(outcome: &Outcome) -> Plot {
    let (lines, max) = lines(outcome, &[("p99", "maximum", |one| one.in_flight.into())]);
    let columns = tipped(outcome, |one| format!("{} in flight", numbers::count(one.in_flight.into())));
    let description = format!("Batches in flight over time: {max} at most");
    let words = PlotLabels {
        title: "In flight",
        unit: "batches at once".into(),
        across: since(outcome.times.seconds),
        description,
    };
    Plot::of(words, (&Scale::seconds(outcome.times.seconds), &Scale::counts(max)), &columns, lines)
}

fn figures(one: &Interval, all: f64) -> Vec<String> {
    let mut figures = vec![when(one, all)];
    figures.extend([one.offered, one.published, one.failed, one.dropped, one.retries].map(numbers::count));
    figures.push(numbers::count(one.in_flight.into()));
    let measured = [one.latency_ms.p50, one.latency_ms.p99, one.latency_ms.max, one.service_ms.p50, one.service_ms.p99];
    figures.extend(measured.map(|ms| if one.published > 0 { millis(ms) } else { "–".into() }));
    figures
}
