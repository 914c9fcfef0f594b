//! History files given on the command line, and the flags for reading them; a directory is replaced by its files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::compression::{CompressionFormat, MaxExpansion};
use crate::herd::LineFormat;
use crate::history::{DecimalMark, Encoding, InputReport, InputSettings};
use pipeline::record::DateOrder;

/// Extensions of history files, optionally followed by `.gz` or `.zst`.
const EXTENSIONS: [&str; 6] = ["json", "ndjson", "jsonl", "csv", "tsv", "parquet"];

/// Extensions of files that are read although they cannot contain readings: the error after their first bytes states
/// what to do.
const UNREADABLE: [&str; 9] = ["xlsx", "xls", "xlsm", "xlsb", "ods", "zip", "rar", "7z", "tar"];

/// Extensions of compressed files that are recognized by their first bytes, and not read.
const OTHER_COMPRESSION: [&str; 4] = ["bz2", "xz", "lz4", "z"];

/// Extensions of files next to histories that contain no readings.
const NO_READINGS: [&str; 8] = ["md", "crc", "md5", "sha1", "sha256", "sha512", "ini", "db"];

/// Names of files next to histories that contain no readings, in lower case, up to the first point.
const NO_READINGS_NAMES: [&str; 7] = ["readme", "license", "changelog", "truth", "sha256sums", "md5sums", "desktop"];

/// Maximum number of entries that are checked to find out whether a subdirectory has history files.
const MAX_CHECKED: usize = 1_000;

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
    /// Decimal mark of the numbers in CSV: point (1,234.5) or comma (1.234,5) [default: detected from the numbers of a file]
    ///
    /// A file of which no number shows the mark, such as one with 1.234 and no 9.5, is rejected without this flag. Digits that
    /// are grouped by the other mark are then read too.
    #[arg(long, value_name = "MARK")]
    decimal_mark: Option<DecimalMark>,
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
            decimal_mark: self.decimal_mark,
            max_expansion: MaxExpansion(self.max_decompression_ratio),
            is_live: false,
        }
    }
}

/// Input files of a run.
#[derive(Debug, Default)]
pub(super) struct InputPaths {
    /// Files to read.
    pub files: Vec<PathBuf>,
    /// Files of the directories that are not read, although they may have readings, each with the reason.
    pub not_read: Vec<InputReport>,
}

/// Replaces each directory by its history files, sorted by name; subdirectories are not searched.
///
/// # Errors
/// Returns an error if a directory cannot be read or has no history file.
pub(super) fn expanded(paths: Vec<PathBuf>) -> anyhow::Result<InputPaths> {
    let mut all = InputPaths::default();
    for path in paths {
        if path.is_dir() {
            let InputPaths { files, not_read } = of_directory(&path)?;
            all.files.extend(files);
            all.not_read.extend(not_read);
        } else {
            all.files.push(path);
        }
    }
    Ok(all)
}

fn of_directory(directory: &Path) -> anyhow::Result<InputPaths> {
    let shown = directory.display();
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("{shown}"))? {
        entries.push(entry.with_context(|| format!("{shown}"))?.path());
    }
    entries.sort();
    let mut found = InputPaths::default();
    for path in entries.into_iter().filter(|path| !is_hidden(path)) {
        // A broken link is read, which fails.
        let is_file = std::fs::metadata(&path).map_or(true, |meta| meta.is_file());
        let reason = if path.is_dir() {
            if !has_histories(&path, &mut 0) {
                continue;
            }
            "it is a subdirectory, and subdirectories are not searched: pass it too, or pass files only".to_owned()
        } else if is_history(&path) {
            ensure!(is_file, "{}: it is not a regular file: pass it by its name", path.display());
            found.files.push(path);
            continue;
        } else if has_no_readings(&path) {
            continue;
        } else {
            format!(
                "its name does not end with .{} and was not read: pass it by its name, or pass the other files by theirs",
                EXTENSIONS.join(", .")
            )
        };
        found.not_read.push(InputReport::rejected(path.display().to_string(), reason));
    }
    ensure!(!found.files.is_empty(), "{shown} is a directory without history files (.{})", EXTENSIONS.join(", ."));
    Ok(found)
}

/// Returns true if a directory has history files, at any depth. Links are not followed.
fn has_histories(directory: &Path, checked: &mut usize) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return true };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| !is_hidden(path)) {
        *checked += 1;
        let is_directory = path.is_dir() && !path.is_symlink();
        if *checked > MAX_CHECKED || is_one_of(&path, &EXTENSIONS) || is_directory && has_histories(&path, checked) {
            return true;
        }
    }
    false
}

/// Returns true for files that are read: histories, and files whose error states what to do.
fn is_history(path: &Path) -> bool {
    let is_compressed =
        path.extension().is_some_and(|ending| OTHER_COMPRESSION.iter().any(|other| ending.eq_ignore_ascii_case(other)));
    is_one_of(path, &EXTENSIONS)
        || is_one_of(path, &UNREADABLE)
        || is_compressed && is_one_of(&path.with_extension(""), &EXTENSIONS)
}

/// Returns true for files that other programs put next to histories, and for truth files.
fn has_no_readings(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let begin = name.split('.').next().unwrap_or_default();
    name.starts_with('_') || NO_READINGS_NAMES.contains(&begin) || is_one_of(path, &NO_READINGS)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_one_of(path: &Path, extensions: &[&str]) -> bool {
    let (_, inner) = CompressionFormat::from_path(path);
    let extension = inner.extension().map(|extension| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_replaced_by_its_history_files_in_order() {
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
            "_SUCCESS",
            "SHA256SUMS",
            ".hidden.json",
            "c.ndjson.zst",
        ] {
            std::fs::write(path(name), "").unwrap();
        }
        std::fs::create_dir(path("dir.json")).unwrap();
        let InputPaths { files, not_read } = expanded(vec!["-".into(), home.path().into(), "x".into()]).unwrap();
        let expected = ["a.json.gz", "b.csv", "c.NDJSON", "c.ndjson.zst", "d.parquet", "e.xlsx", "f.tsv"].map(path);
        assert_eq!(files, [&["-".into()], &expected[..], &["x".into()]].concat());
        assert!(not_read.is_empty(), "{not_read:?}");
        let e = expanded(vec![path("dir.json")]).unwrap_err().to_string();
        assert!(e.contains("without history files"), "{e}");
    }

    #[test]
    fn a_file_that_is_not_read_in_a_directory_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        for name in ["empty", "month=01", "month=01/farm=x"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        let others = ["a.csv.gzip", "b.csv.1", "c.csv.part", "d.txt", "month=01", "part-00000"];
        for name in ["x.csv", "x.csv.bz2", "empty/notes", "month=01/farm=x/0.parquet"] {
            std::fs::write(path(name), "").unwrap();
        }
        others.iter().filter(|name| **name != "month=01").for_each(|name| std::fs::write(path(name), "").unwrap());
        let InputPaths { files, not_read } = expanded(vec![home.path().into()]).unwrap();
        assert_eq!(files, [path("x.csv"), path("x.csv.bz2")]);
        let names: Vec<_> = not_read.iter().map(|report| PathBuf::from(&report.file)).collect();
        assert_eq!(names, others.map(path));
        assert!(not_read.iter().all(|report| report.rejected.as_ref().is_some_and(|why| why.contains("pass it"))));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_nothing_is_read_and_a_device_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        std::os::unix::fs::symlink("gone.csv", path("a.csv")).unwrap();
        assert_eq!(expanded(vec![home.path().into()]).unwrap().files, [path("a.csv")]);
        std::os::unix::fs::symlink("/dev/null", path("b.csv")).unwrap();
        let e = expanded(vec![home.path().into()]).unwrap_err().to_string();
        assert!(e.contains("b.csv: it is not a regular file"), "{e}");
    }
}
