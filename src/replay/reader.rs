//! The reading side of a run: from the lake into sorters, a day at a time, with everything counted that brings no record.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use futures::StreamExt;
use tokio::sync::mpsc::Sender;

use super::order::{IdOrder, ReplayEntry, Sorters};
use super::selection::RecordFilter;
use super::tally::Tally;
use crate::cancellation::CancellationToken;
use crate::reader::{ObjectContent, ReadEvent, ReadObject, Reader};
use crate::sort::{OrderedId, Sorted, Sorter};
use pipeline::lake::{self, Partition};

/// How soon a wish to stop is seen while the lake says nothing.
const LOOK: Duration = Duration::from_millis(250);

/// What the reading side hands to the loading side, in this order: days as they close, then the end.
pub(super) enum ReaderEvent {
    Day(Box<ReadDay>),
    End(Box<ReadEnd>),
}

/// What a day holds.
pub(super) struct ReadDay {
    pub day: NaiveDate,
    /// Objects that bring no record to load.
    pub tally: Tally,
    /// Its timed records; `None` where reading stopped before the day was read to its end.
    pub sorted: Option<Sorted<ReplayEntry>>,
    /// Records read, by partition; the unordered ones are counted here and loaded at the end.
    pub timed: HashMap<u32, u64>,
    pub unordered: HashMap<u32, u64>,
}

/// How reading ended.
pub(super) struct ReadEnd {
    /// The unordered records; `None` where reading did not come to its end.
    pub unordered: Option<Sorted<ReplayEntry>>,
    /// How many they are, by partition; also where reading did not come to its end.
    pub waiting: HashMap<u32, u64>,
    /// Why it did not.
    pub error: Option<ReadError>,
    pub seconds: f64,
    /// Objects that came from the listings.
    pub seen: u64,
}

/// Why reading ended before its end.
pub(super) enum ReadError {
    Stopped,
    Lake(lake::Error),
    /// The disk, while sorting.
    Sort(std::io::Error),
}

/// A day that is being read.
struct DayInProgress {
    tally: Tally,
    sorter: Sorter<ReplayEntry>,
    timed: HashMap<u32, u64>,
    unordered: HashMap<u32, u64>,
}

/// Reads a plan's partitions.
pub(super) struct LakeReader {
    pub reader: Reader,
    pub places: Arc<Vec<Partition>>,
    pub filter: RecordFilter,
    pub sorters: Sorters,
    pub cancel: CancellationToken,
    /// The loading side cannot go on.
    pub halt: CancellationToken,
}

impl LakeReader {
    /// Reads everything, handing each day over when it is read; a receiver that went away ends it.
    pub(super) async fn run(self, parts: Sender<ReaderEvent>) {
        let started = Instant::now();
        let mut run = ReaderState {
            numbers: self.places.iter().enumerate().map(|(at, place)| (place.clone(), at as u32)).collect(),
            open: BTreeMap::new(),
            unordered: None,
            waiting: HashMap::new(),
            seen: 0,
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
                parts.send(ReaderEvent::Day(Box::new(ReadDay { day, tally, sorted: None, timed, unordered }))).await; // nobody left to tell
        }
        let end = ReadEnd {
            unordered,
            waiting: run.waiting,
            error,
            seconds: started.elapsed().as_secs_f64(),
            seen: run.seen,
        };
        let _ = parts.send(ReaderEvent::End(Box::new(end))).await; // nobody left to tell
    }
}

struct ReaderState<'a> {
    reading: &'a LakeReader,
    numbers: HashMap<Partition, u32>,
    open: BTreeMap<NaiveDate, DayInProgress>,
    unordered: Option<Sorter<ReplayEntry>>,
    waiting: HashMap<u32, u64>,
    seen: u64,
}

impl ReaderState<'_> {
    async fn read(&mut self, parts: &Sender<ReaderEvent>) -> Result<(), ReadError> {
        let mut steps = std::pin::pin!(self.reading.reader.read(self.reading.places.to_vec()));
        loop {
            let step = tokio::time::timeout(LOOK, steps.next()).await;
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
        let Some(place) = Partition::of_key(&meta.key) else { return Ok(()) };
        let reading = self.reading;
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
        let number = *self.numbers.get(&place).unwrap_or(&0);
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
