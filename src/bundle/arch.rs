//! The two processors that Lambda has, and what each is called by whom.

use std::fmt;

use clap::ValueEnum;

/// A processor, by Lambda's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Arch {
    /// 64-bit Intel and AMD.
    #[value(name = "x86_64", aliases = ["x86-64", "amd64"])]
    X86_64,
    /// 64-bit Arm: Graviton.
    #[value(name = "arm64", aliases = ["aarch64"])]
    Arm64,
}

impl Arch {
    /// This machine's; x86_64 on machines that Lambda has none of.
    pub fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86_64 }
    }

    /// Whether programs for it are this machine's own.
    pub(super) fn is_native(self) -> bool {
        cfg!(target_os = "linux") && std::env::consts::ARCH == self.machine()
    }

    /// The name that `uname -m` and Rust give it.
    const fn machine(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// Rust's target for it, with glibc.
    pub const fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// glibc's loader on it, which is where a program's interpreter must be (the psABI of each processor names the path).
    pub(super) const fn loader(self) -> &'static str {
        match self {
            Self::X86_64 => "/lib64/ld-linux-x86-64.so.2",
            Self::Arm64 => "/lib/ld-linux-aarch64.so.1",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}
