//! In-memory topic for tests: stores what was published, and fails on request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{BatchLimits, EntryError, Error, Message, Topic};
use pipeline::error::Kind;

/// A fault injected into the next call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The call fails, and nothing was published.
    Call(Kind),
    /// The call fails although everything was published: a lost response.
    LostAnswer,
    /// The entry at this index is rejected.
    Entry(usize, Kind),
}

#[derive(Debug, Default)]
struct State {
    published: Vec<Message>,
    faults: VecDeque<Fault>,
    calls: usize,
}

/// In-memory topic; clones share its messages.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a fault for a later call; each call consumes one.
    pub fn fail_next(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// Returns everything published so far.
    pub fn published(&self) -> Vec<Message> {
        self.state().published.clone()
    }

    /// Returns the number of calls so far.
    pub fn calls(&self) -> usize {
        self.state().calls
    }
}

#[async_trait]
impl Topic for Memory {
    fn address(&self) -> String {
        "memory".into()
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { entries: 10, bytes: 256 * 1024 }
    }

    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), EntryError>>, Error> {
        let mut state = self.state();
        state.calls += 1;
        let failed =
            |kind| Error { kind, code: "Planned".into(), topic: "memory".into(), message: "as planned".into() };
        let refused = match state.faults.pop_front() {
            Some(Fault::Call(kind)) => return Err(failed(kind)),
            Some(Fault::LostAnswer) => {
                state.published.extend_from_slice(batch);
                return Err(failed(Kind::Transient));
            }
            Some(Fault::Entry(at, kind)) => Some((at, kind)),
            None => None,
        };
        let mut answers = Vec::with_capacity(batch.len());
        for (at, message) in batch.iter().enumerate() {
            match refused {
                Some((refused, kind)) if refused == at => {
                    answers.push(Err(EntryError { kind, code: "Planned".into(), message: "as planned".into() }));
                }
                _ => {
                    state.published.push(message.clone());
                    answers.push(Ok(()));
                }
            }
        }
        Ok(answers)
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
