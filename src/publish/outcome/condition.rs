//! The conditions of a run, and whether it met them.

use serde::{Deserialize, Serialize};

/// One condition under which a run counts as failed, and what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", from = "Written")]
pub struct ConditionResult {
    /// The condition as it was asked for: `p99 > 500ms`.
    pub text: String,
    /// Whether it passed: the condition does not hold.
    pub passed: bool,
    /// What was measured, for people: `612.4 ms`.
    pub measured: String,
}

/// Its JSON: `passed` is the word for what was once called `passed`, which scripts may still read.
#[derive(Serialize, Deserialize)]
struct Written {
    /// The condition: `p99 > 500ms`.
    text: String,
    /// Whether it passed: the condition does not hold.
    passed: bool,
    /// The same as `passed`.
    held: bool,
    /// The measured value.
    measured: String,
}

impl From<ConditionResult> for Written {
    fn from(verdict: ConditionResult) -> Self {
        let ConditionResult { text, passed: held, measured } = verdict;
        Self { text, passed: held, held, measured }
    }
}

impl From<Written> for ConditionResult {
    fn from(written: Written) -> Self {
        let Written { text, passed, measured, .. } = written;
        Self { text, passed, measured }
    }
}
