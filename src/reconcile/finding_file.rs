//! Files to which findings are written during an audit: the optional drift file, and a file for the repair.
//!
//! The file for the repair has no name, and contains the findings in binary form. The drift file is JSON, one finding per
//! line, and written from the other at the end. It is a temporary file until it is complete, and then renamed.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::action::Action;
use super::baseline::Baseline;
use super::drift::Drift;
use super::finding::Finding;
use super::outcome::BaselineDiff;
use pipeline::atomic_file::temp_file_in;

/// Writes findings to both files.
#[derive(Debug)]
pub struct DriftWriter {
    findings: BufWriter<File>,
    drift: Option<DriftFile>,
    baseline: Option<Baseline>,
}

/// Drift file that is not yet complete.
#[derive(Debug)]
struct DriftFile {
    file: BufWriter<File>,
    unfinished: TempPath,
    path: PathBuf,
}

impl DriftWriter {
    /// Creates a writer, which also writes the drift file `path` if it is given.
    ///
    /// # Errors
    /// Returns an error if a file cannot be created.
    pub fn new(path: Option<&Path>) -> io::Result<Self> {
        let (findings, drift) = match path {
            None => (tempfile::tempfile()?, None),
            Some(path) if path.exists() && !path.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
            }
            Some(path) => {
                // If the path is a symbolic link, its target is replaced, not the link.
                let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
                let dir = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = dir.unwrap_or(Path::new("."));
                let (file, unfinished) = temp_file_in(folder)?.into_parts();
                let findings = tempfile::tempfile_in(folder)?;
                (findings, Some(DriftFile { file: BufWriter::new(file), unfinished, path }))
            }
        };
        Ok(Self { findings: BufWriter::new(findings), drift, baseline: None })
    }

    /// Returns the writer with a baseline to compare every finding with.
    #[must_use]
    pub fn with_baseline(self, baseline: Option<Baseline>) -> Self {
        Self { baseline, ..self }
    }

    /// Writes a finding; `drift` is its JSON form.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(super) fn write(&mut self, finding: &Finding, drift: &Drift) -> io::Result<()> {
        if let Some(baseline) = &mut self.baseline {
            baseline.observe(drift);
        }
        let bytes = postcard::to_stdvec(finding).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.findings.write_all(&length.to_le_bytes())?;
        self.findings.write_all(&bytes)
    }

    /// Completes the files without a repair.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    pub fn finish(self) -> io::Result<WrittenFindings> {
        self.finish_with(|_| None)
    }

    /// Completes the files. The drift file is written here, because only a complete audit determines what a repair changes:
    /// `planned` returns the change for a finding.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    pub fn finish_with(self, planned: impl Fn(&Finding) -> Option<Action>) -> io::Result<WrittenFindings> {
        let file = self.findings.into_inner().map_err(io::IntoInnerError::into_error)?;
        let findings = WrittenFindings { file, since: self.baseline.map(Baseline::finish) };
        if let Some(DriftFile { mut file, unfinished, path }) = self.drift {
            for finding in findings.read()? {
                let finding = finding?;
                let drift = Drift::from(&finding).with_repair(planned(&finding));
                serde_json::to_writer(&mut file, &drift)?;
                file.write_all(b"\n")?;
            }
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            unfinished.persist(path).map_err(|e| e.error)?;
        }
        Ok(findings)
    }
}

/// All findings of an audit; they can be read repeatedly.
#[derive(Debug)]
pub struct WrittenFindings {
    file: File,
    /// Comparison with an earlier audit, if requested; only correct for a complete audit.
    pub since: Option<BaselineDiff>,
}

impl WrittenFindings {
    /// Returns the findings in order; supports only one reader at a time.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub fn read(&self) -> io::Result<impl Iterator<Item = io::Result<Finding>>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        let mut file = BufReader::new(file);
        Ok(std::iter::from_fn(move || next(&mut file).transpose()))
    }
}

/// Returns the next finding, or `None` after the last.
fn next(file: &mut impl Read) -> io::Result<Option<Finding>> {
    let mut length = [0; 4];
    match file.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    file.read_exact(&mut bytes)?;
    postcard::from_bytes(&bytes).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::DriftKind;

    #[test]
    fn findings_come_back_as_often_as_wanted_and_the_drift_file_has_them_as_json() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("drift.ndjson");
        for path in [None, Some(path.as_path())] {
            let mut sink = DriftWriter::new(path).unwrap();
            let findings: Vec<_> = (0..1_000).map(|n| Finding::new(DriftKind::LakeOnly, n.to_string(), None)).collect();
            findings.iter().for_each(|finding| sink.write(finding, &Drift::from(finding)).unwrap());
            let written = sink.finish().unwrap();
            for _ in 0..2 {
                let read: Vec<_> = written.read().unwrap().map(Result::unwrap).collect();
                assert_eq!(read, findings);
            }
        }
        let lines = std::fs::read_to_string(&path).unwrap();
        assert_eq!(lines.lines().count(), 1_000);
        assert_eq!(serde_json::from_str::<Drift>(lines.lines().nth(7).unwrap()).unwrap().id.unwrap(), "7");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "and nothing else is left");
    }

    #[test]
    fn a_file_of_findings_that_was_cut_is_an_error_and_no_end() {
        let mut sink = DriftWriter::new(None).unwrap();
        let finding = Finding::new(DriftKind::LakeOnly, "1", None);
        sink.write(&finding, &Drift::from(&finding)).unwrap();
        let written = sink.finish().unwrap();
        written.file.set_len(written.file.metadata().unwrap().len() - 1).unwrap();
        assert!(written.read().unwrap().next().unwrap().is_err());
    }
}
