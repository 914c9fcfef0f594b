//! How a history came into the stores, which decides where its lines must be.

use serde::{Deserialize, Serialize};

/// How a history came into the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum IngestPath {
    /// `publish`: broken lines are withheld, and so are those too large for a topic
    Publish,
    /// `publish --send-invalid`: broken lines are sent as they are
    SendInvalid,
    /// `backfill`: every line is taken in, broken ones into the quarantine, large ones into the stores
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
