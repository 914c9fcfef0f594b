//! The files of a crate as modules, and the references between files: imports and paths, followed through re-exports to the
//! file that declares the item.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::source::{self, Token};

/// A file of a crate that is not only compiled for tests.
pub struct File {
    /// Path below the repository.
    pub path: String,
    /// Path of its module, empty for `lib.rs`.
    pub module: Vec<String>,
    text: String,
    references: Vec<Reference>,
    /// The names that its imports bind, with their paths; `*` for all names of a module.
    names: Vec<(String, Vec<String>)>,
    /// Lines of its declarations.
    declared: BTreeMap<String, usize>,
}

/// A path in a file, absolute: `crate::…`, `pipeline::…`.
#[derive(Debug, Clone)]
struct Reference {
    path: Vec<String>,
    line: usize,
    /// True for a `pub use`, which only re-exports a name.
    passes_on: bool,
}

/// A reference from one file to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub from_line: usize,
    pub to_line: usize,
}

/// The files of a crate.
pub struct Crate {
    pub name: &'static str,
    pub files: Vec<File>,
    by_module: BTreeMap<Vec<String>, usize>,
}

impl Crate {
    /// Reads the files in a folder of the repository.
    pub fn read(repository: &Path, name: &'static str, folder: &str) -> Self {
        let mut paths = Vec::new();
        gather(&repository.join(folder), &mut paths);
        paths.sort();
        let mut files: Vec<File> = paths.iter().filter_map(|path| File::read(repository, folder, path)).collect();
        let by_module: BTreeMap<_, _> = files.iter().enumerate().map(|(n, file)| (file.module.clone(), n)).collect();
        for file in &mut files {
            file.refer(name, &by_module);
        }
        Self { name, files, by_module }
    }

    /// Returns every reference between two files of this crate.
    pub fn edges(&self) -> Vec<Edge> {
        let mut edges = BTreeMap::new();
        for (from, reference) in self.references() {
            if reference.passes_on || reference.path[0] != "crate" {
                continue;
            }
            let Some((to, to_line)) = self.resolve(&reference.path[1..], 0) else { continue };
            if to != from {
                let edge = Edge { from, to, from_line: reference.line, to_line };
                edges.entry((from, to)).or_insert(edge);
            }
        }
        edges.into_values().collect()
    }

    /// Returns every reference to a file of another crate, as locations in both.
    pub fn edges_into(&self, other: &Self) -> Vec<Edge> {
        let of_other = self.references().filter(|(_, reference)| reference.path[0] == other.name);
        let edges = of_other.filter_map(|(from, reference)| {
            let (to, to_line) = other.resolve(&reference.path[1..], 0)?;
            Some(Edge { from, to, from_line: reference.line, to_line })
        });
        edges.collect()
    }

    fn references(&self) -> impl Iterator<Item = (usize, &Reference)> {
        let of = |(n, file)| std::iter::repeat(n).zip(&File::references(file)[..]);
        self.files.iter().enumerate().flat_map(of)
    }

    /// Returns the file that declares the item of a path, and the line.
    fn resolve(&self, path: &[String], depth: usize) -> Option<(usize, usize)> {
        let known = (0..=path.len()).rev().find(|&length| self.by_module.contains_key(&path[..length]))?;
        let at = self.by_module[&path[..known]];
        let Some(item) = path.get(known).filter(|item| *item != "*") else { return Some((at, 1)) };
        let file = &self.files[at];
        if let Some(line) = file.declared.get(item) {
            return Some((at, *line));
        }
        if depth < 8 {
            let named = file.names.iter().filter(|(name, _)| name == item).map(|(_, target)| target.clone());
            let globs = file.names.iter().filter(|(name, _)| name == "*").map(|(_, target)| {
                let module = &target[..target.len() - 1];
                [module, std::slice::from_ref(item)].concat()
            });
            for target in named.chain(globs) {
                if target[0] != "crate" {
                    return None; // another crate's item
                }
                let rest = [&target[1..], &path[known + 1..]].concat();
                let found = self.resolve(&rest, depth + 1);
                if found.is_some_and(|(to, line)| line > 1 || self.files[to].module == rest) {
                    return found;
                }
            }
        }
        Some((at, 1))
    }
}

impl File {
    /// Reads a file; `None` if only tests compile it.
    fn read(repository: &Path, folder: &str, path: &Path) -> Option<Self> {
        let below = path.strip_prefix(repository.join(folder)).unwrap().with_extension("");
        let mut module: Vec<String> = below.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.iter().any(|part| part == "tests" || part.ends_with("_tests")) {
            return None;
        }
        if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
            module.pop();
        }
        let text = std::fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(repository).unwrap().display().to_string();
        let declared = declarations(&source::tokens(&text));
        Some(Self { path, module, text, references: Vec::new(), names: Vec::new(), declared })
    }

    fn references(&self) -> &Vec<Reference> {
        &self.references
    }

    /// Returns its top-level module; `lib.rs` has none.
    pub fn top(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    pub fn tokens(&self) -> Vec<Token<'_>> {
        source::tokens(&self.text)
    }

    /// Returns the documentation at the start of the file, without its marks.
    pub fn docs(&self) -> String {
        let docs = self.text.lines().take_while(|line| line.starts_with("//!"));
        docs.map(|line| format!("{}\n", line.strip_prefix("//! ").unwrap_or_default())).collect()
    }

    fn refer(&mut self, name: &str, modules: &BTreeMap<Vec<String>, usize>) {
        let text = std::mem::take(&mut self.text);
        let tokens = source::tokens(&text);
        let context = Context { crate_name: name, module: &self.module, modules };
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let before = at.checked_sub(1).map(|before| tokens[before].text);
            let length = match tokens[at].text {
                "use" => {
                    let is_public = matches!(before, Some("pub" | ")"));
                    let end = at + tokens[at..].iter().take_while(|token| token.text != ";").count();
                    for (path, alias, line) in tree(&tokens[at + 1..end]) {
                        let Some(path) = context.absolute(&path) else { continue };
                        self.names.push((alias, path.clone()));
                        found.push(Reference { path, line, passes_on: is_public });
                    }
                    end - at
                }
                word if before != Some("::") && word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                    let path = path_at(&tokens[at..]);
                    let length = 2 * path.len() - 1;
                    if path.len() > 1
                        && let Some(path) = context.absolute(&path)
                    {
                        found.push(Reference { path, line: tokens[at].line, passes_on: false });
                    }
                    length
                }
                _ => 1,
            };
            at += length;
        }
        let used: BTreeSet<&str> = words_outside_imports(&tokens);
        for reference in &mut found {
            // A name that is re-exported and also used here.
            let name = reference.path.last().map(String::as_str).unwrap_or_default();
            reference.passes_on &= !used.contains(name);
        }
        self.references = found;
        self.text = text;
    }
}

/// Returns the items that a file declares, each with the line of its first declaration.
fn declarations(tokens: &[Token<'_>]) -> BTreeMap<String, usize> {
    const WORDS: [&str; 8] = ["struct", "enum", "fn", "trait", "type", "const", "static", "union"];
    let mut declared = BTreeMap::new();
    for three in tokens.windows(3) {
        let item = match three[0].text {
            word if WORDS.contains(&word) => three[1],
            "macro_rules" => three[2],
            _ => continue,
        };
        declared.entry(item.text.to_owned()).or_insert(item.line);
    }
    declared
}

fn words_outside_imports<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let mut inside = false;
    let outside = tokens.iter().filter(|token| {
        inside = if inside { token.text != ";" } else { token.text == "use" };
        !inside
    });
    outside.map(|token| token.text).collect()
}

/// Position from which a path is read.
struct Context<'a> {
    crate_name: &'a str,
    module: &'a [String],
    modules: &'a BTreeMap<Vec<String>, usize>,
}

impl Context<'_> {
    /// Returns the absolute form of a path, from `crate` or `pipeline`.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let from = |module: &[String], rest: &[String]| [&["crate".to_owned()], module, rest].concat();
        let ups = path.iter().take_while(|part| *part == "super").count();
        if ups > 0 {
            let module = &self.module[..self.module.len().checked_sub(ups)?];
            return Some(from(module, &path[ups..]));
        }
        match path[0].as_str() {
            "crate" | "pipeline" => Some(path.to_vec()),
            "self" => Some(from(self.module, &path[1..])),
            "ruminate" if self.crate_name == "ruminate" => Some(from(&[], &path[1..])),
            child => {
                let module = [self.module, &[child.to_owned()]].concat();
                self.modules.contains_key(&module).then(|| from(self.module, path))
            }
        }
    }
}

fn path_at(tokens: &[Token<'_>]) -> Vec<String> {
    let mut path = vec![tokens[0].text.to_owned()];
    for pair in tokens[1..].chunks_exact(2) {
        let is_word = pair[1].text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if pair[0].text != "::" || !is_word {
            break;
        }
        path.push(pair[1].text.to_owned());
    }
    path
}

/// Returns the paths of an import, the name that each binds, and its line.
fn tree(tokens: &[Token<'_>]) -> Vec<(Vec<String>, String, usize)> {
    let (mut prefix, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        match tokens[at].text {
            "::" => at += 1,
            "{" => {
                let inside = &tokens[at + 1..at + source::bracketed(&tokens[at..]) - 1];
                let all = split(inside).into_iter().flat_map(tree);
                let joined = all.map(|(path, name, line)| {
                    let path = [prefix.clone(), path].concat();
                    let name = if name.is_empty() { path.last().cloned().unwrap_or_default() } else { name };
                    (path, name, line)
                });
                return joined.collect();
            }
            "as" => break,
            word => {
                prefix.push(word.to_owned());
                at += 1;
            }
        }
    }
    let Some(line) = tokens.first().map(|token| token.line) else { return Vec::new() };
    let alias = tokens.get(at + 1).map(|alias| alias.text.to_owned());
    if prefix == ["self"] {
        return vec![(Vec::new(), alias.unwrap_or_default(), line)]; // the path before the braces
    }
    let name = alias.or_else(|| prefix.last().cloned()).unwrap_or_default();
    vec![(prefix, name, line)]
}

/// Returns the branches of an import tree.
fn split<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    while at < tokens.len() {
        match tokens[at].text {
            "{" => at += source::bracketed(&tokens[at..]),
            "," => {
                parts.push(&tokens[start..at]);
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    parts.push(&tokens[start..]);
    parts
}

/// Collects every Rust file below a folder.
pub fn gather(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, paths);
        } else if path.extension().is_some_and(|end| end == "rs") {
            paths.push(path);
        }
    }
}
