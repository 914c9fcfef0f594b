//! Tests of the handler as a function, on in-memory stores: one per row of the crate's table of invalid input.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Context, LambdaEvent};
use pipeline::lake::Lake;
use pipeline::lake::memory::Memory as Lakes;
use pipeline::warehouse::Warehouse;
use pipeline::warehouse::memory::Memory as Rows;
use ruminate_lambda::{Clients, RetryableFailure, Settings, handle};
use serde_json::{Value, json};
use testkit::faulty_lake::{DENIED, Faulty, PANIC, SLOW, UNLUCKY};
use testkit::lambda::events::{envelope, reading, reading_with, sns, sqs};

/// Both stores and the clients that use them.
struct Stores {
    home: Lakes,
    rows: Rows,
    clients: Clients,
    metrics: Arc<Mutex<Vec<Value>>>,
}

impl Stores {
    async fn new() -> Self {
        let (home, rows) = (Lakes::default(), Rows::default());
        rows.init().await.unwrap();
        let variables = [("RUMINATE_LAKE", "s3://bucket/historico_diario"), ("RDS_HOST", "db")];
        let variable = |name: &str| Some((*variables.iter().find(|(known, _)| *known == name)?.1).to_owned());
        let settings = Settings::from_variables(variable).unwrap();
        let lake = Arc::new(Faulty(home.sibling("historico_diario")));
        let metrics: Arc<Mutex<Vec<Value>>> = Arc::default();
        let lines = Arc::clone(&metrics);
        let clients = Clients::new(lake, Arc::new(rows.clone()), &settings)
            .with_metrics(move |line| lines.lock().unwrap().push(serde_json::from_str(line).unwrap()));
        Self { home, rows, clients, metrics }
    }

    async fn handle(&self, event: &str) -> Result<Value, RetryableFailure> {
        self.handle_within(event, Duration::from_secs(30)).await
    }

    async fn handle_within(&self, event: &str, time: Duration) -> Result<Value, RetryableFailure> {
        let mut context = Context::default();
        let deadline = (SystemTime::now() + time).duration_since(UNIX_EPOCH).unwrap();
        context.deadline = u64::try_from(deadline.as_millis()).unwrap();
        let event = LambdaEvent::new(serde_json::from_str(event).unwrap(), context);
        handle(event, &self.clients).await.map(|answer| serde_json::to_value(answer).unwrap())
    }

    /// Returns the number of lake objects, quarantine objects and rows.
    async fn held(&self) -> (usize, usize, u64) {
        let keys = self.home.keys();
        let of = |folder: &str| keys.iter().filter(|key| key.starts_with(folder)).count();
        (of("historico_diario/"), of("quarentena/"), self.rows.status().await.unwrap().rows.unwrap())
    }
}

#[track_caller]
fn counts(answer: &Result<Value, RetryableFailure>, expected: &[(&str, u64)]) {
    let answer = answer.as_ref().unwrap();
    for name in ["processed", "duplicates", "quarantined", "rows_refused", "failed", "conflicting", "unverifiable"] {
        let count = expected.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count);
        assert_eq!(answer[name], json!(count), "{name}: {answer}");
    }
}

fn items(ids: &[&str]) -> Value {
    json!({"batchItemFailures": ids.iter().map(|id| json!({"itemIdentifier": id})).collect::<Vec<_>>()})
}

#[tokio::test]
async fn a_reading_is_stored_once_however_it_comes() {
    let stores = Stores::new().await;
    counts(&stores.handle(&sns("a", &reading(1))).await, &[("processed", 1)]);
    counts(&stores.handle(&sns("b", &reading(1))).await, &[("duplicates", 1)]);
    let again = [reading(1), envelope(&reading(1)), reading(2), envelope(&reading(2))];
    let ids = ["1", "2", "3", "4"];
    let event = sqs(ids.into_iter().zip(again.iter().map(String::as_str)));
    assert_eq!(stores.handle(&event).await.unwrap(), items(&[]));
    assert_eq!(stores.held().await, (2, 0, 2));
}

#[tokio::test]
async fn the_same_message_ten_times_at_once_is_one_object_and_one_row() {
    let stores = Stores::new().await;
    let event = sns("a", &reading(1));
    let answers = futures_of(&stores, &event).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(stores.held().await, (1, 0, 1));
}

async fn futures_of(stores: &Stores, event: &str) -> Vec<Result<Value, RetryableFailure>> {
    let handle = || stores.handle(event);
    let (a, b, c, d, e) = tokio::join!(handle(), handle(), handle(), handle(), handle());
    let (f, g, h, i, j) = tokio::join!(handle(), handle(), handle(), handle(), handle());
    vec![a, b, c, d, e, f, g, h, i, j]
}

#[tokio::test]
async fn an_unprocessable_message_succeeds_and_is_quarantined_completely() {
    let stores = Stores::new().await;
    let huge = reading_with(1, &format!("\"nota\":\"{}\"", "x".repeat(256 * 1024)));
    let bad = ["no JSON".to_owned(), "[]".into(), reading(1).replace("450.5", "-1"), envelope(&reading(1)), huge];
    for (n, message) in bad.iter().enumerate() {
        counts(&stores.handle(&sns(&n.to_string(), message)).await, &[("quarantined", 1)]);
    }
    assert_eq!(stores.held().await, (0, 5, 0));
    let twice_wrapped = envelope(&envelope(&reading(1)));
    assert_eq!(stores.handle(&sqs([("a", twice_wrapped.as_str()), ("b", "{}")])).await.unwrap(), items(&[]));
    assert_eq!(stores.held().await, (0, 6, 0), "the inner envelope is already stored: the same message, the same day");
    let key = stores.home.keys().into_iter().find(|key| key.starts_with("quarentena/")).unwrap();
    let kept: Value = serde_json::from_slice(&stores.home.get(&key).await.unwrap()).unwrap();
    assert!(kept["reason"].is_string() && kept["message"].is_string(), "{kept}");
}

#[tokio::test]
async fn a_message_of_256_kib_is_a_message_like_any_other() {
    let stores = Stores::new().await;
    let filler = 256 * 1024 - reading_with(1, "\"nota\":\"\"").len();
    let full = reading_with(1, &format!("\"nota\":\"{}\"", "x".repeat(filler)));
    assert_eq!(full.len(), 256 * 1024);
    counts(&stores.handle(&sns("a", &full)).await, &[("processed", 1)]);
    assert_eq!(stores.held().await, (1, 0, 1));
}

#[tokio::test]
async fn an_unsupported_event_is_quarantined_and_one_without_records_is_ignored() {
    let stores = Stores::new().await;
    let no_message = r#"{"Records":[{"EventSource":"aws:sns","Sns":{"MessageId":"a"}}]}"#;
    let others = [r#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#, r#"{"key1":"value1"}"#, "[1]", "7", no_message];
    for event in others {
        counts(&stores.handle(event).await, &[("quarantined", 1)]);
    }
    assert_eq!(stores.held().await, (0, 5, 0));
    counts(&stores.handle(r#"{"Records":[]}"#).await, &[]);
    assert_eq!(stores.held().await, (0, 5, 0));
}

#[tokio::test]
async fn of_a_mixed_batch_only_failed_messages_are_retried() {
    let stores = Stores::new().await;
    let (unlucky, panicking) = (reading_with(2, UNLUCKY), reading_with(3, PANIC));
    let (good, also) = (reading(1), envelope(&reading(4)));
    let event = sqs([("good", &*good), ("bad", "{"), ("unlucky", &*unlucky), ("panic", &*panicking), ("also", &*also)]);
    assert_eq!(stores.handle(&event).await.unwrap(), items(&["unlucky", "panic"]));
    assert_eq!(stores.held().await, (2, 1, 2));
    let line = stores.metrics.lock().unwrap().pop().unwrap();
    for (name, count) in [("messages", 5), ("processed", 2), ("quarantined", 1), ("failed", 2)] {
        assert_eq!(line[name], json!(count), "{line}");
    }
    let failed = stores.handle(&sns("a", &unlucky)).await.unwrap_err();
    assert_eq!((failed.failed, failed.messages), (1, 1));
    assert!(failed.first.contains("the test's own refusal"), "{failed}");
    assert!(stores.handle(&sns("a", &panicking)).await.is_err());
    counts(&stores.handle(&sns("a", &reading(3))).await, &[("processed", 1)]);
}

#[tokio::test]
async fn an_array_of_eventbridge_pipes_is_its_records_and_only_failed_ones_are_retried() {
    let stores = Stores::new().await;
    let (unlucky, good) = (reading_with(2, UNLUCKY), envelope(&reading(1)));
    let event: Value = serde_json::from_str(&sqs([("good", &*good), ("bad", "{"), ("unlucky", &*unlucky)])).unwrap();
    let bare = event["Records"].to_string();
    assert_eq!(stores.handle(&bare).await.unwrap(), items(&["unlucky"]));
    assert_eq!(stores.held().await, (1, 1, 1));
    assert_eq!(stores.handle("[]").await.unwrap()["messages"], json!(0), "a pipe without records is nothing");
    // Without the ids of records nothing can fail alone: the array comes again as a unit.
    let transformed = json!([good, unlucky]).to_string();
    let failed = stores.handle(&transformed).await.unwrap_err();
    assert_eq!((failed.failed, failed.messages), (1, 2));
    counts(&stores.handle(&json!([good]).to_string()).await, &[("duplicates", 1)]);
    assert_eq!(stores.held().await, (1, 1, 1));
}

#[tokio::test]
async fn slow_messages_are_retried_and_the_rest_is_stored_in_time() {
    let stores = Stores::new().await;
    let (good, slow) = (reading(1), reading_with(2, SLOW));
    let started = Instant::now();
    let answer = stores.handle_within(&sqs([("slow", &*slow), ("good", &*good)]), Duration::from_secs(2)).await;
    assert_eq!(answer.unwrap(), items(&["slow"]));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(stores.held().await, (1, 0, 1));
    counts(&stores.handle_within(&sns("a", &reading(3)), Duration::ZERO).await, &[("processed", 1)]);
}

#[tokio::test]
async fn without_a_table_the_message_is_in_the_lake_and_retried() {
    let stores = Stores::new().await;
    stores.rows.drop_table();
    let failed = stores.handle(&sns("a", &reading(1))).await.unwrap_err();
    assert!(failed.first.contains("no table"), "{failed}");
    let (one, bad) = (reading(1), "no reading");
    assert_eq!(stores.handle(&sqs([("one", &*one), ("bad", bad)])).await.unwrap(), items(&["one"]));
    stores.rows.init().await.unwrap();
    assert_eq!(stores.held().await, (1, 1, 0));
    counts(&stores.handle(&sns("a", &reading(1))).await, &[("processed", 1)]);
    assert_eq!(stores.held().await, (1, 1, 1));
}

#[tokio::test]
async fn an_unreadable_record_does_not_affect_others() {
    let stores = Stores::new().await;
    let event = sqs([("a", &*reading(1)), ("b", "surrogate"), ("c", &*reading(2))]).replace("surrogate", r"\ud800");
    assert_eq!(stores.handle(&event).await.unwrap(), items(&[]));
    assert_eq!(stores.held().await, (2, 1, 2));
}

#[tokio::test]
async fn a_reading_whose_key_is_taken_by_another_object_is_quarantined_and_gets_no_row() {
    let stores = Stores::new().await;
    stores.handle(&sns("a", &reading(1))).await.unwrap();
    let key = stores.home.keys().remove(0);
    for damage in ["", "{}", &reading(1)] {
        stores.home.overwrite(&key, damage.to_owned());
        counts(&stores.handle(&sns("a", &reading(1).replace("9.0", "9.00"))).await, &[("quarantined", 1)]);
    }
    let (objects, kept, rows) = stores.held().await;
    assert_eq!((objects, rows), (1, 1), "the row is that from before");
    assert!(kept > 0);
}

#[tokio::test]
async fn a_panic_is_reported_with_its_message() {
    let stores = Stores::new().await;
    let failed = stores.handle(&sns("a", &reading_with(1, PANIC))).await.unwrap_err();
    assert!(failed.first.contains("the test's own panic"), "{failed}");
}

#[tokio::test]
async fn an_existing_object_that_cannot_be_read_is_a_success_with_a_metric() {
    let stores = Stores::new().await;
    let message = reading_with(1, DENIED);
    counts(&stores.handle(&sns("a", &message)).await, &[("processed", 1)]);
    counts(&stores.handle(&sns("b", &message)).await, &[("duplicates", 1), ("unverifiable", 1)]);
    assert_eq!(
        stores.handle(&sqs([("1", message.as_str())])).await.unwrap(),
        items(&[]),
        "not for the dead-letter queue"
    );
    assert_eq!(stores.held().await, (1, 0, 1));
    let last = stores.metrics.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last["unverifiable"], 1);
}
