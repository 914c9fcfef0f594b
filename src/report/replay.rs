//! What `replay` is about to do, and what it did.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use serde::Serialize;

use super::{Exit, Lines, Problems, count, duration};

/// The dry run of a replay.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Preview {
    /// The lake's address.
    pub lake: String,
    /// The warehouse's address, without secrets.
    pub warehouse: String,
    /// Partitions to be read.
    pub partitions: u64,
    /// The first day.
    pub first_day: Option<NaiveDate>,
    /// The last day.
    pub last_day: Option<NaiveDate>,
    /// Objects in them.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those in an archive tier.
    pub archived: u64,
    /// Those written after the run began.
    pub after_fence: u64,
    /// Objects whose names are not of this lake.
    pub foreign: u64,
    /// Objects by farm.
    pub farms: BTreeMap<String, u64>,
    /// Rows in the table now; `None` where there is no table.
    pub rows_now: Option<u64>,
}

impl super::Outcome for Preview {
    fn exit(&self) -> Exit {
        Exit::Clean
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |day: Option<NaiveDate>| day.map_or("–".to_owned(), |day| day.to_string());
        let rows = self.rows_now.map_or("no table: run `ruminate init` first".to_owned(), count);
        writeln!(f, "replay would read {} into {}; nothing was changed", self.lake, self.warehouse)?;
        let lines = Lines(&[
            ("days", format!("{} to {}", day(self.first_day), day(self.last_day))),
            ("partitions", count(self.partitions)),
            ("objects", count(self.objects)),
            ("bytes", count(self.bytes)),
            ("archived", count(self.archived)),
            ("after the fence", count(self.after_fence)),
            ("foreign names", count(self.foreign)),
            ("rows now", rows),
        ])
        .to_string();
        f.write_str(&lines)?;
        for (farm, objects) in &self.farms {
            writeln!(f, "    {farm}: {} objects", count(*objects))?;
        }
        Ok(())
    }
}

/// What became of every listed object.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
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
    /// The day from which `--resume` goes on.
    pub resume_from: Option<NaiveDate>,
    /// Problems, each with its key.
    pub problems: Problems,
}

impl Outcome {
    /// Checks that every listed object is accounted for.
    ///
    /// # Errors
    /// The counts do not add up: an error of this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let rows = self.inserted + self.identical + self.conflicting;
        let others = self.rejected + self.archived + self.unreadable + self.skipped;
        anyhow::ensure!(
            self.listed == rows + others && self.skipped == self.skipped_foreign + self.skipped_after_fence,
            "the counts do not add up, which is an error of this program: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }
}

impl super::Outcome for Outcome {
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
        write!(f, "{}", Lines(&lines))?;
        write!(f, "{}", self.problems)?;
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {why}")?;
            match self.resume_from {
                Some(day) => writeln!(f, "to go on, run the same command with --resume (from {day})")?,
                None => writeln!(f, "to go on, run the same command again")?,
            }
        }
        Ok(())
    }
}
