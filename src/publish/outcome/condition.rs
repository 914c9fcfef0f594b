//! The conditions of a run, and whether it passed them.

use serde::{Deserialize, Serialize};

/// One condition under which a run counts as failed, with the measured value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionResult {
    /// The condition as given, such as `p99 > 500ms`.
    pub condition: String,
    /// Whether the run passed: the condition does not hold.
    pub passed: bool,
    /// The measured value as text, such as `612.4 ms`.
    pub measured: String,
}
