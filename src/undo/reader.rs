//! Reading of an undo file from the newest line on, in chunks, for files of any length.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value as Json;

use super::{ObjectEntry, UndoEntry, invalid};
use pipeline::record::row::{Row, TableSchema};

/// Lines that are read and reverted at a time, and the size in bytes that ends a chunk earlier.
pub(super) const PIECE: u64 = 1_000;
const PIECE_BYTES: u64 = 8 << 20;

/// The fields of all kinds of lines.
const FIELDS: [&str; 6] = ["table", "lake", "key", "before", "after", "supersedes"];

/// Byte order mark, which some editors add.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Content of a line.
enum Line {
    /// No line of an undo file, such as the last one after a line feed.
    Blank,
    /// The start of a line, whose change was not made.
    Truncated,
    /// A change.
    Change {
        change: Change,
        /// True if it replaces the change in the previous line of its id.
        supersedes: bool,
    },
}

/// The change in a line.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A row before and after.
    Row(Box<(Option<Row>, Row)>),
    /// An object before and after.
    Object(ObjectEntry),
}

/// The changes in an undo file, read from the newest on, in chunks.
pub struct ChangeReader<'a> {
    file: BufReader<File>,
    table: &'a str,
    lake: Option<String>,
    schema: &'a TableSchema,
    /// Start of each chunk, oldest first, and the end of the file.
    marks: Vec<u64>,
    /// Number of lines whose change is not replaced by that of a newer line, if every older line is in the file.
    count: u64,
    /// Line numbers of truncated lines.
    pub(super) broken: Vec<u64>,
    /// Ids whose next older line is a change that was not made.
    not_made: HashSet<String>,
}

impl<'a> ChangeReader<'a> {
    /// Opens a file and checks every line.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, has no line of an undo file, or has a damaged line or one for another table
    /// or lake.
    pub fn open(path: &Path, table: &'a str, lake: Option<String>, schema: &'a TableSchema) -> io::Result<Self> {
        let file = BufReader::new(File::open(path)?);
        let (count, not_made) = (0, HashSet::new());
        let mut changes = Self { file, table, lake, schema, marks: vec![0], count, broken: Vec::new(), not_made };
        let (mut number, mut lines, mut at, mut text) = (0, 0, 0, Vec::new());
        let mut has_change = false;
        loop {
            let length = changes.file.read_until(b'\n', &mut text)?;
            if length == 0 {
                break;
            }
            (number, at) = (number + 1, at + length as u64);
            match changes.parse(&text).map_err(|why| invalid(&format!("line {number}: {why}")))? {
                Line::Change { supersedes, .. } => {
                    changes.count += u64::from(!supersedes);
                    has_change = true;
                }
                Line::Truncated => changes.broken.push(number),
                Line::Blank => {}
            }
            lines += 1;
            if lines == PIECE || at - changes.marks.last().copied().unwrap_or_default() >= PIECE_BYTES {
                changes.marks.push(at);
                lines = 0;
            }
            text.clear();
        }
        if changes.marks.last() != Some(&at) {
            changes.marks.push(at);
        }
        if !has_change && !changes.broken.is_empty() {
            return Err(invalid("line 1: not an undo file of --on-conflict overwrite or --repair"));
        }
        Ok(changes)
    }

    /// Parses a line. Only one that ends too early is truncated; any other damage is an error.
    fn parse(&self, line: &[u8]) -> Result<Line, String> {
        let line = line.strip_prefix(BOM).unwrap_or(line);
        // After a power failure, the end of a file that was being written can have zeros.
        let Some(end) = line.iter().rposition(|byte| !matches!(byte, b'\0' | b'\r' | b'\n' | b' ' | b'\t')) else {
            return Ok(if line.contains(&b'\0') { Line::Truncated } else { Line::Blank });
        };
        let line = &line[..=end];
        let line: Json = match serde_json::from_slice(line) {
            Ok(line) => line,
            Err(e) if e.is_eof() && line.trim_ascii_start().first() == Some(&b'{') => return Ok(Line::Truncated),
            Err(e) => return Err(format!("is damaged, or this is not an undo file; nothing is reverted: {e}")),
        };
        reject_unknown_fields(&line)?;
        let line = match serde_json::from_value(line).map_err(|e| e.to_string())? {
            UndoEntry::Row(line) => line,
            UndoEntry::Object(line) if self.lake.as_ref() != Some(&line.lake) => {
                return Err(format!("it was written for the lake {}: check --lake", line.lake));
            }
            UndoEntry::Object(line) if !line.lake.starts_with("s3://") && !is_safe(&line.key) => {
                return Err(format!("has the key {:?}, which no object can have: nothing is reverted", line.key));
            }
            UndoEntry::Object(line) => return Ok(Line::Change { change: Change::Object(line), supersedes: false }),
        };
        if line.table != self.table {
            return Err(format!("it was written for the table {}, not {}: check --table", line.table, self.table));
        }
        let row = |members| Row::from_json(members, self.schema);
        let before = line.before.as_ref().map(row).transpose()?;
        let change = Change::Row(Box::new((before, row(&line.after)?)));
        Ok(Line::Change { change, supersedes: line.supersedes })
    }

    /// Returns the number of changes. It is exact when all were read: until then, a line that replaces one that is not in the
    /// file, because its start was cut off, is not counted.
    pub fn count(&self) -> u64 {
        let is_read = self.marks.is_empty();
        self.count + if is_read { self.not_made.len() as u64 } else { 0 }
    }

    /// Returns the newest changes that were not read yet, newest first; `None` when all were read.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or has changed since it was opened.
    pub fn next_chunk(&mut self) -> io::Result<Option<Vec<Change>>> {
        let Some(end) = self.marks.pop() else { return Ok(None) };
        let Some(&begin) = self.marks.last() else { return Ok(None) };
        self.file.seek(SeekFrom::Start(begin))?;
        let mut text = vec![0; usize::try_from(end - begin).map_err(io::Error::other)?];
        self.file.read_exact(&mut text)?;
        let mut piece = Vec::new();
        for line in text.split(|&b| b == b'\n').rev() {
            let Line::Change { change, supersedes } = self.parse(line).map_err(|why| invalid(&why))? else { continue };
            let made = match &change {
                Change::Row(row) => {
                    let (_, after) = &**row;
                    let made = !self.not_made.remove(after.id());
                    if supersedes {
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

/// Returns an error if a line has a field that this version does not know. Ignoring it could revert a wrong change.
fn reject_unknown_fields(line: &Json) -> Result<(), String> {
    let mut names = line.as_object().into_iter().flatten().map(|(name, _)| name);
    match names.find(|name| !FIELDS.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!(
            "has the unknown field `{name}`: it is not an undo file, or one of another version of ruminate"
        )),
    }
}

/// Returns true if a key is safe as a file name below a directory. Buckets accept any key.
fn is_safe(key: &str) -> bool {
    !key.contains('\0') && key.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
