//! Damaged undo files, and dry runs of files that change something more than once.

use super::*;

/// A file that an editor or a disk damaged: which changes were made is unknown, so nothing is reverted.
#[tokio::test]
async fn damage_other_than_a_truncated_line_is_an_error_before_any_change() {
    use pipeline::warehouse::Warehouse as _;
    let scene = Scene::new();
    scene.write(&[(row(1.0), row(2.0)), (row(2.0), row(3.0))]);
    let text = std::fs::read_to_string(&scene.path).unwrap();
    let (first, second) = text.split_once('\n').unwrap();
    let second = second.trim_end();
    let unsafe_key =
        ObjectEntry { lake: MemoryLake::default().identity(), key: "../x".into(), before: None, after: "new".into() };
    let warehouse = pipeline::warehouse::memory::Memory::default();
    warehouse.init().await.unwrap();
    warehouse.overwrite(row(3.0));
    let (token, lake) = (CancellationToken::default(), MemoryLake::default());
    for (damaged, line) in [
        (format!("{}\n{second}\n", first.replacen(':', ";", 1)), "line 1: "),
        (format!("{first}\n{}\n", second.replacen("\":", "\"", 1)), "line 2: "),
        (format!("[\n{first},\n{second}\n]\n"), "line 1: "),
        (format!("{first},\n{second}\n"), "line 1: "),
        (format!("{}\n{first}\n{second}\n", serde_json::to_string(&unsafe_key).unwrap()), "line 1: has the key"),
    ] {
        std::fs::write(&scene.path, &damaged).unwrap();
        let e = revert(&warehouse, Some(&lake), &scene.path, "t", false, &token).await.unwrap_err();
        assert!(format!("{e:#}").contains(line), "{e:#}\n{damaged}");
        let now = warehouse.fetch(&[row(3.0).id().to_owned()], &TableSchema::standard()).await.unwrap();
        assert_eq!(now, [row(3.0)], "{damaged}");
    }
    std::fs::write(&scene.path, format!("\u{feff}{first}\r\n\r\n{second}\r\n\n")).unwrap();
    let undone = revert(&warehouse, Some(&lake), &scene.path, "t", false, &token).await.unwrap();
    let counts = (undone[UndoCounter::Changes], undone[UndoCounter::Restored], undone[UndoCounter::TruncatedLines]);
    assert_eq!(counts, (2, 2, 0), "{undone}");
}

#[test]
fn every_start_of_a_line_is_truncated_and_not_damaged() {
    let scene = Scene::new();
    scene.write(&[(row(1.0), row(2.5)), (row(-2.5e-7), row(3.0))]);
    let text = std::fs::read(&scene.path).unwrap();
    let schema = TableSchema::standard();
    let start = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for (end, zeros) in (start + 1..text.len() - 1).flat_map(|end| [(end, 0), (end, 9)]) {
        let mut cut = text[..end].to_vec();
        cut.resize(end + zeros, 0);
        cut.extend_from_slice(b"\n");
        cut.extend_from_slice(&text[..start]);
        std::fs::write(&scene.path, &cut).unwrap();
        let changes = ChangeReader::open(&scene.path, "t", None, &schema).unwrap();
        assert_eq!((changes.count(), &*changes.broken), (2, &[2][..]), "{end} {zeros}");
    }
}

/// Each change of a row, and of an object, that the file changes more than once.
#[tokio::test]
async fn a_dry_run_counts_repeated_changes_as_the_undo_does() {
    use pipeline::warehouse::Warehouse as _;
    let scene = Scene::new();
    scene.undo().record([(None, &row(1.0))], &mut RecordedChanges::default()).unwrap();
    scene.write(&[(row(1.0), row(2.0)), (row(2.0), row(3.0)), (row(3.0), row(4.0))]);
    let (warehouse, lake) = (pipeline::warehouse::memory::Memory::default(), MemoryLake::default());
    warehouse.init().await.unwrap();
    warehouse.overwrite(row(4.0));
    let of = lake.identity();
    for (before, after) in [(None, "a"), (Some("a"), "b"), (Some("b"), "c")] {
        scene.undo().record_object(ObjectChange { lake: &of, key: "a/x", before, after }).unwrap();
    }
    lake.overwrite("a/x", "c");
    for dry_run in [true, false] {
        let token = CancellationToken::default();
        let undone = revert(&warehouse, Some(&lake), &scene.path, "t", dry_run, &token).await.unwrap();
        let rows = (undone[UndoCounter::RowsReverted], undone[UndoCounter::RowsDeleted]);
        let objects = (undone[UndoCounter::ObjectsReverted], undone[UndoCounter::ObjectsDeleted]);
        assert_eq!((rows, objects, undone[UndoCounter::ModifiedSince]), ((3, 1), (2, 1), 0), "{dry_run}: {undone}");
    }
    assert!(lake.keys().is_empty());
}
