//! History files given on the command line; a directory is replaced by its files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::compression::{CompressionFormat, MaxExpansion};

/// Extensions of history files, optionally followed by `.gz` or `.zst`.
const EXTENSIONS: [&str; 4] = ["json", "ndjson", "jsonl", "csv"];

/// Limits on input files.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct ExpansionFlags {
    /// Maximum ratio of decompressed to compressed size of a file; the first 64 MiB are always read
    #[arg(long, value_name = "N", default_value_t = MaxExpansion::DEFAULT.0, value_parser = clap::value_parser!(u64).range(1..))]
    max_decompression_ratio: u64,
}

impl ExpansionFlags {
    pub(super) fn max(self) -> MaxExpansion {
        MaxExpansion(self.max_decompression_ratio)
    }
}

/// Replaces each directory by its history files, sorted by name; subdirectories are not searched.
///
/// # Errors
/// Returns an error if a directory cannot be read or has no history file.
pub(super) fn expanded(paths: Vec<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        if path.is_dir() {
            files.extend(of_directory(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn of_directory(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = directory.display();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("{shown}"))? {
        let path = entry.with_context(|| format!("{shown}"))?.path();
        if is_history(&path) && path.is_file() {
            files.push(path);
        }
    }
    ensure!(!files.is_empty(), "{shown} is a directory without history files (.json, .ndjson, .jsonl or .csv)");
    files.sort();
    Ok(files)
}

fn is_history(path: &Path) -> bool {
    let (_, inner) = CompressionFormat::from_path(path);
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = inner.extension().map(|extension| extension.to_ascii_lowercase());
    !hidden && extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_its_history_files_in_order() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        for name in ["b.csv", "a.json.gz", "c.NDJSON", "truth.zst", "readme.txt", ".hidden.json", "c.ndjson.zst"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::fs::create_dir(path("dir.json")).unwrap();
        let files = expanded(vec!["-".into(), home.path().into(), "x".into()]).unwrap();
        let expected = ["a.json.gz", "b.csv", "c.NDJSON", "c.ndjson.zst"].map(path);
        assert_eq!(files, [&["-".into()], &expected[..], &["x".into()]].concat());
        let e = expanded(vec![path("dir.json")]).unwrap_err().to_string();
        assert!(e.contains("without history files"), "{e}");
    }
}
