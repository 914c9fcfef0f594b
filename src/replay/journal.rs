//! What a run has done, written down in the warehouse itself, in the same transactions as the rows it speaks of.
//!
//! The journal is a list of entries: a *header* with what the run was asked for, an entry for every batch of rows of one
//! day (its range of ids, the rows it left there, the objects they came from, what happened to these), and one for every
//! day whose batches are all in. An entry is there exactly when its rows are, also after the database was set back.
//!
//! What a run that is resumed makes of the entries is [`super::resume`]'s.

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

/// The first entry of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RunHeader {
    /// Which lake, however its address was written.
    pub lake: String,
    #[serde(rename = "asked")]
    pub options: ReplayOptions,
    /// What tells the objects of `--only` from others.
    pub only: Option<String>,
    #[serde(rename = "fence")]
    pub cutoff: DateTime<Utc>,
    #[serde(rename = "begun")]
    pub started_at: DateTime<Utc>,
    pub version: String,
    /// Where the run's sessions wrote down what they overwrote.
    #[serde(default)]
    pub undo: Vec<String>,
    /// The counts of the whole run, once it has ended.
    pub ended: Option<serde_json::Value>,
}

impl RunHeader {
    /// What another header of the same lake was asked for otherwise, in words.
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
            differs.push("only named other objects".to_owned());
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

/// An entry after the header.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub(super) enum RunEntry {
    #[serde(rename = "slice")]
    Batch(BatchEntry),
    Day(DayEntry),
}

/// Rows that are in: those of a batch that are of one day, or all of an unordered one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct BatchEntry {
    #[serde(rename = "way")]
    pub order: IdOrder,
    pub first: OrderedId,
    pub last: OrderedId,
    /// The ids of the rows it left in its range.
    pub rows: MultisetHash,
    /// The objects it stands for.
    pub objects: MultisetHash,
    pub tally: Tally,
}

/// A day whose objects were all read and whose records are all in; days with unordered records have no such entry, since they
/// are read again for these anyway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DayEntry {
    pub day: NaiveDate,
    /// The numbers of the batches that hold its rows.
    #[serde(rename = "slices")]
    pub batches: BTreeSet<u64>,
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
        Ok(Self::session(crate::outcome::run_id(now)))
    }

    /// A session of a run.
    pub(super) fn session(run: Uuid) -> Self {
        let first = u64::from(fastrand::u32(..)) * SESSION + 1;
        Self { run, next: Arc::new(AtomicU64::new(first)) }
    }

    /// The number of the next entry.
    pub(super) fn seq(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn entry(&self, seq: u64, page: &impl Serialize) -> JournalEntry {
        let text = serde_json::to_string(page).expect("pages have no maps with other keys than text");
        JournalEntry { run_id: self.run, seq, text }
    }
}

/// Numbers of a session's notes begin anywhere, so that two sessions of one run that know nothing of each other do not
/// write over each other's; below this many are a session's own.
const SESSION: u64 = 1 << 24;
