//! From publish to row: looks into the warehouse for the ids that were published, and measures how long they took.
//!
//! Ids wait in a queue in the order of their next look; a look is one read by primary key of some hundreds of them. A reading counts as
//! arrived when the answer that has its row comes, so a lag is never told shorter than it was, and at most one interval of
//! looks longer. The interval grows with the number of ids that wait, so that the warehouse is asked for a bounded number of keys a
//! second. What is remembered is bounded, too: past that, only ids whose last bits are nought are watched, and ids end in a hash.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{NaiveDateTime, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::telemetry::Latencies;
use crate::record::Column;
use crate::record::stored::{Row, Shape};
use crate::report::publish::Lag;
use crate::stop::Stop;
use crate::warehouse::{Error, Warehouse};

/// The shortest time between two looks at the same reading.
const INTERVAL: Duration = Duration::from_millis(100);
/// Keys that the warehouse is asked for a second, at most.
const KEYS_A_SECOND: f64 = 4_000.0;
/// Keys of one look.
const TOGETHER: usize = 500;
/// Ids that are remembered at most; past that, half of them are.
const REMEMBERED: usize = 1_000_000;
/// How long it waits after the warehouse gave no answer.
const AWAY: Duration = Duration::from_secs(1);
/// Rows processed earlier than the run began by so much were there before it: their clocks may differ by less.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(2);
/// Missing ids that are named.
const NAMED: usize = 100;

/// How a warehouse is watched.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The warehouse that readings are to arrive in.
    pub warehouse: Arc<dyn Warehouse>,
    /// How long to wait for the rest after the last message was published.
    pub patience: Duration,
}

/// A watch under way.
#[derive(Debug)]
pub(super) struct Watch {
    published: mpsc::UnboundedSender<(Uuid, Instant)>,
    task: JoinHandle<Lag>,
    seen: Arc<Seen>,
}

/// What has been seen so far, for who looks on.
#[derive(Debug, Default)]
pub(super) struct Seen {
    watched: AtomicU64,
    arrived: AtomicU64,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// The warehouse cannot be read, or its table holds no records.
    pub(super) async fn begin(watched: Watched, stop: &Stop) -> Result<Self, Error> {
        let shape = watched.warehouse.shape().await?;
        let (published, receive) = mpsc::unbounded_channel();
        let seen = Arc::<Seen>::default();
        let queue = Queue::new(Utc::now().naive_utc(), Arc::clone(&seen));
        let looker = Looker { watched, shape, stop: stop.clone(), queue, receive };
        Ok(Self { published, task: tokio::spawn(looker.run()), seen })
    }

    /// That reading has just been published. Cheap, and never waits.
    pub(super) fn published(&self, id: Uuid, at: Instant) {
        let _ = self.published.send((id, at)); // the task outlives the sender but where it has panicked, which `end` tells
    }

    /// Readings watched, and those of them that have arrived.
    pub(super) fn so_far(&self) -> (u64, u64) {
        (self.seen.watched.load(Ordering::Relaxed), self.seen.arrived.load(Ordering::Relaxed))
    }

    /// Everything is published: waits for the rest, and tells.
    ///
    /// # Errors
    /// The task panicked: an error of this program.
    pub(super) async fn end(self) -> anyhow::Result<Lag> {
        drop(self.published);
        Ok(self.task.await?)
    }
}

/// A reading that has not arrived.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    id: Uuid,
    published: Instant,
    /// When it was last looked for, or else published.
    looked: Instant,
}

/// Readings that are waited for, in the order of their next look.
#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Waiting>,
    known: HashSet<Uuid>,
    most: usize,
    /// Only ids that are nought under it are watched.
    mask: u128,
    begun: NaiveDateTime,
    latencies: Latencies,
    lag: Lag,
    resolution: Duration,
    seen: Arc<Seen>,
}

impl Queue {
    fn new(begun: NaiveDateTime, seen: Arc<Seen>) -> Self {
        Self {
            waiting: VecDeque::new(),
            known: HashSet::new(),
            most: REMEMBERED,
            mask: 0,
            begun,
            latencies: Latencies::new(),
            lag: Lag::default(),
            resolution: Duration::ZERO,
            seen,
        }
    }

    /// A reading was published; the same one a second time changes nothing.
    fn add(&mut self, id: Uuid, at: Instant) {
        if id.as_u128() & self.mask != 0 {
            self.lag.unwatched += 1;
            return;
        }
        if !self.known.insert(id) {
            return;
        }
        self.waiting.push_back(Waiting { id, published: at, looked: at });
        self.lag.watched += 1;
        if self.known.len() > self.most {
            self.halve();
        }
        self.seen.watched.store(self.lag.watched, Ordering::Relaxed);
    }

    /// Watches half as many from now on. What arrived stays counted, what waits is forgotten by half.
    fn halve(&mut self) {
        self.mask = self.mask << 1 | 1;
        let mask = self.mask;
        let before = self.waiting.len();
        self.known.retain(|id| id.as_u128() & mask == 0);
        self.waiting.retain(|one| one.id.as_u128() & mask == 0);
        let forgotten = (before - self.waiting.len()) as u64;
        self.lag.watched -= forgotten;
        self.lag.unwatched += forgotten;
    }

    /// How long a reading rests between two looks.
    fn interval(&self) -> Duration {
        INTERVAL.max(Duration::from_secs_f64(self.waiting.len() as f64 / KEYS_A_SECOND))
    }

    /// When the next look is worth it; none while nothing is waited for.
    fn next(&self) -> Option<Instant> {
        self.waiting.front().map(|first| first.looked + self.interval())
    }

    /// Takes those out that are to be looked for now.
    fn take(&mut self, now: Instant) -> Vec<Waiting> {
        let interval = self.interval();
        let due = self.waiting.iter().take(TOGETHER).take_while(|one| one.looked + interval <= now).count();
        self.waiting.drain(..due).collect()
    }

    /// The warehouse has answered: takes down what has arrived, and lets the rest wait on.
    fn answered(&mut self, looked_for: Vec<Waiting>, rows: &[Row], now: Instant) {
        let found: BTreeMap<&str, Option<NaiveDateTime>> =
            rows.iter().map(|row| (row.id(), row.instant(Column::RowTs))).collect();
        let mut text = Uuid::encode_buffer();
        for mut one in looked_for {
            let id: &str = one.id.hyphenated().encode_lower(&mut text);
            match found.get(id) {
                Some(Some(row_ts)) if *row_ts + CLOCKS_DIFFER < self.begun => self.lag.already += 1,
                Some(_) => {
                    self.lag.arrived += 1;
                    self.latencies.add(now.saturating_duration_since(one.published));
                    self.resolution = self.resolution.max(now.saturating_duration_since(one.looked));
                }
                None => {
                    one.looked = now;
                    self.waiting.push_back(one);
                }
            }
        }
        self.seen.arrived.store(self.lag.arrived + self.lag.already, Ordering::Relaxed);
    }

    /// The warehouse gave no answer: these wait on.
    fn unanswered(&mut self, looked_for: Vec<Waiting>, why: &Error) {
        if self.lag.errors.is_empty() {
            tracing::warn!("watching the warehouse: {why}; publishing goes on, and so does the watch");
        }
        *self.lag.errors.entry(why.to_string()).or_default() += 1;
        for one in looked_for.into_iter().rev() {
            self.waiting.push_front(one);
        }
    }

    fn told(mut self, ended: Option<String>, waited: Duration) -> Lag {
        let mut missing: Vec<_> = self.waiting.into_iter().collect();
        missing.sort_by_key(|one| one.published);
        self.lag.missing = missing.len() as u64;
        self.lag.missing_ids = missing.iter().take(NAMED).map(|one| one.id).collect();
        self.lag.ms = self.latencies.percentiles();
        self.lag.curve = self.latencies.curve();
        self.lag.resolution_ms = self.resolution.as_secs_f64() * 1e3;
        self.lag.waited_seconds = waited.as_secs_f64();
        self.lag.stopped = ended.filter(|_| self.lag.missing > 0);
        self.lag
    }
}

/// Looks for what is in the queue.
struct Looker {
    watched: Watched,
    shape: Shape,
    stop: Stop,
    queue: Queue,
    receive: mpsc::UnboundedReceiver<(Uuid, Instant)>,
}

impl Looker {
    async fn run(mut self) -> Lag {
        let mut ended: Option<Instant> = None;
        loop {
            if ended.is_none() && self.receive.is_closed() && self.receive.is_empty() {
                ended = Some(Instant::now());
            }
            let last = ended.map(|ended| ended + self.watched.patience);
            let waited = |ended: Option<Instant>| ended.map_or(Duration::ZERO, |ended| ended.elapsed());
            let why = if ended.is_some() && self.queue.waiting.is_empty() {
                Some(None)
            } else if last.is_some_and(|last| Instant::now() >= last) {
                Some(Some(format!("not seen within {}", crate::report::duration(self.watched.patience.as_secs_f64()))))
            } else if ended.is_some() && self.stop.is_set() {
                Some(Some("asked to stop".to_owned()))
            } else {
                None
            };
            if let Some(why) = why {
                return self.queue.told(why, waited(ended));
            }
            let looked_for = self.queue.take(Instant::now());
            if looked_for.is_empty() {
                self.rest(last).await;
            } else {
                self.look(looked_for).await;
            }
        }
    }

    /// Waits for the next look, or for something to look for.
    async fn rest(&mut self, last: Option<Instant>) {
        let next = self.queue.next().unwrap_or_else(|| Instant::now() + INTERVAL);
        let next = last.map_or(next, |last| next.min(last)).min(Instant::now() + INTERVAL);
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            Some((id, at)) = self.receive.recv() => self.queue.add(id, at),
        }
        self.receive_all();
    }

    fn receive_all(&mut self) {
        while let Ok((id, at)) = self.receive.try_recv() {
            self.queue.add(id, at);
        }
    }

    async fn look(&mut self, looked_for: Vec<Waiting>) {
        let ids: Vec<String> = looked_for.iter().map(|one| one.id.hyphenated().to_string()).collect();
        let rows = self.watched.warehouse.fetch(&ids, &self.shape).await;
        let now = Instant::now();
        match rows {
            Ok(rows) => self.queue.answered(looked_for, &rows, now),
            Err(why) => {
                self.queue.unanswered(looked_for, &why);
                let _ = self.stop.or(tokio::time::sleep(AWAY)).await; // stopped or rested: the loop looks
            }
        }
        self.receive_all();
    }
}
