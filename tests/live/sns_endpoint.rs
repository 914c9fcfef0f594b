//! HTTP deliveries of SNS, as simulated by moto, which signs each message with its own certificate.

use std::sync::Arc;

use async_trait::async_trait;
use pipeline::intake::Intake;
use pipeline::lake::memory::Memory as Objects;
use pipeline::record::Rules;
use pipeline::warehouse::Warehouse;
use pipeline::warehouse::memory::Memory as Rows;
use ruminate::cancellation::CancellationToken;
use ruminate::endpoint::fetch::{Fetch, FetchResponse, HttpsFetcher};
use ruminate::endpoint::{Endpoint, Settings, Signatures, Topics};
use ruminate::outcome::{CommandOutcome as _, Exit};
use ruminate::process::{Count, Outcome, Requests};
use ruminate::progress::Progress;
use testkit::{MOTO, real_readings, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use url::Url;

use crate::moto::sns;

/// Fetches certificates from moto, which distinguishes its services by the scope of a signature, and all else over the
/// network.
#[derive(Debug)]
struct AtMoto {
    moto: String,
    https: HttpsFetcher,
}

#[async_trait]
impl Fetch for AtMoto {
    async fn get(&self, url: &Url) -> Result<FetchResponse, String> {
        if !url.path().ends_with(".pem") {
            return self.https.get(url).await;
        }
        let scope = "authorization: AWS4-HMAC-SHA256 Credential=x/20261122/us-east-1/sns/aws4_request, Signature=0\r\n";
        let (status, body) = request(&self.moto, &format!("GET {}", url.path()), scope, "").await;
        Ok(FetchResponse { status, body: body.into() })
    }
}

struct Running {
    address: String,
    cancel: CancellationToken,
    work: JoinHandle<anyhow::Result<Outcome>>,
}

async fn start(moto: &str, settings: Settings, lake: &Objects, rows: &Rows) -> Running {
    let intake = Intake::open(Arc::new(lake.clone()), Arc::new(rows.clone()), Rules::default()).await.unwrap();
    let get = Arc::new(AtMoto { moto: moto.to_owned(), https: HttpsFetcher::new(&pipeline::aws::Network::default()) });
    let endpoint = Endpoint::bind("127.0.0.1:0", settings, get).await.unwrap();
    let (address, cancel) = (format!("http://{}/consumo", endpoint.address()), CancellationToken::default());
    let token = cancel.clone();
    let work = tokio::spawn(async move { endpoint.run(intake, &Progress::Silent, &token).await });
    Running { address, cancel, work }
}

/// Publishes the real readings twice to an endpoint subscribed to a separate topic.
async fn delivered_twice(signatures: Signatures, name: &str) {
    let moto = server(MOTO.variable);
    let sns = sns(&moto);
    // A unique name for this run: moto would keep delivering to the endpoint of an aborted run.
    let name = format!("{name}-{}", std::process::id());
    let topic = sns.create_topic().name(name).send().await.unwrap().topic_arn.unwrap();
    let (lake, rows) = (Objects::default(), Rows::default());
    rows.init().await.unwrap();
    let settings = Settings { signatures, ..Settings::of(Topics::Only(vec![topic.clone()])) };
    let running = start(&moto, settings, &lake, &rows).await;
    sns.subscribe().topic_arn(&topic).protocol("http").endpoint(&running.address).send().await.unwrap();
    let readings = real_readings();
    for _ in 0..2 {
        for reading in &readings {
            sns.publish().topic_arn(&topic).message(reading).send().await.unwrap();
        }
        assert_eq!((lake.keys().len(), rows.status().await.unwrap().rows), (52, Some(52)));
    }
    sns.delete_topic().topic_arn(&topic).send().await.unwrap();
    running.cancel.cancel();
    let outcome = running.work.await.unwrap().unwrap();
    assert_eq!(
        (outcome.counts[Count::Messages], outcome.counts[Count::Processed], outcome.counts[Count::Duplicates]),
        (104, 52, 52)
    );
    assert_eq!(outcome.exit(), Exit::Clean);
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MOTO"]
async fn live_moto_delivers_and_its_signatures_are_good() {
    delivered_twice(Signatures::Verify, "listen-verify").await;
}

#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MOTO"]
async fn live_moto_delivers_to_an_endpoint_without_signature_checks() {
    delivered_twice(Signatures::Skip, "listen-skip").await;
}

/// moto sends no confirmation: this one has the URL that SNS would send.
#[tokio::test]
#[ignore = "needs RUMINATE_TEST_MOTO"]
async fn live_moto_confirms_a_subscription_at_its_address() {
    let moto = server(MOTO.variable);
    let topic = sns(&moto).create_topic().name("listen-confirm").send().await.unwrap().topic_arn.unwrap();
    let (lake, rows) = (Objects::default(), Rows::default());
    rows.init().await.unwrap();
    let believing = Settings { signatures: Signatures::Skip, ..Settings::of(Topics::Any) };
    let running = start(&moto, believing, &lake, &rows).await;
    let confirmation = |address: &str| {
        serde_json::json!({"Type": "SubscriptionConfirmation", "MessageId": "m", "TopicArn": topic, "Token": "t",
            "Message": "confirm", "SubscribeURL": address})
        .to_string()
    };
    let address = format!("{moto}/?Action=ConfirmSubscription&TopicArn={topic}&Token=t");
    assert_eq!(post(&running.address, confirmation(&address)).await, 200);
    assert_eq!(post(&running.address, confirmation("ftp://127.0.0.1/")).await, 403);
    running.cancel.cancel();
    let outcome = running.work.await.unwrap().unwrap();
    assert_eq!(outcome.endpoint.unwrap()[Requests::Subscribed], 1);
}

async fn post(address: &str, body: String) -> u16 {
    request(address, "POST /", "", &body).await.0
}

async fn request(address: &str, line: &str, headers: &str, body: &str) -> (u16, String) {
    let url: Url = address.parse().unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let length = body.len();
    let head =
        format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all((head + body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), text.to_owned())
}
