//! The truth of a history held against both stores: what must be there, what must not, and what the quarantine must have.
//!
//! | fate | through `publish` | through `publish --send-invalid` | through `backfill` |
//! | --- | --- | --- | --- |
//! | stored | in both stores | the same | the same |
//! | quarantined | nowhere: it is withheld | in the quarantine | in the quarantine |
//! | refused | in no store | the same | in both stores: files know no such limit |
//! | never | in no store | the same | the same |
//!
//! Ids and hashes are sorted on disk as the lake's are, and go through the same merge; no more than a batch of them is in
//! memory. Where nobody says which [`Door`] it was, what is there tells it.

mod entry;
mod kept;
mod proof;
mod read;
mod resolve;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(super) use entry::{Doubt, HashEntry, IdEntry, KeptEntry};
pub(super) use proof::{Proof, Seen};
pub(super) use read::{Corrected, read};

use crate::reconcile::outcome::TruthLocation;

/// How a history came into the stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// `publish`: broken lines are withheld, and so are those too large for a topic
    Publish,
    /// `publish --send-invalid`: broken lines are sent as they are
    SendInvalid,
    /// `backfill`: every line is taken in, broken ones into the quarantine, large ones into the stores
    Backfill,
}

impl Door {
    /// The command, as people name it.
    pub const fn command(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::SendInvalid => "publish --send-invalid",
            Self::Backfill => "backfill",
        }
    }
}

/// The truth files of a history, and how it came in.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The files: of several parts, all of them. None: no truth is asked for.
    pub files: Vec<PathBuf>,
    /// How the history came in; told by what is there where it is `None`.
    pub door: Option<Door>,
}
