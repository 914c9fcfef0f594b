//! Ingest path of a history, which determines where its lines must be stored.

use serde::{Deserialize, Serialize};

/// Ingest path of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum IngestPath {
    /// Malformed and oversized lines are not sent
    Publish,
    /// Malformed lines are sent (publish --send-invalid)
    SendInvalid,
    /// Every line is ingested; malformed lines are quarantined
    Backfill,
}

impl IngestPath {
    /// Returns the command of the path.
    pub const fn as_command(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::SendInvalid => "publish --send-invalid",
            Self::Backfill => "backfill",
        }
    }
}
