//! Synthetic histories as files or as a stream, with a truth file next to them. This module owns file names, formats,
//! overwrite protection and atomic writes; [`crate::herd`] owns their content.
//!
//! | file | owns |
//! | --- | --- |
//! | `encode.rs` | encoding of a batch of units in a worker thread |
//! | `parquet.rs` | readings as Parquet |
//! | `sink.rs` | directory, file or stdout |
//! | `checksum_tests.rs` | tests only: SHA-256 of reference sets |
//! | `truth_file.rs` | atomic write of the truth file |
//! | `outcome.rs` | [`Outcome`], its counters and merging |

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;

use crate::cancellation::CancellationToken;
use crate::compression::CompressionFormat;
use crate::herd::{self, Fault, Faults, FileStats, FileUnit, Herd, LineFormat, Part, Threads};
use crate::progress::Progress;

#[cfg(test)]
mod checksum_tests;
mod encode;
mod outcome;
mod parquet;
mod sink;
mod truth_file;

use encode::{BatchEncoder, EncodedBatch, Layout, TruthOutput};
pub use outcome::{Count, Outcome, TruthSummary};
use sink::WriteResult;
use sink::{Sink, SinkError};
use truth_file::TruthFileWriter;

/// Options of a generated history.
#[derive(Debug, Clone)]
pub struct GeneratePlan {
    /// The herd.
    pub herd: Herd,
    /// The part of it to generate.
    pub part: Part,
    /// Faults to inject.
    pub faults: Faults,
    /// File format.
    pub form: FileFormat,
    /// Compression of the files.
    pub compression: CompressionFormat,
    /// Number of threads; `None` for one per core.
    pub threads: Option<NonZeroUsize>,
    /// Path of the truth file; `None` for none.
    pub truth: Option<PathBuf>,
}

/// File format of readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// One line per reading.
    Lines(LineFormat),
    /// One row per reading, in typed columns.
    Parquet,
}

impl Default for FileFormat {
    fn default() -> Self {
        Self::Lines(LineFormat::Ndjson)
    }
}

impl std::fmt::Display for FileFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FileFormat {
    /// Returns the format of a file name extension; `None` if it is unknown.
    pub fn of_ending(ending: &str) -> Option<Self> {
        match ending.to_ascii_lowercase().as_str() {
            "json" | "ndjson" => Some(Self::Lines(LineFormat::Ndjson)),
            "csv" => Some(Self::Lines(LineFormat::Csv)),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// Returns the file name extension, without the dot.
    fn extension(self) -> &'static str {
        match self {
            Self::Lines(format) => format.extension(),
            Self::Parquet => "parquet",
        }
    }

    /// Returns the name on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Lines(format) => format.name(),
            Self::Parquet => "parquet",
        }
    }
}

impl std::str::FromStr for FileFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Lines(LineFormat::Ndjson), Self::Lines(LineFormat::Csv), Self::Parquet];
        let known = all.into_iter().find(|form| form.name() == text);
        known.ok_or_else(|| format!("format {text:?} is unknown: use ndjson, csv or parquet"))
    }
}

impl GeneratePlan {
    /// Creates a plan for the complete history as uncompressed NDJSON, without faults.
    pub fn new(herd: Herd) -> Self {
        Self {
            herd,
            part: Part::WHOLE,
            faults: Faults::none(),
            form: FileFormat::default(),
            compression: CompressionFormat::None,
            threads: None,
            truth: None,
        }
    }

    /// Checks that the plan is possible.
    ///
    /// # Errors
    ///
    /// Returns an error if a Parquet file would have to contain invalid readings, or be compressed a second time.
    fn check(&self) -> anyhow::Result<()> {
        if self.form != FileFormat::Parquet {
            return Ok(());
        }
        for fault in Fault::ALL.into_iter().filter(|fault| !fault.is_plain_reading()) {
            anyhow::ensure!(
                self.faults.rate(fault) == 0.0,
                "a Parquet file holds valid readings only, not {fault} ones: remove that fault, or use ndjson or csv"
            );
        }
        anyhow::ensure!(
            self.compression == CompressionFormat::None,
            "a Parquet file compresses its columns itself: remove --compress"
        );
        Ok(())
    }

    /// Returns the file name of a farm and day.
    fn name(&self, unit: FileUnit) -> String {
        format!("{}.{}{}", unit.stem(&self.herd), self.form.extension(), self.compression.ending())
    }

    /// Returns the history as flags of `generate`, for the truth file.
    fn flags(&self) -> std::collections::BTreeMap<String, String> {
        let herd = &self.herd;
        let flags = [
            ("farms", herd.farms().to_string()),
            ("lots", herd.lots().to_string()),
            ("days", herd.days().to_string()),
            ("start", herd.start().to_string()),
            ("seed", herd.seed().to_string()),
            ("part", self.part.to_string()),
            ("faults", self.faults.to_string()),
            ("format", self.form.name().to_owned()),
        ];
        flags.map(|(flag, value)| (flag.to_owned(), value)).into()
    }
}

/// Destination of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Files in this directory, which is created if needed.
    Dir(PathBuf),
    /// One file.
    File(PathBuf),
    /// One stream on stdout.
    Stdout,
    /// No output: only the truth file is written.
    Discard,
}

/// Policy for an existing file with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// Leave it unchanged and return an error.
    Fail,
    /// Replace it.
    Replace,
}

/// Generates the files of the plan; blocks.
///
/// # Errors
///
/// Returns an error if a file cannot be written, or exists with other content and must not be replaced.
pub fn run(
    plan: &GeneratePlan,
    out: Destination,
    existing: IfExists,
    progress: &Progress,
    cancel: &CancellationToken,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    plan.check()?;
    let threads = threads(plan)?;
    let stage = progress.stage("generate", "files", Some(plan.herd.part(plan.part).count_left()));
    let mut truth = plan.truth.as_deref().map(|path| TruthFileWriter::create(path, plan)).transpose()?;
    let mut sink = Sink::open(out, plan, existing)?;
    let truth_output = truth.as_ref().map_or(TruthOutput::None, |truth| TruthOutput::Compressed(truth.compression()));
    let work = BatchEncoder { plan, layout: sink.layout(), truth_output };
    let mut outcome = Outcome::default();
    let mut total = FileStats::default();
    let mut farms = vec![false; plan.herd.farms() as usize];
    let fill = |units: &[FileUnit], batch: &mut EncodedBatch| work.fill(units, batch);
    let ended = herd::batches(&threads, &plan.herd, plan.part, work.pens(), fill, |batch: &mut EncodedBatch| {
        if let Some(e) = batch.failed.take() {
            return Err(SinkError::Failed(e.into()));
        }
        if let Some(truth) = &mut truth {
            truth.take(&batch.truth).map_err(SinkError::Failed)?;
        }
        if let Some(group) = batch.group.take() {
            sink.append(group).inspect_err(|_| outcome.unread = true)?;
        }
        let mut begin = 0;
        for &(unit, end, stats) in &batch.units {
            if cancel.is_cancelled() {
                outcome.stopped = Some("interrupted".into());
                return Err(SinkError::Closed);
            }
            let bytes = &batch.bytes[begin..end];
            // If a complete day is missing, there is no file of it. In a stream, its chunk may contain other units.
            if work.layout == Layout::Stream || !stats.is_lost() {
                let written = sink.write(plan, unit, bytes).inspect_err(|_| outcome.unread = true)?;
                outcome.count(written, u64::from(!stats.is_lost()), bytes.len());
                farms[unit.farm as usize] |= !stats.is_lost();
            }
            total += stats;
            stage.add(1);
            begin = end;
        }
        Ok(())
    });
    let whole = match ended {
        Err(SinkError::Failed(e)) => return Err(e),
        Err(SinkError::Closed) => false,
        Ok(()) => true,
    };
    outcome.out = sink.name();
    match sink.finish(whole) {
        Ok(bytes) => outcome.counts[Count::Bytes] = bytes.unwrap_or(outcome.counts[Count::Bytes]),
        Err(SinkError::Closed) => outcome.unread = true,
        Err(SinkError::Failed(e)) => return Err(e),
    }
    if let Some(truth) = truth.filter(|_| whole) {
        outcome.truth = Some(truth.finish(existing)?);
    }
    stage.finish();
    describe(&mut outcome, plan, &total, &farms);
    outcome.seconds = started.elapsed().as_secs_f64();
    Ok(outcome)
}

fn threads(plan: &GeneratePlan) -> anyhow::Result<Threads> {
    match plan.threads {
        Some(count) => Threads::of(count).with_context(|| format!("cannot start {count} threads")),
        None => Ok(Threads::all()),
    }
}

/// Fills in the counters, from the farms that have a file and the totals of all units.
fn describe(outcome: &mut Outcome, plan: &GeneratePlan, total: &FileStats, farms: &[bool]) {
    outcome.have_files((0..).zip(farms).filter(|(_, has_file)| **has_file).map(|(farm, _)| farm).collect());
    outcome.counts[Count::Readings] = total.readings;
    outcome.faults = total.faults.iter().map(|(fault, n)| (fault.into(), n)).collect();
    outcome.start = plan.herd.start().to_string();
    outcome.seed = plan.herd.seed();
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use chrono::NaiveDate;

    use super::*;

    fn plan(seed: u64, faults: &str) -> GeneratePlan {
        let herd = Herd::try_new(2, 10, 3, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(), seed).unwrap();
        GeneratePlan { faults: Faults::parse(faults).unwrap(), ..GeneratePlan::new(herd) }
    }

    fn generate(plan: GeneratePlan, dir: &Path, existing: IfExists) -> anyhow::Result<Outcome> {
        run(&plan, Destination::Dir(dir.to_owned()), existing, &Progress::Silent, &CancellationToken::default())
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn one_file_per_farm_and_day_and_no_temporary_files() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("a/b");
        let outcome = generate(plan(1, "duplicate=0.2"), &dir, IfExists::Fail).unwrap();
        let names = names(&dir);
        assert_eq!((names.len(), names[0].as_str()), (6, "FazendaDois_Consumo_20260101.json"));
        let contents: Vec<_> = names.iter().map(|name| fs::read_to_string(dir.join(name)).unwrap()).collect();
        assert_eq!(
            outcome.counts[Count::Readings],
            contents.iter().map(|text| text.lines().count() as u64).sum::<u64>()
        );
        assert_eq!(outcome.counts[Count::Bytes], contents.iter().map(|text| text.len() as u64).sum::<u64>());
        assert_eq!(
            (outcome.counts[Count::Farms], outcome.counts[Count::Files], outcome.counts[Count::Existing]),
            (2, 6, 0)
        );
        assert!(outcome.faults["duplicate"] > 0 && outcome.faults["late"] == 0);
    }

    #[test]
    fn a_repeated_run_changes_nothing_and_another_history_is_rejected() {
        let home = tempfile::tempdir().unwrap();
        generate(plan(1, ""), home.path(), IfExists::Fail).unwrap();
        fs::remove_file(home.path().join("FazendaUm_Consumo_20260102.json")).unwrap();
        let again = generate(plan(1, ""), home.path(), IfExists::Fail).unwrap();
        assert_eq!((again.counts[Count::Files], again.counts[Count::Existing]), (6, 5));
        let refused = generate(plan(2, ""), home.path(), IfExists::Fail).unwrap_err().to_string();
        assert!(refused.contains("FazendaUm_Consumo_20260101.json") && refused.contains("--force"), "{refused}");
        let forced = generate(plan(2, ""), home.path(), IfExists::Replace).unwrap();
        assert_eq!((forced.counts[Count::Replaced], forced.counts[Count::Existing]), (6, 0));
        assert_eq!(names(home.path()).len(), 6);
    }

    #[test]
    fn a_cancelled_run_leaves_only_complete_files() {
        let home = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::default();
        cancel.cancel();
        let out = Destination::Dir(home.path().to_owned());
        let outcome = run(&plan(1, ""), out, IfExists::Fail, &Progress::Silent, &cancel).unwrap();
        assert_eq!((outcome.counts[Count::Files], outcome.stopped.as_deref()), (0, Some("interrupted")));
        assert!(names(home.path()).is_empty());
    }
}
