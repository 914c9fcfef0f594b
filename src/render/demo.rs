//! What the demo did, as a story.

use std::fmt;

use serde::Serialize;

use super::{Printed, duration};
use crate::outcome::Exit;

/// One step of the story.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What was done.
    pub title: String,
    /// The command that does the same by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What came of it, as text.
    #[serde(skip)]
    pub text: String,
    /// The command's own outcome.
    pub outcome: serde_json::Value,
}

/// The whole loop, step by step.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Where the files are.
    pub dir: String,
    /// The HTML report of the audit after the damage.
    pub report: String,
    /// The steps.
    pub steps: Vec<Step>,
    /// Whether lake and warehouse agreed in the end.
    pub clean: bool,
    /// Time of the whole run.
    pub seconds: f64,
}

impl Outcome {
    /// Takes a step down that has an outcome of its own.
    pub fn step(&mut self, title: impl Into<String>, command: impl Into<Option<String>>, printed: &Printed) {
        let (text, outcome) = (printed.text.clone(), printed.json.clone());
        self.steps.push(Step { title: title.into(), command: command.into(), text, outcome });
    }

    /// Takes a step down that is told in lines.
    pub fn told(&mut self, title: impl Into<String>, lines: &[String]) {
        let text = lines.iter().map(|line| format!("  {line}\n")).collect();
        self.steps.push(Step { title: title.into(), command: None, text, outcome: serde_json::json!(lines) });
    }
}

impl crate::outcome::Outcome for Outcome {
    fn exit(&self) -> Exit {
        if self.clean { Exit::Clean } else { Exit::Found }
    }
}

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
