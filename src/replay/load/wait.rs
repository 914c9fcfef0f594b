//! Waits for an unavailable server, up to the configured timeout.

use std::time::{Duration, Instant};

use super::loader::Loader;
use crate::replay::load_error::LoadError;
use pipeline::warehouse;

/// Pause between two attempts to reach an unavailable server.
const AWAY: Duration = Duration::from_secs(1);

impl Loader {
    /// Runs a repeatable operation until the server is available.
    pub(super) async fn retry_while_unavailable<T, F>(&self, mut work: impl FnMut() -> F) -> Result<T, LoadError>
    where
        F: Future<Output = Result<T, warehouse::Error>>,
    {
        let mut away: Option<Instant> = None;
        loop {
            let tried = work().await;
            if let (Some(since), true) = (away, tried.is_ok()) {
                self.throttle.record_wait("no server", since.elapsed()).await;
            }
            match tried {
                Err(e) if e.kind().is_transient() => {
                    let since = *away.get_or_insert_with(Instant::now);
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
