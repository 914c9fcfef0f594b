//! Versions of glibc's and libgcc_s's symbols, and which of them Lambda's `provided.al2023` can serve.

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

/// The newest libgcc_s that `provided.al2023` has: Amazon Linux 2023 keeps GCC 11 for its lifetime
/// (<https://docs.aws.amazon.com/linux/al2023/ug/c-cplusplus.html>). Its symbols' versions are named by the GCC in which
/// they came: up to `GCC_7.0.0` on x86_64 and `GCC_11.0` on arm64, and then `GCC_12.0.0` and `GCC_13.0.0`, half-precision
/// arithmetic (GCC's `libgcc/config/i386/libgcc-glibc.ver` and `libgcc/config/aarch64/libgcc-softfp.ver`).
const GCC: u16 = 11;

/// Whose symbols a program needs; each names its versions in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RuntimeLibrary {
    /// `GLIBC_2.34`.
    Glibc,
    /// `GCC_3.0`, of libgcc_s.
    Gcc,
}

impl RuntimeLibrary {
    /// Its library, and which of it Lambda has.
    pub(super) fn of_lambda(self) -> (&'static str, String) {
        match self {
            Self::Glibc => ("glibc", Glibc::LAMBDA.to_string()),
            Self::Gcc => ("libgcc_s", format!("GCC {GCC}")),
        }
    }
}

/// What a version that a program needs means to Lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionRequirement {
    /// It is there, and says nothing of glibc.
    Irrelevant,
    /// It is there.
    Available(Glibc),
    /// It is not. `GLIBC_ABI_…` are marks of what a loader can do, the first of them (`DT_RELR`) from 2.36;
    /// `GLIBC_PRIVATE` is good for the very build of glibc that the program was linked with.
    Missing(RuntimeLibrary),
}

impl VersionRequirement {
    /// What is needed by this name.
    pub(super) fn of(name: &str) -> Self {
        match Glibc::parse(name) {
            Some(version) if version <= Glibc::LAMBDA => Self::Available(version),
            Some(_) => Self::Missing(RuntimeLibrary::Glibc),
            None if name.starts_with("GLIBC_") => Self::Missing(RuntimeLibrary::Glibc),
            None => match name.strip_prefix("GCC_") {
                Some(version) if !is_served_by_gcc(version) => Self::Missing(RuntimeLibrary::Gcc),
                Some(_) | None => Self::Irrelevant,
            },
        }
    }
}

fn is_served_by_gcc(version: &str) -> bool {
    version.split('.').next().and_then(|major| major.parse().ok()).is_some_and(|major: u16| major <= GCC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_lambdas_is_missing_and_so_are_marks_and_private_symbols() {
        for (name, need) in [
            ("GLIBC_2.34", VersionRequirement::Available(Glibc([2, 34, 0]))),
            ("GLIBC_2.2.5", VersionRequirement::Available(Glibc([2, 2, 5]))),
            ("GLIBC_2.4", VersionRequirement::Available(Glibc([2, 4, 0]))),
            ("GCC_3.0", VersionRequirement::Irrelevant),
            ("GCC_7.0.0", VersionRequirement::Irrelevant),
            ("GCC_11.0", VersionRequirement::Irrelevant),
            ("GCC_12.0.0", VersionRequirement::Missing(RuntimeLibrary::Gcc)),
            ("GCC_14.0", VersionRequirement::Missing(RuntimeLibrary::Gcc)),
            ("GCC_", VersionRequirement::Missing(RuntimeLibrary::Gcc)),
            ("CXXABI_1.3", VersionRequirement::Irrelevant),
            ("GLIBC_2.35", VersionRequirement::Missing(RuntimeLibrary::Glibc)),
            ("GLIBC_2.100", VersionRequirement::Missing(RuntimeLibrary::Glibc)),
            ("GLIBC_3.0", VersionRequirement::Missing(RuntimeLibrary::Glibc)),
            ("GLIBC_2.34.1", VersionRequirement::Missing(RuntimeLibrary::Glibc)),
            ("GLIBC_PRIVATE", VersionRequirement::Missing(RuntimeLibrary::Glibc)),
            ("GLIBC_ABI_DT_RELR", VersionRequirement::Missing(RuntimeLibrary::Glibc)),
            ("GLIBC_2.3.4.5", VersionRequirement::Missing(RuntimeLibrary::Glibc)),
            ("GLIBC_", VersionRequirement::Missing(RuntimeLibrary::Glibc)),
        ] {
            assert_eq!(VersionRequirement::of(name), need, "{name}");
        }
    }

    #[test]
    fn versions_are_ordered_as_numbers_and_shown_as_glibc_writes_them() {
        let version = |name| Glibc::parse(name).unwrap();
        assert!(version("GLIBC_2.4") < version("GLIBC_2.17") && version("GLIBC_2.3") < version("GLIBC_2.3.2"));
        assert_eq!((version("GLIBC_2.2.5").to_string(), Glibc::LAMBDA.to_string()), ("2.2.5".into(), "2.34".into()));
    }
}
