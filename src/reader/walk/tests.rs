//! Order, concurrency and errors of a walk through an in-memory lake.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use tokio::sync::Semaphore;

use super::*;
use crate::reader::{Cutoff, ObjectContent, ReadSettings};
use pipeline::lake::{Lake, ListPage, PutResult, Span, memory::Memory, scan_partitions};

/// A lake that counts calls and delays objects named `slow` until they are released.
#[derive(Debug, Default)]
struct Watched {
    inner: Memory,
    slow: Option<Arc<Semaphore>>,
    batch: usize,
    pages: AtomicUsize,
    gets: AtomicUsize,
    open: AtomicUsize,
    max: AtomicUsize,
    denied: Option<String>,
    /// Objects with this text in their names are denied.
    locked: Option<&'static str>,
}

#[async_trait]
impl Lake for Watched {
    fn address(&self) -> String {
        "watched".into()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, Error> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        if self.denied.as_deref() == Some(prefix) {
            return Err(Error::new(Reason::Denied, prefix, "no"));
        }
        self.inner.list(prefix, depth, after).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, Error> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        self.max.fetch_max(self.open.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        if let Some(slow) = self.slow.as_ref().filter(|_| key.contains("slow")) {
            slow.acquire().await.expect("never closed").forget();
        }
        tokio::task::yield_now().await;
        self.open.fetch_sub(1, Ordering::Relaxed);
        if self.locked.is_some_and(|name| key.contains(name)) {
            return Err(Error::new(Reason::Denied, key, "the key is disabled"));
        }
        self.inner.get(key).await
    }

    fn read_hints(&self) -> ReadHints {
        ReadHints { concurrent_listings: 4, batch_size: self.batch.max(1), concurrent_reads: 8 }
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, Error> {
        self.inner.put_new(key, body).await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, Error> {
        Ok(Utc::now())
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.inner.sibling(name)
    }
}

fn name(farm: &str, day: u32, id: &str) -> String {
    format!("{farm}/2023/01/{day:02}/historico_consumo_2023-01-01 00:00:00.000_{id}.json")
}

async fn fill(lake: &Watched, farm: &str, day: u32, objects: usize) {
    for n in 0..objects {
        lake.put_new(&name(farm, day, &format!("{n:05}")), Bytes::from_static(b"{}")).await.unwrap();
    }
}

async fn walked(
    lake: &Arc<Watched>,
    concurrency: usize,
) -> std::pin::Pin<Box<dyn Stream<Item = Result<ReadEvent, Error>>>> {
    let partitions = scan_partitions(&**lake, &Span::default()).await.unwrap().partitions;
    lake.pages.store(0, Ordering::Relaxed);
    let cutoff = Cutoff::at(Utc::now() + Duration::from_secs(60));
    let lake = Arc::clone(lake) as Arc<dyn Lake>;
    Box::pin(Reader::new(lake, ReadSettings { concurrency, cutoff }).read(partitions))
}

fn text(step: &ReadEvent) -> String {
    match step {
        ReadEvent::Object(found) => found.meta.key.clone(),
        ReadEvent::DayComplete(day) => format!("closed {day}"),
    }
}

#[tokio::test]
async fn every_object_is_yielded_once_before_its_day_completes() {
    for (batch, concurrency) in [(1, 1), (1, 7), (8, 16), (64, 1)] {
        let lake = Watched { batch, ..Watched::default() };
        for day in 1..=9 {
            fill(&lake, "b", day, 250).await;
            fill(&lake, "a", day, day as usize).await;
        }
        let lake = Arc::new(lake);
        let (mut keys, mut closed) = (BTreeSet::new(), Vec::new());
        let mut steps = walked(&lake, concurrency).await;
        while let Some(step) = steps.next().await {
            match step.unwrap() {
                ReadEvent::DayComplete(day) => closed.push(day),
                ReadEvent::Object(found) => {
                    let day = found.key.as_ref().unwrap().day;
                    assert!(closed.iter().all(|closed| *closed < day), "{day} is closed");
                    assert!(keys.insert(found.meta.key));
                }
            }
        }
        assert_eq!(keys.into_iter().collect::<Vec<_>>(), lake.inner.keys());
        assert!(closed.is_sorted() && closed.len() == 9, "{closed:?}");
        assert!(lake.max.load(Ordering::Relaxed) <= concurrency.max(1));
    }
}

#[tokio::test]
async fn a_slow_object_delays_only_its_day() {
    let slow = Arc::new(Semaphore::new(0));
    let lake = Watched { slow: Some(Arc::clone(&slow)), ..Watched::default() };
    for day in 1..=5 {
        fill(&lake, "a", day, 120).await;
    }
    lake.put_new(&name("a", 2, "slow"), Bytes::from_static(b"{}")).await.unwrap();
    let lake = Arc::new(lake);
    let mut steps = walked(&lake, 4).await;
    let mut before = Vec::new();
    // All except the slow object and the four days that cannot complete.
    for _ in 0..601 {
        before.push(text(&steps.next().await.unwrap().unwrap()));
    }
    assert!(tokio::time::timeout(Duration::from_millis(50), steps.next()).await.is_err());
    assert_eq!(before.iter().filter(|text| text.starts_with("closed")).collect::<Vec<_>>(), ["closed 2023-01-01"]);
    slow.add_permits(1);
    let rest: Vec<_> = steps.map(|step| text(&step.unwrap())).collect().await;
    let closed = [2, 3, 4, 5].map(|day| format!("closed 2023-01-0{day}"));
    assert_eq!((rest[0].as_str(), &rest[1..]), (name("a", 2, "slow").as_str(), &closed[..]));
}

#[tokio::test]
async fn reading_ahead_of_a_slow_day_is_bounded() {
    let slow = Arc::new(Semaphore::new(0));
    let lake = Watched { slow: Some(Arc::clone(&slow)), ..Watched::default() };
    lake.put_new(&name("a", 1, "slow"), Bytes::from_static(b"{}")).await.unwrap();
    for month in ["02", "03"] {
        for day in 1..=28 {
            let key = name("a", day, "x").replace("/2023/01/", &format!("/2023/{month}/"));
            lake.put_new(&key, Bytes::from_static(b"{}")).await.unwrap();
        }
    }
    let lake = Arc::new(lake);
    let mut steps = walked(&lake, 4).await;
    for _ in 0..DAYS - 1 {
        assert!(matches!(steps.next().await.unwrap().unwrap(), ReadEvent::Object(_)));
    }
    assert!(tokio::time::timeout(Duration::from_millis(50), steps.next()).await.is_err());
    assert_eq!(lake.gets.load(Ordering::Relaxed), DAYS);
    slow.add_permits(1);
    assert_eq!(steps.count().await, 57 - (DAYS - 1) + 57);
}

#[tokio::test]
async fn a_large_partition_is_listed_as_it_is_read() {
    let slow = Arc::new(Semaphore::new(0));
    let lake = Watched { slow: Some(Arc::clone(&slow)), ..Watched::default() };
    for n in 0..9_000 {
        lake.put_new(&name("a", 1, &format!("slow{n:05}")), Bytes::from_static(b"{}")).await.unwrap();
    }
    let lake = Arc::new(lake);
    let mut steps = walked(&lake, 4).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), steps.next()).await.is_err());
    let pages = lake.pages.load(Ordering::Relaxed);
    assert!((20..=25).contains(&pages), "{pages} pages of 100 were listed, {LISTED} objects may wait");
    slow.add_permits(9_000);
    assert_eq!(steps.count().await, 9_001);
}

#[tokio::test]
async fn a_denied_listing_ends_the_walk() {
    let lake = Watched { denied: Some("a/2023/01/02/".into()), ..Watched::default() };
    for day in 1..=3 {
        fill(&lake, "a", day, 10).await;
    }
    let steps: Vec<_> = walked(&Arc::new(lake), 4).await.collect().await;
    let errors: Vec<_> = steps.iter().filter_map(|step| step.as_ref().err()).map(|e| e.reason).collect();
    assert_eq!(errors, [Reason::Denied]);
    assert!(steps.last().unwrap().is_err());
    assert!(!steps.iter().flatten().any(|step| text(step) == "closed 2023-01-02"));
}

#[tokio::test]
async fn filtered_objects_are_not_yielded_and_their_day_completes() {
    let lake = Watched::default();
    fill(&lake, "a", 1, 3).await;
    fill(&lake, "a", 2, 3).await;
    let partitions = scan_partitions(&lake, &Span::default()).await.unwrap().partitions;
    let settings = ReadSettings { concurrency: 2, cutoff: Cutoff::at(Utc::now() + Duration::from_secs(60)) };
    let reader = Reader::new(Arc::new(lake), settings).filtered(|meta| meta.key.contains("/02/"));
    let steps: Vec<_> = reader.read(partitions).map(|step| text(&step.unwrap())).collect().await;
    assert_eq!(steps.len(), 5);
    assert_eq!((steps[0].as_str(), steps[4].as_str()), ("closed 2023-01-01", "closed 2023-01-02"));
}

/// As with a disabled KMS key: the lake is available, but some of its objects are not.
#[tokio::test]
async fn denied_objects_end_the_run_only_if_the_lake_is_denied_too() {
    for (batch, denied) in [(1, None), (8, None), (1, Some(String::new()))] {
        let mut lake = Watched { batch, locked: Some("b/2023"), ..Watched::default() };
        fill(&lake, "a", 1, 30).await;
        fill(&lake, "b", 2, 260).await;
        fill(&lake, "c", 3, 30).await;
        let partitions = scan_partitions(&lake, &Span::default()).await.unwrap().partitions;
        lake.denied = denied.clone();
        let reader = Reader::new(
            Arc::new(lake),
            ReadSettings { concurrency: 4, cutoff: Cutoff::at(Utc::now() + Duration::from_secs(60)) },
        );
        let steps: Vec<_> = reader.read(partitions).collect().await;
        let refused = |step: &&Result<ReadEvent, Error>| matches!(step, Ok(ReadEvent::Object(found)) if matches!(&found.item, ObjectContent::Unreadable(why) if why.contains("key is disabled")));
        let (count, ended) = (steps.iter().filter(refused).count(), steps.iter().find_map(|step| step.as_ref().err()));
        match denied {
            None => assert!(count == 260 && ended.is_none(), "{count} {ended:?}"),
            // As with a session that has expired: none of the objects is at fault.
            Some(_) => {
                assert!(count == 0 && ended.is_some_and(|e| e.reason == Reason::Credentials), "{count} {ended:?}")
            }
        }
    }
}

/// If nothing can be read although the lake can be listed, the run ends early and does not report every object.
#[tokio::test]
async fn a_lake_without_readable_objects_ends_the_run_early() {
    let lake = Watched { batch: 1, locked: Some(""), ..Watched::default() };
    fill(&lake, "a", 1, 300).await;
    let partitions = scan_partitions(&lake, &Span::default()).await.unwrap().partitions;
    let cutoff = Cutoff::at(Utc::now() + Duration::from_secs(60));
    let reader = Reader::new(Arc::new(lake), ReadSettings { concurrency: 4, cutoff });
    let steps: Vec<_> = reader.read(partitions).collect().await;
    assert!(steps.len() < 100 && steps.last().is_some_and(Result::is_err), "{}", steps.len());
}
