//! Deliveries to HTTP subscribers: SNS notifications as JSON over several connections, retried after failures. `topics` chooses
//! the subscribers.
//!
//! Unlike SNS, the stub does not queue without limit: a publishing call waits while too many deliveries are pending. Deliveries
//! are not signed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{SecondsFormat, Utc};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use url::Url;

use crate::sns::request::Entry;
use crate::sns::stats::Counters;

/// Number of deliveries in progress to a subscriber.
const WORKERS: usize = 16;

/// Number of deliveries that wait for one of these.
const WAITING: usize = 1_000;

/// Attempts of a delivery; SNS makes three at once, and more in the following hours.
const TRIES: u32 = 3;

/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// Timeout of a subscriber, as that of SNS.
const POST_TIMEOUT: Duration = Duration::from_secs(15);

/// A message to a subscriber.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// `Notification` or `SubscriptionConfirmation`.
    pub kind: &'static str,
    pub message_id: String,
    pub body: Bytes,
    pub raw: bool,
}

/// Queue of the deliveries to a subscriber.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryQueue(mpsc::Sender<Delivery>);

/// Parsed address of a subscriber.
#[derive(Debug)]
struct Subscriber {
    host: String,
    path: String,
    topic_arn: String,
    subscription_arn: String,
}

impl DeliveryQueue {
    /// Opens a queue to `http://HOST:PORT/PATH`; must be called inside the runtime.
    pub fn open(url: &Url, topic_arn: &str, subscription_arn: &str, counters: &Counters) -> Self {
        let (send, receive) = mpsc::channel(WAITING);
        let receive = Arc::new(Mutex::new(receive));
        let host = url.host_str().unwrap_or_default();
        let subscriber = Arc::new(Subscriber {
            host: format!("{host}:{}", url.port_or_known_default().unwrap_or(80)),
            path: url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
            topic_arn: topic_arn.to_owned(),
            subscription_arn: subscription_arn.to_owned(),
        });
        for _ in 0..WORKERS {
            tokio::spawn(work(Arc::clone(&receive), Arc::clone(&subscriber), counters.clone()));
        }
        Self(send)
    }

    /// Queues a delivery; waits while the queue is full.
    pub async fn send(&self, delivery: Delivery) {
        let _ = self.0.send(delivery).await; // the workers end only with the runtime
    }
}

async fn work(deliveries: Arc<Mutex<mpsc::Receiver<Delivery>>>, subscriber: Arc<Subscriber>, counters: Counters) {
    let mut connection = None;
    loop {
        let Some(delivery) = deliveries.lock().await.recv().await else { return };
        let mut taken = false;
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let post = subscriber.post(&mut connection, &delivery);
            taken =
                tokio::time::timeout(POST_TIMEOUT, post).await.is_ok_and(|done| done.is_some_and(|s| s.is_success()));
            if taken {
                break;
            }
            connection = None;
        }
        if delivery.kind == "Notification" {
            counters.count(|stats| if taken { stats.delivered += 1 } else { stats.undelivered += 1 });
        }
    }
}

impl Subscriber {
    /// Makes one attempt; `None` if there was no response.
    async fn post(&self, kept: &mut Option<SendRequest<Full<Bytes>>>, delivery: &Delivery) -> Option<StatusCode> {
        let mut connection = match kept.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(&self.host).await.ok()?;
                stream.set_nodelay(true).ok()?;
                let (connection, driver) = http1::handshake(TokioIo::new(stream)).await.ok()?;
                tokio::spawn(driver);
                connection
            }
        };
        let mut request = Request::post(&self.path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "text/plain; charset=UTF-8")
            .header("x-amz-sns-message-type", delivery.kind)
            .header("x-amz-sns-message-id", &delivery.message_id)
            .header("x-amz-sns-topic-arn", &self.topic_arn)
            .header("x-amz-sns-subscription-arn", &self.subscription_arn);
        if delivery.raw {
            request = request.header("x-amz-sns-rawdelivery", "true");
        }
        let request = request.body(Full::new(delivery.body.clone())).ok()?;
        let answer = connection.send_request(request).await.ok()?;
        let status = answer.status();
        answer.into_body().collect().await.ok()?;
        *kept = Some(connection);
        Some(status)
    }
}

/// Returns a message as SNS delivers it: in an envelope, or raw.
pub(crate) fn notification(topic_arn: &str, message_id: &str, entry: &Entry<'_>, raw: bool) -> Delivery {
    let message = entry.message.as_deref().unwrap_or_default();
    let body = if raw { message.to_owned() } else { envelope(topic_arn, message_id, entry, message).to_string() };
    Delivery { kind: "Notification", message_id: message_id.to_owned(), body: body.into(), raw }
}

fn envelope(topic_arn: &str, message_id: &str, entry: &Entry<'_>, message: &str) -> Value {
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    put("Type", "Notification".into());
    put("MessageId", message_id.into());
    if let Some(dedup) = &entry.dedup {
        put("MessageDeduplicationId", dedup.as_ref().into());
    }
    put("TopicArn", topic_arn.into());
    if let Some(subject) = &entry.subject {
        put("Subject", subject.as_ref().into());
    }
    put("Message", message.into());
    signed(&mut put);
    if !entry.attributes.is_empty() {
        let attributes = entry.attributes.iter().map(|attribute| {
            (attribute.name.clone(), json!({ "Type": attribute.data_type, "Value": attribute.value }))
        });
        put("MessageAttributes", Value::Object(attributes.collect()));
    }
    Value::Object(all)
}

/// Returns a subscription confirmation.
pub(crate) fn confirmation(topic_arn: &str, message_id: &str, token: &str, subscribe_url: &str) -> Delivery {
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    put("Type", "SubscriptionConfirmation".into());
    put("MessageId", message_id.into());
    put("Token", token.into());
    put("TopicArn", topic_arn.into());
    let output = format!(
        "You have chosen to subscribe to the topic {topic_arn}.\nTo confirm the subscription, visit the SubscribeURL \
         included in this message."
    );
    put("Message", output.into());
    put("SubscribeURL", subscribe_url.into());
    signed(&mut put);
    let body = Value::Object(all).to_string().into();
    Delivery { kind: "SubscriptionConfirmation", message_id: message_id.to_owned(), body, raw: false }
}

/// Adds the current time and a placeholder for the signature.
fn signed(put: &mut impl FnMut(&str, Value) -> Option<Value>) {
    put("Timestamp", Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true).into());
    put("SignatureVersion", "1".into());
    put("Signature", "bm90IHNpZ25lZA==".into());
    put("SigningCertURL", "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-stub.pem".into());
}
