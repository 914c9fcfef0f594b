//! What the truth of a history comes to: which of what must be there was found.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::reconcile::Door;
use crate::render::count;

/// Where a truth file tells of something: the line of the history, and what was done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldAt {
    /// The file of the line; none where it was delivered nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1; 0 where there is none.
    #[serde(default)]
    pub line: u64,
    /// The word of the fault, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Which of the fault's kinds, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl fmt::Display for ToldAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}:{}", self.line)?,
            None => f.write_str("delivered nowhere")?,
        }
        match (&self.fault, &self.kind) {
            (Some(fault), Some(kind)) => write!(f, " ({fault}: {kind})"),
            (Some(fault), None) => write!(f, " ({fault})"),
            (None, _) => Ok(()),
        }
    }
}

/// The proof of a history: every id and every broken line of its truth files, held against both stores and the quarantine.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Truth {
    /// The truth files.
    pub files: Vec<String>,
    /// How the history came in, as it was said or as what is there tells; none where nothing tells.
    pub door: Option<Door>,
    /// Whether that was said.
    pub door_said: bool,
    /// Lines that were delivered.
    pub lines: u64,
    /// How often each fault was done.
    pub faults: BTreeMap<String, u64>,
    /// Distinct ids that must be in both stores.
    pub expected: u64,
    /// Of these, those that both have.
    pub found: u64,
    /// Of these, those that at least one lacks.
    pub missing: u64,
    /// Of the missing ones, those that the lake lacks.
    pub missing_in_lake: u64,
    /// Of the missing ones, those that the warehouse lacks.
    pub missing_in_warehouse: u64,
    /// Ids in a store that must be in none: those that were never delivered, that were refused, or that no truth file tells of.
    pub surplus: u64,
    /// Of the surplus, those that no truth file tells of.
    pub surplus_unknown: u64,
    /// Ids that were delivered nowhere.
    pub never: u64,
    /// Ids of lines that a topic refuses as too large.
    pub refused: u64,
    /// Of these, those that a store has all the same: only `backfill` takes them in.
    pub refused_stored: u64,
    /// Ids whose days were not audited.
    pub outside: u64,
    /// Ids on a natural key that another has because the farm corrected a reading, as the truth foretells: no findings.
    pub corrections: u64,
    /// Distinct broken messages.
    pub quarantined_expected: u64,
    /// Of these, those that the quarantine has.
    pub quarantined_found: u64,
    /// Of these, those that it lacks and should have.
    pub quarantined_missing: u64,
    /// Of these, those that were not sent, so that it cannot have them.
    pub quarantined_withheld: u64,
    /// Messages in the quarantine that no truth file tells of: of other days or histories.
    pub quarantined_unknown: u64,
    /// Whether everything is as it must be.
    pub holds: bool,
}

impl Truth {
    /// The command, or the commands, through which the history came in as far as anything tells; empty where nothing does.
    pub fn door_in_words(&self) -> &'static str {
        match self.door {
            Some(Door::SendInvalid) if self.refused == 0 => "publish --send-invalid or backfill",
            Some(door) => door.command(),
            None => "",
        }
    }

    /// What became of the broken lines, in a sentence; empty where there were none.
    pub fn of_quarantine(&self) -> String {
        let (expected, found) = (count(self.quarantined_expected), count(self.quarantined_found));
        let kept = format!("{found} of {expected} broken messages are in the quarantine");
        if self.quarantined_expected == 0 {
            return String::new();
        }
        if self.quarantined_found == 0 && self.quarantined_missing == 0 {
            return format!(
                "none of {expected} broken messages is in the quarantine, as publish leaves it: it withholds them unless --send-invalid; backfill would have put them there (--truth-door backfill holds it to that)"
            );
        }
        match self.quarantined_missing {
            0 => kept,
            missing => format!(
                "{kept}, {} missing: publish --send-invalid and backfill bring all of them, publish alone none",
                count(missing)
            ),
        }
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.holds { "holds" } else { "does not hold" };
        let door = match self.door {
            Some(door) if self.door_said => format!(" through {}", door.command()),
            Some(_) => format!(", which came in as through {}", self.door_in_words()),
            None => String::new(),
        };
        writeln!(f, "truth: {word} ({} lines of {}{door})", count(self.lines), self.files.join(", "))?;
        let (expected, found, missing) = (count(self.expected), count(self.found), count(self.missing));
        write!(f, "  {expected} ids expected: {found} found, {missing} missing")?;
        if self.missing > 0 {
            let (lake, warehouse) = (count(self.missing_in_lake), count(self.missing_in_warehouse));
            write!(f, " ({lake} from the lake, {warehouse} from the warehouse)")?;
        }
        write!(f, "; {} surplus", count(self.surplus))?;
        match self.surplus_unknown {
            0 => writeln!(f)?,
            unknown => writeln!(
                f,
                ", of which {} that no truth file tells of: --from and --to leave other histories out",
                count(unknown)
            )?,
        }
        if self.refused > 0 {
            let (refused, stored) = (count(self.refused), count(self.refused_stored));
            writeln!(f, "  {refused} too large for a topic: {stored} of them stored")?;
        }
        if self.outside > 0 {
            writeln!(f, "  {} ids are of other days than those audited", count(self.outside))?;
        }
        if self.corrections > 0 {
            writeln!(f, "  {} second ids are corrections, as foretold", count(self.corrections))?;
        }
        match self.of_quarantine() {
            said if said.is_empty() => Ok(()),
            said => writeln!(f, "  {said}"),
        }
    }
}
