//! Reading side of a run: takes the objects that `crate::reader` fetches day by day, sorts their records, and counts all objects
//! without a record to load.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use futures::StreamExt;
use tokio::sync::mpsc::Sender;

use super::left::LeftRecords;
use super::order::{IdOrder, ReplayEntry, Sorters};
use super::selection::RecordFilter;
use super::tally::Tally;
use crate::cancellation::CancellationToken;
use crate::progress::Stage;
use crate::reader::{ObjectContent, ReadEvent, ReadObject, Reader};
use crate::sort::{OrderedId, Sorted, Sorter};
use pipeline::lake::{self, Partition};

/// Interval of the checks for cancellation while the lake does not respond.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Event sent to the loading side: the days in the order in which they are complete, then the end.
pub(super) enum ReaderEvent {
    Day(Box<ReadDay>),
    End(Box<ReadEnd>),
}

/// Content of a day.
pub(super) struct ReadDay {
    pub day: NaiveDate,
    /// Counts of the objects without a record to load.
    pub tally: Tally,
    /// Its time-ordered records. `None` if reading stopped before the day was complete.
    pub sorted: Option<Sorted<ReplayEntry>>,
    /// Number of records read per partition; unordered records are counted here and loaded at the end.
    pub timed: HashMap<u32, u64>,
    pub unordered: HashMap<u32, u64>,
}

/// End of reading.
pub(super) struct ReadEnd {
    /// Unordered records. `None` if reading stopped early.
    pub unordered: Option<Sorted<ReplayEntry>>,
    /// Number of unordered records per partition; also set if reading stopped early.
    pub waiting: HashMap<u32, u64>,
    /// Reason for an early stop.
    pub error: Option<ReadError>,
    pub seconds: f64,
    /// Number of objects in the listings.
    pub seen: u64,
    /// True if any object was fetched.
    pub any_read: bool,
}

/// Reason why reading stopped early.
pub(super) enum ReadError {
    Stopped,
    Lake(lake::Error),
    /// The disk failed during a sort.
    Sort(std::io::Error),
}

/// Day that is being read.
struct DayInProgress {
    tally: Tally,
    sorter: Sorter<ReplayEntry>,
    timed: HashMap<u32, u64>,
    unordered: HashMap<u32, u64>,
}

/// Reads the partitions of a plan.
pub(super) struct LakeReader {
    pub reader: Reader,
    pub places: Arc<Vec<Partition>>,
    pub filter: RecordFilter,
    pub sorters: Sorters,
    /// Records that this shard of a replay defers.
    pub left: Option<LeftRecords>,
    /// Objects read; rows are counted by the loading side, once their transaction has ended.
    pub stage: Stage,
    pub cancel: CancellationToken,
    /// Cancelled if the loading side cannot continue.
    pub halt: CancellationToken,
}

impl LakeReader {
    /// Reads everything, and sends each day once it is read; stops if the receiver is dropped.
    pub(super) async fn run(mut self, parts: Sender<ReaderEvent>) {
        let (started, left) = (Instant::now(), self.left.take());
        let mut run = ReaderState {
            numbers: self.places.iter().enumerate().map(|(at, place)| (place.clone(), at as u32)).collect(),
            open: BTreeMap::new(),
            unordered: None,
            waiting: HashMap::new(),
            seen: 0,
            left,
            reading: &self,
        };
        let error = run.read(&parts).await.err();
        let unordered = match (&error, run.unordered.take()) {
            (None, Some(unordered)) => Some(unordered.finish()),
            _ => None,
        };
        let (unordered, error) = match unordered.transpose() {
            Ok(unordered) => (unordered, error),
            Err(e) => (None, Some(ReadError::Sort(e))),
        };
        for (day, open) in std::mem::take(&mut run.open) {
            let DayInProgress { tally, timed, unordered, .. } = open;
            let _ =
                parts.send(ReaderEvent::Day(Box::new(ReadDay { day, tally, sorted: None, timed, unordered }))).await; // ignored: no receiver
        }
        let end = ReadEnd {
            unordered,
            waiting: run.waiting,
            error,
            seconds: started.elapsed().as_secs_f64(),
            seen: run.seen,
            any_read: self.reader.has_read(),
        };
        let _ = parts.send(ReaderEvent::End(Box::new(end))).await; // ignored: the receiver is gone
    }
}

struct ReaderState<'a> {
    reading: &'a LakeReader,
    numbers: HashMap<Partition, u32>,
    open: BTreeMap<NaiveDate, DayInProgress>,
    unordered: Option<Sorter<ReplayEntry>>,
    waiting: HashMap<u32, u64>,
    seen: u64,
    left: Option<LeftRecords>,
}

impl ReaderState<'_> {
    async fn read(&mut self, parts: &Sender<ReaderEvent>) -> Result<(), ReadError> {
        let mut steps = std::pin::pin!(self.reading.reader.read(self.reading.places.to_vec()));
        loop {
            let step = tokio::time::timeout(POLL_INTERVAL, steps.next()).await;
            if self.reading.cancel.is_cancelled() || self.reading.halt.is_cancelled() {
                return Err(ReadError::Stopped);
            }
            let Ok(step) = step else { continue };
            let Some(step) = step else { break };
            match step.map_err(ReadError::Lake)? {
                ReadEvent::Object(found) => self.take(*found).map_err(ReadError::Sort)?,
                ReadEvent::DayComplete(day) => self.close(day, parts).await?,
            }
        }
        Ok(())
    }

    async fn close(&mut self, day: NaiveDate, parts: &Sender<ReaderEvent>) -> Result<(), ReadError> {
        let Some(open) = self.open.remove(&day) else { return Ok(()) };
        let DayInProgress { tally, sorter, timed, unordered } = open;
        let sorted = Some(sorter.finish().map_err(ReadError::Sort)?);
        parts
            .send(ReaderEvent::Day(Box::new(ReadDay { day, tally, sorted, timed, unordered })))
            .await
            .map_err(|_| ReadError::Stopped)
    }

    fn take(&mut self, found: ReadObject) -> std::io::Result<()> {
        let ReadObject { meta, item, .. } = found;
        let unplanned = || std::io::Error::other(format!("{} is in no day of the plan; this is a bug", meta.key));
        let place = Partition::of_key(&meta.key).ok_or_else(unplanned)?;
        let number = *self.numbers.get(&place).ok_or_else(unplanned)?;
        let reading = self.reading;
        reading.stage.add(1);
        self.seen += 1;
        let ObjectContent::Record(record) = item else {
            self.day(place.day)?.tally.record_object(Some(&place), meta.key, item);
            return Ok(());
        };
        if let Some(beyond) = reading.filter.filtered_by(&record) {
            self.day(place.day)?.tally.record_filtered(&place, beyond);
            return Ok(());
        }
        let id = OrderedId::new(&record.id_treated_data);
        let order = IdOrder::of(&id, place.day);
        if let Some(left) = &mut self.left
            && left.takes(&id, order)
        {
            self.seen -= 1;
            return left.write(id, meta.key);
        }
        let entry = ReplayEntry { id, key: meta.key, place: number, record };
        match order {
            IdOrder::TimeOrdered => {
                let open = self.day(place.day)?;
                *open.timed.entry(number).or_default() += 1;
                open.sorter.push(entry)
            }
            IdOrder::Unordered => {
                *self.day(place.day)?.unordered.entry(number).or_default() += 1;
                *self.waiting.entry(number).or_default() += 1;
                let unordered = match &mut self.unordered {
                    Some(unordered) => unordered,
                    none => none.insert(reading.sorters.sorter()?),
                };
                unordered.push(entry)
            }
        }
    }

    fn day(&mut self, day: NaiveDate) -> std::io::Result<&mut DayInProgress> {
        if !self.open.contains_key(&day) {
            let sorter = self.reading.sorters.sorter()?;
            let open =
                DayInProgress { tally: Tally::default(), sorter, timed: HashMap::new(), unordered: HashMap::new() };
            self.open.insert(day, open);
        }
        Ok(self.open.get_mut(&day).expect("just put there"))
    }
}
