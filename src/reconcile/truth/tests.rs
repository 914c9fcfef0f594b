//! Tests of the truth check with in-memory stores.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::*;
use crate::outcome::CommandOutcome as _;
use crate::reconcile::tests::{Scene, record};
use crate::reconcile::{Audit, TruthCounter, TruthResult};
use crate::truth::{Entry, Expectation, Writer};
use pipeline::lake::{self, Depth, Lake, ListPage, PutResult};

/// Returns a truth with these ids and their expectations.
fn truth(scene: &Scene, entries: &[(Uuid, Expectation)]) -> TruthOptions {
    let path: PathBuf = scene.home.path().join("truth.ndjson");
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap(), Default::default()).unwrap();
    for (line, (id, expect)) in (1..).zip(entries) {
        let file = (*expect != Expectation::Undelivered).then_some("a.json".into());
        let entry = Entry { file, line, id: Some(*id), fault: None, kind: None, sha256: None, expect: *expect };
        writer.write(&entry).unwrap();
    }
    writer.finish().unwrap();
    TruthOptions { files: vec![path], ingest_path: None }
}

fn id(n: u32) -> Uuid {
    record(n).id_treated_data.parse().unwrap()
}

#[tokio::test]
async fn more_ids_than_fit_into_memory_are_proved_one_by_one() {
    let scene = Scene::new().await;
    let entries: Vec<(Uuid, Expectation)> = (0..5_000)
        .rev()
        .map(|n| (id(n), if n % 10 == 0 { Expectation::Undelivered } else { Expectation::Stored }))
        .collect();
    for n in (0..5_000).filter(|n| n % 10 != 0 || *n == 50) {
        let record = record(n);
        if n != 4_321 {
            scene.object(&record);
        }
        if n != 1_234 {
            scene.row(&record);
        }
    }
    let options = truth(&scene, &entries);
    let (outcome, found) = scene.run(&Audit { truth: options, ..scene.audit() }).await;
    let truth = outcome.truth.as_ref().unwrap();
    assert_eq!(
        (
            truth[TruthCounter::Expected],
            truth[TruthCounter::Found],
            truth[TruthCounter::Missing],
            truth[TruthCounter::Unexpected]
        ),
        (4_500, 4_498, 2, 1),
        "{truth:?}"
    );
    assert_eq!(
        (truth[TruthCounter::MissingInLake], truth[TruthCounter::MissingInWarehouse], truth[TruthCounter::Undelivered]),
        (1, 1, 500)
    );
    assert_eq!(outcome.exit(), crate::outcome::Exit::Findings);
    let of = |kind| found.iter().filter(move |drift| drift.kind == kind).filter_map(|drift| drift.id.clone());
    let mut missing: Vec<String> = of(super::super::DriftKind::TruthMissing).collect();
    missing.sort();
    let mut lost = [id(4_321), id(1_234)].map(|id| id.to_string());
    lost.sort();
    assert_eq!(missing, lost);
    assert_eq!(of(super::super::DriftKind::TruthUnexpected).collect::<Vec<_>>(), [id(50).to_string()]);
}

/// Lake that receives a message during the audit.
#[derive(Debug)]
struct Late {
    scene: Scene,
    n: u32,
}

#[async_trait]
impl Lake for Late {
    fn address(&self) -> String {
        self.scene.lake.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, lake::Error> {
        self.scene.lake.list(prefix, depth, after).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, lake::Error> {
        self.scene.lake.get(key).await
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, lake::Error> {
        self.scene.lake.put_new(key, body).await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, lake::Error> {
        self.scene.lake.clock().await
    }

    /// The quarantine is read after both sides.
    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.scene.object(&record(self.n));
        self.scene.row(&record(self.n));
        self.scene.lake.sibling(name)
    }
}

#[tokio::test]
async fn readings_that_arrive_during_an_audit_are_not_missing() {
    let scene = Scene::new().await;
    scene.object(&record(1));
    scene.row(&record(1));
    let options =
        truth(&scene, &[(id(1), Expectation::Stored), (id(2), Expectation::Stored), (id(3), Expectation::Stored)]);
    let audit = Audit { truth: options, ..scene.audit() };
    let late = Arc::new(Late { scene, n: 2 });
    let audit = Audit { lake: Arc::clone(&late) as Arc<dyn Lake>, ..audit };
    let (outcome, found) = late.scene.run(&audit).await;
    let truth = outcome.truth.unwrap();
    assert_eq!(
        (truth[TruthCounter::Expected], truth[TruthCounter::Found], truth[TruthCounter::Missing]),
        (3, 2, 1),
        "{found:?}"
    );
    assert_eq!(found[0].truth.as_ref().unwrap().line, 3);
}

#[test]
fn the_ingest_path_is_inferred_from_the_stores() {
    let inferred = |quarantined_found, oversized_stored| {
        let mut there = TruthResult::default();
        there[TruthCounter::QuarantinedFound] = quarantined_found;
        there[TruthCounter::OversizedStored] = oversized_stored;
        there[TruthCounter::QuarantinedExpected] = 5;
        there[TruthCounter::Oversized] = 5;
        resolve::infer_ingest_path(&there)
    };
    assert_eq!(inferred(0, 0), Some(IngestPath::Publish));
    assert_eq!(inferred(1, 0), Some(IngestPath::SendInvalid));
    assert_eq!(inferred(1, 1), Some(IngestPath::Backfill));
    assert_eq!(inferred(0, 1), Some(IngestPath::Backfill), "and its broken messages are missed");
    assert_eq!(resolve::infer_ingest_path(&TruthResult::default()), None);
}

#[test]
fn the_page_on_audits_has_the_table_of_expectations() {
    let page = include_str!("../../../docs/audit.md");
    let code = include_str!("mod.rs");
    for line in code.lines().filter_map(|line| line.strip_prefix("//! | ")).skip(2) {
        let message = |line: &str| line.split(" | ").skip(1).map(str::to_owned).collect::<Vec<_>>().join(" | ");
        assert!(page.contains(&message(line)), "docs/audit.md lacks {line:?}");
    }
}
