//! Result of reverting the changes in an undo file.

use serde::{Deserialize, Serialize};

use crate::outcome::{Counts, Exit, Problems, counters};
use pipeline::lake::ConditionalWrites;

counters! {
    /// What is counted of the changes in an undo file.
    pub enum Count {
        Changes: "changes", "changes", Input, "Changes in the file.";
        Restored: "restored", "restored", Part, "Rows and objects that are as they were before.";
        Already: "already", "restored already", Part, "Those that were so already.";
        ChangedSince: "changed_since", "changed since", Finding, "Those that were changed since, or are gone, and stay as they are.";
        Broken: "broken", "lines broken off", DetailFinding, "Lines that broke off before their changes were made, which are none of these changes.";
        Left: "left", "not looked at", Part, "Changes that were not looked at, because the run was asked to stop.";
    }
}

/// Result of an undo.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The counters.
    #[serde(flatten)]
    pub counts: Counts<Count>,
    /// Whether nothing was changed because only a look was asked for.
    pub dry_run: bool,
    /// Support of the lake's store for conditional writes; `None` if the file is about no object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditional_writes: Option<ConditionalWrites>,
    /// Time of the run.
    pub seconds: f64,
    /// What stays as it is, each with its id or key, and the lines that broke off.
    pub problems: Problems,
}

impl Outcome {
    /// Checks that every change is accounted for.
    ///
    /// # Errors
    /// The counts do not add up: an error of this program.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.counts[Count::Changes] == self.counts.parts(),
            "the counts do not add up, which is an error of this program: {}",
            serde_json::to_string(self)?
        );
        Ok(())
    }
}

impl crate::outcome::Outcome for Outcome {
    fn exit(&self) -> Exit {
        match (self.counts[Count::Left], self.counts.findings()) {
            (0, 0) => Exit::Clean,
            (0, _) => Exit::Found,
            _ => Exit::Stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::read_back;

    #[test]
    fn an_outcome_comes_back_from_its_json() {
        let counts =
            Counts::from([(Count::Changes, 4), (Count::Restored, 2), (Count::ChangedSince, 1), (Count::Left, 1)]);
        let mut outcome = Outcome { counts, seconds: 0.1, ..Outcome::default() };
        outcome.problems.add("changed since", "id", "it holds other values than were written");
        let to = Outcome { conditional_writes: Some(ConditionalWrites::Emulated), dry_run: true, ..outcome.clone() };
        for outcome in [outcome, to] {
            outcome.check().unwrap();
            let json = serde_json::to_vec(&outcome).unwrap();
            let back: Outcome = read_back(&json).unwrap();
            assert_eq!((serde_json::to_vec(&back).unwrap(), back.to_string()), (json, outcome.to_string()));
        }
    }
}
