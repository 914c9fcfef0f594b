//! Replay: the lake brings a lost or damaged warehouse back. Plan → read → order → load → verify.
//!
//! Partitions are read by day with farms interleaved, records are sorted by id within each chunk, and chunks are loaded
//! a few at a time. Replaying again changes nothing; what happens to a row that holds other values is [`Policy`]'s.

mod plan;
mod resume;
mod run;

use std::collections::BTreeSet;

pub use plan::{Plan, Source};
pub use resume::Bookmark;
pub use run::{Replay, run};

use crate::warehouse::OnConflict;

/// What to do where a row holds other values than the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Policy {
    /// The row stays; the conflict is reported.
    #[default]
    Keep,
    /// The lake's values replace the row's.
    Overwrite,
    /// Stop at the first conflict.
    Fail,
}

impl Policy {
    fn on_conflict(self) -> OnConflict {
        match self {
            Self::Overwrite => OnConflict::Overwrite,
            Self::Keep | Self::Fail => OnConflict::Keep,
        }
    }
}

/// The objects a run is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Only(pub BTreeSet<String>);

impl Only {
    /// The keys that a drift file names, one JSON object a line.
    ///
    /// # Errors
    /// A line is no JSON, or no line names a key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys = BTreeSet::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let value: serde_json::Value = serde_json::from_str(line).map_err(|e| format!("line {}: {e}", at + 1))?;
            if let Some(key) = value.get("key").and_then(serde_json::Value::as_str) {
                keys.insert(key.to_owned());
            }
        }
        if keys.is_empty() {
            return Err("no line names a key".into());
        }
        Ok(Self(keys))
    }
}
