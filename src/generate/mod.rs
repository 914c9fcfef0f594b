//! Synthetic histories as files or as a stream, with the truth beside them. Owns names, forms, not overwriting and no half
//! files; what is in them is [`crate::herd`]'s.
//!
//! | file | owns |
//! | --- | --- |
//! | `work.rs` | what a thread makes of a few units |
//! | `table.rs` | readings as Parquet |
//! | `sink.rs` | directory, file or stdout |
//! | `pins.rs` | tests only: SHA-256 of reference sets |
//! | `told.rs` | the truth file on its way |

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

/// What to generate.
#[derive(Debug, Clone)]
pub struct GeneratePlan {
    /// The history.
    pub herd: Herd,
    /// How much of it.
    pub part: Part,
    /// What goes wrong in it.
    pub faults: Faults,
    /// How readings are written.
    pub form: FileFormat,
    /// How files are packed.
    pub compression: CompressionFormat,
    /// How many threads make it; as many as there are cores where it is `None`.
    pub threads: Option<NonZeroUsize>,
    /// The file that says what was done to every reading.
    pub truth: Option<PathBuf>,
}

/// How readings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// A line each.
    Lines(LineFormat),
    /// A row each of a table of typed columns.
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
    /// The form of a file whose name ends so.
    pub fn of_ending(ending: &str) -> Option<Self> {
        match ending.to_ascii_lowercase().as_str() {
            "json" | "ndjson" => Some(Self::Lines(LineFormat::Ndjson)),
            "csv" => Some(Self::Lines(LineFormat::Csv)),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The ending of a file's name, without the dot.
    fn extension(self) -> &'static str {
        match self {
            Self::Lines(format) => format.extension(),
            Self::Parquet => "parquet",
        }
    }

    /// The word for it on the command line.
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
    /// The whole of a history as NDJSON, with no fault, not packed.
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

    /// Whether it can be written at all.
    ///
    /// # Errors
    /// A table of typed columns is to hold what is no reading, or to be packed a second time.
    fn check(&self) -> anyhow::Result<()> {
        if self.form != FileFormat::Parquet {
            return Ok(());
        }
        for fault in Fault::ALL.into_iter().filter(|fault| !fault.is_plain_reading()) {
            anyhow::ensure!(
                self.faults.rate(fault) == 0.0,
                "a Parquet file holds readings only, no {fault} ones: leave that fault out, or use ndjson or csv"
            );
        }
        anyhow::ensure!(
            self.compression == CompressionFormat::None,
            "a Parquet file packs its columns itself: leave --compress out"
        );
        Ok(())
    }

    /// The name of a farm's file of a day.
    fn name(&self, unit: FileUnit) -> String {
        format!("{}.{}{}", unit.stem(&self.herd), self.form.extension(), self.compression.ending())
    }

    /// The history as flags of `generate`, for the truth file.
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

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Files in this directory, which is made if need be.
    Dir(PathBuf),
    /// One file.
    File(PathBuf),
    /// One stream on stdout.
    Stdout,
    /// Nowhere: only the truth is wanted.
    Discard,
}

/// What to do with a file that is there with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// Leave it alone and stop.
    Fail,
    /// Put the new one in its place.
    Replace,
}

/// Generates the plan's files; blocks.
///
/// # Errors
/// A file cannot be written, or is there with other content and is to be kept.
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
    let stage = progress.stage("generate", Some(plan.herd.part(plan.part).count_left()));
    let mut truth = plan.truth.as_deref().map(|path| TruthFileWriter::create(path, plan)).transpose()?;
    let mut sink = Sink::open(out, plan, existing)?;
    let tell = truth.as_ref().map_or(TruthOutput::None, |truth| TruthOutput::Compressed(truth.pack()));
    let work = BatchEncoder { plan, shape: sink.shape(), tell };
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
                outcome.stopped = Some("asked to stop".into());
                return Err(SinkError::Closed);
            }
            let bytes = &batch.bytes[begin..end];
            // Where a whole day was lost there is no file of it; in a stream its piece may hold others.
            if work.shape == Layout::Stream || !stats.is_lost() {
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

/// What was generated, by farms that have a file and the totals of all units.
fn describe(outcome: &mut Outcome, plan: &GeneratePlan, total: &FileStats, farms: &[bool]) {
    outcome.counts[Count::Farms] = farms.iter().filter(|&&has_file| has_file).count() as u64;
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
    fn a_file_a_farm_and_day_and_nothing_else_is_left() {
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
    fn the_same_again_changes_nothing_and_another_history_is_refused() {
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
    fn who_stops_gets_whole_files_only() {
        let home = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::default();
        cancel.cancel();
        let out = Destination::Dir(home.path().to_owned());
        let outcome = run(&plan(1, ""), out, IfExists::Fail, &Progress::Silent, &cancel).unwrap();
        assert_eq!((outcome.counts[Count::Files], outcome.stopped.as_deref()), (0, Some("asked to stop")));
        assert!(names(home.path()).is_empty());
    }
}
