//! What happens to a message: parse → rules → lake → warehouse. Knows traits only; the Lambda is a thin shell on it.
//!
//! The order is an invariant: the lake first, then the warehouse, so that whatever dies in between, the lake holds
//! everything the warehouse does. A message that can never be processed is kept whole in the quarantine.

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
mod outcome;
mod quarantine;
mod schema_cache;
mod verdict;

pub use outcome::MessageOutcome;
pub use verdict::{Meaning, StoreFailure, Verdict};

/// Objects written at once unless told otherwise.
pub const WRITES: usize = 64;

/// A batch that was taken in.
#[derive(Debug)]
pub struct BatchResult {
    /// A verdict for each message, in their order.
    pub verdicts: Vec<Verdict>,
    /// How long the lake took, the quarantine included.
    pub lake: Duration,
    /// How long the warehouse took.
    pub warehouse: Duration,
}

/// Takes messages in.
#[derive(Debug, Clone)]
pub struct Intake {
    lake: Arc<dyn Lake>,
    quarantine: Arc<dyn Lake>,
    table: SchemaCache,
    rules: Rules,
    writes: usize,
}

/// A message on its way: parsed, not yet in the lake.
struct PreparedMessage {
    at: usize,
    record: Record,
    message: Bytes,
}

impl Intake {
    /// An intake into that lake and warehouse, which connects to neither before the first message.
    pub fn new(lake: Arc<dyn Lake>, warehouse: Arc<dyn Warehouse>, rules: Rules) -> Self {
        Self { quarantine: lake.sibling(QUARANTINE), lake, table: SchemaCache::new(warehouse), rules, writes: WRITES }
    }

    /// The same, where the table is looked at now, so that what is wrong with it shows before the first message.
    ///
    /// # Errors
    /// The warehouse cannot be reached or its table cannot hold records.
    pub async fn open(
        lake: Arc<dyn Lake>,
        warehouse: Arc<dyn Warehouse>,
        rules: Rules,
    ) -> Result<Self, warehouse::Error> {
        let intake = Self::new(lake, warehouse, rules);
        intake.table.shape(Utc::now()).await?;
        Ok(intake)
    }

    /// The same with so many objects written at once.
    #[must_use]
    pub fn with_writes(mut self, writes: usize) -> Self {
        self.writes = writes.max(1);
        self
    }

    /// Where quarantined messages go.
    pub fn quarantine_address(&self) -> String {
        self.quarantine.address()
    }

    /// Support of the lake for conditional writes, as far as it is known.
    pub fn conditional_writes(&self) -> ConditionalWrites {
        self.lake.conditions().create
    }

    /// Takes one message in.
    pub async fn process_one(&self, message: Bytes, now: DateTime<Utc>) -> Verdict {
        let mut verdicts = self.process(vec![message], now).await;
        verdicts.pop().unwrap_or_else(|| unreachable!("a batch of one has one verdict"))
    }

    /// Takes a batch in, objects concurrently and rows together; a verdict for each message, in their order.
    ///
    /// Taking the same messages in again changes nothing.
    pub async fn process(&self, messages: Vec<Bytes>, now: DateTime<Utc>) -> Vec<Verdict> {
        self.process_until(messages, now, None).await.verdicts
    }

    /// The same with its times, and done by `until`: what is not finished then has failed and is to come again.
    ///
    /// Objects may take three quarters of the time, so that those that are written get to the warehouse.
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
        let lost = || Verdict::Failed(StoreFailure::transient("the time was up before its object was written"));
        BatchResult {
            verdicts: verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(lost)).collect(),
            lake,
            warehouse,
        }
    }

    /// Writes the objects of a batch; those that have one, with their places. The verdicts of the others are put in.
    async fn write_all(
        &self,
        messages: Vec<Bytes>,
        now: DateTime<Utc>,
        until: Option<Instant>,
        verdicts: &mut [Option<Verdict>],
    ) -> Vec<(usize, Record, PutResult)> {
        let mut written = Vec::with_capacity(messages.len());
        let mut waiting = messages.into_iter().enumerate();
        let mut work = JoinSet::new(); // dropped, it ends what is still at work
        loop {
            while work.len() < self.writes
                && let Some((at, message)) = waiting.next()
            {
                let this = self.clone();
                let write = async move { this.write(at, message, now).await };
                let write = AssertUnwindSafe(write).catch_unwind(); // a panic costs its own message only
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
                    let said = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(|s| &**s));
                    let message = format!("the work on this message panicked: {}", said.unwrap_or("without a word"));
                    verdicts[at] = Some(Verdict::Failed(StoreFailure::transient(&message)));
                }
                Ok(Some(Err(e))) => tracing::error!("the work on a message was ended: {e}"),
                Ok(None) => return written,
                Err(_) => {
                    tracing::warn!("the time for objects is up: {} messages have to come again", work.len());
                    return written;
                }
            }
        }
    }

    /// Loads records; what became of each, also where the time was up or the server went away in the middle.
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
            Ok(Ok(())) => StoreFailure::transient("in the lake, but the load ended without a word on its row"),
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

    /// Writes the object; where one is there already it wins, and its `row_ts` is what goes to the warehouse.
    ///
    /// Where that one is no record of this id the message is kept whole and no row is written: the warehouse holds
    /// nothing that the lake does not.
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

    /// Keeps an event from which no messages can be taken; its key below the quarantine's folder.
    ///
    /// # Errors
    /// The quarantine cannot be written to.
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
        Ok(kept.map_err(|_| StoreFailure::transient("the time was up before it was kept in the quarantine"))??)
    }
}

#[cfg(test)]
mod tests;
