//! Processing of messages: parse → rules → lake → warehouse. Depends on traits only; the Lambda is a thin wrapper.
//!
//! The order is an invariant: the lake is written before the warehouse, so after any crash the lake contains every
//! record of the warehouse. A message that can never be processed is stored unchanged in the quarantine.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, timeout_at};
use tracing::Instrument;

use crate::lake::{self, ConditionalWrites, Key, Lake, PutResult};
use crate::outage::Outage;
use crate::record::{Column, MAX_OBJECT_BYTES, QUARANTINE, Reading, Record, Rejection, Rules};
use crate::warehouse::{self, LoadResult, Warehouse};
use schema_cache::SchemaCache;

pub mod envelope;
pub mod event;
mod message_verdict;
mod outcome;
mod quarantine;
mod schema_cache;

pub use message_verdict::{Meaning, StoreFailure, Verdict};
pub use outcome::MessageOutcome;

/// Default number of concurrent object writes.
pub const WRITES: usize = 64;

/// Minimum number of failed writes in a row after which a batch writes no more.
const MIN_OUTAGE: usize = 8;

/// Result of a processed batch.
#[derive(Debug)]
pub struct BatchResult {
    /// One verdict per message, in message order.
    pub verdicts: Vec<Verdict>,
    /// Time spent on the lake, including the quarantine.
    pub lake: Duration,
    /// Time spent on the warehouse.
    pub warehouse: Duration,
}

/// Processor of messages for one lake and one warehouse.
#[derive(Debug, Clone)]
pub struct Intake {
    lake: Arc<dyn Lake>,
    quarantine: Arc<dyn Lake>,
    table: SchemaCache,
    rules: Rules,
    writes: usize,
}

/// A parsed message whose object is not yet written.
struct PreparedMessage {
    at: usize,
    record: Record,
    message: Bytes,
}

/// The object of a record in the lake.
struct WrittenObject {
    at: usize,
    object: PutResult,
    /// Why the existing object could not be read.
    unverifiable: Option<String>,
}

/// A record and its object.
type WrittenRecord = (WrittenObject, Record);

impl WrittenObject {
    /// Returns the result of its row. An existing row of an object that cannot be read is compared in the fields of the
    /// reading, which the id in the object's name identifies; the other columns are those of the object.
    fn row_result(&self, row: LoadResult) -> LoadResult {
        let is_computed = |column| matches!(column, Column::RowTs | Column::ConsumoMeta);
        match row {
            LoadResult::Conflicting(conflict)
                if self.unverifiable.is_some()
                    && conflict.differences.iter().all(|difference| is_computed(difference.column)) =>
            {
                LoadResult::Identical
            }
            row => row,
        }
    }
}

impl Intake {
    /// Creates an intake for a lake and a warehouse. It connects to neither before the first message.
    pub fn new(lake: Arc<dyn Lake>, warehouse: Arc<dyn Warehouse>, rules: Rules) -> Self {
        Self { quarantine: lake.sibling(QUARANTINE), lake, table: SchemaCache::new(warehouse), rules, writes: WRITES }
    }

    /// Creates an intake and reads the table's schema immediately, so that schema errors are reported before the first
    /// message.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached or its table cannot store records.
    pub async fn open(
        lake: Arc<dyn Lake>,
        warehouse: Arc<dyn Warehouse>,
        rules: Rules,
    ) -> Result<Self, warehouse::Error> {
        warehouse.check_writable().await?;
        let intake = Self::new(lake, warehouse, rules);
        intake.table.schema(Utc::now()).await?;
        Ok(intake)
    }

    /// Sets the number of concurrent object writes.
    #[must_use]
    pub fn with_writes(mut self, writes: usize) -> Self {
        self.writes = writes.max(1);
        self
    }

    /// Returns the address of the quarantine.
    pub fn quarantine_address(&self) -> String {
        self.quarantine.address()
    }

    /// Returns the lake's support for conditional writes, as far as it is known.
    pub fn conditional_writes(&self) -> ConditionalWrites {
        self.lake.conditions().create
    }

    /// Processes one message.
    pub async fn process_one(&self, message: Bytes, now: DateTime<Utc>) -> Verdict {
        let mut verdicts = self.process(vec![message], now).await;
        verdicts.pop().unwrap_or_else(|| unreachable!("a batch of one has one verdict"))
    }

    /// Processes a batch: objects concurrently, rows together. Returns one verdict per message, in message order.
    ///
    /// Idempotent: processing the same messages again changes nothing.
    pub async fn process(&self, messages: Vec<Bytes>, now: DateTime<Utc>) -> Vec<Verdict> {
        self.process_until(messages, now, None).await.verdicts
    }

    /// Processes a batch until a deadline and returns its timings. Unfinished messages fail and must be redelivered.
    ///
    /// Object writes may use three quarters of the time, so that the written records reach the warehouse.
    pub async fn process_until(&self, messages: Vec<Bytes>, now: DateTime<Utc>, until: Option<Instant>) -> BatchResult {
        let started = Instant::now();
        let for_objects = until.map(|until| started + until.saturating_duration_since(started) * 3 / 4);
        let mut verdicts: Vec<Option<Verdict>> = vec![None; messages.len()];
        let mut written = self.write_all(messages, now, for_objects, &mut verdicts).await;
        let lake = started.elapsed();
        // Rows in key order load fastest; ties keep the order of the messages.
        written.sort_by(|(a, one), (b, other)| one.id_treated_data.cmp(&other.id_treated_data).then(a.at.cmp(&b.at)));
        let (objects, records): (Vec<WrittenObject>, Vec<Record>) = written.into_iter().unzip();
        let loaded = self.load(&records, now, until).await;
        for ((written, record), row) in objects.into_iter().zip(records).zip(loaded) {
            verdicts[written.at] = Some(match row.map(|row| written.row_result(row)) {
                Ok(row) => {
                    let WrittenObject { object, unverifiable, .. } = written;
                    Verdict::Stored { id: record.id_treated_data, object, row, unverifiable }
                }
                Err(failure) => Verdict::Failed(failure),
            });
        }
        let warehouse = started.elapsed() - lake;
        let lost = || Verdict::Failed(StoreFailure::transient("deadline exceeded before its object was written"));
        BatchResult {
            verdicts: verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(lost)).collect(),
            lake,
            warehouse,
        }
    }

    /// Writes the objects of a batch and returns the written records with their positions. Stores the verdicts of all
    /// other messages.
    async fn write_all(
        &self,
        messages: Vec<Bytes>,
        now: DateTime<Utc>,
        until: Option<Instant>,
        verdicts: &mut [Option<Verdict>],
    ) -> Vec<WrittenRecord> {
        let mut written = Vec::with_capacity(messages.len());
        let mut waiting = messages.into_iter().enumerate();
        let mut work = JoinSet::new(); // aborts unfinished writes when dropped
        let mut outage = Outage::<StoreFailure>::new(self.writes.max(MIN_OUTAGE));
        loop {
            while work.len() < self.writes
                && let Some((at, message)) = waiting.next()
            {
                if let Some(failure) = outage.failure() {
                    verdicts[at] = Some(Verdict::Failed(failure.clone()));
                    continue;
                }
                let this = self.clone();
                let write = async move { this.write(at, message, now).await };
                let write = AssertUnwindSafe(write).catch_unwind(); // a panic fails its own message only
                work.spawn(async move { (at, write.await) }.in_current_span());
            }
            let next = match until {
                Some(until) => timeout_at(until, work.join_next()).await,
                None => Ok(work.join_next().await),
            };
            match next {
                Ok(Some(Ok((_, Ok(Ok(record)))))) => {
                    outage.record(None);
                    written.push(record);
                }
                Ok(Some(Ok((at, Ok(Err(verdict)))))) => {
                    outage.record(verdict.outage().cloned());
                    verdicts[at] = Some(verdict);
                }
                Ok(Some(Ok((at, Err(panic))))) => {
                    let details =
                        panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(|s| &**s));
                    let message = format!("the work on this message panicked: {}", details.unwrap_or("no message"));
                    verdicts[at] = Some(Verdict::Failed(StoreFailure::transient(&message)));
                }
                Ok(Some(Err(e))) => tracing::error!("the work on a message was ended: {e}"),
                Ok(None) => return written,
                Err(_) => {
                    tracing::warn!("deadline exceeded while writing objects: {} messages must be retried", work.len());
                    return written;
                }
            }
        }
    }

    /// Loads records and returns each result, including those from before a timeout or a lost connection.
    async fn load(
        &self,
        records: &[Record],
        now: DateTime<Utc>,
        until: Option<Instant>,
    ) -> Vec<Result<LoadResult, StoreFailure>> {
        let mut results = vec![None; records.len()];
        if records.is_empty() {
            return Vec::new();
        }
        let load = self.table.load(records, now, &mut results);
        let ended = match until {
            Some(until) => timeout_at(until, load).await,
            None => Ok(load.await),
        };
        let left = match ended {
            Ok(Ok(())) => StoreFailure::transient("stored in the lake, but the load returned no result for its row"),
            Ok(Err(e)) => e.into(),
            Err(_) => StoreFailure::transient("in the lake, but the warehouse did not respond before the deadline"),
        };
        results
            .into_iter()
            .map(|row| row.map_or_else(|| Err(left.clone()), |row| row.map_err(StoreFailure::from)))
            .collect()
    }

    async fn write(&self, at: usize, message: Bytes, now: DateTime<Utc>) -> Result<WrittenRecord, Verdict> {
        match Reading::parse(&message) {
            Ok(reading) => {
                let record = Record::from_reading(reading, self.rules, now);
                let treated = PreparedMessage { at, record, message };
                self.put(treated, now).await
            }
            Err(reason) => Err(self.quarantine(&message, reason, now).await),
        }
    }

    /// Writes an object. An existing object is left unchanged, and its `row_ts` goes to the warehouse.
    ///
    /// If the existing object is not a record with this id, the message is quarantined and no row is written: the
    /// warehouse must not contain records that the lake lacks. If it cannot be read, its name still identifies its
    /// reading, so the row is written.
    async fn put(&self, treated: PreparedMessage, now: DateTime<Utc>) -> Result<WrittenRecord, Verdict> {
        let PreparedMessage { at, record, message } = treated;
        let failed = |e: lake::Error| Verdict::Failed(e.into());
        let bad = |what: &str| failed(lake::Error::new(lake::Reason::BadKey, record.id_treated_data.clone(), what));
        let key = Key::of(&record).ok_or_else(|| bad("its id cannot be part of a name"))?.to_string();
        let body = Bytes::from(record.object(&message).map_err(|e| bad(&e.to_string()))?);
        let written = |record, object, unverifiable| Ok((WrittenObject { at, object, unverifiable }, record));
        let why = match self.put_or_read(&key, body).await.map_err(failed)? {
            None => return written(record, PutResult::Created, None),
            Some(Ok(existing)) => match Record::parse(&existing) {
                Ok(existing) if existing.id_treated_data == record.id_treated_data => {
                    return written(existing, PutResult::AlreadyExists, None);
                }
                Ok(existing) => format!("it holds the record {}", existing.id_treated_data),
                Err(why) => why.to_string(),
            },
            Some(Err(e)) if e.reason == lake::Reason::TooLarge => e.message,
            Some(Err(e)) if e.is_unverifiable() => return written(record, PutResult::AlreadyExists, Some(e.message)),
            Some(Err(e)) => return Err(failed(e)),
        };
        Err(self.quarantine(&message, Rejection::KeyTaken { key, why }, now).await)
    }

    /// Writes an object, or reads the existing one; `None` if it was written. An object that was deleted in between is
    /// written again.
    ///
    /// # Errors
    /// Returns an error if the write fails, or if the store reports twice that the object exists and does not return it.
    async fn put_or_read(&self, key: &str, body: Bytes) -> Result<Option<Result<Bytes, lake::Error>>, lake::Error> {
        if self.lake.put_new(key, body.clone()).await? == PutResult::Created {
            return Ok(None);
        }
        match self.lake.get_within(key, MAX_OBJECT_BYTES).await {
            Err(e) if e.reason == lake::Reason::NotFound => {}
            read => return Ok(Some(read)),
        }
        match self.lake.put_new(key, body).await? {
            PutResult::Created => Ok(None),
            PutResult::AlreadyExists => match self.lake.get_within(key, MAX_OBJECT_BYTES).await {
                Err(e) if e.reason == lake::Reason::NotFound => {
                    let message = "the store reports that the object exists and that it does not exist";
                    Err(lake::Error { message: message.to_owned(), ..e })
                }
                read => Ok(Some(read)),
            },
        }
    }

    async fn quarantine(&self, message: &Bytes, reason: Rejection, now: DateTime<Utc>) -> Verdict {
        match quarantine::keep(&*self.quarantine, message, &reason.to_string(), reason.field(), now).await {
            Ok(key) => Verdict::Quarantined { reason, key },
            Err(e) => Verdict::Failed(e.into()),
        }
    }

    /// Quarantines an event without readable messages and returns its key below the quarantine folder.
    ///
    /// # Errors
    /// Returns an error if the quarantine cannot be written.
    pub async fn keep_event(
        &self,
        event: &Bytes,
        why: &event::Error,
        now: DateTime<Utc>,
        until: Option<Instant>,
    ) -> Result<String, StoreFailure> {
        let why = why.to_string();
        let keep = quarantine::keep(&*self.quarantine, event, &why, None, now);
        let kept = match until {
            Some(until) => timeout_at(until, keep).await,
            None => Ok(keep.await),
        };
        Ok(kept.map_err(|_| StoreFailure::transient("deadline exceeded before it was quarantined"))??)
    }
}

#[cfg(test)]
mod tests;
