//! What was overwritten, written down before it is: a file of rows before and after, a JSON object a line.
//!
//! A line is on the disk before its row is changed. Putting back is guarded by the values after the change: a line whose
//! change never came to pass, or whose row has changed since, changes nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::record::Column;
use crate::record::stored::{Row, Shape};
use crate::report::replay::Undone;
use crate::warehouse::Warehouse;

/// A file that takes changes back; it is made with the first one.
#[derive(Debug)]
pub struct Undo {
    path: PathBuf,
    table: String,
    file: Mutex<Option<File>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    table: String,
    before: Map<String, Json>,
    after: Map<String, Json>,
}

impl Undo {
    /// The file for changes of that table; lines are added to one that is there.
    pub fn new(path: PathBuf, table: String) -> Self {
        Self { path, table, file: Mutex::default() }
    }

    /// Where it is or will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, once something was written.
    pub fn written(&self) -> Option<&Path> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|_| &*self.path)
    }

    /// Takes down rows as they are and as they will be; they are on the disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn take_down(&self, changes: &[(Row, Row)]) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = Some(File::options().create(true).append(true).open(&self.path)?);
        }
        let mut text = Vec::new();
        for (before, after) in changes {
            let line = Line { table: self.table.clone(), before: members(before), after: members(after) };
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
        }
        let file = file.as_mut().expect("opened above");
        file.write_all(&text)?;
        file.sync_data()
    }
}

/// The changes that an undo file tells of, newest first, as rows of that shape: before and after.
///
/// # Errors
/// The file cannot be read, or a line is not what [`Undo`] writes or speaks of another table. A last line that broke off
/// speaks of a change that was not made, and is left out.
pub fn read(path: &Path, table: &str, shape: &Shape) -> io::Result<Vec<(Row, Row)>> {
    let mut changes = Vec::new();
    let mut lines = BufReader::new(File::open(path)?).split(b'\n').enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        let line = line?;
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {what}", at + 1));
        let line: Line = match serde_json::from_slice(&line) {
            Ok(line) => line,
            Err(e) if e.is_eof() && lines.peek().is_none() => break,
            Err(e) => return Err(wrong(&e.to_string())),
        };
        if line.table != table {
            return Err(wrong(&format!("it is about table {}, not {table}", line.table)));
        }
        let row = |members: &Map<String, Json>| Row::from_json(members, shape).map_err(|e| wrong(&e));
        changes.push((row(&line.before)?, row(&line.after)?));
    }
    changes.reverse();
    Ok(changes)
}

/// Puts back what an undo file tells of, newest first; a row that has changed since stays as it is.
///
/// # Errors
/// The file cannot be read or is about another table; the warehouse cannot be reached or refuses.
pub async fn put_back(warehouse: &dyn Warehouse, path: &Path, table: &str, dry_run: bool) -> anyhow::Result<Undone> {
    let begun = Instant::now();
    let shape = warehouse.shape().await?;
    let changes = read(path, table, &shape).with_context(|| format!("the undo file {}", path.display()))?;
    let mut undone = Undone { changes: changes.len() as u64, dry_run, ..Undone::default() };
    for (before, after) in changes {
        let id = after.id().to_owned();
        let now = warehouse.fetch(std::slice::from_ref(&id), &shape).await?.into_iter().find(|row| row.id() == id);
        let as_left = now.as_ref() == Some(&after);
        if now.as_ref() == Some(&before) {
            undone.already += 1;
        } else if as_left && (dry_run || warehouse.replace(&after, &before, &shape).await?) {
            undone.restored += 1;
        } else {
            undone.changed_since += 1;
            let why = if now.is_some() { "it holds other values than were written" } else { "there is no such row" };
            undone.problems.add("changed since", id, why);
        }
    }
    undone.seconds = begun.elapsed().as_secs_f64();
    Ok(undone)
}

fn members(row: &Row) -> Map<String, Json> {
    let json = |column: Column| serde_json::to_value(row.get(column)).unwrap_or_default();
    Column::ALL.into_iter().map(|column| (column.name().to_owned(), json(column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::stored::Value;

    fn row(weight: f32) -> Row {
        let mut row = Row([const { Value::Null }; 13]);
        row.0[Column::IdTreatedData.index()] = Value::Text("a\nb".into());
        row.0[Column::PesoMedio.index()] = Value::Single(weight);
        row.0[Column::DiaConfinamento.index()] = Value::Integer(7);
        let at = chrono::DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap().naive_utc();
        row.0[Column::RowTs.index()] = Value::Instant(at);
        row
    }

    #[test]
    fn what_is_taken_down_is_read_back_bit_by_bit_and_newest_first() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("undo.ndjson");
        let undo = Undo::new(path.clone(), "t".into());
        assert_eq!(undo.written(), None);
        let changes = [(row(374.914), row(0.1)), (row(f32::MIN_POSITIVE), row(123_456.79))];
        undo.take_down(&changes[..1]).unwrap();
        undo.take_down(&changes[1..]).unwrap();
        assert_eq!(undo.written(), Some(&*path));
        let back = read(&path, "t", &Shape::standard()).unwrap();
        assert_eq!(back, [changes[1].clone(), changes[0].clone()]);
        assert!(read(&path, "other", &Shape::standard()).unwrap_err().to_string().contains("about table t"));
        let mut text = std::fs::read(&path).unwrap();
        text.truncate(text.len() - 9);
        std::fs::write(&path, &text).unwrap();
        assert_eq!(read(&path, "t", &Shape::standard()).unwrap().len(), 1, "a line that broke off");
    }
}
