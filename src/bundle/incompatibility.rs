//! Reasons to reject a bootstrap that Lambda would report only at the first invocation, or not at all.

use std::fmt;

use super::Arch;
use super::glibc::RuntimeLibrary;

/// Reason why `provided.al2023` cannot run a file. Each message follows the file's name.
#[derive(Debug, thiserror::Error)]
pub(super) enum Incompatibility {
    #[error("is empty: build it again")]
    Empty,
    #[error("is {0}: give the Lambda's own program for Linux, such as cargo builds for --target {target}", target = Arch::X86_64.target())]
    NotElf(&'static str),
    #[error("is damaged or incomplete ({0}): build or copy it again")]
    Broken(String),
    #[error("is a library or an object file, not a program")]
    NoProgram,
    #[error(
        "is not a Lambda runtime: it does not use the Runtime API, or is compressed. Pass the binary bootstrap of ruminate-lambda"
    )]
    NoRuntime,
    #[error("is for {0}, and Lambda has x86_64 and arm64")]
    Machine(String),
    #[error("is for {is}, but --arch is {wanted}: pass a binary for {wanted}, or --arch {is}")]
    Arch { is: Arch, wanted: Arch },
    #[error("is loaded by {0}, and provided.al2023 has {wanted}: link it statically, or build it for the target {target}", wanted = .1.loader(), target = .1.target())]
    WrongInterpreter(String, Arch),
    #[error("has no section headers, without which its needs cannot be checked: use `strip`, not a packer")]
    NoSectionHeaders,
    #[error("needs {}, which is not glibc's own and may not be there on Lambda: link it statically, or do without", .0.join(", "))]
    Libraries(Vec<String>),
    #[error("needs a newer {library} than the {lambda} of provided.al2023: {}", SymbolList(.1), library = .0.of_lambda().0, lambda = .0.of_lambda().1)]
    NewerSymbols(RuntimeLibrary, Vec<MissingSymbolVersion>, Arch),
}

/// A symbol version of a library that Lambda lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MissingSymbolVersion {
    /// Project of the library.
    pub project: RuntimeLibrary,
    /// The version, such as `GLIBC_2.36`.
    pub version: String,
    /// The library, such as `libc.so.6`.
    pub library: String,
    /// The symbols used; empty for a mark of the linker.
    pub symbols: Vec<String>,
}

/// Maximum number of symbols in a message.
const NAMED: usize = 5;

impl fmt::Display for MissingSymbolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (named, more) = self.symbols.split_at(self.symbols.len().min(NAMED));
        write!(f, "{}", named.join(", "))?;
        if !more.is_empty() {
            write!(f, " and {} more", more.len())?;
        }
        let of = format!("{} of {}", self.version, self.library);
        if named.is_empty() { write!(f, "{of}") } else { write!(f, " ({of})") }
    }
}

struct SymbolList<'a>(&'a [MissingSymbolVersion]);

impl fmt::Display for SymbolList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(MissingSymbolVersion::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}
