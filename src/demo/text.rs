//! Text of the demo, step by step.

use std::fmt;

use super::Outcome;
use crate::outcome::duration;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "{}. {}", at + 1, step.title)?;
            if let Some(command) = &step.command {
                writeln!(f, "   $ {command}")?;
            }
            for line in step.text.lines() {
                writeln!(f, "   {line}")?;
            }
            writeln!(f)?;
        }
        let end = if self.clean { "lake and warehouse agree again" } else { "lake and warehouse do not agree" };
        writeln!(f, "{end}, after {}", duration(self.seconds))?;
        writeln!(f, "  files   {}", self.dir)?;
        writeln!(f, "  report  {}", self.report)
    }
}
