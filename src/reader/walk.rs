//! Walk through a lake: days in order, with their partitions listed ahead and their objects read concurrently.
//!
//! An object that is slow, throttled or retried delays only the end of its day. What is processed ahead in the meantime
//! is bounded, in listed objects and in days.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::vec::IntoIter;

use chrono::NaiveDate;
use futures::stream::{self, Stream};
use tokio::task::{JoinError, JoinSet};

use super::cache_writer::CacheWriter;
use super::split::{KnownPartition, SplitPage, split_page};
use super::{ReadObject, Reader};
use pipeline::lake::{Depth, Error, ObjectMeta, Partition, ReadHints, Reason};

/// Number of listed objects waiting to be read above which no further page is requested.
const LISTED: usize = 2_000;

/// Number of objects in days after the first open one above which no further day is started.
const AHEAD: usize = 16_000;

/// Maximum number of open days.
const DAYS: usize = 32;

/// An event of a read.
#[derive(Debug, Clone)]
pub enum ReadEvent {
    /// An object. Within the open days, objects come in any order.
    Object(Box<ReadObject>),
    /// Every object of that day and of all earlier days was yielded. Days complete in order.
    DayComplete(NaiveDate),
}

/// A day that has started and is not complete.
#[derive(Debug, Default)]
struct OpenDay {
    /// Partitions that are not completely listed.
    listing: usize,
    /// Listed objects that are not read yet.
    unread: usize,
    /// Objects listed so far.
    objects: usize,
}

/// Position of a listing.
#[derive(Debug)]
struct ListingCursor {
    partition: Partition,
    after: Option<String>,
    /// Known data of the objects after that position.
    rest: Option<KnownPartition>,
}

struct Walk {
    reader: Reader,
    hints: ReadHints,
    /// Maximum number of concurrent batch reads.
    reads_at_once: usize,
    /// Partitions of days that are not started.
    ahead: Peekable<IntoIter<Partition>>,
    /// Partitions whose next page has not been requested.
    pages: VecDeque<ListingCursor>,
    listings: JoinSet<(Partition, Result<SplitPage, Error>)>,
    days: BTreeMap<NaiveDate, OpenDay>,
    /// Objects waiting to be read, by day; no queue is empty.
    listed: BTreeMap<NaiveDate, VecDeque<ObjectMeta>>,
    waiting: usize,
    reads: JoinSet<(NaiveDate, Vec<Result<ReadObject, Error>>)>,
    cache_writer: Option<CacheWriter>,
    steps: VecDeque<ReadEvent>,
    failed: Option<Error>,
    over: bool,
}

/// Walks through the partitions in the order of their days.
pub(super) fn walk(
    reader: Reader,
    concurrency: usize,
    mut partitions: Vec<Partition>,
) -> impl Stream<Item = Result<ReadEvent, Error>> + Send + 'static {
    partitions.sort_unstable();
    let hints = reader.read_hints();
    let cache_writer = reader.cache().cloned().map(CacheWriter::new);
    let walk = Walk {
        reader,
        cache_writer,
        reads_at_once: concurrency.div_ceil(hints.batch_size).max(1),
        hints,
        ahead: partitions.into_iter().peekable(),
        pages: VecDeque::new(),
        listings: JoinSet::new(),
        days: BTreeMap::new(),
        listed: BTreeMap::new(),
        waiting: 0,
        reads: JoinSet::new(),
        steps: VecDeque::new(),
        failed: None,
        over: false,
    };
    stream::unfold(walk, |mut walk| async move { walk.step().await.map(|step| (step, walk)) })
}

impl Walk {
    async fn step(&mut self) -> Option<Result<ReadEvent, Error>> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return Some(Ok(step));
            }
            if let Some(e) = self.failed.take() {
                self.over = true;
                return Some(Err(e));
            }
            if self.over {
                return None;
            }
            self.list();
            self.read();
            tokio::select! {
                Some(read) = self.reads.join_next() => self.object_arrived(read),
                Some(listed) = self.listings.join_next() => self.page_arrived(listed),
                else => self.over = true,
            }
            self.close();
            if let Some(cache_writer) = &mut self.cache_writer {
                cache_writer.wait_for_writes(self.over).await;
            }
        }
    }

    /// Requests pages: of started partitions first, then of the next ones.
    fn list(&mut self) {
        while self.listings.len() < self.hints.concurrent_listings && self.waiting < LISTED {
            let Some(place) = self.pages.pop_front().or_else(|| self.begin()) else { return };
            let reader = self.reader.clone();
            self.listings.spawn(async move {
                let ListingCursor { partition, after, rest } = place;
                let page = reader.lake().list(&partition.prefix(), Depth::Recursive, after.as_deref()).await;
                let split = match page {
                    Ok(page) => Ok(split_page(&reader, &partition, page, rest).await),
                    Err(e) => Err(e),
                };
                (partition, split)
            });
        }
    }

    /// Starts the next day and returns its first partition; `None` if there is none or it may not start yet.
    fn begin(&mut self) -> Option<ListingCursor> {
        let day = self.ahead.peek()?.day;
        if !self.days.contains_key(&day) {
            let ahead: usize = self.days.values().skip(1).map(|open| open.objects).sum();
            if self.days.len() >= DAYS || ahead >= AHEAD {
                return None;
            }
        }
        let first = self.ahead.next()?;
        let open = self.days.entry(day).or_default();
        // All partitions of a day are counted at once; otherwise it could complete between two of them.
        open.listing += 1;
        while let Some(partition) = self.ahead.next_if(|partition| partition.day == day) {
            open.listing += 1;
            self.pages.push_back(ListingCursor { partition, after: None, rest: None });
        }
        Some(ListingCursor { partition: first, after: None, rest: None })
    }

    fn page_arrived(&mut self, listed: Result<(Partition, Result<SplitPage, Error>), JoinError>) {
        let (partition, mut split) = match listed {
            Ok((partition, Ok(split))) => (partition, split),
            Ok((_, Err(e))) => return self.fail(e),
            Err(e) => return self.fail(broken(&e)),
        };
        if let Some(cache_writer) = &mut self.cache_writer {
            cache_writer.page_listed(&partition, &mut split);
        }
        let SplitPage { unread, found, next, rest, .. } = split;
        let day = partition.day;
        let open = self.days.entry(day).or_default();
        open.objects += found.len() + unread.len();
        self.steps.extend(found.into_iter().map(|found| ReadEvent::Object(Box::new(found))));
        if !unread.is_empty() {
            (open.unread, self.waiting) = (open.unread + unread.len(), self.waiting + unread.len());
            self.listed.entry(day).or_default().extend(unread);
        }
        match next {
            // To the front, so that started partitions are completed first.
            Some(next) => self.pages.push_front(ListingCursor { partition, after: Some(next), rest }),
            None => open.listing -= 1,
        }
    }

    /// Starts reads of waiting objects, the earliest day first.
    fn read(&mut self) {
        while self.reads.len() < self.reads_at_once {
            let Some(mut first) = self.listed.first_entry() else { return };
            let (day, waiting) = (*first.key(), first.get_mut());
            let batch: Vec<ObjectMeta> = waiting.drain(..waiting.len().min(self.hints.batch_size)).collect();
            if waiting.is_empty() {
                first.remove();
            }
            self.waiting -= batch.len();
            let reader = self.reader.clone();
            self.reads.spawn(async move { (day, reader.read_batch(batch).await) });
        }
    }

    fn object_arrived(&mut self, read: Result<(NaiveDate, Vec<Result<ReadObject, Error>>), JoinError>) {
        let (day, batch) = match read {
            Ok(read) => read,
            Err(e) => return self.fail(broken(&e)),
        };
        if let Some(open) = self.days.get_mut(&day) {
            open.unread -= batch.len();
        }
        for found in batch {
            match found {
                Ok(found) => {
                    if let Some(cache_writer) = &mut self.cache_writer {
                        cache_writer.object_read(&found);
                    }
                    self.steps.push_back(ReadEvent::Object(Box::new(found)));
                }
                Err(e) => return self.fail(e),
            }
        }
    }

    fn close(&mut self) {
        while self.failed.is_none()
            && let Some(first) = self.days.first_entry()
            && first.get().listing == 0
            && first.get().unread == 0
        {
            self.steps.push_back(ReadEvent::DayComplete(first.remove_entry().0));
        }
    }

    /// Ends the walk after an error of the complete lake.
    fn fail(&mut self, e: Error) {
        self.reads.abort_all();
        self.listings.abort_all();
        self.failed.get_or_insert(e);
    }
}

fn broken(e: &JoinError) -> Error {
    Error::new(Reason::Other, "read", format!("a reader failed: {e}"))
}

#[cfg(test)]
mod tests;
