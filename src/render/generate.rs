//! What `generate` made.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Lines, count, duration};
use crate::generate::Written;
use crate::outcome::Exit;

/// Counts of a generated history.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Lines that stand for a reading, faulty ones included.
    pub readings: u64,
    /// Farms that have a file.
    pub farms: u64,
    /// Files of the history, those that were there included.
    pub files: u64,
    /// Files that were there with the same content.
    pub existing: u64,
    /// Files that took the place of others.
    pub replaced: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Time of the run.
    pub seconds: f64,
    /// How many readings each kind of fault happened to, all kinds.
    pub faults: BTreeMap<&'static str, u64>,
    /// The directory, `-` for stdout.
    pub out: String,
    /// The first day.
    pub start: String,
    /// The seed.
    pub seed: u64,
    /// The truth file, where one was asked for and the run came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// Why it stopped early.
    pub stopped: Option<String>,
    /// Whoever read the stream had enough before its end.
    #[serde(skip)]
    pub unread: bool,
}

/// What a truth file says in sum.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Truth {
    /// The file.
    pub file: String,
    /// Distinct ids that must be stored.
    pub ids: u64,
    /// Lines that are no valid reading.
    pub quarantined: u64,
    /// Lines that no topic takes.
    pub refused: u64,
    /// Readings that are never delivered.
    pub never: u64,
}

impl Outcome {
    /// Counts a file of so many bytes; none in a stream where its whole day is missing.
    pub(crate) fn count(&mut self, written: Written, files: u64, bytes: usize) {
        self.files += files;
        self.bytes += bytes as u64;
        match written {
            Written::New => {}
            Written::Same => self.existing += 1,
            Written::Replaced => self.replaced += 1,
        }
    }

    /// The outcome in one line, for the log.
    pub fn line(&self) -> String {
        let (readings, files, took) = (count(self.readings), count(self.files), duration(self.seconds));
        format!("{readings} readings in {files} files from {} with seed {} in {took}", self.start, self.seed)
    }
}

impl crate::outcome::Outcome for Outcome {
    fn exit(&self) -> Exit {
        if self.stopped.is_some() { Exit::Stopped } else { Exit::Clean }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "generate: {}, in {}", self.line(), self.out)?;
        let mut lines = vec![("farms", count(self.farms)), ("bytes", count(self.bytes))];
        if self.existing > 0 {
            lines.push(("files that were there", count(self.existing)));
        }
        if self.replaced > 0 {
            lines.push(("files replaced", count(self.replaced)));
        }
        lines.extend(self.faults.iter().filter(|(_, n)| **n > 0).map(|(kind, n)| (*kind, count(*n))));
        write!(f, "{}", Lines(&lines))?;
        if let Some(truth) = &self.truth {
            let [ids, quarantined, refused, never] =
                [truth.ids, truth.quarantined, truth.refused, truth.never].map(count);
            writeln!(
                f,
                "  {}: {ids} ids to be stored, {quarantined} lines for the quarantine, {refused} that no topic takes, \
                 {never} readings never delivered",
                truth.file
            )?;
        }
        if let Some(why) = &self.stopped {
            writeln!(f, "stopped early: {why}")?;
            writeln!(f, "to go on, run the same command again: files that are there stay as they are")?;
        }
        Ok(())
    }
}
