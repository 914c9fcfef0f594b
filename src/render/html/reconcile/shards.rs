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
