//! What `doctor` checked.

use std::fmt;

use serde::Serialize;

use super::Exit;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// It works, but something is to be known.
    Warning,
    /// It will not work.
    Failed,
    /// Not checked, because it was not named or something before it failed.
    Skipped,
}

impl Health {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warn",
            Self::Failed => "FAIL",
            Self::Skipped => "skip",
        }
    }
}

/// One check: a line.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// How it ended.
    pub health: Health,
    /// What was found, and what to do where it fails.
    pub detail: String,
}

/// All checks, in order.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// The checks.
    pub checks: Vec<Check>,
}

impl Outcome {
    /// Takes a check down.
    pub fn add(&mut self, name: &'static str, health: Health, detail: impl Into<String>) {
        self.checks.push(Check { name, health, detail: detail.into() });
    }
}

impl crate::outcome::Outcome for Outcome {
    fn exit(&self) -> Exit {
        match self.checks.iter().any(|check| check.health == Health::Failed) {
            true => Exit::CouldNotRun,
            false => Exit::Clean,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for Check { name, health, detail } in &self.checks {
            writeln!(f, "{:<4}  {name:<width$}  {detail}", health.word())?;
        }
        Ok(())
    }
}
