//! Inspection of a bootstrap by its ELF headers, and whether `provided.al2023` can run it.
//!
//! The checks are those of the dynamic loader: machine, interpreter, required libraries and required symbol versions.
//! The program is not run, and libraries opened with `dlopen` are not detected. A Lambda runtime is recognized by a
//! string that every one contains.

use object::elf::{self, FileHeader64};
use object::read::elf::{DynamicTable, FileHeader, ProgramHeader, SectionHeader, SectionTable};
use object::{LittleEndian as LE, SymbolIndex};

use super::Arch;
use super::glibc::{Glibc, VersionRequirement};
use super::incompatibility::{Incompatibility, MissingSymbolVersion};
use crate::outcome::count;

type Header = FileHeader64<LE>;
type Sections<'data> = SectionTable<'data, Header>;

/// The libraries of glibc, and libgcc_s. The latter is not part of glibc, but every Rust program for a GNU target needs
/// it for unwinding, and `provided.al2023` has it.
const PROVIDED: [&str; 8] = [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libgcc_s.so.1",
];

/// Name of the variable with the address of the Runtime API, which every runtime contains
/// (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>). Reversed, so that this program does not contain
/// it.
const RUNTIME_BACKWARDS: &[u8] = b"IPA_EMITNUR_ADBMAL_SWA";

/// A program that Lambda can run.
#[derive(Debug)]
pub(super) struct Executable {
    /// Its processor architecture.
    pub arch: Arch,
    /// The newest version of glibc that it needs; `None` if it needs no glibc.
    pub glibc: Option<Glibc>,
    /// The libraries it needs, in their order.
    pub needed: Vec<String>,
    /// Suggested improvements.
    pub hints: Vec<String>,
}

impl Executable {
    /// Parses a program, which must be for `wanted` if given.
    ///
    /// # Errors
    ///
    /// Returns the reason why Lambda could not run it.
    pub(super) fn parse(data: &[u8], wanted: Option<Arch>) -> Result<Self, Incompatibility> {
        let header = header(data)?;
        let arch = arch(header)?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != arch) {
            return Err(Incompatibility::Arch { is: arch, wanted });
        }
        let sections = header.sections(LE, data).map_err(broken)?;
        let dynamic = sections.dynamic_table(LE, data).map_err(broken)?;
        let interpreter = interpreter(header, data, &dynamic)?;
        if !is_runtime(data) {
            return Err(Incompatibility::NoRuntime);
        }
        if let Some(other) = interpreter.filter(|path| path != arch.loader()) {
            return Err(Incompatibility::WrongInterpreter(other, arch));
        }
        let needed = texts(&dynamic, elf::DT_NEEDED)?;
        let unavailable: Vec<_> = needed.iter().filter(|name| !PROVIDED.contains(&name.as_str())).cloned().collect();
        if !unavailable.is_empty() {
            return Err(Incompatibility::Libraries(unavailable));
        }
        let (glibc, mut missing) = versions(&sections, &dynamic, data)?;
        // An error names one project; its fix covers both.
        if let Some(project) = missing.iter().map(|one| one.project).min() {
            missing.retain(|one| one.project == project);
            return Err(Incompatibility::NewerSymbols(project, missing, arch));
        }
        Ok(Self { arch, glibc, needed, hints: hints(&sections, &dynamic)? })
    }
}

fn broken(e: object::read::Error) -> Incompatibility {
    Incompatibility::Broken(e.to_string())
}

/// Returns the header of a little-endian 64-bit ELF file for Linux, or an error that states what the file is.
fn header(data: &[u8]) -> Result<&Header, Incompatibility> {
    let kind = match data {
        [] => return Err(Incompatibility::Empty),
        [0x7f, b'E', b'L', b'F', class, encoding, _, abi, ..] => match (elf::FileClass(*class), elf::OsAbi(*abi)) {
            (elf::ELFCLASS32, _) => "a 32-bit program",
            _ if elf::DataEncoding(*encoding) == elf::ELFDATA2MSB => "a big-endian program",
            (_, elf::ELFOSABI_NONE | elf::ELFOSABI_GNU) => return Header::parse(data).map_err(broken),
            _ => "a program for another system",
        },
        [0x7f, b'E', b'L', b'F', ..] => return Err(Incompatibility::Broken("it ends within its header".into())),
        [b'#', b'!', ..] => "a script",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => "a program for macOS",
        [b'M', b'Z', ..] => "a program for Windows",
        [b'P', b'K', 3, 4, ..] => "a zip",
        _ => "no program",
    };
    Err(Incompatibility::NotElf(kind))
}

fn arch(header: &Header) -> Result<Arch, Incompatibility> {
    match header.e_machine(LE) {
        elf::EM_X86_64 => Ok(Arch::X86_64),
        elf::EM_AARCH64 => Ok(Arch::Arm64),
        elf::Machine(number) => Err(Incompatibility::Machine(format!("ELF machine {number}"))),
    }
}

/// Returns true if the program contains the name of the Runtime API's variable.
fn is_runtime(data: &[u8]) -> bool {
    // Hidden from the compiler, which would otherwise reverse it and embed the name in this program.
    let name: Vec<u8> = std::hint::black_box(RUNTIME_BACKWARDS).iter().rev().copied().collect();
    data.windows(name.len()).any(|window| window == name)
}

/// Returns the dynamic loader that the program needs; `None` if it is linked statically.
fn interpreter(
    header: &Header,
    data: &[u8],
    dynamic: &DynamicTable<'_, Header>,
) -> Result<Option<String>, Incompatibility> {
    let (mut path, mut is_dynamic) = (None, false);
    for segment in header.program_headers(LE, data).map_err(broken)? {
        if segment.data(LE, data).is_err() {
            return Err(Incompatibility::Broken("it ends within what is to be loaded".into()));
        }
        is_dynamic |= segment.p_type(LE) == elf::PT_DYNAMIC;
        path = path.or(segment.interpreter(LE, data).map_err(broken)?.map(text));
    }
    if is_dynamic && dynamic.is_empty() {
        return Err(Incompatibility::NoSectionHeaders);
    }
    // A library is ET_DYN, like a position-independent program, which is flagged as such or names a loader.
    let flags = dynamic.iter().find(|entry| entry.tag == elf::DT_FLAGS_1).map_or(0, |entry| entry.val);
    let is_pie = path.is_some() || flags & elf::DF_1_PIE.0 != 0;
    match header.e_type(LE) {
        elf::ET_EXEC => Ok(path),
        elf::ET_DYN if is_pie => Ok(path),
        _ => Err(Incompatibility::NoProgram),
    }
}

/// Returns the strings of all dynamic entries with that tag.
fn texts(dynamic: &DynamicTable<'_, Header>, tag: elf::DynamicTag) -> Result<Vec<String>, Incompatibility> {
    dynamic
        .iter()
        .filter(|entry| entry.tag == tag)
        .map(|entry| dynamic.string(entry).map(text).map_err(broken))
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the newest glibc symbol version that Lambda has and the program needs, and all required versions that Lambda
/// lacks.
///
/// Weak references do not count: the loader ignores them if the version is missing. The Rust standard library refers to
/// newer functions that way.
fn versions(
    sections: &Sections<'_>,
    dynamic: &DynamicTable<'_, Header>,
    data: &[u8],
) -> Result<(Option<Glibc>, Vec<MissingSymbolVersion>), Incompatibility> {
    let Some((mut needs, link)) = sections.gnu_verneed(LE, data).map_err(broken)? else {
        let has_needs = dynamic.iter().any(|entry| entry.tag == elf::DT_VERNEED);
        return if has_needs { Err(Incompatibility::NoSectionHeaders) } else { Ok((None, Vec::new())) };
    };
    let strings = sections.strings(LE, data, link).map_err(broken)?;
    let (mut newest, mut missing) = (None, Vec::new());
    while let Some((library, mut versions)) = needs.next().map_err(broken)? {
        while let Some(version) = versions.next().map_err(broken)? {
            let name = text(version.name(LE, strings).map_err(broken)?);
            let weak = version.vna_flags.get(LE).contains(elf::VER_FLG_WEAK);
            match VersionRequirement::of(&name) {
                VersionRequirement::Available(version) => newest = newest.max(Some(version)),
                VersionRequirement::Missing(project) if !weak => missing.push(MissingSymbolVersion {
                    project,
                    version: name,
                    library: text(library.file(LE, strings).map_err(broken)?),
                    symbols: symbols(sections, data, version.vna_other(LE).index()),
                }),
                VersionRequirement::Missing(_) | VersionRequirement::Irrelevant => {}
            }
        }
    }
    Ok((newest, missing))
}

/// Returns the names of the symbols of a version for an error message; empty if they cannot be read.
fn symbols(sections: &Sections<'_>, data: &[u8], version: elf::VersionIndex) -> Vec<String> {
    let (Ok(symbols), Ok(Some(versions))) = (sections.symbols(LE, data, elf::SHT_DYNSYM), sections.versions(LE, data))
    else {
        return Vec::new();
    };
    let has = |index: SymbolIndex| versions.version_index(LE, index).index() == version;
    let named = symbols.enumerate().filter(|(index, _)| has(*index));
    named.filter_map(|(_, symbol)| symbols.symbol_name(LE, symbol).ok().map(text)).collect()
}

/// Returns suggestions that do not affect Lambda, but may matter for deployment.
fn hints(sections: &Sections<'_>, dynamic: &DynamicTable<'_, Header>) -> Result<Vec<String>, Incompatibility> {
    let mut hints = Vec::new();
    let is_debug = |section: &&elf::SectionHeader64<LE>| {
        let name = sections.section_name(LE, section).unwrap_or_default();
        section.sh_type(LE) == elf::SHT_SYMTAB
            || [b".debug_".as_slice(), b".strtab"].iter().any(|s| name.starts_with(s))
    };
    let debug: u64 = sections.iter().filter(is_debug).map(|section| section.sh_size(LE)).sum();
    if debug > 0 {
        hints.push(format!("{} bytes of the bootstrap are symbols and debug information: `strip` it", count(debug)));
    }
    for tag in [elf::DT_RPATH, elf::DT_RUNPATH] {
        for path in texts(dynamic, tag)? {
            hints.push(format!("the bootstrap looks for its libraries in {path} first, which is not there on Lambda"));
        }
    }
    Ok(hints)
}
