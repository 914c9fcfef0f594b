//! What was overwritten, written down before it is: a file of rows before and after, a JSON object a line.
//!
//! A line is on the disk before its row is changed. Putting back is guarded by the values after the change: a line whose
//! change never came to pass, or whose row has changed since, changes nothing. A line that broke off, at a full disk or a
//! kill, speaks of a change that was not made: it is named and left out, and what is written later begins a line of its own.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::record::Column;
use crate::record::stored::{Row, Shape};
use crate::report::replay::Undone;
use crate::stop::Stop;
use crate::warehouse::{Bulk, Change, Insert};

/// Lines that are read and put back at a time.
const PIECE: u64 = 1_000;

/// A file that takes changes back; it is made with the first one.
#[derive(Debug)]
pub struct Undo {
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

/// A row before its change and after it.
type Pair = (Row, Row);

/// What of a batch is written down already, by the ids of its rows: for a batch that is tried again.
#[derive(Debug, Default)]
pub struct TakenDown(HashMap<String, (Row, Row)>);

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    table: String,
    before: Map<String, Json>,
    after: Map<String, Json>,
    /// The change that the line before of this id tells of was not made: this one came in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    instead: bool,
}

impl Undo {
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
    pub fn take_down(&self, changes: &[(Row, Row)], already: &mut TakenDown) -> io::Result<()> {
        let mut text = Vec::new();
        let mut new = Vec::new();
        for change in changes {
            let earlier = already.0.get(change.1.id());
            if earlier == Some(change) {
                continue;
            }
            let (before, after) = (members(&change.0), members(&change.1));
            let line = Line { table: self.table.clone(), before, after, instead: earlier.is_some() };
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
            new.push(change);
        }
        if !new.is_empty() {
            self.write(&text)?;
        }
        already.0.extend(new.into_iter().map(|change| (change.1.id().to_owned(), change.clone())));
        Ok(())
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = match state.file.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        state.written = true;
        file.write_all(text)?;
        file.sync_data()?;
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

/// The changes that an undo file tells of, to be read from the newest on, a piece at a time.
struct Changes<'a> {
    file: BufReader<File>,
    table: &'a str,
    shape: &'a Shape,
    /// Where pieces begin, the oldest first, and where the file ends.
    marks: Vec<u64>,
    /// Changes in all.
    count: u64,
    /// Lines that broke off, by their numbers.
    broken: Vec<u64>,
    /// Ids whose next older line tells of a change that was not made.
    not_made: HashSet<String>,
}

impl<'a> Changes<'a> {
    /// Looks at every line.
    ///
    /// # Errors
    /// The file cannot be read, holds no line as [`Undo`] writes it, or one that speaks of another table.
    fn open(path: &Path, table: &'a str, shape: &'a Shape) -> io::Result<Self> {
        let file = BufReader::new(File::open(path)?);
        let (count, not_made) = (0, HashSet::new());
        let mut changes = Self { file, table, shape, marks: vec![0], count, broken: Vec::new(), not_made };
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
            return Err(invalid("line 1: no line is of the form that --on-conflict overwrite writes"));
        }
        Ok(changes)
    }

    /// Before and after, and whether it takes the place of an older line; `None` for a line that broke off.
    fn parse(&self, line: &[u8]) -> Result<Option<(Pair, bool)>, String> {
        let Ok(line) = serde_json::from_slice::<Json>(line) else { return Ok(None) };
        let line: Line = serde_json::from_value(line).map_err(|e| e.to_string())?;
        if line.table != self.table {
            return Err(format!("it is about table {}, not {}", line.table, self.table));
        }
        let row = |members: &Map<String, Json>| Row::from_json(members, self.shape);
        Ok(Some(((row(&line.before)?, row(&line.after)?), line.instead)))
    }

    /// The newest of what was not read yet, newest first; `None` once all was.
    fn next(&mut self) -> io::Result<Option<Vec<(Row, Row)>>> {
        let Some(end) = self.marks.pop() else { return Ok(None) };
        let Some(&begin) = self.marks.last() else { return Ok(None) };
        self.file.seek(SeekFrom::Start(begin))?;
        let mut text = vec![0; usize::try_from(end - begin).map_err(io::Error::other)?];
        self.file.read_exact(&mut text)?;
        let mut piece = Vec::new();
        for line in text.split(|&b| b == b'\n').rev() {
            let Some((change, instead)) = self.parse(line).map_err(|why| invalid(&why))? else { continue };
            let made = !self.not_made.remove(change.1.id());
            if instead {
                self.not_made.insert(change.1.id().to_owned());
            }
            if made {
                piece.push(change);
            }
        }
        Ok(Some(piece))
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Puts back what an undo file tells of, newest first; a row that has changed since stays as it is.
///
/// # Errors
/// The file cannot be read or is about another table; the warehouse cannot be reached or refuses.
pub async fn put_back(
    warehouse: &dyn Bulk,
    path: &Path,
    table: &str,
    dry_run: bool,
    stop: &Stop,
) -> anyhow::Result<Undone> {
    let begun = Instant::now();
    let shape = warehouse.shape().await?;
    let about = || format!("the undo file {}", path.display());
    let mut changes = Changes::open(path, table, &shape).with_context(about)?;
    let undone = Undone { changes: changes.count, broken: changes.broken.len() as u64, dry_run, ..Undone::default() };
    let mut work = Work { warehouse, shape: &shape, undone };
    for number in std::mem::take(&mut changes.broken) {
        let why = "it broke off before its change was made, and is left out";
        work.undone.problems.add("broken off", format!("line {number}"), why);
    }
    'pieces: while let Some(piece) = changes.next().with_context(about)? {
        for rows in of_different_ids(&piece) {
            if stop.is_set() {
                break 'pieces;
            }
            work.put_back(rows).await?;
        }
    }
    let undone = &mut work.undone;
    undone.left = undone.changes - undone.restored - undone.already - undone.changed_since;
    undone.seconds = begun.elapsed().as_secs_f64();
    Ok(work.undone)
}

/// Cuts changes so that no id is twice in one slice: each change is to find what the one before it left.
fn of_different_ids(changes: &[(Row, Row)]) -> Vec<&[(Row, Row)]> {
    let (mut slices, mut begin, mut ids) = (Vec::new(), 0, HashSet::new());
    for (at, (_, after)) in changes.iter().enumerate() {
        if !ids.insert(after.id()) {
            slices.push(&changes[begin..at]);
            begin = at;
            ids = HashSet::from([after.id()]);
        }
    }
    slices.push(&changes[begin..]);
    slices
}

struct Work<'a> {
    warehouse: &'a dyn Bulk,
    shape: &'a Shape,
    undone: Undone,
}

impl Work<'_> {
    /// Puts rows of different ids back, in one transaction where none of them changes meanwhile.
    async fn put_back(&mut self, changes: &[(Row, Row)]) -> anyhow::Result<()> {
        let swaps = self.judge(changes).await?;
        let change = Change { replace: &swaps, ..Change::default() };
        if self.undone.dry_run || self.warehouse.apply(&change, self.shape).await? == Insert::Done {
            self.undone.restored += swaps.len() as u64;
            return Ok(());
        }
        for (now, before) in &swaps {
            self.put_one_back(now, before).await?;
        }
        Ok(())
    }

    /// Rows as they are now and as they are to be again; the others are counted.
    async fn judge(&mut self, changes: &[(Row, Row)]) -> anyhow::Result<Vec<(Row, Row)>> {
        let ids: Vec<String> = changes.iter().map(|(_, after)| after.id().to_owned()).collect();
        let rows = self.warehouse.fetch(&ids, self.shape).await?;
        let mut rows: HashMap<String, Row> = rows.into_iter().map(|row| (row.id().to_owned(), row)).collect();
        let mut swaps = Vec::new();
        for (before, after) in changes {
            match rows.remove(after.id()) {
                Some(now) if now == *before => self.undone.already += 1,
                Some(now) if after.is_kept_as(&now, self.shape) => swaps.push((now, before.clone())),
                now => self.changed(after.id(), now.is_some()),
            }
        }
        Ok(swaps)
    }

    async fn put_one_back(&mut self, now: &Row, before: &Row) -> anyhow::Result<()> {
        if self.warehouse.replace(now, before, self.shape).await? {
            self.undone.restored += 1;
            return Ok(());
        }
        let found = self.warehouse.fetch(&[before.id().to_owned()], self.shape).await?;
        match found.iter().find(|row| row.id() == before.id()) {
            // An answer was lost, of what was done.
            Some(row) if row == before => self.undone.restored += 1,
            row => self.changed(before.id(), row.is_some()),
        }
        Ok(())
    }

    fn changed(&mut self, id: &str, is_there: bool) {
        self.undone.changed_since += 1;
        let why = if is_there { "it holds other values than were written" } else { "there is no such row" };
        self.undone.problems.add("changed since", id, why);
    }
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

    /// All that a file tells of.
    fn read(path: &Path, table: &str) -> io::Result<Vec<(Row, Row)>> {
        let shape = Shape::standard();
        let mut changes = Changes::open(path, table, &shape)?;
        let mut all = Vec::new();
        while let Some(piece) = changes.next()? {
            all.extend(piece);
        }
        assert_eq!(all.len() as u64, changes.count);
        Ok(all)
    }

    struct Scene {
        _home: tempfile::TempDir,
        path: PathBuf,
    }

    impl Scene {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            Self { path: home.path().join("undo.ndjson"), _home: home }
        }

        fn undo(&self) -> Undo {
            Undo::new(self.path.clone(), "t".into())
        }

        fn write(&self, changes: &[(Row, Row)]) {
            self.undo().take_down(changes, &mut TakenDown::default()).unwrap();
        }

        fn break_off(&self, bytes: usize) {
            let mut text = std::fs::read(&self.path).unwrap();
            text.truncate(text.len() - bytes);
            std::fs::write(&self.path, &text).unwrap();
        }
    }

    #[test]
    fn what_is_taken_down_is_read_back_bit_by_bit_and_newest_first() {
        let scene = Scene::new();
        let undo = scene.undo();
        assert_eq!(undo.written(), None);
        let changes = [(row(374.914), row(0.1)), (row(f32::MIN_POSITIVE), row(123_456.79))];
        undo.take_down(&changes[..1], &mut TakenDown::default()).unwrap();
        undo.take_down(&changes[1..], &mut TakenDown::default()).unwrap();
        assert_eq!(undo.written(), Some(&*scene.path));
        assert_eq!(read(&scene.path, "t").unwrap(), [changes[1].clone(), changes[0].clone()]);
        assert!(read(&scene.path, "other").unwrap_err().to_string().contains("about table t"));
        std::fs::write(&scene.path, "a,b\n1,2\n").unwrap();
        assert!(read(&scene.path, "t").is_err(), "no undo file at all");
        std::fs::write(&scene.path, "").unwrap();
        assert_eq!(read(&scene.path, "t").unwrap(), []);
    }

    #[test]
    fn a_line_that_broke_off_spoils_no_other() {
        let scene = Scene::new();
        let changes = [(row(1.0), row(2.0)), (row(3.0), row(4.0)), (row(5.0), row(6.0))];
        scene.write(&changes[..2]);
        scene.break_off(9);
        scene.write(&changes[2..]);
        assert_eq!(read(&scene.path, "t").unwrap(), [changes[2].clone(), changes[0].clone()]);
        assert_eq!(Changes::open(&scene.path, "t", &Shape::standard()).unwrap().broken, [2]);
        // A whole line of which only the end is missing is a line.
        scene.break_off(1);
        scene.write(&changes[1..2]);
        assert_eq!(read(&scene.path, "t").unwrap(), [changes[1].clone(), changes[2].clone(), changes[0].clone()]);
    }

    #[test]
    fn a_batch_that_is_tried_again_writes_no_line_twice_and_takes_back_what_was_not_made() {
        let scene = Scene::new();
        let (undo, mut already) = (scene.undo(), TakenDown::default());
        scene.write(&[(row(7.0), row(1.0))]);
        for before in [1.0, 1.0, 2.0, 3.0, 3.0] {
            undo.take_down(&[(row(before), row(9.0))], &mut already).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&scene.path).unwrap().lines().count(), 4);
        assert_eq!(read(&scene.path, "t").unwrap(), [(row(3.0), row(9.0)), (row(7.0), row(1.0))]);
    }

    /// More than a piece of it, with changes of one row one after the other.
    #[tokio::test]
    async fn a_long_file_is_put_back_change_by_change() {
        use crate::warehouse::Warehouse as _;
        use crate::warehouse::memory::Memory;
        let scene = Scene::new();
        let numbered = |n: u64, weight: f32| {
            let mut row = row(weight);
            row.0[Column::IdTreatedData.index()] = Value::Text(n.to_string());
            row
        };
        let all: Vec<_> = (0..3 * PIECE + 7)
            .map(|n| (numbered(n % 1_300, n as f32), numbered(n % 1_300, (n + 1_300) as f32)))
            .collect();
        scene.write(&all[..10]);
        scene.write(&all[10..]);
        let warehouse = Memory::default();
        warehouse.init().await.unwrap();
        all.iter().for_each(|(_, after)| warehouse.overwrite(after.clone()));
        warehouse.remove("5");
        let undone = put_back(&warehouse, &scene.path, "t", false, &Stop::default()).await.unwrap();
        let gone = all.iter().filter(|(_, after)| after.id() == "5").count() as u64;
        assert_eq!((undone.changes, undone.changed_since), (all.len() as u64, gone), "{undone}");
        assert_eq!((undone.restored, undone.already, undone.broken), (all.len() as u64 - gone, 0, 0), "{undone}");
        let shape = Shape::standard();
        assert_eq!(warehouse.fetch(&["7".into()], &shape).await.unwrap(), [numbered(7, 7.0)]);
    }

    #[tokio::test]
    async fn who_wishes_to_stop_is_told_what_is_left() {
        use crate::report::{Exit, Outcome as _};
        use crate::warehouse::Warehouse as _;
        let scene = Scene::new();
        scene.write(&[(row(1.0), row(2.0)), (row(2.0), row(3.0))]);
        let warehouse = crate::warehouse::memory::Memory::default();
        warehouse.init().await.unwrap();
        warehouse.overwrite(row(3.0));
        let stop = Stop::default();
        stop.set();
        let undone = put_back(&warehouse, &scene.path, "t", false, &stop).await.unwrap();
        assert_eq!((undone.changes, undone.left, undone.restored, undone.exit()), (2, 2, 0, Exit::Stopped));
        let undone = put_back(&warehouse, &scene.path, "t", false, &Stop::default()).await.unwrap();
        assert_eq!((undone.left, undone.restored, undone.exit()), (0, 2, Exit::Clean));
    }
}
