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

use crate::herd::{self, Fault, Faults, FileUnit, Format, Herd, Part, Threads, UnitStats};
use crate::pack::Pack;
use crate::progress::Progress;
use crate::stop::Stop;

mod outcome;
#[cfg(test)]
mod pins;
mod sink;
mod table;
mod told;
mod work;

pub use outcome::{Count, Outcome, Truth};
use sink::Written;
use sink::{End, Sink};
use told::TruthFile;
use work::{Batch, Shape, Tell, Work};

/// What to generate.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The history.
    pub herd: Herd,
    /// How much of it.
    pub part: Part,
    /// What goes wrong in it.
    pub faults: Faults,
    /// How readings are written.
    pub form: Form,
    /// How files are packed.
    pub pack: Pack,
    /// How many threads make it; as many as there are cores where it is `None`.
    pub threads: Option<NonZeroUsize>,
    /// The file that says what was done to every reading.
    pub truth: Option<PathBuf>,
}

/// How readings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line each.
    Lines(Format),
    /// A row each of a table of typed columns.
    Parquet,
}

impl Default for Form {
    fn default() -> Self {
        Self::Lines(Format::Ndjson)
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Form {
    /// The form of a file whose name ends so.
    pub fn of_ending(ending: &str) -> Option<Self> {
        match ending.to_ascii_lowercase().as_str() {
            "json" | "ndjson" => Some(Self::Lines(Format::Ndjson)),
            "csv" => Some(Self::Lines(Format::Csv)),
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

impl std::str::FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Lines(Format::Ndjson), Self::Lines(Format::Csv), Self::Parquet];
        let known = all.into_iter().find(|form| form.name() == text);
        known.ok_or_else(|| format!("format {text:?} is unknown: use ndjson, csv or parquet"))
    }
}

impl Plan {
    /// The whole of a history as NDJSON, with no fault, not packed.
    pub fn new(herd: Herd) -> Self {
        Self {
            herd,
            part: Part::WHOLE,
            faults: Faults::none(),
            form: Form::default(),
            pack: Pack::None,
            threads: None,
            truth: None,
        }
    }

    /// Whether it can be written at all.
    ///
    /// # Errors
    /// A table of typed columns is to hold what is no reading, or to be packed a second time.
    fn check(&self) -> anyhow::Result<()> {
        if self.form != Form::Parquet {
            return Ok(());
        }
        for fault in Fault::ALL.into_iter().filter(|fault| !fault.is_plain_reading()) {
            anyhow::ensure!(
                self.faults.rate(fault) == 0.0,
                "a Parquet file holds valid readings only, not {fault} ones: remove that fault, or use ndjson or csv"
            );
        }
        anyhow::ensure!(self.pack == Pack::None, "a Parquet file compresses its columns itself: remove --compress");
        Ok(())
    }

    /// The name of a farm's file of a day.
    fn name(&self, unit: FileUnit) -> String {
        format!("{}.{}{}", unit.stem(&self.herd), self.form.extension(), self.pack.ending())
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
pub enum Out {
    /// Files in this directory, which is made if need be.
    Dir(PathBuf),
    /// One file.
    File(PathBuf),
    /// One stream on stdout.
    Stdout,
    /// Nowhere: only the truth is wanted.
    Nowhere,
}

/// What to do with a file that is there with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and stop.
    Keep,
    /// Put the new one in its place.
    Replace,
}

/// Generates the plan's files; blocks.
///
/// # Errors
/// A file cannot be written, or is there with other content and is to be kept.
pub fn run(plan: &Plan, out: Out, existing: Existing, progress: &Progress, stop: &Stop) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    plan.check()?;
    let threads = threads(plan)?;
    let stage = progress.stage("generate", Some(plan.herd.part(plan.part).count_left()));
    let mut truth = plan.truth.as_deref().map(|path| TruthFile::create(path, plan)).transpose()?;
    let mut sink = Sink::open(out, plan, existing)?;
    let tell = truth.as_ref().map_or(Tell::Nothing, |truth| Tell::Packed(truth.pack()));
    let work = Work { plan, shape: sink.shape(), tell };
    let mut outcome = Outcome::default();
    let mut total = UnitStats::default();
    let mut farms = vec![false; plan.herd.farms() as usize];
    let fill = |units: &[FileUnit], batch: &mut Batch| work.fill(units, batch);
    let ended = herd::batches(&threads, &plan.herd, plan.part, work.pens(), fill, |batch: &mut Batch| {
        if let Some(e) = batch.failed.take() {
            return Err(End::Failed(e.into()));
        }
        if let Some(truth) = &mut truth {
            truth.take(&batch.truth).map_err(End::Failed)?;
        }
        if let Some(group) = batch.group.take() {
            sink.append(group).inspect_err(|_| outcome.unread = true)?;
        }
        let mut begin = 0;
        for &(unit, end, stats) in &batch.units {
            if stop.is_set() {
                outcome.stopped = Some("interrupted".into());
                return Err(End::Enough);
            }
            let bytes = &batch.bytes[begin..end];
            // Where a whole day was lost there is no file of it; in a stream its piece may hold others.
            if work.shape == Shape::Stream || !stats.is_lost() {
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
        Err(End::Failed(e)) => return Err(e),
        Err(End::Enough) => false,
        Ok(()) => true,
    };
    outcome.out = sink.name();
    match sink.finish(whole) {
        Ok(bytes) => outcome.counts[Count::Bytes] = bytes.unwrap_or(outcome.counts[Count::Bytes]),
        Err(End::Enough) => outcome.unread = true,
        Err(End::Failed(e)) => return Err(e),
    }
    if let Some(truth) = truth.filter(|_| whole) {
        outcome.truth = Some(truth.finish(existing)?);
    }
    stage.finish();
    describe(&mut outcome, plan, &total, &farms);
    outcome.seconds = begun.elapsed().as_secs_f64();
    Ok(outcome)
}

fn threads(plan: &Plan) -> anyhow::Result<Threads> {
    match plan.threads {
        Some(count) => Threads::of(count).with_context(|| format!("cannot start {count} threads")),
        None => Ok(Threads::all()),
    }
}

/// What was generated, by farms that have a file and the totals of all units.
fn describe(outcome: &mut Outcome, plan: &Plan, total: &UnitStats, farms: &[bool]) {
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

    fn plan(seed: u64, faults: &str) -> Plan {
        let herd = Herd::try_new(2, 10, 3, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(), seed).unwrap();
        Plan { faults: Faults::parse(faults).unwrap(), ..Plan::new(herd) }
    }

    fn generate(plan: Plan, dir: &Path, existing: Existing) -> anyhow::Result<Outcome> {
        run(&plan, Out::Dir(dir.to_owned()), existing, &Progress::Silent, &Stop::default())
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
        let outcome = generate(plan(1, "duplicate=0.2"), &dir, Existing::Keep).unwrap();
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
        generate(plan(1, ""), home.path(), Existing::Keep).unwrap();
        fs::remove_file(home.path().join("FazendaUm_Consumo_20260102.json")).unwrap();
        let again = generate(plan(1, ""), home.path(), Existing::Keep).unwrap();
        assert_eq!((again.counts[Count::Files], again.counts[Count::Existing]), (6, 5));
        let refused = generate(plan(2, ""), home.path(), Existing::Keep).unwrap_err().to_string();
        assert!(refused.contains("FazendaUm_Consumo_20260101.json") && refused.contains("--force"), "{refused}");
        let forced = generate(plan(2, ""), home.path(), Existing::Replace).unwrap();
        assert_eq!((forced.counts[Count::Replaced], forced.counts[Count::Existing]), (6, 0));
        assert_eq!(names(home.path()).len(), 6);
    }

    #[test]
    fn who_stops_gets_whole_files_only() {
        let home = tempfile::tempdir().unwrap();
        let stop = Stop::default();
        stop.set();
        let out = Out::Dir(home.path().to_owned());
        let outcome = run(&plan(1, ""), out, Existing::Keep, &Progress::Silent, &stop).unwrap();
        assert_eq!((outcome.counts[Count::Files], outcome.stopped.as_deref()), (0, Some("interrupted")));
        assert!(names(home.path()).is_empty());
    }
}
