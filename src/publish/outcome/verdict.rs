//! The conditions of a run, and whether it met them.

use serde::{Deserialize, Serialize};

/// One condition under which a run counts as failed, and what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", from = "Written")]
pub struct Verdict {
    /// The condition as it was asked for: `p99 > 500ms`.
    pub text: String,
    /// Whether it passed: the condition does not hold.
    pub held: bool,
    /// What was measured, for people: `612.4 ms`.
    pub measured: String,
}

/// Its JSON: `passed` is the word for what was once called `held`, which scripts may still read.
#[derive(Serialize, Deserialize)]
struct Written {
    text: String,
    passed: bool,
    held: bool,
    measured: String,
}

impl From<Verdict> for Written {
    fn from(verdict: Verdict) -> Self {
        let Verdict { text, held, measured } = verdict;
        Self { text, passed: held, held, measured }
    }
}

impl From<Written> for Verdict {
    fn from(written: Written) -> Self {
        let Written { text, passed, measured, .. } = written;
        Self { text, held: passed, measured }
    }
}
