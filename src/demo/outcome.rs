//! Result of the demo: its steps, each with the outcome of its command.

use serde::{Deserialize, Serialize};

use crate::outcome::Exit;

/// One step of the demo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// What was done.
    pub title: String,
    /// The command that does the same; `None` if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The result as text. Not part of the JSON, which contains the outcome.
    #[serde(skip)]
    pub text: String,
    /// The outcome of the command.
    pub outcome: serde_json::Value,
}

/// Result of the demo, step by step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Directory of the files.
    pub dir: String,
    /// Path of the HTML report of the audit after the damage.
    pub report: String,
    /// The steps.
    pub steps: Vec<Step>,
    /// Whether lake and warehouse agreed in the end.
    pub clean: bool,
    /// Duration of the run, in seconds.
    pub seconds: f64,
}

impl Outcome {
    /// Adds a step with the outcome of a command.
    pub fn step(&mut self, title: &str, command: String, (text, outcome): (String, serde_json::Value)) {
        self.steps.push(Step { title: title.into(), command: Some(command), text, outcome });
    }

    /// Adds a step described by lines of text.
    pub fn add_text(&mut self, title: impl Into<String>, lines: &[String]) {
        let text = lines.iter().map(|line| format!("  {line}\n")).collect();
        self.steps.push(Step { title: title.into(), command: None, text, outcome: serde_json::json!(lines) });
    }
}

impl crate::outcome::CommandOutcome for Outcome {
    fn exit(&self) -> Exit {
        if self.clean { Exit::Clean } else { Exit::Findings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::read_back;

    #[test]
    fn an_outcome_survives_a_json_round_trip() {
        let mut outcome =
            Outcome { dir: "d".into(), report: "r".into(), clean: true, seconds: 0.1, ..Outcome::default() };
        outcome.step("Replay", "ruminate replay".into(), ("text".into(), serde_json::json!({ "read": 1 })));
        outcome.add_text("Lose", &["gone".into()]);
        let json = serde_json::to_vec(&outcome).unwrap();
        let back: Outcome = read_back(&json).unwrap();
        assert_eq!(serde_json::to_vec(&back).unwrap(), json);
    }
}
