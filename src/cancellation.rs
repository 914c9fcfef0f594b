//! The wish to stop: set by Ctrl-C or SIGTERM, looked at between pieces of work, so that what is in flight is finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How soon a wish to stop is seen by what waits.
const LOOK: Duration = Duration::from_millis(100);

/// A flag that many hold; once set it stays.
#[derive(Debug, Clone, Default)]
pub struct CancellationToken(Arc<AtomicBool>);

impl CancellationToken {
    /// Wishes to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody wishes to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// What comes of `work`; `None`, with the work dropped where it is, once somebody wishes to stop.
    pub async fn run_until_cancelled<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let wished = async {
            while !self.is_cancelled() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            biased;
            () = wished => None,
            done = work => Some(done),
        }
    }

    /// Sets the flag at the first Ctrl-C, SIGTERM or SIGHUP (a closed terminal; not under `nohup`). A second one calls `close` and
    /// ends the process at once, with exit code 130.
    pub fn cancel_on_signals(&self, close: fn()) {
        let cancel = self.clone();
        tokio::spawn(async move {
            loop {
                if !signal().await {
                    return;
                }
                if cancel.is_cancelled() {
                    close();
                    std::process::exit(130);
                }
                tracing::warn!("stopping: finishing what is in flight; once more to stop at once");
                cancel.cancel();
            }
        });
    }
}

#[cfg(unix)]
async fn signal() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else { return false };
    let mut hangup = if heeds_hangup() { signal(SignalKind::hangup()).ok() } else { None };
    let hung_up = async {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.is_ok(),
        term = term.recv() => term.is_some(),
        hangup = hung_up => hangup.is_some(),
    }
}

/// Whether a SIGHUP would end the process: not where `nohup` made it ignored, nor where that cannot be seen.
#[cfg(unix)]
fn heeds_hangup() -> bool {
    static HEEDS: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 0)
    });
    *HEEDS
}

#[cfg(not(unix))]
async fn signal() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}
