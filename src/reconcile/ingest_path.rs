//! How a history came into the stores, which decides where its lines must be.

use serde::{Deserialize, Serialize};

/// How a history came into the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum IngestPath {
    /// publish: malformed and oversized lines are not sent
    Publish,
    /// publish --send-invalid: malformed lines are sent
    SendInvalid,
    /// backfill: every line is ingested; malformed lines are quarantined
    Backfill,
}

impl IngestPath {
    /// The command, as people name it.
    pub const fn as_command(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::SendInvalid => "publish --send-invalid",
            Self::Backfill => "backfill",
        }
    }
}
