//! Result of `doctor`: its checks, in order.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::outcome::Exit;

/// Status of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Passed.
    Ok,
    /// Works, with a caveat.
    Warning,
    /// Will not work.
    Failed,
    /// Not checked, because it was not requested or an earlier check failed.
    Skipped,
}

/// One check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Check {
    /// Name of the check.
    pub name: Cow<'static, str>,
    /// Its status.
    pub status: CheckStatus,
    /// What was found, with a suggested fix if it failed.
    pub detail: String,
}

/// All checks, in order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The checks.
    pub checks: Vec<Check>,
}

impl Outcome {
    /// Adds a check.
    pub fn add(&mut self, name: &'static str, status: CheckStatus, detail: impl Into<String>) {
        self.checks.push(Check { name: name.into(), status, detail: detail.into() });
    }
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        match self.checks.iter().any(|check| check.status == CheckStatus::Failed) {
            true => Exit::CouldNotRun,
            false => Exit::Clean,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::read_back;

    #[test]
    fn an_outcome_survives_a_json_round_trip() {
        let mut outcome = Outcome::default();
        outcome.add("lake", CheckStatus::Ok, "there");
        outcome.add("topic", CheckStatus::Failed, "not there");
        let json = serde_json::to_vec(&outcome).unwrap();
        let back: Outcome = read_back(&json).unwrap();
        assert_eq!((serde_json::to_vec(&back).unwrap(), back.to_string()), (json, outcome.to_string()));
    }
}
