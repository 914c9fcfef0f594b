//! Entries of the journal of a replay, which is in the warehouse and written in the same transactions as the rows it
//! describes. The journal of `publish` is a file (`publish/journal_file.rs`).
//!
//! The journal is a list of entries. A *header* contains the run's options. Each batch has one entry per day, with its
//! range of ids, its rows, their objects and the results. Each day whose batches are all loaded has an entry too. An
//! entry exists exactly if its rows do, also after the database was restored.
//!
//! [`super::resume`] interprets the entries when a run is resumed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::entry_hash::MultisetHash;
use super::order::IdOrder;
use super::outcome::ReplayOptions;
use super::tally::Tally;
use crate::sort::OrderedId;
use pipeline::warehouse::JournalEntry;

/// First entry of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RunHeader {
    /// Identity of the lake, independent of how its address was written.
    pub lake: String,
    pub options: ReplayOptions,
    /// Digest of the objects of `--only`. `None` without that flag.
    pub only: Option<String>,
    pub cutoff: DateTime<Utc>,
    pub started_at: DateTime<Utc>,
    pub version: String,
    /// Undo files of the run's sessions.
    #[serde(default)]
    pub undo_files: Vec<String>,
    /// Counts of the complete run. `None` until it has ended.
    pub ended: Option<serde_json::Value>,
}

impl RunHeader {
    /// Returns the options that differ from those of another header of the same lake, as text.
    pub(super) fn changed_options(&self, now: &Self) -> Vec<String> {
        let (then, new) = (json(&self.options), json(&now.options));
        let mut differs: Vec<String> = new
            .iter()
            .filter(|(name, value)| then.get(*name) != Some(value))
            .map(|(name, value)| {
                let then = then.get(name).map_or_else(|| "nothing".to_owned(), ToString::to_string);
                format!("{} was {then} and is {value}", name.replace('_', "-"))
            })
            .collect();
        if differs.is_empty() && self.only != now.only {
            differs.push("--only selected other objects".to_owned());
        }
        differs
    }
}

fn json(options: &ReplayOptions) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(options) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    }
}

/// Entry that follows the header.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub(super) enum RunEntry {
    Batch(BatchEntry),
    Day(DayEntry),
}

/// Loaded rows: those of one day in a batch, or all rows of an unordered batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BatchEntry {
    pub order: IdOrder,
    pub first: OrderedId,
    pub last: OrderedId,
    /// Ids of the rows that it left in its range.
    pub rows: MultisetHash,
    /// Objects that it covers.
    pub objects: MultisetHash,
    pub tally: Tally,
}

/// Day whose objects were all read and whose records are all loaded. Days with unordered records have no such entry,
/// because they are read again for these records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DayEntry {
    pub day: NaiveDate,
    /// Numbers of the batches that contain its rows.
    pub batches: BTreeSet<u64>,
    /// Counts of the objects without a row in the day's batches.
    pub tally: Tally,
}

/// Location of a run in the journal.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    pub run: Uuid,
    next: Arc<AtomicU64>,
}

impl Journal {
    /// Returns the journal of a new run.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self::session(crate::outcome::run_id(now))
    }

    /// Returns the journal of a new session of a run.
    pub(super) fn session(run: Uuid) -> Self {
        let first = u64::from(fastrand::u32(..)) * SESSION + 1;
        Self { run, next: Arc::new(AtomicU64::new(first)) }
    }

    /// Returns the number of the next entry.
    pub(super) fn seq(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn entry(&self, seq: u64, page: &impl Serialize) -> JournalEntry {
        let text = serde_json::to_string(page).expect("pages have no maps with other keys than text");
        JournalEntry { run_id: self.run, seq, text }
    }
}

/// Entry numbers per session. Each session starts at a random multiple, so that two concurrent sessions of one run do
/// not overwrite each other's entries.
const SESSION: u64 = 1 << 24;
