//! What is to be done where the warehouse holds other values than the lake.

use std::fmt;

/// What to do where a row holds other values than the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Policy {
    /// The row stays; the conflict is reported with both values.
    #[default]
    Keep,
    /// The lake's values replace the row's, which are written to an undo file first.
    Overwrite,
    /// Stop at the first conflict.
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
