//! What kind of failure an error is: the one question that retry, the Lambda and the exit code ask.
//!
//! Each room has its own error type and answers with a [`Kind`]; nothing decides by comparing message texts.

/// How a failure should be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// May go away by itself: a lost connection, a throttled request, a lock wait. Worth another try.
    Transient,
    /// Will stay as it is until somebody changes something: no such bucket, refused login, a full column.
    Permanent,
    /// The command line or its settings are wrong.
    Usage,
}

impl Kind {
    /// Whether another try can succeed without anybody changing anything.
    pub fn is_transient(self) -> bool {
        self == Self::Transient
    }
}
