//! What the intake did with the messages that a `local` topic delivered.

use serde::{Deserialize, Serialize};

use crate::outcome::{Counts, Problems, counters};

counters! {
    /// Counters of the messages that the in-process intake received. They add up to the messages published.
    pub enum Delivery {
        Stored: "stored", "stored", Part, "Messages whose object is new.";
        Existing: "existing", "already stored", Part, "Messages whose object existed; the row is new or has the same values.";
        Unverifiable: "unverifiable", "existing objects not readable", Finding, "Messages whose object exists and cannot be read; their row was checked.";
        Conflicting: "conflicting", "conflicting rows", Finding, "Messages whose row exists with other values; the row stays.";
        Refused: "rows_refused", "rows refused by the table", Finding, "Messages whose row a column of the table refuses; their objects are in the lake.";
        Quarantined: "quarantined", "quarantined", Finding, "Messages that are not valid readings; they are in the quarantine.";
    }
}

/// Results of the intake for the published messages.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Deliveries {
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts<Delivery>,
    /// Address of the quarantine.
    pub quarantine: String,
    /// Messages that need attention: the record's id or the quarantine's key, and the reason.
    #[serde(skip)]
    pub problems: Problems,
}

impl Deliveries {
    /// Adds the deliveries of another run into the same lake and warehouse.
    pub(crate) fn merge(&mut self, other: Self) {
        self.counts.merge(&other.counts);
        self.problems.merge(other.problems);
    }
}
