//! Time of a simulation. It passes when all tasks wait for it, or when a history waits for a thread of the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The clock of the lake. It starts at the machine's time, because the program compares the two.
#[derive(Debug, Clone)]
pub struct Clock {
    began: DateTime<Utc>,
    since: Instant,
    jumped_millis: Arc<AtomicI64>,
}

impl Clock {
    /// Starts a clock. Requires the runtime of a simulation.
    pub fn start() -> Self {
        Self { began: Utc::now(), since: Instant::now(), jumped_millis: Arc::default() }
    }

    pub fn now(&self) -> DateTime<Utc> {
        let jumped = TimeDelta::milliseconds(self.jumped_millis.load(Ordering::Relaxed));
        self.began + TimeDelta::from_std(self.since.elapsed()).unwrap_or_default() + jumped
    }

    /// Moves the clock ahead, without time for anyone else.
    pub fn jump(&self, ahead: Duration) {
        self.jumped_millis.fetch_add(i64::try_from(ahead.as_millis()).unwrap_or_default(), Ordering::Relaxed);
    }
}

/// Real time between two checks of a history.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Simulated time that passes at a check during which no store was called.
const STEP: Duration = Duration::from_millis(200);
/// Number of polls without a call after which a history is stuck.
const STUCK: u32 = 10_000;

/// Lets time pass while a thread of the program waits for a task: tokio does not advance a paused clock then. Returns if
/// nothing has happened for 20 real seconds.
pub async fn pass(calls: impl Fn() -> u64) {
    let (polls, ended) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let _end = End(Arc::clone(&ended));
    let notify = Arc::clone(&polls);
    std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            std::thread::sleep(POLL_INTERVAL);
            notify.notify_one();
        }
    });
    let (mut last, mut idle) = (0, 0);
    while idle < STUCK {
        polls.notified().await;
        let now = calls();
        idle = if now == last { idle + 1 } else { 0 };
        last = now;
        if idle > 1 {
            tokio::time::advance(STEP).await;
        }
    }
}

/// Ends the thread.
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
