//! Batching of messages: fills each batch up to the topic's limits, with a bounded wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Settings;
use super::entry::{Entry, InvalidMessage};
use super::pacer::{Pacer, SendTime};
use crate::topic::BatchLimits;

/// Maximum number of invalid messages in one batch.
const INVALID: usize = 1_000;

/// Result of reading one message, as sent by the reading thread.
pub(super) type ReadResult = Result<Result<Entry, InvalidMessage>, anyhow::Error>;

/// Consecutive messages: those to send in one request, and the invalid ones between them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub entries: Vec<Entry>,
    pub invalid: Vec<InvalidMessage>,
    /// When the batch is due: when its last message is. `None` if it can be sent immediately.
    pub due: Option<Instant>,
    bytes: usize,
}

impl Batch {
    /// Returns the number of messages read for this batch, including invalid ones.
    pub(super) fn read(&self) -> u64 {
        (self.entries.len() + self.invalid.len()) as u64
    }

    fn is_full(&self, limits: BatchLimits) -> bool {
        self.entries.len() >= limits.entries || self.invalid.len() >= INVALID
    }
}

/// Groups messages into batches as they are read.
#[derive(Debug)]
pub(super) struct Batcher {
    messages: mpsc::Receiver<Vec<ReadResult>>,
    /// Messages received from the reading thread and not yet processed.
    ahead: VecDeque<ReadResult>,
    limits: BatchLimits,
    /// How long an incomplete batch waits for more messages.
    linger: Duration,
    /// True if a batch must not contain 2 messages of one group, because one could be rejected and the other accepted.
    keeps_order: bool,
    pace: Pacer,
    batch: Batch,
    /// When the current batch is sent, even if incomplete.
    closes: Instant,
    /// Start of the current wait for the next message; `None` when not waiting.
    starved_since: Option<Instant>,
    /// Time already spent waiting for the next message, up to the last batch that was returned without it. Later
    /// delays, such as a stalled topic, are not attributed to the source.
    starved_before: Duration,
    failed: Option<anyhow::Error>,
    /// True if a message was read for which the schedule has no time.
    schedule_has_ended: bool,
}

impl Batcher {
    pub(super) fn new(
        messages: mpsc::Receiver<Vec<ReadResult>>,
        limits: BatchLimits,
        settings: &Settings,
        pace: Pacer,
    ) -> Self {
        Self {
            messages,
            ahead: VecDeque::new(),
            limits,
            linger: settings.linger,
            keeps_order: settings.keeps_order,
            pace,
            batch: Batch::default(),
            closes: Instant::now(),
            starved_since: None,
            starved_before: Duration::ZERO,
            failed: None,
            schedule_has_ended: false,
        }
    }

    /// Returns true if the schedule ended before the messages did.
    pub(super) fn schedule_has_ended(&self) -> bool {
        self.schedule_has_ended
    }

    /// Returns the number of messages that were read but are in no returned batch. Closes the channel; the reading
    /// thread counts the rest.
    pub(super) async fn left(mut self) -> u64 {
        self.messages.close();
        let mut left = self.batch.read() + self.ahead.iter().filter(|read| read.is_ok()).count() as u64;
        while let Some(lot) = self.messages.recv().await {
            left += lot.iter().filter(|read| read.is_ok()).count() as u64;
        }
        left
    }

    /// Returns how far the schedule was delayed because there was nothing to send.
    pub(super) fn starved(&self) -> Duration {
        self.pace.starved()
    }

    /// Returns the next batch, or `None` when there are no more messages. Cancel safe: dropping the future loses no
    /// message.
    ///
    /// # Errors
    ///
    /// Returns an error if a file could not be read further, after all messages read before it were returned.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Batch>> {
        while self.failed.is_none() && !self.batch.is_full(self.limits) && self.fill_lookahead().await {
            if !self.take() {
                break;
            }
        }
        if self.batch.read() > 0 {
            self.starved_before += self.starved_since.take().map_or(Duration::ZERO, |since| since.elapsed());
            return Ok(Some(std::mem::take(&mut self.batch)));
        }
        self.failed.take().map_or(Ok(None), Err)
    }

    /// Waits for the next message, at most until the batch closes. Returns false if there is none.
    async fn fill_lookahead(&mut self) -> bool {
        while self.ahead.is_empty() {
            let got = match self.messages.try_recv() {
                Ok(got) => Some(got),
                Err(mpsc::error::TryRecvError::Disconnected) => None,
                Err(mpsc::error::TryRecvError::Empty) => {
                    self.starved_since.get_or_insert_with(Instant::now);
                    if self.batch.read() == 0 {
                        self.messages.recv().await
                    } else {
                        tokio::time::timeout_at(self.closes.into(), self.messages.recv()).await.unwrap_or_default()
                    }
                }
            };
            let Some(got) = got else { return false };
            self.ahead.extend(got);
        }
        true
    }

    /// Adds the next message to the batch. Returns false if it belongs to a later batch.
    fn take(&mut self) -> bool {
        let entry = match self.ahead.pop_front() {
            None => return false,
            Some(Err(e)) => {
                self.failed = Some(e);
                return false;
            }
            Some(Ok(Err(invalid))) => {
                self.open();
                self.batch.invalid.push(invalid);
                return true;
            }
            Some(Ok(Ok(entry))) => entry,
        };
        let starved = self.starved_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.pace.delay_by(&entry, std::mem::take(&mut self.starved_before) + starved);
        let due = match self.pace.due(&entry) {
            SendTime::Immediately => None,
            SendTime::At(due) => Some(due),
            SendTime::Ended => {
                self.ahead.push_front(Ok(Ok(entry)));
                self.schedule_has_ended = true;
                return false;
            }
        };
        let bytes = entry.message.size_bytes();
        let fits = self.batch.bytes + bytes <= self.limits.bytes;
        let in_time = due.is_none_or(|due| {
            self.batch.entries.first().and_then(|first| first.due).is_none_or(|first| due <= first + self.linger)
        });
        if !(self.batch.entries.is_empty() || fits && in_time && self.keeps_order_with(&entry)) {
            self.ahead.push_front(Ok(Ok(entry)));
            return false;
        }
        self.open();
        self.pace.take();
        if self.batch.entries.is_empty()
            && let Some(due) = due
        {
            self.closes = due + self.linger;
        }
        self.batch.bytes += bytes;
        self.batch.due = due;
        self.batch.entries.push(Entry { due, ..entry });
        true
    }

    fn keeps_order_with(&self, entry: &Entry) -> bool {
        let of_its_group = |one: &Entry| one.message.group() == entry.message.group();
        !(self.keeps_order && self.batch.entries.iter().any(of_its_group))
    }

    /// Starts the wait time of a batch at its first message.
    fn open(&mut self) {
        if self.batch.read() == 0 {
            self.closes = Instant::now() + self.linger;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::super::schedule::Schedule;
    use super::*;

    const LIMITS: BatchLimits = BatchLimits { entries: 3, bytes: 100 };
    const LINGER: Duration = Duration::from_millis(20);

    fn read(index: u64, bytes: usize) -> ReadResult {
        Ok(Ok(entry(index, bytes)))
    }

    fn invalid(index: u64) -> ReadResult {
        Ok(Err(InvalidMessage { index, place: "f:2".into(), reason: "bad".into() }))
    }

    fn batches(reads: Vec<ReadResult>, schedule: &Schedule) -> (Batcher, mpsc::Sender<Vec<ReadResult>>) {
        let (send, receive) = mpsc::channel(64);
        send.try_send(reads).unwrap();
        let settings = Settings { linger: LINGER, ..Settings::default() };
        (Batcher::new(receive, LIMITS, &settings, Pacer::new(schedule)), send)
    }

    async fn all(reads: Vec<ReadResult>, schedule: &Schedule) -> Vec<Vec<u64>> {
        let (mut batches, send) = batches(reads, schedule);
        drop(send);
        let mut found = Vec::new();
        while let Some(batch) = batches.next().await.unwrap() {
            found.push(batch.entries.iter().map(|entry| entry.index).collect());
        }
        found
    }

    #[tokio::test]
    async fn a_batch_respects_both_limits_and_the_order() {
        let small = (0..7).map(|n| read(n, 10)).collect();
        assert_eq!(all(small, &Schedule::None).await, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        let sizes = [60, 40, 1, 99, 100, 30];
        let large = (0..).zip(sizes).map(|(n, bytes)| read(n, bytes)).collect();
        assert_eq!(all(large, &Schedule::None).await, [vec![0, 1], vec![2, 3], vec![4], vec![5]]);
    }

    #[tokio::test]
    async fn with_keeps_order_a_batch_holds_one_message_per_group() {
        let (send, receive) = mpsc::channel(1);
        let lot = |index: u64, lot: &str| {
            let mut entry = entry(index, 1);
            (entry.message.cod_cliente, entry.message.id_lote) = (Some("F".into()), Some(lot.into()));
            Ok(Ok(entry))
        };
        send.try_send(vec![lot(0, "1"), lot(1, "2"), lot(2, "1"), lot(3, "3"), lot(4, "3")]).unwrap();
        drop(send);
        let settings = Settings { keeps_order: true, ..Settings::default() };
        let mut batches = Batcher::new(receive, LIMITS, &settings, Pacer::new(&Schedule::None));
        let mut found = Vec::new();
        while let Some(batch) = batches.next().await.unwrap() {
            found.push(batch.entries.iter().map(|entry| entry.index).collect::<Vec<_>>());
        }
        assert_eq!(found, [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[tokio::test]
    async fn messages_wait_for_each_other_at_most_for_the_linger_time() {
        let schedule = |text: &str| Schedule::Rate(text.parse().unwrap());
        let four = || (0..4).map(|n| read(n, 1)).collect();
        assert_eq!(all(four(), &schedule("1000/s")).await, [vec![0, 1, 2], vec![3]]);
        assert_eq!(all(four(), &schedule("50/s")).await, [vec![0, 1], vec![2, 3]], "20 ms apart");
        assert_eq!(all(four(), &schedule("20/s")).await, [vec![0], vec![1], vec![2], vec![3]]);
    }

    #[tokio::test]
    async fn an_incomplete_batch_does_not_wait_long() {
        let (mut batches, send) = batches(vec![read(0, 1)], &Schedule::None);
        let started = Instant::now();
        let batch = batches.next().await.unwrap().unwrap();
        assert_eq!(batch.entries.len(), 1);
        assert!(started.elapsed() < Duration::from_secs(1) && started.elapsed() >= LINGER / 2);
        drop(send);
        assert!(batches.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn invalid_messages_are_counted_in_input_order() {
        let reads = vec![read(0, 1), invalid(1), read(2, 1), read(3, 1), invalid(4)];
        let (mut batches, send) = batches(reads, &Schedule::None);
        drop(send);
        let batch = batches.next().await.unwrap().unwrap();
        assert_eq!((batch.read(), batch.entries.len()), (4, 3));
        let batch = batches.next().await.unwrap().unwrap();
        assert_eq!((batch.read(), batch.entries.len()), (1, 0));
    }

    #[tokio::test]
    async fn the_rest_is_not_read_after_a_schedule_has_ended() {
        let stages = Schedule::Stages("hold:100/s:0.05s".parse().unwrap());
        assert_eq!(all((0..20).map(|n| read(n, 1)).collect(), &stages).await.concat(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_starved_schedule_is_delayed() {
        let (mut batches, send) = batches(vec![read(0, 1)], &Schedule::Rate("1000/s".parse().unwrap()));
        batches.next().await.unwrap();
        let later = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            send.try_send(vec![read(1, 1)]).unwrap();
        });
        let batch = batches.next().await.unwrap().unwrap();
        later.await.unwrap();
        assert!(batch.due.unwrap().elapsed() < Duration::from_millis(50), "the delay is not attributed to the topic");
        assert!(batches.starved() > Duration::from_millis(150), "{:?}", batches.starved());
    }

    #[tokio::test]
    async fn a_stall_of_the_topic_is_not_attributed_to_the_source() {
        let (mut batches, send) = batches(vec![read(0, 1)], &Schedule::Rate("1000/s".parse().unwrap()));
        batches.next().await.unwrap(); // waited for the next message and returned without it
        send.try_send((1..4).map(|n| read(n, 1)).collect()).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await; // no free slot among the batches in flight
        let batch = batches.next().await.unwrap().unwrap();
        assert!(batch.due.unwrap().elapsed() > Duration::from_millis(200), "the batch is late, and reported as late");
        assert!(batches.starved() < Duration::from_millis(100), "{:?}", batches.starved());
    }

    #[tokio::test]
    async fn a_late_batch_keeps_its_scheduled_time() {
        let reads = (0..30).map(|n| read(n, 1)).collect();
        let (mut batches, _send) = batches(reads, &Schedule::Rate("1000/s".parse().unwrap()));
        let first = batches.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let second = batches.next().await.unwrap().unwrap();
        assert_eq!(second.due.unwrap() - first.due.unwrap(), Duration::from_millis(3));
        assert_eq!(batches.starved(), Duration::ZERO);
    }
}
