//! Tests of SNS → SQS → sandbox, with moto for both; the test acts as Lambda's poller.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_sqs::types::{Message, QueueAttributeName};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use serde_json::json;
use testkit::built;
use testkit::lambda::events::{reading, sqs};
use testkit::lambda::sandbox::Sandbox;
use testkit::{MOTO, MYSQL, server};

use crate::proxy::{Network, Proxy};
use crate::{Stores, of, with};

/// The services that moto mocks.
struct Moto {
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Moto {
    fn new(endpoint: &str) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        macro_rules! client {
            ($sdk:ident) => {{
                use $sdk::config::{BehaviorVersion, Builder, Credentials, Region};
                let config = Builder::new().behavior_version(BehaviorVersion::latest()).http_client(http.clone());
                let config = config.credentials_provider(Credentials::new("x", "y", None, None, "test"));
                $sdk::Client::from_conf(config.region(Region::new("us-east-1")).endpoint_url(endpoint).build())
            }};
        }
        Self { sns: client!(aws_sdk_sns), sqs: client!(aws_sdk_sqs) }
    }

    async fn queue(&self, name: &str, attributes: &[(QueueAttributeName, String)]) -> (String, String) {
        let create =
            self.sqs.create_queue().queue_name(name).set_attributes(Some(attributes.iter().cloned().collect()));
        let url = create.send().await.unwrap().queue_url.unwrap();
        let arn = self.sqs.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn);
        let arn = arn.send().await.unwrap().attributes.unwrap().remove(&QueueAttributeName::QueueArn).unwrap();
        (url, arn)
    }

    async fn receive(&self, queue: &str) -> Vec<Message> {
        let receive = self.sqs.receive_message().queue_url(queue).max_number_of_messages(10);
        receive.send().await.unwrap().messages.unwrap_or_default()
    }

    /// Creates a topic with a queue and its dead-letter queue.
    async fn topic(&self, name: &str) -> (String, String, String) {
        let (dead, dead_arn) = self.queue(&format!("{name}-dead"), &[]).await;
        let redrive = json!({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "5"}).to_string();
        let (queue, queue_arn) = self.queue(name, &[(QueueAttributeName::RedrivePolicy, redrive)]).await;
        let topic = self.sns.create_topic().name(name).send().await.unwrap().topic_arn.unwrap();
        self.sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(queue_arn).send().await.unwrap();
        (topic, queue, dead)
    }
}

/// Processes one batch and returns the messages by id, and those that were returned to the queue.
async fn round(moto: &Moto, queue: &str, sandbox: &Sandbox) -> Option<(BTreeMap<String, String>, BTreeSet<String>)> {
    let messages = moto.receive(queue).await;
    if messages.is_empty() {
        return None;
    }
    let text = |of: &Option<String>| of.clone().unwrap();
    let items: Vec<(String, String)> = messages.iter().map(|m| (text(&m.message_id), text(&m.body))).collect();
    let event = sqs(items.iter().map(|(id, body)| (id.as_str(), body.as_str())));
    let (answer, _) = sandbox.api.invoke_within(event, Duration::from_secs(5)).await;
    let answer = answer.unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    let failed: BTreeSet<String> = failures.map(|item| item["itemIdentifier"].as_str().unwrap().to_owned()).collect();
    for message in &messages {
        let receipt = text(&message.receipt_handle);
        if failed.contains(message.message_id.as_ref().unwrap()) {
            let again = moto.sqs.change_message_visibility().queue_url(queue).receipt_handle(receipt);
            again.visibility_timeout(0).send().await.unwrap();
        } else {
            moto.sqs.delete_message().queue_url(queue).receipt_handle(receipt).send().await.unwrap();
        }
    }
    Some((items.into_iter().collect(), failed))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs RUMINATE_TEST_MYSQL and RUMINATE_TEST_MOTO"]
async fn live_mysql_moto_only_the_failed_messages_of_a_queue_are_redelivered() {
    let moto = server(MOTO.variable);
    let stores = Stores::new(MYSQL).await;
    let moto = Moto::new(&moto);
    let (topic, queue, dead) = moto.topic(&stores.database.name).await;
    let poison = |n: u32| n % 26 == 13;
    for n in 0..52 {
        let message = if poison(n) { format!("poison {n}") } else { reading(n) };
        moto.sns.publish().topic_arn(&topic).message(message).send().await.unwrap();
    }
    let proxy = Proxy::start(format!("127.0.0.1:{}", of(&stores.env(), "RDS_PORT")), Network::Down).await;
    let env = with(stores.env(), &[("RDS_PORT", &proxy.port.to_string())]);
    let sandbox = Sandbox::start(&built("bootstrap"), &env).await;
    for _ in 0..2 {
        let (messages, failed) = round(&moto, &queue, &sandbox).await.unwrap();
        let good = messages.iter().filter(|(_, body)| !body.contains("poison")).map(|(id, _)| id.clone());
        assert_eq!(failed, good.collect(), "without a warehouse exactly the valid messages are retried");
    }
    proxy.set(Network::Up);
    while let Some((_, failed)) = round(&moto, &queue, &sandbox).await {
        assert_eq!(failed, BTreeSet::new());
    }
    assert_eq!(stores.held().await, (50, 2, 50));
    assert_eq!((sandbox.metric("quarantined"), sandbox.metric("processed")), (2, 50));
    assert!(moto.receive(&dead).await.is_empty());
    moto.sns.delete_topic().topic_arn(&topic).send().await.unwrap();
    stores.database.drop().await;
}
