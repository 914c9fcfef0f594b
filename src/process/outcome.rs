//! Result of `process`: its counters, and those of its endpoint.

use serde::{Deserialize, Serialize};

use crate::outcome::{Counts, Exit, Problems, counters, optional};
use pipeline::lake::ConditionalWrites;

counters! {
    /// Counters of processed messages. Each delivery counts: a message that failed and was delivered again counts
    /// twice.
    pub enum Count {
        Messages: "messages", "messages", Input, "Messages that reached the intake.";
        Processed: "processed", "processed", Part, "Messages that brought a new object or a new row.";
        Duplicates: "duplicates", "duplicates", Part, "Messages whose object and row were there.";
        Quarantined: "quarantined", "quarantined", Finding, "Messages that can never be processed; they are in the quarantine.";
        Failed: "failed", "failed", Finding, "Messages that are not in both stores: a store failed, or the table refuses the row.";
        RowsRefused: "rows_refused", "rows refused by the table", Detail, "Of those that failed: in the lake, but the table refuses the row.";
        Unverifiable: "unverifiable", "existing objects not readable", DetailFinding, "Of those processed or duplicates: the object exists and cannot be read; its row was checked.";
        Conflicting: "conflicting", "conflicting rows", DetailFinding, "Of those processed or duplicates: the existing row has other values, and stays.";
    }
}

counters! {
    /// Counters of an endpoint's requests that contained no message.
    pub enum Requests {
        Subscribed: "subscribed", "subscriptions confirmed", Detail, "Subscriptions confirmed.";
        Unsubscribed: "unsubscribed", "subscriptions removed", Detail, "Notices that a subscription ended.";
        Rejected: "requests_rejected", "requests rejected", Detail, "Rejected requests: no SNS message, a bad signature, another topic, too large.";
        Deferred: "requests_deferred", "requests deferred", Detail, "Requests deferred before their message reached the intake.";
        ConnectionsClosed: "connections_closed", "connections closed", Detail, "Connections closed without a complete request: too slow, or too many at once.";
    }
}

/// Result of a process run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts<Count>,
    /// Requests to the endpoint without a message; `None` without `--listen`.
    #[serde(flatten, skip_serializing_if = "Option::is_none", deserialize_with = "optional")]
    pub endpoint: Option<Counts<Requests>>,
    /// Duration of the run, in seconds.
    pub seconds: f64,
    /// Support of the lake's store for conditional writes: `honoured`, `emulated` or `untested`.
    pub conditional_writes: ConditionalWrites,
    /// Address of the quarantine.
    pub quarantine: String,
    /// Problems, each with its message's id.
    pub problems: Problems,
}

impl Outcome {
    /// Checks that every message is accounted for.
    ///
    /// # Errors
    ///
    /// Returns an error if the counts do not add up, which is a bug in this program.
    pub fn check(&self) -> anyhow::Result<()> {
        let of = |count| self.counts[count];
        anyhow::ensure!(
            of(Count::Messages) == self.counts.parts()
                && of(Count::RowsRefused) <= of(Count::Failed)
                && of(Count::Conflicting) <= of(Count::Processed) + of(Count::Duplicates),
            "the counts do not add up; this is a bug in ruminate: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }

    /// Adds another run into the same lake and warehouse.
    pub fn merge(&mut self, other: Self) {
        self.counts.merge(&other.counts);
        if let Some(endpoint) = &other.endpoint {
            self.endpoint.get_or_insert_default().merge(endpoint);
        }
        self.seconds += other.seconds;
        self.conditional_writes = self.conditional_writes.weaker(other.conditional_writes);
        self.problems.merge(other.problems);
    }
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        if self.counts.findings() > 0 { Exit::Findings } else { Exit::Clean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::read_back;

    #[test]
    fn an_outcome_survives_a_json_round_trip() {
        let counts = [
            (Count::Messages, 5),
            (Count::Processed, 2),
            (Count::Quarantined, 1),
            (Count::Failed, 2),
            (Count::RowsRefused, 1),
        ];
        let mut event =
            Outcome { counts: Counts::from(counts), seconds: 0.1, quarantine: "q".into(), ..Outcome::default() };
        event.problems.add("refused", "m-1", "too long");
        let endpoint = Outcome { endpoint: Some(Counts::from([(Requests::Subscribed, 1)])), ..event.clone() };
        let mut merged = event.clone();
        merged.merge(endpoint.clone());
        for outcome in [event, endpoint, merged] {
            outcome.check().unwrap();
            let json = serde_json::to_vec(&outcome).unwrap();
            let back: Outcome = read_back(&json).unwrap();
            assert_eq!((serde_json::to_vec(&back).unwrap(), back.to_string()), (json, outcome.to_string()));
            assert_eq!(back.endpoint, outcome.endpoint, "a missing endpoint differs from one without requests");
        }
    }
}
