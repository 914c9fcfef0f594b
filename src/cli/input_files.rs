//! History files given on the command line, and the flags for reading them; a directory is replaced by its files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::compression::{CompressionFormat, MaxExpansion};
use crate::herd::LineFormat;
use crate::history::{Encoding, InputSettings};
use pipeline::record::DateOrder;

/// Extensions of history files, optionally followed by `.gz` or `.zst`.
const EXTENSIONS: [&str; 6] = ["json", "ndjson", "jsonl", "csv", "tsv", "parquet"];

/// Extensions of files that may contain readings, but cannot be read.
const UNREADABLE: [&str; 9] = ["xlsx", "xls", "xlsm", "xlsb", "ods", "zip", "rar", "7z", "tar"];

/// Flags for what the content of input files does not show.
#[derive(Debug, clap::Args)]
pub(super) struct InputFlags {
    /// Format of text files [default: CSV for .csv and .tsv files, otherwise NDJSON]
    #[arg(long, value_name = "FORMAT")]
    format: Option<LineFormat>,
    /// Encoding of text files that are not UTF-8: windows-1252 (also for Latin-1), utf-16le or utf-16be
    ///
    /// UTF-8, and UTF-16 with a byte order mark, are detected. With utf-8, lines in another encoding are rejected one by
    /// one; by default, they reject their file.
    #[arg(long, value_name = "ENCODING")]
    encoding: Option<Encoding>,
    /// Order of day and month in dates such as 05/03/2023: dmy or mdy [default: reject such dates]
    #[arg(long, value_name = "ORDER")]
    date_order: Option<DateOrder>,
    /// Maximum ratio of decompressed to compressed size of a file; the first 64 MiB are always read
    #[arg(long, value_name = "N", default_value_t = MaxExpansion::DEFAULT.0, value_parser = clap::value_parser!(u64).range(1..))]
    max_decompression_ratio: u64,
}

impl InputFlags {
    /// Returns the settings for all input files.
    pub(super) fn settings(&self) -> InputSettings {
        InputSettings {
            format: self.format,
            encoding: self.encoding,
            date_order: self.date_order,
            max_expansion: MaxExpansion(self.max_decompression_ratio),
        }
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
    let (mut files, mut unreadable) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(directory).with_context(|| format!("{shown}"))? {
        let path = entry.with_context(|| format!("{shown}"))?.path();
        if is_one_of(&path, &EXTENSIONS) && path.is_file() {
            files.push(path);
        } else if is_one_of(&path, &UNREADABLE) && path.is_file() {
            unreadable.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    unreadable.sort();
    if let Some(first) = unreadable.first() {
        let more = match unreadable.len() {
            1 => String::new(),
            all => format!(" and {} more", all - 1),
        };
        tracing::warn!(
            "{shown}: {first}{more} not read: workbooks and archives are not supported, pass CSV, NDJSON or Parquet"
        );
    }
    ensure!(!files.is_empty(), "{shown} is a directory without history files (.{})", EXTENSIONS.join(", ."));
    files.sort();
    Ok(files)
}

fn is_one_of(path: &Path, extensions: &[&str]) -> bool {
    let (_, inner) = CompressionFormat::from_path(path);
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = inner.extension().map(|extension| extension.to_ascii_lowercase());
    !hidden && extension.is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_its_history_files_in_order() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        for name in [
            "b.csv",
            "a.json.gz",
            "c.NDJSON",
            "d.parquet",
            "e.xlsx",
            "f.tsv",
            "truth.zst",
            "readme.txt",
            ".hidden.json",
            "c.ndjson.zst",
        ] {
            std::fs::write(path(name), "").unwrap();
        }
        std::fs::create_dir(path("dir.json")).unwrap();
        let files = expanded(vec!["-".into(), home.path().into(), "x".into()]).unwrap();
        let expected = ["a.json.gz", "b.csv", "c.NDJSON", "c.ndjson.zst", "d.parquet", "f.tsv"].map(path);
        assert_eq!(files, [&["-".into()], &expected[..], &["x".into()]].concat());
        let e = expanded(vec![path("dir.json")]).unwrap_err().to_string();
        assert!(e.contains("without history files"), "{e}");
    }
}
