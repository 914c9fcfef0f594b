//! The input files of a run, read once in full before anything of them is stored: rejected files are known beforehand.
//!
//! Messages of complete files stay in memory up to a limit, so that most runs read each file only once.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::file_state::FileState;
use super::report::InputReport;
use super::tally::Tally;
use super::{InputFile, InputMessage, InputSettings};
use crate::cancellation::{CancellationToken, Interrupted};
use crate::progress::{Progress, Stage};

/// Number and size in bytes of the messages that are checked while the next ones are read; cancellation is checked between.
const CHUNK: usize = 1_024;
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Size of all messages that stay in memory, in bytes: about 250,000 readings.
const KEPT_BYTES: usize = 128 * 1024 * 1024;

/// Memory of a kept message in addition to its text, in bytes: the message itself, its counter and what an allocation takes.
const MESSAGE_BYTES: usize = size_of::<InputMessage>() + 48;

/// Policy for a file most of whose messages are invalid for the same reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUniform {
    /// The file is rejected as a whole.
    RejectFile,
    /// Its messages are checked one by one.
    JudgeMessages,
}

/// The input files of a run.
#[derive(Debug, Clone)]
pub struct Inputs {
    settings: InputSettings,
    files: Vec<CheckedFile>,
    /// Files of a directory that are not read.
    not_read: Vec<InputReport>,
}

/// One input file.
#[derive(Debug, Clone)]
struct CheckedFile {
    path: PathBuf,
    /// What was found in it; `None` if it was not inspected, because it can be read only once.
    report: Option<InputReport>,
    /// Size of its messages, in bytes.
    bytes: u64,
    /// State of the file before it was inspected; `None` if it was not.
    state: Option<FileState>,
    /// Whether it is CSV whose last row may be continued.
    is_unterminated: bool,
    /// Its messages; `None` if they must be read again.
    messages: Option<Arc<[InputMessage]>>,
}

impl CheckedFile {
    fn unchecked(path: PathBuf) -> Self {
        Self { path, report: None, bytes: 0, state: None, is_unterminated: false, messages: None }
    }
}

impl Inputs {
    /// Returns the files without inspecting them; none is rejected.
    pub fn unchecked(paths: Vec<PathBuf>, settings: InputSettings) -> Self {
        let files = paths.into_iter().map(CheckedFile::unchecked);
        Self { settings, files: files.collect(), not_read: Vec::new() }
    }

    /// Adds files of a directory that are not read: they count as rejected.
    #[must_use]
    pub(crate) fn with_not_read(self, not_read: Vec<InputReport>) -> Self {
        Self { not_read, ..self }
    }

    /// Returns the files of a directory that are not read.
    pub(crate) fn not_read(&self) -> &[InputReport] {
        &self.not_read
    }

    /// Returns the reports of the inspected files, in order, and then the files that are not read.
    pub(crate) fn reports(&self) -> impl Iterator<Item = &InputReport> {
        self.files.iter().filter_map(|file| file.report.as_ref()).chain(&self.not_read)
    }

    /// Reads every regular file in full, in bounded memory: up to 128 MiB of messages are kept. Pipes are left alone, because
    /// they can be read only once.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or if the inspection was cancelled.
    pub fn inspect(
        paths: Vec<PathBuf>,
        settings: InputSettings,
        on_uniform: OnUniform,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Self> {
        Self::inspect_within(KEPT_BYTES, paths, settings, on_uniform, progress, cancel)
    }

    /// As [`inspect`](Self::inspect), with another limit of the memory for messages.
    pub(super) fn inspect_within(
        budget: usize,
        paths: Vec<PathBuf>,
        settings: InputSettings,
        on_uniform: OnUniform,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Self> {
        for path in &paths {
            can_be_opened(path)?;
        }
        let stage = progress.stage("check", "messages", None);
        let inspection = Inspection { settings, on_uniform, stage, cancel, budget: Cell::new(budget) };
        let files = paths.into_iter().map(|path| inspection.inspect(path)).collect::<anyhow::Result<Vec<_>>>()?;
        wait_until_quiet(&files);
        inspection.stage.finish();
        Ok(Self { settings, files, not_read: Vec::new() })
    }

    /// Returns the settings of the files.
    pub fn settings(&self) -> InputSettings {
        self.settings
    }

    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Returns true if there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns the paths of all files, in order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| &*file.path)
    }

    /// Returns the path of a file.
    pub fn path(&self, at: usize) -> &Path {
        &self.files[at].path
    }

    /// Returns what was found in a file; `None` if it was not inspected.
    pub fn report(&self, at: usize) -> Option<&InputReport> {
        self.files[at].report.as_ref()
    }

    /// Returns true if a file was rejected.
    pub fn is_rejected(&self, at: usize) -> bool {
        self.report(at).is_some_and(|report| report.rejected.is_some())
    }

    /// Opens a file. If it was inspected, it must not change until it was read to its end.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or has changed, or its first bytes show that it must be rejected.
    pub fn open(&self, at: usize) -> Result<InputFile, Error> {
        let CheckedFile { path, report, state, messages, .. } = &self.files[at];
        match (report, state) {
            (Some(report), Some(state)) => {
                InputFile::open_again(path, self.settings, *state, report, messages.as_ref().map(Arc::clone))
            }
            _ => InputFile::open(path, self.settings),
        }
    }

    /// Returns the number of messages of all files, without the rejected ones, and their size in bytes. `None` if a file
    /// was not inspected.
    pub fn size(&self) -> Option<(u64, u64)> {
        let accepted = |file: &CheckedFile| match &file.report {
            Some(InputReport { rejected: Some(_), .. }) => Some((0, 0)),
            Some(report) => Some((report.messages, file.bytes)),
            None => None,
        };
        let mut sum = (0, 0);
        for file in &self.files {
            let (messages, bytes) = accepted(file)?;
            sum = (sum.0 + messages, sum.1 + bytes);
        }
        Some(sum)
    }
}

/// Checks that a file exists and can be opened. A pipe is not opened, because that could lose its data.
fn can_be_opened(path: &Path) -> anyhow::Result<()> {
    if path == Path::new("-") {
        return Ok(());
    }
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|e| anyhow::anyhow!("{shown}: {e}"))?;
    anyhow::ensure!(!meta.is_dir(), "{shown}: is a directory: pass its files");
    if meta.is_file() {
        std::fs::File::open(path).map_err(|e| anyhow::anyhow!("{shown}: {e}"))?;
    }
    Ok(())
}

/// Waits until the files that end within a row have not been changed for a moment. A program that still writes one of them
/// changes it again in this time, which is an error when the file is read. A complete file without a last line feed is only
/// read a little later.
fn wait_until_quiet(files: &[CheckedFile]) {
    let unterminated = files.iter().filter(|file| file.is_unterminated);
    let wait = unterminated.filter_map(|file| Some(FileState::of(&file.path)?.until_quiet())).max();
    std::thread::sleep(wait.unwrap_or_default());
}

struct Inspection<'a> {
    settings: InputSettings,
    on_uniform: OnUniform,
    stage: Stage,
    cancel: &'a CancellationToken,
    /// Size of the messages that can still be kept, in bytes.
    budget: Cell<usize>,
}

/// Messages that were read of a file.
struct Read {
    tally: Tally,
    /// The error at its end.
    error: Option<Error>,
    /// All its messages; `None` if there was no space for them.
    messages: Option<Vec<InputMessage>>,
}

impl Inspection<'_> {
    fn inspect(&self, path: PathBuf) -> anyhow::Result<CheckedFile> {
        if path == Path::new("-") || !std::fs::metadata(&path).is_ok_and(|meta| meta.is_file()) {
            return Ok(CheckedFile::unchecked(path));
        }
        let state = FileState::of(&path);
        let mut file = match InputFile::open(&path, self.settings) {
            Ok(file) => file,
            Err(e) => {
                let mut report = InputReport::new(path.display().to_string());
                report.rejected = Some(self.rejection(e)?);
                return Ok(CheckedFile { report: Some(report), ..CheckedFile::unchecked(path) });
            }
        };
        let Read { tally, error, messages } = self.read(&mut file)?;
        let is_complete = error.is_none();
        let mut report = file.report();
        report.rejected = match error {
            // What comes before the end of a truncated file is valid, and the run itself reports the end.
            Some(e) if e.is_truncation() => None,
            Some(e) => Some(self.rejection(e)?),
            None if tally.messages() == 0 => Some(file.no_readings()),
            None if self.on_uniform == OnUniform::RejectFile => tally.uniform(),
            None => None,
        };
        let is_unterminated = report.rejected.is_none() && file.is_unterminated();
        let messages = if is_complete && report.rejected.is_none() {
            messages.map(Arc::from)
        } else {
            self.give_up(messages);
            None
        };
        Ok(CheckedFile { path, report: Some(report), bytes: tally.bytes(), state, is_unterminated, messages })
    }

    /// Reads the messages of a file, up to the first error. A chunk is checked while the next one is read.
    fn read(&self, file: &mut InputFile) -> anyhow::Result<Read> {
        let mut read = Read { tally: Tally::default(), error: None, messages: Some(Vec::new()) };
        let mut chunk = Chunk::read(file);
        loop {
            let mut judge = || chunk.messages.iter().for_each(|message| read.tally.add(message));
            let next = if chunk.is_last {
                judge();
                None
            } else {
                Some(rayon::join(|| Chunk::read(file), judge).0)
            };
            anyhow::ensure!(!self.cancel.is_cancelled(), Interrupted("before anything was stored or sent"));
            self.stage.add(chunk.messages.len() as u64);
            self.keep(&mut read.messages, chunk.messages);
            match next {
                Some(next) => chunk = next,
                None => return Ok(Read { error: chunk.error, ..read }),
            }
        }
    }

    /// Adds messages of a file to the kept ones, or gives up all of the file if there is no space.
    fn keep(&self, kept: &mut Option<Vec<InputMessage>>, chunk: Vec<InputMessage>) {
        let Some(messages) = kept else { return };
        match self.budget.get().checked_sub(memory(&chunk)) {
            Some(left) => {
                self.budget.set(left);
                messages.extend(chunk);
            }
            None => self.give_up(kept.take()),
        }
    }

    fn give_up(&self, kept: Option<Vec<InputMessage>>) {
        self.budget.set(self.budget.get() + memory(&kept.unwrap_or_default()));
    }

    /// Returns why a file is rejected, or an error if it cannot be read.
    fn rejection(&self, e: Error) -> anyhow::Result<String> {
        match e.rejection() {
            Some(why) => Ok(why.to_owned()),
            None => match e.damage() {
                Some(why) if why.kind() == std::io::ErrorKind::Unsupported => Ok(why.to_string()),
                Some(why) => Ok(format!("it was cut short or damaged ({why}): get it again")),
                None => Err(e.into()),
            },
        }
    }
}

/// Messages of a file that are checked together.
struct Chunk {
    messages: Vec<InputMessage>,
    /// Whether the file ends after them.
    is_last: bool,
    /// The error at the end of the file.
    error: Option<Error>,
}

impl Chunk {
    /// Reads the next chunk of a file.
    fn read(file: &mut InputFile) -> Self {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while messages.len() < CHUNK && bytes < CHUNK_BYTES {
            match file.next() {
                Some(Ok(message)) => {
                    bytes += message.size_bytes();
                    messages.push(message);
                }
                ended => return Self { messages, is_last: true, error: ended.and_then(Result::err) },
            }
        }
        Self { messages, is_last: false, error: None }
    }
}

/// Returns the memory of messages, in bytes.
fn memory(messages: &[InputMessage]) -> usize {
    messages.iter().map(|message| message.size_bytes() + MESSAGE_BYTES).sum()
}
