//! What `replay` is about to do, and what it did.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use pipeline::lake::Pressure;

use super::{Lines, between, count, duration};
use crate::outcome::{Exit, Problems};

mod absorb;
mod preview;

pub use preview::{Class, Preview, Sample};

/// What became of the objects of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cell {
    /// Objects listed.
    pub listed: u64,
    /// Of these, rows that were there with other values, and were kept.
    #[serde(skip_serializing_if = "is_zero")]
    pub conflicting: u64,
    /// Objects that hold no valid record, and records that the table refuses.
    #[serde(skip_serializing_if = "is_zero")]
    pub rejected: u64,
    /// Objects in an archive tier.
    #[serde(skip_serializing_if = "is_zero")]
    pub archived: u64,
    /// Objects that could not be fetched or are not JSON.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// Objects left aside.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// Records read and not loaded, because the run stopped early.
    #[serde(skip_serializing_if = "is_zero")]
    pub pending: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Cell {
    /// Records that are in the warehouse now, with the lake's values.
    pub fn back(&self) -> u64 {
        self.listed.saturating_sub(self.missing() + self.skipped)
    }

    /// Objects whose records are not in the warehouse with the lake's values, although they should be.
    pub fn missing(&self) -> u64 {
        self.conflicting + self.rejected + self.archived + self.unreadable + self.pending
    }
}

/// What a replay was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Folders of the farms; empty for all.
    pub farms: Vec<String>,
    /// The first day of the partitions.
    pub from: Option<NaiveDate>,
    /// The last day of the partitions.
    pub to: Option<NaiveDate>,
    /// Only records processed no later than this.
    pub until: Option<DateTime<Utc>>,
    /// Only records whose `data` is on this day or later.
    pub data_from: Option<NaiveDate>,
    /// Only records whose `data` is on this day or earlier.
    pub data_to: Option<NaiveDate>,
    /// The lake as it was at that time.
    pub versions_at: Option<DateTime<Utc>>,
    /// How many objects a drift file names, where it is given.
    pub only: Option<u64>,
    /// Of these, how many lie outside of the farms and days that are asked for, and are not looked at.
    pub only_outside: u64,
    /// What is done with conflicts: `keep`, `overwrite` or `fail`.
    pub on_conflict: String,
}

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

/// What became of the cut-over to a new table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CutOver {
    /// The table that was loaded.
    pub shadow: String,
    /// The table's name that it took, once it was swapped in.
    pub table: String,
    /// What the old table is called now; `None` where there was none, or nothing was swapped.
    pub old: Option<String>,
    /// Whether the tables were swapped.
    pub swapped: bool,
    /// Why they were not, and what to do.
    pub why_not: Option<String>,
    /// Rows of the old table that the new one lacks: they are in no object of the lake.
    pub only_in_old: u64,
    /// Objects that came into the lake while it was loaded and were loaded too; the outcome's counts have them as well.
    pub caught_up: u64,
}

/// What became of every listed object.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// The run's id, which `--resume` finds; empty where no journal is kept.
    pub run: String,
    /// The lake's address.
    pub lake: String,
    /// The warehouse's address with its table, without secrets.
    pub warehouse: String,
    /// What was asked for.
    pub asked: Asked,
    /// The command that repeats it, without secrets; empty where there is none to repeat.
    pub command: String,
    /// When the run began, by the lake's clock: what came later is not read.
    pub fence: Option<DateTime<Utc>>,
    /// How rows got in, and why so.
    pub method: String,
    /// Objects listed; the sum of the seven counts below.
    pub listed: u64,
    /// New rows.
    pub inserted: u64,
    /// Rows that were there with the same values.
    pub identical: u64,
    /// Rows that were there with other values.
    pub conflicting: u64,
    /// Objects that hold no valid record, and records that the table refuses.
    pub rejected: u64,
    /// Objects in an archive tier.
    pub archived: u64,
    /// Objects that could not be fetched or are not JSON.
    pub unreadable: u64,
    /// Objects left aside.
    pub skipped: u64,
    /// Of these, names that are not of this lake.
    pub skipped_foreign: u64,
    /// Of these, objects written after the run began.
    pub skipped_after_fence: u64,
    /// Of these, objects whose time is in the future.
    pub skipped_future_dated: u64,
    /// Of these, records processed after `--until`.
    pub skipped_until: u64,
    /// Of these, records whose `data` is outside of `--data-from` and `--data-to`.
    pub skipped_data: u64,
    /// Of these, records that were read and not loaded, because the run stopped early.
    pub skipped_pending: u64,
    /// Of the conflicting rows, those that now hold the lake's values.
    pub overwritten: u64,
    /// Keys that a drift file names and that are not in the lake.
    pub not_found: u64,
    /// Rows read back and found right.
    pub verified: u64,
    /// Rows read back and found wrong.
    pub unverified: u64,
    /// Time of the whole run.
    pub seconds: f64,
    /// Whether it went on from where an earlier run stopped.
    pub resumed: bool,
    /// Why it stopped early.
    pub stopped: Option<String>,
    /// How the lake's limits were felt, in this session.
    pub pressure: Pressure,
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
    pub cut_over: Option<CutOver>,
    /// What became of each farm's day, in the order of farms and days.
    #[serde(serialize_with = "as_list")]
    pub days: BTreeMap<(String, NaiveDate), Cell>,
    /// Problems, each with its key.
    pub problems: Problems,
}

/// The days as a list of objects with their farm, day and what is back.
fn as_list<S: serde::Serializer>(days: &BTreeMap<(String, NaiveDate), Cell>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Day<'a> {
        farm: &'a str,
        day: NaiveDate,
        back: u64,
        #[serde(flatten)]
        cell: &'a Cell,
    }
    to.collect_seq(days.iter().map(|((farm, day), cell)| Day { farm, day: *day, back: cell.back(), cell }))
}

impl Outcome {
    fn skips(&self) -> u64 {
        self.skipped_foreign
            + self.skipped_after_fence
            + self.skipped_future_dated
            + self.skipped_until
            + self.skipped_data
            + self.skipped_pending
    }

    /// The counts of the contract by name, for a journal that keeps them.
    pub fn counts(&self) -> serde_json::Value {
        serde_json::json!({
            "listed": self.listed, "inserted": self.inserted, "identical": self.identical,
            "conflicting": self.conflicting, "overwritten": self.overwritten, "rejected": self.rejected,
            "archived": self.archived, "unreadable": self.unreadable, "skipped": self.skipped,
        })
    }

    /// Checks that every listed object is accounted for.
    ///
    /// # Errors
    /// The counts do not add up: an error of this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let rows = self.inserted + self.identical + self.conflicting;
        let others = self.rejected + self.archived + self.unreadable + self.skipped;
        anyhow::ensure!(
            self.listed == rows + others && self.skipped == self.skips(),
            "the counts do not add up, which is an error of this program: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }
}

impl Outcome {
    /// The whole outcome as a JSON file, to a temporary name first.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_json(&self, path: &std::path::Path) -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = pipeline::atomic_file::half_in(folder.unwrap_or_else(|| std::path::Path::new(".")))?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|e| e.error)
    }

    /// Whether a drift file was given that names no object, or none in the span.
    pub fn names_nothing(&self) -> bool {
        self.asked.only == Some(self.asked.only_outside)
    }

    /// What to do after it stopped early, as the end of a sentence.
    pub fn to_go_on(&self) -> &'static str {
        if self.cut_over.as_ref().is_some_and(|cut_over| cut_over.swapped) {
            "run a plain `ruminate replay`, without --into-new-table: the new table is in its place already, and that \
             loads what came meanwhile"
        } else if self.conflicting > 0 && self.asked.on_conflict == "fail" {
            "look at the conflict above, then run the same command with --on-conflict keep or --on-conflict overwrite \
             instead; --resume with --on-conflict fail only helps once the row or the object is mended"
        } else if self.run.is_empty() {
            "run the same command again"
        } else {
            "run the same command with --resume"
        }
    }

    /// How rows got in, what it waited for, how recent the warehouse is again, and what can be taken back.
    fn tell_course(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.method.is_empty() {
            writeln!(f, "loaded by {}, {} transactions", self.method, count(self.transactions))?;
        }
        let Pressure { slow_downs, retries, lowest_limit } = self.pressure;
        if retries > 0 {
            let limit = lowest_limit.map_or(String::new(), |limit| format!(", down to {limit} at once"));
            writeln!(
                f,
                "the lake was asked again {} times ({} to slow down{limit})",
                count(retries),
                count(slow_downs)
            )?;
        }
        for Pause { reason, times, seconds } in &self.pauses {
            writeln!(f, "waited {} for {reason} ({} times)", duration(*seconds), count(*times))?;
        }
        if let Some(newest) = self.newest_row_ts {
            let fence = self.fence.filter(|fence| *fence >= newest);
            let before = fence.map_or(String::new(), |fence| format!(", {} before the cutoff", between(newest, fence)));
            writeln!(f, "newest record back: processed {}{before}", newest.format("%F %T UTC"))?;
        }
        for undo in self.undo_earlier.iter().chain(&self.undo) {
            writeln!(f, "the values that were overwritten are in {undo}")?;
        }
        if let Some(CutOver { shadow, table, old, swapped, only_in_old, why_not, .. }) = &self.cut_over {
            match (swapped, old) {
                (true, Some(old)) => writeln!(f, "{table} is the new table; the old one is kept as {old}")?,
                (true, None) => writeln!(f, "{table} is the new table")?,
                (false, _) => writeln!(f, "the records are in {shadow}, which was not swapped in")?,
            }
            if let Some(why) = why_not {
                writeln!(f, "not swapped: {why}")?;
            }
            if *only_in_old > 0 {
                writeln!(f, "{} rows of the old table are in no object of the lake", count(*only_in_old))?;
            }
        }
        if !self.run.is_empty() {
            writeln!(f, "run {}", self.run)?;
        }
        Ok(())
    }
}

impl crate::outcome::Outcome for Outcome {
    fn exit(&self) -> Exit {
        let kept = self.conflicting - self.overwritten;
        if self.stopped.is_some() {
            Exit::Stopped
        } else if self.not_found
            + kept
            + self.rejected
            + self.archived
            + self.unreadable
            + self.unverified
            + self.skipped_foreign
            + self.skipped_future_dated
            + u64::from(self.cut_over.as_ref().is_some_and(|cut_over| !cut_over.swapped))
            > 0
        {
            Exit::Found
        } else {
            Exit::Clean
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.listed as f64 / self.seconds.max(1e-3);
        let resumed = if self.resumed { ", resumed" } else { "" };
        writeln!(f, "replay: {} objects in {} ({rate:.0}/s{resumed})", count(self.listed), duration(self.seconds))?;
        let mut lines = vec![
            ("inserted", count(self.inserted)),
            ("identical", count(self.identical)),
            ("conflicting", count(self.conflicting)),
            ("rejected", count(self.rejected)),
            ("archived", count(self.archived)),
            ("unreadable", count(self.unreadable)),
            ("skipped", count(self.skipped)),
        ];
        let skips = [
            ("  names of others", self.skipped_foreign),
            ("  after the cutoff", self.skipped_after_fence),
            ("  dated in the future", self.skipped_future_dated),
            ("  after --until", self.skipped_until),
            ("  outside of the dates", self.skipped_data),
            ("  read, not loaded", self.skipped_pending),
        ];
        lines.extend(skips.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name, count(n))));
        if self.overwritten > 0 {
            lines.push(("overwritten", count(self.overwritten)));
        }
        if self.not_found > 0 {
            lines.push(("named but not there", count(self.not_found)));
        }
        if self.verified + self.unverified > 0 {
            lines.push(("read back right", count(self.verified)));
            lines.push(("read back wrong", count(self.unverified)));
        }
        if self.asked.only_outside > 0 {
            lines.push(("named, out of the span", count(self.asked.only_outside)));
        }
        write!(f, "{}", Lines(&lines))?;
        if self.names_nothing() {
            writeln!(f, "the drift file names no object that is meant: there was nothing to load")?;
        }
        write!(f, "{}", self.problems)?;
        self.tell_course(f)?;
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {why}")?;
            writeln!(f, "to go on, {}", self.to_go_on())?;
        }
        Ok(())
    }
}
