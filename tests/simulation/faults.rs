//! The schedule of faults: which call of which store fails, and how, as a function of the seed.
//!
//! A call is known by its step, operation, object and number, not by the order of all calls, because the program's tasks
//! and threads may run in another order. The faults that happened are recorded, and each can be suppressed, which the
//! search for a minimal history needs.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ruminate::cancellation::CancellationToken;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::random::Draw;

/// A call: the only one of its kind in a history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    pub step: usize,
    pub operation: &'static str,
    /// Key of the object; empty for calls about a table.
    pub about: String,
    pub number: u32,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} {} {:?} #{}", self.step, self.operation, self.about, self.number)
    }
}

/// Kind of rejection of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A reset connection, or a temporary failure of the server.
    Network,
    /// The store requests a slowdown; the warehouse has too many connections, or found a deadlock.
    Busy,
    /// The session of the lake has ended: every later call of this process is rejected.
    Expired,
}

/// Fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails without an effect.
    Refused(Trouble),
    /// It takes effect, and its response is lost.
    Lost(Trouble),
    /// Its response is lost, and the client sends it again: the caller receives the second response.
    Repeated,
    /// It takes effect late: others are faster.
    LateEffect(Duration),
    /// Its response is late.
    LateResponse(Duration),
    /// The process is killed before it takes effect.
    KilledBefore,
    /// The process is killed after it took effect.
    KilledAfter,
    /// Ctrl-C during the call.
    Interrupted,
    /// The warehouse becomes unreachable for some time.
    Outage(Duration),
}

/// Kind of call, which determines its possible faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    /// A write that a client repeats if the response was lost.
    RepeatedWrite,
}

/// Faults of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    /// Faults per 1,000 calls.
    pub permille: u64,
    /// True if no read of an object fails: the program reports such an object as unreadable.
    pub objects_are_readable: bool,
}

/// The faults of a history.
#[derive(Debug)]
pub struct Faults {
    draw: Draw,
    suppressed: BTreeSet<Site>,
    calls: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    step: usize,
    weather: Weather,
    numbers: HashMap<(&'static str, String), u32>,
    happened: Vec<(Site, Fault)>,
    away_until: Option<Instant>,
}

/// Maximum number of calls about one object that can fail in a step, so that every step ends.
const PER_OBJECT: u32 = 4;
/// The same for calls about a table.
const PER_TABLE: u32 = 40;

impl Faults {
    pub fn new(draw: Draw, suppressed: BTreeSet<Site>) -> Self {
        Self { draw, suppressed, calls: AtomicU64::new(0), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a step.
    pub fn begin(&self, step: usize, weather: Weather) {
        let mut state = self.state();
        state.numbers.clear();
        (state.step, state.weather, state.away_until) = (step, weather, None);
    }

    /// Returns the faults that happened.
    pub fn happened(&self) -> Vec<(Site, Fault)> {
        self.state().happened.clone()
    }

    /// Returns the number of calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Returns true if the warehouse cannot be reached now.
    fn is_away(&self) -> bool {
        self.state().away_until.is_some_and(|until| Instant::now() < until)
    }

    /// Returns the fault of a call, with the key of its other random decisions.
    fn at(&self, operation: &'static str, about: &str, access: Access) -> (Option<Fault>, Draw) {
        let state = &mut *self.state();
        let number = state.numbers.entry((operation, about.to_owned())).or_default();
        *number += 1;
        let site = Site { step: state.step, operation, about: about.to_owned(), number: *number };
        let draw = self.draw.with(site.step as u64).text(operation).text(about).with(u64::from(site.number));
        let most = if about.is_empty() { PER_TABLE } else { PER_OBJECT };
        if site.number > most || !draw.with(1).permille(state.weather.permille) || self.suppressed.contains(&site) {
            return (None, draw);
        }
        let fault = choose(operation, access, state.weather, draw.with(2));
        if let Some(Fault::Outage(duration)) = fault {
            state.away_until = Some(Instant::now() + duration);
        }
        state.happened.extend(fault.map(|fault| (site, fault)));
        (fault, draw)
    }
}

fn choose(operation: &'static str, access: Access, weather: Weather, draw: Draw) -> Option<Fault> {
    let is_lake = operation.starts_with("lake");
    let late = Duration::from_millis(draw.with(1).pick(&[5, 200, 3_000, 12_000]));
    let trouble = match draw.with(2).below(8) {
        0 if is_lake => Trouble::Expired,
        1..=4 => Trouble::Network,
        _ => Trouble::Busy,
    };
    let fault = match (draw.with(3).below(20), access) {
        (0..=1, _) => Fault::KilledBefore,
        (2..=3, _) => Fault::KilledAfter,
        (4..=5, _) => Fault::LateEffect(late),
        (6..=7, _) => Fault::LateResponse(late),
        (8, _) => Fault::Interrupted,
        (9, _) if !is_lake => Fault::Outage(Duration::from_secs(draw.with(4).pick(&[1, 8, 30]))),
        (10..=13, Access::Write | Access::RepeatedWrite) => Fault::Lost(trouble),
        (14..=16, Access::RepeatedWrite) => Fault::Repeated,
        _ => Fault::Refused(trouble),
    };
    let reads_object = matches!(operation, "lake get" | "lake get_range");
    let fails = matches!(fault, Fault::Refused(_) | Fault::Lost(_));
    (!(reads_object && fails && weather.objects_are_readable)).then_some(fault)
}

/// A process that uses the stores: one attempt at a command. Once it is killed, none of its calls ends.
#[derive(Debug)]
pub struct Process {
    /// `None` for a process without faults.
    faults: Option<Arc<Faults>>,
    is_dead: AtomicBool,
    has_expired: AtomicBool,
    killed: Notify,
    pub cancel: CancellationToken,
}

impl Process {
    pub fn new(faults: Option<Arc<Faults>>) -> Self {
        Self {
            faults,
            is_dead: AtomicBool::new(false),
            has_expired: AtomicBool::new(false),
            killed: Notify::new(),
            cancel: CancellationToken::default(),
        }
    }

    /// Returns true if no call of this process fails.
    pub fn is_quiet(&self) -> bool {
        self.faults.is_none()
    }

    /// Returns once the process is killed.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Kills the process: this call does not end.
    async fn kill<T>(&self) -> T {
        self.is_dead.store(true, Ordering::SeqCst);
        self.killed.notify_one();
        std::future::pending().await
    }

    async fn pause_if_dead(&self) {
        if self.is_dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    /// Calls a store. `work` makes the call, and `error` returns how the store reports a failure.
    pub async fn call<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        (operation, about): (&'static str, &str),
        access: Access,
        error: impl Fn(Trouble) -> E,
        mut work: impl FnMut() -> F,
    ) -> Result<T, E> {
        let Some(faults) = &self.faults else { return work().await };
        faults.calls.fetch_add(1, Ordering::Relaxed);
        self.pause_if_dead().await;
        let is_lake = operation.starts_with("lake");
        if is_lake && self.has_expired.load(Ordering::SeqCst) {
            return Err(error(Trouble::Expired));
        }
        if !is_lake && faults.is_away() {
            return Err(error(Trouble::Network));
        }
        let (fault, draw) = faults.at(operation, about, access);
        // Concurrent calls overtake each other.
        for _ in 0..draw.with(3).below(4) {
            tokio::task::yield_now().await;
        }
        let done = self.perform(fault, &error, &mut work).await;
        self.pause_if_dead().await;
        done
    }

    /// Makes a call with its fault.
    async fn perform<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        fault: Option<Fault>,
        error: impl Fn(Trouble) -> E,
        mut work: impl FnMut() -> F,
    ) -> Result<T, E> {
        match fault {
            None => work().await,
            Some(Fault::Refused(trouble) | Fault::Lost(trouble)) => {
                if matches!(fault, Some(Fault::Lost(_))) {
                    work().await?;
                }
                self.has_expired.fetch_or(trouble == Trouble::Expired, Ordering::SeqCst);
                Err(error(trouble))
            }
            Some(Fault::Repeated) => {
                work().await?;
                work().await
            }
            Some(Fault::LateEffect(late)) => {
                tokio::time::sleep(late).await;
                self.pause_if_dead().await;
                work().await
            }
            Some(Fault::LateResponse(late)) => {
                let done = work().await;
                tokio::time::sleep(late).await;
                done
            }
            Some(Fault::KilledBefore) => self.kill().await,
            Some(Fault::KilledAfter) => {
                drop(work().await);
                self.kill().await
            }
            Some(Fault::Interrupted) => {
                self.cancel.cancel();
                work().await
            }
            Some(Fault::Outage(_)) => Err(error(Trouble::Network)),
        }
    }

    /// Returns after how many pages a snapshot of a table is lost; `None` if it is not.
    pub fn snapshot_end(&self) -> Option<usize> {
        let (fault, draw) = self.faults.as_ref()?.at("rows scan", "", Access::Read);
        fault.map(|_| usize::try_from(draw.with(5).below(2)).unwrap_or_default())
    }
}
