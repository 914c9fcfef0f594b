//! What a replay did: every listed object in one count, and what the run took.
//!
//! The outcome checks itself, merges with that of a run that caught up with it, and comes back from its JSON. Its text and
//! HTML are the renderer's.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::policy::Policy;
use crate::outcome::{Counter as _, Exit, Problems, Role, Spec};
use pipeline::lake::ThrottleStats;

mod counts;
mod days;
mod options;
mod preview;
mod table_swap;
#[cfg(test)]
mod tests;

pub(crate) use counts::SKIPPED;
pub use counts::{Counter, ObjectCounts};
pub use days::{DayCounts, Days};
pub use options::ReplayOptions;
pub use preview::{ClassCounts, Preview, ReadSample};
pub use table_swap::TableSwap;

/// A reason for which a run waited, and for how long in all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// What it waited for: `threads running`, `replica lag`, `pause file`, `throttle query`, `rows per second`, `no server`.
    pub reason: String,
    /// How often.
    pub times: u64,
    /// How long in all.
    pub seconds: f64,
}

/// What happened to every listed object.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// The run's id, which `--resume` finds; empty where no journal is kept.
    pub run: String,
    /// The lake's address.
    pub lake: String,
    /// The warehouse's address with its table, without secrets.
    pub warehouse: String,
    /// What was asked for.
    #[serde(rename = "asked")]
    pub options: ReplayOptions,
    /// The command that repeats it, without secrets; empty where there is none to repeat.
    pub command: String,
    /// When the run began, by the lake's clock: what came later is not read.
    #[serde(rename = "fence")]
    pub cutoff: Option<DateTime<Utc>>,
    /// How rows got in, and why so.
    pub method: String,
    /// How many objects there were, and what happened to them.
    #[serde(flatten)]
    pub counts: ObjectCounts,
    /// Time of the whole run.
    pub seconds: f64,
    /// Whether it went on from where an earlier run stopped.
    pub resumed: bool,
    /// Why it stopped early.
    pub stopped: Option<String>,
    /// How the lake's limits were felt, in this session.
    pub pressure: ThrottleStats,
    /// Transactions committed by this run.
    pub transactions: u64,
    /// Time in which the lake was read, of this session; loading goes on beside it.
    pub reading_seconds: f64,
    /// Time the sessions of the warehouse spent loading, added up, of this session.
    pub loading_seconds: f64,
    /// What it waited for.
    pub pauses: Vec<Pause>,
    /// The newest processing time among the records that are back: the recovery point that was achieved.
    pub newest_row_ts: Option<DateTime<Utc>>,
    /// The newest `data` among the records that are back.
    pub newest_data: Option<DateTime<Utc>>,
    /// The file that takes overwritten values back.
    pub undo: Option<String>,
    /// Where earlier sessions of the same run wrote them.
    pub undo_earlier: Vec<String>,
    /// The cut-over to a new table, where one was asked for.
    pub cut_over: Option<TableSwap>,
    /// What happened to each farm's day, in the order of farms and days.
    #[serde(with = "days")]
    pub days: Days,
    /// Problems, each with its key.
    pub problems: Problems,
}

impl Outcome {
    /// The counts of the contract by name, for a journal that keeps them.
    pub fn contract(&self) -> serde_json::Value {
        let is_part = |spec: &Spec| !spec.role.is_skipped() && (spec.role.is_part() || spec.role == Role::Input);
        let wanted = |spec: &Spec| is_part(spec) || *spec == Counter::Overwritten.spec();
        let counts = self.counts.iter().filter(|(spec, _)| wanted(spec)).map(|(spec, n)| (spec.name, n));
        counts.chain([(SKIPPED, self.counts.skipped())]).map(|(name, n)| (name, serde_json::Value::from(n))).collect()
    }

    /// Checks that every listed object is accounted for.
    ///
    /// # Errors
    /// The counts do not add up: an error of this program.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.counts.add_up(),
            "the counts do not add up, which is an error of this program: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }

    /// Adds the outcome of a run about other objects of the same lake, which went into the same table.
    pub fn merge(&mut self, other: Self) {
        self.counts.merge(&other.counts);
        self.seconds += other.seconds;
        self.transactions += other.transactions;
        self.reading_seconds += other.reading_seconds;
        self.loading_seconds += other.loading_seconds;
        self.newest_row_ts = self.newest_row_ts.max(other.newest_row_ts);
        self.newest_data = self.newest_data.max(other.newest_data);
        self.pressure = other.pressure; // the lake counts from its opening on
        other.pauses.into_iter().for_each(|pause| self.waited(pause));
        for (place, counts) in &other.days {
            self.days.entry(place.clone()).or_default().merge(counts);
        }
        self.problems.merge(other.problems);
        self.stopped = self.stopped.take().or(other.stopped);
        for undo in other.undo_earlier.into_iter().chain(other.undo) {
            if !self.undo_earlier.contains(&undo) && self.undo.as_ref() != Some(&undo) {
                self.undo_earlier.push(undo);
            }
        }
        match (&mut self.cut_over, other.cut_over) {
            (_, None) => {}
            (Some(swap), Some(newer)) => swap.merge(newer),
            (none, newer) => *none = newer,
        }
    }

    fn waited(&mut self, pause: Pause) {
        match self.pauses.iter_mut().find(|known| known.reason == pause.reason) {
            Some(known) => {
                known.times += pause.times;
                known.seconds += pause.seconds;
            }
            None => self.pauses.push(pause),
        }
    }

    /// Whether a drift file was given that names no object, or none in the span.
    pub fn selects_nothing(&self) -> bool {
        self.options.only == Some(self.options.only_outside)
    }

    /// Whether a new table was loaded and did not take the place of the old one.
    pub fn is_not_swapped(&self) -> bool {
        self.cut_over.as_ref().is_some_and(|swap| !swap.swapped)
    }

    /// What to do after it stopped early, as the end of a sentence.
    pub fn resume_hint(&self) -> &'static str {
        if self.cut_over.as_ref().is_some_and(|cut_over| cut_over.swapped) {
            "run a plain `ruminate replay`, without --into-new-table: the new table is in its place already, and that \
             loads what came meanwhile"
        } else if self.counts[Counter::Conflicting] > 0 && self.options.on_conflict == Policy::Fail.to_string() {
            "look at the conflict above, then run the same command with --on-conflict keep or --on-conflict overwrite \
             instead; --resume with --on-conflict fail only helps once the row or the object is mended"
        } else if self.run.is_empty() {
            "run the same command again"
        } else {
            "run the same command with --resume"
        }
    }
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() {
            Exit::Stopped
        } else if self.counts.findings() > 0 || self.is_not_swapped() {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }
}
