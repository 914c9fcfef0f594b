//! Handling of rows whose values differ from the lake.

use std::fmt;

/// Handling of a row whose values differ from the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Policy {
    /// Keep the row and report both values
    #[default]
    Keep,
    /// Overwrite the row, after saving it to the undo file
    Overwrite,
    /// Stop at the first conflict
    Fail,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Overwrite => "overwrite",
            Self::Fail => "fail",
        })
    }
}
