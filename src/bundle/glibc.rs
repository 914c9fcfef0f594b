//! Symbol versions of glibc and libgcc_s, and which of them Lambda's `provided.al2023` provides.

use std::fmt;

/// A version of glibc. Each symbol has the version that introduced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Glibc([u16; 3]);

impl Glibc {
    /// The glibc of `provided.al2023`: Amazon Linux 2023 keeps 2.34 for its lifetime
    /// (<https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html>).
    pub(super) const LAMBDA: Self = Self([2, 34, 0]);

    /// Parses `GLIBC_2.34` or `GLIBC_2.2.5`. Returns `None` for other text.
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

/// Major version of the newest libgcc_s in `provided.al2023`: Amazon Linux 2023 keeps GCC 11 for its lifetime
/// (<https://docs.aws.amazon.com/linux/al2023/ug/c-cplusplus.html>). Its symbol versions have the name of the GCC that
/// introduced them. Up to GCC 11 these are at most `GCC_7.0.0` on x86_64 and `GCC_11.0` on arm64; `GCC_12.0.0` and
/// `GCC_13.0.0` add half-precision arithmetic (GCC's `libgcc/config/i386/libgcc-glibc.ver` and
/// `libgcc/config/aarch64/libgcc-softfp.ver`).
const GCC: u16 = 11;

/// The project of a required symbol; each has its own version names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RuntimeLibrary {
    /// glibc, with versions such as `GLIBC_2.34`.
    Glibc,
    /// libgcc_s of GCC, with versions such as `GCC_3.0`.
    Gcc,
}

impl RuntimeLibrary {
    /// Returns the name of its library, and the version that Lambda has.
    pub(super) fn of_lambda(self) -> (&'static str, String) {
        match self {
            Self::Glibc => ("glibc", Glibc::LAMBDA.to_string()),
            Self::Gcc => ("libgcc_s", format!("GCC {GCC}")),
        }
    }
}

/// Availability of a required symbol version on Lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VersionRequirement {
    /// Available, and not a glibc version.
    Irrelevant,
    /// Available.
    Available(Glibc),
    /// Missing. `GLIBC_ABI_…` marks features of the loader, the first of them (`DT_RELR`) from 2.36. `GLIBC_PRIVATE`
    /// works only with the same build of glibc that the program was linked with.
    Missing(RuntimeLibrary),
}

impl VersionRequirement {
    /// Classifies a version by its name.
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
    fn newer_versions_loader_marks_and_private_symbols_are_missing() {
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
    fn versions_are_ordered_numerically_and_printed_like_glibc() {
        let version = |name| Glibc::parse(name).unwrap();
        assert!(version("GLIBC_2.4") < version("GLIBC_2.17") && version("GLIBC_2.3") < version("GLIBC_2.3.2"));
        assert_eq!((version("GLIBC_2.2.5").to_string(), Glibc::LAMBDA.to_string()), ("2.2.5".into(), "2.34".into()));
    }
}
