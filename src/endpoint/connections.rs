//! Open connections: what each is doing, for how long, and which one is closed when there are too many.
//!
//! A connection that has not sent a complete request costs its sender nothing, so there is a limit on connections, and
//! a new one closes the one that has been silent for longest. A genuine request arrives with its connection, is complete
//! within milliseconds and is never the oldest. Requests that are complete are never closed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Maximum time that a connection may be open without a complete request head. SNS times out after 15 s.
const HEAD: Duration = Duration::from_secs(10);

/// Maximum time for a body to arrive, after which the connection is closed.
pub(super) const BODY: Duration = Duration::from_secs(10);

/// State of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has arrived since it was opened, or since its last request.
    Silent,
    /// The head of a request is arriving.
    Starting,
    /// The body of a request is arriving.
    Reading,
    /// A complete request is being handled.
    Working,
}

impl Phase {
    /// Returns the maximum duration of the phase; `None` if the handler limits it.
    const fn limit(self) -> Option<Duration> {
        match self {
            Self::Silent | Self::Starting => Some(HEAD),
            Self::Reading => Some(BODY),
            Self::Working => None,
        }
    }
}

/// All open connections.
#[derive(Debug)]
pub(super) struct Connections {
    max: usize,
    open: Mutex<Open>,
    closed: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    phase: Phase,
    since: Instant,
    close: Arc<Notify>,
    /// True once it must close.
    closing: bool,
}

/// One open connection; it is no longer counted once this is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    number: u64,
    all: Arc<Connections>,
    close: Arc<Notify>,
}

impl Connections {
    /// Creates a registry for at most `max` connections.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max: max.max(1), open: Mutex::default(), closed: AtomicU64::new(0) })
    }

    /// Returns true if another connection can be accepted: the limit is not reached, or a connection has no complete
    /// request.
    pub(super) fn has_space(&self) -> bool {
        let open = self.lock();
        let complete = open.entries.values().filter(|entry| entry.phase == Phase::Working);
        complete.count() < self.max
    }

    /// Registers a connection. At the limit, the one that has been without a complete request for longest is closed for
    /// it; `None` if every connection has a complete request.
    pub(super) fn open(self: &Arc<Self>, now: Instant) -> Option<Connection> {
        let mut open = self.lock();
        let live = open.entries.values().filter(|entry| !entry.closing).count();
        if live >= self.max && !self.close_incomplete(&mut open) {
            return None;
        }
        let (number, close) = (open.next, Arc::new(Notify::new()));
        open.next += 1;
        let entry = Entry { phase: Phase::Silent, since: now, close: Arc::clone(&close), closing: false };
        open.entries.insert(number, entry);
        Some(Connection { number, all: Arc::clone(self), close })
    }

    /// Closes the connection that has been without a complete request for longest, if there is one.
    pub(super) fn close_oldest(&self) {
        self.close_incomplete(&mut self.lock());
    }

    /// Closes the connection whose body has been arriving for longest, if there are several.
    pub(super) fn close_slowest_body(&self) {
        let mut open = self.lock();
        if open.entries.values().filter(|entry| entry.phase == Phase::Reading && !entry.closing).count() > 1 {
            self.close_one(&mut open, Phase::Reading);
        }
    }

    /// Closes the connections that have been silent or sending for too long.
    pub(super) fn close_overdue(&self, now: Instant) {
        for entry in self.lock().entries.values_mut() {
            let age = now.saturating_duration_since(entry.since);
            if entry.phase.limit().is_some_and(|limit| age > limit) {
                self.close(entry);
            }
        }
    }

    /// Returns true if no connection has a request, complete or arriving.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().entries.values().all(|entry| matches!(entry.phase, Phase::Silent | Phase::Starting))
    }

    /// Returns true if there is no connection.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Closes all connections, at the end of a run.
    pub(super) fn close_all(&self) {
        self.lock().entries.values().for_each(|entry| entry.close.notify_one());
    }

    /// Returns the number of connections that were closed before they had sent a complete request.
    pub(super) fn closed(&self) -> u64 {
        self.closed.load(Ordering::Relaxed)
    }

    /// Closes the oldest connection without a complete request: a silent one, or one that has sent the least.
    fn close_incomplete(&self, open: &mut Open) -> bool {
        [Phase::Silent, Phase::Starting, Phase::Reading].into_iter().any(|phase| self.close_one(open, phase))
    }

    fn close_one(&self, open: &mut Open, phase: Phase) -> bool {
        let candidates = open.entries.values_mut().filter(|entry| entry.phase == phase && !entry.closing);
        candidates.min_by_key(|entry| entry.since).map(|oldest| self.close(oldest)).is_some()
    }

    fn close(&self, entry: &mut Entry) {
        if !std::mem::replace(&mut entry.closing, true) {
            self.closed.fetch_add(1, Ordering::Relaxed);
            entry.close.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Records what the connection is doing from now on.
    pub(super) fn enter(&self, phase: Phase) {
        if let Some(entry) = self.all.lock().entries.get_mut(&self.number) {
            (entry.phase, entry.since) = (phase, Instant::now());
        }
    }

    /// Returns when the connection must be closed.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.lock().entries.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_closed(connection: &Connection) -> bool {
        use futures::FutureExt as _;
        connection.closed().now_or_never().is_some()
    }

    #[tokio::test]
    async fn a_new_connection_closes_the_one_that_is_silent_for_longest() {
        let all = Connections::new(3);
        let now = Instant::now();
        let three: Vec<_> = (0..3).map(|n| all.open(now + Duration::from_millis(n)).unwrap()).collect();
        three[0].enter(Phase::Working);
        let fourth = all.open(now).unwrap();
        assert_eq!(three.iter().map(is_closed).collect::<Vec<_>>(), [false, true, false]);
        // Those that are being closed do not count, even if their tasks have not ended yet.
        three[2].enter(Phase::Reading);
        let fifth = all.open(now).unwrap();
        assert!(is_closed(&fourth), "silent before reading");
        fifth.enter(Phase::Working);
        let sixth = all.open(now).unwrap();
        assert!(is_closed(&three[2]), "reading if none is silent");
        sixth.enter(Phase::Working);
        assert!(all.open(now).is_none(), "complete requests are not closed");
        drop(sixth);
        assert!(all.open(now).is_some());
        assert_eq!(all.closed(), 3);
    }

    #[tokio::test]
    async fn a_silent_and_a_slow_connection_have_a_deadline_and_a_complete_request_has_none() {
        let all = Connections::new(10);
        let (silent, reading, working) =
            (all.open(Instant::now()).unwrap(), all.open(Instant::now()).unwrap(), all.open(Instant::now()).unwrap());
        reading.enter(Phase::Reading);
        working.enter(Phase::Working);
        all.close_overdue(Instant::now());
        assert!(![&silent, &reading, &working].into_iter().any(is_closed));
        all.close_overdue(Instant::now() + HEAD + Duration::from_secs(1));
        assert_eq!([&silent, &reading, &working].map(is_closed), [true, true, false]);
        assert!(!all.is_idle());
        drop((reading, working));
        assert!(all.is_idle());
    }
}
