//! Text of the checks of `doctor`: one line per check.

use std::fmt;

use crate::doctor::{Check, Health, Outcome};

fn word(health: Health) -> &'static str {
    match health {
        Health::Ok => "ok",
        Health::Warning => "warn",
        Health::Failed => "FAIL",
        Health::Skipped => "skip",
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for Check { name, health, detail } in &self.checks {
            writeln!(f, "{:<4}  {name:<width$}  {detail}", word(*health))?;
        }
        Ok(())
    }
}
