//! Gentle on a live server: before every batch each signal is looked at, and any one of them makes the run wait.
//!
//! The signals are those of gh-ost (its `doc/throttle.md`): running threads, the lag of replicas, a query of the
//! operator's, a file, and a rate of rows. Limits can change while the run goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::load_error::LoadError;
use super::outcome::Pause;
use crate::cancellation::CancellationToken;
use crate::progress::Stage;
use pipeline::warehouse::{self, BulkWarehouse, Reason};

/// How long a look at the server's signals holds.
const FRESH: Duration = Duration::from_secs(1);

/// How long a look may take: a signal that takes longer says nothing of this moment.
const PROMPT: Duration = Duration::from_secs(10);

/// The pause between two looks while the run waits.
const LOOK: Duration = Duration::from_millis(250);

/// What a run must not exceed; without any, it never waits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThrottleLimits {
    /// Running threads of the server, this run's own among them.
    pub max_threads_running: Option<u64>,
    /// Seconds that a replica may be behind.
    pub max_replica_lag: Option<f64>,
    /// Rows a second, on average.
    pub rows_per_second: Option<u64>,
    /// While this file is there the run waits.
    pub pause_file: Option<PathBuf>,
    /// While this query answers more than 0 the run waits.
    pub throttle_query: Option<String>,
}

/// The newest word on the limits, where there is one since the last time it was asked.
pub type ReloadLimits = Arc<dyn Fn() -> Option<ThrottleLimits> + Send + Sync>;

/// What a run waits for before it loads more.
#[derive(Clone)]
pub struct ThrottleSettings {
    /// What the run must not exceed.
    pub limits: ThrottleLimits,
    /// The newest word on them.
    pub reload: ReloadLimits,
    /// The warehouse's replicas, whose lag is watched.
    pub replicas: Vec<Arc<dyn BulkWarehouse>>,
    /// How long a warehouse that is gone is waited for.
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

/// Looks at the signals before each batch.
pub struct Throttle {
    bulk: Arc<dyn BulkWarehouse>,
    replicas: Vec<Arc<dyn BulkWarehouse>>,
    reload: ReloadLimits,
    cancel: CancellationToken,
    stage: Stage,
    /// Batches pass one at a time, so that a wait counts once.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: ThrottleLimits,
    looked: Option<(Instant, Option<WaitReason>)>,
    /// Since when no signal can be had.
    unavailable_since: Option<Instant>,
    /// When the next batch may pass at the rate of rows.
    next: Instant,
    pauses: BTreeMap<&'static str, (u64, Duration)>,
}

/// Why to wait: the signal, and what it says.
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
    /// A brake of that warehouse and its replicas.
    ///
    /// # Errors
    /// A signal that is to be watched cannot be asked for, or is none: then the limit would protect nothing.
    pub async fn new(
        bulk: Arc<dyn BulkWarehouse>,
        settings: ThrottleSettings,
        stage: Stage,
        cancel: CancellationToken,
    ) -> Result<Self, warehouse::Error> {
        let ThrottleSettings { limits, reload, replicas, .. } = settings;
        let state =
            State { limits, looked: None, unavailable_since: None, next: Instant::now(), pauses: BTreeMap::new() };
        let throttle = Self { bulk, replicas, reload, cancel: stop, stage, state: Mutex::new(state) };
        let limits = throttle.state.lock().await.limits.clone();
        match throttle.cancel.run_until_cancelled(throttle.check_signals(&limits)).await {
            Some(Err(e)) => Err(e),
            Some(Ok(_)) | None => Ok(throttle),
        }
    }

    /// How many rows a batch may have at most, so that it takes no more than a second of the rate.
    pub(super) async fn max_batch_rows(&self) -> usize {
        let rate = self.state.lock().await.limits.rows_per_second;
        rate.and_then(|rate| usize::try_from(rate).ok()).unwrap_or(usize::MAX).max(1)
    }

    /// Waits until so many rows may be loaded.
    ///
    /// # Errors
    /// The run is to stop, or no signal was to be had for longer than `unavailable_timeout`.
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
                state.tell(&wait);
                waited = Some((wait.signal, Instant::now()));
            }
            if state.unavailable_since.is_some_and(|since| since.elapsed() > unavailable_timeout) {
                break Err(LoadError::Warehouse(self.timed_out(&wait, unavailable_timeout)));
            }
            self.stage.waiting(Some(&wait.detail));
            let left = state.next.saturating_duration_since(Instant::now());
            let nap = if wait.signal == RATE { left.min(LOOK) } else { LOOK };
            tokio::time::sleep(nap).await;
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

    /// Takes over limits that were changed.
    fn reload_limits(&self, state: &mut State) {
        if let Some(limits) = (self.reload)() {
            tracing::info!("the limits are now {limits:?}");
            state.change(limits);
        }
    }

    /// The end of a wait for a signal, as an error that another try can help.
    fn timed_out(&self, wait: &WaitReason, unavailable_timeout: Duration) -> warehouse::Error {
        let message = format!(
            "a signal that is watched could not be had for {} s (--patience): {}",
            unavailable_timeout.as_secs(),
            wait.detail
        );
        warehouse::Error { reason: Reason::Busy, about: self.bulk.address(), message }
    }

    /// Waits a moment because a server is gone; `false` where the run is to stop instead.
    pub(super) async fn wait_for_server(&self, why: &warehouse::Error, moment: Duration) -> bool {
        self.stage.waiting(Some(&format!("waiting for the warehouse: {why}")));
        let until = Instant::now() + moment;
        while Instant::now() < until && !self.cancel.is_cancelled() {
            tokio::time::sleep(LOOK).await;
        }
        self.stage.waiting(None);
        !self.cancel.is_cancelled()
    }

    /// Takes down a wait that happened elsewhere.
    pub(super) async fn record_wait(&self, signal: &'static str, how_long: Duration) {
        self.state.lock().await.waited(signal, how_long);
    }

    /// What was waited for in all.
    pub(super) async fn pauses(&self) -> Vec<Pause> {
        let state = self.state.lock().await;
        let pauses = state.pauses.iter().map(|(reason, (times, total))| Pause {
            reason: (*reason).to_owned(),
            times: *times,
            seconds: total.as_secs_f64(),
        });
        pauses.collect()
    }

    async fn wait_reason(&self, state: &mut State) -> Option<WaitReason> {
        if let Some(file) = &state.limits.pause_file
            && file.exists()
        {
            let says = format!("the file {} is there", file.display());
            state.unavailable_since = None; // nobody is asked meanwhile
            return WaitReason::new("pause file", says);
        }
        let fresh = state.looked.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, wait)| wait.clone());
        let looked = match fresh {
            Some(wait) => wait,
            None => {
                let looked = self.check_signals(&state.limits).await;
                state.unavailable_since = looked.is_err().then(|| state.unavailable_since.unwrap_or_else(Instant::now));
                // What cannot be asked may be overloaded.
                let wait = looked.unwrap_or_else(|e| WaitReason::new(NONE, self.says(e)));
                state.looked = Some((Instant::now(), wait.clone()));
                wait
            }
        };
        if looked.is_some() {
            return looked;
        }
        let rate = state.limits.rows_per_second?;
        if state.next > Instant::now() {
            WaitReason::new(RATE, format!("no more than {rate} rows a second"))
        } else {
            None
        }
    }

    /// Asks the servers, which must answer soon.
    async fn check_signals(&self, limits: &ThrottleLimits) -> Result<Option<WaitReason>, warehouse::Error> {
        let requested_at = tokio::time::timeout(PROMPT, async {
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
        requested_at.await.unwrap_or_else(|_| Err(slow()))
    }

    /// What a failure says; where it is the warehouse's own its address is said with the rest.
    fn says(&self, e: warehouse::Error) -> String {
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
            let uncounted = || self.no_signal("nobody counts its threads: leave --max-threads-running away".into());
            let running = metrics.threads_running.ok_or_else(uncounted)?;
            if running > max {
                return Ok(WaitReason::new("threads running", format!("{running} threads run, more than {max}")));
            }
        }
        let answer = metrics.query_value.filter(|&answer| answer > 0.0);
        Ok(answer.and_then(|answer| WaitReason::new("throttle query", format!("the throttle query answers {answer}"))))
    }

    async fn check_replica_lag(&self, limits: &ThrottleLimits) -> Result<Option<WaitReason>, warehouse::Error> {
        let Some(max) = limits.max_replica_lag else { return Ok(None) };
        if self.replicas.is_empty() {
            return Err(self.no_signal("--max-replica-lag watches nothing: name a replica with --replica".into()));
        }
        for replica in &self.replicas {
            let follows_none = || warehouse::Error {
                reason: Reason::Other,
                about: replica.address(),
                message: "it follows no source, so that its lag says nothing: name a replica with --replica".into(),
            };
            let lag = replica.replica_lag().await?.ok_or_else(follows_none)?.as_secs_f64();
            if lag > max {
                let says = format!("{} is {lag:.0} s behind, more than {max}", replica.address());
                return Ok(WaitReason::new("replica lag", says));
            }
        }
        Ok(None)
    }
}

impl State {
    /// Takes over new limits; what was let pass already is paid for at the new rate.
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

    /// Says that a wait begins: aloud the first time, and each time that a signal cannot be had.
    fn tell(&self, wait: &WaitReason) {
        if wait.signal == NONE || (wait.signal != RATE && !self.pauses.contains_key(wait.signal)) {
            tracing::warn!("waiting: {}", wait.detail);
        } else {
            tracing::debug!("waiting: {}", wait.detail);
        }
    }
}

/// How long so many rows take at that many a second.
fn at_rate(rows: f64, rate: u64) -> Duration {
    Duration::from_secs_f64(rows / rate.max(1) as f64)
}

const RATE: &str = "rows per second";
const NONE: &str = "no signal";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_is_raised_holds_for_what_was_let_pass_before() {
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
