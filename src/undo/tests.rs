//! Recorded changes are reverted, regardless of what happened to the file.

use std::sync::Arc;

use super::reader::{Change, ChangeReader, PIECE};
use super::revert::revert;
use super::*;
use crate::cancellation::CancellationToken;
use pipeline::lake::memory::Memory as MemoryLake;
use pipeline::lake::{Depth, Error, Lake, ListPage, PutResult, Reason};
use pipeline::record::row::{ColumnType, TableSchema, Value};

mod damage;

fn row(weight: f32) -> Row {
    let mut row = Row::nulls();
    row.0[Column::IdTreatedData.index()] = Value::Text("a\nb".into());
    row.0[Column::PesoMedio.index()] = Value::Float(weight);
    row.0[Column::DiaConfinamento.index()] = Value::Integer(7);
    let at = chrono::DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap().naive_utc();
    row.0[Column::RowTs.index()] = Value::DateTime(at);
    row
}

fn pairs(changes: &[(Row, Row)]) -> impl Iterator<Item = RowChange<'_>> {
    changes.iter().map(|(before, after)| (Some(before), after))
}

/// Reads all row changes in a file.
fn read(path: &Path, table: &str) -> io::Result<Vec<(Row, Row)>> {
    let schema = TableSchema::standard();
    let mut changes = ChangeReader::open(path, table, Some(MemoryLake::default().identity()), &schema)?;
    let mut all = Vec::new();
    while let Some(piece) = changes.next_chunk()? {
        all.extend(piece.into_iter().map(|change| match change {
            Change::Row(row) => (row.0.unwrap(), row.1),
            Change::Object(object) => panic!("{object:?}"),
        }));
    }
    assert_eq!(all.len() as u64, changes.count());
    Ok(all)
}

#[test]
fn doubles_are_read_back_exactly() {
    let scene = Scene::new();
    let mut schema = TableSchema::standard();
    schema.0[Column::PesoMedio.index()] = ColumnType::Double { decimals: None };
    let double = |weight: f64| {
        let mut row = row(0.0);
        row.0[Column::PesoMedio.index()] = Value::Double(weight);
        row
    };
    // Rounding during the round trip would change each of these to a neighbouring value.
    let weights = [400.67699999999996, 532.899 + f64::EPSILON * 512.0, 5e-324, f64::MAX, 0.1 + 0.2];
    let changes = weights.map(|weight| (double(weight), double(weight + 1.0)));
    scene.write(&changes);
    let mut reader = ChangeReader::open(&scene.path, "t", Some("lake".into()), &schema).unwrap();
    let read = reader.next_chunk().unwrap().unwrap().into_iter().rev();
    for (change, (before, after)) in read.zip(changes) {
        assert_eq!(change, Change::Row(Box::new((Some(before), after))));
    }
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

    fn undo(&self) -> UndoFile {
        UndoFile::new(self.path.clone(), "t".into())
    }

    fn write(&self, changes: &[(Row, Row)]) {
        self.undo().record(pairs(changes), &mut RecordedChanges::default()).unwrap();
    }

    fn break_off(&self, bytes: usize) {
        let mut text = std::fs::read(&self.path).unwrap();
        text.truncate(text.len() - bytes);
        std::fs::write(&self.path, &text).unwrap();
    }
}

#[test]
fn recorded_changes_are_read_back_exactly_and_newest_first() {
    let scene = Scene::new();
    let undo_file = scene.undo();
    assert_eq!(undo_file.written(), None);
    let changes = [(row(374.914), row(0.1)), (row(f32::MIN_POSITIVE), row(123_456.79))];
    undo_file.record(pairs(&changes[..1]), &mut RecordedChanges::default()).unwrap();
    undo_file.record(pairs(&changes[1..]), &mut RecordedChanges::default()).unwrap();
    assert_eq!(undo_file.written(), Some(&*scene.path));
    assert_eq!(read(&scene.path, "t").unwrap(), [changes[1].clone(), changes[0].clone()]);
    assert!(read(&scene.path, "other").unwrap_err().to_string().contains("was written for the table t, not other"));
    std::fs::write(&scene.path, "a,b\n1,2\n").unwrap();
    assert!(read(&scene.path, "t").is_err(), "not an undo file");
    std::fs::write(&scene.path, "").unwrap();
    assert_eq!(read(&scene.path, "t").unwrap(), []);
}

#[test]
fn a_truncated_line_does_not_affect_others() {
    let scene = Scene::new();
    let changes = [(row(1.0), row(2.0)), (row(3.0), row(4.0)), (row(5.0), row(6.0))];
    scene.write(&changes[..2]);
    scene.break_off(9);
    scene.write(&changes[2..]);
    assert_eq!(read(&scene.path, "t").unwrap(), [changes[2].clone(), changes[0].clone()]);
    assert_eq!(ChangeReader::open(&scene.path, "t", None, &TableSchema::standard()).unwrap().broken, [2]);
    // A whole line of which only the end is missing is a line.
    scene.break_off(1);
    scene.write(&changes[1..2]);
    assert_eq!(read(&scene.path, "t").unwrap(), [changes[1].clone(), changes[2].clone(), changes[0].clone()]);
}

#[test]
fn a_retried_batch_writes_no_line_twice_and_replaces_changes_not_made() {
    let scene = Scene::new();
    let (undo_file, mut already) = (scene.undo(), RecordedChanges::default());
    scene.write(&[(row(7.0), row(1.0))]);
    for before in [1.0, 1.0, 2.0, 3.0, 3.0] {
        undo_file.record(pairs(&[(row(before), row(9.0))]), &mut already).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&scene.path).unwrap().lines().count(), 4);
    assert_eq!(read(&scene.path, "t").unwrap(), [(row(3.0), row(9.0)), (row(7.0), row(1.0))]);
}

#[tokio::test]
async fn a_file_without_its_first_lines_adds_up() {
    use pipeline::warehouse::Warehouse as _;
    use pipeline::warehouse::memory::Memory;
    let scene = Scene::new();
    let (undo_file, mut already) = (scene.undo(), RecordedChanges::default());
    for before in [1.0, 2.0, 3.0] {
        undo_file.record(pairs(&[(row(before), row(9.0))]), &mut already).unwrap();
    }
    let text = std::fs::read_to_string(&scene.path).unwrap();
    let last = text.lines().last().unwrap();
    assert!(last.contains("\"supersedes\":true"), "{last}");
    std::fs::write(&scene.path, format!("{last}\n")).unwrap();
    assert_eq!(read(&scene.path, "t").unwrap(), [(row(3.0), row(9.0))]);
    let table = Memory::default();
    table.init().await.unwrap();
    let token = CancellationToken::default();
    let outcome = revert(&table, None, &scene.path, "t", true, &token).await.unwrap();
    assert_eq!((outcome[UndoCounter::Changes], outcome.counts.parts()), (1, 1), "{outcome:?}");
}

#[test]
fn long_lines_are_read_in_smaller_chunks() {
    let scene = Scene::new();
    let lake = MemoryLake::default().identity();
    let body = "x".repeat(3 << 20);
    for n in 0..7 {
        let key = n.to_string();
        let change = ObjectChange { lake: &lake, key: &key, before: None, after: &body };
        scene.undo().record_object(change).unwrap();
    }
    let schema = TableSchema::standard();
    let mut changes = ChangeReader::open(&scene.path, "t", Some(lake), &schema).unwrap();
    let mut keys = Vec::new();
    while let Some(piece) = changes.next_chunk().unwrap() {
        assert!(piece.len() <= 3, "{} objects of 3 MB at a time", piece.len());
        keys.extend(piece.into_iter().map(|change| match change {
            Change::Object(object) => object.key,
            Change::Row(row) => panic!("{row:?}"),
        }));
    }
    assert_eq!(keys, ["6", "5", "4", "3", "2", "1", "0"]);
}

/// More than one chunk, with consecutive changes of the same row.
#[tokio::test]
async fn a_long_file_is_reverted_change_by_change() {
    use pipeline::warehouse::Warehouse as _;
    use pipeline::warehouse::memory::Memory;
    let scene = Scene::new();
    let numbered = |n: u64, weight: f32| {
        let mut row = row(weight);
        row.0[Column::IdTreatedData.index()] = Value::Text(n.to_string());
        row
    };
    let all: Vec<_> =
        (0..3 * PIECE + 7).map(|n| (numbered(n % 1_300, n as f32), numbered(n % 1_300, (n + 1_300) as f32))).collect();
    scene.write(&all[..10]);
    scene.write(&all[10..]);
    let warehouse = Memory::default();
    warehouse.init().await.unwrap();
    all.iter().for_each(|(_, after)| warehouse.overwrite(after.clone()));
    warehouse.remove("5");
    let undone =
        revert(&warehouse, Some(&MemoryLake::default()), &scene.path, "t", false, &CancellationToken::default())
            .await
            .unwrap();
    let gone = all.iter().filter(|(_, after)| after.id() == "5").count() as u64;
    assert_eq!(
        (undone[UndoCounter::Changes], undone[UndoCounter::ModifiedSince]),
        (all.len() as u64, gone),
        "{undone}"
    );
    assert_eq!(
        (undone[UndoCounter::Restored], undone[UndoCounter::AlreadyRestored], undone[UndoCounter::TruncatedLines]),
        (all.len() as u64 - gone, 0, 0),
        "{undone}"
    );
    let schema = TableSchema::standard();
    assert_eq!(warehouse.fetch(&["7".into()], &schema).await.unwrap(), [numbered(7, 7.0)]);
}

#[tokio::test]
async fn a_cancelled_undo_counts_what_is_left() {
    use crate::outcome::{CommandOutcome as _, Exit};
    use pipeline::warehouse::Warehouse as _;
    let scene = Scene::new();
    scene.write(&[(row(1.0), row(2.0)), (row(2.0), row(3.0))]);
    let warehouse = pipeline::warehouse::memory::Memory::default();
    warehouse.init().await.unwrap();
    warehouse.overwrite(row(3.0));
    let cancel = CancellationToken::default();
    cancel.cancel();
    let undone = revert(&warehouse, Some(&MemoryLake::default()), &scene.path, "t", false, &cancel).await.unwrap();
    assert_eq!(
        (undone[UndoCounter::Changes], undone[UndoCounter::NotProcessed], undone[UndoCounter::Restored], undone.exit()),
        (2, 2, 0, Exit::Stopped)
    );
    let undone =
        revert(&warehouse, Some(&MemoryLake::default()), &scene.path, "t", false, &CancellationToken::default())
            .await
            .unwrap();
    assert_eq!((undone[UndoCounter::NotProcessed], undone[UndoCounter::Restored], undone.exit()), (0, 2, Exit::Clean));
}

#[tokio::test]
async fn additions_are_removed_and_overwrites_restored_unless_changed_since() {
    use pipeline::warehouse::Warehouse as _;
    let scene = Scene::new();
    let undo_file = scene.undo();
    let (warehouse, lake) = (pipeline::warehouse::memory::Memory::default(), MemoryLake::default());
    warehouse.init().await.unwrap();
    let named = |id: &str, weight| {
        let mut row = row(weight);
        row.0[Column::IdTreatedData.index()] = Value::Text(id.into());
        row
    };
    for id in ["new", "touched"] {
        let row = named(id, 2.0);
        undo_file.record([(None, &row)], &mut RecordedChanges::default()).unwrap();
        warehouse.overwrite(row);
    }
    warehouse.overwrite(named("touched", 3.0));
    undo_file.record([(None, &named("never", 1.0))], &mut RecordedChanges::default()).unwrap();
    let of = lake.identity();
    for (key, before) in [("a/new", None), ("a/over", Some("old")), ("a/touched", Some("old")), ("a/gone", Some("old"))]
    {
        undo_file.record_object(ObjectChange { lake: &of, key, before, after: "new" }).unwrap();
        lake.overwrite(key, "new");
    }
    lake.overwrite("a/touched", "newer");
    lake.remove("a/gone");
    for (dry_run, restored, already) in [(true, 3, 1), (false, 3, 1), (false, 0, 4)] {
        let undone =
            revert(&warehouse, Some(&lake), &scene.path, "t", dry_run, &CancellationToken::default()).await.unwrap();
        let counts = (
            undone[UndoCounter::Changes],
            undone[UndoCounter::Restored],
            undone[UndoCounter::AlreadyRestored],
            undone[UndoCounter::ModifiedSince],
        );
        assert_eq!(counts, (7, restored, already, 3), "{undone}");
    }
    let schema = TableSchema::standard();
    let ids = ["new", "touched", "never"].map(str::to_owned);
    assert_eq!(warehouse.fetch(&ids, &schema).await.unwrap(), [named("touched", 3.0)]);
    assert_eq!(lake.keys(), ["a/over", "a/touched"]);
    assert_eq!(lake.get("a/over").await.unwrap(), "old");
    let other = lake.sibling("other");
    let e = revert(&warehouse, Some(&*other), &scene.path, "t", true, &CancellationToken::default()).await.unwrap_err();
    assert!(format!("{e:#}").contains("check --lake"), "{e:#}");
}

/// A row whose id had another spelling before is found under either spelling.
#[tokio::test]
async fn a_row_with_its_old_spelling_again_counts_as_restored() {
    use pipeline::warehouse::Warehouse as _;
    let scene = Scene::new();
    let (mut before, after) = (row(1.0), row(1.0));
    before.0[Column::IdTreatedData.index()] = Value::Text("A\nB".into());
    scene.write(&[(before.clone(), after)]);
    let warehouse = pipeline::warehouse::memory::Memory::default();
    warehouse.init().await.unwrap();
    warehouse.overwrite(before);
    let undone =
        revert(&warehouse, Some(&MemoryLake::default()), &scene.path, "t", false, &CancellationToken::default())
            .await
            .unwrap();
    assert_eq!(
        (undone[UndoCounter::AlreadyRestored], undone[UndoCounter::Restored], undone[UndoCounter::ModifiedSince]),
        (1, 0, 0),
        "{undone}"
    );
}

#[test]
fn a_line_of_another_version_is_an_error_that_names_its_field() {
    let scene = Scene::new();
    scene.write(&[(row(1.0), row(2.0))]);
    let text = std::fs::read_to_string(&scene.path).unwrap();
    std::fs::write(&scene.path, text.replacen('{', "{\"instead\":true,", 1)).unwrap();
    let e = read(&scene.path, "t").unwrap_err().to_string();
    assert!(e.contains("line 1: has the unknown field `instead`") && e.contains("another version"), "{e}");
}

/// A lake that cannot be reached after the rows were reverted.
#[tokio::test]
async fn a_store_that_fails_after_the_first_change_is_an_outcome() {
    use crate::outcome::{CommandOutcome as _, Exit};
    use pipeline::warehouse::Warehouse as _;
    let (scene, lake) = (Scene::new(), MemoryLake::default());
    let undo_file = scene.undo();
    let of = lake.identity();
    undo_file.record_object(ObjectChange { lake: &of, key: "a/new", before: None, after: "new" }).unwrap();
    lake.overwrite("a/new", "new");
    let warehouse = pipeline::warehouse::memory::Memory::default();
    warehouse.init().await.unwrap();
    let away = Away(lake.clone());
    let undo = |lake: Arc<dyn Lake>| {
        let (warehouse, path) = (warehouse.clone(), scene.path.clone());
        async move { revert(&warehouse, Some(&*lake), &path, "t", false, &CancellationToken::default()).await }
    };
    let e = undo(Arc::new(away.clone())).await.unwrap_err();
    assert!(format!("{e:#}").contains("no response"), "nothing was changed, so it is an error: {e:#}");
    scene.write(&[(row(1.0), row(2.0))]);
    warehouse.overwrite(row(2.0));
    let undone = undo(Arc::new(away)).await.unwrap();
    undone.check().unwrap();
    assert_eq!(
        (undone[UndoCounter::Restored], undone[UndoCounter::NotProcessed], undone.exit()),
        (1, 1, Exit::Stopped),
        "{undone}"
    );
    assert!(undone.stopped.as_ref().is_some_and(|why| why.contains("no response")), "{undone}");
    assert!(undone.to_string().contains("to resume, run the same command again"), "{undone}");
    let undone = undo(Arc::new(lake)).await.unwrap();
    assert_eq!((undone[UndoCounter::Restored], undone[UndoCounter::AlreadyRestored]), (1, 1), "{undone}");
}

/// A lake without an answer to any request.
#[derive(Debug, Clone)]
struct Away(MemoryLake);

#[async_trait::async_trait]
impl Lake for Away {
    fn address(&self) -> String {
        self.0.address()
    }

    fn identity(&self) -> String {
        self.0.identity()
    }

    async fn list(&self, prefix: &str, _: Depth, _: Option<&str>) -> Result<ListPage, Error> {
        Err(Error::new(Reason::Network, prefix, "no response"))
    }

    async fn get(&self, key: &str) -> Result<bytes::Bytes, Error> {
        Err(Error::new(Reason::Network, key, "no response"))
    }

    async fn put_new(&self, key: &str, _: bytes::Bytes) -> Result<PutResult, Error> {
        Err(Error::new(Reason::Network, key, "no response"))
    }

    async fn clock(&self) -> Result<chrono::DateTime<chrono::Utc>, Error> {
        Err(Error::new(Reason::Network, "the clock", "no response"))
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.0.sibling(name)
    }
}
