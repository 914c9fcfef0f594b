//! Dead letters: messages that could not be published, whole and with the reason, one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::courier::Settled;
use crate::topic::Refusal;

/// A line of the file.
#[derive(Debug, Serialize)]
struct Letter<'a> {
    message: &'a str,
    code: &'a str,
    reason: &'a str,
    file: &'a str,
    line: u64,
    attempts: u32,
}

/// What to do with a file that holds letters already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Leave it alone and say so: they are another run's.
    Refuse,
    /// Write on behind them: this run goes on where that one stopped.
    Append,
}

/// The file that dead letters go to, if one was named.
#[derive(Debug)]
pub(super) struct DeadLetters(Option<(PathBuf, BufWriter<File>)>);

impl DeadLetters {
    /// Opens the file before anything is sent.
    ///
    /// # Errors
    /// It cannot be written, or holds letters that are to be left alone.
    pub(super) fn open(path: Option<&Path>, held: Held) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self(None)) };
        let about = || format!("dead-letter file {}", path.display());
        let file = OpenOptions::new().create(true).append(true).open(path).with_context(about)?;
        let meta = file.metadata().with_context(about)?;
        anyhow::ensure!(
            held == Held::Append || !meta.is_file() || meta.len() == 0,
            "{} is not empty: publish what it holds first, or name another file",
            about()
        );
        Ok(Self(Some((path.to_owned(), BufWriter::new(file)))))
    }

    /// Writes a message down.
    ///
    /// # Errors
    /// The file cannot be written on.
    pub(super) fn bury(&mut self, settled: &Settled, refusal: &Refusal) -> anyhow::Result<()> {
        let Some((path, file)) = &mut self.0 else { return Ok(()) };
        let message = String::from_utf8_lossy(&settled.entry.message.body); // only text is ever sent
        let letter = Letter {
            message: &message,
            code: &refusal.code,
            reason: &refusal.message,
            file: &settled.entry.file,
            line: settled.entry.line,
            attempts: settled.attempts,
        };
        let written =
            serde_json::to_writer(&mut *file, &letter).map_err(io::Error::from).and_then(|()| file.write_all(b"\n"));
        written.with_context(|| format!("dead-letter file {}", path.display()))
    }

    /// Hands what was written to the system, so that it outlives this process.
    ///
    /// # Errors
    /// The file cannot be written on.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        let Some((path, file)) = &mut self.0 else { return Ok(()) };
        file.flush().with_context(|| format!("dead-letter file {}", path.display()))
    }
}
