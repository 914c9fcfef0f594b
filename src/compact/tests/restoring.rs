//! Objects restored from parts, with and without bodies.

use super::*;
use crate::parts::Month;
use crate::reader::RecordSelection;
use crate::restore::Counter as RestoreCounter;

#[tokio::test]
async fn objects_are_restored_byte_for_byte_and_never_over_others() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let mut expected = scene.objects();
    expected.retain(|key, body| !key.ends_with(".txt") && body.len() < 5_000_000);
    let elsewhere = scene.store.sibling("elsewhere");
    let dry = scene.restore(&elsewhere, |restore| Restore { dry_run: true, ..restore }).await;
    assert_eq!(
        (dry[RestoreCounter::Restored], scene.store.keys().iter().any(|key| key.starts_with("elsewhere/"))),
        (RECORDS + 6, false)
    );
    let restored = scene.restore(&elsewhere, |restore| restore).await;
    assert_eq!((restored[RestoreCounter::Rows], restored[RestoreCounter::Restored]), (RECORDS + 6, RECORDS + 6));
    for (key, body) in &expected {
        assert_eq!(elsewhere.get(&key["lake/".len()..]).await.unwrap(), body, "{key}");
    }
    let again = scene.restore(&elsewhere, |restore| restore).await;
    assert_eq!((again[RestoreCounter::Identical], again[RestoreCounter::Restored]), (RECORDS + 6, 0));

    // Into the lake itself: deleted objects are restored, changed ones stay.
    let (gone, _) = object("FazendaUm", day(1, 1), 5);
    let (changed, _) = object("FazendaUm", day(1, 1), 6);
    let (other, _) = object("FazendaUm", day(2, 1), 7);
    scene.delete(&gone);
    scene.delete(&other);
    scene.overwrite(&changed, "{}");
    let lake = Arc::clone(&scene.lake);
    let only = |key: &str| RecordSelection::read(serde_json::json!({ "key": key }).to_string().as_bytes()).ok();
    let one = scene.restore(&lake, |restore| Restore { only: only(&other), ..restore }).await;
    assert_eq!((one[RestoreCounter::Rows], one[RestoreCounter::Restored]), (1, 1));
    let months: BTreeSet<Month> = ["2023-01".parse().unwrap()].into();
    let month = scene.restore(&lake, |restore| Restore { months, ..restore }).await;
    assert_eq!((month[RestoreCounter::Restored], month[RestoreCounter::Differing]), (1, 1));
    assert_eq!(scene.lake.get(&changed).await.unwrap(), "{}");
    expected.insert(format!("lake/{changed}"), Bytes::from_static(b"{}"));
    let now = scene.objects();
    assert!(expected.iter().all(|(key, body)| now[key] == *body));
    let missing = scene.restore(&lake, |restore| Restore { only: only("x/y"), ..restore }).await;
    assert_eq!(missing[RestoreCounter::NotFound], 1);
}

#[tokio::test]
async fn a_restore_counts_what_no_part_has_and_needs_a_part() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let lake = Arc::clone(&scene.lake);
    let february: BTreeSet<Month> = ["2023-02".parse().unwrap()].into();
    let lines = |keys: &[&str]| {
        let text: String = keys.iter().map(|key| format!("{}\n", serde_json::json!({ "key": key }))).collect();
        RecordSelection::read(text.as_bytes()).ok()
    };
    // Selected twice, by key and by id, does not hide another that is missing.
    let (key, body) = object("FazendaUm", day(2, 1), 7);
    let id = serde_json::from_slice::<serde_json::Value>(&body).unwrap()["id_treated_data"].clone();
    scene.put(&path("fazenda_um", day(2, 1), "copy"), body).await;
    scene.compact(scene.settings()).await;
    let text = format!("{}\n{}\n", serde_json::json!({ "id": id }), serde_json::json!({ "id": "nowhere" }));
    let only = RecordSelection::read(text.as_bytes()).ok();
    let by_id = scene.restore(&lake, |restore| Restore { only, ..restore }).await;
    assert_eq!((by_id[RestoreCounter::Rows], by_id[RestoreCounter::NotFound]), (2, 1));
    let january = object("FazendaUm", day(1, 1), 7).0;
    let only = lines(&[&key, &january]);
    let month = scene.restore(&lake, |restore| Restore { only, months: february, ..restore }).await;
    assert_eq!((month[RestoreCounter::Rows], month[RestoreCounter::NotFound]), (1, 0), "January was not selected");

    let months: BTreeSet<Month> = ["2024-01".parse().unwrap()].into();
    let nothing = Restore {
        lake: Arc::clone(&lake),
        to: lake,
        farms: BTreeSet::new(),
        months,
        only: None,
        writes: 4,
        dry_run: false,
    };
    let failed =
        crate::restore::run(&nothing, &Progress::Silent, &CancellationToken::default()).await.unwrap_err().to_string();
    assert!(failed.contains("fazenda_dois, fazenda_um, from 2023-01 to 2023-02"), "{failed}");
}

#[tokio::test]
async fn parts_without_bodies_serve_readers_and_are_replaced_by_parts_with_them() {
    let scene = filled().await;
    let with = scene.compact(scene.settings()).await;
    let lean = || Compaction { bodies: Bodies::ExtraFields, ..scene.settings() };
    let without = scene.compact(lean()).await;
    assert_eq!((without[Counter::Written], without[Counter::Fetched]), (3, 0), "rows come from the previous parts");
    assert!(without.part_bytes < with.part_bytes, "{} {}", without.part_bytes, with.part_bytes);
    assert_eq!(scene.compact(lean()).await[Counter::Unchanged], 3);
    let (read, stats) = scene.read(PartsMode::Auto).await;
    assert!(read == scene.read(PartsMode::Never).await.0);
    assert_eq!(stats.unwrap().rows, RECORDS + 5, "one is too large to be a record");
    let restored = scene.restore(&scene.store.sibling("elsewhere"), |restore| restore).await;
    assert_eq!((restored[RestoreCounter::NoBody], restored[RestoreCounter::Restored]), (RECORDS, 6));
    let verified = scene.compact(Compaction { verification: Verification::Deep, ..lean() }).await;
    assert_eq!((verified[Counter::Unchanged], verified[Counter::Mismatched]), (3, 0));
    let again = scene.compact(scene.settings()).await;
    assert_eq!((again[Counter::Written], again[Counter::Fetched]), (3, RECORDS + 6), "bodies must be read");
}
