//! Result of the demo: its steps, each with the outcome of its command.

use serde::{Deserialize, Serialize};

use crate::outcome::Exit;

/// One step of the demo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// What was done.
    pub title: String,
    /// The commands that do the same, for a shell.
    pub commands: Vec<String>,
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
    /// Starts a step, and returns its heading as text.
    pub fn begin(&mut self, title: &str, commands: Vec<String>) -> String {
        let step = Step { title: title.into(), commands, text: String::new(), outcome: serde_json::Value::Null };
        let heading = step.heading(self.steps.len() + 1);
        self.steps.push(step);
        heading
    }

    /// Ends the last step with the result of its command, and returns the result as text.
    pub fn end(&mut self, text: String, outcome: serde_json::Value) -> String {
        let Some(step) = self.steps.last_mut() else { return String::new() };
        (step.text, step.outcome) = (text, outcome);
        step.result()
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
        outcome.begin("Replay", vec!["ruminate replay".into()]);
        outcome.end("text".into(), serde_json::json!({ "read": 1 }));
        outcome.begin("Lose", Vec::new());
        outcome.end("  gone\n".into(), serde_json::json!(["gone"]));
        let json = serde_json::to_vec(&outcome).unwrap();
        let back: Outcome = read_back(&json).unwrap();
        assert_eq!(serde_json::to_vec(&back).unwrap(), json);
    }
}
