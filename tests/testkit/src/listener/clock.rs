//! Precise waiting. The runtime's timer counts whole milliseconds and rounds up: 20 ms become more than 21, which reduces the
//! requests per second of a client with many concurrent requests.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// A clock with its own thread, which starts with the first wait and ends with the clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    shared: Arc<Shared>,
    started: OnceLock<()>,
}

#[derive(Debug, Default)]
struct Shared {
    waits: Mutex<Waits>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waits {
    next: BinaryHeap<Reverse<Wait>>,
    over: bool,
}

#[derive(Debug)]
struct Wait {
    until: Instant,
    done: oneshot::Sender<()>,
}

impl Clock {
    /// Waits; returns at once if the thread cannot be started.
    pub async fn wait(&self, time: Duration) {
        self.started.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            // Without the thread every wait ends at once, because its sender is dropped below.
            if std::thread::Builder::new().name("test-clock".into()).spawn(move || shared.run()).is_err() {
                self.shared.lock().over = true;
            }
        });
        let (done, waited) = oneshot::channel();
        let wait = Wait { until: Instant::now() + time, done };
        {
            let mut waits = self.shared.lock();
            if waits.over {
                return;
            }
            let is_first = waits.next.peek().is_none_or(|Reverse(first)| wait < *first);
            waits.next.push(Reverse(wait));
            if is_first {
                self.shared.changed.notify_one();
            }
        }
        let _ = waited.await; // the end of the clock also ends the wait
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut waits = self.lock();
        let mut due = Vec::new();
        while !waits.over {
            let now = Instant::now();
            while waits.next.peek().is_some_and(|Reverse(first)| first.until <= now) {
                due.extend(waits.next.pop());
            }
            if due.is_empty() {
                // No wait takes an hour, and one wake-up per hour costs nothing.
                let pause = waits.next.peek().map_or(Duration::from_secs(3_600), |Reverse(first)| first.until - now);
                waits = self.changed.wait_timeout(waits, pause).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            drop(waits);
            for Reverse(wait) in due.drain(..) {
                let _ = wait.done.send(()); // the waiting task may have been dropped
            }
            waits = self.lock();
        }
        waits.next.clear();
    }
}

impl Ord for Wait {
    fn cmp(&self, other: &Self) -> Ordering {
        self.until.cmp(&other.until)
    }
}

impl PartialOrd for Wait {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Wait {}

impl PartialEq for Wait {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_end_at_their_own_times_in_any_order() {
        let clock = Clock::default();
        let started = Instant::now();
        let wait = async |milliseconds: u64| {
            clock.wait(Duration::from_millis(milliseconds)).await;
            (milliseconds, started.elapsed())
        };
        let (long, short, middle) = tokio::join!(wait(60), wait(5), wait(30));
        for (requested, took) in [long, short, middle] {
            assert!(took >= Duration::from_millis(requested), "{requested} ms: {took:?}");
        }
        assert!(short.1 < middle.1 && middle.1 < long.1);
        wait(1).await; // and again after an idle period
    }

    #[tokio::test]
    async fn the_end_of_the_clock_ends_its_thread_and_every_wait() {
        let clock = Arc::new(Clock::default());
        clock.wait(Duration::ZERO).await;
        let shared = Arc::downgrade(&clock.shared);
        let (done, waited) = oneshot::channel();
        clock.shared.lock().next.push(Reverse(Wait { until: Instant::now() + Duration::from_secs(600), done }));
        drop(clock);
        assert!(waited.await.is_err());
        while shared.upgrade().is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
