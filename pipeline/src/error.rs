//! Error kinds, which decide about retries, Lambda responses and exit codes; and the chain of an error's causes.
//!
//! Each module has its own error type with a [`Kind`]. No code compares message texts.

use std::error::Error;
use std::io;

/// Kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// May resolve without intervention: a lost connection, a throttled request, a lock wait. A retry can help.
    Transient,
    /// Persists until the cause is fixed: a missing bucket, a rejected login, a full column.
    Permanent,
    /// The command line or the settings are wrong.
    Usage,
}

impl Kind {
    /// Returns true if a retry can succeed without intervention.
    pub fn is_transient(self) -> bool {
        self == Self::Transient
    }
}

/// Returns an error and its causes, outermost first.
///
/// Includes the error wrapped by an [`io::Error`], which `source()` skips.
pub fn chain<'a>(e: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(e), |&e| cause(e))
}

fn cause<'a>(e: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => e.source(),
    }
}

/// Returns the texts of an error and its causes, joined by colons. A cause that only repeats its parent is omitted.
pub fn with_causes(e: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = chain(e).map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no response")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_causes_of_an_error_include_those_wrapped_by_an_io_error() {
        let inner = "x".parse::<u8>().unwrap_err();
        let e = Outer(io::Error::new(io::ErrorKind::InvalidData, inner));
        assert_eq!(with_causes(&e), "no response: invalid digit found in string");
        assert!(chain(&e).any(|e| e.is::<std::num::ParseIntError>()));
    }
}
