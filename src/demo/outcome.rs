//! Result of the demo: its steps, each with the outcome of the command it ran.

use serde::{Deserialize, Serialize};

use crate::outcome::Exit;

/// One step of the story.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Step {
    /// What was done.
    pub title: String,
    /// The command that does the same by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The result as text; not in the JSON, which has the outcome.
    #[serde(skip)]
    pub text: String,
    /// The command's own outcome.
    pub outcome: serde_json::Value,
}

/// The whole loop, step by step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    pub fn step(&mut self, title: &str, command: String, (text, outcome): (String, serde_json::Value)) {
        self.steps.push(Step { title: title.into(), command: Some(command), text, outcome });
    }

    /// Takes a step down that is told in lines.
    pub fn told(&mut self, title: impl Into<String>, lines: &[String]) {
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
    fn an_outcome_comes_back_from_its_json() {
        let mut outcome =
            Outcome { dir: "d".into(), report: "r".into(), clean: true, seconds: 0.1, ..Outcome::default() };
        outcome.step("Replay", "ruminate replay".into(), ("text".into(), serde_json::json!({ "read": 1 })));
        outcome.told("Lose", &["gone".into()]);
        let json = serde_json::to_vec(&outcome).unwrap();
        let back: Outcome = read_back(&json).unwrap();
        assert_eq!(serde_json::to_vec(&back).unwrap(), json);
    }
}
