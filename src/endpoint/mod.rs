//! An HTTP endpoint that SNS can be subscribed to: its deliveries go to the intake, as the Lambda's do.
//!
//! Owns what stands between the internet and the intake: size, signature, topic, the confirmation of subscriptions, and
//! the answers by which SNS knows whether to deliver again. `request` reads, `signature` (with `certificate`, `trusted_url`
//! and [`fetch`]) believes or not, `error` says why not, `handler` decides, `batcher` makes batches. What becomes of a message is the
//! intake's business; TLS is that of the proxy in front.

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

/// Requests answered at once unless told otherwise; each may hold a body of 2 MiB.
pub const CONCURRENCY: usize = 64;

/// How often a wish to stop, or idleness, is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How long requests in flight may take once a stop is wished for.
const DRAIN: Duration = Duration::from_secs(20);

/// How long connections without a request in flight may take to end after that.
const LINGER: Duration = Duration::from_millis(500);

/// Whether senders must prove that they are SNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signatures {
    /// A message is taken only with a good signature of SNS.
    #[default]
    Verify,
    /// Anybody is believed, and any address is visited to confirm a subscription: for tests on the own machine.
    Skip,
}

/// What an endpoint takes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The topics whose messages are taken; all where it is empty.
    pub topics: Vec<String>,
    /// Whether senders must prove that they are SNS.
    pub signatures: Signatures,
    /// After how many messages it stops by itself.
    pub max_messages: Option<u64>,
    /// Requests answered at once, at least one; the others wait for their turn.
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
    /// Binds an endpoint to `host:port`; port 0 is any free one.
    ///
    /// # Errors
    /// The address is none, is taken, or is not this machine's.
    pub async fn bind(address: &str, settings: Settings, get: Arc<dyn Fetch>) -> anyhow::Result<Self> {
        let settings = Settings { concurrency: settings.concurrency.max(1), ..settings };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} (give HOST:PORT, such as 127.0.0.1:8080)"))?;
        Ok(Self { address: listener.local_addr()?, listener, settings, get })
    }

    /// The address it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until a stop is wished for or the messages asked for are in; then what is in flight is finished.
    ///
    /// # Errors
    /// The network fails, or the counts do not add up.
    pub async fn run(self, intake: Intake, progress: &Progress, cancel: &CancellationToken) -> anyhow::Result<Outcome> {
        let started = Instant::now();
        let (bring, waiting) = mpsc::channel(self.settings.concurrency);
        let (close, closing) = oneshot::channel();
        let (left, stage) = (self.settings.max_messages, progress.stage("process", None));
        let enough = CancellationToken::default();
        let batcher = IntakeBatcher { intake, waiting, left, stage, limit_reached: enough.clone() };
        let gathering = tokio::spawn(batcher.run(closing));
        let handler = Arc::new(Handler::new(self.settings, self.get, bring));
        let router = Router::new().fallback(handler::answer).with_state(Arc::clone(&handler));
        let served =
            axum::serve(self.listener, router).with_graceful_shutdown(stop_requested(stop.clone(), enough.clone()));
        let patience = async {
            stop_requested(stop.clone(), enough).await;
            let _ = tokio::time::timeout(DRAIN, handler.idle()).await; // then they are cut
            tokio::time::sleep(LINGER).await;
        };
        tokio::select! {
            ended = async { served.await } => ended.context("the endpoint fails")?,
            () = patience => {
                tracing::debug!("connections that bring no request are cut");
            }
        }
        drop(close); // whatever has been brought is taken in, nothing more is
        let mut outcome = gathering.await?;
        outcome.endpoint = Some(handler.counts());
        outcome.seconds = started.elapsed().as_secs_f64();
        outcome.check()?;
        Ok(outcome)
    }
}

/// Ends when somebody wishes to stop or there is enough.
async fn stop_requested(cancel: CancellationToken, enough: CancellationToken) {
    while !stop.is_cancelled() && !enough.is_cancelled() {
        tokio::time::sleep(LOOK).await;
    }
}
