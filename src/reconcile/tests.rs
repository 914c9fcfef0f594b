//! Tests of audits with in-memory stores: ids with different spellings, changing data, and mixed windows.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use testkit::conformance::warehouse as conformance;

use super::*;
use crate::cancellation::CancellationToken;
use crate::progress::Progress;
use crate::reconcile::outcome::Outcome;
use pipeline::lake::memory::Memory as MemoryLake;
use pipeline::lake::{self, Depth, Key, ListPage, PutResult};
use pipeline::record::row::Value;
use pipeline::record::{Column, timestamp};
use pipeline::warehouse::Warehouse;
use pipeline::warehouse::memory::Memory;

/// Returns a record with that number, processed long ago.
pub(super) fn record(n: u32) -> Record {
    Record { row_ts: timestamp::parse("2025-06-01T12:00:00.5").unwrap(), ..conformance::record(n) }
}

#[derive(Debug)]
pub(super) struct Scene {
    pub lake: Arc<MemoryLake>,
    warehouse: Memory,
    pub home: tempfile::TempDir,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let warehouse = Memory::default();
        warehouse.init().await.unwrap();
        Self { lake: Arc::new(MemoryLake::default()), warehouse, home: tempfile::tempdir().unwrap() }
    }

    /// Adds a record to the lake under its canonical key.
    pub(super) fn object(&self, record: &Record) {
        self.object_at(&Key::of(record).unwrap().to_string(), record);
    }

    pub(super) fn object_at(&self, key: &str, record: &Record) {
        self.lake.overwrite(key, record.object_from_values());
    }

    pub(super) fn row(&self, record: &Record) {
        self.warehouse.overwrite(record.to_row(&TableSchema::standard()));
    }

    pub(super) fn audit(&self) -> Audit {
        Audit {
            lake: Arc::clone(&self.lake) as Arc<dyn Lake>,
            warehouse: Arc::new(self.warehouse.clone()),
            span: Span::default(),
            rules: Rules::default(),
            reads: 8,
            halt_after: None,
            quick: false,
            tolerances: Vec::new(),
            sort: SortSettings { memory: 1_000_000, dir: self.home.path().into() },
            cache: None,
            parts: PartsMode::default(),
            listing: None,
            truth: TruthOptions::default(),
            allow_empty: true,
        }
    }

    pub(super) async fn run(&self, audit: &Audit) -> (Outcome, Vec<Drift>) {
        let sink = DriftWriter::new(None).unwrap();
        let (outcome, sink) = run(audit, sink, &Progress::Silent, &CancellationToken::default()).await.unwrap();
        let found =
            sink.finish(&audit.sort).unwrap().read().unwrap().map(|finding| Drift::from(&finding.unwrap())).collect();
        (outcome, found)
    }
}

fn with_spelling(n: u32, spelling: fn(&str) -> String) -> Record {
    let mut record = record(n);
    record.id_treated_data = spelling(&record.id_treated_data);
    record
}

fn upper(id: &str) -> String {
    id.to_uppercase()
}

fn padded(id: &str) -> String {
    format!("{id} ")
}

fn indented(id: &str) -> String {
    format!("\t {id}")
}

#[tokio::test]
async fn one_id_in_two_spellings_is_one_finding_on_either_side() {
    let scene = Scene::new().await;
    let same = with_spelling(0, upper);
    scene.object(&same);
    scene.row(&same);
    scene.object(&record(1));
    scene.row(&with_spelling(1, upper));
    scene.object(&with_spelling(2, upper));
    scene.row(&record(2));
    scene.object(&record(3));
    scene.row(&with_spelling(3, padded));
    scene.object(&record(4));
    scene.row(&record(5));
    scene.object(&record(6));
    scene.row(&record(6));
    scene.object(&record(7));
    scene.row(&with_spelling(7, indented));
    let (outcome, found) = scene.run(&scene.audit()).await;
    let counts = (
        outcome[Counter::Matched],
        outcome[Counter::Differing],
        outcome[Counter::LakeOnly],
        outcome[Counter::WarehouseOnly],
    );
    assert_eq!(counts, (2, 4, 1, 1), "{found:?}");
    assert_eq!((outcome[Counter::LakeObjects], outcome[Counter::WarehouseRows]), (7, 7));
    for drift in found.iter().filter(|drift| drift.kind == DriftKind::Differing) {
        assert_eq!(drift.fields.keys().collect::<Vec<_>>(), ["id_treated_data"]);
        assert_eq!(drift.cause.as_deref(), Some("differs in case or surrounding whitespace"));
    }
}

#[tokio::test]
async fn a_row_with_a_wrong_year_creates_no_gap_of_the_years_between() {
    let scene = Scene::new().await;
    let day = |n: u32, day: &str| {
        let mut record = record(n);
        record.reading.data = timestamp::parse(&format!("{day} 00:00:00 UTC")).unwrap();
        record
    };
    for (n, on) in [(0, "2024-01-01"), (1, "2024-01-02"), (2, "2024-01-04")] {
        scene.object(&day(n, on));
        scene.row(&day(n, on));
    }
    scene.object(&day(3, "2024-01-04"));
    scene.row(&day(3, "2019-06-01"));
    let (outcome, found) = scene.run(&scene.audit()).await;
    assert_eq!((outcome[Counter::Differing], outcome[Counter::Matched]), (1, 3), "{found:?}");
    let gaps: Vec<_> = outcome.gaps.iter().map(|gap| (gap.from.to_string(), gap.days)).collect();
    assert_eq!(gaps, [("2024-01-03".to_owned(), 1)]);
}

/// Lake whose object changes on every read.
#[derive(Debug)]
struct Unstable {
    lake: Arc<MemoryLake>,
    readings: AtomicU32,
    /// From this read on, the object stays as in the row.
    until: u32,
}

#[async_trait]
impl Lake for Unstable {
    fn address(&self) -> String {
        self.lake.address()
    }

    async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<ListPage, lake::Error> {
        self.lake.list(prefix, depth, after).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, lake::Error> {
        let mut record = Record::parse(&self.lake.get(key).await?).unwrap();
        let reading = self.readings.fetch_add(1, Ordering::Relaxed);
        if reading < self.until {
            record.reading.quantidade_animais += i32::try_from(reading).unwrap() + 1;
        }
        Ok(record.object_from_values().into())
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, lake::Error> {
        self.lake.put_new(key, body).await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, lake::Error> {
        self.lake.clock().await
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.lake.sibling(name)
    }
}

#[tokio::test]
async fn a_changing_difference_is_rechecked_until_it_is_stable_or_reported_as_unstable() {
    for (until, resolved, unstable) in [(1, 1, 0), (2, 1, 0), (4, 1, 0), (100, 0, 1)] {
        let scene = Scene::new().await;
        scene.object(&record(1));
        scene.row(&record(1));
        let unstable_lake = Unstable { lake: Arc::clone(&scene.lake), readings: AtomicU32::new(0), until };
        let (outcome, found) = scene.run(&Audit { lake: Arc::new(unstable_lake), ..scene.audit() }).await;
        assert_eq!(
            (outcome[Counter::ResolvedOnRecheck], outcome[Counter::Unstable]),
            (resolved, unstable),
            "until {until}: {found:?}"
        );
        assert_eq!((outcome[Counter::Matched], outcome[Counter::Differing]), (resolved, unstable));
        assert_eq!(found.iter().filter(|d| d.reason.as_ref().unwrap().contains("unstable")).count() as u64, unstable);
    }
}

#[tokio::test]
async fn a_row_processed_after_the_cutoff_is_not_compared_without_an_object() {
    let scene = Scene::new().await;
    let (mut new, mut old) = (record(1), record(2));
    new.row_ts = Utc::now() + TimeDelta::minutes(1);
    old.row_ts = Utc::now() - TimeDelta::hours(1);
    let mut from_the_future = record(3);
    from_the_future.row_ts = Utc::now() + TimeDelta::days(300);
    [&new, &old, &from_the_future].into_iter().for_each(|record| scene.row(record));
    let (outcome, found) = scene.run(&scene.audit()).await;
    assert_eq!(
        (outcome[Counter::NotCompared], outcome[Counter::WarehouseOnly], outcome[Counter::WarehouseRows]),
        (1, 2, 3),
        "{found:?}"
    );
}

/// Returns an object with a legacy name, a random id, and the path of the day of processing.
fn older(n: u32, data: NaiveDate, processed: &str) -> (String, Record) {
    let mut record = record(n);
    record.reading.id_curral = "older".into();
    record.reading.data = data.and_hms_opt(0, 0, 0).unwrap().and_utc();
    record.row_ts = timestamp::parse(processed).unwrap();
    let random = u128::from(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    record.id_treated_data = uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid().to_string();
    let at = record.row_ts;
    let name = format!("historico_consumo_{}.{:03}.json", at.format("%Y-%m-%d %H:%M:%S"), n % 1_000);
    (format!("fazenda_dois/{}/{name}", at.format("%Y/%m/%d")), record)
}

#[tokio::test]
async fn in_a_lake_of_both_layouts_each_name_is_checked_by_the_day_of_its_path() {
    let scene = Scene::new().await;
    let first = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
    // 30 days of new names, all processed far later, and legacy names of the same days, processed in another month.
    for n in 0..30 {
        scene.object(&record(n));
        scene.row(&record(n));
        let data = first + Days::new(u64::from(n));
        let (key, record) = older(n, data, &format!("2023-03-{:02}T10:00:00", 1 + n % 5));
        scene.object_at(&key, &record);
        scene.row(&record);
    }
    let span = |from: &str, to: &str| Span { from: from.parse().ok(), to: to.parse().ok(), ..Span::default() };
    for (from, to, matched) in [
        ("2023-01-01", "2023-01-10", 10),
        ("2023-03-01", "2023-03-02", 12),
        ("2023-01-28", "2023-03-01", 9),
        ("2023-02-05", "2023-02-20", 0),
        ("2022-01-01", "2024-01-01", 60),
    ] {
        let audit = Audit { span: span(from, to), ..scene.audit() };
        let (outcome, found) = scene.run(&audit).await;
        assert_eq!(found, [], "{from} {to}");
        let counts = (outcome[Counter::Matched], outcome[Counter::LakeRecords], outcome[Counter::WarehouseRows]);
        assert_eq!(counts, (matched, matched, matched), "{from} {to}");
    }
    // Only the missing record inside of the window is a finding.
    let (key, lost) = older(3, first + Days::new(3), "2023-03-04T10:00:00");
    scene.lake.remove(&key).unwrap();
    scene.warehouse.remove(&record(4).id_treated_data).unwrap();
    let of = |from, to| Audit { span: span(from, to), ..scene.audit() };
    let ids = |found: Vec<Drift>| found.into_iter().map(|drift| (drift.kind, drift.id.unwrap())).collect::<Vec<_>>();
    let (_, found) = scene.run(&of("2023-01-01", "2023-01-31")).await;
    assert_eq!(ids(found), [(DriftKind::LakeOnly, record(4).id_treated_data)]);
    let (_, found) = scene.run(&of("2023-03-01", "2023-03-31")).await;
    assert_eq!(ids(found), [(DriftKind::WarehouseOnly, lost.id_treated_data)]);
}

#[tokio::test]
async fn a_quick_audit_opens_no_object_that_has_a_row_and_finds_what_is_missing() {
    let scene = Scene::new().await;
    for n in 0..20 {
        scene.object(&record(n));
        scene.row(&record(n));
    }
    scene.warehouse.remove(&record(3).id_treated_data).unwrap();
    scene.lake.remove(&Key::of(&record(5)).unwrap().to_string()).unwrap();
    let mut other = record(7);
    other.reading.peso_medio += 1.0;
    other.consumo_meta = Rules::default().consumo_meta(other.reading.peso_medio);
    scene.row(&other);
    let (key, older) = older(40, NaiveDate::from_ymd_opt(2023, 1, 2).unwrap(), "2023-01-02T10:00:00");
    scene.object_at(&key, &older);
    scene.row(&older);
    let lake = Arc::new(Unstable { lake: Arc::clone(&scene.lake), readings: AtomicU32::new(0), until: 0 });
    let (outcome, _) =
        scene.run(&Audit { quick: true, lake: Arc::clone(&lake) as Arc<dyn Lake>, ..scene.audit() }).await;
    let counts = (
        outcome[Counter::Present],
        outcome[Counter::Matched],
        outcome[Counter::LakeOnly],
        outcome[Counter::WarehouseOnly],
        outcome[Counter::Differing],
    );
    assert_eq!(counts, (18, 1, 1, 1, 0), "another value is not detected, and not reported as the same");
    assert_eq!(lake.readings.load(Ordering::Relaxed), 2, "the older name, and the one that is missing");
    let (outcome, _) = scene.run(&scene.audit()).await;
    assert_eq!((outcome[Counter::Present], outcome[Counter::Differing]), (0, 1));
}

#[tokio::test]
async fn a_tolerance_accepts_small_differences_in_its_column_only() {
    let scene = Scene::new().await;
    scene.object(&record(1));
    let mut row = record(1).to_row(&TableSchema::standard());
    let weight = row.get(Column::PesoEntrada).clone();
    let Value::Float(weight) = weight else { panic!("{weight:?}") };
    row.0[Column::PesoEntrada.index()] = Value::Float(weight + 0.25);
    scene.warehouse.overwrite(row);
    for (tolerance, differing) in [("peso_entrada=0.3", 0), ("peso_entrada=0.2", 1), ("peso_medio=0.3", 1)] {
        let audit = Audit { tolerances: vec![tolerance.parse().unwrap()], ..scene.audit() };
        assert_eq!(scene.run(&audit).await.0[Counter::Differing], differing, "{tolerance}");
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_sorted_in_is_named_before_anything_is_read() {
    let scene = Scene::new().await;
    let audit = Audit { sort: SortSettings { memory: 1, dir: scene.home.path().join("none") }, ..scene.audit() };
    let e = run(&audit, DriftWriter::new(None).unwrap(), &Progress::Silent, &CancellationToken::default())
        .await
        .unwrap_err();
    assert!(format!("{e:#}").contains("--sort-dir"), "{e:#}");
}
