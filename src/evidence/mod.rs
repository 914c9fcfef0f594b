//! An audit's evidence: a folder of files that somebody else can check and repeat, with the SHA-256 of each.
//!
//! | file | what |
//! | --- | --- |
//! | `audit.json` | the outcome: which run, what was asked, of which stores, every count, what was not checked |
//! | `drift.ndjson`, `drift.csv` | every finding, by kind, id and key; in the CSV a line a field |
//! | `totals.csv` | per farm, month and numeric column: count, sum, smallest and largest on both sides |
//! | `hashes.csv` | per farm and month: records and hash total on both sides |
//! | `days.csv` | per farm and day: records, rows, findings |
//! | `report.html` | the page |
//! | `SHA256SUMS` | as `sha256sum -c` takes it, written last: without it the evidence is not whole |
//!
//! The same inputs give the same bytes, but for `audit.json` and `report.html`, which say which run it was, when, and how
//! long it took.

use std::fs;
use std::io::{self, BufRead as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sha2::{Digest, Sha256};

use crate::reconcile::{Drift, Outcome};
use pipeline::atomic_file::temp_file_in;
use pipeline::hex::hex;

mod tables;

/// The checksums.
const SUMS: &str = "SHA256SUMS";

/// A folder that evidence is written into.
#[derive(Debug)]
pub struct Evidence {
    dir: PathBuf,
    sums: Vec<(String, String)>,
}

impl Evidence {
    /// A new folder, or one that is empty: evidence is never mixed with anything.
    ///
    /// # Errors
    /// There is something in it, or it cannot be made or written.
    pub fn begin(dir: &Path) -> anyhow::Result<Self> {
        let shown = dir.display();
        fs::create_dir_all(dir).with_context(|| format!("--evidence {shown} cannot be made"))?;
        let mut there = fs::read_dir(dir).with_context(|| format!("--evidence {shown} cannot be read"))?;
        if there.next().is_some() {
            bail!("--evidence {shown} is not empty, and evidence is never mixed: give a new folder");
        }
        temp_file_in(dir).with_context(|| format!("--evidence {shown} cannot be written"))?;
        Ok(Self { dir: dir.to_owned(), sums: Vec::new() })
    }

    /// Writes everything, the report's page included, for any number of findings: they are sorted within the folder.
    ///
    /// # Errors
    /// A file cannot be written, or is there already, from another audit into the same folder.
    pub fn write(
        mut self,
        outcome: &Outcome,
        page: &str,
        findings: impl Iterator<Item = io::Result<Drift>>,
    ) -> anyhow::Result<Vec<String>> {
        let dir = self.dir.clone();
        self.file("drift.ndjson", |file| tables::drift_lines(file, &dir, findings))?;
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

/// A file whose checksum is made while it is written.
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
