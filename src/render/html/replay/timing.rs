//! Timing of the run: phases, rates, and waits.

use serde::Serialize;

use crate::render::duration;
use crate::render::html::{numbers, sanitize};
use crate::replay::{Counter, Outcome};

/// Maximum number of reasons for waits on the page.
const PAUSES: usize = 50;

/// Section of the timing.
#[derive(Debug, Serialize)]
pub(super) struct Timing {
    lines: Vec<Line>,
    /// Explanation of the figures.
    note: &'static str,
    /// True for a run that was merged from shards.
    is_merged: bool,
}

/// Phase of the run.
#[derive(Debug, Serialize)]
struct Line {
    what: String,
    time: String,
    /// Percentage of the complete run's time; at most 100.
    share: u32,
    /// Class of the bar: `same` for work, `skipped` for waiting.
    class: &'static str,
    detail: String,
}

impl Timing {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let merge = outcome.shards.map_or(0.0, |shards| shards.merge_seconds(outcome.seconds));
        let whole = outcome.shards.map_or(outcome.seconds, |shards| shards.total_seconds + merge);
        let line = |what: &str, seconds: f64, class, detail| Line {
            what: sanitize::shown(what, sanitize::VALUE),
            time: duration(seconds.max(0.0)),
            share: share(seconds, whole),
            class,
            detail,
        };
        let rows = outcome.counts.recovered() + outcome.counts.kept();
        let objects = rate(outcome.counts[Counter::Listed], outcome.seconds, "object", "objects");
        let mut lines = match &outcome.shards {
            None => vec![line("The whole run", outcome.seconds, "same", objects)],
            Some(shards) => vec![
                line(
                    "All shards, added up",
                    shards.total_seconds,
                    "same",
                    numbers::of(shards.count, "shard", "shards"),
                ),
                line("The longest shard", shards.longest_seconds, "same", String::new()),
                line("The merge", merge, "same", String::new()),
            ],
        };
        // The counts include earlier sessions, the time does not; shards may have run at the same time.
        let has_rate = !outcome.resumed && outcome.shards.is_none();
        let of_session = |n, seconds, one, many| if has_rate { rate(n, seconds, one, many) } else { String::new() };
        if outcome.reading_seconds > 0.0 {
            let read = outcome.counts[Counter::Listed].saturating_sub(outcome.counts[Counter::Archived]);
            let detail = of_session(read, outcome.reading_seconds, "object", "objects");
            lines.push(line("Reading the lake", outcome.reading_seconds, "same", detail));
        }
        if outcome.loading_seconds > 0.0 {
            let detail = of_session(rows, outcome.loading_seconds, "row", "rows");
            let transactions = numbers::of(outcome.transactions, "transaction", "transactions");
            let detail = if detail.is_empty() { transactions } else { format!("{detail} per session; {transactions}") };
            lines.push(line("Loading the warehouse", outcome.loading_seconds, "same", detail));
        }
        let mut pauses: Vec<_> = outcome.pauses.iter().collect();
        pauses.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        lines.extend(pauses.into_iter().take(PAUSES).map(|pause| {
            let times = numbers::of(pause.count, "time", "times");
            line(&format!("Waiting: {}", pause.reason), pause.seconds, "skipped", times)
        }));
        let is_merged = outcome.shards.is_some();
        let note = if is_merged {
            "Reading, loading and waiting are added up over all shards, which may have run at the same time."
        } else if outcome.resumed {
            "Reading, loading and waiting are those of the last session; the counts are those of the whole run."
        } else {
            "Reading and loading run concurrently; loading is the sum over all warehouse sessions."
        };
        Self { lines, note, is_merged }
    }
}

fn rate(n: u64, seconds: f64, one: &str, many: &str) -> String {
    let each = numbers::of(n, one, many);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
    let rate = (n as f64 / seconds.max(1e-3)).round() as u64;
    format!("{each}, {}/s", numbers::count(rate))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn share(part: f64, whole: f64) -> u32 {
    (part / whole.max(1e-3) * 100.0).clamp(0.0, 100.0).round() as u32
}
