//! The check against truth files, as text.

use std::fmt;

use crate::reconcile::{IngestPath, TruthCounter, TruthResult};
use crate::render::count;

impl TruthResult {
    /// The command, or the commands, through which the history came in as far as anything tells; empty where nothing does.
    pub(crate) fn ingest_path_text(&self) -> &'static str {
        match self.ingest_path {
            Some(IngestPath::SendInvalid) if self[TruthCounter::Refused] == 0 => "publish --send-invalid or backfill",
            Some(ingest_path) => ingest_path.as_command(),
            None => "",
        }
    }

    /// What became of the broken lines, in a sentence; empty where there were none.
    pub(crate) fn quarantine_text(&self) -> String {
        let (expected, found) =
            (count(self[TruthCounter::QuarantinedExpected]), count(self[TruthCounter::QuarantinedFound]));
        let kept = format!("{found} of {expected} broken messages are in the quarantine");
        if self[TruthCounter::QuarantinedExpected] == 0 {
            return String::new();
        }
        if self[TruthCounter::QuarantinedFound] == 0 && self[TruthCounter::QuarantinedMissing] == 0 {
            return format!(
                "none of {expected} broken messages is in the quarantine, as publish leaves it: it withholds them unless --send-invalid; backfill would have put them there (--truth-door backfill holds it to that)"
            );
        }
        match self[TruthCounter::QuarantinedMissing] {
            0 => kept,
            missing => format!(
                "{kept}, {} missing: publish --send-invalid and backfill bring all of them, publish alone none",
                count(missing)
            ),
        }
    }
}

impl fmt::Display for TruthResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.holds { "holds" } else { "does not hold" };
        let door = match self.ingest_path {
            Some(ingest_path) if self.door_said => format!(" through {}", ingest_path.as_command()),
            Some(_) => format!(", which came in as through {}", self.ingest_path_text()),
            None => String::new(),
        };
        writeln!(f, "truth: {word} ({} lines of {}{door})", count(self[TruthCounter::Lines]), self.files.join(", "))?;
        let (expected, found, missing) =
            (count(self[TruthCounter::Expected]), count(self[TruthCounter::Found]), count(self[TruthCounter::Missing]));
        write!(f, "  {expected} ids expected: {found} found, {missing} missing")?;
        if self[TruthCounter::Missing] > 0 {
            let (lake, warehouse) =
                (count(self[TruthCounter::MissingInLake]), count(self[TruthCounter::MissingInWarehouse]));
            write!(f, " ({lake} from the lake, {warehouse} from the warehouse)")?;
        }
        write!(f, "; {} surplus", count(self[TruthCounter::Surplus]))?;
        match self[TruthCounter::SurplusUnknown] {
            0 => writeln!(f)?,
            unknown => writeln!(
                f,
                ", of which {} that no truth file tells of: --from and --to leave other histories out",
                count(unknown)
            )?,
        }
        if self[TruthCounter::Refused] > 0 {
            let (refused, stored) = (count(self[TruthCounter::Refused]), count(self[TruthCounter::RefusedStored]));
            writeln!(f, "  {refused} too large for a topic: {stored} of them stored")?;
        }
        if self[TruthCounter::Outside] > 0 {
            writeln!(f, "  {} ids are of other days than those audited", count(self[TruthCounter::Outside]))?;
        }
        if self[TruthCounter::Corrections] > 0 {
            writeln!(f, "  {} second ids are corrections, as foretold", count(self[TruthCounter::Corrections]))?;
        }
        match self.quarantine_text() {
            message if message.is_empty() => Ok(()),
            said => writeln!(f, "  {said}"),
        }
    }
}
