//! What a run has done, written down in the warehouse itself, in the same transactions as the rows it speaks of.
//!
//! The journal is a list of notes: a *head* with what the run was asked for, a note for every batch of rows (its range of
//! ids, how many rows it left there, what became of its objects), and one for every day whose batches are all in. A note is
//! there exactly when its rows are, also after the database was set back; still, a run that goes on counts the rows of every
//! range first, and does again what no longer holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::order::Way;
use super::tally::Tally;
use crate::report::replay::Asked;
use crate::sort::OrderedId;
use crate::warehouse::{self, Bulk, Note};

/// The first note of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    pub lake: String,
    pub asked: Asked,
    /// What tells the objects of `--only` from others.
    pub only: Option<String>,
    pub fence: DateTime<Utc>,
    pub begun: DateTime<Utc>,
    pub version: String,
    /// The counts of the whole run, once it has ended.
    pub ended: Option<serde_json::Value>,
}

impl Head {
    /// What another head of the same lake was asked for otherwise, in words.
    pub(super) fn differs(&self, now: &Self) -> Vec<String> {
        let (then, new) = (json(&self.asked), json(&now.asked));
        let mut differs: Vec<String> = new
            .iter()
            .filter(|(name, value)| then.get(*name) != Some(value))
            .map(|(name, value)| {
                let then = then.get(name).map_or_else(|| "nothing".to_owned(), ToString::to_string);
                format!("{} was {then} and is {value}", name.replace('_', "-"))
            })
            .collect();
        if differs.is_empty() && self.only != now.only {
            differs.push("only named other objects".to_owned());
        }
        differs
    }
}

fn json(asked: &Asked) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(asked) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    }
}

/// A note after the head.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub(super) enum Page {
    Batch(BatchPage),
    Day(DayPage),
}

/// A batch of rows that is in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BatchPage {
    pub way: Way,
    pub first: OrderedId,
    pub last: OrderedId,
    /// Rows that were in the range when it was committed, at least.
    pub rows: u64,
    pub tally: Tally,
}

/// A day whose timed records are all in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DayPage {
    pub day: NaiveDate,
    /// The notes of the batches that hold its rows.
    pub batches: BTreeSet<u64>,
    /// Its records that go the loose way.
    pub loose: u64,
    /// Of what brought no row of the day's batches.
    pub tally: Tally,
}

/// A run's place in the journal.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    pub run: Uuid,
    next: Arc<AtomicU64>,
}

impl Journal {
    /// A new run's.
    pub(super) fn new(now: DateTime<Utc>) -> anyhow::Result<Self> {
        let mut random = [0; 10];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random)
            .map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
        let time = now.timestamp_millis().unsigned_abs();
        Ok(Self {
            run: uuid::Builder::from_unix_timestamp_millis(time, &random).into_uuid(),
            next: Arc::new(AtomicU64::new(1)),
        })
    }

    /// The number of the next note.
    pub(super) fn seq(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn note(&self, seq: u64, page: &impl Serialize) -> Note {
        let text = serde_json::to_string(page).expect("pages have no maps with other keys than text");
        Note { run: self.run, seq, text }
    }
}

/// Ranges of ids, both ends inclusive, none overlapping another.
#[derive(Debug, Clone, Default)]
pub(super) struct Ranges(BTreeMap<OrderedId, OrderedId>);

impl Ranges {
    pub(super) fn has(&self, id: &OrderedId) -> bool {
        self.0.range(..=id).next_back().is_some_and(|(_, last)| id <= last)
    }
}

/// What an earlier session of a run has done, as far as it still holds.
#[derive(Debug)]
pub(super) struct Before {
    pub journal: Journal,
    pub head: Head,
    pub tally: Tally,
    /// Days that are in, with the number of their loose records.
    pub days: BTreeMap<NaiveDate, u64>,
    pub timed: Ranges,
    pub loose: Ranges,
    /// Notes that no longer hold.
    pub forget: Vec<(Uuid, u64)>,
}

/// The newest run from that lake, where it has not ended: an older one is worth nothing after a newer one.
///
/// # Errors
/// The journal cannot be read.
pub(super) async fn unfinished(bulk: &dyn Bulk, lake: &str) -> Result<Option<(Uuid, Head)>, warehouse::Error> {
    for note in bulk.heads().await? {
        match serde_json::from_str::<Head>(&note.text) {
            Ok(head) if head.lake == lake => return Ok(Some((note.run, head)).filter(|(_, head)| head.ended.is_none())),
            Ok(_) => {}
            Err(e) => tracing::warn!("the journal's head of run {} cannot be read and is passed over: {e}", note.run),
        }
    }
    Ok(None)
}

impl Before {
    /// Reads what a run has noted, and looks whether it holds; with `verify` a batch holds only if it was read back.
    ///
    /// # Errors
    /// The warehouse cannot be asked.
    pub(super) async fn read(bulk: &dyn Bulk, run: Uuid, head: Head, verify: bool) -> Result<Self, warehouse::Error> {
        let (mut batches, mut days, mut last) = (BTreeMap::new(), Vec::new(), 0);
        let mut before = Self {
            journal: Journal { run, next: Arc::default() },
            head,
            tally: Tally::default(),
            days: BTreeMap::new(),
            timed: Ranges::default(),
            loose: Ranges::default(),
            forget: Vec::new(),
        };
        for note in bulk.notes(run).await? {
            last = last.max(note.seq);
            match serde_json::from_str(&note.text) {
                Ok(Page::Batch(batch)) if verify && !batch.tally.is_read_back() => before.forget.push((run, note.seq)),
                Ok(Page::Batch(batch)) if holds(bulk, &batch).await? => drop(batches.insert(note.seq, batch)),
                Ok(Page::Day(day)) => days.push((note.seq, day)),
                Ok(Page::Batch(batch)) => {
                    tracing::warn!(
                        "rows that the journal speaks of are gone between {} and {}: they are done again",
                        batch.first.id,
                        batch.last.id
                    );
                    before.forget.push((run, note.seq));
                }
                Err(e) => {
                    tracing::warn!(
                        "note {} of the journal cannot be read, and what it says is done again: {e}",
                        note.seq
                    );
                    before.forget.push((run, note.seq));
                }
            }
        }
        for (seq, day) in days {
            if day.batches.iter().all(|batch| batches.contains_key(batch)) {
                before.tally.add(day.tally);
                before.days.insert(day.day, day.loose);
            } else {
                before.forget.push((run, seq));
            }
        }
        for batch in batches.into_values() {
            before.tally.add(batch.tally);
            let ranges = if batch.way == Way::Timed { &mut before.timed } else { &mut before.loose };
            ranges.0.insert(batch.first, batch.last);
        }
        before.journal.next.store(last + 1, Ordering::Relaxed);
        Ok(before)
    }

    /// Whether a record was settled by an earlier session.
    pub(super) fn has(&self, way: Way, id: &OrderedId) -> bool {
        match way {
            Way::Timed => self.timed.has(id),
            Way::Loose => self.loose.has(id),
        }
    }
}

/// Whether the rows of a batch are there. Ids that are no plain UUIDs are sorted differently by the server: of those only
/// the ends are looked for.
async fn holds(bulk: &dyn Bulk, batch: &BatchPage) -> Result<bool, warehouse::Error> {
    if batch.rows == 0 {
        return Ok(true);
    }
    if batch.first.odd || batch.last.odd {
        let ids: BTreeSet<String> = [&batch.first.id, &batch.last.id].into_iter().cloned().collect();
        let ids: Vec<String> = ids.into_iter().collect();
        let shape = bulk.shape().await?;
        return Ok(bulk.fetch(&ids, &shape).await?.len() == ids.len());
    }
    Ok(bulk.count(&batch.first.id, &batch.last.id).await? >= batch.rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_their_ends_and_nothing_between_them() {
        let id = |text: &str| OrderedId::new(text);
        let ranges = Ranges([(id("b"), id("d")), (id("f"), id("f"))].into());
        let inside: String = ["a", "b", "c", "d", "e", "f", "g"].into_iter().filter(|t| ranges.has(&id(t))).collect();
        assert_eq!(inside, "bcdf");
    }
}
