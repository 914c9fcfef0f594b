//! A batch of messages, bounded by their number and their bytes.

use crate::history::InputMessage;

/// Maximum number of messages per batch.
const MESSAGES: usize = 1_000;

/// Number of bytes at which a batch is full. Readings have about 300; a file can have lines of megabytes.
const BYTES: usize = 8 * 1024 * 1024;

/// Messages that are processed together.
#[derive(Debug, Default)]
pub(super) struct MessageBatch {
    messages: Vec<InputMessage>,
    bytes: usize,
}

impl MessageBatch {
    /// Adds a message; returns the batch if it is full then.
    pub(super) fn push(&mut self, message: InputMessage) -> Option<Vec<InputMessage>> {
        self.bytes += message.size_bytes();
        self.messages.push(message);
        (self.messages.len() >= MESSAGES || self.bytes >= BYTES).then(|| self.take())
    }

    /// Returns the number of messages.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Removes all messages after the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.messages.truncate(len);
        self.bytes = self.messages.iter().map(InputMessage::size_bytes).sum();
    }

    /// Returns the messages, and starts a new batch.
    pub(super) fn take(&mut self) -> Vec<InputMessage> {
        std::mem::take(self).messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_after(bytes: usize) -> usize {
        let mut batch = MessageBatch::default();
        let message = InputMessage { file: "a".into(), line: 1, body: vec![b'x'; bytes].into() };
        let full = (1..).find_map(|n| batch.push(message.clone()).map(|full| (n, full.len()))).unwrap();
        assert_eq!((full.0, batch.take().len()), (full.1, 0));
        full.0
    }

    #[test]
    fn a_batch_is_full_by_number_or_by_bytes() {
        assert_eq!([300, 100_000, BYTES, 4 * BYTES].map(full_after), [MESSAGES, 84, 1, 1]);
    }
}
