//! What a run was asked to keep to, and whether it did.

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// One condition under which a run counts as failed, and what was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The condition as it was asked for: `p99 > 500ms`.
    pub text: String,
    /// Whether it passed: the condition does not hold.
    pub held: bool,
    /// What was measured, for people: `612.4 ms`.
    pub measured: String,
}

impl Verdict {
    /// What is measured, and the bound past which the run counts as failed: `p99` and `> 500ms`.
    fn parts(&self) -> (&str, &str) {
        let at = self.text.find(['>', '<']).unwrap_or(self.text.len());
        let (metric, bound) = self.text.split_at(at);
        (metric.trim(), bound.trim())
    }
}

/// `passed` is the word for what was once called `held`, which scripts may still read.
impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut verdict = serializer.serialize_struct("Verdict", 4)?;
        verdict.serialize_field("text", &self.text)?;
        verdict.serialize_field("passed", &self.held)?;
        verdict.serialize_field("held", &self.held)?;
        verdict.serialize_field("measured", &self.measured)?;
        verdict.end()
    }
}

/// `p99 21.7 ms (fails if > 500ms)`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (metric, bound) = self.parts();
        write!(f, "{metric} {} (fails if {bound})", self.measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_what_was_measured_first_and_then_what_would_fail() {
        let said = |text: &str, measured: &str| {
            Verdict { text: text.into(), held: true, measured: measured.into() }.to_string()
        };
        assert_eq!(said("p99 > 500ms", "21.7 ms"), "p99 21.7 ms (fails if > 500ms)");
        assert_eq!(said("achieved<=99%", "99.90 %"), "achieved 99.90 % (fails if <=99%)");
    }
}
