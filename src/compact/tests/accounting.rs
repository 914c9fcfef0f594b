//! What is written and what is read again, and the accounting of both.

use super::*;
use crate::parts::PartName;
use crate::reader::Skip;

#[tokio::test]
async fn every_object_is_accounted_for_and_an_unchanged_lake_is_not_read_again() {
    let scene = filled().await;
    let dry = scene.compact(Compaction { dry_run: true, ..scene.settings() }).await;
    assert_eq!((dry[Counter::Listed], dry[Counter::Pending]), (RECORDS + 9, RECORDS + 6));
    assert!(scene.files().is_empty(), "a dry run writes nothing");

    let first = scene.compact(scene.settings()).await;
    assert_eq!(first[Counter::Listed], RECORDS + 9);
    assert_eq!((first[Counter::InParts], first[Counter::Rejected]), (RECORDS, 6));
    assert_eq!((first[Counter::TooLarge], first[Skip::Unrecognized]), (1, 2));
    assert_eq!((first[Counter::Written], first[Counter::Fetched]), (3, RECORDS + 6));
    let files = scene.files();
    let names = [
        "_partes.json",
        "fazenda=fazenda_dois/mes=2023-01/parte.parquet",
        "fazenda=fazenda_um/mes=2023-01/parte.parquet",
        "fazenda=fazenda_um/mes=2023-02/parte.parquet",
    ];
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), names);

    for dry_run in [true, false] {
        let again = scene.compact(Compaction { dry_run, ..scene.settings() }).await;
        assert_eq!((again[Counter::Unchanged], again[Counter::Written], again[Counter::Fetched]), (3, 0, 0));
        assert_eq!((again[Counter::InParts], again[Counter::Rejected]), (RECORDS, 6));
        assert_eq!(again.object_bytes, first.object_bytes);
    }
    assert_eq!(scene.files(), files);
}

#[tokio::test]
async fn only_new_and_changed_objects_are_read_and_the_result_is_that_of_a_compaction_from_scratch() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let (new, body) = object("FazendaUm", day(1, 15), 7);
    scene.put(&new, body).await;
    let (changed, _) = object("FazendaUm", day(1, 31), 3);
    scene.overwrite(&changed, object("FazendaUm", day(1, 31), 99).1);
    let second = scene.compact(scene.settings()).await;
    assert_eq!((second[Counter::Written], second[Counter::Unchanged], second[Counter::Fetched]), (1, 2, 2));
    assert_eq!(second[Counter::InParts], RECORDS + 1);
    let merged = scene.files();
    for key in scene.store.keys().into_iter().filter(|key| key.starts_with("partes/")) {
        scene.store.remove(&key).unwrap();
    }
    scene.compact(scene.settings()).await;
    assert_eq!(scene.files(), merged, "the same objects give the same bytes");
}

#[tokio::test]
async fn rows_of_deleted_objects_are_only_dropped_if_that_was_requested() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let files = scene.files();
    let (gone, _) = object("FazendaUm", day(1, 1), 5);
    scene.delete(&gone);
    let (new, body) = object("FazendaUm", day(1, 20), 1);
    scene.put(&new, body).await;
    for dry_run in [true, false] {
        let held = scene.compact(Compaction { dry_run, ..scene.settings() }).await;
        assert_eq!((held[Counter::Deleted], held[Counter::Held], held[Counter::Written]), (1, 1, 0));
        assert_eq!(scene.files(), files);
    }
    // Objects that do not match the part are still read, and deleted ones are not.
    let (read, stats) = scene.read(PartsMode::Auto).await;
    assert!(read == scene.read(PartsMode::Never).await.0);
    assert_eq!(stats.unwrap().fetched, 1);
    assert!(!read.contains_key(&gone) && read.contains_key(&new));

    let dropped = scene.compact(Compaction { on_deleted: OnDeleted::Drop, ..scene.settings() }).await;
    assert_eq!((dropped[Counter::Dropped], dropped[Counter::Written], dropped[Counter::Deleted]), (1, 1, 0));
    for n in 0..60 {
        scene.delete(&object("FazendaUm", day(2, 1), n).0);
    }
    let held = scene.compact(scene.settings()).await;
    assert_eq!((held[Counter::Deleted], held[Counter::Removed]), (60, 0), "a month without objects still has its part");
    let dropped = scene.compact(Compaction { on_deleted: OnDeleted::Drop, ..scene.settings() }).await;
    assert_eq!((dropped[Counter::Removed], dropped[Counter::Dropped]), (1, 60));
    assert!(!scene.files().contains_key("fazenda=fazenda_um/mes=2023-02/parte.parquet"));
}

#[tokio::test]
async fn a_month_with_too_many_rows_has_one_part_per_day_from_then_on() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let small = || Compaction { month_rows: 100, ..scene.settings() };
    let (new, body) = object("FazendaUm", day(1, 31), 70);
    scene.put(&new, body).await;
    let split = scene.compact(small()).await;
    assert_eq!((split[Counter::Written], split[Counter::Removed], split[Counter::InParts]), (3, 1, RECORDS + 1));
    let days: Vec<_> = scene.files().into_keys().filter(|key| key.contains("dia=")).collect();
    let name = |d: &str| format!("fazenda=fazenda_um/mes=2023-01/dia={d}/parte.parquet");
    assert_eq!(days, [name("01"), name("02"), name("31")]);
    let files = scene.files();
    assert!(!files.contains_key("fazenda=fazenda_um/mes=2023-01/parte.parquet"));
    let later = scene.compact(scene.settings()).await;
    assert_eq!((later[Counter::Unchanged], later[Counter::Written]), (5, 0), "the decision is kept");
    assert_eq!(scene.files(), files);
    let (read, stats) = scene.read(PartsMode::Auto).await;
    assert!(read == scene.read(PartsMode::Never).await.0);
    assert_eq!(stats.unwrap().rows, RECORDS + 6);
}

#[tokio::test]
async fn two_compactions_at_once_leave_the_parts_of_one() {
    let scene = filled().await;
    let (one, other) = tokio::join!(scene.compact(scene.settings()), scene.compact(scene.settings()));
    assert_eq!(one[Counter::InParts], RECORDS);
    assert_eq!(other[Counter::InParts], RECORDS);
    assert_eq!(one[Counter::Written] + other[Counter::Written], 3, "each part is written once");
    let after = scene.compact(scene.settings()).await;
    assert_eq!((after[Counter::Unchanged], after[Counter::Written]), (3, 0));
}

#[tokio::test]
async fn a_span_compacts_the_months_that_it_touches() {
    let scene = filled().await;
    let span = Span { from: Some(day(1, 31)), to: Some(day(1, 31)), ..Span::default() };
    let outcome = scene.compact(Compaction { span, ..scene.settings() }).await;
    assert_eq!(outcome[Counter::Written], 2, "January of two farms");
    assert_eq!(outcome[Counter::InParts], 3 * 60 + 50);
    let name = PartName::parse("fazenda=fazenda_um/mes=2023-01/parte.parquet").unwrap();
    assert!(scene.files().contains_key(&name.key()));
}

#[tokio::test]
async fn an_empty_lake_is_an_error_unless_it_is_accepted() {
    let scene = Scene::new();
    let failed = run(&scene.settings(), &Progress::Silent, &CancellationToken::default()).await.unwrap_err();
    assert!(failed.to_string().contains("--allow-empty"), "{failed}");
    let outcome = scene.compact(Compaction { allow_empty: true, ..scene.settings() }).await;
    assert_eq!(outcome[Counter::Listed], 0);
}
