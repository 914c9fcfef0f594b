//! Throttles loading on a live server: checks all signals before each batch, and waits while any limit is exceeded.
//! `crate::reader` (`ReadSettings`) limits how many objects are read at once; a limit on the bytes of a lake is a lake
//! that wraps it ([`pipeline::lake`]).
//!
//! The signals are those of gh-ost (its `doc/throttle.md`): running threads, replica lag, a custom query, a pause file,
//! and a row rate. Limits can change during the run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::load_error::LoadError;
use super::outcome::Pause;
use crate::cancellation::CancellationToken;
use crate::outcome::{count, counted};
use crate::progress::Stage;
use pipeline::warehouse::{self, BulkWarehouse, Reason};

/// Time for which the result of a signal check is reused.
const FRESH: Duration = Duration::from_secs(1);

/// Timeout of a signal check; a slower result no longer describes the current load.
const PROMPT: Duration = Duration::from_secs(10);

/// Pause between two checks while the run waits.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Limits that a run must not exceed; without limits it never waits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThrottleLimits {
    /// Maximum number of running threads on the server, including those of this run.
    pub max_threads_running: Option<u64>,
    /// Maximum replica lag, in seconds.
    pub max_replica_lag: Option<f64>,
    /// Maximum average rate, in rows per second.
    pub rows_per_second: Option<u64>,
    /// The run waits while this file exists.
    pub pause_file: Option<PathBuf>,
    /// The run waits while this query returns more than 0.
    pub throttle_query: Option<String>,
}

/// Returns the newest limits, or `None` if they did not change since the last call.
pub type ReloadLimits = Arc<dyn Fn() -> Option<ThrottleLimits> + Send + Sync>;

/// Limits and replicas that a run is throttled by.
#[derive(Clone)]
pub struct ThrottleSettings {
    /// Limits at the start of the run.
    pub limits: ThrottleLimits,
    /// Hook that returns changed limits.
    pub reload: ReloadLimits,
    /// Replicas of the warehouse whose lag is checked.
    pub replicas: Vec<Arc<dyn BulkWarehouse>>,
    /// How long to wait for an unavailable warehouse.
    pub unavailable_timeout: Duration,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            limits: ThrottleLimits::default(),
            reload: Arc::new(|| None),
            replicas: Vec::new(),
            unavailable_timeout: Duration::from_secs(300),
        }
    }
}

/// Checks the signals before each batch.
pub struct Throttle {
    bulk: Arc<dyn BulkWarehouse>,
    replicas: Vec<Arc<dyn BulkWarehouse>>,
    reload: ReloadLimits,
    cancel: CancellationToken,
    stage: Stage,
    /// Locked for the complete check, so that batches pass one at a time and a wait counts once.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: ThrottleLimits,
    looked: Option<(Instant, Option<WaitReason>)>,
    /// Start of the period without any readable signal. `None` if signals can be read.
    unavailable_since: Option<Instant>,
    /// Time at which the row rate allows the next batch.
    next: Instant,
    pauses: BTreeMap<&'static str, (u64, Duration)>,
}

/// Reason for a wait: the signal and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WaitReason {
    signal: &'static str,
    detail: String,
}

impl WaitReason {
    fn new(signal: &'static str, detail: String) -> Option<Self> {
        Some(Self { signal, detail })
    }
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Throttle").field("replicas", &self.replicas).finish_non_exhaustive()
    }
}

impl Throttle {
    /// Returns a throttle for that warehouse and its replicas.
    ///
    /// # Errors
    /// Returns an error if a required signal cannot be read or is invalid, because its limit would have no effect.
    pub async fn new(
        bulk: Arc<dyn BulkWarehouse>,
        settings: ThrottleSettings,
        stage: Stage,
        cancel: CancellationToken,
    ) -> Result<Self, warehouse::Error> {
        let ThrottleSettings { limits, reload, replicas, .. } = settings;
        let state =
            State { limits, looked: None, unavailable_since: None, next: Instant::now(), pauses: BTreeMap::new() };
        let throttle = Self { bulk, replicas, reload, cancel, stage, state: Mutex::new(state) };
        let limits = throttle.state.lock().await.limits.clone();
        match throttle.cancel.run_until_cancelled(throttle.check_signals(&limits)).await {
            Some(Err(e)) => Err(e),
            Some(Ok(_)) | None => Ok(throttle),
        }
    }

    /// Returns the maximum rows per batch, so that a batch uses at most 1 second of the rate.
    pub(super) async fn max_batch_rows(&self) -> usize {
        let rate = self.state.lock().await.limits.rows_per_second;
        rate.and_then(|rate| usize::try_from(rate).ok()).unwrap_or(usize::MAX).max(1)
    }

    /// Waits until `rows` rows may be loaded.
    ///
    /// # Errors
    /// Returns an error if the run was cancelled, or if no signal could be read for longer than `unavailable_timeout`.
    pub(super) async fn acquire(&self, rows: usize, unavailable_timeout: Duration) -> Result<(), LoadError> {
        let mut state = self.state.lock().await;
        let mut waited: Option<(&'static str, Instant)> = None;
        let passed = loop {
            self.reload_limits(&mut state);
            let Some(wait) = self.cancel.run_until_cancelled(self.wait_reason(&mut state)).await else {
                break Err(LoadError::Stopped);
            };
            let signal = wait.as_ref().map(|wait| wait.signal);
            if let Some((old, since)) = waited
                && signal != Some(old)
            {
                state.waited(old, since.elapsed());
                waited = None;
            }
            let Some(wait) = wait else { break Ok(()) };
            if waited.is_none() {
                state.log(&wait);
                waited = Some((wait.signal, Instant::now()));
            }
            if state.unavailable_since.is_some_and(|since| since.elapsed() > unavailable_timeout) {
                break Err(LoadError::Warehouse(self.timed_out(&wait, unavailable_timeout)));
            }
            self.stage.waiting(Some(&wait.detail));
            let left = state.next.saturating_duration_since(Instant::now());
            let pause = if wait.signal == RATE { left.min(POLL_INTERVAL) } else { POLL_INTERVAL };
            tokio::time::sleep(pause).await;
        };
        if let Some((signal, since)) = waited {
            state.waited(signal, since.elapsed());
        }
        self.stage.waiting(None);
        passed?;
        if let Some(rate) = state.limits.rows_per_second {
            state.next = state.next.max(Instant::now()) + at_rate(rows as f64, rate);
        }
        Ok(())
    }

    /// Applies changed limits.
    fn reload_limits(&self, state: &mut State) {
        if let Some(limits) = (self.reload)() {
            tracing::info!("throttle limits changed: {limits:?}");
            state.change(limits);
        }
    }

    /// Returns the timeout of a wait for a signal, as a retryable error.
    fn timed_out(&self, wait: &WaitReason, unavailable_timeout: Duration) -> warehouse::Error {
        let message = format!(
            "a throttling signal was unavailable for {} s (--unavailable-timeout): {}",
            unavailable_timeout.as_secs(),
            wait.detail
        );
        warehouse::Error { reason: Reason::Busy, about: self.bulk.address(), message }
    }

    /// Waits for `moment` because a server is unavailable; returns false if the run was cancelled instead.
    pub(super) async fn wait_for_server(&self, why: &warehouse::Error, moment: Duration) -> bool {
        self.stage.waiting(Some(&format!("waiting for the warehouse: {why}")));
        let until = Instant::now() + moment;
        while Instant::now() < until && !self.cancel.is_cancelled() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        self.stage.waiting(None);
        !self.cancel.is_cancelled()
    }

    /// Records a wait that happened elsewhere.
    pub(super) async fn record_wait(&self, signal: &'static str, how_long: Duration) {
        self.state.lock().await.waited(signal, how_long);
    }

    /// Returns all waits so far.
    pub(super) async fn pauses(&self) -> Vec<Pause> {
        let state = self.state.lock().await;
        let pauses = state.pauses.iter().map(|(reason, (times, total))| Pause {
            reason: (*reason).to_owned(),
            count: *times,
            seconds: total.as_secs_f64(),
        });
        pauses.collect()
    }

    async fn wait_reason(&self, state: &mut State) -> Option<WaitReason> {
        if let Some(file) = &state.limits.pause_file
            && file.exists()
        {
            let detail = format!("pause file {} exists", file.display());
            state.unavailable_since = None; // no signal is checked during this wait
            return WaitReason::new("pause file", detail);
        }
        let fresh = state.looked.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, wait)| wait.clone());
        let looked = match fresh {
            Some(wait) => wait,
            None => {
                let looked = self.check_signals(&state.limits).await;
                state.unavailable_since = looked.is_err().then(|| state.unavailable_since.unwrap_or_else(Instant::now));
                // A server that cannot be checked may be overloaded.
                let wait = looked.unwrap_or_else(|e| WaitReason::new(NO_SIGNAL, self.error_detail(e)));
                state.looked = Some((Instant::now(), wait.clone()));
                wait
            }
        };
        if looked.is_some() {
            return looked;
        }
        let rate = state.limits.rows_per_second?;
        if state.next > Instant::now() {
            WaitReason::new(RATE, format!("at most {} per second", counted(rate, "row", "rows")))
        } else {
            None
        }
    }

    /// Reads the signals of the servers, within [`PROMPT`].
    async fn check_signals(&self, limits: &ThrottleLimits) -> Result<Option<WaitReason>, warehouse::Error> {
        let requested = tokio::time::timeout(PROMPT, async {
            Ok(match self.check_load(limits).await? {
                Some(wait) => Some(wait),
                None => self.check_replica_lag(limits).await?,
            })
        });
        let slow = || {
            let what =
                limits.throttle_query.as_ref().map_or(String::new(), |query| format!(", with the query {query:?}"));
            self.no_signal(format!("its signals took longer than {} s{what}: a signal must be quick", PROMPT.as_secs()))
        };
        requested.await.unwrap_or_else(|_| Err(slow()))
    }

    /// Returns the text of an error; an error of the warehouse also contains its address.
    fn error_detail(&self, e: warehouse::Error) -> String {
        if e.about == self.bulk.address() { e.message } else { e.to_string() }
    }

    fn no_signal(&self, message: String) -> warehouse::Error {
        warehouse::Error { reason: Reason::Other, about: self.bulk.address(), message }
    }

    async fn check_load(&self, limits: &ThrottleLimits) -> Result<Option<WaitReason>, warehouse::Error> {
        let query = limits.throttle_query.as_deref();
        if query.is_none() && limits.max_threads_running.is_none() {
            return Ok(None);
        }
        let metrics = self.bulk.load_metrics(query).await?;
        if let Some(max) = limits.max_threads_running {
            let uncounted =
                || self.no_signal("it does not report running threads: remove --max-threads-running".into());
            let running = metrics.threads_running.ok_or_else(uncounted)?;
            if running > max {
                return Ok(WaitReason::new(
                    "threads running",
                    format!("{} running, more than {}", counted(running, "thread", "threads"), count(max)),
                ));
            }
        }
        let answer = metrics.query_value.filter(|&answer| answer > 0.0);
        Ok(answer.and_then(|answer| WaitReason::new("throttle query", format!("the throttle query returned {answer}"))))
    }

    async fn check_replica_lag(&self, limits: &ThrottleLimits) -> Result<Option<WaitReason>, warehouse::Error> {
        let Some(max) = limits.max_replica_lag else { return Ok(None) };
        if self.replicas.is_empty() {
            return Err(self.no_signal("--max-replica-lag needs a replica to monitor: add --replica URL".into()));
        }
        for replica in &self.replicas {
            let follows_none = || warehouse::Error {
                reason: Reason::Other,
                about: replica.address(),
                message: "it is not a replica: pass the URL of one with --replica".into(),
            };
            let lag = replica.replica_lag().await?.ok_or_else(follows_none)?.as_secs_f64();
            if lag > max {
                let detail = format!("{} lags {lag:.0} s, over {max} s", replica.address());
                return Ok(WaitReason::new("replica lag", detail));
            }
        }
        Ok(None)
    }
}

impl State {
    /// Applies new limits; rows that already passed are charged at the new rate.
    fn change(&mut self, limits: ThrottleLimits) {
        let now = Instant::now();
        let left = self.next.saturating_duration_since(now).as_secs_f64();
        let rows = left * self.limits.rows_per_second.map_or(0.0, |rate| rate as f64);
        self.next = now + limits.rows_per_second.map_or(Duration::ZERO, |rate| at_rate(rows, rate));
        self.limits = limits;
        self.looked = None;
    }

    fn waited(&mut self, signal: &'static str, how_long: Duration) {
        let (times, total) = self.pauses.entry(signal).or_default();
        *times += 1;
        *total += how_long;
    }

    /// Logs that a wait begins: as a warning the first time, and each time that a signal cannot be read.
    fn log(&self, wait: &WaitReason) {
        if wait.signal == NO_SIGNAL || (wait.signal != RATE && !self.pauses.contains_key(wait.signal)) {
            tracing::warn!("paused: {}", wait.detail);
        } else {
            tracing::debug!("paused: {}", wait.detail);
        }
    }
}

/// Returns how long `rows` rows take at `rate` rows per second.
fn at_rate(rows: f64, rate: u64) -> Duration {
    Duration::from_secs_f64(rows / rate.max(1) as f64)
}

const RATE: &str = "rows per second";
const NO_SIGNAL: &str = "no signal";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_rate_also_applies_to_rows_that_already_passed() {
        let limits = |rate| ThrottleLimits { rows_per_second: rate, ..ThrottleLimits::default() };
        let left = |state: &State| state.next.saturating_duration_since(Instant::now()).as_secs_f64();
        let next = Instant::now() + Duration::from_secs(7_200);
        let mut state =
            State { limits: limits(Some(1)), looked: None, unavailable_since: None, next, pauses: BTreeMap::new() };
        state.change(limits(Some(2)));
        assert!((3_590.0..3_601.0).contains(&left(&state)), "{state:?}");
        state.change(limits(Some(7_200)));
        assert!(left(&state) <= 1.0, "{state:?}");
        state.change(limits(None));
        assert!(left(&state) == 0.0, "{state:?}");
    }
}
