//! Tests of the intake on in-memory stores.

use super::*;
use crate::error::Kind;
use crate::lake::memory::Memory as Lakes;
use crate::warehouse::memory::Memory as Rows;

const GOOD: &str = r#"{"id_curral":"1","id_raca":"9000001","id_lote":"3","peso_entrada":450,"peso_medio":450.5,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.0,"cod_cliente":"FazendaUm","nota":"fica"}"#;

async fn setting() -> (Lakes, Arc<dyn Lake>, Rows, Intake) {
    let home = Lakes::default();
    let lake = home.sibling("historico_diario");
    let rows = Rows::default();
    rows.init().await.unwrap();
    let intake = Intake::open(Arc::clone(&lake), Arc::new(rows.clone()), Rules::default()).await.unwrap();
    (home, lake, rows, intake)
}

fn at(text: &str) -> DateTime<Utc> {
    crate::record::timestamp::parse(text).unwrap()
}

#[tokio::test]
async fn a_redelivered_message_changes_nothing() {
    let (home, lake, rows, intake) = setting().await;
    let first = intake.process_one(GOOD.into(), at("2026-11-22T10:00:00.5")).await;
    assert!(
        matches!(&first, Verdict::Stored { object: PutResult::Created, row: LoadResult::Inserted, .. }),
        "{first:?}"
    );
    let again = intake.process_one(GOOD.replace("\"51\"", "51").into(), at("2026-11-23T10:00:00")).await;
    assert!(again.is_duplicate(), "{again:?}");
    assert_eq!(home.keys().len(), 1);
    assert_eq!(rows.status().await.unwrap().rows, Some(1));
    let key = "fazenda_um/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_";
    let listed = crate::lake::list_all(&*lake, "").await.unwrap();
    assert!(listed[0].key.starts_with(key), "{}", listed[0].key);
    assert!(
        lake.get(&listed[0].key).await.unwrap().windows(13).any(|w| w == br#""nota":"fica""#),
        "unknown fields stay"
    );
}

#[tokio::test]
async fn a_row_lost_after_its_object_was_written_is_restored_with_the_objects_time() {
    let (_, _, rows, intake) = setting().await;
    let Verdict::Stored { id, .. } = intake.process_one(GOOD.into(), at("2026-11-22T10:00:00")).await else { panic!() };
    let lost = rows.remove(&id).unwrap();
    let again = intake.process_one(GOOD.into(), at("2026-11-23T10:00:00")).await;
    assert!(
        matches!(again, Verdict::Stored { object: PutResult::AlreadyExists, row: LoadResult::Inserted, .. }),
        "{again:?}"
    );
    assert_eq!(rows.remove(&id).unwrap(), lost);
}

#[tokio::test]
async fn an_invalid_message_is_stored_unchanged_next_to_the_lake() {
    let (home, _, _, intake) = setting().await;
    let now = at("2026-11-22T10:00:00");
    let messages = vec![
        GOOD.into(),
        Bytes::from_static(b"{\"a\":"),
        Bytes::from_static(b"\xff\xfe"),
        GOOD.replace("450.5", "-1").into(),
    ];
    let verdicts = intake.process(messages, now).await;
    assert!(matches!(verdicts[0], Verdict::Stored { .. }));
    assert!(verdicts[1..].iter().all(|v| matches!(v, Verdict::Quarantined { .. })), "{verdicts:?}");
    let kept: Vec<String> = home.keys().into_iter().filter(|key| key.starts_with("quarentena/2026/11/22/")).collect();
    assert_eq!(kept.len(), 3);
    let Verdict::Quarantined { key, .. } = &verdicts[3] else { panic!() };
    let body = home.get(&format!("quarentena/{key}")).await.unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(kept["reason"], "field peso_medio is negative: -1");
    assert!(kept["message"].as_str().unwrap().contains("FazendaUm"));
}

#[tokio::test]
async fn a_batch_may_repeat_a_message() {
    let (home, _, rows, intake) = setting().await;
    let verdicts = intake.process(vec![Bytes::from(GOOD); 10], at("2026-11-22T10:00:00")).await;
    let new = verdicts.iter().filter(|v| matches!(v, Verdict::Stored { object: PutResult::Created, .. })).count();
    let inserted = verdicts.iter().filter(|v| matches!(v, Verdict::Stored { row: LoadResult::Inserted, .. })).count();
    assert_eq!((new, inserted, home.keys().len(), rows.status().await.unwrap().rows), (1, 1, 1, Some(1)));
}

#[tokio::test]
async fn a_missing_table_fails_permanently_and_the_lake_still_has_the_message() {
    let (home, _, rows, intake) = setting().await;
    rows.drop_table();
    let verdict = intake.process_one(GOOD.into(), at("2026-11-22T10:00:00")).await;
    assert!(matches!(&verdict, Verdict::Failed(f) if f.kind == Kind::Permanent), "{verdict:?}");
    assert_eq!(home.keys().len(), 1, "the lake first");
}

/// A lake that is unreachable for as long as `away`, and counts its writes.
#[derive(Debug, Default)]
struct Away {
    inner: Lakes,
    away: std::sync::atomic::AtomicBool,
    writes: std::sync::atomic::AtomicUsize,
}

#[async_trait::async_trait]
impl Lake for Away {
    fn address(&self) -> String {
        self.inner.address()
    }

    async fn list(&self, prefix: &str, depth: lake::Depth, after: Option<&str>) -> Result<lake::ListPage, lake::Error> {
        self.inner.list(prefix, depth, after).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, lake::Error> {
        self.inner.get(key).await
    }

    async fn put_new(&self, key: &str, body: Bytes) -> Result<PutResult, lake::Error> {
        self.writes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if self.away.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(lake::Error::new(lake::Reason::Network, key, "no response"));
        }
        self.inner.put_new(key, body).await
    }

    async fn clock(&self) -> Result<DateTime<Utc>, lake::Error> {
        self.inner.clock().await
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.inner.sibling(name)
    }
}

#[tokio::test]
async fn an_unavailable_lake_gets_fewer_requests_than_a_batch_has_messages() {
    let (lake, rows) = (Arc::new(Away::default()), Rows::default());
    rows.init().await.unwrap();
    let intake = Intake::new(lake.clone(), Arc::new(rows), Rules::default()).with_writes(4);
    let messages: Vec<Bytes> = (1..=500).map(|n| GOOD.replace("\"51\"", &n.to_string()).into()).collect();
    lake.away.store(true, std::sync::atomic::Ordering::Relaxed);
    let verdicts = intake.process(messages.clone(), at("2026-11-22T10:00:00")).await;
    let transient = |verdict: &Verdict| matches!(verdict, Verdict::Failed(f) if f.kind == Kind::Transient && f.message.contains("no response"));
    assert!(verdicts.len() == 500 && verdicts.iter().all(transient), "{:?}", verdicts.last());
    let writes = lake.writes.load(std::sync::atomic::Ordering::Relaxed);
    assert!((4..=12).contains(&writes), "{writes} writes");
    lake.away.store(false, std::sync::atomic::Ordering::Relaxed);
    let verdicts = intake.process(messages, at("2026-11-22T10:00:00")).await;
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Stored { .. })), "the next batch asks again");
}

/// A lake that reports every object as existing, and returns none.
#[derive(Debug, Default)]
struct ExistsOnly(Lakes);

#[async_trait::async_trait]
impl Lake for ExistsOnly {
    fn address(&self) -> String {
        self.0.address()
    }

    async fn list(&self, prefix: &str, depth: lake::Depth, after: Option<&str>) -> Result<lake::ListPage, lake::Error> {
        self.0.list(prefix, depth, after).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, lake::Error> {
        Err(lake::Error::new(lake::Reason::NotFound, key, "no such object"))
    }

    async fn put_new(&self, _: &str, _: Bytes) -> Result<PutResult, lake::Error> {
        Ok(PutResult::AlreadyExists)
    }

    async fn clock(&self) -> Result<DateTime<Utc>, lake::Error> {
        self.0.clock().await
    }

    fn sibling(&self, name: &str) -> Arc<dyn Lake> {
        self.0.sibling(name)
    }
}

#[tokio::test]
async fn an_object_that_exists_and_does_not_exist_has_no_row() {
    let rows = Rows::default();
    rows.init().await.unwrap();
    let intake = Intake::new(Arc::new(ExistsOnly::default()), Arc::new(rows.clone()), Rules::default());
    let verdict = intake.process_one(GOOD.into(), at("2026-11-22T10:00:00")).await;
    assert!(matches!(&verdict, Verdict::Failed(f) if f.message.contains("does not exist")), "{verdict:?}");
    assert_eq!(rows.status().await.unwrap().rows, Some(0));
}
