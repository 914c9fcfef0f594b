//! Files to which findings are written during an audit: the optional drift file, and a file for the repair.
//!
//! The file for the repair has no name, and contains the findings in binary form. It is sorted at the end, because the order in
//! which findings occur is not fixed: objects are read concurrently, and an audit in shards joins what they deferred. The
//! drift file is JSON, one finding per line, and written from the other. It is a temporary file until it is complete, and
//! then renamed.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::action::Action;
use super::baseline::Baseline;
use super::drift::Drift;
use super::entries::SortedFinding;
use super::finding::Finding;
use super::outcome::BaselineDiff;
use super::sorters::{FULL, Sorters};
use crate::sort::SortSettings;
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
        write_entry(&mut self.findings, &bytes)
    }

    /// Completes the files without a repair, with findings sorted by these settings.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    pub fn finish(self, sort: &SortSettings) -> io::Result<WrittenFindings> {
        self.finish_with(sort, |_| None)
    }

    /// Completes the files. The drift file is written here, because only a complete audit determines what a repair changes:
    /// `planned` returns the change for a finding.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written.
    pub fn finish_with(
        self,
        sort: &SortSettings,
        planned: impl Fn(&Finding) -> Option<Action>,
    ) -> io::Result<WrittenFindings> {
        let file = self.findings.into_inner().map_err(io::IntoInnerError::into_error)?;
        let findings = WrittenFindings { file: sorted(file, sort)?, since: self.baseline.map(Baseline::finish) };
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
    /// Returns the findings, by kind, id and key; supports only one reader at a time.
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

/// Sorts the findings of a file.
fn sorted(mut file: File, sort: &SortSettings) -> io::Result<File> {
    let full = |e: io::Error| io::Error::new(e.kind(), format!("{FULL}: {e}"));
    let mut sorter = Sorters::new(sort, false).and_then(|sorters| sorters.sorted_findings()).map_err(full)?;
    file.seek(SeekFrom::Start(0))?;
    let mut unsorted = BufReader::new(&file);
    while let Some(finding) = next(&mut unsorted)? {
        let bytes = postcard::to_stdvec(&finding).map_err(io::Error::other)?;
        let Drift { kind, id, key, reason, .. } = Drift::from(&finding);
        sorter.push(SortedFinding { kind, id, key, reason, bytes }).map_err(full)?;
    }
    let entries = sorter.finish().map_err(full)?;
    // All of them are in the sorter now, so their file is used again.
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    let mut file = BufWriter::new(file);
    for entry in entries {
        write_entry(&mut file, &entry.map_err(full)?.bytes)?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)
}

/// Writes a finding in binary form, after its length.
fn write_entry(file: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(bytes)
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
    use crate::reconcile::finding::Stability;
    use pipeline::record::Column;
    use pipeline::record::row::Value;
    use proptest::prelude::*;

    /// Returns settings with which more than a thousand findings are sorted on disk.
    fn sort(dir: &Path) -> SortSettings {
        SortSettings { memory: 1, dir: dir.to_owned() }
    }

    #[test]
    fn findings_come_back_as_often_as_wanted_and_the_drift_file_has_them_as_json() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = home.path().join("drift.ndjson");
        for path in [None, Some(path.as_path())] {
            let mut sink = DriftWriter::new(path).unwrap();
            let finding = |n: u32| Finding::new(DriftKind::LakeOnly, format!("{n:04}"), None);
            let findings: Vec<_> = (0..1_000).map(finding).collect();
            findings.iter().for_each(|finding| sink.write(finding, &Drift::from(finding)).unwrap());
            let written = sink.finish(&sort(elsewhere.path())).unwrap();
            for _ in 0..2 {
                let read: Vec<_> = written.read().unwrap().map(Result::unwrap).collect();
                assert_eq!(read, findings);
            }
        }
        let lines = std::fs::read_to_string(&path).unwrap();
        assert_eq!(lines.lines().count(), 1_000);
        assert_eq!(serde_json::from_str::<Drift>(lines.lines().nth(7).unwrap()).unwrap().id.unwrap(), "0007");
        for dir in [&home, &elsewhere] {
            let left = std::fs::read_dir(dir.path()).unwrap().count();
            assert_eq!(left, usize::from(dir.path() == home.path()), "and nothing else is left");
        }
    }

    #[test]
    fn a_truncated_file_of_findings_is_an_error() {
        let mut sink = DriftWriter::new(None).unwrap();
        let finding = Finding::new(DriftKind::LakeOnly, "1", None);
        sink.write(&finding, &Drift::from(&finding)).unwrap();
        let home = tempfile::tempdir().unwrap();
        let written = sink.finish(&sort(home.path())).unwrap();
        written.file.set_len(written.file.metadata().unwrap().len() - 1).unwrap();
        assert!(written.read().unwrap().next().unwrap().is_err());
    }

    /// Returns the drift file of findings that occurred in this order.
    fn drift_file(findings: &[Finding]) -> String {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("drift.ndjson");
        let mut sink = DriftWriter::new(Some(&path)).unwrap();
        findings.iter().for_each(|finding| sink.write(finding, &Drift::from(finding)).unwrap());
        sink.finish(&sort(home.path())).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    /// Returns a finding; many of them have the same kind, id and key, and differ in a reason or a value.
    fn a_finding() -> impl Strategy<Value = Finding> {
        let kind = prop::sample::select(DriftKind::ALL.to_vec());
        let (key, reason) = (prop::option::of("k[0-2]"), prop::option::of("why [0-2]"));
        (kind, prop::option::of("[ab]"), key, reason, any::<bool>(), 0..3_i64).prop_map(
            |(kind, id, key, reason, is_unstable, value)| {
                let stability = if is_unstable { Stability::Unstable } else { Stability::Confirmed };
                Finding { id, reason, stability, ..Finding::without_id(kind, key) }.with_field(
                    Column::DiaConfinamento,
                    Value::Integer(value),
                    Value::Null,
                )
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_drift_file_does_not_depend_on_the_order_in_which_findings_occur(
            (one, other) in prop::collection::vec(a_finding(), 0..60)
                .prop_flat_map(|findings| (Just(findings.clone()), Just(findings).prop_shuffle()))
        ) {
            prop_assert_eq!(drift_file(&one), drift_file(&other));
        }
    }

    #[test]
    fn more_findings_than_fit_into_memory_are_sorted_too() {
        let finding = |n: u32| {
            let kind = if n.is_multiple_of(3) { DriftKind::Misfiled } else { DriftKind::LakeOnly };
            Finding::new(kind, format!("{n:04}"), None)
        };
        let findings: Vec<_> = (0..2_500).map(finding).collect();
        let file = drift_file(&findings);
        assert_eq!(file, drift_file(&findings.into_iter().rev().collect::<Vec<_>>()));
        let first: Drift = serde_json::from_str(file.lines().next().unwrap()).unwrap();
        assert_eq!((first.kind, first.id.as_deref(), file.lines().count()), (DriftKind::LakeOnly, Some("0001"), 2_500));
    }
}
