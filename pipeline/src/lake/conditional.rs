//! Support of a store for conditional writes, and the options for stores without it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Support of a store for one kind of conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionalWrites {
    /// The store checks the condition atomically with the write.
    #[default]
    Honoured,
    /// The store ignores or rejects the condition, so it is checked by a HEAD request right before the write.
    Emulated,
    /// Not known yet: no write has shown it.
    Untested,
}

impl ConditionalWrites {
    /// Returns the weaker of two results: of two kinds of writes, or of two runs.
    pub fn weaker(self, other: Self) -> Self {
        match (self, other) {
            (Self::Emulated, _) | (_, Self::Emulated) => Self::Emulated,
            (Self::Untested, _) | (_, Self::Untested) => Self::Untested,
            (Self::Honoured, Self::Honoured) => Self::Honoured,
        }
    }

    /// Returns the warning for a run's text output; `None` if there is nothing to warn about.
    pub fn warning(self) -> Option<&'static str> {
        (self == Self::Emulated).then_some(
            "the store does not honour conditional writes: each object was looked up right before it was written; let only one writer run at a time",
        )
    }
}

impl fmt::Display for ConditionalWrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Honoured => "honoured",
            Self::Emulated => "not honoured",
            Self::Untested => "not tested",
        })
    }
}

/// Support of a store for both conditions that the lake uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions {
    /// `If-None-Match: *`: a new object never overwrites another.
    pub create: ConditionalWrites,
    /// `If-Match`: a repair or an undo changes only the version that it has read.
    pub change: ConditionalWrites,
}

impl Conditions {
    /// Returns the weaker of the two.
    pub fn weakest(self) -> ConditionalWrites {
        self.create.weaker(self.change)
    }
}

/// Policy for a store that does not honour conditional writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unconditional {
    /// Check the object with a HEAD request right before each write.
    #[default]
    Emulate,
    /// Do not write.
    Refuse,
}
