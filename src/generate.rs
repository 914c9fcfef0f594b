//! Synthetic histories as files or as a stream. Owns names, not overwriting and no half files; what is in them is
//! [`crate::herd`]'s.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;

use crate::herd::{self, Faults, FileUnit, Format, Herd, Part, UnitStats};
use crate::progress::Progress;
use crate::report::generate::Outcome;
use crate::stop::Stop;

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The history.
    pub herd: Herd,
    /// How much of it.
    pub part: Part,
    /// What goes wrong in it.
    pub faults: Faults,
    /// How it is written.
    pub format: Format,
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// Files in this directory, which is made if need be.
    Dir(PathBuf),
    /// One stream on stdout.
    Stdout,
}

/// What to do with a file that is there with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it alone and stop.
    Keep,
    /// Put the new one in its place.
    Replace,
}

/// Why the generator was told to end.
enum End {
    /// Somebody wished to stop, or reads no more.
    Enough,
    /// Something cannot be written.
    Failed(anyhow::Error),
}

/// Generates the plan's files on all cores; blocks.
///
/// # Errors
/// A file cannot be written, or is there with other content and is to be kept.
pub fn run(plan: Plan, out: Out, existing: Existing, progress: &Progress, stop: &Stop) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let stage = progress.stage("generate", Some(plan.herd.part(plan.part).count_left()));
    let mut sink = Sink::open(out, existing)?;
    let mut outcome = Outcome::default();
    let mut total = UnitStats::default();
    let ended = herd::generate(&plan.herd, plan.part, plan.format, &plan.faults, |unit, bytes, stats| {
        if stop.is_set() {
            outcome.stopped = Some("asked to stop".into());
            return Err(End::Enough);
        }
        let written = sink.write(&plan, unit, bytes).inspect_err(|_| outcome.unread = true)?;
        outcome.count(written, bytes.len());
        total += *stats;
        stage.add(1);
        Ok(())
    });
    if let Err(End::Failed(e)) = ended {
        return Err(e);
    }
    sink.flush()?;
    stage.finish();
    outcome.farms = outcome.files.min(u64::from(plan.herd.farms())); // files come day by day, each day farm by farm
    outcome.readings = total.readings;
    outcome.faults = total.faults.iter().collect();
    outcome.out = sink.name();
    outcome.start = plan.herd.start().to_string();
    outcome.seed = plan.herd.seed();
    outcome.seconds = begun.elapsed().as_secs_f64();
    Ok(outcome)
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is new.
    New,
    /// It was there with the same content.
    Same,
    /// It took the place of one with other content.
    Replaced,
}

/// Where files go.
enum Sink {
    Dir { dir: PathBuf, existing: Existing },
    Stdout { out: io::BufWriter<io::Stdout>, begun: bool },
}

impl Sink {
    fn open(out: Out, existing: Existing) -> anyhow::Result<Self> {
        match out {
            Out::Stdout => Ok(Self::Stdout { out: io::BufWriter::with_capacity(1 << 16, io::stdout()), begun: false }),
            Out::Dir(dir) => {
                fs::create_dir_all(&dir).with_context(|| format!("cannot make directory {}", dir.display()))?;
                Ok(Self::Dir { dir, existing })
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Dir { dir, .. } => dir.display().to_string(),
            Self::Stdout { .. } => "-".into(),
        }
    }

    fn write(&mut self, plan: &Plan, unit: FileUnit, bytes: &[u8]) -> Result<Written, End> {
        match self {
            Self::Dir { dir, existing } => {
                file(dir, &unit.name(&plan.herd, plan.format), bytes, *existing).map_err(End::Failed)
            }
            Self::Stdout { out, begun } => {
                let header = if std::mem::replace(begun, true) { plan.format.header().len() } else { 0 };
                out.write_all(&bytes[header..]).map_err(unread)?;
                Ok(Written::New)
            }
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Dir { .. } => Ok(()),
            Self::Stdout { out, .. } => match out.flush().map_err(unread) {
                Err(End::Failed(e)) => Err(e),
                Ok(()) | Err(End::Enough) => Ok(()),
            },
        }
    }
}

/// Who closes stdout has enough.
fn unread(e: io::Error) -> End {
    if e.kind() == io::ErrorKind::BrokenPipe {
        End::Enough
    } else {
        End::Failed(anyhow::Error::new(e).context("stdout"))
    }
}

/// Writes a file under a temporary name and renames it, so that no half file ever has its name.
fn file(dir: &Path, name: &str, bytes: &[u8], existing: Existing) -> anyhow::Result<Written> {
    let path = dir.join(name);
    let written = match held(&path, bytes).with_context(|| path.display().to_string())? {
        Held::Same => return Ok(Written::Same),
        Held::Other if existing == Existing::Keep => anyhow::bail!(
            "{} is there with other content: give another --out, or --force to replace it",
            path.display()
        ),
        Held::Other => Written::Replaced,
        Held::Nothing => Written::New,
    };
    let half = dir.join(format!(".{name}.half"));
    let done = fs::write(&half, bytes).and_then(|()| fs::rename(&half, &path));
    if done.is_err() {
        let _ = fs::remove_file(&half); // the first failure is the one to tell of
    }
    done.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(written)
}

enum Held {
    Nothing,
    Same,
    Other,
}

fn held(path: &Path, bytes: &[u8]) -> io::Result<Held> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() && meta.len() != bytes.len() as u64 => Ok(Held::Other),
        Ok(_) => Ok(if fs::read(path)? == bytes { Held::Same } else { Held::Other }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Held::Nothing),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn plan(seed: u64, faults: &str) -> Plan {
        let herd = Herd::try_new(2, 10, 3, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(), seed).unwrap();
        Plan { herd, part: Part::WHOLE, faults: Faults::parse(faults).unwrap(), format: Format::Ndjson }
    }

    fn generate(plan: Plan, dir: &Path, existing: Existing) -> anyhow::Result<Outcome> {
        run(plan, Out::Dir(dir.to_owned()), existing, &Progress::Silent, &Stop::default())
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
        assert_eq!(outcome.readings, contents.iter().map(|text| text.lines().count() as u64).sum::<u64>());
        assert_eq!(outcome.bytes, contents.iter().map(|text| text.len() as u64).sum::<u64>());
        assert_eq!((outcome.farms, outcome.files, outcome.existing), (2, 6, 0));
        assert!(outcome.faults["duplicate"] > 0 && outcome.faults["late"] == 0);
    }

    #[test]
    fn the_same_again_changes_nothing_and_another_history_is_refused() {
        let home = tempfile::tempdir().unwrap();
        generate(plan(1, ""), home.path(), Existing::Keep).unwrap();
        fs::remove_file(home.path().join("FazendaUm_Consumo_20260102.json")).unwrap();
        let again = generate(plan(1, ""), home.path(), Existing::Keep).unwrap();
        assert_eq!((again.files, again.existing), (6, 5));
        let refused = generate(plan(2, ""), home.path(), Existing::Keep).unwrap_err().to_string();
        assert!(refused.contains("FazendaUm_Consumo_20260101.json") && refused.contains("--force"), "{refused}");
        let forced = generate(plan(2, ""), home.path(), Existing::Replace).unwrap();
        assert_eq!((forced.replaced, forced.existing), (6, 0));
        assert_eq!(names(home.path()).len(), 6);
    }

    #[test]
    fn who_stops_gets_whole_files_only() {
        let home = tempfile::tempdir().unwrap();
        let stop = Stop::default();
        stop.set();
        let out = Out::Dir(home.path().to_owned());
        let outcome = run(plan(1, ""), out, Existing::Keep, &Progress::Silent, &stop).unwrap();
        assert_eq!((outcome.files, outcome.stopped.as_deref()), (0, Some("asked to stop")));
        assert!(names(home.path()).is_empty());
    }
}
