//! Tests of runs that stop and are resumed: every record is loaded and counted exactly once.

use super::*;

/// A run is stopped while it waits at the row rate, then resumed: every record counts exactly once.
#[tokio::test]
async fn a_resumed_run_has_exact_counts() {
    let mut records: Vec<_> = (0..12).flat_map(|n| day(n, 300)).collect();
    records.extend((0..12).flat_map(|d| (0..100).map(move |n| old_style(d, n))));
    let scene = Scene::of(&records).await;
    put(&scene.lake, "fazenda_um/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_y.json", "{}").await;
    let total = records.len() as u64;
    let replay = scene.replay().await;
    let (scene, first) = stopped_midway(scene, replay).await;
    assert!(first.counts[Counter::Inserted] < total, "{first}");
    assert_eq!(scene.rows().await, first.counts[Counter::Inserted]);
    assert!(first.pauses.iter().any(|pause| pause.reason == "rows per second" && pause.seconds > 0.5), "{first:?}");
    let other = Plan::new(ReplaySource {
        filter: RecordFilter { until: Some(processed(1)), ..RecordFilter::default() },
        ..ReplaySource::of(Arc::clone(&scene.lake) as Arc<dyn Lake>)
    });
    let e =
        find_resumable_run(&scene.warehouse, &other.await.unwrap(), Policy::Keep, false).await.unwrap_err().to_string();
    assert!(e.contains("processed-until was null"), "{e}");
    let second = scene.resumed().await;
    assert!(second.resumed && second.stopped.is_none() && second.run_id == first.run_id);
    assert_eq!(counts(&second), [total, 0, 0, 1, 0, 0], "{second}");
    let mut missing = second.days.values().flat_map(DayCounts::missing_by_counter);
    assert!(missing.all(|(counter, _)| counter != Counter::NotLoaded));
    assert_eq!(second.days.values().map(|cell| cell.recovered()).sum::<u64>(), total);
    assert_eq!(scene.rows().await, total);
}

/// After a swap whose last catch-up failed, the same command finds the journal of a table that has another name now.
#[tokio::test]
async fn a_run_into_a_table_that_was_swapped_in_is_not_resumed() {
    let records: Vec<_> = (0..12).flat_map(|n| day(n, 300)).collect();
    let scene = Scene::of(&records).await;
    let shadow: pipeline::warehouse::TableName = "historico_consumo_ruminate_new".parse().unwrap();
    assert!(scene.warehouse.create_like(&shadow).await.unwrap());
    let bulk = scene.warehouse.with_table(shadow.clone());
    let replay = Replay { bulk: Arc::clone(&bulk), ..scene.replay().await };
    let (scene, _) = stopped_midway(scene, replay).await;
    let plan = scene.plan().await;
    assert!(find_resumable_run(&*bulk, &plan, Policy::Keep, true).await.unwrap().is_some());
    scene.warehouse.swap_tables(&shadow, &"old".parse().unwrap()).await.unwrap();
    assert!(find_resumable_run(&*bulk, &plan, Policy::Keep, true).await.unwrap().is_none());
}

/// Starts a run at 1,000 rows per second, and stops it once some rows are loaded.
async fn stopped_midway(scene: Scene, replay: Replay) -> (Scene, Outcome) {
    let limits = ThrottleLimits { rows_per_second: Some(1_000), ..ThrottleLimits::default() };
    let cancel = scene.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        cancel.cancel();
    });
    let outcome = scene.run(Replay { throttle: limited(limits), load_concurrency: 1, ..replay }).await;
    assert!(
        outcome.stopped.is_some() && outcome.counts[Counter::Inserted] + outcome.counts[Counter::Overwritten] >= 500,
        "{outcome}"
    );
    (Scene { cancel: CancellationToken::default(), ..scene }, outcome)
}

/// Objects that were unreadable in the first session are in ranges that it completed; the second session loads them.
#[tokio::test]
async fn objects_that_become_readable_between_two_sessions_are_loaded() {
    let timed: Vec<_> = (0..2).flat_map(|n| day(n, 1_500)).collect();
    let unordered: Vec<_> = (0..3).flat_map(|d| (0..1_000).map(move |n| old_style(d, n))).collect();
    for records in [timed, unordered] {
        let mut by_id: Vec<_> = records.iter().collect();
        by_id.sort_by(|a, b| a.1.id_treated_data.cmp(&b.1.id_treated_data));
        let (key, hidden) = by_id[30].clone();
        let scene = Scene::of(&records).await;
        scene.lake.turn_into(&key, "{broken");
        let replay = scene.replay().await;
        let (scene, first) = stopped_midway(scene, replay).await;
        let total = records.len() as u64;
        assert!(first.counts[Counter::Inserted] < total - 1, "{first}");
        assert_eq!(scene.rows().await, first.counts[Counter::Inserted]);
        scene.lake.turn_into(&key, hidden.object_from_values());
        let second = scene.resumed().await;
        assert!(second.resumed && second.counts[Counter::Unreadable] == 0, "{second}");
        assert_eq!(
            (second.counts[Counter::Listed], second.counts[Counter::Inserted] + second.counts[Counter::Identical]),
            (total, total),
            "{second}"
        );
        assert!(second.counts[Counter::Inserted] < total, "what had to be done again was there: {second}");
        assert_eq!(scene.rows().await, total);
        assert!(scene.warehouse.remove(&hidden.id_treated_data).is_some());
    }
}

/// The same number of rows does not prove that they are the same rows.
#[tokio::test]
async fn other_rows_in_a_range_do_not_hide_lost_rows() {
    let records: Vec<_> = day(0, 3_000);
    let scene = Scene::of(&records).await;
    let replay = scene.replay().await;
    let (scene, first) = stopped_midway(scene, replay).await;
    let schema = scene.warehouse.table_schema().await.unwrap();
    let mut ids: Vec<&Record> = records.iter().map(|(_, record)| record).collect();
    ids.sort_by(|a, b| a.id_treated_data.cmp(&b.id_treated_data));
    for n in 0..50 {
        let lost = ids[n * 7];
        assert!(scene.warehouse.remove(&lost.id_treated_data).is_some(), "{first}");
        let last = if lost.id_treated_data.ends_with('0') { "1" } else { "0" };
        let near = format!("{}{last}", &lost.id_treated_data[..35]);
        scene.warehouse.overwrite(Record { id_treated_data: near, ..lost.clone() }.to_row(&schema));
    }
    let second = scene.resumed().await;
    assert_eq!(
        (second.counts[Counter::Listed], second.counts[Counter::Inserted] + second.counts[Counter::Identical]),
        (3_000, 3_000),
        "{second}"
    );
    assert_eq!(scene.rows().await, 3_050);
}

#[tokio::test]
async fn every_session_s_undo_file_is_named() {
    let scene = Scene::of(&day(0, 3_000)).await;
    scene.run(scene.replay().await).await;
    let schema = scene.warehouse.table_schema().await.unwrap();
    for (_, record) in day(0, 3_000) {
        scene.warehouse.overwrite(Record { consumo_meta: 1.5, ..record }.to_row(&schema));
    }
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let over = |replay: Replay, name: &str| Replay {
        policy: Policy::Overwrite,
        undo_file: Some(UndoFile::new(path(name), "t".into())),
        ..replay
    };
    let replay = over(scene.replay().await, "first");
    let (scene, first) = stopped_midway(scene, replay).await;
    assert_eq!(first.undo_file, Some(path("first").display().to_string()));
    let plan = scene.plan().await;
    let earlier = find_resumable_run(&scene.warehouse, &plan, Policy::Overwrite, false)
        .await
        .unwrap()
        .expect("an unfinished run");
    let again = Replay::new(plan, Arc::new(scene.warehouse.clone()));
    let again = over(Replay { journal: Some(JournalMode::Resume(Box::new(earlier))), ..again }, "second");
    let second = scene.run(again).await;
    assert_eq!(
        (second.counts[Counter::Overwritten], second.undo_file),
        (3_000, Some(path("second").display().to_string()))
    );
    assert_eq!(second.earlier_undo_files, [path("first").display().to_string()]);
}

#[tokio::test]
async fn journal_entries_without_their_rows_are_ignored() {
    let scene = Scene::of(&(0..6).flat_map(|n| day(n, 600)).collect::<Vec<_>>()).await;
    let replay = scene.replay().await;
    let (scene, first) = stopped_midway(scene, replay).await;
    assert!(first.counts[Counter::Inserted] >= 1_000 && first.counts[Counter::Inserted] < 3_600, "{first}");
    let entries = scene.warehouse.run_entries(Uuid::parse_str(&first.run_id).unwrap()).await.unwrap();
    assert!(!entries.is_empty());
    assert!(scene.warehouse.remove(&new_style(0, 3).1.id_treated_data).is_some());
    let second = scene.resumed().await;
    assert!(second.stopped.is_none() && second.counts[Counter::Identical] > 0, "reloaded rows are identical: {second}");
    assert_eq!(
        (second.counts[Counter::Inserted] + second.counts[Counter::Identical], scene.rows().await),
        (3_600, 3_600)
    );
}

#[tokio::test]
async fn an_unfinished_run_in_another_journal_format_is_an_error_that_names_its_version() {
    use pipeline::warehouse::{ChangeSet, JournalEntry};
    let scene = Scene::of(&day(0, 10)).await;
    let schema = scene.warehouse.table_schema().await.unwrap();
    let lake = scene.lake.identity();
    for (ended, is_error) in [(serde_json::Value::Null, true), (serde_json::json!({"listed": 10}), false)] {
        let header = serde_json::json!({"lake": lake, "version": "0.0.9", "previous": {}, "ended": ended});
        let entry = JournalEntry { run_id: Uuid::now_v7(), seq: 0, text: header.to_string() };
        let change = ChangeSet { journal_writes: &[entry], ..ChangeSet::default() };
        scene.warehouse.open_journal(true).await.unwrap();
        scene.warehouse.apply(&change, &schema).await.unwrap();
        let found = find_resumable_run(&scene.warehouse, &scene.plan().await, Policy::Keep, false).await;
        match found {
            Err(e) => {
                assert!(is_error && e.to_string().contains("recorded by ruminate 0.0.9 in another format"), "{e}")
            }
            Ok(run) => assert!(!is_error && run.is_none(), "{run:?}"),
        }
    }
}
