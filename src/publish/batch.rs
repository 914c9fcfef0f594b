//! Batching: as many messages as one call may hold, and no waiting for more than a moment. Owns the limits of a batch.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::entry::{Entry, Invalid};
use crate::history;
use crate::topic::Limits;

/// How long a batch that is not full waits for more, so that a message typed or piped in slowly does not lie about.
const LINGER: Duration = Duration::from_millis(100);
/// Invalid messages that are taken down at once.
const INVALID: usize = 1_000;

/// What the reading thread hands over for each message.
pub(super) type Read = Result<Result<Entry, Invalid>, history::Error>;

/// Messages that follow one another: those to send in one call, and those between them that are not sent.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub entries: Vec<Entry>,
    pub invalid: Vec<Invalid>,
    /// How long it waited for messages that were not there yet.
    pub starved: Duration,
    bytes: usize,
}

impl Batch {
    /// How many messages were read for it.
    pub(super) fn read(&self) -> u64 {
        (self.entries.len() + self.invalid.len()) as u64
    }

    fn is_full(&self, limits: Limits) -> bool {
        self.entries.len() >= limits.entries || self.invalid.len() >= INVALID
    }
}

/// Batches as they come.
#[derive(Debug)]
pub(super) struct Batches {
    messages: mpsc::Receiver<Read>,
    limits: Limits,
    batch: Batch,
    /// When the batch got its first message.
    opened: Instant,
    /// A message that no longer fitted.
    left_over: Option<Entry>,
    failed: Option<history::Error>,
    starved_since: Option<Instant>,
}

impl Batches {
    pub(super) fn new(messages: mpsc::Receiver<Read>, limits: Limits) -> Self {
        let opened = Instant::now();
        let batch = Batch::default();
        Self { messages, limits, batch, opened, left_over: None, failed: None, starved_since: None }
    }

    /// The next batch; none when there is nothing more. Dropped before it is done, it has lost nothing.
    ///
    /// # Errors
    /// A file could not be read on; what was read before has been handed over.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>, history::Error> {
        while self.failed.is_none() && !self.batch.is_full(self.limits) {
            match self.read().await {
                Next::Message(Ok(Ok(entry))) => {
                    let fits = self.batch.bytes + entry.message.size_bytes() <= self.limits.bytes;
                    if !fits && !self.batch.entries.is_empty() {
                        self.left_over = Some(entry);
                        break;
                    }
                    self.batch.bytes += entry.message.size_bytes();
                    self.batch.entries.push(entry);
                }
                Next::Message(Ok(Err(invalid))) => self.batch.invalid.push(invalid),
                Next::Message(Err(e)) => self.failed = Some(e),
                Next::Nothing => break,
            }
        }
        if self.batch.read() > 0 {
            return Ok(Some(std::mem::take(&mut self.batch)));
        }
        self.failed.take().map_or(Ok(None), Err)
    }

    async fn read(&mut self) -> Next {
        if let Some(entry) = self.left_over.take() {
            self.opened = Instant::now();
            return Next::Message(Ok(Ok(entry)));
        }
        let got = match self.messages.try_recv() {
            Ok(got) => Some(got),
            Err(mpsc::error::TryRecvError::Disconnected) => None,
            Err(mpsc::error::TryRecvError::Empty) => {
                self.starved_since.get_or_insert_with(Instant::now);
                let got = if self.batch.read() == 0 {
                    self.messages.recv().await
                } else {
                    let until = self.opened + LINGER;
                    tokio::time::timeout_at(until.into(), self.messages.recv()).await.unwrap_or_default()
                };
                self.batch.starved += self.starved_since.take().map_or(Duration::ZERO, |since| since.elapsed());
                got
            }
        };
        if self.batch.read() == 0 {
            self.opened = Instant::now();
        }
        got.map_or(Next::Nothing, Next::Message)
    }
}

enum Next {
    Message(Read),
    /// There is nothing more, or nothing more in time.
    Nothing,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::topic::Message;

    const LIMITS: Limits = Limits { entries: 3, bytes: 100 };

    fn entry(index: u64, bytes: usize) -> Read {
        let message = Message { body: Bytes::from(vec![b'x'; bytes]), cod_cliente: None, dedup: index.to_string() };
        Ok(Ok(Entry { index, file: "f".into(), line: index + 1, message }))
    }

    async fn all(reads: Vec<Read>) -> Vec<Vec<u64>> {
        let (send, receive) = mpsc::channel(64);
        for read in reads {
            send.try_send(read).unwrap();
        }
        drop(send);
        let (mut batches, mut found) = (Batches::new(receive, LIMITS), Vec::new());
        while let Some(batch) = batches.next().await.unwrap() {
            found.push(batch.entries.iter().map(|entry| entry.index).collect());
        }
        found
    }

    #[tokio::test]
    async fn a_batch_keeps_to_entries_and_bytes_and_to_the_order() {
        let small = (0..7).map(|n| entry(n, 10)).collect();
        assert_eq!(all(small).await, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        let sizes = [60, 40, 1, 99, 100, 30];
        let large = (0..).zip(sizes).map(|(n, bytes)| entry(n, bytes)).collect();
        assert_eq!(all(large).await, [vec![0, 1], vec![2, 3], vec![4], vec![5]]);
    }

    #[tokio::test]
    async fn a_batch_that_is_not_full_does_not_wait_for_long() {
        let (send, receive) = mpsc::channel(64);
        let mut batches = Batches::new(receive, LIMITS);
        send.try_send(entry(0, 1)).unwrap();
        let begun = Instant::now();
        let batch = batches.next().await.unwrap().unwrap();
        assert_eq!(batch.entries.len(), 1);
        assert!(begun.elapsed() < Duration::from_secs(1) && batch.starved >= LINGER / 2);
        drop(send);
        assert!(batches.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn invalid_messages_are_counted_where_they_stood() {
        let invalid = || Ok(Err(Invalid { place: "f:2".into(), reason: "bad".into() }));
        let (send, receive) = mpsc::channel(64);
        for read in [entry(0, 1), invalid(), entry(2, 1), entry(3, 1), invalid()] {
            send.try_send(read).unwrap();
        }
        drop(send);
        let mut batches = Batches::new(receive, LIMITS);
        let batch = batches.next().await.unwrap().unwrap();
        assert_eq!((batch.read(), batch.entries.len()), (4, 3));
        let batch = batches.next().await.unwrap().unwrap();
        assert_eq!((batch.read(), batch.entries.len()), (1, 0));
    }
}
