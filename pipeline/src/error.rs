//! What kind of failure an error is: the one question that retry, the Lambda and the exit code ask; and an error's causes.
//!
//! Each room has its own error type and answers with a [`Kind`]; nothing decides by comparing message texts.

use std::error::Error;
use std::io;

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

/// An error and its causes, the outermost first.
///
/// What an [`io::Error`] was made of is one of them, which its `source()` skips.
pub fn chain<'a>(e: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(e), |&e| cause(e))
}

fn cause<'a>(e: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => e.source(),
    }
}

/// The texts of an error and its causes, joined by colons; a cause that only repeats its error is omitted.
pub fn with_causes(e: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = chain(e).map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no answer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_causes_of_an_error_are_those_that_an_io_error_wraps_too() {
        let inner = "x".parse::<u8>().unwrap_err();
        let e = Outer(io::Error::new(io::ErrorKind::InvalidData, inner));
        assert_eq!(with_causes(&e), "no answer: invalid digit found in string");
        assert!(chain(&e).any(|e| e.is::<std::num::ParseIntError>()));
    }
}
