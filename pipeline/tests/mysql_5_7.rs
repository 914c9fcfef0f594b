//! No statement needs a feature that MySQL 5.7 lacks. Every statement is in these files; none is built elsewhere.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::path::{Path, PathBuf};

/// Syntax that only newer servers support, as it would appear in a statement, with the version.
const NEWER: [(&str, &str); 17] = [
    (" as double)", "8.0.17: write `column` + 0E0"),
    (" as float)", "8.0.17"),
    (" for share", "8.0.1: write LOCK IN SHARE MODE"),
    ("skip locked", "8.0.1"),
    ("nowait", "8.0.1"),
    ("with recursive", "8.0.1"),
    ("with cte", "8.0.1"),
    (" over (", "8.0.2"),
    ("lateral", "8.0.14"),
    ("json_table", "8.0.4"),
    ("intersect ", "8.0.31"),
    (" except ", "8.0.31"),
    (" as new on duplicate", "8.0.19: write VALUES(column)"),
    ("values row(", "8.0.19"),
    ("rename column", "8.0.3"),
    ("utf8mb4_0900", "8.0.1"),
    ("if not exists idx", "MariaDB only"),
];

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "sql") {
            found.push(path);
        }
    }
}

#[test]
fn no_statement_needs_a_newer_server() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("src/warehouse/schema.rs"), root.join("src/warehouse/snapshot.rs")];
    files(&root.join("src/warehouse/mysql"), &mut found);
    files(&root.join("../sql/mysql"), &mut found);
    assert!(found.len() > 20, "{found:?}");
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with("--")) {
            for (newer, why) in NEWER {
                assert!(!line.to_lowercase().contains(newer), "{}: {line}: {why}", path.display());
            }
        }
    }
}
