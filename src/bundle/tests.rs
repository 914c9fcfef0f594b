//! Accepted and rejected programs: small ELF files, and the test binary as a real program.

use testkit::elf::{Elf, Need, need};

use super::executable::Executable;
use super::incompatibility::Incompatibility;
use super::*;

fn refused(elf: &Elf) -> String {
    Executable::parse(&elf.bytes(), None).unwrap_err().to_string()
}

fn taken(elf: &Elf) -> Executable {
    Executable::parse(&elf.bytes(), None).unwrap()
}

#[test]
fn a_program_for_either_architecture_is_accepted() {
    for (elf, arch) in [(Elf::x86_64(), Arch::X86_64), (Elf::arm64(), Arch::Arm64)] {
        let program = taken(&elf);
        assert_eq!((program.arch, program.glibc.unwrap().to_string()), (arch, "2.34".into()));
        assert_eq!(program.needed, elf.needed);
        assert!(program.hints.is_empty(), "{:?}", program.hints);
    }
    assert!(
        taken(&Elf { kind: 2, abi: 3, ..Elf::x86_64() }).glibc.is_some(),
        "neither position-independent nor System V"
    );
}

#[test]
fn a_program_linked_statically_needs_no_glibc() {
    for elf in [
        Elf::linked_statically(),
        Elf { kind: 2, dynamic: false, pie: false, ..Elf::linked_statically() },
        Elf { kind: 2, dynamic: false, pie: false, sections: false, ..Elf::linked_statically() },
    ] {
        let program = taken(&elf);
        assert_eq!((program.glibc, program.needed.len()), (None, 0), "{elf:?}");
    }
}

#[test]
fn a_program_for_the_other_architecture_is_rejected_with_both_names() {
    let why = Executable::parse(&Elf::arm64().bytes(), Some(Arch::X86_64)).unwrap_err().to_string();
    assert!(why.contains("is for arm64") && why.contains("--arch is x86_64"), "{why}");
    assert!(refused(&Elf { machine: 243, ..Elf::x86_64() }).contains("ELF machine 243"));
}

#[test]
fn a_newer_glibc_is_rejected_with_symbol_version_and_library() {
    let elf = Elf::x86_64()
        .needing(need("libc.so.6", "GLIBC_2.36", "arc4random"))
        .needing(need("libm.so.6", "GLIBC_2.38", "fmod"))
        .needing(Need { library: "libc.so.6", version: "GLIBC_ABI_DT_RELR", weak: false, symbol: None });
    let why = refused(&elf);
    for words in
        ["2.34", "arc4random (GLIBC_2.36 of libc.so.6)", "fmod (GLIBC_2.38 of libm.so.6)", "GLIBC_ABI_DT_RELR of"]
    {
        assert!(why.contains(words), "{words}: {why}");
    }
    assert!(!why.contains("memcpy"), "{why}");
    assert!(refused(&Elf::x86_64().needing(need("libc.so.6", "GLIBC_PRIVATE", "_dl_x"))).contains("GLIBC_PRIVATE"));
}

#[test]
fn a_weak_reference_to_a_newer_glibc_is_accepted() {
    let weak = Need { weak: true, ..need("libc.so.6", "GLIBC_2.39", "pidfd_spawnp") };
    assert_eq!(taken(&Elf::x86_64().needing(weak)).glibc.unwrap().to_string(), "2.34");
}

#[test]
fn a_newer_libgcc_is_rejected_with_symbol_and_version() {
    let newer = need("libgcc_s.so.1", "GCC_12.0.0", "__extendhfsf2");
    let why = refused(&Elf::x86_64().needing(newer));
    assert!(why.contains("GCC 11") && why.contains("__extendhfsf2 (GCC_12.0.0 of libgcc_s.so.1)"), "{why}");
    assert!(!why.contains("glibc") && !why.contains("_Unwind_Resume"), "{why}");
    taken(&Elf::x86_64().needing(Need { weak: true, ..newer }));
    taken(&Elf::arm64().needing(need("libgcc_s.so.1", "GCC_11.0", "__divhc3")));
}

#[test]
fn a_program_that_is_not_a_lambda_runtime_is_rejected() {
    for elf in [Elf::x86_64(), Elf::arm64(), Elf::linked_statically()] {
        assert!(refused(&Elf { runtime: false, ..elf }).contains("is not a Lambda runtime"));
    }
    let needed = vec!["libssl.so.3"];
    assert!(refused(&Elf { runtime: false, needed, ..Elf::x86_64() }).contains("is not a Lambda runtime"));
}

#[test]
fn other_libraries_and_other_loaders_are_rejected() {
    let needed = vec!["libc.so.6", "libssl.so.3", "libmysqlclient.so.21"];
    assert!(refused(&Elf { needed, ..Elf::x86_64() }).contains("needs libssl.so.3, libmysqlclient.so.21,"));
    for loader in ["/lib/ld-musl-x86_64.so.1", "/nix/store/x/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"] {
        let why = refused(&Elf { interpreter: Some(loader), ..Elf::x86_64() });
        assert!(why.contains(loader) && why.contains("/lib64/ld-linux-x86-64.so.2"), "{why}");
    }
}

#[test]
fn files_that_are_not_linux_programs_are_identified() {
    let mut small = Elf::x86_64().bytes();
    small[4] = 1;
    let mut big = Elf::x86_64().bytes();
    big[5] = 2;
    let cases: [(&[u8], &str); 12] = [
        (b"", "is empty"),
        (b"#!/bin/sh\nexec python\n", "a script"),
        (&[0xcf, 0xfa, 0xed, 0xfe, 7, 0, 0, 1], "macOS"),
        (&[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2], "macOS"),
        (b"MZ\x90\0", "Windows"),
        (b"PK\x03\x04\x14", "a zip"),
        (b"hello", "no program"),
        (b"\x7fEL", "no program"),
        (b"\x7fELF", "ends within its header"),
        (&small, "32-bit"),
        (&big, "big-endian"),
        (&Elf { abi: 9, ..Elf::x86_64() }.bytes(), "another system"),
    ];
    for (bytes, words) in cases {
        let why = Executable::parse(bytes, None).unwrap_err().to_string();
        assert!(why.contains(words), "{words}: {why}");
    }
    for kind in [1, 4] {
        assert!(refused(&Elf { kind, ..Elf::x86_64() }).contains("not a program"), "an object file, a core dump");
    }
    assert!(refused(&Elf { interpreter: None, pie: false, ..Elf::x86_64() }).contains("a library"));
}

#[test]
fn a_truncated_program_is_never_accepted() {
    let whole = Elf::x86_64().bytes();
    for length in 1..whole.len() {
        let refusal = Executable::parse(&whole[..length], None).unwrap_err();
        assert!(matches!(refusal, Incompatibility::Broken(_) | Incompatibility::NotElf(_)), "{length}: {refusal}");
    }
}

#[test]
fn damaged_bytes_never_cause_a_panic() {
    let whole = Elf::x86_64().bytes();
    for at in 0..whole.len() {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            let _ = Executable::parse(&damaged, None);
        }
    }
}

#[test]
fn a_program_without_section_headers_is_rejected() {
    assert!(refused(&Elf { sections: false, ..Elf::x86_64() }).contains("no section headers"));
}

#[test]
fn symbols_and_a_library_path_are_hinted_at() {
    let program = taken(&Elf { symbols: 2_400, runpath: Some("/opt/lib"), ..Elf::x86_64() });
    assert_eq!(program.hints.len(), 2);
    assert!(program.hints[0].contains("2,400 bytes") && program.hints[1].contains("/opt/lib"), "{:?}", program.hints);
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn a_real_program_is_parsed_correctly() {
    // It contains the string that identifies a runtime, because its small ELF files do.
    let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    match Executable::parse(&this, Some(Arch::host())) {
        Ok(program) => {
            assert!(program.needed.iter().any(|name| name == "libc.so.6"), "{program:?}");
            assert!(program.glibc.is_some() && program.hints[0].contains("strip"), "{program:?}");
        }
        // If this machine's glibc is newer, the test may need it; then the error must list the symbols.
        Err(Incompatibility::NewerSymbols(_, missing, _)) => {
            assert!(missing.iter().all(|m| !m.symbols.is_empty()), "{missing:?}")
        }
        Err(refusal) => panic!("{refusal}"),
    }
}
