//! What a run was asked to keep to, and whether it did.

use serde::Serialize;

/// One condition under which a run counts as failed, and what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The condition as it was asked for: `p99 > 500ms`.
    pub text: String,
    /// Whether the run kept to it: the condition does not hold.
    pub held: bool,
    /// What was measured, for people: `612.4 ms`.
    pub measured: String,
}
