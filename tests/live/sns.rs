//! Publishing to SNS as simulated by moto: messages arrive in a queue that is subscribed to the topic, with their attributes.
//!
//! Moto is used for correctness only: it has neither quotas nor size limits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_sns::config::Credentials;
use chrono::NaiveDate;
use pipeline::record::{Reading, reading_id};
use ruminate::cancellation::CancellationToken;
use ruminate::herd::{Faults, Herd, Part};
use ruminate::progress::Progress;
use ruminate::publish::{self, Settings, Source};
use ruminate::publish::{Count, Outcome};
use ruminate::topic::Topic;
use ruminate::topic::sns::Sns;
use serde_json::{Value, json};
use testkit::server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const REGION: &str = "eu-west-1";
const ACCOUNT: &str = "123456789012";

/// A separate topic, and a queue with its messages, delivered raw.
struct Moto {
    endpoint: String,
    config: aws_config::SdkConfig,
    sns: aws_sdk_sns::Client,
    name: String,
}

impl Moto {
    async fn new(test: &str, fifo: bool) -> Self {
        let endpoint = server("RUMINATE_TEST_MOTO");
        let shared = pipeline::aws::config(pipeline::retry::TimeoutProfile::Bulk).await.unwrap();
        let shared = shared.sdk.into_builder().endpoint_url(&endpoint);
        // The region of the topic takes precedence over another one.
        let credentials = Credentials::new("x", "y", None, None, "test");
        let provider = aws_sdk_sns::config::SharedCredentialsProvider::new(credentials);
        let config = shared.credentials_provider(provider).region(aws_config::Region::new("us-east-1")).build();
        let here = aws_sdk_sns::config::Builder::from(&config).region(aws_config::Region::new(REGION)).build();
        let ending = if fifo { ".fifo" } else { "" };
        let name = format!("{test}-{}{ending}", std::process::id());
        let moto = Self { endpoint, config, sns: aws_sdk_sns::Client::from_conf(here), name };
        moto.sqs("CreateQueue", json!({ "QueueName": moto.name, "Attributes": attributes(fifo) })).await;
        let topic = moto.sns.create_topic().name(&moto.name);
        let topic = if fifo { topic.attributes("FifoTopic", "true") } else { topic };
        topic.send().await.unwrap();
        let queue = moto.arn().replace(":sns:", ":sqs:");
        let subscription = moto.sns.subscribe().topic_arn(moto.arn()).protocol("sqs").endpoint(queue);
        subscription.attributes("RawMessageDelivery", "true").send().await.unwrap();
        moto
    }

    fn arn(&self) -> String {
        format!("arn:aws:sns:{REGION}:{ACCOUNT}:{}", self.name)
    }

    fn topic(&self) -> Sns {
        Sns::new(&self.config, &pipeline::aws::Network::default(), self.arn().parse().unwrap())
    }

    /// Sends one request of the SQS JSON protocol, without an SDK.
    async fn sqs(&self, action: &str, request: Value) -> Value {
        let host = self.endpoint.trim_start_matches("http://");
        let body = request.to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\nX-Amz-Target: AmazonSQS.{action}\r\n\
             Content-Type: application/x-amz-json-1.0\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=x/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// Returns all messages in the queue.
    async fn queued(&self) -> Vec<Value> {
        let url = format!("{}/{ACCOUNT}/{}", self.endpoint, self.name);
        let mut all = Vec::new();
        loop {
            let request = json!({
                "QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "AttributeNames": ["All"]
            });
            let answer = self.sqs("ReceiveMessage", request).await;
            let Some(messages) = answer["Messages"].as_array().filter(|messages| !messages.is_empty()) else {
                return all;
            };
            for message in messages {
                // A FIFO queue returns no more messages of a group until the previous ones are deleted.
                let gone = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
                self.sqs("DeleteMessage", gone).await;
                all.push(message.clone());
            }
        }
    }

    async fn drop(self) {
        self.sns.delete_topic().topic_arn(self.arn()).send().await.unwrap();
        let url = format!("{}/{ACCOUNT}/{}", self.endpoint, self.name);
        self.sqs("DeleteQueue", json!({ "QueueUrl": url })).await;
    }
}

fn attributes(fifo: bool) -> Value {
    if fifo { json!({ "FifoQueue": "true" }) } else { json!({}) }
}

/// Writes a history of two farms. Returns the ids of its readings with their farms, in order.
fn history() -> (Source, Vec<(String, String)>) {
    let herd = Herd::try_new(2, 15, 2, NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(), 1).unwrap();
    let (mut bytes, faults) = (Vec::new(), Faults::none());
    for unit in herd.files() {
        herd.write_unit(unit, ruminate::herd::LineFormat::Ndjson, &faults, &mut bytes);
    }
    let readings = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    let readings = readings.map(|line| Reading::parse(line).unwrap());
    let ids = readings.map(|reading| (reading_id(&reading).to_string(), reading.cod_cliente)).collect();
    (Source::Herd { herd, part: Part::WHOLE, faults }, ids)
}

async fn publish(moto: &Moto, source: Source, concurrency: usize) -> Outcome {
    let settings = Settings { concurrency, ..Settings::default() };
    publish::run(source, Arc::new(moto.topic()), settings, &Progress::Silent, &CancellationToken::default())
        .await
        .unwrap()
}

fn id(message: &Value) -> String {
    let body = message["Body"].as_str().unwrap();
    reading_id(&Reading::parse(body.as_bytes()).unwrap()).to_string()
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MOTO"]
async fn live_moto_every_reading_arrives_with_its_farm() {
    let moto = Moto::new("standard", false).await;
    let (source, ids) = history();
    let outcome = publish(&moto, source, 4).await;
    assert_eq!(
        (outcome.counts[Count::Published], outcome.counts[Count::Failed], outcome.counts[Count::Retries]),
        (ids.len() as u64, 0, 0)
    );
    let queued = moto.queued().await;
    let mut found: Vec<(String, String)> = queued
        .iter()
        .map(|message| {
            let farm = &message["MessageAttributes"]["cod_cliente"];
            assert_eq!(farm["DataType"], "String");
            (id(message), farm["StringValue"].as_str().unwrap().to_owned())
        })
        .collect();
    let mut ids = ids;
    found.sort();
    ids.sort();
    assert_eq!(found, ids);
    moto.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MOTO"]
async fn live_moto_a_fifo_topic_keeps_a_lots_order_and_drops_repeats() {
    let moto = Moto::new("ordered", true).await;
    let (source, ids) = history();
    let settings = Settings { concurrency: 4, keeps_order: true, ..Settings::default() };
    for _ in 0..2 {
        // The second time all ids are known.
        let topic = Arc::new(moto.topic());
        publish::run(source.clone(), topic, settings.clone(), &Progress::Silent, &CancellationToken::default())
            .await
            .unwrap();
    }
    let queued = moto.queued().await;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in &queued {
        let attribute = |name: &str| message["Attributes"][name].as_str().unwrap().to_owned();
        assert_eq!(attribute("MessageDeduplicationId"), id(message));
        found.entry(attribute("MessageGroupId")).or_default().push(id(message));
    }
    let mut lots = BTreeSet::new();
    for message in &queued {
        let reading = Reading::parse(message["Body"].as_str().unwrap().as_bytes()).unwrap();
        let farm = if reading.cod_cliente == "FazendaUm" { "fazenda_um" } else { "fazenda_dois" };
        lots.insert(format!("{farm}:{}", reading.id_lote));
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), lots.iter().collect::<Vec<_>>(), "a group is a farm's lot");
    for group in found.values() {
        let in_order: Vec<_> = ids.iter().map(|(id, _)| id).filter(|id| group.contains(id)).collect();
        assert_eq!(group.iter().collect::<Vec<_>>(), in_order);
    }
    assert!(found.values().any(|group| group.len() > 1), "two days of a lot");
    assert_eq!(queued.len(), ids.len());
    moto.drop().await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MOTO"]
async fn live_moto_a_missing_topic_is_reported_before_publishing() {
    let moto = Moto::new("gone", false).await;
    let topic = moto.topic();
    topic.check().await.unwrap();
    moto.drop().await;
    let gone = topic.check().await.unwrap_err();
    assert!(!gone.kind.is_transient() && gone.to_string().contains("no such topic: check --topic"), "{gone}");
}
