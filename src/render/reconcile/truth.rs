//! Text of the check against truth files.

use std::fmt;

use crate::reconcile::{IngestPath, TruthCounter, TruthResult};
use crate::render::{count, counted};

impl TruthResult {
    /// Returns the command or commands of the ingest path, as far as it is known; empty if unknown.
    pub(crate) fn ingest_path_text(&self) -> &'static str {
        match self.ingest_path {
            Some(IngestPath::SendInvalid) if self[TruthCounter::Oversized] == 0 => "publish --send-invalid or backfill",
            Some(ingest_path) => ingest_path.as_command(),
            None => "",
        }
    }

    /// Returns the result for the invalid lines, as a sentence; empty if there were none.
    pub(crate) fn quarantine_text(&self) -> String {
        let (expected, found) =
            (count(self[TruthCounter::QuarantinedExpected]), count(self[TruthCounter::QuarantinedFound]));
        let kept = format!("{found} of {expected} malformed messages are quarantined");
        if self[TruthCounter::QuarantinedExpected] == 0 {
            return String::new();
        }
        if self[TruthCounter::QuarantinedFound] == 0 && self[TruthCounter::QuarantinedMissing] == 0 {
            return format!(
                "none of {expected} malformed messages is quarantined, as expected of publish, which does not send them without --send-invalid; backfill quarantines them (--ingest-path backfill requires that)"
            );
        }
        match self[TruthCounter::QuarantinedMissing] {
            0 => kept,
            missing => format!(
                "{kept}, {} missing: publish --send-invalid and backfill deliver all of them, publish alone none",
                count(missing)
            ),
        }
    }
}

impl fmt::Display for TruthResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed { "passed" } else { "FAILED" };
        let ingest_path = match self.ingest_path {
            Some(ingest_path) if self.ingest_path_given => format!(" via {}", ingest_path.as_command()),
            Some(_) => format!(", inferred ingest path: {}", self.ingest_path_text()),
            None => String::new(),
        };
        writeln!(
            f,
            "ground truth: {word} ({} of {}{ingest_path})",
            counted(self[TruthCounter::Lines], "line", "lines"),
            self.files.join(", ")
        )?;
        let (expected, found, missing) =
            (count(self[TruthCounter::Expected]), count(self[TruthCounter::Found]), count(self[TruthCounter::Missing]));
        let expected = format!("{expected} {}", if self[TruthCounter::Expected] == 1 { "id" } else { "ids" });
        write!(f, "  {expected} expected: {found} found, {missing} missing")?;
        if self[TruthCounter::Missing] > 0 {
            let (lake, warehouse) =
                (count(self[TruthCounter::MissingInLake]), count(self[TruthCounter::MissingInWarehouse]));
            write!(f, " ({lake} from the lake, {warehouse} from the warehouse)")?;
        }
        write!(f, "; {} unexpected", count(self[TruthCounter::Unexpected]))?;
        match self[TruthCounter::UnexpectedUnlisted] {
            0 => writeln!(f)?,
            unknown => {
                writeln!(f, ", {} of them in no truth file: narrow --from and --to to this history", count(unknown))?
            }
        }
        if self[TruthCounter::Oversized] > 0 {
            let (refused, stored) = (count(self[TruthCounter::Oversized]), count(self[TruthCounter::OversizedStored]));
            writeln!(f, "  {refused} oversized for a topic: {stored} stored")?;
        }
        if self[TruthCounter::OutOfWindow] > 0 {
            writeln!(f, "  {} outside the audited days", counted(self[TruthCounter::OutOfWindow], "id", "ids"))?;
        }
        if self[TruthCounter::Corrections] > 0 {
            let corrections = counted(self[TruthCounter::Corrections], "second id", "second ids");
            writeln!(f, "  {corrections} from corrections, as expected")?;
        }
        match self.quarantine_text() {
            message if message.is_empty() => Ok(()),
            line => writeln!(f, "  {line}"),
        }
    }
}
