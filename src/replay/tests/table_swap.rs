//! Tests of a table swap while the lake grows or fails.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::outcome::{CommandOutcome as _, Exit};
use pipeline::lake::{Depth, Error, ListPage, PutResult, Reason};
use pipeline::warehouse::TableName;

/// Lake whose clock can be read a given number of times and then fails.
#[derive(Debug)]
struct Failing {
    lake: Arc<MemoryLake>,
    clocks: AtomicUsize,
}

#[async_trait]
impl Lake for Failing {
    fn address(&self) -> String {
        self.lake.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        self.lake.list(prefix, depth, after).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.lake.get(key).await
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        self.lake.put_new(key, body).await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        let left = self.clocks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| Error::new(Reason::Denied, "lake", "the credentials have expired"))?;
        self.lake.clock().await
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.lake.sibling(name)
    }
}

fn throttled(limits: ThrottleLimits, reload: ReloadLimits) -> ThrottleSettings {
    ThrottleSettings { limits, reload, ..ThrottleSettings::default() }
}

/// Returns a reload hook that puts these objects into the lake once rows are loaded.
fn arriving(scene: &Scene, objects: Vec<(String, Vec<u8>)>) -> ReloadLimits {
    let (lake, objects) = (Arc::clone(&scene.lake), std::sync::Mutex::new(Some(objects)));
    Arc::new(move || {
        for (key, body) in objects.lock().unwrap().take().into_iter().flatten() {
            lake.overwrite(&key, body);
        }
        None
    })
}

async fn cut(scene: &Scene, replay: Replay, max_missing: u64) -> Outcome {
    let name = TableName::default();
    let bulk = scene.warehouse.with_table(shadow_table_name(&name).unwrap());
    let table: Arc<dyn BulkWarehouse> = Arc::new(scene.warehouse.clone());
    let swap = SwapOptions { table, name: &name, max_missing, resume: true };
    replay_into_new_table(Replay { bulk, ..replay }, swap, &Progress::Silent, &scene.cancel).await.unwrap()
}

fn swapped(outcome: &Outcome) -> &TableSwap {
    outcome.table_swap.as_ref().unwrap()
}

#[tokio::test]
async fn objects_that_arrive_during_the_load_are_counted_and_can_block_the_swap() {
    let scene = Scene::of(&day(0, 50)).await;
    scene.run(scene.replay().await).await;
    let (key, record) = new_style(0, 90);
    let broken = "fazenda_um/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_x.json".to_owned();
    let none = "fazenda_um/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_y.json".to_owned();
    let objects = vec![(key, record.object_from_values()), (broken, b"{".to_vec()), (none, b"{}".to_vec())];
    let kept = cut(
        &scene,
        Replay { throttle: throttled(Default::default(), arriving(&scene, objects)), ..scene.replay().await },
        0,
    )
    .await;
    // inserted, identical, conflicting, rejected, unreadable, skipped
    assert_eq!(counts(&kept), [51, 0, 0, 1, 1, 0], "{kept}");
    assert_eq!(
        (kept.counts[Counter::Listed], kept.counts[Counter::Verified], swapped(&kept).caught_up),
        (53, 51, 1),
        "{kept}"
    );
    assert_eq!(kept.days.values().map(|cell| cell.listed).sum::<u64>(), 53);
    assert!(!swapped(&kept).swapped && swapped(&kept).reason.as_ref().unwrap().contains("1 unreadable"), "{kept}");
    assert_eq!((kept.exit(), scene.rows().await), (Exit::Findings, 50));
    let done = cut(&scene, scene.replay().await, 1).await;
    assert_eq!(counts(&done), [0, 51, 0, 1, 1, 0], "every object is listed once: {done}");
    assert!(swapped(&done).swapped && done.exit() == Exit::Findings && scene.rows().await == 51, "{done}");
}

#[tokio::test]
async fn a_failure_around_the_swap_keeps_the_counts_and_names_the_tables() {
    let scene = Scene::of(&day(0, 50)).await;
    scene.run(scene.replay().await).await;
    for (clocks, before) in [(1, true), (2, false)] {
        let lake = Failing { lake: Arc::clone(&scene.lake), clocks: AtomicUsize::new(clocks) };
        let plan = Plan::new(ReplaySource::of(Arc::new(lake))).await.unwrap();
        let outcome = cut(&scene, Replay { plan, ..scene.replay().await }, 0).await;
        let why = outcome.stopped.as_deref().unwrap();
        assert!(why.contains("the credentials have expired"), "{why}");
        assert_eq!(
            (outcome.counts[Counter::Listed], outcome.counts[Counter::Verified], outcome.exit()),
            (50, 50, Exit::Stopped),
            "{outcome}"
        );
        assert_eq!(swapped(&outcome).swapped, !before, "{outcome}");
        if before {
            assert!(why.contains("before the swap") && outcome.to_string().contains("--resume"), "{outcome}");
        } else {
            let old = swapped(&outcome).old.clone().unwrap();
            assert!(why.contains(&old) && why.contains("a plain `ruminate replay`"), "{why}");
            assert!(outcome.resume_hint().contains("plain `ruminate replay`"), "{outcome}");
        }
    }
}

#[tokio::test]
async fn catching_up_is_throttled_like_the_run() {
    let scene = Scene::of(&day(0, 50)).await;
    let objects = day(1, 50).into_iter().map(|(key, record)| (key, record.object_from_values())).collect();
    let limits = ThrottleLimits { rows_per_second: Some(40), ..ThrottleLimits::default() };
    let home = tempfile::tempdir().unwrap();
    let sort = SortSettings { memory: 1, dir: home.path().into() };
    let replay = Replay { sort, throttle: throttled(limits, arriving(&scene, objects)), ..scene.replay().await };
    let done = cut(&scene, replay, 0).await;
    assert!(swapped(&done).swapped && done.counts[Counter::Inserted] == 100, "{done}");
    let waited: f64 = done.pauses.iter().map(|pause| pause.seconds).sum();
    assert!(waited > 1.5, "a second each for what is more than 40 rows: {done}");
}
