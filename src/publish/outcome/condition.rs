//! The conditions of a run, and whether it met them.

use serde::{Deserialize, Serialize};

/// One condition under which a run counts as failed, with the measured value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", from = "Written")]
pub struct ConditionResult {
    /// The condition as given, such as `p99 > 500ms`.
    pub text: String,
    /// Whether the run passed: the condition does not hold.
    pub passed: bool,
    /// The measured value as text, such as `612.4 ms`.
    pub measured: String,
}

/// JSON form of [`ConditionResult`]. `held` is the old name of `passed`, written for scripts that still read it.
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
