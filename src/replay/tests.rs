//! Tests of complete replays with in-memory stores.

mod resume;
mod table_swap;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Days, NaiveDate, Utc};
use uuid::Uuid;

use super::*;
use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::undo::UndoFile;
use pipeline::lake::memory::Memory as MemoryLake;
use pipeline::lake::{Key, Lake};
use pipeline::record::{Reading, Record, Rules, timestamp};
use pipeline::warehouse::memory::Memory;
use pipeline::warehouse::{BulkWarehouse, Warehouse};

/// Returns `count` records of that day, with new names.
fn day(day: u32, count: u32) -> Vec<(String, Record)> {
    (0..count).map(|n| new_style(day, n)).collect()
}

fn reading(day: u32, n: u32) -> Reading {
    let date = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap() + Days::new(day.into());
    let text = format!(
        r#"{{"id_curral":"1","id_raca":"2","id_lote":"{n}","peso_entrada":234.941,"peso_medio":360.341,"data":"{date} 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.076451,"cod_cliente":"{}"}}"#,
        if n.is_multiple_of(3) { "FazendaUm" } else { "Boi Gordo" }
    );
    Reading::parse(text.as_bytes()).unwrap()
}

fn processed(day: u32) -> DateTime<Utc> {
    timestamp::parse("2023-01-01T12:00:00.5").unwrap() + Days::new(day.into())
}

fn new_style(day: u32, n: u32) -> (String, Record) {
    let record = Record::from_reading(reading(day, n), Rules::default(), processed(day));
    (Key::of(&record).unwrap().to_string(), record)
}

/// Returns an object as the legacy Lambda wrote it: a random id, stored under the day of processing.
fn old_style(day: u32, n: u32) -> (String, Record) {
    let (_, mut record) = new_style(day, n);
    let random = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) ^ u128::from(day) << 64;
    record.id_treated_data = uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid().to_string();
    let stamp = format!("{}.{:03}", processed(day).format("%Y-%m-%d %H:%M:%S"), n % 1000);
    (format!("fazenda_dois/{}/historico_consumo_{stamp}.json", processed(day).format("%Y/%m/%d")), record)
}

/// Returns a record whose id grows with `n`, in the partition numbered `place`.
pub(super) fn entry(n: u32, place: u32) -> order::ReplayEntry {
    let (_, mut record) = new_style(0, n);
    record.id_treated_data = format!("01856aa0-{n:04x}-883a-837a-29fe66bbec99");
    let id = crate::sort::OrderedId::new(&record.id_treated_data);
    order::ReplayEntry { id, key: format!("key {n}"), place, record: Box::new(record) }
}

fn limited(limits: ThrottleLimits) -> ThrottleSettings {
    ThrottleSettings { limits, ..ThrottleSettings::default() }
}

struct Scene {
    lake: Arc<MemoryLake>,
    warehouse: Memory,
    cancel: CancellationToken,
}

impl Scene {
    async fn of(records: &[(String, Record)]) -> Self {
        let lake = MemoryLake::default();
        for (key, record) in records {
            put(&lake, key, record.object_from_values()).await;
        }
        let warehouse = Memory::default();
        warehouse.init().await.unwrap();
        Self { lake: Arc::new(lake), warehouse, cancel: CancellationToken::default() }
    }

    async fn plan(&self) -> Plan {
        Plan::new(ReplaySource::of(Arc::clone(&self.lake) as Arc<dyn Lake>)).await.unwrap()
    }

    async fn replay(&self) -> Replay {
        Replay::new(self.plan().await, Arc::new(self.warehouse.clone()))
    }

    async fn run(&self, replay: Replay) -> Outcome {
        run(replay, &Progress::Silent, &self.cancel).await.unwrap()
    }

    async fn resumed(&self) -> Outcome {
        let plan = self.plan().await;
        let earlier =
            find_resumable_run(&self.warehouse, &plan, Policy::Keep, false).await.unwrap().expect("an unfinished run");
        let replay = Replay::new(plan, Arc::new(self.warehouse.clone()));
        self.run(Replay { journal: Some(JournalMode::Resume(Box::new(earlier))), ..replay }).await
    }

    async fn rows(&self) -> u64 {
        self.warehouse.status().await.unwrap().rows.unwrap()
    }
}

async fn put(lake: &MemoryLake, key: &str, body: impl Into<Bytes>) {
    lake.put_new(key, body.into()).await.unwrap();
}

/// inserted, identical, conflicting, rejected, unreadable, skipped
fn counts(outcome: &Outcome) -> [u64; 6] {
    [
        outcome.counts[Counter::Inserted],
        outcome.counts[Counter::Identical],
        outcome.counts[Counter::Conflicting],
        outcome.counts[Counter::Rejected],
        outcome.counts[Counter::Unreadable],
        outcome.counts.skipped(),
    ]
}

#[tokio::test]
async fn both_id_orders_are_recovered_and_a_second_run_changes_nothing() {
    let mut records: Vec<_> = (0..5).flat_map(|n| day(n, 40)).collect();
    records.extend((0..5).flat_map(|d| (0..30).map(move |n| old_style(d, n))));
    let scene = Scene::of(&records).await;
    put(&scene.lake, "fazenda_um/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_x.json", "{").await;
    put(&scene.lake, "fazenda_um/2023/01/01/notes.txt", "x").await;
    put(&scene.lake, "readme.txt", "x").await;
    put(&scene.lake, "fazenda_um/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_y.json", "{}").await;
    let first = scene.run(Replay { verify: true, ..scene.replay().await }).await;
    assert_eq!(counts(&first), [350, 0, 0, 1, 1, 2], "{first}");
    assert_eq!((first.counts[Counter::Verified], first.counts[Counter::Mismatched]), (350, 0));
    assert_eq!(scene.rows().await, 350);
    assert_eq!(first.newest_row_ts, Some(processed(4)));
    let cell = &first.days[&("fazenda_um".to_owned(), NaiveDate::from_ymd_opt(2023, 1, 1).unwrap())];
    assert_eq!((cell.listed, cell.recovered(), cell.missing(), cell.skipped), (17, 14, 2, 1), "{cell:?}");
    let old = &first.days[&("fazenda_dois".to_owned(), NaiveDate::from_ymd_opt(2023, 1, 1).unwrap())];
    assert_eq!((old.listed, old.recovered()), (30, 30));
    let again = scene.run(scene.replay().await).await;
    assert_eq!(counts(&again), [0, 350, 0, 1, 1, 2]);
    let heads = scene.warehouse.run_headers().await.unwrap();
    assert_eq!(heads.len(), 2, "ended runs leave their heads");
    for head in heads {
        assert!(scene.warehouse.run_entries(head.run_id).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_does_not_fit_in_memory_is_sorted_on_disk() {
    let records: Vec<_> = (0..3).flat_map(|n| day(n, 700)).chain((0..1_000).map(|n| old_style(0, n))).collect();
    let scene = Scene::of(&records).await;
    let home = tempfile::tempdir().unwrap();
    let sort = SortSettings { memory: 1, dir: home.path().into() };
    let outcome = scene.run(Replay { sort, ..scene.replay().await }).await;
    assert_eq!(counts(&outcome)[0], 3_100);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
    let missing = SortSettings { memory: 1, dir: home.path().join("none") };
    let e = run(Replay { sort: missing, ..scene.replay().await }, &Progress::Silent, &scene.cancel).await.unwrap_err();
    assert!(e.to_string().contains("--sort-dir"), "{e}");
}

#[tokio::test]
async fn a_conflict_is_kept_overwritten_or_ends_the_run_and_what_was_overwritten_is_written_down() {
    let scene = Scene::of(&day(0, 20)).await;
    scene.run(scene.replay().await).await;
    let (key, record) = new_style(0, 7);
    let changed = Record { consumo_meta: 1.5, ..record.clone() };
    let schema = scene.warehouse.table_schema().await.unwrap();
    scene.warehouse.overwrite(changed.to_row(&schema));
    let kept = scene.run(scene.replay().await).await;
    assert_eq!(counts(&kept), [0, 19, 1, 0, 0, 0]);
    let problem = &kept.problems.items()[0];
    assert_eq!(problem.place, key);
    assert_eq!(problem.reason, "consumo_meta lake 6.3420014 warehouse 1.5");
    let failed = scene.run(Replay { policy: Policy::Fail, ..scene.replay().await }).await;
    assert!(failed.stopped.is_some() && failed.counts[Counter::Conflicting] == 1, "{failed}");
    assert_eq!(counts(&failed), [0, 0, 1, 0, 0, 19]);
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("undo.ndjson");
    let undo = Some(UndoFile::new(path.clone(), "t".into()));
    let over = scene.run(Replay { policy: Policy::Overwrite, undo_file: undo, ..scene.replay().await }).await;
    assert_eq!(
        (over.counts[Counter::Conflicting], over.counts[Counter::Overwritten], over.undo_file),
        (1, 1, Some(path.display().to_string()))
    );
    assert_eq!(counts(&scene.run(scene.replay().await).await), [0, 20, 0, 0, 0, 0]);
    let undone =
        crate::undo::revert(&scene.warehouse, Some(&*scene.lake), &path, "t", false, &CancellationToken::default())
            .await
            .unwrap();
    assert_eq!(
        (undone[crate::undo::UndoCounter::Changes], undone[crate::undo::UndoCounter::Restored]),
        (1, 1),
        "{undone}"
    );
    let rows = scene.warehouse.fetch(std::slice::from_ref(&record.id_treated_data), &schema).await.unwrap();
    assert_eq!(rows, [changed.to_row(&schema)]);
}

#[tokio::test]
async fn filters_skip_records_and_report_them() {
    let scene = Scene::of(&(0..4).flat_map(|n| day(n, 10)).collect::<Vec<_>>()).await;
    let date = |d| NaiveDate::from_ymd_opt(2023, 1, d);
    let filter = RecordFilter { until: Some(processed(2)), data_from: date(2), data_to: None };
    let source = ReplaySource { filter, ..ReplaySource::of(Arc::clone(&scene.lake) as Arc<dyn Lake>) };
    let plan = Plan::new(source).await.unwrap();
    let outcome = scene.run(Replay::new(plan, Arc::new(scene.warehouse.clone()))).await;
    assert_eq!(counts(&outcome), [20, 0, 0, 0, 0, 20]);
    assert_eq!((outcome.counts[Counter::ProcessedLater], outcome.counts[Counter::DataRange]), (10, 10));
    assert_eq!(outcome.newest_data.unwrap().date_naive(), date(3).unwrap());
}

#[tokio::test]
async fn two_objects_of_one_id_are_one_row_and_only_the_first_may_overwrite() {
    let mut records = day(0, 5);
    let (key, record) = records[2].clone();
    records.push((key.replace("00:00:00.000", "00:00:00.001"), record.clone()));
    records.push((key.replace("00:00:00.000", "00:00:00.002"), Record { consumo_meta: 2.0, ..record.clone() }));
    let scene = Scene::of(&records).await;
    let outcome = scene.run(scene.replay().await).await;
    assert_eq!(counts(&outcome), [5, 1, 1, 0, 0, 0]);
    let over = scene.run(Replay { policy: Policy::Overwrite, ..scene.replay().await }).await;
    assert_eq!(
        (over.counts[Counter::Identical], over.counts[Counter::Conflicting], over.counts[Counter::Overwritten]),
        (6, 1, 0)
    );
}

/// The row comes from the time-ordered object in every run, also in a resumed one. An unordered object whose day is not
/// in the plan has no such competitor.
#[tokio::test]
async fn a_copy_under_another_day_s_path_never_replaces_the_row_and_a_repeated_run_changes_nothing() {
    let mut records = [day(0, 40), day(1, 40)].concat();
    let (key, record) = records[7].clone();
    let copy = (key.replace("2023/01/01", "2023/01/02"), Record { consumo_meta: 2.0, ..record.clone() });
    records.push(copy.clone());
    let scene = Scene::of(&records).await;
    let schema = scene.warehouse.table_schema().await.unwrap();
    let row = async || scene.warehouse.fetch(std::slice::from_ref(&record.id_treated_data), &schema).await.unwrap();
    let over = async || {
        let replay = Replay { policy: Policy::Overwrite, verify: true, load_concurrency: 8, ..scene.replay().await };
        scene.run(replay).await
    };
    for already in [0, 80, 80] {
        let outcome = over().await;
        assert_eq!(
            (
                outcome.counts[Counter::Inserted],
                outcome.counts[Counter::Identical],
                outcome.counts[Counter::Overwritten]
            ),
            (80 - already, already, 0),
            "{outcome}"
        );
        assert_eq!(
            (outcome.counts[Counter::Conflicting], outcome.counts[Counter::Mismatched], row().await),
            (1, 0, vec![record.to_row(&schema)])
        );
    }
    scene.warehouse.overwrite(copy.1.to_row(&schema));
    assert_eq!(over().await.counts[Counter::Overwritten], 1, "the timed one takes it back");
    assert_eq!((over().await.counts[Counter::Overwritten], row().await), (0, vec![record.to_row(&schema)]));
    let only = ObjectSelection::read(format!(r#"{{"kind":"misfiled","key":"{}"}}"#, copy.0).as_bytes()).unwrap();
    let source = ReplaySource { only: Some(only), ..ReplaySource::of(Arc::clone(&scene.lake) as Arc<dyn Lake>) };
    let replay = Replay::new(Plan::new(source).await.unwrap(), Arc::new(scene.warehouse.clone()));
    assert_eq!(scene.run(Replay { policy: Policy::Overwrite, ..replay }).await.counts[Counter::Overwritten], 1);
}

#[tokio::test]
async fn a_new_table_replaces_the_old_one_once_it_is_complete() {
    let scene = Scene::of(&(0..3).flat_map(|n| day(n, 50)).collect::<Vec<_>>()).await;
    scene.run(scene.replay().await).await;
    let schema = scene.warehouse.table_schema().await.unwrap();
    let damaged = Record { consumo_meta: 1.5, ..new_style(1, 7).1 };
    scene.warehouse.overwrite(damaged.to_row(&schema));
    let name = pipeline::warehouse::TableName::default();
    let shadow = shadow_table_name(&name).unwrap();
    let cut = async |accept: u64, resume: bool| {
        let replay = Replay::new(scene.plan().await, scene.warehouse.with_table(shadow.clone()));
        let table: Arc<dyn BulkWarehouse> = Arc::new(scene.warehouse.clone());
        let swap = SwapOptions { table, name: &name, max_missing: accept, resume };
        replay_into_new_table(replay, swap, &Progress::Silent, &scene.cancel).await
    };
    // A row without an object in the lake would be lost, so the tables are not swapped.
    let other_row = new_style(9, 1).1.to_row(&schema);
    scene.warehouse.overwrite(other_row.clone());
    let kept = cut(0, false).await.unwrap().table_swap.unwrap();
    assert!(!kept.swapped && kept.only_in_old == 1, "{kept:?}");
    assert!(kept.reason.unwrap().contains("1 only in the old table"));
    assert_eq!(scene.rows().await, 151);
    let e = cut(1, false).await.unwrap_err().to_string();
    assert!(e.contains("earlier attempt"), "{e}");
    let again = cut(0, true).await.unwrap();
    assert!(
        !again.table_swap.unwrap().swapped && again.counts[Counter::Identical] == 150,
        "what stands against it stands"
    );
    scene.warehouse.renamed(&shadow).drop_table();
    let done = cut(1, false).await.unwrap();
    let swapped = done.table_swap.clone().unwrap();
    assert!(swapped.swapped && swapped.reason.is_none(), "{swapped:?}");
    assert_eq!((done.counts[Counter::Inserted], done.counts[Counter::Verified], scene.rows().await), (150, 150, 150));
    assert_eq!(counts(&scene.run(scene.replay().await).await), [0, 150, 0, 0, 0, 0]);
    let old = scene.warehouse.with_table(swapped.old.unwrap().parse().unwrap());
    assert_eq!(old.status().await.unwrap().rows, Some(151));
}
