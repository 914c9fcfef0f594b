//! Waits for an unavailable server, up to the configured timeout.

use std::time::Duration;

use tokio::time::Instant;

use super::loader::Loader;
use crate::replay::load_error::LoadError;
use pipeline::warehouse::{self, Reason};

/// Pause between two attempts to reach an unavailable server.
const AWAY: Duration = Duration::from_secs(1);

impl Loader {
    /// Runs a repeatable operation until the server is available.
    pub(super) async fn retry_while_unavailable<T, F>(&self, mut work: impl FnMut() -> F) -> Result<T, LoadError>
    where
        F: Future<Output = Result<T, warehouse::Error>>,
    {
        let mut away: Option<(Instant, &str)> = None;
        loop {
            let tried = work().await;
            if let (Some((since, signal)), true) = (away, tried.is_ok()) {
                self.throttle.record_wait(signal, since.elapsed()).await;
            }
            match tried {
                Err(e) if e.kind().is_transient() => {
                    let (since, _) = *away.get_or_insert_with(|| {
                        tracing::warn!("waiting for the warehouse: {e}");
                        (Instant::now(), signal(&e))
                    });
                    if since.elapsed() > self.unavailable_timeout {
                        return Err(e.into());
                    }
                    if !self.throttle.wait_for_server(&e, AWAY).await {
                        return Err(LoadError::Stopped);
                    }
                }
                tried => return Ok(tried?),
            }
        }
    }
}

/// Returns the name of a wait in the outcome.
fn signal(e: &warehouse::Error) -> &'static str {
    match e.reason {
        Reason::Locked | Reason::Deadlock => "locked rows",
        _ => "no server",
    }
}
