//! A read under way: objects in flight, and the days that are open. What an object holds is `read`'s.

use std::collections::VecDeque;

use chrono::NaiveDate;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use tokio::task::JoinSet;

use super::listed::Listed;
use super::read::{Found, Reader, Step};
use super::{Error, Reason};

/// Days that are open at once, however many objects they have.
const DAYS: usize = 4;

/// More days than [`DAYS`] may be open while they hold fewer objects than this times the reads at once: where days are
/// small, a slow object would otherwise hold the others up.
const LOAD: usize = 8;

/// A day that was begun and not closed.
#[derive(Debug)]
struct Open {
    day: NaiveDate,
    /// Objects begun, for the bound on days.
    begun: usize,
    /// Objects in flight.
    flying: usize,
    /// The listing has no more of it.
    ended: bool,
}

/// The state of a read.
pub(super) struct Reading {
    reader: Reader,
    listed: Option<BoxStream<'static, Result<Listed, Error>>>,
    /// Of a day that may not be opened yet.
    held: Option<Listed>,
    flight: JoinSet<(NaiveDate, Result<Found, Error>)>,
    days: VecDeque<Open>,
}

impl Reading {
    pub(super) fn new(reader: Reader, listed: BoxStream<'static, Result<Listed, Error>>) -> Self {
        Self { reader, listed: Some(listed), held: None, flight: JoinSet::new(), days: VecDeque::new() }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Step, Error>> + Send + 'static {
        stream::unfold(Some(self), |state| async move {
            let mut this = state?;
            match this.step().await {
                Ok(Some(step)) => Some((Ok(step), Some(this))),
                Ok(None) => None,
                Err(e) => Some((Err(e), None)),
            }
        })
    }

    async fn step(&mut self) -> Result<Option<Step>, Error> {
        loop {
            if let Some(day) = self.days.pop_front_if(|open| open.ended && open.flying == 0) {
                return Ok(Some(Step::Closed(day.day)));
            }
            let full = self.flight.len() >= self.reader.concurrency();
            if let Some(listed) = self.held.take_if(|listed| !full && may_begin(&self.days, listed, &self.reader)) {
                self.begin(listed);
                continue;
            }
            tokio::select! {
                listed = next(&mut self.listed), if !full && self.held.is_none() && self.listed.is_some() => match listed {
                    Some(listed) => self.held = Some(listed?),
                    None => self.listed = None,
                },
                Some(done) = self.flight.join_next() => {
                    let (day, found) =
                        done.map_err(|e| Error::new(Reason::Other, "read", format!("a reader failed: {e}")))?;
                    if let Some(open) = self.days.iter_mut().find(|open| open.day == day) {
                        open.flying -= 1;
                    }
                    return Ok(Some(Step::Found(Box::new(found?))));
                }
                else => return Ok(None),
            }
        }
    }

    fn begin(&mut self, listed: Listed) {
        let day = match &listed {
            Listed::Object(day, _) | Listed::End(day) => *day,
        };
        if self.days.back().is_none_or(|open| open.day != day) {
            self.days.push_back(Open { day, begun: 0, flying: 0, ended: false });
        }
        let Some(open) = self.days.back_mut() else { return };
        match listed {
            Listed::End(_) => open.ended = true,
            Listed::Object(_, meta) => {
                open.begun += 1;
                open.flying += 1;
                let reader = self.reader.clone();
                self.flight.spawn(async move { (day, reader.read_object(meta).await) });
            }
        }
    }
}

async fn next(listed: &mut Option<BoxStream<'static, Result<Listed, Error>>>) -> Option<Result<Listed, Error>> {
    listed.as_mut()?.next().await
}

fn may_begin(days: &VecDeque<Open>, listed: &Listed, reader: &Reader) -> bool {
    let (Listed::Object(day, _) | Listed::End(day)) = listed;
    let known = days.back().is_some_and(|open| open.day == *day);
    known || days.len() < DAYS || days.iter().map(|open| open.begun).sum::<usize>() < LOAD * reader.concurrency()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use bytes::Bytes;
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::lake::memory::Memory;
    use crate::lake::{Depth, Lake, Meta, Page, Partition, Put, ReadSettings};

    /// A lake whose objects named `slow` come when they are told to, and that counts what it was asked.
    #[derive(Debug, Default)]
    struct Slow {
        lake: Memory,
        gate: tokio::sync::Notify,
        listed: std::sync::atomic::AtomicUsize,
        got: std::sync::atomic::AtomicUsize,
    }

    #[async_trait]
    impl Lake for Slow {
        fn address(&self) -> String {
            self.lake.address()
        }
        async fn list(&self, prefix: &str, depth: Depth, after: Option<&str>) -> Result<Page, Error> {
            self.listed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            self.lake.list(prefix, depth, after).await
        }
        async fn get(&self, key: &str) -> Result<Bytes, Error> {
            if key.contains("slow") {
                self.gate.notified().await;
            }
            self.got.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            self.lake.get(key).await
        }
        async fn put_new(&self, key: &str, body: Bytes) -> Result<Put, Error> {
            self.lake.put_new(key, body).await
        }
        async fn clock(&self) -> Result<DateTime<Utc>, Error> {
            self.lake.clock().await
        }
        fn beside(&self, name: &str) -> Arc<dyn Lake> {
            self.lake.beside(name)
        }
    }

    fn day(n: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2023, 1, n).unwrap()
    }

    /// Partitions of the days and farms, with so many objects each.
    async fn lake(days: u32, farms: &[&str], objects: usize) -> (Arc<Slow>, Vec<Partition>) {
        let lake = Slow::default();
        let mut partitions = Vec::new();
        for farm in farms {
            for n in 1..=days {
                let partition = Partition { farm: (*farm).to_owned(), day: day(n) };
                for m in 0..objects {
                    let name = format!("historico_consumo_2023-01-{n:02} 00:00:00.000_{m:05}.json");
                    lake.put_new(&format!("{}{name}", partition.prefix()), Bytes::from_static(b"{}")).await.unwrap();
                }
                partitions.push(partition);
            }
        }
        (Arc::new(lake), partitions)
    }

    fn reader(lake: &Arc<Slow>, concurrency: usize) -> Reader {
        Reader::new(Arc::clone(lake) as Arc<dyn Lake>, ReadSettings { concurrency, fence: DateTime::<Utc>::MAX_UTC })
    }

    fn closed(step: &Step) -> Option<NaiveDate> {
        match step {
            Step::Closed(day) => Some(*day),
            Step::Found(_) => None,
        }
    }

    #[tokio::test]
    async fn every_object_comes_once_before_its_day_closes_and_days_close_in_order() {
        let (lake, mut partitions) = lake(9, &["b", "a"], 230).await; // three pages of the memory lake
        partitions.push(Partition { farm: "empty".into(), day: day(20) });
        let steps: Vec<Step> = reader(&lake, 7).read(partitions).map(Result::unwrap).collect().await;
        let days: Vec<NaiveDate> = steps.iter().filter_map(closed).collect();
        assert_eq!(days, (1..=9).chain([20]).map(day).collect::<Vec<_>>());
        let mut keys = std::collections::BTreeSet::new();
        let mut last = None;
        for step in steps {
            match step {
                Step::Closed(day) => last = Some(day),
                Step::Found(found) => {
                    assert!(last.is_none_or(|closed| found.key.as_ref().unwrap().day > closed), "{}", found.meta.key);
                    assert!(keys.insert(found.meta.key));
                }
            }
        }
        assert_eq!(keys.len(), 9 * 2 * 230);
    }

    #[tokio::test]
    async fn a_slow_object_holds_up_its_day_and_no_other_object() {
        let (lake, partitions) = lake(30, &["a"], 10).await;
        let slow = "a/2023/01/02/historico_consumo_2023-01-02 00:00:00.000_slow.json";
        lake.put_new(slow, Bytes::from_static(b"{}")).await.unwrap();
        let mut steps = std::pin::pin!(reader(&lake, 64).read(partitions));
        let (mut found, mut days) = (0, Vec::new());
        while found < 300 {
            let step = tokio::time::timeout(Duration::from_secs(10), steps.next()).await.unwrap().unwrap().unwrap();
            closed(&step).map_or_else(|| found += 1, |day| days.push(day));
        }
        assert_eq!(days, [day(1)], "the slow one's day and those after it wait for it");
        lake.gate.notify_one();
        let rest: Vec<Step> = steps.map(Result::unwrap).collect().await;
        assert!(matches!(&rest[0], Step::Found(found) if found.meta.key == slow));
        assert_eq!(rest[1..].iter().filter_map(closed).collect::<Vec<_>>(), (2..=30).map(day).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_is_read_ahead_of_a_slow_object_is_bounded() {
        let (lake, partitions) = lake(25, &["a"], 300).await;
        let slow = "a/2023/01/01/historico_consumo_2023-01-01 00:00:00.000_slow.json";
        lake.put_new(slow, Bytes::from_static(b"{}")).await.unwrap();
        let mut steps = std::pin::pin!(reader(&lake, 4).read(partitions));
        let mut found = 0;
        while let Ok(step) = tokio::time::timeout(Duration::from_millis(300), steps.next()).await {
            assert!(closed(&step.unwrap().unwrap()).is_none());
            found += 1;
        }
        assert_eq!(found, DAYS * 300, "four days were opened and no more");
        assert!(lake.listed.load(std::sync::atomic::Ordering::SeqCst) < 25 + 3 * DAYS);
        lake.gate.notify_one();
        assert_eq!(steps.map(Result::unwrap).filter(|s| std::future::ready(closed(s).is_some())).count().await, 25);
    }

    #[tokio::test]
    async fn a_read_that_is_dropped_stops() {
        let (lake, partitions) = lake(25, &["a"], 300).await;
        let mut steps = Box::pin(reader(&lake, 4).read(partitions));
        steps.next().await.unwrap().unwrap();
        drop(steps);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(lake.got.load(std::sync::atomic::Ordering::SeqCst) <= 8);
    }

    #[allow(dead_code, reason = "a read goes from task to task")]
    fn is_send(reader: &Reader) -> impl Send {
        reader.read(Vec::<Partition>::new()).map(|step| step.map(|_: Step| Meta::clone))
    }
}
