//! What a run has done, written down in the warehouse itself, in the same transactions as the rows it speaks of.
//!
//! The journal is a list of notes: a *head* with what the run was asked for, a note for every slice of rows (a batch's, of
//! one day: its range of ids, which rows it left there, which objects they came from, what became of these), and one for
//! every day whose slices are all in. A note is there exactly when its rows are, also after the database was set back.
//!
//! A run that goes on believes a note only if the very rows of which it speaks are in the range, and no others. What was
//! read of a day that is not whole is read again, and a slice stands for its objects only if they are the same ones: an
//! object that could not be read then and can be now changes what its range has to hold. Whatever does not hold is done
//! again, which changes no row that is right.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::order::{IdOrder, ReplayEntry};
use super::outcome::ReplayOptions;
use super::seen::Seen;
use super::tally::Tally;
use crate::sort::OrderedId;
use pipeline::record::stored::{Row, Shape};
use pipeline::warehouse::{self, Bulk, Note};

/// The first note of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    /// Which lake, however its address was written.
    pub lake: String,
    pub asked: ReplayOptions,
    /// What tells the objects of `--only` from others.
    pub only: Option<String>,
    pub fence: DateTime<Utc>,
    pub begun: DateTime<Utc>,
    pub version: String,
    /// Where the run's sessions wrote down what they overwrote.
    #[serde(default)]
    pub undo: Vec<String>,
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

fn json(asked: &ReplayOptions) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(asked) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    }
}

/// A note after the head.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub(super) enum Page {
    Slice(Slice),
    Day(DayPage),
}

/// Rows that are in: those of a batch that are of one day, or all of a loose one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Slice {
    pub way: IdOrder,
    pub first: OrderedId,
    pub last: OrderedId,
    /// The ids of the rows it left in its range.
    pub rows: Seen,
    /// The objects it stands for.
    pub objects: Seen,
    pub tally: Tally,
}

/// A day whose objects were all read and whose records are all in; days with loose records have no such note, since they
/// are read again for these anyway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DayPage {
    pub day: NaiveDate,
    /// The notes of the slices that hold its rows.
    pub slices: BTreeSet<u64>,
    /// Of what brought no row of the day's slices.
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
        Ok(Self::session(uuid::Builder::from_unix_timestamp_millis(time, &random).into_uuid()))
    }

    /// A session of a run.
    fn session(run: Uuid) -> Self {
        let any = RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now()));
        let first = (any % (1 << 32)) * SESSION + 1;
        Self { run, next: Arc::new(AtomicU64::new(first)) }
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

/// Numbers of a session's notes begin anywhere, so that two sessions of one run that know nothing of each other do not
/// write over each other's; below this many are a session's own.
const SESSION: u64 = 1 << 24;

/// Slices by the first id of their range, none overlapping another.
#[derive(Debug, Clone, Default)]
pub(super) struct Slices(BTreeMap<OrderedId, (u64, Slice)>);

impl Slices {
    /// The number of the slice in whose range an id lies.
    fn at(&self, id: &OrderedId) -> Option<u64> {
        let (_, (seq, slice)) = self.0.range(..=id).next_back()?;
        (*id <= slice.last).then_some(*seq)
    }

    /// Takes a slice, where its range is free.
    fn insert(&mut self, seq: u64, slice: Slice) -> bool {
        let before = self.0.range(..=&slice.last).next_back();
        let free = before.is_none_or(|(_, (_, before))| before.last < slice.first);
        if free {
            self.0.insert(slice.first.clone(), (seq, slice));
        }
        free
    }
}

/// What an earlier session of a run has done, as far as the rows still hold it.
#[derive(Debug)]
pub(super) struct Before {
    pub journal: Journal,
    pub head: Head,
    /// Of the days that are in.
    pub tally: Tally,
    /// Days that are in, and are not read again.
    pub days: BTreeSet<NaiveDate>,
    /// Slices of other days and of loose records; whether they stand shows when their objects are read.
    timed: Slices,
    loose: Slices,
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
    /// Reads what a run has noted, and looks whether its rows are there; with `verify` a slice counts only if it was read
    /// back.
    ///
    /// # Errors
    /// The warehouse cannot be asked.
    pub(super) async fn read(bulk: &dyn Bulk, run: Uuid, head: Head, verify: bool) -> Result<Self, warehouse::Error> {
        let (mut slices, mut days) = (BTreeMap::new(), Vec::new());
        let mut before = Self {
            journal: Journal::session(run),
            head,
            tally: Tally::default(),
            days: BTreeSet::new(),
            timed: Slices::default(),
            loose: Slices::default(),
            forget: Vec::new(),
        };
        let shape = bulk.shape().await?;
        for note in bulk.notes(run).await? {
            match serde_json::from_str(&note.text) {
                Ok(Page::Slice(slice)) if verify && !slice.tally.is_read_back() => before.forget.push((run, note.seq)),
                Ok(Page::Slice(slice)) if holds(bulk, &slice, &shape).await? => drop(slices.insert(note.seq, slice)),
                Ok(Page::Day(day)) => days.push((note.seq, day)),
                Ok(Page::Slice(slice)) => {
                    tracing::warn!(
                        "the rows between {} and {} are not those that the journal speaks of: they are done again",
                        slice.first,
                        slice.last
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
            if before.days.contains(&day.day) || !day.slices.iter().all(|slice| slices.contains_key(slice)) {
                before.forget.push((run, seq));
                continue;
            }
            before.tally.merge(day.tally);
            for slice in day.slices.iter().filter_map(|seq| slices.remove(seq)) {
                before.tally.merge(slice.tally);
            }
            before.days.insert(day.day);
        }
        for (seq, slice) in slices {
            let ranges = if slice.way == IdOrder::TimeOrdered { &mut before.timed } else { &mut before.loose };
            if !ranges.insert(seq, slice) {
                before.forget.push((run, seq)); // two sessions did the same
            }
        }
        Ok(before)
    }

    /// The number of the slice that may stand for a record.
    pub(super) fn slice(&self, way: IdOrder, id: &OrderedId) -> Option<u64> {
        self.of(way).at(id)
    }

    /// What a slice came to, if it speaks of just those entries.
    pub(super) fn confirm(&self, way: IdOrder, entries: &[ReplayEntry]) -> Option<&Tally> {
        let first = &entries.first()?.id;
        let (_, (_, slice)) = self.of(way).0.range(..=first).next_back()?;
        (slice.objects == Seen::of(entries)).then_some(&slice.tally)
    }

    fn of(&self, way: IdOrder) -> &Slices {
        match way {
            IdOrder::TimeOrdered => &self.timed,
            IdOrder::Unordered => &self.loose,
        }
    }
}

/// Whether the very rows of a slice are in its range, and no others. Ids that are no plain UUIDs are sorted differently by
/// the server, so that nothing can be said of them.
async fn holds(bulk: &dyn Bulk, slice: &Slice, shape: &Shape) -> Result<bool, warehouse::Error> {
    if slice.first.is_odd() || slice.last.is_odd() {
        return Ok(slice.rows.count == 0);
    }
    let (first, last) = (slice.first.text(), slice.last.text());
    if bulk.count(&first, &last).await? != slice.rows.count {
        return Ok(false);
    }
    let most = u32::try_from(slice.rows.count + 1).unwrap_or(u32::MAX);
    let rows = bulk.range(&first, &last, most, shape).await?;
    Ok(Seen::texts(rows.iter().map(Row::id)) == slice.rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_lies_in_a_range_with_its_ends_and_ranges_do_not_overlap() {
        let id = |text: &str| OrderedId::new(text);
        let slice = |first, last| Slice {
            way: IdOrder::TimeOrdered,
            first: id(first),
            last: id(last),
            rows: Seen::default(),
            objects: Seen::default(),
            tally: Tally::default(),
        };
        let mut slices = Slices::default();
        assert!(slices.insert(1, slice("b", "d")) && slices.insert(2, slice("f", "f")));
        for (first, last) in [("a", "b"), ("c", "c"), ("d", "e"), ("a", "z"), ("f", "g")] {
            assert!(!slices.insert(3, slice(first, last)), "{first} {last}");
        }
        let at: Vec<u64> = "abcdefg".chars().map(|c| slices.at(&id(&c.to_string())).unwrap_or(0)).collect();
        assert_eq!(at, [0, 1, 1, 1, 0, 2, 0]);
    }
}
