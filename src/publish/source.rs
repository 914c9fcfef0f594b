//! The source of messages: history files or the generator. Reads them in order, in a thread that may block.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::herd::{Faults, FileUnit, Herd, LineFormat, Part, generate};
use crate::history::{self, InputMessage, InputReport, Inputs};

/// Messages handed over together from a fast source: sending them one by one costs more than the messages.
const TOGETHER: usize = 32;

/// Source of the messages of a run.
#[derive(Debug, Clone)]
pub enum Source {
    /// History files, in order; `-` is standard input.
    Files(Inputs),
    /// A history generated during the run. Its files have names but are not written.
    Herd {
        /// The herd.
        herd: Herd,
        /// The part of it to publish.
        part: Part,
        /// Faults to inject.
        faults: Faults,
    },
}

impl Source {
    /// Checks that every file can be read.
    ///
    /// # Errors
    ///
    /// Returns an error with the first file that cannot be read, and the reason.
    pub fn check(&self) -> anyhow::Result<()> {
        let Self::Files(inputs) = self else { return Ok(()) };
        for path in inputs.paths().filter(|path| *path != Path::new("-")) {
            let known = std::fs::metadata(path).and_then(|meta| {
                // Only a regular file can be opened twice; opening a pipe would lose its data.
                if meta.is_file() { std::fs::File::open(path).map(|_| meta) } else { Ok(meta) }
            });
            match known {
                Ok(meta) if meta.is_dir() => anyhow::bail!("{}: is a directory: pass its files", path.display()),
                Ok(_) => {}
                Err(e) => anyhow::bail!("{}: {e}", path.display()),
            }
        }
        Ok(())
    }

    /// Returns true if `file` is one of the files read, under any path.
    pub(super) fn reads(&self, file: &Path) -> bool {
        let Self::Files(inputs) = self else { return false };
        let Ok(file) = std::fs::canonicalize(file) else { return false };
        inputs.paths().any(|path| std::fs::canonicalize(path).is_ok_and(|path| path == file))
    }

    /// Returns what identifies the source, one line per file or one for a generated history. A tab separates a file's
    /// path from its state.
    pub(super) fn identity(&self) -> Vec<String> {
        match self {
            Self::Files(inputs) => {
                let settings = inputs.settings().identity();
                inputs.paths().map(file_identity).chain(settings).collect()
            }
            Self::Herd { herd, part, faults } => vec![format!("{herd:?} {part:?} {faults}")],
        }
    }

    /// Returns true if the source can be read again from the beginning, unlike a pipe.
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::Files(inputs) => inputs.paths().all(|path| std::fs::metadata(path).is_ok_and(|meta| meta.is_file())),
            Self::Herd { .. } => true,
        }
    }

    /// Returns true if the source is generated.
    pub fn is_generated(&self) -> bool {
        matches!(self, Self::Herd { .. })
    }

    /// Returns how many messages to hand over together: one at a time from a slow source.
    pub(super) fn batch_size(&self) -> usize {
        if self.is_repeatable() { TOGETHER } else { 1 }
    }

    /// Returns the number of parts: the files, or one generated history.
    pub(super) fn parts(&self) -> usize {
        match self {
            Self::Files(inputs) => inputs.len(),
            Self::Herd { .. } => 1,
        }
    }

    /// Returns the name of a part for messages to users.
    pub(super) fn name(&self, part: usize) -> String {
        match self {
            Self::Files(inputs) if inputs.path(part) == Path::new("-") => "standard input".into(),
            Self::Files(inputs) => inputs.path(part).display().to_string(),
            Self::Herd { .. } => "the generated history".into(),
        }
    }

    /// Returns the name of a part that is a pipe: it may have no end and cannot be read twice. `None` for any other
    /// part.
    pub(super) fn pipe(&self, part: usize) -> Option<String> {
        let Self::Files(inputs) = self else { return None };
        let is_file = std::fs::metadata(inputs.path(part)).is_ok_and(|meta| meta.is_file());
        (!is_file).then(|| self.name(part))
    }

    /// Returns the reports of an inspection of the files, in order, and then the files of a directory that are not
    /// read; a file that was not inspected has none.
    pub(super) fn reports(&self) -> impl Iterator<Item = &InputReport> {
        let inputs = match self {
            Self::Files(inputs) => Some(inputs),
            Self::Herd { .. } => None,
        };
        inputs.into_iter().flat_map(Inputs::reports)
    }

    /// Passes every message of a part to `each`, in order, until there are no more or `each` returns a break. Blocks.
    /// Returns what was found in a file that was not inspected before. A rejected file has no messages.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read further.
    pub(super) fn feed(
        &self,
        part: usize,
        each: &mut dyn FnMut(InputMessage) -> ControlFlow<()>,
    ) -> Result<Option<InputReport>, history::Error> {
        match self {
            Self::Files(inputs) if inputs.is_rejected(part) => {}
            Self::Files(inputs) => {
                let mut file = inputs.open(part)?;
                let mut left = false;
                while !left && let Some(message) = file.next() {
                    left = each(message?).is_break();
                }
                return Ok(inputs.report(part).is_none().then(|| file.into_report(!left)));
            }
            Self::Herd { herd, part, faults } => {
                // The only possible error is the break, which needs no report.
                let _ =
                    generate(herd, *part, LineFormat::Ndjson, faults, |unit, bytes, _| lines(herd, unit, bytes, each));
            }
        }
        Ok(None)
    }
}

fn file_identity(path: &Path) -> String {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let state = std::fs::metadata(path).map_or_else(
        |e| e.to_string(),
        |meta| {
            let changed = meta.modified().map(chrono::DateTime::<chrono::Utc>::from);
            format!("{} bytes, changed {}", meta.len(), changed.map_or("?".into(), |time| time.to_rfc3339()))
        },
    );
    format!("{}\t{state}", full.display())
}

fn lines(
    herd: &Herd,
    unit: FileUnit,
    bytes: &[u8],
    each: &mut dyn FnMut(InputMessage) -> ControlFlow<()>,
) -> Result<(), ()> {
    let file: Arc<str> = unit.name(herd, LineFormat::Ndjson).into();
    let lines = bytes.split(|&b| b == b'\n').zip(1..).filter(|(line, _)| !line.is_empty());
    for (line, number) in lines {
        let message = InputMessage { file: Arc::clone(&file), line: number, body: Bytes::copy_from_slice(line) };
        if each(message).is_break() {
            return Err(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::InputSettings;

    #[test]
    fn the_generator_yields_the_lines_of_its_files() {
        let herd = Herd::try_new(2, 10, 3, chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(), 1).unwrap();
        let (part, faults) = (Part::WHOLE, Faults::none());
        let mut expected = Vec::new();
        for unit in herd.files() {
            herd.write_unit(unit, LineFormat::Ndjson, &faults, &mut expected);
        }
        let (mut found, mut last) = (Vec::new(), None);
        let mut source = Source::Herd { herd, part, faults };
        let feed = source.feed(0, &mut |message| {
            found.extend_from_slice(&message.body);
            found.push(b'\n');
            last = Some(message);
            ControlFlow::Continue(())
        });
        feed.unwrap();
        assert!(found == expected);
        let last = last.unwrap();
        assert_eq!(&*last.file, "FazendaDois_Consumo_20260103.json");
        assert!(last.line > 1);
        source.check().unwrap();
        source = Source::Files(Inputs::unchecked(vec!["-".into(), "no-such-file".into()], InputSettings::default()));
        assert!(source.check().unwrap_err().to_string().starts_with("no-such-file: "));
        source = Source::Files(Inputs::unchecked(vec![".".into()], InputSettings::default()));
        assert!(source.check().unwrap_err().to_string().contains("pass its files"));
    }
}
