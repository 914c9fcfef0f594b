//! The structure of the crates, checked in their sources: modules import downwards only, files have no cycles, only the command
//! line chooses concrete back ends, and files and structs stay small.
//!
//! The order of the modules is the first text block in the documentation of each `lib.rs`.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod cycles;
mod modules;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use modules::{Crate, Edge};

/// Maximum number of lines of a file.
const MAX_LINES: usize = 400;
/// Maximum number of fields of a struct.
const MAX_FIELDS: usize = 15;

/// Structs that may have more fields, each with the reason.
const LARGE_STRUCTS: [(&str, &str); 6] = [
    ("Outcome", "the JSON of a job: one field per group of its results"),
    ("Preview", "the JSON of a dry run of replay, a separate outcome"),
    ("Truth", "the part of an audit's JSON that truth files add"),
    ("Args", "the flags of a command: a table that clap reads, one field per flag or group"),
    ("Publish", "what the template of a load test's page is filled with, one field per section"),
    ("Audit", "what the template of the audit's page is filled with, one field per section"),
];

/// Modules that may name concrete back ends. `bundle` deploys the Lambda, whose warehouse is MySQL.
const CHOOSERS: [&str; 3] = ["cli", "demo", "bundle"];

fn repository() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").unwrap().into()
}

fn toolkit() -> Crate {
    Crate::read(&repository(), "ruminate", "src")
}

fn pipeline() -> Crate {
    Crate::read(&repository(), "pipeline", "pipeline/src")
}

/// Fails with all violations of a rule, one per line.
#[track_caller]
fn nothing_in(broken: Vec<String>, rule: &str) {
    assert!(broken.is_empty(), "{rule}; {} broken:\n{}\n", broken.len(), broken.join("\n"));
}

/// Returns the rows of the diagram in the documentation of `lib.rs`: each module's row, the highest first.
///
/// A row begins in the first column with its modules, `a · b`, and two spaces end them; other lines explain.
fn rows(of: &Crate) -> BTreeMap<String, usize> {
    let lib = of.files.iter().find(|file| file.path.ends_with("src/lib.rs")).unwrap();
    let docs = lib.docs();
    let diagram = docs.split("```").nth(1).and_then(|block| block.strip_prefix("text")).expect("a text block");
    let mut rows = BTreeMap::new();
    for (row, line) in diagram.lines().enumerate() {
        let names = if line.starts_with(' ') { "" } else { line.split("  ").next().unwrap_or_default() };
        for name in names.split(" · ").filter(|name| name.starts_with(char::is_alphabetic)) {
            assert!(rows.insert(name.to_owned(), row).is_none(), "{}: {name} is twice in the diagram", lib.path);
        }
    }
    rows
}

fn shown(from: &Crate, to: &Crate, edge: &Edge) -> String {
    let Edge { from: a, to: b, from_line, to_line } = *edge;
    format!("{}:{from_line} -> {}:{to_line}", from.files[a].path, to.files[b].path)
}

#[test]
fn every_module_has_its_row_in_the_order_that_lib_rs_declares() {
    for of in [toolkit(), pipeline()] {
        let rows = rows(&of);
        let modules: Vec<&str> = of.files.iter().filter_map(|file| file.top()).collect();
        let missing = modules.iter().filter(|top| !rows.contains_key(**top)).map(|top| format!("{top}: no row"));
        let unknown = rows.keys().filter(|row| !modules.contains(&row.as_str())).map(|row| format!("{row}: no module"));
        let mut broken: Vec<String> = missing.chain(unknown).collect();
        broken.dedup();
        nothing_in(broken, &format!("the diagram in {}'s lib.rs names its modules", of.name));
    }
}

#[test]
fn modules_import_downwards_only() {
    for of in [toolkit(), pipeline()] {
        let rows = rows(&of);
        let row = |file: usize| of.files[file].top().and_then(|top| rows.get(top));
        let upwards = |edge: &Edge| {
            let same = of.files[edge.from].top() == of.files[edge.to].top();
            !same && row(edge.from).zip(row(edge.to)).is_some_and(|(from, to)| from >= to)
        };
        let broken = of.edges().iter().filter(|edge| upwards(edge)).map(|edge| shown(&of, &of, edge)).collect();
        nothing_in(broken, "an import goes to a lower row of the diagram in lib.rs");
    }
}

/// Returns the units of two files in their common module: the file or folder of each, as module paths. `None` for a
/// module's file and the files in its folder, which are one unit: a parent uses its children, and they use the types
/// that it declares.
fn siblings(of: &Crate, edge: &Edge) -> Option<(Vec<String>, Vec<String>)> {
    let (from, to) = (&of.files[edge.from].module, &of.files[edge.to].module);
    let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    (from.len() > common && to.len() > common).then(|| (from[..=common].to_vec(), to[..=common].to_vec()))
}

#[test]
fn files_and_folders_of_a_module_have_no_cycles() {
    for of in [toolkit(), pipeline()] {
        let edges = of.edges();
        let between = edges.iter().filter_map(|edge| siblings(&of, edge).map(|(from, to)| (from, to, *edge)));
        let shown = |cycle: &Vec<Edge>| {
            let steps: Vec<String> = cycle.iter().map(|edge| format!("    {}", shown(&of, &of, edge))).collect();
            format!("  cycle:\n{}", steps.join("\n"))
        };
        let broken = cycles::cycles(between).iter().map(shown).collect();
        nothing_in(broken, "no file or folder of a module needs one that needs it");
    }
}

#[test]
fn only_the_command_line_and_the_demo_import_what_renders() {
    let of = toolkit();
    let top = |file: usize| of.files[file].top();
    let wrong = |edge: &&Edge| {
        let within = ["render", "cli", "demo", "main"];
        top(edge.to) == Some("render") && !top(edge.from).is_some_and(|top| within.contains(&top))
    };
    let broken = of.edges().iter().filter(wrong).map(|edge| shown(&of, &of, edge)).collect();
    nothing_in(broken, "jobs return outcomes and do not know how they are shown");
}

/// Returns the modules of the back ends of an address: the variants of its enum in a file, in lower case.
fn back_ends(file: &str, address: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join(file)).unwrap();
    let file = syn::parse_file(&text).unwrap();
    let variants = file.items.iter().find_map(|item| match item {
        syn::Item::Enum(addresses) if addresses.ident == address => {
            Some(addresses.variants.iter().map(|variant| variant.ident.to_string().to_lowercase()).collect())
        }
        _ => None,
    });
    variants.expect("an enum of addresses")
}

#[test]
fn only_the_command_line_the_demo_and_the_bundle_choose_back_ends() {
    let (toolkit, pipeline) = (toolkit(), pipeline());
    let chooses = |file: usize| toolkit.files[file].top().is_none_or(|top| CHOOSERS.contains(&top));
    let lakes = back_ends("pipeline/src/lake/mod.rs", "LakeUrl");
    let warehouses = back_ends("pipeline/src/warehouse/mod.rs", "WarehouseUrl");
    let topics = back_ends("src/topic/mod.rs", "TopicAddress");
    let is_back_end = |module: &[String]| {
        let [first, second, ..] = module else { return false };
        match first.as_str() {
            "lake" => lakes.contains(second),
            "warehouse" => warehouses.contains(second),
            "topic" => topics.contains(second),
            _ => false,
        }
    };
    let mut broken = Vec::new();
    for (of, edges) in [(&pipeline, toolkit.edges_into(&pipeline)), (&toolkit, toolkit.edges())] {
        let wrong = edges.iter().filter(|edge| {
            let (from, to) = (&toolkit.files[edge.from], &of.files[edge.to]);
            let is_own = of.name == toolkit.name && from.top() == to.top();
            is_back_end(&to.module) && !chooses(edge.from) && !is_own
        });
        broken.extend(wrong.map(|edge| shown(&toolkit, of, edge)));
    }
    nothing_in(broken, "jobs know the traits of lake, warehouse and topic only");
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let mut paths = Vec::new();
    for folder in ["src", "pipeline", "lambda", "tests", "benches", "examples"] {
        modules::gather(&repository().join(folder), &mut paths);
    }
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
    let long = paths.iter().map(|path| (path, lines(path))).filter(|(_, lines)| *lines > MAX_LINES);
    let named = |path: &Path| path.strip_prefix(repository()).unwrap().display().to_string();
    let mut broken: Vec<String> = long.map(|(path, lines)| format!("{}: {lines} lines", named(path))).collect();
    broken.sort();
    nothing_in(broken, &format!("a file has at most {MAX_LINES} lines"));
}

#[test]
fn no_file_is_compiled_into_two_crates_by_its_path() {
    let mut paths = Vec::new();
    for folder in ["src", "pipeline", "lambda", "tests", "examples"] {
        modules::gather(&repository().join(folder), &mut paths);
    }
    let mut broken = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let tokens = source::lex(&text);
        let attributes = tokens.windows(3).filter(|three| three.iter().map(|token| token.text).eq(["#", "[", "path"]));
        broken.extend(attributes.map(|three| format!("{}:{}", path.display(), three[0].line)));
    }
    nothing_in(broken, "shared test code is in the crate testkit, and the path of a module follows from its name");
}

#[test]
fn no_struct_has_more_than_15_fields() {
    let lambda = Crate::read(&repository(), "ruminate_lambda", "lambda/src");
    let mut broken = Vec::new();
    for of in [toolkit(), pipeline(), lambda] {
        for file in &of.files {
            let is_allowed = |name: &str| LARGE_STRUCTS.iter().any(|(allowed, _)| *allowed == name);
            let large = source::structs(&file.tokens()).into_iter().filter(|found| found.fields > MAX_FIELDS);
            let large = large.filter(|found| !is_allowed(found.name));
            broken.extend(
                large.map(|found| format!("{}:{}: {} has {} fields", file.path, found.line, found.name, found.fields)),
            );
        }
    }
    nothing_in(broken, &format!("a struct has at most {MAX_FIELDS} fields, or its name is in LARGE_STRUCTS"));
}
