//! State of a FIFO topic: the ids of the last minutes, and its sequence number.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::sns::response::Accepted;

/// The first sequence number, as SNS has them: 20 digits.
const FIRST: u64 = 10_000_000_000_000_000_000;

/// State of a topic.
#[derive(Debug, Default)]
pub(crate) struct Fifo {
    known: HashMap<String, Accepted>,
    /// The ids in order of arrival.
    order: VecDeque<(Instant, String)>,
    sent: u64,
}

impl Fifo {
    /// Returns the sequence number of a message, the next one or that of an earlier duplicate, and true if it is new.
    pub fn take(&mut self, dedup: &str, new: Accepted, remembers: Duration) -> (Accepted, bool) {
        let now = Instant::now();
        while self.order.front().is_some_and(|(since, _)| now.duration_since(*since) >= remembers) {
            if let Some((_, id)) = self.order.pop_front() {
                self.known.remove(&id);
            }
        }
        if let Some(first) = self.known.get(dedup) {
            return (*first, false);
        }
        let accepted = Accepted { sequence: Some(FIRST + self.sent), ..new };
        self.sent += 1;
        self.known.insert(dedup.to_owned(), accepted);
        self.order.push_back((now, dedup.to_owned()));
        (accepted, true)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_repeat_is_answered_as_the_first_was_until_it_is_forgotten() {
        let (mut fifo, long) = (Fifo::default(), Duration::from_secs(300));
        let accepted = |n| Accepted { message_id: Uuid::from_u128(n), sequence: None };
        let (first, new) = fifo.take("a", accepted(1), long);
        assert!(new);
        assert_eq!(fifo.take("a", accepted(2), long), (first, false));
        let (second, _) = fifo.take("b", accepted(3), long);
        assert!(second.sequence > first.sequence);
        assert!(fifo.take("a", accepted(4), Duration::ZERO).1, "forgotten");
    }
}
