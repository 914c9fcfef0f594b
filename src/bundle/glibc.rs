//! Versions of glibc, and which of them Lambda's `provided.al2023` can serve.

use std::fmt;

/// A version of glibc; its symbols carry the one in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Glibc([u16; 3]);

impl Glibc {
    /// What `provided.al2023` has: Amazon Linux 2023 keeps 2.34 for its lifetime
    /// (<https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html>).
    pub(super) const LAMBDA: Self = Self([2, 34, 0]);

    /// Reads `GLIBC_2.34` or `GLIBC_2.2.5`.
    fn parse(name: &str) -> Option<Self> {
        let mut numbers = [0; 3];
        let mut places = numbers.iter_mut();
        for number in name.strip_prefix("GLIBC_")?.split('.') {
            *places.next()? = number.parse().ok()?;
        }
        Some(Self(numbers))
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [major, minor, 0] => write!(f, "{major}.{minor}"),
            [major, minor, patch] => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

/// What a version that a program needs means to Lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Another library's, such as libgcc's `GCC_3.0`.
    Other,
    /// It is there.
    Served(Glibc),
    /// It is not. `GLIBC_ABI_…` are marks of what a loader can do, the first of them (`DT_RELR`) from 2.36;
    /// `GLIBC_PRIVATE` is good for the very build of glibc that the program was linked with.
    Missing,
}

impl Need {
    /// What is needed by this name.
    pub(super) fn of(name: &str) -> Self {
        match Glibc::parse(name) {
            Some(version) if version <= Glibc::LAMBDA => Self::Served(version),
            None if !name.starts_with("GLIBC_") => Self::Other,
            Some(_) | None => Self::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_2_34_is_missing_and_so_are_marks_and_private_symbols() {
        for (name, need) in [
            ("GLIBC_2.34", Need::Served(Glibc([2, 34, 0]))),
            ("GLIBC_2.2.5", Need::Served(Glibc([2, 2, 5]))),
            ("GLIBC_2.4", Need::Served(Glibc([2, 4, 0]))),
            ("GCC_4.2.0", Need::Other),
            ("GLIBC_2.35", Need::Missing),
            ("GLIBC_2.100", Need::Missing),
            ("GLIBC_3.0", Need::Missing),
            ("GLIBC_2.34.1", Need::Missing),
            ("GLIBC_PRIVATE", Need::Missing),
            ("GLIBC_ABI_DT_RELR", Need::Missing),
            ("GLIBC_2.3.4.5", Need::Missing),
            ("GLIBC_", Need::Missing),
        ] {
            assert_eq!(Need::of(name), need, "{name}");
        }
    }

    #[test]
    fn versions_are_ordered_as_numbers_and_shown_as_glibc_writes_them() {
        let version = |name| Glibc::parse(name).unwrap();
        assert!(version("GLIBC_2.4") < version("GLIBC_2.17") && version("GLIBC_2.3") < version("GLIBC_2.3.2"));
        assert_eq!((version("GLIBC_2.2.5").to_string(), Glibc::LAMBDA.to_string()), ("2.2.5".into(), "2.34".into()));
    }
}
