//! Compactions of lakes in memory: the setup that the tests share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{NaiveDate, Utc};
use futures::StreamExt;

use super::*;
use crate::cancellation::CancellationToken;
use crate::parts::{Parts, PartsMode, PartsStats};
use crate::progress::Progress;
use crate::reader::{Cutoff, ObjectContent, ReadEvent, ReadSettings, Reader};
use crate::restore::{Outcome as Restored, Restore};
use pipeline::lake::memory::Memory;
use pipeline::lake::{PutResult, scan_partitions};
use pipeline::record::{PARTS, Rules};
use testkit::conformance::warehouse::record;

mod accounting;
mod interrupt;
mod modes;
mod restoring;
mod verification;

/// A lake in memory with its folders.
struct Scene {
    /// All folders.
    store: Memory,
    lake: Arc<dyn Lake>,
    parts: Arc<dyn Lake>,
}

impl Scene {
    fn new() -> Self {
        let store = Memory::default();
        let lake = store.sibling("lake");
        Self { parts: lake.sibling(PARTS), lake, store }
    }

    async fn put(&self, key: &str, body: impl Into<Bytes>) {
        assert_eq!(self.lake.put_new(key, body.into()).await.unwrap(), PutResult::Created, "{key}");
    }

    fn overwrite(&self, key: &str, body: impl Into<Bytes>) {
        self.store.overwrite(&format!("lake/{key}"), body);
    }

    fn delete(&self, key: &str) {
        self.store.remove(&format!("lake/{key}")).unwrap();
    }

    fn settings(&self) -> Compaction {
        Compaction { reads: 4, ..Compaction::of(Arc::clone(&self.lake)) }
    }

    async fn compact(&self, settings: Compaction) -> Outcome {
        let outcome = run(&settings, &Progress::Silent, &CancellationToken::default()).await.unwrap();
        outcome.check().unwrap();
        outcome
    }

    /// Returns the files of the parts.
    fn files(&self) -> BTreeMap<String, Bytes> {
        let keys = self.store.keys().into_iter().filter(|key| key.starts_with("partes/"));
        keys.map(|key| (key["partes/".len()..].to_owned(), futures::executor::block_on(self.store.get(&key)).unwrap()))
            .collect()
    }

    async fn read(&self, mode: PartsMode) -> (BTreeMap<String, String>, Option<PartsStats>) {
        let parts = Parts::open(&*self.lake, mode).await.unwrap();
        let cutoff = Cutoff::at(Utc::now() + chrono::TimeDelta::seconds(1));
        let reader = Reader::new(Arc::clone(&self.lake), ReadSettings { concurrency: 4, cutoff });
        let partitions = scan_partitions(&*self.lake, &Span::default()).await.unwrap().partitions;
        let steps = reader.with_parts(parts.clone()).read(partitions);
        let mut read = BTreeMap::new();
        let mut steps = std::pin::pin!(steps);
        while let Some(step) = steps.next().await {
            if let ReadEvent::Object(found) = step.unwrap() {
                let what = match found.item {
                    ObjectContent::Skipped(skip) => format!("skipped {skip:?}"),
                    item => format!("{item:?}"),
                };
                assert!(read.insert(found.meta.key, what).is_none());
            }
        }
        (read, parts.map(|parts| parts.stats()))
    }

    async fn restore(&self, to: &Arc<dyn Lake>, change: impl FnOnce(Restore) -> Restore) -> Restored {
        let restore = Restore {
            lake: Arc::clone(&self.lake),
            to: Arc::clone(to),
            farms: BTreeSet::new(),
            months: BTreeSet::new(),
            only: None,
            writes: 4,
            dry_run: false,
        };
        crate::restore::run(&change(restore), &Progress::Silent, &CancellationToken::default()).await.unwrap()
    }

    fn objects(&self) -> BTreeMap<String, Bytes> {
        let keys = self.store.keys().into_iter().filter(|key| key.starts_with("lake/"));
        keys.map(|key| (key.clone(), futures::executor::block_on(self.store.get(&key)).unwrap())).collect()
    }
}

fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2023, month, day).unwrap()
}

/// Returns the key and body of an object of this toolkit.
fn object(farm: &str, day: NaiveDate, n: u32) -> (String, Vec<u8>) {
    let mut record = record(n);
    record.reading.cod_cliente = farm.into();
    record.reading.data = day.and_hms_opt(0, n / 60 % 60, n % 60).unwrap().and_utc();
    record.id_treated_data = pipeline::record::reading_id(&record.reading).to_string();
    record.consumo_meta = Rules::default().consumo_meta(record.reading.peso_medio);
    (pipeline::lake::Key::of(&record).unwrap().to_string(), record.object_from_values())
}

/// Returns the key and body of an object of the legacy Lambda: filed by processing time, with a random id.
fn legacy(day: NaiveDate, n: u32) -> (String, Vec<u8>) {
    let mut record = record(n);
    record.reading.cod_cliente = "Fazenda São João".into();
    record.id_treated_data = format!("0f1f4d5c-4a7e-4b0c-9d62-{n:012x}");
    record.row_ts = day.and_hms_milli_opt(18, 49, 3, n % 1_000).unwrap().and_utc();
    let key = format!(
        "fazenda_dois/{}/historico_consumo_{}.json",
        day.format("%Y/%m/%d"),
        record.row_ts.format("%Y-%m-%d %H:%M:%S%.3f")
    );
    (key, record.object_from_values())
}

fn path(farm: &str, day: NaiveDate, id: &str) -> String {
    format!("{farm}/{}/historico_consumo_{day} 00:00:00.000_{id}.json", day.format("%Y/%m/%d"))
}

/// Fills a lake with new and legacy objects of three months, and with objects of every other kind.
async fn filled() -> Scene {
    let scene = Scene::new();
    for (month, d) in [(1, 1), (1, 2), (1, 31), (2, 1)] {
        for n in 0..60 {
            let (key, body) = object("FazendaUm", day(month, d), n);
            scene.put(&key, body).await;
        }
    }
    for n in 0..50 {
        let (key, body) = legacy(day(1, 5), n);
        scene.put(&key, body).await;
    }
    for (id, body) in [
        ("rejected", &br#"{"a":1}"#[..]),
        ("empty", b""),
        ("text", b"not json"),
        ("latin", b"{\"a\":\"s\xe3o\"}"),
        ("são joão '\"%20+&", b"[]"),
    ] {
        scene.put(&path("fazenda_um", day(1, 2), id), Bytes::copy_from_slice(body)).await;
    }
    scene.put(&path("fazenda_um", day(1, 2), "large"), vec![b'x'; 1_000_000]).await;
    scene.put(&path("fazenda_um", day(1, 2), "huge"), vec![b'x'; 5_000_000]).await;
    scene.put("fazenda_um/2023/01/02/notes.txt", "x").await;
    scene.put("fazenda_um/notes.txt", "x").await;
    scene
}

const RECORDS: u64 = 4 * 60 + 50;
