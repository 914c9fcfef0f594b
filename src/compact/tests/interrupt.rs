//! Stores that hang, and stores that list no ETags.

use super::*;
use crate::outcome::{CommandOutcome as _, Exit};
use crate::restore::Counter as RestoreCounter;
use pipeline::lake::{Depth, Error, ListPage};

/// A lake that lists its objects, and never returns or writes one.
#[derive(Debug)]
struct Hanging(Arc<dyn Lake>);

#[async_trait::async_trait]
impl Lake for Hanging {
    fn address(&self) -> String {
        self.0.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        self.0.list(prefix, depth, after).await
    }

    async fn get(&self, _key: &str) -> Result<Bytes, Error> {
        std::future::pending().await
    }

    async fn put_new(&self, _key: &str, _body: Bytes) -> Result<PutResult, Error> {
        std::future::pending().await
    }

    async fn clock(&self) -> Result<chrono::DateTime<Utc>, Error> {
        self.0.clock().await
    }

    fn token_precision(&self) -> chrono::TimeDelta {
        self.0.token_precision()
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.0.sibling(name)
    }
}

/// Runs a command, and cancels it a moment later.
async fn cancelled<T>(command: impl AsyncFnOnce(&CancellationToken) -> T) -> T {
    let cancel = CancellationToken::default();
    let stop = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        cancel.cancel();
    };
    let limited = tokio::time::timeout(std::time::Duration::from_secs(60), command(&cancel));
    tokio::join!(limited, stop).0.expect("a stop")
}

#[tokio::test]
async fn a_compaction_and_a_restore_stop_although_the_store_hangs() {
    let scene = filled().await;
    let settings = Compaction { lake: Arc::new(Hanging(Arc::clone(&scene.lake))), ..scene.settings() };
    let stopped = cancelled(async |cancel| run(&settings, &Progress::Silent, cancel).await.unwrap()).await;
    stopped.check().unwrap();
    assert_eq!((stopped.exit(), stopped[Counter::Written]), (Exit::Stopped, 0));

    scene.compact(scene.settings()).await;
    let restore = Restore {
        lake: Arc::clone(&scene.lake),
        to: Arc::new(Hanging(scene.store.sibling("elsewhere"))),
        farms: BTreeSet::new(),
        months: ["2023-02".parse().unwrap()].into(),
        only: None,
        writes: 4,
        dry_run: false,
    };
    let stopped =
        cancelled(async |cancel| crate::restore::run(&restore, &Progress::Silent, cancel).await.unwrap()).await;
    assert_eq!((stopped.exit(), stopped[RestoreCounter::Rows], stopped[RestoreCounter::Left]), (Exit::Stopped, 60, 60));
}

/// A lake that lists no ETags.
#[derive(Debug)]
struct NoEtags(Arc<dyn Lake>);

#[async_trait::async_trait]
impl Lake for NoEtags {
    fn address(&self) -> String {
        self.0.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        let mut page = self.0.list(prefix, depth, after).await?;
        page.objects.iter_mut().for_each(|meta| meta.etag.clear());
        Ok(page)
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.0.get(key).await
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        self.0.put_new(key, body).await
    }

    async fn clock(&self) -> Result<chrono::DateTime<Utc>, Error> {
        self.0.clock().await
    }

    fn token_precision(&self) -> chrono::TimeDelta {
        self.0.token_precision()
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.0.sibling(name)
    }
}

#[tokio::test]
async fn a_store_without_etags_gets_no_parts() {
    let scene = filled().await;
    let settings = Compaction { lake: Arc::new(NoEtags(Arc::clone(&scene.lake))), ..scene.settings() };
    let failed = run(&settings, &Progress::Silent, &CancellationToken::default()).await.unwrap_err();
    assert!(format!("{failed:#}").contains("lists no ETags"), "{failed:#}");
    assert!(!scene.files().keys().any(|key| key.ends_with(".parquet")));
}

/// Several days of one part are read at the same time.
#[tokio::test]
async fn a_part_that_is_not_trusted_is_counted_once() {
    let scene = filled().await;
    scene.compact(scene.settings()).await;
    let file = "fazenda=fazenda_um/mes=2023-01/parte.parquet";
    let mut flipped = scene.files()[file].to_vec();
    flipped[104] ^= 1;
    scene.store.overwrite(&format!("partes/{file}"), flipped);
    let parts = Parts::open(&*scene.lake, PartsMode::Auto).await.unwrap().unwrap();
    let days = [1, 2, 31].map(|d| pipeline::lake::Partition { farm: "fazenda_um".into(), day: day(1, d) });
    let read = futures::future::join_all(days.iter().map(|place| parts.day(place))).await;
    assert!(read.iter().all(Option::is_none));
    assert_eq!((parts.stats().not_trusted, parts.stats().reasons.len()), (1, 1));
}
