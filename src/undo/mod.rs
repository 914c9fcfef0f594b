//! Undo files: rows and objects before and after each change, written before the change, as one JSON object per line.
//!
//! A line is on disk before its change is made. Reverting compares the current values with those after the change. If
//! the change was never made, or its row or object has changed since, nothing happens. A line truncated by a full disk
//! or a kill belongs to a change that was not made. It is reported and skipped, and the next line starts after a line
//! feed. Any other damage is an error before the first change, because the change of the line may have been made.
//!
//! | line | reverted by |
//! | --- | --- |
//! | a row, with values before and after | writing the old values, if it has the new ones |
//! | a row that did not exist before | deleting it, if it has the new values |
//! | an object, with its text before and after | writing the old text, if it has the new one |
//! | an object that did not exist before | deleting it, if it has the new text |

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use pipeline::record::Column;
use pipeline::record::row::{INVALID, Row, Value};

mod outcome;
mod reader;
mod revert;
mod simulated;

pub use outcome::{Outcome, UndoCounter};
pub use reader::{Change, ChangeReader};
pub use revert::revert;

/// An undo file, created with the first change.
#[derive(Debug)]
pub struct UndoFile {
    path: PathBuf,
    table: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` also after a failed write: the file is then reopened and checked.
    file: Option<File>,
    written: bool,
}

/// A row change: the row before (`None` if it did not exist) and after.
pub type RowChange<'a> = (Option<&'a Row>, &'a Row);

/// Changes of a batch that are already recorded, by row id, for a batch that is retried.
#[derive(Debug, Default)]
pub struct RecordedChanges(HashMap<String, (Option<Row>, Row)>);

/// An object change.
#[derive(Debug, Clone, Copy)]
pub struct ObjectChange<'a> {
    /// Identity of its lake, from [`pipeline::lake::Lake::identity`].
    pub lake: &'a str,
    /// Its key.
    pub key: &'a str,
    /// Its content before; `None` if it did not exist.
    pub before: Option<&'a str>,
    /// Its content after.
    pub after: &'a str,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum UndoEntry {
    Row(RowEntry),
    Object(ObjectEntry),
}

#[derive(Debug, Serialize, Deserialize)]
struct RowEntry {
    table: String,
    before: Option<Map<String, Json>>,
    after: Map<String, Json>,
    /// If true, the change in the previous line of this id was not made, and this one replaces it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    supersedes: bool,
}

/// An object before and after a change, as it is in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// Identity of its lake.
    pub lake: String,
    /// Its key.
    pub key: String,
    /// Its content before; `None` if it did not exist.
    pub before: Option<String>,
    /// Its content after.
    pub after: String,
}

impl UndoFile {
    /// Creates an undo file for changes of that table; an existing file is appended to.
    pub fn new(path: PathBuf, table: String) -> Self {
        Self { path, table, state: Mutex::default() }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its path if something was written; `None` otherwise.
    pub fn written(&self) -> Option<&Path> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.written.then_some(&*self.path)
    }

    /// Records rows before and after their changes, except those already recorded. They are on disk when this returns.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn record<'a>(
        &self,
        changes: impl IntoIterator<Item = RowChange<'a>>,
        already: &mut RecordedChanges,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        let mut new = Vec::new();
        for (before, after) in changes {
            let earlier = already.0.get(after.id());
            if earlier.is_some_and(|(old, new)| (old.as_ref(), new) == (before, after)) {
                continue;
            }
            let line = RowEntry {
                table: self.table.clone(),
                before: before.map(members),
                after: members(after),
                supersedes: earlier.is_some(),
            };
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
            new.push((before.cloned(), after.clone()));
        }
        if !new.is_empty() {
            self.write(&text)?;
        }
        already.0.extend(new.into_iter().map(|change| (change.1.id().to_owned(), change)));
        Ok(())
    }

    /// Records an object change. It is on disk when this returns.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn record_object(&self, object: ObjectChange<'_>) -> io::Result<()> {
        let ObjectChange { lake, key, before, after } = object;
        let line = ObjectEntry {
            lake: lake.to_owned(),
            key: key.to_owned(),
            before: before.map(str::to_owned),
            after: after.to_owned(),
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        self.write(&text)
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = match state.file.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        file.write_all(text)?;
        file.sync_data()?;
        state.written = true;
        state.file = Some(file);
        Ok(())
    }
}

/// Opens a file for appending, and completes a truncated last line.
fn open(path: &Path) -> io::Result<File> {
    let mut file = File::options().create(true).read(true).append(true).open(path)?;
    if file.metadata()?.is_file() && file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn members(row: &Row) -> Map<String, Json> {
    let json = |column: Column| match row.get(column) {
        Value::Invalid(text) => json!({ INVALID: text }),
        value => serde_json::to_value(value).unwrap_or_default(),
    };
    Column::ALL.into_iter().map(|column| (column.name().to_owned(), json(column))).collect()
}

#[cfg(test)]
mod tests;
