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

    /// Sets the flag at the first Ctrl-C, SIGTERM or SIGHUP (a closed terminal, unless under `nohup`). A later Ctrl-C
    /// calls `close` and exits the process at once with code 130; later SIGTERMs change nothing, because schedulers
    /// send several.
    pub fn cancel_on_signals(&self, close: fn()) {
        let cancel = self.clone();
        tokio::spawn(async move {
            loop {
                let Some(signal) = signal().await else { return };
                if cancel.is_cancelled() {
                    if signal == Signal::Terminate {
                        continue;
                    }
                    close();
                    std::process::exit(130);
                }
                tracing::warn!("shutting down: finishing in-flight work; press Ctrl-C again to exit immediately");
                cancel.cancel();
            }
        });
    }
}

/// Request to end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM, or a closed terminal.
    Terminate,
}

/// Waits for a signal. `None` if signals are not supported.
#[cfg(unix)]
async fn signal() -> Option<Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).ok()?;
    let mut hangup = if heeds_hangup() { signal(SignalKind::hangup()).ok() } else { None };
    let hung_up = async {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.ok().map(|()| Signal::Interrupt),
        term = term.recv() => term.map(|()| Signal::Terminate),
        hangup = hung_up => hangup.map(|()| Signal::Terminate),
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
async fn signal() -> Option<Signal> {
    tokio::signal::ctrl_c().await.ok().map(|()| Signal::Interrupt)
}
