//! An HTTP endpoint for SNS subscriptions: deliveries go to the intake, as in the Lambda.
//!
//! This module owns everything between the internet and the intake: size limits, signatures, accepted topics,
//! confirmation of subscriptions, and the responses that determine whether SNS retries. The intake processes messages;
//! TLS is left to a proxy in front.
//!
//! | file | owns |
//! | --- | --- |
//! | `request.rs` | reading a request |
//! | `signature.rs` | verification of signatures |
//! | `certificate.rs` | signing certificates |
//! | `trusted_url.rs` | which URLs are trusted |
//! | [`fetch`] | fetching a URL |
//! | `error.rs` | why a message is rejected |
//! | `handler.rs` | handling of each request |
//! | `reply.rs` | responses and their status |
//! | `batcher.rs` | batches for the intake |

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::cancellation::CancellationToken;
use crate::process::Outcome;
use crate::progress::Progress;
use pipeline::intake::Intake;

mod batcher;
mod certificate;
mod error;
pub mod fetch;
mod handler;
mod reply;
mod request;
mod signature;
#[cfg(test)]
mod signature_tests;
mod trusted_url;

use batcher::IntakeBatcher;
use fetch::Fetch;
use handler::Handler;

/// Default number of concurrent requests; each may hold a body of 2 MiB.
pub const CONCURRENCY: usize = 64;

/// Interval between two checks for cancellation or idleness.
const LOOK: Duration = Duration::from_millis(50);

/// How long requests in flight may take after cancellation.
const DRAIN: Duration = Duration::from_secs(20);

/// How long idle connections may take to close after that.
const LINGER: Duration = Duration::from_millis(500);

/// Whether messages must have a valid SNS signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signatures {
    /// Accept only messages with a valid SNS signature.
    #[default]
    Verify,
    /// Accept unsigned messages and fetch any subscription URL: only for local tests.
    Skip,
}

/// Settings of an endpoint.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Topics whose messages are accepted; all topics if empty.
    pub topics: Vec<String>,
    /// Whether messages must have a valid SNS signature.
    pub signatures: Signatures,
    /// Number of messages after which the endpoint stops; `None` if unlimited.
    pub max_messages: Option<u64>,
    /// Maximum number of concurrent requests, at least 1; further requests wait.
    pub concurrency: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { topics: Vec::new(), signatures: Signatures::default(), max_messages: None, concurrency: CONCURRENCY }
    }
}

/// An endpoint that is bound to its address and ready to run.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    settings: Settings,
    get: Arc<dyn Fetch>,
}

impl Endpoint {
    /// Binds an endpoint to `host:port`; port 0 selects any free port.
    ///
    /// # Errors
    ///
    /// Returns an error if the address is invalid, in use, or not of this machine.
    pub async fn bind(address: &str, settings: Settings, get: Arc<dyn Fetch>) -> anyhow::Result<Self> {
        let settings = Settings { concurrency: settings.concurrency.max(1), ..settings };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (write HOST:PORT, such as 127.0.0.1:8080)"))?;
        Ok(Self { address: listener.local_addr()?, listener, settings, get })
    }

    /// Returns the address it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Handles requests until the run is cancelled or the message limit is reached, and then completes those in flight.
    ///
    /// # Errors
    ///
    /// Returns an error if the network fails or the counts do not add up.
    pub async fn run(self, intake: Intake, progress: &Progress, cancel: &CancellationToken) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let (bring, waiting) = mpsc::channel(self.settings.concurrency);
        let (close, closing) = oneshot::channel();
        let (left, stage) = (self.settings.max_messages, progress.stage("process", "messages", None));
        let enough = CancellationToken::default();
        let batcher = IntakeBatcher { intake, waiting, left, stage, limit_reached: enough.clone() };
        let gathering = tokio::spawn(batcher.run(closing));
        let handler = Arc::new(Handler::new(self.settings, self.get, bring));
        let router = Router::new().fallback(handler::answer).with_state(Arc::clone(&handler));
        let served =
            axum::serve(self.listener, router).with_graceful_shutdown(stop_requested(cancel.clone(), enough.clone()));
        let patience = async {
            stop_requested(cancel.clone(), enough).await;
            let _ = tokio::time::timeout(DRAIN, handler.idle()).await; // the rest is aborted then
            tokio::time::sleep(LINGER).await;
        };
        tokio::select! {
            ended = async { served.await } => ended.context("the endpoint fails")?,
            () = patience => {
                tracing::debug!("connections that bring no request are cut");
            }
        }
        drop(close); // accept no more messages, but process those received
        let mut outcome = gathering.await?;
        outcome.endpoint = Some(handler.counts());
        outcome.seconds = started.elapsed().as_secs_f64();
        outcome.check()?;
        Ok(outcome)
    }
}

/// Returns when the run is cancelled or the message limit is reached.
async fn stop_requested(cancel: CancellationToken, enough: CancellationToken) {
    while !cancel.is_cancelled() && !enough.is_cancelled() {
        tokio::time::sleep(LOOK).await;
    }
}
