//! Outcome of a replay: every listed object in one count, with the time and resources of the run.
//!
//! The outcome checks itself, merges with that of a catch-up run, and can be read from its JSON. The renderer creates
//! its text and HTML.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::policy::Policy;
use crate::inventory::InventoryInfo;
use crate::outcome::{Counter as _, Exit, Problems, Role, ShardTimes, Spec, counted};
use crate::parts::PartsStats;
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
pub use preview::{Preview, ReadSample};
pub use table_swap::TableSwap;

/// Reason for which a run waited, with the total duration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// Reason: `threads running`, `replica lag`, `pause file`, `throttle query`, `rows per second`, `no server`, `no signal`, `locked rows`.
    pub reason: String,
    /// Number of waits.
    pub count: u64,
    /// Total duration, in seconds.
    pub seconds: f64,
}

/// Outcome of a replay, with the result of every listed object.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Id of the run, for `--resume`; empty if no journal is written.
    pub run_id: String,
    /// Address of the lake.
    pub lake: String,
    /// Endpoint of the lake's store. `None` for AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lake_endpoint: Option<String>,
    /// Address of the warehouse with its table, without secrets.
    pub warehouse: String,
    /// Options of the run.
    pub options: ReplayOptions,
    /// Whether it was accepted that nothing is loaded (`--allow-empty`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
    /// Command that repeats the run, without secrets; empty if there is none.
    pub command: String,
    /// Start of the run, by the lake's clock; newer objects are not read.
    pub cutoff: Option<DateTime<Utc>>,
    /// Method of loading rows, and the reason for it.
    pub method: String,
    /// Number of objects by result.
    #[serde(flatten)]
    pub counts: ObjectCounts,
    /// Duration of the complete run, in seconds. Of a merged run: of the longest shard and the merge.
    pub seconds: f64,
    /// Durations of the shards of a merged run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardTimes>,
    /// True if the run continued an earlier session.
    pub resumed: bool,
    /// Reason for an early stop. `None` if the run is complete.
    pub stopped: Option<String>,
    /// Throttling by the lake in this session.
    pub lake_throttling: ThrottleStats,
    /// Where the objects of this session came from. `None` with `--parts never`.
    pub from_parts: Option<PartsStats>,
    /// Inventory that the lake was listed from. `None` if the lake itself was listed.
    pub listing: Option<InventoryInfo>,
    /// Records loaded in this session; the counts include those of earlier sessions.
    pub session_records: u64,
    /// Transactions committed by this run.
    pub transactions: u64,
    /// Duration of reading the lake in this session, in seconds; it overlaps with loading.
    pub reading_seconds: f64,
    /// Total loading time of all warehouse connections in this session, in seconds.
    pub loading_seconds: f64,
    /// Waits of the run, by reason.
    pub pauses: Vec<Pause>,
    /// Newest processing time of the recovered records: the achieved recovery point.
    pub newest_row_ts: Option<DateTime<Utc>>,
    /// Newest `data` of the recovered records.
    pub newest_data: Option<DateTime<Utc>>,
    /// Undo file with the overwritten values. `None` if none was written.
    pub undo_file: Option<String>,
    /// Undo files of earlier sessions of the same run.
    pub earlier_undo_files: Vec<String>,
    /// Commands that revert these files, the newest last, without secrets.
    pub undo_commands: Vec<String>,
    /// Swap to a new table. `None` if not requested.
    pub table_swap: Option<TableSwap>,
    /// Results per farm and day, sorted in that order.
    #[serde(with = "days")]
    pub days: Days,
    /// Problems, each with its key.
    pub problems: Problems,
}

impl Outcome {
    /// Returns the counts of the JSON contract by name, for the journal.
    pub fn contract(&self) -> serde_json::Value {
        let is_part = |spec: &Spec| !spec.role.is_skipped() && (spec.role.is_part() || spec.role == Role::Input);
        let wanted = |spec: &Spec| is_part(spec) || *spec == Counter::Overwritten.spec();
        let counts = self.counts.iter().filter(|(spec, _)| wanted(spec)).map(|(spec, n)| (spec.name, n));
        counts.chain([(SKIPPED, self.counts.skipped())]).map(|(name, n)| (name, serde_json::Value::from(n))).collect()
    }

    /// Checks that every listed object is accounted for.
    ///
    /// # Errors
    /// Returns an error if the counts do not add up, which is a bug in this program.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.counts.add_up(),
            "the counts do not add up; this is a bug in ruminate: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }

    /// Adds the outcome of a run that loaded other objects of the same lake into the same table.
    ///
    /// What both runs have in common (stores, options, command, cutoff, method, shards) comes from the first one.
    pub fn merge(&mut self, other: Self) {
        let Self {
            run_id: _,
            lake: _,
            lake_endpoint: _,
            warehouse: _,
            options: _,
            allow_empty: _,
            command: _,
            cutoff: _,
            method: _,
            counts,
            seconds,
            shards: _,
            resumed,
            stopped,
            lake_throttling,
            from_parts,
            listing,
            session_records,
            transactions,
            reading_seconds,
            loading_seconds,
            pauses,
            newest_row_ts,
            newest_data,
            undo_file,
            earlier_undo_files,
            undo_commands,
            table_swap,
            days,
            problems,
        } = other;
        self.counts.merge(&counts);
        self.seconds += seconds;
        self.session_records += session_records;
        self.transactions += transactions;
        self.reading_seconds += reading_seconds;
        self.loading_seconds += loading_seconds;
        self.newest_row_ts = self.newest_row_ts.max(newest_row_ts);
        self.newest_data = self.newest_data.max(newest_data);
        self.lake_throttling.merge(lake_throttling);
        PartsStats::merge_some(&mut self.from_parts, from_parts);
        InventoryInfo::merge_some(&mut self.listing, listing);
        self.resumed |= resumed;
        pauses.into_iter().for_each(|pause| self.waited(pause));
        for (place, counts) in &days {
            self.days.entry(place.clone()).or_default().merge(counts);
        }
        self.problems.merge(problems);
        self.stopped = self.stopped.take().or(stopped);
        earlier_undo_files.into_iter().chain(undo_file).for_each(|file| self.add_undo_file(file));
        let new = undo_commands.into_iter().filter(|command| !self.undo_commands.contains(command));
        self.undo_commands.extend(new.collect::<Vec<_>>());
        match (&mut self.table_swap, table_swap) {
            (_, None) => {}
            (Some(swap), Some(newer)) => swap.merge(newer),
            (none, newer) => *none = newer,
        }
    }

    fn add_undo_file(&mut self, file: String) {
        if !self.earlier_undo_files.contains(&file) && self.undo_file.as_ref() != Some(&file) {
            self.earlier_undo_files.push(file);
        }
    }

    fn waited(&mut self, pause: Pause) {
        match self.pauses.iter_mut().find(|known| known.reason == pause.reason) {
            Some(known) => {
                known.count += pause.count;
                known.seconds += pause.seconds;
            }
            None => self.pauses.push(pause),
        }
    }

    /// Returns true if a drift file was given that selects no object, or none in the span.
    pub fn selects_nothing(&self) -> bool {
        self.options.selected_objects == Some(self.options.selected_out_of_span)
    }

    /// Returns true if records were read, and the filters by processing time and by `data` left none to load.
    pub fn excludes_everything(&self) -> bool {
        let excluded = self.counts[Counter::ProcessedLater] + self.counts[Counter::DataRange];
        let rows = self.counts.recovered() + self.counts.kept();
        excluded > 0 && rows == 0 && self.stopped.is_none()
    }

    /// Returns which filters excluded everything, and what to check.
    pub fn excluded_by(&self) -> String {
        let (later, dates) = (self.counts[Counter::ProcessedLater], self.counts[Counter::DataRange]);
        let records = |n| counted(n, "record", "records");
        let later = (later > 0).then(|| format!("{} processed after --processed-until", records(later)));
        let dates = (dates > 0).then(|| format!("{} with `data` outside --data-from and --data-to", records(dates)));
        let excluded = later.into_iter().chain(dates).collect::<Vec<_>>().join(" and ");
        let accepted = if self.allow_empty { "" } else { "; if that is intended, add --allow-empty" };
        format!("the filters exclude {excluded}{accepted}")
    }

    /// Returns true if a new table was loaded and did not replace the old one.
    pub fn is_not_swapped(&self) -> bool {
        self.table_swap.as_ref().is_some_and(|swap| !swap.swapped)
    }

    /// Returns the number of rows that are only in the old table because others added them shortly before the swap.
    pub fn rows_added_before_swap(&self) -> u64 {
        self.table_swap.as_ref().map_or(0, |swap| swap.added_before_swap)
    }

    /// Returns what to do after an early stop, as the end of a sentence.
    pub fn resume_hint(&self) -> &'static str {
        if self.table_swap.as_ref().is_some_and(|swap| swap.swapped) {
            "run a plain `ruminate replay`, without --into-new-table: the tables are already swapped, and it loads the \
             objects that arrived since"
        } else if self.counts[Counter::Conflicting] > 0 && self.options.on_conflict == Policy::Fail.to_string() {
            "check the conflict above, then run the same command with --on-conflict keep or --on-conflict overwrite \
             instead; --resume with --on-conflict fail only helps once the row or the object is fixed"
        } else if self.run_id.is_empty() || self.shards.is_some() {
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
        } else if self.counts.findings() > 0
            || self.is_not_swapped()
            || self.rows_added_before_swap() > 0
            || (self.excludes_everything() && !self.allow_empty)
        {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }
}
