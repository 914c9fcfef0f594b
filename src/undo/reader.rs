//! Reading an undo file from the newest line on, a piece at a time, whatever its length.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value as Json;

use super::{ObjectEntry, UndoEntry, invalid};
use pipeline::record::row::{Row, TableSchema};

/// Lines that are read and put back at a time.
pub(super) const PIECE: u64 = 1_000;

/// What a line tells of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// A row before and after.
    Row(Box<(Option<Row>, Row)>),
    /// An object before and after.
    Object(ObjectEntry),
}

/// The changes that an undo file tells of, to be read from the newest on, a piece at a time.
pub(super) struct ChangeReader<'a> {
    file: BufReader<File>,
    table: &'a str,
    lake: String,
    schema: &'a TableSchema,
    /// Where pieces begin, the oldest first, and where the file ends.
    marks: Vec<u64>,
    /// Changes in all.
    pub(super) count: u64,
    /// Lines that broke off, by their numbers.
    pub(super) broken: Vec<u64>,
    /// Ids whose next older line tells of a change that was not made.
    not_made: HashSet<String>,
}

impl<'a> ChangeReader<'a> {
    /// Looks at every line.
    ///
    /// # Errors
    /// The file cannot be read, holds no line as [`Undo`] writes it, or one that speaks of another table or lake.
    pub(super) fn open(path: &Path, table: &'a str, lake: String, schema: &'a TableSchema) -> io::Result<Self> {
        let file = BufReader::new(File::open(path)?);
        let (count, not_made) = (0, HashSet::new());
        let mut changes = Self { file, table, lake, schema, marks: vec![0], count, broken: Vec::new(), not_made };
        let (mut number, mut at, mut text) = (0, 0, Vec::new());
        loop {
            let length = changes.file.read_until(b'\n', &mut text)?;
            if length == 0 {
                break;
            }
            (number, at) = (number + 1, at + length as u64);
            match changes.parse(&text).map_err(|why| invalid(&format!("line {number}: {why}")))? {
                Some((_, true)) => {}
                Some((_, false)) => changes.count += 1,
                None => changes.broken.push(number),
            }
            if number % PIECE == 0 {
                changes.marks.push(at);
            }
            text.clear();
        }
        if changes.marks.last() != Some(&at) {
            changes.marks.push(at);
        }
        if changes.count == 0 && !changes.broken.is_empty() {
            return Err(invalid("line 1: no line is of the form that --on-conflict overwrite and --repair write"));
        }
        Ok(changes)
    }

    /// Before and after, and whether it takes the place of an older line; `None` for a line that broke off.
    fn parse(&self, line: &[u8]) -> Result<Option<(Change, bool)>, String> {
        let Ok(line) = serde_json::from_slice::<Json>(line) else { return Ok(None) };
        let line = match serde_json::from_value(line).map_err(|e| e.to_string())? {
            UndoEntry::Row(line) => line,
            UndoEntry::Object(line) if line.lake != self.lake => {
                return Err(format!("it is about the lake {}: give --lake", line.lake));
            }
            UndoEntry::Object(line) => return Ok(Some((Change::Object(line), false))),
        };
        if line.table != self.table {
            return Err(format!("it is about table {}, not {}", line.table, self.table));
        }
        let row = |members| Row::from_json(members, self.schema);
        let before = line.before.as_ref().map(row).transpose()?;
        Ok(Some((Change::Row(Box::new((before, row(&line.after)?))), line.instead)))
    }

    /// The newest of what was not read yet, newest first; `None` once all was.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<Change>>> {
        let Some(end) = self.marks.pop() else { return Ok(None) };
        let Some(&begin) = self.marks.last() else { return Ok(None) };
        self.file.seek(SeekFrom::Start(begin))?;
        let mut text = vec![0; usize::try_from(end - begin).map_err(io::Error::other)?];
        self.file.read_exact(&mut text)?;
        let mut piece = Vec::new();
        for line in text.split(|&b| b == b'\n').rev() {
            let Some((change, instead)) = self.parse(line).map_err(|why| invalid(&why))? else { continue };
            let made = match &change {
                Change::Row(row) => {
                    let (_, after) = &**row;
                    let made = !self.not_made.remove(after.id());
                    if instead {
                        self.not_made.insert(after.id().to_owned());
                    }
                    made
                }
                Change::Object(_) => true,
            };
            if made {
                piece.push(change);
            }
        }
        Ok(Some(piece))
    }
}
