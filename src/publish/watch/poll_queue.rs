//! Pending readings in the order of their next poll: which ids are remembered, and how poll results are recorded.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::{NaiveDateTime, TimeDelta};
use uuid::Uuid;

use super::super::outcome::Latencies;
use super::WatchProgress;
use crate::publish::Lag;
use pipeline::record::Column;
use pipeline::record::row::Row;
use pipeline::warehouse::Error;

/// Minimum interval between two polls for the same reading.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// Maximum number of keys requested from the warehouse per second.
const KEYS_PER_SECOND: f64 = 4_000.0;
/// Maximum number of keys per poll.
const TOGETHER: usize = 500;
/// Maximum number of remembered ids; above it, half of them are dropped.
const REMEMBERED: usize = 1_000_000;
/// Tolerated clock difference: rows processed earlier than this before the run started count as existing.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(2);
/// Maximum number of missing ids that are reported.
const NAMED: usize = 100;

/// A reading that has not arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingId {
    pub(super) id: Uuid,
    published: Instant,
    /// When it was last polled for, or else published.
    looked: Instant,
}

/// Pending readings, in the order of their next poll.
#[derive(Debug)]
pub(super) struct PollQueue {
    waiting: VecDeque<PendingId>,
    known: HashSet<Uuid>,
    max: usize,
    /// Only ids with zeros under this mask are watched.
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

    /// Adds a published reading. Adding the same one again changes nothing.
    pub(super) fn add(&mut self, id: Uuid, at: Instant) {
        if id.as_u128() & self.mask != 0 {
            self.lag.not_watched += 1;
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

    /// Halves the sample from now on. Arrived ids stay counted; half of the pending ids are dropped.
    fn sample_half(&mut self) {
        self.mask = self.mask << 1 | 1;
        let mask = self.mask;
        let before = self.waiting.len();
        self.known.retain(|id| id.as_u128() & mask == 0);
        self.waiting.retain(|one| one.id.as_u128() & mask == 0);
        let forgotten = (before - self.waiting.len()) as u64;
        self.lag.watched -= forgotten;
        self.lag.not_watched += forgotten;
    }

    /// Returns true if no reading is pending.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns the interval between two polls for the same reading.
    fn interval(&self) -> Duration {
        INTERVAL.max(Duration::from_secs_f64(self.waiting.len() as f64 / KEYS_PER_SECOND))
    }

    /// Returns when the next poll is due; `None` if nothing is pending.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.front().map(|first| first.looked + self.interval())
    }

    /// Removes and returns the readings to poll for now.
    pub(super) fn take(&mut self, now: Instant) -> Vec<PendingId> {
        let interval = self.interval();
        let due = self.waiting.iter().take(TOGETHER).take_while(|one| one.looked + interval <= now).count();
        self.waiting.drain(..due).collect()
    }

    /// Records the rows of a poll: counts arrivals and requeues the rest.
    pub(super) fn record_rows(&mut self, polled: Vec<PendingId>, rows: &[Row], now: Instant) {
        let found: BTreeMap<&str, Option<NaiveDateTime>> =
            rows.iter().map(|row| (row.id(), row.instant(Column::RowTs))).collect();
        let mut text = Uuid::encode_buffer();
        for mut one in polled {
            let id: &str = one.id.hyphenated().encode_lower(&mut text);
            match found.get(id) {
                Some(Some(row_ts)) if *row_ts + CLOCKS_DIFFER < self.started => self.lag.already_present += 1,
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
        self.seen.arrived.store(self.lag.arrived + self.lag.already_present, Ordering::Relaxed);
    }

    /// Records a failed poll and requeues its readings.
    pub(super) fn requeue(&mut self, polled: Vec<PendingId>, why: &Error) {
        if self.lag.errors.is_empty() {
            tracing::warn!("warehouse poll failed: {why}; publishing and polling continue");
        }
        *self.lag.errors.entry(why.to_string()).or_default() += 1;
        for one in polled.into_iter().rev() {
            self.waiting.push_front(one);
        }
    }

    pub(super) fn into_lag(mut self, ended: Option<String>, waited: Duration) -> Lag {
        let mut missing: Vec<_> = self.waiting.into_iter().collect();
        missing.sort_by_key(|one| one.published);
        self.lag.missing = missing.len() as u64;
        self.lag.missing_ids = missing.iter().take(NAMED).map(|one| one.id).collect();
        self.lag.lag_ms = self.latencies.percentiles();
        self.lag.lag_curve = self.latencies.curve();
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
    fn a_lag_is_never_too_short_and_missing_ids_are_reported() {
        let (mut queue, started) = (queue(), Instant::now());
        (0..4).for_each(|pen| queue.add(id(pen), started));
        queue.add(id(0), started + Duration::from_millis(50)); // a repeat
        assert!(queue.take(started).is_empty(), "not yet");
        let later = started + Duration::from_millis(150);
        let polled = queue.take(later);
        assert_eq!(polled.len(), 4);
        queue.record_rows(polled, &rows([0, 2], Utc::now()), later);
        let last = started + Duration::from_millis(400);
        let polled = queue.take(last);
        queue.record_rows(polled, &rows([3], Utc::now()), last);
        let lag = queue.into_lag(Some("enough".into()), Duration::from_secs(1));
        assert_eq!((lag.watched, lag.arrived, lag.missing, lag.already_present), (4, 3, 1, 0));
        assert_eq!(lag.missing_ids, [id(1)]);
        assert!((149.0..151.0).contains(&lag.lag_ms.p50) && (399.0..401.0).contains(&lag.lag_ms.max), "{lag}");
        assert!((249.0..251.0).contains(&lag.resolution_ms) && lag.stopped.as_deref() == Some("enough"));
    }

    #[test]
    fn rows_of_an_earlier_run_are_not_part_of_the_lag() {
        let (mut queue, now) = (queue(), Instant::now());
        (0..2).for_each(|pen| queue.add(id(pen), now));
        let later = now + INTERVAL;
        let polled = queue.take(later);
        let old = rows([0], Utc::now() - TimeDelta::hours(1));
        queue.record_rows(polled, &[old, rows([1], Utc::now())].concat(), later);
        let lag = queue.into_lag(None, Duration::ZERO);
        assert_eq!((lag.watched, lag.arrived, lag.already_present, lag.missing), (2, 1, 1, 0));
    }

    #[test]
    fn above_the_memory_limit_half_of_the_ids_are_watched() {
        let (mut queue, now) = (queue(), Instant::now());
        queue.max = 100;
        (0..1_000).for_each(|pen| queue.add(id(pen), now));
        assert!(queue.known.len() <= 100 && queue.mask >= 0b111, "{}", queue.known.len());
        let lag = queue.into_lag(None, Duration::ZERO);
        assert_eq!(lag.watched + lag.not_watched, 1_000);
        assert!((20..=100).contains(&lag.watched) && lag.missing == lag.watched, "{lag:?}");
    }

    #[test]
    fn the_interval_grows_with_the_number_of_pending_ids() {
        let mut queue = queue();
        assert_eq!(queue.interval(), INTERVAL);
        (0..4_000).for_each(|pen| queue.add(Uuid::from_u128(pen << 20), Instant::now()));
        assert_eq!(queue.interval(), Duration::from_secs(1));
    }
}
