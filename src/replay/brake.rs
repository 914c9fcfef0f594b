//! Gentle on a live server: before every batch each signal is looked at, and any one of them makes the run wait.
//!
//! The signals are those of gh-ost (its `doc/throttle.md`): running threads, the lag of replicas, a query of the
//! operator's, a file, and a rate of rows. Limits can change while the run goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::progress::Stage;
use crate::report::replay::Pause;
use crate::stop::Stop;
use crate::warehouse::{self, Bulk};

/// How long a look at the server's signals holds.
const FRESH: Duration = Duration::from_secs(1);

/// The pause between two looks while the run waits.
const LOOK: Duration = Duration::from_millis(250);

/// What a run must not exceed; without any, it never waits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
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
pub type Reload = Arc<dyn Fn() -> Option<Limits> + Send + Sync>;

/// Looks at the signals before each batch.
pub struct Brake {
    bulk: Arc<dyn Bulk>,
    replicas: Vec<Arc<dyn Bulk>>,
    reload: Reload,
    stop: Stop,
    stage: Stage,
    /// Batches pass one at a time, so that a wait counts once.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    looked: Option<(Instant, Option<Wait>)>,
    /// When the next batch may pass at the rate of rows.
    next: Instant,
    pauses: BTreeMap<&'static str, (u64, Duration)>,
}

/// Why to wait: the signal, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wait {
    signal: &'static str,
    says: String,
}

impl Wait {
    fn new(signal: &'static str, says: String) -> Option<Self> {
        Some(Self { signal, says })
    }
}

impl std::fmt::Debug for Brake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Brake").field("replicas", &self.replicas).finish_non_exhaustive()
    }
}

impl Brake {
    /// A brake of that warehouse and its replicas.
    ///
    /// # Errors
    /// A signal that is to be watched cannot be asked for.
    pub async fn new(
        bulk: Arc<dyn Bulk>,
        replicas: Vec<Arc<dyn Bulk>>,
        limits: Limits,
        reload: Reload,
        stage: Stage,
        stop: Stop,
    ) -> Result<Self, warehouse::Error> {
        let state = State { limits, looked: None, next: Instant::now(), pauses: BTreeMap::new() };
        let brake = Self { bulk, replicas, reload, stop, stage, state: Mutex::new(state) };
        let limits = brake.state.lock().await.limits.clone();
        brake.look(&limits).await?;
        Ok(brake)
    }

    /// How many rows a batch may have at most, so that it takes no more than a second of the rate.
    pub(super) async fn most_rows(&self) -> usize {
        let rate = self.state.lock().await.limits.rows_per_second;
        rate.and_then(|rate| usize::try_from(rate).ok()).unwrap_or(usize::MAX).max(1)
    }

    /// Waits until so many rows may be loaded; `false` where the run is to stop instead.
    pub(super) async fn pass(&self, rows: usize) -> bool {
        let mut state = self.state.lock().await;
        let mut waited: Option<(&'static str, Instant)> = None;
        loop {
            if let Some(limits) = (self.reload)() {
                tracing::info!("the limits are now {limits:?}");
                state.limits = limits;
                state.looked = None;
            }
            let wait = self.reason(&mut state).await;
            let signal = wait.as_ref().map(|wait| wait.signal);
            if let Some((old, since)) = waited
                && signal != Some(old)
            {
                self.waited(&mut state, old, since.elapsed());
                waited = None;
            }
            let Some(wait) = wait else { break };
            if self.stop.is_set() {
                if let Some((signal, since)) = waited {
                    self.waited(&mut state, signal, since.elapsed());
                }
                return false;
            }
            if waited.is_none() {
                tracing::debug!("waiting: {}", wait.says);
                waited = Some((wait.signal, Instant::now()));
            }
            self.stage.waiting(Some(&wait.says));
            let left = state.next.saturating_duration_since(Instant::now());
            let nap = if wait.signal == RATE { left.min(LOOK) } else { LOOK };
            tokio::time::sleep(nap).await;
        }
        if let Some(rate) = state.limits.rows_per_second {
            let takes = Duration::from_secs_f64(rows as f64 / rate.max(1) as f64);
            state.next = state.next.max(Instant::now()) + takes;
        }
        self.stage.waiting(None);
        !self.stop.is_set()
    }

    fn waited(&self, state: &mut State, signal: &'static str, how_long: Duration) {
        let (times, total) = state.pauses.entry(signal).or_default();
        *times += 1;
        *total += how_long;
    }

    /// Waits a moment because a server is gone; `false` where the run is to stop instead.
    pub(super) async fn wait_for_server(&self, why: &warehouse::Error, moment: Duration) -> bool {
        self.stage.waiting(Some(&format!("waiting for the warehouse: {why}")));
        let until = Instant::now() + moment;
        while Instant::now() < until && !self.stop.is_set() {
            tokio::time::sleep(LOOK).await;
        }
        self.stage.waiting(None);
        !self.stop.is_set()
    }

    /// Takes down a wait that happened elsewhere.
    pub(super) async fn note(&self, signal: &'static str, how_long: Duration) {
        self.waited(&mut *self.state.lock().await, signal, how_long);
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

    async fn reason(&self, state: &mut State) -> Option<Wait> {
        if let Some(file) = &state.limits.pause_file
            && file.exists()
        {
            return Wait::new("pause file", format!("the file {} is there", file.display()));
        }
        let fresh = state.looked.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, wait)| wait.clone());
        let looked = match fresh {
            Some(wait) => wait,
            None => {
                // What cannot be asked may be overloaded.
                let wait = self.look(&state.limits).await.unwrap_or_else(|e| Wait::new("no signal", e.to_string()));
                state.looked = Some((Instant::now(), wait.clone()));
                wait
            }
        };
        if looked.is_some() {
            return looked;
        }
        let rate = state.limits.rows_per_second?;
        if state.next > Instant::now() { Wait::new(RATE, format!("no more than {rate} rows a second")) } else { None }
    }

    /// Asks the servers.
    async fn look(&self, limits: &Limits) -> Result<Option<Wait>, warehouse::Error> {
        let query = limits.throttle_query.as_deref();
        if query.is_some() || limits.max_threads_running.is_some() {
            let signals = self.bulk.signals(query).await?;
            if let (Some(most), Some(running)) = (limits.max_threads_running, signals.threads_running)
                && running > most
            {
                return Ok(Wait::new("threads running", format!("{running} threads run, more than {most}")));
            }
            if let Some(answer) = signals.query.filter(|&answer| answer > 0.0) {
                return Ok(Wait::new("throttle query", format!("the throttle query answers {answer}")));
            }
        }
        if let Some(most) = limits.max_replica_lag {
            for replica in &self.replicas {
                let lag = replica.replica_lag().await?.map_or(0.0, |lag| lag.as_secs_f64());
                if lag > most {
                    let says = format!("{} is {lag:.0} s behind, more than {most}", replica.address());
                    return Ok(Wait::new("replica lag", says));
                }
            }
        }
        Ok(None)
    }
}

const RATE: &str = "rows per second";
