//! An HTTP endpoint for SNS subscriptions: deliveries go to the intake, as in the Lambda.
//!
//! This module owns everything between the internet and the intake: size limits, signatures, accepted topics,
//! confirmation of subscriptions, and the responses that determine whether SNS retries. The intake processes messages;
//! TLS is left to a proxy in front.
//!
//! | file | owns |
//! | --- | --- |
//! | `server.rs` | accepting connections, HTTP |
//! | `connections.rs` | limits on connections: their number, and how long each may take |
//! | `body_budget.rs` | memory limit of all bodies |
//! | `request.rs` | reading a request |
//! | `signature.rs` | verification of signatures |
//! | `certificate.rs`, `certificate_cache.rs` | signing certificates, and fetching each once |
//! | `trusted_url.rs` | which URLs are trusted |
//! | [`fetch`] | fetching a URL |
//! | `error.rs` | why a message is rejected |
//! | `handler.rs` | handling of each request |
//! | `reply.rs` | responses and their status |
//! | `warnings.rs` | warnings about requests, limited in number |
//! | `batcher.rs` | batches for the intake |

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::cancellation::CancellationToken;
use crate::open_files;
use crate::outcome::Counts;
use crate::process::{Outcome, Requests};
use crate::progress::Progress;
use pipeline::intake::Intake;

mod batcher;
mod body_budget;
mod certificate;
mod certificate_cache;
mod connections;
mod error;
pub mod fetch;
mod handler;
mod reply;
mod request;
mod server;
mod signature;
#[cfg(test)]
mod signature_tests;
mod trusted_url;
mod warnings;

use batcher::{IntakeBatcher, PendingMessage};
use connections::Connections;
use fetch::Fetch;
use handler::Handler;
use server::Server;
use warnings::Warnings;

pub use signature::verify_signature;

/// Default number of messages that are processed at once.
pub const CONCURRENCY: usize = 64;

/// Default memory for bodies that are arriving or being processed, in bytes.
const MAX_BODY_MEMORY: usize = 64 * 1024 * 1024;

/// Maximum number of connections by default; the limit on open files may allow fewer.
const MAX_CONNECTIONS: usize = 1_024;

/// Interval between two checks for cancellation or idleness.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Maximum time for requests in flight after cancellation.
const DRAIN: Duration = Duration::from_secs(20);

/// Maximum time for connections to send their last responses after that.
const LINGER: Duration = Duration::from_millis(500);

/// Policy for messages without a valid SNS signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signatures {
    /// Accept only messages with a valid SNS signature.
    #[default]
    Verify,
    /// Accept unsigned messages and fetch any subscription URL: only on a loopback address.
    Skip,
}

/// Topics whose messages are accepted, and whose subscriptions are confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topics {
    /// The topics with these ARNs.
    Only(Vec<String>),
    /// Every topic of every AWS account.
    Any,
}

/// Settings of an endpoint.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Topics whose messages are accepted.
    pub topics: Topics,
    /// Whether messages must have a valid SNS signature.
    pub signatures: Signatures,
    /// Number of messages after which the endpoint stops; `None` if unlimited.
    pub max_messages: Option<u64>,
    /// Maximum number of messages that are processed at once, at least 1; further messages wait.
    pub concurrency: usize,
    /// Maximum number of connections; `None` for a limit that fits the limit on open files.
    pub max_connections: Option<usize>,
    /// Memory for bodies that are arriving or being processed, in bytes.
    pub max_body_memory: usize,
}

impl Settings {
    /// Returns the default settings for these topics.
    pub fn of(topics: Topics) -> Self {
        Self {
            topics,
            signatures: Signatures::default(),
            max_messages: None,
            concurrency: CONCURRENCY,
            max_connections: None,
            max_body_memory: MAX_BODY_MEMORY,
        }
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
    /// Returns an error if the address is invalid, in use, or not of this machine, or if other machines could send
    /// unsigned messages to it.
    pub async fn bind(address: &str, settings: Settings, get: Arc<dyn Fetch>) -> anyhow::Result<Self> {
        let settings = Settings { concurrency: settings.concurrency.max(1), ..settings };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (write HOST:PORT, such as 127.0.0.1:8080)"))?;
        let bound = listener.local_addr()?;
        ensure!(
            settings.signatures == Signatures::Verify || bound.ip().to_canonical().is_loopback(),
            "--insecure-skip-signature accepts unsigned messages, and other machines can reach {bound}: listen on a \
             loopback address such as 127.0.0.1:8080"
        );
        Ok(Self { address: bound, listener, settings, get })
    }

    /// Returns the address it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Handles requests until the run is cancelled or the message limit is reached, and then completes those in flight.
    ///
    /// # Errors
    ///
    /// Returns an error if the worker that processes messages failed, or if the counts do not add up.
    pub async fn run(self, intake: Intake, progress: &Progress, cancel: &CancellationToken) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let (bring, waiting) = mpsc::channel(self.settings.concurrency);
        let (close, closing) = oneshot::channel();
        let (left, stage) = (self.settings.max_messages, progress.stage("process", "messages", None));
        let enough = CancellationToken::default();
        let batcher = IntakeBatcher { intake, waiting, left, stage, limit_reached: enough.clone() };
        let mut worker = tokio::spawn(batcher.run(closing));
        let serving = self.serve(bring);
        let mut ended = None;
        while !cancel.is_cancelled() && !enough.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(POLL_INTERVAL) => {}
                result = &mut worker, if ended.is_none() => {
                    if !enough.is_cancelled() {
                        tracing::error!("the worker that processes messages has ended: restart the endpoint");
                    }
                    ended = Some(result);
                }
            }
        }
        let requests = serving.end().await;
        drop(close); // accept no more messages, but process those received
        let result = match ended {
            Some(result) => result,
            None => worker.await,
        };
        let mut outcome = result.context("the worker that processes messages failed")?;
        outcome.endpoint = Some(requests);
        outcome.seconds = started.elapsed().as_secs_f64();
        outcome.check()?;
        Ok(outcome)
    }

    /// Starts to accept connections; their messages go to `bring`.
    fn serve(self, bring: mpsc::Sender<PendingMessage>) -> Serving {
        let connections =
            Connections::new(self.settings.max_connections.unwrap_or_else(|| open_files::fitting(MAX_CONNECTIONS)));
        let warnings = Arc::new(Warnings::default());
        let handler = Handler::new(self.settings, self.get, bring, &connections, Arc::clone(&warnings));
        let (handler, (stop, stopping)) = (Arc::new(handler), watch::channel(false));
        let server = Server {
            listener: self.listener,
            handler: Arc::clone(&handler),
            connections: Arc::clone(&connections),
            warnings: Arc::clone(&warnings),
            stop: stopping,
        };
        Serving { work: tokio::spawn(server.run()), stop, handler, connections, warnings }
    }
}

/// A server that accepts connections.
struct Serving {
    work: JoinHandle<()>,
    stop: watch::Sender<bool>,
    handler: Arc<Handler>,
    connections: Arc<Connections>,
    warnings: Arc<Warnings>,
}

impl Serving {
    /// Accepts no more connections, waits for the requests in flight, and returns the counters.
    async fn end(self) -> Counts<Requests> {
        let Self { work, stop, handler, connections, warnings } = self;
        let _ = stop.send(true); // without a receiver, it has ended
        let _ = work.await; // a panic of the server ends no message
        let _ = tokio::time::timeout(DRAIN, until(|| connections.is_idle())).await; // the rest is aborted then
        let _ = tokio::time::timeout(LINGER, until(|| connections.is_empty())).await;
        connections.close_all();
        warnings.finish();
        let mut requests = handler.counts();
        requests[Requests::ConnectionsClosed] = connections.closed();
        requests
    }
}

/// Returns when a condition holds.
async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
