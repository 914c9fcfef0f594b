//! What `process` did.

use std::fmt;

use serde::Serialize;

use super::{Lines, count, duration};
use crate::outcome::{Exit, Problems};
use pipeline::lake::ConditionalWrites;

/// Counts of messages taken in, each delivery counted: one that failed and came again counts twice.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Messages that reached the intake.
    pub messages: u64,
    /// Messages that brought a new object or a new row.
    pub processed: u64,
    /// Messages whose object and row were there.
    pub duplicates: u64,
    /// Messages that can never be processed; they are in the quarantine.
    pub quarantined: u64,
    /// Messages that are not in both stores: a store failed, or the table refuses the row.
    pub failed: u64,
    /// Of those that failed: in the lake, but the table refuses the row.
    pub rows_refused: u64,
    /// Of those processed or duplicates: the row holds other values, and stays.
    pub conflicting: u64,
    /// What came to the endpoint besides messages; only with `--listen`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Time of the whole run.
    pub seconds: f64,
    /// Support of the lake's store for conditional writes: `honoured`, `emulated` or `untested`.
    pub conditional_writes: ConditionalWrites,
    /// Where quarantined messages are kept.
    pub quarantine: String,
    /// Problems, each with its message's id.
    pub problems: Problems,
}

/// Requests of an endpoint that brought no message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Subscriptions confirmed.
    pub subscribed: u64,
    /// Notices that a subscription ended.
    pub unsubscribed: u64,
    /// Requests refused: no SNS message, a bad signature, another topic, too large.
    pub requests_refused: u64,
    /// Requests told to come again without their message having reached the intake.
    pub requests_put_off: u64,
}

impl Outcome {
    /// Checks that every message is accounted for.
    ///
    /// # Errors
    /// The counts do not add up: an error of this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let taken = self.processed + self.duplicates;
        anyhow::ensure!(
            self.messages == taken + self.quarantined + self.failed
                && self.rows_refused <= self.failed
                && self.conflicting <= taken,
            "the counts do not add up, which is an error of this program: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }
}

impl crate::outcome::Outcome for Outcome {
    fn exit(&self) -> Exit {
        if self.quarantined + self.failed + self.conflicting > 0 { Exit::Found } else { Exit::Clean }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "process: {} messages in {}", count(self.messages), duration(self.seconds))?;
        let mut lines = vec![
            ("processed", count(self.processed)),
            ("duplicates", count(self.duplicates)),
            ("quarantined", count(self.quarantined)),
            ("failed", count(self.failed)),
        ];
        let endpoint = self.endpoint.unwrap_or_default();
        let rest = [
            ("rows refused by the table", self.rows_refused),
            ("conflicting rows", self.conflicting),
            ("subscriptions confirmed", endpoint.subscribed),
            ("subscriptions ended", endpoint.unsubscribed),
            ("requests refused", endpoint.requests_refused),
            ("requests put off", endpoint.requests_put_off),
        ];
        lines.extend(rest.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name, count(n))));
        write!(f, "{}", Lines(&lines))?;
        write!(f, "{}", self.problems)?;
        if self.quarantined > 0 {
            writeln!(f, "  quarantined messages are kept in {}", self.quarantine)?;
        }
        if let Some(warning) = self.conditional_writes.warning() {
            writeln!(f, "  {warning}")?;
        }
        if self.failed > self.rows_refused && self.endpoint.is_none() {
            writeln!(f, "to try the failed ones again, run the same command: what is stored counts as a duplicate")?;
        }
        Ok(())
    }
}
