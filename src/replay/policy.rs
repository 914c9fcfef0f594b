//! What is to be done where the warehouse holds other values than the lake.

use std::fmt;

/// What to do where a row holds other values than the lake.
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
