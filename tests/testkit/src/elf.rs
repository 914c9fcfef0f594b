//! Small ELF files, built byte by byte: the headers of a program without code.

/// A version of a library's symbols that a program needs.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    pub library: &'static str,
    pub version: &'static str,
    pub weak: bool,
    pub symbol: Option<&'static str>,
}

/// Returns a version for a symbol of the library.
pub fn need(library: &'static str, version: &'static str, symbol: &'static str) -> Need {
    Need { library, version, weak: false, symbol: Some(symbol) }
}

/// Headers of a program; the default is a cargo build for x86_64.
#[derive(Debug, Clone)]
pub struct Elf {
    pub machine: u16,
    /// `ET_DYN`, `ET_EXEC` (2) or another.
    pub kind: u16,
    pub abi: u8,
    pub interpreter: Option<&'static str>,
    pub needed: Vec<&'static str>,
    pub needs: Vec<Need>,
    pub runpath: Option<&'static str>,
    /// True if `DT_FLAGS_1` marks it as a program (PIE).
    pub pie: bool,
    pub dynamic: bool,
    pub sections: bool,
    /// Size of a symbol table that `strip` would remove, in bytes.
    pub symbols: usize,
    /// True if it contains the texts of Lambda's Runtime API.
    pub runtime: bool,
    /// Bytes after the headers, for a realistic size.
    pub ballast: Vec<u8>,
}

pub const X86_64: u16 = 62;
pub const AARCH64: u16 = 183;

impl Elf {
    pub fn x86_64() -> Self {
        Self {
            machine: X86_64,
            kind: 3,
            abi: 0,
            interpreter: Some("/lib64/ld-linux-x86-64.so.2"),
            needed: vec!["libgcc_s.so.1", "libc.so.6"],
            needs: vec![
                need("libc.so.6", "GLIBC_2.34", "__libc_start_main"),
                need("libc.so.6", "GLIBC_2.2.5", "memcpy"),
                need("libgcc_s.so.1", "GCC_3.0", "_Unwind_Resume"),
            ],
            runpath: None,
            pie: true,
            dynamic: true,
            sections: true,
            symbols: 0,
            runtime: true,
            ballast: Vec::new(),
        }
    }

    pub fn arm64() -> Self {
        Self { machine: AARCH64, interpreter: Some("/lib/ld-linux-aarch64.so.1"), ..Self::x86_64() }
    }

    /// Returns the headers of a cargo build for a musl target.
    pub fn linked_statically() -> Self {
        Self { interpreter: None, needed: Vec::new(), needs: Vec::new(), ..Self::x86_64() }
    }

    pub fn needing(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// Returns the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut strings = Strings::default();
        let mut file = vec![0; 64 + 3 * 56];
        let interpreter = self.interpreter.map(|path| append(&mut file, &[path.as_bytes(), b"\0"].concat()));
        if self.runtime {
            append(&mut file, b"pathAWS_LAMBDA_RUNTIME_APIMissing"); // the texts are stored without terminators
        }
        let (symbols, versions, needs) = self.versions(&mut strings);
        let dynamic = self.dynamic_entries(&mut strings);
        let at: Vec<(usize, usize)> = [&strings.0, &symbols, &versions, &needs, &dynamic, &vec![0; self.symbols]]
            .map(|bytes| append(&mut file, bytes))
            .to_vec();
        append(&mut file, &self.ballast);
        let mut segments = vec![(1, (0, file.len()))]; // PT_LOAD
        segments.extend(interpreter.map(|at| (3, at))); // PT_INTERP
        segments.extend(self.dynamic.then_some((2, at[4]))); // PT_DYNAMIC
        let headers = if self.sections { self.section_headers(&mut file, &at) } else { (0, 0) };
        for (n, (kind, (offset, size))) in segments.iter().enumerate() {
            let words = [(*offset as u64), *offset as u64, *offset as u64, *size as u64, *size as u64, 8];
            let header: Vec<u8> =
                [u32_(*kind), u32_(4), words.iter().flat_map(|word| word.to_le_bytes()).collect()].concat();
            file[64 + n * 56..64 + (n + 1) * 56].copy_from_slice(&header);
        }
        let header = self.header(segments.len(), headers);
        file[..64].copy_from_slice(&header);
        file
    }

    fn header(&self, segments: usize, (sections_at, sections): (usize, usize)) -> Vec<u8> {
        let ident = [b"\x7fELF".as_slice(), &[2, 1, 1, self.abi], &[0; 8]].concat();
        let places = [0x1000_u64, 64, sections_at as u64].iter().flat_map(|n| n.to_le_bytes()).collect();
        let last = sections.saturating_sub(1);
        let sizes = [64, 56, segments, 64, sections, last].iter().flat_map(|n| (*n as u16).to_le_bytes()).collect();
        [ident, u16_(self.kind), u16_(self.machine), u32_(1), places, u32_(0), sizes].concat()
    }

    /// Returns `.dynsym`, `.gnu.version` and `.gnu.version_r`.
    fn versions(&self, strings: &mut Strings) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let (mut symbols, mut versions, mut needs) = (vec![0; 24], u16_(0), Vec::new());
        for (n, need) in self.needs.iter().enumerate() {
            let index = n as u16 + 2;
            if let Some(symbol) = need.symbol {
                symbols.extend([u32_(strings.add(symbol)), vec![0x12, 0, 0, 0], vec![0; 16]].concat());
                versions.extend(u16_(index));
            }
            let next = if n + 1 == self.needs.len() { 0 } else { 32 };
            needs.extend([u16_(1), u16_(1), u32_(strings.add(need.library)), u32_(16), u32_(next)].concat());
            let flags = if need.weak { 2 } else { 0 };
            needs.extend([u32_(0), u16_(flags), u16_(index), u32_(strings.add(need.version)), u32_(0)].concat());
        }
        (symbols, versions, needs)
    }

    fn dynamic_entries(&self, strings: &mut Strings) -> Vec<u8> {
        let mut entries: Vec<(u64, u64)> =
            self.needed.iter().map(|library| (1, u64::from(strings.add(library)))).collect();
        entries.extend(self.runpath.map(|path| (29, u64::from(strings.add(path)))));
        entries.extend(self.pie.then_some((0x6fff_fffb, 0x0800_0000)));
        entries.extend((!self.needs.is_empty()).then_some((0x6fff_fffe, 0)));
        entries.push((0, 0));
        entries.iter().flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat()).collect()
    }

    fn section_headers(&self, file: &mut Vec<u8>, at: &[(usize, usize)]) -> (usize, usize) {
        // Kinds and links of sections: strings, dynamic symbols, their versions, needed versions, dynamic entries.
        let mut sections = vec![(0, 0, 0, (0, 0)), (3, 0, 0, at[0]), (11, 1, 24, at[1]), (0x6fff_ffff, 2, 2, at[2])];
        if !self.needs.is_empty() {
            sections.push((0x6fff_fffe, 1, 0, at[3]));
        }
        if self.dynamic {
            sections.push((6, 1, 16, at[4]));
        }
        if self.symbols > 0 {
            sections.push((2, 1, 24, at[5]));
        }
        let names = append(file, b"\0");
        sections.push((3, 0, 0, names));
        let headers: Vec<u8> = sections
            .iter()
            .flat_map(|(kind, link, each, (offset, size))| {
                let place = [0, 0, *offset as u64, *size as u64].iter().flat_map(|n| n.to_le_bytes()).collect();
                [u32_(0), u32_(*kind), place, u32_(*link), u32_(0), vec![0; 8], u64::to_le_bytes(*each).to_vec()]
                    .concat()
            })
            .collect();
        (append(file, &headers).0, sections.len())
    }
}

/// Table of texts, each terminated by a zero.
struct Strings(Vec<u8>);

impl Default for Strings {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Strings {
    fn add(&mut self, text: &str) -> u32 {
        let at = self.0.len();
        self.0.extend([text.as_bytes(), b"\0"].concat());
        at as u32
    }
}

/// Appends bytes at a multiple of eight. Returns offset and length.
fn append(file: &mut Vec<u8>, bytes: &[u8]) -> (usize, usize) {
    file.resize(file.len().next_multiple_of(8), 0);
    file.extend(bytes);
    (file.len() - bytes.len(), bytes.len())
}

fn u16_(n: u16) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}

fn u32_(n: u32) -> Vec<u8> {
    n.to_le_bytes().to_vec()
}
