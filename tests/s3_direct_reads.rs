//! Objects read without the SDK, from a server whose responses a test defines byte by byte, including ones that no S3 service
//! would send.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use pipeline::aws::Network;
use pipeline::lake::s3::S3;
use pipeline::lake::{Lake, Reason};
use pipeline::retry::RetryPolicy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Response to a request, and whether the server closes the connection afterwards.
type Script = fn(u32) -> (&'static str, bool);

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// Answers each request by its number; counts connections and requests.
struct Server {
    endpoint: String,
    connections: Arc<AtomicU32>,
    requests: Arc<AtomicU32>,
}

impl Server {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (connections, requests) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (opened, requested) = (Arc::clone(&connections), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                opened.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, script, Arc::clone(&requested)));
            }
        });
        Self { endpoint, connections, requests }
    }

    fn lake(&self) -> S3 {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(500)).build();
        let key = Credentials::new("AKIDEXAMPLE", "secret", Some("a-session".into()), None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(key))
            .timeout_config(timeouts)
            .build(); // no HTTP client: the SDK itself could not send requests
        S3::new(&config, "lake", "p", RetryPolicy::NO_RETRY).direct(&config, &Network::default())
    }

    fn seen(&self) -> (u32, u32) {
        (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst))
    }
}

async fn serve(mut stream: TcpStream, script: Script, requested: Arc<AtomicU32>) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        while !text.contains("\r\n\r\n") {
            match stream.read(&mut buffer).await {
                Ok(length) if length > 0 => text += std::str::from_utf8(&buffer[..length]).unwrap(),
                _ => return,
            }
        }
        assert!(
            text.contains("x-amz-security-token: a-session\r\n") && text.contains("user-agent: ruminate/"),
            "{text}"
        );
        text.clear();
        let (answer, closes) = script(requested.fetch_add(1, Ordering::SeqCst));
        stream.write_all(answer.as_bytes()).await.unwrap();
        if closes {
            return;
        }
    }
}

/// Returns the result of one read.
async fn read(script: Script) -> Result<String, (Reason, String)> {
    let server = Server::start(script).await;
    let got = tokio::time::timeout(Duration::from_secs(5), server.lake().get("a b.json")).await.unwrap();
    got.map(|body| String::from_utf8(body.to_vec()).unwrap()).map_err(|e| (e.reason, e.message))
}

#[tokio::test]
async fn reads_one_after_the_other_share_a_connection() {
    let server = Server::start(|_| (OK, false)).await;
    let lake = server.lake();
    for _ in 0..20 {
        assert_eq!(lake.get("a.json").await.unwrap(), "{}");
    }
    assert_eq!(server.seen(), (1, 20));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_does_not_count_as_an_attempt() {
    let server = Server::start(|_| (OK, true)).await; // closed after each response, without announcing it
    let lake = server.lake();
    for _ in 0..10 {
        assert_eq!(lake.get("a.json").await.unwrap(), "{}", "with one try");
    }
    assert_eq!(server.seen().1, 10);
}

#[tokio::test]
async fn a_body_is_complete_with_any_transfer_encoding() {
    let got =
        read(|_| ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n", false));
    assert_eq!(got.await.unwrap(), "{\"a\":1}");
    assert_eq!(read(|_| ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"a\":1}", true)).await.unwrap(), "{\"a\":1}");
    assert_eq!(read(|_| ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false)).await.unwrap(), "");
}

#[tokio::test]
async fn an_incomplete_response_is_a_network_error() {
    let scripts: [Script; 6] = [
        |_| ("", true),
        |_| ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", true),
        |_| ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{}", true),
        |_| ("SSH-2.0-OpenSSH_9.6\r\n", false),
        |_| ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", false), // and never closes the connection
        |_| ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\n<html", false),
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let (reason, output) = read(script).await.unwrap_err();
        assert_eq!(reason, Reason::Network, "{number}: {output}");
    }
}

#[tokio::test]
async fn refusals_are_read_from_the_answer() {
    assert_eq!(read(|_| ("HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n", false)).await.unwrap_err().0, Reason::SlowDown);
    let (reason, output) = read(|_| {
        let xml = "HTTP/1.1 400 x\r\ncontent-length: 69\r\n\r\n<Error><Code>Odd</Code><Message>a &lt;b&gt; &amp; c</Message></Error>";
        (xml, false)
    })
    .await
    .unwrap_err();
    assert_eq!((reason, output.as_str()), (Reason::Unreadable, "Odd: a <b> & c"));
    let (reason, _) =
        read(|_| ("HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<Error></Error>", false)).await.unwrap_err();
    assert_eq!(reason, Reason::SlowDown, "an error document under a 200");
}

#[tokio::test]
async fn credentials_that_were_renewed_before_their_time_cost_no_object() {
    const EXPIRED: &str = "HTTP/1.1 400 x\r\ncontent-length: 40\r\n\r\n<Error><Code>ExpiredToken</Code></Error>";
    assert_eq!(read(|number| (if number == 0 { EXPIRED } else { OK }, false)).await.unwrap(), "{}");
    let server = Server::start(|_| (EXPIRED, false)).await;
    assert_eq!(server.lake().get("a.json").await.unwrap_err().reason, Reason::Credentials);
    assert_eq!(server.seen().1, 2, "retried exactly once");
}
