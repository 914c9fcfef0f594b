//! What was changed, written down before it is: a file of rows and objects before and after, a JSON object a line.
//!
//! A line is on the disk before its change is made. Putting back is guarded by the values after the change: a line whose
//! change never came to pass, or whose row or object has changed since, changes nothing. A line that broke off, at a full
//! disk or a kill, speaks of a change that was not made: it is named and left out, and what is written later begins a line
//! of its own.
//!
//! | line | put back by |
//! | --- | --- |
//! | a row, with values before and after | writing the old values, if it holds the new ones |
//! | a row that was not there before | removing it, if it holds the new values |
//! | an object, with its text before and after | writing the old text, if it holds the new one |
//! | an object that was not there before | removing it, if it holds the new text |

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use pipeline::record::Column;
use pipeline::record::row::Row;

mod outcome;
mod reader;
mod revert;

pub use outcome::{Outcome, UndoCounter};
pub use revert::revert;

/// A file that takes changes back; it is made with the first one.
#[derive(Debug)]
pub struct UndoFile {
    path: PathBuf,
    table: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` also after a write that failed: the file is then looked at anew.
    file: Option<File>,
    written: bool,
}

/// A row that is to be changed: as it is, where it is, and as it will be.
pub type RowChange<'a> = (Option<&'a Row>, &'a Row);

/// What of a batch is written down already, by the ids of its rows: for a batch that is tried again.
#[derive(Debug, Default)]
pub struct RecordedChanges(HashMap<String, (Option<Row>, Row)>);

/// An object that is to be changed.
#[derive(Debug, Clone, Copy)]
pub struct ObjectChange<'a> {
    /// The lake that it is of, as [`pipeline::lake::Lake::identity`] tells it.
    pub lake: &'a str,
    /// Its key.
    pub key: &'a str,
    /// What it holds; `None` where it is not there.
    pub before: Option<&'a str>,
    /// What it will hold.
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
    /// The change that the line before of this id tells of was not made: this one came in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    instead: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ObjectEntry {
    lake: String,
    key: String,
    before: Option<String>,
    after: String,
}

impl UndoFile {
    /// The file for changes of that table; lines are added to one that is there.
    pub fn new(path: PathBuf, table: String) -> Self {
        Self { path, table, state: Mutex::default() }
    }

    /// Where it is or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, once something was written.
    pub fn written(&self) -> Option<&Path> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.written.then_some(&*self.path)
    }

    /// Takes down rows as they are and as they will be, but for what is taken down already; they are on the disk when
    /// this returns.
    ///
    /// # Errors
    /// The file cannot be written.
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
                instead: earlier.is_some(),
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

    /// Takes down an object; it is on the disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
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

/// Opens a file to write at its end, where a new line begins.
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
    let json = |column: Column| serde_json::to_value(row.get(column)).unwrap_or_default();
    Column::ALL.into_iter().map(|column| (column.name().to_owned(), json(column))).collect()
}

#[cfg(test)]
mod tests;
