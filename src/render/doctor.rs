//! Text of the checks of `doctor`: one line per check.

use std::fmt;

use crate::doctor::{Check, CheckStatus, Outcome};

fn word(health: CheckStatus) -> &'static str {
    match health {
        CheckStatus::Ok => "ok",
        CheckStatus::Warning => "warn",
        CheckStatus::Failed => "FAIL",
        CheckStatus::Skipped => "skip",
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for Check { name, status: health, detail } in &self.checks {
            writeln!(f, "{:<4}  {name:<width$}  {}", word(*health), super::one_line(detail))?;
        }
        Ok(())
    }
}
