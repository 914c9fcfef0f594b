//! The endpoint: accepted requests, responses and counts.

use std::sync::Arc;
use std::time::Duration;

use pipeline::intake::Intake;
use pipeline::lake::dir::Dir;
use pipeline::lake::memory::Memory as Objects;
use pipeline::record::Rules;
use pipeline::warehouse::memory::Memory as Rows;
use pipeline::warehouse::sqlite::Sqlite;
use pipeline::warehouse::{TableName, Warehouse};
use ruminate::endpoint::{Settings, Topics};
use ruminate::outcome::{CommandOutcome as _, Exit};
use ruminate::process::{Count, Requests};

use crate::http::{Running, TOPIC, believing, of_topic};

const ONE: &str = include_str!("../sns/notification-1.json");
const TWO: &str = include_str!("../sns/notification-2.json");
const SUBSCRIPTION: &str = include_str!("../sns/subscription.json");
const UNSUBSCRIPTION: &str = include_str!("../sns/unsubscription.json");
const REAL: &str = include_str!("../../samples/real/FazendaUm_Consumo_20230101.json");

async fn stores() -> (Objects, Rows, Intake) {
    let (lake, rows) = (Objects::default(), Rows::default());
    rows.init().await.unwrap();
    let intake = Intake::open(Arc::new(lake.clone()), Arc::new(rows.clone()), Rules::default()).await.unwrap();
    (lake, rows, intake)
}

fn notification(message: &str) -> String {
    serde_json::json!({"Type": "Notification", "MessageId": "m-1", "TopicArn": TOPIC, "Message": message}).to_string()
}

async fn count(warehouse: &dyn Warehouse) -> u64 {
    warehouse.status().await.unwrap().rows.unwrap()
}

#[tokio::test]
async fn what_sns_signed_is_stored_once_in_a_directory_and_sqlite() {
    let home = tempfile::tempdir().unwrap();
    let lake = Dir::new(home.path().join("lake"));
    lake.create().unwrap();
    let rows = Arc::new(Sqlite::new(&home.path().join("w.db"), TableName::default()));
    rows.init().await.unwrap();
    let intake = Intake::open(Arc::new(lake.clone()), rows.clone(), Rules::default()).await.unwrap();
    let endpoint = Running::start(of_topic(), intake).await;
    assert_eq!(endpoint.post(ONE).await, (200, "stored".into()));
    assert_eq!(endpoint.post(ONE).await, (200, "duplicate".into()));
    let header = "x-amz-sns-message-type: Notification\r\n";
    assert_eq!(endpoint.ask("POST /deep/er", header, TWO).await, (200, "duplicate".into()), "same reading, other id");
    assert_eq!(endpoint.network.requests.lock().unwrap().len(), 1, "one certificate, fetched once");
    let outcome = endpoint.stop().await;
    assert_eq!(
        (outcome.counts[Count::Messages], outcome.counts[Count::Processed], outcome.counts[Count::Duplicates]),
        (3, 1, 2)
    );
    assert_eq!(outcome.exit(), Exit::Clean);
    let objects = pipeline::lake::list_all(&lake, "").await.unwrap();
    assert_eq!((objects.len(), count(&*rows).await), (1, 1));
}

#[tokio::test]
async fn a_subscription_is_confirmed_at_its_address_and_its_end_is_counted() {
    let (_, _, intake) = stores().await;
    let endpoint = Running::start(Settings::of(Topics::Any), intake).await;
    assert_eq!(endpoint.post(SUBSCRIPTION).await, (200, "subscribed".into()));
    assert_eq!(endpoint.post(UNSUBSCRIPTION).await, (200, "noted".into()));
    let tampered = SUBSCRIPTION.replace("Token=2336412f37\"", "Token=0\"");
    assert_eq!(endpoint.post(tampered).await.0, 403);
    let requested = endpoint.network.requests.lock().unwrap().clone();
    assert_eq!(requested.iter().filter(|url| url.contains("Action=ConfirmSubscription")).count(), 1, "{requested:?}");
    let outcome = endpoint.stop().await;
    let others = [(Requests::Subscribed, 1), (Requests::Unsubscribed, 1), (Requests::Rejected, 1)].into();
    assert_eq!((outcome.endpoint, outcome.counts[Count::Messages]), (Some(others), 0));
}

#[tokio::test]
async fn what_is_not_from_sns_is_refused_and_nothing_of_it_is_stored() {
    let (lake, rows, intake) = stores().await;
    let endpoint = Running::start(of_topic(), intake).await;
    let raw = format!("x-amz-sns-rawdelivery: true\r\nx-amz-sns-topic-arn: {TOPIC}\r\n");
    let reading = REAL.lines().next().unwrap();
    let cases: [(&str, &str, String, u16); 9] = [
        ("POST", "", TWO.replace("234.941", "334.941"), 403),
        ("POST", "", TWO.replace("sns.us-east-1.amazonaws.com", "sns.us-east-1.evil.example"), 403),
        ("POST", "", TWO.replace(":consumo", ":outro"), 403),
        ("POST", &raw, reading.into(), 403),
        ("POST", "", reading.into(), 400),
        ("POST", "", String::new(), 400),
        ("POST", "", "x".repeat(3 * 1024 * 1024), 413),
        ("GET", "", String::new(), 404),
        ("DELETE", "", String::new(), 405),
    ];
    for (line, headers, body, status) in cases {
        let (found, text) = endpoint.ask(line, headers, &body).await;
        assert_eq!(found, status, "{line} {headers}{:.80}: {text}", body);
    }
    assert_eq!(endpoint.ask("GET /health", "", "").await, (200, "ok".into()));
    let outcome = endpoint.stop().await;
    assert_eq!((outcome.counts[Count::Messages], outcome.endpoint.unwrap()[Requests::Rejected]), (0, 7));
    assert_eq!((lake.keys().len(), count(&rows).await), (0, 0));
}

#[tokio::test]
async fn failed_messages_are_retried_and_unprocessable_ones_are_quarantined() {
    let (lake, rows, intake) = stores().await;
    let endpoint = Running::start(believing(), intake).await;
    rows.drop_table();
    assert_eq!(endpoint.post(TWO).await, (503, "a store failed, deliver it again".into()));
    rows.init().await.unwrap();
    assert_eq!(endpoint.post(TWO).await, (200, "stored".into()));
    assert_eq!(endpoint.post(notification("so much for JSON")).await, (200, "quarantined".into()));
    let raw = "x-amz-sns-rawdelivery: true\r\nx-amz-sns-message-id: r-1\r\n";
    assert_eq!(endpoint.ask("POST", raw, REAL.lines().nth(1).unwrap()).await, (200, "stored".into()));
    let outcome = endpoint.stop().await;
    assert_eq!(
        (
            outcome.counts[Count::Messages],
            outcome.counts[Count::Processed],
            outcome.counts[Count::Failed],
            outcome.counts[Count::Quarantined]
        ),
        (4, 2, 1, 1)
    );
    assert_eq!(outcome.exit(), Exit::Findings);
    let places: Vec<_> = outcome.problems.items().iter().map(|p| (p.kind.as_ref(), p.place.as_str())).collect();
    assert_eq!(places, [("failed", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf322"), ("quarantined", "m-1")]);
    assert_eq!((lake.keys().len(), count(&rows).await), (3, 2));
}

#[tokio::test]
async fn many_at_once_are_all_answered_and_counted() {
    let (lake, rows, intake) = stores().await;
    let settings = Settings { concurrency: 8, ..believing() };
    let endpoint = Running::start(settings, intake).await;
    let bodies: Vec<String> = REAL.lines().cycle().take(13 * 15).map(notification).collect();
    let answers = futures::future::join_all(bodies.iter().map(|body| endpoint.post(body))).await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let outcome = endpoint.stop().await;
    assert_eq!(
        (outcome.counts[Count::Messages], outcome.counts[Count::Processed], outcome.counts[Count::Duplicates]),
        (195, 13, 182)
    );
    assert_eq!((lake.keys().len(), count(&rows).await), (13, 13));
}

#[tokio::test]
async fn it_stops_after_the_maximum_number_of_messages() {
    let (_, rows, intake) = stores().await;
    let endpoint = Running::start(Settings { max_messages: Some(5), ..believing() }, intake).await;
    for (at, line) in REAL.lines().take(5).enumerate() {
        assert_eq!(endpoint.post(notification(line)).await.0, 200, "message {at}");
    }
    let outcome = endpoint.ended().await;
    assert_eq!((outcome.counts[Count::Messages], count(&rows).await), (5, 5));
}

#[tokio::test]
async fn messages_above_the_maximum_are_deferred() {
    let (_, rows, intake) = stores().await;
    let endpoint = Running::start(Settings { max_messages: Some(5), ..believing() }, intake).await;
    let bodies: Vec<String> = REAL.lines().map(notification).collect();
    let answers = futures::future::join_all(bodies.iter().map(|body| endpoint.post(body))).await;
    let taken = answers.iter().filter(|(status, _)| *status == 200).count();
    // A connection after the end is rejected, which SNS handles like a 503.
    assert!(answers.iter().all(|(status, _)| [200, 503, 0].contains(status)), "{answers:?}");
    assert_eq!((taken, endpoint.ended().await.counts[Count::Messages]), (5, 5));
    assert_eq!(count(&rows).await, 5);
}

#[tokio::test]
async fn a_message_whose_sender_has_disconnected_is_processed_and_counted() {
    let (_, rows, intake) = stores().await;
    let endpoint = Running::start(believing(), intake).await;
    for line in REAL.lines() {
        drop(endpoint.send("POST", "", notification(line)).await.unwrap());
    }
    for _ in 0..100 {
        if count(&rows).await == 13 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A request may be lost before it was read, but no accepted one is missing in the counts.
    let taken = count(&rows).await;
    assert_eq!(endpoint.stop().await.counts[Count::Messages], taken);
}

#[tokio::test]
async fn its_health_fails_when_the_worker_has_ended() {
    let (_, _, intake) = stores().await;
    let endpoint = Running::start(Settings { max_messages: Some(1), ..believing() }, intake).await;
    assert_eq!(endpoint.ask("GET /health", "", "").await, (200, "ok".into()));
    // A connection that is open when the worker ends still gets the correct response.
    let mut open = endpoint.connect().await.unwrap();
    assert_eq!(endpoint.post(notification(REAL.lines().next().unwrap())).await.0, 200);
    let (status, text) = open.ask("GET", "/health", "").await;
    assert!(status == 503 && text.contains("has ended") || status == 0, "{status} {text}");
    endpoint.ended().await;
}

#[tokio::test]
async fn a_body_that_arrives_byte_by_byte_takes_no_slot_from_others() {
    let (_, _, intake) = stores().await;
    let endpoint = Running::start(Settings { concurrency: 1, ..believing() }, intake).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = endpoint.connect().await.unwrap();
        stream.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5000\r\n\r\n{").await;
        slow.push(stream);
    }
    let started = std::time::Instant::now();
    for line in REAL.lines() {
        assert_eq!(endpoint.post(notification(line)).await.0, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    drop(slow);
    assert_eq!(endpoint.stop().await.counts[Count::Messages], 13);
}

#[tokio::test]
async fn more_connections_than_allowed_close_the_oldest_silent_one() {
    let (_, _, intake) = stores().await;
    let endpoint = Running::start(Settings { max_connections: Some(4), ..believing() }, intake).await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(endpoint.connect().await.unwrap());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(endpoint.post(notification(REAL.lines().next().unwrap())).await.0, 200);
    for (at, stream) in silent.iter_mut().enumerate() {
        assert_eq!(stream.is_closed().await, at < 7, "connection {at}");
    }
    drop(silent);
    let outcome = endpoint.stop().await;
    assert_eq!(outcome.endpoint.unwrap()[Requests::ConnectionsClosed], 7);
}

#[tokio::test]
async fn bodies_above_the_memory_limit_are_to_be_retried() {
    let (_, _, intake) = stores().await;
    let settings = Settings { max_body_memory: 200_000, ..believing() };
    let endpoint = Running::start(settings, intake).await;
    let mut slow = Vec::new();
    for _ in 0..10 {
        let mut stream = endpoint.connect().await.unwrap();
        stream.write("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 200000\r\n\r\n").await;
        stream.write(&"x".repeat(60_000)).await;
        slow.push(stream);
    }
    for line in REAL.lines() {
        assert_eq!(endpoint.post(notification(line)).await.0, 200, "the oldest of the slow ones gives way");
    }
    let whole = "x".repeat(300_000);
    assert_eq!(endpoint.post(notification(&whole)).await.0, 503, "more than there is at all");
    drop(slow);
    assert_eq!(endpoint.stop().await.counts[Count::Messages], 13);
}
