//! Cancellation by Ctrl-C or SIGTERM, checked between units of work so that those in flight are completed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Interval between two checks for cancellation while waiting.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Maximum time for work in flight after the first signal. Supervisors kill a process after 30 s, and then its files are not closed.
const GRACE: Duration = Duration::from_secs(28);

/// Error of a command that was interrupted before it had an outcome; the text states what was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted(pub &'static str);

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "interrupted {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

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

    /// Waits until cancellation is requested.
    pub async fn cancelled(&self) {
        while !self.is_cancelled() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Runs `work` and returns its result, or drops it and returns `None` on cancellation.
    pub async fn run_until_cancelled<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.cancelled() => None,
            done = work => Some(done),
        }
    }

    /// Runs a complete command. If it has not ended 28 s after cancellation, because a store does not respond, it is dropped.
    ///
    /// # Errors
    /// Returns [`Interrupted`] if the command was dropped, or its own error.
    pub async fn run_command<T>(&self, command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let overdue = async {
            self.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            done = command => done,
            () = overdue => Err(Interrupted("while a store did not respond: what was completed is kept, run this again").into()),
        }
    }

    /// Sets the flag at the first Ctrl-C, SIGTERM or SIGHUP (a closed terminal, unless under `nohup`). A later Ctrl-C
    /// calls `close` and exits the process at once with code 130; later SIGTERMs change nothing, because schedulers
    /// send several.
    pub fn cancel_on_signals(&self, close: fn()) {
        let cancel = self.clone();
        // Registered before the first await, and once: a signal between two waits is received too.
        let Some(mut signals) = Signals::listen() else { return };
        tokio::spawn(async move {
            while let Some(signal) = signals.next().await {
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

/// Listeners for the signals that end a process.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    /// Returns listeners that receive every signal from now on; `None` if signals cannot be received.
    fn listen() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Some(Self {
            interrupt: signal(SignalKind::interrupt()).ok()?,
            terminate: signal(SignalKind::terminate()).ok()?,
            hangup: if heeds_hangup() { signal(SignalKind::hangup()).ok() } else { None },
        })
    }

    /// Waits for the next signal. `None` if no more signals can be received.
    async fn next(&mut self) -> Option<Signal> {
        let Self { interrupt, terminate, hangup } = self;
        let hung_up = async {
            match hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            interrupt = interrupt.recv() => interrupt.map(|()| Signal::Interrupt),
            terminate = terminate.recv() => terminate.map(|()| Signal::Terminate),
            hangup = hung_up => hangup.map(|()| Signal::Terminate),
        }
    }
}

/// Returns true if a SIGHUP would end the process: not under `nohup`, which ignores it, and not if that is unknown.
#[cfg(unix)]
fn heeds_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 0)
}

/// Listener for Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Returns a listener.
    const fn listen() -> Option<Self> {
        Some(Self)
    }

    /// Waits for Ctrl-C. `None` if it cannot be received.
    async fn next(&mut self) -> Option<Signal> {
        tokio::signal::ctrl_c().await.ok().map(|()| Signal::Interrupt)
    }
}
