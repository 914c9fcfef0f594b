//! The two processor architectures of Lambda, and their names elsewhere.

use std::fmt;

use clap::ValueEnum;

/// A processor architecture, by its Lambda name.
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
    /// Returns the architecture of this machine; x86_64 if Lambda does not have it.
    pub fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86_64 }
    }

    /// Returns true if programs for it run natively on this machine.
    pub(super) fn is_native(self) -> bool {
        cfg!(target_os = "linux") && std::env::consts::ARCH == self.machine()
    }

    /// Returns the name in `uname -m` and Rust.
    const fn machine(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// Returns the Rust target with glibc.
    pub const fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// Returns the path of glibc's dynamic loader, which must be a program's interpreter (defined by each processor's
    /// psABI).
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
