//! Readings that are waited for, in the order of their next look. Owns what is remembered, and what a look tells.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::{NaiveDateTime, TimeDelta};
use uuid::Uuid;

use super::super::telemetry::Latencies;
use super::WatchProgress;
use crate::publish::Lag;
use pipeline::record::Column;
use pipeline::record::row::Row;
use pipeline::warehouse::Error;

/// The shortest time between two looks at the same reading.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// Keys that the warehouse is asked for a second, at most.
const KEYS_A_SECOND: f64 = 4_000.0;
/// Keys of one look.
const TOGETHER: usize = 500;
/// Ids that are remembered at most; past that, half of them are.
const REMEMBERED: usize = 1_000_000;
/// Rows processed earlier than the run began by so much were there before it: their clocks may differ by less.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(2);
/// Missing ids that are named.
const NAMED: usize = 100;

/// A reading that has not arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingId {
    pub(super) id: Uuid,
    published: Instant,
    /// When it was last looked for, or else published.
    looked: Instant,
}

/// Readings that are waited for, in the order of their next look.
#[derive(Debug)]
pub(super) struct PollQueue {
    waiting: VecDeque<PendingId>,
    known: HashSet<Uuid>,
    max: usize,
    /// Only ids that are nought under it are watched.
    mask: u128,
    started: NaiveDateTime,
    latencies: Latencies,
    lag: Lag,
    resolution: Duration,
    seen: Arc<WatchProgress>,
}

impl PollQueue {
    pub(super) fn new(started: NaiveDateTime, seen: Arc<WatchProgress>) -> Self {
        Self {
            waiting: VecDeque::new(),
            known: HashSet::new(),
            max: REMEMBERED,
            mask: 0,
            started,
            latencies: Latencies::new(),
            lag: Lag::default(),
            resolution: Duration::ZERO,
            seen,
        }
    }

    /// A reading was published; the same one a second time changes nothing.
    pub(super) fn add(&mut self, id: Uuid, at: Instant) {
        if id.as_u128() & self.mask != 0 {
            self.lag.unwatched += 1;
            return;
        }
        if !self.known.insert(id) {
            return;
        }
        self.waiting.push_back(PendingId { id, published: at, looked: at });
        self.lag.watched += 1;
        if self.known.len() > self.max {
            self.sample_half();
        }
        self.seen.watched.store(self.lag.watched, Ordering::Relaxed);
    }

    /// Watches half as many from now on. What arrived stays counted, what waits is forgotten by half.
    fn sample_half(&mut self) {
        self.mask = self.mask << 1 | 1;
        let mask = self.mask;
        let before = self.waiting.len();
        self.known.retain(|id| id.as_u128() & mask == 0);
        self.waiting.retain(|one| one.id.as_u128() & mask == 0);
        let forgotten = (before - self.waiting.len()) as u64;
        self.lag.watched -= forgotten;
        self.lag.unwatched += forgotten;
    }

    /// Whether nothing is waited for.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How long a reading rests between two looks.
    fn interval(&self) -> Duration {
        INTERVAL.max(Duration::from_secs_f64(self.waiting.len() as f64 / KEYS_A_SECOND))
    }

    /// When the next look is worth it; none while nothing is waited for.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.front().map(|first| first.looked + self.interval())
    }

    /// Takes those out that are to be looked for now.
    pub(super) fn take(&mut self, now: Instant) -> Vec<PendingId> {
        let interval = self.interval();
        let due = self.waiting.iter().take(TOGETHER).take_while(|one| one.looked + interval <= now).count();
        self.waiting.drain(..due).collect()
    }

    /// The warehouse has answered: takes down what has arrived, and lets the rest wait on.
    pub(super) fn record_rows(&mut self, looked_for: Vec<PendingId>, rows: &[Row], now: Instant) {
        let found: BTreeMap<&str, Option<NaiveDateTime>> =
            rows.iter().map(|row| (row.id(), row.instant(Column::RowTs))).collect();
        let mut text = Uuid::encode_buffer();
        for mut one in looked_for {
            let id: &str = one.id.hyphenated().encode_lower(&mut text);
            match found.get(id) {
                Some(Some(row_ts)) if *row_ts + CLOCKS_DIFFER < self.started => self.lag.already += 1,
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
    pub(super) fn requeue(&mut self, looked_for: Vec<PendingId>, why: &Error) {
        if self.lag.errors.is_empty() {
            tracing::warn!("watching the warehouse: {why}; publishing goes on, and so does the watch");
        }
        *self.lag.errors.entry(why.to_string()).or_default() += 1;
        for one in looked_for.into_iter().rev() {
            self.waiting.push_front(one);
        }
    }

    pub(super) fn into_lag(mut self, ended: Option<String>, waited: Duration) -> Lag {
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

#[cfg(test)]
pub(super) mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use pipeline::record::row::TableSchema;
    use pipeline::record::{Reading, Record, Rules, reading_id};

    fn record(pen: u32, processed: DateTime<Utc>) -> Record {
        let text = format!(
            r#"{{"id_curral":"{pen}","id_raca":"2","id_lote":"3","peso_entrada":450,"peso_medio":450.5,"data":"2023-01-01 00:00:00 UTC","quantidade_animais":"51","dia_confinamento":"66","consumo_real":9.5,"cod_cliente":"FazendaUm"}}"#
        );
        let reading = Reading::parse(text.as_bytes()).unwrap();
        Record::from_reading(reading, Rules::default(), processed)
    }

    pub(in super::super) fn id(pen: u32) -> Uuid {
        reading_id(&record(pen, Utc::now()).reading)
    }

    fn queue() -> PollQueue {
        PollQueue::new(Utc::now().naive_utc(), Arc::default())
    }

    pub(in super::super) fn rows(pens: impl IntoIterator<Item = u32>, processed: DateTime<Utc>) -> Vec<Row> {
        pens.into_iter().map(|pen| record(pen, processed).to_row(&TableSchema::standard())).collect()
    }

    #[test]
    fn a_lag_is_told_no_shorter_than_it_was_and_the_rest_is_named() {
        let (mut queue, started) = (queue(), Instant::now());
        (0..4).for_each(|pen| queue.add(id(pen), started));
        queue.add(id(0), started + Duration::from_millis(50)); // a repeat
        assert!(queue.take(started).is_empty(), "not yet");
        let later = started + Duration::from_millis(150);
        let looked_for = queue.take(later);
        assert_eq!(looked_for.len(), 4);
        queue.record_rows(looked_for, &rows([0, 2], Utc::now()), later);
        let last = started + Duration::from_millis(400);
        let looked_for = queue.take(last);
        queue.record_rows(looked_for, &rows([3], Utc::now()), last);
        let lag = queue.into_lag(Some("enough".into()), Duration::from_secs(1));
        assert_eq!((lag.watched, lag.arrived, lag.missing, lag.already), (4, 3, 1, 0));
        assert_eq!(lag.missing_ids, [id(1)]);
        assert!((149.0..151.0).contains(&lag.ms.p50) && (399.0..401.0).contains(&lag.ms.max), "{lag}");
        assert!((249.0..251.0).contains(&lag.resolution_ms) && lag.stopped.as_deref() == Some("enough"));
    }

    #[test]
    fn rows_of_an_earlier_run_say_nothing_of_the_lag() {
        let (mut queue, now) = (queue(), Instant::now());
        (0..2).for_each(|pen| queue.add(id(pen), now));
        let later = now + INTERVAL;
        let looked_for = queue.take(later);
        let old = rows([0], Utc::now() - TimeDelta::hours(1));
        queue.record_rows(looked_for, &[old, rows([1], Utc::now())].concat(), later);
        let lag = queue.into_lag(None, Duration::ZERO);
        assert_eq!((lag.watched, lag.arrived, lag.already, lag.missing), (2, 1, 1, 0));
    }

    #[test]
    fn past_what_can_be_remembered_half_of_the_ids_are_watched_and_it_says_so() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.max = 100;
        (0..1_000).for_each(|pen| queue.add(id(pen), now));
        assert!(queue.known.len() <= 100 && queue.mask >= 0b111, "{}", queue.known.len());
        let lag = queue.into_lag(None, Duration::ZERO);
        assert_eq!(lag.watched + lag.unwatched, 1_000);
        assert!((20..=100).contains(&lag.watched) && lag.missing == lag.watched, "{lag:?}");
    }

    #[test]
    fn the_more_wait_the_less_often_each_is_looked_for() {
        let mut queue = queue();
        assert_eq!(queue.interval(), INTERVAL);
        (0..4_000).for_each(|pen| queue.add(Uuid::from_u128(pen << 20), Instant::now()));
        assert_eq!(queue.interval(), Duration::from_secs(1));
    }
}
