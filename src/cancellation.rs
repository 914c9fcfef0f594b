//! Cancellation by Ctrl-C or SIGTERM, checked between units of work so that those in flight are completed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Interval between two checks for cancellation while waiting.
const LOOK: Duration = Duration::from_millis(100);

/// A shared flag that stays set once it is set.
#[derive(Debug, Clone, Default)]
pub struct CancellationToken(Arc<AtomicBool>);

impl CancellationToken {
    /// Requests cancellation.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Returns true if cancellation was requested.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Runs `work` and returns its result, or drops it and returns `None` on cancellation.
    pub async fn run_until_cancelled<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let cancelled = async {
            while !self.is_cancelled() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            biased;
            () = cancelled => None,
            done = work => Some(done),
        }
    }

    /// Sets the flag at the first Ctrl-C, SIGTERM or SIGHUP (a closed terminal, unless under `nohup`). A second signal
    /// calls `close` and exits the process at once with code 130.
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
                tracing::warn!("shutting down: finishing in-flight work; press Ctrl-C again to exit immediately");
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

/// Returns true if a SIGHUP would end the process: not under `nohup`, which ignores it, and not if that is unknown.
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
