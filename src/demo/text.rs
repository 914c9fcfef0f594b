//! Text of the demo, step by step.

use std::fmt;

use super::{Outcome, Step};
use crate::outcome::duration;

impl Step {
    /// Returns its title and its commands.
    pub(super) fn heading(&self, number: usize) -> String {
        let commands: String = self.commands.iter().map(|command| format!("   $ {command}\n")).collect();
        format!("{number}. {}\n{commands}", self.title)
    }

    /// Returns its result.
    pub(super) fn result(&self) -> String {
        self.text.lines().map(|line| format!("   {line}\n")).chain(["\n".to_owned()]).collect()
    }
}

impl Outcome {
    /// Returns how the demo ended, and where its files are.
    pub fn summary(&self) -> String {
        let end = if self.clean { "lake and warehouse agree again" } else { "lake and warehouse do not agree" };
        format!("{end}, after {}\n  files   {}\n  report  {}\n", duration(self.seconds), self.dir, self.report)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            write!(f, "{}{}", step.heading(at + 1), step.result())?;
        }
        f.write_str(&self.summary())
    }
}
