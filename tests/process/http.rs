//! An endpoint in the test process, and a plain HTTP client like that of SNS.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pipeline::intake::Intake;
use ruminate::cancellation::CancellationToken;
use ruminate::endpoint::fetch::{Fetch, FetchResponse};
use ruminate::endpoint::{Endpoint, Settings, Signatures, Topics};
use ruminate::process::Outcome;
use ruminate::progress::Progress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use url::Url;

pub const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:consumo";
const CERTIFICATE: &str = include_str!("../sns/certificate.pem");

/// The network: returns the certificate for every request, and records the requested URLs.
#[derive(Debug, Default)]
pub struct Network {
    pub requests: Mutex<Vec<String>>,
}

#[async_trait]
impl Fetch for Network {
    async fn get(&self, url: &Url) -> Result<FetchResponse, String> {
        self.requests.lock().unwrap().push(url.to_string());
        Ok(FetchResponse { status: 200, body: CERTIFICATE.into() })
    }
}

pub fn believing() -> Settings {
    Settings { signatures: Signatures::Skip, ..Settings::of(Topics::Any) }
}

/// Settings that accept the messages of [`TOPIC`].
pub fn of_topic() -> Settings {
    Settings::of(Topics::Only(vec![TOPIC.into()]))
}

/// A running endpoint.
pub struct Running {
    pub address: SocketAddr,
    pub network: Arc<Network>,
    cancel: CancellationToken,
    work: JoinHandle<anyhow::Result<Outcome>>,
}

impl Running {
    pub async fn start(settings: Settings, intake: Intake) -> Self {
        let network = Arc::new(Network::default());
        let endpoint = Endpoint::bind("127.0.0.1:0", settings, network.clone()).await.unwrap();
        let (address, cancel) = (endpoint.address(), CancellationToken::default());
        let token = cancel.clone();
        let work = tokio::spawn(async move { endpoint.run(intake, &Progress::Silent, &token).await });
        Self { address, network, cancel, work }
    }

    pub async fn post(&self, body: impl AsRef<[u8]>) -> (u16, String) {
        self.ask("POST", "", body).await
    }

    /// Sends one request on a new connection; `headers` are complete lines. Returns status 0 without a response.
    pub async fn ask(&self, line: &str, headers: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        let mut answer = String::new();
        if let Ok(mut stream) = self.send(line, headers, body).await {
            let _ = stream.read_to_string(&mut answer).await;
        }
        let Some((head, text)) = answer.split_once("\r\n\r\n") else { return (0, answer) };
        (head.split(' ').nth(1).unwrap().parse().unwrap(), text.trim_end().to_owned())
    }

    /// Sends a request without reading its response.
    pub async fn send(&self, line: &str, headers: &str, body: impl AsRef<[u8]>) -> io::Result<TcpStream> {
        let (method, path) = line.split_once(' ').unwrap_or((line, "/"));
        let body = body.as_ref();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(head.as_bytes()).await?;
        let _ = stream.write_all(body).await; // a large body may be rejected before its end
        Ok(stream)
    }

    /// Opens a connection without a request.
    pub async fn connect(&self) -> io::Result<Open> {
        Ok(Open(TcpStream::connect(self.address).await?))
    }

    pub async fn stop(self) -> Outcome {
        self.cancel.cancel();
        self.ended().await
    }

    pub async fn ended(self) -> Outcome {
        self.work.await.unwrap().unwrap()
    }
}

/// An open connection.
pub struct Open(TcpStream);

impl Open {
    pub async fn write(&mut self, text: &str) {
        let _ = self.0.write_all(text.as_bytes()).await; // the endpoint may have closed it
    }

    /// Sends a request, and returns status and text; status 0 without a response.
    pub async fn ask(&mut self, method: &str, path: &str, body: &str) -> (u16, String) {
        let length = body.len();
        self.write(&format!(
            "{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
        let mut answer = String::new();
        let _ = self.0.read_to_string(&mut answer).await;
        let Some((head, text)) = answer.split_once("\r\n\r\n") else { return (0, answer) };
        (head.split(' ').nth(1).unwrap().parse().unwrap(), text.trim_end().to_owned())
    }

    /// Returns true if the endpoint has closed it.
    pub async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        tokio::time::timeout(std::time::Duration::from_millis(100), self.0.read(&mut byte)).await.is_ok()
    }
}
