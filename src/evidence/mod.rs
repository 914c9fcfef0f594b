//! Evidence of an audit: a directory of files that others can check and reproduce, with the SHA-256 of each.
//!
//! | file | content |
//! | --- | --- |
//! | `audit.json` | the outcome: run, options, stores, every count, what was not checked |
//! | `drift.ndjson`, `drift.csv` | every finding, by kind, id and key; the CSV has one line per field |
//! | `totals.csv` | per farm, month and numeric column: count, sum, minimum and maximum on both sides |
//! | `hashes.csv` | per farm and month: records and hash total on both sides |
//! | `days.csv` | per farm and day: records, rows, findings |
//! | `report.html` | the report |
//! | `SHA256SUMS` | checksums for `sha256sum -c`, written last: without it the evidence is incomplete |
//!
//! The same inputs give the same bytes, except in `audit.json` and `report.html`, which contain the run's id, time and
//! duration.

use std::fs;
use std::io::{self, BufRead as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sha2::{Digest, Sha256};

use crate::reconcile::{Drift, Outcome};
use pipeline::atomic_file::temp_file_in;
use pipeline::hex::hex;

mod tables;

/// Name of the checksum file.
const SUMS: &str = "SHA256SUMS";

/// A directory of evidence.
#[derive(Debug)]
pub struct Evidence {
    dir: PathBuf,
    sums: Vec<(String, String)>,
}

impl Evidence {
    /// Creates the directory, which must be new or empty, so that evidence is never mixed with other files.
    ///
    /// # Errors
    ///
    /// Returns an error if it is not empty, or cannot be created or written.
    pub fn begin(dir: &Path) -> anyhow::Result<Self> {
        let shown = dir.display();
        fs::create_dir_all(dir).with_context(|| format!("cannot create --evidence {shown}"))?;
        let mut there = fs::read_dir(dir).with_context(|| format!("--evidence {shown} cannot be read"))?;
        if there.next().is_some() {
            bail!("--evidence {shown} is not empty: pass a new directory");
        }
        temp_file_in(dir).with_context(|| format!("--evidence {shown} cannot be written"))?;
        Ok(Self { dir: dir.to_owned(), sums: Vec::new() })
    }

    /// Writes all files including the report, for any number of findings, in the order in which they are given.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be written, or already exists because of a concurrent audit into the same
    /// directory.
    pub fn write(
        mut self,
        outcome: &Outcome,
        page: &str,
        findings: impl Iterator<Item = io::Result<Drift>>,
    ) -> anyhow::Result<Vec<String>> {
        let dir = self.dir.clone();
        self.file("drift.ndjson", |file| tables::drift_lines(file, findings))?;
        self.file("drift.csv", |file| {
            let lines = io::BufReader::new(fs::File::open(dir.join("drift.ndjson"))?).lines();
            tables::drift(file, lines.map(|line| Ok(serde_json::from_str(&line?)?)))
        })?;
        self.file("totals.csv", |file| tables::totals(file, outcome))?;
        self.file("hashes.csv", |file| tables::hashes(file, outcome))?;
        self.file("days.csv", |file| tables::days(file, outcome))?;
        self.file("report.html", |file| file.write_all(page.as_bytes()))?;
        self.file("audit.json", |file| {
            serde_json::to_writer_pretty(&mut *file, outcome)?;
            file.write_all(b"\n")
        })?;
        self.sums.sort();
        let sums: String = self.sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
        let mut names: Vec<String> = self.sums.iter().map(|(name, _)| name.clone()).collect();
        self.file(SUMS, |file| file.write_all(sums.as_bytes()))?;
        names.push(SUMS.to_owned());
        Ok(names)
    }

    fn file(&mut self, name: &str, write: impl FnOnce(&mut HashingWriter) -> io::Result<()>) -> anyhow::Result<()> {
        let path = self.dir.join(name);
        let context = || format!("--evidence: {} cannot be written", path.display());
        let half = temp_file_in(&self.dir).with_context(context)?;
        let mut file = HashingWriter { file: io::BufWriter::new(half), sum: Sha256::new() };
        write(&mut file).and_then(|()| file.flush()).with_context(context)?;
        let half = file.file.into_inner().map_err(io::IntoInnerError::into_error).with_context(context)?;
        half.as_file().sync_all().with_context(context)?;
        half.persist_noclobber(&path).map_err(|e| e.error).with_context(context)?;
        self.sums.push((name.to_owned(), hex(&file.sum.finalize())));
        Ok(())
    }
}

/// A file writer that computes the checksum.
struct HashingWriter {
    file: io::BufWriter<tempfile::NamedTempFile>,
    sum: Sha256,
}

impl Write for HashingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests;
