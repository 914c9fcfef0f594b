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
use crate::record::{QUARANTINE, Reading, Record, Rejection, Rules};
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
        let intake = Self::new(lake, warehouse, rules);
        intake.table.shape(Utc::now()).await?;
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
        written.sort_by(|a, b| a.1.id_treated_data.cmp(&b.1.id_treated_data).then(a.0.cmp(&b.0)));
        let (places, records): (Vec<(usize, PutResult)>, Vec<Record>) =
            written.into_iter().map(|(at, record, put)| ((at, put), record)).unzip();
        let loaded = self.load(&records, now, until).await;
        for (((at, object), record), row) in places.into_iter().zip(records).zip(loaded) {
            verdicts[at] = Some(match row {
                Ok(row) => Verdict::Stored { id: record.id_treated_data, object, row },
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
    ) -> Vec<(usize, Record, PutResult)> {
        let mut written = Vec::with_capacity(messages.len());
        let mut waiting = messages.into_iter().enumerate();
        let mut work = JoinSet::new(); // aborts unfinished writes when dropped
        loop {
            while work.len() < self.writes
                && let Some((at, message)) = waiting.next()
            {
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
                Ok(Some(Ok((_, Ok(Ok(entry)))))) => written.push(entry),
                Ok(Some(Ok((at, Ok(Err(verdict)))))) => verdicts[at] = Some(verdict),
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
        let mut settled = vec![None; records.len()];
        if records.is_empty() {
            return Vec::new();
        }
        let load = self.table.load(records, now, &mut settled);
        let ended = match until {
            Some(until) => timeout_at(until, load).await,
            None => Ok(load.await),
        };
        let left = match ended {
            Ok(Ok(())) => StoreFailure::transient("stored in the lake, but the load returned no result for its row"),
            Ok(Err(e)) => e.into(),
            Err(_) => StoreFailure::transient("in the lake, but the warehouse did not answer in the time there was"),
        };
        settled
            .into_iter()
            .map(|row| row.map_or_else(|| Err(left.clone()), |row| row.map_err(StoreFailure::from)))
            .collect()
    }

    async fn write(
        &self,
        at: usize,
        message: Bytes,
        now: DateTime<Utc>,
    ) -> Result<(usize, Record, PutResult), Verdict> {
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
    /// warehouse must not contain records that the lake lacks.
    async fn put(&self, treated: PreparedMessage, now: DateTime<Utc>) -> Result<(usize, Record, PutResult), Verdict> {
        let PreparedMessage { at, record, message } = treated;
        let failed = |e: lake::Error| Verdict::Failed(e.into());
        let bad = |what: &str| failed(lake::Error::new(lake::Reason::BadKey, record.id_treated_data.clone(), what));
        let key = Key::of(&record).ok_or_else(|| bad("its id cannot stand in a name"))?.to_string();
        let body = record.object(&message).map_err(|e| bad(&e.to_string()))?;
        let put = self.lake.put_new(&key, body.into()).await.map_err(failed)?;
        if put == PutResult::Created {
            return Ok((at, record, put));
        }
        let why = match Record::parse(&self.lake.get(&key).await.map_err(failed)?) {
            Ok(existing) if existing.id_treated_data == record.id_treated_data => return Ok((at, existing, put)),
            Ok(existing) => format!("it holds the record {}", existing.id_treated_data),
            Err(why) => why.to_string(),
        };
        Err(self.quarantine(&message, Rejection::KeyTaken { key, why }, now).await)
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
