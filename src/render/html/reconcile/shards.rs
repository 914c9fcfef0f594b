//! Shards of a merged audit: duration, attempts and source of each.

use serde::Serialize;

use crate::outcome::duration;
use crate::reconcile::{Outcome, ShardRun};
use crate::render::html::{headline, numbers, sanitize};

/// Maximum number of shards in the strip and the table; the JSON has all.
const SHOWN: usize = 500;

/// Section of the shards. `None` for an audit that was not merged from shards.
#[derive(Debug, Serialize)]
pub(super) struct Shards {
    /// Number, durations and attempts, in one sentence.
    summary: String,
    shards: Vec<ShardRow>,
    /// Number of shards that are not shown; 0 if all are.
    more: String,
    width: usize,
}

/// One shard.
#[derive(Debug, Serialize)]
struct ShardRow {
    number: usize,
    objects: String,
    started_at: String,
    seconds: String,
    /// Duration as a fraction of the longest, in percent.
    height: u64,
    attempts: String,
    retries: String,
    source: String,
    /// True if more than one attempt was needed.
    repeated: bool,
}

impl Shards {
    pub(super) fn of(outcome: &Outcome) -> Option<Self> {
        let shards = &outcome.run.shards;
        let slowest = shards.iter().enumerate().max_by(|(_, one), (_, other)| one.seconds.total_cmp(&other.seconds));
        let (number, longest) = slowest?;
        let shortest = shards.iter().map(|shard| shard.seconds).fold(f64::INFINITY, f64::min);
        let repeated = shards.iter().filter(|shard| shard.attempts > 1).count() as u64;
        let tried = match repeated {
            0 => "none was tried again".to_owned(),
            n => format!("{} tried again", numbers::of(n, "was", "were")),
        };
        let summary = format!(
            "{}: {} to {} each (the longest is shard {number}); {tried}.",
            numbers::of(shards.len() as u64, "shard", "shards"),
            duration(shortest),
            duration(longest.seconds)
        );
        let rows = shards.iter().enumerate().take(SHOWN).map(|(at, shard)| ShardRow::of(at, shard, longest.seconds));
        let rows: Vec<ShardRow> = rows.collect();
        let more = match shards.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => numbers::count(more as u64),
        };
        Some(Self { summary, width: rows.len() * 4, shards: rows, more })
    }
}

impl ShardRow {
    fn of(number: usize, shard: &ShardRun, longest: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage")]
        let height = (shard.seconds / longest.max(1e-9) * 100.0).round().clamp(2.0, 100.0) as u64;
        Self {
            number,
            objects: numbers::count(shard.objects),
            started_at: headline::instant(shard.started_at),
            seconds: duration(shard.seconds),
            height,
            attempts: numbers::count(shard.attempts),
            retries: numbers::count(shard.retries),
            source: sanitize::shown(&shard.source.replace('_', " "), sanitize::VALUE),
            repeated: shard.attempts > 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::tests::clean;
    use super::*;
    use crate::render::html::render;
    use crate::render::html::unbroken::without_marks;

    #[test]
    fn a_merged_audit_shows_its_shards_and_a_single_one_none() {
        let mut outcome = clean();
        outcome.run.started_at = DateTime::from_timestamp(1_700_000_100, 0);
        let single = render(&outcome).unwrap();
        assert!(!single.contains("id=\"shards\"") && single.contains("Another run over the same stores gives"));
        let shard = |n: u64| ShardRun {
            objects: 1_000 * n,
            started_at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            seconds: 10.0 * n as f64,
            attempts: if n == 2 { 3 } else { 1 },
            retries: n,
            source: "aws_batch<b>".into(),
        };
        outcome.run.shards = (1..=3).map(shard).collect();
        let page = without_marks(&render(&outcome).unwrap());
        for text in [
            "3 shards: 10.00 s to 30.00 s each (the longest is shard 2); 1 was tried again.",
            "<rect class=\"again\" x=\"4\" y=\"33\" width=\"3\" height=\"67\">",
            "aws batch&lt;b&gt;",
            "3 shards of 60.00 s in total, the longest 30.00 s, and a merge of ",
            "Merging again uses the outcomes of the same shards",
            "clock when the audit was planned",
            "Merge started",
            "href=\"#shards\"",
        ] {
            assert!(page.contains(text), "{text}");
        }
        for single in ["Another run over the same stores", "when the audit started", "<dt>Started</dt>"] {
            assert!(!page.contains(single), "{single}");
        }
        // An interrupted merge is merged again; the log of a merge does not have the problems of the shards.
        outcome.stopped = Some("interrupted".into());
        (0..60).for_each(|n| outcome.problems.add("skipped", n.to_string(), "why"));
        let page = without_marks(&render(&outcome).unwrap());
        assert!(page.contains("merge again for a verdict") && !page.contains("run it again"), "{page}");
        assert!(page.contains("with <code class=\"flag\">-v</code> each shard logs its own."), "{page}");
        assert!(outcome.to_string().contains("with -v each shard logs its own)"), "{outcome}");
        outcome.stopped = None;
        outcome.run.shards = (1..=600).map(shard).collect();
        assert!(render(&outcome).unwrap().contains("The first 500 shards; the JSON has 100 more"));
    }
}
